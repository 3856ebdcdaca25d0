"""The server that a test holds: what it asks is done in the loop's thread, or in the server's own process."""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from os import PathLike
from types import MappingProxyType
from typing import Concatenate, Literal, ParamSpec, Protocol, TypeVar

from ldapserver.capture.recorder import write_pcap, write_recording
from ldapserver.directory.account_reset import AccountReset
from ldapserver.directory.policy import Policy
from ldapserver.testing import (
    asserting,
    building,
    data_files,
    domain,
    entries,
    filling,
    orders,
    policy,
    seen,
)
from ldapserver.testing.binds import Binds
from ldapserver.testing.clock import ServerClock
from ldapserver.testing.connections import Connections
from ldapserver.testing.conversation import Conversation
from ldapserver.testing.entries import Entry
from ldapserver.testing.events import Events, Exchange
from ldapserver.testing.faults import Faults, check_fired
from ldapserver.testing.finding import shown, told_of
from ldapserver.testing.keeping import Snapshot, keep, restore
from ldapserver.testing.orders import Group, User, Who
from ldapserver.testing.plan import plan
from ldapserver.testing.requests import Request, Requests, SearchRequest
from ldapserver.testing.served import Served
from ldapserver.testing.values import changes_of
from ldapserver.url import ListenURL
from ldapserver.wire.messages import ModifyOperation

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
    """A server that listens; any thread may use it.

    `url` is where it listens first, `urls` all of that; `base_dn` is its first naming context. `faults` are the rules
    by which things go wrong, `server.faults.add(Close(), on="search", nth=2)`; `clock` is its time.
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
        self.faults = Faults(ask)

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

    def stop(self, *, verify: bool = True) -> None:
        """Stop listening and end every connection; nothing, where that is done. Returns when it is.

        Raises AssertionError where a fault never fired, unless `verify` is false; it is stopped all the same.
        """
        with self._stopping:
            # In a process that was forked off, it is not ours to stop.
            if self._stopped or self._pid != os.getpid():
                return
            self._stopped = True
            try:
                if verify:
                    self._verify_faults()
            finally:
                self._stop()

    def _verify_faults(self) -> None:
        # Of a process that has ended before it was stopped nothing is known.
        with suppress(RuntimeError):
            self.faults.verify()

    # Who is there

    def add_user(
        self,
        name: str,
        /,
        password: str | None = None,
        *,
        groups: Iterable[Who] = (),
        disabled: bool = False,
        must_change: bool = False,
        locked: bool = False,
        expired: bool | datetime = False,
        scheme: str | Sequence[str] | None = None,
        under: str | None = None,
        dn: str | None = None,
        **attributes: object,
    ) -> User:
        """Add who answers to `name`, and to `groups`; one that is a mere name and not there yet is made.

        `locked` is as if wrong passwords had just locked the account, `expired` since now or a moment. `scheme` is
        how the password is stored: `CLEARTEXT` (the default), `HA1`, `WDIGEST`, `SSHA`, `SSHA256`, `SSHA512`,
        `PBKDF2-SHA256`, or several. `under` is the container, made where it is not there; `dn` the whole name.
        Anything else is an attribute: `mail="alice@example.com"`, or a list.

        Raises ValueError, which names the field and the rule; then nothing is changed.
        """
        order = orders.user_order(
            name,
            password,
            groups=groups,
            disabled=disabled,
            must_change=must_change,
            locked=locked,
            expired=expired,
            scheme=scheme,
            under=under,
            dn=dn,
            **attributes,
        )
        return self._ask(building.add_user, order)

    def add_group(
        self,
        name: str,
        /,
        members: Iterable[Who] = (),
        *,
        groups: Iterable[Who] = (),
        under: str | None = None,
        dn: str | None = None,
        **attributes: object,
    ) -> Group:
        """Add a group of `members`, which are users or groups that are there; `groups` are those it is in itself.

        As `add_user` otherwise. Raises ValueError.
        """
        order = orders.group_order(name, members, groups=groups, under=under, dn=dn, **attributes)
        return self._ask(building.add_group, order)

    def add(self, data: Mapping[str, object]) -> None:
        """Add all of it or nothing: `{"users": {...}, "groups": {...}, "entries": {...}}`, as files say it.

        Raises ValueError.
        """
        self._ask(filling.put, data_files.of_mapping(data))

    def load(self, path: str | PathLike[str] | None = None, *, ldif: str | PathLike[str] | None = None) -> None:
        """Add what a file says, by its suffix .ldif, .json, .yaml or .yml; `ldif` is such a file, or its text.

        All of it or nothing. Raises ValueError, with the file and the line, and OSError.
        """
        self._ask(filling.put, data_files.read(path, ldif=ldif))

    def set_password(
        self,
        who: Who,
        password: str,
        *,
        scheme: str | Sequence[str] | None = None,
        must_change: bool = False,
        unlock: bool = False,
    ) -> None:
        """Let this be the password, stored as the old one is or by `scheme`. Raises ValueError."""
        checked, forms = orders.password_order(password, scheme)
        # One that is set anew need not be changed first, if it is not said to.
        self._ask(building.set_password, who, checked, forms, AccountReset(must_change, unlock))

    def modify(
        self,
        who: Who,
        *,
        add: Mapping[str, object] = MappingProxyType({}),
        delete: Mapping[str, object] = MappingProxyType({}),
        **replace: object,
    ) -> None:
        """Let attributes have these values: `mail="alice@example.com"`, a list, None for none at all.

        `add` and `delete` are about values. All or none; raises ValueError.
        """
        with told_of(f"modify {shown(who)!r}"):
            changes = (
                *changes_of(ModifyOperation.DELETE, delete),
                *changes_of(ModifyOperation.ADD, add),
                *changes_of(ModifyOperation.REPLACE, replace),
            )
        self._ask(entries.modify, who, changes)

    def remove(self, who: Who, *, subtree: bool = False) -> None:
        """Delete a user, a group or an entry, with `subtree` together with what is below it. Raises ValueError."""
        self._ask(entries.remove, who, subtree)

    def entry(self, who: Who) -> Entry:
        """The entry of a user, a group or a DN as it is now. Raises LookupError where there is none."""
        entry = self._ask(entries.entry, who)
        if entry is None:
            raise LookupError(f"{shown(who)!r}: no entry has this DN, no account or group this name")
        return entry

    @property
    def administrator(self) -> User:
        """The Administrator of a domain, who may write. Raises LookupError where there is none."""
        administrator = self._ask(domain.administrator)
        if administrator is None:
            raise LookupError("nobody here is Administrator: running_server(domain=...) has one")
        return administrator

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

    def save_recording(self, path: str | PathLike[str], *, redact: bool = True) -> None:
        """Write all that was said so far, octet by octet and in the clear, what TLS or a layer carried too.

        Without `redact` the passwords are in it. `ldapserver replay` and `ldp explain` read such files.
        Raises OSError, FileExistsError where there is one already.
        """
        write_recording(os.fspath(path), self._ask(seen.taped), redact=redact)

    def save_pcap(self, path: str | PathLike[str], *, redact: bool = True) -> None:
        """The same, as a capture for Wireshark. Raises OSError, and MissingExtra without `capture`."""
        write_pcap(os.fspath(path), self._ask(seen.taped), redact=redact)

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
        """What there is now, for `restore`: entries with their passwords and counts, policy, clock and faults."""
        forget = tuple([self._dropped.popleft() for _ in range(len(self._dropped))])
        snapshot = self._ask(keep, forget)
        weakref.finalize(snapshot, self._dropped.append, snapshot.key).atexit = False
        return snapshot

    def restore(self, snapshot: Snapshot, *, verify: bool = True) -> None:
        """Be what the snapshot holds, and forget what has happened. Connections stay, as whom they are bound.

        Raises ValueError for a snapshot of another server, and AssertionError where a fault that was added since
        never fired, unless `verify` is false; it is gone back to all the same.
        """
        unfired = self._ask(restore, snapshot.key)
        if verify:
            check_fired(unfired)

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """What is done in the `with` block is undone behind it, however it is left.

        Raises AssertionError where a fault of the block never fired, unless it is left by another error.
        """
        snapshot = self.snapshot()
        try:
            yield
        except BaseException:
            self.restore(snapshot, verify=False)
            raise
        self.restore(snapshot)


def _facts(served: Served) -> tuple[tuple[str, ...], str, str | None]:
    context = next(iter(served.directory.naming_contexts), None)
    return served.urls, "" if context is None else str(context), served.ca
