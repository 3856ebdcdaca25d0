"""What holds for a connection whichever adapter brings its octets, by a clock that is moved by hand."""

import gc
import logging
import os
import queue
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from ldapserver.audit.record import Record
from ldapserver.connections import FAREWELL, MAX_OFFLOADED
from ldapserver.link import Link
from ldapserver.process import Process
from ldapserver.session import Session
from ldapserver.wire.messages import (
    AbandonRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    ResultCode,
    Scope,
    SearchResultDone,
    UnbindRequest,
)
from tests.server.adapters import PEER, Server, Start, Wire, decoded, octets
from tests.server.adapters import adapter as adapter
from tests.server.adapters import start as start
from tests.server.stage import DEAR, LDIF, NOTICE, WHO_AM_I, search, simple

WHO = ExtendedRequest(WHO_AM_I)
U1 = simple("u1", "password")
ROOT_DSE = search("", Scope.BASE_OBJECT)
MANY = LDIF + "".join(
    f"\ndn: cn=d{number},dc=contoso,dc=com\nobjectClass: device\ncn: d{number}\ndescription: {'x' * 1200}\n"
    for number in range(1000)
)


def assert_notice(messages: list[LDAPMessage], text: str) -> None:
    """One notice and nothing else."""
    (message,) = messages
    assert isinstance(message.operation, ExtendedResponse)
    assert message.message_id == 0
    assert message.operation.response_name == NOTICE
    assert message.operation.result_code is ResultCode.UNAVAILABLE
    assert text in message.operation.diagnostic_message


# Octets in and out


def test_octets_come_in_and_answers_go_out(start: Start) -> None:
    server = start()
    wire = server.connect()
    wire.receive(octets(U1, WHO)[:20])
    wire.receive(octets(U1, WHO)[20:])
    bind, who = server.taken(wire)
    assert isinstance(bind.operation, BindResponse)
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == b"dn:uid=u1,ou=people,dc=contoso,dc=com"


def test_connections_are_numbered_and_records_name_their_peers(start: Start) -> None:
    server = start()
    for _ in range(3):
        server.connect().receive(octets(U1))
    told = [(record.connection, record.source_ip, record.source_port) for record in server.stage.records]
    assert told == [(number, *PEER) for number in (1, 2, 3)]


def test_a_unix_socket_has_no_address(start: Start) -> None:
    server = start(workstation="client")
    wire = server.connect(local=True)
    wire.receive(octets(U1))
    (record,) = server.stage.records
    assert (record.source_ip, record.source_port, record.workstation) == (None, None, "")
    assert wire.link.session.connection.local
    if server.loop is not None:  # a socket indeed, of which the system knows who has it
        assert wire.link.peer.process == Process(os.geteuid(), os.getegid())


def test_unbind_closes_the_connection_and_nothing_behind_it_is_taken(start: Start) -> None:
    server = start()
    wire = server.connect()
    wire.receive(octets(UnbindRequest(), U1))
    assert server.taken(wire) == []
    assert not wire.connected
    assert server.stage.records == []


def test_who_ends_its_side_has_what_it_was_answered_and_is_gone(start: Start) -> None:
    server = start()
    wire = server.connect()
    wire.receive(octets(U1))
    wire.hang_up()
    assert not wire.connected
    assert wire.link.session.closed
    assert server.factory.open == 0


def test_a_connection_that_is_gone_leaves_nothing_to_collect(start: Start) -> None:
    """Python's collector stops everybody, and what waits for it is out of every cache."""
    server = start()
    wires = [server.connect() for _ in range(3)]
    gc.collect()
    gc.disable()
    try:
        before = sessions()
        wires[0].receive(octets(U1, WHO))
        wires[0].hang_up()
        wires[1].receive(octets(U1, search(), UnbindRequest()))
        assert (before - sessions(), wires[2].link.session.closed) == (2, False)
    finally:
        gc.enable()


def sessions() -> int:
    """How many there are."""
    return sum(type(each) is Session for each in gc.get_objects())


