"""One connection without Twisted: who it is when, what is answered, what ends it (RFC 4511 section 4, RFC 4513)."""

import pytest

from ldapserver.wire import codec
from ldapserver.wire.messages import (
    AbandonRequest,
    AddRequest,
    BindRequest,
    BindResponse,
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
    ResultCode,
    Scope,
    SearchResultDone,
    SearchResultEntry,
    UnbindRequest,
)
from tests.server.stage import (
    DEAR,
    LDIF,
    NOTICE,
    U1,
    WHO_AM_I,
    Stage,
    digest_response,
    faulty,
    sasl,
    search,
    simple,
    stage,
)

WHO = ExtendedRequest(WHO_AM_I)
ME = f"dn:{U1}"
# More than a slice examines, and each slice more than one write gathers.
MANY = LDIF + "".join(
    f"\ndn: cn=d{number},dc=contoso,dc=com\nobjectClass: device\ncn: d{number}\ndescription: {'x' * 400}\n"
    for number in range(200)
)


def assert_notice(on: Stage, text: str) -> None:
    """A Notice of Disconnection about the protocol, nothing else, and the end."""
    (message,) = on.channel.taken()
    assert message.message_id == 0
    response = message.operation
    assert isinstance(response, ExtendedResponse)
    assert (response.response_name, response.result_code) == (NOTICE, ResultCode.PROTOCOL_ERROR)
    assert text in response.diagnostic_message
    assert on.channel.closed


# Identity


def test_a_connection_begins_anonymous() -> None:
    assert stage().who() == ""


def test_a_bind_makes_the_connection_its_account() -> None:
    on = stage()
    assert on.digest().result_code is ResultCode.SUCCESS
    assert on.who() == ME
    assert on.bind(simple("uid=u2,ou=people,dc=contoso,dc=com", "another")).result_code is ResultCode.SUCCESS
    assert on.who() == "dn:uid=u2,ou=people,dc=contoso,dc=com"


def test_a_connection_is_anonymous_from_the_first_step_of_the_next_bind_on() -> None:
    on = stage()
    on.digest()
    on.challenge()
    assert on.session.identity.anonymous


@pytest.mark.parametrize(
    "request_",
    [
        simple("u1", "wrong"),
        simple("nobody-knows", "password"),
        simple("u1"),
        simple(),
        simple("u1", "password", version=2),
        sasl(mechanism="GSSAPI"),
        sasl(mechanism=""),
    ],
    ids=["wrong", "unknown", "unauthenticated", "anonymous", "version", "mechanism", "empty"],
)
def test_a_connection_is_anonymous_after_every_bind_that_did_not_succeed(request_: BindRequest) -> None:
    on = stage()
    on.digest()
    assert on.who() == ME
    on.bind(request_)
    assert on.who() == ""


def test_a_connection_is_anonymous_after_a_digest_with_a_wrong_password() -> None:
    on = stage()
    on.digest()
    assert on.digest(password="wrong").result_code is ResultCode.INVALID_CREDENTIALS
    assert on.who() == ""


def test_a_connection_is_anonymous_after_a_bind_whose_request_is_refused() -> None:
    on = stage()
    on.digest()
    on.ask(simple("u1", "password"), (Control("1.2.3", criticality=True),))
    assert on.who() == ""


def test_a_bind_that_waits_has_no_identity_yet() -> None:
    on = stage(LDIF + DEAR)
    on.digest()
    assert on.send(simple("dear", "dearpw")) == []
    assert on.session.identity.anonymous
    on.channel.work()
    assert on.session.identity.name == "dear"


