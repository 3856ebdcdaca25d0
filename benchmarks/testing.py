"""What a server for a test costs: until it is ready, until it is gone, and to go back to what it was.

    python -m benchmarks.testing [--rounds N]

Medians of milliseconds, and the worst; the first server of a program, which pays the imports, in one of its own.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from ldapserver.testing import running_server, start_server

ENTRIES = 1000
HEAD = "dn: dc=example,dc=com\nobjectClass: domain\ndc: example\n"
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ad": {"profile": "ad"},
    "domain": {"domain": "example.com"},
    "tls": {"tls": True},
    "process": {"process": True},
}
_FIRST = """
import time
begun = time.perf_counter()
from ldapserver.testing import running_server
with running_server(**{settings!r}):
    print((time.perf_counter() - begun) * 1000)
"""


def main() -> None:
    """Measure and print it all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.testing", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="servers of each kind (default: 100)")
    rounds = parser.parse_args().rounds
    _row("", "first", "ready", "worst", "stopped", "worst", "snapshot", "restore", "worst")
    for way, settings in WAYS.items():
        some = max(3, rounds // 20) if way == "process" else rounds
        ready, stopped = started(settings, some)
        taken, unchanged, changed = kept(settings, some)
        _row(
            way,
            first(settings),
            *(statistics.median(ready), max(ready), statistics.median(stopped), max(stopped)),
            *(statistics.median(taken), statistics.median(unchanged), max(changed)),
        )
    print(
        f"\nmilliseconds; snapshot and restore of {ENTRIES} entries, the worst with {ENTRIES} of them changed before"
    )


def _row(name: str, *columns: str | float) -> None:
    print(f"{name:8}", *(f"{each:>9}" if isinstance(each, str) else f"{each:9.2f}" for each in columns))


def first(settings: dict[str, Any]) -> float:
    """Until the first server of a program is ready, its imports among that."""
    program = _FIRST.format(settings=settings)
    times = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(3)]
    return statistics.median(times)


def started(settings: dict[str, Any], rounds: int) -> tuple[list[float], list[float]]:
    """How long each server took to be ready, and to be gone."""
    ready, stopped = [], []
    with running_server(**settings):
        pass
    for _ in range(rounds):
        begun = time.perf_counter()
        server = start_server(**settings)
        ready.append((time.perf_counter() - begun) * 1000)
        stopped.append(_took(server.stop))
    return ready, stopped


def kept(settings: dict[str, Any], rounds: int) -> tuple[list[float], list[float], list[float]]:
    """How long it took to keep a directory, to go back with nothing changed, and with everything."""
    from benchmarks.testing import change_all  # by a name that a process of its own finds it by

    taken, unchanged, changed = [], [], []
    with running_server(ldif=_ldif(domain="domain" in settings), **settings) as server:
        snapshot = server.snapshot()
        for _ in range(rounds):
            taken.append(_took(server.snapshot))
            unchanged.append(_took(lambda: server.restore(snapshot)))
        for _ in range(3):
            server._ask(change_all)
            changed.append(_took(lambda: server.restore(snapshot)))
    return taken, unchanged, changed


def change_all(served: Any) -> None:
    """Change every entry."""
    from ldapserver.testing.loop import drive
    from ldapserver.wire.dn import ROOT
    from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute

    directory = served.directory
    change = Change(ModifyOperation.REPLACE, PartialAttribute("description", (b"changed",)))
    for dn in [dn for dn, _ in directory.records()]:
        drive(directory.modify(dn, [change], by=ROOT, admin=True))


def _took(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def _ldif(*, domain: bool) -> str:
    users = "".join(
        f"\ndn: uid=user{number},dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: user{number}\n"
        f"cn: User {number}\nsn: {number}\nmail: user{number}@example.com\nuserPassword: pass{number}\n"
        for number in range(ENTRIES - 1)
    )
    return f"{'' if domain else HEAD}{users}"


if __name__ == "__main__":
    main()
