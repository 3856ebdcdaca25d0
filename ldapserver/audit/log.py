"""All the sinks of one server, as a session sees them."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, runtime_checkable

from ldapserver.audit.group_commit import InThread, OwnThread, Work
from ldapserver.audit.record import Record
from ldapserver.audit.sinks import AuditUnavailable, Sink
from ldapserver.suspension import Suspension


@runtime_checkable
class Waits(Protocol):
    """A sink that can wait in a thread for what is slow (a disk)."""

    def run_by(self, in_thread: InThread) -> None:
        """Wait in a thread from now on."""
        ...

    def settle(self) -> None:
        """Return when every record that is now waited for is safe or has failed, and who waited has gone on."""
        ...


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

    def run_by(self, call_in_loop: Callable[[Work], object]) -> None:
        """Let each sink that waits do so in a thread of its own.

        `call_in_loop` may be called from any thread, and has what it is given called in the loop (of a Twisted
        reactor, `callFromThread`). Without it sinks wait in place, and everybody with them.
        """
        for sink in self.sinks:
            if isinstance(sink, Waits):
                self._threads.append(OwnThread(call_in_loop))
                sink.run_by(self._threads[-1])

    def settle(self) -> None:
        """Return when nobody waits any more who now does: before they are told to go."""
        for sink in self.sinks:
            if isinstance(sink, Waits):
                sink.settle()

    def write(self, records: Sequence[Record]) -> Coroutine[Any, Any, None] | None:
        """Hand over the records. Raises AuditUnavailable when a sink cannot take them and that matters.

        None when every sink has them as safe as it makes them; else what is to be awaited until that is so, and
        raises AuditUnavailable too.
        """
        failure = None
        waiting: list[tuple[Sink, Suspension[None]]] = []
        for sink in self.sinks:
            try:
                suspension = sink.write(records)
            except AuditUnavailable as error:
                failure = error
                self._failed(sink, error)
            else:
                if suspension is not None:
                    waiting.append((sink, suspension))
                elif self._failing:
                    self._works(sink)
        if waiting:
            return self._settled(waiting, failure)
        if failure is not None and not self._best_effort:
            raise failure
        return None

    async def _settled(
        self, waiting: Sequence[tuple[Sink, Suspension[None]]], failure: AuditUnavailable | None
    ) -> None:
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
        """Nothing more will come."""
        for sink in self.sinks:
            sink.close()
        for thread in self._threads:
            thread.close()
        self._threads.clear()
