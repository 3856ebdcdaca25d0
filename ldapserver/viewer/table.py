"""Records as lines for a person: columns of text that go through a pipe, or coloured and cut for a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldapserver.audit.kinds import KINDS
from ldapserver.printable import printable
from ldapserver.viewer.event import EXCHANGE, FAILURE, SUCCESS, Event, words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

NOTHING = "-"  # where a record says nothing
_BETWEEN = "  "
_STATUS = 25  # columns of a terminal that the status should have: 0xc000006a Wrong password
_LONG_STATUS = 64  # ... that one may have before others get more


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and how wide it is in plain text."""

    heading: str
    width: int
    style: str = ""


COLUMNS = (
    Column("time", 24, "dim"),
    Column("id", 13),
    Column("outcome", 7),
    Column("package", 10),
    Column("account", 20, "bold"),
    Column("workstation", 15),
    Column("status", 0),  # the last: as long as it is
)
_TIME, _ID, _OUTCOME, _PACKAGE, _ACCOUNT, _WORKSTATION, _ = range(len(COLUMNS))
# How a terminal that is too narrow for all gets its columns narrower, in this order; 0 leaves one out. What a reader
# misses least gives way first: the date stands on a line of its own then, and colour and status say the outcome too.
# Only of an account as much is cut as must be: of an IPv4 address or a time the rest would be worth nothing.
_GIVE_WAY = (
    (_TIME, 12),
    (_ID, 4),
    (_OUTCOME, 0),
    (_PACKAGE, 0),
    (_TIME, 8),
    (_ACCOUNT, 12),
    (_WORKSTATION, 0),
    (_ACCOUNT, 8),
    (_ID, 0),
)
_ADDRESS = 39  # columns of the longest address, where there is room for it
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


LOG = "log"  # the heading of the column that is there where several logs are shown
HEADINGS = tuple(column.heading for column in COLUMNS)


def widest(labels: Mapping[str, str]) -> int:
    """How wide the first column is that names logs, 0 where none is to be named."""
    return max(map(len, (LOG, *labels.values()))) if labels else 0


def plain(row: Sequence[str], log: str = "", log_width: int = 0) -> str:
    """A row as a line of text, in columns where its cells are no longer than these; first its log, given a width."""
    if log_width:
        return f"{log.ljust(log_width)}{_BETWEEN}{plain(row)}"
    return _BETWEEN.join(cell.ljust(column.width) for cell, column in zip(row, COLUMNS, strict=True)).rstrip()


class Screen:
    """Shows rows on a terminal, each as it comes, so that there may be millions; what does not fit is cut by `…`."""

    def __init__(self, console: "Console", log_width: int = 0) -> None:
        """With a `log_width` each row begins with its log, where that is no more than a quarter of the terminal."""
        self._console = console
        self._log_width = log_width
        self._day = ""  # of the rows that are shown without it

    def show(self, row: Sequence[str], log: str = "", *, heading: bool = False) -> None:
        """One row, in the width that the terminal has by now."""
        from rich.text import Text

        log_width = min(self._log_width, self._console.width // 4)
        widths = fitted(self._console.width - (log_width + len(_BETWEEN) if log_width else 0))
        dated = widths[_TIME] == COLUMNS[_TIME].width
        if not heading and row[_TIME][:10] != self._day:
            self._day = row[_TIME][:10]
            if not dated:
                self._print(Text(f"{self._day} UTC", "dim"))
        line = Text(_BETWEEN).join(
            _cell(column, cell, width, row[_OUTCOME] if not heading else None)
            for column, cell, width in zip(COLUMNS, row, widths, strict=True)
            if width
        )
        if log_width:
            named = _cell(Column(LOG, 0, "cyan"), log, log_width, None if heading else row[_OUTCOME])
            line = Text(_BETWEEN).join((named, line))
        line.rstrip()
        self._print(line)

    def _print(self, line: "Text") -> None:
        self._console.print(line, no_wrap=True, overflow="crop", crop=True)


def _cell(column: Column, cell: str, width: int, outcome: str | None) -> "Text":
    """What stands in a column so wide; `outcome` is that of its row, None in the heading."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    style = column.style
    if outcome is None:
        style = "bold underline"
    elif column.heading in ("outcome", "status"):
        style = "red" if outcome == FAILURE else "green" if outcome == SUCCESS else "yellow"
    if outcome is not None and column.heading == "time" and width < len(cell):
        cell = cell[11:23] if width >= 12 else cell[11:19]
    elif cell == EXCHANGE and width < len(cell):
        cell = "sasl"
    if cell_len(cell) > width:
        cell = set_cell_size(cell, max(0, width - 1)) + "…"
    return Text(set_cell_size(cell, width), style)


def fitted(width: int) -> tuple[int, ...]:
    """How wide each column is on a terminal so wide, 0 where it is left out: as in plain text, or some narrower; the
    status has the rest."""
    widths = [column.width for column in COLUMNS[:-1]]
    for at, least in _GIVE_WAY:
        need = _STATUS - _rest(width, widths)
        if need <= 0:
            break
        widths[at] = max(least, widths[at] - need) if at == _ACCOUNT else least
    spare = _rest(width, widths) - _LONG_STATUS
    if spare > 0:
        widths[_WORKSTATION] += min(spare, _ADDRESS - widths[_WORKSTATION])
    return (*widths, max(0, min(width, _rest(width, widths))))


def _rest(width: int, widths: Sequence[int]) -> int:
    """What is left for the status."""
    return width - sum(each + len(_BETWEEN) for each in widths if each)
