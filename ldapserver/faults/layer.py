"""A security layer whose buffers can be made wrong."""

from collections.abc import Callable

from ldapserver.faults.actions import Action, TamperedLayer
from sasl_digest import QOP, Cipher, SecurityLayer

_LENGTH = 4  # octets of the length in front of a buffer, which stays right: what is behind it can still be found


class FaultyLayer:
    """`layer`, but for the next buffers after `due()` says what is wrong with them."""

    def __init__(self, layer: SecurityLayer, due: Callable[[], Action | None]) -> None:
        self._layer = layer
        self._due = due
        self.qop: QOP = layer.qop
        self.most: int = layer.most
        self.cipher: Cipher | None = layer.cipher

    def wrap(self, data: bytes) -> bytes:
        """See `SecurityLayer`."""
        fault = self._due() if data else None
        if fault is None:
            return self._layer.wrap(data)
        if isinstance(fault, TamperedLayer):
            buffers = self._layer.wrap(data)
            return buffers[:_LENGTH] + bytes([buffers[_LENGTH] ^ 1]) + buffers[_LENGTH + 1 :]
        # What is wrapped here never leaves, and the number it had is used up.
        self._layer.wrap(b"\0")
        return self._layer.wrap(data)

    def receive(self, data: bytes) -> bytes:
        """See `SecurityLayer`."""
        return self._layer.receive(data)
