"""What is of the poller alone: sockets that it accepts, serves in rounds, and closes."""

import errno
import logging
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.polled import PolledLink
from ldapserver.poller import MOST_AT_ONCE, MOST_GUESSES, MOST_ROUNDS, REST, Listener, Poller, _ip
from ldapserver.wire.messages import ExtendedRequest, UnbindRequest
from tests.server.adapters import PolledWire, Server, Start, decoded, octets
from tests.server.adapters import start as start  # a fixture
from tests.server.stage import WHO_AM_I

WHO = octets(ExtendedRequest(WHO_AM_I))


@pytest.fixture
def adapter() -> str:
    """This one."""
    return "poller"


class Listening:
    """A server that accepts at a port of its own."""

    def __init__(self, server: Server) -> None:
        assert server.poller is not None
        self.server = server
        self.poller: Poller = server.poller
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.listener: Any = self.poller.serve(self.socket, server.factory)

    def connect(self) -> socket.socket:
        """A client."""
        client = socket.create_connection(self.socket.getsockname())
        client.settimeout(5)
        return client

    def links(self) -> list[PolledLink]:
        """Its connections."""
        return list(self.poller.links.values())


@pytest.fixture
def listening(start: Start) -> Iterator[Listening]:
    """A server that accepts."""
    made = Listening(start())
    yield made
    made.listener.close()
    made.socket.close()


def answer(client: socket.socket) -> int:
    """How many answers there are."""
    return len(decoded(client.recv(4096)))


def test_who_waits_is_accepted_and_served_in_the_turns_after(listening: Listening) -> None:
    clients = [listening.connect() for _ in range(30)]
    for client in clients:
        client.sendall(WHO)
    listening.server.turns()
    assert [answer(client) for client in clients] == [1] * 30
    assert listening.server.factory.open == 30
    for client in clients:
        client.close()
    listening.server.turns()
    assert (listening.server.factory.open, listening.links()) == (0, [])


def test_the_reactor_has_one_to_read_and_it_is_the_poller(listening: Listening) -> None:
    with closing(listening.connect()):
        listening.server.turns()
        assert listening.server.reactor.readers == {listening.poller}


