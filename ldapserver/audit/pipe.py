"""The sink that is a FIFO: what it holds is as safe as its reader, who must be there and keep up."""

import contextlib
import errno
import fcntl
import os
import stat

from ldapserver.audit.render import Renderer
from ldapserver.audit.sinks import StreamSink

# What Linux lets anybody have: a reader may be busy with as much.  pipe(7), /proc/sys/fs/pipe-max-size
_CAPACITY = 1 << 20  # octets


class PipeSink(StreamSink):
    """Lines into a FIFO at `path`, without waiting for who reads it.

    A record for which there is no room or no reader is not taken: waiting for either would make all connections wait.
    Raises OSError from the constructor, where nobody reads it too.
    """

    def __init__(self, path: str, renderer: Renderer) -> None:
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise OSError(errno.ENXIO, "is a FIFO that nobody reads", path) from None
        with contextlib.suppress(OSError):  # it has the 64 KiB that each has
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _CAPACITY)
        super().__init__(lambda octets: os.write(self._fd, octets), lambda: None, renderer, path)

    def _reason(self, error: OSError) -> str | None:
        if isinstance(error, BlockingIOError):
            return "its reader does not keep up"
        return "nobody reads it" if isinstance(error, BrokenPipeError) else error.strerror

    def close(self) -> None:
        """What it holds stays for its reader, if there is one."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_pipe(path: str) -> bool:
    """Whether this leads to a FIFO, or to a pipe as /dev/stdout may."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False
