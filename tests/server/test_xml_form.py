"""A record as a Windows event in XML: names, order and values of real exports, one line, and read back unchanged."""

import os
import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.audit.record import EventRecord, Record
from ldapserver.audit.render import XMLRenderer
from ldapserver.audit.status import Status
from ldapserver.audit.xml_form import document, escaped, unescaped
from tests.server.windows_events import EXAMPLES, HOSTILE, SPECIAL, TEXT, VALIDATED, WINDOWS, events

AUDIT = Path(__file__).parents[2] / "docs" / "audit.md"
NS = "{http://schemas.microsoft.com/win/2004/08/events/event}"
SYSTEM = (
    *("Provider", "EventID", "Version", "Level", "Task", "Opcode", "Keywords", "TimeCreated", "EventRecordID"),
    *("Correlation", "Execution", "Channel", "Computer", "Security"),
)
ATTRIBUTES = {
    "Provider": ["Name", "Guid"],
    "TimeCreated": ["SystemTime"],
    "Execution": ["ProcessID", "ThreadID"],
}
SURROGATES = st.text(st.characters(categories=["Cs", "Cc", "Co", "Lu"]), max_size=6)
# What splits lines for somebody: str.splitlines, and readers of JSON that take U+2028 for an end.
LINE_ENDS = re.compile("[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")


@dataclass(frozen=True)
class Event:
    """What a reader of XML finds in an event."""

    numbers: dict[str, int]
    computer: str
    data: list[tuple[str, str]]


def read(text: str | bytes) -> list[Event]:
    """The events of a line or of a document, by expat."""
    found = []
    for event in ElementTree.fromstring(text).iter(NS + "Event"):
        system, data = event
        values = {child.tag.removeprefix(NS): child.text or "" for child in system}
        execution = system[SYSTEM.index("Execution")].attrib
        found.append(
            Event(
                {name: int(values[name], 0) for name in ("EventID", "Version", "Task", "Keywords", "EventRecordID")}
                | {name: int(number) for name, number in execution.items()},
                unescaped(values["Computer"]),
                [(item.get("Name", ""), unescaped(item.text or "")) for item in data],
            )
        )
    return found


def line_of(record: Record, record_id: int = 17, computer: str = "dc1.contoso.com") -> str:
    line = XMLRenderer(computer).line(record, record_id)
    assert line is not None
    return line


def test_the_example_to_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 100)
    monkeypatch.setattr(threading, "get_native_id", lambda: 101)
    assert line_of(VALIDATED, 1) == (
        '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>'
        '<Provider Name="Microsoft-Windows-Security-Auditing" Guid="{54849625-5478-4994-A5BA-3E3B0328C30D}"/>'
        "<EventID>4776</EventID><Version>0</Version><Level>0</Level><Task>14336</Task><Opcode>0</Opcode>"
        "<Keywords>0x8010000000000000</Keywords>"
        '<TimeCreated SystemTime="2026-01-02T03:04:05.6789012Z"/><EventRecordID>1</EventRecordID><Correlation/>'
        '<Execution ProcessID="100" ThreadID="101"/><Channel>Security</Channel>'
        "<Computer>dc1.contoso.com</Computer><Security/></System>"
        '<EventData><Data Name="PackageName">WDigest</Data><Data Name="TargetUserName">u1</Data>'
        '<Data Name="Workstation">LDAP1</Data><Data Name="Status">0xc000006a</Data></EventData></Event>\n'
    )


def test_the_documented_example_is_the_one_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 496)
    monkeypatch.setattr(threading, "get_native_id", lambda: 1864)
    (block,) = re.findall(r"```xml\n(.*?)```", AUDIT.read_text("utf-8"), re.DOTALL)
    assert "".join(block.splitlines()) + "\n" == line_of(VALIDATED, 17, "ldap1.contoso.com")


@pytest.mark.parametrize("event_id", EXAMPLES)
def test_names_order_and_values_are_those_of_windows(event_id: int) -> None:
    wanted = WINDOWS[str(event_id)]
    event = ElementTree.fromstring(line_of(EXAMPLES[event_id]))
    assert event.tag == NS + "Event"
    assert [child.tag for child in event] == [NS + "System", NS + "EventData"]
    system, data = event
    assert [child.tag for child in system] == [NS + name for name in SYSTEM]
    for child in system:
        assert list(child.attrib) == ATTRIBUTES.get(child.tag.removeprefix(NS), [])
    text = {child.tag.removeprefix(NS): child.text for child in system}
    assert text["EventID"] == str(event_id)
    assert (text["Version"], text["Task"]) == (wanted["version"], wanted["task"])
    assert (text["Level"], text["Opcode"], text["Channel"]) == ("0", "0", "Security")
    assert text["Keywords"] in wanted["keywords"]
    time = system[SYSTEM.index("TimeCreated")].get("SystemTime", "")
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{7}Z", time)
    assert [(item.tag, list(item.attrib)) for item in data] == [(NS + "Data", ["Name"])] * len(wanted["data"])
    assert [item.get("Name") for item in data] == [name for name, _ in wanted["data"]]
    for item, (name, pattern) in zip(data, wanted["data"], strict=True):
        assert re.fullmatch(pattern, item.text or ""), name


