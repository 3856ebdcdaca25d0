"""Security layers: what one end wraps the other receives, however it is cut, and nothing that anybody has touched.

What the octets must be is in test_layer_vectors.py; how a layer is agreed upon is at the end of this file.
"""

import hmac
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import (
    QOP,
    BrokenLayer,
    Challenge,
    Cipher,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    Password,
    Reason,
    Response,
    SecurityLayer,
    Success,
    UsageError,
)
from sasl_digest.ciphers import encryptor
from sasl_digest.layers import ConfidentialityLayer, IntegrityLayer, Keys, client_layer, server_layer

H_A1 = bytes(range(16))
LIMIT = 4096
TEXT = "security layer: a buffer is wrong"

KINDS: list[tuple[QOP, Cipher | None]] = [(QOP.AUTH_INT, None), *((QOP.AUTH_CONF, cipher) for cipher in Cipher)]
BLOCKS = (Cipher.DES, Cipher.TRIPLE_DES)
kinds = st.sampled_from(KINDS)
each_kind = pytest.mark.parametrize(("qop", "cipher"), KINDS, ids=[(cipher or qop).decode() for qop, cipher in KINDS])
each_block_cipher = pytest.mark.parametrize("cipher", BLOCKS, ids=lambda cipher: cipher.decode())
messages = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6)


def ends(
    qop: QOP, cipher: Cipher | None, *, peer_maxbuf: int = 65536, limit: int = LIMIT
) -> tuple[SecurityLayer, SecurityLayer]:
    """A client's end and the server's."""
    client = client_layer(H_A1, qop, cipher, peer_maxbuf=peer_maxbuf, limit=limit)
    server = server_layer(H_A1, qop, cipher, peer_maxbuf=peer_maxbuf, limit=limit)
    assert client is not None
    assert server is not None
    return client, server


def buffers(stream: bytes) -> list[bytes]:
    """A stream cut into its buffers, lengths included."""
    found = []
    while stream:
        size = 4 + int.from_bytes(stream[:4], "big")
        found.append(stream[:size])
        assert len(found[-1]) == size, "half a buffer"
        stream = stream[size:]
    return found


def refused(layer: SecurityLayer, data: bytes) -> None:
    """`data` is a BrokenLayer, and all of them look the same."""
    with pytest.raises(BrokenLayer) as caught:
        layer.receive(data)
    assert (type(caught.value), str(caught.value), caught.value.__cause__) == (BrokenLayer, TEXT, None)


# What is wrapped is received


@settings(deadline=None)
@given(kind=kinds, sent=messages, data=st.data())
def test_however_the_stream_is_cut_the_messages_are_the_same(
    kind: tuple[QOP, Cipher | None], sent: list[bytes], data: st.DataObject
) -> None:
    client, server = ends(*kind)
    for sender, receiver in ((client, server), (server, client)):
        stream = b"".join(sender.wrap(message) for message in sent)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
        pieces = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
        assert b"".join(receiver.receive(piece) for piece in pieces) == b"".join(sent)


@each_kind
def test_message_is_given_with_its_last_octet_and_not_before(qop: QOP, cipher: Cipher | None) -> None:
    client, server = ends(qop, cipher)
    first, second = client.wrap(b"first"), client.wrap(b"second")
    assert server.receive(first[:-1]) == b""
    assert server.receive(first[-1:] + second[:-1]) == b"first"
    assert server.receive(second[-1:]) == b"second"


@each_kind
def test_nothing_is_wrapped_as_nothing_and_counts_for_nothing(qop: QOP, cipher: Cipher | None) -> None:
    client, server = ends(qop, cipher)
    assert (client.wrap(b""), server.receive(b"")) == (b"", b"")
    assert server.receive(client.wrap(b"one")) == b"one"


