"""Where Twisted is: octets in and out of a session, its TLS, its timers and its threads.

A session's coroutines wait for two things only, another turn of the reactor or a thread; both come back through here.
"""

import logging
import typing
from collections.abc import Callable
from dataclasses import replace
from socket import socket
from typing import TYPE_CHECKING, Any, TypeVar, cast

from twisted.internet import interfaces
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from ldapserver.process import process_of
from ldapserver.service import Peer, Service
from ldapserver.session import Session
from ldapserver.suspension import Suspension
from ldapserver.wire.messages import ResultCode

if TYPE_CHECKING:
    from ldapserver.certificates import ClientAuthorities, ServerCertificate
    from ldapserver.handshake import Handshake, Handshakes

T = TypeVar("T")

MAX_OFFLOADED = 8  # dear passwords checked at once, for all connections together: beyond it, busy
FAREWELL = 5.0  # seconds that a stopping server waits for peers to take their notice
SWEEPS = 4  # looks at idle connections within one time-out, which is kept to within a quarter

_log = logging.getLogger("ldapserver")


class Reactor(typing.Protocol):
    """What is needed of a reactor."""

    def seconds(self) -> float:
        """The time, in seconds."""
        ...

    def callLater(self, delay: float, callable: Callable[[], object]) -> interfaces.IDelayedCall:  # noqa: N802
        """Call it `delay` seconds from now."""
        ...

    def getThreadPool(self) -> ThreadPool:  # noqa: N802
        """The threads to work in."""
        ...

    def callFromThread(self, callable: Callable[[], object]) -> object:  # noqa: N802
        """Call it in the reactor's thread; may be asked in any."""
        ...


