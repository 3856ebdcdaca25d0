"""`python -m benchmarks.directory [--bindload PATH]`: what a hundred thousand entries cost.

How long they load and what memory they take, with `--profile ad` too; what a search by an indexed attribute costs;
and how long binds take while others read everything slowly, or have everything looked through.
"""

import argparse
import contextlib
import platform
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.load import SEARCH, Load, Order, by_bindload
from benchmarks.one_bind import bind
from benchmarks.server import BASE, RunningServer, running, write_people
from ldapserver.wire import codec
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    DerefAliases,
    LDAPMessage,
    ResultCode,
    Scope,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
)

ENTRIES = 100_000
CONNECTIONS = 16
AT_ONCE = (1, 8)
EVERYTHING = "(objectClass=*)"
UNINDEXED = "(description=*zzz*)"

WIDTH = 110  # of what is written to a file: on fewer columns filters would be cut off

SIP = 64 * 1024  # octets that a slow reader takes
BETWEEN_SIPS = 0.05  # seconds


def main() -> int:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.directory", description=__doc__)
    parser.add_argument("--bindload", metavar="PATH", help="a compiled bindload, for searches on many connections")
    parser.add_argument("--entries", type=int, default=ENTRIES, help=f"in the directory (default: {ENTRIES})")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run (default: 5)")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(
        f"Python {platform.python_version()}, {platform.machine()}; {options.entries:,} entries of ten attributes",
        highlight=False,
    )
    with running(options.entries, "--profile", "ad", write=write_people) as server:
        console.print(f"with --profile ad {ready(server)}", highlight=False)
    with running(options.entries, write=write_people) as server:
        console.print(ready(server), highlight=False)
        if options.bindload:
            load = equality(options.bindload, server, options.entries, options.seconds)
            console.print(
                f"search by uid on {CONNECTIONS} connections: {load.server_cpu_us:.1f} µs of server CPU each, "
                f"{load.rate:,.0f} a second, p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms",
                highlight=False,
            )
        table = Table("filter", *("one alone, ms", "CPU, ms", "again, ms"), title="One search, first and again")
        for filter in (*FIRST, UNINDEXED):
            (first, cpu), (again, _) = alone(server, filter), alone(server, filter)
            table.add_row(filter, f"{first:.1f}", f"{cpu:.0f}", f"{again:.1f}")
        console.print(table)
        table = Table(
            *("the others", "KiB or searches", "binds", "p50 ms", "p99 ms", "longest ms", "memory MiB"),
            title="DIGEST-MD5 binds on one connection, and what others do meanwhile",
        )
        for run in meanwhile(server, options.seconds):
            table.add_row(
                *(run.others, f"{run.done:,}", f"{len(run.latencies):,}"),
                *(f"{run.at(0.5):.1f}", f"{run.at(0.99):.1f}", f"{run.at(1.0):.1f}", f"{run.grown:+.1f}"),
            )
        console.print(table)
        console.print(f"memory of the server afterwards: {server.resident_mib():.0f} MiB", highlight=False)
    return 0


def ready(server: RunningServer) -> str:
    """How long it took to load all, and what it takes."""
    cpu, memory = server.cpu_seconds(), server.resident_mib()
    return f"ready after {server.ready_after:.1f} s ({cpu:.1f} s of CPU), {memory:.0f} MiB"


FIRST = ("(uid=user77)", "(cn=grace n*)", "(&(objectClass=person)(mail=user77@example.org))", "(sn=number7777*)")


def equality(bindload: str, server: RunningServer, entries: int, seconds: float) -> Load:
    """Searches for one entry by its uid, all attributes of it returned."""
    return by_bindload(bindload)(server, Order(SEARCH, CONNECTIONS, entries, seconds))


def alone(server: RunningServer, filter: str) -> tuple[float, float]:
    """Milliseconds of one search, and of the server's CPU."""
    with connected(server) as connection:
        cpu, start = server.cpu_seconds(), time.perf_counter()
        connection.sendall(request(filter))
        list(answers(connection))
        return (time.perf_counter() - start) * 1000, (server.cpu_seconds() - cpu) * 1000