def test_answers_do_not_wait_for_more_to_fill_a_packet(listening: Listening) -> None:
    """Connections have this of their listener, on Linux."""
    with closing(listening.connect()):
        listening.server.turns()
        ((link),) = listening.links()
        assert link._socket is not None
        assert link._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_accepting_is_known_well_enough_to_be_done_without_enums() -> None:
    """What it leaves out of `socket.accept` is there, and what it makes is a socket with nothing around it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        descriptor, address = listener._accept()  # type: ignore[attr-defined]
        connected = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
        assert address == client.getsockname()
        assert connected.getpeername() == address
        connected.close()
        assert client.recv(1) == b""


def test_a_listener_that_is_closed_accepts_nobody(listening: Listening) -> None:
    listening.listener.close()
    listening.listener.close()
    with closing(listening.connect()):
        listening.server.turns()
        assert listening.links() == []


def test_with_no_room_for_a_connection_there_is_a_rest(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    accepts = listening.listener._accept

    def full() -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    listening.listener._accept = full
    with closing(listening.connect()) as client:
        client.sendall(WHO)
        listening.server.turns()  # which it would never come out of, were it told of the client all the time
        assert [record.getMessage() for record in caplog.records] == [
            "no connection can be accepted for now: Too many open files"
        ]
        listening.listener._accept = accepts
        listening.server.turns()
        assert listening.links() == []
        listening.server.reactor.advance(REST)
        listening.server.turns()
        assert answer(client) == 1


def test_a_listener_that_is_closed_in_its_rest_stays_so(listening: Listening) -> None:
    def full() -> Any:
        raise OSError(errno.ENFILE, "Too many open files in system")

    listening.listener._accept = full
    with closing(listening.connect()):
        listening.server.turns()
        listening.listener.close()
        listening.server.reactor.advance(REST)
        listening.server.turns()


def test_a_connection_that_is_over_before_it_is_accepted_keeps_nobody_away(listening: Listening) -> None:
    accepts = listening.listener._accept
    refused: list[int] = []

    def aborted() -> Any:
        if not refused:
            refused.append(accepts()[0])
            raise OSError(errno.ECONNABORTED, "Software caused connection abort")
        return accepts()

    listening.listener._accept = aborted
    with closing(listening.connect()), closing(listening.connect()) as second:
        second.sendall(WHO)
        listening.server.turns()
        assert answer(second) == 1
    socket.close(refused[0])


class Full:
    """An epoll with no room for one more."""

    def __init__(self, epoll: Any) -> None:
        self._epoll = epoll

    def register(self, fd: int, events: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)


def test_with_no_room_in_the_epoll_a_connection_is_closed_and_there_is_a_rest(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    epoll = listening.poller.epoll
    listening.listener._at_once = 5
    listening.poller.epoll = Full(epoll)  # type: ignore[assignment]
    with closing(listening.connect()) as refused, closing(listening.connect()) as waiting:
        listening.server.turns()
        assert refused.recv(1) == b""
        assert (listening.links(), listening.server.factory.open) == ([], 0)
        assert [record.getMessage() for record in caplog.records] == [
            "no connection can be accepted for now: No space left on device"
        ]
        listening.poller.epoll = epoll
        waiting.sendall(WHO)
        listening.server.reactor.advance(REST)
        listening.server.turns()
        assert answer(waiting) == 1


def test_what_is_refused_all_the_time_does_not_keep_the_reactor(listening: Listening) -> None:
    tried: list[int] = []

    def forbidden() -> Any:
        tried.append(1)
        raise OSError(errno.EPERM, "Operation not permitted")

    listening.listener._accept = forbidden
    for _ in range(30):
        tried.clear()
        listening.listener.accept()
    assert len(tried) == MOST_AT_ONCE


def test_a_fault_of_ours_in_accepting_is_the_end_of_that_connection_alone(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """The reactor would let go of a poller that raises, and with it of every connection."""

    def fails() -> float:
        raise RuntimeError("a fault of ours")

    with closing(listening.connect()) as client:
        listening.server.turns()
        seconds = listening.server.reactor.seconds
        listening.server.reactor.seconds = fails  # type: ignore[method-assign]
        with closing(listening.connect()) as failed:
            listening.poller.doRead()
            listening.server.reactor.seconds = seconds  # type: ignore[method-assign]
            with pytest.raises(ConnectionResetError):
                failed.recv(1)
        client.sendall(WHO)
        listening.server.turns()
        assert answer(client) == 1
        assert [record.getMessage() for record in caplog.records] == ["an operation failed"]

        # And whatever else may be raised there.
        listening.listener._accept = fails
        with closing(listening.connect()):
            listening.poller.doRead()
            client.sendall(WHO)
            listening.poller.doRead()
            assert answer(client) == 1
        listening.listener.close()


def test_who_is_in_a_zone_is_named_with_it() -> None:
    assert _ip(("192.0.2.10", 389)) == "192.0.2.10"
    assert _ip(("2001:db8::1", 389, 0, 0)) == "2001:db8::1"
    assert _ip(("fe80::1", 389, 0, socket.if_nametoindex("lo"))) == "fe80::1%lo"


# One connection


class Narrow(socket.socket):
    """A socket that takes as many octets as there is `room` for."""

    room = 0

    def send(self, data: Any, flags: int = 0) -> int:
        size = min(self.room, len(data))
        if not size:
            raise BlockingIOError
        self.room -= size
        return super().send(data[:size], flags)


class Deaf(socket.socket):
    """A socket whose peer can't be reached any more."""

    def send(self, data: Any, flags: int = 0) -> int:
        raise OSError(errno.EHOSTUNREACH, "No route to host")


