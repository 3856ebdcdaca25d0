"""The adapter for asyncio, and so for uvloop where there is no epoll: octets from and to its transports."""

from typing import TYPE_CHECKING

from ldapserver.compiled import mypyc_attr
from ldapserver.link import Link
from ldapserver.process import process_of

if TYPE_CHECKING:
    import asyncio

    from ldapserver.connections import Connections


# By its interface, which in part is that of a Link: a compiled class derives from no other of Python's.
@mypyc_attr(allow_interpreted_subclasses=True)
class AsyncioProtocol(Link):
    """One connection, `local` over a Unix socket. There is no Task and no Future: the loop calls, and it is done."""

    __slots__ = ("_local", "_transport")

    _transport: "asyncio.Transport"

    def __init__(self, connections: "Connections", *, local: bool = False, tls_first: bool = False) -> None:
        super().__init__(connections, tls_first=tls_first)
        self._local = local

    def connection_made(self, transport: "asyncio.Transport") -> None:
        """Start a session. Every loop sets TCP_NODELAY by itself."""
        self._transport = transport
        if self._local:
            self.opened(None, None, True, process_of(transport.get_extra_info("socket")))
        else:
            ip, port, *_ = transport.get_extra_info("peername") or (None, None)
            self.opened(ip, port)

    def eof_received(self) -> None:
        """The peer sends no more, and so is gone; what it was answered until now is sent."""
        self.session.lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session."""
        self.gone()

    # What a transport does for a Link

    def transmit(self, data: bytes) -> None:
        """Send octets."""
        self._transport.write(data)

    def end(self) -> None:
        """End the connection once all is sent."""
        self._transport.close()

    def reset(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def stop_reading(self) -> None:
        """Bring no more octets."""
        self._transport.pause_reading()

    def start_reading(self) -> None:
        """Bring octets again."""
        self._transport.resume_reading()