@implementer(interfaces.IPushProducer, interfaces.IHandshakeListener)
class LDAPProtocol(Protocol):
    """One connection: a `Channel` for its session. `handshaking` is whether a TLS handshake is due or under way."""

    peer: Peer
    session: Session
    transport: interfaces.ITransport  # what is written to: TLS, where there is any
    writable = True
    quiet_since = 0.0

    def __init__(self, factory: "LDAPFactory", *, tls_first: bool = False) -> None:
        self.handshaking = tls_first
        self._factory = factory
        self._handshake: Handshake | None = None
        self._bare: interfaces.ITransport  # below TLS
        self._reading = True
        self._producing = False
        self._drained = 0  # times that a peer which did not read has begun to read again
        self._seen = (0, 0)
        self._pausing: list[Suspension[None]] = []

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name, as are the others
        """Start a session."""
        if self._handshake is not None:
            return  # the same connection, now by way of its TLS
        self._bare = self.transport
        address = self.transport.getPeer()
        local = isinstance(address, UNIXAddress)
        system = interfaces.ISystemHandle(self.transport, None)
        process = process_of(cast(socket, system.getHandle())) if local and system is not None else None
        ip, port = getattr(address, "host", None), getattr(address, "port", None)
        peer = Peer(self._factory.next_number(), ip, port, local, process)
        self.peer = peer
        self.session = Session(self._factory.service, peer, self)
        self.quiet_since = self._factory.reactor.seconds()
        tcp = interfaces.ITCPTransport(self.transport, None)  # a Unix socket is none
        if tcp is not None:
            tcp.setTcpNoDelay(True)
        if not self._factory.admit(self):
            self.dismiss("too many connections")
            return
        self._producing = True
        cast(interfaces.IConsumer, self.transport).registerProducer(self, True)
        faults = self._factory.service.faults
        if faults is not None and faults.connected(self):
            return
        if self.handshaking:
            self.start_tls()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hand octets to the session; stop reading while it takes no more."""
        session = self.session
        session.data_received(data)
        if self._reading and session.pausing:
            self._reading = False
            cast(interfaces.IPushProducer, self._bare).pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """End the session."""
        if self.handshaking:
            self._handshake_failed(reason.value)
        self.session.lost()
        self._factory.dismiss(self)

    def active(self) -> bool:
        """Whether the peer did anything since this was last asked, or waits for what it asked, and reads."""
        seen, self._seen = self._seen, (self.session.messages, self._drained)
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
        self.session.lost()
        cast(interfaces.ITCPTransport, self._bare).abortConnection()

    # TLS

    def handshakeCompleted(self) -> None:  # noqa: N802
        """TLS is up: what comes from here on came through it."""
        self.handshaking = False
        if self._handshake is not None:
            self.session.secured(self._handshake.secured())

    def _handshake_failed(self, why: object) -> None:
        self.handshaking = False
        from ldapserver.handshake import told

        refusal = None if self._handshake is None else self._handshake.refusal
        # Who only looks whether the port is open is nothing to report.
        level = logging.DEBUG if isinstance(why, ConnectionClosed) else logging.INFO
        number, ip = self.peer.connection, self.peer.ip or "a Unix socket"
        _log.log(level, "connection %d from %s: TLS handshake failed: %s", number, ip, refusal or told(why))

    # Channel

    def write(self, data: bytes) -> None:
        """Send octets."""
        self.transport.write(data)

    def close(self) -> None:
        """Send what was written, then end the connection."""
        if self._producing:
            # A transport that has a producer waits for it, and would not close.  IConsumer.unregisterProducer
            self._producing = False
            cast(interfaces.IConsumer, self.transport).unregisterProducer()
        self.transport.loseConnection()
        if self.session.tls is not None:
            # Our close_notify is written; that of a peer, which some never send, is not waited for.
            # RFC 8446 section 6.1
            self._bare.loseConnection()

    def start_tls(self) -> None:
        """Begin the handshake. Octets already under way in the clear are not understood in it, and end it."""
        from ldapserver.handshake import layer

        self.handshaking = True
        faults, handshakes = self._factory.service.faults, self._factory.handshakes
        if faults is not None:
            handshakes = faults.handshakes(self, handshakes)
            if handshakes is None:
                return
        handshake = self._handshake = handshakes.begin()
        if self._producing:
            cast(interfaces.IConsumer, self._bare).unregisterProducer()
        layer(self, handshake, self._factory, self._bare)
        # The producer is told anew by the layer that is now in between, and never of a pause that came before it.
        self.writable = True
        if self._producing:
            cast(interfaces.IConsumer, self.transport).registerProducer(self, True)

    def failed(self, error: Exception) -> None:
        """Report a fault of ours, with its traceback."""
        _log.error("an operation failed", exc_info=error)

    def settled(self) -> None:
        """The last that was to be recorded of a closed connection is."""
        self._factory.settled(self)

    def resume_reading(self) -> None:
        """The session takes octets again."""
        if not self._reading:
            self._reading = True
            cast(interfaces.IPushProducer, self._bare).resumeProducing()

    def call_later(self, seconds: float, call: Callable[[], object]) -> object:
        """Call it so many seconds from now; what is returned can be cancelled."""
        return self._factory.reactor.callLater(seconds, call)

    def pause(self) -> Suspension[None]:
        """Another turn of the reactor, once the peer reads."""
        suspension: Suspension[None] = Suspension()
        self._pausing.append(suspension)
        if self.writable:
            self._factory.reactor.callLater(0, self._go_on)
        return suspension

    def offload(self, work: Callable[[], T]) -> Suspension[T] | None:
        """Do dear work in a thread."""
        return self._factory.offload(work)

    # What the transport says about the peer's reading (IPushProducer)

    def pauseProducing(self) -> None:  # noqa: N802
        """The peer does not read."""
        self.writable = False

    def resumeProducing(self) -> None:  # noqa: N802
        """The peer reads again."""
        self.writable = True
        self._drained += 1
        # First the messages that waited: there may be an Abandon for what else goes on.
        self.session.go_on()
        self._go_on()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone: `connectionLost` follows."""

    def _go_on(self) -> None:
        if self.writable:
            pausing, self._pausing = self._pausing, []
            for suspension in pausing:
                suspension.resume(None)


