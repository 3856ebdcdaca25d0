"""Plays the recorded server's part for a client under test, sans I/O: elements in, elements out.

Each connection of the client's plays one of the recording's, the first not yet played whose first request is the
client's. In it a request is looked for among those not yet asked, then among all, then in other connections;
`strict` takes nothing but the next one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ldapserver.capture.conversation import End
from ldapserver.capture.matching import is_same, with_id
from ldapserver.capture.messages import Message
from ldapserver.capture.proof import Proof, asks_for_layer
from ldapserver.capture.script import Connection, Exchange, Script
from ldapserver.capture.summary import one_line
from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire import messages as m
from ldapserver.wire.codec import decode, encode

NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"  # RFC 4511 section 4.4.1


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows from one request: elements to send, and whether the connection ends then, and how."""

    elements: tuple[bytes, ...] = ()
    end: End | None = None


@dataclass
class Replay:
    """A script that is played; `mismatches` are the requests that it had no answer to, each in a line.

    `proof` makes rspauth anew where the password is known; without it the recorded one is sent.
    """

    script: Script
    strict: bool = False
    proof: Proof | None = None
    report: Callable[[str], object] = lambda line: None
    mismatches: list[str] = field(default_factory=list)
    _connections: int = 0

    def connect(self) -> "ReplayConnection":
        """A client has come."""
        self._connections += 1
        return ReplayConnection(self, self._connections)

    def summing_up(self) -> Iterator[str]:
        """What is to be said at the end: every recorded request that nobody asked."""
        for connection in self.script.connections:
            for exchange in connection.exchanges:
                if not exchange.asked:
                    yield f"never asked: connection {connection.number}: {exchange}"

    def said(self, line: str) -> None:
        """Keep a mismatch, and report it."""
        self.mismatches.append(line)
        self.report(line)


class ReplayConnection:
    """One connection of the client's."""

    def __init__(self, replay: Replay, number: int) -> None:
        self._replay = replay
        self._number = number
        self._played: Connection | None = None

    def take(self, element: bytes) -> Turn:
        """What one whole message of the client's is answered with."""
        try:
            asked = Message(0.0, True, element, decode(element))
        except InvalidRequest as refused:
            asked = Message(0.0, True, element, None, str(refused))
        except ProtocolViolation as violation:
            self._replay.said(f"connection {self._number}: no LDAP: {violation}")
            return Turn((_notice(str(violation)),), End.CLOSED)
        if asked.message is not None and asks_for_layer(asked.message.operation):
            return self._mismatch(
                asked, "the client chose a security layer, which cannot be replayed: have it use auth"
            )
        exchange = self._find(asked)
        if exchange is None:
            return self._mismatch(asked)
        exchange.asked += 1
        return Turn(tuple(self._answers(exchange, asked)), self._end(asked))

    def _find(self, asked: Message) -> Exchange | None:
        if self._played is None:
            self._played = self._choose(asked)
        played = self._played
        if self._replay.strict:
            due = None if played is None else _next(played)
            return due if due is not None and self._is(due, asked) else None
        others = [each for each in self._replay.script.connections if each is not played]
        candidates = [*self._not_yet([played] if played is not None else []), *(played.exchanges if played else [])]
        candidates += [*self._not_yet(others), *(each for other in others for each in other.exchanges)]
        return next((each for each in candidates if self._is(each, asked)), None)

    def _choose(self, asked: Message) -> Connection | None:
        """The recorded connection to play: the first of those played least that begins like this, or has this."""
        connections = sorted(self._replay.script.connections, key=lambda each: each.plays)
        if self._replay.strict:
            chosen = next((each for each in connections if not each.plays), None)
        else:
            chosen = next((each for each in connections if self._is(each.exchanges[0], asked)), None)
        if chosen is not None:
            chosen.plays += 1
            if chosen.plays > 1:
                self._replay.report(f"connection {self._number}: plays connection {chosen.number} again")
        return chosen

    def _not_yet(self, connections: list[Connection]) -> list[Exchange]:
        return [each for connection in connections for each in connection.exchanges if not each.asked]

    def _is(self, exchange: Exchange, asked: Message) -> bool:
        strict, redacted = self._replay.strict, self._replay.script.redacted
        return is_same(exchange.request, asked, strictly=strict, redacted=redacted)

    def _answers(self, exchange: Exchange, asked: Message) -> Iterator[bytes]:
        message_id = 0 if asked.message is None else asked.message.message_id
        for answer in exchange.answers:
            if answer.message is not None and answer.message.message_id == 0:
                yield answer.element
                continue
            proof = self._replay.proof
            if proof is not None and answer.message is not None and asked.message is not None:
                proven = proof.answer(asked.message, answer.message)
                if proven is not None:
                    yield encode(proven)
                    continue
            yield with_id(answer.element, message_id or _id(asked.element))

    def _end(self, asked: Message) -> End | None:
        if asked.message is not None and isinstance(asked.message.operation, m.UnbindRequest):
            return End.CLOSED
        played = self._played
        if played is not None and played.end is not None and all(each.asked for each in played.exchanges):
            return played.end
        return None

    def _mismatch(self, asked: Message, why: str | None = None) -> Turn:
        operation = None if asked.message is None else asked.message.operation
        if isinstance(operation, m.UnbindRequest):
            return Turn((), End.CLOSED)  # a client may go whenever it wants to
        text = why or f"not recorded: '{one_line(asked)}'; expected: {self._expected()}"
        self._replay.said(f"connection {self._number}: {text}")
        if asked.message is None:
            return Turn((_notice(text),), End.CLOSED)
        if operation is None or not isinstance(operation, m.ANSWERED_REQUESTS):
            return Turn()
        response = operation.response(m.ResultCode.UNWILLING_TO_PERFORM, "", f"ldapserver replay: {text}")
        return Turn((encode(m.LDAPMessage(asked.message.message_id, response)),))

    def _expected(self) -> str:
        if self._played is not None:
            due = _next(self._played)
            return "nothing more" if due is None else f"'{due}'"
        first = [f"'{each.exchanges[0]}'" for each in self._replay.script.connections if not each.plays]
        return " or ".join(first) or "no further connection"


def _next(connection: Connection) -> Exchange | None:
    return next((each for each in connection.exchanges if not each.asked), None)


def _id(element: bytes) -> int:
    """The messageID of a request that can't be read as a whole, which framing and its first refusal had to read."""
    start = ber.header(element, 0, len(element), "LDAPMessage")[1]
    return ber.integer(element, start, len(element), "messageID")[0]


def _notice(text: str) -> bytes:
    response = m.ExtendedResponse(m.ResultCode.PROTOCOL_ERROR, "", text, (), NOTICE_OF_DISCONNECTION)
    return encode(m.LDAPMessage(0, response))
