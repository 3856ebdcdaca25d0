"""Looks on at a server under test, in its loop's thread, and keeps what happened: bounded, and without secrets."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ldapserver.access import ANONYMOUS
from ldapserver.audit.kinds import LOCKED_OUT
from ldapserver.audit.record import BindRecord, EventRecord, Record
from ldapserver.capture.tape import Tape
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.testing.binds import Bind, Binds, bind_of
from ldapserver.testing.connections import Connection, Connections
from ldapserver.testing.conversation import Conversation, Said
from ldapserver.testing.events import Event, Events, Exchange, Ldap, event_of, exchange_of, ldap_of, user_of
from ldapserver.testing.names import account_of, names_of
from ldapserver.testing.requests import Request, Requests
from ldapserver.testing.secrecy import Secrecy
from ldapserver.wire.messages import ResultCode

if TYPE_CHECKING:
    from ldapserver.service import Peer
    from ldapserver.session import Session
    from ldapserver.testing.watch import ConnectionWatch

KEPT = 10_000  # of the newest requests, binds, events, exchanges, closed connections, lines: each of them
LEFT = 100  # closed connections of which records may be on their way
KEPT_OCTETS = 32 * 1024 * 1024  # of the messages that requests were, together; and as many of what is taped

T = TypeVar("T")


class Newest(Generic[T]):
    """The newest things of a kind; counts those that were dropped for them."""

    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self.forgotten = 0

    def add(self, item: T) -> None:
        """Keep this one."""
        self.items.append(item)
        if len(self.items) > KEPT:
            self.drop()

    def drop(self) -> T:
        """Forget the oldest."""
        self.forgotten += 1
        return self.items.popleft()

    def clear(self) -> None:
        """Forget all of them, and that there were any."""
        self.items.clear()
        self.forgotten = 0

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self.items))


class KeptRequest:
    """A request that is kept, and changes when it is answered; `size` is its message's, in octets."""

    __slots__ = ("begun", "request", "sensitive", "shown", "size")

    def __init__(self, request: Request, size: int, begun: float, *, sensitive: bool) -> None:
        self.request = request
        self.size = size
        self.begun = begun
        self.sensitive = sensitive  # whether it has a secret where names and filters are
        self.shown = 0  # entries returned that have their line


