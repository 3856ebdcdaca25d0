"""The server's turns: what is due when, what `fresh()` shares, and what an answer costs."""

import re
from collections.abc import Callable
from hashlib import md5

import pytest

from sasl_digest import (
    HA1,
    Challenge,
    Credential,
    DigestChallenge,
    DigestClient,
    DigestServer,
    Failure,
    Lookup,
    NonceBook,
    Password,
    Reason,
    Response,
    Success,
    UsageError,
)
from sasl_digest.nonces import Nonces, NonceState
from sasl_digest.proving import Proved

VERIFY_DUE = r"due: verify\(\) with what is known of the user$"
RESPONSE_DUE = r"due: step\(\) with the digest-response$"
NOTHING_DUE = r"due: nothing$"


def response_to(server: DigestServer, username: str = "alice", password: str = "secret") -> bytes:
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    client = DigestClient(username, Password(password), service="ldap", host="h", cnonce=lambda: b"cn0nce")
    response = client.step(challenge.data)
    assert isinstance(response, Response)
    return response.data


def test_verify_before_the_first_step_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"^verify\(\) out of turn; due: step\(\) with the initial response"):
        DigestServer().verify(None)


def test_verify_before_the_response_is_a_usage_error() -> None:
    server = DigestServer()
    server.step(b"")
    with pytest.raises(UsageError, match=rf"^verify\(\) out of turn; {RESPONSE_DUE}"):
        server.verify(Password("secret"))


def test_step_while_the_question_is_open_is_a_usage_error() -> None:
    server = DigestServer()
    response = response_to(server)
    assert isinstance(server.step(response), Lookup)
    with pytest.raises(UsageError, match=rf"^step\(\) out of turn; {VERIFY_DUE}"):
        server.step(response)
    assert isinstance(server.verify(Password("secret")), Success)  # the wrong call has changed nothing


@pytest.mark.parametrize("credential", [Password("secret"), Password("wrong"), None])
def test_after_the_verdict_nothing_is_due(credential: Credential | None) -> None:
    server = DigestServer()
    response = response_to(server)
    server.step(response)
    server.verify(credential)
    with pytest.raises(UsageError, match=rf"^step\(\) out of turn; {NOTHING_DUE}"):
        server.step(response)
    with pytest.raises(UsageError, match=rf"^verify\(\) out of turn; {NOTHING_DUE}"):
        server.verify(credential)


@pytest.mark.parametrize("data", [b"", b"not a digest-response", b'username="x"'])
def test_after_a_refused_response_nothing_is_due(data: bytes) -> None:
    server = DigestServer()
    response = response_to(server)
    assert isinstance(server.step(data), Failure)
    assert server.response is None
    with pytest.raises(UsageError, match=NOTHING_DUE):
        server.step(response)
    with pytest.raises(UsageError, match=NOTHING_DUE):
        server.verify(Password("secret"))


def test_response_that_was_refused_by_its_content_is_kept_for_the_audit() -> None:
    server = DigestServer(hosts=["elsewhere"])
    response = response_to(server)
    assert server.step(response) == Failure(Reason.DIGEST_URI)
    assert server.response is not None
    assert server.response.username == "alice"
    with pytest.raises(UsageError, match=NOTHING_DUE):
        server.verify(Password("secret"))


def test_after_a_stale_challenge_the_response_is_due() -> None:
    now = [0.0]
    server = DigestServer(nonces=NonceBook(clock=lambda: now[0]))
    server.step(response_to(server))
    now[0] += 301
    assert isinstance(server.verify(Password("secret")), Challenge)
    with pytest.raises(UsageError, match=rf"^verify\(\) out of turn; {RESPONSE_DUE}"):
        server.verify(Password("secret"))


