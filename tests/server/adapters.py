"""Servers over each adapter: what tests of the transport's side say to all alike.

A `Wire` is a connection seen from its peer, who reads when the test lets it. Over Twisted it is Twisted's own
FileDescriptor, over the poller and over uvloop a Unix socket, served in turns that are taken by hand: when writers
are held up and when a connection may close is decided by them, and not by a likeness of theirs. The time is the
test's with each.
"""

import asyncio
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import pytest
import uvloop
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock

from ldapserver.asyncio_protocol import AsyncioProtocol
from ldapserver.certificates import ServerCertificate
from ldapserver.link import Link
from ldapserver.polled import PolledLink
from ldapserver.poller import Poller
from ldapserver.process import process_of
from ldapserver.protocol import LDAPFactory, LDAPProtocol, LDAPSFactory
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import LDAPMessage, Operation
from tests.server.stage import LDIF, Stage, stage

ADAPTERS = ("twisted", "poller", "uvloop")
PEER = ("192.0.2.10", 50123)
EVERYTHING = 1 << 30
QUIET = 3  # turns without anything done, behind which nothing follows


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


class Wire(Protocol):
    """A connection from its other end, whose server's end is `link`.

    `sent` is what was read of it, which is all that comes if the peer is `eager`; `connected` is whether it is there,
    and `aborted` whether the server has reset it.
    """

    sent: bytearray
    aborted: bool
    eager: bool

    @property
    def link(self) -> Link:
        """Our adapter."""
        ...

    @property
    def connected(self) -> object:
        """Whether there is a connection."""
        ...

    @property
    def reading(self) -> bool:
        """Whether the server reads."""
        ...

    @property
    def buffered(self) -> int:
        """Octets that the server has written and the peer has not read."""
        ...

    def receive(self, data: bytes) -> None:
        """Octets of the peer's arrive."""
        ...

    def read(self, room: int = EVERYTHING) -> None:
        """Let the peer read so many octets."""
        ...

    def hang_up(self) -> None:
        """The peer is gone."""
        ...


class TwistedWire(FileDescriptor):
    """A connection of Twisted's, without a socket."""

    def __init__(self, server: "Server", protocol: LDAPProtocol, *, eager: bool, local: bool) -> None:
        super().__init__(cast(Any, server.reactor))
        self.aborted = False
        self.connected = True
        self.eager = eager
        self.link = self.protocol = protocol
        self.room = EVERYTHING if eager else 0
        self.sent = bytearray()
        self._server = server
        self._local = local
        server.reactor.addReader(self)
        protocol.makeConnection(cast(Any, self))

    def getPeer(self) -> Any:  # noqa: N802
        return UNIXAddress("") if self._local else IPv4Address("TCP", *PEER)

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802
        size = min(self.room, len(data))
        self.room -= size
        self.sent += data[:size]
        return size

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted = True
        self.hang_up()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        if self.connected:
            super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted's own
            self.protocol.connectionLost(reason)

    def hang_up(self) -> None:
        self.connectionLost(connectionDone)

    def receive(self, data: bytes) -> None:
        if self.connected:
            cast(Any, self.protocol).dataReceived(data)
        self._server.turns()

    def read(self, room: int = EVERYTHING) -> None:
        self.room = room
        writers = self._server.reactor.writers
        while self in writers and self.connected:
            before = self.room
            if cast(Any, self).doWrite() is not None:
                self.hang_up()
            self._server.reactor.turns()
            if self.room == before == 0:
                break
        if not self.eager:
            self.room = 0

    @property
    def reading(self) -> bool:
        return self in self._server.reactor.readers

    @property
    def buffered(self) -> int:
        return len(self.dataBuffer) - self.offset + self._tempDataLen


class Watched(AsyncioProtocol):
    """The adapter, seen at its work."""

    wire: "UvloopWire"

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self._local:
            super().connection_made(transport)
        else:
            self._transport = transport
            self.opened(*PEER)

    def data_received(self, data: bytes) -> None:
        self.wire.server.done += 1
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.connected = False
        super().connection_lost(exc)

    def reset(self) -> None:
        self.wire.aborted = True
        super().reset()


class SocketWire:
    """A connection over a Unix socket, whose peer's end is `end`."""

    link: Link

    def __init__(self, server: "Server", *, eager: bool) -> None:
        self.aborted = False
        self.eager = eager
        self.sent = bytearray()
        self.server = server
        self.ours, self.end = socket.socketpair()
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what is not read waits in the server
        self.end.setblocking(False)

    @property
    def in_transit(self) -> int:
        """Octets that the server has sent and the peer has not read."""
        (here,) = struct.unpack("i", fcntl.ioctl(self.end, termios.FIONREAD, bytes(4)))
        return int(here)

    def read(self, room: int = EVERYTHING) -> None:
        self.server.turns()
        while room:
            try:
                data = self.end.recv(min(room, 1 << 16))
            except (BlockingIOError, ConnectionResetError):
                break
            if not data:
                break
            self.sent += data
            room -= len(data)
            self.server.turns()

    def hang_up(self) -> None:
        self.end.close()
        self.server.turns()


