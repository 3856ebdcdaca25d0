"""Records as syslog messages of RFC 5424, and the queue before a receiver: nothing waits, nothing hides."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from queue import Queue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.audit import syslog
from ldapserver.audit.kinds import LOCKED_OUT, LOGON, LOGON_FAILED
from ldapserver.audit.record import EventRecord, Record
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.status import ENDINGS, BindReason, Status
from ldapserver.audit.syslog import FIRST_PAUSE, LONGEST_PAUSE, SyslogSink
from ldapserver.audit.syslog_message import MAX_MESSAGE, MAX_SEQUENCE, SyslogRenderer
from ldapserver.audit.syslog_transport import Transport, octet_counted
from ldapserver.wire.messages import ResultCode
from sasl_digest import Reason
from tests.server.syslog_receiving import WAIT, OctetCounting, parsed
from tests.server.test_audit_record import RECORD

COMPUTER = "ldap1.contoso.com"
JSON = JSONRenderer(COMPUTER)
EXCHANGE = replace(RECORD, status=None, reason=Reason.NONCE_FOREIGN)


def renderer() -> SyslogRenderer:
    return SyslogRenderer(COMPUTER, JSONRenderer(COMPUTER))


def message(record: Record, record_id: int = 1, sequence: int = 1) -> bytes:
    octets = renderer().message(record, record_id, sequence)
    assert octets is not None
    return octets


def event(kind: Any, **values: str) -> EventRecord:
    data = tuple(values.get(name, "-") for name in kind.names)
    return EventRecord(RECORD.time_ns, kind, data, 12, 2, "192.0.2.10", 50123)


# Messages


def test_a_message_is_header_structured_data_and_the_line_of_json() -> None:
    header = f"<84>1 2026-01-02T03:04:05.678901Z ldap1.contoso.com ldapserver {os.getpid()} 4776 "
    expected = header + '[meta sequenceId="7"] ' + JSON.line(RECORD, 3).rstrip("\n")
    assert message(RECORD, 3, 7) == expected.encode()


@pytest.mark.parametrize(
    ("record", "severity", "msgid"),
    [
        (RECORD, 4, "4776"),
        (
            replace(RECORD, status=Status.SUCCESS, reason=BindReason.SUCCESS, result_code=ResultCode.SUCCESS),
            6,
            "4776",
        ),
        # the password was right, and the bind refused
        (
            replace(
                RECORD,
                status=Status.SUCCESS,
                reason=BindReason.AUTHZID_REFUSED,
                result_code=ResultCode.INSUFFICIENT_ACCESS_RIGHTS,
            ),
            4,
            "4776",
        ),
        (EXCHANGE, 4, "sasl-exchange"),
        (replace(EXCHANGE, reason=BindReason.ABANDONED, result_code=None), 5, "sasl-exchange"),
        (replace(EXCHANGE, reason=BindReason.SUCCESS, result_code=ResultCode.SUCCESS), 6, "sasl-exchange"),
        (event(LOGON), 6, "4624"),
        (event(LOGON_FAILED), 4, "4625"),
        (event(LOCKED_OUT), 4, "4740"),
    ],
)
def test_severity_and_msgid_say_what_kind_of_record_it_is(record: Record, severity: int, msgid: str) -> None:
    found = parsed(message(record))
    assert (found.facility, found.severity, found.msgid) == (10, severity, msgid)


@given(
    account=st.text(max_size=40),
    realm=st.none() | st.text(max_size=40),
    reason=st.sampled_from(list(ENDINGS)),
    time_ns=st.integers(0, 4 * 10**18),
    computer=st.text(max_size=300),
    sequence=st.integers(1, 2**40),
)
def test_any_record_is_a_message_by_the_grammar_and_has_the_renderers_json(
    account: str, realm: str | None, reason: Any, time_ns: int, computer: str, sequence: int
) -> None:
    ending = ENDINGS[reason]
    record = replace(
        RECORD,
        account=account,
        realm=realm,
        reason=reason,
        status=ending.status,
        result_code=ending.result_code,
        time_ns=time_ns,
    )
    json_renderer = JSONRenderer("dc1")
    octets = SyslogRenderer(computer, json_renderer).message(record, 5, sequence)
    assert octets is not None
    found = parsed(octets)
    assert found.msg.isascii()  # so that nobody has to be told that it is UTF-8 (section 6.4)
    assert found.record == json.loads(JSONRenderer("dc1").line(record, 5))
    assert found.timestamp[:26] == found.record["@timestamp"][:26]
    assert found.sequence == (sequence - 1) % MAX_SEQUENCE + 1
    assert len(octets) <= MAX_MESSAGE


@pytest.mark.parametrize(
    ("computer", "hostname"),
    [("", "-"), ("büro 1", "b?ro?1"), ("x" * 300, "x" * 255)],
    ids=["none", "letters", "long"],
)
def test_a_hostname_is_what_the_grammar_allows(computer: str, hostname: str) -> None:
    octets = SyslogRenderer(computer, JSON).message(RECORD, 1, 1)
    assert octets is not None
    assert parsed(octets).hostname == hostname


@pytest.mark.parametrize("letter", ["x", "ä", "😀", "\0", '"'])
@pytest.mark.parametrize("record", [RECORD, EXCHANGE], ids=["4776", "sasl-exchange"])
def test_a_record_of_long_names_is_cut_by_its_names_and_not_left_out(record: Any, letter: str) -> None:
    names = dict.fromkeys(
        ("account", "workstation", "mechanism", "realm", "authzid", "digest_uri", "detail"), letter * 2048
    )
    octets = message(replace(record, **names))
    assert len(octets) <= MAX_MESSAGE
    ldap = parsed(octets).record["ldap"]
    assert ldap["realm"].endswith(letter + "…")
    assert 40 < len(ldap["realm"]) <= 512
    assert ldap["connection"] == 12


def test_an_event_of_long_names_is_cut_likewise() -> None:
    octets = message(event(LOGON, TargetUserName="ä" * 2048, TargetUserSid="S-1-5-21-1-2-3-500"))
    assert len(octets) <= MAX_MESSAGE
    assert "S-1-5-21-1-2-3-500" in octets.decode()


def test_what_fits_is_not_cut() -> None:
    record = replace(RECORD, account="x" * 1500)
    assert len(message(record)) <= MAX_MESSAGE
    assert parsed(message(record)).record["user"]["name"] == record.account


def test_what_the_renderer_has_no_place_for_is_no_message() -> None:
    class Picky:
        def line(self, record: Record, record_id: int) -> str | None:
            return None

    assert SyslogRenderer(COMPUTER, Picky()).message(RECORD, 1, 1) is None


# The queue


@dataclass
class Scripted:
    """A receiver that is scripted: what it is told to raise, when it blocks, what it has got."""

    refusals: int = 0  # connections that it will refuse
    breaks: int = 0  # messages that it will not take
    too_long: bool = False
    gate: threading.Event = field(default_factory=threading.Event)  # whether it reads
    entered: Queue[None] = field(default_factory=Queue)
    got: Queue[bytes] = field(default_factory=Queue)
    attempts: Queue[None] = field(default_factory=Queue)  # to connect
    connections: int = 0
    closed: int = 0

    def connect(self) -> Transport:
        self.attempts.put(None)
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self.connections += 1
        return self

    def send(self, message: bytes) -> None:
        self.entered.put(None)
        assert self.gate.wait(WAIT)
        if self.too_long:
            raise OSError(errno.EMSGSIZE, "Message too long")
        if self.breaks:
            self.breaks -= 1
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.got.put(message)

    def close(self) -> None:
        self.closed += 1


@dataclass
class Stand:
    """A sink before a scripted receiver, and what it has reported."""

    receiver: Scripted = field(default_factory=Scripted)
    said: list[str] = field(default_factory=list)
    lines: Queue[str] = field(default_factory=Queue)  # the same, to wait for
    pauses: list[float] = field(default_factory=list)

    def next_line(self) -> str:
        return self.lines.get(timeout=WAIT)

    def sink(self, **rest: Any) -> SyslogSink:
        settings: dict[str, Any] = {"wait": self.pauses.append, "report": self._report, **rest}
        return SyslogSink("syslog+tcp://logs:601", self.receiver.connect, renderer(), **settings)

    def _report(self, line: str) -> None:
        self.said.append(line.removeprefix("audit: syslog+tcp://logs:601: "))
        self.lines.put(self.said[-1])

    def sequences(self, count: int) -> list[int]:
        return [parsed(self.receiver.got.get(timeout=WAIT)).sequence for _ in range(count)]


@pytest.fixture
def stand() -> Iterator[Stand]:
    """One that reads from the beginning."""
    stand = Stand()
    stand.receiver.gate.set()
    yield stand
    stand.receiver.gate.set()


def test_records_arrive_in_order_numbered_from_one(stand: Stand) -> None:
    sink = stand.sink()
    assert sink.write([RECORD, EXCHANGE]) is None  # type: ignore[func-returns-value]
    sink.write([RECORD])
    sink.close()
    found = [parsed(stand.receiver.got.get_nowait()) for _ in range(3)]
    assert [(each.sequence, each.record_id) for each in found] == [(1, "1"), (2, None), (3, "2")]
    assert (stand.said, stand.receiver.connections, stand.receiver.closed) == ([], 1, 1)
    assert (sink.queued, sink.dropped, sink.failures) == (0, 0, 0)


def test_a_receiver_that_is_not_there_is_told_of_once_and_tried_with_growing_pauses(stand: Stand) -> None:
    stand.receiver.refusals = 10
    sink = stand.sink()
    sink.write([RECORD, RECORD])
    assert stand.sequences(2) == [1, 2]
    sink.close()
    # The first attempt is at the start, and nothing was to be sent.
    assert stand.pauses == [FIRST_PAUSE, 1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    assert stand.said == [
        "Connection refused; records wait, 10000 at most, and it is tried again",
        "records are sent again",
    ]
    assert sink.failures == 10


def test_a_message_that_was_not_taken_is_sent_again_on_another_connection(stand: Stand) -> None:
    stand.receiver.breaks = 2
    sink = stand.sink()
    sink.write([RECORD, RECORD])
    assert stand.sequences(2) == [1, 2]
    sink.close()
    assert stand.receiver.got.empty()
    assert (stand.receiver.connections, stand.receiver.closed) == (3, 3)


def test_pauses_are_short_again_once_a_message_was_taken(stand: Stand) -> None:
    stand.receiver.breaks = 3
    sink = stand.sink()
    sink.write([RECORD])
    assert stand.sequences(1) == [1]
    stand.receiver.breaks = 1
    sink.write([RECORD])
    assert stand.sequences(1) == [2]
    sink.close()
    assert stand.pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, FIRST_PAUSE]


def test_what_the_queue_has_no_room_for_is_dropped_counted_and_leaves_a_gap(stand: Stand) -> None:
    stand.receiver.gate.clear()
    sink = stand.sink(queue=4)
    sink.write([RECORD])
    stand.receiver.entered.get(timeout=WAIT)  # it is under way, and the queue is empty
    sink.write([RECORD] * 6)
    sink.write([EXCHANGE])
    assert (sink.queued, sink.dropped) == (4, 3)
    full = "4 records wait already; more are dropped until there is room"
    assert stand.said == [full]
    stand.receiver.gate.set()
    assert stand.sequences(5) == [1, 2, 3, 4, 5]
    sink.write([RECORD])
    found = parsed(stand.receiver.got.get(timeout=WAIT))
    assert (found.sequence, found.record_id) == (9, "8")
    assert stand.said == [full, "there is room again; records dropped: 3"]
    sink.close()
    assert stand.said[2:] == ["records dropped since the start: 3; left unsent at the end: 0"]


def test_every_time_that_the_queue_is_full_is_told_with_its_own_number(stand: Stand) -> None:
    sink = stand.sink(queue=2)
    for dropped in (1, 2):
        stand.receiver.gate.clear()
        sink.write([RECORD])
        stand.receiver.entered.get(timeout=WAIT)
        sink.write([RECORD] * (2 + dropped))
        stand.receiver.gate.set()
        stand.sequences(3)
        sink.write([RECORD])
        stand.sequences(1)
        for _ in range(3):
            stand.receiver.entered.get(timeout=WAIT)
    sink.close()
    full = "2 records wait already; more are dropped until there is room"
    assert stand.said == [
        full,
        "there is room again; records dropped: 1",
        full,
        "there is room again; records dropped: 2",
        "records dropped since the start: 3; left unsent at the end: 0",
    ]


def test_a_message_that_no_datagram_holds_is_dropped_and_the_next_is_sent(stand: Stand) -> None:
    stand.receiver.too_long = True
    sink = stand.sink()
    sink.write([RECORD])
    octets = len(message(RECORD))
    assert stand.next_line() == f"a message of {octets} octets is longer than the way there can take; it is dropped"
    assert sink.dropped == 1
    stand.receiver.too_long = False
    sink.write([RECORD])
    assert stand.sequences(1) == [2]
    sink.close()
    assert stand.said[1:] == ["records dropped since the start: 1; left unsent at the end: 0"]


def test_at_the_end_what_is_queued_is_sent(stand: Stand) -> None:
    stand.receiver.gate.clear()
    sink = stand.sink(grace=WAIT)
    sink.write([RECORD] * 50)
    stand.receiver.entered.get(timeout=WAIT)
    threading.Timer(0, stand.receiver.gate.set).start()
    sink.close()
    assert stand.sequences(50) == list(range(1, 51))
    assert stand.said == []


def test_at_the_end_a_receiver_that_does_not_read_is_left_and_what_it_did_not_get_is_counted(stand: Stand) -> None:
    stand.receiver.gate.clear()
    sink = stand.sink(grace=0.01)
    sink.write([RECORD] * 50)
    stand.receiver.entered.get(timeout=WAIT)
    sink.close()
    assert stand.said == ["records dropped since the start: 0; left unsent at the end: 50"]


def test_at_the_end_a_pause_ends_and_the_receiver_is_tried_once_more(stand: Stand) -> None:
    stand.receiver.refusals = 2  # at the start, and with the first message: then the pause
    paused = threading.Event()
    closing = threading.Event()

    def wait(seconds: float) -> None:
        paused.set()
        assert closing.wait(WAIT)

    sink = stand.sink(wait=wait, grace=WAIT)
    sink.write([RECORD])
    assert paused.wait(WAIT)
    ended = threading.Thread(target=sink.close)
    ended.start()
    assert sink._closing.wait(WAIT)
    closing.set()
    ended.join(WAIT)
    assert stand.sequences(1) == [1]
    assert stand.said[1:] == ["records are sent again"]


def test_a_pause_ends_by_itself_when_the_sink_is_closed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "FIRST_PAUSE", 1_000_000.0)
    stand.receiver.refusals = 1_000_000
    sink = stand.sink(wait=None, grace=WAIT)
    sink.write([RECORD] * 3)
    for _ in range(2):  # at the start, and with the first record; then the pause
        stand.receiver.attempts.get(timeout=WAIT)
    sink.close()
    assert not sink._thread.is_alive()
    assert stand.said[1:] == ["records dropped since the start: 0; left unsent at the end: 3"]


def test_a_sink_without_a_receiver_takes_whatever_comes(stand: Stand) -> None:
    stand.receiver.refusals = 1_000_000
    sink = stand.sink(queue=100, wait=None, grace=WAIT)
    for _ in range(500):
        sink.write([RECORD])
    sink.close()
    unsent = 500 - sink.dropped
    assert 100 <= unsent <= 101  # one may be in hand
    assert stand.said[-1] == f"records dropped since the start: {sink.dropped}; left unsent at the end: {unsent}"


def test_at_the_end_a_connection_that_broke_is_made_again_once(stand: Stand) -> None:
    stand.receiver.gate.clear()
    stand.receiver.breaks = 1
    sink = stand.sink(grace=WAIT)
    sink.write([RECORD])
    stand.receiver.entered.get(timeout=WAIT)
    ended = threading.Thread(target=sink.close)
    ended.start()
    assert sink._closing.wait(WAIT)
    stand.receiver.gate.set()
    ended.join(WAIT)
    assert (stand.sequences(1), stand.pauses, stand.receiver.connections) == ([1], [], 2)


# Frames


def test_octet_counting_is_read_the_same_wherever_it_is_cut() -> None:
    messages = [message(RECORD), message(replace(RECORD, account="жора"), 2, 2), message(EXCHANGE)]
    stream = b"".join(map(octet_counted, messages))
    for at in range(len(stream) + 1):
        framing = OctetCounting()
        assert [*framing.feed(stream[:at]), *framing.feed(stream[at:])] == messages
        assert framing.held == b""
