"""Times as text that compares as the times do, and the times that a person types."""

import re
from datetime import UTC, datetime, timedelta

from ldapserver.clock import Clock

_ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def canonical(text: str) -> str:
    """A time of ISO 8601 in UTC, with nine digits of a second and no zone: `2026-01-02T03:04:05.678901200`.

    Without a zone it is UTC, without a time of day midnight. Raises ValueError.
    """
    found = _ISO_8601.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of ISO 8601")
    day, clock, fraction, zone = found.groups()
    seconds = datetime.fromisoformat(f"{day}T{clock or '00:00'}{'' if zone in (None, 'Z') else zone}")
    if seconds.tzinfo is not None:
        try:
            seconds = seconds.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"{text!r} is not within the years 1 to 9999") from None
    return f"{seconds:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + "." + (fraction or "").ljust(9, "0")


def moment(text: str, clock: Clock) -> str:
    """What a person types for a time: ISO 8601, or how long ago (`30s`, `15m`, `2h`, `7d`, `1w`) by `clock`.

    Raises ValueError.
    """
    ago = _AGO.fullmatch(text)
    if ago is None:
        try:
            return canonical(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is neither a time of ISO 8601, like 2026-01-02T03:04, nor how long ago, like 30m, 2h, 7d"
            ) from None
    try:
        then = clock.now() - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
    except OverflowError:
        return canonical("0001-01-01")
    return f"{then:%Y-%m-%dT%H:%M:%S.%f}".rjust(26, "0") + "000"
