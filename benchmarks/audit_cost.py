"""What the audit costs a DIGEST-MD5 bind: without one, written to a file, and on stable storage."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.load import Load
from benchmarks.server import RunningServer, running

MODES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no audit": (("benchmarks.unaudited",), ()),
    "written to a file": (("ldapserver", "serve"), ()),
    "--audit-sync": (("ldapserver", "serve"), ("--audit-sync",)),
    "--events logon": (("ldapserver", "serve"), ("--events", "logon")),
}


@dataclass(frozen=True)
class Cost:
    """One mode: binds a second, server CPU of one (microseconds), and how much more that is than without an audit."""

    mode: str
    rate: float
    cpu_us: float
    more: float


def measure(users: int, rounds: int, load: Callable[[RunningServer], Load]) -> list[Cost]:
    """Each mode in turn, so many times; the medians. What a mode costs more is the median of each round's own."""
    runs: dict[str, list[Load]] = {mode: [] for mode in MODES}
    for _ in range(rounds):
        for mode, (serve, options) in MODES.items():
            with running(users, *options, serve=serve) as server:
                load(server)  # a new process gets quicker for a while
                runs[mode].append(load(server))
    without = [run.server_cpu_us for run in runs["no audit"]]
    return [
        Cost(
            mode,
            statistics.median(run.rate for run in done),
            statistics.median(run.server_cpu_us for run in done),
            statistics.median(run.server_cpu_us / bare - 1 for run, bare in zip(done, without, strict=True)),
        )
        for mode, done in runs.items()
    ]
