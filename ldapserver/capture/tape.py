"""A recording that is kept in memory."""

from collections import deque
from dataclasses import dataclass, field

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.messages import Read

_EACH = 256  # octets that a piece takes beside its own


@dataclass
class _Connection:
    client: str
    server: str
    begun: bool
    pieces: deque[Piece] = field(default_factory=deque)
    over: bool = False


class Tape:
    """A `Sink` that gives back what it took, as conversations.

    With `most` octets of memory it forgets the oldest of what was said, and connections of which nothing is left.
    """

    def __init__(self, most: int | None = None) -> None:
        self.forgotten = 0  # pieces
        self._most = most
        self._size = 0
        self._order: deque[int] = deque()  # whose each piece is, oldest first, on a tape that forgets
        self._connections: dict[int, _Connection] = {}

    def begin(self, number: int, at: float, client: str, server: str, begun: bool) -> None:
        """See Sink."""
        self._connections[number] = _Connection(client, server, begun)

    def say(self, number: int, read: Read, octets: bytes) -> None:
        """See Sink."""
        self.add(number, Piece(read.at, read.from_client, octets, read.lost))

    def end(self, number: int, at: float, from_client: bool, end: End) -> None:
        """See Sink."""
        self.add(number, Piece(at, from_client, b"", 0, end))

    def close(self) -> None:
        """See Sink: what it took stays."""

    def add(self, number: int, piece: Piece) -> None:
        """What one end of this connection said, or that it has ended."""
        self._connections[number].pieces.append(piece)
        if self._most is not None:
            self._order.append(number)
            self._size += len(piece.data) + _EACH
            while self._size > self._most and len(self._order) > 1:
                self._drop()

    def over(self, number: int) -> None:
        """Nothing more comes of this connection, of which nothing is kept if nothing was said."""
        connection = self._connections.get(number)
        if connection is None:
            return
        connection.over = True
        if not connection.pieces:
            del self._connections[number]

    def clear(self) -> None:
        """Forget what was said; connections that are not over go on."""
        self._connections = {
            number: _Connection(each.client, each.server, begun=False)
            for number, each in self._connections.items()
            if not each.over
        }
        self._order.clear()
        self._size = self.forgotten = 0

    def _drop(self) -> None:
        number = self._order.popleft()
        connection = self._connections[number]
        self._size -= len(connection.pieces.popleft().data) + _EACH
        connection.begun = False
        self.forgotten += 1
        if connection.over and not connection.pieces:
            del self._connections[number]

    def conversations(self) -> tuple[Conversation, ...]:
        """What was said until now."""
        return tuple(
            Conversation(each.client, each.server, tuple(each.pieces), each.begun)
            for each in self._connections.values()
        )
