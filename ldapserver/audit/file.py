"""The sink that loses nothing: lines in a file, numbered without a gap over restarts, rotations and failures."""

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Sequence

from ldapserver.audit.group_commit import GroupCommit, InThread
from ldapserver.audit.log_file import LogFile, open_log, succeed
from ldapserver.audit.record import Record
from ldapserver.audit.render import Renderer, lines_of
from ldapserver.audit.resume import last_record_id
from ldapserver.audit.rotation import Rotation, last_rotated
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.suspension import Suspension

RETRY_ROTATION = 10_000_000_000  # nanoseconds between two tries of a rotation that failed

_log = logging.getLogger("ldapserver")

_Unsynced = tuple[int, tuple[tuple[LogFile, int], ...]]  # last record id, and files with their lengths


class FileSink:
    """Lines in a file, in the kernel's hands when `write` returns.

    With `sync` they are on stable storage when what `write` gives resumes: the sync is shared by all who wait, and
    runs in a thread once `run_by` has said how, else in place. `rotation` says when a new file is begun; `report`
    gets a line about what a crash has torn, and of a rotation that fails.

    The file is locked, so that two servers never number their events in one log. Raises OSError from the constructor
    (BlockingIOError when another process holds the log), for a FIFO too: that is for `PipeSink`.
    """

    def __init__(
        self,
        path: str,
        renderer: Renderer,
        *,
        sync: bool = False,
        rotation: Rotation | None = None,
        report: Callable[[str], object] = _log.warning,
    ) -> None:
        self.path = path
        self._renderer = renderer
        self._rotation = rotation
        self._report = report
        self._commit: GroupCommit[_Unsynced] | None = GroupCommit(_sync, self._synced) if sync else None
        self._closed = False
        self._retired: list[LogFile] = []  # no longer written to, with records that are not yet safe
        self._rotate_after = 0  # nanoseconds since the epoch
        file = open_log(path, report)
        try:
            if not file.regular and (sync or rotation is not None):
                raise OSError(errno.EINVAL, f"is no file that could be {'synced' if sync else 'rotated'}")
            # The record ids of the last Windows event, and of the last that is as safe as it gets.
            self._last = self._safe = file.last or (last_rotated(file.place) if file.regular else 0)
        except BaseException:
            file.close()
            raise
        self._file: LogFile | None = file  # None after a failure that leaves its end unknown: to be opened again

    def __str__(self) -> str:
        return self.path

    def run_by(self, in_thread: InThread) -> None:
        """Wait for the disk in a thread from now on."""
        if self._commit is not None:
            self._commit.in_thread = in_thread

    def write(self, records: Sequence[Record]) -> Suspension[None] | None:
        """Append a line for each record, all or none. Raises AuditUnavailable."""
        if not records:
            return None
        # The last is of now; before it may be what a bind has put an end to, some time ago.
        time_ns = records[-1].time_ns
        try:
            file, size = self._ready(time_ns)
            lines, last = lines_of(self._renderer, records, self._last)
            if not lines:
                return None
            self._append(file, lines, size)
        except BlockingIOError as error:
            raise AuditUnavailable(f"{self.path}: {self._holder()}") from error
        except OSError as error:
            raise AuditUnavailable(f"{self.path}: {error.strerror}") from error
        if not size:
            file.begun_ns = time_ns
        self._last = last
        if self._commit is None:
            return None
        file.grown(size, len(lines))
        return self._commit.join((last, tuple((each, each.length) for each in (*self._retired, file))))

    def reopen(self) -> None:
        """Open the path again, which may be another file by now, and leave the old one; ids go on.

        Raises OSError, and then records go on into the old one.
        """
        # Where there is none, because of a failure, the next record opens it.
        if self._file is not None and not (self._file.regular and self._file.at(self.path)):
            self._open_again()

    def settle(self) -> None:
        """Return when all who wait for stable storage know whether they have it; who comes meanwhile waits on."""
        if self._commit is not None:
            self._commit.settle()

    def close(self) -> None:
        """Have what waits on stable storage, and release the log."""
        if self._closed:
            return
        while self._commit is not None and self._commit.awaited:
            self._commit.settle()  # of a logon that is safe only now, the end follows
        self._closed = True
        self._close_all()

    def _ready(self, time_ns: int) -> tuple[LogFile, int]:
        """The file that a record of this time goes to, and its size in octets. Raises OSError."""
        file = self._file
        if self._closed:
            raise OSError(errno.EBADF, "is closed")
        if file is None:
            file = self._open_again()
        status = os.fstat(file.fd)
        # A file without a name is lost: what it holds ends with this process. One that was renamed is not.
        if not status.st_nlink:
            file = self._open_again()
            status = os.fstat(file.fd)
        size = status.st_size
        if self._rotation is not None and size:
            # Of a file from the future, or where the clock was put back, time is counted from here on.
            file.begun_ns = min(file.begun_ns, time_ns)
            if self._rotation.due(size, file.begun_ns, time_ns):
                file = self._rotate(file, time_ns)
                size = os.fstat(file.fd).st_size
        return file, size

    def _holder(self) -> str:
        """Why the log cannot be locked."""
        # What was left with half a line keeps its lock until those who wait for the rest of it know how that ended.
        if any(file.at(self.path) for file in self._retired):
            return "ends in half a line that could not be cut off"
        return "another process writes this log"

    def _append(self, file: LogFile, lines: bytes, size: int) -> None:
        try:
            file.append(lines, size)
        except OSError:
            if file.regular and os.fstat(file.fd).st_size != size:
                self._leave()  # with half a line, which opening it again cuts off
            raise

    def _open_again(self) -> LogFile:
        file = open_log(self.path, self._report)
        self._leave()
        self._file = file
        self._last = max(self._last, file.last)
        self._safe = max(self._safe, file.last)
        return file

    def _leave(self) -> None:
        """Write to this file no more; it is closed once what it holds is safe."""
        file, self._file = self._file, None
        if file is not None:
            if file.length > file.safe:
                self._retired.append(file)
            else:
                file.close()

    def _rotate(self, file: LogFile, time_ns: int) -> LogFile:
        """Begin a new file, where that can be done. Raises OSError where there is none to go on with."""
        if self._rotate_after - RETRY_ROTATION <= time_ns < self._rotate_after:
            return file
        try:
            if not file.at(self.path):  # it was renamed, and gives way already
                return self._open_again()
            following = succeed(file, time_ns)
        except OSError as error:
            self._rotate_after = time_ns + RETRY_ROTATION
            self._report(f"audit: {self.path}: cannot be rotated: {error.strerror}; records go on into it")
            return file
        self._leave()
        self._file = following
        return following

    def _close_all(self) -> None:
        current = [] if self._file is None else [self._file]
        for file in (*self._retired, *current):
            file.close()
        self._retired.clear()
        self._file = None

    def _synced(self, unsynced: _Unsynced, error: Exception | None) -> Exception | None:
        last, files = unsynced
        if error is not None:
            self._take_back()
            return AuditUnavailable(f"{self.path}: {getattr(error, 'strerror', None) or error}")
        self._safe = last
        for file, length in files:
            file.safe = length
            if file in self._retired and file.length == length:
                self._retired.remove(file)
                file.close()
        return None

    def _take_back(self) -> None:
        """Leave what is on stable storage and nothing else: the numbers of the rest are given again.

        After a failed fsync the kernel takes what it could not write for written, and the next may succeed without it
        (fsync(2)): so nothing of it is kept, and the file is opened anew.
        """
        given, self._last = self._last, self._safe
        current = [] if self._file is None else [self._file]
        for file in (*current, *reversed(self._retired)):
            try:
                file.take_back()
            except OSError:
                # What can't be cut keeps its numbers, and so does all that is before it.
                kept = _last_in(file, given)
                if kept > self._safe:
                    self._last = self._safe = kept
                    break
            if file is not self._file:
                # Else a loss of power would bring back numbers that the file after it has by then.
                with contextlib.suppress(OSError):
                    file.sync()
        self._close_all()
        with contextlib.suppress(OSError):  # the next write says why, if it is still so
            self._open_again()


def _last_in(file: LogFile, otherwise: int) -> int:
    try:
        return last_record_id(file.fd)
    except OSError:
        return otherwise  # rather a gap than a number twice


def _sync(unsynced: _Unsynced) -> None:
    _, files = unsynced
    for file, length in files:
        # An old file may be safe since this was put together, and closed.
        if file.safe < length:
            file.sync()
