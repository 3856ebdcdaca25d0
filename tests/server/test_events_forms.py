"""From one form to the other: `ldapserver events` writes what the renderer of that form would have written."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.audit.kinds import SPECIAL_LOGON
from ldapserver.audit.record import MSV1_0, WDIGEST, BindRecord, EventRecord, Record
from ldapserver.audit.render import JSONRenderer, XMLRenderer
from ldapserver.audit.status import Status
from ldapserver.viewer.json_form import read_json
from ldapserver.viewer.windows_event import json_of
from ldapserver.viewer.xml_form import read_xml, xml_of
from tests.server.windows_events import EXAMPLES, TEXT, VALIDATED, events

COMPUTER = "dc1.contoso.com"


@st.composite
def validations(draw: st.DrawFn) -> BindRecord:
    """A 4776 of any status, with any names."""
    return replace(
        VALIDATED,
        status=draw(st.sampled_from(Status)),
        account=draw(TEXT),
        workstation=draw(TEXT),
        package=draw(st.sampled_from([WDIGEST, MSV1_0])),
    )


def as_windows_has_statuses(record: EventRecord) -> EventRecord:
    """With those of the example, for what is no number is no status, and no record."""
    example = EXAMPLES[record.kind.event_id]
    assert isinstance(example, EventRecord)
    values = zip(record.kind.names, record.data, example.data, strict=True)
    return replace(record, data=tuple(own if name in ("Status", "SubStatus") else any for name, any, own in values))


EVENTS = events().map(as_windows_has_statuses)


def in_xml(record: Record, computer: str = COMPUTER) -> str:
    """Its line in XML."""
    line = XMLRenderer(computer).line(record, 7)
    assert line is not None
    return line


def said(line: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(line)
    return value


def known_to_xml(record: Record, computer: str = COMPUTER) -> str:
    """Its line in JSON, without what the event has no place for."""
    if isinstance(record, BindRecord):
        record = replace(record, source_ip=None, source_port=None)
    value = said(JSONRenderer(computer).line(record, 7))
    del value["ldap"]
    return json.dumps(value)


@pytest.mark.parametrize("record", EXAMPLES.values(), ids=map(str, EXAMPLES))
def test_an_event_in_xml_gives_the_json_of_our_own_renderer(record: Record) -> None:
    text = in_xml(record)
    for each in (text, text.replace("><", ">\n  <")):  # however it is laid out
        assert json.dumps(said(json_of(read_xml(each.encode())))) == known_to_xml(record)


@given(EVENTS | validations(), TEXT)
def test_so_does_any_event(record: Record, computer: str) -> None:
    line = json_of(read_xml(in_xml(record, computer).encode()))
    assert json.dumps(said(line)) == known_to_xml(record, computer)
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("record", EXAMPLES.values(), ids=map(str, EXAMPLES))
def test_a_record_in_json_gives_the_xml_of_our_own_renderer(record: Record) -> None:
    assert xml_of(read_json(JSONRenderer(COMPUTER).line(record, 7).encode())) == in_xml(record).strip()


@given(EVENTS.filter(lambda record: record.kind is not SPECIAL_LOGON) | validations(), TEXT)
def test_so_does_any_record(record: Record, computer: str) -> None:
    line = JSONRenderer(computer).line(record, 7).encode()
    assert xml_of(read_json(line)) == in_xml(record, computer).strip("\n")


LOGON = in_xml(EXAMPLES[4624])
NEWER = LOGON.replace("<Version>2<", "<Version>3<").replace(
    "</EventData>", '<Data Name="RemoteCredentialGuard">-</Data></EventData>'
)


def test_a_newer_windows_says_more_and_all_of_it_is_kept() -> None:
    ours, value = said(known_to_xml(EXAMPLES[4624])), said(json_of(read_xml(NEWER.strip().encode())))
    assert value["winlog"]["version"] == 3
    assert value["winlog"]["event_data"].pop("RemoteCredentialGuard") == "-"
    assert value == {**ours, "winlog": {**ours["winlog"], "version": 3}}


@pytest.mark.parametrize(
    ("removed", "lost"),
    [
        ('<Data Name="RestrictedAdminMode">-</Data>', ("event_data", "RestrictedAdminMode")),
        (' Guid="{54849625-5478-4994-A5BA-3E3B0328C30D}"', ("provider_guid",)),
        ("<Version>2</Version>", ("version",)),
    ],
    ids=["an-older-windows", "guid", "version"],
)
def test_of_an_event_that_says_less_nothing_is_made_up(removed: str, lost: tuple[str, ...]) -> None:
    text = LOGON.strip().replace(removed, "")
    assert len(text) < len(LOGON.strip())
    value, whole = said(json_of(read_xml(text.encode()))), said(known_to_xml(EXAMPLES[4624]))
    winlog, ours = value["winlog"], whole["winlog"]
    assert value["user"] == whole["user"]
    *above, name = lost
    place = ours
    for each in above:
        place = place[each]
    del place[name]
    assert winlog == ours


def test_an_event_of_another_kind_keeps_who_wrote_it() -> None:
    text = in_xml(EXAMPLES[4634]).strip().replace("<EventID>4634<", "<EventID>4768<")
    winlog = said(json_of(read_xml(text.encode())))["winlog"]
    ours = said(known_to_xml(EXAMPLES[4634]))["winlog"]
    assert winlog["process"] == ours["process"]
    assert winlog["event_data"] == ours["event_data"]
    assert "task" not in winlog
    assert winlog["event_id"] == "4768"


def test_times_finer_than_windows_has_them_are_kept() -> None:
    record = EXAMPLES[4634]
    assert isinstance(record, EventRecord)
    text = in_xml(record).strip().replace(".6789012Z", ".678901234Z")
    assert said(json_of(read_xml(text.encode())))["@timestamp"].endswith(".678901234Z")
