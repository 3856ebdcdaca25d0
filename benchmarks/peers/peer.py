"""What there is to know of somebody who is measured."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.process import Listening

OURS, SLAPD, FLOOR, LDAPTOR = "ours", "slapd", "floor", "ldaptor"


@dataclass(frozen=True)
class Peer:
    """A server by its name: of which kind, which versions, how one with so many users starts, on which loop.

    `verified` is whether its rspauth is one, which that of canned replies is not.
    """

    name: str
    kind: str
    version: str
    start: Callable[[int], AbstractContextManager[Listening]]
    loop: str | None = None
    verified: bool = True