class LDAPFactory(Factory):
    """Makes a connection's protocol, and keeps the limits that connections have together."""

    noisy = False

    def __init__(
        self,
        service: Service,
        reactor: Reactor | None = None,
        tls: "ServerCertificate | None" = None,
        clients: "ClientAuthorities | None" = None,
    ) -> None:
        """With `tls` clients may begin TLS on a connection (StartTLS), and `LDAPSFactory` may be used.

        With `clients` they are asked for a certificate of theirs. Raises what `use_certificate` does.
        """
        if reactor is None:
            from twisted.internet import reactor as default

            reactor = cast(Any, default)
        self.service = service if tls is None else replace(service, start_tls=True)
        self._handshakes: Handshakes | None = None
        if tls is not None:
            self.use_certificate(tls, clients)
        self.reactor = reactor
        self._connections: set[LDAPProtocol] = set()
        self.count = 0  # connections since the start
        self._offloaded = 0
        self._gone: Deferred[None] | None = None
        self._recording: set[LDAPProtocol] = set()  # gone, and their last records are on their way
        self._sweep: interfaces.IDelayedCall | None = None
        self._last_wait: interfaces.IDelayedCall | None = None

    def buildProtocol(self, addr: interfaces.IAddress | None) -> LDAPProtocol:  # noqa: N802
        """A protocol for a new connection."""
        return LDAPProtocol(self)

    def startFactory(self) -> None:  # noqa: N802
        """The first listener is there."""
        self.service.audit.run_by(self.reactor.callFromThread)
        self._sweep_later()

    def stopFactory(self) -> None:  # noqa: N802
        """The last listener is gone: tell everybody, and go."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self.service.audit.settle()  # whose bind waits for the disk is answered before it is told to go
        for connection in tuple(self._connections):
            connection.dismiss("the server is stopping")

    @property
    def handshakes(self) -> "Handshakes":
        """What begins the next handshake."""
        if self._handshakes is None:
            raise RuntimeError("TLS without a certificate")
        return self._handshakes

    def use_certificate(self, certificate: "ServerCertificate", clients: "ClientAuthorities | None" = None) -> None:
        """Show this one from the next handshake on, and ask clients for one of `clients`.

        Raises InvalidCertificate when TLS can't be done with what is given.
        """
        # Loaded here: it is OpenSSL, and most servers are tests without TLS.
        from ldapserver.handshake import Handshakes

        self._handshakes = Handshakes(certificate, clients)

    def next_number(self) -> int:
        """The number of a new connection, as audit records name it."""
        self.count += 1
        return self.count

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def admit(self, connection: LDAPProtocol) -> bool:
        """Whether there is room for one more."""
        if len(self._connections) >= self.service.config.max_connections:
            return False
        self._connections.add(connection)
        return True

    def dismiss(self, connection: LDAPProtocol) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if connection.session.recording:
            self._recording.add(connection)
        self._look_around()

    def settled(self, connection: LDAPProtocol) -> None:
        """Nothing of a connection that is gone, or going, is on its way to the audit any more."""
        self._recording.discard(connection)
        self._look_around()

    def _look_around(self) -> None:
        if not (self._connections or self._recording):
            self._all_gone()

    def farewell(self, patience: float = FAREWELL) -> Deferred[None]:
        """Fires when every connection is gone and recorded.

        Those still there after `patience` seconds are ended: some do not read.
        """
        gone: Deferred[None] = Deferred()
        self._gone = gone
        if self._connections or self._recording:
            self._last_wait = self.reactor.callLater(patience, self._end_all)
        else:
            self._all_gone()
        return gone

    def _end_all(self) -> None:
        for connection in tuple(self._connections):
            connection.abort()
        # In the next turn, in which transports say that they are gone.
        self._last_wait = self.reactor.callLater(0, self._give_up)

    def _give_up(self) -> None:
        self._last_wait = None
        self._all_gone()

    def _all_gone(self) -> None:
        gone, self._gone = self._gone, None
        if self._last_wait is not None:
            self._last_wait.cancel()
            self._last_wait = None
        if gone is not None:
            gone.callback(None)

    def offload(self, work: Callable[[], T]) -> Suspension[T] | None:
        """Do dear work in one of a bounded number of threads; None when all are taken."""
        if self._offloaded >= MAX_OFFLOADED:
            return None
        self._offloaded += 1
        suspension: Suspension[T] = Suspension()

        def done(result: T) -> None:
            self._offloaded -= 1
            suspension.resume(result)

        def failed(failure: Failure) -> None:
            self._offloaded -= 1
            suspension.fail(failure.value or RuntimeError("offloaded work failed"))

        pool = self.reactor.getThreadPool()
        deferToThreadPool(cast(Any, self.reactor), pool, work).addCallbacks(done, failed)
        return suspension

    def _sweep_later(self) -> None:
        # Not by LoopingCall, which takes hold of the reactor of `twisted.internet` though it is given another.
        config = self.service.config
        every = min(config.idle_timeout, config.handshake_timeout) / SWEEPS
        self._sweep = self.reactor.callLater(every, self._close_idle)

    def _close_idle(self) -> None:
        self._sweep_later()
        now = self.reactor.seconds()
        config = self.service.config
        for connection in tuple(self._connections):
            begun = connection.session.messages and not connection.handshaking
            limit = config.idle_timeout if begun else config.handshake_timeout
            if connection.active():
                connection.quiet_since = now
            elif now - connection.quiet_since >= limit:
                connection.quiet_since = now
                connection.give_up()


class LDAPSFactory(Factory):
    """Makes the connections of an ldaps:// listener: TLS comes first; all else is shared with `factory`."""

    noisy = False

    def __init__(self, factory: LDAPFactory) -> None:
        self._shared = factory

    def buildProtocol(self, addr: interfaces.IAddress | None) -> LDAPProtocol:  # noqa: N802
        """A protocol for a new connection."""
        return LDAPProtocol(self._shared, tls_first=True)

    def startFactory(self) -> None:  # noqa: N802
        """The first listener is there."""
        cast(Any, self._shared).doStart()

    def stopFactory(self) -> None:  # noqa: N802
        """The last listener is gone."""
        cast(Any, self._shared).doStop()
