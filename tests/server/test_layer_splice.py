"""Where a security layer begins and ends in a session: behind a success, in both directions, and at any octet."""

from collections.abc import Sequence
from typing import Any

import pytest

from ldapserver.audit.record import Record
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindResponse,
    CompareRequest,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    LDAPResult,
    Operation,
    ResultCode,
    SearchResultDone,
    SearchResultEntry,
)
from sasl_digest import QOP, BrokenLayer, Cipher, DigestClient, Password, Response, SecurityLayer, Success
from sasl_digest.layers import client_layer
from tests.server.stage import LDIF, REALM, U1, WHO_AM_I, Stage, sasl, search, simple, stage

KINDS: list[tuple[QOP, Cipher | None]] = [(QOP.AUTH_INT, None), *((QOP.AUTH_CONF, cipher) for cipher in Cipher)]
each_kind = pytest.mark.parametrize(("qop", "cipher"), KINDS, ids=[(cipher or qop).decode() for qop, cipher in KINDS])
WHO = ExtendedRequest(WHO_AM_I)
AS_U1 = f"dn:{U1}".encode()
KIB, MIB = 1024, 1024 * 1024


class Client:
    """A client of a stage: all it sends and is sent goes through its layer, once it has one."""

    def __init__(self, on: Stage) -> None:
        self.on = on
        self.layer: SecurityLayer | None = None

    def response(
        self, qop: QOP, cipher: Cipher | None, *, password: str = "password", maxbuf: int = 65536, theirs: int = 65536
    ) -> tuple[bytes, SecurityLayer | None, DigestClient]:
        """Begin a bind as u1; the request that ends it, in the clear, and the layer that stands behind it.

        `maxbuf` is what the client says, and `theirs` what it believes of the server.
        """
        digest = DigestClient(
            "u1",
            Password(password),
            service="ldap",
            host="dc1.contoso.com",
            realm=REALM,
            qop=[qop],
            ciphers=[cipher or Cipher.RC4],
            maxbuf=maxbuf,
        )
        (challenge,) = self.ask(sasl())
        assert isinstance(challenge, BindResponse)
        answer = digest.step(challenge.server_sasl_creds or b"")
        assert isinstance(answer, Response)
        layer = client_layer(digest._h_a1, qop, cipher, peer_maxbuf=theirs, limit=maxbuf)
        return self.on.encoded(sasl(answer.data)), layer, digest

    def bind(self, qop: QOP = QOP.AUTH_INT, cipher: Cipher | None = None, **rest: Any) -> BindResponse:
        """The last answer to a whole bind, read through the layer of an earlier one."""
        request, layer, digest = self.response(qop, cipher, **rest)
        self.send(request)
        (answer,) = self.taken()
        assert isinstance(answer, BindResponse)
        if answer.result_code is ResultCode.SUCCESS:
            assert isinstance(digest.step(answer.server_sasl_creds or b""), Success)
            # A bind that lays none leaves the one there is.  RFC 4513 section 5.2.1.4
            self.layer = layer or self.layer
        return answer

    def send(self, data: bytes) -> None:
        """Send these octets."""
        self.on.session.data_received(data if self.layer is None else self.layer.wrap(data))

    def taken(self) -> list[Operation]:
        """What was answered since this was last asked; nothing may be left over."""
        written = bytes(self.on.channel.written)
        self.on.channel.written.clear()
        return [message.operation for message in self.read(written)]

    def read(self, written: bytes) -> list[LDAPMessage]:
        """The messages in these octets."""
        framer = Framer(1 << 30)
        framer.feed(written if self.layer is None else self.layer.receive(written))
        messages = [codec.decode(element) for element in iter(framer.next, None)]
        assert not framer.pending
        return messages

    def ask(self, *operations: Operation) -> list[Operation]:
        """The answers to these, sent in one piece."""
        self.send(b"".join(self.on.encoded(operation) for operation in operations))
        return self.taken()

    def who(self) -> bytes | None:
        """Who the connection is."""
        (answer,) = self.ask(WHO)
        assert isinstance(answer, ExtendedResponse)
        return answer.response_value


