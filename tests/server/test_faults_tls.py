"""Connections and handshakes that go wrong by rule, with Python's ssl as the client; and the CA for tests."""

import os
import re
import ssl
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ldapserver.certificates import ClientAuthorities, der
from ldapserver.client_certificate import ClientCertificate
from ldapserver.faults import (
    Action,
    BrokenHandshake,
    Close,
    FaultPlan,
    Garbage,
    NoAnswer,
    Notice,
    Reset,
    Rule,
    ShowCertificate,
    StalledHandshake,
    Unavailable,
)
from ldapserver.testing import authority
from ldapserver.testing.authority import CA
from ldapserver.testing.faults import Defect, bad_certificate
from ldapserver.wire.messages import ExtendedResponse, ResultCode
from tests.server.adapters import Server, Start
from tests.server.stage import LDIF, U1, sasl
from tests.server.test_tls import CERTIFICATE, START, Connection, begun, trusting

OURS = CA()
both_ways = pytest.mark.parametrize("ldaps", [False, True], ids=["StartTLS", "ldaps"])


@pytest.fixture
def start() -> Start:
    """Starts servers that do TLS; faults are for servers of Twisted's own reactor."""
    return lambda ldif=LDIF, **settings: Server(ldif, CERTIFICATE, **settings)


def faulty(start: Start, action: Action, on: str = "tls", **conditions: Any) -> tuple[Server, FaultPlan]:
    """A server of a right certificate of `OURS`, with one rule."""
    server = start()
    plan = FaultPlan()
    plan.add(Rule(action=action, on=on, **conditions))
    server.factory.service = replace(server.factory.service, faults=plan)
    server.factory.use_certificate(OURS.issue().server)
    return server, plan


def connect(server: Server, *, ldaps: bool) -> Connection:
    return Connection(server, ldaps=True) if ldaps else begun(server)


def served(connection: Connection, context: ssl.SSLContext) -> bytes | None:
    """Whoever has a handshake done, which with TLS 1.3 may be refused only behind it, is answered."""
    connection.handshake(context)
    return connection.who()


CONTEXT = trusting(OURS.pem.encode())
CLOSED = "the server closed"


# Handshakes


