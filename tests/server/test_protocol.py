"""Where Twisted is, with a transport that keeps what it is given and a clock that is moved by hand.

`Wire` is Twisted's own FileDescriptor over a peer that reads when the test lets it: when producers pause and when a
connection may close is decided by Twisted, not by a likeness of it.
"""

import logging
import queue
from collections.abc import Callable
from typing import Any, cast

import pytest
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import directlyProvides

from ldapserver.certificates import ServerCertificate
from ldapserver.protocol import FAREWELL, MAX_OFFLOADED, LDAPFactory, LDAPProtocol
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    AbandonRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    Operation,
    ResultCode,
    Scope,
    SearchResultDone,
    UnbindRequest,
)
from tests.server.stage import DEAR, LDIF, NOTICE, WHO_AM_I, Stage, search, simple, stage

MemoryTransport: Any = StringTransport  # Twisted's own, and not annotated
WHO = ExtendedRequest(WHO_AM_I)
U1 = simple("u1", "password")
ROOT_DSE = search("", Scope.BASE_OBJECT)
MANY = LDIF + "".join(
    f"\ndn: cn=d{number},dc=contoso,dc=com\nobjectClass: device\ncn: d{number}\ndescription: {'x' * 1200}\n"
    for number in range(1000)
)


class Pool:
    """Threads that work when they are told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[bool, object], None], Callable[[], object]]] = []

    def callInThreadWithCallback(  # noqa: N802
        self, done: Callable[[bool, object], None], work: Callable[[], object]
    ) -> None:
        self.waiting.append((done, work))

    def work(self) -> None:
        waiting, self.waiting = self.waiting, []
        for done, work in waiting:
            done(True, work())


class Reactor(Clock):
    """A clock, threads, and the writers that a FileDescriptor names."""

    def __init__(self) -> None:
        super().__init__()
        self.pool: Any = Pool()
        self.writers: set[object] = set()
        self.readers: set[object] = set()

    def getThreadPool(self) -> Any:  # noqa: N802
        return self.pool

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:  # noqa: N802
        function(*args)

    def addWriter(self, writer: object) -> None:  # noqa: N802
        self.writers.add(writer)

    def removeWriter(self, writer: object) -> None:  # noqa: N802
        self.writers.discard(writer)

    def addReader(self, reader: object) -> None:  # noqa: N802
        self.readers.add(reader)

    def removeReader(self, reader: object) -> None:  # noqa: N802
        self.readers.discard(reader)

    def turns(self, most: int = 10_000) -> None:
        """Take turns until nothing is due."""
        for _ in range(most):
            if not any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
                return
            self.advance(0)
        raise AssertionError("it never ends")


class Wire(FileDescriptor):
    """A connection whose peer reads what `read` lets it."""

    aborted = False

    def __init__(self, reactor: Reactor, protocol: LDAPProtocol) -> None:
        super().__init__(cast(Any, reactor))
        self.connected = True
        self.protocol = protocol
        self.room = 0
        self.sent = bytearray()
        reactor.addReader(self)

    def getPeer(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "192.0.2.10", 50123)

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802
        size = min(self.room, len(data))
        self.room -= size
        self.sent += data[:size]
        return size

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted = True
        self.lost()

    def lost(self) -> None:
        if self.connected:
            self.connected = False
            self.protocol.connectionLost()

    def read(self, room: int = 1 << 30) -> None:
        """Let the peer read so many octets."""
        self.room = room
        reactor = cast(Reactor, self.reactor)
        while self in reactor.writers and self.connected:
            before = self.room
            if cast(Any, self).doWrite() is not None:
                self.lost()
            reactor.turns()
            if self.room == before and self.room == 0:
                return

    @property
    def reading(self) -> bool:
        return self in cast(Reactor, self.reactor).readers

    @property
    def buffered(self) -> int:
        """Octets written by us and not read by the peer."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen


class Server:
    """A factory that has been started, and the connections made to it."""

    def __init__(self, ldif: str = LDIF, tls: ServerCertificate | None = None, **settings: Any) -> None:
        self.stage: Stage = stage(ldif, **settings)
        self.reactor = Reactor()
        self.factory = LDAPFactory(self.stage.service, self.reactor, tls)
        self.factory.startFactory()

    def connect(self, transport: Any = None) -> tuple[LDAPProtocol, Any]:
        """A new connection over a transport that takes everything."""
        protocol = self.factory.buildProtocol(None)
        transport = MemoryTransport() if transport is None else transport
        cast(Any, protocol).makeConnection(transport)
        return protocol, transport

    def wired(self) -> tuple[LDAPProtocol, Wire]:
        """A new connection whose peer reads when it is told to."""
        protocol = self.factory.buildProtocol(None)
        wire = Wire(self.reactor, protocol)
        cast(Any, protocol).makeConnection(wire)
        return protocol, wire


