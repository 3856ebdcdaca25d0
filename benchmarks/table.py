"""The table: 118 columns of text, the same on a terminal and in a pipe."""

from collections.abc import Iterable, Iterator

from benchmarks.rows import Finding, Row, Section

WIDTHS = (34, 7, 8, 7, 7, 26, 12, 3)
HEAD = ("", "CPU, µs", "a second", "p50, ms", "p99, ms", "measured", "goal", "met")
NUMBERS = range(1, 5)  # columns that are flush right


def lines(sections: Iterable[Section]) -> Iterator[str]:
    """Section after section, each as soon as it is there."""
    yield _line(HEAD)
    yield _line(tuple("-" * width for width in WIDTHS))
    for section in sections:
        yield section.title
        for row in section.rows:
            yield from _row(row)
        if section.note:
            yield f"  ({section.note})"
        yield ""


def _row(row: Row) -> Iterator[str]:
    load = row.load
    cells = (
        f"  {row.name}",
        *((f"{load.server_cpu_us:,.1f}", f"{load.rate:,.0f}", f"{load.p50_ms:.2f}", f"{load.p99_ms:.2f}")
          if load else ("",) * 4),
    )  # fmt: skip
    first, *others = [_finding(finding) for finding in row.findings] or [("",) * 3]
    yield _line((*cells, *first))
    for other in others:
        yield _line(("",) * 5 + other)


def _finding(finding: Finding) -> tuple[str, str, str]:
    met = {None: "", True: "yes", False: "NO"}[finding.met]
    return str(finding), str(finding.goal or ""), met


def _line(cells: tuple[str, ...]) -> str:
    padded = [
        cell.rjust(width) if column in NUMBERS else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    ]
    return "  ".join(padded).rstrip()
