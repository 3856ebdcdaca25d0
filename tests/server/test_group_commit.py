"""On stable storage before the answer: one sync for all who wait, nobody early, nothing left of a failure."""

import errno
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ldapserver.audit.file import FileSink
from ldapserver.audit.group_commit import GroupCommit, OwnThread
from ldapserver.audit.rotation import Rotation
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.service import Peer
from ldapserver.session import Session
from ldapserver.suspension import Suspension
from ldapserver.wire.messages import BindResponse, ResultCode
from tests.server.audit_logs import EXCHANGE, SECOND, VERDICT, Disk, Thread, at, ids, opened, written
from tests.server.stage import Channel, Stage, simple, stage

EIO = OSError(errno.EIO, "Input/output error")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a log is to be."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk under all logs."""
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.sync)
    return disk


@pytest.fixture
def thread() -> Thread:
    """The thread that waits for the disk."""
    return Thread()


def synced(log: Path, thread: Thread, **rest: Any) -> FileSink:
    """A sink of this log that waits in this thread."""
    sink = opened(log, sync=True, **rest)
    sink.run_by(thread)
    return sink


def ending(suspension: Suspension[None] | None) -> list[str]:
    """How it ended, if it has: "safe", or what went wrong."""
    assert suspension is not None
    try:
        next(iter(suspension.__await__()))
    except StopIteration:
        return ["safe"]
    except AuditUnavailable as error:
        return [str(error)]
    return []


# In place


def test_without_a_thread_a_record_is_safe_when_write_returns(log: Path, disk: Disk) -> None:
    sink = opened(log, sync=True)
    assert sink.write([VERDICT]) is None
    assert disk.lengths == [log.stat().st_size] != [0]
    opened(log.with_suffix(".other")).write([VERDICT])
    assert len(disk.lengths) == 1


def test_without_a_thread_a_failure_is_raised_and_nothing_is_left(log: Path, disk: Disk) -> None:
    sink = opened(log, sync=True)
    sink.write([VERDICT])
    disk.error = EIO
    for _ in range(2):
        with pytest.raises(AuditUnavailable, match=rf"{log}: Input/output error"):
            sink.write([VERDICT])
        assert ids(log) == ["1"]
    disk.error = None
    sink.write([VERDICT])
    assert ids(log) == ["1", "2"]


def test_the_name_of_a_new_file_is_made_safe_too(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: folders.append(os.readlink(f"/proc/self/fd/{fd}")))
    sink = opened(log, sync=True, rotation=Rotation(every=60.0))
    sink.write([at(0)])
    sink.write([at(0)])
    assert folders == [str(log.parent)]
    sink.write([at(60 * SECOND)])
    sink.write([at(60 * SECOND)])
    assert folders == [str(log.parent)] * 2


# Shared


def test_lines_are_in_the_kernel_at_once_and_nobody_goes_on_before_the_sync_ended(
    log: Path, disk: Disk, thread: Thread
) -> None:
    sink = synced(log, thread)
    waiting = sink.write([VERDICT])
    assert ids(log) == ["1"]
    assert (ending(waiting), disk.lengths) == ([], [])
    ((work, then),) = thread.given
    work()
    assert (ending(waiting), disk.lengths) == ([], [log.stat().st_size])
    then()
    assert ending(waiting) == ["safe"]


def test_those_who_come_before_it_begins_share_it_and_those_who_come_during_it_share_the_next(
    log: Path, disk: Disk, thread: Thread
) -> None:
    sink = synced(log, thread)
    early = [sink.write([VERDICT]) for _ in range(3)]
    late: list[Suspension[None] | None] = []
    disk.syncing = [lambda: late.append(sink.write([VERDICT]))] * 2
    thread.turn()
    assert [ending(each) for each in early] == [["safe"]] * 3
    assert [ending(each) for each in late] == [[]] * 2
    thread.turn()
    assert [ending(each) for each in late] == [["safe"]] * 2
    assert len(disk.lengths) == 2
    assert disk.lengths[1] == log.stat().st_size > disk.lengths[0]
    assert thread.given == []


def test_they_go_on_in_the_order_they_wrote_in(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread)
    order: list[int] = []
    for number in range(5):
        waiting = sink.write([VERDICT])
        assert waiting is not None
        waiting.resumed = lambda number=number: order.append(number)
    thread.turn()
    assert order == [0, 1, 2, 3, 4]


