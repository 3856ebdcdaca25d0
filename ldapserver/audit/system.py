"""What every Windows event says about itself beside its data: the System part, which both forms write."""

import os
import threading
import time
from dataclasses import dataclass
from typing import Final

PROVIDER = "Microsoft-Windows-Security-Auditing"
PROVIDER_GUID = "{54849625-5478-4994-a5ba-3e3b0328c30d}"
CHANNEL = "Security"

_SECOND: Final = 1_000_000_000  # nanoseconds
_TENTHS: Final = 10_000_000  # tenths of a microsecond: a one, and behind it a place for each digit of the fraction

AUDIT_SUCCESS = 0x8020000000000000
AUDIT_FAILURE = 0x8010000000000000


@dataclass(frozen=True, slots=True)
class Execution:
    """The process and the thread that write: operating system ids."""

    process_id: int
    thread_id: int

    @classmethod
    def here(cls) -> "Execution":
        """Of the caller."""
        return cls(os.getpid(), threading.get_native_id())


class TimeText:
    """Times as Windows writes them; remembers the second written last, for many records come in one."""

    def __init__(self) -> None:
        self._begun_ns = 0  # of the second, in nanoseconds since the epoch
        self._text = "1970-01-01T00:00:00."

    def of(self, time_ns: int) -> str:
        """UTC with seven digits of a second; `time_ns` is nanoseconds since the epoch."""
        second, digits = self.parts(time_ns)
        return f"{second}{digits}Z"

    def parts(self, time_ns: int) -> tuple[str, str]:
        """The same up to the point, and the digits behind it: for who puts more together."""
        rest = time_ns - self._begun_ns
        if not 0 <= rest < _SECOND:
            second, rest = divmod(time_ns, _SECOND)
            self._begun_ns = second * _SECOND
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return self._text, str(_TENTHS + rest // 100)[1:]
