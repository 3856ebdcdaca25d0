"""sasl_digest.ldap3: every strategy binds to a real server; what its users may give it; install() and uninstall()."""

import logging
import threading
from collections.abc import Callable
from hashlib import md5
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import LDAPInvalidCredentialsResult
from ldap3.utils.log import BASIC, OFF, set_library_log_detail_level

from sasl_digest import QOP, Cipher, Reason, Success, UsageError
from sasl_digest.ldap3 import Credentials, DigestBindError, DigestConnection, install, uninstall
from tests.interop.conftest import Scripted, tool
from tests.interop.connections import (
    BASE,
    U1,
    WRONG,
    bound,
    connection,
    every_strategy,
    pool,
    pool_name,
    stock,
    uids,
)

# A real server.


@every_strategy
def test_every_strategy_binds_and_searches(directory_server: str, strategy: str) -> None:
    with connection(directory_server, client_strategy=strategy) as conn:
        assert bound(conn)
        assert {"u1", "jürgen"} <= uids(conn)
        assert isinstance(conn.digest_outcome, Success)
        assert conn.digest_outcome.realm == "contoso.com"


@every_strategy
def test_every_strategy_reports_a_wrong_password_and_may_bind_again(directory_server: str, strategy: str) -> None:
    with connection(directory_server, WRONG, client_strategy=strategy) as conn:
        assert not bound(conn)
        assert conn.last_error == "invalidCredentials"
        assert not conn.closed
        assert conn.digest_outcome is None
        conn.rebind(sasl_credentials=U1)
        assert conn.bound
        assert {"u1", "jürgen"} <= uids(conn)


@every_strategy
def test_every_strategy_raises_the_servers_verdict_when_asked_to(directory_server: str, strategy: str) -> None:
    with connection(directory_server, WRONG, client_strategy=strategy, raise_exceptions=True) as conn:
        with pytest.raises(LDAPInvalidCredentialsResult):
            conn.bind()
        assert not conn.bound
        conn.sasl_credentials = U1
        assert bound(conn)


@every_strategy
def test_every_strategy_aborts_an_exchange_so_that_the_connection_lives_on(
    directory_server: str, strategy: str
) -> None:
    refused = Credentials("u1", "password", realm="fabrikam.com", strict_realm=True)
    with connection(directory_server, refused, client_strategy=strategy, raise_exceptions=True) as conn:
        with pytest.raises(DigestBindError, match=r"realm 'fabrikam.com' was not offered .*'contoso.com'") as error:
            conn.bind()
        assert error.value.reason is Reason.REALM
        assert (conn.bound, conn.closed) == (False, False)
        conn.sasl_credentials = U1
        assert bound(conn)
        assert {"u1", "jürgen"} <= uids(conn)


def test_names_and_passwords_outside_ascii(directory_server: str) -> None:
    with connection(directory_server, Credentials("jürgen", "pässwörd")) as conn:
        assert bound(conn)


def test_ldap3s_tuple_is_taken_as_it_is(directory_server: str) -> None:
    with connection(directory_server, ("contoso.com", "u1", "password", None)) as conn:
        assert bound(conn)
    with connection(directory_server, (None, "u1", "password", "")) as conn:
        assert bound(conn)


def test_a_stored_hash_binds(directory_server: str) -> None:
    ha1 = md5(b"u1:contoso.com:password").digest()
    with connection(directory_server, Credentials("u1", ha1=ha1, realm="contoso.com")) as conn:
        assert bound(conn)
        conn.rebind(sasl_credentials=Credentials("u1", ha1=ha1[::-1], realm="contoso.com"))
        assert not conn.bound


def test_with_statement_binds_and_unbinds(directory_server: str) -> None:
    with DigestConnection(directory_server, sasl_credentials=U1) as conn:
        assert {"u1", "jürgen"} <= uids(conn)
    assert (conn.bound, conn.closed) == (False, True)


