"""Subsequent authentication (RFC 2831 section 2.2): who was here before comes back in one round trip."""

from dataclasses import replace

import pytest

from sasl_digest import (
    HA1,
    QOP,
    Challenge,
    Cipher,
    Credential,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    NonceBook,
    Password,
    Reason,
    Remembered,
    Response,
    Success,
    UsageError,
)
from sasl_digest.channel_binding import END_POINT, NO_CHANNEL, token

SECRET = Password("secret")


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


def server_with(clock: Clock, nonces: NonceBook | None = None) -> DigestServer:
    nonces = nonces or NonceBook(clock=clock, remembered_for=3600.0)
    return DigestServer(realms=["example.org"], service="ldap", hosts=["h"], nonces=nonces, qop=tuple(QOP))


def client(remembered: Remembered | None = None, password: str = "secret", qop: QOP = QOP.AUTH) -> DigestClient:
    return DigestClient("alice", Password(password), service="ldap", host="h", remembered=remembered, qop=[qop])


def first_time(server: DigestServer, qop: QOP = QOP.AUTH) -> Remembered:
    """A first authentication, and what the client keeps of it."""
    end = client(qop=qop)
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    return finished(end, answered(server, said(end.step(challenge.data)), SECRET))


def said(outcome: object) -> bytes:
    assert isinstance(outcome, Response)
    return outcome.data


def answered(server: DigestServer, response: bytes, credential: Credential | None) -> Success | Challenge | Failure:
    outcome = server.step(response)
    return server.verify(credential) if isinstance(outcome, Lookup) else outcome


def finished(end: DigestClient, verdict: object) -> Remembered:
    assert isinstance(verdict, Success)
    outcome = end.step(verdict.data)
    assert isinstance(outcome, Success)
    assert outcome.remembered is not None
    return outcome.remembered


def changed(response: bytes, **fields: object) -> bytes:
    return DigestResponse.parse(response)._replace(**fields).encode()  # type: ignore[arg-type]  # any of its fields


def refused(verdict: object, reason: Reason) -> bool:
    """Whether the answer is a challenge like the first: nothing but the audit is told why."""
    return isinstance(verdict, Challenge) and not verdict.stale and verdict.reason is reason


# One round trip


def test_client_comes_back_in_one_round_trip_again_and_again() -> None:
    server = server_with(Clock())
    remembered = first_time(server)
    for nonce_count in (2, 3, 4):
        end = client(remembered)
        server = server.fresh()
        response = said(end.initial_response())
        assert b"nc=%08x," % nonce_count in response
        assert server.step(response) == Lookup("alice", "example.org", None)
        remembered = finished(end, server.verify(SECRET))
        assert remembered.nonce_count == nonce_count


def test_response_is_the_first_one_with_another_nonce_count() -> None:
    # It uses the username, realm, nonce, cnonce and qop of before: only nc differs, and what is made of it.
    server = server_with(Clock())
    end = client()
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    first = said(end.step(challenge.data))
    remembered = finished(end, answered(server, first, SECRET))
    one, other = DigestResponse.parse(first), DigestResponse.parse(said(client(remembered).initial_response()))
    assert other._replace(nonce_count=1, response=one.response) == one
    assert (one.nonce_count, other.nonce_count) == (1, 2)
    assert one.response != other.response


@pytest.mark.parametrize("qop", [QOP.AUTH_INT, QOP.AUTH_CONF])
def test_layer_starts_anew(qop: QOP) -> None:
    server = server_with(Clock())
    end = client(first_time(server, qop), qop=qop)
    server = server.fresh()
    verdict = answered(server, said(end.initial_response()), SECRET)
    assert isinstance(verdict, Success)
    theirs = end.step(verdict.data)
    assert isinstance(theirs, Success)
    assert theirs.layer is not None
    assert verdict.layer is not None
    # Both sequence numbers begin with 0 again.  rfc2831bis-02 section 2.3
    for sender, receiver in ((theirs.layer, verdict.layer), (verdict.layer, theirs.layer)):
        buffer = sender.wrap(b"anew")
        assert buffer[-4:] == bytes(4)
        assert receiver.receive(buffer) == b"anew"


def test_stored_hash_will_do() -> None:
    server = server_with(Clock())
    stored = HA1(bytes.fromhex("543e1aec5d3614f03141652d6ada51b2"))  # MD5 of alice:example.org:secret
    end = client(first_time(server))
    finished(end, answered(server.fresh(), said(end.initial_response()), stored))


# What will not do


@pytest.mark.parametrize("nonce_count", [1, 3, 0, 0xFFFFFFFF])
def test_replayed_or_skipped_nonce_count_is_refused_and_counts_for_nothing(nonce_count: int) -> None:
    server = server_with(Clock())
    remembered = first_time(server)
    wrong = client(replace(remembered, nonce_count=nonce_count - 1) if nonce_count else remembered)
    response = said(wrong.initial_response())
    if not nonce_count:
        response = changed(response, nonce_count=0)
    assert refused(answered(server.fresh(), response, SECRET), Reason.NONCE_COUNT)
    end = client(remembered)
    finished(end, answered(server.fresh(), said(end.initial_response()), SECRET))


