"""The nonces a server issues, and which of them may come back (RFC 2831 sections 2.1.1, nonce, and 2.2).

A nonce carries its time and a MAC over it, under a key that no other server has: a foreign one is told from an old
one without storing any, and challenges that nobody answers cost nothing. What is stored is the count of those that
have authenticated somebody, for their subsequent authentication.

    base64url( time in ms (6 octets) | random (12) | MAC (12) )                        240 bits, 40 characters
    +Upgraded+v1 hex( time in ms (8) | random (16) | identity (8) | MAC (24) )         Windows' form, 124 characters

No character needs quoting, for some clients send a nonce bare.
"""

import binascii
import enum
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2s
from threading import Lock
from typing import Protocol

from sasl_digest.errors import UsageError

LIFETIME = 300.0  # seconds between challenge and response; a person may be asked for the password meanwhile
CAPACITY = 10_000  # nonces that are remembered at once, of some 400 octets each
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


@dataclass(slots=True)
class _Remembered:
    count: int
    proof: bytes = field(repr=False)
    until: float


class NonceBook(Nonces):
    """Issues nonces under a key of its own; two books (two servers) take each other's for foreign.

    Servers that share a `key` (32 octets or more) and an `identity` know each other's nonces; with another identity
    they don't. `lifetime` is in seconds, and so is `remembered_for`: how long a nonce that has authenticated somebody
    may do so again, by default not at all. At most `capacity` are remembered; the oldest give way. `upgraded` makes
    them in Windows' form. `clock` gives seconds since the epoch; `token(n)` gives n random octets.

    Raises UsageError for a short key, or no capacity.
    """

    def __init__(
        self,
        *,
        identity: str = "",
        key: bytes | None = None,
        lifetime: float = LIFETIME,
        remembered_for: float = 0.0,
        capacity: int = CAPACITY,
        upgraded: bool = False,
        clock: Callable[[], float] = time.time,
        token: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if remembered_for < 0:
            raise UsageError(f"remembered_for: {remembered_for} seconds; 0 is not at all")
        if capacity < 1:
            raise UsageError(f"capacity: {capacity}; 1 or more are due")
        if key is not None and len(key) < 32:
            raise UsageError(f"key: {len(key)} octets; 32 or more are due")
        self._key = hmac.digest(token(32) if key is None else key, identity.encode(), "sha256")
        self._lifetime = lifetime
        self.remembers = remembered_for > 0
        self._remembered_for = remembered_for
        self._capacity = capacity
        self._upgraded = upgraded
        self._clock = clock
        self._token = token
        self._random, self._mac_size = (16, 24) if upgraded else (12, 12)  # octets; 2.1.1 recommends 8 of chance
        self._time = 8 if upgraded else 6
        self._identity = blake2s(identity.encode(), digest_size=8).digest() if upgraded else b""
        self._remembered: dict[bytes, _Remembered] = {}  # the oldest first
        self._lock = Lock()

    def issue(self) -> bytes:
        """See `Nonces`; 40 characters, or 124."""
        body = int(self._clock() * 1000).to_bytes(self._time, "big") + self._token(self._random) + self._identity
        raw = body + self._mac(body)
        return UPGRADED + raw.hex().encode() if self._upgraded else urlsafe_b64encode(raw)

    def state(self, nonce: bytes) -> NonceState:
        """See `Nonces`."""
        raw = self._raw(nonce)
        body, mac = raw[: -self._mac_size], raw[-self._mac_size :]
        if not hmac.compare_digest(mac, self._mac(body)):
            return NonceState.FOREIGN
        return NonceState.EXPIRED if self.expired(nonce) else NonceState.FRESH

    def expired(self, nonce: bytes) -> bool:
        """See `Nonces`."""
        # The time alone is read: six octets are eight characters of base64, and eight are sixteen hexadecimal digits.
        if self._upgraded:
            issued = int(nonce[len(UPGRADED) : len(UPGRADED) + 16], 16)
        else:
            issued = int.from_bytes(urlsafe_b64decode(nonce[:8]), "big")
        return self._clock() - issued / 1000 > self._lifetime

    def remember(self, nonce: bytes, proof: bytes) -> None:
        """See `Nonces`."""
        now = self._clock()
        with self._lock:
            remembered = self._remembered
            while remembered:
                oldest = next(iter(remembered))
                if len(remembered) < self._capacity and now <= remembered[oldest].until:
                    break
                del remembered[oldest]
            remembered[nonce] = _Remembered(1, proof, now + self._remembered_for)

    def due(self, nonce: bytes) -> int | None:
        """See `Nonces`."""
        known = self._remembered.get(nonce)
        return None if known is None or self._clock() > known.until else known.count + 1

    def advance(self, nonce: bytes, nonce_count: int, proof: bytes) -> bool:
        """See `Nonces`. Of two at the same time with the same count one gets False."""
        with self._lock:
            if self.due(nonce) != nonce_count or not hmac.compare_digest(self._remembered[nonce].proof, proof):
                return False
            self._remembered[nonce].count = nonce_count
            return True

    def forget(self, nonce: bytes) -> None:
        """See `Nonces`."""
        with self._lock:
            self._remembered.pop(nonce, None)

    def _raw(self, nonce: bytes) -> bytes:
        """The octets that `nonce` writes; none unless it writes them as `issue()` does, to the character."""
        try:
            if self._upgraded:
                raw = bytes.fromhex(nonce.removeprefix(UPGRADED).decode("ascii"))
                same = UPGRADED + raw.hex().encode() == nonce
            else:
                raw = urlsafe_b64decode(nonce)
                same = urlsafe_b64encode(raw) == nonce
        except (binascii.Error, ValueError):
            return b""
        return raw if same else b""

    def _mac(self, body: bytes) -> bytes:
        return blake2s(body, digest_size=self._mac_size, key=self._key).digest()