@each_kind
def test_sequence_number_wraps_after_the_last_of_four_octets(qop: QOP, cipher: Cipher | None) -> None:
    client, server = ends(qop, cipher)
    assert isinstance(client, IntegrityLayer)
    assert isinstance(server, IntegrityLayer)
    client._sent = server._received = 0xFFFFFFFF
    last, first = client.wrap(b"last"), client.wrap(b"first")
    assert (last[-4:], first[-4:]) == (b"\xff" * 4, bytes(4))
    assert (server.receive(last), server.receive(first)) == (b"last", b"first")


def least(cipher: Cipher | None) -> int:
    """The shortest buffer that carries an octet: a block cipher fills 16 octets with it, its padding and the MAC."""
    return 22 if cipher in BLOCKS else 17


@settings(deadline=None)
@given(kind=kinds, maxbuf=st.integers(17, 80), size=st.integers(0, 400))
def test_no_buffer_is_longer_than_the_peer_takes(kind: tuple[QOP, Cipher | None], maxbuf: int, size: int) -> None:
    maxbuf = max(maxbuf, least(kind[1]))
    sender, _ = ends(*kind, peer_maxbuf=maxbuf)
    _, receiver = ends(*kind, limit=maxbuf)
    data = bytes(at % 251 for at in range(size))
    wrapped = sender.wrap(data)
    assert receiver.receive(wrapped) == data
    assert all(len(buffer) - 4 <= maxbuf for buffer in buffers(wrapped))


@each_kind
@pytest.mark.parametrize("maxbuf", [64, 1024, 1025, 1031, 65536])
def test_buffers_are_as_long_as_the_peer_takes(qop: QOP, cipher: Cipher | None, maxbuf: int) -> None:
    sender, _ = ends(qop, cipher, peer_maxbuf=maxbuf)
    full, *_ = buffers(sender.wrap(bytes(3 * maxbuf)))
    # The type and the number are behind whole blocks.
    most = (maxbuf - 6) // 8 * 8 + 6 if cipher in BLOCKS else maxbuf
    assert len(full) - 4 == most


# Nothing else is


