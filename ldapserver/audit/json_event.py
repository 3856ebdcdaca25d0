"""Events as JSON: for each kind a template, made once from the shape that winlogbeat gives it.

Of 4776, which every bind writes, `json_form` has one of its own, with what `ldap` says of a bind; the one here is for
logs of Windows' form that are read back.

`process`, `related` and `source` depend on the record; the rest is fixed text with values in between. What
winlogbeat moves out of `winlog.event_data` into ECS fields (IpAddress, IpPort, WorkstationName, ProcessId,
ProcessName) stands at both places here, so that readers by either name find it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from ldapserver.audit.kinds import (
    CREDENTIAL_VALIDATION,
    LOCKED_OUT,
    LOGOFF,
    LOGON,
    LOGON_FAILED,
    SPECIAL_LOGON,
    Kind,
)
from ldapserver.audit.message import FORMS, PARTS, Field
from ldapserver.audit.record import EventRecord
from ldapserver.audit.system import CHANNEL, PROVIDER, PROVIDER_GUID, Execution

ECS_VERSION = "1.12.0"

quoted: Final = json.encoder.encode_basestring  # a JSON string literal, which is yet to be made `safe`
# What a terminal obeys (U+009B is ESC and [ in one), what ends a line to some readers, and what is no UTF-8.
_UNSAFE: Final = re.compile(r"[\x80-\x9f\u2028\u2029\ud800-\udfff]")


def string(text: str) -> str:
    """A JSON string literal; other scripts are as they are."""
    return safe(quoted(text))


def safe(text: str) -> str:
    """JSON that any reader of lines takes for one, and no terminal obeys."""
    return text if text.isascii() else _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_POINTER = re.compile("0x[0-9a-fA-F]{1,16}")
_PORT = re.compile("[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class _Text:
    """A JSON string with values in it."""

    parts: tuple[str | Field, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """JSON that is made for each record."""

    name: str


@dataclass(frozen=True, slots=True)
class _Members:
    """Members of the object it stands in, each with its comma, made for each record; there may be none."""

    made: _Made


# What is made for each record, in the order it stands behind the data.
_MADE = ("time", "record_id", "connection", "message_id", "privileges", "process", "related", "source")


class EventTemplate:
    """Renders the events of one kind; of 4776, whose `success` is None, those of one outcome.

    The kind may have another version and more names than ours, as those of a newer Windows do, in any order. Without
    `ldap` nothing is said of the connection and the message that an event belongs to.
    """

    def __init__(
        self, kind: Kind, computer: str, execution: Execution, *, success: bool | None = None, ldap: bool = True
    ) -> None:
        self._slots: list[Field | _Made] = []
        success = kind.success if success is None else success
        self._text = self._compiled(_shape(kind, computer, execution, success=success, ldap=ldap)) + "\n"
        forms = list(dict.fromkeys(slot for slot in self._slots if isinstance(slot, Field) and slot.form))
        # The values that a template is filled with: the data, the forms of them, what is made.
        places: list[Field | _Made] = [*map(Field, kind.names), *forms, *map(_Made, _MADE)]
        self._pick = itemgetter(*[places.index(slot) for slot in self._slots])
        self._forms = [(kind.names.index(field.name), FORMS[field.form]) for field in forms]
        self._logon = _Logon(kind) if kind.event_id in _LOGONS else None
        special = kind.event_id == SPECIAL_LOGON.event_id
        self._privileges = kind.names.index("PrivilegeList") if special else None

    def line(self, record: EventRecord, record_id: int, time: str) -> str:
        """The event as a line with its end; `time` is the text of the record's time."""
        data = record.data
        values = (*data, *[form(data[place]) for place, form in self._forms])
        joined = "".join(values)
        # Nearly always nothing has to be escaped, and one look at all of it is cheaper than one at each.
        if len(string(joined)) != len(joined) + 2:
            values = tuple([string(value)[1:-1] for value in values])
        process, related, source = ("", "", "") if self._logon is None else self._logon.made(data)
        privileges = "" if self._privileges is None else _array(data[self._privileges].split())
        line: str = self._text % self._pick(
            (
                *values,
                f'"{time}"',
                f'"{record_id}"',
                record.connection,
                "null" if record.message_id is None else record.message_id,
                privileges,
                process,
                related,
                source,
            )
        )
        return line

    def _compiled(self, shape: Any) -> str:
        """The shape as a template for %, its slots noted in order."""
        if isinstance(shape, _Made):
            self._slots.append(shape)
            return "%s"
        if isinstance(shape, Field):
            return self._compiled(_Text((shape,)))
        if isinstance(shape, _Text):
            text = ""
            for part in shape.parts:
                if isinstance(part, Field):
                    self._slots.append(part)
                    text += "%s"
                else:
                    text += _fixed(part)[1:-1]
            return f'"{text}"'
        if isinstance(shape, Mapping):
            members = ""
            for key, value in shape.items():
                if isinstance(value, _Members):
                    members += self._compiled(value.made)
                else:
                    members += f"{_fixed(key)}:{self._compiled(value)},"
            return "{" + members.removesuffix(",") + "}"
        if isinstance(shape, list):
            return "[" + ",".join([self._compiled(item) for item in shape]) + "]"
        return _fixed(shape)