@dataclass(frozen=True)
class Run:
    """Milliseconds of each bind, what the others did (KiB read, or searches), and the server's growth in MiB."""

    others: str
    done: int
    latencies: list[float]
    grown: float

    def at(self, part: float) -> float:
        """The latency that this part of the binds do not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def meanwhile(server: RunningServer, seconds: float) -> Iterator[Run]:
    """Binds alone; while others read everything slowly, or as fast as they can; while nothing is found for them."""
    yield _run(server, "nobody", lambda ended: 0, 0, seconds)
    for count in AT_ONCE:
        yield _run(server, f"{count} read all, slowly", lambda ended: _read_slowly(server, ended), count, seconds)
    for count in AT_ONCE:
        yield _run(server, f"{count} read all", lambda ended: _read(server, EVERYTHING, ended), count, seconds)
    for count in AT_ONCE:
        name = f"{count} × {UNINDEXED}"
        yield _run(server, name, lambda ended: _read(server, UNINDEXED, ended), count, seconds)


def _run(
    server: RunningServer, name: str, other: Callable[[threading.Event], int], count: int, seconds: float
) -> Run:
    ended = threading.Event()
    done: list[int] = []
    others = [threading.Thread(target=lambda: done.append(other(ended))) for _ in range(count)]
    before = largest = server.resident_mib()
    latencies: list[float] = []
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for thread in others:
            thread.start()
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            bind(connection)
            latencies.append((time.perf_counter() - start) * 1000)
            largest = max(largest, server.resident_mib())
    ended.set()
    for thread in others:
        thread.join()
    return Run(name, sum(done), latencies, largest - before)


END = codec.encode(LDAPMessage(3, SearchResultDone(ResultCode.SUCCESS)))  # of every search, for all have one number


@contextlib.contextmanager
def connected(server: RunningServer) -> Iterator[socket.socket]:
    """A connection that has bound; little is buffered for it, so that a slow reader is one."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP)
        connection.connect(("127.0.0.1", server.port))
        bind(connection)
        yield connection


def request(filter: str) -> bytes:
    """A search of the whole directory for all attributes."""
    whole = SearchRequest(
        BASE, Scope.WHOLE_SUBTREE, DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False, parse_filter(filter), ()
    )
    return codec.encode(LDAPMessage(3, whole))


def answers(connection: socket.socket) -> Iterator[SearchResultEntry]:
    """The entries, up to the SearchResultDone."""
    framer = Framer(1 << 20)
    while True:
        framer.feed(connection.recv(SIP))
        while (element := framer.next()) is not None:
            answer = codec.decode(element).operation
            if isinstance(answer, SearchResultEntry):
                yield answer
            elif isinstance(answer, SearchResultDone) and answer.result_code == ResultCode.SUCCESS:
                return
            else:
                raise RuntimeError(f"a search failed: {answer}")


def _read(server: RunningServer, filter: str, ended: threading.Event) -> int:
    """Search again and again; how often until the end. What comes is counted off and not decoded: we share a CPU."""
    done = 0
    with connected(server) as connection:
        while not ended.is_set():
            connection.sendall(request(filter))
            last = b""
            while last != END and not ended.is_set():
                last = (last + connection.recv(SIP))[-len(END) :]
            done += last == END
    return done


def _read_slowly(server: RunningServer, ended: threading.Event) -> int:
    """Ask for everything and read some of it, now and then; how many KiB until the end."""
    octets = 0
    with connected(server) as connection:
        last = END
        while not ended.wait(BETWEEN_SIPS):
            if last == END:  # a small directory has been read before the time is over
                connection.sendall(request(EVERYTHING))
            taken = connection.recv(SIP)
            octets += len(taken)
            last = (last + taken)[-len(END) :]
    return octets // 1024


if __name__ == "__main__":
    sys.exit(main())
