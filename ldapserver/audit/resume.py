"""Going on where a log ended: its last record id, and what a crash has left of its end.

A log is read backwards from its end, and no further than its last Windows event. Its form is told by how a line
begins, so that a log can be read whatever it is written in next.
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

TORN = ".torn"  # behind the name of a log: where what is no whole line is kept

_WINDOW = 64 * 1024  # octets read back at a time
_EVENT_RECORD_ID = re.compile(rb"<EventRecordID>([0-9]+)</EventRecordID>")


@dataclass(frozen=True, slots=True)
class End:
    """How a log ends.

    `last` is the record id of its last Windows event, 0 where it has none. Whole lines end before `whole`, an offset
    in octets; what is behind it was torn: nobody was told of a record before its newline was written.
    """

    last: int
    whole: int


def end_of(fd: int) -> End:
    """How the log ends that is open for reading as `fd`. Raises OSError, for a file that is no log too."""
    end = _behind_last_newline(fd, os.fstat(fd).st_size)
    whole, text = end, False
    for start, line in _lines_before(fd, end):
        if is_whole(line):
            return End(record_id(line) or _last_before(fd, start), whole)
        text = text or b"\0" not in line
        whole = start
    if text:  # lines, and none of them ours: what is named here by mistake is not to be cut
        raise OSError(errno.EINVAL, "holds lines, and none is an audit record")
    return End(0, 0)


def keep_aside(fd: int, end: End, path: str) -> int:
    """Cut off what is torn, when it is on stable storage in `path`.torn; how many octets. Raises OSError."""
    size = os.fstat(fd).st_size
    if end.whole < size:
        aside = os.open(path + TORN, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _end_line(aside)  # what was torn before stands on its own
            at = end.whole
            while at < size:
                taken = os.write(aside, os.pread(fd, min(_WINDOW, size - at), at))
                if not taken:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path + TORN)
                at += taken
            os.fsync(aside)
        finally:
            os.close(aside)
        os.ftruncate(fd, end.whole)
    return size - end.whole


def _end_line(fd: int) -> None:
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        os.write(fd, b"\n")


def is_whole(line: bytes) -> bool:
    """Whether this is a line of a log, without its newline: a JSON object, an XML event, or what stands around those.

    After a loss of power there may be a hole of zeros, or half a line.
    """
    if line.startswith((b"<Event>", b"<Event ")):
        return line.endswith(b"</Event>") and b"\0" not in line
    if line.startswith((b"<?xml ", b"<Events", b"</Events")):
        return line.endswith(b">") and b"\0" not in line
    if not line.startswith(b"{"):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def record_id(line: bytes) -> int | None:
    """The record id in a line of a log, whatever its form; None where it is no Windows event, or not ours."""
    if line.startswith(b"<"):
        found = _EVENT_RECORD_ID.search(line)
        return int(found[1]) if found and is_whole(line) else None
    if b'"record_id":"' not in line:
        return None
    try:
        return int(json.loads(line)["winlog"]["record_id"])
    except (ValueError, KeyError, TypeError):
        return None


def last_record_id(fd: int) -> int:
    """The record id of the last Windows event in a file that is another's to write, 0 where it has none."""
    return _last_before(fd, _behind_last_newline(fd, os.fstat(fd).st_size))


def _last_before(fd: int, end: int) -> int:
    ids = (record_id(line) for _, line in _lines_before(fd, end))
    return next((found for found in ids if found is not None), 0)


def _behind_last_newline(fd: int, size: int) -> int:
    at = size
    while at:
        start = max(0, at - _WINDOW)
        found = os.pread(fd, at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def _lines_before(fd: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The lines that end at `end` or before it, the last first, without their newlines, each with its offset."""
    if not end:
        return
    stop = at = end - 1  # the newline of the line that is gathered
    pieces: list[bytes] = []  # of that line, the last first
    while at:
        start = max(0, at - _WINDOW)
        *lines, piece = os.pread(fd, at - start, start).split(b"\n")
        at = start
        pieces.append(piece)
        while lines:
            line = b"".join(reversed(pieces))
            yield stop - len(line), line
            stop -= len(line) + 1
            pieces = [lines.pop()]
    yield 0, b"".join(reversed(pieces))
