"""sasl_digest.ldap3: every strategy against a real server, and against servers that lie, mumble or hang up."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import (
    LDAPBindError,
    LDAPExceptionError,
    LDAPInvalidCredentialsResult,
    LDAPMaximumRetriesError,
)
from ldap3.utils.log import BASIC, OFF, set_library_log_detail_level

from sasl_digest import DigestError, MalformedMessage, PeerError, Reason, Success, UsageError
from sasl_digest.ldap3 import Credentials, DigestBindError, DigestConnection, RspauthError, install, uninstall
from tests.interop.conftest import CHALLENGE, Answer, Scripted, asking, digest, honest, lying, tool

BASE = "dc=contoso,dc=com"
U1 = Credentials("u1", "password")
WRONG = Credentials("u1", "Password")
STRATEGIES = [
    ldap3.SYNC,
    ldap3.ASYNC,
    ldap3.RESTARTABLE,
    ldap3.SAFE_SYNC,
    ldap3.SAFE_RESTARTABLE,
    ldap3.ASYNC_STREAM,
]
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)

# Connections are Any throughout: ldap3's stubs give most of what they return no type.


@contextmanager
def connection(url: str, credentials: object = U1, *, of: Any = DigestConnection, **arguments: Any) -> Iterator[Any]:
    """A connection that is closed in the end, whatever its state."""
    made = of(ldap3.Server(url), sasl_credentials=credentials, **arguments)
    try:
        yield made
    finally:
        made.strategy.close()


def stock(server: ldap3.Server, **arguments: Any) -> ldap3.Connection:
    return ldap3.Connection(server, authentication=ldap3.SASL, sasl_mechanism=ldap3.DIGEST_MD5, **arguments)


def bound(conn: Any) -> bool:
    """Bind, and say what `bind()` returned, which under the SAFE strategies is the first of a tuple."""
    returned = conn.bind()
    status = returned[0] if isinstance(returned, tuple) else returned
    assert status is conn.bound
    return bool(status)


def uids(conn: Any) -> set[str]:
    """The uids of all people, found by whatever way the strategy has of answering."""
    returned = conn.search(BASE, "(objectClass=inetOrgPerson)", attributes=["uid"])
    if isinstance(returned, tuple):
        entries = returned[2]
    elif conn.strategy.sync:
        entries = conn.response
    else:
        entries, _ = conn.get_response(returned)
    return {str(entry["attributes"]["uid"][0]) for entry in entries}


@pytest.fixture
def installed() -> Iterator[None]:
    install()
    yield
    uninstall()


@pytest.fixture
def impatient() -> Iterator[None]:
    """The asynchronous strategies learn only by ldap3's time-out, of 20 seconds, that a bind's connection is gone."""
    untyped: Any = ldap3
    usual = untyped.get_config_parameter("RESPONSE_WAITING_TIMEOUT")
    ldap3.set_config_parameter("RESPONSE_WAITING_TIMEOUT", 0.5)
    yield
    ldap3.set_config_parameter("RESPONSE_WAITING_TIMEOUT", usual)


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


_pool_names = (f"pool {number}" for number in itertools.count())


@contextmanager
def pool(url: str) -> Iterator[Any]:
    """A connection with the strategy REUSABLE and a pool of its own, of one."""
    conn: Any = stock(
        ldap3.Server(url),
        sasl_credentials=U1,
        client_strategy=ldap3.REUSABLE,
        pool_name=next(_pool_names),
        pool_size=1,
    )
    try:
        yield conn
    finally:
        conn.strategy.terminate()
        conn.strategy.pool.workers[0].connection.strategy.close()


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
            DigestConnection(server.url, sasl_credentials=U1, pool_name=next(_pool_names), **arguments)
    assert server.binds == []


# Servers that do not know the password.


def test_stock_ldap3_believes_a_wrong_rspauth_and_ours_raises(scripted: Scripted) -> None:
    server = scripted(verdict=lying)
    with connection(server.url, (None, "u1", "password", None), of=stock) as theirs:
        assert bound(theirs)
    with connection(server.url, (None, "u1", "password", None)) as ours, pytest.raises(RspauthError):
        ours.bind()


LIARS: dict[str, tuple[Callable[[], Answer], Callable[[bytes], Answer], str]] = {
    "wrong": (asking, lying, "rspauth is wrong"),
    "missing": (asking, lambda response: Answer(0), "no rspauth"),
    "empty": (asking, lambda response: Answer(0, b""), "no rspauth"),
    "malformed": (asking, lambda response: Answer(0, b"rspauth=0"), "rspauth: must be 32"),
    "the client's own": (
        asking,
        lambda response: Answer(0, b"rspauth=" + digest(response, "password", b"AUTHENTICATE:")),
        "rspauth is wrong",
    ),
    "success without exchange": (lambda: Answer(0), honest, "has proved nothing"),
    "success with the challenge": (lambda: Answer(0, CHALLENGE), honest, "has proved nothing"),
}


@every_strategy
@pytest.mark.parametrize(("opening", "verdict", "text"), LIARS.values(), ids=LIARS.keys())
def test_server_that_proves_nothing_is_left(
    scripted: Scripted,
    strategy: str,
    opening: Callable[[], Answer],
    verdict: Callable[[bytes], Answer],
    text: str,
) -> None:
    server = scripted(opening=opening, verdict=verdict)
    with connection(server.url, client_strategy=strategy) as conn:
        with pytest.raises(RspauthError, match=text) as error:
            conn.bind()
        assert (conn.bound, conn.closed) == (False, True)
        assert conn.digest_outcome is None
        assert conn.last_error == str(error.value)
        assert isinstance(error.value, PeerError)


def test_error_is_caught_by_ldap3s_names_and_by_ours() -> None:
    for kind in (LDAPBindError, LDAPExceptionError, DigestError):
        assert issubclass(DigestBindError, kind)
    # ldap3's RESTARTABLE strategies keep a history of errors by this very expression
    assert str(RspauthError(str(RspauthError("text", Reason.RSPAUTH)))) == "text"


def test_bound_connection_is_not_bound_when_a_rebind_ends_in_disbelief(scripted: Scripted) -> None:
    verdicts = iter([honest, lying])
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with connection(server.url) as conn:
        assert bound(conn)
        with pytest.raises(RspauthError):
            conn.rebind()
        assert (conn.bound, conn.closed) == (False, True)
        assert conn.digest_outcome is None


def test_bound_connection_is_anonymous_when_a_rebind_is_aborted(directory_server: str) -> None:
    with connection(directory_server) as conn:
        assert bound(conn)
        with pytest.raises(DigestBindError):
            conn.rebind(sasl_credentials=Credentials("u1", "password", realm="fabrikam.com", strict_realm=True))
        assert (conn.bound, conn.closed) == (False, False)


def test_lazy_connection_does_not_search_on_an_unproven_server(scripted: Scripted) -> None:
    with connection(scripted(verdict=lying).url, lazy=True) as conn:
        assert bound(conn)
        with pytest.raises(RspauthError):
            uids(conn)
        assert conn.closed


@pytest.mark.usefixtures("installed")
def test_installed_plain_connections_and_pools_do_not_believe_either(scripted: Scripted) -> None:
    url = scripted(verdict=lying).url
    with connection(url, of=stock) as plain, pytest.raises(RspauthError):
        plain.bind()
    with pool(url) as pooled:
        with pytest.raises(RspauthError):
            pooled.bind()
        assert not pooled.bound


@pytest.mark.usefixtures("installed")
def test_disbelief_in_a_pools_thread_reaches_the_caller_and_the_pool_lives_on(scripted: Scripted) -> None:
    verdicts = iter([honest, lying, honest])
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with pool(server.url) as conn:
        assert bound(conn)
        with pytest.raises(RspauthError, match="rspauth is wrong") as error:
            uids(conn)
        assert error.value.reason is Reason.RSPAUTH
        assert conn.get_response(conn.search("", "(objectClass=*)", ldap3.BASE))[1]["description"] == "success"
    assert len(server.responses) == 3


# What else servers say.


def test_challenge_without_auth_is_not_answered(scripted: Scripted) -> None:
    offers = b'qop="auth-int,auth-conf",cipher="rc4",algorithm=md5-sess,nonce="x",charset=utf-8,realm="contoso.com"'
    challenges = iter([offers, CHALLENGE])
    server = scripted(opening=lambda: asking(next(challenges)))
    with connection(server.url) as conn:
        with pytest.raises(
            DigestBindError, match="auth is not offered; the server offers auth-int, auth-conf"
        ) as error:
            conn.bind()
        assert error.value.reason is Reason.QOP
        assert not isinstance(error.value, PeerError)
        # an empty mechanism name takes the exchange back, and the connection is good for another
        assert server.binds == [("DIGEST-MD5", None), ("", None)]
        assert (conn.bound, conn.closed) == (False, False)
        assert bound(conn)


def test_malformed_challenge_is_named(scripted: Scripted) -> None:
    with connection(scripted(opening=lambda: asking(CHALLENGE + b',nonce="two"')).url) as conn:
        with pytest.raises(DigestBindError, match="nonce: must come only once") as error:
            conn.bind()
        assert isinstance(error.value.__cause__, MalformedMessage)
    with (
        connection(scripted(opening=lambda: Answer(14)).url) as conn,
        pytest.raises(DigestBindError, match="digest-challenge: is empty"),
    ):
        conn.bind()


@every_strategy
@pytest.mark.usefixtures("impatient")
def test_abort_that_the_server_does_not_answer_closes_the_connection(scripted: Scripted, strategy: str) -> None:
    server = scripted(opening=lambda: asking(b"nonce"), other=lambda: None)
    with connection(server.url, client_strategy=strategy) as conn:
        with pytest.raises(DigestBindError, match="no directive can be read"):
            conn.bind()
        assert (conn.bound, conn.closed) == (False, True)
        assert server.binds == [("DIGEST-MD5", None), ("", None)]


def test_first_of_two_realms_is_taken_and_the_named_one_preferred(scripted: Scripted) -> None:
    server = scripted(opening=lambda: asking(CHALLENGE + b',realm="fabrikam.com"'))
    with connection(server.url) as conn:
        assert bound(conn)
        assert conn.digest_outcome.realm == "contoso.com"
        conn.rebind(sasl_credentials=Credentials("u1", "password", realm="fabrikam.com"))
        assert conn.digest_outcome.realm == "fabrikam.com"
        assert conn.digest_note is None


def test_realm_that_was_not_offered_is_sent_and_noted(scripted: Scripted) -> None:
    with connection(scripted().url, Credentials("u1", "password", realm="CONTOSO")) as conn:
        assert bound(conn)
        assert conn.digest_outcome.realm == "CONTOSO"
        assert conn.digest_note == "realm 'CONTOSO' was not offered (offered: 'contoso.com')"


def test_challenge_with_spaces_without_realm_or_in_upper_case_stops_stock_ldap3_and_not_ours(
    scripted: Scripted,
) -> None:
    for challenge in (
        CHALLENGE.replace(b",", b", "),
        CHALLENGE.rpartition(b",")[0],
        CHALLENGE.replace(b"nonce", b"NONCE"),
    ):
        url = scripted(opening=lambda challenge=challenge: asking(challenge)).url
        with connection(url, (None, "u1", "password", None), of=stock) as theirs:
            assert not bound(theirs)
        with connection(url) as ours:
            assert bound(ours)


def test_digest_uri_names_the_host_as_typed_or_as_told(scripted: Scripted) -> None:
    server = scripted()
    with connection(f"ldap://LocalHost:{server.port}") as conn:
        assert bound(conn)
        conn.rebind(sasl_credentials=Credentials("u1", "password", service_host="dc1.contoso.com"))
        assert conn.bound
    assert [response.count(b'digest-uri="ldap/LocalHost"') for response in server.responses] == [1, 0]
    assert [response.count(b'digest-uri="ldap/dc1.contoso.com"') for response in server.responses] == [0, 1]


def test_digest_uri_has_brackets_around_an_ipv6_address(scripted: Scripted) -> None:
    try:
        server = scripted(address="::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with connection(server.url) as conn:
        assert bound(conn)
    assert b'digest-uri="ldap/[::1]"' in server.responses[0]


def test_authzid_is_sent_and_hashed(scripted: Scripted) -> None:
    server = scripted()
    with connection(server.url, (None, "u1", "password", "u:other")) as conn:
        assert bound(conn)
    assert b'authzid="u:other"' in server.responses[0]


def test_expired_nonce_is_answered_once_more(scripted: Scripted) -> None:
    stale = CHALLENGE.replace(b"AAEC", b"BBBB") + b",stale=true"
    verdicts = iter([lambda response: asking(stale), honest])
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with connection(server.url) as conn:
        assert bound(conn)
    assert [b'nonce="BBBB' in response for response in server.responses] == [False, True]


def test_server_for_which_every_nonce_is_expired_is_given_up(scripted: Scripted) -> None:
    server = scripted(verdict=lambda response: asking(CHALLENGE + b",stale=true"))
    with connection(server.url) as conn, pytest.raises(DigestBindError, match="where the verdict was due"):
        conn.bind()
    assert len(server.responses) == 2


def test_challenge_in_place_of_a_verdict_does_not_get_the_password_tried_again(scripted: Scripted) -> None:
    server = scripted(verdict=lambda response: asking())
    with connection(server.url) as conn, pytest.raises(DigestBindError, match="where the verdict was due"):
        conn.bind()
    assert len(server.responses) == 1
    assert server.binds[-1] == ("", None)


@pytest.mark.parametrize("strategy", [ldap3.RESTARTABLE, ldap3.SAFE_RESTARTABLE])
def test_restartable_strategies_do_not_send_a_refused_response_again(scripted: Scripted, strategy: str) -> None:
    server = scripted()
    with (
        connection(server.url, WRONG, client_strategy=strategy, raise_exceptions=True) as conn,
        pytest.raises(LDAPInvalidCredentialsResult),
    ):
        conn.bind()
    assert len(server.responses) == 1


@every_strategy
@pytest.mark.usefixtures("impatient")
def test_response_is_never_sent_twice_when_the_server_hangs_up(scripted: Scripted, strategy: str) -> None:
    server = scripted(verdict=lambda response: None)
    with connection(server.url, client_strategy=strategy) as conn:
        with pytest.raises(LDAPExceptionError):
            conn.bind()
        assert (conn.bound, conn.closed) == (False, True)
    assert len(server.responses) == 1


@pytest.mark.parametrize("strategy", [ldap3.RESTARTABLE, ldap3.SAFE_RESTARTABLE])
def test_restartable_strategies_ask_for_the_challenge_again_on_a_new_connection(
    scripted: Scripted, strategy: str
) -> None:
    openings = iter([None, asking()])
    server = scripted(opening=lambda: next(openings))
    with connection(server.url, client_strategy=strategy) as conn:
        conn.strategy.restartable_sleep_time = 0
        assert bound(conn)
    assert [credentials is None for _, credentials in server.binds] == [True, True, False]


@pytest.mark.parametrize("strategy", [ldap3.RESTARTABLE, ldap3.SAFE_RESTARTABLE])
def test_restartable_strategies_send_no_operation_to_a_server_that_proves_nothing(
    scripted: Scripted, strategy: str
) -> None:
    verdicts = itertools.chain([honest], itertools.repeat(lying))
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with connection(server.url, client_strategy=strategy) as conn:
        conn.strategy.restartable_sleep_time, conn.strategy.restartable_tries = 0, 3
        assert bound(conn)
        with pytest.raises(LDAPMaximumRetriesError) as error:
            conn.extended("1.3.6.1.4.1.4203.1.11.3")  # to which the server hangs up
        assert isinstance(error.value.args[1][-1], RspauthError)
        assert (conn.bound, conn.closed) == (False, True)
    assert len(server.responses) == 1 + 3
    assert server.operations.count("extendedReq") == 1


# The caller's side.


def test_layer_of_ldap3s_fifth_place_is_refused_before_anything_is_sent(scripted: Scripted) -> None:
    server = scripted()
    for layer, qop in (("sign", "auth-int"), ("ENCRYPT", "auth-conf")):
        five = (None, "u1", "password", None, layer)
        with connection(server.url, five) as conn, pytest.raises(UsageError, match=f"qop {qop} is not implemented"):
            conn.bind()
    assert server.binds == []


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
        (lambda: Credentials.of((None, "u1", "password", None, ["sign"])), "qop .* is not implemented"),
    ],
)
def test_credentials_that_cannot_be_meant_are_refused(made: Callable[[], Credentials], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        made()


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
    theirs = ldap3.Connection.do_sasl_bind
    uninstall()
    assert ldap3.Connection.do_sasl_bind is theirs
    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours = ldap3.Connection.do_sasl_bind
    assert ours is not theirs
    install()
    assert ldap3.Connection.do_sasl_bind is ours
    uninstall()
    assert ldap3.Connection.do_sasl_bind is theirs


@pytest.mark.usefixtures("installed")
def test_uninstall_does_not_take_out_what_others_put_in_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as others:
        others.setattr(ldap3.Connection, "do_sasl_bind", lambda self, controls: None)
        with pytest.raises(UsageError, match="was replaced again"):
            uninstall()


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
