"""What time it is: the one place that asks the system.

Everything with a date asks the clock that a directory is given: the stamps of its entries, lockouts and the age of
passwords, and by way of `Service` records, nonces and the ids of logons. Logs are rotated by the times of their
records. So a `StoppedClock` moves all of a server at once.

How long something takes is no date: time-outs of connections are the reactor's, limits of searches monotonic.
"""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_time_ns = time.time_ns


class Clock:
    """The system's time. Another clock is one with another `ns`."""

    def ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return _time_ns()

    def seconds(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self.ns() / 1e9

    def now(self) -> datetime:
        """The date and time in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.ns() // 1000)


class _SystemClock(Clock):
    """The same, without a call between: a bind asks three times."""

    ns = staticmethod(_time_ns)
    seconds = staticmethod(time.time)


SYSTEM_CLOCK: Clock = _SystemClock()


class StoppedClock(Clock):
    """A clock that goes when it is told to, for tests; `at` knows its zone."""

    def __init__(self, at: datetime) -> None:
        self._ns = (at - _EPOCH) // _MICROSECOND * 1000

    def ns(self) -> int:
        """See `Clock`."""
        return self._ns

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let this much time pass, to the microsecond."""
        lapse = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        self._ns += lapse // _MICROSECOND * 1000
