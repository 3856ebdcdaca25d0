"""`python -m benchmarks [--bindload PATH]`: what a bind costs, as tables."""

import argparse
import platform
import sys
from collections.abc import Callable

import twisted
from rich.console import Console
from rich.table import Table

from benchmarks import audit, layers, nonces, startup, timing
from benchmarks.load import MODES, Load, by_bindload, by_own_client
from benchmarks.server import RunningServer, running

USERS = 1000
CONNECTIONS = 16


def main() -> int:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--bindload", metavar="PATH", help="a compiled bindload; without it our own client")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of each run, the median counts (default: 3)")
    options = parser.parse_args()
    console = Console()
    console.print(
        f"Python {platform.python_version()}, Twisted {twisted.__version__}, {platform.machine()}; {USERS} users, "
        f"{CONNECTIONS} connections, client: {'bindload' if options.bindload else 'our own'}",
        highlight=False,
    )
    table = Table(
        "operation", "a second", "server CPU, µs each", "p50 ms", "p99 ms", title="The audit written to a file"
    )

    def load(server: RunningServer, connections: int, mode: str = "digest") -> Load:
        how = {"connections": connections, "users": USERS, "seconds": options.seconds}
        if options.bindload:
            return by_bindload(options.bindload, server, mode, **how)
        return by_own_client(server, mode, **how)

    with running(USERS) as server:
        modes = (*MODES, "search", "connect+digest+unbind") if options.bindload else MODES
        for mode in modes:
            runs = [load(server, CONNECTIONS, mode) for _ in range(options.rounds)]
            run = sorted(runs, key=lambda load: load.server_cpu_us)[len(runs) // 2]
            table.add_row(
                mode, f"{run.rate:,.0f}", f"{run.server_cpu_us:.1f}", f"{run.p50_ms:.2f}", f"{run.p99_ms:.2f}"
            )
        resident = server.resident_mib()
    console.print(table)
    console.print(f"memory of the server afterwards: {resident:.0f} MiB", highlight=False)
    _print_audit(console, options.rounds, load)
    table = Table("layer", "MB a second", "hashing and sealing alone", title="Wrapping 64 KiB")
    for layer in layers.measure():
        table.add_row(layer.name, f"{layer.wrapped:.0f}", f"{layer.floor:.0f}")
    console.print(table)
    book = nonces.measure()
    console.print(
        f"a million challenges, {book.challenge:.1f} µs each: +{book.unanswered:.1f} MiB when nobody answers, "
        f"+{book.answered:.1f} MiB when all do and are remembered",
        highlight=False,
    )
    table = Table(
        "of a wrong password", "unknown user, µs", "wrong password, µs", "apart", title="Failures, by medians"
    )
    for name, kind in timing.kinds().items():
        medians = timing.measure(**kind)
        table.add_row(name, f"{medians.unknown_user:.1f}", f"{medians.wrong_password:.1f}", f"{medians.apart:.1%}")
    console.print(table)
    start = startup.measure(USERS, options.rounds)
    console.print(
        f"process start to first bind {start.first_bind:.0f} ms, bare reactor import {start.bare_reactor:.0f} ms: "
        f"{start.first_bind - start.bare_reactor:.0f} ms over it",
        highlight=False,
    )
    return 0


def _print_audit(console: Console, rounds: int, load: Callable[[RunningServer, int], Load]) -> None:
    columns = ("connections", "audit", "a second", "CPU, µs", "more", "p99 ms")
    table = Table(*columns, title="DIGEST-MD5 binds: what the audit costs")
    for cost in audit.cost_of_binds(USERS, rounds, load):
        run = cost.load
        row = f"{run.rate:,.0f}", f"{run.server_cpu_us:.1f}", f"{cost.more:+.1%}", f"{run.p99_ms:.2f}"
        table.add_row(str(cost.connections), cost.way, *row)
    console.print(table)
    one = audit.cost_of_a_record()
    console.print(
        f"a record: {one.writing:.1f} µs into a file, {one.rendering:.1f} µs of it to put it into words",
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main())
