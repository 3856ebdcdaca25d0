"""A record as one line of JSON, shaped as winlogbeat writes Windows events (ECS), for existing consumers.

Rendered by template: the record is on the path of every bind, and `json.dumps` of it costs ten times as much. The
suite holds the template against `json`.
"""

from ldapserver.audit.json_event import ECS_VERSION, templates
from ldapserver.audit.json_event import string as _string
from ldapserver.audit.kinds import CREDENTIAL_VALIDATION
from ldapserver.audit.message import PARTS, Field, sentence
from ldapserver.audit.record import BindRecord, EventRecord, Record
from ldapserver.audit.status import BindReason
from ldapserver.audit.system import PROVIDER, PROVIDER_GUID, Execution, TimeText

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
_MESSAGE = "".join("%s" if isinstance(part, Field) else part for part in PARTS[CREDENTIAL_VALIDATION.event_id])


class JSONRenderer:
    """Renders records of one server; `computer` is the full name that the events carry."""

    def __init__(self, computer: str) -> None:
        execution = Execution.here()
        fixed = {
            "ecs": ECS_VERSION,
            "provider": PROVIDER,
            "guid": PROVIDER_GUID,
            "computer": _string(computer).replace("%", "%%"),
            "pid": execution.process_id,
            "thread": execution.thread_id,
        }
        self._event = _4776.format(**fixed)
        self._ldap_only = _LDAP_ONLY.format(**fixed)
        self._beside = templates(computer)
        self._time = TimeText()

    def line(self, record: Record, record_id: int) -> str:
        """The record as a line with its end; `record_id` goes into a Windows event and nowhere else."""
        if isinstance(record, EventRecord):
            return self._beside[record.kind.event_id].line(record, record_id, self._time.of(record.time_ns))
        source = _source(record)
        ldap = _ldap(record)
        status = record.status
        if status is None:
            if record.reason is BindReason.SUCCESS:
                outcome = "success"
            else:
                outcome = "unknown" if record.result_code is None else "failure"
            return self._ldap_only % (self._time.of(record.time_ns), outcome, _string(sentence(record)), source, ldap)
        account = _string(record.account)
        workstation = _string(record.workstation)
        outcome, keyword = ("failure", "Failure") if status else ("success", "Success")
        return self._event % (
            self._time.of(record.time_ns),
            outcome,
            _string(_MESSAGE % (record.package, record.account, record.workstation, f"0x{status:X}")),
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
