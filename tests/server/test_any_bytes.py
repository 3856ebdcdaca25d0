"""For any octets at all, in any pieces and at any moment: answers, or one notice and the end; never an exception."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ldapserver.audit.render import JSONRenderer
from ldapserver.wire import ber, codec
from ldapserver.wire.messages import (
    AbandonRequest,
    AddRequest,
    Change,
    CompareRequest,
    Control,
    DelRequest,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    LDAPResult,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    Operation,
    PartialAttribute,
    Scope,
    SearchResultEntry,
    UnbindRequest,
)
from tests.server.searching import acting_as, assertion, by_offset, from_value, matched, paged, sort
from tests.server.stage import DEAR, LDIF, NOTICE, U1, WHO_AM_I, Stage, digest_response, sasl, search, simple, stage

SERVED = stage(
    LDIF
    + DEAR
    + "".join(f"\ndn: cn=d{number},dc=contoso,dc=com\nobjectClass: device\ncn: d{number}\n" for number in range(150)),
    anonymous_search=True,
    max_outstanding=3,
)
RENDERER = JSONRenderer("ldap1.contoso.com")
SEARCHING: list[tuple[Control, ...]] = [
    *((paged(3),), (paged(3, b"1"),), (paged(2, b"2"), sort("cn", "-sn"))),
    *((sort("-cn"), by_offset(1, 2, 3)), (sort("cn"), from_value(0, 1, b"d", b"1"))),
    *((matched("(cn=d*)"), assertion("(objectClass=*)")), (acting_as("u:u2"),), (acting_as(""),)),
]
CRITICAL = (Control("1.2.3", criticality=True, control_value=b"x"),)

RESPONSE = digest_response(stage().challenge(), "u1", "password", authzid="u:u1")
OPERATIONS: list[Operation] = [
    *(simple(), simple("u1", "password"), simple(U1, "wrong"), simple("dear", "dearpw"), simple("twin", "x")),
    *(simple("u1"), simple("u1", "password", version=2)),
    *(
        sasl(),
        sasl(b""),
        sasl(RESPONSE),
        sasl(RESPONSE[:-40]),
        sasl(b"\xff\x00"),
        sasl(None, ""),
        sasl(b"x", "PLAIN"),
    ),
    *(search(), search("", Scope.BASE_OBJECT), search("no dn"), search("cn=Subschema", Scope.BASE_OBJECT)),
    search(
        filter="(&(|(cn=d*1)(!(sn=one)))(uid>=a)(cn~=una)(cn:caseExactMatch:=x)(userPassword=*))", types_only=True
    ),
    search(attributes=("*", "+", "1.1", "", ";;", "2.5.4.3;x"), size_limit=70, time_limit=1),
    *(CompareRequest(U1, "cn", b"\xff"), CompareRequest("", "", b""), CompareRequest(U1, "userPassword", b"x")),
    *(ExtendedRequest(WHO_AM_I), ExtendedRequest(WHO_AM_I, b"x"), ExtendedRequest(NOTICE)),
    *(
        ExtendedRequest("1.3.6.1.1.8", b"\x30\x03\x02\x01\x01"),
        AbandonRequest(1),
        AbandonRequest(0),
        DelRequest(U1),
        DelRequest(""),
    ),
    ModifyRequest(U1, (Change(ModifyOperation.ADD, PartialAttribute("cn", (b"x",))),)),
    AddRequest("cn=x", (PartialAttribute("cn", (b"x",)),)),
    ModifyDNRequest(U1, "uid=u9", True, "dc=com"),
]
MESSAGES = st.builds(
    LDAPMessage,
    message_id=st.integers(1, 6),
    operation=st.sampled_from(OPERATIONS),
    controls=st.sampled_from([(), (), (), (), CRITICAL, *SEARCHING]),
).map(codec.encode)
ENDS = st.sampled_from([codec.encode(LDAPMessage(7, UnbindRequest())), b"\x30\x80", b"\x30\x84\x7f\xff\xff\xff"])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message with some octets of it changed, its lengths set right again or not."""
    message = draw(MESSAGES)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(message)))
        end = draw(st.integers(start, min(len(message), start + 6)))
        piece = draw(
            st.binary(max_size=6) | st.sampled_from([b"\x04\x00", b"\x02\x00", b"\x80", b"\xff", b"\x30\x03"])
        )
        message = message[:start] + piece + message[end:]
    if draw(st.booleans()) and len(message) > 2:
        message = ber.encoded(ber.SEQUENCE, message[2:])
    return message


