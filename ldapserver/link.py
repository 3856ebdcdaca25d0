"""One connection, whoever brings its octets: its session and its TLS, when it is read from, and when it is given up.

An adapter subclasses `Link` with what its transport can do (`transmit`, `end`, `reset`, `stop_reading`,
`start_reading`), and calls `opened`, `data_received`, `pause_writing`, `resume_writing` and `gone`. A session's
coroutines wait for two things only, another turn of the loop or a thread; both come back through here.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ldapserver.compiled import mypyc_attr
from ldapserver.service import Peer
from ldapserver.session import Session
from ldapserver.suspension import Suspension
from ldapserver.wire.messages import ResultCode

if TYPE_CHECKING:
    from ldapserver.connections import Connections
    from ldapserver.handshake import Handshake
    from ldapserver.process import Process

T = TypeVar("T")

_log = logging.getLogger("ldapserver")


@mypyc_attr(allow_interpreted_subclasses=True)
class Link:
    """A `Channel` for its session. `handshaking` is whether a TLS handshake is due or under way."""

    # Slots, and what few need made for those: ten thousand may be idle.
    __slots__ = (
        "_connections",
        "_drained",
        "_pausing",
        "_reading",
        "_seen",
        "_tls",
        "handshaking",
        "peer",
        "quiet_since",
        "session",
        "writable",
    )

    peer: Peer
    session: Session

    def __init__(self, connections: "Connections", *, tls_first: bool = False) -> None:
        self.handshaking = tls_first
        self.writable = True
        self.quiet_since = 0.0
        self._connections = connections
        self._tls: Handshake | None = None
        self._reading = True
        self._drained = 0  # times that a peer which did not read has begun to read again
        self._seen = 0  # that and messages, together, when somebody last looked
        self._pausing: list[Suspension[None]] | None = None

    # What an adapter does

    def transmit(self, data: bytes) -> None:
        """Send octets as they are."""
        raise NotImplementedError

    def end(self) -> None:
        """End the connection once all that was to be sent is."""
        raise NotImplementedError

    def reset(self) -> None:
        """End the connection at once."""
        raise NotImplementedError

    def stop_reading(self) -> None:
        """Bring no more octets."""
        raise NotImplementedError

    def start_reading(self) -> None:
        """Bring octets again."""
        raise NotImplementedError

    # What an adapter tells

    def opened(self, ip: str | None, port: int | None, local: bool = False, process: "Process | None" = None) -> None:
        """The connection is there, and from whom."""
        connections = self._connections
        service = connections.service
        connections.count += 1
        peer = self.peer = Peer(connections.count, ip, port, local, process)
        self.session = Session(service, peer, self)
        self.quiet_since = connections.reactor.seconds()
        if not connections.admit(self):
            self.dismiss("too many connections")
            return
        if service.faults is not None and service.faults.connected(self):
            return
        if self.handshaking:
            self.start_tls()

    def data_received(self, data: bytes) -> None:
        """Hand octets to the session; stop reading while it takes no more."""
        if self._tls is not None:
            data = self._unwrapped(self._tls, data)
        session = self.session
        session.data_received(data)
        if self._reading and not session.closed and session.pausing:
            self._reading = False
            self.stop_reading()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self.writable = False

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.writable = True
        self._drained += 1
        # First the messages that waited: there may be an Abandon for what else goes on.
        self.session.go_on()
        self._go_on()

    def gone(self) -> None:
        """The connection is no more."""
        if self.handshaking:
            # Who only looks whether the port is open is nothing to report.
            self._handshake_failed("the connection was closed", logging.DEBUG)
        session = self.session
        if not session.closed:
            session.lost()
        self._connections.dismiss(self)
        # A link and a session that hold each other would both stay until Python looks for garbage.
        self.session = self._connections.ended

    # What those ask who look after all connections

    def active(self) -> bool:
        """Whether the peer did anything since this was last asked, or waits for what it asked, and reads."""
        seen, self._seen = self._seen, self.session.messages + self._drained
        return seen != self._seen or (self.session.busy and self.writable)

    def give_up(self) -> None:
        """Nothing is heard of the peer: tell it and close; if that was done already, do not wait for it to read."""
        if self.handshaking:
            self._handshake_failed("it took too long")
            self.abort()
        elif self.session.closed:
            self.abort()
        else:
            self.dismiss("idle for too long")

    def dismiss(self, text: str) -> None:
        """Tell the peer why and close. Who expects TLS is told nothing in the clear."""
        if self.handshaking:
            self.handshaking = False
            self.abort()
        else:
            self.session.disconnect(ResultCode.UNAVAILABLE, text)

    def abort(self) -> None:
        """End the connection at once, whatever is under way; the peer is told nothing."""
        try:
            if not self.session.closed:
                self.session.lost()
        finally:
            self.reset()

    # TLS

    def _unwrapped(self, tls: "Handshake", data: bytes) -> bytes:
        """What these octets say inside TLS; in the handshake, nothing."""
        if self.session.closed:
            return b""
        inside = tls.take(data)
        if answer := tls.outgoing():
            self.transmit(answer)
        if tls.done and self.handshaking:
            self.handshaking = False
            self.session.secured(tls.secured())
        if tls.failure is not None:
            if self.handshaking:
                self._handshake_failed(tls.failure)
            self.session.lost()
            self.end()
        elif tls.closed:
            self.session.data_received(inside)
            if not self.session.closed:
                self.session.lost()
                self.close()
        else:
            return inside
        return b""

    def _handshake_failed(self, why: str, level: int = logging.INFO) -> None:
        self.handshaking = False
        number, ip = self.peer.connection, self.peer.ip or "a Unix socket"
        _log.log(level, "connection %d from %s: TLS handshake failed: %s", number, ip, why)

    # Channel

    def write(self, data: bytes) -> None:
        """Send octets."""
        self.transmit(data if self._tls is None else self._tls.wrap(data))

    def close(self) -> None:
        """Send what was written, then end the connection."""
        if self._tls is not None and self._tls.done:
            # Our close_notify; that of the peer, which some never send, is not waited for.  RFC 8446 section 6.1
            self.transmit(self._tls.end())
        self.end()

    def start_tls(self) -> None:
        """Begin the handshake. Octets already under way in the clear are not understood in it, and end it."""
        self.handshaking = True
        faults, handshakes = self._connections.service.faults, self._connections.handshakes
        if faults is not None:
            handshakes = faults.handshakes(self, handshakes)
            if handshakes is None:
                return
        self._tls = handshakes.begin()

    def failed(self, error: Exception) -> None:
        """Report a fault of ours, with its traceback."""
        _log.error("an operation failed", exc_info=error)

    def settled(self) -> None:
        """The last that was to be recorded of a closed connection is."""
        self._connections.settled(self)

    def resume_reading(self) -> None:
        """The session takes octets again."""
        if not self._reading:
            self._reading = True
            self.start_reading()

    def call_later(self, seconds: float, call: Callable[[], object]) -> object:
        """Call it so many seconds from now; what is returned can be cancelled."""
        return self._connections.reactor.callLater(seconds, call)

    def pause(self) -> Suspension[None]:
        """Another turn of the loop, once the peer reads."""
        suspension: Suspension[None] = Suspension()
        if self._pausing is None:
            self._pausing = []
        self._pausing.append(suspension)
        if self.writable:
            self._connections.soon(self._go_on)
        return suspension

    def offload(self, work: Callable[[], T]) -> Suspension[T] | None:
        """Do dear work in a thread."""
        return self._connections.offload(work)

    def _go_on(self) -> None:
        if self.writable and self._pausing:
            pausing, self._pausing = self._pausing, None
            for suspension in pausing:
                suspension.resume(None)
