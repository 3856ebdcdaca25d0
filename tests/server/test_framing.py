"""A stream cut anywhere gives the same elements; no length is believed, no octet is copied again and again."""

import sys
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import islice
from types import FrameType
from typing import Any  # what a trace function is given

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.errors import ProtocolViolation
from ldapserver.wire.framing import Framer

LIMIT = 1024

UNBIND = bytes.fromhex("30050201034200")
UNBIND_AS_WINDOWS_WRITES = bytes.fromhex("30840000000502010342 00")


def element(contents: bytes, length_octets: int) -> bytes:
    """A SEQUENCE, its length in so many octets behind the first; 0 is the short form."""
    if length_octets == 0:
        return bytes([0x30, len(contents)]) + contents
    return bytes([0x30, 0x80 | length_octets]) + len(contents).to_bytes(length_octets) + contents


elements = st.lists(
    st.builds(element, st.binary(max_size=100), st.integers(0, 4))
    | st.builds(element, st.binary(min_size=128, max_size=600), st.integers(2, 4)),
    max_size=5,
)


def framed(framer: Framer, chunks: Iterable[bytes]) -> list[bytes]:
    """Every element that comes out when `chunks` go in."""
    found = []
    for chunk in chunks:
        framer.feed(chunk)
        while (whole := framer.next()) is not None:
            found.append(whole)
            assert not (framer.empty and framer.pending)
    return found