def bound(qop: QOP = QOP.AUTH_INT, cipher: Cipher | None = None, **settings: Any) -> Client:
    """A client that has bound with this layer."""
    client = Client(stage(ciphers=tuple(Cipher), **settings))
    assert client.bind(qop, cipher).result_code is ResultCode.SUCCESS
    return client


def assert_ended_in_silence(on: Stage) -> None:
    """Closed, and nothing was written: no Notice of Disconnection."""
    assert on.channel.closed
    assert on.session.closed
    assert not on.channel.written
    assert on.channel.failures == []


# Where it begins


@each_kind
def test_success_is_in_the_clear_and_what_follows_is_wrapped_both_ways(qop: QOP, cipher: Cipher | None) -> None:
    on = stage(ciphers=tuple(Cipher))
    client = Client(on)
    request, layer, _ = client.response(qop, cipher)
    assert layer is not None
    on.session.data_received(request)
    (answer,) = client.taken()  # in the clear still
    assert isinstance(answer, BindResponse)
    assert answer.result_code is ResultCode.SUCCESS
    on.session.data_received(layer.wrap(on.encoded(WHO)))
    written = bytes(on.channel.written)
    assert int.from_bytes(written[:4], "big") == len(written) - 4
    client.layer = layer
    (who,) = client.read(written)
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == AS_U1


@each_kind
@pytest.mark.parametrize("more", [b"", b"\0", b"\0\0\0\x40half"], ids=["whole", "one more", "and a half"])
def test_wrapped_octets_right_behind_the_response_are_inside_the_layer(
    qop: QOP, cipher: Cipher | None, more: bytes
) -> None:
    on = stage(ciphers=tuple(Cipher))
    client = Client(on)
    request, layer, _ = client.response(qop, cipher)
    assert layer is not None
    on.session.data_received(request + layer.wrap(on.encoded(WHO)) + layer.wrap(on.encoded(WHO)) + more)
    framer = Framer(MIB)
    framer.feed(bytes(on.channel.written)[:-1])
    first = framer.next()
    assert first is not None
    success = codec.decode(first).operation
    assert isinstance(success, BindResponse)
    assert success.result_code is ResultCode.SUCCESS
    client.layer = layer
    answers = [message.operation for message in client.read(bytes(on.channel.written)[len(first) :])]
    assert [answer.response_value for answer in answers if isinstance(answer, ExtendedResponse)] == [AS_U1] * 2
    assert not on.channel.closed


def test_clear_octets_behind_the_success_end_the_connection() -> None:
    for pipelined in (False, True):
        on = stage()
        client = Client(on)
        request, _, _ = client.response(QOP.AUTH_INT, None)
        clear = on.encoded(WHO)
        if pipelined:
            on.session.data_received(request + clear)
            (answer,) = client.taken()
        else:
            on.session.data_received(request)
            (answer,) = client.taken()
            on.session.data_received(clear)
        assert isinstance(answer, BindResponse)
        assert answer.result_code is ResultCode.SUCCESS
        assert_ended_in_silence(on)
        assert on.reasons == ["success"]


def test_auth_is_no_layer() -> None:
    client = bound(QOP.AUTH)
    assert client.layer is None
    assert client.who() == AS_U1


# Cuts


@each_kind
def test_messages_and_buffers_need_not_end_together(qop: QOP, cipher: Cipher | None) -> None:
    client = bound(qop, cipher)
    on, layer = client.on, client.layer
    assert layer is not None
    # Several messages in one buffer.
    assert len(client.ask(WHO, WHO, WHO)) == 3
    # One message over several, and the next one begun in the last of them.
    octets = on.encoded(WHO) + on.encoded(WHO)
    pieces = [octets[at : at + 7] for at in range(0, len(octets), 7)]
    on.session.data_received(b"".join(layer.wrap(piece) for piece in pieces))
    assert len(client.taken()) == 2


