"""For any bytes at all: a step ends in an outcome, a parser in a value or a PeerError, and nothing else is raised."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sasl_digest import (
    Challenge,
    DigestChallenge,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    NonceBook,
    Password,
    PeerError,
    Response,
    ResponseAuth,
)
from sasl_digest.grammar import split
from sasl_digest.nonces import NonceState

BOOK = NonceBook(clock=lambda: 0.0, token=bytes)
NONCE = BOOK.issue()
CHALLENGE = (
    b'qop="auth,auth-int,auth-conf",cipher="3des,rc4",maxbuf=4096,algorithm=md5-sess,nonce="%b",stale=true,'
    b'charset=utf-8,realm="example.org",realm="zw\xc3\xb6"' % NONCE
)
RESPONSE = (
    b'charset=utf-8,username="j\xc3\xbcr\\"gen",realm="example.org",nonce="%b",nc=00000001,cnonce="cn0nce",'
    b'digest-uri="ldap/ldap.example.org",maxbuf=4096,response=d388dad90d4bbd760a152321f2143af7,qop=auth,'
    b'cipher=rc4,authzid="u:bob"' % NONCE
)
RSPAUTH = b"rspauth=d388dad90d4bbd760a152321f2143af7"

NAMES = "realm nonce qop stale maxbuf charset algorithm cipher username cnonce nc digest-uri response authzid rspauth"
PIECES = [name.encode() for name in NAMES.split()] + [
    b"=", b",", b'"', b"\\", b" ", b"\r\n", b"\x00", b"\xff", b"\xc3", b"utf-8", b"md5-sess", b"auth", b"auth-conf",
    b"rc4", b"00000001", b"0" * 32, NONCE, b"9" * 30, b"true", b"x" * 2000,
]  # fmt: skip
DIRECTIVES = st.tuples(st.sampled_from(NAMES.split()), st.sampled_from(PIECES)).map(
    lambda d: d[0].encode() + b"=" + d[1]
)


@st.composite
def mutated(draw: st.DrawFn, message: bytes) -> bytes:
    """`message` with a few stretches of it replaced by something else, or by something of its own."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(message)))
        end = draw(st.integers(start, min(len(message), start + 20)))
        piece = draw(st.binary(max_size=4) | st.sampled_from(PIECES) | st.just(message[start : start + 30]))
        message = message[:start] + piece + message[end:]
    return message


ANY_BYTES = (
    st.binary(max_size=200)
    | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
    | st.lists(DIRECTIVES, max_size=16).map(b",".join)
    | mutated(CHALLENGE)
    | mutated(RESPONSE)
    | mutated(RSPAUTH)
)


@pytest.mark.parametrize(
    "read",
    [DigestChallenge.parse, DigestResponse.parse, ResponseAuth.parse, lambda data: split("digest-response", data)],
    ids=["challenge", "response", "response-auth", "split"],
)
@settings(deadline=None, max_examples=200)
@given(data=ANY_BYTES)
@example(data=b"")
@example(data=b"\x00")
@example(data=b"x=" * 3000)
@example(data=CHALLENGE)
@example(data=RESPONSE)
@example(data=RSPAUTH)
def test_reading_ends_in_a_value_or_a_peer_error(read: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert read(data)


@settings(deadline=None, max_examples=300)
@given(data=mutated(RESPONSE) | ANY_BYTES)
@example(data=RESPONSE)
@example(data=RESPONSE.replace(NONCE, b"!" + NONCE))
def test_server_answers_any_response_with_an_outcome(data: bytes) -> None:
    server = DigestServer(realms=["example.org"], service="ldap", hosts=["ldap.example.org"], nonces=BOOK)
    server.step(b"")
    outcome = server.step(data)
    assert isinstance(outcome, Lookup | Failure)
    if isinstance(outcome, Lookup):
        assert isinstance(server.verify(Password("secret")), Failure)


@settings(deadline=None)
@given(data=ANY_BYTES)
def test_server_answers_any_initial_response_with_a_challenge(data: bytes) -> None:
    assert isinstance(DigestServer().step(data), Challenge)


@settings(deadline=None, max_examples=300)
@given(data=mutated(CHALLENGE) | ANY_BYTES)
@example(data=CHALLENGE)
def test_client_answers_any_challenge_with_an_outcome(data: bytes) -> None:
    client = DigestClient("jürgen", Password("secret"), service="ldap", host="h")
    assert isinstance(client.step(data), Response | Failure)


@settings(deadline=None)
@given(data=ANY_BYTES)
@example(data=RSPAUTH)
def test_client_answers_any_response_auth_with_an_outcome(data: bytes) -> None:
    client = DigestClient("alice", Password("secret"), service="ldap", host="h")
    assert isinstance(client.step(CHALLENGE), Response)
    assert isinstance(client.step(data), Failure)


@settings(deadline=None)
@given(nonce=st.binary(max_size=60) | mutated(NONCE))
def test_every_nonce_but_its_own_is_foreign_to_a_book(nonce: bytes) -> None:
    assert BOOK.state(nonce) is (NonceState.FRESH if nonce == NONCE else NonceState.FOREIGN)