class Recorder:
    """A `Watcher` of connections and a `Sink` of records.

    `call_later(seconds, function)` is the reactor's; `monotonic` is for how long something took.
    """

    def __init__(
        self,
        directory: MemoryDirectory,
        call_later: Callable[[float, Callable[[], object]], Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self.monotonic = monotonic
        self.secrecy = Secrecy(lambda description: directory.schema.is_secret(description))
        self.version = 0  # goes up with everything that happens
        self.tape = Tape(KEPT_OCTETS)  # the messages as they were, with the secrets in them
        self._taped = 0
        self._call_later = call_later
        self._waiting: list[Callable[[], None]] = []
        self._waking = False
        self._requests: Newest[KeptRequest] = Newest()
        self._octets = 0
        self._binds: Newest[Bind] = Newest()
        self._events: Newest[Event] = Newest()
        self._exchanges: Newest[Exchange] = Newest()
        self._closed: Newest[Connection] = Newest()
        self._said: Newest[Said] = Newest()
        self._last_record = 0
        self._open: dict[int, ConnectionWatch] = {}
        self._left: deque[ConnectionWatch] = deque(maxlen=LEFT)

    def __str__(self) -> str:
        return "what a test sees"

    # A Watcher

    def watch(self, session: "Session", peer: "Peer") -> "ConnectionWatch":
        """A new connection."""
        from ldapserver.testing.watch import ConnectionWatch

        self._open[peer.connection] = watch = ConnectionWatch(self, session, peer)
        return watch

    def gone(self, connection: Connection) -> None:
        """A connection is closed; it may have been already."""
        watch = self._open.pop(connection.number, None)
        if watch is not None:
            self._closed.add(connection)
            self._left.append(watch)

    def keep(self, kept: KeptRequest) -> None:
        """A request."""
        self._requests.add(kept)
        self._octets += kept.size
        while self._octets > KEPT_OCTETS and len(self._requests.items) > 1:
            self._octets -= self._requests.drop().size

    def say(self, connection: int, direction: str, text: str, details: Sequence[str] = ()) -> None:
        """A line of the conversation."""
        self._said.add(
            Said(self.monotonic(), self.directory.clock.seconds(), connection, direction, text, tuple(details))
        )
        self._happened()

    def taping(self, client: str) -> int:
        """The tape's number for what is said from here on with a client at this address."""
        self._taped += 1
        self.tape.begin(self._taped, self.at(), client, "", True)
        return self._taped

    def at(self) -> float:
        """The same as `now()`, in seconds since 1970-01-01 UTC."""
        return self.directory.clock.seconds()

    def now(self) -> datetime:
        """By the server's clock."""
        return self.directory.clock.now()

    # A Sink

    def write(self, records: Sequence[Record]) -> None:
        """Keep the records of one decision: those of a bind, and the events beside them."""
        ldap: Ldap | None = None
        for record in map(self._without_secrets, records):
            dn, names = self._whose(record)
            if isinstance(record, BindRecord):
                ldap = ldap_of(record)
                self._keep_bind(record, dn, names)
            if record.kind is not None:
                self._last_record += 1
                event = event_of(record, self._last_record, ldap, dn, names)
                self._events.add(event)
                if isinstance(record, BindRecord) or record.kind is LOCKED_OUT:
                    self.say(record.connection, "", f"audit: {event}")
            else:
                assert isinstance(record, BindRecord)
                exchange = exchange_of(record)
                self._exchanges.add(exchange)
                detail = (record.detail,) if record.detail else ()
                self.say(record.connection, "", f"audit: {exchange}", detail)

    def close(self) -> None:
        """What is kept stays readable."""

    def _keep_bind(self, record: BindRecord, dn: str, names: frozenset[str]) -> None:
        watch = self._watch_of(record.connection)
        earlier = [] if watch is None else watch.earlier
        # Where another challenge is sent the bind has not ended: a stale nonce, a wrong initial response.
        if record.result_code == ResultCode.SASL_BIND_IN_PROGRESS:
            earlier.append(record.reason.value)
            return
        sent = None if watch is None else watch.simple_name(record.message_id)
        self._binds.add(bind_of(record, sent, dn, names, tuple(earlier)))
        earlier.clear()

    def _watch_of(self, number: int) -> "ConnectionWatch | None":
        left = (watch for watch in self._left if watch.number == number)
        return self._open.get(number) or next(left, None)

    def _whose(self, record: Record) -> tuple[str, frozenset[str]]:
        name = user_of(record)
        account = account_of(self.directory, name) if name else None
        if account is None:
            return "", names_of(self.directory, ANONYMOUS.dn, name)
        return str(account.dn), names_of(self.directory, account.dn, name, account.name)

    def _without_secrets(self, record: Record) -> Record:
        """The same, for a name that a client sends may be a DN with a password in it."""
        if isinstance(record, EventRecord):
            if any(map(self.secrecy.mentions, record.data)):
                return replace(record, data=tuple(map(self.secrecy.name, record.data)))
        elif self.secrecy.mentions(record.account):
            return replace(record, account=self.secrecy.name(record.account))
        return record

    # What is asked

    def requests(self) -> Requests[Request]:
        """The requests so far."""
        return Requests(tuple([kept.request for kept in self._requests]), self._requests.forgotten)

    def binds(self) -> Binds:
        """The binds that have ended."""
        return Binds(tuple(self._binds), self._binds.forgotten)

    def events(self) -> Events:
        """The Windows events."""
        return Events(tuple(self._events), self._events.forgotten)

    def exchanges(self) -> tuple[Exchange, ...]:
        """The records that are no Windows events."""
        return tuple(self._exchanges)

    def connections(self) -> Connections:
        """Those that are closed and those that are open."""
        found = [*self._closed, *[watch.connection() for watch in self._open.values()]]
        return Connections(tuple(sorted(found, key=lambda each: each.number)), self._closed.forgotten)

    def conversation(self, url: str) -> Conversation:
        """What was said, to a server at `url`."""
        return Conversation(url, tuple(self._said), self._said.forgotten)

    def clear(self) -> None:
        """Forget what has happened; connections that are open, and events' numbers, go on."""
        for each in (self._binds, self._events, self._exchanges, self._closed, self._said):
            each.clear()
        self._requests.clear()
        self.tape.clear()
        self._octets = 0
        for watch in self._open.values():
            watch.forget()

    # Who waits

    def after(self, version: int, call: Callable[[], None]) -> Callable[[], None]:
        """Call it, once, when more has happened than at `version`; what is returned takes that back."""
        self._waiting.append(call)
        if self.version > version and not self._waking:
            self._wake()

        def back() -> None:
            if call in self._waiting:
                self._waiting.remove(call)

        return back

    def _happened(self) -> None:
        self.version += 1
        if self._waiting and not self._waking:
            self._wake()

    def _wake(self) -> None:
        # In another turn: in this one the server has yet to do what it has said.
        self._waking = True
        self._call_later(0, self._woken)

    def _woken(self) -> None:
        self._waking = False
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
