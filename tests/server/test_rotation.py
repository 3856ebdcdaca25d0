"""Old logs give way to new ones: by size, by time, by others; no record is lost, and no number given twice."""

import errno
import fcntl
import os
import shutil
from calendar import timegm
from dataclasses import replace
from pathlib import Path

import pytest

from ldapserver.audit.file import RETRY_ROTATION
from ldapserver.audit.log import AuditLog
from ldapserver.audit.rotation import Rotation
from ldapserver.audit.sinks import AuditUnavailable
from tests.server.audit_logs import EXCHANGE, RENDERER, SECOND, VERDICT, at, hand_over, ids, opened, written

NOW = timegm((2026, 1, 2, 3, 4, 5)) * SECOND
DAY = 86_400 * SECOND
STAMPED = "audit.jsonl-20260102T030405Z"
ONE = Rotation(size=1)  # a file for each record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a log is to be."""
    return tmp_path / "audit.jsonl"


def logs(log: Path) -> dict[str, list[str | None]]:
    """What each of the files of a log has, by name."""
    return {path.name: ids(path) for path in sorted(log.parent.iterdir())}


# By size and time


def test_a_file_that_has_the_size_gives_way_to_a_new_one(log: Path) -> None:
    size = 2 * len(RENDERER.line(at(NOW), 1))
    sink = opened(log, rotation=Rotation(size=size))
    for _ in range(3):
        sink.write([at(NOW)])
    assert logs(log) == {"audit.jsonl": ["3"], STAMPED: ["1", "2"]}


def test_a_call_is_never_split(log: Path) -> None:
    sink = opened(log, rotation=ONE)
    sink.write([at(NOW), EXCHANGE, at(NOW)])
    sink.write([at(NOW)])
    assert logs(log) == {"audit.jsonl": ["3"], STAMPED: ["1", None, "2"]}


def test_a_new_file_is_begun_with_the_first_record_of_another_day_in_utc(log: Path) -> None:
    sink = opened(log, rotation=Rotation(every=86400.0))
    midnight = NOW - NOW % DAY + DAY
    for time_ns in (NOW, midnight - 1, midnight, midnight + DAY - 1, midnight + 5 * DAY):
        sink.write([at(time_ns)])
    assert logs(log) == {
        "audit.jsonl": ["5"],
        "audit.jsonl-20260103T000000Z": ["1", "2"],
        "audit.jsonl-20260108T000000Z": ["3", "4"],
    }


def test_what_was_abandoned_before_a_bind_that_took_long_begins_no_other_file(log: Path) -> None:
    sink = opened(log, rotation=Rotation(every=86400.0))
    midnight = NOW - NOW % DAY + DAY
    abandoned = replace(EXCHANGE, time_ns=midnight - 1)
    for records in ([at(NOW)], [at(midnight)], [abandoned, at(midnight + SECOND)], [at(midnight + 2 * SECOND)]):
        sink.write(records)
    assert logs(log) == {"audit.jsonl": ["2", None, "3", "4"], "audit.jsonl-20260103T000000Z": ["1"]}


def test_a_log_of_yesterday_gives_way_after_a_restart_too(log: Path) -> None:
    written(log, at(NOW))
    os.utime(log, ns=(NOW, NOW))
    sink = opened(log, rotation=Rotation(every=86400.0))
    sink.write([at(NOW + SECOND)])
    sink.write([at(NOW + DAY)])
    assert logs(log) == {"audit.jsonl": ["3"], "audit.jsonl-20260103T030405Z": ["1", "2"]}


def test_a_clock_that_goes_back_begins_no_file(log: Path) -> None:
    sink = opened(log, rotation=Rotation(every=86400.0))
    sink.write([at(NOW)])
    sink.write([at(NOW - DAY)])
    assert logs(log) == {"audit.jsonl": ["1", "2"]}