def test_one_who_breaks_off_does_not_keep_the_others_waiting(log: Path, disk: Disk, thread: Thread) -> None:
    def breaks() -> None:
        raise ValueError("a bug")

    sink = synced(log, thread)
    first, second = sink.write([VERDICT]), sink.write([VERDICT])
    assert first is not None
    first.resumed = breaks
    with pytest.raises(ValueError, match="a bug"):
        thread.turn()
    assert ending(second) == ["safe"]


def test_who_writes_again_when_it_goes_on_waits_for_another_sync(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread)
    waiting, again = sink.write([VERDICT]), list[Suspension[None] | None]()
    assert waiting is not None
    waiting.resumed = lambda: again.append(sink.write([VERDICT]))
    thread.turn()
    assert ending(again[0]) == []
    thread.turn()
    assert ending(again[0]) == ["safe"]


# Failing


def test_a_failed_sync_fails_all_who_wait_and_nothing_is_numbered_twice(
    log: Path, disk: Disk, thread: Thread
) -> None:
    sink = synced(log, thread)
    safe = sink.write([VERDICT])
    thread.turn()
    early = [sink.write([VERDICT, EXCHANGE]) for _ in range(2)]
    late: list[Suspension[None] | None] = []
    disk.error = EIO
    disk.syncing = [lambda: late.append(sink.write([VERDICT]))]
    thread.turn()
    assert ending(safe) == ["safe"]
    assert [ending(each) for each in (*early, *late)] == [[f"{log}: Input/output error"]] * 3
    assert ids(log) == ["1"]
    disk.error = None
    again = sink.write([VERDICT])
    thread.turn()
    assert (ending(again), ids(log)) == (["safe"], ["1", "2"])


def test_after_a_failed_sync_the_file_is_another_description(log: Path, disk: Disk, thread: Thread) -> None:
    """The kernel has told its error once; by the same one the next sync may succeed without the octets."""
    fds: list[tuple[int, str]] = []
    sink = synced(log, thread)
    sink.write([VERDICT])
    disk.error = EIO
    opened_by = os.open

    def open_(path: Any, flags: int, *rest: int) -> int:
        fd = opened_by(path, flags, *rest)
        fds.append((fd, str(path)))
        return fd

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_)
        thread.turn()
    assert [path for _, path in fds] == [str(log)]
    with pytest.raises(BlockingIOError):  # and it is locked again
        opened(log)


def test_a_failed_sync_takes_back_what_went_into_the_old_file_too(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread, rotation=Rotation(every=60.0))
    sink.write([at(0)])
    thread.turn()
    failed = [sink.write([at(0)]), sink.write([at(60 * SECOND)]), sink.write([at(60 * SECOND)])]
    assert ids(log) == ["3", "4"]
    disk.error = EIO
    thread.turn()
    assert [ending(each) for each in failed] == [[f"{log}: Input/output error"]] * 3
    old = log.with_name("audit.jsonl-19700101T000100Z")
    assert disk.lengths[-1] == old.stat().st_size  # no loss of power brings its 2 back beside that of the new file
    disk.error = None
    sink.write([at(60 * SECOND)])
    assert (ids(log), ids(old)) == (["2"], ["1"])


