"""Handshakes of a server under test, as ldap3 and OpenSSL see them: right ones, and each that can go wrong."""

import gc
import re
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import LDAPExceptionError

from ldapserver.extended import START_TLS
from ldapserver.faults import BrokenHandshake, ShowCertificate, StalledHandshake
from ldapserver.testing import Server, running_server
from ldapserver.testing.authority import CA, local_ca
from ldapserver.testing.faults import Defect, bad_certificate
from ldapserver.wire import codec
from ldapserver.wire.messages import ExtendedRequest, LDAPMessage, ResultCode

ALICE = "uid=alice,ou=people,dc=example,dc=com"
PATIENCE = 10

# ldap3 compares names itself.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

WAYS = pytest.mark.parametrize("ldaps", [True, False], ids=["ldaps", "StartTLS"])


@pytest.fixture(scope="module", params=[False, True], ids=["thread", "process"])
def running(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running_server(
        process=request.param,
        tls=True,
        tls_ca=local_ca(),
        users={"alice": {"password": "secret"}},
        mechanism=["DIGEST-MD5", "EXTERNAL"],
    ) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    with running.preserved():
        yield running


def opened(server: Server, *, ldaps: bool, **trust: Any) -> ldap3.Connection:
    """A connection of ldap3 inside TLS, to localhost."""
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, **({"ca_certs_file": str(local_ca().path)} | trust))
    port = int((server.ldaps_url if ldaps else server.url).rpartition(":")[2])
    at = ldap3.Server("localhost", port, use_ssl=ldaps, tls=tls, get_info=ldap3.NONE, connect_timeout=PATIENCE)
    return ldap3.Connection(at, ALICE, "secret", receive_timeout=PATIENCE)


def bound(connection: ldap3.Connection, *, ldaps: bool) -> bool:
    """Whether a bind succeeds inside TLS."""
    if not ldaps:
        connection.start_tls()
    done: bool = connection.bind()
    connection.unbind()
    return done


def refused(server: Server, *, ldaps: bool) -> str:
    """Why ldap3 does not bind."""
    connection = opened(server, ldaps=ldaps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            bound(connection, ldaps=ldaps)
        except LDAPExceptionError as error:
            return str(error)
        finally:
            del connection
            gc.collect()  # the socket, which ldap3 leaves open where it has failed
    return ""


def handshake(server: Server, context: ssl.SSLContext, *, ldaps: bool, timeout: float = PATIENCE) -> ssl.SSLSocket:
    """A connection of OpenSSL's, once its handshake is done."""
    port = int((server.ldaps_url if ldaps else server.url).rpartition(":")[2])
    plain = socket.create_connection((server.host, port), PATIENCE)
    try:
        if not ldaps:
            plain.sendall(codec.encode(LDAPMessage(1, ExtendedRequest(START_TLS))))
            answer = codec.decode(plain.recv(4096)).operation
            assert getattr(answer, "result_code", None) == ResultCode.SUCCESS
        plain.settimeout(timeout)
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(local_ca().path))


@WAYS
def test_a_good_one_is_seen_as_protected(server: Server, ldaps: bool) -> None:
    assert bound(opened(server, ldaps=ldaps), ldaps=ldaps)
    (bind,) = server.requests.binds
    assert (bind.tls, bind.protected, bind.password, bind.layer) == (True, True, True, None)
    server.assert_all_protected()
    server.assert_bound("alice", tls=True)
    (event,) = server.events
    assert event.ldap.tls is True
    assert [each.tls for each in server.connections] == [True]


def test_a_password_in_the_clear_is_told_of(server: Server) -> None:
    connection = ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.NONE), ALICE, "secret")
    assert connection.bind()
    connection.unbind()
    (bind,) = server.requests.binds
    assert (bind.tls, bind.protected) == (False, False)
    with pytest.raises(AssertionError, match="clear"):
        server.assert_all_protected()


def test_one_file_is_trust_for_all_servers_of_a_run(server: Server) -> None:
    with running_server(tls=True) as other, running_server(tls=True, process=True) as third:
        assert {each.ca for each in (server, other, third)} == {local_ca().pem}
        for each in (server, other, third):
            handshake(each, trusting(), ldaps=True).close()