def linked(server: Server, kind: Any, link: Any = PolledLink) -> tuple[Any, Any, socket.socket]:
    """A connection over a socket of this kind: link, its socket, and the peer's."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    connected = kind(fileno=ours.detach())
    made = link(server.factory, server.poller, connected)
    made.opened("192.0.2.10", 50123)
    return made, connected, theirs


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.lists(st.integers(0, 60), max_size=20))
def test_whatever_the_peer_takes_octets_leave_once_and_in_order(pieces: list[bytes], rooms: list[int]) -> None:
    server = Server(adapter="poller")
    link, connected, theirs = linked(server, Narrow)
    with closing(theirs):
        for at, piece in enumerate(pieces):
            connected.room = rooms[at] if at < len(rooms) else 0
            link.transmit(piece)
            assert server.poller is not None
            server.poller.doRead()
        connected.room = 1 << 20
        server.turns()
        assert link._unsent is None
        sent = theirs.recv(1 << 20) if pieces else b""
        assert sent == b"".join(pieces)
        server.close()


def test_a_connection_found_lost_in_sending_ends_in_the_next_turn(start: Start) -> None:
    server = start()
    link, connected, theirs = linked(server, Deaf)
    with closing(theirs):
        link.transmit(b"anything")
        assert connected.fileno() >= 0
        server.turns()
        assert (connected.fileno(), server.factory.open) == (-1, 0)


def test_a_connection_with_nothing_to_be_sent_is_closed_in_the_same_turn(start: Start) -> None:
    wire = start().connect(eager=False)
    assert isinstance(wire, PolledWire)
    wire.link.data_received(octets(UnbindRequest()))
    assert not wire.connected


def test_who_goes_while_nothing_is_read_is_gone(start: Start) -> None:
    server = start()
    wire = server.connect(eager=False)
    assert isinstance(wire, PolledWire)
    wire.link.stop_reading()
    wire.hang_up()  # whose turns would never end, were it told of all the time
    assert (wire.connected, server.factory.open) == (False, 0)


def test_a_reset_resets(listening: Listening) -> None:
    with closing(listening.connect()) as client:
        listening.server.turns()
        ((link),) = listening.links()
        link.abort()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_reset_of_the_peer_ends_the_connection(listening: Listening) -> None:
    client = listening.connect()
    listening.server.turns()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    listening.server.turns()
    assert listening.server.factory.open == 0


def test_what_is_told_of_a_descriptor_that_is_another_connection_by_now_does_no_harm(start: Start) -> None:
    server = start()
    link, connected, theirs = linked(server, socket.socket)
    with closing(theirs):
        link.ready(0x01F)  # all there is: IN, PRI, OUT, ERR, HUP
        assert connected.fileno() >= 0
        link.reset()
        link.ready(0x01F)
        link.transmit(b"anything")
        link.reset()
        assert server.factory.open == 0


# Rounds and turns


class Broken(PolledLink):
    """A connection with a fault of ours."""

    def data_received(self, data: bytes) -> None:
        raise RuntimeError("a fault of ours")


def test_a_fault_of_ours_ends_its_connection_and_no_other(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = start()
    wire = server.connect()
    link, connected, theirs = linked(server, socket.socket, Broken)
    with closing(theirs):
        theirs.sendall(b"x")
        wire.receive(WHO)
        assert (connected.fileno(), link.session.closed) == (-1, True)
        assert len(server.taken(wire)) == 1
        (record,) = caplog.records
        assert (record.levelno, record.exc_info and str(record.exc_info[1])) == (logging.ERROR, "a fault of ours")


def test_a_connection_whose_end_fails_is_closed_all_the_same(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """It would be ready for ever."""

    class Closing:
        def closed(self) -> None:
            raise RuntimeError("another fault of ours")

    server = start()
    link, connected, theirs = linked(server, socket.socket, Broken)
    link.session._watch = Closing()
    with closing(theirs):
        theirs.sendall(b"x")
        server.turns()
        assert (connected.fileno(), server.factory.open) == (-1, 0)
        faults = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
        assert faults == ["a fault of ours", "another fault of ours"]


# One connection alone


class Counting:
    """An epoll that is asked so many times."""

    def __init__(self, epoll: Any) -> None:
        self._epoll = epoll
        self.asked = 0

    def poll(self, timeout: float, most: int) -> Any:
        self.asked += 1
        return self._epoll.poll(timeout, most)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)


def counted(poller: Poller) -> Counting:
    """Its epoll, counted from now on."""
    counting = Counting(poller.epoll)
    poller.epoll = counting  # type: ignore[assignment]
    return counting


def test_who_asks_alone_is_served_without_the_system_being_asked_who_it_is(listening: Listening) -> None:
    with closing(listening.connect()) as client, closing(listening.connect()) as other:
        listening.server.turns()
        counting = counted(listening.poller)
        for _ in range(4 * MOST_GUESSES):
            client.sendall(WHO)
            listening.poller.doRead()
            assert answer(client) == 1
        assert counting.asked <= 2 + 4
        other.sendall(WHO)
        listening.poller.doRead()
        assert answer(other) == 1
        client.sendall(WHO)
        other.sendall(WHO)
        listening.poller.doRead()
        assert (answer(client), answer(other)) == (1, 1)


def test_clients_that_take_turns_are_not_asked_in_vain(listening: Listening) -> None:
    with closing(listening.connect()) as first, closing(listening.connect()) as second:
        listening.server.turns()
        counting = counted(listening.poller)
        for client in [first, second] * 10:
            client.sendall(WHO)
            listening.poller.doRead()
            assert answer(client) == 1
            assert not listening.poller._guesses
        assert counting.asked == 20


def test_who_was_alone_and_does_not_stop_keeps_nobody_waiting_for_long(listening: Listening) -> None:
    with closing(listening.connect()) as client, closing(listening.connect()) as other:
        listening.server.turns()
        for _ in range(3):
            client.sendall(WHO)
            listening.poller.doRead()
        other.sendall(WHO)
        for _ in range(MOST_GUESSES + 1):
            client.sendall(WHO)
            listening.poller.doRead()
        assert answer(other) == 1

        # With much to do at once not even that long.
        for _ in range(3):
            client.sendall(WHO)
            listening.poller.doRead()
        other.sendall(WHO)
        client.sendall(WHO * 300)
        listening.poller.doRead()
        client.sendall(WHO)
        listening.poller.doRead()
        assert answer(other) == 1


def test_who_asks_for_much_at_once_is_answered_in_parts(listening: Listening) -> None:
    with closing(listening.connect()) as much, closing(listening.connect()) as little:
        listening.server.turns()
        much.setblocking(False)
        much.send(WHO * 2000)
        little.sendall(WHO)
        ready = listening.poller.epoll.poll(0, 10)
        listening.poller._serve(sorted(ready))
        assert answer(little) == 1
        (first, _) = listening.links()
        assert 0 < first.session.messages < 1000


class Talking(PolledLink):
    """A connection whose peer says more whenever it was heard."""

    theirs: socket.socket
    heard = 0

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        self.theirs.sendall(b"x")


def test_who_does_not_stop_talking_does_not_keep_the_reactor(start: Start) -> None:
    server = start()
    both = [linked(server, socket.socket, Talking) for _ in range(2)]
    for link, _, theirs in both:
        link.theirs = theirs
        theirs.sendall(b"x")
    assert server.poller is not None
    server.poller.doRead()
    assert [link.heard for link, _, _ in both] == [MOST_ROUNDS] * 2
    for link, _, theirs in both:
        link.reset()
        theirs.close()


def test_what_is_due_soon_is_done_in_the_next_turn_each_in_spite_of_the_others(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    done: list[int] = []

    def fails() -> None:
        done.append(1)
        raise RuntimeError("a fault of ours")

    def again() -> None:
        done.append(2)
        poller.soon(lambda: done.append(3))

    assert server.poller is not None
    poller = server.poller
    poller.soon(fails)
    poller.soon(again)
    assert done == []
    poller.doRead()
    assert done == [1, 2]
    server.reactor.advance(0)
    assert done == [1, 2, 3]
    assert [record.getMessage() for record in caplog.records] == ["an operation failed"]


class Turns:
    """A reactor as far as a Poller asks it for turns."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []

    def callLater(self, delay: float, call: Callable[[], object]) -> None:  # noqa: N802
        assert delay == 0
        self.due.append(call)

    def turn(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


def test_what_asks_for_turn_after_turn_has_one_of_each() -> None:
    reactor = Turns()
    poller = Poller(reactor)
    slices: list[int] = []

    def slice_of_a_search() -> None:
        slices.append(len(slices))
        poller.soon(slice_of_a_search)

    slice_of_a_search()
    for _ in range(5):
        # A round takes what is due with it, and leaves behind what the reactor was asked for.
        poller.doRead()
        reactor.turn()
        assert len(reactor.due) == 1
    assert len(slices) == 1 + 2 * 5
    poller.epoll.close()


def test_with_the_reactor_every_connection_ends(start: Start) -> None:
    server = start()
    wire = server.connect(eager=False)
    poller = Poller(server.reactor)
    assert server.poller is not None
    server.poller.connectionLost(None)
    assert not wire.connected
    server.poller = poller


def test_a_listener_is_of_its_poller(listening: Listening) -> None:
    assert isinstance(listening.listener, Listener)
    assert listening.poller.listeners == {listening.socket.fileno(): listening.listener}
    assert listening.poller.logPrefix() == "ldapserver"
