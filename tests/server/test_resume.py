"""A log goes on where it ended, whatever a crash has left of its end, and whoever has put the old one away."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.audit import resume, rotation
from ldapserver.audit.file import FileSink
from ldapserver.audit.render import XMLRenderer
from ldapserver.audit.rotation import last_rotated
from tests.server.audit_logs import EXCHANGE, RENDERER, VERDICT, ids, opened, written


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a log is to be."""
    return tmp_path / "audit.jsonl"


def aside(log: Path) -> bytes:
    return Path(f"{log}.torn").read_bytes()


def mended(log: Path) -> list[str]:
    """Open the log and write one verdict; what was told."""
    said: list[str] = []
    sink = opened(log, report=said.append)
    sink.write([VERDICT])
    sink.close()
    return said


HALF = RENDERER.line(VERDICT, 3).encode()[:-200]
HOLE = b"\0" * 4096


@pytest.mark.parametrize(
    "torn",
    [
        HALF,
        HALF[:1],
        RENDERER.line(VERDICT, 3).encode()[:-1],
        HOLE,
        HALF + HOLE,
        HOLE + HALF,
        HOLE + HALF[500:] + b'"}\n',  # the end of a line, behind pages that never reached the disk
        HOLE + b'"}\n' + HALF,
        HOLE + b"\n" + HOLE + b"\n",
        b"\n",
        HALF + b"\n" + HALF + b"\n",
    ],
)
def test_what_is_no_whole_line_is_kept_aside_and_told(torn: bytes, log: Path) -> None:
    written(log, VERDICT, VERDICT)
    whole = log.read_bytes()
    log.write_bytes(whole + torn)
    (said,) = mended(log)
    assert said == (
        f"audit: {log}: {len(torn)} octets at offset {len(whole)} were no whole record, as after a crash; "
        f"they are in {log}.torn now, and records follow record id 2"
    )
    assert log.read_bytes() == whole + RENDERER.line(VERDICT, 3).encode()
    assert aside(log) == torn
    assert os.stat(f"{log}.torn").st_mode & 0o777 == 0o600


def test_what_two_crashes_have_torn_stands_line_by_line(log: Path) -> None:
    for _ in range(2):
        written(log, VERDICT)
        with log.open("ab") as file:
            file.write(b'{"half":')
        mended(log)
    assert aside(log) == b'{"half":\n{"half":'
    assert ids(log) == ["1", "2", "3", "4"]


def test_a_log_of_nothing_but_half_a_line_is_begun_anew(log: Path) -> None:
    log.write_bytes(HALF)
    assert len(mended(log)) == 1
    assert (ids(log), aside(log)) == (["1"], HALF)


def test_a_whole_log_is_not_told_of(log: Path) -> None:
    written(log, VERDICT, EXCHANGE)
    assert mended(log) == []
    assert not Path(f"{log}.torn").exists()


def test_what_is_torn_is_on_stable_storage_elsewhere_before_it_is_cut(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(HALF)
    ftruncate, steps = os.ftruncate, list[object]()

    def cut(fd: int, length: int) -> None:
        steps.append("cut")
        ftruncate(fd, length)

    monkeypatch.setattr(os, "fsync", lambda fd: steps.append(os.fstat(fd).st_size))
    monkeypatch.setattr(os, "ftruncate", cut)
    mended(log)
    assert steps == [len(HALF), "cut"]


def test_a_file_of_others_is_not_cut(log: Path) -> None:
    log.write_bytes(b"root:x:0:0\nbin:x:1:1\n")
    with pytest.raises(OSError, match="none is an audit record"):
        opened(log)
    assert log.read_bytes() == b"root:x:0:0\nbin:x:1:1\n"
    assert not Path(f"{log}.torn").exists()


def test_what_cannot_be_kept_aside_stays(log: Path) -> None:
    log.write_bytes(HALF)
    Path(f"{log}.torn").mkdir()
    with pytest.raises(IsADirectoryError):
        opened(log)
    assert log.read_bytes() == HALF


def test_lines_of_others_are_passed_over(log: Path) -> None:
    written(log, VERDICT)
    with log.open("ab") as file:
        file.write(b'{"winlog":{"record_id":"x"}}\n"record_id":"77"\n[{"record_id":"9"}]\n\xff\n\n{"winlog":[]}\n')
    assert mended(log) == []
    assert json.loads(log.read_bytes().splitlines()[-1])["winlog"]["record_id"] == "2"


def test_the_last_number_is_found_behind_more_than_one_window(log: Path) -> None:
    written(log, *[VERDICT] * 3, *[EXCHANGE] * 400)
    assert log.stat().st_size > 3 * resume._WINDOW
    written(log, VERDICT)
    assert ids(log)[-1] == "4"


@settings(deadline=None, max_examples=60)
@given(lines=st.lists(st.booleans(), max_size=8), window=st.integers(1, 3000), cut=st.integers(0, 100))
def test_wherever_a_window_falls_the_end_is_found(
    lines: list[bool], window: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("log") / "audit.jsonl"
    written(log, *(VERDICT if verdict else EXCHANGE for verdict in lines))
    octets = log.read_bytes()
    left = octets[: len(octets) - cut]
    log.write_bytes(left)
    torn = cut > 0 and bool(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resume, "_WINDOW", window)
        fd = os.open(log, os.O_RDONLY)
        end = resume.end_of(fd)
        os.close(fd)
    assert end.last == sum(lines) - (torn and lines[-1])
    assert end.whole == (left.rfind(b"\n") + 1 if torn else len(left))


# Other forms


def test_an_xml_log_goes_on_too_and_what_has_no_line_there_has_no_number(tmp_path: Path) -> None:
    log = tmp_path / "audit.xml"
    for _ in range(2):
        sink = FileSink(str(log), XMLRenderer("ldap1.contoso.com"), report=lambda line: None)
        sink.write([EXCHANGE])
        sink.write([VERDICT, EXCHANGE, VERDICT])
        sink.close()
        with log.open("ab") as file:
            file.write(b"<Event><System><EventRecordID>77</EventRecordID></System>")
    assert log.read_bytes().count(b"<EventRecordID>") == 5
    assert [resume.record_id(line) for line in log.read_bytes().splitlines()] == [1, 2, 3, 4, None]


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        (b'{"a":1}', True),
        (b'{"a":1', False),
        (b'{"a":"\0"}', False),
        (b'{"a":"\xff"}', False),
        (b"{" * 100_000, False),
        (b"[1]", False),
        (b"", False),
        (b"<Event><System/></Event>", True),
        (b'<Event xmlns="x"><Data>', False),
        (b"<Event>\0</Event>", False),
        (b'<?xml version="1.0"?>', True),
        (b"<Events>", True),
        (b"</Events", False),
    ],
)
def test_whether_a_line_is_whole(line: bytes, whole: bool) -> None:
    assert resume.is_whole(line) is whole


