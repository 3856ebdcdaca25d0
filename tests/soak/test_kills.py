"""Kill -9 under load, a few times of what `make soak` does, and that the check of it can fail."""

from pathlib import Path

import pytest

from tests.soak import kills


@pytest.mark.parametrize("options", kills.MODES.values(), ids=kills.MODES)
def test_what_was_seen_to_succeed_is_in_the_log(tmp_path: Path, options: tuple[str, ...]) -> None:
    kills.run(5, tmp_path, 1, *options)


def line(record_id: int, port: int = 1, status: str = "0x0") -> str:
    return (
        f'{{"winlog":{{"record_id":"{record_id}","process":{{"pid":9}},"event_data":{{"Status":"{status}"}}}},'
        f'"source":{{"port":{port}}},"ldap":{{"message_id":1}}}}\n'
    )


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([line(1, 1), line(3, 2)], "where 2 is due"),
        ([line(1, 1), line(1, 2)], "where 2 is due"),
        ([line(1, 1), line(2, 1)], "recorded twice"),
        ([line(1, 2)], "not in the log"),
        ([line(1, 1, "0xc000006a")], "not in the log"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, lines: list[str], wrong: str) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(lines))
    with pytest.raises(AssertionError, match=wrong):
        kills.check(log, [(9, 1, 1)])


def test_what_was_rotated_counts(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl-20260101T000000Z").write_text(line(1, 1))
    log = tmp_path / "audit.jsonl"
    log.write_text(line(2, 2))
    assert kills.check(log, [(9, 1, 1), (9, 2, 1)]) == "2 successes seen, 2 events, ids 1 to 2"
