"""TLS with either adapter: real handshakes of our server with Python's ssl, by a clock of our own."""

import contextlib
import hashlib
import logging
import ssl
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest
from OpenSSL import SSL

from ldapserver.certificates import InvalidCertificate, ServerCertificate, throw_away
from ldapserver.wire import codec
from ldapserver.wire.messages import (
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    LDAPResult,
    Operation,
    ResultCode,
    Scope,
    SearchResultDone,
    UnbindRequest,
)
from tests.server.adapters import Server, Start, decoded, starting
from tests.server.adapters import adapter as adapter  # a fixture
from tests.server.stage import LDIF, U1, WHO_AM_I, search, simple
from tests.server.test_protocol import MANY, assert_notice

WHO = ExtendedRequest(WHO_AM_I)
START = ExtendedRequest("1.3.6.1.4.1.1466.20037")
CERTIFICATE, CA = throw_away(["localhost", "127.0.0.1"])


class Connection:
    """A connection to the server, seen from both of its ends."""

    def __init__(self, server: Server, *, ldaps: bool = False) -> None:
        self.server = server
        self.wire = server.connect(eager=False, tls_first=ldaps)
        self.link = self.wire.link
        self._last_id = 0
        self._tls: ssl.SSLObject | None = None

    def send(self, data: bytes) -> bytes:
        """Send these octets on the bare connection; what comes back on it."""
        if data:
            self.wire.receive(data)
        self.server.turns()
        self.wire.read()
        sent = bytes(self.wire.sent)
        self.wire.sent.clear()
        return sent

    def handshake(
        self,
        context: ssl.SSLContext | None = None,
        name: str = "localhost",
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Do a handshake, or try to resume a session. Raises ssl.SSLError, after the server was told."""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = context or trusting(CA)
        tls = self._tls = context.wrap_bio(self._in, self._out, server_hostname=name, session=session)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                answer = self.send(self._out.read())
                if not answer and not self.wire.connected:
                    raise ConnectionError("the server closed") from None
                self._in.write(answer)
            except ssl.SSLError:
                self.send(self._out.read())
                raise
            else:
                self._in.write(self.send(self._out.read()))
                return tls

    def encoded(self, operation: Operation) -> bytes:
        """The operation's octets, under the next message id."""
        self._last_id += 1
        return codec.encode(LDAPMessage(self._last_id, operation))

    def ask(self, *operations: Operation) -> list[LDAPMessage]:
        """Send these, inside TLS where it was begun; what is answered at once."""
        data = b"".join(self.encoded(operation) for operation in operations)
        if self._tls is None:
            return decoded(self.send(data))
        self._tls.write(data)
        self._in.write(self.send(self._out.read()))
        return decoded(self.received())

    def received(self) -> bytes:
        """What came inside TLS and was not read."""
        assert self._tls is not None
        pieces = []
        try:
            while piece := self._tls.read(1 << 20):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)

    def only(self, operation: Operation) -> LDAPResult:
        """The one answer to this."""
        (message,) = self.ask(operation)
        assert isinstance(message.operation, LDAPResult)
        return message.operation

    def secure(self) -> bool:
        """Whether the server takes it to be inside TLS."""
        return self.link.session.tls is not None

    def aborted(self) -> bool:
        """Whether the server has ended the connection at once."""
        return self.wire.aborted

    def who(self) -> bytes | None:
        answer = self.only(WHO)
        assert isinstance(answer, ExtendedResponse)
        return answer.response_value