@each_kind
def test_buffers_may_be_cut_at_every_octet(qop: QOP, cipher: Cipher | None) -> None:
    client = bound(qop, cipher)
    on, layer = client.on, client.layer
    assert layer is not None
    for cut in range(len(layer.wrap(on.encoded(WHO))) + 1):
        if cut == 0:
            client = bound(qop, cipher)
            on, layer = client.on, client.layer
            assert layer is not None
        buffer = layer.wrap(on.encoded(WHO))
        on.session.data_received(buffer[:cut])
        assert bool(on.channel.written) is (cut == len(buffer))
        on.session.data_received(buffer[cut:])
        assert len(client.taken()) == 1
    stream = b"".join(layer.wrap(on.encoded(WHO)) for _ in range(3))
    for at in range(len(stream)):
        on.session.data_received(stream[at : at + 1])
    assert len(client.taken()) == 3


@each_kind
def test_long_requests_and_long_answers_pass(qop: QOP, cipher: Cipher | None) -> None:
    value = "x" * MIB
    entries = "".join(
        f"\ndn: cn=long {n},ou=people,dc=contoso,dc=com\nobjectClass: device\ncn: long {n}\ndescription: {value}\n"
        for n in range(5)
    )
    client = Client(stage(LDIF + entries, ciphers=tuple(Cipher)))
    client.bind(qop, cipher)
    # What a client sends that keeps to our maxbuf, and what one sends that does not care, as ldap3 does.
    compare = CompareRequest(U1, "cn", b"y" * (900 * KIB))
    for theirs in (65536, 16777215):
        client.bind(qop, cipher, theirs=theirs)
        (answer,) = client.ask(compare)
        assert isinstance(answer, LDAPResult)
        assert answer.result_code is ResultCode.COMPARE_FALSE
    client.send(client.on.encoded(search(filter="(description=*)", attributes=("description",))))
    while client.on.channel.turn():
        pass
    *found, done = client.taken()
    assert isinstance(done, SearchResultDone)
    values = [entry.attributes[0].values[0] for entry in found if isinstance(entry, SearchResultEntry)]
    assert [value for value in values if len(value) < MIB] == [b"The Contoso test domain"]
    assert sum(map(len, values)) > 5 * MIB


@each_kind
@pytest.mark.parametrize("maxbuf", [64, 512])
def test_no_buffer_is_longer_than_the_client_takes(qop: QOP, cipher: Cipher | None, maxbuf: int) -> None:
    client = Client(stage(ciphers=tuple(Cipher)))
    client.bind(qop, cipher, maxbuf=maxbuf)
    client.send(client.on.encoded(search()))
    while client.on.channel.turn():
        pass
    written = bytes(client.on.channel.written)
    *_, done = client.taken()  # the client's end would refuse a longer one
    assert isinstance(done, SearchResultDone)
    assert int.from_bytes(written[:4], "big") > maxbuf - 8


# Broken buffers


@each_kind
@pytest.mark.parametrize("where", [0, 4, -7, -6, -1], ids=["length", "message", "MAC", "type", "number"])
def test_broken_buffer_closes_the_connection_without_a_word(qop: QOP, cipher: Cipher | None, where: int) -> None:
    client = bound(qop, cipher)
    assert client.layer is not None
    buffer = bytearray(client.layer.wrap(client.on.encoded(WHO)))
    buffer[where] ^= 0x80
    client.on.session.data_received(bytes(buffer))
    assert_ended_in_silence(client.on)
    client.on.session.data_received(client.layer.wrap(client.on.encoded(WHO)))  # may still come
    assert_ended_in_silence(client.on)


