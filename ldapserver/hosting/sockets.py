"""The sockets that several processes listen at: bound by the one that starts them, and inherited by each.

At an address each worker has a socket of its own (SO_REUSEPORT): the kernel deals connections out among them by their
addresses and ports, where workers that waited at one socket would all wake for each connection, and the quickest take
them all. The starting process holds every socket too: when a worker dies its queue stays, and its successor answers
who waits there. That is of Linux; elsewhere, and for Unix sockets everywhere, there is one for all.
"""

import contextlib
import os
import socket
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from twisted.python.lockfile import FilesystemLock

from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault

BACKLOG = 511  # connections that wait to be accepted, as many as a server alone lets wait
SOCKET_MODE = 0o600  # of a Unix socket: whoever runs the server, and nobody else
_DEALT_OUT = sys.platform == "linux"  # whether the kernel deals connections out among sockets of one address

Address = tuple[ListenURL, str]


class SharedSockets:
    """A listening socket for each URL and each of `count` workers, or one for all of them."""

    def __init__(self, addresses: Sequence[Address], count: int) -> None:
        """`addresses` are URLs with IP addresses, empty for Unix sockets. Raises UsageFault, and leaves none open."""
        self._places: list[_Place] = []
        try:
            for url, address in addresses:
                with _refused(url):
                    self._places.append(_UnixPlace(url) if url.path else _Place(url, address, count))
        except UsageFault:
            self.close()
            raise

    @property
    def urls(self) -> list[ListenURL]:
        """Where, each with the port that it has."""
        return [place.url for place in self._places]

    def of(self, worker: int) -> list[socket.socket]:
        """The sockets of a worker, counted from 0, in the order of the URLs; made if need be. Raises OSError."""
        return [place.of(worker) for place in self._places]

    def keep_for(self, worker: int) -> None:
        """Be the process of this worker: all other sockets are closed here."""
        for place in self._places:
            place.keep_for(worker)

    def leave(self, worker: int) -> None:
        """Nobody accepts at the sockets of this worker for a while: what comes is for others, where that can be."""
        for place in self._places:
            place.leave(worker)

    def close(self) -> None:
        """Listen no more."""
        for place in self._places:
            place.close()


class _Place:
    """One address and port, and who listens there; `url` has the port."""

    def __init__(self, url: ListenURL, address: str, count: int) -> None:
        """Raises OSError."""
        self.url = url
        self._address = address
        self._sockets: dict[int, socket.socket] = {}
        if _DEALT_OUT and url.port:
            # A second server of the same user would be let in beside the first, and share its clients: without
            # SO_REUSEPORT the address is refused to it, as it is to everybody.
            _bound(address, url.port).close()
        self._each = _DEALT_OUT
        try:
            for worker in range(count if self._each else 1):
                self.of(worker)
        except OSError:
            self.close()
            raise

    def of(self, worker: int) -> socket.socket:
        key = worker if self._each else 0
        if key not in self._sockets:
            made = _bound(self._address, self.url.port, dealt_out=self._each)
            self._sockets[key] = made
            made.listen(BACKLOG)
            self.url = replace(self.url, port=made.getsockname()[1])
        return self._sockets[key]

    def keep_for(self, worker: int) -> None:
        for key in [key for key in self._sockets if self._each and key != worker]:
            self._sockets.pop(key).close()

    def leave(self, worker: int) -> None:
        if self._each and worker in self._sockets:
            self._sockets.pop(worker).close()

    def close(self) -> None:
        while self._sockets:
            self._sockets.popitem()[1].close()


class _UnixPlace(_Place):
    """One path, with the lock beside it that says whose it is, as Twisted makes it."""

    def __init__(self, url: ListenURL) -> None:
        """Raises OSError."""
        self.url = url
        self._each = False
        self._sockets = {}
        self._owner = os.getpid()
        self._lock = FilesystemLock(f"{url.path}.lock")  # type: ignore[no-untyped-call]
        if not self._lock.lock():  # type: ignore[no-untyped-call]
            raise OSError(0, "Cannot acquire lock")
        made = socket.socket(socket.AF_UNIX)
        self._sockets[0] = made
        try:
            # Left by a server that was killed.
            if not self._lock.clean and stat.S_ISSOCK(os.stat(url.path).st_mode):
                os.unlink(url.path)
        except FileNotFoundError:
            pass
        try:
            made.setblocking(False)
            made.bind(url.path)
            os.chmod(url.path, SOCKET_MODE)  # before anybody can connect
            made.listen(BACKLOG)
        except OSError:
            made.close()
            self._lock.unlock()  # type: ignore[no-untyped-call]
            raise

    def close(self) -> None:
        super().close()
        if os.getpid() == self._owner and self._lock.locked:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.url.path)
            self._lock.unlock()  # type: ignore[no-untyped-call]


def _bound(address: str, port: int, *, dealt_out: bool = False) -> socket.socket:
    """A socket at this address. Raises OSError."""
    numeric = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    family, kind, protocol, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=numeric)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dealt_out:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(where)
    except OSError:
        made.close()
        raise
    return made


@contextlib.contextmanager
def _refused(url: ListenURL) -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        raise UsageFault(f"argument --listen: {url}: {refused.strerror or refused}") from None
