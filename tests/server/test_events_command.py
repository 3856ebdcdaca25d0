"""`ldapserver events`: which records it shows, in which form, and what it says when there is something to say."""

import gzip
import io
import json
import os
import re
import select
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ldapserver.audit.file import FileSink
from ldapserver.audit.log import AuditLog
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.sinks import MemorySink
from ldapserver.audit.status import Status
from ldapserver.audit.xml_form import NAMESPACE
from ldapserver.cli import main
from ldapserver.cli.events import main as events_main
from ldapserver.clock import StoppedClock
from ldapserver.config import Config
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.service import Service
from sasl_digest import Reason
from tests.interop.server import ROOT
from tests.server.generated_logs import BIND, SECOND, START_NS, binds, event_line, lines
from tests.server.stage import CONFIG, LDIF, U1, Stage, simple
from tests.server.terminal import at_a_terminal
from tests.test_imports import loaded

README = (ROOT / "README.md").read_text(encoding="utf-8")
EVENT = f"{{{NAMESPACE}}}"

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
# 2026-01-02T03:04:05.6789012Z and so on.
FAILED = replace(BIND, status=Status.WRONG_PASSWORD, reason=Reason.WRONG_PASSWORD, time_ns=START_NS + SECOND)
UNKNOWN = replace(
    FAILED, status=Status.NO_SUCH_USER, reason=Reason.UNKNOWN_USER, account="U2", time_ns=START_NS + 2 * SECOND
)
FOREIGN = replace(FAILED, status=None, reason=Reason.NONCE_FOREIGN, account="", time_ns=START_NS + 3 * SECOND)
FOUR = [BIND, FAILED, UNKNOWN, FOREIGN]

Events = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def events(capfdbinary: pytest.CaptureFixture[bytes]) -> Events:
    """Runs the command: its status, the lines it prints, and what it says on standard error."""

    def run(*arguments: str | Path, **rest: Any) -> tuple[int, list[str], str]:
        status = events_main([str(each) for each in arguments], **rest)
        told = capfdbinary.readouterr()
        return status, told.out.decode().split("\n")[:-1], told.err.decode()

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of four binds: a success, a wrong password, a name that nobody has, and one without a verdict."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(lines(FOUR)))
    return path


def served(path: Path) -> None:
    """The log of a real session, a bind a second."""
    clock = StoppedClock(START)
    sink = FileSink(str(path), JSONRenderer("ldap1.contoso.com"))
    directory = MemoryDirectory([("stage", read_ldif(LDIF, "stage"))], netbios="CONTOSO", clock=clock)
    settings: dict[str, Any] = dict(CONFIG)
    service = Service.assemble(Config(**settings), directory, AuditLog([sink], report=print))
    session = Stage(service, MemorySink())
    binds: list[Callable[[], object]] = [
        lambda: session.digest("u1", realm="CONTOSO"),
        lambda: session.digest("u1", "letmein", realm="CONTOSO"),
        lambda: session.digest("CONTOSO\\u1", realm=""),
        lambda: session.digest("jürgen", "pässwörd"),
        lambda: session.digest("missing", "letmein"),
        lambda: session.bind(simple(U1, "password")),
        lambda: session.digest("u1", nonce=b"MARKNONCE"),
    ]
    for bind in binds:
        bind()
        clock.advance(seconds=1)
    sink.close()


# A table


def test_a_record_is_a_line_in_columns(log: Path, events: Events) -> None:
    status, shown, error = events(log)
    assert (status, error) == (0, "")
    assert shown == [
        "time                      id             outcome  package     account               workstation      status",
        "2026-01-02T03:04:05.678Z  4776           success  WDigest     u1                    LDAP1            "
        "0x0 Status OK.",
        "2026-01-02T03:04:06.678Z  4776           failure  WDigest     u1                    LDAP1            "
        "0xc000006a Wrong password",
        "2026-01-02T03:04:07.678Z  4776           failure  WDigest     U2                    LDAP1            "
        "0xc0000064 No such user",
        "2026-01-02T03:04:08.678Z  sasl-exchange  failure  DIGEST-MD5  -                     192.0.2.10       "
        "- nonce-foreign",
    ]


