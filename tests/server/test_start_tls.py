"""TLS as a session sees it: when it may begin, what stays of the connection, and what it lets a bind do."""

from typing import Any

import pytest

from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.extended import CANCEL
from ldapserver.password_modify import PASSWORD_MODIFY
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    CompareRequest,
    Control,
    ExtendedRequest,
    ExtendedResponse,
    LDAPResult,
    ResultCode,
    Scope,
    SearchResultEntry,
)
from sasl_digest import QOP, Cipher, DigestChallenge
from tests.server.stage import LDIF, U1, WHO_AM_I, Stage, digest_response, sasl, search, simple, stage
from tests.server.test_layer_splice import Client

OID = "1.3.6.1.4.1.1466.20037"
START = ExtendedRequest(OID)
WHO = ExtendedRequest(WHO_AM_I)
ME = f"dn:{U1}"
INSIDE = TLS(b"end point")
# More than a slice examines.
MANY = LDIF + "".join(f"\ndn: cn=d{n},dc=contoso,dc=com\nobjectClass: device\ncn: d{n}\n" for n in range(400))


def begin(on: Stage) -> ExtendedResponse:
    """The answer to StartTLS."""
    answer = on.ask(START)
    assert isinstance(answer, ExtendedResponse)
    return answer


def secured(**settings: Any) -> Stage:
    """A connection inside TLS."""
    on = stage(start_tls=True, **settings)
    assert begin(on).result_code is ResultCode.SUCCESS
    on.session.secured(INSIDE)
    return on


# When it may begin


def test_the_handshake_follows_the_success() -> None:
    on = stage(start_tls=True)
    assert begin(on) == ExtendedResponse(ResultCode.SUCCESS, response_name=OID)
    assert on.channel.handshakes == 1
    assert on.session.tls is None
    on.session.secured(INSIDE)
    assert on.session.tls == INSIDE


def assert_refused(on: Stage, code: ResultCode, text: str) -> None:
    """StartTLS gets this answer, no handshake begins, and the connection lives on."""
    before = on.channel.handshakes
    answer = begin(on)
    assert answer.result_code is code
    assert text in answer.diagnostic_message
    assert on.channel.handshakes == before
    assert not on.channel.closed


def test_without_tls_there_is_no_such_operation() -> None:
    on = stage()
    assert_refused(on, ResultCode.PROTOCOL_ERROR, "not supported")
    assert on.who() == ""


def test_inside_tls_it_is_refused() -> None:
    on = secured()
    assert_refused(on, ResultCode.OPERATIONS_ERROR, "established already")
    assert on.who() == ""


def test_within_a_bind_it_is_refused_and_the_bind_may_go_on() -> None:
    on = stage(start_tls=True)
    on.challenge()
    assert_refused(on, ResultCode.OPERATIONS_ERROR, "bind is in progress")


def test_while_an_operation_is_outstanding_it_is_refused() -> None:
    on = stage(MANY, start_tls=True)
    on.bind(simple("u1", "password"))
    on.send(search())
    assert on.session.busy
    assert_refused(on, ResultCode.OPERATIONS_ERROR, "outstanding")
    while on.channel.turn():
        pass
    on.channel.taken()
    assert begin(on).result_code is ResultCode.SUCCESS


def test_above_a_security_layer_it_is_refused_inside_the_layer() -> None:
    client = Client(stage(start_tls=True))
    client.bind(QOP.AUTH_INT)
    (answer,) = client.ask(START)
    assert isinstance(answer, ExtendedResponse)
    assert answer.result_code is ResultCode.OPERATIONS_ERROR
    assert client.on.channel.handshakes == 0
    assert client.who() == ME.encode()


@pytest.mark.parametrize("value", [b"", b"x"])
def test_a_value_is_refused(value: bytes) -> None:
    on = stage(start_tls=True)
    answer = on.ask(ExtendedRequest(OID, value))
    assert answer.result_code is ResultCode.PROTOCOL_ERROR
    assert on.channel.handshakes == 0


def test_a_critical_control_that_is_not_known_is_refused() -> None:
    on = stage(start_tls=True)
    answer = on.ask(START, (Control("1.2.3", criticality=True),))
    assert answer.result_code is ResultCode.UNAVAILABLE_CRITICAL_EXTENSION
    assert on.channel.handshakes == 0


def test_the_root_dse_lists_it_where_there_is_tls() -> None:
    def listed(on: Stage) -> tuple[bytes, ...]:
        found, _ = on.search(search("", Scope.BASE_OBJECT, attributes=("supportedExtension",)))
        return found[""]["supportedExtension"]

    without = (WHO_AM_I.encode(), PASSWORD_MODIFY.encode(), CANCEL.encode())
    assert listed(stage()) == without
    assert listed(stage(start_tls=True)) == (*without, OID.encode())
    assert OID.encode() in listed(secured())


# What stands behind the request in the clear


