"""Where records go: numbered without a gap, whole or not at all, and never answered for before they are written."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ldapserver.audit.file import FileSink
from ldapserver.audit.log import AuditLog
from ldapserver.audit.pipe import PipeSink, is_pipe
from ldapserver.audit.record import Record
from ldapserver.audit.rotation import Rotation
from ldapserver.audit.sinks import AuditUnavailable, MemorySink, Sink, StreamSink
from ldapserver.suspension import Suspension
from tests.server.audit_logs import EXCHANGE, RENDERER, VERDICT, hand_over, ids, opened, written


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a log is to be."""
    return tmp_path / "audit.jsonl"


# Files


def test_events_are_numbered_from_one_and_only_they(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    sink.write([EXCHANGE])
    sink.write([EXCHANGE, VERDICT, VERDICT])
    assert ids(log) == ["1", None, None, "2", "3"]


def test_a_record_is_in_the_file_when_write_returns(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    assert log.read_text() == RENDERER.line(VERDICT, 1)
    sink.write([EXCHANGE])
    assert log.read_text() == RENDERER.line(VERDICT, 1) + RENDERER.line(EXCHANGE, 1)


def test_numbers_go_on_after_a_restart(log: Path) -> None:
    written(log, VERDICT, VERDICT, EXCHANGE)
    written(log, VERDICT)
    written(log, EXCHANGE)
    written(log, VERDICT)
    assert ids(log) == ["1", "2", None, "3", None, "4"]


def test_a_log_is_readable_for_its_owner_alone(log: Path) -> None:
    written(log, VERDICT)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_numbers_go_on_after_reopening_another_file(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT, VERDICT])
    old = log.rename(log.with_suffix(".1"))
    sink.write([VERDICT])
    sink.reopen()
    sink.write([VERDICT])
    assert (ids(old), ids(log)) == (["1", "2", "3"], ["4"])


def test_reopening_the_same_file_goes_on_in_it(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    sink.reopen()
    sink.write([VERDICT])
    assert ids(log) == ["1", "2"]
    with pytest.raises(BlockingIOError):
        opened(log)


def test_reopening_leaves_the_old_file_to_others(log: Path) -> None:
    sink = opened(log)
    old = log.rename(log.with_suffix(".1"))
    sink.reopen()
    opened(old).close()


def test_a_log_that_cannot_be_opened_again_goes_on_in_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "audit.jsonl"
    sink = opened(log)
    sink.write([VERDICT])
    moved = folder.rename(tmp_path / "old")
    with pytest.raises(OSError, match="No such file"):
        sink.reopen()
    sink.write([VERDICT])
    assert ids(moved / "audit.jsonl") == ["1", "2"]


def test_a_log_that_another_holds_by_now_is_not_taken_over(log: Path) -> None:
    sink = opened(log)
    old = log.rename(log.with_suffix(".1"))
    other = opened(log)
    with pytest.raises(BlockingIOError):
        sink.reopen()
    sink.write([VERDICT])
    other.write([VERDICT])
    assert (ids(old), ids(log)) == (["1"], ["1"])


def test_a_log_has_one_writer(log: Path) -> None:
    sink = opened(log)
    with pytest.raises(BlockingIOError):
        opened(log)
    sink.close()
    opened(log).close()


def test_closing_twice_is_closing_and_nothing_is_taken_behind_it(log: Path) -> None:
    sink = opened(log)
    sink.close()
    other = opened(log)
    sink.close()
    with pytest.raises(AuditUnavailable, match="is closed"):
        sink.write([VERDICT])
    with pytest.raises(BlockingIOError):
        opened(log)
    other.close()


def test_a_log_that_moved_while_it_was_locked_is_locked_where_it_is_now(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who held it has put another in its place and released it, just when we asked for the lock."""
    written(log, VERDICT)
    flock = fcntl.flock

    def late(fd: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        log.rename(log.with_suffix(".1"))
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    sink = opened(log)
    sink.write([VERDICT])
    assert len(ids(log)) == 1
    with pytest.raises(BlockingIOError):
        opened(log)


def test_a_log_has_one_writer_among_all_processes(log: Path) -> None:
    sink = opened(log)
    program = (
        "import sys\n"
        "from ldapserver import FileSink, JSONRenderer\n"
        "try: FileSink(sys.argv[1], JSONRenderer('x'))\n"
        "except BlockingIOError: print('locked')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(log)], capture_output=True, text=True, check=True)
    assert done.stdout == "locked\n"
    sink.close()


def test_a_file_that_could_not_be_locked_is_not_left_open(log: Path) -> None:
    with open(log, "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(BlockingIOError):
                opened(log)
        assert len(os.listdir("/proc/self/fd")) == before


# A disk that fails


def short(by: int) -> Callable[[int, bytes], int]:
    """os.write of a disk that has room for all but the last `by` octets."""
    write = os.write

    def os_write(fd: int, data: bytes) -> int:
        return write(fd, data[:-by])

    return os_write


@pytest.mark.parametrize("by", [1, 100, 700])
def test_a_record_that_did_not_fit_leaves_no_half_line_and_its_number_to_the_next(
    by: int, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short(by))
        with pytest.raises(AuditUnavailable, match="no space left"):
            sink.write([VERDICT])
    assert ids(log) == ["1"]
    sink.write([VERDICT])
    assert ids(log) == ["1", "2"]


def test_of_several_records_all_are_written_or_none(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short(10))
        with pytest.raises(AuditUnavailable):
            sink.write([EXCHANGE, VERDICT])
    assert log.read_bytes() == b""


def test_a_full_disk_is_named_with_the_path_and_the_reason() -> None:
    sink = FileSink("/dev/full", RENDERER)
    with pytest.raises(AuditUnavailable, match=r"^/dev/full: No space left on device$"):
        sink.write([VERDICT])
    sink.close()


def test_what_cannot_even_be_taken_back_is_cut_off_when_the_disk_works_again(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    said: list[str] = []
    sink = opened(log, report=said.append)
    sink.write([VERDICT])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short(10))
        patch.setattr(os, "ftruncate", fails)
        with pytest.raises(AuditUnavailable, match="Input/output error"):
            sink.write([VERDICT])
    assert said == []
    sink.write([VERDICT])
    assert ids(log) == ["1", "2"]
    assert len(said) == 1
    assert "no whole record" in said[0]


def test_what_is_no_file_can_neither_be_synced_nor_rotated() -> None:
    with pytest.raises(OSError, match="is no file that could be synced"):
        opened(Path("/dev/null"), sync=True)
    with pytest.raises(OSError, match="is no file that could be rotated"):
        opened(Path("/dev/null"), rotation=Rotation(size=1))


def test_what_is_no_file_is_nobodys_alone() -> None:
    one, other = opened(Path("/dev/null")), opened(Path("/dev/null"))
    one.write([VERDICT])
    one.reopen()
    other.write([VERDICT])
    one.close()
    other.close()


def test_a_fifo_or_a_socket_is_no_file(log: Path) -> None:
    os.mkfifo(log)
    with pytest.raises(OSError, match="is a FIFO, and no file"):
        opened(log)
    log.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(log))
        with pytest.raises(OSError, match="is a socket, and no file"):
            opened(log)


def test_a_log_that_becomes_a_fifo_is_not_gone_on_with(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(AuditUnavailable, match="is a FIFO, and no file"):
        sink.write([VERDICT])
    sink.close()


# Standard output and memory


def test_a_stream_gets_whole_lines_and_is_flushed_after_each() -> None:
    seen: list[object] = []
    sink = StreamSink(seen.append, lambda: seen.append("flushed"), RENDERER)
    sink.write([VERDICT, EXCHANGE])
    sink.write([VERDICT])
    sink.close()
    first = RENDERER.line(VERDICT, 1) + RENDERER.line(EXCHANGE, 1)
    assert seen == [first.encode(), "flushed", RENDERER.line(VERDICT, 2).encode(), "flushed"]


def test_a_stream_that_is_closed_makes_the_record_unavailable_and_keeps_its_number() -> None:
    seen: list[bytes] = []
    broken = True

    def write(data: bytes) -> None:
        if broken:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        seen.append(data)

    sink = StreamSink(write, lambda: None, RENDERER)
    with pytest.raises(AuditUnavailable, match="standard output: Broken pipe"):
        sink.write([VERDICT])
    broken = False
    sink.write([VERDICT])
    assert b'"record_id":"1"' in seen[0]


def test_a_stream_that_takes_a_part_gets_the_rest_before_the_next_record() -> None:
    seen = bytearray()
    room = 700

    def write(data: bytes) -> int:
        if len(seen) >= room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(len(data), room - len(seen))
        seen.extend(data[:taken])
        return taken

    sink = StreamSink(write, lambda: None, RENDERER)
    for _ in range(3):
        with pytest.raises(AuditUnavailable, match="standard output: No space left on device"):
            sink.write([VERDICT])
    assert len(seen) == room
    room = 1 << 20
    sink.write([VERDICT])
    assert seen.decode() == (RENDERER.line(VERDICT, 1) or "") + (RENDERER.line(VERDICT, 2) or "")


# Pipes


def test_a_pipe_that_is_full_or_has_no_reader_makes_nobody_wait(tmp_path: Path) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    assert is_pipe(fifo)
    with pytest.raises(OSError, match="is a FIFO that nobody reads"):
        PipeSink(fifo, RENDERER)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    sink = PipeSink(fifo, RENDERER)
    assert str(sink) == fifo
    got = bytearray()
    sink.write([VERDICT])
    refusal = None
    while refusal is None:
        try:
            sink.write([VERDICT] * 30)  # more than PIPE_BUF: a part may be taken
        except AuditUnavailable as error:
            refusal = str(error)
    assert refusal == f"{fifo}: its reader does not keep up"
    with pytest.raises(AuditUnavailable, match="does not keep up"):
        sink.write([VERDICT])
    for _ in range(2):
        with contextlib.suppress(BlockingIOError):
            while taken := os.read(reader, 1 << 20):
                got += taken
        sink.write([VERDICT])
    with contextlib.suppress(BlockingIOError):
        while taken := os.read(reader, 1 << 20):
            got += taken
    lines = got.split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line)["winlog"]["record_id"] for line in lines] == [str(at) for at in range(1, len(lines) + 1)]
    os.close(reader)
    with pytest.raises(AuditUnavailable, match="fifo: nobody reads it"):
        sink.write([VERDICT])
    sink.close()
    sink.close()


def test_memory_keeps_the_newest_up_to_its_limit() -> None:
    sink = MemorySink(limit=3)
    records = [replace(VERDICT, message_id=number) for number in range(1, 8)]
    sink.write(records[:5])
    sink.write(records[5:])
    sink.close()
    assert list(sink.records) == records[4:]


# All of them together


class Scripted:
    """A sink that fails while it is told to."""

    def __init__(self) -> None:
        self.broken = False
        self.closed = False
        self.records: list[Record] = []

    def __str__(self) -> str:
        return "audit.jsonl"

    def write(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise AuditUnavailable("audit.jsonl: it burns")
        self.records.extend(records)

    def close(self) -> None:
        self.closed = True


def test_every_sink_gets_every_record_and_the_end() -> None:
    first, second = Scripted(), Scripted()
    audit = AuditLog([first, second], report=print)
    hand_over(audit, [VERDICT, EXCHANGE])
    audit.close()
    assert first.records == second.records == [VERDICT, EXCHANGE]
    assert first.closed
    assert second.closed


@pytest.mark.parametrize(("best_effort", "what"), [(False, "binds fail"), (True, "binds go on without it")])
def test_a_failure_is_reported_once_when_it_begins_and_once_when_it_ends(best_effort: bool, what: str) -> None:
    sink, lines = Scripted(), list[str]()
    audit = AuditLog([sink], best_effort=best_effort, report=lines.append)
    for _ in range(2):
        lines.clear()
        sink.broken = True
        for _ in range(3):
            if best_effort:
                hand_over(audit, [VERDICT])
            else:
                with pytest.raises(AuditUnavailable):
                    hand_over(audit, [VERDICT])
        assert lines == [f"audit: audit.jsonl: it burns; {what} until it works again"]
        sink.broken = False
        hand_over(audit, [VERDICT])
        hand_over(audit, [VERDICT])
        assert lines[1:] == ["audit: audit.jsonl: records are written again"]


@pytest.mark.parametrize("broken", [0, 1])
def test_one_sink_that_fails_is_enough_and_the_others_have_the_record(broken: int) -> None:
    both = Scripted(), Scripted()
    both[broken].broken = True
    audit = AuditLog(both, report=lambda line: None)
    with pytest.raises(AuditUnavailable):
        hand_over(audit, [VERDICT])
    assert both[1 - broken].records == [VERDICT]


class Waiting(Scripted):
    """A sink that needs time."""

    def __init__(self) -> None:
        super().__init__()
        self.suspensions: list[Suspension[None]] = []

    def __str__(self) -> str:
        return "syslog"

    def write(self, records: Sequence[Record]) -> Suspension[None]:  # type: ignore[override]
        self.suspensions.append(Suspension())
        return self.suspensions[-1]


def test_each_sink_that_fails_is_named_and_each_that_works_again() -> None:
    now, later, lines = Scripted(), Waiting(), list[str]()
    audit = AuditLog([now, later], best_effort=True, report=lines.append)
    now.broken = True
    for failure in (AuditUnavailable("syslog: it is gone"), None):
        told: list[Exception | None] = []
        audit.write([VERDICT], told.append)
        assert not told
        if failure is None:
            later.suspensions[-1].resume(None)
        else:
            later.suspensions[-1].fail(failure)
        assert told == [None]
        now.broken = False
    assert lines == [
        "audit: audit.jsonl: it burns; binds go on without it until it works again",
        "audit: syslog: it is gone; binds go on without it until it works again",
        "audit: audit.jsonl: records are written again",
        "audit: syslog: records are written again",
    ]


@pytest.mark.parametrize("error", [AuditUnavailable("syslog: it is gone"), None])
def test_a_sink_that_fails_at_once_hides_none_that_fails_later(error: AuditUnavailable | None) -> None:
    now, later, lines = Scripted(), Waiting(), list[str]()
    audit = AuditLog([now, later], report=lines.append)
    now.broken = True
    told: list[Exception | None] = []
    audit.write([VERDICT], told.append)
    assert not told
    if error is None:
        later.suspensions[-1].resume(None)
    else:
        later.suspensions[-1].fail(error)
    assert [type(error) for error in told] == [AuditUnavailable]
    assert lines[0] == "audit: audit.jsonl: it burns; binds fail until it works again"
    assert lines[1:] == ([] if error is None else [f"audit: {error}; binds fail until it works again"])
    assert audit.failures == ({now: 1} if error is None else {now: 1, later: 1})


def test_without_a_sink_every_record_is_taken() -> None:
    hand_over(AuditLog([], report=print), [VERDICT])


def test_each_of_them_is_a_sink(log: Path) -> None:
    kinds: list[Sink] = [opened(log), MemorySink(), StreamSink(print, lambda: None, RENDERER)]
    assert len(set(kinds)) == 3  # AuditLog keeps those that fail in a set
