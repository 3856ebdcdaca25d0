"""The events beside 4776 as JSON: what `json` would write, where winlogbeat has it, and found by Sigma's rules."""

import datetime
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.audit.kinds import KINDS, LOCKED_OUT, LOGOFF, LOGON, LOGON_FAILED, SPECIAL_LOGON
from ldapserver.audit.message import LOGON_TYPES, PARAMETERS, STATUSES, message
from ldapserver.audit.record import EventRecord
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.status import Status
from tests.server.test_audit_record import escaped
from tests.server.windows_events import (
    EXAMPLES,
    FAILED,
    HOSTILE,
    LOCKED,
    LOGGED_ON,
    SPECIAL,
    TEXT,
    VALIDATED,
    WINLOGBEAT,
    events,
)

AUDIT = Path(__file__).parents[2] / "docs" / "audit.md"
PROVIDER = "Microsoft-Windows-Security-Auditing"


def changed(record: EventRecord, **values: str) -> EventRecord:
    """The record with other values in its data."""
    data = dict(zip(record.kind.names, record.data, strict=True)) | values
    return replace(record, data=tuple(data.values()))


def user_of(data: dict[str, str], prefix: str, sid: str) -> dict[str, str]:
    return {"domain": data[f"{prefix}DomainName"], "id": data[sid], "name": data[f"{prefix}UserName"]}


def source_of(data: dict[str, str]) -> dict[str, Any]:
    source: dict[str, Any] = {}
    if data["WorkstationName"] not in ("", "-"):
        source["domain"] = data["WorkstationName"]
    if data["IpAddress"] not in ("", "-"):
        source["ip"] = data["IpAddress"]
    if re.fullmatch("[0-9]{1,5}", data["IpPort"]):
        source["port"] = int(data["IpPort"])
    return {"source": source} if source else {}


def process_of(data: dict[str, str]) -> dict[str, Any]:
    process: dict[str, Any] = {
        "executable": data["ProcessName"],
        "name": data["ProcessName"].split("\\")[-1],
    }
    if re.fullmatch("0x[0-9a-fA-F]{1,16}", data["ProcessId"]):
        process["pid"] = int(data["ProcessId"], 16)
    return process


def related_of(kind: object, data: dict[str, str]) -> dict[str, list[str]]:
    if kind == LOCKED_OUT:
        return {"user": [data["SubjectUserName"], data["TargetUserName"]]}
    if kind == SPECIAL_LOGON:
        return {"user": [data["SubjectUserName"]]}
    users = [data["TargetUserName"]]
    if kind == LOGON and data["SubjectUserName"] not in ("", "-", *users):
        users.append(data["SubjectUserName"])
    addresses = [data["IpAddress"]] if data.get("IpAddress", "-") not in ("", "-") else []
    return {"ip": addresses, "user": users} if addresses else {"user": users}


def expected(record: EventRecord, record_id: int, computer: str) -> dict[str, Any]:
    """What the line says, built without a template."""
    kind = record.kind
    data = dict(zip(kind.names, record.data, strict=True))
    seconds, rest = divmod(record.time_ns, 10**9)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    logs_on = kind in (LOGON, LOGON_FAILED)
    logon: dict[str, Any] = {"id": data["TargetLogonId" if kind == LOGOFF else "SubjectLogonId"]}
    if kind in (LOGON, LOGON_FAILED, LOGOFF):
        logon["type"] = LOGON_TYPES[data["LogonType"]]
    if kind == LOGON_FAILED:
        failure = {
            "reason": PARAMETERS[data["FailureReason"]],
            "status": STATUSES[data["Status"]],
            "sub_status": STATUSES[data["SubStatus"]],
        }
        logon = {"failure": failure, **logon}
    if kind == LOCKED_OUT:
        user: dict[str, Any] = user_of(data, "Subject", "SubjectUserSid")
        user["target"] = user_of(data, "Target", "TargetSid")
    elif kind == SPECIAL_LOGON:
        user = user_of(data, "Subject", "SubjectUserSid")
    else:
        user = user_of(data, "Target", "TargetUserSid")
    event_data: dict[str, Any] = dict(data)
    if kind == SPECIAL_LOGON:
        event_data["PrivilegeList"] = data["PrivilegeList"].split()
    outcome, keyword = ("success", "Audit Success") if kind.success else ("failure", "Audit Failure")
    return {
        "@timestamp": f"{moment.isoformat()}.{rest // 100:07}Z",
        "ecs": {"version": "1.12.0"},
        "event": {
            "action": kind.action,
            "category": [kind.category],
            "code": str(kind.event_id),
            "kind": "event",
            "module": "security",
            "outcome": outcome,
            "provider": PROVIDER,
            "type": list(kind.type),
        },
        "host": {"name": computer},
        "log": {"level": "information"},
        "message": message(record),
        **({"process": process_of(data)} if logs_on else {}),
        "related": related_of(kind, data),
        **(source_of(data) if logs_on else {}),
        "user": user,
        "winlog": {
            "channel": "Security",
            "computer_name": computer,
            "event_data": event_data,
            "event_id": str(kind.event_id),
            "keywords": [keyword],
            "logon": logon,
            "opcode": "Info",
            "process": {"pid": os.getpid(), "thread": {"id": threading.get_native_id()}},
            "provider_guid": "{54849625-5478-4994-a5ba-3e3b0328c30d}",
            "provider_name": PROVIDER,
            "record_id": str(record_id),
            "task": kind.task_name,
            **({"version": kind.version} if kind.version else {}),
        },
        "ldap": {"connection": record.connection, "message_id": record.message_id},
    }