class Together:
    """A sink that tells how many records it gets at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def write(self, records: Sequence[Record]) -> None:
        self.sizes.append(len(records))

    def close(self) -> None:
        pass


def test_what_is_recorded_in_one_turn_is_written_together_and_before_the_answers(start: Start) -> None:
    sink = Together()
    server = start(sinks=[sink])
    wires = [server.connect() for _ in range(3)]
    for wire in wires:
        wire.link.data_received(octets(U1))
    assert (sink.sizes, [bytes(wire.sent) for wire in wires]) == ([], [b""] * 3)
    assert [len(server.taken(wire)) for wire in wires] == [1, 1, 1]
    assert sink.sizes == [3]


def test_a_connection_alone_waits_for_nobody_to_be_recorded_with(start: Start) -> None:
    sink = Together()
    server = start(sinks=[sink])
    wire = server.connect()
    wire.link.data_received(octets(U1, U1))
    assert sink.sizes == [1, 1]
    assert codes(server.taken(wire)) == [ResultCode.SUCCESS] * 2


def test_a_fault_of_ours_is_logged_with_its_traceback(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    wire = start().connect()
    try:
        raise KeyError("a bug")
    except KeyError as error:
        wire.link.failed(error)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "Traceback" in caplog.text
    assert "a bug" in caplog.text


# Time


def test_a_connection_that_sends_no_whole_message_is_closed(start: Start) -> None:
    server = start(handshake_timeout=30.0)
    wire = server.connect()
    for octet in octets(WHO)[:20]:  # a drop now and then does not help
        wire.receive(bytes([octet]))
        server.reactor.advance(1)
    assert wire.connected
    server.reactor.pump([1] * 18)  # 30 seconds and the quarter between two looks
    assert_notice(server.taken(wire), "idle")
    assert not wire.connected


def test_a_connection_that_asks_nothing_for_long_is_closed_and_not_before(start: Start) -> None:
    server = start(idle_timeout=100.0, handshake_timeout=40.0)
    wire = server.connect()
    for _ in range(20):
        wire.receive(octets(WHO))
        server.reactor.pump([10] * 9)
    assert len(server.taken(wire)) == 20
    server.reactor.pump([10] * 4)
    assert_notice(server.taken(wire), "idle")


def test_an_operation_under_way_is_no_idleness_and_neither_is_its_end(start: Start) -> None:
    server = start(LDIF + DEAR, idle_timeout=100.0)
    wire = server.connect()
    wire.receive(octets(simple("dear", "dearpw")))
    server.reactor.pump([10] * 50)
    server.reactor.pool.work()
    (answer,) = server.taken(wire)
    assert isinstance(answer.operation, BindResponse)
    server.reactor.pump([10] * 9)
    assert server.taken(wire) == []
    server.reactor.pump([10] * 10)
    assert_notice(server.taken(wire), "idle")


def test_a_peer_that_never_reads_its_answers_is_given_up(start: Start) -> None:
    server = start(MANY, idle_timeout=100.0)
    wire = server.connect(eager=False)
    wire.receive(octets(U1, search()))
    server.turns()
    assert wire.link.session.busy
    assert not wire.link.writable
    server.reactor.pump([10] * 13)
    assert (wire.link.session.closed, wire.aborted) == (True, False)  # it may still take what was sent
    server.reactor.pump([10] * 13)
    assert wire.aborted
    assert not wire.link.session.busy


def test_a_peer_that_reads_slowly_is_not_given_up(start: Start) -> None:
    server = start(MANY, idle_timeout=100.0)
    wire = server.connect(eager=False)
    wire.receive(octets(U1, search()))
    for _ in range(10):
        server.reactor.pump([10] * 8)
        wire.read(wire.buffered)
    assert not wire.link.session.closed
    wire.read()
    assert isinstance(decoded(bytes(wire.sent))[-1].operation, SearchResultDone)


# Room


def test_beyond_max_connections_a_connection_is_told_so_and_closed(start: Start) -> None:
    server = start(max_connections=2)
    first = server.connect()
    server.connect()
    wire = server.connect()
    assert_notice(server.taken(wire), "too many connections")
    assert not wire.connected
    wire.receive(octets(WHO))
    assert server.taken(wire) == []
    wire.hang_up()
    first.hang_up()
    wire = server.connect()
    wire.receive(octets(WHO))
    assert len(server.taken(wire)) == 1


def test_a_search_is_not_read_on_while_the_peer_does_not_read(start: Start) -> None:
    server = start(MANY)
    wire = server.connect(eager=False)
    wire.receive(octets(U1, search()))
    server.turns()
    held = wire.buffered
    assert 0 < held < 300_000  # of more than a million
    server.reactor.advance(100)
    server.turns()
    assert wire.buffered == held
    wire.read()
    messages = decoded(bytes(wire.sent))
    assert len(messages) == 1 + 1010 + 1
    assert isinstance(messages[-1].operation, SearchResultDone)


def test_while_answers_are_not_read_neither_are_requests(start: Start) -> None:
    server = start()
    wire = server.connect(eager=False)
    request = octets(ROOT_DSE)
    count = sent = 0
    while wire.reading:
        wire.receive(request * 500)
        count += 500
        sent += 1
        assert sent < 20
    assert wire.buffered < 200_000
    wire.read()
    assert len(decoded(bytes(wire.sent))) == 2 * count
    assert wire.reading


def test_an_abandon_is_heard_before_the_search_of_a_slow_peer_goes_on(start: Start) -> None:
    server = start(MANY)
    wire = server.connect(eager=False)
    sent = octets(U1, search(), AbandonRequest(2), WHO)
    before = len(octets(U1, search()))
    wire.receive(sent[:before])
    server.turns()
    held = wire.buffered
    assert held > 60_000
    assert not wire.link.writable
    wire.receive(sent[before:])
    wire.read(held)
    assert not wire.link.session.busy
    wire.read()
    messages = decoded(bytes(wire.sent))
    assert not any(isinstance(message.operation, SearchResultDone) for message in messages)
    assert messages[-1].message_id == 4


@pytest.mark.parametrize("end", [octets(UnbindRequest()), b"\xff"], ids=["unbind", "broken"])
def test_a_connection_closes_once_a_slow_peer_has_read_all(start: Start, end: bytes) -> None:
    """Twisted keeps a connection that has a paused producer open for good."""
    server = start()
    wire = server.connect(eager=False)
    wire.receive(octets(ROOT_DSE))
    answer = wire.buffered
    wire.receive(octets(*[ROOT_DSE] * (64_000 // answer)) + end)
    assert wire.buffered > 60_000
    assert wire.link.session.closed
    wire.read()
    assert not wire.connected


def reads(wire: Wire) -> bool:
    """Whether the server reads, as it now is."""
    return wire.reading


def test_reading_stops_while_a_bind_waits_and_goes_on_with_what_was_read(start: Start) -> None:
    server = start(LDIF + DEAR)
    wire = server.connect()
    wire.receive(octets(simple("dear", "dearpw"), WHO))
    assert not reads(wire)
    assert server.taken(wire) == []
    server.reactor.pool.work()
    server.turns()
    assert reads(wire)
    _, who = server.taken(wire)
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == b"dn:uid=dear,ou=people,dc=contoso,dc=com"


def test_reading_stops_while_enough_is_under_way(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(MANY, max_outstanding=2)
    wire = server.connect()
    paused: list[bool] = []
    stop_reading = type(wire.link).stop_reading

    def stop(link: Link) -> None:
        stop_reading(link)
        paused.append(wire.reading)

    monkeypatch.setattr(type(wire.link), "stop_reading", stop)
    wire.receive(octets(U1, search(), search()))
    assert paused[0] is False
    assert wire.reading


# Threads


def test_no_more_than_so_many_passwords_are_checked_at_once_by_all_together(start: Start) -> None:
    server = start(LDIF + DEAR)
    connections = [server.connect() for _ in range(MAX_OFFLOADED + 1)]
    for wire in connections:
        wire.receive(octets(simple("dear", "dearpw")))
    assert len(server.reactor.pool.waiting) == MAX_OFFLOADED
    answers = [server.taken(wire) for wire in connections]
    assert answers[:-1] == [[]] * MAX_OFFLOADED
    assert codes(answers[-1]) == [ResultCode.BUSY]
    server.reactor.pool.work()
    assert [codes(server.taken(wire)) for wire in connections[:-1]] == [[ResultCode.SUCCESS]] * MAX_OFFLOADED
    connections[-1].receive(octets(simple("dear", "dearpw")))
    assert len(server.reactor.pool.waiting) == 1


def codes(messages: list[LDAPMessage]) -> list[object]:
    return [message.operation.result_code for message in messages if isinstance(message.operation, BindResponse)]


def test_a_lost_connection_gives_its_thread_back_only_when_the_work_is_done(start: Start) -> None:
    server = start(LDIF + DEAR)
    for _ in range(MAX_OFFLOADED):
        wire = server.connect()
        wire.receive(octets(simple("dear", "dearpw")))
        wire.hang_up()
    wire = server.connect()
    wire.receive(octets(simple("dear", "dearpw")))
    assert codes(server.taken(wire)) == [ResultCode.BUSY]
    server.reactor.pool.work()
    wire.receive(octets(simple("dear", "dearpw")))
    server.reactor.pool.work()
    assert codes(server.taken(wire)) == [ResultCode.SUCCESS]
    assert len(server.stage.verdicts) == MAX_OFFLOADED + 1  # who has gone has bound all the same


def test_work_that_breaks_is_answered_other_and_gives_its_thread_back(start: Start) -> None:
    server = start(LDIF + DEAR)
    for _ in range(MAX_OFFLOADED + 1):
        wire = server.connect()
        wire.receive(octets(simple("dear", "dearpw")))
        ((done, _),) = server.reactor.pool.waiting
        server.reactor.pool.waiting.clear()
        done(False, cast(Any, Failure)(MemoryError("no room")))
        assert codes(server.taken(wire)) == [ResultCode.OTHER]


def test_a_dear_password_is_checked_in_a_real_thread(start: Start) -> None:
    server = start(LDIF + DEAR)
    results: queue.Queue[Callable[[], object]] = queue.Queue()
    server.reactor.callFromThread = lambda function, *args: results.put(lambda: function(*args))  # type: ignore[method-assign]
    server.reactor.pool = pool = ThreadPool(1, 1)
    pool.start()
    try:
        wire = server.connect()
        wire.receive(octets(simple("dear", "dearpw")))
        assert server.taken(wire) == []
        results.get(timeout=30)()
        assert codes(server.taken(wire)) == [ResultCode.SUCCESS]
    finally:
        pool.stop()


# The end


def test_a_server_that_stops_tells_everybody_and_looks_at_no_clock_again(start: Start) -> None:
    server = start(LDIF + DEAR)
    connections = [server.connect() for _ in range(3)]
    connections[1].receive(octets(simple("dear", "dearpw")))
    server.factory.stopFactory()
    for wire in connections:
        assert_notice(server.taken(wire), "stopping")
        assert not wire.connected
    assert server.reactor.getDelayedCalls() == []
    server.reactor.pool.work()
    assert server.taken(connections[1]) == []
    assert server.stage.reasons == ["success"]


def test_a_farewell_waits_for_a_password_that_is_being_checked_and_no_longer(start: Start) -> None:
    server = start(LDIF + DEAR)
    wire = server.connect()
    wire.receive(octets(simple("dear", "dearpw")))
    server.factory.stopFactory()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    server.turns()
    assert (wire.connected, over) == (False, [])
    server.reactor.pool.work()
    server.turns()
    assert over == [None]
    assert server.stage.reasons == ["success"]


def unread(server: Server) -> Wire:
    """A connection that stays as long as its peer has not read what it was sent."""
    wire = server.connect(eager=False)
    while wire.link.writable:
        wire.receive(octets(*[ROOT_DSE] * 100))
    return wire


def test_a_farewell_ends_when_the_last_connection_has(start: Start) -> None:
    server = start()
    connections = [unread(server) for _ in range(2)]
    server.factory.stopFactory()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    connections[0].read()
    assert over == []
    connections[1].read()
    assert over == [None]
    server.reactor.advance(FAREWELL)
    assert over == [None]


def test_a_farewell_is_over_once_a_password_that_was_being_checked_is_recorded(start: Start) -> None:
    server = start(LDIF + DEAR)
    wire = server.connect()
    wire.receive(octets(simple("dear", "other")))
    server.factory.stopFactory()
    server.turns()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    server.turns()
    assert (wire.connected, over, server.stage.reasons) == (False, [], [])
    server.reactor.pool.work()
    server.turns()
    assert (over, server.stage.reasons) == ([None], ["wrong-password"])


def test_a_farewell_does_not_wait_for_a_peer_that_does_not_read(start: Start) -> None:
    server = start()
    wire = unread(server)
    server.factory.stopFactory()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    server.reactor.advance(FAREWELL - 1)
    server.turns()
    assert (over, wire.aborted) == ([], False)
    server.reactor.advance(1)
    server.turns()
    assert (over, wire.aborted) == ([None], True)


def test_without_connections_a_farewell_is_over_at_once(start: Start) -> None:
    over: list[object] = []
    start().factory.farewell().addCallback(over.append)
    assert over == [None]


def test_a_listener_may_stop_and_start_again(start: Start) -> None:
    server = start(handshake_timeout=10.0)
    server.factory.stopFactory()
    server.factory.startFactory()
    wire = server.connect()
    server.reactor.pump([2.5] * 5)
    assert_notice(server.taken(wire), "idle")