def test_lazy_connection_binds_at_its_first_operation(directory_server: str) -> None:
    with connection(directory_server, lazy=True) as conn:
        assert bound(conn)
        assert conn.digest_outcome is None
        assert {"u1", "jürgen"} <= uids(conn)
        assert isinstance(conn.digest_outcome, Success)


def test_other_binds_are_ldap3s_own(directory_server: str) -> None:
    with DigestConnection(directory_server, f"uid=u1,ou=people,{BASE}", "password") as simple:
        assert {"u1", "jürgen"} <= uids(simple)


@pytest.mark.usefixtures("installed")
def test_reusable_pools_worker_itself_verifies_rspauth(directory_server: str) -> None:
    with pool(directory_server) as conn:
        assert bound(conn)
        worker: Any = conn.strategy.pool.workers[0].connection
        assert not isinstance(worker, DigestConnection)
        del worker.digest_outcome  # of the trial bind that REUSABLE makes and throws away
        assert {"u1", "jürgen"} <= uids(conn)
        assert worker.bound
        assert isinstance(worker.digest_outcome, Success)


def test_digest_connection_cannot_reach_into_a_pool(scripted: Scripted) -> None:
    server = scripted()
    for arguments in ({"client_strategy": ldap3.REUSABLE}, {"client_strategy": ldap3.REUSABLE, "auto_bind": True}):
        with pytest.raises(UsageError, match=r"REUSABLE.*install\(\)"):
            DigestConnection(server.url, sasl_credentials=U1, pool_name=pool_name(), **arguments)
    assert server.binds == []