def test_a_driver_that_needs_no_values_is_told_the_same() -> None:
    def book() -> NonceBook:
        return NonceBook(key=bytes(32), clock=lambda: 0.0, token=bytes)

    plain, quick = DigestServer(nonces=book()), DigestServer(nonces=book())
    challenge = plain.step(b"")
    assert isinstance(challenge, Challenge)
    assert quick.take(b"") == challenge.data
    with pytest.raises(UsageError, match=rf"^verify\(\) out of turn; {RESPONSE_DUE}"):
        quick.prove(None)
    response = DigestClient("alice", Password("secret"), service="ldap", host="h").step(challenge.data)
    assert isinstance(response, Response)
    assert isinstance(plain.step(response.data), Lookup)
    assert quick.take(response.data) is None
    assert quick.response == plain.response
    success, proved = plain.verify(Password("secret")), quick.prove(Password("secret"))
    assert isinstance(success, Success)
    assert isinstance(proved, Proved)
    assert proved.username == "alice"
    assert (proved.username, proved.data, proved.layer, proved.reading) == (
        success.username,
        success.data,
        success.layer,
        success.reading,
    )
    with pytest.raises(UsageError, match=NOTHING_DUE):
        quick.take(response.data)


class LongNonces(Nonces):
    """Nonces as long as they may be, all of them expired."""

    def __init__(self) -> None:
        self._issued = 0

    def issue(self) -> bytes:
        self._issued += 1
        return b"%0128d" % self._issued

    def state(self, nonce: bytes) -> NonceState:
        return NonceState.EXPIRED

    def expired(self, nonce: bytes) -> bool:
        return True


def test_stale_challenge_too_is_shorter_than_2048_octets() -> None:
    sizes = []
    for length in range(1800, 2000):
        try:
            server = DigestServer(realms=["r" * length], nonces=LongNonces())
        except UsageError:
            break
        server.step(response_to(server))
        outcome = server.verify(Password("secret"))
        assert isinstance(outcome, Challenge)
        assert outcome.stale
        sizes.append(len(outcome.data))
    assert 2000 < max(sizes) < 2048


def test_fresh_server_has_the_same_terms_and_another_nonce() -> None:
    server = DigestServer(realms=["example.org"], other_realms=["EXAMPLE"], service="ldap", hosts=["h"], maxbuf=4096)
    first = server.step(b"")
    following = server.fresh()
    second = following.step(b"")
    assert isinstance(first, Challenge)
    assert isinstance(second, Challenge)
    one, other = DigestChallenge.parse(first.data), DigestChallenge.parse(second.data)
    assert one.nonce != other.nonce
    assert second.data == first.data.replace(one.nonce, other.nonce)
    wrong = DigestClient("alice", Password("secret"), service="ldap", host="elsewhere").step(second.data)
    assert isinstance(wrong, Response)
    assert following.step(wrong.data) == Failure(Reason.DIGEST_URI)


def test_exchanges_under_the_same_terms_do_not_disturb_each_other() -> None:
    one = DigestServer()
    other = one.fresh()
    response_of_one, response_of_other = response_to(one), response_to(other, "bob", "hunter2")
    assert one.step(response_of_one) == Lookup("alice", "", None)
    assert other.step(response_of_other) == Lookup("bob", "", None)
    assert other.verify(Password("wrong")) == Failure(Reason.WRONG_PASSWORD)
    assert isinstance(one.verify(Password("secret")), Success)


def test_fresh_server_starts_over_even_from_the_middle() -> None:
    server = DigestServer()
    server.step(response_to(server))
    following = server.fresh()
    assert following.response is None
    assert isinstance(following.step(b""), Challenge)


def test_clock_and_chance_given_decide_every_octet_of_an_exchange() -> None:
    def run() -> list[bytes]:
        calls = iter(range(100))
        book = NonceBook(clock=lambda: 1e9, token=lambda size: next(calls).to_bytes(size, "big"))
        first = DigestServer(realms=["example.org"], nonces=book)
        sent = []
        for server in (first, first.fresh()):
            response = response_to(server)
            server.step(response)
            outcome = server.verify(Password("secret"))
            assert isinstance(outcome, Success)
            sent += [response, outcome.data]
        return sent

    assert run() == run()


