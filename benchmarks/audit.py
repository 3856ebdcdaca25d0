"""What the audit costs: one record in a file, and binds on many connections, with and without `--audit-sync`."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Load
from benchmarks.server import RunningServer, running
from ldapserver import BindReason, BindRecord, FileSink, JSONRenderer, Status

RECORDS = 20_000
MANY = (16, 64)  # connections

# To nowhere there is no disk to wait for; all else is as with a file.
WAYS = {
    "to /dev/null": ("/dev/null", ()),
    "to a file": (None, ()),
    "to a file, --audit-sync": (None, ("--audit-sync",)),
}


@dataclass(frozen=True)
class Cost:
    """Microseconds of one record: put into words, and with all that a sink does to put it into a file."""

    rendering: float
    writing: float


def cost_of_a_record() -> Cost:
    """The least of five runs, in this process."""
    record = BindRecord(
        time_ns=time.time_ns(),
        status=Status.SUCCESS,
        package="WDigest",
        account="user1",
        workstation="LDAP1",
        source_ip="127.0.0.1",
        source_port=50123,
        connection=1,
        message_id=2,
        mechanism="DIGEST-MD5",
        realm="example.org",
        authzid=None,
        qop="auth",
        cipher=None,
        digest_uri="ldap/localhost",
        result_code=0,
        reason=BindReason.SUCCESS,
        detail=None,
        tls=False,
    )
    renderer = JSONRenderer("ldap1.example.org")
    with tempfile.TemporaryDirectory() as folder:
        sink = FileSink(os.path.join(folder, "audit.jsonl"), renderer)
        rendering = _least(lambda: renderer.line(record, 1))
        writing = _least(lambda: sink.write([record]))
        sink.close()
    return Cost(rendering, writing)


def _least(work: Callable[[], object]) -> float:
    runs = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(RECORDS):
            work()
        runs.append((time.perf_counter() - started) / RECORDS * 1e6)
    return min(runs)


def digest_binds(users: int, load: Callable[[RunningServer, int], Load]) -> Iterator[tuple[str, int, Load]]:
    """For each way of auditing and each number of connections, what `load` of a server comes to."""
    for way, (audit, options) in WAYS.items():
        with running(users, *options, audit=None if audit is None else Path(audit)) as server:
            for connections in MANY:
                yield way, connections, load(server, connections)
