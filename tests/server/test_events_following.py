"""`ldapserver events --follow`: what is written is shown, whatever becomes of the file; no test waits for a clock."""

import gzip
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ldapserver.audit.file import FileSink
from ldapserver.audit.render import JSONRenderer
from ldapserver.cli.events import main
from ldapserver.viewer.following import Followed, _start_of_last
from ldapserver.viewer.reading import Lost
from tests.interop.server import ROOT
from tests.server.generated_logs import BIND, SECOND, START_NS, lines

Follow = Callable[..., tuple[list[list[str]], str]]


def line(account: str, second: int = 0) -> bytes:
    """A record of a bind by this account, so many seconds after the first."""
    (octets,) = lines([replace(BIND, account=account, time_ns=START_NS + second * SECOND)])
    return octets


def write(path: Path, *accounts: str) -> None:
    with path.open("ab") as file:
        file.writelines(map(line, accounts))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def follow(capfdbinary: pytest.CaptureFixture[bytes], log: Path) -> Follow:
    """Follows the log while steps are done, one at each wait: the accounts shown before each, and standard error."""

    def run(*steps: Callable[[], object], options: tuple[str, ...] = ()) -> tuple[list[list[str]], str]:
        shown: list[list[str]] = []
        remaining = list(steps)
        errors = []

        def wait() -> None:
            told = capfdbinary.readouterr()
            errors.append(told.err.decode())
            told_lines = [each[each.index("2026-") :] for each in told.out.decode().splitlines() if "4776" in each]
            shown.append([each.split()[4] for each in told_lines])
            if not remaining:
                raise KeyboardInterrupt
            remaining.pop(0)()

        assert main([str(log), "--follow", *options], wait=wait) == 0
        told = capfdbinary.readouterr()
        assert told.out == b""
        return shown, "".join(errors) + told.err.decode()

    return run


def test_what_is_written_is_shown_before_the_next_wait(log: Path, follow: Follow) -> None:
    write(log, "a")
    shown, error = follow(lambda: write(log, "b"), lambda: None, lambda: write(log, "c", "d"))
    assert (shown, error) == ([["a"], ["b"], [], ["c", "d"]], "")


