"""The nonces a server issues, and what it knows of one that comes back (RFC 2831 section 2.1.1, nonce).

A nonce carries its time and a MAC over it, so that a foreign one is told from an old one without storing any:

    base64url( time in ms (6 octets) | random (12 octets) | MAC (12 octets) )     240 bits, 40 characters

No character needs quoting, for some clients send it bare.
"""

import binascii
import enum
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2s
from typing import Protocol

LIFETIME = 300.0  # seconds between challenge and response; a person may be asked for the password meanwhile
MAX_NONCE = 64  # octets, of whatever `Nonces`: the room a challenge keeps for it
_TIME, _RANDOM, _MAC = 6, 12, 12  # octets; section 2.1.1 recommends 8 or more of chance


class NonceState(enum.Enum):
    """What is known of a nonce."""

    FRESH = enum.auto()
    EXPIRED = enum.auto()
    FOREIGN = enum.auto()


class Nonces(Protocol):
    """What a server asks of its nonces."""

    def issue(self) -> bytes:
        """A nonce that was never issued before: at most 64 octets, without quotes and backslashes."""
        ...

    def state(self, nonce: bytes) -> NonceState:
        """Whether `nonce` was issued here, and is still young enough."""
        ...

    def expired(self, nonce: bytes) -> bool:
        """Whether `nonce`, known to be from `issue()`, is too old."""
        ...


class NonceBook:
    """Issues nonces under a key of its own; two books (two servers) take each other's for foreign.

    `lifetime` is in seconds; `clock` gives seconds since the epoch; `token(n)` gives n random octets.
    """

    def __init__(
        self,
        *,
        lifetime: float = LIFETIME,
        clock: Callable[[], float] = time.time,
        token: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._key = token(32)
        self._lifetime = lifetime
        self._clock = clock
        self._token = token

    def issue(self) -> bytes:
        """A nonce of 40 characters."""
        body = int(self._clock() * 1000).to_bytes(_TIME, "big") + self._token(_RANDOM)
        return urlsafe_b64encode(body + self._mac(body))

    def state(self, nonce: bytes) -> NonceState:
        """Whether `nonce` was issued by this book, and is still young enough."""
        try:
            raw = urlsafe_b64decode(nonce)
        except binascii.Error:
            return NonceState.FOREIGN
        body, mac = raw[:-_MAC], raw[-_MAC:]
        # The decoder skips what is not in its alphabet: only the very characters that were issued are ours.
        if urlsafe_b64encode(raw) != nonce or not hmac.compare_digest(mac, self._mac(body)):
            return NonceState.FOREIGN
        return NonceState.EXPIRED if self.expired(nonce) else NonceState.FRESH

    def expired(self, nonce: bytes) -> bool:
        """Whether `nonce`, known to be ours, is older than the lifetime."""
        issued = int.from_bytes(urlsafe_b64decode(nonce[:8]), "big") / 1000
        return self._clock() - issued > self._lifetime

    def _mac(self, body: bytes) -> bytes:
        return blake2s(body, digest_size=_MAC, key=self._key).digest()
