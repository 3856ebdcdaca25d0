"""Listeners of Twisted's whose connections another brings: Twisted opens and closes them, and the other accepts.

So what is wrong with an address, which port is free, and the lock of a Unix socket are the same whoever does.
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ldapserver.hosting.sockets import BACKLOG
from ldapserver.url import ListenURL

if TYPE_CHECKING:
    from ldapserver.connections import Connections


class Bringer(Protocol):
    """Who accepts in Twisted's place, and brings what clients send: a `Poller`, or an asyncio loop."""

    def soon(self, call: Callable[[], object]) -> object:
        """Have it called once what is at hand has been dealt with."""
        ...

    def serve(self, listening: socket.socket, connections: "Connections", *, tls_first: bool = False) -> Any:
        """Accept there, until what is returned is told to `close()`. The socket stays the caller's."""
        ...


class ByAsyncio:
    """Brings by a `loop` of asyncio's, which need not run yet: where there is no epoll."""

    def __init__(self, loop: Any) -> None:
        self.soon = loop.call_soon
        self._loop = loop

    def serve(self, listening: socket.socket, connections: "Connections", *, tls_first: bool = False) -> Any:
        """Accept there."""
        from ldapserver.asyncio_protocol import AsyncioProtocol

        local = listening.family == socket.AF_UNIX
        create = self._loop.create_unix_server if local else self._loop.create_server
        protocol = partial(AsyncioProtocol, connections, local=local, tls_first=tls_first)
        # A descriptor of its own: each of the two closes one.
        return self._loop.run_until_complete(create(protocol, sock=listening.dup(), backlog=BACKLOG))


class Adopted:
    """A listening `port` of Twisted's that does not read, and the server that accepts in its place."""

    def __init__(self, port: Any, server: Any) -> None:
        self._port = port
        self._server = server

    def getHost(self) -> Any:  # noqa: N802  Twisted's names
        """Where it listens."""
        return self._port.getHost()

    def stopListening(self) -> Any:  # noqa: N802
        """Accept nobody any more; a Deferred."""
        self._server.close()
        return self._port.stopListening()

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """Close it now."""
        self._server.close()
        self._port.connectionLost(reason)


def adopt(
    opened: Sequence[tuple[ListenURL, Any]], bringer: Bringer, connections: "Connections"
) -> list[tuple[ListenURL, Any]]:
    """Let `bringer` accept at each of these listeners, which must have accepted nobody yet."""
    for _, port in opened:
        port.stopReading()
    return [(url, Adopted(port, bringer.serve(port.socket, connections, tls_first=url.tls))) for url, port in opened]