# A SASL exchange


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (sasl(b"x", "GSSAPI"), ResultCode.AUTH_METHOD_NOT_SUPPORTED),
        (sasl(None, ""), ResultCode.AUTH_METHOD_NOT_SUPPORTED),
        (sasl(None, "digest-md5"), ResultCode.AUTH_METHOD_NOT_SUPPORTED),
        (simple("u1", "password"), ResultCode.SUCCESS),
        (simple(), ResultCode.SUCCESS),
        (simple("u1", "password", version=2), ResultCode.PROTOCOL_ERROR),
    ],
    ids=["another", "empty", "lower-case", "simple", "anonymous", "version"],
)
def test_a_bind_of_another_kind_abandons_the_exchange(request_: BindRequest, code: ResultCode) -> None:
    on = stage()
    challenge = on.challenge()
    assert on.bind(request_).result_code is code
    assert on.reasons[0] == "abandoned"
    assert on.records[0].mechanism == "DIGEST-MD5"
    assert on.records[0].message_id == 1
    # What answers the old challenge now begins a new exchange, and is not looked at.
    late = on.bind(sasl(digest_response(challenge, "u1", "password")))
    assert late.result_code is ResultCode.SASL_BIND_IN_PROGRESS


def test_a_version_other_than_3_within_an_exchange_abandons_it() -> None:
    on = stage()
    on.challenge()
    request = BindRequest(2, "", sasl().authentication)
    assert on.bind(request).result_code is ResultCode.PROTOCOL_ERROR
    assert on.reasons == ["abandoned", "version"]
    assert on.who() == ""


@pytest.mark.parametrize(
    "operation",
    [
        search(),
        search("", Scope.BASE_OBJECT),
        WHO,
        CompareRequest(U1, "cn", b"Una One"),
        DelRequest(U1),
        AddRequest("cn=x,dc=contoso,dc=com", (PartialAttribute("cn", (b"x",)),)),
    ],
    ids=["search", "root-dse", "who-am-i", "compare", "delete", "add"],
)
def test_other_operations_within_an_exchange_get_operations_error(operation: Operation) -> None:
    on = stage()
    challenge = on.challenge()
    assert on.ask(operation).result_code is ResultCode.OPERATIONS_ERROR
    # ... and the exchange goes on.
    assert on.bind(sasl(digest_response(challenge, "u1", "password"))).result_code is ResultCode.SUCCESS


def test_abandon_is_taken_within_an_exchange_and_does_not_end_it() -> None:
    on = stage()
    challenge = on.challenge()
    assert on.send(AbandonRequest(on.last_id)) == []
    assert on.bind(sasl(digest_response(challenge, "u1", "password"))).result_code is ResultCode.SUCCESS


@pytest.mark.parametrize("end", ["unbind", "lost", "notice"])
def test_a_connection_that_ends_within_an_exchange_leaves_one_record_of_it(end: str) -> None:
    on = stage()
    on.challenge()
    if end == "unbind":
        assert on.send(UnbindRequest()) == []
        assert on.channel.closed
    elif end == "notice":
        on.session.data_received(b"\xff")
        assert_notice(on, "LDAPMessage")
    on.session.lost()
    assert on.reasons == ["abandoned"]
    assert on.records[0].status is None
    assert on.records[0].result_code is None


def test_an_unknown_mechanism_is_refused_and_the_connection_lives_on() -> None:
    on = stage()
    assert on.bind(sasl(mechanism="SCRAM-SHA-256")).result_code is ResultCode.AUTH_METHOD_NOT_SUPPORTED
    assert not on.channel.closed
    assert on.digest().result_code is ResultCode.SUCCESS


def test_an_unknown_authentication_choice_is_refused_and_the_connection_lives_on() -> None:
    on = stage()
    on.digest()
    sicily = bytes.fromhex("300c02010960070201030400") + b"\x89\x00"  # choice [9], as Windows has it
    on.session.data_received(sicily)
    (message,) = on.channel.taken()
    assert message.message_id == 9
    assert isinstance(message.operation, BindResponse)
    assert message.operation.result_code is ResultCode.AUTH_METHOD_NOT_SUPPORTED
    assert on.reasons[-1] == "mechanism"
    assert on.records[-1].result_code == 7
    assert on.who() == ""


# What ends a connection