@pytest.mark.parametrize("restarted", [False, True])
def test_where_the_clock_was_put_back_days_are_counted_from_there(log: Path, restarted: bool) -> None:
    """A clock that was years ahead must not end rotation for years."""
    sink = opened(log, rotation=Rotation(every=86400.0))
    sink.write([at(NOW + 3000 * DAY)])
    if restarted:
        sink.close()
        os.utime(log, ns=(NOW + 3000 * DAY, NOW + 3000 * DAY))
        sink = opened(log, rotation=Rotation(every=86400.0))
    sink.write([at(NOW)])
    sink.write([at(NOW + DAY)])
    assert logs(log) == {"audit.jsonl": ["3"], "audit.jsonl-20260103T030405Z": ["1", "2"]}


def test_where_the_clock_was_put_back_a_rotation_that_failed_is_tried_again(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    sink = opened(log, rotation=ONE, report=lambda line: None)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fails)
        for _ in range(2):
            sink.write([at(NOW + 3000 * DAY)])
    sink.write([at(NOW)])
    assert logs(log) == {"audit.jsonl": ["3"], STAMPED: ["1", "2"]}


def test_two_in_one_second_have_names_of_their_own_that_sort_by_time(log: Path) -> None:
    sink = opened(log, rotation=ONE)
    taken = log.with_name("audit.jsonl-20260102T030406Z"), log.with_name("audit.jsonl-20260102T030408Z.gz")
    for path in taken:
        path.write_bytes(b"not ours")
    for _ in range(5):
        sink.write([at(NOW)])
    for path in taken:
        assert path.read_bytes() == b"not ours"
        path.unlink()
    assert logs(log) == {
        "audit.jsonl": ["5"],
        "audit.jsonl-20260102T030405Z": ["1"],
        "audit.jsonl-20260102T030407Z": ["2"],
        "audit.jsonl-20260102T030409Z": ["3"],
        "audit.jsonl-20260102T030410Z": ["4"],
    }


def test_a_file_that_gave_way_keeps_its_mode(log: Path) -> None:
    sink = opened(log, rotation=ONE)
    log.chmod(0o640)
    sink.write([at(NOW)])
    sink.write([at(NOW)])
    assert [path.stat().st_mode & 0o777 for path in (log, log.with_name(STAMPED))] == [0o640, 0o640]


def test_behind_a_symbolic_link_the_file_gives_way_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "audit.jsonl"
    link.symlink_to("disk/audit.jsonl")
    sink = opened(link, rotation=ONE)
    sink.write([at(NOW)])
    sink.write([at(NOW)])
    assert link.is_symlink()
    assert logs(tmp_path / "disk" / "audit.jsonl") == {"audit.jsonl": ["2"], STAMPED: ["1"]}


def test_numbers_go_on_after_a_restart_behind_a_rotation(log: Path) -> None:
    for _ in range(3):
        sink = opened(log, rotation=ONE)
        sink.write([at(NOW)])
        sink.write([EXCHANGE])
        sink.close()
    assert [each for ids in logs(log).values() for each in ids if each] == ["1", "2", "3"]


# The lock moves with the path


