"""The transport as a session sees it."""

from typing import Protocol

from ldapserver.suspension import Host


class Channel(Host, Protocol):
    """What a session asks of its transport."""

    @property
    def writable(self) -> bool:
        """Whether the peer reads what it is sent: while it does not, no more is taken from it."""
        ...

    def write(self, data: bytes) -> None:
        """Send octets."""
        ...

    def close(self) -> None:
        """Send what was written, then end the connection."""
        ...

    def start_tls(self) -> None:
        """Begin the handshake: what was written leaves in the clear, nothing behind it; `Session.secured` follows."""
        ...

    def resume_reading(self) -> None:
        """Octets are wanted again, after `pausing` was true."""
        ...

    def failed(self, error: Exception) -> None:
        """Report a fault of ours, with its traceback."""
        ...

    def settled(self) -> None:
        """The connection is gone, and its last record is written, or will not be: `recording` is over."""
        ...
