"""Recorded exchanges that end in a security layer, and their buffers, octet for octet (tests/vectors/layers.json)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sasl_digest import (
    QOP,
    BrokenLayer,
    Challenge,
    Cipher,
    DigestChallenge,
    DigestClient,
    DigestResponse,
    DigestServer,
    Lookup,
    Password,
    Response,
    SecurityLayer,
    Success,
)
from sasl_digest.layers import ConfidentialityLayer, IntegrityLayer, Keys, client_layer, server_layer
from sasl_digest.nonces import Nonces, NonceState

VECTORS = Path(__file__).parents[1] / "vectors"
ITEMS = json.loads((VECTORS / "layers.json").read_text("utf-8"))["items"]
WINLDAP = json.loads((VECTORS / "exchanges.json").read_text("utf-8"))["wldap32_recorded"]

each = pytest.mark.parametrize("item", [pytest.param(item, id=item["name"]) for item in ITEMS])
LIMIT = 65536


@dataclass(frozen=True)
class OneNonce(Nonces):
    """The nonce of a vector."""

    nonce: bytes

    def issue(self) -> bytes:
        return self.nonce

    def state(self, nonce: bytes) -> NonceState:
        return NonceState.FOREIGN

    def expired(self, nonce: bytes) -> bool:
        return False


def server_of(item: Any) -> Success:
    """What our server makes of a recorded response."""
    response = item["response"].encode()
    nonce = DigestResponse.parse(response).nonce
    server = DigestServer(qop=tuple(QOP), ciphers=tuple(Cipher), nonces=OneNonce(nonce))
    assert isinstance(server.step(b""), Challenge)
    assert isinstance(server.step(response), Lookup)
    outcome = server.verify(Password(item["password"]))
    assert isinstance(outcome, Success)
    return outcome


def client_of(item: Any) -> Success:
    """What our client makes of a recorded challenge and rspauth; its response is the recorded one."""
    recorded = DigestResponse.parse(item["response"].encode())
    serv_type, _, host = recorded.digest_uri.decode().partition("/")
    client = DigestClient(
        item["username"],
        Password(item["password"]),
        service=serv_type,
        host=host,
        realm=recorded.realm,
        authzid=recorded.authzid,
        qop=[recorded.qop],
        ciphers=[recorded.cipher or Cipher.RC4],
        maxbuf=recorded.maxbuf,
        cnonce=lambda: recorded.cnonce,
    )
    answer = client.step(item["challenge"].encode())
    assert isinstance(answer, Response)
    ours = DigestResponse.parse(answer.data)
    assert (ours.response, ours.qop, ours.cipher) == (recorded.response, recorded.qop, recorded.cipher)
    outcome = client.step(item["rspauth"].encode())
    assert isinstance(outcome, Success)
    return outcome


def framed(wrapped: str) -> bytes:
    """A buffer with the four octets of length that the file leaves out."""
    body = bytes.fromhex(wrapped)
    return len(body).to_bytes(4, "big") + body


def layer_of(outcome: Success) -> SecurityLayer:
    assert outcome.layer is not None
    assert outcome.layer.qop is outcome.qop
    return outcome.layer


def play(steps: Iterable[dict[str, str]], client: SecurityLayer, server: SecurityLayer) -> None:
    """Each step in both directions: what one end wraps is the buffer, and the other end takes it or refuses it."""
    for step in steps:
        sender, receiver = (client, server) if step["dir"] == "c2s" else (server, client)
        buffer = framed(step["wrapped"])
        if "reject" in step:
            with pytest.raises(BrokenLayer):
                receiver.receive(buffer)
        else:
            plain = bytes.fromhex(step["plain"])
            assert sender.wrap(plain) == buffer
            assert receiver.receive(buffer) == plain


def test_the_file_has_every_qop_and_cipher_of_both_ends_and_refusals() -> None:
    responses = [DigestResponse.parse(item["response"].encode()) for item in ITEMS]
    assert {response.cipher for response in responses} == {None, *Cipher}
    steps = [step for item in ITEMS for step in item["layer"]]
    assert len(steps) == 305
    assert {(step["dir"], "reject" in step) for step in steps} == {
        (direction, refused) for direction in ("c2s", "s2c") for refused in (False, True)
    }


@each
def test_both_our_ends_make_and_take_the_recorded_buffers(item: Any) -> None:
    client, server = client_of(item), server_of(item)
    assert server.data == item["rspauth"].encode()
    play(item["layer"], layer_of(client), layer_of(server))


@each
def test_layer_follows_from_h_a1_alone(item: Any) -> None:
    response = DigestResponse.parse(item["response"].encode())
    h_a1 = bytes.fromhex(item["ha1_hex"])
    client = client_layer(h_a1, response.qop, response.cipher, peer_maxbuf=LIMIT, limit=LIMIT)
    server = server_layer(h_a1, response.qop, response.cipher, peer_maxbuf=LIMIT, limit=LIMIT)
    assert client is not None
    assert server is not None
    play(item["layer"], client, server)


@pytest.mark.parametrize("item", [pytest.param(item, id=item["name"]) for item in ITEMS if item["keys"]])
def test_recorded_keys_make_the_recorded_buffers(item: Any) -> None:
    cipher = DigestResponse.parse(item["response"].encode()).cipher
    c2s, s2c = (
        Keys(bytes.fromhex(item["keys"][f"Ki_{way}"]), bytes.fromhex(item["keys"].get(f"Kc_{way}", "")))
        for way in ("c2s", "s2c")
    )
    ends: list[SecurityLayer] = [
        IntegrityLayer(sending.signing, receiving.signing, peer_maxbuf=LIMIT, limit=LIMIT)
        if cipher is None
        else ConfidentialityLayer(sending, receiving, cipher=cipher, peer_maxbuf=LIMIT, limit=LIMIT)
        for sending, receiving in ((c2s, s2c), (s2c, c2s))
    ]
    play(item["layer"], *ends)


@each
def test_one_direction_in_one_stream_is_one_stream_of_messages(item: Any) -> None:
    for way, receiver in (("c2s", layer_of(server_of(item))), ("s2c", layer_of(client_of(item)))):
        steps = [step for step in item["layer"] if step["dir"] == way and "reject" not in step]
        stream = b"".join(framed(step["wrapped"]) for step in steps)
        plain = b"".join(bytes.fromhex(step["plain"]) for step in steps)
        assert b"".join([receiver.receive(stream[at : at + 1]) for at in range(len(stream))]) == plain


def test_winldap_through_3des_is_accepted() -> None:
    recorded = WINLDAP | {"response": WINLDAP["response_text"]}
    outcome = server_of(recorded)
    assert (outcome.qop, outcome.data) == (QOP.AUTH_CONF, f"rspauth={WINLDAP['rspauth']}".encode())
    challenge = DigestChallenge(
        nonce=WINLDAP["nonce"].encode(), realms=("",), qop_options=(QOP.AUTH_CONF,), cipher_options=tuple(Cipher)
    )
    client = client_of(
        recorded | {"challenge": challenge.encode().decode(), "rspauth": f"rspauth={WINLDAP['rspauth']}"}
    )
    ours, theirs = layer_of(outcome), layer_of(client)
    assert isinstance(ours, ConfidentialityLayer)
    assert ours.receive(theirs.wrap(b"a search")) == b"a search"
    assert theirs.receive(ours.wrap(b"its answer")) == b"its answer"