@pytest.mark.parametrize("behind", ["whole", "begun", "garbage"])
def test_octets_in_the_clear_behind_the_request_close_the_connection_unread(behind: str) -> None:
    on = stage(start_tls=True)
    request = on.encoded(START)
    more = {"whole": on.encoded(simple("u1", "password")), "begun": b"\x30", "garbage": b"\x16\x03\x01"}[behind]
    on.session.data_received(request + more)
    assert (on.channel.closed, on.channel.handshakes) == (True, 0)
    assert on.channel.taken() == []
    assert on.records == []


def test_what_was_asked_before_is_answered_in_the_clear_before_the_handshake() -> None:
    on = stage(start_tls=True)
    bind, start = on.send(simple("u1", "password"), START)
    assert isinstance(bind.operation, BindResponse)
    assert isinstance(start.operation, ExtendedResponse)
    assert start.operation.result_code is ResultCode.SUCCESS
    assert (on.channel.handshakes, on.channel.writes) == (1, 1)


def test_behind_a_request_that_is_refused_messages_are_taken() -> None:
    on = stage()
    assert len(on.send(START, WHO)) == 2


def test_a_connection_lost_while_it_is_answered_begins_no_handshake() -> None:
    on = stage(start_tls=True)
    on.channel.write = lambda data: on.session.lost()  # type: ignore[method-assign]
    on.session.data_received(on.encoded(START))
    assert on.channel.handshakes == 0


# What stays, and what is known


def test_who_the_connection_is_stays() -> None:
    on = stage(start_tls=True)
    on.bind(simple("u1", "password"))
    begin(on)
    on.session.secured(INSIDE)
    assert on.who() == ME
    assert on.digest("hashed", "hashedpw").result_code is ResultCode.SUCCESS
    assert on.who() == "dn:uid=hashed,ou=people,dc=contoso,dc=com"


def test_a_record_says_whether_its_bind_came_inside_tls() -> None:
    on = stage(start_tls=True)
    on.bind(simple("u1", "password"))
    begin(on)
    on.session.secured(INSIDE)
    on.bind(simple("u1", "wrong"))
    on.digest()
    on.challenge()
    on.session.lost()
    assert [record.tls for record in on.records] == [False, True, True, True]


def test_a_layer_may_be_laid_inside_tls() -> None:
    client = Client(secured())
    assert client.bind(QOP.AUTH_CONF, Cipher.RC4).result_code is ResultCode.SUCCESS
    assert client.who() == ME.encode()


# The switches


def offered(on: Stage) -> tuple[QOP, ...]:
    """The protections that a challenge offers."""
    return DigestChallenge.parse(on.challenge()).qop_options


def test_without_layers_inside_tls_only_auth_is_offered_there() -> None:
    assert offered(stage(layer_inside_tls=False)) == (QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF)
    assert offered(secured(layer_inside_tls=False)) == (QOP.AUTH,)
    assert offered(secured()) == (QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF)


@pytest.mark.parametrize("qop", ["auth-int", "auth-conf"])
def test_without_layers_inside_tls_a_layer_is_refused_as_one_not_offered(qop: str) -> None:
    on = secured(layer_inside_tls=False)
    more = ",cipher=rc4" if qop == "auth-conf" else ""
    assert on.digest(qop=qop, more=more).result_code is ResultCode.INVALID_CREDENTIALS
    assert on.reasons == ["qop"]
    assert on.digest().result_code is ResultCode.SUCCESS


def test_a_nonce_is_good_once_in_the_clear_and_inside_tls_together() -> None:
    # Two sets of terms, one memory: a response seen in the clear is of no use inside TLS.
    outside = stage(layer_inside_tls=False, start_tls=True)
    begin(outside)
    outside.session.secured(INSIDE)
    clear = Stage(outside.service, outside.sink)
    response = digest_response(clear.challenge(), "u1", "password")
    assert clear.bind(sasl(response)).result_code is ResultCode.SUCCESS
    outside.challenge()
    assert outside.bind(sasl(response)).result_code is ResultCode.INVALID_CREDENTIALS
    assert outside.reasons[-1] == "nonce-replayed"


class Untouched(MemoryDirectory):
    """A directory that nobody may ask for an account."""

    async def find_account(self, name: str) -> None:
        raise AssertionError(f"{name} was looked for")

    async def account_at(self, dn: object) -> None:
        raise AssertionError(f"{dn} was looked for")


@pytest.mark.parametrize("password", ["password", "wrong"])
@pytest.mark.parametrize("kind", ["name", "dn", "digest"])
def test_where_signing_is_required_no_credential_is_looked_at_without_it(kind: str, password: str) -> None:
    untouched = Untouched([("stage", read_ldif(LDIF, "stage"))], netbios="CONTOSO")
    on = stage(directory=untouched, require_signing=True)
    if kind == "digest":
        answer = on.digest(password=password)
    else:
        answer = on.bind(simple(U1 if kind == "dn" else "u1", password))
    assert answer.result_code is ResultCode.STRONGER_AUTH_REQUIRED
    assert answer.server_sasl_creds is None
    assert on.channel.failures == []
    assert on.reasons == ["signing-required"]
    assert on.verdicts == []
    assert on.who() == ""


