"""The adapter for Twisted: octets from and to its transports, and factories for its listeners."""

from socket import socket
from typing import TYPE_CHECKING, Any, cast

from twisted.internet import interfaces
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ldapserver.connections import FAREWELL, MAX_OFFLOADED, Connections, Reactor
from ldapserver.link import Link
from ldapserver.process import process_of
from ldapserver.service import Service

if TYPE_CHECKING:
    from ldapserver.certificates import ClientAuthorities, ServerCertificate

__all__ = ["FAREWELL", "MAX_OFFLOADED", "LDAPFactory", "LDAPProtocol", "LDAPSFactory"]


@implementer(interfaces.IProtocol, interfaces.IPushProducer)
class LDAPProtocol(Link):
    """One connection: a `Channel` for its session. `transport` is what Twisted has given it."""

    __slots__ = ("_address", "_direct", "_producing", "transport")

    def __init__(
        self, factory: "LDAPFactory", address: interfaces.IAddress | None = None, *, tls_first: bool = False
    ) -> None:
        """Of an `address` that is None the transport is asked."""
        super().__init__(factory, tls_first=tls_first)
        self._address = address
        self._direct = self._producing = False
        self.transport: Any = None

    def makeConnection(self, transport: interfaces.ITransport) -> None:  # noqa: N802  Twisted's name, as are the others
        """The transport is there."""
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:  # noqa: N802
        """Start a session."""
        transport = self.transport
        self._direct = isinstance(transport, FileDescriptor) and hasattr(transport, "_tempDataBuffer")
        address: Any = transport.getPeer() if self._address is None else self._address
        self._address = None
        if isinstance(address, UNIXAddress):
            system: Any = cast(Any, interfaces.ISystemHandle)(transport, None)
            process = None if system is None else process_of(cast(socket, system.getHandle()))
            self.opened(None, None, True, process)
        else:
            if hasattr(transport, "setTcpNoDelay"):
                transport.setTcpNoDelay(True)
            self.opened(getattr(address, "host", None), getattr(address, "port", None))

    # A name for each of Twisted's calls, and not a call more.
    dataReceived = Link.data_received  # noqa: N815
    pauseProducing = Link.pause_writing  # noqa: N815
    resumeProducing = Link.resume_writing  # noqa: N815

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone: `connectionLost` follows."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """End the session."""
        self._direct = False
        self.gone()

    # What a transport does for a Link

    def transmit(self, data: bytes) -> None:
        """Send octets: at once as far as they are taken, and the rest by way of Twisted's buffer."""
        transport = self.transport
        # Twisted's own `write` sends in its next turn and has epoll told of it twice, which is most of what a short
        # answer costs. What it has in its buffers goes first.
        if self._direct and not (transport._tempDataBuffer or transport.dataBuffer):
            sent = transport.writeSomeData(data)
            if sent == len(data):
                return
            if isinstance(sent, int):  # else the connection is lost, as Twisted finds in that turn
                data = data[sent:]
        if not self._producing:
            self._producing = True
            transport.registerProducer(self, True)
        transport.write(data)

    def end(self) -> None:
        """End the connection once all is sent."""
        transport = self.transport
        if self._direct and not (transport._tempDataBuffer or transport.dataBuffer):
            # Twisted's own `loseConnection` waits for the socket to be writable, with nothing left to write to it.
            transport.connectionLost(connectionDone)
            return
        if self._producing:
            # A transport that has a producer waits for it, and would not close.  IConsumer.unregisterProducer
            self._producing = False
            transport.unregisterProducer()
        transport.loseConnection()

    def reset(self) -> None:
        """End the connection at once."""
        self.transport.abortConnection()

    def stop_reading(self) -> None:
        """Bring no more octets."""
        self.transport.pauseProducing()

    def start_reading(self) -> None:
        """Bring octets again."""
        self.transport.resumeProducing()


class LDAPFactory(Connections, Factory):
    """Makes a connection's protocol, and keeps the limits that connections have together."""

    noisy = False

    def __init__(
        self,
        service: Service,
        reactor: Reactor | None = None,
        tls: "ServerCertificate | None" = None,
        clients: "ClientAuthorities | None" = None,
        **keywords: Any,
    ) -> None:
        """With `tls` clients may begin TLS on a connection (StartTLS), and `LDAPSFactory` may be used.

        With `clients` they are asked for a certificate of theirs. Raises what `use_certificate` does.
        """
        if reactor is None:
            from twisted.internet import reactor as default

            reactor = cast(Any, default)
        super().__init__(service, reactor, tls, clients, **keywords)

    # A protocol by its interface: no subclass of Twisted's, whose instances have a dict each.
    def buildProtocol(  # type: ignore[override]  # noqa: N802
        self, addr: interfaces.IAddress | None
    ) -> LDAPProtocol:
        """A protocol for a new connection."""
        return LDAPProtocol(self, addr)

    def startFactory(self) -> None:  # noqa: N802
        """The first listener is there."""
        self.begin()

    def stopFactory(self) -> None:  # noqa: N802
        """The last listener is gone: tell everybody, and go."""
        self.end()

    def farewell(self, patience: float = FAREWELL) -> Deferred[None]:
        """Fires when every connection is gone and recorded.

        Those still there after `patience` seconds are ended: some do not read.
        """
        gone: Deferred[None] = Deferred()
        self.see_off(lambda: gone.callback(None), patience)
        return gone


class LDAPSFactory(Factory):
    """Makes the connections of an ldaps:// listener: TLS comes first; all else is shared with `factory`."""

    noisy = False

    def __init__(self, factory: LDAPFactory) -> None:
        self._shared = factory

    def buildProtocol(  # type: ignore[override]  # noqa: N802
        self, addr: interfaces.IAddress | None
    ) -> LDAPProtocol:
        """A protocol for a new connection."""
        return LDAPProtocol(self._shared, addr, tls_first=True)

    def startFactory(self) -> None:  # noqa: N802
        """The first listener is there."""
        cast(Any, self._shared).doStart()

    def stopFactory(self) -> None:  # noqa: N802
        """The last listener is gone."""
        cast(Any, self._shared).doStop()