@settings(max_examples=300, deadline=None)
@given(kind=kinds, sent=messages, data=st.data())
def test_one_flipped_bit_anywhere_is_a_broken_layer(
    kind: tuple[QOP, Cipher | None], sent: list[bytes], data: st.DataObject
) -> None:
    client, server = ends(*kind)
    wrapped = [client.wrap(message) for message in sent]
    which = data.draw(st.integers(0, len(sent) - 1))
    bit = data.draw(st.integers(0, 8 * len(wrapped[which]) - 1))
    altered = bytearray(wrapped[which])
    altered[bit // 8] ^= 0x80 >> bit % 8
    for message, buffer in zip(sent[:which], wrapped[:which], strict=True):
        assert server.receive(buffer) == message
    # A length that became greater is waited for, until that many octets have come.
    behind = bytes(LIMIT) if bit < 32 else b""
    refused(server, bytes(altered) + behind)
    # There is no way back.
    refused(server, b"".join(wrapped[which:]) + behind)


@settings(deadline=None)
@given(kind=kinds, sent=st.lists(st.binary(min_size=1, max_size=40), min_size=3, max_size=6, unique=True))
def test_replayed_dropped_and_swapped_buffers_are_refused(kind: tuple[QOP, Cipher | None], sent: list[bytes]) -> None:
    orders: list[Callable[[list[bytes]], bytes]] = [
        lambda all_of_them: all_of_them[0] * 2,  # replayed
        lambda all_of_them: all_of_them[1],  # the first dropped
        lambda all_of_them: all_of_them[0] + all_of_them[2],  # one dropped
        lambda all_of_them: all_of_them[1] + all_of_them[0],  # swapped
    ]
    for order in orders:
        client, server = ends(*kind)
        refused(server, order([client.wrap(message) for message in sent]))


@each_kind
def test_what_an_end_has_sent_is_not_taken_by_itself_nor_by_another_session(qop: QOP, cipher: Cipher | None) -> None:
    client, server = ends(qop, cipher)
    refused(client, client.wrap(b"there and back"))
    other = client_layer(H_A1[::-1], qop, cipher, peer_maxbuf=LIMIT, limit=LIMIT)
    assert other is not None
    refused(server, other.wrap(b"another session"))


@each_kind
def test_clear_octets_are_refused(qop: QOP, cipher: Cipher | None) -> None:
    refused(ends(qop, cipher)[1], bytes.fromhex("300c02010160070201030400800130") + bytes(10))


@each_kind
def test_announced_length_is_judged_before_anything_is_held(qop: QOP, cipher: Cipher | None) -> None:
    for length in (0, 15, LIMIT + 1, 0x30840000, 0xFFFFFFFF):
        _, server = ends(qop, cipher)
        octets = length.to_bytes(4, "big")
        assert server.receive(octets[:3]) == b""
        refused(server, octets[3:])
    for length in (16, LIMIT):
        _, server = ends(qop, cipher)
        assert server.receive(length.to_bytes(4, "big") + bytes(length - 1)) == b""
        refused(server, b"\0")


@settings(deadline=None)
@given(kind=kinds, pieces=st.lists(st.binary(max_size=64) | st.just(b"\0\0\0\x20") | st.just(bytes(700))))
def test_any_octets_are_a_value_or_a_broken_layer_and_little_is_held(
    kind: tuple[QOP, Cipher | None], pieces: list[bytes]
) -> None:
    _, server = ends(*kind, limit=1024)
    assert isinstance(server, IntegrityLayer)
    for piece in pieces:
        try:
            received = server.receive(piece)
        except BrokenLayer:
            break
        assert received == b""
        assert len(server._held) < 4 + 1024


# What is wrong is not to be told from how long it takes

KEYS = Keys(b"signing key, 16 ", b"sealing key, 16 ")
TYPE = b"\0\1"


def signed(message: bytes, count: int = 0) -> bytes:
    """The MAC, by the formula of section 2.3."""
    return hmac.digest(KEYS.signing, count.to_bytes(4, "big") + message, "md5")[:10]


def receiver_of(cipher: Cipher) -> ConfidentialityLayer:
    return ConfidentialityLayer(KEYS, KEYS, cipher=cipher, peer_maxbuf=LIMIT, limit=LIMIT)


def forged(cipher: Cipher, opened: bytes, tail: bytes = TYPE + bytes(4)) -> bytes:
    """The first buffer of a direction, by whoever has its keys: `opened` is message, padding and MAC."""
    body = encryptor(cipher, KEYS.sealing).update(opened) + tail
    return len(body).to_bytes(4, "big") + body


# The message, what stands in place of its padding, and how much of both a receiver that trusted it would sign.
PADDINGS = {
    "none where it must be": (b"fourteen oct..", b"", 14),
    "of 0": (b"thirteen octs", b"\0", 13),
    "of 0, counted as one": (b"thirteen octs", b"\0", 12),
    "of 9": (b"abcde", b"\x09" * 9, 5),
    "of 255": (b"abcde", b"\xff" * 9, 5),
    "only its last octet is right": (b"abcde", b"\1" * 8 + b"\x09", 5),
    "its first octet is wrong": (b"abcdefghijk", b"\2\3\3", 11),
    "one octet of it is wrong": (b"abcdefghi", b"\5\5\4\5\5", 9),
    "a block too much": (b"abcdefghi", b"\x0d" * 13, 9),
    "longer than the message": (b"", b"\7" * 6, 0),
}


@each_block_cipher
@pytest.mark.parametrize("padding", PADDINGS)
def test_padding_that_is_wrong_is_refused_although_the_mac_is_right(cipher: Cipher, padding: str) -> None:
    message, filler, counted = PADDINGS[padding]
    opened = message + filler + signed((message + filler)[:counted])
    refused(receiver_of(cipher), forged(cipher, opened))


@each_block_cipher
@pytest.mark.parametrize("size", range(17))
def test_padding_is_one_to_eight_octets_each_its_number(cipher: Cipher, size: int) -> None:
    message = b"a message of ..."[:size]
    padding = 8 - (size + 10) % 8
    opened = message + bytes([padding]) * padding + signed(message)
    assert receiver_of(cipher).receive(forged(cipher, opened)) == message
    if message:
        assert receiver_of(cipher).wrap(message) == forged(cipher, opened)


@each_block_cipher
@pytest.mark.parametrize("size", [10, 15, 17, 23])
def test_sealed_octets_that_are_no_whole_blocks_are_refused(cipher: Cipher, size: int) -> None:
    body = bytes(size) + TYPE + bytes(4)
    refused(receiver_of(cipher), len(body).to_bytes(4, "big") + body)


@each_block_cipher
def test_bad_padding_costs_the_hmacs_of_a_bad_mac(cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> None:
    right = b"abcde" + b"\1" + signed(b"abcde")
    cases = {
        "right": forged(cipher, right),
        "MAC": forged(cipher, right[:-1] + b"?"),
        "padding": forged(cipher, b"abcde" + b"\2" + signed(b"abcde")),
        "padding of 0": forged(cipher, b"abcde" + b"\0" + signed(b"abcde")),
        "type": forged(cipher, right, b"\0\2" + bytes(4)),
        "sequence number": forged(cipher, right, TYPE + b"\0\0\0\1"),
        "all of them": forged(cipher, b"abcde" + b"\0" + bytes(10), b"\1\0" + b"\xff" * 4),
    }
    digest, counted = hmac.digest, []

    def counting(key: bytes, message: bytes, name: str) -> bytes:
        counted.append(len(message))
        return digest(key, message, name)

    monkeypatch.setattr("sasl_digest.layers.hmac.digest", counting)
    costs = {}
    for what, buffer in cases.items():
        counted.clear()
        if what == "right":
            assert receiver_of(cipher).receive(buffer) == b"abcde"
        else:
            refused(receiver_of(cipher), buffer)
        costs[what] = list(counted)
    # One each, over the sequence number and as many octets.
    assert costs == {what: [4 + 5] for what in cases}


@each_kind
def test_no_key_is_in_any_repr(qop: QOP, cipher: Cipher | None) -> None:
    layer, _ = ends(qop, cipher)
    success = Success("u1", "realm", None, qop, b"rspauth=00", layer)
    shown = " ".join(map(repr, (KEYS, layer, success, receiver_of(cipher or Cipher.RC4))))
    for secret in (KEYS.signing, KEYS.sealing, H_A1):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert repr(KEYS) == "Keys()"
    assert "layer" not in repr(success)


# How a layer is agreed upon

ALL_QOP = (QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF)


def server_of(
    *, qop: Sequence[QOP] = ALL_QOP, ciphers: Sequence[Cipher] = tuple(Cipher), maxbuf: int = 65536
) -> DigestServer:
    return DigestServer(realms=["r"], qop=qop, ciphers=ciphers, maxbuf=maxbuf)


def client_of(
    *, qop: Sequence[QOP] = ALL_QOP, ciphers: Sequence[Cipher] = tuple(Cipher), maxbuf: int = 65536
) -> DigestClient:
    return DigestClient("u1", Password("p"), service="ldap", host="h", qop=qop, ciphers=ciphers, maxbuf=maxbuf)


def joined(client: DigestClient, server: DigestServer) -> tuple[Success, Success]:
    """How a conversation ends at the client and at the server."""
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    response = client.step(challenge.data)
    assert isinstance(response, Response)
    assert isinstance(server.step(response.data), Lookup)
    theirs = server.verify(Password("p"))
    assert isinstance(theirs, Success)
    ours = client.step(theirs.data)
    assert isinstance(ours, Success)
    return ours, theirs


@settings(max_examples=100, deadline=None)
@given(
    kind=kinds,
    client_maxbuf=st.integers(22, 64) | st.sampled_from([17, 1024, 65536, 16777215]),
    server_maxbuf=st.integers(22, 64) | st.sampled_from([17, 1024, 65536, 16777215]),
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=3),
)
def test_both_ends_agree_over_every_qop_cipher_maxbuf_and_size(
    kind: tuple[QOP, Cipher | None], client_maxbuf: int, server_maxbuf: int, sizes: list[int]
) -> None:
    qop, cipher = kind
    client_maxbuf, server_maxbuf = max(client_maxbuf, least(cipher)), max(server_maxbuf, least(cipher))
    ciphers = [cipher] if cipher else list(Cipher)
    ours, theirs = joined(
        client_of(qop=[qop], ciphers=ciphers, maxbuf=client_maxbuf), server_of(maxbuf=server_maxbuf)
    )
    assert ours.qop is theirs.qop is qop
    assert ours.layer is not None
    assert theirs.layer is not None
    for size in sizes:
        data = bytes(size)
        up, down = ours.layer.wrap(data), theirs.layer.wrap(data)
        assert theirs.layer.receive(up) == ours.layer.receive(down) == data
        assert all(len(buffer) - 4 <= server_maxbuf for buffer in buffers(up))
        assert all(len(buffer) - 4 <= client_maxbuf for buffer in buffers(down))


def test_auth_has_no_layer() -> None:
    ours, theirs = joined(client_of(qop=[QOP.AUTH]), server_of())
    assert (ours.qop, ours.layer, theirs.qop, theirs.layer) == (QOP.AUTH, None, QOP.AUTH, None)


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ((QOP.AUTH_CONF, QOP.AUTH_INT), ALL_QOP, QOP.AUTH_CONF),
        ((QOP.AUTH_INT, QOP.AUTH_CONF), ALL_QOP, QOP.AUTH_INT),
        ((QOP.AUTH, QOP.AUTH_CONF), ALL_QOP[::-1], QOP.AUTH),
        ((QOP.AUTH_CONF, QOP.AUTH_INT), (QOP.AUTH, QOP.AUTH_INT), QOP.AUTH_INT),
    ],
)
def test_first_qop_of_the_client_that_is_offered_is_taken(
    wanted: tuple[QOP, ...], offered: tuple[QOP, ...], chosen: QOP
) -> None:
    ours, theirs = joined(client_of(qop=wanted), server_of(qop=offered))
    assert ours.qop is theirs.qop is chosen


