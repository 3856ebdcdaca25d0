"""All the sinks of one server, as a session sees them."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ldapserver.audit.record import Record
from ldapserver.audit.sinks import AuditUnavailable, Sink
from ldapserver.suspension import Suspension


class AuditLog:
    """Hands each record to every sink before the bind is answered.

    A sink that fails makes the bind fail, unless `best_effort`; either way `report` gets one line when it begins to
    fail and one when it takes records again.
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
        if failure is not None and not self._best_effort:
            raise failure
        return self._settled(waiting) if waiting else None

    async def _settled(self, waiting: Sequence[tuple[Sink, Suspension[None]]]) -> None:
        failure = None
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
            self._report(f"audit: {error}; binds {'go on' if self._best_effort else 'fail'} until it works again")

    def _works(self, sink: Sink) -> None:
        if sink in self._failing:
            self._failing.discard(sink)
            self._report("audit: records are written again")

    def close(self) -> None:
        """Nothing more will come."""
        for sink in self.sinks:
            sink.close()
