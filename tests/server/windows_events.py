"""One record of each kind of Windows event, as this server writes them, and records with anything at all in them."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ldapserver.audit.kinds import (
    CREDENTIAL_VALIDATION,
    KINDS,
    LOCKED_OUT,
    LOGOFF,
    LOGON,
    LOGON_FAILED,
    SPECIAL_LOGON,
    Kind,
)
from ldapserver.audit.record import WDIGEST, BindRecord, EventRecord, Record
from ldapserver.audit.status import Status
from ldapserver.wire.messages import ResultCode
from sasl_digest import Reason

_VECTORS = Path(__file__).parents[1] / "vectors"
WINDOWS: dict[str, Any] = json.loads((_VECTORS / "windows_events.json").read_text("utf-8"))
WINLOGBEAT: dict[str, Any] = json.loads((_VECTORS / "winlogbeat.json").read_text("utf-8"))

SID = "S-1-5-21-1004336348-1177238915-682003330-1104"
_NOBODY = {
    "SubjectUserSid": "S-1-0-0",
    "SubjectUserName": "-",
    "SubjectDomainName": "-",
    "SubjectLogonId": "0x0",
}
_NETWORK = {
    "LogonType": "3",
    "LogonProcessName": "WDIGEST",
    "AuthenticationPackageName": "WDigest",
    "WorkstationName": "LDAP1",
    "TransmittedServices": "-",
    "LmPackageName": "-",
    "KeyLength": "0",
    "ProcessId": "0x0",
    "ProcessName": "-",
    "IpAddress": "192.0.2.10",
    "IpPort": "50123",
}
_ACCOUNT = {"TargetUserSid": SID, "TargetUserName": "u1", "TargetDomainName": "CONTOSO"}


def event(kind: Kind, values: dict[str, str]) -> EventRecord:
    """A record of this kind; the values by name, whatever their order, and no others than the kind has."""
    assert set(values) == set(kind.names)
    return EventRecord(
        time_ns=1_767_323_045_678_901_299,
        kind=kind,
        data=tuple(values[name] for name in kind.names),
        connection=12,
        message_id=None if kind is LOGOFF else 2,
        source_ip="192.0.2.10",
        source_port=50123,
    )


VALIDATED = BindRecord(
    time_ns=1_767_323_045_678_901_299,
    status=Status.WRONG_PASSWORD,
    package=WDIGEST,
    account="u1",
    workstation="LDAP1",
    source_ip="192.0.2.10",
    source_port=50123,
    connection=12,
    message_id=2,
    mechanism="DIGEST-MD5",
    realm="CONTOSO",
    authzid=None,
    qop="auth",
    cipher=None,
    digest_uri="ldap/dc1.contoso.com",
    result_code=ResultCode.INVALID_CREDENTIALS,
    reason=Reason.WRONG_PASSWORD,
    detail=None,
    tls=False,
)
LOGGED_ON = event(
    LOGON,
    {
        **_NOBODY,
        **_ACCOUNT,
        **_NETWORK,
        "TargetLogonId": "0x1a2b3c",
        "LogonGuid": "{00000000-0000-0000-0000-000000000000}",
        "ImpersonationLevel": "%%1833",
        "RestrictedAdminMode": "-",
        "TargetOutboundUserName": "-",
        "TargetOutboundDomainName": "-",
        "VirtualAccount": "%%1843",
        "TargetLinkedLogonId": "0x0",
        "ElevatedToken": "%%1842",
    },
)
FAILED = event(
    LOGON_FAILED,
    {
        **_NOBODY,
        **_ACCOUNT,
        **_NETWORK,
        "TargetUserSid": "S-1-0-0",
        "Status": "0xc000006d",
        "FailureReason": "%%2313",
        "SubStatus": "0xc000006a",
    },
)
LOGGED_OFF = event(LOGOFF, {**_ACCOUNT, "TargetLogonId": "0x1a2b3c", "LogonType": "3"})
SPECIAL = event(
    SPECIAL_LOGON,
    {
        "SubjectUserSid": SID,
        "SubjectUserName": "u1",
        "SubjectDomainName": "CONTOSO",
        "SubjectLogonId": "0x1a2b3c",
        "PrivilegeList": "SeSecurityPrivilege\n\t\t\tSeBackupPrivilege\n\t\t\tSeRestorePrivilege",
    },
)
LOCKED = event(
    LOCKED_OUT,
    {
        "TargetUserName": "u1",
        "TargetDomainName": "LDAP1",
        "TargetSid": SID,
        "SubjectUserSid": "S-1-5-18",
        "SubjectUserName": "DC1$",
        "SubjectDomainName": "CONTOSO",
        "SubjectLogonId": "0x3e7",
    },
)
EXAMPLES: dict[int, Record] = {
    CREDENTIAL_VALIDATION.event_id: VALIDATED,
    LOGON.event_id: LOGGED_ON,
    LOGON_FAILED.event_id: FAILED,
    LOGOFF.event_id: LOGGED_OFF,
    SPECIAL_LOGON.event_id: SPECIAL,
    LOCKED_OUT.event_id: LOCKED,
}

HOSTILE = (
    *("", "-", '"', "\\", '\\"', "a\\", "\\\\", "a\nb", "\r\n", "\t", "\0", "\x01\x1f\x7f", "%s", "%", "%%2313"),
    *("%(x)s", "{0}", "{computer}", "</Data>", "]]>", "&amp;", "&#0;", "<!--", "'", '","record_id":"9', "\\x00"),
    *("_x0000_", "_x005F_", "_x00", "_", "x0000_", "_x0000", "0x", "0XC000006D", "0xc000006a", "-1", "00080", "٣"),
    *("jürgen", "Жора", "山田", "\U0001f600", "\u2028\u2029", "\x85", "\ufeff", "\ufffe", "\uffff", "\u202e"),
)
TEXT = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
BESIDE = tuple(kind for kind in KINDS.values() if kind is not CREDENTIAL_VALIDATION)


@st.composite
def events(draw: st.DrawFn, text: st.SearchStrategy[str] = TEXT) -> EventRecord:
    """An event of any kind beside 4776 with any text in any place."""
    kind = draw(st.sampled_from(BESIDE))
    example = EXAMPLES[kind.event_id]
    assert isinstance(example, EventRecord)
    return EventRecord(
        time_ns=draw(st.integers(0, 4_000_000_000 * 10**9)),
        kind=kind,
        data=tuple(draw(st.just(value) | text) for value in example.data),
        connection=draw(st.integers(1, 2**40)),
        message_id=draw(st.none() | st.integers(1, 2**31 - 1)),
        source_ip=None,
        source_port=None,
    )