def test_the_heading_does_not_wait_for_a_record(log: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def wait() -> None:
        raise KeyboardInterrupt

    assert main([str(log), "--follow"], wait=wait) == 0
    assert capfdbinary.readouterr().out.split()[:2] == [b"time", b"id"]


def test_it_begins_with_the_last_lines(log: Path, follow: Follow) -> None:
    names = [f"u{number}" for number in range(200)]
    write(log, *names)
    assert follow() == ([names[-10:]], "")
    assert follow(options=("--lines", "3")) == ([names[-3:]], "")
    assert follow(options=("-n", "all")) == ([names], "")
    assert follow(options=("-n", "2", "--user", "u7", "--user", "u5", "--user", "u1")) == ([["u5", "u7"]], "")


def test_what_follows_is_filtered(log: Path, follow: Follow) -> None:
    log.touch()
    assert follow(lambda: write(log, "a", "b"), lambda: write(log, "a"), options=("--user", "B")) == (
        [[], ["b"], []],
        "",
    )


def test_half_a_line_is_waited_for(log: Path, follow: Follow) -> None:
    whole = line("b")

    def append(octets: bytes) -> None:
        with log.open("ab") as file:
            file.write(octets)

    write(log, "a")
    append(whole[:100])
    shown, error = follow(lambda: append(whole[100:700]), lambda: append(whole[700:]), lambda: append(whole[:5]))
    assert (shown, error) == ([["a"], [], ["b"], []], "")


def test_a_log_that_is_renamed_is_read_to_its_end_and_the_next_from_its_beginning(log: Path, follow: Follow) -> None:
    sink = FileSink(str(log), JSONRenderer("dc1.contoso.com"))

    def bind(*accounts: str) -> None:
        sink.write([replace(BIND, account=account) for account in accounts])

    def rotate() -> None:
        log.rename(f"{log}.1")
        bind("b")  # the server writes on into the old file until it is told

    def reopen() -> None:
        bind("c")
        sink.reopen()
        bind("d")

    bind("a")
    shown, error = follow(rotate, reopen, lambda: bind("e"))
    sink.close()
    assert (shown, error) == ([["a"], ["b"], ["c", "d"], ["e"]], "")


def test_no_log_is_missed_that_came_and_went_between_two_looks(log: Path, follow: Follow) -> None:
    def rotate(*names: str) -> None:
        for name in names:
            time = START_NS // 1000 + int(name[1:])
            os.utime(log, ns=(time, time))
            log.rename(f"{log}-20260102T03040{name[1:]}Z")
            write(log, name)

    write(log, "x0")
    log.rename(f"{log}-20260102T030400Z")  # is not new
    write(log, "x1")
    Path(f"{log}-20260102T030409Z.gz").write_bytes(gzip.compress(line("packed")))
    shown, error = follow(lambda: rotate("x2", "x3", "x4"), lambda: rotate("x5"))
    assert (shown, error) == ([["x1"], ["x2", "x3", "x4"], ["x5"]], "")


def test_a_log_that_is_truncated_begins_anew(log: Path, follow: Follow) -> None:
    write(log, "a", "b")

    def truncate() -> None:
        os.truncate(log, 0)
        write(log, "c")

    assert follow(truncate, lambda: os.truncate(log, 0), lambda: write(log, "d")) == (
        [["a", "b"], ["c"], [], ["d"]],
        "",
    )


def test_a_log_that_is_not_there_yet_is_waited_for(log: Path, follow: Follow) -> None:
    shown, error = follow(lambda: None, lambda: write(log, "a"), lambda: log.unlink(), lambda: write(log, "b"))
    assert shown == [[], [], ["a"], [], ["b"]]
    assert error == f"ldapserver events: {log}: is not there yet\n"


def test_old_logs_come_first_if_asked_for(log: Path, follow: Follow) -> None:
    Path(f"{log}.1").write_bytes(line("a"))
    Path(f"{log}.2.gz").write_bytes(gzip.compress(line("0")))
    os.utime(f"{log}.2.gz", ns=(0, 0))
    log.write_bytes(line("b", 1))
    assert follow(options=("--rotated",))[0] == [["0", "a", "b"]]
    assert follow(options=("--rotated", "-n", "2"))[0] == [["a", "b"]]


def test_several_logs_are_followed_together(log: Path, tmp_path: Path, follow: Follow) -> None:
    other = tmp_path / "other"
    other.write_bytes(line("b", 1))
    log.write_bytes(line("a") + line("c", 2))

    def both() -> None:
        with log.open("ab") as one, other.open("ab") as two:
            one.write(line("f", 5))
            two.write(line("d", 3) + line("e", 4))

    assert follow(both, options=(str(other),))[0] == [["a", "b", "c"], ["d", "e", "f"]]


def test_what_is_followed_of_several_logs_is_named(
    log: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    other = tmp_path / "other"
    write(log, "a")
    write(other, "b")
    shown: list[list[bytes]] = []

    def wait() -> None:
        shown.append([each.split()[0] for each in capfdbinary.readouterr().out.splitlines()])
        if len(shown) == 2:
            raise KeyboardInterrupt
        write(other, "c")

    assert main([str(log), str(other), "--follow"], wait=wait) == 0
    assert shown == [[b"log", b"audit.jsonl", b"other"], [b"other"]]


def test_what_is_no_record_is_told_at_the_end(log: Path, follow: Follow) -> None:
    log.write_bytes(b"half\n" + line("a"))
    shown, error = follow(lambda: write(log, "b"))
    assert shown == [["a"], ["b"]]
    assert error == f"ldapserver events: 1 line is no record: {log}:1\n"


def test_half_a_line_of_a_log_that_is_gone_is_no_record(log: Path, follow: Follow) -> None:
    def rotate(number: int) -> None:
        log.rename(f"{log}.{number}")
        write(log, f"b{number}")

    log.write_bytes(line("a") + b"half")
    shown, error = follow(lambda: rotate(1), lambda: rotate(2))
    assert shown == [["a"], ["b1"], ["b2"]]
    assert error == f"ldapserver events: 1 line is no record: {log}\n"


def test_what_a_writer_adds_that_was_not_told_yet_is_shown(log: Path, follow: Follow) -> None:
    def rotate(number: int) -> None:
        log.rename(f"{log}.{number}")
        log.touch()  # as logrotate does with `create`, before it signals the writer

    write(log, "a")
    shown, error = follow(
        lambda: rotate(2),
        lambda: write(Path(f"{log}.2"), "b"),
        lambda: write(log, "c"),
        lambda: rotate(1),
        lambda: write(Path(f"{log}.1"), "d"),
        lambda: write(log, "e"),
    )
    assert (shown, error) == ([["a"], [], ["b"], ["c"], [], ["d"], ["e"]], "")


def test_a_document_that_is_followed_ends(log: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(log, "a", "b")

    def wait() -> None:
        raise KeyboardInterrupt

    assert main([str(log), "--follow", "--xml"], wait=wait) == 0
    assert len(ElementTree.fromstring(capfdbinary.readouterr().out)) == 2


def test_a_process_shows_what_is_written_and_ends_by_ctrl_c(log: Path) -> None:
    write(log, "a1")
    command = [sys.executable, "-m", "ldapserver", "events", "--follow", str(log)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, bufsize=0) as process:
        assert process.stdout is not None
        try:
            output = b""
            for name in (b"a1", b"b2"):
                while name not in output:
                    assert select.select([process.stdout], [], [], 20)[0], "nothing more is shown"
                    output += process.stdout.read(4096)
                write(log, "b2")
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def test_a_gzipped_log_does_not_grow(log: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    log.write_bytes(gzip.compress(line("a")))
    assert main([str(log), "--follow"]) == 2
    told = capfdbinary.readouterr().err.decode()
    assert told == f"ldapserver events: argument --follow: {log}: is gzipped, and will not grow\n"


def test_nothing_stays_open(log: Path, follow: Follow) -> None:
    write(log, "a")
    before = len(os.listdir("/proc/self/fd"))
    follow(lambda: log.rename(f"{log}.1"), lambda: write(log, "b"), lambda: log.unlink())
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_line_without_an_end_is_not_held_for_ever(log: Path) -> None:
    lost = Lost()
    log.write_bytes(b"x" * 3_000_000)
    followed = Followed(str(log), lost)
    assert followed.poll() == []
    assert followed._file is not None
    assert len(followed._file._partial) <= 1 << 20
    assert lost.count == 1
    with log.open("ab") as file:
        file.write(b"\n" + line("a"))
    assert [event.account for event in followed.poll()] == ["a"]
    assert lost.count == 1
    followed.close()


@pytest.mark.parametrize("size", [1, 3, 100, 70_000])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("end", [b"", b"half"])
def test_the_last_lines_are_found_from_the_end(size: int, count: int, end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    whole = [b"x" * (size - 1) + b"\n"] * 4
    path.write_bytes(b"".join(whole) + end)
    with path.open("rb") as file:
        file.seek(_start_of_last(file.fileno(), count))
        assert file.read() == b"".join(whole[-count:]) + end
