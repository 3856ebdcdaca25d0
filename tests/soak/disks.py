"""Disks that fill up, are slow and fail, under load: `python -m tests.soak.disks`.

A full one is a small tmpfs, in a mount namespace of our own (`unshare`, as root or as anybody where the kernel lets
anybody), else a limit to the length of the server's files, which fails as a full disk does: binds fail while there is
no room, and succeed by themselves when there is. A bad one is a server whose
`fdatasync` takes its time and sometimes fails: it says when each sync began and ended, and no answer may be there
before the end of one that covers its record, in JSON and in XML.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.server import write_users
from tests.soak.load import USERS, Bind, Seen, serving
from tests.soak.records import VERDICT, Event, check, check_numbers, events, positions

ROTATED = ("--audit-rotate-size", "20K")
FULL: dict[str, tuple[str, ...]] = {
    "in the kernel's hands": (),
    "in the kernel's hands, rotated": ROTATED,
    "on stable storage": ("--audit-sync",),
    "on stable storage, rotated": (*ROTATED, "--audit-sync"),
}
SIZES = (128, 320, 500, 8192)  # KiB of a tmpfs, one after the other
LIMIT = 8192  # octets that a file may have, less than where it gives way to a new one
REFUSED = 60  # binds that fail before there is more room

# Lines of the trace: W time inode length-before length, S begun ended inode length; the times are of the clock that
# all share. Two threads write it, hence no buffer.
BAD_DISK = """
import errno, os, random, sys, time
from ldapserver.cli import main
trace = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
seconds, share, chance = float(sys.argv[2]), float(sys.argv[3]), random.Random(sys.argv[4])
write, sync = os.write, os.fdatasync
def traced(fd, data):
    done = write(fd, data)
    if data[:1] in b"{<" and len(data) > 99:
        status = os.fstat(fd)
        before = status.st_size - done
        write(trace, b"W %d %d %d %d\\n" % (time.monotonic_ns(), status.st_ino, before, status.st_size))
    return done
def bad(fd):
    begun, status = time.monotonic_ns(), os.fstat(fd)
    time.sleep(seconds)
    if chance.random() < share:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    sync(fd)
    write(trace, b"S %d %d %d %d\\n" % (begun, time.monotonic_ns(), status.st_ino, status.st_size))
