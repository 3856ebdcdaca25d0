"""The readable file of a recording: written as things happen, read back octet by octet.

    ldapserver-recording 1
    began 2026-01-02T03:04:05.678901Z
    redacted

    connection 1 at 0.000000 from 127.0.0.1:50000 to 127.0.0.1:389

    1 > 0.000212
      # bindRequest 1
      # 'cn=u1' simple, password (not shown)
      300c020101600702010304008000

    1 < 0.000532 lost 12
      # ...
    1 > 0.001000 closed

`>` is from the client, `<` from the server; the time is in seconds since `began`. Octets are in hexadecimal; blank
lines, blanks, and whatever follows a `#` mean nothing. `docs/capture.md` says the rest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.messages import Read
from ldapserver.capture.summary import summary

VERSION = 1
MAGIC = "ldapserver-recording"
_WIDTH = 48  # octets in a line
_MOST = 100_000_000  # seconds, three years: a time beyond that is a slip of the pen

_BEGAN = "%Y-%m-%dT%H:%M:%S.%fZ"
_NUMBER = re.compile(r"[0-9]{1,9}")
_TIME = re.compile(r"(-?)([0-9]{1,9})\.([0-9]{6})")
_HEX = re.compile(r"[0-9A-Fa-f]+")


class InvalidRecording(ValueError):
    """The file is no recording, or is damaged; the text names it, the line and the rule."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded; in a `redacted` one the passwords are written over."""

    conversations: tuple[Conversation, ...]
    redacted: bool = False


def head(began: int, *, redacted: bool) -> bytes:
    """The first lines; `began` in microseconds since 1970-01-01 UTC."""
    seconds, rest = divmod(began, 1_000_000)
    text = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).strftime(_BEGAN)
    return f"{MAGIC} {VERSION}\nbegan {text}\n{'redacted' + chr(10) if redacted else ''}".encode()


def connection_line(number: int, offset: int, client: str, server: str, *, begun: bool = True) -> bytes:
    """A connection's beginning; `offset` in microseconds."""
    how = "" if begun else " begun-before"
    return f"\nconnection {number} at {_seconds(offset)} from {client} to {server}{how}\n".encode()


