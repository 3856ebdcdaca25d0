"""Where records go. Files and standard output gate the answer of the bind: what they cannot take raises.

A sink is anything with the two methods of `Sink`. Each log numbers its own Windows events, from 1 and without a gap.
"""

import fcntl
import json
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ldapserver.audit.record import Record
from ldapserver.audit.render import Renderer
from ldapserver.suspension import Suspension

_TAIL = 64 * 1024  # octets read back at a time when looking for the last record of a log


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

    def write(self, records: Sequence[Record]) -> None:
        """Keep the records."""
        self.records.extend(records)

    def close(self) -> None:
        """The records stay readable."""


class FileSink:
    """JSON lines in a file, in the kernel's hands when `write` returns; with `sync` on stable storage.

    The file is locked, so that two servers never number their events in one log. Raises OSError from the constructor
    (BlockingIOError when another process holds the log).
    """

    def __init__(self, path: str, renderer: Renderer, *, sync: bool = False) -> None:
        # `_last` is the record id of the log's last Windows event; `torn` whether it ended in half a line.
        self.path = path
        self._renderer = renderer
        self._sync = sync
        self._fd, self._last, self.torn = _opened(path)

    def write(self, records: Sequence[Record]) -> None:
        """Append a line for each record, all or none. Raises AuditUnavailable."""
        lines, last = _lines(self._renderer, records, self._last)
        try:
            written = os.write(self._fd, lines)
            if written == len(lines):
                if self._sync:
                    self._sync_or_take_back(written)
                self._last = last
                return
            # A full disk takes a part: it must not stay as half a line, nor use up a record id.
            self._take_back(written)
        except OSError as error:
            raise AuditUnavailable(f"{self.path}: {error.strerror}") from error
        raise AuditUnavailable(f"{self.path}: no space left for a record")

    def _sync_or_take_back(self, written: int) -> None:
        try:
            os.fsync(self._fd)
        except OSError:
            self._take_back(written)
            raise

    def _take_back(self, written: int) -> None:
        os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)

    def reopen(self) -> None:
        """Open the path again, which may be another file by now, and leave the old one; ids go on.

        Raises OSError, and then records go on into the old one.
        """
        try:
            if os.path.samestat(os.stat(self.path), os.fstat(self._fd)):
                return
        except FileNotFoundError:
            pass  # renamed, and to be made
        fd, last, _ = _opened(self.path)
        os.close(self._fd)
        self._fd = fd
        self._last = max(last, self._last)

    def close(self) -> None:
        """Release the log."""
        os.close(self._fd)


class StreamSink:
    """JSON lines to a binary stream (standard output), flushed when `write` returns."""

    def __init__(self, write: Callable[[bytes], object], flush: Callable[[], None], renderer: Renderer) -> None:
        self._write = write
        self._flush = flush
        self._renderer = renderer
        self._last = 0

    def write(self, records: Sequence[Record]) -> None:
        """Write a line for each record. Raises AuditUnavailable."""
        lines, last = _lines(self._renderer, records, self._last)
        try:
            self._write(lines)
            self._flush()
        except OSError as error:
            raise AuditUnavailable(f"standard output: {error.strerror}") from error
        self._last = last

    def close(self) -> None:
        """The stream is not ours to close."""


def _lines(renderer: Renderer, records: Sequence[Record], last: int) -> tuple[bytes, int]:
    lines = []
    for record in records:
        if record.kind is not None:
            last += 1
        line = renderer.line(record, last)
        if line is not None:
            lines.append(line)
    return "".join(lines).encode(), last


def _opened(path: str) -> tuple[int, int, bool]:
    """A log that is ours alone: its descriptor, its last record id, whether it ended in half a line."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        last, torn = _resume(fd)
        if torn:
            os.write(fd, b"\n")
    except BaseException:
        os.close(fd)
        raise
    return fd, last, torn


def _resume(fd: int) -> tuple[int, bool]:
    """The last record id in a log and whether its last line is torn, read from the end backwards."""
    at = os.fstat(fd).st_size
    torn = at > 0 and os.pread(fd, 1, at - 1) != b"\n"
    rest = b""
    while at:
        size = min(_TAIL, at)
        at -= size
        rest, *lines = (os.pread(fd, size, at) + rest).split(b"\n")
        for line in reversed(lines if at else [rest, *lines]):
            if b'"record_id":"' in line and (record_id := _record_id(line)) is not None:
                return record_id, torn
    return 0, torn


def _record_id(line: bytes) -> int | None:
    try:
        return int(json.loads(line)["winlog"]["record_id"])
    except (ValueError, KeyError, TypeError):
        return None  # half a line, or one that is not ours: the next one further up counts
