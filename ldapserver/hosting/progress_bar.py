"""The bar that `progress` shows, drawn with rich, which only a terminal needs: loaded for one alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from ldapserver import terminal


class Bar:
    """One bar: the file, how much of it, and how many entries a second."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def show(self, octets: int, entries: int, seconds: float) -> None:
        """See `progress.Display`."""
        rate = f"{entries:,} entries, {entries / seconds:,.0f}/s" if seconds > 0 else ""
        self._progress.update(self._task, completed=octets, rate=rate)
        self._progress.refresh()


@contextmanager
def progress_bar(name: str, size: int, console: Console | None = None) -> Iterator[Bar]:
    """A bar for the file `name` of `size` octets, on standard error, which is gone when the reading ends."""
    columns = (
        # The name of a file is text, not markup.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    # Without a thread of its own: drawing at a time of its choosing, it would hold up the reading.
    with Progress(
        *columns, console=console or terminal.console(sys.stderr), auto_refresh=False, transient=True
    ) as progress:
        yield Bar(progress, progress.add_task(name, total=size, rate=""))
