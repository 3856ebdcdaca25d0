"""A running server of ours, and the users that all servers are given."""

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import Listening, ended

BASE = "dc=example,dc=org"


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
class RunningServer(Listening):
    """An `ldapserver serve`: its log, and after how many seconds it was ready."""

    audit: Path
    ready_after: float


@contextlib.contextmanager
def running(
    users: int,
    *options: str,
    write: Callable[[Path, int], None] = write_users,
    serve: Sequence[str] = ("ldapserver", "serve"),
    python: Sequence[str] = (sys.executable,),
) -> Iterator[RunningServer]:
    """`ldapserver serve` with so many users, which `write` makes, and the audit written to a file.

    `python` is the interpreter whose it is, with options of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        ldif, ready, audit = (Path(folder, name) for name in ("users.ldif", "ready", "audit.jsonl"))
        write(ldif, users)
        command = [*python, "-m", *serve, "--ldif", str(ldif), "--listen", "ldap://127.0.0.1:0"]
        command += ["--host", "localhost", "--ready-file", str(ready), "--audit", str(audit), *options]
        started = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process, ended(process):
            while not ready.exists():
                if process.poll() is not None:
                    raise RuntimeError(f"the server did not start: exit status {process.returncode}")
                time.sleep(0.002)
            port = int(ready.read_text().strip().rpartition(":")[2])
            yield RunningServer(process.pid, port, started, audit, time.perf_counter() - started)


def options_of_serve() -> frozenset[str]:
    """The options that `ldapserver serve` has."""
    shown = subprocess.check_output([sys.executable, "-m", "ldapserver", "serve", "--help"], text=True)
    return frozenset(re.findall(r"^ *(--[a-z-]+)", shown, re.MULTILINE))
