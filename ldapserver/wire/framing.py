"""A stream of octets cut into whole LDAPMessage elements (RFC 4511 section 5.2), and kept within a limit.

Looks at a header only: the tag of a SEQUENCE, a definite length, and not more of it than is allowed. Memory is what
was fed and not yet taken; the length a peer announces is compared and never allocated.
"""

from ldapserver.errors import ProtocolViolation
from ldapserver.wire import ber


class Framer:
    """Takes octets as they arrive with `feed`, gives whole elements one by one with `next`.

    Call `next` until it says `None` after every `feed`, or stop at will: the rest waits, and `pending` is how much.
    `limit` is for a whole element, header included, and may be raised at any time.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # One bytearray for good: it grows at its end and shrinks at its front without moving what it holds.
        self._held = bytearray()

    @property
    def pending(self) -> int:
        """How many octets are held."""
        return len(self._held)

    def feed(self, data: bytes) -> None:
        """Hold `data` behind what is held."""
        self._held += data

    def next(self) -> bytes | None:
        """The next whole element, or `None` when there is not enough of it; raises ProtocolViolation."""
        size = self._measure()
        if size is None or len(self._held) < size:
            return None
        element = bytes(self._held[:size])
        del self._held[:size]
        return element

    def take_rest(self) -> bytes:
        """Everything held, which is held no longer."""
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _measure(self) -> int | None:
        """How long the element at the front is, header included, or `None` when not all of its header is there."""
        held = self._held
        if held and held[0] != ber.SEQUENCE:
            raise ProtocolViolation(f"LDAPMessage: tag {held[0]:#04x} where {ber.SEQUENCE:#04x} is due")
        if len(held) < 2:
            return None
        header = 2
        length = held[1]
        if length & ber.LONG_LENGTH:
            header += ber.length_octets(length, "LDAPMessage")
            if len(held) < header:
                return None
            length = int.from_bytes(held[2:header])
        size = header + length
        if size > self.limit:
            raise ProtocolViolation(f"LDAPMessage: {size} octets, at most {self.limit} are taken")
        return size