def test_the_same_response_is_not_taken_twice() -> None:
    server = server_with(Clock())
    response = said(client(first_time(server)).initial_response())
    assert isinstance(answered(server.fresh(), response, SECRET), Success)
    assert refused(answered(server.fresh(), response, SECRET), Reason.NONCE_COUNT)


def test_of_two_at_the_same_time_one_is_taken() -> None:
    server = server_with(Clock())
    response = said(client(first_time(server)).initial_response())
    one, other = server.fresh(), server.fresh()
    assert isinstance(one.step(response), Lookup)
    assert isinstance(other.step(response), Lookup)  # both are looked up before either is verified
    assert isinstance(one.verify(SECRET), Success)
    assert refused(other.verify(SECRET), Reason.NONCE_COUNT)


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        (Password("changed since"), Reason.WRONG_PASSWORD),
        (None, Reason.UNKNOWN_USER),
        (HA1(bytes(16), username="bob"), Reason.NO_USABLE_SECRET),
    ],
)
@pytest.mark.parametrize("age", [10.0, 4000.0])
def test_wrong_response_gets_a_challenge_that_says_nothing_and_does_not_advance(
    credential: Credential | None, reason: Reason, age: float
) -> None:
    clock = Clock()
    server = server_with(clock)
    remembered = first_time(server)
    clock.now += age
    server = server.fresh()
    end = client(remembered)
    verdict = answered(server, said(end.initial_response()), credential)
    assert refused(verdict, reason)
    assert isinstance(verdict, Challenge)
    # The exchange goes on as if it were the first.
    finished(end, answered(server, said(end.step(verdict.data)), SECRET))
    if age < 100:
        again = client(remembered)
        finished(again, answered(server.fresh(), said(again.initial_response()), SECRET))


def test_other_user_cannot_use_up_the_nonce() -> None:
    server = server_with(Clock())
    remembered = first_time(server)
    thief = DigestClient(
        "bob", Password("bobs"), service="ldap", host="h", remembered=replace(remembered, username="bob")
    )
    assert refused(answered(server.fresh(), said(thief.initial_response()), Password("bobs")), Reason.NONCE_REPLAYED)
    end = client(remembered)
    finished(end, answered(server.fresh(), said(end.initial_response()), SECRET))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"qop": QOP.AUTH_CONF, "cipher": Cipher.DES}, Reason.CIPHER),
        ({"digest_uri": b"imap/h"}, Reason.DIGEST_URI),
        ({"nonce": b"none of ours"}, Reason.NONCE_FOREIGN),
    ],
)
def test_response_outside_the_terms_gets_a_challenge(fields: dict[str, object], reason: Reason) -> None:
    server = server_with(Clock())
    response = changed(said(client(first_time(server)).initial_response()), **fields)
    following = server.fresh()
    assert refused(following.step(response), reason)
    assert following.response is not None  # for the audit


def test_realm_that_was_wrong_in_the_initial_response_may_be_right_in_the_next() -> None:
    server = server_with(Clock())
    response = changed(said(client(first_time(server)).initial_response()), realm="elsewhere")
    following = server.fresh()
    challenge = answered(following, response, SECRET)
    assert refused(challenge, Reason.REALM)
    assert isinstance(challenge, Challenge)
    end = client()
    finished(end, answered(following, said(end.step(challenge.data)), SECRET))


def test_qop_of_before_cannot_be_changed() -> None:
    # Whoever holds the secret may, by a first authentication; the remembered one was for this protection.
    server = server_with(Clock())
    remembered = replace(first_time(server), qop=QOP.AUTH_INT)
    response = said(client(remembered, qop=QOP.AUTH_INT).initial_response())
    assert refused(answered(server.fresh(), response, SECRET), Reason.NONCE_REPLAYED)


@pytest.mark.parametrize("data", [b"\0", b"\xff" * 5000, b'username="alice"', b"rspauth=00"])
def test_what_is_no_response_gets_a_challenge(data: bytes) -> None:
    verdict = server_with(Clock()).step(data)
    assert refused(verdict, Reason.MALFORMED)
    assert isinstance(verdict, Challenge)
    assert verdict.detail


def test_nonce_that_was_never_answered_is_not_for_an_initial_response() -> None:
    server = server_with(Clock())
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    assert refused(server.fresh().step(said(client().step(challenge.data))), Reason.NONCE_FORGOTTEN)


# Too old


def test_who_knew_the_password_is_told_that_only_the_nonce_was_too_old() -> None:
    clock = Clock()
    server = server_with(clock)
    end = client(first_time(server))
    clock.now += 3601
    server = server.fresh()
    verdict = answered(server, said(end.initial_response()), SECRET)
    assert isinstance(verdict, Challenge)
    assert verdict.stale
    assert verdict.reason is Reason.NONCE_EXPIRED
    assert b"stale=true" in verdict.data
    # The client goes on with the same password, without asking anybody.
    assert finished(end, answered(server, said(end.step(verdict.data)), SECRET)).nonce_count == 1


