"""What goes wrong by rule, as the client sees it: octet by octet, without a network."""

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ldapserver.errors import ProtocolViolation
from ldapserver.faults import (
    Action,
    BrokenBER,
    Busy,
    Close,
    Delay,
    DuplicateAnswer,
    Garbage,
    HalfAnswer,
    Hold,
    NoAnswer,
    Notice,
    OtherMessageID,
    Referral,
    Reset,
    Result,
    Rule,
    Unavailable,
)
from ldapserver.wire import codec
from ldapserver.wire.messages import (
    AbandonRequest,
    AddRequest,
    AnsweredRequest,
    BindResponse,
    CompareRequest,
    DelRequest,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    ModifyDNRequest,
    ModifyRequest,
    PartialAttribute,
    ResultCode,
    SearchResultDone,
    SearchResultEntry,
    UnbindRequest,
)
from tests.server.faulted import Faulted, faulted
from tests.server.stage import LDIF, NOTICE, U1, WHO_AM_I, digest_response, sasl, search, simple

WHO = ExtendedRequest(WHO_AM_I)
START_TLS = ExtendedRequest("1.3.6.1.4.1.1466.20037")
PEOPLE = "ou=people,dc=contoso,dc=com"
ONE = search(U1, attributes=("uid",))
ALICE = AddRequest("uid=alice,ou=people,dc=contoso,dc=com", (PartialAttribute("objectClass", (b"account",)),))

REQUESTS: dict[str, AnsweredRequest] = {
    "bind": simple("u1", "password"),
    "search": ONE,
    "compare": CompareRequest(U1, "uid", b"u1"),
    "add": ALICE,
    "modify": ModifyRequest(U1, ()),
    "delete": DelRequest(U1),
    "modify_dn": ModifyDNRequest(U1, "uid=u9", True),
    "extended": ExtendedRequest("1.2.3.4"),
    "whoami": WHO,
    "password_modify": ExtendedRequest("1.3.6.1.4.1.4203.1.11.1"),
    "starttls": START_TLS,
    "1.2.3.4": ExtendedRequest("1.2.3.4"),
}
each_request = pytest.mark.parametrize("on", REQUESTS)


def right(on: str) -> bytes:
    """What is answered to this request where nothing is wrong."""
    stage = faulted()
    stage.session.data_received(stage.encoded(REQUESTS[on]))
    return stage.octets()


def sent(stage: Faulted, *requests: Any) -> bytes:
    """What leaves at once when these are sent in one piece."""
    stage.session.data_received(b"".join(stage.encoded(request) for request in requests))
    return stage.octets()


# On which operation


@each_request
def test_a_result_in_place_of_each_operation(on: str) -> None:
    stage = faulted(Busy("later"), on)
    (message,) = stage.send(REQUESTS[on])
    assert message == LDAPMessage(1, REQUESTS[on].response(ResultCode.BUSY, diagnostic_message="later"))
    (fired,) = stage.plan.fired
    assert (fired.connection, fired.message_id) == (12, 1)
    # It strikes once, and then the operation is as ever.
    assert sent(stage, REQUESTS[on]) == sent(beginning_at(2), REQUESTS[on])


@each_request
def test_each_is_any_operation(on: str) -> None:
    stage = faulted(Close(), "any")
    assert sent(stage, REQUESTS[on]) == b""
    assert stage.channel.closed


@each_request
def test_an_operation_is_no_other(on: str) -> None:
    stage = faulted()
    for other in REQUESTS:
        if other != on and not {other, on} <= {"extended", "1.2.3.4", "whoami", "password_modify", "starttls"}:
            stage.add(Close(), other)
    assert sent(stage, REQUESTS[on]) == right(on)


def test_the_oid_of_an_operation_is_its_name() -> None:
    assert Rule(action=Close(), on=WHO_AM_I) == Rule(action=Close(), on="whoami")


# Conditions


def struck(stage: Faulted, *requests: Any) -> list[bool]:
    """Of each request whether it got 51."""
    return [stage.send(request)[-1].operation.result_code == ResultCode.BUSY for request in requests]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("conditions", "at"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"times": 2}, [1, 2]),
        ({"nth": 2, "times": 2}, [2, 3]),
        ({"times": None}, [1, 2, 3, 4, 5, 6, 7]),
        ({"nth": 6, "times": None}, [6, 7]),
        ({"nth": 2, "every": 2, "times": None}, [2, 4, 6]),
        ({"nth": 3, "every": 2, "times": 2}, [3, 5]),
    ],
    ids=lambda value: str(value).replace(" ", ""),
)
def test_which_of_the_occasions_it_is(conditions: dict[str, Any], at: list[int]) -> None:
    stage = faulted(Busy(), "whoami", **conditions)
    assert [number for number, hit in enumerate(struck(stage, *[WHO] * 7), 1) if hit] == at