def test_a_name_moves_no_cursor_and_ends_no_line(tmp_path: Path, events: Events) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(lines([replace(BIND, account="a\x1b[2J\n\r\x00\u202eb\u2028\x9b")])))
    _, shown, _ = events(path)
    assert len(shown) == 2
    assert "a\\x1b[2J\\n\\r\\x00\\u202eb\\u2028\\x9b" in shown[1]
    assert shown[1].isprintable()


def test_a_lone_surrogate_is_shown_as_its_escape(tmp_path: Path, events: Events) -> None:
    path = tmp_path / "log"
    path.write_bytes(next(lines([BIND])).replace(b'"u1"', b'"\\ud800"'))
    status, shown, _ = events(path)
    assert status == 0
    assert "\\ud800" in shown[1]
    assert events(path, "--xml")[0] == events(path, "--json")[0] == events(path, "--summary")[0] == 0


def test_a_logon_shows_why_it_failed_and_a_lockout_where_from(tmp_path: Path, events: Events) -> None:
    path = tmp_path / "log"
    failed = {"TargetUserName": "u1", "Status": "0xc000006d", "SubStatus": "0xc000006a"}
    path.write_bytes(
        event_line(
            4625, "2026-01-02T03:04:05.1Z", **failed, AuthenticationPackageName="WDigest", IpAddress="192.0.2.1"
        )
        + event_line(4740, "2026-01-02T03:04:05.2Z", TargetUserName="u1", TargetDomainName="LDAP1")
        + event_line(4672, "2026-01-02T03:04:05.3Z", SubjectUserName="admin")
    )
    _, shown, _ = events(path)
    assert [line.split(maxsplit=6)[1:] for line in shown[1:]] == [
        ["4625", "failure", "WDigest", "u1", "192.0.2.1", "0xc000006a Wrong password"],
        ["4740", "success", "-", "u1", "LDAP1", "- locked-out-user-account"],
        ["4672", "success", "-", "admin", "-", "- logged-in-special"],
    ]


# Files


def test_logs_are_merged_by_time_and_equal_times_stay_in_order(tmp_path: Path, events: Events) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"".join(lines([replace(BIND, account="a1"), replace(FOREIGN, status=None)])))
    second.write_bytes(b"".join(lines([replace(BIND, account="b1"), replace(FAILED, account="b2")])))
    _, shown, _ = events(first, second)
    named = [["first", "a1"], ["second", "b1"], ["second", "b2"], ["first", "-"]]
    assert shown[0].split()[:2] == ["log", "time"]
    assert [line.split()[0:6:5] for line in shown[1:]] == named
    assert len({line.index("2026-") for line in shown[1:]}) == 1
    _, shown, _ = events(second, first)
    assert [line.split()[5] for line in shown[1:]] == ["b1", "a1", "b2", "-"]


def test_logs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path, events: Events) -> None:
    logs = [tmp_path / folder / "audit.jsonl" for folder in ("one", "other")]
    for log in logs:
        log.parent.mkdir()
        log.write_bytes(b"".join(lines([BIND])))
    _, shown, _ = events(*logs)
    assert [line.split()[0] for line in shown[1:]] == list(map(str, logs))


def test_json_of_several_logs_names_each_and_changes_nothing_else(tmp_path: Path, events: Events) -> None:
    first, second = tmp_path / "audit.1.jsonl", tmp_path / "audit.2.jsonl"
    first.write_bytes(b"".join(lines([BIND])))
    second.write_bytes(b"".join(lines([FOREIGN])))
    _, shown, _ = events("--json", first, second)
    for line, log in zip(shown, (first, second), strict=True):
        record = json.loads(line)
        assert record["log"].pop("file") == {"path": str(log)}
        assert record == json.loads(log.read_text())
    assert events("--json", first)[1] == first.read_text().splitlines()


