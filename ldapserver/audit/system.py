"""What every Windows event says about itself beside its data: the System part, which both forms write."""

import os
import threading
import time
from dataclasses import dataclass

PROVIDER = "Microsoft-Windows-Security-Auditing"
PROVIDER_GUID = "{54849625-5478-4994-a5ba-3e3b0328c30d}"
CHANNEL = "Security"

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
        self._second = -1
        self._text = ""

    def of(self, time_ns: int) -> str:
        """UTC with seven digits of a second; `time_ns` is nanoseconds since the epoch."""
        second, rest = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._text}.{str(rest).zfill(9)[:7]}Z"