def lines_run(action: Callable[[], object]) -> int:
    """How many lines of Python `action` runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


@given(elements)
def test_a_stream_cut_at_every_octet_gives_the_same_elements(sent: list[bytes]) -> None:
    stream = b"".join(sent)
    assert framed(Framer(LIMIT), [stream]) == sent
    assert framed(Framer(LIMIT), [bytes([octet]) for octet in stream]) == sent
    for cut in range(len(stream) + 1):
        assert framed(Framer(LIMIT), [stream[:cut], stream[cut:]]) == sent


@given(st.lists(st.binary(max_size=40) | st.builds(element, st.binary(max_size=100), st.integers(0, 4)), max_size=8))
def test_any_octets_give_elements_or_a_violation(chunks: list[bytes]) -> None:
    framer = Framer(64)
    try:
        found = framed(framer, chunks)
    except ProtocolViolation:
        return
    stream = b"".join(chunks)
    assert all(whole[0] == 0x30 and len(whole) <= 64 for whole in found)
    assert b"".join(found) + framer.take_rest() == stream


def test_what_is_behind_an_element_waits() -> None:
    framer = Framer(LIMIT)
    framer.feed(UNBIND + UNBIND_AS_WINDOWS_WRITES[:3])
    assert framer.next() == UNBIND
    assert framer.pending == 3
    assert framer.next() is None
    framer.feed(UNBIND_AS_WINDOWS_WRITES[3:])
    assert framer.next() == UNBIND_AS_WINDOWS_WRITES
    assert framer.pending == 0


def test_the_rest_is_taken_out_and_framing_begins_anew() -> None:
    framer = Framer(LIMIT)
    framer.feed(UNBIND + b"\x30\x20half an element")
    assert framer.next() == UNBIND
    assert framer.next() is None
    assert framer.take_rest() == b"\x30\x20half an element"
    assert framer.pending == 0
    assert framed(framer, [UNBIND]) == [UNBIND]


@pytest.mark.parametrize("first", [octet for octet in range(256) if octet != 0x30])
def test_the_first_octet_alone_is_refused_when_it_begins_no_sequence(first: int) -> None:
    framer = Framer(LIMIT)
    framer.feed(bytes([first]))
    with pytest.raises(ProtocolViolation, match=f"tag {first:#04x} where 0x30 is due"):
        framer.next()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("3080", "indefinite length"),
        ("3085", "a length of 5 octets"),
        ("30ff", "a length of 127 octets"),
        ("30820400", "1028 octets, at most 1024"),
        ("30840000 03fb", "1025 octets, at most 1024"),
        ("3084ffffffff", "4294967301 octets, at most 1024"),
    ],
)
def test_a_header_is_refused_as_soon_as_it_is_there_and_ever_after(header: str, reason: str) -> None:
    framer = Framer(LIMIT)
    *before, last = bytes.fromhex(header)
    for octet in before:
        framer.feed(bytes([octet]))
        assert framer.next() is None
    framer.feed(bytes([last]))
    for _ in range(2):
        with pytest.raises(ProtocolViolation, match=reason):
            framer.next()


def test_an_element_of_the_limit_passes_and_the_limit_may_grow() -> None:
    framer = Framer(10)
    assert framed(framer, [element(bytes(8), 0)]) == [element(bytes(8), 0)]
    framer.limit = 11
    assert framed(framer, [element(bytes(9), 0)]) == [element(bytes(9), 0)]
    with pytest.raises(ProtocolViolation, match="12 octets, at most 11"):
        framed(framer, [element(bytes(10), 0)])


def test_an_announced_length_allocates_nothing() -> None:
    framer = Framer(2**32)
    tracemalloc.start()
    try:
        framer.feed(bytes.fromhex("3084ffff0000"))
        assert framer.next() is None
        assert tracemalloc.get_traced_memory()[1] < 4096
    finally:
        tracemalloc.stop()


def octet_by_octet(framer: Framer, whole: bytes) -> None:
    for octet in islice(whole, len(whole) - 1):
        framer.feed(bytes((octet,)))
        assert framer.next() is None


def test_an_element_of_64_kib_octet_by_octet_costs_the_same_for_each_octet() -> None:
    small, large = element(bytes(4096), 4), element(bytes(65536), 4)
    lines_small = lines_run(lambda: octet_by_octet(Framer(2**20), small))
    lines_large = lines_run(lambda: octet_by_octet(Framer(2**20), large))
    assert lines_large / len(large) < 1.1 * lines_small / len(small)


def test_an_element_of_64_kib_octet_by_octet_is_never_held_twice() -> None:
    # A buffer that is built anew for every octet exists twice while that is done; one that grows does not.
    whole = element(bytes(65536), 4)
    framer = Framer(2**20)
    tracemalloc.start()
    try:
        octet_by_octet(framer, whole)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * len(whole)
    finally:
        tracemalloc.stop()
    framer.feed(whole[-1:])
    assert framer.next() == whole


def test_many_elements_in_one_chunk_are_taken_off_the_front_in_place() -> None:
    framer = Framer(LIMIT)
    framer.feed(UNBIND * 10_000)
    tracemalloc.start()
    try:
        for _ in range(4_000):
            assert framer.next() == UNBIND
        # What is left, more than half, has not been copied once.
        assert tracemalloc.get_traced_memory()[1] < 4096
    finally:
        tracemalloc.stop()
    assert framer.pending == 6_000 * len(UNBIND)


def test_a_message_that_came_alone_leaves_as_it_came() -> None:
    framer = Framer(LIMIT)
    arrived = bytes(UNBIND)
    framer.feed(arrived)
    assert framer.next() is arrived
    assert framer.empty
    assert (framer.next(), framer.pending) == (None, 0)


def test_what_was_taken_is_not_kept_for_the_sake_of_what_follows_it() -> None:
    framer = Framer(LIMIT)
    tracemalloc.start()
    try:
        framer.feed(UNBIND * 10_000 + UNBIND[:1])
        while framer.next() is not None:
            pass
        assert tracemalloc.get_traced_memory()[0] < 4096
    finally:
        tracemalloc.stop()
    assert framer.pending == 1


def test_half_an_element_and_more_octets_before_the_first_is_taken() -> None:
    framer = Framer(LIMIT)
    framer.feed(UNBIND * 2)
    assert framer.next() == UNBIND
    framer.feed(UNBIND_AS_WINDOWS_WRITES)
    framer.feed(UNBIND[:4])
    assert framer.pending == 2 * len(UNBIND) - 3 + len(UNBIND_AS_WINDOWS_WRITES)
    assert [framer.next(), framer.next(), framer.next()] == [UNBIND, UNBIND_AS_WINDOWS_WRITES, None]
    assert framer.take_rest() == UNBIND[:4]


def test_the_rest_of_one_chunk_is_what_was_not_taken() -> None:
    framer = Framer(LIMIT)
    framer.feed(UNBIND * 3)
    assert framer.next() == UNBIND
    assert framer.take_rest() == UNBIND * 2
    assert (framer.next(), framer.pending, framer.take_rest()) == (None, 0, b"")