def test_first_cipher_of_the_client_that_is_offered_is_taken() -> None:
    server = server_of(ciphers=[Cipher.RC4, Cipher.DES])
    joined(client_of(qop=[QOP.AUTH_CONF], ciphers=[Cipher.TRIPLE_DES, Cipher.DES, Cipher.RC4]), server)
    assert server.response is not None
    assert server.response.cipher is Cipher.DES


def refusal_of_client(client: DigestClient, server: DigestServer) -> Failure:
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    outcome = client.step(challenge.data)
    assert isinstance(outcome, Failure)
    return outcome


def test_client_takes_no_qop_and_no_cipher_that_is_not_offered() -> None:
    failure = refusal_of_client(client_of(qop=[QOP.AUTH_INT]), server_of(qop=[QOP.AUTH]))
    assert (failure.reason, "auth-int" in failure.detail) == (Reason.QOP, True)
    failure = refusal_of_client(
        client_of(qop=[QOP.AUTH_CONF], ciphers=[Cipher.DES]), server_of(ciphers=[Cipher.RC4, Cipher.TRIPLE_DES])
    )
    assert (failure.reason, "rc4, 3des" in failure.detail) == (Reason.CIPHER, True)


def answer_of_server(
    server: DigestServer, change: Callable[[bytes], bytes], **client: Sequence[QOP] | Sequence[Cipher]
) -> Failure | Success:
    """What the server makes of a response to a challenge that offered more, and was then changed."""
    generous = client_of(**client)  # type: ignore[arg-type]
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    head, _, tail = challenge.data.partition(b"algorithm")
    offer = b'qop="auth,auth-int,auth-conf",cipher="3des,des,rc4,rc4-56,rc4-40",algorithm' + tail
    assert head
    response = generous.step(offer)
    assert isinstance(response, Response)
    outcome = server.step(change(response.data))
    if isinstance(outcome, Lookup):
        verdict = server.verify(Password("p"))
        assert isinstance(verdict, Failure | Success)
        return verdict
    assert isinstance(outcome, Failure)
    return outcome


