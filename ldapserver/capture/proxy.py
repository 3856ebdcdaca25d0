"""A proxy that nobody notices: it hands on what client and server say, octet for octet, and tells a recorder of it.

Each end's octets go to the other as they come. An end that does not read keeps the other from sending, one that
closes its direction has only that direction closed, and a reset is handed on as a reset. TLS knows no half-close:
where an end is inside TLS, a direction that is closed closes the connection.
"""

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet import interfaces
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ldapserver.capture.conversation import End, Piece
from ldapserver.capture.listening import Upstream
from ldapserver.capture.recorder import RecordedConnection, Recorder

_log = logging.getLogger("ldapserver")


class _End(Protocol):
    """One end of a connection; `peer` is the other one, once there is one."""

    transport: Any
    from_client: bool

    def __init__(self, link: "_Link") -> None:
        self.link = link
        self.peer: _End | None = None
        self.read_closed = False
        self.write_closed = False
        self.gone = False

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name, as are the others
        """See Protocol."""
        tcp = interfaces.ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hand it on, and have it recorded."""
        self.link.said(self.from_client, data)
        if self.peer is not None and not self.peer.gone:
            self.peer.transport.write(data)

    def readConnectionLost(self) -> None:  # noqa: N802
        """It says no more, and may listen still."""
        self.read_closed = True
        self.link.ended(self.from_client, End.CLOSED)
        peer = self.peer
        if peer is not None and not peer.gone:
            if _has_tls(peer.transport):
                peer.transport.unregisterProducer()
                peer.transport.loseConnection()
            else:
                peer.transport.loseWriteConnection()
        self._close_if_done()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """What the other end had to say is all handed on."""
        self.write_closed = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.read_closed and self.write_closed:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """It is gone: so is the other, in the same manner."""
        self.gone = True
        clean = isinstance(reason.value, ConnectionDone)
        if not isinstance(reason.value, ConnectionDone | ConnectionLost | ConnectionAborted):
            _log.error("%s: TLS failed: %s", "client" if self.from_client else "server", reason.value)
        if not self.link.stopping and not (self.read_closed and clean):
            self.link.ended(self.from_client, End.CLOSED if clean else End.RESET)
        peer = self.peer
        if peer is not None and not peer.gone:
            peer.transport.unregisterProducer()
            if clean:
                peer.transport.loseConnection()
            else:
                peer.transport.abortConnection()
        self.link.lost(self)


@implementer(interfaces.IHalfCloseableProtocol)
class _Near(_End):
    """The client's end."""

    from_client = True

    def connectionMade(self) -> None:  # noqa: N802
        """Reach the server first: what the client says before that waits in its socket."""
        super().connectionMade()
        self.transport.pauseProducing()
        self.link.begin(self)


@implementer(interfaces.IHalfCloseableProtocol)
class _Far(_End):
    """The server's end."""

    from_client = False


class _FarFactory(Factory):
    noisy = False

    def __init__(self, link: "_Link") -> None:
        self._link = link

    def buildProtocol(self, addr: object) -> _Far:  # noqa: N802  Twisted's name
        return _Far(self._link)


class _Link:
    """A client, its server, and what is recorded of them."""

    def __init__(self, proxy: "RecordingProxy") -> None:
        self._proxy = proxy
        self._recorded: RecordedConnection | None = None
        self._ended: dict[bool, End] = {}
        self._near: _Near | None = None
        self._far: _Far | None = None
        self.stopping = False

    def begin(self, near: _Near) -> None:
        """A client has come."""
        self._near = near
        self._proxy.links.add(self)
        factory = _FarFactory(self)
        self._proxy.upstream.connect(factory).addCallbacks(self._reached, self._unreachable)

    def _record(self, server: str) -> None:
        assert self._near is not None
        at, client = self._proxy.clock(), _text(self._near.transport.getPeer(), "client")
        self._recorded = self._proxy.recorder.begin(at, client, server)

    def _reached(self, far: _Far) -> None:
        near = self._near
        assert near is not None
        self._far = far
        self._record(_text(far.transport.getPeer(), self._proxy.upstream.name))
        near.peer, far.peer = far, near
        if near.gone or self.stopping:
            far.transport.abortConnection()
            return
        near.transport.registerProducer(far.transport, True)
        far.transport.registerProducer(near.transport, True)
        near.transport.resumeProducing()

    def _unreachable(self, failure: Failure) -> None:
        name = self._proxy.upstream.name
        _log.error("%s cannot be reached: %s", name, failure.getErrorMessage())
        near = self._near
        assert near is not None
        if not near.gone:
            self._record(name)
            self.ended(False, End.RESET)
            near.transport.abortConnection()

    def said(self, from_client: bool, data: bytes) -> None:
        """Octets of one end."""
        if self._recorded is not None:
            self._recorded.feed(Piece(self._proxy.clock(), from_client, data))

    def ended(self, from_client: bool, end: End) -> None:
        """One end sends no more; the reset that answers a reset is no news."""
        if self._recorded is None or End.RESET in self._ended.values() or self._ended.get(from_client) is end:
            return
        self._ended[from_client] = end
        self._recorded.feed(Piece(self._proxy.clock(), from_client, b"", 0, end))

    def lost(self, end: _End) -> None:
        """One end is gone."""
        near, far = self._near, self._far
        if (near is None or near.gone) and (far is None or far.gone):
            self._proxy.links.discard(self)
            if self._recorded is not None:
                self._recorded.finish()

    def stop(self) -> None:
        """End it from outside."""
        self.stopping = True
        for end in (self._near, self._far):
            if end is not None and not end.gone:
                end.transport.unregisterProducer()
                end.transport.abortConnection()


class RecordingProxy(Factory):
    """Takes clients, each of which gets a connection of its own to `upstream`. `clock` is seconds since 1970."""

    noisy = False

    def __init__(self, upstream: Upstream, recorder: Recorder, clock: Callable[[], float]) -> None:
        self.upstream = upstream
        self.recorder = recorder
        self.clock = clock
        self.links: set[_Link] = set()

    def buildProtocol(self, addr: object) -> _Near:  # noqa: N802  Twisted's name
        """A client."""
        return _Near(_Link(self))

    def stop(self) -> None:
        """End all connections; what was said on them is recorded."""
        for link in tuple(self.links):
            link.stop()


def _has_tls(transport: object) -> bool:
    return interfaces.ISSLTransport(transport, None) is not None


def _text(address: Any, otherwise: str) -> str:
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return f"{otherwise}:0" if ":" not in otherwise else otherwise
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
