"""Whatever happens to a log, and in whatever order: over all its files together each number is there once, from 1.

What happens: writes, disks that fill up or fail, rotations by us and by others, restarts, crashes that tear the end.
"""

import errno
import gzip
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ldapserver.audit.file import FileSink
from ldapserver.audit.rotation import Rotation
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.suspension import Suspension
from tests.server.audit_logs import EXCHANGE, RENDERER, SECOND, Thread, at

NUMBER = re.compile(rb'"record_id":"([0-9]+)"')
EIO = OSError(errno.EIO, "Input/output error")


class Log(RuleBasedStateMachine):
    """A log, the server that writes it, and the accounts of those who were told that they have a record."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="log"))
        self.path = self.folder / "audit.jsonl"
        self.broken: OSError | None = None
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fdatasync", self._fdatasync)
        self.thread = Thread()
        self.time_ns = SECOND
        self.told = 0  # records whose writers went on
        self.waiting: list[tuple[int, Suspension[None]]] = []
        self.put_away = 0
        self.moved = False  # renamed, and not yet opened again

    def teardown(self) -> None:
        self.sink.close()
        self.patch.undo()
        shutil.rmtree(self.folder)

    def _fdatasync(self, fd: int) -> None:
        os.fstat(fd)  # it is open
        if self.broken is not None:
            raise self.broken

    @initialize(
        sync=st.sampled_from([True, True, False]),
        size=st.sampled_from([None, 1, 4000]),
        every=st.sampled_from([None, 10.0]),
    )
    def start(self, sync: bool, size: int | None, every: float | None) -> None:
        self.how: dict[str, Any] = {"sync": sync, "rotation": Rotation(size, every)}
        self._open()

    def _open(self) -> None:
        self.sink = FileSink(str(self.path), RENDERER, report=lambda line: None, **self.how)
        self.thread = Thread()
        self.sink.run_by(self.thread)

    def _look(self, *, failing: bool = False) -> None:
        """Who waited and goes on has been told; nobody is failed unless the disk is."""
        left = []
        for count, suspension in self.waiting:
            try:
                next(iter(suspension.__await__()))
            except StopIteration:
                self.told += count
            except AuditUnavailable:
                assert failing
            else:
                left.append((count, suspension))
        self.waiting = left

    @rule(
        verdicts=st.integers(0, 3),
        exchanges=st.integers(0, 1),
        later=st.sampled_from([0, 0, 1, 7]),
        amid=st.booleans(),
    )
    def write(self, verdicts: int, exchanges: int, later: int, amid: bool) -> None:
        if amid:  # a sync that has begun
            self.thread.work()
        self.time_ns += later * SECOND
        records = [at(self.time_ns)] * verdicts + [EXCHANGE] * exchanges
        try:
            suspension = self.sink.write(records)
        except AuditUnavailable:
            # Half a line that could not be cut is left alone until nobody waits for what is before it.
            assert self.waiting
            self.settle()
            suspension = self.sink.write(records)
        if suspension is None:
            self.told += verdicts
        else:
            self.waiting.append((verdicts, suspension))

    @rule(by=st.integers(1, 900), cuts=st.booleans())
    def write_to_a_full_disk(self, by: int, cuts: bool) -> None:
        write: Callable[[int, bytes], int] = os.write
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: write(fd, data[:-by]))
            if not cuts:
                patch.setattr(os, "ftruncate", self._fails)
            with pytest.raises(AuditUnavailable):
                self.sink.write([at(self.time_ns)])

    @staticmethod
    def _fails(fd: int, length: int) -> None:
        raise EIO

    @rule()
    def turn(self) -> None:
        self.thread.turn()
        self._look()

    @rule()
    def sync_fails(self) -> None:
        self.broken = EIO
        self.thread.turn()
        self.broken = None
        self._look(failing=True)

    @rule()
    def hang_up(self) -> None:
        self.sink.reopen()
        self.moved = False

    @precondition(lambda self: not self.moved and self.path.exists())
    @rule(compressed=st.booleans())
    def rename(self, compressed: bool) -> None:
        self.put_away += 1
        self.path.rename(self.folder / f"audit.jsonl-{20260101 + self.put_away}")
        self.moved = True
        if compressed:
            self.hang_up()
            self.settle()
            old = self.folder / f"audit.jsonl-{20260101 + self.put_away}"
            (self.folder / f"{old.name}.gz").write_bytes(gzip.compress(old.read_bytes()))
            old.unlink()

    @precondition(lambda self: not self.moved and not self.waiting and self.path.exists())
    @rule()
    def copy_and_cut(self) -> None:
        self.put_away += 1
        shutil.copy(self.path, self.folder / f"audit.jsonl-{20260101 + self.put_away}")
        os.truncate(self.path, 0)

    @rule()
    def settle(self) -> None:
        self.sink.settle()
        self._look()

    @rule()
    def restart(self) -> None:
        self.sink.close()
        self._look()
        assert not self.waiting
        self._open()
        self.moved = False

    @rule(torn=st.sampled_from([b"", b'{"half', b"\0" * 700, b"\0" * 700 + b'"}\n']))
    def crash(self, torn: bytes) -> None:
        """What was in the kernel's hands is there; nobody who waits is told any more."""
        self.waiting.clear()
        self.sink._close_all()
        if self.path.exists() and not self.moved:
            with self.path.open("ab") as file:
                file.write(torn)
        self._open()
        self.moved = False

    @invariant()
    def every_number_is_there_once(self) -> None:
        if not hasattr(self, "sink"):
            return
        files = []
        for path in self.folder.iterdir():
            if path.suffix == ".torn":
                continue
            octets = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            lines = octets.split(b"\n")[:-1]
            found = [int(each[1]) for line in lines if (each := NUMBER.search(line)) and line.endswith(b"}")]
            if found:
                files.append(found)
        files.sort()
        numbers = [number for each in files for number in each]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= self.told


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