def test_occasions_are_of_the_operation_on_all_connections() -> None:
    stage = faulted(Busy(), "whoami", nth=2)
    assert struck(stage, ONE, WHO) == [False, False]
    assert struck(stage.beside(), WHO) == [True]


def test_an_entry_or_one_below_it() -> None:
    stage = faulted(Busy(), "any", dn=f"OU=People, {PEOPLE.partition(',')[2]}", times=None)
    requests = [search(PEOPLE), ONE, REQUESTS["delete"], search("dc=contoso,dc=com"), WHO, search("no name")]
    assert struck(stage, *requests) == [True, True, True, False, False, False]


def test_a_connection() -> None:
    stage = faulted(Busy(), "whoami", connection=13)
    assert (struck(stage, WHO), struck(stage.beside(), WHO)) == ([False], [True])


def test_whether_it_is_inside_tls() -> None:
    assert struck(faulted(Busy(), "whoami", tls=True), WHO) == [False]
    assert struck(faulted(Busy(), "whoami", tls=False), WHO) == [True]


def digest(name: str) -> Callable[[Faulted], Any]:
    return lambda stage: sasl(digest_response(stage.challenge(), name, "password"))


TRIES: list[Callable[[Faulted], Any]] = [
    lambda stage: simple(U1, "password"),
    lambda stage: simple("uid=U1, ou=people,dc=contoso,dc=com", "wrong"),
    lambda stage: simple("u1", "password"),
    lambda stage: simple("CONTOSO\\u1", "password"),
    lambda stage: simple("u1@contoso.com", "password"),
    digest("u1"),
    digest("u1@contoso.com"),
    digest("CONTOSO\\u1"),
    lambda stage: sasl(b"\0u1\0password", "PLAIN"),
]


@pytest.mark.parametrize("user", ["u1", "U1", U1, "u1@contoso.com", "CONTOSO\\u1"])
@pytest.mark.parametrize("tries", TRIES, ids=range(len(TRIES)))
def test_who_binds_in_any_form_of_the_name(user: str, tries: Callable[[Faulted], Any]) -> None:
    stage = faulted(Busy(), "bind", user=user)
    assert struck(stage, simple("u2", "another"), tries(stage)) == [False, True]


def test_somebody_whom_nobody_knows() -> None:
    stage = faulted(Busy(), "bind", user="ghost")
    assert struck(stage, simple("u1", "x"), simple("nobody", "x"), simple(), simple("Ghost", "x")) == [
        False,
        False,
        False,
        True,
    ]


def test_who_is_bound() -> None:
    stage = faulted(Busy(), "whoami", user="u1@contoso.com")
    stage.bind(simple("u2", "another"))
    assert struck(stage, WHO) == [False]
    stage.bind(simple("u1", "password"))
    assert struck(stage, WHO) == [True]
    assert stage.plan.fired[0].user == U1


@pytest.mark.parametrize("mechanism", ["simple", "anonymous", "digest-md5", "PLAIN", "EXTERNAL"])
def test_a_mechanism(mechanism: str) -> None:
    stage = faulted(Busy(), "bind", mechanism=mechanism, times=None)
    binds = {
        "simple": simple("u1", "password"),
        "anonymous": simple(),
        "digest-md5": digest("u1")(stage),
        "PLAIN": sasl(b"\0u1\0password", "PLAIN"),
        "EXTERNAL": sasl(None, "EXTERNAL"),
    }
    assert [name for name, bind in binds.items() if struck(stage, bind) == [True]] == [mechanism]