def same(response: bytes) -> bytes:
    return response


def appending(more: bytes) -> Callable[[bytes], bytes]:
    return lambda response: response + more


def test_server_takes_no_qop_and_no_cipher_that_was_not_offered() -> None:
    outcome = answer_of_server(server_of(qop=[QOP.AUTH]), same, qop=[QOP.AUTH_INT])
    assert outcome == Failure(Reason.QOP)
    outcome = answer_of_server(server_of(qop=[QOP.AUTH, QOP.AUTH_INT]), same, qop=[QOP.AUTH_CONF])
    assert outcome == Failure(Reason.QOP)
    outcome = answer_of_server(
        server_of(ciphers=[Cipher.RC4, Cipher.TRIPLE_DES]), same, qop=[QOP.AUTH_CONF], ciphers=[Cipher.DES]
    )
    assert outcome == Failure(Reason.CIPHER)


@pytest.mark.parametrize("cipher", [b"", b",cipher=aes", b",cipher=3des,cipher=rc4", b",cipher=rc4-41"])
def test_auth_conf_without_one_cipher_that_we_know_is_malformed(cipher: bytes) -> None:
    outcome = answer_of_server(
        server_of(), lambda response: response.replace(b",cipher=3des", cipher), qop=[QOP.AUTH_CONF]
    )
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.detail.startswith("cipher: ")) == (Reason.MALFORMED, True)


