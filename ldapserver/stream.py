"""A connection's octets: cut into messages on their way in, gathered on their way out, through a layer both ways.

Inside a layer an answer leaves in as few buffers as may be, and not as it is made. ldap3 2.9.1 with 'sign' loses a
buffer that arrives in one piece with one in which a message has ended: so an answer that fits is one buffer, and of a
longer one the last is no short one, which would arrive so.
"""

from typing import TYPE_CHECKING, Final, Protocol

from ldapserver.wire.framing import Framer
from sasl_digest import SecurityLayer
from sasl_digest.layers import cut

if TYPE_CHECKING:
    from ldapserver.faults.connection import ConnectionFaults
    from ldapserver.metrics import Metrics
    from ldapserver.watching import Watch

_WRITE_SIZE: Final = 64 * 1024  # octets gathered before they leave in the middle of a turn: a layer's usual buffer


class Transport(Protocol):
    """Where octets leave."""

    def write(self, data: bytes) -> None:
        """Send octets."""
        ...


class Stream:
    """What stands between a session and its transport; `limit` is the longest message taken, in octets.

    `unsent` is what leaves with the next `flush()`.

    `metrics` counts the octets of layers, where that is asked for, `watch` is told of each message, and `faults` may
    have it leave otherwise.
    """

    __slots__ = (
        "_faults",
        "_framer",
        "_metrics",
        "_of_buffer",
        "_transport",
        "_unsent_size",
        "_watch",
        "_wrapped",
        "layer",
        "unsent",
    )

    def __init__(
        self,
        limit: int,
        transport: Transport,
        metrics: "Metrics | None" = None,
        watch: "Watch | None" = None,
        faults: "ConnectionFaults | None" = None,
    ) -> None:
        self.layer: SecurityLayer | None = None
        self._transport = transport
        self._metrics = metrics
        self._watch = watch
        self._faults = faults
        self._framer = Framer(limit)
        self._wrapped: bytearray | None = None  # received, and not yet taken off the layer
        self._of_buffer = 0  # octets still to come of the buffer that the layer was last given a part of
        self.unsent: list[bytes] = []
        self._unsent_size = 0

    @property
    def limit(self) -> int:
        """The longest message taken."""
        return self._framer.limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._framer.limit = limit

    @property
    def pending(self) -> int:
        """How many octets were received behind the message last taken."""
        return self._framer.pending + (0 if self._wrapped is None else len(self._wrapped))

    @property
    def dry(self) -> bool:
        """Whether `next()` is sure to have nothing."""
        return self._framer.empty and self.layer is None

    def receive(self, data: bytes) -> None:
        """Take octets as they arrive."""
        if self._wrapped is None:
            self._framer.feed(data)
        else:
            self._wrapped += data

    def next(self) -> bytes | None:
        """The next message, or None when there is not all of it. Raises ProtocolViolation and BrokenLayer."""
        element = self._framer.next()
        if self.layer is None and self._watch is None:  # mostly
            return element
        # One buffer at a time: behind the one with a bind's last message the next layer may begin.
        while element is None and self.layer is not None:
            assert self._wrapped is not None
            piece, self._of_buffer = cut(self._wrapped, self._of_buffer)
            if not piece:
                return None
            if self._metrics is not None:
                self._metrics.received[self.layer.qop] += len(piece)
            self._framer.feed(self.layer.receive(piece))
            element = self._framer.next()
        if self._watch is not None and element is not None:
            self._watch.received(element)
        return element

    def write(self, data: bytes) -> None:
        """Have it leave with the next `flush()`, or at once when it is much: one or more whole messages."""
        if self._faults is not None:
            self._faults.leaving(self, data)
        elif self._watch is not None:
            self.gather(data)
        else:
            self.unsent.append(data)
            self._unsent_size += len(data)
            if self._unsent_size >= _WRITE_SIZE:
                self.flush(more=True)

    def gather(self, data: bytes, *, whole: bool = True) -> None:
        """The same, as it is; nobody who looks on is told of what is not `whole` messages."""
        if self._watch is not None and whole:
            self._watch.sent(data)
        self.unsent.append(data)
        self._unsent_size += len(data)
        if self._unsent_size >= _WRITE_SIZE:
            self.flush(more=True)

    def flush(self, *, more: bool = False) -> None:
        """Send what was written; inside a layer, while an answer has `more` to come, all but the end of it."""
        unsent, layer = self.unsent, self.layer
        if not unsent or (more and layer is not None and self._unsent_size <= 2 * layer.most):
            return
        data = unsent[0] if len(unsent) == 1 else b"".join(unsent)
        unsent.clear()
        self._unsent_size = 0
        self._transport.write(data if layer is None else self._wrap(data, layer, more))

    def _wrap(self, data: bytes, layer: SecurityLayer, more: bool) -> bytes:
        buffers = []
        at = 0
        while len(data) - at > 2 * layer.most:
            buffers.append(layer.wrap(data[at : at + layer.most]))
            at += layer.most
        rest = data[at:]
        if more:
            self.unsent.append(rest)
            self._unsent_size = len(rest)
        else:
            half = len(rest) if len(rest) <= layer.most else len(rest) // 2
            buffers += [layer.wrap(rest[:half]), layer.wrap(rest[half:])]
        wrapped = b"".join(buffers)
        if self._metrics is not None:
            self._metrics.sent[layer.qop] += len(wrapped)
        return wrapped

    def lay(self, layer: SecurityLayer) -> None:
        """From here on all is inside `layer`: what is written, and what came behind the message last taken."""
        self.flush()
        # What is left of a message inside an earlier layer is not inside this one, and breaks it.
        self._wrapped = bytearray(self._framer.take_rest() + (self._wrapped or b""))
        self.layer, self._of_buffer = layer, 0

    def forget(self) -> None:
        """Send nothing more of what was written, and take nothing more of what was received."""
        if self.unsent:
            self.unsent.clear()
            self._unsent_size = 0
        if self._wrapped is not None:
            self._wrapped.clear()
        self._framer.forget()
