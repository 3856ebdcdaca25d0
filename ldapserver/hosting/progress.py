"""How far a long loading has come, on a terminal; elsewhere, and for what is done at once, nothing."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Protocol, TypeVar

from ldapserver.directory.watch import Watch, unwatched

T = TypeVar("T")

BIG = 5_000_000  # octets: less than that is read in a second
EVERY = 256  # records between two looks at the clock
REFRESH = 0.1  # seconds


class Opened(Protocol):
    """A file that is being read."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


class Display(Protocol):
    """What shows how far something is: a bar, or what a test puts in its place."""

    def show(self, done: int, count: int, seconds: float) -> None:
        """So much of the whole is done, which is so many entries, in so long."""
        ...


# What opens a display of something called so, of which there is so much, and the unit of what is counted.
Terminal = Callable[[str, int, str], AbstractContextManager[Display]]


def watched(
    records: Iterable[T],
    file: Opened,
    name: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    terminal: Terminal | None = None,
) -> Iterable[T]:
    """`records`, which are read from `file`; on a terminal, and if it is big, how many is shown as they come."""
    size = os.fstat(file.fileno()).st_size
    if size <= BIG or not _on_terminal():
        return records

    def read(count: int) -> int:
        # Where the descriptor stands is a buffer ahead of the record, which nobody will see.
        return min(os.lseek(file.fileno(), 0, os.SEEK_CUR), size)

    return _shown(records, read, size, EVERY, clock, (terminal or _bar)(os.path.basename(name), size, "entries"))


def after_reading(
    paths: Sequence[str], *, clock: Callable[[], float] = time.monotonic, terminal: Terminal | None = None
) -> Watch:
    """Shows what is done with the contents of these files once they are read: of big ones, and on a terminal."""
    size = 0
    for path in paths:
        with suppress(OSError):  # told by who reads it
            size += os.path.getsize(path)
    if size <= BIG or not _on_terminal():
        return unwatched

    def watch(things: Iterable[T], count: int, doing: str, unit: str) -> Iterable[T]:
        every = max(1, min(EVERY, count // 100))  # few of them are dear ones
        return _shown(things, lambda done: done, count, every, clock, (terminal or _bar)(doing, count, unit))

    return watch


def _shown(
    things: Iterable[T],
    done: Callable[[int], int],
    size: int,
    every: int,
    clock: Callable[[], float],
    opened: AbstractContextManager[Display],
) -> Iterator[T]:
    with opened as display:
        start = shown = clock()
        count = 0
        for thing in things:
            yield thing
            count += 1
            if count % every == 0 and (now := clock()) - shown >= REFRESH:
                shown = now
                display.show(done(count), count, now - start)
        display.show(size, count, clock() - start)


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _bar(name: str, size: int, unit: str) -> AbstractContextManager[Display]:
    # A terminal library takes its time to load, and most starts have no use for it.
    from ldapserver.hosting.progress_bar import progress_bar

    return progress_bar(name, size, unit)
