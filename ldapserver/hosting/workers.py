"""Several processes that serve one directory (`--workers`): started, replaced when they die, stopped together.

The one that starts them has read everything before, and has no loop and no threads: it forks, waits, and forks again.
A worker speaks to it over a pipe: a line once it listens, or what is wrong. The end of that pipe is the end of the
worker; and the end of the other pipe, which all workers read, is theirs.
"""

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from ldapserver.hosting.sockets import SharedSockets
from ldapserver.hosting.worker import Worker, end_with
from ldapserver.usage import UsageFault

STEADY = 10.0  # seconds after which a worker has served, and its end is no sign of one that cannot
LONGEST = 30.0  # seconds between two tries to replace one that ends again and again

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_LISTENS = b"listens"

_log = logging.getLogger("ldapserver")


class Patience:
    """How long a place stays empty: not at all, unless who was there last ended soon after it began."""

    def __init__(self) -> None:
        self.ends = 0  # in a row, each soon after its beginning

    def after(self, lived: float) -> float:
        """Seconds to wait with the successor of a worker that has lived for so many."""
        self.ends = 1 if lived >= STEADY else self.ends + 1
        return 0.0 if self.ends == 1 else min(LONGEST, 2.0 ** (self.ends - 2))


class Crew(Protocol):
    """What the workers are for."""

    def serve(self, worker: Worker) -> int:
        """Be this worker; the exit status. Raises UsageFault."""
        ...

    def begun(self, pids: Sequence[int]) -> None:
        """All of them listen. Raises UsageFault where that cannot be told, and then it is over."""
        ...

    def renew(self) -> None:
        """What was read at the start is to be read again, for those that are still to be started."""
        ...


@dataclass
class _Place:
    """One of the workers, and whoever takes its place; `pid` is 0 while nobody is there."""

    number: int
    pid: int = 0
    pipe: int = -1  # what it says
    said: bytes = b""
    since: float = 0.0
    listens: bool = False
    renew: bool = False  # it was told to before it could hear
    due: float | None = None  # when the next one is started
    patience: Patience = field(default_factory=Patience)


