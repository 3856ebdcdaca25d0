"""What the connections of one server have together: their numbers and limits, their idle times, threads and end.

Knows neither Twisted nor asyncio: the adapters (`polled`, `protocol`, `asyncio_protocol`) bring their own here.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ldapserver.compiled import mypyc_attr
from ldapserver.link import Link
from ldapserver.service import NO_PEER, Service
from ldapserver.session import Session
from ldapserver.suspension import Suspension

if TYPE_CHECKING:
    from ldapserver.certificates import ClientAuthorities, ServerCertificate
    from ldapserver.handshake import Handshakes

T = TypeVar("T")

MAX_OFFLOADED = 8  # dear passwords checked at once, for all connections together: beyond it, busy
FAREWELL = 5.0  # seconds that a stopping server waits for peers to take their notice
SWEEPS = 4  # looks at idle connections within one time-out, which is kept to within a quarter


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> object:
        """Not after all."""
        ...


class Threads(Protocol):
    """A pool of them."""

    def callInThreadWithCallback(  # noqa: N802  Twisted's name, as are the others
        self, done: Callable[[bool, Any], object], work: Callable[[], object]
    ) -> object:
        """Do the work; `done` is told in that thread whether it succeeded, and what came of it."""
        ...


class Reactor(Protocol):
    """What is needed of a reactor; one of Twisted's runs the program, whichever loop brings the octets."""

    def seconds(self) -> float:
        """The time, in seconds."""
        ...

    def callLater(self, delay: float, callable: Callable[[], object]) -> Any:  # noqa: N802
        """Call it `delay` seconds from now: a `Timer`."""
        ...

    def getThreadPool(self) -> Any:  # noqa: N802
        """The threads to work in: `Threads`."""
        ...

    def callFromThread(self, callable: Callable[[], object]) -> object:  # noqa: N802
        """Call it in the reactor's thread; may be asked in any."""
        ...


@mypyc_attr(allow_interpreted_subclasses=True)
class Connections:
    """The connections of one server.

    `count` is how many there have been since the start, and so the number of the last, as audit records name it;
    `ended` is the session of each that is gone.
    """

    def __init__(
        self,
        service: Service,
        reactor: Reactor,
        tls: "ServerCertificate | None" = None,
        clients: "ClientAuthorities | None" = None,
        soon: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        """With `tls` clients may begin TLS on a connection (StartTLS), and connections may begin with it.

        With `clients` they are asked for a certificate of theirs. `soon` has what it is given called once what is at
        hand has been dealt with; None is by the reactor. Raises what `use_certificate` does.
        """
        self.service = service if tls is None else replace(service, start_tls=True)
        self._handshakes: Handshakes | None = None
        if tls is not None:
            self.use_certificate(tls, clients)
        # Of nobody: nothing is looked at, and nothing leaves.
        self.ended = Session(replace(service, watcher=None, faults=None), NO_PEER, Link(self))
        self.ended.closed = True
        self.reactor = reactor
        self.soon = soon or self._next_turn
        self._connections: set[Link] = set()
        self.count = 0
        self._offloaded = 0
        self._gone: Callable[[], object] | None = None
        self._recording: set[Link] = set()  # gone, and their last records are on their way
        self._sweep: Timer | None = None
        self._last_wait: Timer | None = None

    def _next_turn(self, call: Callable[[], object]) -> object:
        return self.reactor.callLater(0, call)

    def _at_end_of_turn(self, call: Callable[[], object]) -> object:
        # With one connection there is nobody to gather with: its answer need not wait for the turn to end.
        return self.soon(call) if len(self._connections) > 1 else call()

    def begin(self) -> None:
        """The first listener is there."""
        self.service.audit.run_by(self.reactor.callFromThread)
        self.service.audit.gather_by(self._at_end_of_turn)
        self._sweep_later()

    def end(self) -> None:
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

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def admit(self, connection: "Link") -> bool:
        """Whether there is room for one more."""
        if len(self._connections) >= self.service.config.max_connections:
            return False
        self._connections.add(connection)
        return True

    def dismiss(self, connection: "Link") -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if connection.session.recording:
            self._recording.add(connection)
        if self._gone is not None:
            self._look_around()

    def settled(self, connection: "Link") -> None:
        """Nothing of a connection that is gone, or going, is on its way to the audit any more."""
        self._recording.discard(connection)
        if self._gone is not None:
            self._look_around()

    def _look_around(self) -> None:
        if not (self._connections or self._recording):
            self._all_gone()

    def see_off(self, gone: Callable[[], object], patience: float = FAREWELL) -> None:
        """Call `gone` when every connection is gone and recorded.

        Those still there after `patience` seconds are ended: some do not read.
        """
        self._gone = gone
        if self._connections or self._recording:
            self._last_wait = self.reactor.callLater(patience, self._end_all)
        else:
            self._all_gone()

    def _end_all(self) -> None:
        # In the next turn, in which transports say that they are gone.
        self._last_wait = self.reactor.callLater(0, self._give_up)
        for connection in tuple(self._connections):
            connection.abort()

    def _give_up(self) -> None:
        self._last_wait = None
        self._all_gone()

    def _all_gone(self) -> None:
        gone, self._gone = self._gone, None
        if self._last_wait is not None:
            self._last_wait.cancel()
            self._last_wait = None
        if gone is not None:
            gone()

    def offload(self, work: Callable[[], T]) -> Suspension[T] | None:
        """Do dear work in one of a bounded number of threads; None when all are taken."""
        if self._offloaded >= MAX_OFFLOADED:
            return None
        self._offloaded += 1
        suspension: Suspension[T] = Suspension()

        def over(succeeded: bool, result: Any) -> None:
            self._offloaded -= 1
            if succeeded:
                suspension.resume(result)
            else:  # a Failure of Twisted's
                suspension.fail(result.value or RuntimeError("offloaded work failed"))

        def done(succeeded: bool, result: Any) -> None:
            self.reactor.callFromThread(lambda: over(succeeded, result))

        self.reactor.getThreadPool().callInThreadWithCallback(done, work)
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