def block(number: int, offset: int, read: Read, octets: bytes) -> bytes:
    """What one end said; `octets` stand in for those of `read`, and are as many."""
    lines = [f"{number} {_arrow(read.from_client)} {_seconds(offset)}" + (f" lost {read.lost}" if read.lost else "")]
    lines += [f"  # {line}" for line in summary(read)]
    lines += [f"  {octets[at : at + _WIDTH].hex()}" for at in range(0, len(octets), _WIDTH)]
    return ("\n" + "\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def end_line(number: int, offset: int, from_client: bool, end: End) -> bytes:
    """That one end sends no more."""
    return f"\n{number} {_arrow(from_client)} {_seconds(offset)} {end.value}\n".encode()


def _arrow(from_client: bool) -> str:
    return ">" if from_client else "<"


def _seconds(offset: int) -> str:
    seconds, rest = divmod(abs(offset), 1_000_000)
    return f"{'-' if offset < 0 else ''}{seconds}.{rest:06}"


def read_recording(path: str) -> Recording:
    """Read the file. Raises InvalidRecording and OSError."""
    with open(path, "rb") as file:
        return parse_recording(file, path)


def parse_recording(lines: Iterable[bytes], name: str) -> Recording:
    """Read the lines of a file called `name`. Raises InvalidRecording."""
    reader = _Reader()
    number = 0
    try:
        for line in lines:
            number += 1
            words = line.partition(b"#")[0].decode("ascii").split()
            if words:
                reader.take(words)
        return reader.recording()
    except UnicodeDecodeError:
        raise InvalidRecording(f"{name}:{number}: only comments may hold what is not ASCII") from None
    except _Wrong as wrong:
        raise InvalidRecording(f"{name}:{number}: {wrong}") from None


class _Wrong(Exception):
    pass


@dataclass
class _Connection:
    client: str
    server: str
    begun: bool
    pieces: list[Piece] = field(default_factory=list)


@dataclass
class _Block:
    connection: _Connection
    at: float
    from_client: bool
    lost: int
    octets: bytearray = field(default_factory=bytearray)


class _Reader:
    """Takes the words of each line."""

    NOTHING, VERSIONED, BEGAN = range(3)

    def __init__(self) -> None:
        self.state = self.NOTHING
        self._began = 0
        self._redacted = False
        self._connections: dict[str, _Connection] = {}
        self._all: list[_Connection] = []
        self._block: _Block | None = None

    def recording(self) -> Recording:
        if self.state < self.BEGAN:
            raise _Wrong(f"no recording: it does not begin with '{MAGIC} {VERSION}' and 'began'")
        self._finish()
        return Recording(
            tuple(Conversation(each.client, each.server, tuple(each.pieces), each.begun) for each in self._all),
            self._redacted,
        )

    def take(self, words: list[str]) -> None:
        if self.state == self.NOTHING:
            if words[0] != MAGIC:
                raise _Wrong(f"no recording: it does not begin with '{MAGIC} {VERSION}'")
            if words[1:] != [str(VERSION)]:
                raise _Wrong(f"version {' '.join(words[1:])}: only version {VERSION} is known here")
            self.state = self.VERSIONED
        elif self.state == self.VERSIONED:
            self._began = _began(words)
            self.state = self.BEGAN
        elif words[0] == "connection":
            self._finish()
            self._connection(words)
        elif words == ["redacted"]:
            self._redacted = True
        elif len(words) > 1 and words[1] in ("<", ">"):
            self._finish()
            self._header(words)
        else:
            self._hex(words)

    def _connection(self, words: list[str]) -> None:
        begun = words[-1] != "begun-before"
        rest = words[1:] if begun else words[1:-1]
        if len(rest) != 7 or (rest[1], rest[3], rest[5]) != ("at", "from", "to"):
            raise _Wrong("it has to be 'connection NUMBER at SECONDS from HOST:PORT to HOST:PORT'")
        if not _NUMBER.fullmatch(rest[0]):
            raise _Wrong(f"connection {rest[0]}: it has to be a number")
        _offset(rest[2])
        # A number may be used again once more connections have begun: blocks belong to the last one of it.
        connection = self._connections[rest[0]] = _Connection(rest[4], rest[6], begun)
        self._all.append(connection)

    def _header(self, words: list[str]) -> None:
        connection = self._connections.get(words[0])
        if connection is None:
            raise _Wrong(f"{words[0]}: no 'connection {words[0]}' stands before it")
        if len(words) < 3:
            raise _Wrong("it has to be 'NUMBER > SECONDS' or 'NUMBER < SECONDS'")
        at = (self._began + _offset(words[2])) / 1_000_000
        from_client, rest = words[1] == ">", words[3:]
        if rest in ([End.CLOSED.value], [End.RESET.value]):
            connection.pieces.append(Piece(at, from_client, b"", 0, End(rest[0])))
        elif not rest:
            self._block = _Block(connection, at, from_client, 0)
        elif len(rest) == 2 and rest[0] == "lost" and _NUMBER.fullmatch(rest[1]) and int(rest[1]):
            self._block = _Block(connection, at, from_client, int(rest[1]))
        else:
            raise _Wrong(f"{' '.join(rest)}: behind the time may stand 'closed', 'reset' or 'lost NUMBER'")

    def _hex(self, words: list[str]) -> None:
        if self._block is None:
            raise _Wrong(f"{words[0][:40]}: neither 'connection', nor 'NUMBER >', nor octets behind one of these")
        digits = "".join(words)
        if not _HEX.fullmatch(digits):
            raise _Wrong(f"{digits[:40]}: octets have to be hexadecimal digits")
        if len(digits) % 2:
            raise _Wrong("octets have to be pairs of hexadecimal digits: one is missing or too many in this line")
        self._block.octets += bytes.fromhex(digits)

    def _finish(self) -> None:
        block, self._block = self._block, None
        if block is None:
            return
        if not block.octets and not block.lost:
            raise _Wrong("the block before this has no octets")
        block.connection.pieces.append(Piece(block.at, block.from_client, bytes(block.octets), block.lost))


def _began(words: list[str]) -> int:
    try:
        if len(words) != 2 or words[0] != "began":
            raise ValueError
        began = datetime.strptime(words[1], _BEGAN).replace(tzinfo=UTC)
    except ValueError:
        raise _Wrong("the second line has to be 'began', with a time like 2026-01-02T03:04:05.678901Z") from None
    return int(began.replace(microsecond=0).timestamp()) * 1_000_000 + began.microsecond


def _offset(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None or int(found[2]) > _MOST:
        raise _Wrong(f"{text[:40]}: a time has to be seconds with six digits behind the point, as 0.000212")
    offset = int(found[2]) * 1_000_000 + int(found[3])
    return -offset if found[1] else offset


def microseconds(at: float) -> int:
    """A time of a piece as the file has it."""
    return round(at * 1_000_000)
