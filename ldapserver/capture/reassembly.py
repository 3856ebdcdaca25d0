"""TCP connections put together again from their segments, in whatever order these were captured (RFC 9293).

Of octets that were captured more than once the first are taken. A piece stands where the last of what it needed had
come: what was out of order waits for what was missing, as at its receiver. What is missing for good is counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.frames import Segment

_SERVER_PORTS = (389, 3268, 636, 3269)
_MODULUS = 2**32
_LATE = 2**20  # octets: a SYN that is captured behind the data it begins is not further from it


@dataclass(slots=True)
class _Arrived:
    """Octets of one end; `seq` counts on beyond 2^32, `index` is which packet of the capture brought them."""

    seq: int
    data: bytes
    at: float
    index: int


@dataclass
class _Side:
    """What one end sent."""

    arrived: list[_Arrived] = field(default_factory=list)
    first: int | None = None  # the sequence number behind its SYN
    last: int | None = None  # the last sequence number seen, from which the next is counted on
    fin: tuple[int, float, int] | None = None
    rst: tuple[float, int] | None = None
    acknowledged: int | None = None  # by the other end

    def count_on(self, seq: int) -> int:
        """`seq` without its wrap at 2^32: the one nearest to the last."""
        if self.last is None:
            self.last = seq + _MODULUS
        else:
            self.last += (seq - self.last + _MODULUS // 2) % _MODULUS - _MODULUS // 2
        return self.last

    @property
    def lowest(self) -> int | None:
        return min((each.seq for each in self.arrived), default=None)


class _Connection:
    """Two ends. The client is who sent the first SYN; without one, who has not the port of a server."""

    def __init__(self, client: tuple[str, int], server: tuple[str, int]) -> None:
        self.client, self.server = client, server
        self.sides = {client: _Side(), server: _Side()}

    def is_begun_by(self, segment: Segment) -> bool:
        """Whether this SYN belongs to it: sent again, or captured behind what it begins."""
        side = self.sides[segment.source]
        expected = (segment.seq + 1) % _MODULUS
        if side.first is not None:
            return side.first % _MODULUS == expected
        lowest = side.lowest
        if lowest is None and side.fin is not None:
            lowest = side.fin[0]
        if lowest is None:
            return not any(each.fin or each.rst for each in self.sides.values())
        # A new connection between the same ports would begin above the last one.  RFC 9293 section 3.4.1
        return (lowest - expected) % _MODULUS < _LATE

    def take(self, segment: Segment, at: float, index: int) -> None:
        side, other = self.sides[segment.source], self.sides[segment.target]
        if segment.syn and segment.ack is None and segment.source != self.client:
            self.client, self.server = self.server, self.client
        seq = side.count_on(segment.seq)
        if segment.syn:
            seq += 1
            side.first = seq
        if segment.data and not segment.rst:  # what stands in a reset is for people: RFC 9293 section 3.5.2
            side.arrived.append(_Arrived(seq, segment.data, at, index))
        if segment.fin:
            side.fin = side.fin or (seq + len(segment.data), at, index)
        if segment.rst:
            side.rst = side.rst or (at, index)
        if segment.ack is not None and not segment.rst:
            acknowledged = other.count_on(segment.ack) if other.last is not None else None
            if acknowledged is not None:
                other.acknowledged = max(acknowledged, other.acknowledged or 0)

    def conversation(self) -> Conversation:
        pieces: list[tuple[int, Piece]] = []
        for end, side in self.sides.items():
            pieces += _pieces(side, from_client=end == self.client)
        pieces.sort(key=lambda each: each[0])
        begun = self.sides[self.client].first is not None
        in_order = tuple(piece for _, piece in pieces)
        return Conversation(_text(self.client), _text(self.server), in_order, begun)


class Reassembly:
    """Takes segments and gives conversations; connections may follow each other between the same ports."""

    def __init__(self) -> None:
        self._all: list[_Connection] = []
        self._current: dict[frozenset[tuple[str, int]], _Connection] = {}
        self._taken = 0

    def take(self, segment: Segment, at: float) -> None:
        """One segment, captured at a time in seconds."""
        ends = frozenset((segment.source, segment.target))
        if len(ends) < 2:
            return
        connection = self._current.get(ends)
        opening = segment.syn and segment.ack is None
        if connection is None or (opening and not connection.is_begun_by(segment)):
            connection = self._current[ends] = _Connection(*_roles(segment))
            self._all.append(connection)
        self._taken += 1
        connection.take(segment, at, self._taken)

    def conversations(self) -> Iterator[Conversation]:
        """Those that were seen, in the order of their first packets."""
        for connection in self._all:
            yield connection.conversation()


def _roles(segment: Segment) -> tuple[tuple[str, int], tuple[str, int]]:
    """Client and server, as far as one segment tells."""
    source, target = segment.source, segment.target
    if segment.syn:
        return (source, target) if segment.ack is None else (target, source)
    if (source[1] in _SERVER_PORTS) != (target[1] in _SERVER_PORTS):
        return (target, source) if source[1] in _SERVER_PORTS else (source, target)
    # A client's port is one of the high ones that the system gives it.
    return (target, source) if source[1] < target[1] else (source, target)


def _pieces(side: _Side, *, from_client: bool) -> Iterator[tuple[int, Piece]]:
    """What one end said, each piece with the packet that completed it."""
    lowest = side.lowest
    due = side.first if side.first is not None else lowest
    at, index = 0.0, 0
    for each in sorted(side.arrived, key=lambda arrived: (arrived.seq, arrived.index)):
        assert due is not None
        if side.fin is not None and each.seq >= side.fin[0]:
            continue  # nothing follows a FIN: a packet of some other connection
        fresh = each.data[max(due - each.seq, 0) :]
        if not fresh:
            continue
        lost = max(each.seq - due, 0)
        # Whoever waits for an earlier octet gets both at once, when that has come.
        if each.index > index:
            at, index = each.at, each.index
        due += lost + len(fresh)
        yield index, Piece(at, from_client, fresh, lost)
    end = side.fin[0] if side.fin is not None else None
    if due is not None:
        yield from _missing_at_the_end(side, due, end, at, index, from_client)
    if side.fin is not None:
        yield max(side.fin[2], index), Piece(max(side.fin[1], at), from_client, b"", 0, End.CLOSED)
    if side.rst is not None:
        yield max(side.rst[1], index), Piece(max(side.rst[0], at), from_client, b"", 0, End.RESET)


def _missing_at_the_end(
    side: _Side, due: int, end: int | None, at: float, index: int, from_client: bool
) -> Iterator[tuple[int, Piece]]:
    """What was sent behind the last octet captured, as its FIN or the other end's acknowledgement says."""
    if end is None and side.acknowledged is not None:
        # A FIN that was not captured has been acknowledged too, and is no octet.
        end = side.acknowledged - 1
    if end is not None and end > due:
        yield index, Piece(at, from_client, b"", end - due)


def _text(end: tuple[str, int]) -> str:
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
