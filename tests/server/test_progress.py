"""The progress of a reading: shown on a terminal for a big file, as often as an eye can follow, and not elsewhere."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO, TypeVar

import pytest
from rich.console import Console

from ldapserver.directory.watch import unwatched
from ldapserver.hosting.progress import BIG, EVERY, REFRESH, after_reading, watched
from ldapserver.hosting.progress_bar import progress_bar

from .domain import directory

T = TypeVar("T")
Shown = list[tuple[int, int, float]]


class Screen:
    """Where a bar would be."""

    def __init__(self) -> None:
        self.shown: Shown = []
        self.opened: list[tuple[str, int, str]] = []
        self.closed = False

    def show(self, done: int, count: int, seconds: float) -> None:
        self.shown.append((done, count, seconds))

    @contextmanager
    def bar(self, name: str, size: int, unit: str) -> "Iterator[Screen]":
        self.opened.append((name, size, unit))
        yield self
        self.closed = True


@pytest.fixture
def big(tmp_path: Path) -> Iterator[BinaryIO]:
    """A file that is just big enough."""
    path = tmp_path / "big.ldif"
    with path.open("wb") as file:
        file.truncate(BIG + 1)
    with path.open("rb") as opened:
        yield opened


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is one."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


def clock(step: float) -> Callable[[], float]:
    ticks = count()
    return lambda: next(ticks) * step


@pytest.mark.usefixtures("terminal")
def test_a_big_file_is_shown_as_it_is_read(big: BinaryIO) -> None:
    screen = Screen()
    reading = watched(range(4 * EVERY), big, "/x/big.ldif", clock=clock(2 * REFRESH), terminal=screen.bar)
    for number in reading:
        os.lseek(big.fileno(), number * 1000, os.SEEK_SET)
    assert screen.opened == [("big.ldif", BIG + 1, "entries")]
    assert screen.closed
    # The last is the whole of it, however it was read.
    assert [entries for _, entries, _ in screen.shown] == [EVERY, 2 * EVERY, 3 * EVERY, 4 * EVERY, 4 * EVERY]
    assert [octets for octets, _, _ in screen.shown] == [255_000, 511_000, 767_000, 1_023_000, BIG + 1]
    assert screen.shown[1][2] == pytest.approx(4 * REFRESH)


@pytest.mark.usefixtures("terminal")
def test_it_is_not_drawn_more_often_than_can_be_seen(big: BinaryIO) -> None:
    screen = Screen()
    list(watched(range(100 * EVERY), big, "big.ldif", clock=clock(REFRESH / 10), terminal=screen.bar))
    assert 9 <= len(screen.shown) <= 12


def test_without_a_terminal_nothing_is_shown(big: BinaryIO) -> None:
    screen = Screen()
    records = range(3)
    assert watched(records, big, "big.ldif", terminal=screen.bar) is records
    assert screen.opened == []


@pytest.mark.usefixtures("terminal")
def test_what_is_read_at_once_is_not_shown(big: BinaryIO) -> None:
    os.truncate(big.name, BIG)
    records = range(3)
    assert watched(records, big, "big.ldif", terminal=Screen().bar) is records


@pytest.mark.usefixtures("terminal")
def test_what_comes_after_the_reading_is_shown_too(big: BinaryIO) -> None:
    screen = Screen()
    watch = after_reading([big.name], clock=clock(2 * REFRESH), terminal=screen.bar)
    for number in watch(range(3), 3, "indexing", "attributes"):
        # One is done when the next is asked for, and not before.
        assert [count for _, count, _ in screen.shown] == [*range(1, number + 1)]
    assert screen.opened == [("indexing", 3, "attributes")]
    assert screen.closed
    assert [(done, count) for done, count, _ in screen.shown] == [(1, 1), (2, 2), (3, 3), (3, 3)]


@pytest.mark.usefixtures("terminal")
def test_of_many_things_it_is_not_asked_after_each_how_late_it_is(big: BinaryIO) -> None:
    screen = Screen()
    list(after_reading([big.name], clock=clock(1.0), terminal=screen.bar)(range(1000), 1000, "completing", "entries"))
    assert [count for _, count, _ in screen.shown] == [*range(10, 1001, 10), 1000]


def test_it_is_shown_of_what_is_big_in_all_and_on_a_terminal(
    big: BinaryIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tmp_path / "half.ldif"
    half.write_bytes(bytes(BIG // 2 + 1))
    assert after_reading([big.name]) is unwatched
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert after_reading([str(half)]) is after_reading([]) is after_reading(["/nonexistent.ldif"]) is unwatched
    assert after_reading([str(half), str(half)]) is not unwatched


def test_a_domain_shows_its_entries_and_its_indexes() -> None:
    seen: list[tuple[str, int, int]] = []

    def watch(things: Iterable[T], count: int, doing: str, unit: str) -> Iterable[T]:
        taken = list(things)
        seen.append((f"{doing} {unit}", count, len(taken)))
        return taken

    entries = directory(watch=watch).accounts()
    assert any(entries)
    (completing, of, taken), (indexing, attributes, looked_up) = seen
    assert (completing, of) == ("completing entries", taken)
    assert taken == 31
    assert (indexing, attributes) == ("indexing attributes", looked_up)


def test_the_bar_says_which_file_how_far_and_how_fast() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with progress_bar("[bold]x.ldif", 200, "entries", console) as bar:
        bar.show(100, 3000, 2.0)
        bar.show(100, 1, 0.0)
    drawn = screen.getvalue()
    assert "[bold]x.ldif" in drawn
    assert " 50% 3,000 entries, 1,500/s" in drawn
    assert drawn.endswith("\x1b[2K")  # and the line is empty again
