"""Kill -9 under load, again and again: `python -m tests.soak.kills KILLS`.

Whatever a client saw succeed has its event 4776, no record stands twice, and no record id is missing, over all the
servers that wrote one log and were killed, and over all the files that they and others made of it: by size, and by
renaming and SIGHUP as logrotate does. An XML log beside has its own numbers and the same events. Once with the
records in the kernel's hands, once on stable storage, with the logons that they led to.
"""

import contextlib
import random
import signal
import sys
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.server import write_users
from tests.soak.load import USERS, Bind, Seen, Server, serving
from tests.soak.records import check, check_beside, check_logons

ROTATED = ("--audit-rotate-size", "24K")  # some eighteen events
MODES: dict[str, tuple[str, ...]] = {
    "in the kernel's hands": ROTATED,
    "on stable storage": (*ROTATED, "--audit-sync", "--events", "logon"),
}
LEAST, MOST = 40, 250  # successes before a kill


@dataclass(frozen=True)
class Logs:
    """The two logs of a soak, and the numbers of those that were renamed."""

    folder: Path
    renamed: "count[int]"

    @property
    def json(self) -> Path:
        """The log that is written first."""
        return self.folder / "audit.jsonl"

    @property
    def xml(self) -> Path:
        """The log beside it."""
        return self.folder / "audit.xml"

    @property
    def options(self) -> tuple[str, ...]:
        """Those that name them."""
        return "--audit", str(self.json), "--audit", f"xml:{self.xml}"

    def rename(self, server: Server) -> None:
        """Give the logs other names and tell their server, as logrotate does."""
        number = next(self.renamed)
        for log in (self.json, self.xml):
            with contextlib.suppress(FileNotFoundError):  # not yet opened again since the last time
                log.rename(f"{log}.{number}")
        server.process.send_signal(signal.SIGHUP)

    def tear(self, chance: random.Random) -> None:
        """Leave an end of the logs as a loss of power may: half a line, or a hole of zeros before the rest of one."""
        for log in (self.json, self.xml):
            with log.open("ab") as file:
                file.write(chance.choice((b"", b'{"half', b"<Event xml", b"\0" * 700, b"\0" * 700 + b'"}\n')))


def life(logs: Logs, chance: random.Random, end: signal.Signals, *options: str) -> tuple[int, list[Bind]]:
    """Serve, let clients bind until so many were seen to succeed, and end the server at once.

    Its process, and what they saw.
    """
    seen = Seen()
    enough = chance.randint(LEAST, MOST)
    with serving(logs.folder, *logs.options, *options) as server:
        clients = server.load(seen)
        for at in sorted(chance.choices(range(enough), k=2)):
            seen.wait(successes=at)
            logs.rename(server)
        seen.wait(successes=enough)
        server.process.send_signal(end)
        for client in clients:
            client.join()
        if end == signal.SIGTERM:
            status = server.process.wait(timeout=30)
            assert status == 0, f"exit status {status}: {server.said[-3:]}"
    seen.check()
    return server.pid, seen.binds


def run(kills: int, folder: Path, seed: int, *options: str) -> str:
    """So many kills of servers of one log, and one that is told to stop; what was looked at, in words.

    Raises AssertionError for what is wrong.
    """
    chance = random.Random(seed)
    logs = Logs(folder, count(1))
    write_users(folder / "users.ldif", USERS)
    seen: list[Bind] = []
    for _ in range(kills):
        seen += life(logs, chance, signal.SIGKILL, *options)[1]
        logs.tear(chance)
    # What was torn is put aside by the next who opens the log.
    last, binds = life(logs, chance, signal.SIGTERM, *options)
    seen += binds
    found = check(logs.json, seen)
    beside = check_beside(found, logs.xml, seen)
    files = sum(path.suffix != ".torn" for path in folder.glob("audit.*"))
    torn = sum(path.stat().st_size for path in folder.glob("audit.*.torn"))
    logons = check_logons(found, seen, ended=last) if "logon" in options else 0
    return (
        f"{len(seen)} successes seen, {len(found)} events, {beside} in XML, {logons} logons, ids without a gap "
        f"over {files} files, {torn} octets of torn ends put aside"
    )


def main(arguments: list[str]) -> int:
    """Kill so many servers in each mode; the exit status."""
    kills = int(arguments[0]) if arguments else 50
    for mode, options in MODES.items():
        seed = random.randrange(1 << 32)
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{kills} kills, records {mode}: {run(kills, Path(folder), seed, *options)}", flush=True)
            except AssertionError as wrong:
                print(f"{kills} kills, records {mode}, seed {seed}: {wrong}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
