"""A summary as tables for a person, plain or on a terminal, and as a JSON object."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ldapserver.printable import printable
from ldapserver.viewer.summary import Summary, Tallies, Tally

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Section:
    """One table: what it is about, its headings, and its rows, of which the last cell is what was counted."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    rest: str = ""  # what was left out


Cells = Mapping[str, Callable[[Tally], str]]

_BINDS: Cells = {"binds": lambda tally: f"{tally.count:,}"}
_WITH_FAILED: Cells = {**_BINDS, "failed": lambda tally: f"{tally.failed:,}"}
_WITH_LAST: Cells = {**_WITH_FAILED, "last": lambda tally: _time(tally.last)}
_DIGESTS: Cells = {
    "succeeded": lambda tally: f"{tally.succeeded:,}",
    "failed": lambda tally: f"{tally.failed:,}",
    "last success": lambda tally: _time(tally.last_success),
}


def _time(time: str) -> str:
    return f"{time[:19]}Z" if time else "-"


def opening(summary: Summary) -> Iterator[str]:
    """The lines that everything begins with: how many records, when, and how binds ended."""
    events = ", ".join(f"{tally.count:,} {code}" for code, tally in summary.by_id.sorted())
    yield f"{_counted(summary.records, 'record')} from {_time(summary.first)} to {_time(summary.last)}: {events}"
    binds = summary.binds
    addresses = _counted(len(summary.by_address), "address", "addresses")
    other = binds.count - binds.succeeded - binds.failed
    yield (
        f"{_counted(binds.count, 'bind')}: {binds.succeeded:,} succeeded, {binds.failed:,} failed"
        + (f", {other:,} without an answer" if other else "")
        + f"; {_counted(len(summary.by_account), 'account name')}, {addresses}"
    )
    digests = summary.digests
    if digests.total.succeeded:
        users = len(digests.by_account.sorted(lambda tally: tally.succeeded))
        yield (
            f"DIGEST-MD5: {digests.total.succeeded:,} succeeded by {_counted(users, 'account name')}, "
            f"the last at {_time(digests.total.last_success)}; {digests.total.failed:,} failed"
        )
    elif digests.total.count:
        yield f"DIGEST-MD5: nobody succeeded; {digests.total.failed:,} failed"
    else:
        yield "DIGEST-MD5: nobody used it"


def _counted(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def sections(summary: Summary, top: int | None) -> list[Section]:
    """The tables, failures first, with the `top` greatest rows of each; None for all."""
    digests = summary.digests
    # Where one workstation stands for all clients, as `--workstation` has it, addresses say more.
    by_workstation = summary.by_workstation if _tells(summary) else Tallies()
    found = [
        _section("Binds that did not succeed", "status", _BINDS, summary.by_status, top, but="0x0 Status OK."),
        _section("Accounts that failed", "account", _WITH_LAST, summary.by_account, top, _failed),
        _section("Where failures came from", "address", _WITH_LAST, summary.by_address, top, _failed),
        _section("Where failures came from", "workstation", _WITH_LAST, by_workstation, top, _failed),
        _section("Who still uses DIGEST-MD5", "account", _DIGESTS, digests.by_account, top, _succeeded),
        _section("DIGEST-MD5: from where", "address", _DIGESTS, digests.by_address, top, _succeeded),
        _section("DIGEST-MD5: under which name", "form of name", _WITH_FAILED, digests.by_name_form, top),
        _section("DIGEST-MD5: in which realm", "realm", _WITH_FAILED, digests.by_realm, top),
        _section("DIGEST-MD5: with which protection", "qop, cipher", _WITH_FAILED, digests.by_protection, top),
        _section("DIGEST-MD5: inside TLS or not", "channel", _WITH_FAILED, digests.by_channel, top),
        _section("DIGEST-MD5: for which server", "digest-uri", _WITH_FAILED, digests.by_digest_uri, top),
        _section("All binds by mechanism", "mechanism", _WITH_LAST, summary.by_mechanism, top),
        _section("All binds by account", "account", _WITH_LAST, summary.by_account, top),
        _section("All binds by address", "address", _WITH_LAST, summary.by_address, top),
        _section("All binds by workstation", "workstation", _WITH_LAST, by_workstation, top),
    ]
    return [section for section in found if section.rows]


def _tells(summary: Summary) -> bool:
    return len(summary.by_workstation) > 1 or not len(summary.by_address)


def _failed(tally: Tally) -> int:
    return tally.failed


def _succeeded(tally: Tally) -> int:
    return tally.succeeded


def _section(
    title: str,
    noun: str,
    cells: Cells,
    tallies: Tallies,
    top: int | None,
    key: Callable[[Tally], int] = lambda tally: tally.count,
    *,
    but: str | None = None,
) -> Section:
    rows = [row for row in tallies.sorted(key) if row[0] != but]
    shown, left = rows[:top], rows[top:] if top is not None else []
    rest = f"and {len(left):,} more, with {sum(key(tally) for _, tally in left):,}" if left else ""
    return Section(
        title,
        (*cells, noun),
        tuple((*(cell(tally) for cell in cells.values()), printable(name)) for name, tally in shown),
        rest,
    )


def plain_text(summary: Summary, top: int | None) -> Iterator[str]:
    """The summary, line by line."""
    yield from opening(summary)
    for section in sections(summary, top):
        table = (section.headings, *section.rows)
        widths = [max(len(row[at]) for row in table) for at in range(len(section.headings) - 1)]
        yield ""
        yield section.title
        for row in table:
            numbers = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False))
            yield f"  {numbers}  {row[-1]}".rstrip()
        if section.rest:
            yield f"  {section.rest}"


