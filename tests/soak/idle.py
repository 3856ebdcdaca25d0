"""Ten thousand connections that ask nothing for a while: `python -m tests.soak.idle`.

Each takes little memory, each is served afterwards, and each leaves nothing behind when it is closed. Once for each
loop that `ldapserver serve` has.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.process import allow_descriptors, descriptors, resident_mib
from benchmarks.server import write_users
from tests.soak.asking import Asking, connected
from tests.soak.load import PATIENCE, USERS, serving
from tests.soak.loops import loops

CONNECTIONS = 10_000
SPARE = 500  # descriptors of a process beside its connections
AT_ONCE = 200  # that are served at a time
MOST = 6.0  # KiB of a connection that has bound and waits: twice what is aimed at, for another allocator's sake


def run(folder: Path, connections: int, *options: str, most: float = MOST) -> str:
    """Open so many, and bind on each; leave them idle, bind on each again, and close them; what was seen, in words.

    Raises AssertionError for what is wrong, more memory than `most` KiB of each among it, and RuntimeError where so
    many files can't be open.
    """
    allow_descriptors(connections + SPARE)
    write_users(folder / "users.ldif", USERS)
    allowed = "--max-connections", str(connections + SPARE)
    with serving(folder, "--audit", str(folder / "audit.jsonl"), *allowed, *options) as server:
        return asyncio.run(_run(server.pid, server.port, connections, most))


async def _run(pid: int, port: int, connections: int, most: float) -> str:
    # What a server opens after it has said that it listens is there when it answers.
    async with connected(port, 1) as (first,):
        await first.bind(1)
        at_rest, files = resident_mib(pid), descriptors(pid)
        async with connected(port, connections) as clients:
            said = await _wait_and_serve(pid, clients, at_rest, files, most)
        left = await _files(pid, files)
        assert left <= files, f"{left - files} descriptors are left of {connections} connections"
        await first.unbind()
    return f"{said}, and closed"


async def _wait_and_serve(pid: int, clients: Sequence[Asking], at_rest: float, files: int, most: float) -> str:
    connections = len(clients)
    await _serve(clients)
    each = (resident_mib(pid) - at_rest) * 1024 / connections
    assert descriptors(pid) >= files + connections, f"{descriptors(pid)} descriptors of {connections} connections"
    assert each <= most, f"{each:.1f} KiB each of {connections} idle connections, where {most} are allowed"
    begun = time.monotonic()
    await _serve(clients)
    took = time.monotonic() - begun
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(client.unbind() for client in clients))
    return f"{connections} connections, {each:.2f} KiB each, all served again in {took:.1f} s"


async def _serve(clients: Sequence[Asking]) -> None:
    for first in range(0, len(clients), AT_ONCE):
        some = clients[first : first + AT_ONCE]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(client.bind(at % USERS + 1) for at, client in enumerate(some)))


async def _files(pid: int, expected: int) -> int:
    """Descriptors when there are no more than expected, or after a while."""
    for _ in range(100):
        if descriptors(pid) <= expected:
            break
        await asyncio.sleep(0.05)
    return descriptors(pid)


def main() -> int:
    """Each loop in turn; the exit status."""
    for loop, options in loops().items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"idle on {loop}: {run(Path(folder), CONNECTIONS, *options)}", flush=True)
            except (AssertionError, RuntimeError) as wrong:
                print(f"idle on {loop}: {wrong}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
