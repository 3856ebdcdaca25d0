"""A record as one line of JSON, shaped as winlogbeat writes Windows events (ECS), for existing consumers.

Rendered by template: the record is on the path of every bind, and `json.dumps` of it costs ten times as much. The
suite holds the template against `json`.
"""

import json
import os
import threading
import time
from typing import Protocol

from ldapserver.audit.record import BindRecord, EventRecord, Record
from ldapserver.audit.status import BindReason

ECS_VERSION = "1.12.0"
PROVIDER = "Microsoft-Windows-Security-Auditing"
PROVIDER_GUID = "{54849625-5478-4994-a5ba-3e3b0328c30d}"

_string = json.encoder.encode_basestring  # a JSON string literal, other scripts as they are

# Doubled braces are literal; the fields stand in the order of the contract's example.
_4776 = """\
{{"@timestamp":"%s","ecs":{{"version":"{ecs}"}},\
"event":{{"action":"credential-validated","category":["authentication"],"code":"4776","kind":"event",\
"module":"security","outcome":"%s","provider":"{provider}","type":["start"]}},\
"host":{{"name":{computer}}},"log":{{"level":"information"}},"message":%s,"related":{{"user":[%s]}},%s\
"user":{{"name":%s}},"winlog":{{"channel":"Security","computer_name":{computer},"event_data":{{"PackageName":"%s",\
"TargetUserName":%s,"Workstation":%s,"Status":"%s"}},"event_id":"4776","keywords":["Audit %s"],\
"logon":{{"failure":{{"status":"%s"}}}},"opcode":"Info","process":{{"pid":{pid},"thread":{{"id":{thread}}}}},\
"provider_guid":"{guid}","provider_name":"{provider}","record_id":"%d","task":"Credential Validation"}},"ldap":%s}}
"""
_LDAP_ONLY = """\
{{"@timestamp":"%s","ecs":{{"version":"{ecs}"}},"event":{{"action":"sasl-exchange","category":["authentication"],\
"code":"sasl-exchange","kind":"event","module":"ldap","outcome":"%s","type":["start"]}},\
"host":{{"name":{computer}}},"log":{{"level":"information"}},"message":%s,%s"ldap":%s}}
"""
_LDAP = (
    '{"connection":%d,"message_id":%d,"mechanism":%s,"realm":%s,"authzid":%s,"qop":%s,"cipher":%s,"digest_uri":%s,'
    '"result_code":%s,"tls":%s,"reason":%s,"detail":%s,"reading":%s}'
)
_MESSAGE = (
    "The computer attempted to validate the credentials for an account.\n\nAuthentication Package:\t%s\n"
    "Logon Account:\t%s\nSource Workstation:\t%s\nError Code:\t0x%X"
)


class Renderer(Protocol):
    """A form that records are written in, one line each."""

    def line(self, record: Record, record_id: int) -> str | None:
        """The record as a line with its end, None where this form has no place for it.

        `record_id` goes into a Windows event and nowhere else.
        """
        ...


class JSONRenderer:
    """Renders records of one server; `computer` is the full name that the events carry."""

    def __init__(self, computer: str) -> None:
        fixed = {
            "ecs": ECS_VERSION,
            "provider": PROVIDER,
            "guid": PROVIDER_GUID,
            "computer": _string(computer).replace("%", "%%"),
            "pid": os.getpid(),
            "thread": threading.get_native_id(),
        }
        self._event = _4776.format(**fixed)
        self._ldap_only = _LDAP_ONLY.format(**fixed)
        self._second = -1
        self._second_text = ""

    def line(self, record: Record, record_id: int) -> str:
        """The record as a line with its end; `record_id` goes into a Windows event and nowhere else."""
        if isinstance(record, EventRecord):
            return self._beside(record, record_id)
        source = _source(record)
        ldap = _ldap(record)
        status = record.status
        if status is None:
            if record.reason is BindReason.SUCCESS:
                outcome, message = (
                    "success",
                    f"A bind succeeded without a password: {record.detail or record.account}.",
                )
            else:
                outcome = "unknown" if record.result_code is None else "failure"
                message = f"A bind ended without a verdict: {record.detail or record.reason.value}."
            return self._ldap_only % (self._timestamp(record.time_ns), outcome, _string(message), source, ldap)
        account = _string(record.account)
        workstation = _string(record.workstation)
        outcome, keyword = ("failure", "Failure") if status else ("success", "Success")
        return self._event % (
            self._timestamp(record.time_ns),
            outcome,
            _string(_MESSAGE % (record.package, record.account, record.workstation, status)),
            account,
            source,
            account,
            record.package,
            account,
            workstation,
            f"0x{status:x}",
            keyword,
            status.words,
            record_id,
            ldap,
        )

    def _beside(self, record: EventRecord, record_id: int) -> str:
        kind = record.kind
        event = {"@timestamp": self._timestamp(record.time_ns), "event_id": kind.event_id, "record_id": record_id}
        return json.dumps(event | dict(zip(kind.names, record.data, strict=True))) + "\n"

    def _timestamp(self, time_ns: int) -> str:
        """UTC with seven digits of a second, as Windows has it."""
        second, rest = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second_text}.{rest // 100:07d}Z"


def _source(record: BindRecord) -> str:
    if record.source_ip is None:
        return ""
    return f'"source":{{"ip":{_string(record.source_ip)},"port":{record.source_port}}},'


def _ldap(record: BindRecord) -> str:
    return _LDAP % (
        record.connection,
        record.message_id,
        _string(record.mechanism),
        _or_null(record.realm),
        _or_null(record.authzid),
        _or_null(record.qop),
        _or_null(record.cipher),
        _or_null(record.digest_uri),
        "null" if record.result_code is None else int(record.result_code),
        "true" if record.tls else "false",
        "null" if record.reason is BindReason.SUCCESS else f'"{record.reason.value}"',
        _or_null(record.detail),
        _or_null(record.reading),
    )


def _or_null(text: str | None) -> str:
    return "null" if text is None else _string(text)