def octets(*operations: Operation) -> bytes:
    return b"".join(codec.encode(LDAPMessage(number, each)) for number, each in enumerate(operations, 1))


def decoded(data: bytes) -> list[LDAPMessage]:
    framer = Framer(1 << 30)
    framer.feed(data)
    return [codec.decode(element) for element in iter(framer.next, None)]


def taken(transport: Any) -> list[LDAPMessage]:
    data = transport.value()
    transport.clear()
    return decoded(data)


def assert_notice(messages: list[LDAPMessage], text: str) -> None:
    """One notice and nothing else."""
    (message,) = messages
    assert isinstance(message.operation, ExtendedResponse)
    assert message.message_id == 0
    assert message.operation.response_name == NOTICE
    assert message.operation.result_code is ResultCode.UNAVAILABLE
    assert text in message.operation.diagnostic_message


# Octets in and out


def test_octets_come_in_and_answers_go_out() -> None:
    protocol, transport = Server().connect()
    protocol.dataReceived(octets(U1, WHO)[:20])
    protocol.dataReceived(octets(U1, WHO)[20:])
    bind, who = taken(transport)
    assert isinstance(bind.operation, BindResponse)
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == b"dn:uid=u1,ou=people,dc=contoso,dc=com"


def test_connections_are_numbered_and_records_name_their_peers() -> None:
    server = Server()
    for _ in range(3):
        server.connect()[0].dataReceived(octets(U1))
    told = [(record.connection, record.source_ip, record.source_port) for record in server.stage.records]
    assert told == [(number, "192.168.1.1", 54321) for number in (1, 2, 3)]


def test_a_unix_socket_has_no_address() -> None:
    server = Server(workstation="client")
    server.connect(MemoryTransport(peerAddress=UNIXAddress("")))[0].dataReceived(octets(U1))
    (record,) = server.stage.records
    assert (record.source_ip, record.source_port, record.workstation) == (None, None, "")


def test_answers_do_not_wait_for_more_to_fill_a_packet() -> None:
    no_delay: list[bool] = []
    transport = MemoryTransport()
    transport.setTcpNoDelay = no_delay.append
    directlyProvides(transport, ITCPTransport)
    Server().connect(transport)
    assert no_delay == [True]


def test_unbind_closes_the_connection_and_gives_up_the_producer() -> None:
    protocol, transport = Server().connect()
    protocol.dataReceived(octets(UnbindRequest(), U1))
    assert transport.disconnecting
    assert transport.producer is None
    assert transport.value() == b""


def test_a_fault_of_ours_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    protocol, _ = Server().connect()
    try:
        raise KeyError("a bug")
    except KeyError as error:
        protocol.failed(error)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "Traceback" in caplog.text
    assert "a bug" in caplog.text


# Time


def test_a_connection_that_sends_no_whole_message_is_closed() -> None:
    server = Server(handshake_timeout=30.0)
    protocol, transport = server.connect()
    for octet in octets(WHO)[:20]:  # a drop now and then does not help
        protocol.dataReceived(bytes([octet]))
        server.reactor.advance(1)
    assert not transport.disconnecting
    server.reactor.pump([1] * 18)  # 30 seconds and the quarter between two looks
    assert_notice(taken(transport), "idle")
    assert transport.disconnecting


def test_a_connection_that_asks_nothing_for_long_is_closed_and_not_before() -> None:
    server = Server(idle_timeout=100.0, handshake_timeout=40.0)
    protocol, transport = server.connect()
    for _ in range(20):
        protocol.dataReceived(octets(WHO))
        server.reactor.pump([10] * 9)
    assert len(taken(transport)) == 20
    server.reactor.pump([10] * 4)
    assert_notice(taken(transport), "idle")


def test_an_operation_under_way_is_no_idleness_and_neither_is_its_end() -> None:
    server = Server(LDIF + DEAR, idle_timeout=100.0)
    protocol, transport = server.connect()
    protocol.dataReceived(octets(simple("dear", "dearpw")))
    server.reactor.pump([10] * 50)
    server.reactor.pool.work()
    (answer,) = taken(transport)
    assert isinstance(answer.operation, BindResponse)
    server.reactor.pump([10] * 9)
    assert taken(transport) == []
    server.reactor.pump([10] * 10)
    assert_notice(taken(transport), "idle")


