"""A log that is being written, read as it grows: over its rotation, its truncation and its absence."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from ldapserver.viewer.event import Event
from ldapserver.viewer.logs import rotated
from ldapserver.viewer.reading import LONGEST, Lost, Reader

_READ = 1 << 20  # octets at a time
_BACK = 1 << 16  # ... when looking for the last lines


class _File:
    """One file under way, and how far it is read."""

    def __init__(self, path: str, lost: Lost) -> None:
        """Raises OSError."""
        self._path = path
        self._lost = lost
        self._partial = b""
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.begin_at(0)

    @property
    def number(self) -> tuple[int, int]:
        """Which file it is, whatever it is called."""
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino

    def begin_at(self, at: int) -> None:
        """What comes is new from there on."""
        os.lseek(self._fd, at, os.SEEK_SET)
        self._partial = b""
        # In the middle of a file nobody has counted the lines before.
        self._reader = Reader(self._path, self._lost, number=None if at else 0)

    def begin_with_last(self, lines: int) -> None:
        """The last so many lines are what comes first."""
        self.begin_at(_start_of_last(self._fd, lines))

    def grown(self) -> list[Event]:
        """What it has and was not read."""
        if os.fstat(self._fd).st_size < os.lseek(self._fd, 0, os.SEEK_CUR):
            self.begin_at(0)  # truncated
        events: list[Event] = []
        while octets := os.read(self._fd, _READ):
            *lines, self._partial = (self._partial + octets).split(b"\n")
            events += self._reader.events(line + b"\n" for line in lines)
            if len(self._partial) > LONGEST:
                events += self._reader.events([self._partial])
                self._partial = b""
        return events

    def close(self) -> list[Event]:
        """Let go of it; what was not read, and what has no end by now gets none."""
        events = self.grown()
        if self._partial.strip():
            self._lost.add(self._path)
        self._reader.end()
        os.close(self._fd)
        return events

    def drop(self) -> None:
        """Let go of it as it is."""
        os.close(self._fd)


class Followed:
    """One log under way, file after file.

    A file that gave way to another stays open until that gives way too: its writer may not have been told yet. Files
    that came and went between two looks are those that did not stand beside the log when it was opened.
    """

    def __init__(self, path: str, lost: Lost) -> None:
        """Raises OSError, but not for a log that is not there yet."""
        self.path = path
        self._lost = lost
        self._before: _File | None = None
        self._file: _File | None = None
        self._open()

    @property
    def absent(self) -> bool:
        """Whether there is no such file for now."""
        return self._file is None

    def begin(self, lines: int | None) -> list[Event]:
        """What is there already: of the last `lines` lines, or of all. Raises OSError."""
        if self._file is not None and lines is not None:
            self._file.begin_with_last(lines)
        return self.poll()

    def poll(self) -> list[Event]:
        """What has come since. Raises OSError."""
        events: list[Event] = []
        while True:
            for file in (self._before, self._file):
                if file is not None:
                    events += file.grown()
            if not self._replaced():
                return events
            events += self._next()

    def close(self) -> None:
        """Let go of it."""
        for file in (self._before, self._file):
            if file is not None:
                file.drop()
        self._before = self._file = None

    def _open(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._file = _File(self.path, self._lost)
        self._beside = self._siblings()

    def _next(self) -> list[Event]:
        """Go on to the file that stands in its place now; what those between have."""
        events = []
        between = self._between()
        for path in between:
            with contextlib.suppress(FileNotFoundError):  # packed or removed meanwhile
                events += _File(path, self._lost).close()
        if self._file is not None:
            if self._before is not None:
                events = self._before.close() + events
            self._before, self._file = self._file, None
        self._open()
        return events

    def _replaced(self) -> bool:
        """Whether another file stands in its place, or the first one."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False  # renamed, and the next one is still to be made
        return self._file is None or self._file.number != (found.st_dev, found.st_ino)

    def _siblings(self) -> dict[tuple[int, int, int], str]:
        """What stands beside the log: which file it is and when it was last written, and its name."""
        found: dict[tuple[int, int, int], str] = {}
        # A folder that is not there yet, or a file that is removed while we look, is nothing to read.
        with contextlib.suppress(FileNotFoundError):
            for path in rotated(self.path):
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(path)
                    found[status.st_dev, status.st_ino, status.st_mtime_ns] = path
        return found

    def _between(self) -> list[str]:
        """Logs that have come and gone since the last look; what is packed by now was read before."""
        own = {file.number for file in (self._before, self._file) if file is not None}
        return [
            path
            for key, path in self._siblings().items()
            if key not in self._beside and key[:2] not in own and not path.endswith(".gz")
        ]


def follow(
    logs: Sequence[Followed],
    wait: Callable[[], object],
    named: Callable[[str, Iterable[Event]], Iterable[Event]] = lambda _, events: events,
) -> Iterator[list[Event]]:
    """What comes, by time as far as it comes together; `wait` is called between two looks that found nothing.

    `named` makes of a log's path and its events what is given of them.
    """
    while True:
        events = [event for log in logs for event in named(log.path, log.poll())]
        if events:
            events.sort(key=lambda event: event.time)
            yield events
        else:
            wait()


def _start_of_last(fd: int, lines: int) -> int:
    """Where the last so many lines of a file begin."""
    at = os.fstat(fd).st_size
    wanted = lines + 1  # line ends: the last one ends the last line
    while at and wanted > 0:
        size = min(_BACK, at)
        at -= size
        block = os.pread(fd, size, at)
        found = block.count(b"\n")
        if found < wanted:
            wanted -= found
            continue
        end = len(block)
        for _ in range(wanted):
            end = block.rindex(b"\n", 0, end)
        return at + end + 1
    return 0
