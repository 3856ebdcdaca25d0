"""The sockets of a server behind one descriptor: an epoll of our own, which any reactor of Twisted's can read.

The reactor has one to read, however many sockets there are: what Twisted does around every event of every transport
of its own is done once for all that are ready. Of Linux, as epoll is.
"""

import errno
import logging
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ldapserver.polled import PolledLink
from ldapserver.process import process_of

if TYPE_CHECKING:
    from ldapserver.connections import Connections

AVAILABLE = hasattr(select, "epoll")
MOST_READY = 256  # sockets served in one round
MOST_ROUNDS = 4  # in one turn of the reactor, behind which timers and threads have theirs
MOST_GUESSES = 16  # turns in which a connection is served for having been alone lately, before all are looked at
SHORT = 1024  # octets of somebody who asks one thing at a time
MORE_AT_ONCE = 20  # connections that a turn takes more than the one before, while there are as many
MOST_AT_ONCE = 256  # accepted in one turn
REST = 1.0  # seconds without accepting, where the system has no room for one more connection

# accept(2), and of the epoll ENOSPC.  epoll_ctl(2)
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC})

_log = logging.getLogger("ldapserver")


class Poller:
    """What waits for the sockets of one server. To `reactor`, an `IReactorFDSet` of Twisted's, it is one to read."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.epoll = select.epoll()
        self.links: dict[int, PolledLink] = {}
        self.listeners: dict[int, Listener] = {}
        self._in_round = False
        self._soon: list[Callable[[], object]] = []
        self._turn_due = False  # the reactor is to call us in its next turn: once, however many ask
        self._alone = -1  # whose descriptor was the only one ready in the last round
        self._guesses = 0  # that may still be made that it is so again

    def serve(self, listening: socket.socket, connections: "Connections", *, tls_first: bool = False) -> "Listener":
        """Accept there: each connection is a `PolledLink` of these `connections`. The socket stays the caller's."""
        if not self.listeners:
            self.reactor.addReader(self)
        return Listener(self, listening, connections, tls_first=tls_first)

    def soon(self, call: Callable[[], object]) -> None:
        """Have it called once all that is ready in this round is served, or else in the next turn."""
        self._soon.append(call)
        if not self._in_round and not self._turn_due:
            self._turn_due = True
            self.reactor.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn_due = False
        self._end_round()

    def _end_round(self) -> None:
        calls = self._soon
        if not calls:
            return
        self._soon = []
        for call in calls:
            try:
                call()
            except Exception as error:
                _log.error("an operation failed", exc_info=error)

    # For the reactor, by Twisted's names

    def fileno(self) -> int:
        """What is readable while any of the sockets is ready."""
        return self.epoll.fileno()

    def logPrefix(self) -> str:  # noqa: N802
        """Whose lines in Twisted's log these are."""
        return "ldapserver"

    def doRead(self) -> None:  # noqa: N802
        """Serve every socket that is ready, and while there are several, those that are by then."""
        if self._guesses and self._guessed():
            return
        ready = self.epoll.poll(0, MOST_READY)
        alone = ready[0][0] if len(ready) == 1 else -1
        # Twice in a row, so that clients which take turns are not asked in vain.
        self._guesses = MOST_GUESSES if alone == self._alone and alone in self.links else 0
        self._alone = alone
        self._serve(ready)
        # A turn of Twisted's own costs as much as a message or two.
        for _ in range(MOST_ROUNDS - 1):
            if len(ready) <= 1:
                return
            ready = self.epoll.poll(0, MOST_READY)
            self._serve(ready)

    def _guessed(self) -> bool:
        """Whether we were woken by who lately was alone: to ask who it is would be a call for nothing."""
        self._guesses -= 1
        octets = self._serve([(self._alone, select.EPOLLIN)])
        if not 0 < octets <= SHORT:
            # It was another, or there is so much to do for this one that others get their turn.
            self._guesses = 0
        return octets > 0

    def _serve(self, ready: list[tuple[int, int]]) -> int:
        """Serve these; how many octets were received."""
        octets = 0
        self._in_round = True
        for fd, events in ready:
            link = self.links.get(fd)
            # The reactor lets go of a reader that raises, which would be the end of all connections.
            try:
                if link is not None:
                    octets += link.ready(events)
                elif (listener := self.listeners.get(fd)) is not None:
                    listener.accept()
            except Exception as error:
                _log.error("an operation failed", exc_info=error)
                if link is not None:
                    self._soon.append(link.abort)
        self._in_round = False
        self._end_round()
        return octets

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """The reactor ends."""
        for link in tuple(self.links.values()):
            link.abort()
        self.epoll.close()


class Listener:
    """Accepts at one socket until it is closed."""

    def __init__(
        self, poller: Poller, listening: socket.socket, connections: "Connections", *, tls_first: bool
    ) -> None:
        self._poller = poller
        self._socket = listening
        self._connections = connections
        self._tls_first = tls_first
        # `accept()` is this, and a look at family and kind as enums, which takes longer.
        self._accept: Callable[[], tuple[int, Any]] = cast(Any, listening)._accept
        self._family = int(listening.family)
        self._local = listening.family == socket.AF_UNIX
        self._at_once = 1
        if not self._local:
            # An answer does not wait for more to fill a packet; on Linux connections have this of their listener.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller.listeners[listening.fileno()] = self
        poller.epoll.register(listening.fileno(), select.EPOLLIN)

    def accept(self) -> None:
        """Take the connections that wait, but no more than others can wait for."""
        # To ask once more than there are is a call for nothing: a turn asks for as many as the last one had.
        for taken in range(self._at_once):
            try:
                descriptor, address = self._accept()
                connected = socket.SocketType(self._family, socket.SOCK_STREAM, 0, descriptor)
                link = self._linked(connected)
            except BlockingIOError:
                self._at_once = max(1, taken)
                return
            except OSError as refused:
                # All others are of one connection, which is over, or was not let in.  accept(2)
                if refused.errno in _NO_ROOM:
                    self._rest(refused)
                    return
                continue
            self._begin(link, connected, address)
        self._at_once = min(self._at_once + MORE_AT_ONCE, MOST_AT_ONCE)

    def _linked(self, connected: socket.SocketType) -> PolledLink:
        try:
            return PolledLink(self._connections, self._poller, connected, tls_first=self._tls_first)
        except OSError:
            connected.close()
            raise

    def _begin(self, link: PolledLink, connected: socket.SocketType, address: Any) -> None:
        try:
            if self._local:
                link.opened(None, None, True, process_of(connected))
            else:
                link.opened(_ip(address), address[1])
        except Exception as error:
            link.failed(error)
            link.reset()

    def _rest(self, refused: OSError) -> None:
        """Who waits is still there later; to be told so all the time would take all of it."""
        _log.error("no connection can be accepted for now: %s", refused.strerror)
        self._poller.epoll.modify(self._socket.fileno(), 0)
        self._poller.reactor.callLater(REST, self._go_on)

    def _go_on(self) -> None:
        if self._poller.listeners.get(self._socket.fileno()) is self:
            self._poller.epoll.modify(self._socket.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Accept nobody any more."""
        if self._poller.listeners.pop(self._socket.fileno(), None) is not None:
            self._poller.epoll.unregister(self._socket.fileno())


def _ip(address: Any) -> str:
    """The IP address in one of a socket's, with its zone where it has one (RFC 4007 section 11)."""
    if len(address) == 4 and address[3]:
        return socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return str(address[0])