def test_a_peer_that_never_reads_its_answers_is_given_up() -> None:
    server = Server(MANY, idle_timeout=100.0)
    protocol, wire = server.wired()
    protocol.dataReceived(octets(U1, search()))
    server.reactor.turns()
    assert protocol.session.busy
    assert not protocol.writable
    server.reactor.pump([10] * 13)
    assert (protocol.session.closed, wire.aborted) == (True, False)  # it may still take what was sent
    server.reactor.pump([10] * 13)
    assert wire.aborted
    assert not protocol.session.busy


def test_a_peer_that_reads_slowly_is_not_given_up() -> None:
    server = Server(MANY, idle_timeout=100.0)
    protocol, wire = server.wired()
    protocol.dataReceived(octets(U1, search()))
    for _ in range(10):
        server.reactor.pump([10] * 8)
        wire.read(wire.buffered)
    assert not protocol.session.closed
    wire.read()
    assert isinstance(decoded(bytes(wire.sent))[-1].operation, SearchResultDone)


# Room


def test_beyond_max_connections_a_connection_is_told_so_and_closed() -> None:
    server = Server(max_connections=2)
    first, _ = server.connect()
    server.connect()
    third, transport = server.connect()
    assert_notice(taken(transport), "too many connections")
    assert transport.disconnecting
    third.dataReceived(octets(WHO))
    assert transport.value() == b""
    third.connectionLost()
    first.connectionLost()
    protocol, transport = server.connect()
    protocol.dataReceived(octets(WHO))
    assert len(taken(transport)) == 1


def test_a_search_is_not_read_on_while_the_peer_does_not_read() -> None:
    server = Server(MANY)
    protocol, wire = server.wired()
    protocol.dataReceived(octets(U1, search()))
    server.reactor.turns()
    held = wire.buffered
    assert 0 < held < 300_000  # of more than a million
    server.reactor.advance(100)
    server.reactor.turns()
    assert wire.buffered == held
    wire.read()
    messages = decoded(bytes(wire.sent))
    assert len(messages) == 1 + 1010 + 1
    assert isinstance(messages[-1].operation, SearchResultDone)


def test_while_answers_are_not_read_neither_are_requests() -> None:
    server = Server()
    protocol, wire = server.wired()
    request = octets(ROOT_DSE)
    count = sent = 0
    while wire.reading:
        protocol.dataReceived(request * 500)
        count += 500
        sent += 1
        assert sent < 20
    assert wire.buffered < 200_000
    wire.read()
    assert len(decoded(bytes(wire.sent))) == 2 * count
    assert wire.reading


def test_an_abandon_is_heard_before_the_search_of_a_slow_peer_goes_on() -> None:
    server = Server(MANY)
    protocol, wire = server.wired()
    sent = octets(U1, search(), AbandonRequest(2), WHO)
    before = len(octets(U1, search()))
    protocol.dataReceived(sent[:before])
    server.reactor.turns()
    held = wire.buffered
    assert held > 60_000
    assert not protocol.writable
    protocol.dataReceived(sent[before:])
    wire.read(held)
    assert not protocol.session.busy
    wire.read()
    messages = decoded(bytes(wire.sent))
    assert not any(isinstance(message.operation, SearchResultDone) for message in messages)
    assert messages[-1].message_id == 4