@given(record=events(), record_id=st.integers(1, 2**63), computer=TEXT)
def test_any_event_is_written_as_json_would_write_it(record: EventRecord, record_id: int, computer: str) -> None:
    line = JSONRenderer(computer).line(record, record_id)
    wanted = json.dumps(expected(record, record_id, computer), separators=(",", ":"), ensure_ascii=False)
    assert line == escaped(wanted) + "\n"
    assert line.count("\n") == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_inside_of_its_strings(name: str) -> None:
    for record in (LOGGED_ON, FAILED, LOCKED):
        hostile = changed(record, TargetUserName=name, TargetDomainName=name)
        told = json.loads(JSONRenderer("dc1").line(hostile, 17))
        assert told["winlog"]["event_data"]["TargetUserName"] == name
        assert told["user"].get("target", told["user"])["name"] == name
        assert told["winlog"]["record_id"] == "17"


@pytest.mark.parametrize("computer", HOSTILE)
@pytest.mark.parametrize("record", [LOGGED_ON, SPECIAL], ids=["4624", "4672"])
def test_a_computer_of_any_name_is_written(record: EventRecord, computer: str) -> None:
    told = json.loads(JSONRenderer(computer).line(record, 17))
    assert (told["host"]["name"], told["winlog"]["computer_name"]) == (computer, computer)


def leaves(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values with their names joined by dots."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{prefix}{key}.")
        else:
            yield prefix + key, inner


def type_of(value: Any) -> str:
    if isinstance(value, list):
        assert all(isinstance(item, str) for item in value)
        return "array of strings"
    assert not isinstance(value, bool)
    return {str: "string", int: "number"}[type(value)]


# What the golden files have and this server does not write.
LEFT_OUT = {
    "event.ingested",  # Elasticsearch's clock
    "winlog.api",  # the Windows interface that winlogbeat read the event from
    "winlog.activity_id",  # which events of one call Windows correlates: no such thing here
}
# What this server writes where the goldens have nothing. The data of version 2 of 4624 is Windows' own (their golden
# is of version 1), and what winlogbeat moves into ECS fields stays in the data as well.
MOVED = {"IpAddress", "IpPort", "WorkstationName", "ProcessId", "ProcessName"}
VERSION_2 = {
    *("RestrictedAdminMode", "TargetOutboundUserName", "TargetOutboundDomainName", "VirtualAccount"),
    *("TargetLinkedLogonId", "ElevatedToken"),
}
ADDED = {
    "4776": {"source.ip", "source.port"},  # the goldens know the workstation only
    "4624": {f"winlog.event_data.{name}" for name in MOVED | VERSION_2},
    "4625": {f"winlog.event_data.{name}" for name in MOVED},
}


@pytest.mark.parametrize("code", WINLOGBEAT)
def test_every_key_stands_where_winlogbeat_has_it_and_none_is_missing(code: str) -> None:
    golden = WINLOGBEAT[code]
    ours = dict(leaves(json.loads(JSONRenderer("dc1").line(EXAMPLES[int(code)], 17))))
    types = {key: type_of(value) for key, value in ours.items() if not key.startswith("ldap.")}
    assert golden["always"].keys() - types.keys() <= LEFT_OUT
    known = golden["always"] | golden["sometimes"]
    assert {key: known[key] for key in types.keys() & known.keys()} == {
        k: types[k] for k in types.keys() & known.keys()
    }
    assert types.keys() - known.keys() == ADDED.get(code, set()) - known.keys()
    assert {key: ours[key] for key in golden["fixed"]} == golden["fixed"]


def test_all_kinds_have_a_golden_file() -> None:
    assert {int(code) for code in WINLOGBEAT} == set(KINDS)