# What was put away


def numbered(path: Path, last: int, changed: int) -> None:
    """A log of two events up to this number, last changed at this second."""
    text = "".join(RENDERER.line(VERDICT, number) for number in (last - 1, last)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    os.utime(path, (changed, changed))


@pytest.mark.parametrize(
    "name",
    [
        "audit.jsonl-20260102T030405Z",
        "audit.jsonl-20260102T030405Z.gz",
        "audit.jsonl.1",
        "audit.jsonl.1.gz",
        "audit.jsonl-20260102",
        "audit.jsonl-20260102.gz",
        "audit.jsonl-20260102-1767323045",
    ],
)
@pytest.mark.parametrize("log_has", ["nothing", "no event", "no file"])
def test_a_log_without_events_goes_on_from_the_one_before(name: str, log_has: str, log: Path) -> None:
    numbered(log.with_name(name), 41, 1)
    if log_has == "nothing":
        log.touch()
    elif log_has == "no event":
        log.write_text(RENDERER.line(EXCHANGE, 1))
    written(log, VERDICT)
    assert ids(log)[-1] == "42"


def test_the_newest_counts_whoever_has_put_it_away(log: Path) -> None:
    numbered(log.with_name("audit.jsonl-20260102T030405Z.gz"), 10, 1)
    numbered(log.with_name("audit.jsonl-20260103"), 20, 2)
    numbered(log.with_name("audit.jsonl.2.gz"), 30, 3)
    log.with_name("audit.jsonl.1").write_text(RENDERER.line(EXCHANGE, 1))
    assert last_rotated(str(log)) == 30
    numbered(log.with_name("audit.jsonl-20260104T030405Z"), 40, 4)
    assert last_rotated(str(log)) == 40


def test_a_clock_that_was_put_back_does_not_make_the_old_the_newest(log: Path) -> None:
    numbered(log.with_name("audit.jsonl-20350102T030405Z.gz"), 10, 9)
    numbered(log.with_name("audit.jsonl-20260102T030405Z.gz"), 20, 1)
    assert last_rotated(str(log)) == 20
    numbered(log.with_name("audit.jsonl-20360102T030405Z"), 8, 10)
    assert last_rotated(str(log)) == 20
    log.with_name("audit.jsonl.7.gz").write_bytes(b"damaged")
    os.utime(log.with_name("audit.jsonl.7.gz"), (9, 9))
    assert last_rotated(str(log)) == 20


def test_a_compressed_log_is_read_whole_only_where_it_is_the_newest(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered(log.with_name("audit.jsonl.2.gz"), 10, 1)
    numbered(log.with_name("audit.jsonl.1"), 20, 2)
    read: list[str] = []
    whole: list[str] = []
    last_compressed = rotation._last_compressed
    open_gzip: Callable[[str, str], gzip.GzipFile] = gzip.open  # type: ignore[assignment]

    def seen(path: str, mode: str) -> gzip.GzipFile:
        read.append(path)
        return open_gzip(path, mode)

    def seen_whole(path: str) -> int:
        whole.append(path)
        return last_compressed(path)

    monkeypatch.setattr(gzip, "open", seen)
    monkeypatch.setattr(rotation, "_last_compressed", seen_whole)
    assert (last_rotated(str(log)), len(read), whole) == (20, 1, [])
    newest = log.with_name("audit.jsonl.0.gz")
    numbered(newest, 30, 3)
    assert (last_rotated(str(log)), len(read), whole) == (30, 1 + 3, [str(newest)])


def test_files_that_are_called_something_else_do_not_count(log: Path) -> None:
    for name in (
        "audit.jsonl.torn",
        "audit.jsonl.bak",
        "audit.jsonl-2026",
        "audit.jsonl2.1",
        "other.jsonl.1",
        "audit.1.jsonl",
    ):
        numbered(log.with_name(name), 41, 1)
    log.with_name("audit.jsonl.3").mkdir()
    written(log, VERDICT)
    assert ids(log) == ["1"]


@pytest.mark.parametrize("octets", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9]], ids=["other", "cut"])
def test_with_a_damaged_one_nothing_is_started(octets: bytes, log: Path) -> None:
    log.with_name("audit.jsonl.1.gz").write_bytes(octets)
    with pytest.raises(OSError, match=r"audit\.jsonl\.1\.gz is damaged"):
        opened(log)


def test_the_log_itself_counts_before_all_others(log: Path) -> None:
    written(log, VERDICT)
    numbered(log.with_name("audit.jsonl.1"), 41, 1)
    written(log, VERDICT)
    assert ids(log) == ["1", "2"]