@pytest.mark.parametrize("request_", [simple("u1", "password"), None], ids=["simple", "digest"])
def test_where_signing_is_required_tls_is_enough(request_: BindRequest | None) -> None:
    on = secured(require_signing=True)
    answer = on.digest() if request_ is None else on.bind(request_)
    assert answer.result_code is ResultCode.SUCCESS
    assert on.who() == ME


def test_where_signing_is_required_a_layer_is_enough_and_auth_is_still_offered() -> None:
    on = stage(require_signing=True)
    assert offered(on) == (QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF)
    client = Client(stage(require_signing=True))
    assert client.bind(QOP.AUTH_INT).result_code is ResultCode.SUCCESS
    assert client.who() == ME.encode()


def test_where_signing_is_required_a_wrong_password_with_a_layer_is_a_wrong_password() -> None:
    client = Client(stage(require_signing=True))
    assert client.bind(QOP.AUTH_INT, password="wrong").result_code is ResultCode.INVALID_CREDENTIALS
    assert client.on.reasons == ["wrong-password"]


def test_where_signing_is_required_anonymous_may_bind_and_a_name_alone_is_refused_as_ever() -> None:
    on = stage(require_signing=True)
    assert on.bind(simple()).result_code is ResultCode.SUCCESS
    assert on.bind(simple("u1")).result_code is ResultCode.UNWILLING_TO_PERFORM


# One turn, one piece


def test_what_is_answered_in_one_turn_leaves_in_one_write() -> None:
    on = stage()
    on.bind(simple("u1", "password"))
    before = on.channel.writes
    compare = CompareRequest(U1, "cn", b"Una One")
    answers = on.send(WHO, compare, search("", Scope.BASE_OBJECT), search(U1, Scope.BASE_OBJECT), WHO)
    assert [message.message_id for message in answers] == [2, 3, 4, 4, 5, 5, 6]
    assert on.channel.writes == before + 1


def buffers(written: bytes) -> int:
    """How many buffers of a layer these octets are."""
    count = 0
    while written:
        count += 1
        written = written[4 + int.from_bytes(written[:4], "big") :]
    return count


def test_what_is_answered_in_one_turn_is_one_buffer() -> None:
    client = Client(stage())
    client.bind(QOP.AUTH_CONF, Cipher.RC4)
    compare = CompareRequest(U1, "cn", b"Una One")
    requests = (WHO, compare, search(U1, Scope.BASE_OBJECT), search(filter="(uid=u2)"), WHO)
    client.send(b"".join(client.on.encoded(each) for each in requests))
    written = bytes(client.on.channel.written)
    client.on.channel.written.clear()
    assert buffers(written) == 1
    while client.on.channel.turn():
        pass
    messages = client.read(written) + client.read(bytes(client.on.channel.written))
    found = [each.operation for each in messages if isinstance(each.operation, SearchResultEntry)]
    assert [each.object_name for each in found] == [U1, "uid=u2,ou=people,dc=contoso,dc=com"]
    assert sum(isinstance(each.operation, LDAPResult) for each in messages) == len(requests)


def test_what_was_asked_before_a_layer_is_answered_before_it() -> None:
    client = Client(stage())
    request, layer, _ = client.response(QOP.AUTH_CONF, Cipher.RC4)
    assert layer is not None
    on = client.on
    before = on.channel.writes
    on.session.data_received(on.encoded(WHO) + request + layer.wrap(on.encoded(WHO) + on.encoded(WHO)))
    assert on.channel.writes == before + 2
    framer = Framer(1 << 30)
    framer.feed(bytes(on.channel.written))
    clear = [framer.next(), framer.next()]
    assert [type(codec.decode(each).operation) for each in clear if each] == [ExtendedResponse, BindResponse]
    client.layer = layer
    rest = framer.take_rest()
    assert buffers(rest) == 1
    answers = [message.operation for message in client.read(rest)]
    assert [answer.response_value for answer in answers if isinstance(answer, ExtendedResponse)] == [ME.encode()] * 2


def test_many_answers_of_one_turn_are_held_to_a_bound() -> None:
    on = stage()
    sizes: list[int] = []
    write = on.channel.write

    def measured(data: bytes) -> None:
        sizes.append(len(data))
        write(data)

    on.channel.write = measured  # type: ignore[method-assign]
    on.send(search("", Scope.BASE_OBJECT))
    one = sizes.pop()
    on.send(*[search("", Scope.BASE_OBJECT)] * 500)
    assert len(sizes) > 1
    assert max(sizes) < 64 * 1024 + one
    assert min(sizes[:-1]) >= 64 * 1024


def test_a_notice_leaves_with_what_was_answered_before_it() -> None:
    on = stage()
    before = on.channel.writes
    on.session.data_received(on.encoded(WHO) + b"\xff")
    who, notice = on.channel.taken()
    assert (who.message_id, notice.message_id) == (1, 0)
    assert on.channel.writes == before + 1


def test_a_slice_of_a_search_leaves_before_the_next_is_sought() -> None:
    on = stage(MANY)
    on.bind(simple("u1", "password"))
    sent = on.send(search())
    turns = 0
    while on.channel.turn():
        turns += 1
        more = on.channel.taken()
        assert more
        sent += more
    assert turns > 1
    assert len(sent) == 410 + 1
