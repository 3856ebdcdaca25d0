"""All the sinks of one server, as a session sees them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol, TypeGuard

from ldapserver.audit.group_commit import InThread, OwnThread, Work
from ldapserver.audit.record import Record
from ldapserver.audit.sinks import AuditUnavailable, Sink
from ldapserver.suspension import Suspension, Task

Done = Callable[[Exception | None], object]


class Waits(Protocol):
    """A sink that can wait in a thread for what is slow (a disk)."""

    def run_by(self, in_thread: InThread) -> None:
        """Wait in a thread from now on."""
        ...

    def settle(self) -> None:
        """Return when every record that is now waited for is safe or has failed, and who waited has gone on."""
        ...


def _waits(sink: Sink) -> TypeGuard[Waits]:
    # A compiled Protocol cannot be asked by isinstance.
    return hasattr(sink, "run_by") and hasattr(sink, "settle")


class AuditLog:
    """Hands each record to every sink before the bind is answered.

    A sink that fails makes the bind fail, unless `best_effort`; either way `report` gets one line when it begins to
    fail and one when it takes records again, each of them for each sink.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        best_effort: bool = False,
        report: Callable[[str], object],
    ) -> None:
        self.sinks = tuple(sinks)
        self._best_effort = best_effort
        self._report = report
        self._failing: set[Sink] = set()
        self.failures: dict[Sink, int] = {}  # how often each could not take records
        self._threads: list[OwnThread] = []
        self._at_end_of_turn: Callable[[Work], object] | None = None
        self._gathered: list[Record] = []
        self._owed: list[Done] = []  # who is to be told of these

    def run_by(self, call_in_loop: Callable[[Work], object]) -> None:
        """Let each sink that waits do so in a thread of its own.

        `call_in_loop` may be called from any thread, and has what it is given called in the loop (of a Twisted
        reactor, `callFromThread`). Without it sinks wait in place, and everybody with them.
        """
        for sink in self.sinks:
            if _waits(sink):
                self._threads.append(OwnThread(call_in_loop))
                sink.run_by(self._threads[-1])

    def settle(self) -> None:
        """Return when nobody waits any more who now does: before they are told to go."""
        self.flush()
        for sink in self.sinks:
            if _waits(sink):
                sink.settle()

    def gather_by(self, at_end_of_turn: Callable[[Work], object]) -> None:
        """Hand the records of one turn of the loop over together.

        `at_end_of_turn` has what it is given called in the loop once what is at hand has been dealt with, before the
        loop reads on. Without it each write is handed over at once.
        """
        self._at_end_of_turn = at_end_of_turn

    def write(self, records: Sequence[Record], done: Done) -> None:
        """Hand over the records; `done` is called once, in the loop.

        With None when every sink has them as safe as it makes them; else with what went wrong: AuditUnavailable when
        a sink could not take them and that matters. Unless turns are gathered, or a sink waits, that is before this
        returns.
        """
        if self._at_end_of_turn is None:
            self._hand_over(records, (done,))
            return
        self._gathered += records
        self._owed.append(done)
        if len(self._owed) == 1:
            self._at_end_of_turn(self.flush)

    async def written(self, records: Sequence[Record]) -> None:
        """The same for who can wait. Raises what `done` would be told."""
        outcome: Suspension[None] = Suspension()

        def done(error: Exception | None) -> None:
            if error is None:
                outcome.resume(None)
            else:
                outcome.fail(error)

        self.write(records, done)
        await outcome

    def flush(self) -> None:
        """Hand over what this turn has gathered so far."""
        records, owed = self._gathered, self._owed
        if owed:
            self._gathered, self._owed = [], []
            self._hand_over(records, owed)

    def _hand_over(self, records: Sequence[Record], owed: Sequence[Done]) -> None:
        failure: Exception | None = None
        waiting: list[tuple[Sink, Suspension[None]]] = []
        for sink in self.sinks:
            try:
                suspension = sink.write(records)
            except AuditUnavailable as error:
                failure = error
                self._failed(sink, error)
            except Exception as fault:  # of ours: whose bind it is says so
                _tell(owed, fault)
                return
            else:
                if suspension is not None:
                    waiting.append((sink, suspension))
                elif self._failing:
                    self._works(sink)
        if waiting:
            self._tell_when_settled(waiting, failure, owed)
        else:
            _tell(owed, None if self._best_effort else failure)

    def _tell_when_settled(
        self, waiting: Sequence[tuple[Sink, Suspension[None]]], failure: Exception | None, owed: Sequence[Done]
    ) -> None:
        Task(self._settled(waiting, failure), lambda settled: _tell(owed, settled.error)).start()

    async def _settled(self, waiting: Sequence[tuple[Sink, Suspension[None]]], failure: Exception | None) -> None:
        for sink, suspension in waiting:
            try:
                await suspension
            except AuditUnavailable as error:
                failure = error
                self._failed(sink, error)
            else:
                self._works(sink)
        if failure is not None and not self._best_effort:
            raise failure

    def _failed(self, sink: Sink, error: AuditUnavailable) -> None:
        self.failures[sink] = self.failures.get(sink, 0) + 1
        if sink not in self._failing:
            self._failing.add(sink)
            self._report(
                f"audit: {error}; binds {'go on without it' if self._best_effort else 'fail'} until it works again"
            )

    def _works(self, sink: Sink) -> None:
        if sink in self._failing:
            self._failing.discard(sink)
            self._report(f"audit: {sink}: records are written again")

    def close(self) -> None:
        """Write what is gathered, let those know who wait for it, and release the sinks."""
        # No turn ends any more: what follows from being told (of a logon, its end) is handed over at once.
        self._at_end_of_turn = None
        self.flush()
        for sink in self.sinks:
            sink.close()
        for thread in self._threads:
            thread.close()
        self._threads.clear()


def _tell(owed: Sequence[Done], error: Exception | None) -> None:
    """Tell everybody what became of their records, whatever becomes of one who is told."""
    for at, done in enumerate(owed):
        try:
            done(error)
        except BaseException:
            with ExitStack() as stack:
                for other in reversed(owed[at + 1 :]):
                    stack.callback(other, error)
            raise