def test_cipher_beside_another_qop_is_not_looked_at() -> None:
    for cipher in (b",cipher=3des", b",cipher=des", b",cipher=aes"):
        server = server_of(ciphers=[Cipher.TRIPLE_DES])
        outcome = answer_of_server(server, appending(cipher), qop=[QOP.AUTH_INT])
        assert isinstance(outcome, Success)
        assert type(outcome.layer) is IntegrityLayer


def test_terms_without_a_cipher_for_auth_conf_are_refused() -> None:
    for make in (server_of, client_of):
        with pytest.raises(UsageError, match="ciphers"):
            make(qop=[QOP.AUTH_CONF], ciphers=[])
        make(qop=[QOP.AUTH, QOP.AUTH_INT], ciphers=[])
        with pytest.raises(UsageError, match="qop"):
            make(qop=[])
        for maxbuf in (16, 16777216):
            with pytest.raises(UsageError, match="maxbuf"):
                make(maxbuf=maxbuf)
        for maxbuf in (17, 16777215):
            make(maxbuf=maxbuf)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (
            DigestServer(realms=["contoso.com"], qop=ALL_QOP),
            rb'qop="auth,auth-int,auth-conf",cipher="3des,rc4",algorithm=md5-sess,'
            rb'nonce="%b",charset=utf-8,realm="contoso.com"',
        ),
        (
            DigestServer(realms=["contoso.com"], qop=[QOP.AUTH_INT, QOP.AUTH], maxbuf=1024),
            rb'qop="auth-int,auth",maxbuf=1024,algorithm=md5-sess,nonce="%b",charset=utf-8,realm="contoso.com"',
        ),
        (
            DigestServer(qop=[QOP.AUTH_CONF], ciphers=[Cipher.RC4_40, Cipher.RC4_56, Cipher.DES], utf8=False),
            rb'qop="auth-conf",cipher="rc4-40,rc4-56,des",algorithm=md5-sess,nonce="%b"',
        ),
    ],
)
def test_challenge_offers_in_the_order_of_active_directory(server: DigestServer, expected: bytes) -> None:
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    nonce = challenge.data.partition(b'nonce="')[2].partition(b'"')[0]
    assert len(nonce) >= 22
    assert challenge.data == expected.replace(b"%b", nonce)


