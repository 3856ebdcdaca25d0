"""Where records go: numbered without a gap, whole or not at all, and never answered for before they are written."""

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.audit import sinks
from ldapserver.audit.log import AuditLog
from ldapserver.audit.record import BindRecord, Record
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.sinks import AuditUnavailable, FileSink, MemorySink, Sink, StreamSink
from sasl_digest import Reason
from tests.server.test_audit_record import RECORD

RENDERER = JSONRenderer("ldap1.contoso.com")
VERDICT = RECORD
EXCHANGE = replace(RECORD, status=None, reason=Reason.NONCE_FOREIGN)


def ids(path: Path) -> list[str | None]:
    """The record id of every line, None for a line that is no Windows event; every line is whole."""
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b"", "the log ends in half a line"
    return [json.loads(line).get("winlog", {}).get("record_id") for line in lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a log is to be."""
    return tmp_path / "audit.jsonl"


def opened(path: Path, **rest: Any) -> FileSink:
    return FileSink(str(path), RENDERER, **rest)


def written(path: Path, *records: BindRecord) -> None:
    """The log has these records, by a server that has ended."""
    sink = opened(path)
    sink.write(records)
    sink.close()


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


# A log as a crash left it


def test_half_a_line_at_the_end_is_told_and_its_number_is_given_again(log: Path) -> None:
    written(log, VERDICT, VERDICT)
    whole = log.read_bytes()
    log.write_bytes(whole + RENDERER.line(VERDICT, 3).encode()[:-200])
    sink = opened(log)
    assert sink.torn
    sink.write([VERDICT])
    *first, torn, last, nothing = log.read_bytes().split(b"\n")
    assert b"\n".join([*first, b""]) == whole
    assert torn
    assert json.loads(last)["winlog"]["record_id"] == "3"
    assert nothing == b""


def test_a_last_line_that_lacks_only_its_end_counts(log: Path) -> None:
    written(log, VERDICT, VERDICT)
    log.write_bytes(log.read_bytes()[:-1])
    sink = opened(log)
    assert sink.torn
    sink.write([VERDICT])
    assert ids(log) == ["1", "2", "3"]


def test_a_whole_log_is_not_torn(log: Path) -> None:
    assert not opened(log).torn


def test_lines_of_others_are_passed_over(log: Path) -> None:
    written(log, VERDICT)
    with log.open("ab") as file:
        file.write(b'{"winlog":{"record_id":"x"}}\n{"winlog":[]}\n"record_id":"77"\n[{"record_id":"9"}]\n\xff\n\n')
    sink = opened(log)
    sink.write([VERDICT])
    assert json.loads(log.read_bytes().splitlines()[-1])["winlog"]["record_id"] == "2"


def test_the_last_number_is_found_behind_more_than_one_window(log: Path) -> None:
    written(log, *[VERDICT] * 3, *[EXCHANGE] * 400)
    assert log.stat().st_size > 3 * sinks._TAIL
    written(log, VERDICT)
    assert ids(log)[-1] == "4"


def test_a_line_longer_than_a_window_is_read_whole(log: Path) -> None:
    written(log, VERDICT, replace(VERDICT, account="x" * 2 * sinks._TAIL), EXCHANGE)
    written(log, VERDICT)
    assert ids(log) == ["1", "2", None, "3"]


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.booleans(), max_size=8),
    window=st.integers(1, 3000),
    cut=st.integers(0, 100),
)
def test_wherever_a_window_falls_the_last_number_is_found(
    lines: list[bool], window: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("log") / "audit.jsonl"
    written(log, *(VERDICT if verdict else EXCHANGE for verdict in lines))
    octets = log.read_bytes()
    log.write_bytes(octets[: len(octets) - cut])
    torn = 1 < cut <= len(octets) and lines and lines[-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinks, "_TAIL", window)
        fd = os.open(log, os.O_RDONLY)
        last, _ = sinks._resume(fd)
        os.close(fd)
    assert last == sum(lines) - bool(torn)


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


def test_with_sync_a_record_is_on_stable_storage_before_write_returns(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    opened(log, sync=True).write([VERDICT])
    assert synced == [log.stat().st_size] != [0]
    opened(log.with_suffix(".other")).write([VERDICT])
    assert len(synced) == 1


def test_a_record_that_could_not_be_synced_is_taken_back(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = opened(log, sync=True)
    sink.write([VERDICT])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(AuditUnavailable, match="Input/output error"):
            sink.write([VERDICT])
    assert ids(log) == ["1"]
    sink.write([VERDICT])
    assert ids(log) == ["1", "2"]


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

    def write(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise AuditUnavailable("audit.jsonl: it burns")
        self.records.extend(records)

    def close(self) -> None:
        self.closed = True


def test_every_sink_gets_every_record_and_the_end() -> None:
    first, second = Scripted(), Scripted()
    audit = AuditLog([first, second], report=print)
    audit.write([VERDICT, EXCHANGE])
    audit.close()
    assert first.records == second.records == [VERDICT, EXCHANGE]
    assert first.closed
    assert second.closed


@pytest.mark.parametrize(("best_effort", "what"), [(False, "binds fail"), (True, "binds go on")])
def test_a_failure_is_reported_once_when_it_begins_and_once_when_it_ends(best_effort: bool, what: str) -> None:
    sink, lines = Scripted(), list[str]()
    audit = AuditLog([sink], best_effort=best_effort, report=lines.append)
    for _ in range(2):
        lines.clear()
        sink.broken = True
        for _ in range(3):
            if best_effort:
                audit.write([VERDICT])
            else:
                with pytest.raises(AuditUnavailable):
                    audit.write([VERDICT])
        assert lines == [f"audit: audit.jsonl: it burns; {what} until it works again"]
        sink.broken = False
        audit.write([VERDICT])
        audit.write([VERDICT])
        assert lines[1:] == ["audit: records are written again"]


@pytest.mark.parametrize("broken", [0, 1])
def test_one_sink_that_fails_is_enough_and_the_others_have_the_record(broken: int) -> None:
    both = Scripted(), Scripted()
    both[broken].broken = True
    audit = AuditLog(both, report=lambda line: None)
    with pytest.raises(AuditUnavailable):
        audit.write([VERDICT])
    assert both[1 - broken].records == [VERDICT]


def test_without_a_sink_every_record_is_taken() -> None:
    AuditLog([], report=print).write([VERDICT])


def test_each_of_them_is_a_sink(log: Path) -> None:
    kinds: list[Sink] = [opened(log), MemorySink(), StreamSink(print, lambda: None, RENDERER)]
    assert len(set(kinds)) == 3  # AuditLog keeps those that fail in a set