class Workers:
    """`count` workers that listen at `sockets`; `clock` gives seconds that only grow."""

    def __init__(
        self, crew: Crew, sockets: SharedSockets, count: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._crew = crew
        self._sockets = sockets
        self._places = [_Place(number) for number in range(1, count + 1)]
        self._clock = clock
        self._begun = False
        self._ending = False
        self._status = 0
        self._fault: UsageFault | None = None
        self._alive = (-1, -1)  # read by the workers; the other end is held here, and by nobody else
        self._woken = (-1, -1)  # by signals

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status. Raises UsageFault for what keeps one from beginning."""
        self._alive = os.pipe()
        with self._signals():
            for place in self._places:
                if not self._ending:
                    self._start(place)
            while not self._ending or any(place.pid for place in self._places):
                self._turn()
        if self._fault is not None:
            raise self._fault
        return self._status

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals as octets in a pipe: `_turn` reads which."""
        self._woken = os.pipe()
        for end in self._woken:
            os.set_blocking(end, False)
        before = {number: signal.signal(number, _heard) for number in _SIGNALS}
        signal.set_wakeup_fd(self._woken[1])
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _turn(self) -> None:
        """Wait for whatever comes next, and see to it."""
        places = {place.pipe: place for place in self._places if place.pid}
        poll = select.poll()
        for pipe in (self._woken[0], *places):
            poll.register(pipe, select.POLLIN)
        due = [place.due for place in self._places if place.due is not None]
        readable = {pipe for pipe, _ in poll.poll(max(0.0, min(due) - self._clock()) * 1000 if due else None)}
        # Before anybody's end, which may be of a signal that was meant for all.
        if self._woken[0] in readable:
            for number in os.read(self._woken[0], 1024):
                self._signal(number)
        for pipe, place in places.items():
            if pipe in readable:
                self._hear(place)
        for place in self._places:
            if place.due is not None and place.due <= self._clock():
                self._start(place)

    # Workers begin

    def _start(self, place: _Place) -> None:
        """Let another process have this place."""
        place.due, place.said, place.since = None, b"", self._clock()
        place.listens = place.renew = False
        try:
            sockets = self._sockets.of(place.number - 1)
            place.pipe, told = os.pipe()
            # What comes between the fork and its end would be heard by the handlers of the wrong process.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            try:
                place.pid = os.fork()
                if not place.pid:
                    self._sockets.keep_for(place.number - 1)
                    worker = Worker(
                        place.number,
                        len(self._places),
                        self._sockets.urls,
                        sockets,
                        lambda: os.write(told, _LISTENS + b"\n"),
                    )
                    self._be(worker, told, mask)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                os.close(told)
        except OSError as error:
            self._empty(place, f"worker {place.number} cannot be started: {error.strerror}")

    def _be(self, worker: Worker, told: int, mask: Iterable[int]) -> NoReturn:
        """Be a worker to the end, and of the process that it was forked off keep nothing but what is loaded."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            # A terminal interrupts all of its processes: who has started them tells them.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for end in (*self._woken, self._alive[1], *(place.pipe for place in self._places if place.pipe >= 0)):
                os.close(end)
            end_with(self._alive[0])
            status = self._crew.serve(worker)
        except UsageFault as fault:
            os.write(told, f"{fault}\n".encode())
            status = 2
        except BaseException:
            _log.exception("ended by a fault of its own")
        finally:
            # Not by way of the frames below, which are those of the other process.
            os._exit(status)

    def _hear(self, place: _Place) -> None:
        """Take what a worker says, or that it has ended."""
        octets = os.read(place.pipe, 65536)
        place.said += octets
        if not octets:
            self._gone(place)
        elif not place.listens and place.said == _LISTENS + b"\n":
            place.listens, place.said = True, b""
            if place.renew:
                os.kill(place.pid, signal.SIGHUP)
            if self._begun:
                _log.info("worker %d (pid %d) serves in its place", place.number, place.pid)
            elif all(each.listens for each in self._places):
                self._all_listen()

    def _all_listen(self) -> None:
        self._begun = True
        try:
            self._crew.begun([place.pid for place in self._places])
        except UsageFault as fault:
            self._fail(fault)

    # Workers end

    def _gone(self, place: _Place) -> None:
        os.close(place.pipe)
        _, status = os.waitpid(place.pid, 0)
        pid, place.pid, place.pipe = place.pid, 0, -1
        code = os.waitstatus_to_exitcode(status)
        fault = place.said.decode().strip()
        how = f"was killed by {_name(-code)}" if code < 0 else f"ended with status {code}"
        if self._ending:
            # One that was not yet listening has no other way to end than by the signal.
            if code and code != -signal.SIGTERM and self._fault is None:
                _log.error("worker %d (pid %d) %s", place.number, pid, how)
                self._status = 1
        elif fault and not self._begun:
            self._fail(UsageFault(fault))
        else:
            self._empty(place, f"worker {place.number} (pid {pid}) {how}{f': {fault}' if fault else ''}")

    def _empty(self, place: _Place, why: str) -> None:
        """Nobody is there any more: see to a successor, unless not even the first ones have begun."""
        if not self._begun:
            _log.error("%s", why)
            self._status = 1
            self._end()
            return
        wait = place.patience.after(self._clock() - place.since)
        place.due = self._clock() + wait
        if not wait:
            _log.error("%s; another takes its place", why)
            return
        # Its clients are not to wait that long for an answer.
        self._sockets.leave(place.number - 1)
        ends = place.patience.ends
        _log.error("%s, soon after it began, %d times in a row; another takes its place in %d s", why, ends, wait)

    def _fail(self, fault: UsageFault) -> None:
        self._fault = fault
        self._end()

    def _end(self) -> None:
        """Listen no more, and have the workers stop."""
        if not self._ending:
            self._ending = True
            self._sockets.close()
            os.close(self._alive[1])
            for place in self._places:
                place.due = None

    # Signals

    def _signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            if not self._ending:
                _log.info("stopping")
            self._end()
        elif number == signal.SIGHUP:
            self._crew.renew()
            for place in self._places:
                if place.listens and place.pid:
                    os.kill(place.pid, signal.SIGHUP)
                place.renew = not place.listens
        elif number == signal.SIGUSR1:
            _log.warning("SIGUSR1: there is no --save")


def _heard(number: int, frame: object) -> None:
    """Nothing: which signal it was stands in the pipe by now."""


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals
        return f"signal {number}"
