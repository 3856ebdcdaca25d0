"""ldaptor: simple binds and searches. A DIGEST-MD5 bind it takes for an anonymous one, so it is not asked for any."""

import subprocess
from pathlib import Path

from benchmarks.peers.peer import LDAPTOR, Peer
from benchmarks.process import announced

PROGRAM = str(Path(__file__).with_name("programs") / "ldaptor_server.py")
_VERSION = "from importlib.metadata import version; import ldaptor; print(version('ldaptor'), version('twisted'))"


def peers(python: str) -> list[Peer]:
    """The one that this interpreter has, or none."""
    asked = subprocess.run([python, "-c", _VERSION], capture_output=True, text=True, check=False)
    if asked.returncode:
        return []
    ldaptor, twisted = asked.stdout.split()
    return [
        Peer(
            name="ldaptor",
            kind=LDAPTOR,
            version=f"ldaptor {ldaptor} on Twisted {twisted}",
            start=lambda users: announced([python, PROGRAM, str(users)]),
        )
    ]