def trusting(ca: bytes) -> ssl.SSLContext:
    """A client that trusts this CA and takes the standards to the letter, as Python 3.13 does."""
    context = ssl.create_default_context(cadata=ca.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@pytest.fixture
def start(adapter: str) -> Iterator[Start]:
    """Starts servers that do TLS, over either adapter."""
    with starting(adapter) as start:
        yield lambda ldif=LDIF, **settings: start(ldif, CERTIFICATE, **settings)


def begun(server: Server) -> Connection:
    """A connection whose StartTLS was answered with success, and that has done no handshake yet."""
    connection = Connection(server)
    assert connection.only(START).result_code is ResultCode.SUCCESS
    return connection


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Level and text of every line logged; none of them has a traceback."""
    assert [record.exc_info for record in caplog.records if record.exc_info] == []
    return [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "ldapserver"]


# A handshake and what is behind it


def test_with_ldaps_the_handshake_is_first_and_all_else_is_inside(start: Start) -> None:
    server = start()
    connection = Connection(server, ldaps=True)
    tls = connection.handshake()
    assert connection.only(simple("u1", "password")).result_code is ResultCode.SUCCESS
    assert connection.who() == f"dn:{U1}".encode()
    assert [record.tls for record in server.stage.records] == [True]
    # The certificate is signed with SHA-256, and so that is the hash.  RFC 5929 section 4.1
    shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    assert connection.link.session.tls is not None
    assert connection.link.session.tls.end_point == hashlib.sha256(shown).digest()


def test_start_tls_keeps_who_the_connection_is(start: Start) -> None:
    server = start()
    connection = Connection(server)
    assert connection.only(simple("u1", "password")).result_code is ResultCode.SUCCESS
    assert connection.only(START).result_code is ResultCode.SUCCESS
    assert not connection.secure()
    connection.handshake()
    assert connection.secure()
    assert connection.who() == f"dn:{U1}".encode()
    assert connection.only(START).result_code is ResultCode.OPERATIONS_ERROR
    assert connection.only(simple("u1", "password")).result_code is ResultCode.SUCCESS
    assert [record.tls for record in server.stage.records] == [False, True]


def test_a_server_without_a_certificate_does_no_tls(adapter: str) -> None:
    with starting(adapter) as start:
        connection = Connection(start())
        assert connection.only(START).result_code is ResultCode.PROTOCOL_ERROR
        assert connection.who() == b""


def test_a_peer_that_stops_reading_right_before_the_handshake_is_heard_in_it(start: Start) -> None:
    connection = Connection(start())
    while connection.wire.link.writable:
        connection.wire.receive(connection.encoded(search("", Scope.BASE_OBJECT)) * 100)
    connection.wire.receive(connection.encoded(START))
    answers = decoded(connection.send(b""))  # it reads again
    assert isinstance(answers[-1].operation, ExtendedResponse)
    assert connection.link.handshaking
    connection.handshake()
    assert connection.who() == b""


def test_unbind_ends_tls_and_the_connection(start: Start) -> None:
    connection = Connection(start(), ldaps=True)
    tls = connection.handshake()
    assert connection.ask(UnbindRequest()) == []
    connection.send(b"")
    assert tls.read(1) == b""  # close_notify came: nobody has cut it short
    assert not connection.wire.connected  # though the client has not sent its own


def test_who_ends_tls_is_answered_what_it_has_asked_and_the_connection_ends(start: Start) -> None:
    connection = Connection(start(), ldaps=True)
    tls = connection.handshake()
    tls.write(connection.encoded(WHO))
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.unwrap()
    connection._in.write(connection.send(connection._out.read()))
    (answer,) = decoded(tls.read(1 << 16))
    assert isinstance(answer.operation, ExtendedResponse)
    with pytest.raises(ssl.SSLZeroReturnError):  # our close_notify
        tls.read(1)
    assert not connection.wire.connected


@pytest.mark.parametrize("ldaps", [False, True], ids=["StartTLS", "ldaps"])
def test_a_search_inside_tls_is_not_read_on_while_the_peer_does_not_read(start: Start, ldaps: bool) -> None:
    server = start(MANY)
    connection = Connection(server, ldaps=ldaps) if ldaps else begun(server)
    tls = connection.handshake()
    connection.only(simple("u1", "password"))
    tls.write(connection.encoded(search()))
    connection.wire.receive(connection._out.read())
    held = connection.wire.buffered
    assert 0 < held < 400_000  # of more than a million
    server.reactor.advance(1)
    server.turns()
    assert connection.wire.buffered == held
    connection._in.write(connection.send(b""))
    messages = decoded(connection.received())
    assert len(messages) == 1010 + 1
    assert isinstance(messages[-1].operation, SearchResultDone)


# What is in the clear


@pytest.mark.parametrize("operation", [WHO, simple("u1", "password")], ids=["who", "bind"])
def test_octets_in_the_clear_behind_the_success_end_the_connection(
    start: Start, operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = start()
    connection = begun(server)
    answer = connection.send(connection.encoded(operation))
    assert answer[:1] in (b"", b"\x15")  # an alert of TLS at most
    assert not connection.wire.connected
    assert server.stage.records == []
    ((level, line),) = said(caplog)
    assert level == logging.INFO
    assert line.startswith("connection 1 from 192.0.2.10: TLS handshake failed: ")


def test_octets_in_the_clear_with_the_request_close_the_connection(start: Start) -> None:
    server = start()
    connection = Connection(server)
    assert connection.send(connection.encoded(START) + connection.encoded(simple("u1", "password"))) == b""
    assert not connection.wire.connected
    assert server.stage.records == []


# Handshakes that fail


def test_what_is_no_tls_is_one_line_in_the_log(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = start()
    Connection(server, ldaps=True).send(b"GET / HTTP/1.0\r\n\r\n")
    assert said(caplog) == [(logging.INFO, "connection 1 from 192.0.2.10: TLS handshake failed: http request")]


def test_a_client_that_does_not_trust_us_is_one_line_in_the_log(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = Connection(start(), ldaps=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.handshake(trusting(throw_away(["localhost"])[1]))
    ((level, line),) = said(caplog)
    assert level == logging.INFO
    assert "unknown ca" in line


def test_a_client_that_only_looks_is_told_of_to_those_who_debug(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Connection(start(), ldaps=True).wire.hang_up()
    ((level, _),) = said(caplog)
    assert level == logging.DEBUG


def old(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that can do this version only."""
    context = trusting(CA)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
    return context


def test_tls_1_1_is_refused_and_1_2_is_not(start: Start) -> None:
    server = start()
    # OpenSSL as it is built may refuse the old ones by itself: so do we.
    options = server.factory.handshakes.context.set_options(0)
    refused = [bool(options & each) for each in (SSL.OP_NO_TLSv1, SSL.OP_NO_TLSv1_1, SSL.OP_NO_TLSv1_2)]
    assert refused == [True, True, False]
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        Connection(server, ldaps=True).handshake(old(ssl.TLSVersion.TLSv1_1))
    assert Connection(server, ldaps=True).handshake(old(ssl.TLSVersion.TLSv1_2)).version() == "TLSv1.2"
    assert Connection(server, ldaps=True).handshake().version() == "TLSv1.3"


@pytest.mark.parametrize("ldaps", [False, True], ids=["StartTLS", "ldaps"])
@pytest.mark.parametrize("half", [False, True], ids=["nothing", "half"])
def test_a_handshake_that_stalls_is_closed_when_its_time_is_over(
    start: Start, ldaps: bool, half: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = start(handshake_timeout=40.0, idle_timeout=1000.0)
    connection = Connection(server, ldaps=ldaps) if ldaps else begun(server)
    if half:
        connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01")  # the beginning of a ClientHello
    server.reactor.pump([5] * 7)
    assert not connection.aborted()
    server.reactor.pump([5] * 4)
    assert connection.aborted()
    assert connection.send(b"") == b""
    assert said(caplog) == [(logging.INFO, "connection 1 from 192.0.2.10: TLS handshake failed: it took too long")]
    assert connection.link.session.closed


def test_a_handshake_in_time_is_followed_by_the_time_of_any_other_connection(start: Start) -> None:
    server = start(handshake_timeout=40.0, idle_timeout=1000.0)
    connection = begun(server)
    connection.handshake()
    server.reactor.pump([10] * 20)
    assert connection.who() == b""


# A server that has no more room, or stops


def test_beyond_max_connections_nothing_is_said_in_the_clear_to_who_expects_tls(start: Start) -> None:
    server = start(max_connections=1)
    Connection(server)
    connection = Connection(server, ldaps=True)
    assert connection.aborted()
    assert connection.send(b"") == b""


def test_a_server_that_stops_says_so_inside_tls_and_to_nobody_amid_a_handshake(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start()
    inside, amid, before = Connection(server, ldaps=True), Connection(server, ldaps=True), begun(server)
    inside.handshake()
    server.factory.stopFactory()
    inside._in.write(inside.send(b""))
    assert_notice(decoded(inside.received()), "stopping")
    for connection in (amid, before):
        assert connection.aborted()
        assert connection.send(b"") == b""
    assert said(caplog) == []


# Certificates


def test_another_certificate_is_shown_from_the_next_handshake_on(start: Start) -> None:
    server = start()
    first = Connection(server, ldaps=True)
    first.handshake()
    waiting = begun(server)
    renewed, ca = throw_away(["localhost"])
    server.factory.use_certificate(renewed)
    assert first.who() == b""
    waiting.handshake()
    second = Connection(server, ldaps=True)
    second.handshake(trusting(ca))
    known = [each.link.session.tls for each in (first, waiting, second)]
    assert [each.end_point for each in known if each] == [
        CERTIFICATE.end_point,
        CERTIFICATE.end_point,
        renewed.end_point,
    ]


def test_a_certificate_that_openssl_will_not_have_is_refused_and_the_old_one_stays(start: Start) -> None:
    server = start()
    other, _ = throw_away(["localhost"])
    with pytest.raises(InvalidCertificate, match="mismatch"):
        server.factory.use_certificate(ServerCertificate(CERTIFICATE.chain, other.key))
    Connection(server, ldaps=True).handshake()


def test_without_tls_nothing_of_it_is_loaded() -> None:
    program = "import sys, ldapserver.protocol, ldapserver.cli.serve; print(sorted({*sys.modules} & {*sys.argv[1:]}))"
    command = [sys.executable, "-c", program, "OpenSSL", "cryptography.x509", "ldapserver.certificates"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
