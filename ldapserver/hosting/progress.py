"""How far a long reading has come, on a terminal; elsewhere, and for what is read at once, nothing."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

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
    """What shows a reading: a bar, or what a test puts in its place."""

    def show(self, octets: int, entries: int, seconds: float) -> None:
        """So much has been read in so long."""
        ...


def watched(
    records: Iterable[T],
    file: Opened,
    name: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    terminal: Callable[[str, int], AbstractContextManager[Display]] | None = None,
) -> Iterable[T]:
    """`records`, which are read from `file`; on a terminal, and if it is big, how many is shown as they come."""
    size = os.fstat(file.fileno()).st_size
    if size <= BIG or not (sys.stderr is not None and sys.stderr.isatty()):
        return records
    return _shown(records, file, size, clock, (terminal or _bar)(os.path.basename(name), size))


def _shown(
    records: Iterable[T],
    file: Opened,
    size: int,
    clock: Callable[[], float],
    opened: AbstractContextManager[Display],
) -> Iterator[T]:
    with opened as display:
        start = shown = clock()
        count = 0
        for record in records:
            yield record
            count += 1
            if count % EVERY == 0 and (now := clock()) - shown >= REFRESH:
                shown = now
                # Where the descriptor stands is a buffer ahead of the record, which nobody will see.
                display.show(min(os.lseek(file.fileno(), 0, os.SEEK_CUR), size), count, now - start)
        display.show(size, count, clock() - start)


def _bar(name: str, size: int) -> AbstractContextManager[Display]:
    # A terminal library takes its time to load, and most starts have no use for it.
    from ldapserver.hosting.progress_bar import progress_bar

    return progress_bar(name, size)