# What OpenSSL says of each; `wrong-name` is the only one that is not about the chain.
SAID: dict[Defect, str] = {
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "wrong-name": "Hostname mismatch",
    "unknown-ca": "self-signed certificate in certificate chain",
    "self-signed": "self-signed certificate",
}


@WAYS
@pytest.mark.parametrize("defect", SAID)
def test_a_certificate_that_is_wrong_is_refused(server: Server, defect: Defect, ldaps: bool) -> None:
    fault = server.faults.add(bad_certificate(defect), times=2)
    with pytest.raises(ssl.SSLCertVerificationError, match=SAID[defect]):
        handshake(server, trusting(), ldaps=ldaps)
    assert re.search(r"verify failed|doesn't match", refused(server, ldaps=ldaps))
    fault.wait(2)
    assert len(server.binds()) == 0
    # Once is over: the next handshake is right.
    assert bound(opened(server, ldaps=ldaps), ldaps=ldaps)


@WAYS
def test_any_certificate_may_be_shown(server: Server, ldaps: bool) -> None:
    issued = CA("another").issue(["localhost"])
    server.faults.add(ShowCertificate(issued.chain, issued.key))
    context = ssl.create_default_context(cadata=issued.chain.decode())
    handshake(server, context, ldaps=ldaps).close()


@WAYS
def test_one_that_stalls_is_given_up(server: Server, ldaps: bool) -> None:
    fault = server.faults.add(StalledHandshake())
    with pytest.raises(TimeoutError):
        handshake(server, trusting(), ldaps=ldaps, timeout=0.2)
    assert fault.count == 1
    server.wait_for(lambda: not server.connections.open)
    assert bound(opened(server, ldaps=ldaps), ldaps=ldaps)


BROKEN = {
    "alert": (BrokenHandshake(alert=40), ssl.SSLError, "handshake failure"),
    "FIN": (BrokenHandshake(alert=None), OSError, r"EOF|unexpected"),
    "RST": (BrokenHandshake(alert=None, reset=True), ConnectionResetError, "reset"),
}


@WAYS
@pytest.mark.parametrize("how", BROKEN)
def test_one_that_is_broken_off(server: Server, how: str, ldaps: bool) -> None:
    action, kind, said = BROKEN[how]
    fault = server.faults.add(action)
    with pytest.raises(kind, match=said):
        handshake(server, trusting(), ldaps=ldaps)
    assert fault.count == 1
    assert bound(opened(server, ldaps=ldaps), ldaps=ldaps)


@WAYS
def test_a_client_certificate_binds_by_external(server: Server, ldaps: bool, tmp_path: Path) -> None:
    chain, key = local_ca().issue_client(ALICE).write(tmp_path, "alice")
    connection = opened(server, ldaps=ldaps, local_certificate_file=str(chain), local_private_key_file=str(key))
    connection.authentication, connection.sasl_mechanism, connection.sasl_credentials = ldap3.SASL, "EXTERNAL", ""
    assert bound(connection, ldaps=ldaps)
    server.assert_bound("alice", mechanism="EXTERNAL", tls=True)


@pytest.mark.parametrize("form", ["CA", "path", "text"])
def test_who_answers_for_clients_is_a_ca_or_its_file(form: str, tmp_path: Path) -> None:
    ca = CA("clients")
    chain, key = ca.issue_client(ALICE).write(tmp_path, "alice")
    given = {"CA": ca, "path": ca.path, "text": str(ca.path)}[form]
    with running_server(tls=True, tls_ca=given, tls_client="required") as server:
        context = trusting()
        context.load_cert_chain(chain, key)
        handshake(server, context, ldaps=True).close()
        assert told_off(server)


def told_off(server: Server) -> bool:
    """Whether a client without a certificate is; in TLS 1.3 it hears of it only after its own handshake."""
    try:
        with closing(handshake(server, trusting(), ldaps=True)) as connection:
            return connection.recv(1) == b""
    except OSError as error:
        return "required" in str(error) or isinstance(error, ConnectionResetError)


def test_a_client_that_breaks_off_leaves_nothing(server: Server) -> None:
    for ldaps in (True, False):
        with suppress(ssl.SSLCertVerificationError):
            handshake(server, ssl.create_default_context(), ldaps=ldaps)
    server.wait_for(lambda: not server.connections.open)
