"""What a book of nonces knows of those it issued, and of all others."""

import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

import pytest

from sasl_digest import NonceBook
from sasl_digest.nonces import NonceState


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def counting_token() -> Callable[[int], bytes]:
    """Octets that differ from call to call, and are the same in every run."""
    calls = iter(range(1, 1000))
    return lambda size: next(calls).to_bytes(size, "big")


def test_nonce_is_40_characters_that_need_no_quotes() -> None:
    nonce = NonceBook().issue()
    assert len(nonce) == 40
    assert set(nonce.decode()) <= set(string.ascii_letters + string.digits + "-_")


def test_no_two_nonces_are_equal() -> None:
    book = NonceBook(clock=lambda: 1.0)
    assert len({book.issue() for _ in range(1000)}) == 1000


def test_clock_and_chance_decide_every_octet() -> None:
    one = NonceBook(clock=lambda: 1e9, token=counting_token())
    other = NonceBook(clock=lambda: 1e9, token=counting_token())
    assert [one.issue(), one.issue()] == [other.issue(), other.issue()]


def test_nonce_carries_twelve_octets_of_chance() -> None:
    asked: list[int] = []

    def token(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    NonceBook(token=token).issue()
    assert asked == [32, 12]  # the book's key, the nonce's share


@pytest.mark.parametrize(
    ("age", "state"),
    [(0.0, NonceState.FRESH), (300.0, NonceState.FRESH), (300.5, NonceState.EXPIRED), (1e6, NonceState.EXPIRED)],
)
def test_nonce_expires_after_its_lifetime(age: float, state: NonceState) -> None:
    clock = Clock(1e9)
    book = NonceBook(clock=clock)
    nonce = book.issue()
    clock.now += age
    assert book.state(nonce) is state
    assert book.expired(nonce) is (state is NonceState.EXPIRED)


def test_lifetime_is_an_argument() -> None:
    clock = Clock(1e9)
    book = NonceBook(lifetime=2.0, clock=clock)
    nonce = book.issue()
    clock.now += 2.5
    assert book.state(nonce) is NonceState.EXPIRED


def test_other_books_nonce_is_foreign() -> None:
    assert NonceBook().state(NonceBook().issue()) is NonceState.FOREIGN


@pytest.mark.parametrize("position", range(30))
def test_nonce_with_one_bit_changed_is_foreign(position: int) -> None:
    book = NonceBook()
    raw = bytearray(urlsafe_b64decode(book.issue()))
    raw[position] ^= 1
    assert book.state(urlsafe_b64encode(raw)) is NonceState.FOREIGN


@pytest.mark.parametrize(
    "nonce", [b"", b"x", b"OA6MG9tEQGm2hh", b"A" * 40, b"\xff" * 40, b"=" * 40, b"A" * 39 + b"!", b"A" * 4000]
)
def test_what_was_never_a_nonce_is_foreign(nonce: bytes) -> None:
    assert NonceBook().state(nonce) is NonceState.FOREIGN


@pytest.mark.parametrize("junk", [b"!", b"!!!!", b"="])
@pytest.mark.parametrize("position", [0, 20, 40])
def test_nonce_with_octets_put_in_is_foreign(junk: bytes, position: int) -> None:
    book = NonceBook()
    nonce = book.issue()
    assert book.state(nonce[:position] + junk + nonce[position:]) is NonceState.FOREIGN
