"""Range retrieval: options, and what an answer holds; examples of Microsoft's "Attribute Range Retrieval"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ad.ranges import MAX_VAL_RANGE, InvalidRange, Range, in_range, split_range


def values(count: int) -> tuple[bytes, ...]:
    return tuple([b"%d" % number for number in range(count)])


@pytest.mark.parametrize(
    ("description", "split"),
    [
        ("member", ("member", None)),
        ("member;range=0-*", ("member", Range(0, None))),
        ("member;Range=0-500", ("member", Range(0, 500))),
        ("member;range=501-*", ("member", Range(501, None))),
        ("cn;lang-de;range=2-3", ("cn;lang-de", Range(2, 3))),
        ("cn;range=2-2;lang-de", ("cn;lang-de", Range(2, 2))),
        ("member;ranger=1", ("member;ranger=1", None)),
    ],
)
def test_option_is_read(description: str, split: tuple[str, Range | None]) -> None:
    assert split_range(description) == split


@pytest.mark.parametrize(
    "option", ["range=", "range=0", "range=-1", "range=*-5", "range=5-4", "range=a-b", "range=0-1;range=2-3"]
)
def test_option_that_is_no_range(option: str) -> None:
    with pytest.raises(InvalidRange):
        split_range(f"member;{option}")


@pytest.mark.parametrize(
    ("count", "asked", "shown"),
    [
        (3, Range(0, None), [("member;range=0-*", 0, 3)]),
        (3, Range(0, 1), [("member;range=0-1", 0, 2)]),
        (3, Range(1, 2), [("member;range=1-*", 1, 3)]),
        (3, Range(0, 500), [("member;range=0-*", 0, 3)]),
        (3, Range(2, 2), [("member;range=2-*", 2, 3)]),
        (3, Range(3, None), []),
        (0, Range(0, None), []),
        (3000, Range(0, None), [("member;range=0-1499", 0, 1500)]),
        (3000, Range(1500, None), [("member;range=1500-*", 1500, 3000)]),
        (3000, Range(0, 2999), [("member;range=0-1499", 0, 1500)]),
        (0, None, []),
        (1500, None, [("member", 0, 1500)]),
        (1501, None, [("member", 0, 0), ("member;range=0-1499", 0, 1500)]),
    ],
)
def test_answer_holds_the_range(count: int, asked: Range | None, shown: list[tuple[str, int, int]]) -> None:
    every = values(count)
    assert in_range("member", every, asked) == [(name, every[start:end]) for name, start, end in shown]


@given(st.integers(1, 40), st.integers(1, 12))
def test_ranges_one_after_another_give_all_values(count: int, limit: int) -> None:
    """What every client does: ask from the next on until the answer ends in an asterisk."""
    collected: tuple[bytes, ...] = ()
    description = ""
    while not description.endswith("-*"):
        ((description, part),) = in_range("member", values(count), Range(len(collected), None), limit)
        assert 0 < len(part) <= limit
        collected += part
    assert collected == values(count)


def test_limit_is_that_of_windows() -> None:
    assert MAX_VAL_RANGE == 1500
