"""All the sinks of one server, as the Bind operation sees them."""

from collections.abc import Callable, Sequence

from ldapserver.audit.record import BindRecord
from ldapserver.audit.sinks import AuditUnavailable, Sink


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

    def write(self, records: Sequence[BindRecord]) -> None:
        """Hand over the records. Raises AuditUnavailable when a sink cannot take them and that matters."""
        failure = None
        for sink in self.sinks:
            try:
                sink.write(records)
            except AuditUnavailable as error:
                failure = error
                if sink not in self._failing:
                    self._failing.add(sink)
                    self._report(
                        f"audit: {error}; binds {'go on' if self._best_effort else 'fail'} until it works again"
                    )
            else:
                if self._failing and sink in self._failing:
                    self._failing.discard(sink)
                    self._report("audit: records are written again")
        if failure is not None and not self._best_effort:
            raise failure

    def close(self) -> None:
        """Nothing more will come."""
        for sink in self.sinks:
            sink.close()