STREAMS = st.lists(MESSAGES | mutated() | ENDS | st.binary(max_size=30), max_size=10).map(b"".join)


def check(on: Stage, answers: list[LDAPMessage], ended: bool) -> None:
    """What holds whatever was sent."""
    notices = [message for message in answers if message.message_id == 0]
    assert len(notices) <= 1
    if notices:
        assert answers[-1] is notices[0]
        assert isinstance(notices[0].operation, ExtendedResponse)
        assert notices[0].operation.response_name == NOTICE
        assert on.channel.closed
    for message in answers:
        assert isinstance(message.operation, LDAPResult | SearchResultEntry)
    # Nothing broke inside; an `other` that hides a fault would be one here.
    assert on.channel.failures == []
    assert not (ended and on.session.busy)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(stream=STREAMS, data=st.data())
def test_any_octets_are_answered_or_end_the_connection(stream: bytes, data: st.DataObject) -> None:
    on = Stage(SERVED.service, SERVED.sink)
    answers: list[LDAPMessage] = []
    at = 0
    while at < len(stream):
        match data.draw(st.sampled_from("ddddtwrbl" if len(stream) < 2000 else "dddd")):
            case "t":
                on.channel.turn()
            case "w":
                on.channel.work()
            case "r" | "b" as reads:
                on.channel.writable = reads == "r"
                if on.channel.writable:
                    on.session.go_on()
            case "l" if data.draw(st.integers(0, 9)) == 0:
                on.session.lost()
                on.channel.turn()
                on.channel.work()
                check(on, on.channel.taken(), ended=True)
                return
            case _ if not on.session.waiting:
                size = data.draw(st.integers(1, len(stream) - at))
                on.session.data_received(stream[at : at + size])
                at += size
            case _:
                on.channel.writable = True
                on.channel.turn()
                on.channel.work()
                on.session.go_on()
        answers += on.channel.taken()
        check(on, answers, ended=on.channel.closed)
        assert on.session._stream.pending <= len(stream)
    on.channel.writable = True
    on.session.go_on()
    while on.channel.turn() or on.channel.offloaded:
        on.channel.work()
    answers += on.channel.taken()
    check(on, answers, ended=True)
    for record in on.records[-3:]:
        RENDERER.line(record, 1).encode()


@settings(deadline=None, max_examples=150)
@given(octets=st.binary(max_size=300))
@example(octets=b"")
@example(octets=b"0" * 300)
@example(octets=b"\x30\x84\x00\x00\x00\x02\x02\x00")
def test_noise_is_held_as_half_a_message_or_ends_the_connection_with_one_notice(octets: bytes) -> None:
    on = Stage(SERVED.service, SERVED.sink)
    on.session.data_received(octets)
    check(on, on.channel.taken(), ended=on.channel.closed)


@settings(deadline=None, max_examples=200)
@given(credentials=st.binary(max_size=200) | st.just(RESPONSE) | st.just(b"x=" * 2500), steps=st.integers(1, 3))
def test_any_credentials_end_in_an_answer_and_at_most_one_record(credentials: bytes, steps: int) -> None:
    on = Stage(SERVED.service, SERVED.sink)
    SERVED.sink.records.clear()
    for _ in range(steps):
        assert on.bind(sasl(credentials)).result_code in (14, 49)
    assert len(on.records) <= steps // 2
    assert on.session.identity.anonymous


def test_a_trickle_that_never_becomes_a_message_holds_no_more_than_the_limit() -> None:
    on = Stage(SERVED.service, SERVED.sink)
    on.session.data_received(b"\x30\x82\xff\xf0")
    for _ in range(20):
        on.session.data_received(bytes(4096))
    # 65,520 octets were announced: they came, were no message, and ended it.
    assert on.channel.closed
    assert on.session._stream.pending <= 20 * 4096
    held = on.session._stream.pending
    on.session.data_received(bytes(100_000))
    assert on.session._stream.pending == held


def test_a_thousand_messages_behind_one_bind_that_waits_are_kept_and_then_answered() -> None:
    on = Stage(SERVED.service, SERVED.sink)
    who = on.encoded(ExtendedRequest(WHO_AM_I))
    on.session.data_received(on.encoded(simple("dear", "dearpw")) + who * 1000)
    assert on.channel.taken() == []
    on.channel.work()
    assert len(on.channel.taken()) == 1001
