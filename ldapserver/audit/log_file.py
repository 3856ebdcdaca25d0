"""One file of a log while it is ours: open, locked, and its end known.

The lock (flock) says who numbers the events of this path. It is on the file, so whoever has got it looks whether the
file still is at the path; and who puts another file there has locked that one first.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from ldapserver.audit import resume, rotation

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_PRIVATE = 0o600
_TRIES = 16  # at a path where others put files while we lock them


@dataclass(eq=False, slots=True)
class LogFile:
    """A file open for appending. `place` is its path behind all symbolic links.

    `last` is the record id it ended with when it was opened; `begun_ns` a time of its records. `length` counts its
    octets up to where we last wrote, those that others have cut off (`gone`) too, and `safe` what of that is on
    stable storage; `named` is whether its name is. All that is for regular files: what else is written to (a
    terminal, a pipe) is neither locked nor read nor cut.
    """

    fd: int
    place: str
    regular: bool
    last: int = 0
    begun_ns: int = 0
    length: int = 0
    safe: int = 0
    gone: int = 0
    named: bool = False

    def append(self, lines: bytes, size: int) -> None:
        """Write the lines behind its `size` octets, all or none. Raises OSError."""
        written = os.write(self.fd, lines)
        if written != len(lines):
            # A full disk takes a part: it must not stay as half a line, nor use up a record id.
            self.cut(size)
            raise OSError(errno.ENOSPC, "no space left for a record")

    def cut(self, size: int) -> None:
        """Let it have no more than so many octets. Raises OSError."""
        if self.regular and os.fstat(self.fd).st_size > size:
            os.ftruncate(self.fd, size)

    def sync(self) -> None:
        """Have all that was written on stable storage. Raises OSError."""
        # The length is part of what fdatasync sees to; only times are not.  fdatasync(2)
        os.fdatasync(self.fd)
        if not self.named:
            # A new name is on stable storage when its folder is.  fsync(2)
            folder = os.open(os.path.dirname(self.place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self.named = True

    def grown(self, size: int, by: int) -> None:
        """So many octets were written behind its `size`."""
        # logrotate's copytruncate leaves less than there was.
        self.gone = max(self.gone, self.length - size)
        self.length = self.gone + size + by

    def take_back(self) -> None:
        """Let it have no more than is on stable storage. Raises OSError."""
        self.cut(max(0, self.safe - self.gone))

    def at(self, path: str) -> bool:
        """Whether the path leads to it. Raises OSError."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self.fd))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Release it."""
        # It is closed whatever is said of what was written: who wanted to know has synced.  close(2)
        with contextlib.suppress(OSError):
            os.close(self.fd)


def open_log(path: str, report: Callable[[str], object]) -> LogFile:
    """The log at `path`, made if it is not there, locked, and mended if a crash has torn its end.

    `report` is told of what was torn. Raises OSError (BlockingIOError when another process holds it).
    """
    refuse_pipe(path)
    place = os.path.realpath(path)
    for _ in range(_TRIES):
        file = _opened(place)
        try:
            if not file.regular:
                return file
            fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file.at(place):
                _take_up(file, report)
                return file
        except BaseException:
            file.close()
            raise
        # Who held it has put another there before it was released.
        file.close()
    raise BlockingIOError(errno.EAGAIN, "others keep replacing it", path)


def look_at(path: str) -> bool:
    """Whether a log at this path would be a regular file; raises OSError where `open_log` would.

    Nothing is made or changed. There is no way to ask for the lock of a file but to take it, so it is ours for a
    moment where nobody holds it.
    """
    refuse_pipe(path)
    place = os.path.realpath(path)
    try:
        mode = os.stat(place).st_mode
    except FileNotFoundError:
        _check_folder(place)
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not os.access(place, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    if not stat.S_ISREG(mode):
        return False
    fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
        if not resume.end_of(fd).last:
            rotation.last_rotated(place)
    finally:
        os.close(fd)
    return True


def _check_folder(place: str) -> None:
    """Raise OSError where no log can be made."""
    folder = os.path.dirname(place)
    if not os.path.isdir(folder):
        why = errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT
        raise OSError(why, os.strerror(why), place)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), place)
    rotation.last_rotated(place)


def refuse_pipe(path: str) -> None:
    """Raise OSError for a FIFO, a pipe and a socket: nothing of a log can be read back there, and who writes to one
    that is full waits."""
    # What /dev/stdout leads to may have no name that could be opened, so it is asked before.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = os.stat(path).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            raise OSError(errno.EINVAL, f"is a {'FIFO' if stat.S_ISFIFO(mode) else 'socket'}, and no file", path)


def succeed(file: LogFile, time_ns: int) -> LogFile:
    """Give a log its name as an old one, and put a new and empty one in its place.

    At every moment there is a file at the path that is locked by us, and no name of another file is taken. Raises
    OSError; then all is as before.
    """
    folder, name = os.path.split(file.place)
    following = os.path.join(folder, f".{name}.next")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(following)  # of a server that ended here
    fd = os.open(following, _FLAGS | os.O_CREAT | os.O_EXCL, _PRIVATE)
    old = None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(fd, stat.S_IMODE(os.fstat(file.fd).st_mode))
        names = os.fstat(file.fd).st_nlink
        old = _linked(file.place, time_ns)
        os.rename(following, file.place)
    except BaseException:
        os.close(fd)
        os.unlink(following)
        if old is not None:
            os.unlink(old)
        raise
    if os.fstat(file.fd).st_nlink > names:
        # Others (logrotate) have renamed it meanwhile: it has the name that they gave it.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(old)
    place, file.place, file.named = file.place, old, False
    return LogFile(fd, place, regular=True)


def _linked(place: str, time_ns: int) -> str:
    names = rotation.names(place, time_ns)
    while True:
        name = next(names)
        # A second name, for a rename would take the place of a file that has it.
        with contextlib.suppress(FileExistsError):
            os.link(place, name)
            return name


def _opened(place: str) -> LogFile:
    fd = os.open(place, _FLAGS | os.O_CREAT, _PRIVATE)
    return LogFile(fd, place, regular=stat.S_ISREG(os.fstat(fd).st_mode))


def _take_up(file: LogFile, report: Callable[[str], object]) -> None:
    status = os.fstat(file.fd)
    if status.st_nlink > 1:
        for other in rotation.same_file_beside(file.place, status):
            os.unlink(other)
    end = resume.end_of(file.fd)
    torn = resume.keep_aside(file.fd, end, file.place)
    if torn:
        report(
            f"audit: {file.place}: {torn} octets at offset {end.whole} were no whole record, as after a crash; "
            f"they are in {file.place}{resume.TORN} now, and records follow record id {end.last}"
        )
    file.last = end.last
    file.begun_ns = status.st_mtime_ns
    file.length = file.safe = os.fstat(file.fd).st_size
