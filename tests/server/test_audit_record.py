"""A record as a line of JSON: the contract's example to the letter, and for any record what `json` would write."""

import datetime
import json
import os
import re
import threading
import tracemalloc
from dataclasses import fields, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.audit import json_form
from ldapserver.audit.record import MSV1_0, WDIGEST, BindRecord
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.status import ENDINGS, BindReason, Status
from ldapserver.wire.messages import ResultCode
from sasl_digest import Reason
from tests.server.windows_events import VALIDATED

AUDIT = Path(__file__).parents[2] / "docs" / "audit.md"

RECORD = VALIDATED
LINE = (
    '{"@timestamp":"2026-01-02T03:04:05.6789012Z","ecs":{"version":"1.12.0"},"event":{"action":"credential-validated",'
    '"category":["authentication"],"code":"4776","kind":"event","module":"security","outcome":"failure",'
    '"provider":"Microsoft-Windows-Security-Auditing","type":["start"]},"host":{"name":"ldap1.contoso.com"},'
    '"log":{"level":"information"},"message":"The computer attempted to validate the credentials for an account.'
    "\\n\\nAuthentication Package:\\tWDigest\\nLogon Account:\\tu1\\nSource Workstation:\\tLDAP1\\n"
    'Error Code:\\t0xC000006A","related":{"user":["u1"]},"source":{"ip":"192.0.2.10","port":50123},'
    '"user":{"name":"u1"},"winlog":{"channel":"Security","computer_name":"ldap1.contoso.com","event_data":'
    '{"PackageName":"WDigest","TargetUserName":"u1","Workstation":"LDAP1","Status":"0xc000006a"},"event_id":"4776",'
    '"keywords":["Audit Failure"],"logon":{"failure":{"status":"Wrong password"}},"opcode":"Info",'
    '"process":{"pid":496,"thread":{"id":1864}},"provider_guid":"{54849625-5478-4994-a5ba-3e3b0328c30d}",'
    '"provider_name":"Microsoft-Windows-Security-Auditing","record_id":"17","task":"Credential Validation"},'
    '"ldap":{"connection":12,"message_id":2,"mechanism":"DIGEST-MD5","realm":"CONTOSO","authzid":null,"qop":"auth",'
    '"cipher":null,"digest_uri":"ldap/dc1.contoso.com","result_code":49,"tls":false,"reason":"wrong-password",'
    '"detail":null,"reading":null}}\n'
)


@pytest.fixture
def renderer(monkeypatch: pytest.MonkeyPatch) -> JSONRenderer:
    """A renderer in the process of the example."""
    monkeypatch.setattr(os, "getpid", lambda: 496)
    monkeypatch.setattr(threading, "get_native_id", lambda: 1864)
    return JSONRenderer("ldap1.contoso.com")


def test_the_example_is_rendered_to_the_letter(renderer: JSONRenderer) -> None:
    assert renderer.line(RECORD, 17) == LINE


def test_the_documented_example_is_the_one_rendered() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", AUDIT.read_text("utf-8"), re.DOTALL)
    assert "".join(line.strip() for line in block.splitlines()) + "\n" == LINE


def escaped(text: str) -> str:
    """The JSON text with escapes for what stands in the way of terminals, readers of lines and UTF-8."""
    codes = (*range(0x80, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000))
    return text.translate({code: f"\\u{code:04x}" for code in codes})


def in_json(wanted: dict[str, Any]) -> str:
    """The line that says this."""
    return escaped(json.dumps(wanted, separators=(",", ":"), ensure_ascii=False)) + "\n"


