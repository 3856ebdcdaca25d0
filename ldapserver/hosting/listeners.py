"""The listeners of a server: opened all or none, and closed with what is under way behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ldapserver.hosting.sockets import BACKLOG, SOCKET_MODE
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault

if TYPE_CHECKING:
    from ldapserver.protocol import LDAPFactory


@dataclass(frozen=True)
class Listening:
    """A server that listens; `scraped` is the URL of its metrics, with its listener."""

    factory: "LDAPFactory"
    opened: Sequence[tuple[ListenURL, Any]]
    scraped: tuple[str, Any] | None = None

    @property
    def urls(self) -> list[str]:
        """Where, in the order of --listen, each with the port that it has."""
        return [str(url) for url, _ in self.opened]

    def stop(self) -> Any:
        """Listen no more, and let everybody be told; a Deferred."""
        from twisted.internet.defer import DeferredList

        listeners = [*self.opened, *([self.scraped] if self.scraped else ())]
        closed = DeferredList([port.stopListening() for _, port in listeners])
        return closed.addCallback(lambda _: self.factory.farewell())

    def close(self) -> None:
        """Listen no more, now; nobody has come yet."""
        close_listeners([*self.opened, *([self.scraped] if self.scraped else ())])


def open_listeners(
    reactor: Any, addresses: Sequence[tuple[ListenURL, str]], factory: object, secure: object
) -> list[tuple[ListenURL, Any]]:
    """A listener for each URL, which says its port now. Raises UsageFault; then none is left open."""
    from twisted.internet import error

    opened: list[tuple[ListenURL, Any]] = []
    for url, address in addresses:
        try:
            port = (
                reactor.listenUNIX(url.path, factory, BACKLOG, SOCKET_MODE, True)
                if url.path
                else reactor.listenTCP(url.port, secure if url.tls else factory, BACKLOG, address)
            )
        except (error.CannotListenError, OSError) as refused:
            close_listeners(opened)
            raise UsageFault(
                f"argument --listen: {url}: {_reason(getattr(refused, 'socketError', refused))}"
            ) from None
        opened.append((url if url.path else replace(url, port=port.getHost().port), port))
    return opened


def close_listeners(opened: Sequence[tuple[object, Any]]) -> None:
    """Sockets close with the process; the file of a Unix socket would stay."""
    for _, port in opened:
        port.connectionLost(None)


def _reason(cause: object) -> object:
    """Why a listener could not be made, in the system's words."""
    return getattr(cause, "strerror", None) or cause