def test_at_no_moment_can_another_take_the_log(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server tries at every step of a rotation that can be seen from outside."""
    sink = opened(log, rotation=ONE)
    sink.write([at(NOW)])
    tries: list[str] = []

    def between(name: str) -> None:
        original = getattr(os, name)

        def step(*arguments: object, **rest: object) -> object:
            for moment in ("before", "after"):
                if moment == "after":
                    done = original(*arguments, **rest)
                with monkeypatch.context() as patch:
                    patch.setattr(os, name, original)
                    with pytest.raises(BlockingIOError):
                        opened(log)
                tries.append(f"{moment} {name}")
            return done

        monkeypatch.setattr(os, name, step)

    for name in ("link", "rename"):
        between(name)
    sink.write([at(NOW)])
    assert tries == ["before link", "after link", "before rename", "after rename"]
    assert logs(log) == {"audit.jsonl": ["2"], STAMPED: ["1"]}


def test_who_waits_for_the_lock_of_a_file_that_gave_way_does_not_get_the_log(log: Path) -> None:
    sink = opened(log, rotation=ONE)
    sink.write([at(NOW)])
    fd = os.open(log, os.O_RDWR)
    sink.write([at(NOW)])
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the old one is anybody's
    with pytest.raises(BlockingIOError):
        opened(log)
    os.close(fd)


def test_a_log_that_is_renamed_while_it_gives_way_has_one_name(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(log, rotation=ONE)
    sink.write([at(NOW)])
    rename = os.rename

    def late(old: str, new: str) -> None:
        rename(log, log.with_name("audit.jsonl.1"))
        rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", late)
        sink.write([at(NOW)])
    assert logs(log) == {"audit.jsonl": ["2"], "audit.jsonl.1": ["1"]}


def test_a_rotation_that_a_crash_cut_in_two_is_undone(log: Path) -> None:
    """Between its two steps the log has both names."""
    written(log, at(NOW))
    os.link(log, log.with_name(STAMPED))
    log.with_name(".audit.jsonl.next").touch()
    sink = opened(log, rotation=ONE)
    sink.write([at(NOW)])
    assert logs(log) == {"audit.jsonl": ["2"], STAMPED: ["1"]}


def test_a_log_that_cannot_give_way_goes_on_and_says_so_until_it_can(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    said: list[str] = []
    sink = opened(log, rotation=ONE, report=said.append)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fails)
        for _ in range(4):
            sink.write([at(NOW)])
    assert said == [f"audit: {log}: cannot be rotated: Operation not permitted; records go on into it"]
    assert logs(log) == {"audit.jsonl": ["1", "2", "3", "4"]}
    sink.write([at(NOW + RETRY_ROTATION)])
    assert logs(log) == {"audit.jsonl": ["5"], "audit.jsonl-20260102T030415Z": ["1", "2", "3", "4"]}


# By others


def test_a_log_that_was_renamed_takes_records_until_it_is_opened_again(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    log.rename(log.with_name("audit.jsonl.1"))
    sink.write([VERDICT])
    assert logs(log) == {"audit.jsonl.1": ["1", "2"]}
    sink.reopen()
    sink.write([VERDICT])
    assert logs(log) == {"audit.jsonl": ["3"], "audit.jsonl.1": ["1", "2"]}


def test_a_log_that_was_renamed_and_has_the_size_gives_way_to_the_path(log: Path) -> None:
    sink = opened(log, rotation=ONE)
    sink.write([at(NOW)])
    log.rename(log.with_name("audit.jsonl.1"))
    sink.write([at(NOW)])
    assert logs(log) == {"audit.jsonl": ["2"], "audit.jsonl.1": ["1"]}


def test_a_log_that_was_copied_and_cut_goes_on_from_its_number(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT, VERDICT])
    shutil.copy(log, log.with_name("audit.jsonl.1"))
    os.truncate(log, 0)
    sink.write([VERDICT])
    assert logs(log) == {"audit.jsonl": ["3"], "audit.jsonl.1": ["1", "2"]}


# Lost


def test_a_log_that_was_removed_is_made_again(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    log.unlink()
    sink.write([VERDICT])
    assert logs(log) == {"audit.jsonl": ["2"]}
    with pytest.raises(BlockingIOError):
        opened(log)


def test_a_log_that_was_replaced_goes_on_in_the_new_file(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    other = log.with_name("other")
    other.write_text(RENDERER.line(EXCHANGE, 1))
    other.rename(log)
    sink.write([VERDICT])
    assert logs(log) == {"audit.jsonl": [None, "2"]}


def test_without_a_place_binds_fail_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "audit.jsonl"
    lines: list[str] = []
    audit = AuditLog([opened(log)], report=lines.append)
    hand_over(audit, [VERDICT])
    shutil.rmtree(folder)
    for _ in range(2):
        with pytest.raises(AuditUnavailable, match="No such file or directory"):
            hand_over(audit, [VERDICT])
    folder.mkdir()
    hand_over(audit, [VERDICT])
    assert ids(log) == ["2"]
    assert lines == [
        f"audit: {log}: No such file or directory; binds fail until it works again",
        f"audit: {log}: records are written again",
    ]


def test_a_place_that_another_has_taken_is_not_written_to(log: Path) -> None:
    sink = opened(log)
    sink.write([VERDICT])
    log.unlink()
    other = opened(log)
    with pytest.raises(AuditUnavailable, match="another process writes this log"):
        sink.write([VERDICT])
    other.write([VERDICT])
    other.close()
    sink.write([VERDICT])
    assert ids(log) == ["1", "2"]
