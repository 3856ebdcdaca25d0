"""What a million challenges that nobody answers cost, and a million that are answered, to a server that remembers."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from sasl_digest import DigestServer, NonceBook

MILLION = 1_000_000


@dataclass(frozen=True)
class Book:
    """Growth of the process, in MiB, and microseconds of one challenge."""

    unanswered: float
    answered: float
    challenge: float


def measure(times: int = MILLION) -> Book:
    """Issue them, then remember as many."""
    book = NonceBook(remembered_for=3600.0)
    server = DigestServer(realms=["contoso.com"], nonces=book)
    before, start = _resident_mib(), time.perf_counter()
    for _ in range(times):
        server.fresh().step(b"")
    challenge = (time.perf_counter() - start) / times * 1e6
    unanswered = _resident_mib() - before
    for _ in range(times):
        book.remember(book.issue(), os.urandom(16))
    return Book(unanswered, _resident_mib() - before, challenge)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
