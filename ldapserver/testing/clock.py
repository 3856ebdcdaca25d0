"""What time it is in a server under test: the system's time, moved on as a test says, or standing still."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ldapserver.clock import Clock, StoppedClock

if TYPE_CHECKING:
    from ldapserver.testing.served import Served
    from ldapserver.testing.server import Ask

_MICROSECOND = timedelta(microseconds=1)


class MovedClock(Clock):
    """The system's time and what was added to it; `standing` is the time it stands still at, None while it goes."""

    def __init__(self) -> None:
        self.added = 0
        self.standing: int | None = None

    def ns(self) -> int:
        """See `Clock`."""
        return super().ns() + self.added if self.standing is None else self.standing

    def advance(self, ns: int) -> None:
        """Let this much more time have passed."""
        if self.standing is None:
            self.added += ns
        else:
            self.standing += ns

    def stop(self, at: int | None) -> None:
        """Stand still, at this time or now."""
        self.standing = self.ns() if at is None else at

    def start(self) -> None:
        """Go on from where it stands."""
        if self.standing is not None:
            self.added = self.standing - super().ns()
            self.standing = None


class ServerClock:
    """The clock of a running server: goes by itself, and is moved on or stopped by the test.

    It is the time of all that has a date: lockouts, the age of passwords, the ends of accounts and nonces, stamps of
    entries and records. Time-outs of connections and a search's time limit do not go by it.
    """

    def __init__(self, ask: "Ask") -> None:
        self._ask = ask

    def __repr__(self) -> str:
        return f"<ServerClock {self.now.isoformat()}>"

    @property
    def now(self) -> datetime:
        """The server's date and time, in UTC."""
        return self._ask(_now)

    def advance(
        self,
        lapse: timedelta | None = None,
        /,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Let this much time pass at once, to the microsecond. Raises ValueError for less than none, or no unit."""
        if lapse is not None and not isinstance(lapse, timedelta):
            raise ValueError(f"advance: {lapse!r} of what? minutes={lapse!r}, or a timedelta")
        whole = (lapse or timedelta()) + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if whole < timedelta():
            raise ValueError("advance: time goes forward only; stop(at=...) takes any date")
        self._ask(_advance, whole // _MICROSECOND * 1000)

    def stop(self, at: datetime | None = None) -> None:
        """Stand still, now or at a date, which knows its zone; `advance` moves it all the same.

        Raises ValueError for a date without a zone.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError("at: must know its zone, like datetime(2026, 1, 2, tzinfo=UTC)")
        self._ask(_stop, None if at is None else StoppedClock(at).ns())

    def start(self) -> None:
        """Go by itself again, from where it stands."""
        self._ask(_start)


def _now(served: "Served") -> datetime:
    return served.clock.now()


def _advance(served: "Served", ns: int) -> None:
    served.clock.advance(ns)


def _stop(served: "Served", at: int | None) -> None:
    served.clock.stop(at)


def _start(served: "Served") -> None:
    served.clock.start()
