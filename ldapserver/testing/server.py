"""The server that a test holds: what it asks is done in the loop's thread, or in the server's own process."""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ldapserver.directory.policy import Policy
from ldapserver.testing import policy
from ldapserver.testing.clock import ServerClock
from ldapserver.testing.keeping import Snapshot, keep, restore
from ldapserver.testing.plan import plan
from ldapserver.testing.served import Served
from ldapserver.url import ListenURL

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
    """A server that listens; any thread may use it.

    `url` is where it listens first, `urls` all of that; `base_dn` is its first naming context.
    """

    def __init__(self, ask: Ask, stop: Callable[[], None]) -> None:
        self._ask = ask
        self._stop = stop
        self._pid = os.getpid()
        self._stopping = threading.Lock()
        self._stopped = False
        self._dropped: deque[str] = deque()  # the snapshots that nobody holds any more
        self.urls, self.base_dn, self._ca = ask(_facts)
        self.url = self.urls[0]
        self.clock = ServerClock(ask)

    def __repr__(self) -> str:
        return f"<Server {self.url}{' (stopped)' if self._stopped else ''}>"

    @property
    def host(self) -> str:
        """The address of `url`. Raises ValueError for a Unix socket."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The port of `url`. Raises ValueError for a Unix socket."""
        return self._address[1]

    @property
    def _address(self) -> tuple[str, int]:
        url = ListenURL.parse(self.url)
        if url.path:
            raise ValueError(f"{self.url}: a Unix socket, which has neither host nor port")
        return url.host, url.port

    @property
    def ldaps_url(self) -> str:
        """Where it listens inside TLS. Raises ValueError where it does not."""
        for url in self.urls:
            if url.startswith("ldaps:"):
                return url
        raise ValueError("it listens nowhere inside TLS; running_server(tls=True) does")

    @property
    def ca(self) -> str:
        """The CA that its certificate is of, in PEM, for clients to trust.

        Raises ValueError where there is no TLS, and with a certificate of a file, whose CA only its maker knows.
        """
        if self._ca is None:
            raise ValueError("there is no CA made for it; with running_server(tls=True) there is")
        return self._ca

    def stop(self) -> None:
        """Stop listening and end every connection; nothing, where that is done. Returns when it is."""
        with self._stopping:
            # In a process that was forked off, it is not ours to stop.
            if not self._stopped and self._pid == os.getpid():
                self._stopped = True
                self._stop()

    # Who is there

    # What happened

    # What goes wrong

    # Time, policy, and back to what was

    def policy(
        self,
        *,
        lockout_threshold: int | None = None,
        lockout_window: float | str | timedelta | None = None,
        lockout_duration: float | str | timedelta | None = None,
        max_password_age: float | str | timedelta | None = None,
        spare_old_passwords: bool | None = None,
    ) -> Policy:
        """Ask this of accounts from now on, and what is not said as before; the policy that there is then.

        Times are seconds, or as `ldapserver serve` reads them ("30m"). Under `profile="ad"` the domain's entry says
        it too. Raises ValueError.
        """
        given = {
            "lockout_threshold": lockout_threshold,
            "lockout_window": lockout_window,
            "lockout_duration": lockout_duration,
            "max_password_age": max_password_age,
            "spare_old_passwords": spare_old_passwords,
        }
        settings = {name: value for name, value in given.items() if value is not None}
        if not settings:
            return self._ask(policy.read)
        return self._ask(policy.ask, plan(settings).options, tuple(settings))

    def snapshot(self) -> Snapshot:
        """What there is now, for `restore`: entries with their passwords and counts, policy and clock."""
        forget = tuple([self._dropped.popleft() for _ in range(len(self._dropped))])
        snapshot = self._ask(keep, forget)
        weakref.finalize(snapshot, self._dropped.append, snapshot.key).atexit = False
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Be what the snapshot holds, and forget what has happened. Connections stay, as whom they are bound.

        Raises ValueError for a snapshot of another server.
        """
        self._ask(restore, snapshot.key)

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """What is done in the `with` block is undone behind it, however it is left."""
        snapshot = self.snapshot()
        try:
            yield
        finally:
            self.restore(snapshot)


def _facts(served: Served) -> tuple[tuple[str, ...], str, str | None]:
    context = next(iter(served.directory.naming_contexts), None)
    return served.urls, "" if context is None else str(context), served.ca