class UvloopWire(SocketWire):
    """A connection that uvloop serves."""

    link: Watched

    def __init__(self, server: "Server", protocol: Watched, *, eager: bool) -> None:
        super().__init__(server, eager=eager)
        self.connected = True
        self.link = protocol
        protocol.wire = self
        ours = self.ours
        assert server.loop is not None
        server.loop.run_until_complete(server.loop.connect_accepted_socket(lambda: cast(Any, protocol), ours))

    @property
    def reading(self) -> bool:
        return self.connected and self.link._transport.is_reading()

    @property
    def buffered(self) -> int:
        return self.in_transit + (self.link._transport.get_write_buffer_size() if self.connected else 0)

    def receive(self, data: bytes) -> None:
        if self.connected:
            self.end.sendall(data)
        self.server.turns()
        if self.eager:
            self.read()

    def close(self) -> None:
        """Nothing is left of it."""
        if self.connected:
            self.link._transport.abort()
        self.end.close()


class Seen(PolledLink):
    """The adapter, seen at its work."""

    wire: "PolledWire"

    def reset(self) -> None:
        self.wire.aborted = True
        super().reset()


class PolledWire(SocketWire):
    """A connection that a `Poller` serves."""

    link: Seen

    def __init__(self, server: "Server", *, eager: bool, tls_first: bool, local: bool) -> None:
        super().__init__(server, eager=eager)
        assert server.poller is not None
        self.link = Seen(server.factory, server.poller, self.ours, tls_first=tls_first)
        self.link.wire = self
        if local:
            self.link.opened(None, None, True, process_of(self.ours))
        else:
            self.link.opened(*PEER)

    @property
    def connected(self) -> bool:
        return self.ours.fileno() >= 0

    @property
    def reading(self) -> bool:
        return bool(self.link._events & select.EPOLLIN)

    @property
    def buffered(self) -> int:
        return self.in_transit + len(self.link._unsent or b"")

    def receive(self, data: bytes) -> None:
        if self.connected:
            self.end.sendall(data)
        self.server.turns()
        if self.eager:
            self.read()

    def close(self) -> None:
        """Nothing is left of it."""
        self.link.reset()
        self.end.close()


class Server:
    """A factory that has been started, and the connections made to it."""

    def __init__(
        self, ldif: str = LDIF, tls: ServerCertificate | None = None, adapter: str = "twisted", **settings: Any
    ) -> None:
        self.stage: Stage = stage(ldif, **settings)
        self.reactor = Reactor()
        self.loop: asyncio.AbstractEventLoop | None = uvloop.new_event_loop() if adapter == "uvloop" else None
        self.poller: Poller | None = Poller(self.reactor) if adapter == "poller" else None
        self.done = 0  # how often anything was, in the loop
        self._wires: list[UvloopWire | PolledWire] = []
        soon = self.poller.soon if self.poller is not None else None if self.loop is None else self._soon
        self.factory = LDAPFactory(self.stage.service, self.reactor, tls, soon=soon)
        self.factory.startFactory()

    def _soon(self, call: Callable[[], object]) -> None:
        self.done += 1
        assert self.loop is not None
        self.loop.call_soon(call)

    def connect(self, *, eager: bool = True, tls_first: bool = False, local: bool = False) -> Wire:
        """A new connection, whose peer reads at once or when it is told to."""
        if self.poller is not None:
            polled = PolledWire(self, eager=eager, tls_first=tls_first, local=local)
            self._wires.append(polled)
            return polled
        if self.loop is None:
            factory = LDAPSFactory(self.factory) if tls_first else self.factory
            return TwistedWire(self, factory.buildProtocol(None), eager=eager, local=local)
        protocol = Watched(self.factory, local=local, tls_first=tls_first)
        wire = UvloopWire(self, protocol, eager=eager)
        self._wires.append(wire)
        return wire

    def turns(self) -> None:
        """Take turns until nothing is done in them."""
        self.reactor.turns()
        if self.poller is not None:
            while select.select([self.poller], [], [], 0)[0]:
                self.poller.doRead()
                self.reactor.turns()
        if self.loop is None:
            return
        quiet = 0
        while quiet < QUIET:
            done = self.done
            self.loop.run_until_complete(asyncio.sleep(0))
            self.reactor.turns()
            quiet = 0 if self.done > done else quiet + 1

    def taken(self, wire: Wire) -> list[LDAPMessage]:
        """What an eager peer has got and not yet taken."""
        self.turns()
        wire.read()
        data = bytes(wire.sent)
        wire.sent.clear()
        return decoded(data)

    def close(self) -> None:
        """Nothing is left of it."""
        for wire in self._wires:
            wire.close()
        if self.loop is not None:
            self.turns()
            self.loop.close()
        if self.poller is not None:
            self.poller.connectionLost(None)


Start = Callable[..., Server]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    """The name of each adapter."""
    return str(request.param)


@contextmanager
def starting(adapter: str) -> Iterator[Start]:
    """What starts servers over this adapter, of which nothing is left behind."""
    made: list[Server] = []

    def start(ldif: str = LDIF, tls: ServerCertificate | None = None, **settings: Any) -> Server:
        made.append(Server(ldif, tls, adapter, **settings))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def start(adapter: str) -> Iterator[Start]:
    """Starts servers over each adapter."""
    with starting(adapter) as start:
        yield start


def octets(*operations: Operation) -> bytes:
    """Requests, numbered from 1."""
    return b"".join(codec.encode(LDAPMessage(number, each)) for number, each in enumerate(operations, 1))


def decoded(data: bytes) -> list[LDAPMessage]:
    """The messages that these octets are."""
    framer = Framer(1 << 30)
    framer.feed(data)
    return [codec.decode(element) for element in iter(framer.next, None)]