os.write, os.fdatasync = traced, bad
sys.exit(main(sys.argv[5:]))
"""


class Disk(Protocol):
    """A disk that is full from time to time."""

    def fill(self, pid: int) -> None:
        """Let this server soon have no room."""
        ...

    def free(self, pid: int) -> None:
        """Let it have room again."""
        ...


class Tmpfs:
    """A file system that is full once it has its size, and then is given more."""

    def __init__(self, at: Path) -> None:
        self._at = at
        self._sizes = iter(SIZES)
        self._mount()

    def _mount(self, *how: str) -> None:
        options = ",".join((*how, f"size={next(self._sizes)}k"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._at)], check=True)

    def fill(self, pid: int) -> None:
        """The load does."""

    def free(self, pid: int) -> None:
        """Make it larger."""
        self._mount("remount")

    def close(self) -> None:
        """Take it away, and what is on it."""
        subprocess.run(["umount", str(self._at)], check=True)


class Limit:
    """A limit to the length of files, which is lifted and set again."""

    def fill(self, pid: int) -> None:
        """Set it."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))

    def free(self, pid: int) -> None:
        """Lift it."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def full(folder: Path, at: Path, disk: Disk, *options: str) -> str:
    """Fill a disk under load again and again, each time until there is more room; what was looked at, in words.

    The logs are `at` a folder on it. Raises AssertionError for what is wrong.
    """
    write_users(folder / "users.ldif", USERS)
    log, other = at / "audit.jsonl", at / "audit.xml"
    seen = Seen()
    with serving(folder, "--audit", str(log), "--audit", f"xml:{other}", *options) as server:
        clients = server.load(seen, unavailable=True)
        for _ in SIZES[1:]:
            disk.fill(server.pid)
            seen.wait(unavailable=seen.unavailable + REFUSED)
            disk.free(server.pid)
            seen.wait(successes=len(seen.binds) + 20)
        server.process.terminate()
        for client in clients:
            client.join()
        assert server.process.wait(timeout=30) == 0
    seen.check()
    found = check(log, seen.binds)
    others = check_told(found, other, seen.binds)
    for each in (log, other):
        check_said(server.said, str(each))
    assert not [line for line in server.said if "Traceback" in line], server.said
    return (
        f"{len(seen.binds)} successes seen, {seen.unavailable} failures, {len(found)} events, {len(others)} in XML, "
        f"ids without a gap"
    )


def check_told(found: Sequence[Event], other: Path, seen: Sequence[Bind]) -> list[Event]:
    """The events of another log, which has all binds that were seen to succeed. Raises AssertionError."""
    others = events(other)
    check_numbers(other, others)
    there = {event.alike for event in others}
    by_bind = {event.bind: event for event in found if event.event_id == VERDICT}
    lost = [bind for bind in seen if by_bind[bind].alike not in there]
    assert not lost, f"{len(lost)} binds were seen to succeed and are not in {other.name}, the first {lost[0]}"
    return others


def check_said(said: Sequence[str], log: str) -> None:
    """Raise AssertionError unless each failure of a log was told once, and once when it was over."""
    of_it = [line for line in said if f"audit: {log}: " in line and "cannot be rotated" not in line]
    begins = ["until it works again" in line for line in of_it]
    assert begins == [True, False] * (len(begins) // 2), of_it


@dataclass(frozen=True)
class Trace:
    """What a bad disk has seen of the files, by inode: what was written when, and the syncs that succeeded."""

    writes: dict[int, list[tuple[int, int, int]]]  # time, length before and behind it
    syncs: dict[int, list[tuple[int, int, int]]]  # begun, ended, length

    @classmethod
    def read(cls, path: Path) -> "Trace":
        """That of a server that has ended."""
        trace = cls({}, {})
        for line in path.read_text().splitlines():
            what, *numbers = line.split()
            if what == "W":
                at, inode, before, length = map(int, numbers)
                trace.writes.setdefault(inode, []).append((at, before, length))
            else:
                begun, ended, inode, length = map(int, numbers)
                trace.syncs.setdefault(inode, []).append((begun, ended, length))
        return trace

    def safe_at(self, inode: int, end: int) -> int:
        """When the first sync ended that covers a record with this end, in nanoseconds of the common clock."""
        syncs = self.syncs.get(inode, [])
        # Several records are one write, and what was taken back is written again: the last one counts.
        written = max(at for at, before, length in self.writes[inode] if before < end <= length)
        first = bisect_left(syncs, (written, 0, 0))
        return next((ended for _, ended, length in syncs[first:] if length >= end), sys.maxsize)


def bad(folder: Path, seconds: float, share: float, successes: int, seed: int, *options: str) -> str:
    """Bind on a disk whose syncs take so long, and of which this share fails; what was looked at, in words.

    Raises AssertionError for what is wrong.
    """
    write_users(folder / "users.ldif", USERS)
    log, other, traced = folder / "audit.jsonl", folder / "audit.xml", folder / "trace"
    program = ("-c", BAD_DISK, str(traced), str(seconds), str(share), str(seed))
    seen = Seen()
    begun = time.monotonic()
    targets = ("--audit", str(log), "--audit", f"xml:{other}", "--audit-sync")
    with serving(folder, *targets, *options, program=program) as server:
        clients = server.load(seen, unavailable=True)
        seen.wait(successes=successes)
        took = time.monotonic() - begun
        server.process.terminate()
        for client in clients:
            client.join()
        assert server.process.wait(timeout=30) == 0
    seen.check()
    found = check(log, seen.binds)
    check_told(found, other, seen.binds)
    trace = Trace.read(traced)
    early = 0
    by_bind = {event.bind: event for event in found if event.event_id == VERDICT}
    for path in (log, other):
        where = positions(path)
        for bind, at in zip(seen.binds, seen.times, strict=True):
            early += trace.safe_at(*where[by_bind[bind].alike]) > at
    assert not early, f"{early} answers came before the sync of their record had ended"
    assert seen.unavailable or not share, "no sync failed"
    return (
        f"{len(seen.binds)} successes seen in {took:.1f} s, {seen.unavailable} failures, ids without a gap, each "
        f"answer behind the sync of its record"
    )


def main(arguments: list[str]) -> int:
    """Every case; the exit status."""
    if not arguments:
        how = _namespace()
        if how is None:
            print("no tmpfs can be mounted here: a limit to the length of files stands for a full disk", flush=True)
        seed = int.from_bytes(os.urandom(4))
        again = [sys.executable, "-m", "tests.soak.disks", "limit" if how is None else "tmpfs", str(seed)]
        return subprocess.run([*(how or ()), *again], check=False).returncode
    way, seed = arguments[0], int(arguments[1])
    for mode, options in FULL.items():
        with tempfile.TemporaryDirectory() as folder, _disk(way, Path(folder)) as (at, disk):
            print(f"full disk ({way}), records {mode}: {full(Path(folder), at, disk, *options)}", flush=True)
    for seconds, share, successes in ((0.05, 0.1, 100), (0.005, 0.02, 400)):
        with tempfile.TemporaryDirectory() as folder:
            what = f"syncs of {seconds * 1000:.0f} ms, {share:.0%} fail, seed {seed}"
            print(f"{what}: {bad(Path(folder), seconds, share, successes, seed, *ROTATED)}", flush=True)
    return 0


def _namespace() -> list[str] | None:
    """The command that runs another where it can mount what it likes; None where there is none."""
    for how in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        with tempfile.TemporaryDirectory() as folder:
            probe = [*how, "mount", "-t", "tmpfs", "tmpfs", folder]
            if shutil.which("unshare") and not subprocess.run(probe, capture_output=True, check=False).returncode:
                return how
    return None


@contextmanager
def _disk(way: str, folder: Path) -> Iterator[tuple[Path, Disk]]:
    at = folder / "disk"
    at.mkdir()
    if way == "limit":
        yield at, Limit()
        return
    disk = Tmpfs(at)
    try:
        yield at, disk
    finally:
        disk.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
