"""Our own server as a black box: the command that users run, with the Contoso domain, on a free port."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONTOSO = ROOT / "examples" / "contoso.ldif"
BASE = "dc=contoso,dc=com"
PEOPLE = f"ou=people,{BASE}"
REALM = "contoso.com"
U1 = f"uid=u1,{PEOPLE}"

# Who may bind, of examples/contoso.ldif: in ASCII, in ISO 8859-1, beyond it, with all that must be escaped, as HA1.
PASSWORDS = {"u1": "password", "jürgen": "pässwörd", "жора": "пароль", "quoted": 'a"b\\c,d=e', "hashed": "sesame"}
every_account = pytest.mark.parametrize(("user", "password"), PASSWORDS.items(), ids=PASSWORDS)

SUCCESS = "0x0"
WRONG_PASSWORD = "0xc000006a"
NO_SUCH_USER = "0xc0000064"
NO_SECRET = "0xc0000371"

# Who may not, and the Status of the record: the only difference that there is.
REJECTED = {"u1": WRONG_PASSWORD, "jürgen": WRONG_PASSWORD, "nobody": NO_SUCH_USER, "salted": NO_SECRET}
WRONG = "Password"

# What a server says that has listened, and is not told where to save.
KEEPS_NOTHING = "ldapserver: changes end with this process: there is no --save\n"

# What programs of others run with: arguments and output in UTF-8, no ldap.conf, and this checkout for ours.
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "LDAPNOINIT": "1", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Event:
    """What matters of one record. A `status` of None is a bind that ended without a verdict."""

    account: str | None
    status: str | None
    digest_uri: str | None
    realm: str | None = REALM
    package: str | None = "WDigest"
    result_code: int | None = 0


def rejected(account: str, status: str, digest_uri: str | None) -> Event:
    """A bind that was refused as all are about credentials."""
    return Event(account, status, digest_uri, result_code=49)


def simple(account: str, status: str = SUCCESS) -> Event:
    """A simple bind."""
    package = "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0"
    return Event(account, status, None, None, package, 0 if status == SUCCESS else 49)


@dataclass(frozen=True)
class OurServer:
    """A running `ldapserver serve`; its audit log is read as a user would."""

    url: str
    audit: Path

    @property
    def named_url(self) -> str:
        """The URL with a name for its address, for clients whose digest-uri repeats it."""
        return self.url.replace("127.0.0.1", "localhost")

    def mark(self) -> int:
        """Where the log ends now."""
        return self.audit.stat().st_size

    def audit_records(self, since: int = 0) -> list[dict[str, Any]]:
        """The records behind a mark: each was there before its bind was answered."""
        return [json.loads(line) for line in self.audit.read_bytes()[since:].splitlines()]

    def events(self, since: int) -> list[Event]:
        """What matters of the records behind a mark."""
        return [_event(record) for record in self.audit_records(since)]


def _event(record: dict[str, Any]) -> Event:
    data = record["winlog"]["event_data"] if record["event"]["code"] == "4776" else {}
    ldap = record["ldap"]
    return Event(
        data.get("TargetUserName"),
        data.get("Status"),
        ldap["digest_uri"],
        ldap["realm"],
        data.get("PackageName"),
        ldap["result_code"],
    )


@contextmanager
def running_server(folder: Path, *options: str, ldif: Path = CONTOSO) -> Iterator[OurServer]:
    """Start it with its files in `folder`. It must stop as it should, and must have had nothing to complain of."""
    audit = folder / "audit.jsonl"
    command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(ldif)]
    command += ["--listen", "ldap://127.0.0.1:0", "--audit", str(audit), *options]
    with subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert ": listening on " in first, first + process.stderr.read()
        log: list[str] = []
        # Its log must be read for the pipe not to fill up.
        reader = threading.Thread(target=log.extend, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            yield OurServer(first.split()[-1], audit)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            reader.join()
    assert (process.returncode, log) == (0, [KEEPS_NOTHING, "ldapserver: stopping\n"])


def own_host() -> str:
    """This machine's name as libldap finds it: it says this in digest-uri for a loopback address."""
    name = socket.gethostname()
    try:
        return socket.gethostbyname_ex(name)[0]
    except OSError:
        return name


def run(*command: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a program."""
    octets = [argument.encode() for argument in command]  # whatever the locale the suite runs in
    ended = subprocess.run(octets, input=stdin, env=ENVIRONMENT, capture_output=True, timeout=30, check=False)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()
