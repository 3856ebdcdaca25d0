"""A stream of octets cut into whole LDAPMessage elements (RFC 4511 section 5.2), and kept within a limit.

Looks at a header only: the tag of a SEQUENCE, a definite length, and not more of it than is allowed. Memory is what
was fed and not yet taken; the length a peer announces is compared and never allocated.
"""

from typing import Final

from ldapserver.errors import ProtocolViolation
from ldapserver.wire import ber

_LONGEST_HEADER: Final = 2 + ber.MAX_LENGTH_OCTETS


class Framer:
    """Takes octets as they arrive with `feed`, gives whole elements one by one with `next`.

    Call `next` until it says `None` after every `feed`, or stop at will: the rest waits, and `pending` is how much.
    `limit` is for a whole element, header included, and may be raised at any time.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # What was fed last, of which so much is taken. Most often it is one message, whole, and leaves as it came.
        self._fed = b""
        self._taken = 0
        # What was fed before without an end, and all that came since; then there is nothing in `_fed`.
        # One bytearray for good, which few connections need: it grows at its end and shrinks at its front without
        # moving what it holds.
        self._held: bytearray | None = None
        self.empty = True  # whether nothing waits, as far as is known without looking: False says nothing

    @property
    def pending(self) -> int:
        """How many octets wait."""
        return len(self._fed) - self._taken + (len(self._held) if self._held else 0)

    def feed(self, data: bytes) -> None:
        """Take `data`, which comes behind what waits."""
        self.empty = False
        if self._fed:
            if self._held is None:
                self._held = bytearray()
            self._held += self._fed[self._taken :]
            self._fed = b""
            self._taken = 0
        if self._held:
            self._held += data
        else:
            self._fed = data

    def next(self) -> bytes | None:
        """The next whole element, or `None` when there is not enough of it; raises ProtocolViolation."""
        fed = self._fed
        if not fed:
            return self._next_held(self._held) if self._held else None
        taken = self._taken
        size = self._measure(fed, taken)
        if not size or taken + size > len(fed):
            # Only what has no end yet is kept, however much was taken before it.
            self._fed = fed[taken:]
            self._taken = 0
            return None
        if taken + size < len(fed):
            self._taken = taken + size
            return fed[taken : taken + size]
        self._fed = b""
        self._taken = 0
        self.empty = True
        return fed[taken:] if taken else fed  # compiled, a slice is always a copy

    def _next_held(self, held: bytearray) -> bytes | None:
        size = self._measure(bytes(held[:_LONGEST_HEADER]), 0)
        if not size or len(held) < size:
            return None
        element = bytes(held[:size])
        del held[:size]
        return element

    def take_rest(self) -> bytes:
        """All that waits, which waits no longer."""
        rest = bytes(self._held) if self._held else self._fed[self._taken :]
        self.forget()
        return rest

    def forget(self) -> None:
        """Drop all that waits."""
        self._fed = b""
        self._taken = 0
        if self._held:
            self._held.clear()

    def _measure(self, data: bytes, pos: int) -> int:
        """How long the element at `pos` is, header included, or 0 when `data` ends before its header does."""
        if data[pos] != ber.SEQUENCE:
            raise ProtocolViolation(f"LDAPMessage: tag {data[pos]:#04x} where {ber.SEQUENCE:#04x} is due")
        start = pos + 2
        if len(data) < start:
            return 0
        length = data[pos + 1]
        if length >= ber.LONG_LENGTH:
            short = len(data) < start + ber.MAX_LENGTH_OCTETS  # hardly ever
            if short and len(data) < start + ber.length_octets(length, "LDAPMessage"):
                return 0
            length, start = ber.long_length(data, start, len(data), "LDAPMessage")
        size = start - pos + length
        if size > self.limit:
            raise ProtocolViolation(f"LDAPMessage: {size} octets, at most {self.limit} are taken")
        return size
