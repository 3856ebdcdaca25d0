"""What is made of every bind is frozen, compares with its own kind only, and hides what is secret."""

from typing import NamedTuple

import pytest

from sasl_digest import (
    QOP,
    Challenge,
    DigestClient,
    DigestResponse,
    DigestServer,
    Lookup,
    Password,
    Response,
    Success,
)
from sasl_digest.values import frozen_value, made


@frozen_value(hidden=("secret",), not_compared=("note",))
class Made(NamedTuple):
    name: str
    secret: bytes
    note: str | None = None


@frozen_value()
class Other(NamedTuple):
    name: str
    secret: bytes
    note: str | None = None


def test_equality_is_of_one_kind_and_of_what_is_compared() -> None:
    made = Made("a", b"x", "n")
    assert made == Made("a", b"x", "m")
    assert hash(made) == hash(Made("a", b"x", "m"))
    assert (made != Made("a", b"x", "m")) is False
    for other in (Made("b", b"x", "n"), Made("a", b"y", "n"), Other("a", b"x", "n"), ("a", b"x", "n"), None):
        assert made != other
        assert (made == other) is False
    assert Other("a", b"x", "n") != Other("a", b"x", "m")


def test_what_is_hidden_is_not_in_its_repr() -> None:
    assert repr(Made("a", b"x")) == str(Made("a", b"x")) == "Made(name='a', note=None)"
    assert repr(Other("a", b"x")) == "Other(name='a', secret=b'x', note=None)"


@pytest.mark.parametrize(
    "value",
    [
        Challenge(b"data"),
        Lookup("alice", "", None),
        Success("alice", "", None, QOP.AUTH),
        DigestResponse("alice", None, b"n", b"c", 1, b"ldap/h", b"0" * 32),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_is_frozen(value: Challenge | Lookup | Success | DigestResponse) -> None:
    for name in (*value._fields, "another"):
        with pytest.raises(AttributeError):
            setattr(value, name, "x")


def test_one_made_of_all_its_fields_is_what_calling_its_kind_gives() -> None:
    value = made(Made, ("a", b"x", "n"))
    assert type(value) is Made
    assert (value, value.name, value.secret, value.note) == (Made("a", b"x", "n"), "a", b"x", "n")


def test_what_a_server_makes_has_all_its_fields() -> None:
    server, client = (
        DigestServer(hosts=["h"]),
        DigestClient("alice", Password("wonderland"), service="ldap", host="h"),
    )
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    answer = client.step(challenge.data)
    assert isinstance(answer, Response)
    question = server.step(answer.data)
    assert isinstance(question, Lookup)
    success = server.verify(Password("wonderland"))
    assert isinstance(success, Success)
    assert isinstance(server.response, DigestResponse)
    for value in (challenge, question, success, server.response):
        assert value == type(value)(*value)
        assert len(value) == len(value._fields)
