"""No password, hash, nonce, cnonce or response can be read off anything the engine makes or raises."""

import traceback
from collections.abc import Iterator
from hashlib import md5

import pytest

from sasl_digest import (
    HA1,
    Challenge,
    DigestChallenge,
    DigestClient,
    DigestError,
    DigestResponse,
    DigestServer,
    Failure,
    NonceBook,
    Password,
    Response,
    ResponseAuth,
    Success,
)
from sasl_digest.nonces import Nonces, NonceState

PASSWORD = "hunter2-pass"
NONCE, CNONCE = b"MARKNONCE", b"MARKCNONCE"
HASH = md5(f"alice:example.org:{PASSWORD}".encode()).digest()


class MarkedNonce(Nonces):
    def issue(self) -> bytes:
        return NONCE

    def state(self, nonce: bytes) -> NonceState:
        return NonceState.FRESH

    def expired(self, nonce: bytes) -> bool:
        return False


def told(thing: object) -> str:
    """All that a log could say of `thing`: itself, what it holds, and for an error its whole traceback."""
    words = [repr(thing), str(thing), f"{thing}"]
    if isinstance(thing, BaseException):
        words += traceback.format_exception(thing)
        words += [told(arg) for arg in thing.args] + [repr(thing.__context__), repr(vars(thing))]
    if isinstance(thing, Failure):
        words += [thing.detail, "" if thing.cause is None else told(thing.cause)]
    return "\n".join(words)


def markers(*messages: bytes) -> Iterator[str]:
    """What must not be told: the fixed secrets, and the proofs found in `messages`."""
    yield from (PASSWORD, NONCE.decode(), CNONCE.decode(), HASH.hex(), repr(HASH), repr(HASH)[2:-1])
    for message in messages:
        for part in message.decode().split(","):
            name, _, value = part.partition("=")
            if name in ("response", "rspauth"):
                yield value


def exchange(credential: Password | HA1) -> tuple[list[object], list[bytes]]:
    """Everything made in one exchange, and what went over the wire."""
    book = NonceBook()
    server = DigestServer(realms=["example.org"], nonces=MarkedNonce())
    ours = Password(PASSWORD)
    client = DigestClient("alice", ours, service="ldap", host="h", authzid="u:bob", cnonce=lambda: CNONCE)
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    response = client.step(challenge.data)
    assert isinstance(response, Response)
    lookup = server.step(response.data)
    outcome = server.verify(credential)
    wire = [challenge.data, response.data, outcome.data if isinstance(outcome, Success) else b"rspauth=" + b"0" * 32]
    proved = client.step(wire[-1])
    messages = [DigestChallenge.parse(wire[0]), DigestResponse.parse(wire[1]), ResponseAuth.parse(wire[2])]
    made = [book, server, client, ours, credential, challenge, response, lookup, outcome, proved, *messages]
    made += [server.response, client.challenge, server._terms]
    for step in (server.step, client.step):
        with pytest.raises(DigestError) as caught:
            step(wire[1])
        made.append(caught.value)
    return made, wire


@pytest.mark.parametrize("credential", [Password(PASSWORD), HA1(HASH, username="alice"), HA1(HASH, username="bob")])
def test_no_object_of_an_exchange_tells_a_secret(credential: Password | HA1) -> None:
    made, wire = exchange(credential)
    assert any(name in wire[1].decode() for name in markers(*wire))  # the markers are there to be found
    for thing in made:
        for marker in markers(*wire):
            assert marker not in told(thing), type(thing)


def test_what_is_no_secret_is_told() -> None:
    made, _ = exchange(Password(PASSWORD))
    words = "\n".join(map(told, made))
    assert "alice" in words
    assert "example.org" in words
    assert "ldap/h" in words


@pytest.mark.parametrize(
    "change",
    [
        (b"response=", b"response=x"),
        (b"response=", b"response=x,response="),
        (b"nonce=", b"nonce=x,nonce="),
        (b'cnonce="', b'cnonce="",cnonce="'),
        (b"nc=00000001", b"nc=1"),
        (b"nc=00000001", b"nc=00000002"),
        (b"MARKNONCE", b"MARKNONCE2"),
        (b"qop=auth", b"qop=x"),
        (b"qop=auth", b"qop=auth-int"),
        (b"digest-uri=", b"digest-uris="),
        (b"ldap/h", b"imap/h"),
        (b'"alice"', b'"\xff"'),
        (b'"alice"', b'"alice'),
        (b'"alice"', b'"alice"\x00'),
        (b'"u:bob"', b'"\xfc"'),
        (b"charset=utf-8,", b"charset=utf-8,maxbuf=x,"),
    ],
)
def test_no_refusal_of_a_response_tells_a_secret(change: tuple[bytes, bytes]) -> None:
    _, wire = exchange(Password(PASSWORD))
    assert change[0] in wire[1]
    server = DigestServer(service="ldap", nonces=MarkedNonce())
    server.step(b"")
    outcome = server.step(wire[1].replace(*change))
    assert isinstance(outcome, Failure)
    for marker in markers(*wire):
        assert marker not in told(outcome)


@pytest.mark.parametrize(
    "challenge",
    [
        b'nonce="MARKNONCE"',
        b'nonce="MARKNONCE",nonce="MARKNONCE",algorithm=md5-sess',
        b'nonce="MARKNONCE",algorithm=md5-sess,qop="auth-int"',
        b'nonce="MARKNONCE",algorithm=md5-sess,realm="b\xfc",charset=utf-8',
        b'nonce="MARKNONCE',
        b'nonce="MARKNONCE",algorithm=md5-sess',
    ],
)
def test_no_refusal_of_a_challenge_tells_a_secret(challenge: bytes) -> None:
    client = DigestClient("山田", Password(PASSWORD), service="ldap", host="h", cnonce=lambda: CNONCE)
    outcome = client.step(challenge)
    assert isinstance(outcome, Failure)
    for marker in markers():
        assert marker not in told(outcome)