def rendered(record: EventRecord) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(JSONRenderer("dc1").line(record, 17))
    return told


def test_without_address_and_workstation_there_is_no_source() -> None:
    told = rendered(changed(LOGGED_ON, IpAddress="-", IpPort="-", WorkstationName="-"))
    assert "source" not in told
    assert told["related"] == {"user": ["u1"]}


def test_the_workstation_is_the_domain_of_the_source() -> None:
    told = rendered(changed(FAILED, IpAddress="-", IpPort="-", WorkstationName="PC7"))
    assert told["source"] == {"domain": "PC7"}


def test_the_subject_of_a_logon_is_related_and_that_of_a_failed_one_is_not() -> None:
    assert rendered(changed(LOGGED_ON, SubjectUserName="svc"))["related"]["user"] == ["u1", "svc"]
    assert rendered(changed(LOGGED_ON, SubjectUserName="u1"))["related"]["user"] == ["u1"]
    assert rendered(changed(FAILED, SubjectUserName="svc"))["related"]["user"] == ["u1"]


def test_a_process_is_its_path_its_name_and_its_number() -> None:
    told = rendered(changed(FAILED, ProcessName="C:\\Windows\\System32\\svchost.exe", ProcessId="0x344"))
    assert told["process"] == {
        "executable": "C:\\Windows\\System32\\svchost.exe",
        "name": "svchost.exe",
        "pid": 836,
    }


def test_privileges_are_an_array() -> None:
    assert rendered(SPECIAL)["winlog"]["event_data"]["PrivilegeList"] == [
        "SeSecurityPrivilege",
        "SeBackupPrivilege",
        "SeRestorePrivilege",
    ]


@pytest.mark.parametrize("status", [status for status in Status if status])
def test_a_failed_logon_says_each_status_in_words(status: Status) -> None:
    told = rendered(changed(FAILED, Status=status.hexadecimal, SubStatus="0x0"))
    assert told["winlog"]["logon"]["failure"]["status"] == status.words
    assert f"Status:\t\t\t0x{status:X}\n" in told["message"]


def test_the_keys_are_documented() -> None:
    text = AUDIT.read_text("utf-8")
    table = text[text.index("### As JSON") : text.index("### As XML")]
    named = set(re.findall(r"`([a-z@_.]+)`", table))
    for record in EXAMPLES.values():
        told = json.loads(JSONRenderer("dc1").line(record, 17))
        keys = {key for key, _ in leaves(told) if not key.startswith(("winlog.event_data.", "ldap."))}
        assert {key for key in keys if not any(key == name or key.startswith(name + ".") for name in named)} == set()


# Sigma: fields by their raw names, values without regard to case, as its specification has it. The two rules that
# look for many accounts from one source: 6309ffc4-8fa2-47cf-96b8-a2f72e58e538 on 4776, and
# e98374a6-e2d9-4076-9b5c-11bdb2569995 on failed logons.
RULES: dict[str, tuple[Callable[[dict[str, str]], bool], str, str]] = {
    "6309ffc4-8fa2-47cf-96b8-a2f72e58e538": (
        lambda event: event["EventID"] == "4776" and "TargetUserName" in event and "Workstation" in event,
        "TargetUserName",
        "Workstation",
    ),
    "e98374a6-e2d9-4076-9b5c-11bdb2569995": (
        lambda event: event["EventID"] == "4625" and "TargetUserName" in event and "WorkstationName" in event,
        "TargetUserName",
        "WorkstationName",
    ),
}


def sigma_fields(line: str) -> dict[str, str]:
    """The event as Sigma's winlogbeat mapping sees it: EventID, and the data by its names."""
    winlog = json.loads(line)["winlog"]
    return {"EventID": winlog["event_id"], **winlog["event_data"]}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("accounts", "found"), [(3, False), (4, True)])
def test_sigma_finds_many_accounts_from_one_source(rule: str, accounts: int, found: bool) -> None:
    renderer = JSONRenderer("dc1")
    lines: list[str] = []
    for number in range(accounts):
        for _ in range(2):  # the same account again is no other one
            lines.append(renderer.line(replace(VALIDATED, account=f"u{number}", workstation="PC7"), len(lines) + 1))
            failed = changed(FAILED, TargetUserName=f"u{number}", WorkstationName="PC7")
            lines.append(renderer.line(failed, len(lines) + 1))
    selects, counted, by = RULES[rule]
    sources: dict[str, set[str]] = {}
    for event in map(sigma_fields, lines):
        if selects(event):
            sources.setdefault(event[by], set()).add(event[counted])
    assert any(len(names) > 3 for names in sources.values()) == found
    assert set(sources) == {"PC7"}
