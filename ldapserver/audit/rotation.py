"""When a log gives way to a new one, what the old one is then called, and which of the old ones is the newest.

`audit.jsonl` becomes `audit.jsonl-20260102T030405Z`: the time in UTC of the first record that went into the new one.
"""

import contextlib
import errno
import gzip
import os
import re
import stat
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ldapserver.audit.resume import last_record_id, record_id

GZIP = ".gz"

# Ours; and logrotate's: `.1`, or `-20260102` and what else `dateformat` may put behind it.
_OURS = re.compile(r"-\d{8}T\d{6}Z")
_ROTATED = re.compile(rf"(?:{_OURS.pattern}|-\d{{8}}(?:[-_T]?\d+)*|\.\d+)(?:\{GZIP})?")
_CANDIDATES = 16  # of the last lines of a compressed log, where half a line may come last


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to begin a new log: at the first record once it has `size` octets, or of another time of `every` seconds.

    Those times begin at whole multiples of `every` since 1970 in UTC: 3600.0 at each full hour, 86400.0 at midnight.
    None is never.
    """

    size: int | None = None
    every: float | None = None

    def due(self, size: int, begun_ns: int, time_ns: int) -> bool:
        """Whether a record of `time_ns` begins a new log after one of `size` octets with records of `begun_ns`."""
        if self.size is not None and size >= self.size:
            return True
        if self.every is None:
            return False
        every_ns = int(self.every * 1e9)
        return time_ns // every_ns > begun_ns // every_ns


def names(path: str, time_ns: int) -> Iterator[str]:
    """Names for a log that gives way, to be tried in turn: where a second has one already, the next second's."""
    second = time_ns // 1_000_000_000
    while True:
        name = path + time.strftime("-%Y%m%dT%H%M%SZ", time.gmtime(second))
        if not os.path.lexists(name + GZIP):
            yield name
        second += 1


def same_file_beside(path: str, status: os.stat_result) -> list[str]:
    """Our names for old logs that are this very file: a rotation that did not come to its end."""
    return [
        other
        for other in _rotated(path)
        if _OURS.fullmatch(other[len(path) :]) and os.path.samestat(os.lstat(other), status)
    ]


def last_rotated(path: str) -> int:
    """The last record id among the old logs of `path`, ours and logrotate's, 0 where there is none. Raises OSError.

    Of each plain file only the end is read. Of the compressed ones, which must be read whole for that, only the one
    whose first is the highest: by the numbers, for times of files are those of a clock that may have been put back.
    """
    plain, compressed = list[tuple[int, int]](), list[tuple[int, str]]()
    for other in _rotated(path):
        status = os.stat(other)
        if not stat.S_ISREG(status.st_mode):
            continue
        if other.endswith(GZIP):
            compressed.append((status.st_mtime_ns, other))
            continue
        with open(other, "rb") as file:
            plain.append((status.st_mtime_ns, last_record_id(file.fileno())))
    last = max((last for _, last in plain), default=0)
    newest = max((changed for changed, found in plain if found), default=-1)
    firsts = list[tuple[int, str]]()
    for changed, other in compressed:
        try:
            firsts.append((_first_compressed(other), other))
        except OSError:
            # One that cannot be read may be the newest, unless there is a plain one after it.
            if changed >= newest:
                raise
    first, other = max(firsts, default=(0, ""))
    return _last_compressed(other) if first > last else last


def _rotated(path: str) -> list[str]:
    folder, name = os.path.split(path)
    with contextlib.suppress(FileNotFoundError):
        return [
            os.path.join(folder, other)
            for other in os.listdir(folder or ".")
            if other.startswith(name) and _ROTATED.fullmatch(other[len(name) :])
        ]
    return []


def _first_compressed(path: str) -> int:
    with _events(path) as lines:
        return next(_ids(lines), 0)


def _last_compressed(path: str) -> int:
    with _events(path) as lines:
        return next(_ids(reversed(deque(lines, maxlen=_CANDIDATES))), 0)


def _ids(lines: Iterable[bytes]) -> Iterator[int]:
    return (found for line in lines if (found := record_id(line.rstrip(b"\n"))) is not None)


@contextlib.contextmanager
def _events(path: str) -> Iterator[Iterator[bytes]]:
    try:
        with gzip.open(path, "rb") as file:
            yield (line for line in file if b'"record_id":"' in line or b"<EventRecordID>" in line)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        # To go on without it could give a number twice.
        raise OSError(errno.EIO, f"{path} is damaged ({error}); the last record id must be in it") from None