def expected(record: BindRecord, record_id: int, computer: str) -> dict[str, Any]:
    """What the line says, built without the renderer."""
    seconds, rest = divmod(record.time_ns, 10**9)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    event: dict[str, Any] = {
        "@timestamp": f"{moment.isoformat()}.{rest // 100:07}Z",
        "ecs": {"version": "1.12.0"},
    }
    ldap = {
        "connection": record.connection,
        "message_id": record.message_id,
        "mechanism": record.mechanism,
        "realm": record.realm,
        "authzid": record.authzid,
        "qop": record.qop,
        "cipher": record.cipher,
        "digest_uri": record.digest_uri,
        "result_code": None if record.result_code is None else int(record.result_code),
        "tls": record.tls,
        "reason": None if record.reason is BindReason.SUCCESS else record.reason.value,
        "detail": record.detail,
        "reading": record.reading,
    }
    host = {"host": {"name": computer}, "log": {"level": "information"}}
    source = {} if record.source_ip is None else {"source": {"ip": record.source_ip, "port": record.source_port}}
    if record.status is None:
        event["event"] = {
            "action": "sasl-exchange",
            "category": ["authentication"],
            "code": "sasl-exchange",
            "kind": "event",
            "module": "ldap",
            "outcome": "unknown" if record.result_code is None else "failure",
            "type": ["start"],
        }
        text = f"A bind ended without a verdict: {record.detail or record.reason.value}."
        if record.reason is BindReason.SUCCESS:  # EXTERNAL
            event["event"]["outcome"] = "success"
            text = f"A bind succeeded without a password: {record.detail or record.account}."
        return {**event, **host, "message": text, **source, "ldap": ldap}
    provider = "Microsoft-Windows-Security-Auditing"
    won = record.status == 0
    event["event"] = {
        "action": "credential-validated",
        "category": ["authentication"],
        "code": "4776",
        "kind": "event",
        "module": "security",
        "outcome": "success" if won else "failure",
        "provider": provider,
        "type": ["start"],
    }
    sentence = "The computer attempted to validate the credentials for an account."
    winlog = {
        "channel": "Security",
        "computer_name": computer,
        "event_data": {
            "PackageName": record.package,
            "TargetUserName": record.account,
            "Workstation": record.workstation,
            "Status": hex(record.status),
        },
        "event_id": "4776",
        "keywords": ["Audit Success" if won else "Audit Failure"],
        "logon": {"failure": {"status": record.status.words}},
        "opcode": "Info",
        "process": {"pid": os.getpid(), "thread": {"id": threading.get_native_id()}},
        "provider_guid": "{54849625-5478-4994-a5ba-3e3b0328c30d}",
        "provider_name": provider,
        "record_id": str(record_id),
        "task": "Credential Validation",
    }
    return {
        **event,
        **host,
        "message": f"{sentence}\n\nAuthentication Package:\t{record.package}\nLogon Account:\t{record.account}\n"
        f"Source Workstation:\t{record.workstation}\nError Code:\t0x{record.status:X}",
        "related": {"user": [record.account]},
        **source,
        "user": {"name": record.account},
        "winlog": winlog,
        "ldap": ldap,
    }


HOSTILE = [
    *(
        "",
        '"',
        "\\",
        '\\"',
        "a\nb",
        "\r\n",
        "\0",
        "\x01\x1f\x7f",
        "%s",
        "%",
        "%(x)s",
        "{0}",
        "{computer}",
        "</script>",
    ),
    *(
        "jürgen",
        "Жора",
        "山田",
        "\U0001f600",
        "\u2028\u2029",
        "\ufeff",
        "\u202e",
        "\x85",
        "e\u0301",
        '","record_id":"9',
    ),
]
# Lone surrogates cannot come over the wire: names are UTF-8 there.
TEXT = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECORDS = st.builds(
    BindRecord,
    time_ns=st.integers(0, 4_000_000_000 * 10**9),
    status=st.none() | st.sampled_from(Status),
    package=st.sampled_from([WDIGEST, MSV1_0]),
    account=TEXT,
    workstation=TEXT,
    source_ip=st.none() | st.sampled_from(["192.0.2.10", "2001:db8::1", "fe80::1%eth0"]),
    source_port=st.integers(0, 65535),
    connection=st.integers(1, 2**40),
    message_id=st.integers(1, 2**31 - 1),
    mechanism=TEXT,
    realm=st.none() | TEXT,
    authzid=st.none() | TEXT,
    qop=st.none() | st.sampled_from(["auth", "auth-int", "auth-conf"]),
    cipher=st.none() | st.sampled_from(["rc4", "3des"]),
    digest_uri=st.none() | TEXT,
    result_code=st.none() | st.sampled_from(ResultCode),
    reason=st.sampled_from(list(ENDINGS)),
    detail=st.none() | TEXT,
    tls=st.booleans(),
    reading=st.none() | TEXT,
)


