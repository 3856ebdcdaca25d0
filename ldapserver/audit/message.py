"""The rendered text of a record: labels and values as the Event Viewer lays them out, for people to read.

A label, a colon, tabs and a value; groups apart by an empty line, members one tab in. Codes stand in upper case here
and in lower case in the data; what Windows keeps as a message number (`%%2313`) is in words. The paragraphs of
explanation that Windows adds under each event are left out.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass

from ldapserver.audit.kinds import (
    CREDENTIAL_VALIDATION,
    LOCKED_OUT,
    LOGOFF,
    LOGON,
    LOGON_FAILED,
    SPECIAL_LOGON,
    Kind,
)
from ldapserver.audit.record import BindRecord, EventRecord, Record
from ldapserver.audit.status import BindReason, Status

_SUBJECT = (
    "Subject:\n\tSecurity ID:\t\t{SubjectUserSid}\n\tAccount Name:\t\t{SubjectUserName}\n"
    "\tAccount Domain:\t\t{SubjectDomainName}\n\tLogon ID:\t\t{SubjectLogonId:code}\n\n"
)
_NETWORK = (
    "Network Information:\n\tWorkstation Name:\t{WorkstationName}\n\tSource Network Address:\t{IpAddress}\n"
    "\tSource Port:\t\t{IpPort}\n\n"
)
_AUTHENTICATION = (
    "Detailed Authentication Information:\n\tLogon Process:\t\t{LogonProcessName}\n"
    "\tAuthentication Package:\t{AuthenticationPackageName}\n\tTransited Services:\t{TransmittedServices}\n"
    "\tPackage Name (NTLM only):\t{LmPackageName}\n\tKey Length:\t\t{KeyLength}"
)

# By event id. A field is named as in the event's data; `:code` and `:words` are forms, see FORMS.
LAYOUTS: dict[int, str] = {
    CREDENTIAL_VALIDATION.event_id: (
        "The computer attempted to validate the credentials for an account.\n\n"
        "Authentication Package:\t{PackageName}\nLogon Account:\t{TargetUserName}\n"
        "Source Workstation:\t{Workstation}\nError Code:\t{Status:code}"
    ),
    LOGON.event_id: (
        "An account was successfully logged on.\n\n" + _SUBJECT + "Logon Information:\n\tLogon Type:\t\t{LogonType}\n"
        "\tRestricted Admin Mode:\t{RestrictedAdminMode:words}\n\tVirtual Account:\t\t{VirtualAccount:words}\n"
        "\tElevated Token:\t\t{ElevatedToken:words}\n\n"
        "Impersonation Level:\t\t{ImpersonationLevel:words}\n\n"
        "New Logon:\n\tSecurity ID:\t\t{TargetUserSid}\n\tAccount Name:\t\t{TargetUserName}\n"
        "\tAccount Domain:\t\t{TargetDomainName}\n\tLogon ID:\t\t{TargetLogonId:code}\n"
        "\tLinked Logon ID:\t\t{TargetLinkedLogonId:code}\n\tNetwork Account Name:\t{TargetOutboundUserName}\n"
        "\tNetwork Account Domain:\t{TargetOutboundDomainName}\n\tLogon GUID:\t\t{LogonGuid}\n\n"
        "Process Information:\n\tProcess ID:\t\t{ProcessId}\n\tProcess Name:\t\t{ProcessName}\n\n"
        + _NETWORK
        + _AUTHENTICATION
    ),
    LOGON_FAILED.event_id: (
        "An account failed to log on.\n\n" + _SUBJECT + "Logon Type:\t\t\t{LogonType}\n\n"
        "Account For Which Logon Failed:\n\tSecurity ID:\t\t{TargetUserSid}\n\tAccount Name:\t\t{TargetUserName}\n"
        "\tAccount Domain:\t\t{TargetDomainName}\n\n"
        "Failure Information:\n\tFailure Reason:\t\t{FailureReason:words}\n\tStatus:\t\t\t{Status:code}\n"
        "\tSub Status:\t\t{SubStatus:code}\n\n"
        "Process Information:\n\tCaller Process ID:\t{ProcessId}\n\tCaller Process Name:\t{ProcessName}\n\n"
        + _NETWORK
        + _AUTHENTICATION
    ),
    LOGOFF.event_id: (
        "An account was logged off.\n\n"
        "Subject:\n\tSecurity ID:\t\t{TargetUserSid}\n\tAccount Name:\t\t{TargetUserName}\n"
        "\tAccount Domain:\t\t{TargetDomainName}\n\tLogon ID:\t\t{TargetLogonId:code}\n\n"
        "Logon Type:\t\t\t{LogonType}"
    ),
    SPECIAL_LOGON.event_id: (
        "Special privileges assigned to new logon.\n\n" + _SUBJECT + "Privileges:\t\t{PrivilegeList}"
    ),
    LOCKED_OUT.event_id: (
        "A user account was locked out.\n\n"
        + _SUBJECT
        + "Account That Was Locked Out:\n\tSecurity ID:\t\t{TargetSid}\n"
        "\tAccount Name:\t\t{TargetUserName}\n\n"
        "Additional Information:\n\tCaller Computer Name:\t{TargetDomainName}"
    ),
}


class _Words(dict[str, str]):
    """What a value says in words; a value without words says itself."""

    def __missing__(self, value: str) -> str:
        return value


# The text of Windows' own message table for these numbers.
PARAMETERS = _Words(
    {
        "%%1832": "Identification",
        "%%1833": "Impersonation",
        "%%1840": "Delegation",
        "%%1842": "Yes",
        "%%1843": "No",
        "%%2304": "An Error occured during Logon.",  # so spelt
        "%%2305": "The specified user account has expired.",
        "%%2306": "The NetLogon component is not active.",
        "%%2307": "Account locked out.",
        "%%2308": "The user has not been granted the requested logon type at this machine.",
        "%%2309": "The specified account's password has expired.",
        "%%2310": "Account currently disabled.",
        "%%2311": "Account logon time restriction violation.",
        "%%2312": "User not allowed to logon at this computer.",
        "%%2313": "Unknown user name or bad password.",
    }
)
LOGON_TYPES = _Words(
    {
        "0": "System",
        "2": "Interactive",
        "3": "Network",
        "4": "Batch",
        "5": "Service",
        "7": "Unlock",
        "8": "NetworkCleartext",
        "9": "NewCredentials",
        "10": "RemoteInteractive",
        "11": "CachedInteractive",
        "12": "CachedRemoteInteractive",
        "13": "CachedUnlock",
    }
)
STATUSES = _Words(
    {
        **{status.hexadecimal: status.words for status in Status},
        # What 4625 alone says: of a name or a password, and of a right to log on.
        "0xc000006d": "Bad user name or authentication information",
        "0xc000015b": "Logon type not granted",
    }
)


def code(value: str) -> str:
    """The hexadecimal number as text has it: upper case behind the `0x`."""
    return "0x" + value[2:].upper() if value.startswith("0x") else value


# How a value may be shown, by the name that a field has behind its colon.
FORMS: dict[str, Callable[[str], str]] = {
    "code": code,
    "words": PARAMETERS.__getitem__,
    "type": LOGON_TYPES.__getitem__,
    "status": STATUSES.__getitem__,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A value of an event's data by its name; `form` is a key of FORMS, or empty for the value as it is."""

    name: str
    form: str = ""