def test_replayed_request_closes_the_connection() -> None:
    client = bound()
    assert client.layer is not None
    buffer = client.layer.wrap(client.on.encoded(WHO))
    client.on.session.data_received(buffer)
    assert len(client.taken()) == 1
    client.on.session.data_received(buffer)
    assert_ended_in_silence(client.on)


def test_broken_buffer_ends_what_is_under_way() -> None:
    client = bound(max_outstanding=4)
    client.send(client.on.encoded(search()))
    client.taken()
    client.on.session.data_received(bytes(4))
    assert_ended_in_silence(client.on)
    client.on.channel.turn()
    assert_ended_in_silence(client.on)
    assert not client.on.session.busy


def test_buffer_may_be_the_longest_message_and_64_octets() -> None:
    most = MIB + 64
    client = bound()
    client.on.session.data_received(most.to_bytes(4, "big"))
    assert not client.on.channel.closed
    client = bound()
    client.on.session.data_received((most + 1).to_bytes(4, "big"))
    assert_ended_in_silence(client.on)


def test_what_is_no_ldap_inside_a_layer_gets_its_notice_inside_the_layer() -> None:
    client = bound()
    client.send(b"\x31\0")
    (notice,) = client.taken()
    assert isinstance(notice, ExtendedResponse)
    assert notice.result_code is ResultCode.PROTOCOL_ERROR
    assert client.on.channel.closed


# Later binds


@each_kind
def test_later_bind_without_a_layer_keeps_the_layer(qop: QOP, cipher: Cipher | None) -> None:
    client = bound(qop, cipher)
    first = client.layer
    (answer,) = client.ask(simple(U1, "password"))
    assert isinstance(answer, BindResponse)
    assert answer.result_code is ResultCode.SUCCESS
    assert client.who() == AS_U1
    assert client.bind(QOP.AUTH).result_code is ResultCode.SUCCESS
    (answer,) = client.ask(simple())
    assert client.layer is first
    assert client.who() == b""


@each_kind
def test_later_bind_with_a_layer_replaces_it_behind_its_success(qop: QOP, cipher: Cipher | None) -> None:
    client = bound(qop, cipher)
    for again, with_cipher in ((QOP.AUTH_INT, None), (QOP.AUTH_CONF, Cipher.RC4)):
        old = client.layer
        assert old is not None
        assert client.bind(again, with_cipher).result_code is ResultCode.SUCCESS  # read through the old one
        assert client.layer is not old
        assert client.who() == AS_U1
    assert old is not None
    client.on.session.data_received(old.wrap(client.on.encoded(WHO)))
    assert_ended_in_silence(client.on)


@each_kind
def test_octets_inside_the_next_layer_may_come_in_one_piece_with_the_response(
    qop: QOP, cipher: Cipher | None
) -> None:
    # However it is cut: each buffer is taken by the layer that is in place when its turn comes.
    for at in (None, 3, 100, -3):
        client = bound(qop, cipher)
        old = client.layer
        assert old is not None
        request, following, _ = client.response(QOP.AUTH_INT, None)
        assert following is not None
        whole = old.wrap(request) + following.wrap(client.on.encoded(WHO))
        for piece in (whole,) if at is None else (whole[:at], whole[at:]):
            client.on.session.data_received(piece)
        written = bytes(client.on.channel.written)
        client.on.channel.written.clear()
        end = 4 + int.from_bytes(written[:4], "big")
        (success,) = client.read(written[:end])
        assert isinstance(success.operation, BindResponse)
        assert success.operation.result_code is ResultCode.SUCCESS
        client.layer = following
        (who,) = client.read(written[end:])
        assert isinstance(who.operation, ExtendedResponse)
        assert who.operation.response_value == AS_U1