@pytest.mark.parametrize(("stuck", "count"), [(0, 3), (1, 5), (2, 7)])
def test_what_cannot_be_cut_after_a_failed_sync_keeps_its_numbers(
    stuck: int, count: int, log: Path, disk: Disk, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three files, the oldest with a record that is safe, this one cannot be cut."""
    sink = synced(log, thread, rotation=Rotation(every=60.0))
    sink.write([at(0)])
    thread.turn()
    inodes = []
    for minute in range(3):
        sink.write([at(minute * 60 * SECOND)] * 2 if minute else [at(0)])
        inodes.append(log.stat().st_ino)
    ftruncate = os.ftruncate

    def stubborn(fd: int, size: int) -> None:
        if os.fstat(fd).st_ino == inodes[stuck]:
            raise EIO
        ftruncate(fd, size)

    disk.error = EIO
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", stubborn)
        thread.turn()
    disk.error = None
    sink.write([at(120 * SECOND)])
    sink.settle()
    found = [
        each for path in sorted(log.parent.iterdir(), key=lambda path: path.name == log.name) for each in ids(path)
    ]
    assert sorted(map(int, filter(None, found))) == list(range(1, len(found) + 1))
    assert len(found) == count
    assert ids(log)[-1] == str(len(found))


def test_a_file_that_gave_way_is_synced_before_who_wrote_to_it_goes_on(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread, rotation=Rotation(size=1))
    before = len(os.listdir("/proc/self/fd"))
    waiting = [sink.write([at(0)]) for _ in range(3)]
    thread.turn()
    assert [ending(each) for each in waiting] == [["safe"]] * 3
    assert len(disk.lengths) == 3
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_gave_way_during_a_sync_is_synced_again_only_if_it_got_more(
    log: Path, disk: Disk, thread: Thread
) -> None:
    sink = synced(log, thread, rotation=Rotation(size=1))
    first, later = sink.write([at(0)]), list[Suspension[None] | None]()
    disk.syncing = [lambda: later.append(sink.write([at(0)]))]
    thread.turn()
    assert (ending(first), ending(later[0])) == (["safe"], [])
    thread.turn()
    assert ending(later[0]) == ["safe"]
    assert len(disk.lengths) == 2


def test_what_others_have_cut_is_not_taken_for_what_is_safe(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread)
    sink.write([VERDICT, VERDICT])
    disk.syncing = [lambda: os.truncate(log, 0), lambda: sink.write([VERDICT])]
    thread.turn()
    disk.error = EIO
    thread.turn()
    assert ids(log) == []
    disk.error = None
    sink.write([VERDICT])
    assert ids(log) == ["3"]


def test_what_others_have_cut_is_not_made_longer_after_a_failed_sync(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread)
    sink.write([VERDICT])
    thread.turn()
    waiting = sink.write([VERDICT])
    os.truncate(log, 0)
    disk.error = EIO
    thread.turn()
    assert ending(waiting) == [f"{log}: Input/output error"]
    assert [path.name for path in log.parent.iterdir()] == [log.name]  # nothing torn, as a hole of zeros would be
    assert log.stat().st_size == 0


def test_a_full_disk_fails_one_and_leaves_the_others_waiting(
    log: Path, disk: Disk, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    sink = synced(log, thread)
    first = sink.write([VERDICT])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:-1]))
        with pytest.raises(AuditUnavailable, match="no space left"):
            sink.write([VERDICT])
    second = sink.write([VERDICT])
    thread.turn()
    assert [ending(first), ending(second), ids(log)] == [["safe"], ["safe"], ["1", "2"]]


def test_our_own_half_line_is_no_other_process(
    log: Path, disk: Disk, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(fd: int, size: int) -> None:
        raise EIO

    write, said = os.write, list[str]()
    sink = synced(log, thread, report=said.append)
    first = sink.write([VERDICT])
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fails)
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
        with pytest.raises(AuditUnavailable, match="Input/output error"):
            sink.write([VERDICT])
    with pytest.raises(AuditUnavailable, match=r"audit\.jsonl: ends in half a line that could not be cut off$"):
        sink.write([VERDICT])
    thread.turn()
    assert ending(first) == ["safe"]
    second = sink.write([VERDICT])
    thread.turn()
    assert (ending(second), ids(log), len(said)) == (["safe"], ["1", "2"], 1)


# The end


def test_closing_makes_safe_what_waits(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread)
    waiting = sink.write([VERDICT])
    sink.close()
    assert ending(waiting) == ["safe"]
    opened(log).close()
    thread.turn()  # what comes late finds nothing to do
    assert len(disk.lengths) == 1


def test_closing_fails_what_cannot_be_made_safe(log: Path, disk: Disk, thread: Thread) -> None:
    sink = synced(log, thread)
    waiting = sink.write([VERDICT])
    disk.error = EIO
    sink.close()
    assert ending(waiting) == [f"{log}: Input/output error"]
    assert ids(log) == []
    opened(log).close()


def test_what_is_settled_is_not_settled_by_a_sync_that_hides_the_failure_of_another() -> None:
    """The thread is told of the error; a second sync beside it would succeed. So it is waited for."""
    begun, go_on = threading.Event(), threading.Event()
    synced: list[int] = []

    def sync(written: int) -> None:
        synced.append(written)
        begun.set()
        assert go_on.wait(30)
        if len(synced) == 1:
            raise EIO

    failures: list[Exception | None] = []

    def ended(written: int, error: Exception | None) -> Exception | None:
        failures.append(error)
        return error and AuditUnavailable(str(error))

    back: list[Callable[[], None]] = []
    commit = GroupCommit(sync, ended)
    own = OwnThread(back.append)
    commit.in_thread = own
    commit.join(1)
    assert begun.wait(30)
    commit.join(2)
    threading.Timer(0.01, go_on.set).start()
    commit.settle()
    own.close()
    assert (synced, failures) == ([1], [EIO])


# Through a session


class Wire:
    """More connections of one stage."""

    def __init__(self, first: Stage, count: int) -> None:
        self.stages = [first]
        for number in range(2, count + 1):
            other = Stage(first.service, first.sink)
            other.channel = Channel()
            other.session = Session(first.service, Peer(number, "192.0.2.10", 50123), other.channel)
            self.stages.append(other)

    def bind(self, password: str = "password") -> None:
        for each in self.stages:
            each.session.data_received(each.encoded(simple("u1", password)))

    def answers(self) -> list[list[int]]:
        found = []
        for each in self.stages:
            operations: Sequence[Any] = [message.operation for message in each.channel.taken()]
            found.append([each.result_code for each in operations if isinstance(each, BindResponse)])
        return found


def test_binds_of_many_connections_wait_for_one_sync_and_none_is_answered_early(
    log: Path, disk: Disk, thread: Thread
) -> None:
    wire = Wire(stage(sinks=[synced(log, thread)]), 10)
    wire.bind()
    assert wire.answers() == [[]] * 10
    assert ids(log) == [str(number) for number in range(1, 11)]
    thread.turn()
    assert wire.answers() == [[ResultCode.SUCCESS]] * 10
    assert len(disk.lengths) == 1


def test_what_stands_behind_a_bind_that_waits_is_not_looked_at(log: Path, disk: Disk, thread: Thread) -> None:
    one = stage(sinks=[synced(log, thread)])
    assert one.send(simple("u1", "password"), simple("u1", "wrong")) == []
    assert ids(log) == ["1"]
    thread.turn()
    assert len(one.channel.taken()) == 1
    thread.turn()
    (answer,) = one.channel.taken()
    assert isinstance(answer.operation, BindResponse)
    assert answer.operation.result_code is ResultCode.INVALID_CREDENTIALS


def test_after_a_failed_sync_the_answer_is_unavailable_and_nobody_is_bound(
    log: Path, disk: Disk, thread: Thread
) -> None:
    said: list[str] = []
    one = stage(sinks=[synced(log, thread)], report=said.append)
    wire = Wire(one, 3)
    disk.error = EIO
    wire.bind()
    thread.turn()
    assert wire.answers() == [[ResultCode.UNAVAILABLE]] * 3
    assert one.who() == ""
    assert said == [f"audit: {log}: Input/output error; binds fail until it works again"]
    disk.error = None
    wire.bind()
    thread.turn()
    assert wire.answers() == [[ResultCode.SUCCESS]] * 3
    assert said[1:] == [f"audit: {log}: records are written again"]
    assert ids(log) == ["1", "2", "3"]


def test_whoever_goes_while_it_waits_leaves_a_record_and_disturbs_nobody(
    log: Path, disk: Disk, thread: Thread
) -> None:
    wire = Wire(stage(sinks=[synced(log, thread)]), 3)
    wire.bind()
    wire.stages[1].session.lost()
    thread.turn()
    assert wire.answers() == [[ResultCode.SUCCESS], [], [ResultCode.SUCCESS]]
    assert ids(log) == ["1", "2", "3"]


def test_before_the_end_everybody_who_waits_is_answered(log: Path, disk: Disk, thread: Thread) -> None:
    one = stage(sinks=[synced(log, thread)])
    wire = Wire(one, 3)
    wire.bind()
    one.service.audit.settle()
    assert wire.answers() == [[ResultCode.SUCCESS]] * 3


def test_who_has_sent_many_binds_at_once_does_not_keep_a_server_from_ending(
    log: Path, disk: Disk, thread: Thread
) -> None:
    sink = synced(log, thread)
    one = stage(sinks=[sink], logon_events=True)
    wire = Wire(one, 2)
    one.send(*[simple("u1", "password")] * 5)
    wire.stages[1].send(simple("u1", "password"))
    one.service.audit.settle()
    assert len(disk.lengths) <= 2
    assert wire.answers() == [[ResultCode.SUCCESS]] * 2
    for each in wire.stages:
        each.session.disconnect(ResultCode.UNAVAILABLE, "the server is stopping")
    sink.close()  # the second bind of the first is safe by now, and so is the end of its logon
    assert not any(each.session.recording for each in wire.stages)
    assert disk.lengths[-1] == log.stat().st_size
    codes = [json.loads(line)["event"]["code"] for line in log.read_text().splitlines()]
    assert sorted(codes) == ["4624"] * 3 + ["4634"] * 3 + ["4776"] * 3


def test_a_log_that_was_not_synced_before_is_from_now_on(log: Path, disk: Disk) -> None:
    written(log, VERDICT)
    sink = opened(log, sync=True)
    disk.error = EIO
    with pytest.raises(AuditUnavailable):
        sink.write([VERDICT])
    assert ids(log) == ["1"]