def test_gzip_is_known_by_its_octets_and_not_by_its_name(tmp_path: Path, log: Path, events: Events) -> None:
    whole = log.read_bytes()
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(whole[:1400]) + gzip.compress(whole[1400:]))
    misnamed = tmp_path / "audit.gz"
    misnamed.write_bytes(whole)
    assert events(packed) == events(misnamed) == events(log)


def test_a_gzip_file_that_is_cut_or_broken_is_named(tmp_path: Path, log: Path, events: Events) -> None:
    packed = gzip.compress(log.read_bytes() * 50)
    cut, broken = tmp_path / "cut", tmp_path / "broken"
    cut.write_bytes(packed[:-20])
    broken.write_bytes(packed[:60] + b"XXXX" + packed[64:])
    status, _, error = events(cut)
    assert status == 2
    assert f"ldapserver events: {cut}: " in error
    status, _, error = events(broken)
    assert status == 2
    assert f"ldapserver events: {broken}: " in error


def test_rotated_logs_are_read_if_asked_for_and_no_file_twice(tmp_path: Path, events: Events) -> None:
    log = tmp_path / "audit.jsonl"
    named = {
        "audit.jsonl.2.gz": gzip.compress(b"".join(lines([replace(BIND, account="a2")]))),
        "audit.jsonl-20260102T030406Z": b"".join(lines([replace(FAILED, account="a1")])),
        "audit.jsonl-20260102": b"".join(lines([replace(UNKNOWN, account="a0")])),
        "audit.jsonl": b"".join(lines([replace(FOREIGN, time_ns=START_NS + 9 * SECOND)])),
        "audit.jsonl.torn": b"half",
        "audit.jsonl.bak": b"other",
        "audit.jsonl2": b"other",
    }
    for name, octets in named.items():
        (tmp_path / name).write_bytes(octets)
    status, shown, error = events("--rotated", log, tmp_path / "audit.jsonl-20260102")
    assert (status, error) == (0, "")
    # What was the log once is of it, and its numbers go on there: it is one log, and need not be named.
    assert [line.split()[4] for line in shown[1:]] == ["a2", "a1", "a0", "-"]
    assert len(events(log)[1]) == 2


def test_standard_input_is_a_file(log: Path, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    for octets in (log.read_bytes(), gzip.compress(log.read_bytes())):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(octets))))
        assert events("-") == events(log)


def test_what_is_no_record_is_counted_and_the_first_is_placed(log: Path, events: Events) -> None:
    whole = log.read_bytes()
    log.write_bytes(b"\n" + whole + b"half\n{}\n[1]\n" + whole[:700] + b"\n\xff\n" + whole[:500])
    status, shown, error = events(log)
    assert (status, len(shown)) == (0, 5)
    assert error == f"ldapserver events: 6 lines are no records, the first: {log}:6\n"
    log.write_bytes(b"half\n" + whole)
    assert events(log)[2] == f"ldapserver events: 1 line is no record: {log}:1\n"


@pytest.mark.parametrize(
    "line",
    [
        b'{"@timestamp":"2026-01-02T03:04:05Z"}',
        b'{"@timestamp":1,"event":{"code":"4776"},"winlog":{"event_id":"4776"}}',
        b'{"@timestamp":"2026-13-02T03:04:05Z","event":{},"winlog":{"event_id":"4776"}}',
        b'{"@timestamp":"2026-01-02T03:04:05Z","event":[],"winlog":{"event_id":"4776"}}',
        b'{"@timestamp":"2026-01-02T03:04:05Z","winlog":{"event_id":{}}}',
        b'{"@timestamp":"2026-01-02T03:04:05Z","winlog":{"event_id":"1","event_data":{"Status":"x"}}}',
        b'{"@timestamp":' + b"[" * 100_000,
        b'{"@timestamp":' + b"9" * 5000 + b"}",
        b"<Event></Event>",
        b"<Event><System><EventID>1</EventID></System></Event>",
        b"<Event><System><EventID>&x;</EventID></System></Event>",
        b"</Event>",
        b"<Event>",
        b"<html>",
        b"x" * 3_000_000,
        b"{" * 3_000_000,
        b"<" * 3_000_000,
    ],
    ids=lambda line: line[:60].decode(),
)
def test_whatever_a_line_is_the_others_are_read(line: bytes, log: Path, events: Events) -> None:
    log.write_bytes(line + b"\n" + log.read_bytes())
    status, shown, error = events(log)
    assert (status, len(shown)) == (0, 5)
    # An event that has begun is known to be none when the next one begins, or something else.
    assert error in [f"ldapserver events: 1 line is no record: {log}:{number}\n" for number in (1, 2)]


