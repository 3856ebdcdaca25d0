"""Times as Active Directory writes them: file times, tenths of a microsecond since 1601, and GeneralizedTime."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
NEVER = 0x7FFFFFFFFFFFFFFF  # of accountExpires, and of passwords: [MS-ADTS] 3.1.1.4.5.33

_TICK = timedelta(microseconds=1)
_UNIX = 116_444_736_000_000_000  # 1970 as a FILETIME


def filetime(moment: datetime) -> int:
    """A moment as FILETIME, [MS-DTYP] 2.3.3: units of 100 ns since 1601-01-01 UTC. `moment` knows its zone."""
    return (moment - EPOCH) // _TICK * 10


def filetime_at(ns: int) -> int:
    """The FILETIME of so many nanoseconds since 1970, as a `Clock` gives them."""
    return _UNIX + ns // 100


def moment(value: int) -> datetime:
    """The moment of a FILETIME, to the microsecond; raises OverflowError for those beyond the year 9999."""
    return EPOCH + timedelta(microseconds=value // 10)


def generalized_time(at: datetime) -> str:
    """As whenCreated has it: UTC, whole seconds, and always `.0Z`."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.0Z")