def test_a_challenge_is_no_bind() -> None:
    stage = faulted(Busy(), "bind")
    challenge = stage.challenge()
    assert stage.bind(sasl(digest_response(challenge, "u1", "password"))).result_code == ResultCode.BUSY
    stage = faulted(Busy(), "challenge")
    assert stage.bind(sasl()).result_code == ResultCode.BUSY
    assert stage.digest().result_code == ResultCode.SUCCESS


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"on": "serach"}, "on: serach: must be an OID, or one of add, any, bind"),
        ({"on": "tls"}, "on: tls: Close strikes on: add, any"),
        ({"action": Delay(1), "on": "connect"}, "Delay strikes on"),
        ({"action": Delay(1), "on": "starttls"}, "Delay strikes on"),
        ({"action": Result(0, carried_out=True), "on": "bind"}, "Result: carried_out: not on bind"),
        ({"action": Reset("answered")}, "Reset: when: must be"),
        ({"action": Close("done"), "on": "connect"}, "Close: when: must be 'before' on connect"),
        ({"action": HalfAnswer(then="go on")}, "HalfAnswer: then: must be"),
        ({"action": NoAnswer(carried_out=True), "on": "starttls"}, "NoAnswer: carried_out: not on starttls"),
        ({"nth": 0}, "nth: 0; 1 or more is due"),
        ({"times": 0}, "times: 0; 1 or more is due"),
        ({"dn": "nonsense"}, "dn: nonsense: "),
        ({"on": "bind", "dn": U1}, "dn: has no meaning on bind; `user` is who binds"),
        ({"on": "challenge", "user": "u1"}, "user: is not known on challenge"),
        ({"mechanism": "simple"}, "mechanism: has no meaning on search, only on bind and challenge"),
        ({"on": "connect", "tls": True}, "tls: has no meaning on connect"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_does_not_go_together_is_refused_at_once(conditions: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Rule(**{"action": Close(), "on": "search", **conditions})


ACTIONS: list[Action] = [Busy(), Unavailable("x"), Referral("ldap://a/", "ldap://b/"), Close(), Reset("done"), Hold()]


@pytest.mark.parametrize("action", ACTIONS, ids=repr)
def test_rules_pickle_and_are_what_they_were(action: Action) -> None:
    rule = Rule(action=action, on="search", nth=2)
    again = pickle.loads(pickle.dumps(rule))
    assert (again, hash(again), str(again)) == (rule, hash(rule), str(rule))
    assert str(rule) == f"{action} on search, nth=2"


# Results


def test_a_result_with_all_that_belongs_to_it() -> None:
    stage = faulted(Result(32, "not here", PEOPLE), "search")
    assert stage.send(ONE) == [LDAPMessage(1, SearchResultDone(ResultCode.NO_SUCH_OBJECT, PEOPLE, "not here"))]
    stage = faulted(Referral("ldap://other/", "ldap://third/"), "modify")
    assert stage.ask(REQUESTS["modify"]).referral == ("ldap://other/", "ldap://third/")
    with pytest.raises(ValueError, match="at least one URL"):
        Referral()


def test_a_result_of_what_was_carried_out() -> None:
    stage = faulted(Result(4, "enough", carried_out=True), "search", admins=(U1,))
    entry, done = stage.send(ONE)
    assert isinstance(entry.operation, SearchResultEntry)
    assert done.operation == SearchResultDone(ResultCode.SIZE_LIMIT_EXCEEDED, diagnostic_message="enough")
    stage.bind(simple("u1", "password"))
    stage.add(Result(51, carried_out=True), "add")
    assert stage.ask(ALICE).result_code == ResultCode.BUSY
    assert stage.ask(ALICE).result_code == ResultCode.ENTRY_ALREADY_EXISTS


def test_what_is_refused_is_not_carried_out() -> None:
    stage = faulted(Busy(), "add", admins=(U1,))
    stage.bind(simple("u1", "password"))
    assert stage.ask(ALICE).result_code == ResultCode.BUSY
    assert stage.ask(ALICE).result_code == ResultCode.SUCCESS


# The end of a connection


@pytest.mark.parametrize(("action", "added"), [(Close(), False), (Close("done"), True), (Close("answered"), True)])
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_the_end_of_a_connection(action: Close, added: bool, reset: bool) -> None:
    if reset and action.when == "answered":
        return
    stage = faulted(Reset(action.when) if reset else action, "add", admins=(U1,))
    stage.bind(simple("u1", "password"))
    octets = sent(stage, ALICE, WHO)
    answered = codec.encode(LDAPMessage(2, ALICE.response(ResultCode.SUCCESS)))
    assert octets == (answered if action.when == "answered" else b"")
    assert (stage.channel.closed, stage.channel.aborted, stage.session.closed) == (True, reset, True)
    again = stage.beside()
    again.bind(simple("u1", "password"))
    assert (again.ask(ALICE).result_code == ResultCode.ENTRY_ALREADY_EXISTS) is added


def test_what_came_before_it_is_answered_first() -> None:
    stage = faulted(Close(), "search")
    (message,) = [codec.decode(sent(stage, WHO, ONE, WHO))]
    assert message.message_id == 1


def test_closed_behind_the_whole_answer_of_a_search() -> None:
    stage = faulted(Close("answered"), "search")
    octets = sent(stage, ONE, WHO)
    assert octets == right("search")
    stage = faulted(Close("done"), "search")
    assert sent(stage, ONE) == b""


def test_a_notice_of_disconnection() -> None:
    stage = faulted(Notice(result_code=52, text="bye"), "search")
    notice = ExtendedResponse(ResultCode.UNAVAILABLE, diagnostic_message="bye", response_name=NOTICE)
    assert stage.send(ONE) == [LDAPMessage(0, notice)]
    assert stage.channel.closed
    stage = faulted(Notice("answered"), "whoami")
    assert [message.message_id for message in stage.send(WHO)] == [1, 0]


# Answers that are none


def test_no_answer_and_the_connection_lives_on() -> None:
    stage = faulted(NoAnswer(), "search")
    assert [message.message_id for message in stage.send(ONE, WHO)] == [2]
    assert not stage.session.busy
    stage = faulted(NoAnswer(carried_out=True), "add", admins=(U1,))
    stage.bind(simple("u1", "password"))
    assert stage.send(ALICE) == []
    assert stage.ask(ALICE).result_code == ResultCode.ENTRY_ALREADY_EXISTS


@each_request
def test_half_an_answer(on: str) -> None:
    if on == "starttls":
        return
    whole = right(on)
    size = whole[1] + 2 if whole[1] < 128 else len(whole)
    stage = faulted(HalfAnswer(), on)
    assert sent(stage, REQUESTS[on], WHO) == whole[: size // 2]
    assert (stage.channel.closed, stage.channel.aborted) == (True, False)


@pytest.mark.parametrize(("asked", "octets"), [(0, 1), (1, 1), (5, 5), (1000, -1)])
def test_as_much_of_an_answer(asked: int, octets: int) -> None:
    assert sent(faulted(HalfAnswer(asked), "whoami"), WHO) == right("whoami")[:octets]


def test_half_an_answer_and_silence() -> None:
    stage = faulted(HalfAnswer(3, "silence"), "whoami")
    assert sent(stage, WHO, WHO) == right("whoami")[:3]
    assert not stage.channel.closed
    stage = faulted(HalfAnswer(3, "reset"), "whoami")
    assert sent(stage, WHO) == right("whoami")[:3]
    assert stage.channel.aborted


@pytest.mark.parametrize("what", ["length", "tag", "indefinite"])
@each_request
def test_ber_that_nobody_can_read(what: Any, on: str) -> None:
    if on == "starttls":
        return
    whole = right(on)
    stage = faulted(BrokenBER(what), on)
    octets = sent(stage, REQUESTS[on])
    assert len(octets) == len(whole)
    first = octets[: whole[1] + 2]
    assert first != whole[: whole[1] + 2]
    with pytest.raises(ProtocolViolation):
        codec.decode(first)
    assert octets[len(first) :] == whole[len(first) :]
    assert not stage.channel.closed


def test_garbage() -> None:
    stage = faulted(Garbage(), "search")
    assert sent(stage, ONE, WHO) == b"HTTP/1.1 400 Bad Request\r\n\r\n"
    assert stage.channel.closed
    stage = faulted(Garbage(b"\0\0", "go on"), "search")
    assert sent(stage, ONE, WHO) == b"\0\0" + sent(beginning_at(2), WHO)


def beginning_at(message_id: int) -> Faulted:
    stage = faulted()
    stage.last_id = message_id - 1
    return stage


def test_an_answer_to_another_message() -> None:
    stage = faulted(OtherMessageID(7), "search")
    assert [message.message_id for message in stage.send(ONE, WHO)] == [8, 8, 2]
    assert faulted(OtherMessageID(), "whoami").send(WHO)[0].message_id == 1001


def test_an_answer_twice() -> None:
    whole = right("whoami")
    assert sent(faulted(DuplicateAnswer(), "whoami"), WHO) == whole + whole
    kinds = [type(message.operation) for message in faulted(DuplicateAnswer(), "search").send(ONE)]
    assert kinds == [SearchResultEntry, SearchResultDone, SearchResultDone]


# Time


def test_a_delay() -> None:
    stage = faulted(Delay(1.5), "search")
    assert [message.message_id for message in stage.send(ONE, WHO)] == [2]
    (timer,) = stage.channel.timers
    assert timer.seconds == 1.5
    timer.run()
    assert stage.octets() == right("search")
    assert stage.plan.fired


def test_what_is_held_until_it_is_let_go() -> None:
    stage = faulted()
    number = stage.add(Hold(), "search", times=None)
    assert stage.send(ONE, ONE) == []
    assert stage.plan.count(number) == 2
    stage.plan.release(number)
    assert [message.message_id for message in stage.channel.taken()] == [1, 1, 2, 2]
    # From then on nothing is held any more.
    assert [message.message_id for message in stage.send(ONE)] == [3, 3]


@pytest.mark.parametrize("action", [Delay(5), Hold()], ids=repr)
def test_nothing_is_left_of_what_waits(action: Action) -> None:
    ends: list[Callable[[Faulted], object]] = [
        lambda stage: stage.send(AbandonRequest(1)),
        lambda stage: stage.send(UnbindRequest()),
        lambda stage: stage.session.lost(),
        lambda stage: stage.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping"),
        lambda stage: stage.send(simple()),
    ]
    for end in ends:
        stage = faulted()
        number = stage.add(action, "search")
        assert stage.send(ONE) == []
        end(stage)
        stage.octets()
        assert not stage.session.busy
        assert not any(timer.active() for timer in stage.channel.timers)
        assert stage.plan._standing[number].held == []
        stage.plan.release(number)
        assert stage.octets() == b""


def test_rules_that_are_gone_let_go() -> None:
    stage = faulted(Hold(), "search")
    assert stage.send(ONE) == []
    stage.plan.clear()
    assert stage.octets() == right("search")
    assert (stage.plan.rules, stage.plan.fired, stage.plan.unfired()) == ((), [], ())


# What is left of a bind


@pytest.mark.parametrize(
    ("action", "answered"),
    [(Busy(), 51), (Result(49), 49), (NoAnswer(), None), (Close(), None), (Reset(), None), (Notice(), None)],
    ids=repr,
)
@pytest.mark.parametrize("by_digest", [False, True], ids=["simple", "DIGEST-MD5"])
def test_a_bind_that_is_not_judged_has_a_record_of_its_own(
    action: Action, answered: int | None, by_digest: bool
) -> None:
    stage = faulted()
    stage.bind(simple("u2", "another"))
    stage.sink.records.clear()
    request = digest("u1")(stage) if by_digest else simple("u1", "password")
    stage.add(action, "bind")
    stage.session.data_received(stage.encoded(request))
    stage.octets()
    (record,) = stage.records
    mechanism = "DIGEST-MD5" if by_digest else "simple"
    assert (record.reason.value, record.status, record.result_code) == ("fault-injected", None, answered)
    assert (record.account, record.mechanism, record.message_id) == ("u1", mechanism, stage.last_id)
    assert stage.session.identity.anonymous
    if not stage.session.closed:
        assert stage.who() == ""
        # Nothing is left of the exchange: the next one is a new one.
        assert stage.digest().result_code == ResultCode.SUCCESS


@pytest.mark.parametrize(
    "action",
    [
        Close("done"),
        Close("answered"),
        Reset("done"),
        NoAnswer(carried_out=True),
        HalfAnswer(),
        BrokenBER(),
        Garbage(),
        OtherMessageID(),
        DuplicateAnswer(),
    ],
    ids=repr,
)
def test_behind_the_verdict_the_record_is_as_ever(action: Action) -> None:
    stage = faulted(action, "bind")
    sent(stage, simple("u1", "password"))
    assert [(record.reason.value, record.status) for record in stage.records] == [("success", 0)]
    if not stage.session.closed:
        assert stage.who() == f"dn:{U1}"


def test_a_delayed_bind_is_judged_when_its_time_has_come() -> None:
    stage = faulted(Delay(1), "bind")
    assert sent(stage, simple("u1", "password"), WHO) == b""
    assert not stage.records
    assert stage.session.waiting
    stage.channel.timers[0].run()
    bound, who = stage.channel.taken()
    assert isinstance(bound.operation, BindResponse)
    assert isinstance(who.operation, ExtendedResponse)
    assert (bound.operation.result_code, who.operation.response_value) == (0, f"dn:{U1}".encode())


@pytest.mark.parametrize("by_digest", [False, True], ids=["simple", "DIGEST-MD5"])
def test_a_client_that_goes_while_its_bind_is_held_was_never_judged(by_digest: bool) -> None:
    stage = faulted()
    request = digest("u1")(stage) if by_digest else simple("u1", "password")
    number = stage.add(Hold(), "bind")
    assert sent(stage, request) == b""
    stage.session.lost()
    assert (stage.session.busy, stage.session.recording) == (False, False)
    stage.plan.release(number)
    assert stage.reasons == (["abandoned"] if by_digest else [])


def test_a_server_that_stops_does_not_wait_for_what_is_held() -> None:
    stage = faulted(Hold(), "bind")
    assert sent(stage, simple("u1", "password")) == b""
    stage.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping")
    assert stage.channel.taken()[0].message_id == 0
    assert (stage.channel.closed, stage.session.busy, stage.session.recording) == (True, False, False)


# What is beside it

LONG = LDIF.replace("description: The", "description: " + "x" * 20_000 + "The")  # a search of it takes two turns


def test_a_message_id_that_is_used_again_has_nothing_to_do_with_it() -> None:
    stage = faulted(OtherMessageID(), "search", ldif=LONG)
    stage.send(search())
    stage.session.data_received(codec.encode(LDAPMessage(2, AbandonRequest(1))))
    stage.octets()
    stage.session.data_received(codec.encode(LDAPMessage(1, WHO)))
    assert [message.message_id for message in stage.channel.taken()] == [1]


def test_nothing_leaves_behind_the_end() -> None:
    stage = faulted(Close("answered"), "search", ldif=LONG)
    stage.send(search())
    (canceled,) = stage.send(ExtendedRequest("1.3.6.1.1.8", b"\x30\x03\x02\x01\x01"))
    assert (canceled.message_id, stage.channel.closed) == (1, True)
    assert stage.octets() == b""


def test_start_tls_is_no_occasion_for_what_it_cannot_be() -> None:
    stage = faulted(Delay(1), "any", start_tls=True)
    assert stage.ask(START_TLS).result_code == ResultCode.SUCCESS
    assert stage.channel.handshakes == 1
    assert stage.send(WHO) == []
    assert len(stage.channel.timers) == 1
    stage.session.lost()


class Watching:
    """Remembers what it is told of a connection that leaves."""

    def __init__(self) -> None:
        self.told: list[bytes] = []

    def watch(self, session: object, peer: object) -> "Watching":
        return self

    def received(self, element: bytes) -> None:
        pass

    def sent(self, elements: bytes) -> None:
        self.told.append(elements)

    def closed(self) -> None:
        pass


def test_who_looks_on_is_told_of_whole_messages_as_they_leave() -> None:
    watching = Watching()
    watched = faulted(OtherMessageID(), "whoami")
    stage = Faulted(replace(watched.service, watcher=watching), watched.sink, watched.plan)
    stage.add(HalfAnswer(), "search")
    octets = sent(stage, WHO, ONE)
    assert codec.decode(watching.told[0]).message_id == 1001
    assert len(watching.told) == 1
    assert len(octets) > len(watching.told[0])


# What has not struck


def test_what_has_not_struck_is_told_once() -> None:
    stage = faulted()
    stage.add(Busy(), "search")
    stage.add(Busy(), "whoami")
    stage.add(Busy(), "add", nth=2, optional=True)
    stage.send(WHO)
    assert [rule.on for rule in stage.plan.unfired()] == ["search"]
    assert stage.plan.unfired() == ()
    assert [rule.on for rule in stage.plan.rules] == ["whoami", "add"]


def test_the_first_rule_whose_turn_it_is_strikes_and_all_count() -> None:
    stage = faulted(Busy(), "whoami")
    stage.add(Unavailable(), "whoami", nth=2)
    codes = [stage.ask(WHO).result_code for _ in range(3)]
    assert codes == [ResultCode.BUSY, ResultCode.UNAVAILABLE, ResultCode.SUCCESS]
