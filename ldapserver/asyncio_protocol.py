"""The adapter for asyncio, and so for uvloop: octets from and to its transports."""

import asyncio
from typing import TYPE_CHECKING, cast

from ldapserver.link import Link
from ldapserver.process import process_of

if TYPE_CHECKING:
    from socket import socket

    from ldapserver.connections import Connections


class AsyncioProtocol(Link, asyncio.Protocol):
    """One connection, `local` over a Unix socket. There is no Task and no Future: the loop calls, and it is done."""

    __slots__ = ("_local", "_transport")

    _transport: asyncio.Transport

    def __init__(self, connections: "Connections", *, local: bool = False, tls_first: bool = False) -> None:
        super().__init__(connections, tls_first=tls_first)
        self._local = local

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a session. Every loop sets TCP_NODELAY by itself."""
        self._transport = cast(asyncio.Transport, transport)
        if self._local:
            self.opened(None, None, True, process_of(cast("socket", transport.get_extra_info("socket"))))
        else:
            ip, port, *_ = transport.get_extra_info("peername") or (None, None)
            self.opened(ip, port)

    # A name for each of asyncio's calls, and not a call more.
    data_received = Link.received
    pause_writing = Link.held_up
    resume_writing = Link.drained

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
