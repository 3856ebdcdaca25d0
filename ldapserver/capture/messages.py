"""The LDAP messages in what two ends said, as far as they can be read.

Reading ends for good at TLS, which keeps what it carries to itself, and at a SASL security layer, whose keys nobody
here has; what follows is given as it is, with the reason. Every octet of a conversation is in one of the results.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ldapserver.capture.conversation import Conversation, Piece
from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire.codec import decode
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
)

START_TLS = "1.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14.1
MAX_MESSAGE = 64 * 1024 * 1024  # octets: what is longer is no message of a directory's, and is not waited for

TLS = "inside TLS"
LAYER = "inside a SASL security layer"
CUT_SHORT = "the rest of the message is missing"
IN_THE_MIDDLE = "from the middle of a message"
MISSING = "missing"
_TLS_RECORDS = range(0x14, 0x18)  # ContentType of TLS, RFC 8446 section 5.1; an LDAPMessage begins with 30


@dataclass(frozen=True, slots=True)
class Message:
    """One whole LDAPMessage; `message` is None when its contents break RFC 4511, and `fault` says which rule.

    `lost` octets of the same end are missing before it, here and in what is unreadable.
    """

    at: float
    from_client: bool
    element: bytes = field(repr=False)
    message: LDAPMessage | None
    fault: str = ""
    lost: int = 0

    @property
    def octets(self) -> bytes:
        """As they were sent."""
        return self.element


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Octets that no message can be read from, and why."""

    at: float
    from_client: bool
    octets: bytes = field(repr=False)
    reason: str
    lost: int = 0


Read = Message | Unreadable


def messages(conversation: Conversation) -> Iterator[Read]:
    """What was said, in the order in which it was complete."""
    dissector = Dissector(begun=conversation.begun)
    for piece in conversation.pieces:
        yield from dissector.feed(piece)
    yield from dissector.finish()


class _Side:
    """What one end sent and is not yet a message."""

    def __init__(self, lost: bool) -> None:
        self.framer = Framer(MAX_MESSAGE)
        self.at = 0.0
        self.lost = lost  # octets are missing here, and where the next message begins is not known
        self.missing = 0  # how many, not yet said
        self.broken = ""  # why nothing more can be read of this end


class Dissector:
    """Takes pieces in their order and gives the messages in them; not `begun` is from the middle of a connection."""

    def __init__(self, *, begun: bool = True) -> None:
        self._sides = {True: _Side(not begun), False: _Side(not begun)}
        self._closed = ""  # why nothing more can be read, of either end
        self._asked_tls: set[int] = set()
        self._sasl: dict[int, str] = {}  # SASL binds that wait for their response: mechanism
        self._bound_by_sasl = False
        self._first = True

    def feed(self, piece: Piece) -> Iterator[Read]:
        """The messages that are whole with this piece, and what of it can't be read."""
        side = self._sides[piece.from_client]
        if piece.lost:
            yield from self._rest(piece.from_client, CUT_SHORT)
            side.lost = True
            side.missing += piece.lost
        side.at = piece.at
        if piece.data:
            if self._first and _begins_tls(piece.data):
                self._closed = TLS
            self._first = False
            yield from self._read(side, piece)
        if piece.end is not None:
            yield from self._rest(piece.from_client, CUT_SHORT)

    def finish(self) -> Iterator[Read]:
        """What is left when nothing more comes."""
        for from_client in (True, False):
            yield from self._rest(from_client, CUT_SHORT)

    def _read(self, side: _Side, piece: Piece) -> Iterator[Read]:
        reason = self._closed or side.broken
        if not reason and side.lost:
            # A message begins with a segment more often than not: the first that looks like one is taken for it.
            side.lost = not _begins_message(piece.data)
            reason = IN_THE_MIDDLE if side.lost else ""
        if reason:
            yield self._unreadable(side, piece.from_client, piece.data, reason)
            return
        side.framer.feed(piece.data)
        while not self._closed:
            try:
                element = side.framer.next()
            except ProtocolViolation as violation:
                side.broken = LAYER if self._bound_by_sasl else f"no LDAP: {violation}"
                break
            if element is None:
                return
            yield self._message(side, piece, element)
        for from_client in (True, False):
            if self._closed or from_client == piece.from_client:
                yield from self._rest(from_client, self._closed or side.broken)

    def _message(self, side: _Side, piece: Piece, element: bytes) -> Message:
        missing, side.missing = side.missing, 0
        try:
            message = decode(element)
        except (ProtocolViolation, InvalidRequest) as refused:
            return Message(piece.at, piece.from_client, element, None, str(refused), missing)
        operation = message.operation
        if isinstance(operation, ExtendedRequest) and operation.request_name == START_TLS:
            self._asked_tls.add(message.message_id)
        elif isinstance(operation, ExtendedResponse) and message.message_id in self._asked_tls:
            self._asked_tls.discard(message.message_id)
            if operation.result_code == ResultCode.SUCCESS:
                self._closed = TLS
        elif isinstance(operation, BindRequest) and isinstance(operation.authentication, SaslAuthentication):
            self._sasl[message.message_id] = operation.authentication.mechanism
        elif isinstance(operation, BindResponse) and self._sasl.pop(message.message_id, ""):
            self._bound_by_sasl |= operation.result_code == ResultCode.SUCCESS
        return Message(piece.at, piece.from_client, element, message, lost=missing)

    def _rest(self, from_client: bool, reason: str) -> Iterator[Unreadable]:
        side = self._sides[from_client]
        if side.framer.pending:
            yield self._unreadable(side, from_client, side.framer.take_rest(), reason)
        elif side.missing:
            yield self._unreadable(side, from_client, b"", MISSING)

    def _unreadable(self, side: _Side, from_client: bool, octets: bytes, reason: str) -> Unreadable:
        missing, side.missing = side.missing, 0
        return Unreadable(side.at, from_client, octets, reason, missing)


def _begins_tls(data: bytes) -> bool:
    """Whether these octets look like a TLS record: its type, and version 3."""
    return data[0] in _TLS_RECORDS and data[1:2] in (b"\x03", b"")


def _begins_message(data: bytes) -> bool:
    """Whether these octets look like the beginning of an LDAPMessage: SEQUENCE, messageID, an operation's tag."""
    try:
        if data[0] != ber.SEQUENCE:
            return False
        header = 2 + (ber.length_octets(data[1], "LDAPMessage") if data[1] & ber.LONG_LENGTH else 0)
        _, stop = ber.expect(data, header, len(data), ber.INTEGER, "messageID")
        return data[stop] & 0xC0 == 0x40  # APPLICATION
    except (IndexError, ProtocolViolation):
        return False
