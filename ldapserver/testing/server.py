"""The server that a test holds: what it asks is done in the loop's thread, or in the server's own process."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ldapserver.testing.faults import Faults
from ldapserver.testing.served import Served

P = ParamSpec("P")
T = TypeVar("T")


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

    def __repr__(self) -> str:
        return f"<Server {self.url}>"

    # Who is there

    # What happened

    # What goes wrong

    @property
    def faults(self) -> Faults:
        """The rules by which things go wrong: `server.faults.add(Close(), on="search", nth=2)`."""
        return Faults(self._ask)

    # Time, policy, and back to what was


def _url(served: Served) -> str:
    return served.url


def _base_dn(served: Served) -> str:
    return str(served.directory.naming_contexts[0])
