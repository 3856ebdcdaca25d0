"""What the audit costs: one record in a file; DIGEST-MD5 binds without one, with one, and on stable storage."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.arena import cpu_ratio, middle
from benchmarks.load import Load
from benchmarks.server import RunningServer, running
from ldapserver import FileSink, JSONRenderer
from tests.server.generated_logs import BIND

RECORDS = 20_000
CONNECTIONS = (16, 64)

WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": (("benchmarks.unaudited",), ()),
    "file": (("ldapserver", "serve"), ()),
    "file, --events logon": (("ldapserver", "serve"), ("--events", "logon")),
    "file, --audit-sync": (("ldapserver", "serve"), ("--audit-sync",)),
}


@dataclass(frozen=True)
class RecordCost:
    """Microseconds of one record: put into words, and with all that a sink does to put it into a file."""

    rendering: float
    writing: float


def cost_of_a_record() -> RecordCost:
    """The least of five runs, in this process."""
    record = replace(BIND, time_ns=time.time_ns())
    renderer = JSONRenderer("ldap1.example.org")
    with tempfile.TemporaryDirectory() as folder:
        sink = FileSink(os.path.join(folder, "audit.jsonl"), renderer)
        rendering = _least(lambda: renderer.line(record, 1))
        writing = _least(lambda: sink.write([record]))
        sink.close()
    return RecordCost(rendering, writing)


def _least(work: Callable[[], object]) -> float:
    runs = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(RECORDS):
            work()
        runs.append((time.perf_counter() - started) / RECORDS * 1e6)
    return min(runs)


@dataclass(frozen=True)
class BindCost:
    """One way of auditing: what a DIGEST-MD5 bind comes to, and its CPU as a multiple of that without an audit."""

    way: str
    load: Load
    times: float


def cost_of_binds(users: int, rounds: int, load: Callable[[RunningServer, int], Load]) -> dict[int, list[BindCost]]:
    """By the number of connections: each way in turn, so many times, each with a new server; the medians.

    What one costs more is the median of what it did in each round, beside the server without an audit of that round.
    """
    runs: dict[tuple[str, int], list[Load]] = {(way, many): [] for many in CONNECTIONS for way in WAYS}
    for _ in range(rounds):
        for way, (serve, options) in WAYS.items():
            with running(users, *options, serve=serve) as server:
                load(server, CONNECTIONS[0])  # a new process gets quicker for a while
                for many in CONNECTIONS:
                    runs[way, many].append(load(server, many))
    return {
        many: [BindCost(way, middle(runs[way, many]), cpu_ratio(runs[way, many], runs["none", many])) for way in WAYS]
        for many in CONNECTIONS
    }