# The caller's side.


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: Credentials("", "password"), "user: must not be empty"),
        (lambda: Credentials("u1"), "password, ha1: exactly one"),
        (lambda: Credentials("u1", "password", ha1=bytes(16), realm="r"), "password, ha1: exactly one"),
        (lambda: Credentials("u1", ha1=bytes(15), realm="r"), "HA1: 15 octets"),
        (lambda: Credentials("u1", ha1=bytes(16)), "realm: must be the one"),
        (lambda: Credentials("u1", "password", authzid=""), "authzid: must not be empty"),
        (lambda: Credentials("u\udcff", "password"), "user: cannot be written in UTF-8"),
        (lambda: Credentials("u1", "\udcff"), "password: cannot be written in UTF-8"),
        (lambda: Credentials.of(None), "sasl_credentials: Credentials are due"),
        (lambda: Credentials.of(("u1", "password")), "sasl_credentials: Credentials are due"),
        (lambda: Credentials.of((None, "u1", b"password", None)), "user and password must be str"),
        (lambda: Credentials.of((b"r", "u1", "password", None)), "realm and authzid must be str or None"),
        (lambda: Credentials.of((None, "u1", "password", None, ["sign"])), "the layer, in fifth place, must be"),
        (lambda: Credentials.of((None, "u1", "password", None, "SIGN")), "'sign', 'ENCRYPT' or None"),
        (
            lambda: Credentials("u1", "password", qop="auth-inf"),
            "qop: 'auth-inf' is none of auth, auth-int, auth-conf",
        ),
        (lambda: Credentials("u1", "password", qop=()), "qop: at least one must be named"),
        (
            lambda: Credentials("u1", "password", qop=["auth-conf"], cipher="aes"),
            "cipher: 'aes' is none of 3des, des",
        ),
        (lambda: Credentials("u1", "password", qop="auth-conf", cipher=[]), "cipher: at least one must be named"),
        (lambda: Credentials("u1", "password", cipher="rc4"), "cipher: has no place without qop auth-conf"),
    ],
)
def test_credentials_that_cannot_be_meant_are_refused(made: Callable[[], Credentials], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        made()


def test_qop_and_cipher_may_be_named_in_any_form() -> None:
    qops: list[QOP | str | list[QOP | str]] = ["auth-conf", QOP.AUTH_CONF, ["auth-conf", QOP.AUTH]]
    ciphers: list[Cipher | str | list[Cipher | str] | None] = [None, "rc4", Cipher.RC4, [Cipher.RC4, "3des"]]
    for wanted in qops:
        for cipher in ciphers:
            Credentials("u1", "password", qop=wanted, cipher=cipher).client("host")
    for fifth, qop in ((None, QOP.AUTH), ("", QOP.AUTH), ("sign", QOP.AUTH_INT), ("ENCRYPT", QOP.AUTH_CONF)):
        assert Credentials.of((None, "u1", "password", None, fifth)) == Credentials("u1", "password", qop=qop)


def test_password_is_in_no_repr_and_no_log(scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    assert "sesame" not in repr(Credentials("u1", "sesame"))
    assert "a5a5" not in repr(Credentials("u1", ha1=b"\xa5" * 16, realm="r")).replace("\\x", "")
    set_library_log_detail_level(BASIC)
    caplog.set_level(logging.DEBUG)
    try:
        with connection(scripted().url, Credentials("u1", "sesame")) as conn:
            bound(conn)
            assert "sesame" not in repr(conn)
    finally:
        set_library_log_detail_level(OFF)
    assert "instantiated Connection" in caplog.text
    assert "sesame" not in caplog.text


def test_install_and_uninstall_are_exact_and_may_be_repeated() -> None:
    theirs = dict(vars(ldap3.Connection))
    uninstall()
    assert dict(vars(ldap3.Connection)) == theirs
    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours = dict(vars(ldap3.Connection))
    assert {name for name in ours if ours[name] is not theirs.get(name)} == {"do_sasl_bind", "socket"}
    install()
    assert dict(vars(ldap3.Connection)) == ours
    uninstall()
    assert dict(vars(ldap3.Connection)) == theirs


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["do_sasl_bind", "socket"])
def test_uninstall_does_not_take_out_what_others_put_in_later(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    ours = dict(vars(ldap3.Connection))
    with monkeypatch.context() as others:
        others.setattr(ldap3.Connection, name, None)
        with pytest.raises(UsageError, match=f"{name} was replaced again"):
            uninstall()
    assert dict(vars(ldap3.Connection)) == ours


@pytest.mark.usefixtures("installed")
def test_install_leaves_other_mechanisms_and_mocks_to_ldap3(scripted: Scripted) -> None:
    server = scripted()
    external = ldap3.Connection(
        server.url, authentication=ldap3.SASL, sasl_mechanism=ldap3.EXTERNAL, sasl_credentials=()
    )
    assert not external.bind()
    external.unbind()
    assert [mechanism for mechanism, _ in server.binds] == ["EXTERNAL"]
    mock = stock(
        ldap3.Server("mock"), sasl_credentials=(None, "u1", "password", None), client_strategy=ldap3.MOCK_SYNC
    )
    mock.bind()
    assert not hasattr(mock, "digest_outcome")


def test_absent_program_is_a_skip_by_its_name_and_a_failure_when_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTEROP", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        tool("no-such-program")
    monkeypatch.setenv("INTEROP", "required")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed, and INTEROP=required"):
        tool("no-such-program")
    assert tool("sh").endswith("/sh")


def test_saslprep_is_for_user_and_password_and_done_when_asked_for(scripted: Scripted) -> None:
    server = scripted()
    # A soft hyphen and a full-width letter: prepared they are `password` and `u1`.
    for saslprep in (True, False):
        who = Credentials("\uff551", "pass\u00adword", saslprep=saslprep)
        with connection(server.url, who) as conn:
            assert bound(conn) is saslprep
    assert b'username="u1"' in server.responses[0]
    assert 'username="\uff551"'.encode() in server.responses[1]


@pytest.mark.parametrize(("user", "password"), [("u\u0007", "x"), ("u", "x\u0007")])
def test_what_saslprep_forbids_is_refused_at_once(user: str, password: str) -> None:
    with pytest.raises(UsageError, match=r"^(user|password): control characters forbidden \(RFC 4013\)$"):
        Credentials(user, password, saslprep=True)
