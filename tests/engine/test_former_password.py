"""`DigestServer.matches`: whether a refused response was made with another credential, at the same price for all."""

from hashlib import md5
from typing import Any

import pytest

from sasl_digest import (
    HA1,
    Challenge,
    Credential,
    DigestServer,
    Failure,
    Lookup,
    NonceBook,
    Password,
    Reason,
    Success,
    UsageError,
    digest,
)

from .test_server import answer, begun
from .test_vectors import ACCEPTED, Vector, challenged, each

OLD, NEW = Password("secret"), Password("new")
SECRET = digest.secret(b"alice", b"example.org", b"secret")


class Several:
    """Two passwords, as an account may have had."""

    def secrets(self, username: str, realm: str) -> list[bytes]:
        return [secret for each in (Password("older"), OLD) for secret in each.secrets(username, realm)]


def refused(**made: Any) -> DigestServer:
    """A server that has refused a response made of the old password."""
    server = DigestServer(realms=["example.org"])
    assert isinstance(server.step(answer(begun(server).nonce, **made)), Lookup)
    verdict = server.verify(NEW)
    assert isinstance(verdict, Failure)
    assert verdict.reason is Reason.WRONG_PASSWORD
    return server


@pytest.mark.parametrize(
    ("credential", "matches"),
    [
        (OLD, True),
        (Several(), True),
        (HA1(SECRET, username="alice", realm="example.org"), True),
        (HA1(SECRET, username="bob", realm="example.org"), False),
        (NEW, False),
        (Password("Secret"), False),
        (None, False),
    ],
)
def test_whose_response_it_was(credential: Credential | None, matches: bool) -> None:
    server = refused()
    assert server.matches(credential) is matches
    assert server.matches(credential, 20) is matches  # any number of times


@each(ACCEPTED)
def test_a_response_of_each_vector_is_known(vector: Vector) -> None:
    server = challenged(vector.nonce)
    server.step(vector.response.encode())
    assert isinstance(server.verify(NEW), Failure)
    assert server.matches(Password(vector.password))
    assert not server.matches(Password(vector.password + "x"))


def test_a_wrong_initial_response_is_known_after_its_challenge() -> None:
    book = NonceBook(remembered_for=60)
    first = DigestServer(realms=["example.org"], nonces=book)
    nonce = begun(first).nonce
    first.step(answer(nonce))
    assert isinstance(first.verify(OLD), Success)
    again = first.fresh()
    assert isinstance(again.step(answer(nonce, nc=2)), Lookup)
    assert isinstance(again.verify(NEW), Challenge)
    assert again.matches(OLD)


@pytest.mark.interpreted("sasl_digest.digest")
def test_the_work_is_the_same_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def counting(data: bytes) -> Any:
        counted[-1] += 1
        return md5(data)

    server = refused()
    monkeypatch.setattr(digest, "md5", counting)
    for credential in (OLD, NEW, Several(), None):
        counted.append(0)
        server.matches(credential, 6)
    # H(A2) once, and for each reading the secret, H(A1) and the response.
    assert counted == [1 + 6 * 3] * 4


def test_without_a_response_there_is_nothing_to_ask_about() -> None:
    server = DigestServer()
    with pytest.raises(UsageError, match="matches"):
        server.matches(OLD)
    server.step(b"")
    with pytest.raises(UsageError, match="digest-response"):
        server.matches(OLD)
