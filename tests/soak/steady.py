"""A thousand connections that bind once a second each: `python -m tests.soak.steady SECONDS`, ten minutes at most.

No bind fails; the server's memory is flat once it is warm, and so is the number of its files; and binds cost no more
and take no longer in the end than in the beginning, by CPU and by p99. Each loop that `ldapserver serve` has is in a
process of its own with a client of its own, all at the same time. A bind's time is counted from when it was due: if
the client is late it shows.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.process import allow_descriptors, cpu_seconds, descriptors, resident_mib
from benchmarks.server import write_users
from tests.soak.asking import Asking, Lost, connected
from tests.soak.idle import SPARE
from tests.soak.load import PATIENCE, USERS, serving
from tests.soak.loops import loops

CONNECTIONS = 1000
PERIOD = 1.0  # seconds from a bind to the next on a connection
LONGEST = 600.0  # seconds
PARTS = 5  # of the time: the first is for getting warm, the last is compared with it
GROWN = 6.0  # MiB that a warm server may come to need, less than 200 octets a bind would be in CI's minute
DEARER = 1.5  # CPU of the last part, as a multiple of the first one's
LEAST_CPU = 0.2  # seconds: of less, steps of a clock tick tell nothing
SLOWER, SLACK = 3.0, 250.0  # p99 of the last part: so many times the first one's, or so many milliseconds more


@dataclass(frozen=True)
class Sample:
    """The server at a time (seconds from the start): MiB, seconds of CPU so far, open files."""

    at: float
    memory: float
    cpu: float
    files: int


@dataclass
class Seen:
    """When each bind was due (seconds) and how long it took (ms), and the server meanwhile."""

    binds: list[tuple[float, float]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def p99(self, begun: float, ended: float) -> float:
        """The median of the p99 of its tenths: a moment in which others have the machine counts little."""
        tenth = (ended - begun) / 10
        tenths: dict[int, list[float]] = {}
        for due, took in self.binds:
            if begun <= due < ended:
                tenths.setdefault(int((due - begun) / tenth), []).append(took)
        assert tenths, f"no binds between {begun} and {ended} s"
        return median(sorted(some)[len(some) * 99 // 100] for some in tenths.values())

    def between(self, begun: float, ended: float) -> list[Sample]:
        """The samples of this time."""
        return [sample for sample in self.samples if begun <= sample.at <= ended]


def check(seen: Seen, seconds: float, expected: int) -> str:
    """What was seen, in words. Raises AssertionError for what is wrong."""
    part, end = seconds / PARTS, seconds - seconds / PARTS
    early, late = seen.between(0, part), seen.between(end, seconds)
    first, last = seen.p99(0, part), seen.p99(end, seconds)
    grown = max(sample.memory for sample in late) - max(sample.memory for sample in early)
    dearer = (late[-1].cpu - late[0].cpu) / max(early[-1].cpu - early[0].cpu, LEAST_CPU)
    files = [sample.files for sample in seen.samples if sample.at >= part]  # by then all are accepted
    assert len(seen.binds) == expected, f"{len(seen.binds)} binds, where {expected} were due"
    assert grown <= GROWN, f"{grown:.1f} MiB more in the end than when it was warm"
    assert max(files) == min(files), f"from {min(files)} to {max(files)} open files"
    assert dearer <= DEARER, f"{dearer:.2f} times the CPU in the end"
    assert last <= max(first * SLOWER, first + SLACK), f"p99 {first:.1f} ms in the beginning, then {last:.1f} ms"
    latency = f"p99 {first:.1f} ms and then {last:.1f} ms"
    return f"{len(seen.binds)} binds, {latency}, {grown:+.1f} MiB, {dearer:.2f} times the CPU, {files[0]} open files"


def run(folder: Path, connections: int, seconds: float, *options: str, period: float = PERIOD) -> str:
    """Serve so many for so long; what was seen, in words. Raises AssertionError for what is wrong."""
    allow_descriptors(connections + SPARE)
    write_users(folder / "users.ldif", USERS)
    turns = round(seconds / period)
    with serving(folder, "--audit", str(folder / "audit.jsonl"), *options) as server:
        seen = asyncio.run(_run(server.pid, server.port, connections, turns, period))
    return check(seen, turns * period, turns * connections)


async def _run(pid: int, port: int, connections: int, turns: int, period: float) -> Seen:
    seen = Seen()
    async with connected(port, connections) as clients:
        begun = time.monotonic()
        waiting = {
            asyncio.create_task(_bind_often(client, at / connections, turns, period, begun, seen))
            for at, client in enumerate(clients)
        }
        try:
            while waiting:
                now = time.monotonic() - begun
                seen.samples.append(Sample(now, resident_mib(pid), cpu_seconds(pid), descriptors(pid)))
                done, waiting = await asyncio.wait(waiting, timeout=period / 2)
                for task in done:
                    task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(client.unbind() for client in clients))
    return seen


async def _bind_often(client: Asking, lag: float, turns: int, period: float, begun: float, seen: Seen) -> None:
    """One connection's binds: due at its own moment of each period."""
    for turn in range(turns):
        due = (turn + lag) * period
        await asyncio.sleep(max(0.0, begun + due - time.monotonic()))
        async with asyncio.timeout(PATIENCE):
            await client.bind(turn % USERS + 1)
        seen.binds.append((due, (time.monotonic() - begun - due) * 1000))


def main(arguments: Sequence[str]) -> int:
    """All loops at once, or the one that is named; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.steady", description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float, nargs="?", default=LONGEST, help=f"(default, and most: {LONGEST:g})")
    parser.add_argument("--loop", choices=loops())
    options = parser.parse_args(arguments)
    seconds = max(PARTS * PERIOD, min(options.seconds, LONGEST))
    if options.loop is None:
        command = [sys.executable, "-m", "tests.soak.steady", str(seconds), "--loop"]
        running = [subprocess.Popen([*command, loop]) for loop in loops()]
        return max(process.wait() for process in running)
    with tempfile.TemporaryDirectory() as folder:
        try:
            said = run(Path(folder), CONNECTIONS, seconds, *loops()[options.loop])
        except (AssertionError, Lost, TimeoutError, RuntimeError) as wrong:
            print(f"steady on {options.loop}: {wrong!r}", file=sys.stderr)
            return 1
    print(f"steady on {options.loop}: {said}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
