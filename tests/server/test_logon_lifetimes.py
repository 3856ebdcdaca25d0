"""A logon ends once: whatever a client does, however the connection ends, and whatever the audit can take."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.audit.kinds import LOGOFF, LOGON, SPECIAL_LOGON
from ldapserver.audit.record import EventRecord, Record
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.connections import FAREWELL
from ldapserver.suspension import Suspension
from ldapserver.wire.messages import BindResponse, ResultCode, UnbindRequest
from tests.server.adapters import Server, Start
from tests.server.adapters import adapter as adapter
from tests.server.adapters import start as start
from tests.server.stage import DEAR, LDIF, U1, Stage, digest_response, sasl, simple, stage
from tests.server.test_protocol import U1 as BIND_U1

NOW, LATER, FAILS, FAILS_LATER, BREAKS_LATER = "now", "later", "fails", "fails later", "breaks later"


@dataclass
class Log:
    """A sink that does with the next records as it is told, and `NOW` when it is told nothing."""

    orders: list[str] = field(default_factory=list)
    written: list[Record] = field(default_factory=list)
    asked: list[Record] = field(default_factory=list)
    waiting: list[tuple[str, Sequence[Record], Suspension[None]]] = field(default_factory=list)

    __hash__ = object.__hash__

    def write(self, records: Sequence[Record]) -> Suspension[None] | None:
        order = self.orders.pop(0) if self.orders else NOW
        self.asked += records
        if order is FAILS:
            raise AuditUnavailable("full")
        if order is NOW:
            self.written += records
            return None
        suspension: Suspension[None] = Suspension()
        self.waiting.append((order, records, suspension))
        return suspension

    def settle(self, most: int = 1000) -> None:
        """What waits is written, or cannot be, in the order in which it came."""
        while self.waiting and most:
            most -= 1
            order, records, suspension = self.waiting.pop(0)
            if order is LATER:
                self.written += records
                suspension.resume(None)
            else:
                suspension.fail(AuditUnavailable("full") if order is FAILS_LATER else KeyError("a bug"))

    def close(self) -> None:
        """Nothing is open."""

    def ids(self, kind: object, records: Sequence[Record] | None = None) -> list[str]:
        """The logon ids in the events of this kind that were written, or of `records`."""
        events = [each for each in (self.written if records is None else records) if isinstance(each, EventRecord)]
        return [dict(zip(e.kind.names, e.data, strict=True))[_ID[e.kind.event_id]] for e in events if e.kind is kind]


_ID = {4624: "TargetLogonId", 4634: "TargetLogonId", 4672: "SubjectLogonId"}


def logged(*orders: str, **settings: Any) -> tuple[Stage, Log]:
    log = Log(list(orders))
    return stage(sinks=[log], logon_events=True, admins=(U1,), **settings), log


def assert_paired(log: Log) -> None:
    """Each logon that was written was ended once, and nothing else was."""
    begun = log.ids(LOGON)
    assert len(set(begun)) == len(begun)
    assert sorted(log.ids(LOGOFF, log.asked)) == sorted(begun)
    assert set(log.ids(SPECIAL_LOGON)) <= set(begun)
    for logon_id in log.ids(LOGOFF):
        kinds = [each.kind for each in log.written if isinstance(each, EventRecord) and logon_id in each.data]
        assert kinds in ([LOGON, LOGOFF], [LOGON, SPECIAL_LOGON, LOGOFF])


class Client:
    """What a client may do, one thing after the other, with a connection that may be waiting or gone."""

    def __init__(self, on: Stage, log: Log) -> None:
        self.on, self.log = on, log

    def good(self) -> None:
        self.on.send(simple(U1, "password"))

    def other(self) -> None:
        self.on.send(simple("uid=u2,ou=people,dc=contoso,dc=com", "another"))

    def wrong(self) -> None:
        self.on.send(simple(U1, "wrong"))

    def anonymous(self) -> None:
        self.on.send(simple())

    def challenge(self) -> None:
        self.on.send(sasl())

    def digest(self) -> None:
        for message in self.on.send(sasl()):
            answer = message.operation
            if isinstance(answer, BindResponse) and answer.result_code is ResultCode.SASL_BIND_IN_PROGRESS:
                self.on.send(sasl(digest_response(answer.server_sasl_creds or b"", "u1", "password")))

    def malformed(self) -> None:
        octets = self.on.encoded(simple("u1", "password")).replace(b"\x02\x01\x03", b"\x02\x01\x00")
        self.on.session.data_received(octets)

    def settle(self) -> None:
        self.log.settle()

    def unbind(self) -> None:
        self.on.send(UnbindRequest())

    def lost(self) -> None:
        self.on.session.lost()

    def disconnect(self) -> None:
        self.on.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping")

    def junk(self) -> None:
        self.on.session.data_received(b"\x30\x80junk")


ACTIONS = [name for name in vars(Client) if not name.startswith("_")]
BINDS = ["good", "other", "digest"]  # worth trying more often than what ends the connection
ENDS = ["unbind", "lost", "disconnect", "junk"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*ACTIONS, *BINDS, *BINDS, "settle"]), max_size=12),
    st.sampled_from(ENDS),
    st.lists(st.sampled_from([NOW, NOW, LATER, FAILS, FAILS_LATER]), max_size=14),
    st.booleans(),
)
def test_every_logon_that_was_written_ends_once(
    actions: list[str], end: str, orders: list[str], settled_first: bool
) -> None:
    on, log = logged(*orders)
    client = Client(on, log)
    for action in (*actions, *(["settle"] if settled_first else []), end, "lost", "settle", "lost"):
        getattr(client, action)()
    assert on.session.closed
    assert not on.session.busy
    assert not on.session.recording
    assert not log.waiting
    assert on.channel.failures == []
    # What could not be written is only asked for: every logon is accounted for all the same.
    assert_paired(log)


@pytest.mark.parametrize("end", ENDS)
def test_each_way_to_end_a_connection_ends_its_logon(end: str) -> None:
    on, log = logged()
    client = Client(on, log)
    client.digest()
    assert log.ids(LOGOFF) == []
    getattr(client, end)()
    assert log.ids(LOGOFF) == log.ids(LOGON) != []
    client.lost()
    assert_paired(log)


@pytest.mark.parametrize("bind", ["other", "wrong", "anonymous", "challenge", "malformed"])
def test_the_next_bind_ends_the_logon_before_anything_is_known_of_it(bind: str) -> None:
    on, log = logged()
    client = Client(on, log)
    client.good()
    getattr(client, bind)()
    assert [each.kind.event_id for each in log.written if each.kind][:4] == [4776, 4624, 4672, 4634]
    assert len(log.ids(LOGOFF)) == 1


def test_a_bind_that_could_not_be_recorded_was_no_logon() -> None:
    for order in (FAILS, FAILS_LATER):
        on, log = logged(order)
        on.send(simple(U1, "password"))
        log.settle()
        on.session.lost()
        assert log.written == []
        assert log.ids(LOGOFF, log.asked) == []


def test_who_vanishes_while_the_bind_is_being_recorded_was_logged_on() -> None:
    on, log = logged(LATER)
    assert on.send(simple(U1, "password")) == []
    on.session.lost()
    assert log.asked == list(log.waiting[0][1])  # the end is not told of before the beginning is written
    assert (on.session.busy, on.channel.settlements) == (True, 0)
    log.settle()
    assert log.ids(LOGOFF) == log.ids(LOGON) != []
    assert (on.session.busy, on.channel.settlements) == (False, 1)
    assert on.channel.written == b""
    assert on.session.identity.anonymous
    assert_paired(log)


def test_a_connection_is_settled_with_its_last_record_and_when_it_is_closed() -> None:
    on, log = logged(LATER, LATER, LATER)
    on.send(simple(U1, "password"))
    log.settle()
    assert on.channel.settlements == 0
    on.send(simple(U1, "password"))  # the end of the first logon waits, and so does the second bind
    on.session.lost()
    for _ in range(2):
        log.settle(1)
        assert (on.session.recording, on.channel.settlements) == (bool(log.waiting), int(not log.waiting))
    assert log.waiting == []
    assert_paired(log)
    on, log = logged(LATER, LATER)
    on.send(simple(U1, "password"))
    on.session.lost()
    log.settle(1)
    assert (len(log.ids(LOGON)), log.ids(LOGOFF), on.channel.settlements) == (1, [], 0)
    log.settle(1)
    assert on.channel.settlements == 1
    assert_paired(log)


def test_who_vanishes_while_the_bind_cannot_be_recorded_was_not() -> None:
    on, log = logged(FAILS_LATER)
    on.send(simple(U1, "password"))
    on.session.lost()
    log.settle()
    assert log.ids(LOGOFF, log.asked) == []
    assert on.channel.settlements == 1


def test_a_sink_that_breaks_is_reported_and_holds_nothing_up() -> None:
    for orders in ([BREAKS_LATER], [NOW, BREAKS_LATER]):
        on, log = logged(*orders)
        on.send(simple(U1, "password"))
        on.session.lost()
        log.settle()
        assert [type(each) for each in on.channel.failures] == [KeyError]
        assert (on.session.recording, on.channel.settlements) == (False, 1)


def test_when_binds_go_on_without_records_logons_are_ended_as_well() -> None:
    on, log = logged(FAILS, best_effort=True)
    on.send(simple(U1, "password"))
    on.send(UnbindRequest())
    assert len(log.ids(LOGOFF)) == 1


def test_a_bind_whose_client_has_gone_before_it_is_decided_was_a_logon_that_is_over() -> None:
    on, log = logged(ldif=LDIF + DEAR)
    on.send(simple("dear", "dearpw"))
    on.session.lost()
    assert log.asked == []
    on.channel.work()
    assert [each.kind.event_id for each in log.asked if each.kind is not None] == [4776, 4624, 4634]


# The server's end, over either adapter


def served(start: Start, *orders: str) -> tuple[Server, Log]:
    log = Log(list(orders))
    return start(sinks=[log], logon_events=True), log


def test_a_server_that_stops_ends_every_logon(start: Start) -> None:
    server, log = served(start)
    for _ in range(2):
        connection = server.connect()
        connection.receive(server.stage.encoded(BIND_U1))
    assert log.ids(LOGOFF) == []
    server.factory.stopFactory()
    server.turns()
    assert sorted(log.ids(LOGOFF)) == sorted(log.ids(LOGON))
    assert_paired(log)


def test_a_farewell_waits_for_what_is_being_recorded(start: Start) -> None:
    server, log = served(start, LATER)
    connection = server.connect()
    connection.receive(server.stage.encoded(BIND_U1))
    server.factory.stopFactory()
    server.turns()
    over: list[object] = []
    connection.hang_up()
    server.turns()
    server.factory.farewell().addCallback(over.append)
    server.turns()
    assert over == []
    log.settle()
    server.turns()
    assert over == [None]
    assert_paired(log)
    server.reactor.advance(FAREWELL)
    assert over == [None]


def test_a_farewell_waits_for_the_last_end_of_a_logon(start: Start) -> None:
    server, log = served(start, NOW, LATER)
    connection = server.connect()
    connection.receive(server.stage.encoded(BIND_U1))
    server.factory.stopFactory()
    server.turns()
    connection.hang_up()
    server.turns()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    server.turns()
    assert (over, log.ids(LOGOFF)) == ([], [])
    log.settle()
    server.turns()
    assert over == [None]
    assert_paired(log)


def test_what_is_recorded_before_the_connection_is_lost_is_not_waited_for() -> None:
    server, log = served(Server, LATER)  # over Twisted, where nothing leaves before the peer reads
    connection = server.connect(eager=False)
    connection.receive(server.stage.encoded(BIND_U1))
    server.factory.stopFactory()
    server.turns()
    over: list[object] = []
    server.factory.farewell().addCallback(over.append)
    server.turns()
    log.settle()
    server.turns()
    assert over == []
    connection.hang_up()
    server.turns()
    assert over == [None]
    assert_paired(log)


def test_a_bind_behind_one_that_was_recorded_late_is_recorded_when_its_client_has_gone() -> None:
    on, log = logged(LATER, ldif=LDIF + DEAR)
    on.send(simple("u1", "password"))
    on.channel.work()
    log.settle()
    on.channel.work()
    assert len(on.channel.taken()) == 1
    on.send(simple("dear", "dearpw"))
    assert on.channel.offloaded
    on.session.lost()
    before = len(log.asked)
    on.channel.work()
    assert bytes(on.channel.written) == b""
    assert [each.kind.event_id for each in log.asked[before:] if each.kind is not None] == [4776, 4624, 4634]
    assert_paired(log)
