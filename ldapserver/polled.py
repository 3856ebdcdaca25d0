"""The adapter for sockets: a connection that is told when its socket is ready, and does the rest itself."""

import errno
import select
import socket
import struct
from typing import TYPE_CHECKING, Final

from ldapserver.compiled import mypyc_attr
from ldapserver.link import Link

if TYPE_CHECKING:
    from ldapserver.connections import Connections
    from ldapserver.poller import Poller

READ_SIZE: Final = 16 * 1024  # octets taken at once: others wait while these are answered
HIGH_WATER: Final = 64 * 1024  # octets that wait to be sent, beyond which the peer counts as one that does not read

# Of Linux, as is epoll: a mere flag of the call, where to have the socket not block is a call more for each.
_DONT_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)
_IN: Final = getattr(select, "EPOLLIN", 0)
_OUT: Final = getattr(select, "EPOLLOUT", 0)
_OVER: Final = getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: unsent octets are dropped, and the peer gets a reset


@mypyc_attr(allow_interpreted_subclasses=True)
class PolledLink(Link):
    """One connection over a socket that a `Poller` waits for."""

    __slots__ = ("_ending", "_events", "_poller", "_socket", "_unsent")

    def __init__(
        self, connections: "Connections", poller: "Poller", connected: socket.SocketType, *, tls_first: bool = False
    ) -> None:
        super().__init__(connections, tls_first=tls_first)
        self._poller = poller
        self._socket: socket.SocketType | None = connected  # None once the connection is gone
        self._unsent: bytearray | None = None
        self._ending = False  # to be closed once all is sent
        self._events = _IN  # what is waited for
        fd = connected.fileno()
        poller.epoll.register(fd, _IN)
        poller.links[fd] = self

    def ready(self, events: int) -> int:
        """The socket is ready for something, or was: a descriptor may have been another's in this turn.

        How many octets were received.
        """
        if events & _OUT and self._unsent:
            self._send_more()
        if self._events & _IN:
            if events & ~_OUT:
                return self._receive()
        elif events & _OVER:
            self._lose()
        return 0

    def _receive(self) -> int:
        if self._socket is None:
            return 0
        try:
            data = self._socket.recv(READ_SIZE, _DONT_WAIT)
        except BlockingIOError:
            return 0
        except OSError:
            self._lose()
            return 0
        if data:
            self.data_received(data)
        else:
            # The peer sends no more, and so is gone; what it was answered until now is sent.
            self.session.lost()
            self.end()
        return len(data)

    def _send_more(self) -> None:
        unsent = self._unsent
        assert unsent is not None
        del unsent[: self._sent(unsent)]
        if unsent:
            return
        self._unsent = None
        if self._ending:
            self._lose()
            return
        self._wait_for(self._events & ~_OUT)
        if not self.writable:
            self.resume_writing()

    def _sent(self, data: bytes | bytearray) -> int:
        """How many of these octets the system has taken."""
        if self._socket is None:
            return len(data)
        try:
            return self._socket.send(data, _DONT_WAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return 0
            # Not now: whoever sends is in the middle of something.
            self._connections.soon(self._lose)
            return len(data)

    def _wait_for(self, events: int) -> None:
        if self._socket is not None and events != self._events:
            self._events = events
            self._poller.epoll.modify(self._socket.fileno(), events)

    def _lose(self) -> None:
        """Close the socket, whatever is unsent; the descriptor leaves the epoll with it."""
        connected, self._socket = self._socket, None
        if connected is None:
            return
        self._unsent = None
        self._events = 0
        del self._poller.links[connected.fileno()]
        connected.close()
        self.gone()

    # What a transport does for a Link

    def transmit(self, data: bytes) -> None:
        """Send octets: at once as far as they are taken, and the rest when there is room."""
        unsent = self._unsent
        if unsent is None:
            sent = self._sent(data)
            if sent == len(data):
                return
            unsent = self._unsent = bytearray(data[sent:])
            self._wait_for(self._events | _OUT)
        else:
            unsent += data
        if self.writable and len(unsent) > HIGH_WATER:
            self.pause_writing()

    def end(self) -> None:
        """End the connection once all is sent."""
        if self._unsent is None:
            self._lose()
        else:
            self._ending = True
            self._wait_for(_OUT)

    def reset(self) -> None:
        """End the connection at once."""
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._lose()

    def stop_reading(self) -> None:
        """Bring no more octets."""
        self._wait_for(self._events & ~_IN)

    def start_reading(self) -> None:
        """Bring octets again."""
        if not self._ending:
            self._wait_for(self._events | _IN)