def _fixed(value: str | int) -> str:
    text = string(value) if isinstance(value, str) else str(value)
    return text.replace("%", "%%")


def _array(items: list[str]) -> str:
    return "[" + ",".join([string(item) for item in items]) + "]"


class _Logon:
    """What a logon event says of process, address and people, as ECS has it."""

    def __init__(self, kind: Kind) -> None:
        names = ("ProcessId", "ProcessName", "IpAddress", "IpPort", "WorkstationName", "TargetUserName")
        self._pick = itemgetter(*[kind.names.index(name) for name in (*names, "SubjectUserName")])
        self._subject = kind.event_id == LOGON.event_id  # winlogbeat leaves the subject of a failed logon out

    def made(self, data: tuple[str, ...]) -> tuple[str, str, str]:
        """The values of `process` and `related`, and the member `source` or nothing."""
        pid, executable, ip, port, workstation, target, subject = self._pick(data)
        users = string(target)
        if self._subject and subject not in ("-", "", target):
            users += "," + string(subject)
        source = "" if workstation in ("-", "") else f'"domain":{string(workstation)},'
        related = ""
        if ip not in ("-", ""):
            source += f'"ip":{string(ip)},'
            related = f'"ip":[{string(ip)}],'
        if _PORT.fullmatch(port):
            source += f'"port":{int(port)},'
        return (
            _process(pid, executable),
            f'{{{related}"user":[{users}]}}',
            f'"source":{{{source[:-1]}}},' if source else "",
        )


@lru_cache(maxsize=64)  # a server logs on by one process
def _process(pid: str, executable: str) -> str:
    name = executable.rpartition("\\")[2]
    number = f',"pid":{int(pid, 16)}' if _POINTER.fullmatch(pid) else ""
    return f'{{"executable":{string(executable)},"name":{string(name)}{number}}}'


_SUBJECT = {"domain": Field("SubjectDomainName"), "id": Field("SubjectUserSid"), "name": Field("SubjectUserName")}
_TARGET = {"domain": Field("TargetDomainName"), "id": Field("TargetUserSid"), "name": Field("TargetUserName")}
_LOCKED = {"domain": Field("TargetDomainName"), "id": Field("TargetSid"), "name": Field("TargetUserName")}
_FAILURE = {
    "reason": Field("FailureReason", "words"),
    "status": Field("Status", "status"),
    "sub_status": Field("SubStatus", "status"),
}
_TYPE = {"type": Field("LogonType", "type")}
_SUBJECT_LOGON = {"id": Field("SubjectLogonId")}