BROKEN = {
    "messageID 0": ("300c020100600702010304008000", "messageID"),
    "messageID negative": ("300c0201ff600702010304008000", "messageID"),
    "messageID too large": ("30100205008000000060070201030400" + "8000", "messageID"),
    "messageID of no length": ("300b0200600702010304008000", "messageID"),
    "element cut short": ("300c020101600802010304008000", "protocolOp"),
    "inner element cut short": ("300c020101600702010304058000", "name"),
    "version of no length": ("300b0201016006020004008000", "version"),
    "unknown operation": ("30050201015f00", "tag 0x5f"),
    "response sent as request": ("300c02010161070a010004000400", "BindResponse"),
    "no SEQUENCE": ("ff", "tag 0xff"),
    "HTTP": (b"GET / HTTP/1.1\r\n".hex(), "tag 0x47"),
    "TLS in the clear": ("16030100", "tag 0x16"),
    "indefinite length": ("3080", "indefinite"),
    "length of five octets": ("30850000000001", "length of 5"),
    "protocolOp absent": ("3003020101", "protocolOp"),
    "empty message": ("3000", "messageID"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_ber_gets_a_notice_and_nothing_behind_it_is_looked_at(name: str) -> None:
    octets, text = BROKEN[name]
    on = stage()
    on.session.data_received(bytes.fromhex(octets) + on.encoded(simple("u1", "password")))
    assert_notice(on, text)
    on.session.data_received(on.encoded(WHO))
    assert on.channel.taken() == []
    assert on.records == []


def test_what_was_under_way_ends_with_a_notice() -> None:
    on = stage(MANY)
    on.digest()
    on.send(search())
    on.session.data_received(b"\x00")
    assert_notice(on, "tag 0x00")
    on.channel.turn()
    assert on.channel.taken() == []


def test_a_second_disconnect_sends_nothing() -> None:
    on = stage()
    on.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping")
    on.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping")
    assert len(on.channel.taken()) == 1


def test_before_a_bind_an_element_of_more_than_64_kib_ends_the_connection_by_its_header_alone() -> None:
    on = stage()
    on.session.data_received(bytes.fromhex("3083010000"))
    assert_notice(on, "at most 65536")


def test_after_a_bind_an_element_may_have_a_mebibyte() -> None:
    on = stage()
    on.digest()
    large = CompareRequest(U1, "cn", b"x" * 500_000)
    assert on.ask(large).result_code is ResultCode.COMPARE_FALSE
    on.session.data_received(bytes.fromhex("3083100000"))
    assert_notice(on, "at most 1048576")


def test_a_failed_bind_does_not_raise_the_limit() -> None:
    on = stage()
    on.digest(password="wrong")
    on.session.data_received(bytes.fromhex("3083010000"))
    assert_notice(on, "at most 65536")


def test_the_limit_before_a_bind_is_never_more_than_the_one_after_it() -> None:
    on = stage(max_message=1000)
    on.session.data_received(bytes.fromhex("308203e8"))
    assert_notice(on, "at most 1000")


def test_version_2_is_answered_with_protocol_error_and_the_connection_lives_on() -> None:
    on = stage()
    response = on.bind(simple("u1", "password", version=2))
    assert response.result_code is ResultCode.PROTOCOL_ERROR
    assert on.reasons == ["version"]
    assert on.who() == ""


def test_unbind_closes_and_what_is_behind_it_is_not_looked_at() -> None:
    on = stage()
    assert on.send(UnbindRequest(), simple("u1", "password")) == []
    assert on.channel.closed
    assert on.records == []


# Several messages at once


def test_what_is_pipelined_behind_a_bind_runs_under_the_new_identity() -> None:
    on = stage()
    bind, who = on.send(simple("u1", "password"), WHO)
    assert isinstance(bind.operation, BindResponse)
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == ME.encode()


def test_what_is_pipelined_behind_a_bind_that_waits_is_not_looked_at_before_it_ends() -> None:
    on = stage(LDIF + DEAR)
    assert on.send(simple("dear", "dearpw"), WHO, UnbindRequest()) == []
    assert on.session.waiting
    on.channel.work()
    bind, who = on.channel.taken()
    assert isinstance(bind.operation, BindResponse)
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == b"dn:uid=dear,ou=people,dc=contoso,dc=com"
    assert on.channel.closed


def test_octets_are_wanted_again_once_a_bind_that_waited_has_ended() -> None:
    on = stage(LDIF + DEAR)
    on.send(simple("dear", "dearpw"))
    assert on.channel.resumed == 0
    on.channel.work()
    assert on.channel.resumed == 1
    assert not on.session.waiting


def test_many_messages_in_one_piece_are_answered_in_order() -> None:
    on = stage()
    answers = on.send(*[WHO] * 500)
    assert [answer.message_id for answer in answers] == list(range(1, 501))


def test_many_binds_in_one_piece_are_each_decided_and_recorded() -> None:
    on = stage()
    answers = on.send(*[simple("u1", "wrong"), simple("u1", "password")] * 300)
    codes = [answer.operation.result_code for answer in answers if isinstance(answer.operation, BindResponse)]
    assert codes == [49, 0] * 300
    assert on.reasons == ["wrong-password", "success"] * 300


def test_messages_split_at_every_octet_give_the_same_answers() -> None:
    def messages(on: Stage) -> bytes:
        return b"".join(
            on.encoded(operation)
            for operation in (
                WHO,
                simple("u1", "password"),
                search(U1, Scope.BASE_OBJECT, attributes=("cn",)),
                WHO,
                sasl(),
            )
        )

    whole = stage()
    octets = messages(whole)
    whole.session.data_received(octets)
    expected = whole.channel.taken()[:-1]  # the last one, a challenge, is never twice the same
    assert len(expected) == 5
    for at in range(len(octets)):
        on = stage()
        on.session.data_received(octets[:at])
        on.session.data_received(octets[at:])
        assert on.channel.taken()[:-1] == expected
    on = stage()
    for octet in octets:
        on.session.data_received(bytes([octet]))
    assert on.channel.taken()[:-1] == expected


def test_a_bind_behind_a_running_search_ends_the_search() -> None:
    on = stage(MANY)
    on.digest()
    assert not any(isinstance(m.operation, SearchResultDone) for m in on.send(search()))
    assert on.bind(simple("u1", "password")).result_code is ResultCode.SUCCESS
    on.channel.turn()
    assert on.channel.taken() == []
    assert not on.session.busy


def test_a_bind_that_is_refused_as_a_whole_ends_a_running_search_too() -> None:
    on = stage(MANY)
    on.digest()
    on.send(search())
    on.ask(simple("u1", "password"), (Control("1.2.3", criticality=True),))
    on.channel.turn()
    assert on.channel.taken() == []


def test_abandon_ends_a_search_between_its_slices() -> None:
    on = stage(MANY)
    on.digest()
    on.send(search())
    assert on.session.busy
    assert on.send(AbandonRequest(on.last_id)) == []
    on.channel.turn()
    assert on.channel.taken() == []
    assert not on.session.busy


def test_abandon_of_something_unknown_is_passed_over() -> None:
    on = stage()
    assert on.send(AbandonRequest(77), AbandonRequest(0)) == []
    assert on.who() == ""


def test_two_searches_take_turns() -> None:
    on = stage(MANY)
    on.digest()
    first, second = on.last_id + 1, on.last_id + 2
    messages = on.send(search(), search())
    while on.channel.turn():
        messages += on.channel.taken()
    order = [m.message_id for m in messages]
    assert order.count(first) == order.count(second) > 200
    assert order.index(second) < len(order) - 1 - order[::-1].index(first)


def test_a_message_id_still_in_use_is_refused() -> None:
    on = stage(MANY)
    on.digest()
    on.send(search())
    on.last_id -= 1
    response = on.ask(search())
    assert response.result_code is ResultCode.PROTOCOL_ERROR
    assert "still in use" in response.diagnostic_message
    while on.channel.turn():
        pass
    assert [m.operation.result_code for m in on.channel.taken() if isinstance(m.operation, LDAPResult)] == [0]


def test_beyond_max_outstanding_operations_messages_wait() -> None:
    on = stage(MANY, max_outstanding=2)
    on.digest()
    messages = on.send(search(), search(), WHO)
    assert on.session.waiting
    assert not any(isinstance(m.operation, ExtendedResponse) for m in messages)
    while on.channel.turn():
        pass
    assert any(isinstance(m.operation, ExtendedResponse) for m in on.channel.taken())
    assert on.channel.resumed


def test_while_answers_are_not_read_no_more_messages_are_taken() -> None:
    on = stage()
    on.send(WHO)
    on.channel.writable = False
    assert on.session.waiting
    assert on.send(*[WHO] * 100) == []
    on.channel.writable = True
    on.session.go_on()
    assert len(on.channel.taken()) == 100


# Refusals

EVERY_OPERATION: dict[str, Operation] = {
    "search": search(),
    "compare": CompareRequest(U1, "cn", b"Una One"),
    "who-am-i": WHO,
    "add": AddRequest("cn=x,dc=contoso,dc=com", (PartialAttribute("cn", (b"x",)),)),
    "delete": DelRequest(U1),
    "modify": ModifyRequest(U1, (Change(ModifyOperation.ADD, PartialAttribute("cn", (b"x",))),)),
    "modifyDN": ModifyDNRequest(U1, "uid=u9", True),
    "simple": simple("u1", "password"),
    "sasl": sasl(),
}


@pytest.mark.parametrize("name", EVERY_OPERATION)
def test_an_unknown_control_is_refused_when_critical_and_passed_over_when_not(name: str) -> None:
    on = stage()
    operation = EVERY_OPERATION[name]
    critical = Control("1.2.3.4", criticality=True)
    for session in (on, stage()):
        if session is not on:
            session.digest()
        refused = session.ask(operation, (Control("1.2.3"), critical))
        assert refused.result_code is ResultCode.UNAVAILABLE_CRITICAL_EXTENSION
        assert "1.2.3.4" in refused.diagnostic_message
        taken = session.send(operation, controls=(Control("1.2.3.4"),))
        results = [m.operation for m in taken if isinstance(m.operation, LDAPResult)]
        assert ResultCode.UNAVAILABLE_CRITICAL_EXTENSION not in [result.result_code for result in results]


@pytest.mark.parametrize("operation", [UnbindRequest(), AbandonRequest(5)], ids=["unbind", "abandon"])
def test_criticality_is_passed_over_where_there_is_no_answer(operation: Operation) -> None:
    # "The criticality field SHALL be ignored [...] for UnbindRequest and AbandonRequest": RFC 4511 section 4.1.11
    on = stage()
    assert on.send(operation, controls=(Control("1.2.3", criticality=True),)) == []
    assert on.channel.closed is isinstance(operation, UnbindRequest)


def test_manage_dsa_it_is_known() -> None:
    on = stage()
    on.digest()
    control = Control("2.16.840.1.113730.3.4.2", criticality=True)
    assert on.ask(CompareRequest(U1, "cn", b"Una One"), (control,)).result_code is ResultCode.COMPARE_TRUE


@pytest.mark.parametrize("name", ["add", "delete", "modify", "modifyDN"])
def test_who_is_no_administrator_may_not_write(name: str) -> None:
    on = stage()
    assert on.ask(EVERY_OPERATION[name]).result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    on.digest()
    assert on.ask(EVERY_OPERATION[name]).result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS


def test_a_request_refused_by_its_content_is_answered_and_the_connection_lives_on() -> None:
    on = stage()
    octets = on.encoded(search("", Scope.BASE_OBJECT))
    on.session.data_received(octets.replace(b"\x0a\x01\x00\x0a\x01\x00", b"\x0a\x01\x09\x0a\x01\x00"))
    (message,) = on.channel.taken()
    assert isinstance(message.operation, SearchResultDone)
    assert message.operation.result_code is ResultCode.PROTOCOL_ERROR
    assert "scope" in message.operation.diagnostic_message
    assert on.who() == ""


# Faults of ours


def test_an_internal_error_in_an_operation_is_answered_other_and_reported() -> None:
    on = faulty(anonymous_search=True)
    assert on.ask(CompareRequest(U1, "cn", b"x")).result_code is ResultCode.OTHER
    assert isinstance(on.channel.failures[0], KeyError)
    assert on.who() == ""


def test_an_internal_error_after_a_pause_is_answered_other_too() -> None:
    on = faulty(anonymous_search=True)
    messages = on.send(search(""))
    while on.channel.turn():
        messages += on.channel.taken()
    assert [m.operation for m in messages] == [
        SearchResultDone(ResultCode.OTHER, diagnostic_message="internal error")
    ]
    assert not on.session.busy
    assert on.who() == ""


@pytest.mark.parametrize("kind", ["simple", "sasl"])
def test_an_internal_error_in_a_bind_is_answered_other_recorded_and_lets_nobody_in(kind: str) -> None:
    on = faulty()
    response = on.digest() if kind == "sasl" else on.bind(simple("u1", "password"))
    assert response == BindResponse(ResultCode.OTHER, diagnostic_message="internal error")
    assert [type(error) for error in on.channel.failures] == [KeyError]
    assert on.records[-1].result_code == ResultCode.OTHER
    assert on.verdicts == []
    assert on.who() == ""


# Connections that go away


@pytest.mark.parametrize(("password", "reason"), [("dearpw", "success"), ("other", "wrong-password")])
def test_a_bind_whose_client_has_gone_is_recorded_and_neither_answered_nor_let_in(password: str, reason: str) -> None:
    on = stage(LDIF + DEAR)
    on.send(simple("dear", password))
    on.session.lost()
    assert (on.records, on.session.recording) == ([], True)
    on.channel.work()
    assert on.channel.taken() == []
    assert on.session.identity.anonymous
    assert on.reasons == [reason]
    assert (on.session.busy, on.session.recording) == (False, False)


def test_a_bind_that_we_end_the_connection_of_is_waited_for_until_it_is_recorded_and_no_longer() -> None:
    on = stage(LDIF + DEAR)
    on.send(simple("dear", "other"))
    on.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping")
    on.session.lost()  # which the transport says of what it was told to close
    assert on.session.recording
    on.channel.work()
    assert on.reasons == ["wrong-password"]
    assert (on.session.recording, on.channel.settlements) == (False, 1)


def test_an_exchange_abandoned_by_a_bind_that_is_lost_midway_is_still_recorded() -> None:
    on = stage(LDIF + DEAR)
    on.challenge()
    on.send(simple("dear", "dearpw"))
    on.session.lost()
    on.channel.work()
    assert on.reasons == ["abandoned", "success"]


def test_an_exchange_abandoned_by_a_bind_that_breaks_is_still_recorded() -> None:
    on = faulty()
    on.challenge()
    assert on.bind(simple("u1", "password")).result_code is ResultCode.OTHER
    assert on.reasons == ["abandoned", "internal-error"]


def test_a_disconnect_while_a_bind_waits_is_the_last_thing_said() -> None:
    on = stage(LDIF + DEAR)
    on.send(simple("dear", "dearpw"))
    on.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping")
    (notice,) = on.channel.taken()
    assert notice.message_id == 0
    on.channel.work()  # Channel.write would complain
    assert on.session.identity.anonymous


def test_a_connection_lost_during_searches_ends_them() -> None:
    on = stage(MANY)
    on.digest()
    on.send(search(), search())
    on.session.lost()
    on.channel.turn()
    assert on.channel.taken() == []
    assert not on.session.busy
    assert on.channel.pauses == []


@pytest.mark.parametrize("operation", [search(), simple("u1", "password"), WHO], ids=["search", "bind", "who-am-i"])
def test_a_connection_may_be_lost_inside_of_a_write(operation: Operation) -> None:
    on = stage(MANY)
    on.digest()

    def write(data: bytes) -> None:
        on.session.lost()

    on.channel.write = write  # type: ignore[method-assign]
    assert on.send(operation, WHO) == []
    on.channel.turn()
    assert not on.session.busy
    assert on.channel.failures == []


def test_a_search_result_entry_stands_before_its_done() -> None:
    on = stage()
    on.digest()
    messages = on.send(search(U1, Scope.BASE_OBJECT))
    assert [type(m.operation) for m in messages] == [SearchResultEntry, SearchResultDone]
    assert {m.message_id for m in messages} == {on.last_id}


def test_only_whole_messages_count() -> None:
    on = stage()
    octets = codec.encode(LDAPMessage(1, WHO))
    on.session.data_received(octets[:-1])
    assert on.session.messages == 0
    on.session.data_received(octets[-1:])
    assert on.session.messages == 1