def in_order(value: Any) -> Any:
    """The value with the order of its keys told, which `==` of dicts does not look at."""
    if isinstance(value, dict):
        return [(key, in_order(inner)) for key, inner in value.items()]
    return [in_order(inner) for inner in value] if isinstance(value, list) else value


@given(record=RECORDS, record_id=st.integers(1, 2**63), computer=TEXT)
@pytest.mark.interpreted("ldapserver.audit.record")
def test_any_record_is_one_line_of_json_with_keys_values_and_types_in_order(
    record: BindRecord, record_id: int, computer: str
) -> None:
    line = JSONRenderer(computer).line(record, record_id)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line.encode().decode() == line
    wanted = expected(record, record_id, computer)
    assert in_order(json.loads(line)) == in_order(wanted)
    # ... in the very octets that `json` would write, but for what would not stay in its line on every screen.
    assert line == in_json(wanted)


VALUES: dict[str, list[Any]] = {
    "time_ns": [0, 99, 10**9 - 1, 10**9, RECORD.time_ns],
    "status": [Status.WRONG_PASSWORD, Status.SUCCESS, None],
    "package": [WDIGEST, MSV1_0],
    "account": ["u1", '"', "ü"],
    "workstation": ["LDAP1", "\\"],
    "source_ip": ["192.0.2.10", None],
    "source_port": [50123, 1],
    "connection": [12, 1],
    "message_id": [2, 1],
    "mechanism": ["DIGEST-MD5", "simple"],
    "realm": ["CONTOSO", None, "", "null", "é"],
    "authzid": [None, "", "u:u2"],
    "qop": ["auth", None],
    "cipher": [None, "rc4"],
    "digest_uri": ["ldap/dc1", None, "ldap/dc1" * 100],
    "result_code": [ResultCode.INVALID_CREDENTIALS, None, ResultCode.SUCCESS, ResultCode.OPERATIONS_ERROR],
    "reason": [Reason.WRONG_PASSWORD, BindReason.SUCCESS, BindReason.ABANDONED],
    "detail": [None, "\x85"],
    "tls": [False, True],
    "reading": [None, "utf-8"],
}


@given(
    changes=st.lists(
        st.sampled_from([(name, each) for name, values in VALUES.items() for each in values]), max_size=20
    ),
    strangers=st.integers(json_form.MAX_KEPT - 5, json_form.MAX_KEPT),
)
def test_a_line_is_of_its_own_record_whatever_was_rendered_before(
    changes: list[tuple[str, Any]], strangers: int
) -> None:
    """Each record is like the one before it but for one field, which is all that it may differ in."""
    renderer, record = JSONRenderer("ldap1.contoso.com"), RECORD
    for number in range(strangers):
        renderer.line(replace(RECORD, realm=str(number)), 1)
    for name, value in changes:
        record = replace(record, **{name: value})
        assert renderer.line(record, 7) == in_json(expected(record, 7, "ldap1.contoso.com"))


@pytest.mark.parametrize("name", [field.name for field in fields(BindRecord)])
def test_what_is_kept_of_a_line_is_not_taken_for_that_of_another(name: str) -> None:
    renderer = JSONRenderer("ldap1.contoso.com")
    for before, after in permutations(VALUES[name], 2):
        for value in (before, after):
            record = replace(RECORD, **{name: value})
            assert renderer.line(record, 7) == in_json(expected(record, 7, "ldap1.contoso.com"))


def test_a_line_is_of_its_own_connection_where_two_servers_number_theirs_alike(renderer: JSONRenderer) -> None:
    for ip, port in (("192.0.2.10", 1), ("192.0.2.10", 2), ("192.0.2.11", 2), (None, None), ("192.0.2.11", 2)):
        told = json.loads(renderer.line(replace(RECORD, source_ip=ip, source_port=port), 1))
        assert told.get("source") == (None if ip is None else {"ip": ip, "port": port})


