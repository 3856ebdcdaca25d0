"""What the binds of one turn of the loop leave in real sinks: all of it or nothing, to the very end."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ldapserver.audit.file import FileSink
from ldapserver.audit.log import AuditLog
from ldapserver.audit.record import Record
from ldapserver.audit.render import XMLRenderer
from ldapserver.audit.rotation import Rotation
from ldapserver.audit.sinks import AuditUnavailable, MemorySink, Sink, StreamSink
from ldapserver.audit.syslog import SyslogSink
from ldapserver.audit.syslog_message import SyslogRenderer
from ldapserver.service import Peer
from ldapserver.session import Session
from ldapserver.wire.messages import BindResponse, ResultCode
from tests.server.audit_logs import EXCHANGE, RENDERER, SECOND, VERDICT, Disk, Thread, at, ids, opened
from tests.server.stage import Stage, simple, stage

LINE = len((RENDERER.line(VERDICT, 1) or "").encode())


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


class Turns:
    """A log whose turns end when the test says so; `told` has what each was told, in order."""

    def __init__(self, *sinks: Sink) -> None:
        self.log = AuditLog(sinks, report=lambda line: None)
        self.log.gather_by(lambda flush: None)
        self.told: list[Exception | None] = []

    def __call__(self, *binds: Sequence[Record]) -> list[Exception | None]:
        """One turn, in which each of these was decided; what they were told."""
        for records in binds:
            self.log.write(records, self.told.append)
        assert self.told == []
        self.log.flush()
        told = self.told.copy()
        self.told.clear()
        return told


def room_for(octets: int) -> Callable[[int, bytes], int]:
    """os.write of a disk with room for so many octets more."""
    write = os.write
    return lambda fd, data: write(fd, data[:octets])


# Before, within and behind the first, the second and the last line; and all but the last octet.
@pytest.mark.parametrize("octets", [1, LINE - 1, LINE, LINE + 1, 2 * LINE, 3 * LINE - 1])
def test_a_turn_that_does_not_fit_leaves_nothing_and_its_numbers_to_the_next(
    octets: int, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = Turns(opened(log))
    assert turn([VERDICT]) == [None]
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", room_for(octets))
        assert [type(error) for error in turn([VERDICT], [VERDICT], [VERDICT])] == [AuditUnavailable] * 3
    assert ids(log) == ["1"]
    assert turn([VERDICT], [EXCHANGE, VERDICT]) == [None, None]
    assert ids(log) == ["1", "2", None, "3"]


def test_lines_that_cannot_be_taken_back_keep_their_numbers(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    turn = Turns(opened(log, report=lambda line: None))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", room_for(2 * LINE + 100))
        patch.setattr(os, "ftruncate", fails)
        assert None not in turn([VERDICT], [VERDICT], [VERDICT])
    assert turn([VERDICT]) == [None]
    assert ids(log) == ["1", "2", "3"]


def test_a_form_without_a_place_for_a_record_has_the_others_of_the_turn(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.xml"
    renderer = XMLRenderer("ldap1.contoso.com")
    turn = Turns(opened(log), FileSink(str(path), renderer))
    assert turn([EXCHANGE]) == [None]
    assert path.read_text() == ""
    assert turn([EXCHANGE], [VERDICT], [EXCHANGE], [VERDICT, EXCHANGE]) == [None] * 4
    assert ids(log) == [None, None, "1", None, "2", None]
    assert path.read_text() == f"{renderer.line(VERDICT, 1)}{renderer.line(VERDICT, 2)}"


def test_what_gates_no_answer_has_every_record_of_a_turn_that_a_file_could_not_take(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    class Receiver:
        def send(self, message: bytes) -> None:
            sent.append(message)

        def close(self) -> None:
            pass

    syslog = SyslogSink("syslog", Receiver, SyslogRenderer("ldap1", RENDERER), report=lambda line: None, grace=30)
    memory = MemorySink()
    turn = Turns(memory, opened(log), syslog)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", room_for(LINE))
        assert None not in turn([VERDICT], [EXCHANGE, VERDICT])
    assert turn([EXCHANGE], [VERDICT]) == [None, None]
    turn.log.close()
    assert list(memory.records) == [VERDICT, EXCHANGE, VERDICT, EXCHANGE, VERDICT]
    assert [b'"code":"4776"' in message for message in sent] == [True, False, True, False, True]
    assert ids(log) == [None, "1"]


def test_a_stream_that_takes_a_part_of_a_turn_gets_the_rest_before_the_next() -> None:
    seen = bytearray()
    room = LINE + 100

    def write(data: bytes) -> int:
        if len(seen) >= room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(len(data), room - len(seen))
        seen.extend(data[:taken])
        return taken

    turn = Turns(StreamSink(write, lambda: None, RENDERER))
    assert None not in turn([VERDICT], [VERDICT], [VERDICT])
    assert len(seen) == room
    room = 1 << 20
    assert turn([VERDICT]) == [None]
    assert seen.decode() == "".join([RENDERER.line(VERDICT, number) or "" for number in range(1, 5)])


@pytest.mark.parametrize(
    ("rotation", "times"), [(Rotation(size=LINE), (60, 60)), (Rotation(every=60.0), (59, 60))], ids=["size", "time"]
)
def test_a_turn_is_of_one_file(rotation: Rotation, times: tuple[int, int], log: Path) -> None:
    turn = Turns(opened(log, rotation=rotation))
    turn([at(0)])
    turn(*[[at(time * SECOND)] for time in times])
    assert (ids(log.with_name("audit.jsonl-19700101T000100Z")), ids(log)) == (["1"], ["2", "3"])


def test_a_file_that_is_lost_within_a_turn_is_followed_by_one_that_has_the_turn(log: Path) -> None:
    turn = Turns(opened(log))
    turn([VERDICT])
    turn.log.write([VERDICT], turn.told.append)
    log.unlink()
    turn.log.write([VERDICT], turn.told.append)
    turn.log.flush()
    assert turn.told == [None, None]
    assert ids(log) == ["2", "3"]


# On stable storage


def synced(log: Path, thread: Thread) -> FileSink:
    """A sink that waits for the disk in this thread."""
    sink = opened(log, sync=True)
    sink.run_by(thread)
    return sink


@pytest.mark.parametrize("error", [None, OSError(errno.EIO, "Input/output error")])
def test_a_turn_waits_for_one_sync_and_each_is_told_how_that_ended(
    error: OSError | None, log: Path, disk: Disk
) -> None:
    thread = Thread()
    turn = Turns(synced(log, thread))
    disk.error = error
    assert turn([VERDICT], [EXCHANGE, VERDICT]) == []
    assert ids(log) == ["1", None, "2"]
    thread.turn()
    assert [type(each) for each in turn.told] == [AuditUnavailable if error else type(None)] * 2
    assert len(disk.lengths) == 1
    assert ids(log) == ([] if error else ["1", None, "2"])


def test_settling_writes_what_is_gathered_and_waits_for_it(log: Path, disk: Disk) -> None:
    turn = Turns(synced(log, Thread()))
    turn.log.write([VERDICT], turn.told.append)
    turn.log.settle()
    assert turn.told == [None]
    assert disk.lengths == [log.stat().st_size] != [0]


@pytest.mark.parametrize("sync", [False, True])
def test_closing_writes_what_is_gathered_and_what_follows_from_it(sync: bool, log: Path, disk: Disk) -> None:
    """As the end of a logon follows from its record when the connection is gone meanwhile."""
    turn = Turns(synced(log, Thread()) if sync else opened(log))

    def follow(error: Exception | None) -> None:
        turn.told.append(error)
        turn.log.write([VERDICT], turn.told.append)

    turn.log.write([VERDICT], follow)
    turn.log.close()
    assert turn.told == [None, None]
    assert ids(log) == ["1", "2"]
    assert disk.lengths[-1:] == ([log.stat().st_size] if sync else [])


def test_however_many_fail_when_told_the_last_is_told_all_the_same() -> None:
    turn = Turns(MemorySink())

    def fail(error: Exception | None) -> None:
        raise RuntimeError("a fault of ours")

    for _ in range(3000):
        turn.log.write([VERDICT], fail)
    turn.log.write([VERDICT], turn.told.append)
    with pytest.raises(RuntimeError):
        turn.log.flush()
    assert turn.told == [None]


# Through sessions


def bound(stages: Sequence[Stage], password: str = "password") -> None:
    for each in stages:
        each.session.data_received(each.encoded(simple("u1", password)))


def answers(stages: Sequence[Stage]) -> list[list[ResultCode]]:
    found = []
    for each in stages:
        operations = [message.operation for message in each.channel.taken()]
        found.append([ResultCode(each.result_code) for each in operations if isinstance(each, BindResponse)])
    return found


def test_every_bind_of_a_turn_that_the_disk_has_no_room_for_is_unavailable_and_nobody_is_bound(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage(sinks=[opened(log)])
    stages = [first]
    for number in range(13, 17):
        other = Stage(first.service, first.sink)
        other.session = Session(first.service, Peer(number, "192.0.2.10", 50123), other.channel)
        stages.append(other)
    audit = first.service.audit
    audit.gather_by(lambda flush: None)
    bound(stages)
    assert answers(stages) == [[]] * 5
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", room_for(3 * LINE))
        audit.flush()
    assert answers(stages) == [[ResultCode.UNAVAILABLE]] * 5
    assert log.read_bytes() == b""
    assert [each.who() for each in stages] == [""] * 5
    bound(stages)
    audit.flush()
    assert answers(stages) == [[ResultCode.SUCCESS]] * 5
    assert ids(log) == ["1", "2", "3", "4", "5"]


def test_whoever_went_before_its_turn_was_written_has_the_end_of_its_logon_in_the_log(log: Path) -> None:
    one = stage(sinks=[opened(log)], logon_events=True)
    audit = one.service.audit
    audit.gather_by(lambda flush: None)
    bound([one])
    one.session.lost()
    audit.close()
    codes = [line.partition('"code":"')[2][:4] for line in log.read_text().splitlines()]
    assert codes == ["4776", "4624", "4634"]
    assert ids(log) == ["1", "2", "3"]
    assert not one.session.recording
