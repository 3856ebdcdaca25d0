"""The bar that `progress` shows, drawn with rich, which only a terminal needs: loaded for one alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from ldapserver import terminal


class Bar:
    """One bar: the file or what is done, how much of it, and how many entries a second."""

    def __init__(self, progress: Progress, task: TaskID, unit: str) -> None:
        self._progress = progress
        self._task = task
        self._unit = unit

    def show(self, done: int, count: int, seconds: float) -> None:
        """See `progress.Display`."""
        rate = f"{count:,} {self._unit}, {count / seconds:,.0f}/s" if seconds > 0 else ""
        self._progress.update(self._task, completed=done, rate=rate)
        self._progress.refresh()


@contextmanager
def progress_bar(name: str, size: int, unit: str, console: Console | None = None) -> Iterator[Bar]:
    """A bar for `name`, of which there are `size` (octets of a file), on standard error, and gone at the end.

    `unit` is what is counted, in the plural.
    """
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
        yield Bar(progress, progress.add_task(name, total=size, rate=""), unit)
