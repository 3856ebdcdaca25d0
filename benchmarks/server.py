"""A running server with a thousand users, and what the operating system says it has used."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BASE = "dc=example,dc=org"
_TICK = os.sysconf("SC_CLK_TCK")


def write_users(path: Path, count: int) -> None:
    """An LDIF file with user1..userN, whose passwords are pass1..passN."""
    with path.open("w") as file:
        file.write(f"dn: {BASE}\nobjectClass: domain\ndc: example\n\n")
        file.write(f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n")
        for number in range(1, count + 1):
            file.write(
                f"dn: uid=user{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: user{number}\n"
                f"cn: User {number}\nsn: Number{number}\nmail: user{number}@example.org\n"
                f"userPassword: pass{number}\n\n"
            )


def write_people(path: Path, count: int) -> None:
    """The same users with ten attributes each, as a directory of a company has them."""
    with path.open("w") as file:
        file.write(f"dn: {BASE}\nobjectClass: domain\ndc: example\n\n")
        file.write(f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n")
        for number in range(1, count + 1):
            given, surname = GIVEN_NAMES[number % len(GIVEN_NAMES)], f"Number{number}"
            file.write(
                f"dn: uid=user{number},ou=people,{BASE}\nobjectClass: top\nobjectClass: person\n"
                f"objectClass: organizationalPerson\nobjectClass: inetOrgPerson\nuid: user{number}\n"
                f"cn: {given} {surname}\nsn: {surname}\ngivenName: {given}\nmail: user{number}@example.org\n"
                f"telephoneNumber: +1 555 {number:07}\nemployeeNumber: {number}\n"
                f"description: {given} sits in room {number % 977} of building {number % 7}\n"
                f"userPassword: pass{number}\n\n"
            )


GIVEN_NAMES = ("Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "John", "Leslie", "Margaret", "Tony")


@dataclass(frozen=True)
class RunningServer:
    """A server process that listens on a port of the loopback address."""

    pid: int
    port: int
    audit: Path
    ready_after: float  # seconds

    def cpu_seconds(self) -> float:
        """User and system time of the process so far, in steps of a clock tick."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def resident_mib(self) -> float:
        """Memory in use now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def running(
    users: int, *options: str, write: Callable[[Path, int], None] = write_users, audit: Path | None = None
) -> Iterator[RunningServer]:
    """`ldapserver serve` with so many users, which `write` makes, and the audit written to a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        ldif, ready, audit = Path(folder, "users.ldif"), Path(folder, "ready"), audit or Path(folder, "audit.jsonl")
        write(ldif, users)
        command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(ldif), "--listen", "ldap://127.0.0.1:0"]
        command += ["--host", "localhost", "--ready-file", str(ready), "--audit", str(audit), *options]
        started = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise RuntimeError(f"the server did not start: exit status {process.returncode}")
                time.sleep(0.002)
            port = int(ready.read_text().strip().rpartition(":")[2])
            yield RunningServer(process.pid, port, audit, time.perf_counter() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
