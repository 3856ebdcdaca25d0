"""Small tables for a person, on standard output: in its colours and width on a terminal, plain columns in a pipe."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ldapserver.terminal import console, is_terminal

_BETWEEN = "  "


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under their headings; the columns of `numbers` stand to the right. Text of others must be printable."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: frozenset[str] = frozenset()
    title: str = ""
    styles: tuple[tuple[str, str], ...] = ()  # a heading, and the style of its column on a terminal


def lines(table: Table) -> list[str]:
    """The table as plain text."""
    every = (table.headings, *table.rows)
    widths = [max(len(row[at]) for row in every) for at in range(len(table.headings))]
    found = [table.title] if table.title else []
    for row in every:
        cells = [
            cell.rjust(width) if heading in table.numbers else cell.ljust(width)
            for cell, width, heading in zip(row, widths, table.headings, strict=True)
        ]
        found.append(_BETWEEN.join(cells).rstrip())
    return found


def show(table: Table) -> None:
    """The table on standard output. Raises OSError."""
    if not is_terminal():
        print("\n".join(lines(table)), flush=True)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=SIMPLE_HEAD)
    styles = dict(table.styles)
    for at, heading in enumerate(table.headings):
        # Only the last gives way on a narrow terminal: of a hash or a number a part is worth nothing.
        widest = max(len(row[at]) for row in (table.headings, *table.rows))
        drawn.add_column(
            heading,
            justify="right" if heading in table.numbers else "left",
            overflow="fold",
            style=styles.get(heading, ""),
            min_width=widest if at < len(table.headings) - 1 else None,
        )
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    screen = console(sys.stdout)
    if table.title:
        screen.print(Text(table.title, "bold"))
    screen.print(drawn)
