"""`ldapserver serve` on each loop that there is, and with two workers."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path

import ldapserver
import sasl_digest
from benchmarks.peers.peer import OURS, Peer
from benchmarks.server import options_of_serve, running

WORKERS = 2


def peers() -> list[Peer]:
    """One for each loop; the first is that of who installs nothing besides."""
    if "--loop" not in options_of_serve():
        return [_ours("twisted", ())]
    loops = ["twisted", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]
    return [_ours(loop, ("--loop", loop)) for loop in loops]


def compiled_peers(python: str) -> list[Peer]:
    """Those of an interpreter that has the compiled wheel. Raises RuntimeError where it has the pure one, or none."""
    # -P: what is in the working directory is the checkout's, which is pure.
    asked = subprocess.run([python, "-P", "-c", _COMPILED], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise RuntimeError(f"{python}: has no compiled ldapserver: {asked.stderr.strip().rpartition(chr(10))[2]}")
    return [
        _ours(loop, ("--loop", loop), name=f"ours, {loop}, compiled", python=(python, "-P"))
        for loop in asked.stdout.split()
    ]


# The loops it has, once it is seen that the server it has is compiled.
_COMPILED = """
import importlib.util, sys, ldapserver.session
if ldapserver.session.__file__.endswith(".py"):
    sys.exit("ldapserver is pure Python")
print("twisted", "uvloop" if importlib.util.find_spec("uvloop") else "")
"""


def workers() -> list[Peer]:
    """One process, and several that share the port; none where `serve` knows of no workers."""
    if "--workers" not in options_of_serve():
        return []
    return [
        _ours("twisted", ("--workers", str(many)), name=f"{many} worker{'s' * (many > 1)}") for many in (1, WORKERS)
    ]


def _ours(
    loop: str, options: tuple[str, ...], *, name: str | None = None, python: Sequence[str] = (sys.executable,)
) -> Peer:
    modules = compiled() if python[0] == sys.executable else "compiled"
    return Peer(
        name=name or f"ours, {loop}",
        kind=OURS,
        version=f"sasl-digest {sasl_digest.__version__} on {loop} {version(loop)}, {modules}",
        start=lambda users: running(users, *options, "--max-connections", "20000", python=python),
        loop=loop,
    )


def compiled() -> str:
    """Which modules of ours are compiled to C, in words."""
    folders = [Path(str(package.__file__)).parent for package in (sasl_digest, ldapserver)]
    files = [path.name for folder in folders for path in folder.rglob("*")]
    found = sum(name.endswith(tuple(EXTENSION_SUFFIXES)) for name in files)
    return f"{found} modules compiled" if found else "pure Python"
