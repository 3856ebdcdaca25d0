"""What a load came to: counts, result codes, errors and latencies, as tables and as JSON."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ldapserver.cli.ldp.histogram import Histogram
from ldapserver.cli.ldp.load_client import CLOSED, TIMEOUT, UNPROVEN, UNREACHABLE
from ldapserver.cli.tables import Table
from ldapserver.printable import printable
from ldapserver.wire.messages import ResultCode

PERCENTILES = (50.0, 90.0, 99.0, 99.9)

# Exit status, as of all of `ldp`.
ANOTHER_CODE, NOT_REACHED, NOT_PROVEN = 80, 81, 82
_CODES = range(1, 64)


@dataclass(slots=True)
class Tally:
    """What has happened so far; times are in seconds of the clock that the run has."""

    latency: Histogram = field(default_factory=Histogram)
    codes: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # the first of each kind of error, in its words
    entries: int = 0
    not_begun: int = 0  # were due by --rate, and no connection was free
    began: float = 0.0
    ended: float = 0.0

    @property
    def succeeded(self) -> int:
        """Operations with resultCode success."""
        return self.codes[ResultCode.SUCCESS]

    @property
    def done(self) -> int:
        """Operations that have ended, in whatever way."""
        return self.codes.total() + self.errors.total()

    @property
    def failed(self) -> int:
        """Operations that did not succeed."""
        return self.done - self.succeeded

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(self.ended - self.began, 0.0)

    @property
    def rate(self) -> float:
        """Operations a second that ended."""
        return self.done / self.seconds if self.seconds else 0.0

    def answered(self, code: int, seconds: float) -> None:
        """One has got a result code, after so long."""
        self.codes[code] += 1
        self.latency.record(round(seconds * 1e6))

    def missed(self, kind: str, detail: str, seconds: float) -> None:
        """One has got none, for a reason of this kind. What was waited for in vain was waited for all the same."""
        self.errors[kind] += 1
        self.examples.setdefault(kind, detail)
        if kind == TIMEOUT:
            self.latency.record(round(seconds * 1e6))

    def status(self) -> int:
        """The exit status: the gravest that happened."""
        if self.errors[UNPROVEN]:
            return NOT_PROVEN
        refused = Counter({code: count for code, count in self.codes.items() if code != ResultCode.SUCCESS})
        if refused:
            code, _ = _most_first(refused)[0]
            return code if code in _CODES else ANOTHER_CODE
        if any(self.errors[kind] for kind in (UNREACHABLE, CLOSED, TIMEOUT)):
            return NOT_REACHED
        return ANOTHER_CODE if self.errors else 0


def _most_first(codes: Counter[int]) -> list[tuple[int, int]]:
    return sorted(codes.items(), key=lambda each: (-each[1], each[0]))


def named(code: int) -> str:
    """A result code by the name RFC 4511 has for it."""
    try:
        first, *others = ResultCode(code).name.lower().split("_")
    except ValueError:
        return f"({code})"
    return f"{first}{''.join(map(str.capitalize, others))} ({code})"


def milliseconds(microseconds: float) -> str:
    """Three digits that say something."""
    value = microseconds / 1000
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def tables(tally: Tally, noun: str) -> list[Table]:
    """All of it, for a person; `noun` is what was counted: binds, searches."""
    totals = [(noun, f"{tally.done:,}"), ("succeeded", f"{tally.succeeded:,}"), ("failed", f"{tally.failed:,}")]
    if tally.not_begun:
        totals.append(("due, not begun", f"{tally.not_begun:,}"))
    if noun == "searches":
        totals.append(("entries", f"{tally.entries:,}"))
    totals += [("seconds", f"{tally.seconds:.2f}"), (f"{noun} a second", f"{tally.rate:,.1f}")]
    found = [Table(("what", "how many"), totals, frozenset({"how many"}))]
    if tally.latency.count:
        rows = [(name, milliseconds(value)) for name, value in _latencies(tally.latency)]
        found.append(Table(("latency", "ms"), rows, frozenset({"ms"})))
    if tally.codes:
        rows = [(f"{count:,}", named(code)) for code, count in _most_first(tally.codes)]
        found.append(Table((noun, "resultCode"), rows, frozenset({noun})))
    if tally.errors:
        rows3 = [(f"{n:,}", kind, printable(tally.examples[kind]) or "-") for kind, n in tally.errors.most_common()]
        found.append(Table((noun, "error", "the first"), rows3, frozenset({noun}), styles=(("error", "red"),)))
    return found


def _latencies(latency: Histogram) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = [("min", latency.least), ("mean", latency.mean)]
    found += [(f"p{percent:g}", latency.percentile(percent)) for percent in PERCENTILES]
    return [*found, ("max", latency.greatest)]


def as_json(tally: Tally) -> dict[str, Any]:
    """All of it, for a program; latencies are in milliseconds, null where nothing was answered."""
    latency = tally.latency
    return {
        "operations": tally.done,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "not_begun": tally.not_begun,
        "entries": tally.entries,
        "seconds": round(tally.seconds, 3),
        "per_second": round(tally.rate, 1),
        "latency_ms": {name: round(value / 1000, 3) for name, value in _latencies(latency)}
        if latency.count
        else None,
        "result_codes": {str(int(code)): count for code, count in sorted(tally.codes.items())},
        "errors": dict(tally.errors.most_common()),
    }
