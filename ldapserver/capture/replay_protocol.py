"""A replay on a socket."""

from typing import Any

from twisted.internet import interfaces
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from ldapserver.capture.conversation import End
from ldapserver.capture.messages import MAX_MESSAGE
from ldapserver.capture.replay import Replay
from ldapserver.errors import ProtocolViolation
from ldapserver.wire.framing import Framer


class ReplayProtocol(Protocol):
    """One client under test."""

    transport: Any

    def __init__(self, factory: "ReplayFactory") -> None:
        self._clients = factory.clients
        self._connection = factory.replay.connect()
        self._replay = factory.replay
        self._framer = Framer(MAX_MESSAGE)
        self._over = False

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name, as are the others
        """See Protocol."""
        self._clients.add(self)
        tcp = interfaces.ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Answer each message that is whole."""
        self._framer.feed(data)
        while not self._over:
            try:
                element = self._framer.next()
            except ProtocolViolation as violation:
                self._replay.said(f"no LDAP: {violation}")
                self._end(End.CLOSED)
                return
            if element is None:
                return
            turn = self._connection.take(element)
            self.transport.write(b"".join(turn.elements))
            if turn.end is not None:
                self._end(turn.end)

    def _end(self, end: End) -> None:
        self._over = True
        if end is End.RESET:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client has gone."""
        self._over = True
        self._clients.discard(self)

    def stop(self) -> None:
        """End it from outside."""
        self.transport.abortConnection()


class ReplayFactory(Factory):
    """Makes the connections of a replay."""

    noisy = False

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.clients: set[ReplayProtocol] = set()

    def buildProtocol(self, addr: object) -> ReplayProtocol:  # noqa: N802  Twisted's name
        """A client."""
        return ReplayProtocol(self)

    def stop(self) -> None:
        """End all connections."""
        for client in tuple(self.clients):
            client.stop()
