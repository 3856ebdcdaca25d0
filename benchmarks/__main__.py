"""What a bind costs, ours beside the peers', as one table; a peer that is not installed is named as absent.

All servers run side by side, and one at a time has work, each in its turn, round after round. CPU is what the
operating system has charged the server for an operation; a ratio is that of two in the same round, the median of all.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import loads, machine, prices, standing, tls
from benchmarks.arena import USERS, Arena
from benchmarks.client import by_own_client
from benchmarks.load import by_bindload
from benchmarks.peers import floor, ldaptor, ours, slapd
from benchmarks.peers.peer import Peer
from benchmarks.rows import Section, as_json
from benchmarks.table import lines

Part = Callable[[Arena], Iterable[Section]]
PARTS: Mapping[str, Part] = {
    "digest": loads.digest,
    "connect": loads.connect,
    "simple": loads.simple,
    "search": loads.search,
    "users": loads.users,
    "workers": loads.workers,
    "start": standing.start,
    "fixture": standing.fixture,
    "memory": standing.memory,
    "audit": prices.of_the_audit,
    "tls": tls.price,
    "layers": prices.of_layers,
    "nonces": prices.of_nonces,
    "failures": prices.of_failures,
}
ALL_PEERS = ("slapd", "ldaptor", "bare uvloop", "ours, uvloop")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, and print it while it comes."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.pin and len(os.sched_getaffinity(0)) < 2:
        parser.error("--pin: there is one core for servers and client")
    try:
        more = ours.compiled_peers(options.compiled) if options.compiled else []
    except (OSError, RuntimeError) as fault:
        parser.error(f"--compiled: {fault}")
    peers = [*ours.peers(), *more, *slapd.peers(), *floor.peers(), *ldaptor.peers(options.ldaptor)]
    heading = _heading(peers, options)
    wide = max(map(len, heading))
    for name, value in heading.items():
        print(f"{name:{wide}} {value}")
    print(flush=True)
    drive = by_bindload(options.bindload) if options.bindload else by_own_client
    found: list[Section] = []
    cores = sorted(os.sched_getaffinity(0))
    if options.pin:
        os.sched_setaffinity(0, cores[:-1])
    pinned = cores[-1] if options.pin else None
    with Arena(peers, ours.workers(), drive, options.rounds, options.seconds, pinned) as arena:
        for line in lines(_measured(options.only, arena, found)):
            print(line, flush=True)
    print(_verdict(found))
    if options.json:
        Path(options.json).write_text(json.dumps({**heading, "sections": as_json(found)}, indent=1) + "\n")
    return 0


def _measured(parts: Iterable[str], arena: Arena, found: list[Section]) -> Iterator[Section]:
    for part in parts:
        for section in PARTS[part](arena):
            found.append(section)
            yield section


def _heading(peers: Iterable[Peer], options: argparse.Namespace) -> dict[str, str]:
    there = {peer.name: peer.version for peer in peers}
    client = (
        f"bindload at {options.bindload}" if options.bindload else "our own: rates and latencies are the client's"
    )
    rounds = "1 round" if options.rounds == 1 else f"{options.rounds} rounds"
    run = f"{rounds} of {options.seconds:g} s by turns, {USERS:,} users"
    run += ", each server on one core" if options.pin else ""
    absent = ", ".join(name for name in ALL_PEERS if name not in there)
    return {**machine.described(), **there, "client": client, "run": run, **({"absent": absent} if absent else {})}


def _verdict(sections: Iterable[Section]) -> str:
    met = [finding.met for section in sections for row in section.rows for finding in row.findings]
    of = met.count(True) + met.count(False)
    return f"{met.count(True)} of {of} goals met" if of else "no goals in these parts"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bindload", metavar="PATH", help="a compiled bindload; without it our own client")
    parser.add_argument(
        "--compiled", metavar="PYTHON", help="an interpreter that has the compiled wheel, to be measured too"
    )
    parser.add_argument(
        "--ldaptor",
        metavar="PYTHON",
        default=sys.executable,
        help="an interpreter that has ldaptor (default: this one)",
    )
    parser.add_argument(
        "--only", metavar="PART,...", type=_parts, default=list(PARTS), help=f"of {', '.join(PARTS)} (default: all)"
    )
    parser.add_argument(
        "--pin",
        action="store_true",
        help="hold the servers of loads on the last core, and the client off it",
    )
    parser.add_argument("--seconds", type=_positive, default=2.0, help="of each run (default: 2)")
    parser.add_argument("--rounds", type=int, choices=range(1, 100), metavar="N", default=5, help="(default: 5)")
    parser.add_argument("--json", metavar="FILE", help="write what was found there too")
    return parser


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    for part in parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"{part}: not one of {', '.join(PARTS)}")
    return parts


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("more than 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
