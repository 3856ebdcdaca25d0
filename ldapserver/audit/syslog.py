"""Records to a syslog receiver: best effort, behind a bounded queue, by a thread of its own.

`write` never waits and never fails a bind: what the queue has no room for is dropped, counted and told of. The thread
sends one message after another, in order, and connects again with growing pauses; what could not be sent is sent
again first. What the system has taken for a receiver that then goes away is lost unseen, as always with syslog.
"""

import errno
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from ldapserver.audit.record import Record
from ldapserver.audit.syslog_message import SyslogRenderer
from ldapserver.audit.syslog_transport import Transport

QUEUE = 10_000  # records that wait at most: tens of megabytes when all their names are long
FIRST_PAUSE = 0.5  # seconds before a receiver is tried again; twice as long each time
LONGEST_PAUSE = 30.0
GRACE = 2.0  # seconds that a server which ends gives what is queued

Queued = tuple[Record, int, int]  # with its record id and its number in the sequence


class SyslogSink:
    """Sends records to one receiver, which `name` names in reports.

    `connect` raises OSError when it cannot. `wait(seconds)` lets a pause pass, or less of it; the default's ends when
    the sink is closed. Record ids begin at 1 with each sink, and count what is dropped too.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Transport],
        renderer: SyslogRenderer,
        *,
        report: Callable[[str], object],
        queue: int = QUEUE,
        grace: float = GRACE,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.name = name
        self.failures = 0  # connections that were not made or that broke
        self._connect = connect
        self._renderer = renderer
        self._report = report
        self._limit = queue
        self._grace = grace
        self._queue: SimpleQueue[Queued | None] = SimpleQueue()
        self._record_id = 0
        self._sequence = 0
        self._taken = 0  # into the queue
        self._done = 0  # out of it: sent, or nothing that could be
        self._overflowed = 0  # dropped for want of room
        self._told = 0  # of those
        self._too_long = 0  # dropped because no datagram holds them
        self._closing = threading.Event()
        self._abandoned = False  # time is up, whatever is left
        self._wait = wait if wait is not None else self._closing.wait
        self._transport: Transport | None = None
        self._pause = FIRST_PAUSE
        self._failing = False
        # A daemon: it may be in the middle of a call that takes long when the process is to end.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """How many records wait."""
        return self._queue.qsize()

    @property
    def dropped(self) -> int:
        """How many records were dropped so far."""
        return self._overflowed + self._too_long

    def write(self, records: Sequence[Record]) -> None:
        """Queue the records, as far as there is room."""
        for record in records:
            self._sequence += 1
            if record.kind is not None:
                self._record_id += 1
            if self._queue.qsize() < self._limit:
                self._taken += 1
                self._queue.put((record, self._record_id, self._sequence))
            else:
                self._overflowed += 1
                if self._overflowed == self._told + 1:
                    self._say(f"{self._limit} records wait already; more are dropped until there is room")

    def close(self) -> None:
        """Give what is queued a short time, and tell what is lost. Returns when it is over."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(self._grace)
        self._abandoned = True
        unsent = self._taken - self._done
        if self.dropped or unsent:
            self._say(f"records dropped since the start: {self.dropped}; left unsent at the end: {unsent}")

    def _say(self, text: str) -> None:
        self._report(f"audit: {self.name}: {text}")

    # In the thread

    def _run(self) -> None:
        # At once, so that a receiver which is not there is told of when the server starts.
        self._connected()
        while (queued := self._queue.get()) is not None:
            message = self._renderer.message(*queued)
            if message is not None and not self._deliver(message):
                break
            self._done += 1
            self._tell_of_dropped()
        self._disconnect()

    def _deliver(self, message: bytes) -> bool:
        """Send it, however often that takes; whether that was done before the end."""
        more_at_the_end = 1  # attempts: what was at hand may be a connection that the receiver has closed long ago
        while not self._abandoned:
            if self._sent(message):
                return True
            if not self._closing.is_set():
                self._wait(self._pause)
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
            elif more_at_the_end:
                more_at_the_end -= 1
            else:
                break
        return False

    def _sent(self, message: bytes) -> bool:
        transport = self._transport or self._connected()
        if transport is None:
            return False
        try:
            transport.send(message)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self._too_long += 1
                self._say(f"a message of {len(message)} octets is longer than the way there can take; it is dropped")
                return True
            self._disconnect()
            self._failed(error)
            return False
        self._pause = FIRST_PAUSE
        if self._failing:
            self._failing = False
            self._say("records are sent again")
        return True

    def _connected(self) -> Transport | None:
        try:
            self._transport = self._connect()
        except OSError as error:
            self._failed(error)
        return self._transport

    def _disconnect(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _failed(self, error: OSError) -> None:
        self.failures += 1
        if not self._failing:
            self._failing = True
            self._say(f"{_why(error)}; records wait, {self._limit} at most, and it is tried again")

    def _tell_of_dropped(self) -> None:
        """Say how many were dropped, once the queue is half empty: not with each record that finds room."""
        dropped = self._overflowed
        if dropped != self._told and self._queue.qsize() <= self._limit // 2:
            self._say(f"there is room again; records dropped: {dropped - self._told}")
            self._told = dropped


def _why(error: OSError) -> str:
    """What went wrong, in the words of the system or of TLS."""
    verification = getattr(error, "verify_message", None)
    if verification:
        return f"its certificate will not do: {verification}"
    return str(error.strerror or error)
