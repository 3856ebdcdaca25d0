"""The floor: bare event loops with canned replies, each in a process of its own."""

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.peer import FLOOR, Peer
from benchmarks.process import announced

PROGRAM = str(Path(__file__).with_name("programs") / "canned.py")


def peers() -> list[Peer]:
    """Twisted's reactor, and uvloop where it is installed."""
    loops = [loop for loop in ("twisted", "uvloop") if importlib.util.find_spec(loop)]
    return [_bare(loop) for loop in loops]


def _bare(loop: str) -> Peer:
    return Peer(
        name=f"bare {loop}",
        kind=FLOOR,
        version=f"{loop} {version(loop)}, canned replies",
        start=lambda users: announced([sys.executable, PROGRAM, loop]),
        loop=loop,
        verified=False,
    )