def show(summary: Summary, top: int | None, console: "Console") -> None:
    """The summary on a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    for line in opening(summary):
        console.print(Text(line), style="bold" if line.startswith("DIGEST") else None)
    for section in sections(summary, top):
        table = Table(box=SIMPLE_HEAD)
        for heading in section.headings[:-1]:
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column(section.headings[-1], overflow="fold")
        for row in section.rows:
            table.add_row(
                *(Text(cell, "red" if _is_failure(at, cell, section) else "") for at, cell in enumerate(row))
            )
        console.print()
        console.print(Text(section.title, "bold"))
        console.print(table)
        if section.rest:
            console.print(Text(section.rest))


def _is_failure(at: int, cell: str, section: Section) -> bool:
    return section.headings[at] == "failed" and cell != "0"


def as_json(summary: Summary, top: int | None) -> dict[str, Any]:
    """The summary as JSON's own types: each table a list, most first, and how much of it was left out."""
    digests = summary.digests
    tables = {
        "by_status": summary.by_status,
        "by_account": summary.by_account,
        "by_address": summary.by_address,
        "by_workstation": summary.by_workstation,
        "by_mechanism": summary.by_mechanism,
    }
    of_digests = {
        "by_account": digests.by_account,
        "by_address": digests.by_address,
        "by_name_form": digests.by_name_form,
        "by_realm": digests.by_realm,
        "by_qop_and_cipher": digests.by_protection,
        "by_channel": digests.by_channel,
        "by_digest_uri": digests.by_digest_uri,
    }
    return {
        "records": summary.records,
        "first": f"{summary.first}Z" if summary.first else None,
        "last": f"{summary.last}Z" if summary.last else None,
        "events": {code: tally.count for code, tally in summary.by_id.sorted()},
        "binds": _json_tally(summary.binds),
        **{name: _json_table(tallies, top) for name, tallies in tables.items()},
        "digest_md5": {
            "binds": _json_tally(digests.total),
            **{name: _json_table(tallies, top) for name, tallies in of_digests.items()},
        },
    }


def _json_tally(tally: Tally) -> dict[str, Any]:
    return {
        "count": tally.count,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "last": f"{tally.last}Z" if tally.last else None,
        "last_success": f"{tally.last_success}Z" if tally.last_success else None,
    }


def _json_table(tallies: Tallies, top: int | None) -> dict[str, Any]:
    rows = tallies.sorted()
    left = rows[top:] if top is not None else []
    return {
        "rows": [{"name": name, **_json_tally(tally)} for name, tally in rows[:top]],
        "more": {"names": len(left), "count": sum(tally.count for _, tally in left)},
    }