def test_server_takes_longer_buffers_than_it_asks_for_up_to_its_limit() -> None:
    server = DigestServer(realms=["r"], qop=ALL_QOP, maxbuf=64, buffer_limit=128)
    ours, theirs = joined(client_of(qop=[QOP.AUTH_INT]), server)
    assert ours.layer is not None
    assert theirs.layer is not None
    assert [len(buffer) for buffer in buffers(ours.layer.wrap(bytes(96)))] == [68, 68]
    refused(theirs.layer, (129).to_bytes(4, "big"))
    _, theirs = joined(client_of(qop=[QOP.AUTH_INT]), server.fresh())
    assert theirs.layer is not None
    assert theirs.layer.receive((128).to_bytes(4, "big")) == b""


def test_buffer_limit_never_undercuts_maxbuf_and_a_client_takes_no_more_than_it_said() -> None:
    ours, theirs = joined(
        client_of(qop=[QOP.AUTH_INT], maxbuf=100),
        DigestServer(realms=["r"], qop=ALL_QOP, maxbuf=128, buffer_limit=64),
    )
    assert ours.layer is not None
    assert theirs.layer is not None
    for layer, most in ((theirs.layer, 128), (ours.layer, 100)):
        assert layer.receive(most.to_bytes(4, "big")[:3]) == b""
        refused(layer, (most + 1).to_bytes(4, "big")[3:])


# What no buffer is small enough for


@pytest.mark.parametrize("cipher", [Cipher.DES, Cipher.TRIPLE_DES])
def test_peer_whose_maxbuf_holds_no_block_is_refused(cipher: Cipher) -> None:
    for maxbuf, ends in ((21, True), (22, False)):
        server = DigestServer(qop=[QOP.AUTH_CONF], ciphers=[cipher])
        client = DigestClient("u", Password("p"), service="s", host="h", qop=[QOP.AUTH_CONF], ciphers=[cipher])
        challenge = server.step(b"")
        assert isinstance(challenge, Challenge)
        response = client.step(challenge.data)
        assert isinstance(response, Response)
        # A client that does not see to it itself, as ours does.
        outcome = server.step(DigestResponse.parse(response.data)._replace(maxbuf=maxbuf).encode())
        assert (isinstance(outcome, Failure) and outcome.reason is Reason.CIPHER) is ends
        small = DigestServer(qop=[QOP.AUTH_CONF], ciphers=[cipher], maxbuf=maxbuf).step(b"")
        assert isinstance(small, Challenge)
        other = DigestClient("u", Password("p"), service="s", host="h", qop=[QOP.AUTH_CONF], ciphers=[cipher])
        assert isinstance(other.step(small.data), Failure) is ends
        choosy = DigestClient(
            "u", Password("p"), service="s", host="h", qop=[QOP.AUTH_CONF], ciphers=[cipher], maxbuf=maxbuf
        )
        assert isinstance(choosy.step(challenge.data), Failure) is ends


def test_auth_conf_that_no_cipher_fits_gives_way_to_the_next_qop_wanted() -> None:
    challenge = b'qop="auth,auth-int,auth-conf",cipher="des",maxbuf=%d,algorithm=md5-sess,nonce="n"'
    for maxbuf, ciphers, qop in ((65536, [Cipher.RC4], QOP.AUTH_INT), (21, [Cipher.DES], QOP.AUTH_INT)):
        wanted = [QOP.AUTH_CONF, QOP.AUTH_INT]
        client = DigestClient("u", Password("p"), service="s", host="h", qop=wanted, ciphers=ciphers)
        response = client.step(challenge % maxbuf)
        assert isinstance(response, Response)
        assert (DigestResponse.parse(response.data).qop, DigestResponse.parse(response.data).cipher) == (qop, None)


def test_auth_conf_without_a_cipher_is_no_layer() -> None:
    with pytest.raises(UsageError, match=r"^cipher: due for auth-conf$"):
        server_layer(bytes(16), QOP.AUTH_CONF, None, peer_maxbuf=65536, limit=65536)