def test_nonce_is_remembered_as_long_as_it_says() -> None:
    clock = Clock()
    server = server_with(clock, NonceBook(clock=clock, remembered_for=1000))
    end = client(first_time(server))
    clock.now += 1000
    finished(end, answered(server.fresh(), said(end.initial_response()), SECRET))


def test_nonce_that_gets_old_between_question_and_answer_is_stale() -> None:
    clock = Clock()
    server = server_with(clock)
    end = client(first_time(server))
    server = server.fresh()
    assert isinstance(server.step(said(end.initial_response())), Lookup)
    clock.now += 3601
    verdict = server.verify(SECRET)
    assert isinstance(verdict, Challenge)
    assert verdict.stale


@pytest.mark.parametrize("age", [0.0, 400.0])
def test_server_that_remembers_nobody_goes_on_as_if_it_were_the_first_time(age: float) -> None:
    clock = Clock()
    server = server_with(clock, NonceBook(clock=clock))
    end = client(first_time(server))
    clock.now += age
    server = server.fresh()
    verdict = server.step(said(end.initial_response()))
    # An initial response means nothing to it, so there is no reason either.
    assert isinstance(verdict, Challenge)
    assert (verdict.stale, verdict.reason) == (False, None)
    assert server.response is None
    finished(end, answered(server, said(end.step(verdict.data)), SECRET))


# The client


def test_client_that_remembers_nothing_waits_for_the_challenge() -> None:
    assert client().initial_response() is None


@pytest.mark.parametrize(
    "other",
    [
        {"username": "bob"},
        {"digest_uri": b"ldap/elsewhere"},
        {"qop": QOP.AUTH_INT},
        {"qop": QOP.AUTH_CONF, "cipher": Cipher.RC4},
    ],
)
def test_what_is_remembered_of_others_is_as_good_as_nothing(other: dict[str, object]) -> None:
    remembered = replace(first_time(server_with(Clock())), **other)  # type: ignore[arg-type]
    assert client(remembered).initial_response() is None


def test_realm_asked_for_must_be_the_one_remembered() -> None:
    remembered = first_time(server_with(Clock()))
    for realm, is_used in (("example.org", True), ("EXAMPLE", False)):
        end = DigestClient("alice", SECRET, service="ldap", host="h", realm=realm, remembered=remembered)
        assert (end.initial_response() is not None) is is_used


def test_proof_is_due_as_it_was_the_first_time() -> None:
    server = server_with(Clock())
    remembered = first_time(server)
    for proof, reason in (
        (b"", Reason.RSPAUTH),
        (b"rspauth=" + b"0" * 32, Reason.RSPAUTH),
        (b"rspauth=0", Reason.MALFORMED),
        (b"?", Reason.MALFORMED),
    ):
        end = client(remembered)
        end.initial_response()
        outcome = end.step(proof)
        assert isinstance(outcome, Failure)
        assert outcome.reason is reason


def test_initial_response_is_for_the_beginning() -> None:
    end = client(first_time(server_with(Clock())))
    end.initial_response()
    with pytest.raises(UsageError, match=r"^initial_response\(\) out of turn; due: step\(\) with the response-auth"):
        end.initial_response()


def test_what_is_remembered_shows_no_nonce_and_holds_no_secret() -> None:
    remembered = first_time(server_with(Clock()))
    assert remembered.cnonce.decode() not in repr(remembered)
    assert remembered.challenge.nonce.decode() not in repr(remembered)
    assert "secret" not in repr(remembered)


def test_what_is_remembered_is_used_on_the_channel_that_it_is_bound_to_and_on_no_other() -> None:
    # The cnonce is sent again, and it alone is covered by the digest: used on another channel, the directive that
    # names the channel could be put right by who sits in between.
    nonces = NonceBook(upgraded=True, remembered_for=3600.0)
    ours, others = token(END_POINT + b"ours"), token(END_POINT + b"others")
    for then, now, used in (
        (ours, ours, True),
        (ours, others, False),
        (ours, NO_CHANNEL, False),
        (ours, None, False),
        (None, ours, False),
        (None, None, True),
        (NO_CHANNEL, NO_CHANNEL, True),
        (NO_CHANNEL, ours, False),
    ):
        server = DigestServer(nonces=nonces)
        challenge = server.step(b"")
        assert isinstance(challenge, Challenge)
        end = DigestClient("alice", SECRET, service="ldap", host="h", channel_binding=then)
        remembered = finished(end, answered(server, said(end.step(challenge.data)), SECRET))
        again = DigestClient("alice", SECRET, service="ldap", host="h", channel_binding=now, remembered=remembered)
        assert (again.initial_response() is not None) is used


def test_malformed_response_behind_an_initial_one_is_nobodys() -> None:
    server = server_with(Clock())
    first = first_time(server)
    server = server.fresh()
    wrong = changed(said(client(first).initial_response()), digest_uri=b"imap/h")
    assert refused(server.step(wrong), Reason.DIGEST_URI)
    assert server.response is not None
    assert server.step(b"garbage").reason is Reason.MALFORMED  # type: ignore[union-attr]
    assert server.response is None
