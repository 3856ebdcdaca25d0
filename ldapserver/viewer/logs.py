"""The files of a log: opened whatever they are packed with, and found beside the one that is written."""

import contextlib
import gzip
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast

from ldapserver.printable import printable

STANDARD_INPUT = "-"
_GZIP = b"\x1f\x8b"  # RFC 1952 section 2.3.1
_BUFFER = 1 << 18

# What our server adds (`audit.jsonl-20260102T030405Z`), and logrotate: a date and what may follow it, or a number.
_ROTATED = re.compile(r"(?:-\d{8}(?:T\d{6}Z|(?:[-_T.]?\d+)*)|\.\d+)(?:\.gz)?", re.ASCII)


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The file, or standard input for `-`, unpacked if it is gzip by its first octets. Raises OSError."""
    with contextlib.ExitStack() as stack:
        if path == STANDARD_INPUT:
            file = cast(io.BufferedReader, sys.stdin.buffer)
        else:
            file = cast(io.BufferedReader, open(path, "rb", _BUFFER))  # noqa: SIM115
            stack.enter_context(file)
        if file.peek(2).startswith(_GZIP):
            packed = stack.enter_context(gzip.GzipFile(fileobj=file))
            # A reader of its own: GzipFile gives lines one Python call at a time.
            yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, packed), _BUFFER))
        else:
            yield file


def is_packed(path: str) -> bool:
    """Whether the file is gzip. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(2) == _GZIP


def rotated(path: str) -> list[str]:
    """The files beside the log at `path` that were it once, those written last coming last. Raises OSError."""
    folder, name = os.path.split(path)
    found = []
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if entry.name.startswith(name) and _ROTATED.fullmatch(entry.name, len(name)):
                with contextlib.suppress(FileNotFoundError):  # rotated out while we look
                    found.append((entry.stat().st_mtime_ns, entry.name))
    return [os.path.join(folder, each) for _, each in sorted(found)]


def labels(logs: Sequence[str]) -> dict[str, str]:
    """What to call each of several logs: its name without the folder, where no two have the same."""
    names = [os.path.basename(log) for log in logs]
    told = names if len(set(names)) == len(names) else logs
    return {log: printable(name) for log, name in zip(logs, told, strict=True)}


def each_once(paths: Iterable[str]) -> Sequence[str]:
    """The paths without those that lead to a file once more; one that leads nowhere stays, to be complained of."""
    seen: set[object] = set()
    kept = []
    for path in paths:
        key: object = path
        if path != STANDARD_INPUT:
            try:
                status = os.stat(path)
                key = (status.st_dev, status.st_ino)
            except OSError:
                pass  # opening it will say why
        if key not in seen:
            seen.add(key)
            kept.append(path)
    return kept
