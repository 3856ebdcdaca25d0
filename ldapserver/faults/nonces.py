"""Nonces that come twice when they are asked to."""

from sasl_digest.nonces import Nonces, NonceState


class RepeatingNonces(Nonces):
    """Those of `nonces`; while `repeats` is true, the one issued last is issued again, if there was one."""

    def __init__(self, nonces: Nonces) -> None:
        self._nonces = nonces
        self._last: bytes | None = None
        self.repeats = False
        self.remembers = nonces.remembers

    @property
    def can_repeat(self) -> bool:
        """Whether one was issued."""
        return self._last is not None

    def issue(self) -> bytes:
        """See `Nonces`."""
        if not self.repeats or self._last is None:
            self._last = self._nonces.issue()
        return self._last

    def state(self, nonce: bytes) -> NonceState:
        """See `Nonces`."""
        return self._nonces.state(nonce)

    def expired(self, nonce: bytes) -> bool:
        """See `Nonces`."""
        return self._nonces.expired(nonce)

    def remember(self, nonce: bytes, proof: bytes) -> None:
        """See `Nonces`."""
        self._nonces.remember(nonce, proof)

    def due(self, nonce: bytes) -> int | None:
        """See `Nonces`."""
        return self._nonces.due(nonce)

    def advance(self, nonce: bytes, nonce_count: int, proof: bytes) -> bool:
        """See `Nonces`."""
        return self._nonces.advance(nonce, nonce_count, proof)

    def forget(self, nonce: bytes) -> None:
        """See `Nonces`."""
        self._nonces.forget(nonce)
