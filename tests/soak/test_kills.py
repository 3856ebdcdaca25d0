"""Kill -9 under load, a few times of what `make soak` does, a bad disk for a moment, and that the checks can fail."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak import disks, kills
from tests.soak.records import check, check_beside, check_logons

BIND = (9, 1, 1)


@pytest.mark.parametrize("options", kills.MODES.values(), ids=kills.MODES)
def test_what_was_seen_to_succeed_is_in_the_log(tmp_path: Path, options: tuple[str, ...]) -> None:
    kills.run(1, tmp_path, 1, *options)


def test_no_answer_comes_before_the_sync_of_its_record_has_ended(tmp_path: Path) -> None:
    disks.bad(tmp_path, 0.01, 0.2, 40, 1, *disks.ROTATED)


def test_on_a_full_disk_binds_fail_until_there_is_room(tmp_path: Path) -> None:
    disks.full(tmp_path, tmp_path, disks.Limit(), *disks.FULL["on stable storage, rotated"])


def line(
    record_id: int,
    port: int = 1,
    status: str = "0x0",
    *,
    event_id: str = "4776",
    logon_id: str = "0x1",
    message_id: int = 1,
) -> str:
    """An event of connection `port`, which the bind with this message led to."""
    data = {"Status": status} if event_id == "4776" else {"TargetLogonId": logon_id}
    return (
        json.dumps(
            {
                "@timestamp": f"2026-01-02T03:04:{message_id:02}Z",
                "winlog": {
                    "record_id": str(record_id),
                    "event_id": event_id,
                    "process": {"pid": 9},
                    "event_data": data,
                },
                "source": {"port": port},
                "ldap": {"connection": port, "message_id": message_id},
            }
        )
        + "\n"
    )


def xml(record_id: int, status: str = "0x0", *, message_id: int = 1) -> str:
    """The same of XML: a verdict."""
    return (
        '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><EventID>4776</EventID>'
        f'<TimeCreated SystemTime="2026-01-02T03:04:{message_id:02}Z"/><EventRecordID>{record_id}</EventRecordID>'
        f'<Execution ProcessID="9"/></System><EventData><Data Name="Status">{status}</Data></EventData></Event>\n'
    )


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([line(1, 1), line(3, 2)], "where 2 is due"),
        ([line(1, 1), line(1, 2)], "where 2 is due"),
        ([line(1, 1), line(2, 1)], "recorded twice"),
        ([line(1, 2)], "not in the log"),
        ([line(1, 1, "0xc000006a")], "not in the log"),
        ([line(1, 1), line(2, 2)[:40]], "ends in half a line"),
        ([line(1, 1), line(2, 2)[:40], line(2, 2)], "audit.jsonl:2: no record"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, lines: list[str], wrong: str) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(lines))
    with pytest.raises(AssertionError, match=wrong):
        check(log, [BIND])


def test_what_was_rotated_counts(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.with_name("audit.jsonl.1").write_text(line(2, 2))
    log.with_name("audit.jsonl-20260101T000000Z").write_text(line(1, 1))
    log.with_name("audit.jsonl-20260101T000001Z").write_text(line(3, 3))
    log.write_text(line(4, 4))
    log.with_name("audit.jsonl.torn").write_text("half a")
    assert [event.record_id for event in check(log, [BIND, (9, 2, 1)])] == [1, 2, 3, 4]
    log.with_name("audit.jsonl-20260101T000000Z").write_text(line(3, 3))
    log.with_name("audit.jsonl-20260101T000001Z").write_text(line(1, 1))
    with pytest.raises(AssertionError, match="not in order"):
        check(log, [BIND])


@pytest.mark.parametrize(
    ("beside", "wrong"),
    [
        ([xml(1), xml(2, message_id=2)], None),
        ([xml(1)], None),  # killed between the two
        ([xml(2, message_id=2)], "where 1 is due"),
        ([xml(1, message_id=2)], "record id 1 is not in audit.xml"),
        ([xml(1), xml(2, message_id=2), xml(3, message_id=3)], "other events"),
        ([xml(1, message_id=2), xml(2)], "other events"),
        ([xml(1), xml(2, "0xc000006a", message_id=2)], "other events"),
    ],
)
def test_what_is_wrong_in_the_log_beside_is_found(tmp_path: Path, beside: list[str], wrong: str | None) -> None:
    log, other = tmp_path / "audit.jsonl", tmp_path / "audit.xml"
    log.write_text(line(1) + line(2, message_id=2))
    other.write_text("".join(beside))
    found = check(log, [BIND])
    if wrong is None:
        assert check_beside(found, other, [BIND]) == len(beside)
    else:
        with pytest.raises(AssertionError, match=wrong):
            check_beside(found, other, [BIND])


def test_a_bind_that_was_seen_to_succeed_is_in_the_log_beside(tmp_path: Path) -> None:
    log, other = tmp_path / "audit.jsonl", tmp_path / "audit.xml"
    log.write_text(line(1))
    other.write_text("")
    found = check(log, [BIND])
    assert check_beside(found, other, []) == 0
    for checked in (check_beside, disks.check_told):
        with pytest.raises(AssertionError, match=r"not in audit\.xml"):
            checked(found, other, [BIND])


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([line, lambda n: line(n, event_id="4624")], "have no end"),
        ([line, lambda n: line(n, event_id="4634")], "the end of no logon"),
        ([lambda n: line(n, event_id="4624")], "without a verdict"),
        ([line, lambda n: line(n, event_id="4624", message_id=2)], "another's"),
        ([line, *[lambda n: line(n, event_id="4624")] * 2], "of two logons"),
        ([line, lambda n: line(n, event_id="4624"), lambda n: line(n, event_id="4624", logon_id="2")], "has no end"),
        ([line], "are no logon"),
        ([line, lambda n: line(n, event_id="4624"), lambda n: line(n, event_id="4634")], None),
    ],
)
def test_what_is_wrong_with_logons_is_found(
    tmp_path: Path, lines: list[Callable[[int], str]], wrong: str | None
) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(made(number) for number, made in enumerate(lines, 1)))
    found = check(log, [BIND] if lines[0] is line else [])
    if wrong is None:
        assert check_logons(found, [BIND], ended=9) == 1
    else:
        with pytest.raises(AssertionError, match=wrong):
            check_logons(found, [BIND], ended=9)


def test_what_a_log_says_of_a_failure_is_paired() -> None:
    begins, ends = "x: audit: /a: full; binds fail until it works again", "x: audit: /a: records are written again"
    disks.check_said([begins, ends, begins, ends, begins.replace("/a", "/b")], "/a")
    for said in ([begins], [begins, begins, ends], [ends]):
        with pytest.raises(AssertionError):
            disks.check_said(said, "/a")
