"""What a server costs before it has work: memory at rest and of idle connections, and the time it takes to start."""

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks import goals
from benchmarks.arena import USERS, Arena
from benchmarks.one_bind import bind
from benchmarks.process import PATIENCE, Listening, allow_descriptors
from benchmarks.rows import Finding, Row, Section
from benchmarks.testing import started
from ldapserver.wire import codec
from ldapserver.wire.messages import BindRequest, LDAPMessage, SimpleAuthentication

IDLE = 10_000
SPARE = 1000  # descriptors of a process beside its connections
FIXTURES = 30
ANONYMOUS = codec.encode(LDAPMessage(1, BindRequest(3, "", SimpleAuthentication(b""))))
ANSWER = 64  # octets that no BindResponse to it has


def memory(arena: Arena) -> Iterator[Section]:
    """Of new servers, without TLS; what the kernel holds for sockets is not in it."""
    allow_descriptors(IDLE + SPARE)
    rows = []
    for peer in (*arena.ours, *filter(None, [arena.slapd, arena.ldaptor])):
        at_rest, each = [], []
        for _ in range(arena.rounds):
            with peer.start(USERS) as server:
                rest, more = _held(server)
            at_rest.append(rest)
            each.append(more)
        ours = peer in arena.ours
        rows.append(
            Row(
                peer.name,
                findings=(
                    Finding(statistics.median(at_rest), "MiB at rest", goals.AT_REST if ours else None, 1),
                    Finding(statistics.median(each), "KiB a connection", goals.IDLE_CONNECTION if ours else None),
                ),
            )
        )
    yield Section(f"memory with {USERS:,} users, and with {IDLE:,} idle connections", tuple(rows))


def _held(server: Listening) -> tuple[float, float]:
    """MiB at rest, and KiB of each connection that has asked once and asks no more."""
    _settle(server)
    at_rest = server.resident_mib()
    with ExitStack() as open_ones:
        for _ in range(IDLE):
            connection = open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            connection.sendall(ANONYMOUS)
            if not connection.recv(ANSWER):
                raise RuntimeError("a connection was closed that was to be idle")
        return at_rest, (server.resident_mib() - at_rest) * 1024 / IDLE


def _settle(server: Listening) -> None:
    """Wait until it does nothing any more."""
    before = -1.0
    while before != (before := server.cpu_seconds()):
        time.sleep(0.2)


def start(arena: Arena) -> Iterator[Section]:
    """From starting the process to the first bind's success; by turns with a bare import of the reactor."""
    servers = (*arena.ours, *filter(None, [arena.slapd]))
    first: dict[str, list[float]] = {peer.name: [] for peer in servers}
    bare = []
    for _ in range(arena.rounds):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import twisted.internet.reactor"], check=True)
        bare.append((time.perf_counter() - begun) * 1000)
        for peer in servers:
            with peer.start(USERS) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
                bind(connection)
                first[peer.name].append((time.perf_counter() - server.started) * 1000)
    rows = [Row("a bare import of the reactor", findings=(Finding(statistics.median(bare), "ms", digits=0),))]
    for peer in servers:
        findings = [Finding(statistics.median(first[peer.name]), "ms", digits=0)]
        if peer in arena.ours:
            over = statistics.median(one - other for one, other in zip(first[peer.name], bare, strict=True))
            findings.append(Finding(over, "ms over that import", goals.START_OVER_REACTOR, 0))
        rows.append(Row(peer.name, findings=tuple(findings)))
    note = "slapd's users were loaded before; ours are read from LDIF"
    yield Section(f"start to first bind, {USERS:,} users", tuple(rows), note if arena.slapd else "")


def fixture(arena: Arena) -> Iterator[Section]:
    """A server within a test, in a process that has started one before."""
    ready, stopped = started({}, FIXTURES)
    findings = (
        Finding(statistics.median(ready), "ms until ready", goals.WARM_FIXTURE),
        Finding(statistics.median(stopped), "ms until gone"),
    )
    yield Section("a server for a test", (Row("warm fixture", findings=findings),))