def test_failed_bind_keeps_the_layer_and_not_the_identity() -> None:
    client = bound(QOP.AUTH_CONF, Cipher.RC4)
    first = client.layer
    for qop, cipher in (*KINDS, (QOP.AUTH, None)):
        assert client.bind(qop, cipher, password="wrong").result_code is ResultCode.INVALID_CREDENTIALS
    (answer,) = client.ask(simple(U1, "wrong"))
    assert isinstance(answer, BindResponse)
    assert answer.result_code is ResultCode.INVALID_CREDENTIALS
    assert client.layer is first
    assert client.who() == b""


def test_failed_first_bind_lays_no_layer() -> None:
    client = Client(stage())
    assert client.bind(QOP.AUTH_INT, password="wrong").result_code is ResultCode.INVALID_CREDENTIALS
    assert client.who() == b""


class Full:
    """A sink that has no room, from some record on."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, records: Sequence[Record]) -> None:
        self.room -= len(records)
        if self.room < 0:
            raise AuditUnavailable("audit.jsonl: no space left for a record")

    def close(self) -> None:
        """Nothing to close."""


def test_bind_that_cannot_be_recorded_lays_no_layer() -> None:
    client = Client(stage(sinks=[Full(0)]))
    answer = client.bind(QOP.AUTH_INT)
    assert (answer.result_code, answer.server_sasl_creds) == (ResultCode.UNAVAILABLE, None)
    assert client.who() == b""


def test_later_bind_that_cannot_be_recorded_keeps_the_layer() -> None:
    client = bound(QOP.AUTH_CONF, Cipher.TRIPLE_DES, sinks=[Full(1)])
    assert client.bind(QOP.AUTH_INT).result_code is ResultCode.UNAVAILABLE
    assert client.who() == b""


@each_kind
def test_what_comes_inside_a_layer_behind_a_bind_that_is_being_recorded_is_not_read_on(
    qop: QOP, cipher: Cipher | None
) -> None:
    client = bound(qop, cipher)
    session, audit = client.on.session, client.on.service.audit
    audit.gather_by(lambda flush: None)
    pausing = []
    for request in (simple("u1", "password"), WHO):
        client.send(client.on.encoded(request))
        pausing.append(session.pausing)
    audit.flush()
    assert [*pausing, session.pausing] == [False, True, False]
    bind, who = client.taken()
    assert isinstance(bind, BindResponse)
    assert isinstance(who, ExtendedResponse)
    assert (bind.result_code, who.response_value) == (ResultCode.SUCCESS, AS_U1)


# The record


@each_kind
def test_record_names_qop_and_cipher(qop: QOP, cipher: Cipher | None) -> None:
    client = bound(qop, cipher)
    client.bind(qop, cipher, password="wrong")
    said = (qop.decode(), None if cipher is None else cipher.decode())
    assert [(record.reason.value, record.qop, record.cipher) for record in client.on.records] == [
        ("success", *said),
        ("wrong-password", *said),
    ]


@pytest.mark.parametrize(
    ("qop", "cipher", "reason"),
    [(QOP.AUTH_CONF, Cipher.DES, "cipher"), (QOP.AUTH_CONF, None, "malformed"), (QOP.AUTH_INT, None, "qop")],
)
def test_what_was_not_offered_is_refused_and_recorded(qop: QOP, cipher: Cipher | None, reason: str) -> None:
    offered = (QOP.AUTH,) if reason == "qop" else (QOP.AUTH, QOP.AUTH_CONF)
    on = stage(qop=offered, ciphers=(Cipher.RC4,))
    more = "" if cipher is None else f",cipher={cipher.decode()}"
    answer = on.digest(qop=qop.decode(), more=more)
    assert (answer.result_code, answer.diagnostic_message) == (ResultCode.INVALID_CREDENTIALS, "Invalid credentials")
    assert on.reasons == [reason]
    assert on.who() == ""


def test_client_of_the_stage_would_notice_an_altered_answer() -> None:
    client = bound()
    client.send(client.on.encoded(WHO))
    client.on.channel.written[-1] ^= 1
    with pytest.raises(BrokenLayer):
        client.taken()
