"""A recording that is kept in memory."""

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.messages import Read


class Tape:
    """A `Sink` that gives back what it took, as conversations."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[str, str, bool]] = {}
        self._pieces: dict[int, list[Piece]] = {}

    def begin(self, number: int, at: float, client: str, server: str, begun: bool) -> None:
        """See Sink."""
        self._ends[number] = client, server, begun
        self._pieces[number] = []

    def say(self, number: int, read: Read, octets: bytes) -> None:
        """See Sink."""
        self._pieces[number].append(Piece(read.at, read.from_client, octets, read.lost))

    def end(self, number: int, at: float, from_client: bool, end: End) -> None:
        """See Sink."""
        self._pieces[number].append(Piece(at, from_client, b"", 0, end))

    def close(self) -> None:
        """See Sink: what it took stays."""

    def conversations(self) -> tuple[Conversation, ...]:
        """What was said until now."""
        return tuple(
            Conversation(client, server, tuple(self._pieces[number]), begun)
            for number, (client, server, begun) in self._ends.items()
        )