WINDOWS = (
    "<Event><System><EventID>{code}</EventID><Keywords>0x8020000000000000</Keywords><TimeCreated "
    'SystemTime="2026-01-02T03:04:05.678Z"/></System><EventData><Data Name="TargetUserName">{name}</Data>{rest}'
    "</EventData></Event>"
)
WINLOG = '{{"@timestamp":"2026-01-02T03:04:05Z","winlog":{{"event_id":"{code}","process":{process}}}}}'


@pytest.mark.parametrize("form", [(), ("--json",), ("--xml",), ("--summary",)], ids=" ".join)
@pytest.mark.parametrize(
    ("line", "is_record"),
    [
        (WINLOG.format(code="9" * 5000, process="{}"), True),
        (WINLOG.format(code="4776", process="5"), True),
        (WINLOG.format(code="4776", process='{"thread":"x"}'), True),
        (WINDOWS.format(code="9" * 5000, name="u1", rest=""), True),
        (WINDOWS.format(code="4776", name="a_xD800_b", rest=""), True),
        (WINDOWS.format(code="4776", name="u1", rest="<a>" * 5000 + "\n" + "</a>" * 5000), False),
    ],
    ids=["long-id", "process", "thread", "long-id-xml", "surrogate", "deep"],
)
def test_whatever_a_record_holds_it_is_shown_in_every_form(
    line: str, is_record: bool, form: tuple[str, ...], log: Path, events: Events
) -> None:
    log.write_bytes(line.encode() + b"\n" + log.read_bytes())
    status, shown, error = events(log, *form)
    assert status == 0
    assert shown
    assert ("no record" in error) is not is_record


# Filters


@pytest.mark.parametrize(
    ("options", "accounts"),
    [
        (["--failed"], ["u1", "U2", "-"]),
        (["--id", "4776"], ["u1", "u1", "U2"]),
        (["--id", "sasl-exchange"], ["-"]),
        (["--id", "4625,sasl-exchange", "--id", "04776"], ["u1", "u1", "U2", "-"]),
        (["--user", "u2"], ["U2"]),
        (["--user", "U1", "--failed"], ["u1"]),
        (["--user", "u1", "--user", "u2"], ["u1", "u1", "U2"]),
        (["--status", "0XC000006A"], ["u1"]),
        (["--status", "wrong-password"], ["u1"]),
        (["--status", "WRONG"], ["u1"]),
        (["--status", "no-such-user"], ["U2"]),
        (["--status", "unknown-user"], ["U2"]),
        (["--status", "nonce-foreign", "--status", "0x0"], ["u1", "-"]),
        (["--status", "success"], ["u1"]),
        (["--since", "2026-01-02T03:04:07.6789012Z"], ["U2", "-"]),
        (["--since", "2026-01-02T04:04:08+01:00"], ["-"]),
        (["--until", "2026-01-02T03:04:06.6789012Z"], ["u1"]),
        (["--since", "3s"], ["u1", "U2", "-"]),
        (["--since", "0.05m", "--until", "1s"], ["u1", "U2"]),
        (["--since", "2026-01-02", "--until", "2026-01-03"], ["u1", "u1", "U2", "-"]),
        (["--lines", "2"], ["U2", "-"]),
        (["-n", "1", "--user", "u1"], ["u1"]),
        (["-n", "all"], ["u1", "u1", "U2", "-"]),
    ],
    ids=" ".join,
)
def test_a_filter_lets_through_what_is_asked_for(
    options: list[str], accounts: list[str], log: Path, events: Events
) -> None:
    status, shown, error = events(log, *options, clock=StoppedClock(START + timedelta(seconds=3.5)))
    assert (status, error) == (0, "")
    assert [line.split()[4] for line in shown[1:]] == accounts