def parts(layout: str) -> tuple[str | Field, ...]:
    """The layout in pieces: what is fixed, and the fields between."""
    pieces: list[str | Field] = []
    for literal, name, form, _ in string.Formatter().parse(layout):
        if literal:
            pieces.append(literal)
        if name is not None:
            pieces.append(Field(name, form or ""))
    return tuple(pieces)


PARTS = {event_id: parts(layout) for event_id, layout in LAYOUTS.items()}


def message(record: Record) -> str:
    """The text of the record, without an end of line; for one that is no Windows event a sentence."""
    if isinstance(record, BindRecord) and record.status is None:
        return sentence(record)
    kind, data = event_data(record)
    values = dict(zip(kind.names, data, strict=True))
    return "".join(
        part if isinstance(part, str) else FORMS[part.form](values[part.name]) if part.form else values[part.name]
        for part in PARTS[kind.event_id]
    )


def event_data(record: Record) -> tuple[Kind, tuple[str, ...]]:
    """The kind of Windows event and its data in order. Raises ValueError for a record that is none."""
    if isinstance(record, EventRecord):
        return record.kind, record.data
    if record.status is None:
        raise ValueError("the record of a bind without a verdict is no Windows event")
    return CREDENTIAL_VALIDATION, (record.package, record.account, record.workstation, record.status.hexadecimal)


def sentence(record: BindRecord) -> str:
    """What is said of a bind without a verdict about credentials."""
    if record.reason is BindReason.SUCCESS:
        return f"A bind succeeded without a password: {record.detail or record.account}."
    return f"A bind ended without a verdict: {record.detail or record.reason.value}."
