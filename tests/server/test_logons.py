"""The Windows events beside 4776: what each of their fields holds, who gets which, and that each logon ends once."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ldapserver.audit.kinds import (
    CREDENTIAL_VALIDATION,
    KINDS,
    LOCKED_OUT,
    LOGOFF,
    LOGON,
    LOGON_FAILED,
)
from ldapserver.audit.log import AuditLog
from ldapserver.audit.record import MSV1_0, BindRecord, EventRecord, Record
from ldapserver.audit.sinks import MemorySink
from ldapserver.audit.status import LOGON_FAILURES, Status
from ldapserver.clock import Clock, StoppedClock
from ldapserver.config import Config
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import AccountStatus, Judgement
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.hosting.assembly import configure
from ldapserver.hosting.options import read_options
from ldapserver.logons import FIRST_LOGON_ID, SCHANNEL, logon_ids
from ldapserver.process import Process
from ldapserver.sasl.mechanism import TLS
from ldapserver.service import Service
from ldapserver.wire.messages import ResultCode, UnbindRequest
from tests.authority import Authority
from tests.server.stage import CONFIG, LDIF, U1, Stage, digest_response, sasl, simple, stage

AUDIT = Path(__file__).parents[2] / "docs" / "audit.md"
NAMED_IN_A_CERTIFICATE = Authority().issue()

# What any value of a field looks like, whoever binds: `facts` of exported events, and no other form.
HEX = r"0x(0|[1-9a-f][0-9a-f]*)"
ABSENT_OR_TEXT = r"-|\S(.*\S)?"
FORMS = {
    **dict.fromkeys(("SubjectUserSid", "TargetUserSid", "TargetSid"), r"S-1-0-0|S-1-5-18|S-1-5-21(-[0-9]+){4}"),
    **dict.fromkeys(("SubjectLogonId", "TargetLogonId", "TargetLinkedLogonId", "ProcessId"), HEX),
    **dict.fromkeys(("Status", "SubStatus"), r"0x0|0xc0000[0-9a-f]{3}"),
    **dict.fromkeys(("SubjectUserName", "SubjectDomainName", "TargetUserName", "TargetDomainName"), ABSENT_OR_TEXT),
    **dict.fromkeys(("TargetOutboundUserName", "TargetOutboundDomainName", "RestrictedAdminMode"), "-"),
    **dict.fromkeys(("TransmittedServices", "LmPackageName", "ProcessName"), "-"),
    "FailureReason": r"%%23(0[45789]|1[0123])",
    "LogonType": "3",
    "LogonProcessName": r"WDIGEST|Advapi  |Schannel|-",
    "AuthenticationPackageName": rf"WDigest|{MSV1_0}|{SCHANNEL}|-",
    "WorkstationName": ABSENT_OR_TEXT,
    "LogonGuid": re.escape("{00000000-0000-0000-0000-000000000000}"),
    "KeyLength": "0",
    "IpAddress": r"-|192\.0\.2\.10",
    "IpPort": r"-|50123",
    "ImpersonationLevel": "%%1833",
    "VirtualAccount": "%%1843",
    "ElevatedToken": r"%%184[23]",
    "PrivilegeList": r"Se[A-Za-z]+Privilege(\n\t\t\tSe[A-Za-z]+Privilege)*",
}


def fields(event: Record) -> dict[str, str]:
    """The data of an event by name, each of the form that Windows writes."""
    assert isinstance(event, EventRecord)
    data = dict(zip(event.kind.names, event.data, strict=True))
    for name, value in data.items():
        assert re.fullmatch(FORMS[name], value), (event.kind.event_id, name, value)
    return data


def ids(on: Stage) -> list[int]:
    """The numbers of the Windows events that were written, in order."""
    return [record.kind.event_id for record in on.sink.records if record.kind is not None]


def last(on: Stage) -> dict[str, str]:
    """The data of the last event."""
    return fields(on.sink.records[-1])


def logged(**settings: Any) -> Stage:
    return stage(logon_events=True, **settings)


def test_every_field_of_every_event_has_a_form() -> None:
    beside = [kind for kind in KINDS.values() if kind is not CREDENTIAL_VALIDATION]
    assert {name for kind in beside for name in kind.names} == set(FORMS)


# 4624 and 4634

SIMPLE_LOGON = {
    "SubjectUserSid": "S-1-0-0",
    "SubjectUserName": "-",
    "SubjectDomainName": "-",
    "SubjectLogonId": "0x0",
    "TargetUserSid": "S-1-0-0",
    "TargetUserName": "u1",
    "TargetDomainName": "CONTOSO",
    "TargetLogonId": "0xabc",
    "LogonType": "3",
    "LogonProcessName": "Advapi  ",
    "AuthenticationPackageName": MSV1_0,
    "WorkstationName": "LDAP1",
    "LogonGuid": "{00000000-0000-0000-0000-000000000000}",
    "TransmittedServices": "-",
    "LmPackageName": "-",
    "KeyLength": "0",
    "ProcessId": "0x0",
    "ProcessName": "-",
    "IpAddress": "192.0.2.10",
    "IpPort": "50123",
    "ImpersonationLevel": "%%1833",
    "RestrictedAdminMode": "-",
    "TargetOutboundUserName": "-",
    "TargetOutboundDomainName": "-",
    "VirtualAccount": "%%1843",
    "TargetLinkedLogonId": "0x0",
    "ElevatedToken": "%%1843",
}
DIGEST_LOGON = SIMPLE_LOGON | {
    "LogonProcessName": "WDIGEST",
    "AuthenticationPackageName": "WDigest",
    "WorkstationName": "-",
}


SEVEN = StoppedClock(datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC))


def numbered(*given: int, clock: Clock = SEVEN) -> Stage:
    """A stage whose logons have these ids, or its own."""
    made = MemoryDirectory([("stage", read_ldif(LDIF, "stage"))], netbios="CONTOSO", clock=clock)
    settings: dict[str, Any] = {**CONFIG, "logon_events": True}
    sink = MemorySink()
    service = Service.assemble(
        Config(**settings),
        made,
        AuditLog([sink], report=print),
        ids=iter(given) if given else None,
    )
    return Stage(service, sink)


def test_a_simple_bind_is_a_logon() -> None:
    on = numbered(0xABC)
    on.bind(simple(U1, "password"))
    assert ids(on) == [4776, 4624]
    verdict, event = on.sink.records
    assert event == EventRecord(7_000_000_000, LOGON, tuple(SIMPLE_LOGON.values()), 12, 1, "192.0.2.10", 50123)
    assert fields(event) == SIMPLE_LOGON
    assert verdict.time_ns == event.time_ns


def test_a_digest_bind_is_a_logon_by_wdigest() -> None:
    on = numbered(0xABC)
    on.digest("CONTOSO\\u1")
    assert ids(on) == [4776, 4624]
    assert last(on) == DIGEST_LOGON
    assert on.events[0].message_id == 2


def test_the_end_of_a_logon_names_it() -> None:
    on = numbered(0xABC)
    on.bind(simple(U1, "password"))
    on.send(UnbindRequest())
    ended = on.sink.records[-1]
    assert fields(ended) == {
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": "u1",
        "TargetDomainName": "CONTOSO",
        "TargetLogonId": "0xabc",
        "LogonType": "3",
    }
    assert ended == EventRecord(7_000_000_000, LOGOFF, ended.data, 12, None, "192.0.2.10", 50123)  # type: ignore[union-attr]
    on.session.lost()
    assert ids(on) == [4776, 4624, 4634]


def test_unless_asked_for_there_are_no_logons() -> None:
    on = stage()
    on.bind(simple(U1, "password"))
    on.bind(simple(U1, "wrong"))
    on.digest()
    on.send(UnbindRequest())
    assert ids(on) == [4776] * 3


@pytest.mark.parametrize("typed", ["credential", "logon"])
def test_the_option_asks_for_them(typed: str) -> None:
    made = MemoryDirectory([("stage", read_ldif(LDIF, "stage"))])
    assert configure(read_options(["--events", typed]), made, []).logon_events is (typed == "logon")
    assert configure(read_options([]), made, []).logon_events is False


def test_ids_are_of_no_logon_of_windows_own_and_of_no_run_before() -> None:
    assert next(logon_ids(0)) == FIRST_LOGON_ID > 0x3E7
    a_second_apart = (logon_ids(1_767_323_045_000_000), logon_ids(1_767_323_046_000_000))
    one, other = [[next(given) for _ in range(3)] for given in a_second_apart]
    assert one == [1_767_323_045_000_000, 1_767_323_045_000_001, 1_767_323_045_000_002]
    assert other[0] - one[0] == 1_000_000


def test_ids_count_up_from_the_time_of_the_service_s_clock() -> None:
    on = numbered(clock=StoppedClock(datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)))
    for _ in range(2):
        on.bind(simple(U1, "password"))
    ids_given = [int(fields(event)["TargetLogonId"], 16) for event in on.events if event.kind is LOGON]
    assert ids_given == [1_767_323_045_678_901, 1_767_323_045_678_902]


def test_who_acts_as_another_is_logged_on_as_that_other() -> None:
    on = logged(
        ldif=LDIF.replace("uid: u1\n", "uid: u1\nauthzTo: u:u2\n"), admins=("uid=u2,ou=people,dc=contoso,dc=com",)
    )
    on.digest(authzid="u:u2")
    assert ids(on) == [4776, 4624, 4672]
    assert on.records[0].account == "u1"
    assert (last(on)["SubjectUserName"], fields(on.events[0])["TargetUserName"]) == ("u2", "u2")


# EXTERNAL: no verdict about credentials, and a logon all the same


def test_a_certificate_logs_on_by_schannel() -> None:
    on = logged()
    on.session.secured(TLS(bytes(32), NAMED_IN_A_CERTIFICATE.der))
    assert on.bind(sasl(b"", "EXTERNAL")).result_code is ResultCode.SUCCESS
    assert ids(on) == [4624]
    event = last(on)
    assert (event["LogonProcessName"], event["AuthenticationPackageName"]) == ("Schannel", SCHANNEL)
    assert (event["TargetUserName"], event["WorkstationName"]) == ("u1", "-")
    on.send(UnbindRequest())
    assert last(on)["TargetLogonId"] == event["TargetLogonId"]


def test_a_process_logs_on_by_no_package() -> None:
    on = logged(process=Process(1000, 100))
    on.bind(sasl(b"", "EXTERNAL"))
    assert ids(on) == [4624]
    event = last(on)
    assert (event["LogonProcessName"], event["AuthenticationPackageName"]) == ("-", "-")
    assert (event["IpAddress"], event["IpPort"]) == ("-", "-")
    assert event["TargetUserName"] == "gidNumber=100+uidNumber=1000,cn=peercred,cn=external,cn=auth"


def test_what_reaches_no_verdict_is_no_failed_logon() -> None:
    on = logged()
    on.bind(sasl(b"", "EXTERNAL"))
    on.bind(sasl(None, "GSSAPI"))
    on.bind(simple(U1, b""))
    on.bind(simple())
    on.challenge()
    on.send(UnbindRequest())
    assert ids(on) == []


# 4625


def as_documented() -> dict[str, tuple[str, ...]]:
    """The table of `docs/audit.md`: Status, FailureReason and SubStatus of 4625 by the status of 4776."""
    text = AUDIT.read_text("utf-8").partition("## Events beside 4776")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (0x\w+)[^|]*\| (0x\w+) \| (%%\d+) \| (0x\w+) \|$", text, re.MULTILINE)
    return {row[0]: row[1:] for row in rows}


def test_every_status_has_its_failure_as_documented() -> None:
    assert set(LOGON_FAILURES) == set(Status)
    assert as_documented() == {
        status.hexadecimal: (f"0x{failure.status:x}", failure.failure_reason, f"0x{failure.sub_status:x}")
        for status, failure in LOGON_FAILURES.items()
    }


FAILED_DIGEST = {
    **{name: value for name, value in DIGEST_LOGON.items() if name in LOGON_FAILED.names},
    "TargetDomainName": "contoso.com",
    "Status": "0xc000006d",
    "FailureReason": "%%2313",
    "SubStatus": "0xc000006a",
}


def test_a_wrong_password_is_a_failed_logon() -> None:
    on = logged()
    on.digest(password="wrong")
    assert ids(on) == [4776, 4625]
    assert last(on) == FAILED_DIGEST
    on.bind(simple("u1", "wrong"))
    assert last(on) == FAILED_DIGEST | {
        "TargetDomainName": "-",
        "LogonProcessName": "Advapi  ",
        "AuthenticationPackageName": MSV1_0,
        "WorkstationName": "LDAP1",
    }


@pytest.mark.parametrize(
    ("sent", "name", "domain"),
    [
        ("nobody", "nobody", "-"),
        ("CONTOSO\\u1", "u1", "CONTOSO"),
        ("CONTOSO\\\\u1", "u1", "CONTOSO"),
        ("OTHER\\u1", "u1", "OTHER"),
        ("\\u1", "u1", "-"),
        ("u1@contoso.com", "u1@contoso.com", "-"),
        ("cn=a\\, b,dc=contoso,dc=com", "cn=a\\, b,dc=contoso,dc=com", "-"),
    ],
)
def test_who_failed_is_named_as_the_client_did(sent: str, name: str, domain: str) -> None:
    on = logged()
    on.bind(simple(sent, "wrong"))
    event = last(on)
    assert (event["TargetUserName"], event["TargetDomainName"]) == (name, domain)


def test_a_digest_names_the_domain_by_its_realm() -> None:
    on = logged()
    for realm, domain in ((None, "-"), ("", "-"), ("elsewhere", "elsewhere")):
        on.digest("stranger", realm=realm)
        assert last(on)["TargetDomainName"] == domain
        assert last(on)["SubStatus"] == "0xc0000064"


def test_who_may_not_act_as_another_is_not_logged_on() -> None:
    on = logged()
    on.digest(authzid="u:u2")
    assert ids(on) == [4776, 4625]
    assert on.records[0].status is Status.SUCCESS
    event = last(on)
    assert (event["Status"], event["FailureReason"], event["SubStatus"]) == ("0xc000015b", "%%2308", "0x0")


def test_long_names_are_cut() -> None:
    on = logged()
    on.bind(simple("x" * 5000, "wrong"))
    assert last(on)["TargetUserName"] == "x" * 2048


# 4740 and what stands against an account


class Judging(MemoryDirectory):
    """A directory that judges as it is told to."""

    judgement = Judgement()

    async def judge(self, account: Account | None, **rest: Any) -> Judgement:
        return self.judgement


def judging(judgement: Judgement, ldif: str = LDIF, **settings: Any) -> Stage:
    made = Judging([("stage", read_ldif(ldif, "stage"))], netbios="CONTOSO")
    made.judgement = judgement
    return stage(directory=made, **settings)


@pytest.mark.parametrize("logon_events", [False, True])
def test_a_lockout_is_told_behind_its_verdict_and_before_the_failed_logon(logon_events: bool) -> None:
    on = judging(Judgement(locked=True), logon_events=logon_events)
    on.digest("CONTOSO\\u1", "wrong")
    assert ids(on) == [4776, 4740] + [4625] * logon_events
    event = on.events[0]
    assert event.kind is LOCKED_OUT
    assert fields(event) == {
        "TargetUserName": "u1",
        "TargetDomainName": "LDAP1",
        "TargetSid": "S-1-0-0",
        "SubjectUserSid": "S-1-5-18",
        "SubjectUserName": "LDAP1$",
        "SubjectDomainName": "CONTOSO",
        "SubjectLogonId": "0x3e7",
    }


def test_a_lockout_names_the_caller_as_4776_does_and_the_next_bind_is_another() -> None:
    on = judging(Judgement(locked=True), workstation="client")
    on.bind(simple(U1, "wrong"))
    assert last(on)["TargetDomainName"] == on.records[0].workstation == "192.0.2.10"
    assert isinstance(on.service.directory, Judging)
    on.service.directory.judgement = Judgement()
    on.bind(simple(U1, "wrong"))
    assert ids(on) == [4776, 4740, 4776]


def test_a_lockout_by_a_subsequent_authentication_is_told() -> None:
    on = judging(Judgement(), remember=3600.0)
    challenge = on.challenge()
    on.bind(sasl(digest_response(challenge, "u1", "password")))
    assert isinstance(on.service.directory, Judging)
    on.service.directory.judgement = Judgement(locked=True)
    Stage(on.service, on.sink).bind(sasl(digest_response(challenge, "u1", "wrong", nc="00000002")))
    assert ids(on) == [4776, 4776, 4740]


def test_a_wrong_password_that_is_answered_by_a_challenge_is_a_failed_logon() -> None:
    on = logged(remember=3600.0)
    challenge = on.challenge()
    on.bind(sasl(digest_response(challenge, "u1", "password")))
    other = Stage(on.service, on.sink)
    answer = other.bind(sasl(digest_response(challenge, "u1", "wrong", nc="00000002")))
    assert answer.result_code is ResultCode.SASL_BIND_IN_PROGRESS
    assert ids(on) == [4776, 4624, 4776, 4625]


@pytest.mark.parametrize("status", AccountStatus)
def test_what_stands_against_an_account_is_why_the_logon_failed(status: AccountStatus) -> None:
    on = judging(Judgement(status), logon_events=True)
    on.digest()
    assert ids(on) == [4776, 4625]
    verdict = on.records[0].status
    assert verdict is not None
    assert last(on)["Status"] == f"0x{LOGON_FAILURES[verdict].status:x}"


def test_records_of_a_bind_are_of_one_moment_and_message() -> None:
    on = logged(admins=(U1,))
    on.digest()
    assert len({record.time_ns for record in on.sink.records}) == 1
    assert {record.message_id for record in on.sink.records} == {2}
    assert isinstance(on.sink.records[0], BindRecord)
