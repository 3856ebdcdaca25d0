"""What TLS costs the server, by `ldp load`: DIGEST-MD5 binds, on connections that are there and with one for each."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.arena import USERS, Arena, cpu_ratio, middle
from benchmarks.load import Load
from benchmarks.rows import Finding, Row, Section
from benchmarks.server import RunningServer, running

CONNECTIONS = 16
CONNECTION_EACH = {False: "on connections that are there", True: "a connection for each"}


def price(arena: Arena) -> Iterator[Section]:
    """In the clear and by StartTLS, by turns."""
    with tempfile.TemporaryDirectory() as folder:
        ca = str(Path(folder, "ca.pem"))
        clear, inside = "in the clear", "inside TLS"
        ways = {clear: (), inside: ("--start-tls", "--ca", ca)}
        with running(USERS, "--tls", "auto", "--tls-ca-out", ca) as server:
            for reconnect, what in CONNECTION_EACH.items():
                runs: dict[str, list[Load]] = {way: [] for way in ways}
                for _ in range(arena.rounds):
                    for way, options in ways.items():
                        more = ("--reconnect",) if reconnect else ()
                        runs[way].append(_load(server, arena.seconds, *options, *more))
                dearer = Finding(cpu_ratio(runs[inside], runs[clear]), "x in the clear")
                rows = Row(clear, middle(runs[clear])), Row(inside, middle(runs[inside]), (dearer,))
                yield Section(f"digest, {what}, {CONNECTIONS} at once, by ldp load", rows)


def _load(server: RunningServer, seconds: float, *options: str) -> Load:
    command = [sys.executable, "-m", "ldapserver.cli.ldp", "load", f"ldap://localhost:{server.port}", "--json"]
    command += ["--users", "user1:pass1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", *options]
    before = server.cpu_seconds()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"ldp load: exit status {ended.returncode}: {ended.stderr}")
    said = json.loads(ended.stdout)
    used, count, latency = server.cpu_seconds() - before, said["succeeded"], said["latency_ms"]
    return Load(count, said["seconds"], used / count * 1e6, latency["p50"], latency["p99"])
