"""Group commit: everybody who waits for stable storage shares one sync, which runs in a thread beside the loop.

One sync runs at a time. It covers what was written before it began; what comes meanwhile waits for the next one,
which covers all of that.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Generic, TypeVar

from ldapserver.suspension import Suspension

S = TypeVar("S")

Work = Callable[[], None]
InThread = Callable[[Work, Work], object]
"""Do the first in a thread, and when it is done the second in the loop."""


class OwnThread:
    """One thread that does what it is given in turn: an `InThread`. It begins with the first work, and is no reason
    for a process to stay.

    `call_in_loop` is what may be called from another thread (of a reactor, `callFromThread`).
    """

    def __init__(self, call_in_loop: Callable[[Work], object]) -> None:
        self._call_in_loop = call_in_loop
        self._queue: SimpleQueue[tuple[Work, Work] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def __call__(self, work: Work, then: Work) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()
        self._queue.put((work, then))

    def close(self) -> None:
        """End the thread when it has done what it was given."""
        self._queue.put(None)

    def _run(self) -> None:
        while (given := self._queue.get()) is not None:
            work, then = given
            work()
            self._call_in_loop(then)


class _Round(Generic[S]):
    """One sync. Whoever calls `run` first does it, and others wait until it is done."""

    def __init__(self, newest: Callable[[], tuple[int, S]], sync: Callable[[S], None]) -> None:
        self.error: Exception | None = None
        self.covered: tuple[int, S] | None = None  # once it has begun
        self._newest = newest
        self._sync = sync
        self._lock = threading.Lock()

    def run(self) -> None:
        with self._lock:
            if self.covered is None:
                self.covered = self._newest()
                try:
                    self._sync(self.covered[1])
                except Exception as error:  # told to all who wait for it
                    self.error = error


class GroupCommit(Generic[S]):
    """Who waits for stable storage. `S` says what there is to be synced; a value of it never changes.

    `sync` is called in the thread and raises what went wrong. `ended` is called in the loop with what was synced and
    what it raised, before anybody who waits goes on; it gives what they are to be failed with. Without a thread
    everybody's sync is done in place.
    """

    def __init__(self, sync: Callable[[S], None], ended: Callable[[S, Exception | None], Exception | None]) -> None:
        self.in_thread: InThread | None = None
        self._sync = sync
        self._ended = ended
        self._newest: tuple[int, S] | None = None
        self._waiting: deque[tuple[int, Suspension[None]]] = deque()
        self._round: _Round[S] | None = None

    def join(self, written: S) -> Suspension[None] | None:
        """Be of the next sync that begins, with all that was written by now; resumed when it has ended.

        None when it was done in place; then raises what `ended` gives.
        """
        # Replaced as a whole, for the thread may look at any time.
        number = 1 if self._newest is None else self._newest[0] + 1
        self._newest = number, written
        if self.in_thread is None:
            self._in_place(written)
            return None
        suspension: Suspension[None] = Suspension()
        self._waiting.append((number, suspension))
        if self._round is None:
            self._begin(self.in_thread)
        return suspension

    def _in_place(self, written: S) -> None:
        done = self._new_round()
        done.run()
        failure = self._ended(written, done.error)
        if failure is not None:
            raise failure

    def settle(self) -> None:
        """Sync for all who wait, and return when they know: two syncs at most.

        Who comes meanwhile, because they go on, waits for the thread: a client may have sent any number of binds.
        """
        last = self._waiting[-1][0] if self._waiting else 0
        while self._waiting and self._waiting[0][0] <= last:
            if self._round is None:
                self._round = self._new_round()
            self._round.run()
            self._take(self._round)

    @property
    def awaited(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def _new_round(self) -> _Round[S]:
        return _Round(self._written, self._sync)

    def _written(self) -> tuple[int, S]:
        assert self._newest is not None
        return self._newest

    def _begin(self, in_thread: InThread) -> None:
        started = self._round = self._new_round()
        in_thread(started.run, lambda: self._take(started))

    def _take(self, ended: _Round[S]) -> None:
        if ended is not self._round:
            return  # `settle` did not wait for the loop
        assert ended.covered is not None
        number, written = ended.covered
        try:
            failure = self._ended(written, ended.error)
        except Exception as error:  # nobody may wait for ever
            failure = error
        over: list[Suspension[None]] = []
        # After a failure nothing behind it is left either: its numbers would have a gap before them.
        while self._waiting and (failure is not None or self._waiting[0][0] <= number):
            over.append(self._waiting.popleft()[1])
        self._round = None
        if self._waiting and self.in_thread is not None:
            self._begin(self.in_thread)
        # Whatever becomes of one of them, the others are told; in order.
        with ExitStack() as stack:
            for suspension in reversed(over):
                if failure is None:
                    stack.callback(suspension.resume, None)
                else:
                    stack.callback(suspension.fail, failure)