@pytest.mark.parametrize("status", Status)
def test_keywords_of_4776_follow_its_status(status: Status) -> None:
    (event,) = read(line_of(replace(VALIDATED, status=status)))
    assert event.numbers["Keywords"] == (0x8010000000000000 if status else 0x8020000000000000)
    assert dict(event.data)["Status"] == f"0x{status:x}"


def test_what_is_no_windows_event_has_no_line() -> None:
    assert XMLRenderer("dc1").line(replace(VALIDATED, status=None), 17) is None


@given(record=events(TEXT | SURROGATES), record_id=st.integers(1, 2**63), computer=TEXT)
def test_any_event_is_one_line_and_reads_back_as_it_was(record: EventRecord, record_id: int, computer: str) -> None:
    line = line_of(record, record_id, computer)
    assert line.endswith("</Event>\n")
    assert not LINE_ENDS.search(line[:-1])
    (event,) = read(line.encode())
    assert event.data == list(zip(record.kind.names, record.data, strict=True))
    assert event.computer == computer
    assert event.numbers == {
        "EventID": record.kind.event_id,
        "Version": record.kind.version,
        "Task": record.kind.task,
        "Keywords": 0x8020000000000000 if record.kind.success else 0x8010000000000000,
        "EventRecordID": record_id,
        "ProcessID": os.getpid(),
        "ThreadID": threading.get_native_id(),
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_account_is_read_back(name: str) -> None:
    (event,) = read(line_of(replace(VALIDATED, account=name, workstation=name)))
    assert dict(event.data)["TargetUserName"] == dict(event.data)["Workstation"] == name


@pytest.mark.parametrize("computer", HOSTILE)
def test_a_computer_of_any_name_is_read_back(computer: str) -> None:
    (event,) = read(line_of(VALIDATED, 17, computer))
    assert event.computer == computer


@given(one=TEXT | SURROGATES, other=TEXT | SURROGATES)
def test_no_two_names_are_written_alike(one: str, other: str) -> None:
    # `unescaped` is what a reader does; before it come the references, which XML undoes.
    def seen(text: str) -> str:
        return ElementTree.fromstring(f"<x>{escaped(text)}</x>").text or ""

    assert unescaped(seen(one)) == one
    assert (seen(one) == seen(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\0b", "a_x0000_b"),
        ("\x1b[31m", "_x001B_[31m"),
        ("\ufffe\uffff", "_xFFFE__xFFFF_"),
        ("\ud800", "_xD800_"),
        ("a_x0000_b", "a_x005F_x0000_b"),
        ("_x0000\0", "_x005F_x0000_x0000_"),
        ("my_xerox", "my_xerox"),
        ("a\r\n\tb", "a&#13;&#10;\tb"),
        ("\x85\u2028", "&#133;&#8232;"),
        ("<&>\"'", "&lt;&amp;&gt;\"'"),
        ("CONTOSO\\x00", "CONTOSO\\x00"),
    ],
)
def test_how_a_character_is_written(text: str, written: str) -> None:
    assert escaped(text) == written


def test_privileges_keep_their_lines_and_tabs() -> None:
    line = line_of(SPECIAL)
    assert "SeSecurityPrivilege&#10;\t\t\tSeBackupPrivilege" in line
    assert dict(read(line)[0].data)["PrivilegeList"] == SPECIAL.data[-1]


def test_a_document_holds_all_events_in_order() -> None:
    renderer = XMLRenderer("dc1")
    lines = [str(renderer.line(record, number)) for number, record in enumerate(EXAMPLES.values(), start=1)]
    whole = "".join(document(lines))
    root = ElementTree.fromstring(whole.encode())
    assert (root.tag, len(root)) == ("Events", 6)
    assert [(event.numbers["EventRecordID"], event.numbers["EventID"]) for event in read(whole)] == [
        (number, event_id) for number, event_id in enumerate(EXAMPLES, start=1)
    ]
    assert read("".join(document([]))) == []
