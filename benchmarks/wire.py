"""A channel without a network, for a session that is measured in process."""

from collections.abc import Callable
from typing import TypeVar

from ldapserver.suspension import Suspension

T = TypeVar("T")


class Wire:
    """A channel that keeps the last thing written."""

    written = b""
    writable = True

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written = data

    def close(self) -> None:
        """Nobody is to be sent away."""
        raise AssertionError("close")

    def start_tls(self) -> None:
        """Nobody asks for TLS here."""
        raise AssertionError("start_tls")

    def resume_reading(self) -> None:
        """Here octets come when they come."""

    def settled(self) -> None:
        """No connection ends here."""
        raise AssertionError("settled")

    def failed(self, error: Exception) -> None:
        """A fault of ours must be seen."""
        raise error

    def pause(self) -> Suspension[None]:
        """No search here takes more than a slice."""
        raise AssertionError("pause")

    def offload(self, work: Callable[[], T]) -> Suspension[T] | None:
        """No dear password is stored here."""
        raise AssertionError("offload")
