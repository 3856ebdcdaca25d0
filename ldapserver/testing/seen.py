"""What a server under test has seen, asked for where it is; results pickle, for that may be another process."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ldapserver.capture.conversation import Conversation as Taped
from ldapserver.testing.binds import Binds
from ldapserver.testing.connections import Connections
from ldapserver.testing.conversation import Conversation
from ldapserver.testing.events import Events, Exchange
from ldapserver.testing.requests import Request, Requests
from ldapserver.testing.served import Served
from ldapserver.url import ListenURL

if TYPE_CHECKING:
    from ldapserver.testing.server import Server

T = TypeVar("T")

_AT_ONCE = 1.0  # seconds that are waited without a look: a condition may be about what no message tells of


def requests(served: Served) -> Requests[Request]:
    """The requests so far."""
    return served.recorder.requests()


def binds(served: Served) -> Binds:
    """The binds that have ended."""
    return served.recorder.binds()


def events(served: Served) -> Events:
    """The Windows events."""
    return served.recorder.events()


def exchanges(served: Served) -> tuple[Exchange, ...]:
    """The records that are no Windows events."""
    return served.recorder.exchanges()


def connections(served: Served) -> Connections:
    """The connections."""
    return served.recorder.connections()


def conversation(served: Served, url: str) -> Conversation:
    """What was said."""
    return served.recorder.conversation(url)


def taped(served: Served) -> tuple[Taped, ...]:
    """The octets of all that was said, as they were inside TLS and layers."""
    url = ListenURL.parse(served.url)
    host = f"[{url.host}]" if ":" in url.host else url.host
    server = "server:0" if url.path else f"{host}:{url.port}"
    return tuple(replace(each, server=server) for each in served.recorder.tape.conversations())


def clear(served: Served) -> None:
    """Forget it all."""
    served.recorder.clear()


def version(served: Served) -> int:
    """A number that goes up with everything that happens."""
    return served.recorder.version


def changed(served: Served, version: int, seconds: float) -> Any:
    """A Deferred that fires when more has happened than at `version`, or when so many seconds are over."""
    from twisted.internet.defer import Deferred

    done: Deferred[None] = Deferred()

    def happened() -> None:
        timer.cancel()
        done.callback(None)

    def over() -> None:
        back()
        done.callback(None)

    timer = served.reactor.callLater(seconds, over)
    back = served.recorder.after(version, happened)
    return done


def wait_for(server: "Server", condition: Callable[[], T | Literal[False] | None], timeout: float) -> T:
    """What `condition` returns once that is true; it is asked whenever something has happened.

    Raises AssertionError after `timeout` seconds.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    while True:
        at = server._ask(version)
        value = condition()
        if value:
            return value
        left = deadline - time.monotonic()
        if left <= 0:
            raise AssertionError(f"waited {timeout:g} s for what did not happen\n\n{server.conversation.excerpt()}")
        server._ask(changed, at, min(left, _AT_ONCE))
