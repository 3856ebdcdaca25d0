"""Listeners whose connections a Poller or an asyncio loop brings: Twisted opens and closes them, and those accept.

So what is wrong with an address, which port is free, and the lock of a Unix socket are the same with any loop.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ldapserver.hosting.sockets import BACKLOG
from ldapserver.url import ListenURL

if TYPE_CHECKING:
    from ldapserver.connections import Connections
    from ldapserver.poller import Poller


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
    opened: Sequence[tuple[ListenURL, Any]], accept: Callable[[ListenURL, Any], Any]
) -> list[tuple[ListenURL, Any]]:
    """Let `accept`, given a URL and its port, make a server for each of these listeners, which `close()` ends."""
    for _, port in opened:
        port.stopReading()
    return [(url, Adopted(port, accept(url, port))) for url, port in opened]


def by_asyncio(loop: Any, connections: "Connections") -> Callable[[ListenURL, Any], Any]:
    """Accepts by `loop`, which does not run yet."""
    # Loaded here: it is asyncio, for which a server on Twisted's own reactor has no use.
    from ldapserver.asyncio_protocol import AsyncioProtocol

    def accept(url: ListenURL, port: Any) -> Any:
        protocol = partial(AsyncioProtocol, connections, local=bool(url.path), tls_first=url.tls)
        # A descriptor of its own: each of the two closes one.
        listener = port.socket.dup()
        create = loop.create_unix_server if url.path else loop.create_server
        return loop.run_until_complete(create(protocol, sock=listener, backlog=BACKLOG))

    return accept


def by_poller(poller: "Poller", connections: "Connections") -> Callable[[ListenURL, Any], Any]:
    """Accepts by `poller`."""
    return lambda url, port: poller.serve(port.socket, connections, tls_first=url.tls)