@both_ways
@pytest.mark.parametrize(
    ("defect", "said"),
    [
        ("expired", "certificate has expired"),
        ("not-yet-valid", "certificate is not yet valid"),
        ("wrong-name", "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("unknown-ca", "unable to get local issuer certificate|self-signed certificate in certificate chain"),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_a_certificate_with_one_defect(start: Start, defect: Defect, said: str, ldaps: bool) -> None:
    server, plan = faulty(start, bad_certificate(defect, OURS))
    with pytest.raises(ssl.SSLCertVerificationError, match=said):
        connect(server, ldaps=ldaps).handshake(CONTEXT)
    assert len(plan.fired) == 1
    # The next handshake is as ever.
    connection = connect(server, ldaps=ldaps)
    connection.handshake(CONTEXT)
    assert connection.who() == b""


def test_whoever_does_not_look_is_served(start: Start) -> None:
    server, _ = faulty(start, bad_certificate("wrong-name", OURS))
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    connection = connect(server, ldaps=True)
    connection.handshake(careless)
    assert connection.who() == b""


def test_a_defect_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="defect: odd: must be expired"):
        bad_certificate("odd")  # type: ignore[arg-type]


def test_clients_are_asked_for_theirs_all_the_same(start: Start) -> None:
    server, _ = faulty(start, ShowCertificate(*vars(OURS.issue()).values()))
    server.factory.use_certificate(OURS.issue().server, ClientAuthorities((OURS.certificate,), required=True))
    connection = connect(server, ldaps=True)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served(connection, CONTEXT)
    assert connection.link.session.tls is None


@both_ways
def test_a_handshake_that_stalls(start: Start, ldaps: bool) -> None:
    server, plan = faulty(start, StalledHandshake())
    connection = connect(server, ldaps=ldaps)
    hello = b"\x16\x03\x01\x00\x00"
    assert (connection.send(hello), connection.send(hello)) == (b"", b"")
    assert connection.wire.connected
    assert len(plan.fired) == 1
    assert server.factory.open == 1
    # The server gives up as it does with a client that stalls.
    for _ in range(10):
        server.reactor.advance(10)
        server.reactor.turns()
    assert connection.aborted()
    assert server.factory.open == 0


@both_ways
def test_nothing_is_left_of_a_stalled_handshake_when_its_client_goes(start: Start, ldaps: bool) -> None:
    server, _ = faulty(start, StalledHandshake())
    connection = connect(server, ldaps=ldaps)
    connection.wire.hang_up()
    assert (server.factory.open, connection.link.session.closed) == (0, True)


def test_a_server_stops_with_a_stalled_handshake(start: Start) -> None:
    server, _ = faulty(start, StalledHandshake())
    connection = connect(server, ldaps=True)
    server.factory.stopFactory()
    gone = server.factory.farewell()
    assert gone.called
    assert connection.aborted()


@both_ways
@pytest.mark.parametrize(
    ("action", "octets", "aborted"),
    [
        (BrokenHandshake(), b"\x15\x03\x03\x00\x02\x02\x28", False),
        (BrokenHandshake(80), b"\x15\x03\x03\x00\x02\x02\x50", False),
        (BrokenHandshake(None), b"", False),
        (BrokenHandshake(None, reset=True), b"", True),
    ],
    ids=["handshake_failure", "internal_error", "FIN", "RST"],
)
def test_a_handshake_that_breaks_off(start: Start, action: Action, octets: bytes, aborted: bool, ldaps: bool) -> None:
    server, _ = faulty(start, action)
    connection = connect(server, ldaps=ldaps)
    assert connection.wire.connected
    assert connection.send(b"\x16\x03\x01\x00\x00") == octets
    assert (connection.wire.connected, connection.aborted()) == (False, aborted)
    assert server.factory.open == 0


def test_a_client_understands_the_alert(start: Start) -> None:
    server, _ = faulty(start, BrokenHandshake())
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        connect(server, ldaps=True).handshake(CONTEXT)


def test_the_second_handshake(start: Start) -> None:
    server, _ = faulty(start, BrokenHandshake(None), nth=2)
    connect(server, ldaps=True).handshake(CONTEXT)
    with pytest.raises(ConnectionError, match=CLOSED):
        connect(server, ldaps=True).handshake(CONTEXT)


def test_start_tls_that_is_refused_is_no_handshake(start: Start) -> None:
    server, plan = faulty(start, Unavailable(), "starttls")
    plan.add(Rule(action=StalledHandshake(), on="tls"))
    connection = Connection(server)
    answer = connection.only(START)
    assert isinstance(answer, ExtendedResponse)
    assert answer.result_code is ResultCode.UNAVAILABLE
    assert [fired.rule.on for fired in plan.fired] == ["starttls"]
    assert not connection.link.handshaking


# Connections


@pytest.mark.parametrize(
    ("action", "connected", "aborted"),
    [(Close(), False, False), (Reset(), False, True), (NoAnswer(), True, False)],
    ids=repr,
)
@both_ways
def test_a_connection_that_is_made(start: Start, action: Action, connected: bool, aborted: bool, ldaps: bool) -> None:
    server, plan = faulty(start, action, "connect", nth=2)
    assert Connection(server).who() == b""
    connection = Connection(server, ldaps=ldaps)
    assert connection.send(connection.encoded(START)) == b""
    assert (connection.wire.connected, connection.aborted()) == (connected, aborted)
    assert [fired.connection for fired in plan.fired] == [2]
    connection.wire.hang_up()
    assert server.factory.open == 1


def test_a_notice_to_who_connects(start: Start) -> None:
    server, _ = faulty(start, Notice(text="later"), "connect")
    connection = Connection(server)
    sent = connection.send(b"")
    assert b"later" in sent
    assert not connection.wire.connected
    # Who expects TLS is told nothing in the clear.
    server, _ = faulty(start, Notice(text="later"), "connect")
    assert Connection(server, ldaps=True).send(b"") == b""


def test_what_an_answer_can_be_a_connection_cannot() -> None:
    with pytest.raises(ValueError, match="Garbage strikes on"):
        Rule(action=Garbage(), on="connect")


# The CA


def test_a_ca_has_a_file_as_long_as_it_is_there() -> None:
    ca = CA("short-lived")
    path = ca.path
    assert path.read_text() == ca.pem
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700
    assert "short-lived" in repr(ca)
    del ca
    assert not path.exists()


def test_one_ca_for_all_servers_of_a_process(ldap_ca: CA) -> None:
    assert ldap_ca is authority.local_ca()
    assert authority.unknown_ca().pem != ldap_ca.pem


def test_a_certificate_in_files(tmp_path: Path) -> None:
    issued = OURS.issue(["ldap.example.com", "192.0.2.1"])
    chain, key = issued.write(tmp_path, "server")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    assert "PRIVATE" not in repr(issued)
    assert not re.search(r"key=b", repr(ShowCertificate(issued.chain, issued.key)))


def test_a_certificate_of_a_client_says_who_it_is() -> None:
    issued = OURS.issue_client("uid=u1,ou=people,dc=contoso,dc=com", upn="u1@contoso.com", mail="u1@example.com")
    certificate = ClientCertificate.parse(der(issued.server.chain[0]))
    assert str(certificate.subject) == "uid=u1,ou=people,dc=contoso,dc=com"
    assert (certificate.principal_names, certificate.mail_addresses) == (("u1@contoso.com",), ("u1@example.com",))
    with pytest.raises(ValueError, match="dn: uidNumber: is no type"):
        OURS.issue_client("uidNumber=1,dc=com")


def test_a_client_binds_by_its_certificate(start: Start, tmp_path: Path) -> None:
    server = start()
    server.factory.use_certificate(OURS.issue().server, ClientAuthorities((OURS.certificate,)))
    context = trusting(OURS.pem.encode())
    context.load_cert_chain(*OURS.issue_client(U1).write(tmp_path, "u1"))
    connection = Connection(server, ldaps=True)
    connection.handshake(context)
    assert connection.only(sasl(b"", "EXTERNAL")).result_code is ResultCode.SUCCESS
    assert connection.who() == f"dn:{U1}".encode()


def test_an_expired_certificate_of_a_client_ends_the_handshake(start: Start, tmp_path: Path) -> None:
    server = start()
    server.factory.use_certificate(OURS.issue().server, ClientAuthorities((OURS.certificate,)))
    context = trusting(OURS.pem.encode())
    context.load_cert_chain(*OURS.issue_client(U1, expired=True).write(tmp_path, "u1"))
    connection = Connection(server, ldaps=True)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served(connection, context)
    assert connection.link.session.tls is None