_LOGONS = (LOGON.event_id, LOGON_FAILED.event_id)
_USER: dict[int, dict[str, Any]] = {
    CREDENTIAL_VALIDATION.event_id: {"name": Field("TargetUserName")},
    LOGON.event_id: _TARGET,
    LOGON_FAILED.event_id: _TARGET,
    LOGOFF.event_id: _TARGET,
    SPECIAL_LOGON.event_id: _SUBJECT,
    LOCKED_OUT.event_id: {**_SUBJECT, "target": _LOCKED},
}
_LOGON: dict[int, dict[str, Any]] = {
    CREDENTIAL_VALIDATION.event_id: {"failure": {"status": Field("Status", "status")}},
    LOGON.event_id: {**_SUBJECT_LOGON, **_TYPE},
    LOGON_FAILED.event_id: {"failure": _FAILURE, **_SUBJECT_LOGON, **_TYPE},
    LOGOFF.event_id: {"id": Field("TargetLogonId"), **_TYPE},
    SPECIAL_LOGON.event_id: _SUBJECT_LOGON,
    LOCKED_OUT.event_id: _SUBJECT_LOGON,
}
_RELATED: dict[int, dict[str, Any]] = {
    CREDENTIAL_VALIDATION.event_id: {"user": [Field("TargetUserName")]},
    LOGOFF.event_id: {"user": [Field("TargetUserName")]},
    SPECIAL_LOGON.event_id: {"user": [Field("SubjectUserName")]},
    LOCKED_OUT.event_id: {"user": [Field("SubjectUserName"), Field("TargetUserName")]},
}


def _shape(kind: Kind, computer: str, execution: Execution, *, success: bool | None, ldap: bool) -> dict[str, Any]:
    """The event as winlogbeat nests it, with Fields and what is made where a record has its own."""
    outcome, keyword = ("success", "Audit Success") if success else ("failure", "Audit Failure")
    logon = kind.event_id in _LOGONS
    data: dict[str, Field | _Made] = {name: Field(name) for name in kind.names}
    if kind.event_id == SPECIAL_LOGON.event_id:
        data["PrivilegeList"] = _Made("privileges")
    return {
        "@timestamp": _Made("time"),
        "ecs": {"version": ECS_VERSION},
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
        "message": _Text(PARTS[kind.event_id]),
        **({"process": _Made("process")} if logon else {}),
        "related": _Made("related") if logon else _RELATED[kind.event_id],
        **({"source": _Members(_Made("source"))} if logon else {}),
        "user": _USER[kind.event_id],
        "winlog": {
            "channel": CHANNEL,
            "computer_name": computer,
            "event_data": data,
            "event_id": str(kind.event_id),
            "keywords": [keyword],
            "logon": _LOGON[kind.event_id],
            "opcode": "Info",
            "process": {"pid": execution.process_id, "thread": {"id": execution.thread_id}},
            "provider_guid": PROVIDER_GUID,
            "provider_name": PROVIDER,
            "record_id": _Made("record_id"),
            "task": kind.task_name,
            **({"version": kind.version} if kind.version else {}),
        },
        **({"ldap": {"connection": _Made("connection"), "message_id": _Made("message_id")}} if ldap else {}),
    }


def user_and_logon(event_id: int, data: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The objects `user` and `winlog.logon` of an event, as far as its data say them."""
    return _filled(_USER.get(event_id, {}), data), _filled(_LOGON.get(event_id, {}), data)


def _filled(shape: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for key, value in shape.items():
        if not isinstance(value, Field):
            filled[key] = _filled(value, data)
        elif value.name in data:
            text = data[value.name]
            filled[key] = FORMS[value.form](text) if value.form else text
    return {key: value for key, value in filled.items() if value != {}}


def templates(computer: str) -> dict[int, EventTemplate]:
    """A template for each kind, by event id."""
    execution = Execution.here()
    kinds = (LOGON, LOGON_FAILED, LOGOFF, SPECIAL_LOGON, LOCKED_OUT)
    return {kind.event_id: EventTemplate(kind, computer, execution) for kind in kinds}
