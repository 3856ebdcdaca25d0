"""What two ends said to each other over one connection, as octets in their order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets of one end; `at` is seconds since 1970-01-01 UTC."""

    at: float
    from_client: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Conversation:
    """One connection; `client` and `server` are HOST:PORT."""

    client: str
    server: str
    pieces: tuple[Piece, ...]
