"""Some of an attribute's values at a time: `member;range=0-1499` ([MS-ADTS] 3.1.1.3.1.3.3), and limits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_VAL_RANGE = 1500  # values of an attribute in one answer, [MS-ADTS] 3.1.1.3.4.6: since Windows Server 2003
RANGE_OPTION = "1.2.840.113556.1.4.802"  # listed among supportedControl, [MS-ADTS] 3.1.1.3.4.1.10, though it is none
MAX_PAGE_SIZE = 1000  # entries in one answer, likewise; a search that is not paged ends there with sizeLimitExceeded

_RANGE = re.compile(r"range=([0-9]{1,10})-(\*|[0-9]{1,10})", re.IGNORECASE)


class InvalidRange(ValueError):
    """A range option that is none: not two numbers, or backwards."""


@dataclass(frozen=True, slots=True)
class Range:
    """Values `low` to `high`, both included and counted from 0; to the last where `high` is None."""

    low: int
    high: int | None


def split_range(description: str) -> tuple[str, Range | None]:
    """An attribute description without its range option, and that option; raises `InvalidRange`."""
    name, *options = description.split(";")
    asked: Range | None = None
    kept = [name]
    for option in options:
        if not option.lower().startswith("range="):
            kept.append(option)
            continue
        match = _RANGE.fullmatch(option)
        if match is None or asked is not None:
            raise InvalidRange(f"{description[:80]!r}: one range, LOW-HIGH or LOW-* ([MS-ADTS] 3.1.1.3.1.3.3)")
        asked = Range(int(match[1]), None if match[2] == "*" else int(match[2]))
        if asked.high is not None and asked.high < asked.low:
            raise InvalidRange(f"{description[:80]!r}: the range goes backwards")
    return ";".join(kept), asked


def in_range(
    description: str, values: Sequence[bytes], asked: Range | None, limit: int = MAX_VAL_RANGE
) -> list[tuple[str, tuple[bytes, ...]]]:
    """The attributes that an answer has for one attribute, of which the client asked for a range or for all of it.

    `description` is without range option, `limit` the most values that one answer holds. Nothing comes of an
    attribute without values, nor of a range that begins behind the last.
    """
    if asked is None:
        if len(values) <= limit:
            return [(description, tuple(values))] if values else []
        # Too many to give at once: the attribute itself comes empty, and beside it the first range.
        return [(description, ()), (f"{description};range=0-{limit - 1}", tuple(values[:limit]))]
    if asked.low >= len(values):
        return []
    end = asked.low + limit if asked.high is None else min(asked.high + 1, asked.low + limit)
    # An asterisk says that these are the last.
    high = "*" if end >= len(values) else end - 1
    return [(f"{description};range={asked.low}-{high}", tuple(values[asked.low : end]))]
