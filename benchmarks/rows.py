"""What was found, as rows: a heading, who was measured, a load or none, and what is said of it beside its goal."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.goals import Goal
from benchmarks.load import Load


@dataclass(frozen=True)
class Finding:
    """A number with what it counts, and what it should be at most or at least."""

    measured: float
    of: str
    goal: Goal | None = None
    digits: int = 2

    @property
    def met(self) -> bool | None:
        """Whether it is what is aimed at; None where nothing is."""
        return None if self.goal is None else self.goal.met_by(self.measured)

    def __str__(self) -> str:
        return f"{self.measured:,.{self.digits}f} {self.of}"


@dataclass(frozen=True)
class Row:
    """Of one who was measured."""

    name: str
    load: Load | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Section:
    """Rows that belong beside each other."""

    title: str
    rows: tuple[Row, ...]
    note: str = ""


def as_json(sections: Iterable[Section]) -> list[dict[str, Any]]:
    """The same as values of JSON."""
    return [
        {
            "title": section.title,
            "note": section.note,
            "rows": [
                {
                    "name": row.name,
                    "load": row.load and {**asdict(row.load), "rate": row.load.rate},
                    "findings": [
                        {
                            "measured": finding.measured,
                            "of": finding.of,
                            "goal": finding.goal and asdict(finding.goal),
                            "met": finding.met,
                        }
                        for finding in row.findings
                    ],
                }
                for row in section.rows
            ],
        }
        for section in sections
    ]
