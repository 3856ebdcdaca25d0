"""What a server asks of its nonces (RFC 2831 sections 2.1.1, nonce, and 2.2). Our own are in `nonce_book`.

Apart from them, for whoever writes others inherits from this: a compiled class cannot be inherited from.
"""

import enum
from typing import Protocol

MAX_NONCE = 128  # octets, of whatever `Nonces`: the room a challenge keeps for it
# Its literal beginning says that the server knows channel bindings.  draft-santesson-digestbind
UPGRADED = b"+Upgraded+v1"


class NonceState(enum.Enum):
    """What is known of a nonce."""

    FRESH = enum.auto()
    EXPIRED = enum.auto()
    FOREIGN = enum.auto()


class Nonces(Protocol):
    """What a server asks of its nonces. One that remembers none of them has only the first three methods to write.

    `remembers` is whether there is subsequent authentication at all.
    """

    remembers: bool = False

    def issue(self) -> bytes:
        """A nonce that was never issued before: at most 128 octets, without quotes and backslashes."""
        ...

    def state(self, nonce: bytes) -> NonceState:
        """Whether `nonce` was issued here, and is still young enough for its first response."""
        ...

    def expired(self, nonce: bytes) -> bool:
        """Whether `nonce`, known to be from `issue()`, is too old for its first response."""
        ...

    def remember(self, nonce: bytes, proof: bytes) -> None:
        """`nonce` has authenticated somebody, with nonce-count 1; `proof` (16 octets) stands for who and how."""
        return

    def due(self, nonce: bytes) -> int | None:
        """The nonce-count that a subsequent authentication with `nonce` has to have; None when it is not known."""
        return None

    def advance(self, nonce: bytes, nonce_count: int, proof: bytes) -> bool:
        """Count a subsequent authentication, whose response was right, if this nonce-count is due for this proof."""
        return False

    def forget(self, nonce: bytes) -> None:
        """`nonce` has authenticated nobody after all."""
        return
