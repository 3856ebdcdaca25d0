"""What two ends said to each other over one connection, as octets in their order."""

from dataclasses import dataclass
from enum import Enum


class End(Enum):
    """How one end says that it sends no more."""

    CLOSED = "closed"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets of one end; `at` is seconds since 1970-01-01 UTC.

    `lost` octets of the same end are missing before these, as far as is known; with `end` they are its last.
    """

    at: float
    from_client: bool
    data: bytes
    lost: int = 0
    end: End | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One connection; `client` and `server` are HOST:PORT. One not `begun` was under way when we began to listen."""

    client: str
    server: str
    pieces: tuple[Piece, ...]
    begun: bool = True