def test_what_strangers_invent_does_not_fill_the_memory(renderer: JSONRenderer) -> None:
    most = 0
    tracemalloc.start()
    try:
        for number in range(4 * json_form.MAX_KEPT):
            # As short as may be kept and as long as none is, in characters of four octets.
            for name in (f"{number}" + "\U0001f600" * 200, f"{number}" + "\U0001f600" * 20_000):
                assert name in renderer.line(replace(RECORD, realm=name), 1)
            most = max(most, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert most < json_form.MAX_KEPT * (json_form.MAX_END * 4 * 2 + 1024)


def test_connections_without_end_do_not_fill_the_memory(renderer: JSONRenderer) -> None:
    record = replace(RECORD)
    most = 0
    tracemalloc.start()
    try:
        for number in range(4 * json_form.MAX_ORIGINS):
            record.connection = number
            assert f'"connection":{number},' in renderer.line(record, 1)
            most = max(most, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert most < json_form.MAX_ORIGINS * 1024


def test_no_two_reasons_are_written_alike() -> None:
    assert len({reason.value for reason in ENDINGS}) == len(ENDINGS)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_inside_of_its_strings(name: str, renderer: JSONRenderer) -> None:
    record = replace(RECORD, account=name, workstation=name, realm=name, digest_uri=name, authzid=name, detail=name)
    told = json.loads(renderer.line(record, 17))
    assert told["winlog"]["event_data"]["TargetUserName"] == name
    assert (told["ldap"]["realm"], told["ldap"]["detail"], told["user"]) == (name, name, {"name": name})
    assert told["winlog"]["record_id"] == "17"


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.0000000Z"),
        (99, "1970-01-01T00:00:00.0000000Z"),
        (100, "1970-01-01T00:00:00.0000001Z"),
        (999_999_999, "1970-01-01T00:00:00.9999999Z"),
        (1_000_000_000, "1970-01-01T00:00:01.0000000Z"),
        (1_709_251_199_050_000_000, "2024-02-29T23:59:59.0500000Z"),
    ],
)
def test_a_time_has_seven_digits_of_its_second(time_ns: int, text: str, renderer: JSONRenderer) -> None:
    renderer.line(RECORD, 1)  # a renderer remembers the second it has written last
    assert json.loads(renderer.line(replace(RECORD, time_ns=time_ns), 1))["@timestamp"] == text
    assert json.loads(renderer.line(RECORD, 1))["@timestamp"] == "2026-01-02T03:04:05.6789012Z"


@pytest.mark.parametrize("status", Status)
def test_every_status_is_lower_case_in_the_data_and_upper_case_in_the_text(
    status: Status, renderer: JSONRenderer
) -> None:
    told = json.loads(renderer.line(replace(RECORD, status=status), 1))
    written = told["winlog"]["event_data"]["Status"]
    assert written == status.hexadecimal == written.lower()
    assert int(written, 16) == status
    assert told["message"].endswith(f"\t0x{status:X}")
    assert told["event"]["outcome"] == ("failure" if status else "success")


def test_without_an_address_there_is_no_source(renderer: JSONRenderer) -> None:
    for status in (Status.SUCCESS, None):
        line = renderer.line(replace(RECORD, source_ip=None, source_port=None, status=status), 1)
        assert "source" not in json.loads(line)


def test_what_is_no_windows_event_has_no_number_and_no_winlog(renderer: JSONRenderer) -> None:
    line = renderer.line(replace(RECORD, status=None, reason=Reason.NONCE_FOREIGN), 17)
    assert "winlog" not in json.loads(line)
    assert "17" not in line.replace("1767", "")


@pytest.mark.parametrize("name", ["\x9b2J", "one\x85two", "one\u2028two\u2029three", "\udcff", "Jürgen \x80 東京"])
def test_what_moves_a_terminal_ends_a_line_or_is_no_utf_8_is_escaped(name: str, renderer: JSONRenderer) -> None:
    line = renderer.line(replace(RECORD, account=name, realm=name), 17)
    assert line.encode()
    assert line.splitlines() == [line.removesuffix("\n")]
    assert line.removesuffix("\n").isprintable()
    assert json.loads(line)["ldap"]["realm"] == name
    assert all(each in line for each in name if each.isprintable())
