"""Listeners whose connections an asyncio loop brings: Twisted opens and closes them, and the loop accepts.

So what is wrong with an address, which port is free, and the lock of a Unix socket are the same with any loop.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ldapserver.asyncio_protocol import AsyncioProtocol
from ldapserver.hosting.sockets import BACKLOG
from ldapserver.url import ListenURL

if TYPE_CHECKING:
    from ldapserver.connections import Connections


class Adopted:
    """A listening `port` of Twisted's that does not read, and the asyncio server that accepts in its place."""

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
    loop: Any, opened: Sequence[tuple[ListenURL, Any]], connections: "Connections"
) -> list[tuple[ListenURL, Any]]:
    """Let `loop`, which does not run yet, accept for these listeners."""
    return [(url, Adopted(port, _serve(loop, url, port, connections))) for url, port in opened]


def _serve(loop: Any, url: ListenURL, port: Any, connections: "Connections") -> Any:
    port.stopReading()
    protocol = partial(AsyncioProtocol, connections, local=bool(url.path), tls_first=url.tls)
    # A descriptor of its own: each of the two closes one.
    listener = port.socket.dup()
    create = loop.create_unix_server if url.path else loop.create_server
    return loop.run_until_complete(create(protocol, sock=listener, backlog=BACKLOG))