@pytest.mark.parametrize("end", [octets(UnbindRequest()), b"\xff"], ids=["unbind", "broken"])
def test_a_connection_closes_once_a_slow_peer_has_read_all(end: bytes) -> None:
    """Twisted keeps a connection that has a paused producer open for good."""
    server = Server()
    protocol, wire = server.wired()
    protocol.dataReceived(octets(ROOT_DSE))
    answer = wire.buffered
    protocol.dataReceived(octets(*[ROOT_DSE] * (64_000 // answer)) + end)
    assert wire.buffered > 60_000
    assert protocol.session.closed
    wire.read()
    assert not wire.connected


def test_reading_stops_while_a_bind_waits_and_goes_on_with_what_was_read() -> None:
    server = Server(LDIF + DEAR)
    protocol, transport = server.connect()
    protocol.dataReceived(octets(simple("dear", "dearpw"), WHO))
    assert transport.producerState == "paused"
    assert transport.value() == b""
    server.reactor.pool.work()
    assert transport.producerState == "producing"
    _, who = taken(transport)
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == b"dn:uid=dear,ou=people,dc=contoso,dc=com"


def test_reading_stops_while_enough_is_under_way() -> None:
    server = Server(MANY, max_outstanding=2)
    protocol, transport = server.connect()
    protocol.dataReceived(octets(U1, search(), search()))
    assert transport.producerState == "paused"
    server.reactor.turns()
    assert transport.producerState == "producing"


# Threads


def test_no_more_than_so_many_passwords_are_checked_at_once_by_all_together() -> None:
    server = Server(LDIF + DEAR)
    connections = [server.connect() for _ in range(MAX_OFFLOADED + 1)]
    for protocol, _ in connections:
        protocol.dataReceived(octets(simple("dear", "dearpw")))
    assert len(server.reactor.pool.waiting) == MAX_OFFLOADED
    answers = [taken(transport) for _, transport in connections]
    assert answers[:-1] == [[]] * MAX_OFFLOADED
    assert codes(answers[-1]) == [ResultCode.BUSY]
    server.reactor.pool.work()
    assert [codes(taken(transport)) for _, transport in connections[:-1]] == [[ResultCode.SUCCESS]] * MAX_OFFLOADED
    connections[-1][0].dataReceived(octets(simple("dear", "dearpw")))
    assert len(server.reactor.pool.waiting) == 1


def codes(messages: list[LDAPMessage]) -> list[object]:
    return [message.operation.result_code for message in messages if isinstance(message.operation, BindResponse)]


def test_a_lost_connection_gives_its_thread_back_only_when_the_work_is_done() -> None:
    server = Server(LDIF + DEAR)
    for _ in range(MAX_OFFLOADED):
        protocol, transport = server.connect()
        protocol.dataReceived(octets(simple("dear", "dearpw")))
        transport.disconnecting = True
        protocol.connectionLost()
    protocol, transport = server.connect()
    protocol.dataReceived(octets(simple("dear", "dearpw")))
    assert codes(taken(transport)) == [ResultCode.BUSY]
    server.reactor.pool.work()
    protocol.dataReceived(octets(simple("dear", "dearpw")))
    server.reactor.pool.work()
    assert codes(taken(transport)) == [ResultCode.SUCCESS]
    assert len(server.stage.verdicts) == MAX_OFFLOADED + 1  # who has gone has bound all the same


def test_work_that_breaks_is_answered_other_and_gives_its_thread_back() -> None:
    server = Server(LDIF + DEAR)
    for _ in range(MAX_OFFLOADED + 1):
        protocol, transport = server.connect()
        protocol.dataReceived(octets(simple("dear", "dearpw")))
        ((done, _),) = server.reactor.pool.waiting
        server.reactor.pool.waiting.clear()
        done(False, cast(Any, Failure)(MemoryError("no room")))
        assert codes(taken(transport)) == [ResultCode.OTHER]


def test_a_dear_password_is_checked_in_a_real_thread() -> None:
    server = Server(LDIF + DEAR)
    results: queue.Queue[Callable[[], object]] = queue.Queue()
    server.reactor.callFromThread = lambda function, *args: results.put(lambda: function(*args))  # type: ignore[method-assign]
    server.reactor.pool = pool = ThreadPool(1, 1)
    pool.start()
    try:
        protocol, transport = server.connect()
        protocol.dataReceived(octets(simple("dear", "dearpw")))
        assert transport.value() == b""
        results.get(timeout=30)()
        assert codes(taken(transport)) == [ResultCode.SUCCESS]
    finally:
        pool.stop()


# The end


def test_a_server_that_stops_tells_everybody_and_looks_at_no_clock_again() -> None:
    server = Server(LDIF + DEAR)
    connections = [server.connect() for _ in range(3)]
    connections[1][0].dataReceived(octets(simple("dear", "dearpw")))
    server.factory.stopFactory()
    for _, transport in connections:
        assert_notice(taken(transport), "stopping")
        assert transport.disconnecting
    assert server.reactor.getDelayedCalls() == []
    server.reactor.pool.work()
    assert connections[1][1].value() == b""
    assert server.stage.reasons == ["success"]


def test_a_farewell_ends_when_the_last_connection_has() -> None:
    server = Server()
    connections = [server.connect() for _ in range(2)]
    server.factory.stopFactory()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    connections[0][0].connectionLost()
    assert over == []
    connections[1][0].connectionLost()
    assert over == [None]
    server.reactor.advance(FAREWELL)
    assert over == [None]


def test_a_farewell_does_not_wait_for_a_peer_that_does_not_read() -> None:
    server = Server()
    server.connect()
    server.factory.stopFactory()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    server.reactor.advance(FAREWELL - 1)
    assert over == []
    server.reactor.advance(1)
    assert over == [None]


def test_without_connections_a_farewell_is_over_at_once() -> None:
    over: list[object] = []
    Server().factory.farewell().addCallback(over.append)
    assert over == [None]


def test_a_listener_may_stop_and_start_again() -> None:
    server = Server(handshake_timeout=10.0)
    server.factory.stopFactory()
    server.factory.startFactory()
    _, transport = server.connect()
    server.reactor.pump([2.5] * 5)
    assert_notice(taken(transport), "idle")
