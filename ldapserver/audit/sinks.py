"""Where records go: what a sink is, and those that need no disk. Files are in `file.py`.

A sink is anything with the two methods of `Sink`; `str()` of it is what people are told it is called. Each log
numbers its own Windows events, from 1 and without a gap.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ldapserver.audit.record import Record
from ldapserver.audit.render import Renderer, lines_of
from ldapserver.suspension import Suspension


class AuditUnavailable(Exception):
    """A gating sink could not take a record; nothing of it was left behind."""


class Sink(Protocol):
    """One place where records go."""

    def write(self, records: Sequence[Record]) -> Suspension[None] | None:
        """Take the records, all or none. Raises AuditUnavailable.

        None when they are as safe as this sink makes them; else what resumes once they are, or fails with
        AuditUnavailable.
        """
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class MemorySink:
    """Keeps the newest records in memory, at most `limit` of them: for tests and for programs that embed a server."""

    def __init__(self, limit: int = 10_000) -> None:
        self.records: deque[Record] = deque(maxlen=limit)

    def __str__(self) -> str:
        return "memory"

    def write(self, records: Sequence[Record]) -> None:
        """Keep the records."""
        self.records.extend(records)

    def close(self) -> None:
        """The records stay readable."""


class StreamSink:
    """Lines to a binary stream (standard output), flushed when `write` returns.

    The stream's own `write` says how many octets it took, None for all, and keeps none that it did not take: no
    buffer. What it has taken cannot be taken back. So records that it took in part have their numbers, although their
    binds fail, and are finished before the next ones.
    """

    def __init__(
        self,
        write: Callable[[bytes], int | None],
        flush: Callable[[], None],
        renderer: Renderer,
        name: str = "standard output",
    ) -> None:
        self._write = write
        self._flush = flush
        self._renderer = renderer
        self._name = name
        self._last = 0
        self._rest = b""  # of a line that was begun

    def __str__(self) -> str:
        return self._name

    def write(self, records: Sequence[Record]) -> None:
        """Write a line for each record. Raises AuditUnavailable."""
        try:
            self._finish()
            self._rest, last = lines_of(self._renderer, records, self._last)
            size = len(self._rest)
            try:
                self._finish()
            except BaseException:
                if len(self._rest) == size:
                    self._rest, last = b"", self._last
                raise
            finally:
                self._last = last
        except OSError as error:
            raise AuditUnavailable(f"{self}: {self._reason(error)}") from error

    def _finish(self) -> None:
        while self._rest:
            taken = self._write(self._rest)
            self._rest = b"" if taken is None else self._rest[taken:]
            self._flush()

    def _reason(self, error: OSError) -> str | None:
        return error.strerror

    def close(self) -> None:
        """The stream is not ours to close."""
