"""The server that a test holds: what it asks is done in the loop's thread, or in the server's own process."""

from collections.abc import Callable, Iterable
from typing import Concatenate, Literal, ParamSpec, Protocol, TypeVar

from ldapserver.testing import asserting, reporting, seen
from ldapserver.testing.binds import Binds
from ldapserver.testing.connections import Connections
from ldapserver.testing.conversation import Conversation
from ldapserver.testing.events import Events, Exchange
from ldapserver.testing.requests import Request, Requests, SearchRequest
from ldapserver.testing.served import Served

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class Ask(Protocol):
    """Calls a function with the server's parts, where they are."""

    def __call__(self, function: Callable[Concatenate[Served, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function(served, *args)` returns, or raises.

        A function of a module, arguments and a result that pickle: the server may be in another process.
        """
        ...


class Server:
    """A server that listens at `url`; any thread may use it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.url = ask(_url)
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)
        self.base_dn = ask(_base_dn)
        reporting.opened(self)

    def __repr__(self) -> str:
        return f"<Server {self.url}>"

    # Who is there

    # What happened

    @property
    def requests(self) -> Requests[Request]:
        """Every request so far, in order, decoded and without secrets: `server.requests.searches`, `.of("add")`..."""
        return self._ask(seen.requests)

    def binds(self, who: str | None = None) -> Binds:
        """Every bind that has ended, or those as `who`: any name of the account, whichever was used, or its DN.

        A SASL exchange is one bind. Anonymous binds are not among them; `server.requests.binds` has those too.
        """
        found = self._ask(seen.binds)
        return found if who is None else found.by(who)

    @property
    def events(self) -> Events:
        """The Windows events so far: 4776, and those beside it."""
        return self._ask(seen.events)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The records so far that are no Windows events: binds, and steps of binds, without a verdict."""
        return self._ask(seen.exchanges)

    @property
    def connections(self) -> Connections:
        """The connections so far; `server.connections.open` are those that last."""
        return self._ask(seen.connections)

    @property
    def conversation(self) -> Conversation:
        """All that was said, without secrets: print it."""
        return self._ask(seen.conversation, self.url)

    def clear(self) -> None:
        """Forget what has happened so far: requests, binds, events, closed connections, conversation."""
        self._ask(seen.clear)

    def wait_for(self, condition: Callable[[], R | Literal[False] | None], timeout: float = 5.0) -> R:
        """What `condition()` returns once that is true: `server.wait_for(lambda: server.requests.of("unbind"))`.

        It is asked again whenever something has happened, and by whom waits: it may be about anything. Raises
        AssertionError, with the conversation, after `timeout` seconds.
        """
        __tracebackhide__ = True
        return seen.wait_for(self, condition, timeout)

    def assert_bound(
        self,
        who: str,
        *,
        times: int | None = None,
        mechanism: str | None = None,
        qop: str | None = None,
        tls: bool | None = None,
    ) -> Binds:
        """There were successful binds as `who` in this manner, `times` of them or at least one; they are returned."""
        __tracebackhide__ = True
        return asserting.bound(self, who, times=times, mechanism=mechanism, qop=qop, tls=tls)

    def assert_not_bound(self, who: str | None = None) -> None:
        """Nobody has bound, or not as `who`."""
        __tracebackhide__ = True
        asserting.not_bound(self, who)

    def assert_no_failed_binds(self, who: str | None = None) -> None:
        """No bind has failed, or none as `who`."""
        __tracebackhide__ = True
        asserting.no_failed_binds(self, who)

    def assert_event(
        self, event_id: int, *, status: int | None = None, user: str | None = None, times: int | None = None
    ) -> Events:
        """There were such Windows events, `times` of them or at least one; they are returned."""
        __tracebackhide__ = True
        return asserting.event(self, event_id, status=status, user=user, times=times)

    def assert_searched(
        self,
        *,
        base: str | None = None,
        filter: str | None = None,
        scope: str | None = None,
        attributes: Iterable[str] | None = None,
        by: str | None = None,
        times: int | None = None,
    ) -> Requests[SearchRequest]:
        """There were such searches, `times` of them or at least one; they are returned.

        `scope` is `base`, `one` or `sub`; `by` who was bound, empty for anonymous. A filter may differ in the case
        of attributes only. Raises InvalidFilter for one that is none.
        """
        __tracebackhide__ = True
        return asserting.searched(
            self, base=base, filter=filter, scope=scope, attributes=attributes, by=by, times=times
        )

    def assert_all_protected(self) -> None:
        """No password came in the clear: outside of TLS, of a layer that encrypts, and of a Unix socket."""
        __tracebackhide__ = True
        asserting.all_protected(self)

    # What goes wrong

    # Time, policy, and back to what was


def _url(served: Served) -> str:
    return served.url


def _base_dn(served: Served) -> str:
    return str(served.directory.naming_contexts[0])
