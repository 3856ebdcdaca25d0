"""The progress of a reading: shown on a terminal for a big file, as often as an eye can follow, and not elsewhere."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

import pytest
from rich.console import Console

from ldapserver.hosting.progress import BIG, EVERY, REFRESH, watched
from ldapserver.hosting.progress_bar import progress_bar

Shown = list[tuple[int, int, float]]


class Screen:
    """Where a bar would be."""

    def __init__(self) -> None:
        self.shown: Shown = []
        self.opened: list[tuple[str, int]] = []
        self.closed = False

    def show(self, octets: int, entries: int, seconds: float) -> None:
        self.shown.append((octets, entries, seconds))

    @contextmanager
    def bar(self, name: str, size: int) -> "Iterator[Screen]":
        self.opened.append((name, size))
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
    assert screen.opened == [("big.ldif", BIG + 1)]
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


def test_the_bar_says_which_file_how_far_and_how_fast() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with progress_bar("[bold]x.ldif", 200, console) as bar:
        bar.show(100, 3000, 2.0)
        bar.show(100, 1, 0.0)
    drawn = screen.getvalue()
    assert "[bold]x.ldif" in drawn
    assert " 50% 3,000 entries, 1,500/s" in drawn
    assert drawn.endswith("\x1b[2K")  # and the line is empty again