def test_nothing_that_passes_is_exit_status_1(log: Path, events: Events) -> None:
    assert events(log, "--user", "nobody")[0] == 1
    assert events(log, "--user", "nobody", "--summary") == (1, ["no records"], "")
    assert events(log, "--xml", "--id", "sasl-exchange")[0] == 1


# Forms


def test_json_is_the_lines_of_the_log(log: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["events", str(log), "--json"]) == 0
    assert capfdbinary.readouterr().out == log.read_bytes()


def test_xml_is_a_document_of_the_windows_events(log: Path, events: Events) -> None:
    status, shown, error = events(log, "--xml")
    assert status == 0
    assert error == "ldapserver events: left out of the XML, for they are no Windows events: 1\n"
    document = ElementTree.fromstring("\n".join(shown))
    assert (document.tag, len(document)) == ("Events", 3)
    system, data = document[1]
    assert {each.tag.removeprefix(EVENT): each.text or each.attrib for each in system} == {
        "Provider": {
            "Name": "Microsoft-Windows-Security-Auditing",
            "Guid": "{54849625-5478-4994-A5BA-3E3B0328C30D}",
        },
        "EventID": "4776",
        "Version": "0",
        "Level": "0",
        "Task": "14336",
        "Opcode": "0",
        "Keywords": "0x8010000000000000",
        "TimeCreated": {"SystemTime": "2026-01-02T03:04:06.6789012Z"},
        "EventRecordID": "2",
        "Correlation": {},
        "Execution": {"ProcessID": str(os.getpid()), "ThreadID": system[10].get("ThreadID")},
        "Channel": "Security",
        "Computer": "dc1.contoso.com",
        "Security": {},
    }
    assert [(each.get("Name"), each.text) for each in data] == [
        ("PackageName", "WDigest"),
        ("TargetUserName", "u1"),
        ("Workstation", "LDAP1"),
        ("Status", "0xc000006a"),
    ]


def test_what_goes_out_as_xml_reads_as_it_did(tmp_path: Path, events: Events) -> None:
    path, document, back = tmp_path / "log", tmp_path / "log.xml", tmp_path / "back"
    name = "a<&>\"'\x00\x1b\n\t\r_x0041_\ufffe\ud7ff\u2028\U0001f600"
    path.write_bytes(
        b"".join(lines([replace(BIND, account=name), replace(FAILED, account=name)]))
        + event_line(4625, "2026-01-02T03:04:08Z", TargetUserName=name, Status="0xc000006d", IpAddress="192.0.2.1")
    )
    _, shown, _ = events(path, "--xml")
    document.write_text("\n".join(shown))
    assert len(shown) == 6
    assert events(document) == events(path)
    _, shown, _ = events(document, "--json")
    back.write_text("\n".join(shown))
    assert events(back) == events(path)
    assert events(document, "--xml") == events(path, "--xml")


LAID_OUT = """\
\ufeff<?xml version="1.0" encoding="utf-8" standalone="yes"?>
<!-- from elsewhere -->
<Events>
  <Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>
    <System>
      <Provider Name="Microsoft-Windows-Security-Auditing"/>
      <EventID>4776</EventID>
      <Keywords>0x8010000000000000</Keywords>
      <TimeCreated SystemTime="2026-01-02T03:04:05.678901200Z"/>
      <EventRecordID>1</EventRecordID>
    </System>
    <EventData>
      <Data Name="PackageName">MICROSOFT_AUTHENTICATION_PACKAGE_V1_0</Data>
      <Data Name="TargetUserName">NOUSER</Data>
      <Data Name="Workstation">FS01</Data>
      <Data
        Name="Status">0xc0000064</Data>
    </EventData>
  </Event><Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>4624</EventID>
<Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime="2026-01-02T03:04:06Z"/></System></Event>
</Events>
"""


