"""What a recording says that a server is to do: each request of the client with what it was answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ldapserver.capture.conversation import Conversation, End
from ldapserver.capture.messages import LAYER, TLS, Message, Unreadable, messages
from ldapserver.capture.summary import one_line
from ldapserver.wire.messages import AbandonRequest, ExtendedResponse, UnbindRequest


class CannotReplay(ValueError):
    """Nothing in the recording can be replayed; the text says why."""


@dataclass(eq=False)
class Exchange:
    """One request as it was recorded, and the elements that answered it, in their order."""

    request: Message
    answers: list[Message] = field(default_factory=list)
    asked: int = 0  # times that a client under test asked for it

    @property
    def is_answered(self) -> bool:
        """Whether a request of its kind is answered at all."""
        message = self.request.message
        return message is None or not isinstance(message.operation, UnbindRequest | AbandonRequest)

    def __str__(self) -> str:
        return one_line(self.request)


@dataclass(eq=False)
class Connection:
    """What one client said, and how the server ended it: `end` is None where it did not, or only after the client."""

    number: int
    exchanges: list[Exchange]
    end: End | None
    plays: int = 0


@dataclass
class Script:
    """All that was recorded; `redacted` is whether passwords in it were written over."""

    connections: list[Connection]
    redacted: bool = False

    @property
    def unasked(self) -> list[Exchange]:
        """The requests that nobody has asked."""
        return [each for connection in self.connections for each in connection.exchanges if not each.asked]


def script_of(conversations: Sequence[Conversation], warn: Callable[[str], object], *, redacted: bool) -> Script:
    """What to replay; `warn` is told of what can't be. Raises CannotReplay where that is all."""
    connections = []
    for number, conversation in enumerate(conversations, 1):
        connection = _connection(number, conversation, warn)
        if connection.exchanges:
            connections.append(connection)
    if not connections:
        raise CannotReplay("there is no request in it that can be read: nothing can be replayed")
    return Script(connections, redacted)


def _connection(number: int, conversation: Conversation, warn: Callable[[str], object]) -> Connection:
    exchanges: list[Exchange] = []
    by_id: dict[int, Exchange] = {}
    told: set[str] = set()
    for read in messages(conversation):
        if isinstance(read, Unreadable):
            if read.reason not in told:
                told.add(read.reason)
                what = "cannot be replayed" if read.reason in (TLS, LAYER) else "is left out"
                warn(f"connection {number}: what is {read.reason} {what}")
        elif read.from_client:
            exchanges.append(exchange := Exchange(read))
            if read.message is not None:
                by_id[read.message.message_id] = exchange
        else:
            _answered(number, read, exchanges, by_id, warn)
    return Connection(number, exchanges, _server_end(conversation))


def _answered(
    number: int,
    read: Message,
    exchanges: list[Exchange],
    by_id: dict[int, Exchange],
    warn: Callable[[str], object],
) -> None:
    message = read.message
    if message is not None and message.message_id in by_id:
        by_id[message.message_id].answers.append(read)
    elif exchanges and (message is None or isinstance(message.operation, ExtendedResponse)):
        # An unsolicited notification, or what can't be read: said behind what was asked last.  RFC 4511 section 4.4
        exchanges[-1].answers.append(read)
    else:
        warn(f"connection {number}: the recorded '{one_line(read)}' answers no request that was recorded")


def _server_end(conversation: Conversation) -> End | None:
    """How the server ended the connection, if it was the first to."""
    for piece in conversation.pieces:
        if piece.end is not None:
            return None if piece.from_client else piece.end
    return None
