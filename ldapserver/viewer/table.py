"""Records as lines for a person: columns of text that go through a pipe, or coloured and cut for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldapserver.audit.kinds import KINDS
from ldapserver.printable import printable
from ldapserver.viewer.event import FAILURE, Event, words

if TYPE_CHECKING:
    from rich.console import Console

NOTHING = "-"  # where a record says nothing
_BETWEEN = "  "
_STATUS = 28  # columns of a terminal that the status should have


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, how wide it is in plain text, and how narrow a terminal may make it."""

    heading: str
    width: int
    least: int
    style: str = ""


COLUMNS = (
    Column("time", 24, 8, "dim"),
    Column("id", 13, 4),
    Column("outcome", 7, 7),
    Column("package", 10, 7),
    Column("account", 20, 8, "bold"),
    Column("workstation", 15, 8),
    Column("status", 0, 10),  # the last: as long as it is
)
# What events without a status tell; beside a number nobody need know them by heart.
_ACTIONS = {str(number): kind.action for number, kind in KINDS.items()}
_PACKAGES = {"MICROSOFT_AUTHENTICATION_PACKAGE_V1_0": "MSV1_0"}


def cells(event: Event) -> tuple[str, ...]:
    """What stands in each column; nothing of it moves a terminal's cursor."""
    if event.status is not None:
        status = f"{event.status} {words(event.status)}".rstrip()
    else:
        status = f"{NOTHING} {event.reason or _ACTIONS.get(event.code, '')}".rstrip()
    package = _PACKAGES.get(event.package, event.package) or event.mechanism or NOTHING
    workstation = event.workstation or event.source_ip or NOTHING
    shown = (f"{event.time[:23]}Z", event.code, event.outcome, package, event.account or NOTHING, workstation, status)
    return tuple(printable(cell) for cell in shown)


HEADINGS = tuple(column.heading for column in COLUMNS)


def plain(row: Sequence[str]) -> str:
    """A row as a line of text, in columns where its cells are no longer than these."""
    return _BETWEEN.join(cell.ljust(column.width) for cell, column in zip(row, COLUMNS, strict=True)).rstrip()


class Screen:
    """Shows rows on a terminal, each as it comes, so that there may be millions; what does not fit is cut by `…`."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def show(self, row: Sequence[str], *, heading: bool = False) -> None:
        """One row, in the width that the terminal has by now."""
        from rich.cells import cell_len, set_cell_size
        from rich.text import Text

        failed = row[2] == FAILURE
        line = Text(no_wrap=True, end="\n")
        widths = fitted(self._console.width)
        for column, cell, width in zip(COLUMNS, row, widths, strict=True):
            if column.heading == "time" and width < len(cell) and not heading:
                cell = cell[11:23] if width >= 12 else cell[11:19]  # the time of day says more than the year
            if cell_len(cell) > width:
                cell = set_cell_size(cell, max(0, width - 1)) + "…"
            style = "bold underline" if heading else column.style
            if not heading and column.heading in ("outcome", "status"):
                style = "red" if failed else "green" if row[2] == "success" else "yellow"
            line.append(set_cell_size(cell, width), style)
            if column is not COLUMNS[-1]:
                line.append(_BETWEEN)
        line.rstrip()
        self._console.print(line, overflow="crop", crop=True)


def fitted(width: int) -> tuple[int, ...]:
    """How wide each column is on a terminal so wide: as in plain text, or all narrower by turns; the status has
    the rest."""
    between = len(_BETWEEN) * (len(COLUMNS) - 1)
    widths = [column.width for column in COLUMNS[:-1]]
    last = COLUMNS[-1].least
    # What a reader misses least gives way first.
    for at in (0, 1, 5, 4, 3):
        need = sum(widths) + between + _STATUS - width
        if need > 0:
            widths[at] = max(COLUMNS[at].least, widths[at] - need)
    return (*widths, max(last, width - sum(widths) - between))