# What an answer costs: an unknown user must not be told from a wrong password by the time it takes.


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Credential | None], int]:
    """How many MD5 computations verify() does for a user who says this name."""

    def count(username: str, credential: Credential | None) -> int:
        done = 0

        def counted(data: bytes) -> object:
            nonlocal done
            done += 1
            return md5(data)

        server = DigestServer(realms=["example.org"])
        assert isinstance(server.step(response_to(server, username)), Lookup)
        with monkeypatch.context() as patch:
            patch.setattr("sasl_digest.digest.md5", counted)
            assert isinstance(server.verify(credential), Failure)
        assert done > 0
        return done

    return count


@pytest.mark.parametrize("username", ["alice", "jürgen", "山田"])
@pytest.mark.parametrize(
    "credential",
    [
        pytest.param(Password("wrong"), id="ascii"),
        pytest.param(Password("schlüssel"), id="iso-8859-1"),
        pytest.param(Password("パス"), id="beyond"),
        pytest.param(HA1(bytes(16)), id="ha1"),
        pytest.param(HA1(bytes(16), username="bob"), id="ha1-of-another"),
    ],
)
def test_unknown_user_costs_as_many_hashes_as_a_wrong_password(
    hashes: Callable[[str, Credential | None], int], username: str, credential: Credential
) -> None:
    assert hashes(username, credential) == hashes(username, None)


@pytest.mark.parametrize("credential", [Password("wrong"), HA1(bytes(16)), None])
def test_every_failure_costs_what_the_account_with_the_most_secrets_does(
    credential: Credential | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = DigestServer(readings=40)
    assert isinstance(server.step(response_to(server)), Lookup)
    calls: list[bytes] = []

    def counted(data: bytes) -> object:
        calls.append(data)
        return md5(data)

    monkeypatch.setattr("sasl_digest.digest.md5", counted)
    assert isinstance(server.verify(credential), Failure)
    assert len(calls) == 40 * 3  # hashes of each reading


def test_realm_that_is_not_served_costs_as_many_hashes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for realm in ("example.org", "elsewhere.org"):
        server = DigestServer(realms=["example.org"])
        challenge = server.step(b"")
        assert isinstance(challenge, Challenge)
        client = DigestClient("alice", Password("secret"), service="ldap", host="h", realm=realm)
        response = client.step(challenge.data)
        assert isinstance(response, Response)
        server.step(response.data)
        calls: list[bytes] = []

        def counted(data: bytes, calls: list[bytes] = calls) -> object:
            calls.append(data)
            return md5(data)

        with monkeypatch.context() as patch:
            patch.setattr("sasl_digest.digest.md5", counted)
            assert isinstance(server.verify(Password("wrong")), Failure)
        counts.append(len(calls))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("matching", [0, 1, 3, None], ids=["first", "second", "last", "none"])
@pytest.mark.interpreted("sasl_digest.digest")
def test_a_right_response_costs_what_a_wrong_one_does_once_the_rest_is_made_up(
    matching: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = md5(b"alice::secret").digest()

    class Offers:
        """The right secret at a place among four, or none."""

        def __init__(self, place: int | None) -> None:
            self.place = place

        def secrets(self, username: str, realm: str) -> tuple[bytes, ...]:
            return tuple([right if at == self.place else bytes(16) for at in range(4)])

    tried = 0

    def counted(data: bytes) -> object:
        nonlocal tried
        tried += re.search(rb":auth:[0-9a-f]{32}$", data) is not None  # what the response and rspauth are made of
        return md5(data)

    server = DigestServer(readings=6)
    assert isinstance(server.step(response_to(server)), Lookup)
    monkeypatch.setattr("sasl_digest.digest.md5", counted)
    verdict = server.verify(Offers(matching))
    assert isinstance(verdict, Failure if matching is None else Success)
    proof = 0 if matching is None else 1  # the rspauth, which is not sent and stands for a reading
    assert tried == (6 if matching is None else matching + 1) + proof
    server.make_up()
    assert tried == 6
    server.make_up()  # there is no more of it
    assert tried == 6


def test_there_is_nothing_to_make_up_before_a_verdict() -> None:
    server = DigestServer()
    server.make_up()
    response = response_to(server)
    server.make_up()
    assert isinstance(server.step(response), Lookup)
    server.make_up()
    assert isinstance(server.verify(Password("secret")), Success)
