"""What a book of nonces knows of those it issued, and of all others."""

import os
import re
import string
import subprocess
import sys
import tracemalloc
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

import pytest

from sasl_digest import NonceBook, UsageError
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


FORKS = """
import os
from sasl_digest import NonceBook
book = NonceBook(key=bytes(32), clock=lambda: 1.0)
book.issue()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, book.issue())
    os._exit(0)
os.wait()
assert os.read(reader, 40) != book.issue()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes fork on this system")
def test_a_process_and_its_fork_issue_no_nonce_alike() -> None:
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=30)


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


@pytest.mark.parametrize(("milliseconds", "written"), [(0x018C00FBEFBE, b"-"), (0x018CFFFFFFFF, b"_")])
def test_every_time_is_read_as_it_was_written(milliseconds: int, written: bytes) -> None:
    clock = Clock(milliseconds / 1000 + 0.0001)
    book = NonceBook(clock=clock)
    nonce = book.issue()
    assert written in nonce[:8]
    clock.now += 299
    assert not book.expired(nonce)
    clock.now += 2
    assert book.expired(nonce)


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


# Windows' form


def test_upgraded_nonce_is_windows_prefix_and_112_lower_case_hexadecimal_digits() -> None:
    nonce = NonceBook(upgraded=True).issue()
    assert re.fullmatch(rb"\+Upgraded\+v1[0-9a-f]{112}", nonce)


def test_upgraded_nonce_carries_its_time_and_the_servers_identity() -> None:
    clock = Clock(1e9)
    one, other = (NonceBook(upgraded=True, clock=clock, identity=name) for name in ("ldap/dc1", "ldap/dc2"))
    raw = [bytes.fromhex(book.issue().decode().removeprefix("+Upgraded+v1")) for book in (one, one, other)]
    assert {octets[:8] for octets in raw} == {(10**12).to_bytes(8, "big")}
    identities = [octets[24:32] for octets in raw]
    assert identities[0] == identities[1] != identities[2]


@pytest.mark.parametrize("position", range(56))
def test_upgraded_nonce_with_one_bit_changed_is_foreign(position: int) -> None:
    book = NonceBook(upgraded=True)
    nonce = book.issue()
    raw = bytearray.fromhex(nonce[12:].decode())
    raw[position] ^= 1
    assert book.state(nonce) is NonceState.FRESH
    assert book.state(nonce[:12] + raw.hex().encode()) is NonceState.FOREIGN


def test_upgraded_nonce_expires_too() -> None:
    clock = Clock(1e9)
    book = NonceBook(upgraded=True, clock=clock)
    nonce = book.issue()
    clock.now += 301
    assert book.state(nonce) is NonceState.EXPIRED


@pytest.mark.parametrize("change", [bytes.upper, lambda nonce: nonce[12:], lambda nonce: nonce + b" "])
def test_upgraded_nonce_written_otherwise_is_foreign(change: Callable[[bytes], bytes]) -> None:
    book = NonceBook(upgraded=True)
    assert book.state(change(book.issue())) is NonceState.FOREIGN


# Whose


@pytest.mark.parametrize("upgraded", [False, True])
def test_nonce_is_bound_to_the_servers_identity(upgraded: bool) -> None:
    key = bytes(range(32))
    one = NonceBook(identity="ldap/dc1.contoso.com", key=key, upgraded=upgraded)
    same = NonceBook(identity="ldap/dc1.contoso.com", key=key, upgraded=upgraded)
    other = NonceBook(identity="ldap/dc2.contoso.com", key=key, upgraded=upgraded)
    nonce = one.issue()
    assert same.state(nonce) is NonceState.FRESH
    assert other.state(nonce) is NonceState.FOREIGN


def test_short_key_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^key: 31 octets; 32 or more are due$"):
        NonceBook(key=bytes(31))


# What is remembered


PROOF = bytes(16)


def test_nonce_count_goes_up_by_one() -> None:
    book = NonceBook(remembered_for=10.0)
    nonce = book.issue()
    assert book.due(nonce) is None
    book.remember(nonce, PROOF)
    for count in (2, 3):
        assert book.due(nonce) == count
        assert not book.advance(nonce, count - 1, PROOF)
        assert not book.advance(nonce, count + 1, PROOF)
        assert not book.advance(nonce, count, b"x" * 16)
        assert book.due(nonce) == count
        assert book.advance(nonce, count, PROOF)


def test_nonce_is_forgotten_after_its_time() -> None:
    clock = Clock(1e9)
    book = NonceBook(remembered_for=10.0, clock=clock)
    nonce = book.issue()
    book.remember(nonce, PROOF)
    clock.now += 10
    assert book.due(nonce) == 2
    clock.now += 0.1
    assert book.due(nonce) is None
    assert not book.advance(nonce, 2, PROOF)


def test_oldest_give_way_when_the_book_is_full() -> None:
    book = NonceBook(capacity=3, remembered_for=10.0)
    nonces = [book.issue() for _ in range(5)]
    for nonce in nonces:
        book.remember(nonce, PROOF)
    assert [book.due(nonce) for nonce in nonces] == [None, None, 2, 2, 2]


def test_book_remembers_nothing_unless_it_is_told_to() -> None:
    assert not NonceBook().remembers
    assert NonceBook(remembered_for=1.0).remembers
    with pytest.raises(UsageError, match=r"^capacity: 0; 1 or more are due$"):
        NonceBook(capacity=0)
    with pytest.raises(UsageError, match=r"^remembered_for: -1 seconds; 0 is not at all$"):
        NonceBook(remembered_for=-1)


def test_memory_is_bounded() -> None:
    tracemalloc.start()
    try:
        clock = Clock(1e9)
        book = NonceBook(clock=clock, remembered_for=3600.0)
        for _ in range(20_000):  # unanswered challenges
            book.issue()
        unanswered = tracemalloc.get_traced_memory()[0]
        for _ in range(12_000):  # answered ones, more than there is room for
            book.remember(book.issue(), bytes(bytearray(16)))
        full = tracemalloc.get_traced_memory()[0]
        clock.now += 3601
        book.remember(book.issue(), PROOF)  # the rest has had its time
        emptied = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert unanswered < 16_384
    assert full < 5_000_000
    assert emptied < 1_000_000
