"""The nonces a server issues, and which of them may come back (RFC 2831 sections 2.1.1, nonce, and 2.2).

A nonce carries its time and a MAC over it, under a key that no other server has: a foreign one is told from an old
one without storing any, and challenges that nobody answers cost nothing. What is stored is the count of those that
have authenticated somebody, for their subsequent authentication.

    base64url( time in ms (6 octets) | random (12) | MAC (12) )                        240 bits, 40 characters
    +Upgraded+v1 hex( time in ms (8) | random (16) | identity (8) | MAC (24) )         Windows' form, 124 characters

No character needs quoting, for some clients send a nonce bare.
"""

import binascii
import hmac
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2s
from threading import Lock
from typing import Final

from sasl_digest.errors import UsageError
from sasl_digest.nonces import UPGRADED, NonceState

LIFETIME = 300.0  # seconds between challenge and response; a person may be asked for the password meanwhile
CAPACITY = 10_000  # nonces that are remembered at once, of some 400 octets each

# Base64 for URLs and file names is the usual one with two other characters.  RFC 4648 section 5
_TO_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URLSAFE: Final = bytes.maketrans(b"-_", b"+/")

# Compiled code looks imported names up each time, and these not.
_a2b: Final = a2b_base64
_b2a: Final = b2a_base64
_number: Final = int.from_bytes

_PIECE: Final = 16  # octets of chance, the most that a nonce carries
_AHEAD: Final = 64  # pieces drawn at once: each by itself is a call of the system's
_drawn: Final[list[bytes]] = []
if hasattr(os, "register_at_fork"):  # where processes fork, two must not hand out the same
    os.register_at_fork(after_in_child=_drawn.clear)


def _chance() -> bytes:
    """16 random octets that nobody else is given."""
    try:
        return _drawn.pop()
    except IndexError:
        octets = secrets.token_bytes(_PIECE * _AHEAD)
        _drawn.extend([octets[at : at + _PIECE] for at in range(_PIECE, len(octets), _PIECE)])
        return octets[:_PIECE]


@dataclass(slots=True)
class _Remembered:
    count: int
    proof: bytes = field(repr=False)
    until: float


class NonceBook:
    """Issues nonces under a key of its own; two books (two servers) take each other's for foreign.

    Servers that share a `key` (32 octets or more) and an `identity` know each other's nonces; with another identity
    they don't. `lifetime` is in seconds, and so is `remembered_for`: how long a nonce that has authenticated somebody
    may do so again, by default not at all. At most `capacity` are remembered; the oldest give way. `upgraded` makes
    them in Windows' form. `clock` gives seconds since the epoch; `token(n)` gives n random octets, by default the
    system's, drawn ahead.

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
        token: Callable[[int], bytes] | None = None,
    ) -> None:
        if remembered_for < 0:
            raise UsageError(f"remembered_for: {remembered_for:g} seconds; 0 is not at all")
        if capacity < 1:
            raise UsageError(f"capacity: {capacity}; 1 or more are due")
        if key is not None and len(key) < 32:
            raise UsageError(f"key: {len(key)} octets; 32 or more are due")
        if key is None:
            key = secrets.token_bytes(32) if token is None else token(32)
        mac_key = hmac.digest(key, identity.encode(), "sha256")
        self._lifetime = lifetime
        self.remembers = remembered_for > 0
        self._remembered_for = remembered_for
        self._capacity = capacity
        self._upgraded = upgraded
        self._clock = clock
        self._token = token
        self._random, self._mac_size = (16, 24) if upgraded else (12, 12)  # octets; 2.1.1 recommends 8 of chance
        self._time = 8 if upgraded else 6
        self._keyed = blake2s(digest_size=self._mac_size, key=mac_key)  # each MAC goes on from a copy of it
        self._identity = blake2s(identity.encode(), digest_size=8).digest() if upgraded else b""
        self._remembered: dict[bytes, _Remembered] = {}  # the oldest first
        self._lock = Lock()

    def issue(self) -> bytes:
        """See `Nonces`; 40 characters, or 124."""
        token = self._token
        chance = _chance()[: self._random] if token is None else token(self._random)
        body = int(self._clock() * 1000).to_bytes(self._time, "big") + chance + self._identity
        mac = self._keyed.copy()
        mac.update(body)
        raw = body + mac.digest()
        if self._upgraded:
            return UPGRADED + raw.hex().encode()
        return _b2a(raw, newline=False).translate(_TO_URLSAFE)

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
            issued = _number(_a2b(nonce[:8].translate(_FROM_URLSAFE)), "big")
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
        mac = self._keyed.copy()
        mac.update(body)
        return mac.digest()