def test_xml_is_read_however_it_is_laid_out(tmp_path: Path, events: Events) -> None:
    path = tmp_path / "exported"
    for text in (LAID_OUT, LAID_OUT.replace("\n", "\r\n"), LAID_OUT.replace("\n", " ")):
        path.write_text(text)
        status, shown, error = events(path)
        assert (status, error) == (0, "")
        assert [line.split(maxsplit=6)[1:] for line in shown[1:]] == [
            ["4776", "failure", "MSV1_0", "NOUSER", "FS01", "0xc0000064 No such user"],
            ["4624", "success", "-", "-", "-", "- logged-in"],
        ]
        _, shown, _ = events(path, "--xml")
        assert len(ElementTree.fromstring("\n".join(shown))) == 2
        assert len(shown) == 5


def test_an_event_that_was_torn_does_not_take_the_next_with_it(log: Path, events: Events, tmp_path: Path) -> None:
    _, shown, _ = events(log, "--xml")
    mixed = tmp_path / "mixed"
    one, two, three = shown[2:5]
    mixed.write_text("\n".join([one[:200], two, three[:300], log.read_text()]))
    status, shown, error = events(mixed, "--id", "4776")
    assert (status, len(shown)) == (0, 5)
    assert "2 lines are no records" in error


# On the command line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "the following arguments are required: FILE"),
        (["log", "--id", "x"], "argument --id: 'x' is neither the number of an event nor sasl-exchange"),
        (["log", "--status", "0xq"], "argument --status: '0xq' is no hexadecimal number"),
        (["log", "--status", "nonce"], "argument --status: 'nonce' may be any of nonce-count, nonce-expired,"),
        (["log", "--status", ""], "argument --status: '' is neither hexadecimal nor one of abandoned,"),
        (
            ["log", "--since", "soon"],
            "argument --since: 'soon' is neither a time of ISO 8601, like 2026-01-02T03:04,",
        ),
        (["log", "--since", "1h", "--since", "2h"], "argument --since: is not repeatable"),
        (["log", "--lines", "0"], "argument -n/--lines: '0' is not a number above 0"),
        (["log", "--json", "--xml"], "argument --json: has no place with --xml"),
        (["log", "--xml", "--summary"], "argument --xml: has no place with --summary"),
        (["log", "--follow", "--summary"], "argument --follow: has no place with --summary"),
        (["log", "--top", "3"], "argument --top: has no place without --summary"),
        (["log", "--summary", "--lines", "3"], "argument --lines: has no place with --summary"),
        (["-", "--follow"], "argument --follow: standard input is read to its end without it"),
        (["nowhere"], "nowhere: No such file or directory"),
        (["."], ".: Is a directory"),
        (["nowhere/log", "--rotated"], "nowhere/log: No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_line(options: list[str], said: str, events: Events) -> None:
    status, _, error = events(*options)
    assert status == 2
    assert error.splitlines()[0].startswith(f"ldapserver events: {said}")


@pytest.mark.parametrize("options", [["nowhere"], ["."], ["nowhere", "--user", "u1"]], ids=" ".join)
def test_without_a_row_there_is_no_heading(options: list[str], events: Events) -> None:
    status, shown, _ = events(*options)
    assert (status, shown) == (2, [])


def test_nor_on_a_terminal() -> None:
    status, shown = at_a_terminal([sys.executable, "-m", "ldapserver", "events", "/nowhere"])
    assert (status, shown) == (2, "ldapserver events: /nowhere: No such file or directory\r\n")


def test_a_terminal_has_the_heading_once(log: Path) -> None:
    status, shown = at_a_terminal([sys.executable, "-m", "ldapserver", "events", str(log)])
    assert status == 0
    assert shown.count("account") == 1
    assert "0xc000006a Wrong password" in shown


def test_the_files_that_can_be_read_are_read(log: Path, events: Events) -> None:
    status, shown, error = events("nowhere", log)
    assert (status, len(shown)) == (2, 5)
    assert error == "ldapserver events: nowhere: No such file or directory\n"


def test_help_has_an_example_that_works(log: Path, events: Events, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["events", "--help"])
    assert ended.value.code == 0
    text = capfdbinary.readouterr().out.decode()
    examples = re.findall(r"^  ldapserver events (.* audit\.jsonl.*|audit\.jsonl.*)$", text, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        if "--follow" not in example:
            words = [str(log) if word == "audit.jsonl" else word for word in shlex.split(example)]
            assert events(*words, clock=StoppedClock(START))[0] == 0
    assert "wrong-password" in text


def test_whoever_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(lines(binds(2000))))
    command = [sys.executable, "-m", "ldapserver", "events", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"time")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_what_comes_from_a_pipe_is_shown_as_it_comes() -> None:
    command = [sys.executable, "-m", "ldapserver", "events", "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(next(lines([BIND])))
        output = b""
        while b"u1" not in output:
            assert select.select([process.stdout], [], [], 30)[0], "nothing is shown while the pipe is open"
            output += process.stdout.read(4096)
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_pipe_has_no_use_for_a_terminal_library() -> None:
    assert "ldapserver.viewer.table" in loaded("ldapserver.cli.events")
    assert not {name for name in loaded("ldapserver.cli.events") if name.partition(".")[0] == "rich"}


# What the documentation shows


def shown_commands(text: str) -> Iterator[tuple[str, str]]:
    """Each `ldapserver events` of a document, and the output that is shown below it."""
    for block in re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = command.partition("\n")
            if line.startswith(".venv/bin/ldapserver events "):
                yield line, output


@pytest.mark.parametrize(
    ("command", "output"), list(shown_commands(README)), ids=lambda text: text.partition("\n")[0]
)
def test_the_readme_shows_what_is_printed(
    command: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(tmp_path)
    served(tmp_path / "audit.jsonl")
    assert main(shlex.split(command)[1:]) == 0
    printed = capfdbinary.readouterr().out.decode()
    # What is left out in the README it says by three dots on a line.
    pattern = re.escape(output).replace(re.escape("...\n"), r"(?:.*\n)+")
    assert re.fullmatch(pattern, printed), printed


def test_the_readme_shows_the_command() -> None:
    assert len(list(shown_commands(README))) >= 2


def test_a_session_reads_back_as_it_went(tmp_path: Path, events: Events) -> None:
    log = tmp_path / "audit.jsonl"
    served(log)
    _, shown, _ = events(log)
    assert [line.split(maxsplit=6)[1:] for line in shown[1:]] == [
        ["4776", "success", "WDigest", "u1", "LDAP1", "0x0 Status OK."],
        ["4776", "failure", "WDigest", "u1", "LDAP1", "0xc000006a Wrong password"],
        ["4776", "success", "WDigest", "CONTOSO\\u1", "LDAP1", "0x0 Status OK."],
        ["4776", "success", "WDigest", "jürgen", "LDAP1", "0x0 Status OK."],
        ["4776", "failure", "WDigest", "missing", "LDAP1", "0xc0000064 No such user"],
        ["4776", "success", "MSV1_0", "u1", "LDAP1", "0x0 Status OK."],
        ["sasl-exchange", "failure", "DIGEST-MD5", "-", "192.0.2.10", "- nonce-foreign"],
    ]
    assert [json.loads(line)["winlog"]["record_id"] for line in events(log, "--json", "-n", "3")[1][:2]] == ["5", "6"]
