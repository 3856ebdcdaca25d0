"""Files that are there whole or not at all: written beside their place, made durable, and put into it in one step."""

import contextlib
import os
import stat
import tempfile
from types import TracebackType
from typing import Self


class WholeFile:
    """A file under way. `finish` puts it in place of what is there; until then that stays, and after `abandon`.

    Leaving a `with` block finishes it, or abandons it where the block raises.
    """

    def __init__(self, path: str, *, private: bool = False, like: os.stat_result | None = None) -> None:
        """Begin to write what is to be at `path`; only its owner may read it if it is `private`.

        With `like` it belongs to whom that file does, and has its mode. Raises OSError, for a place that cannot be
        written to or holds something else than a file, and for an owner that it cannot be given.
        """
        check_place(path)
        self.path = path
        # Behind a symbolic link is the file that is meant; the link stays.
        self._place = os.path.realpath(path)
        folder, name = os.path.split(self._place)
        descriptor, self._unfinished = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        self._file = os.fdopen(descriptor, "wb")
        if like is not None:
            self._be_like(descriptor, like, path)
        elif not private:
            os.fchmod(descriptor, 0o666 & ~_umask())

    def _be_like(self, descriptor: int, like: os.stat_result, path: str) -> None:
        own = os.fstat(descriptor)
        try:
            if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
                os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        except OSError as error:
            self.abandon()
            raise OSError(error.errno, f"it cannot be given back to its owner: {error.strerror}", path) from None

    def write(self, octets: bytes) -> None:
        """Add to it. Raises OSError."""
        self._file.write(octets)

    def finish(self) -> None:
        """Put it in its place, on stable storage. Raises OSError; the old file is there then."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._unfinished, self._place)
        except OSError:
            self.abandon()
            raise
        # The name is on stable storage when its folder is.
        folder = os.open(os.path.dirname(self._place), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def abandon(self) -> None:
        """Leave everything as it was."""
        with contextlib.suppress(OSError):  # what is still buffered may not fit on the disk
            self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._unfinished)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()


def check_place(path: str) -> None:
    """Raise OSError where a file could not be put at `path`."""
    place = os.path.realpath(path)
    try:
        found = os.stat(place)
    except FileNotFoundError:
        pass
    else:
        # To replace /dev/null by a file is nobody's wish.
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "is no regular file", path)
    folder = os.path.dirname(place)
    os.stat(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(0, f"{folder} cannot be written to", path)


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
