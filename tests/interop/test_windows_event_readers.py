"""evtxtoelk, which loads Windows event logs into Elasticsearch, reads our XML and makes of it what our JSON says."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from ldapserver.audit.message import PARAMETERS, event_data
from ldapserver.audit.record import Record
from ldapserver.audit.render import JSONRenderer, XMLRenderer
from tests.interop.conftest import absent
from tests.server.windows_events import EXAMPLES, LOGGED_ON, VALIDATED

# What theirs says otherwise, following a newer ECS and winlogbeat than the golden files of 1.12: who is the user of a
# logon and which logon id is told, numbers in words, their own words for a status, a process that is none left out.
OTHERWISE = (
    *("@timestamp", "ecs.version", "event.created", "event.dataset", "user.", "related.user", "process."),
    *("winlog.logon.id", "winlog.logon.failure.", "winlog.time_created", "winlog.version"),
)


@pytest.fixture(scope="module")
def evtxtoelk() -> Any:
    """The module, which has no types here."""
    try:
        return import_module("evtxtoelk")
    except ImportError:
        absent("evtxtoelk")


def xml_of(record: Record) -> str:
    line = XMLRenderer("dc1.contoso.com").line(record, 17)
    assert line is not None
    return line


def leaves(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values with their names joined by dots."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{prefix}{key}.")
        else:
            yield prefix + key, inner


@pytest.mark.parametrize("event_id", EXAMPLES)
def test_it_reads_names_and_values_of_the_xml(evtxtoelk: Any, event_id: int) -> None:
    record = EXAMPLES[event_id]
    event = evtxtoelk.transform_event(xml_of(record))["Event"]
    kind, data = event_data(record)
    assert event["EventData"]["Data"] == dict(zip(kind.names, data, strict=True))
    assert event["System"]["EventID"]["#text"] == str(event_id)
    assert event["System"]["EventRecordID"] == "17"
    assert event["System"]["Computer"] == "dc1.contoso.com"


@pytest.mark.parametrize("name", ["jürgen", "山田", "<u1>&\"'", "a\nb", "a\tb", "]]>", "\U0001f600"])
def test_it_reads_any_name(evtxtoelk: Any, name: str) -> None:
    event = evtxtoelk.transform_event(xml_of(replace(VALIDATED, account=name)))["Event"]
    assert event["EventData"]["Data"]["TargetUserName"] == name


@pytest.mark.parametrize("event_id", EXAMPLES)
def test_it_makes_of_the_xml_what_the_json_says(evtxtoelk: Any, event_id: int) -> None:
    record = EXAMPLES[event_id]
    ours = dict(leaves(json.loads(JSONRenderer("dc1.contoso.com").line(record, 17))))
    theirs = {
        key: value
        for key, value in leaves(evtxtoelk.to_ecs(xml_of(record)))
        if not key.startswith(OTHERWISE) and key != "winlog.provider_guid"
    }
    assert len(theirs) > 20
    for key, value in theirs.items():
        wanted = ours[key]
        if key.startswith("winlog.event_data.") and isinstance(wanted, str):
            wanted = PARAMETERS[wanted]
        assert value == wanted, key


def test_it_finds_the_address_of_a_logon(evtxtoelk: Any) -> None:
    told = evtxtoelk.to_ecs(xml_of(LOGGED_ON))
    assert told["source"] == {"ip": "192.0.2.10", "port": 50123, "domain": "LDAP1"}
    assert told["event"]["action"] == "logged-in"
