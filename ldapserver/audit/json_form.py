"""A record as one line of JSON, shaped as winlogbeat writes Windows events (ECS), for existing consumers.

Rendered by template: the record is on the path of every bind, and `json.dumps` of it costs ten times as much. The
suite holds the template against `json`.
"""

from ldapserver.audit.json_event import ECS_VERSION, quoted, safe, templates
from ldapserver.audit.kinds import CREDENTIAL_VALIDATION
from ldapserver.audit.message import FORMS, PARTS, sentence
from ldapserver.audit.record import BindRecord, EventRecord, Record
from ldapserver.audit.status import BindReason, Status
from ldapserver.audit.system import PROVIDER, PROVIDER_GUID, Execution, TimeText

# Doubled braces are literal; the fields stand in the order of the contract's example.
_LDAP = """\
{{"connection":%d,"message_id":%d,"mechanism":%s,"realm":%s,"authzid":%s,"qop":%s,"cipher":%s,"digest_uri":%s,\
"result_code":%s,"tls":%s,"reason":%s,"detail":%s,"reading":%s}}\
"""
_4776 = """\
{{"@timestamp":"%s","ecs":{{"version":"{ecs}"}},\
"event":{{"action":"credential-validated","category":["authentication"],"code":"4776","kind":"event",\
"module":"security","outcome":"{outcome}","provider":"{provider}","type":["start"]}},\
"host":{{"name":{computer}}},"log":{{"level":"information"}},"message":"{message}","related":{{"user":["%s"]}},%s\
"user":{{"name":"%s"}},"winlog":{{"channel":"Security","computer_name":{computer},\
"event_data":{{"PackageName":"%s","TargetUserName":"%s","Workstation":"%s","Status":"{status.hexadecimal}"}},\
"event_id":"4776","keywords":["Audit {keyword}"],"logon":{{"failure":{{"status":"{status.words}"}}}},\
"opcode":"Info","process":{{"pid":{pid},"thread":{{"id":{thread}}}}},"provider_guid":"{guid}",\
"provider_name":"{provider}","record_id":"%d","task":"Credential Validation"}},"ldap":{ldap}}}
"""
_LDAP_ONLY = """\
{{"@timestamp":"%s","ecs":{{"version":"{ecs}"}},"event":{{"action":"sasl-exchange","category":["authentication"],\
"code":"sasl-exchange","kind":"event","module":"ldap","outcome":"%s","type":["start"]}},\
"host":{{"name":{computer}}},"log":{{"level":"information"}},"message":%s,%s"ldap":{ldap}}}
"""


class JSONRenderer:
    """Renders records of one server; `computer` is the full name that the events carry."""

    def __init__(self, computer: str) -> None:
        execution = Execution.here()
        fixed = {
            "ecs": ECS_VERSION,
            "provider": PROVIDER,
            "guid": PROVIDER_GUID,
            "computer": quoted(computer).replace("%", "%%"),
            "pid": execution.process_id,
            "thread": execution.thread_id,
            "ldap": _LDAP.format(),
        }
        self._events = {
            status: _4776.format(
                status=status,
                message=_message(status),
                outcome="failure" if status else "success",
                keyword="Failure" if status else "Success",
                **fixed,
            )
            for status in Status
        }
        self._ldap_only = _LDAP_ONLY.format(**fixed)
        self._beside = templates(computer)
        self._time = TimeText()

    def line(self, record: Record, record_id: int) -> str:
        """The record as a line with its end; `record_id` goes into a Windows event and nowhere else."""
        time = self._time.of(record.time_ns)
        if isinstance(record, EventRecord):
            return self._beside[record.kind.event_id].line(record, record_id, time)
        source = _source(record)
        status = record.status
        if status is None:
            if record.reason is BindReason.SUCCESS:
                outcome = "success"
            else:
                outcome = "unknown" if record.result_code is None else "failure"
            return safe(self._ldap_only % (time, outcome, quoted(sentence(record)), source, *_ldap(record)))
        package = record.package
        account = quoted(record.account)[1:-1]
        workstation = quoted(record.workstation)[1:-1]
        return safe(
            self._events[status]
            % (
                time,
                *(package, account, workstation),  # in the message
                account,
                source,
                account,
                *(package, account, workstation),
                record_id,
                *_ldap(record),
            )
        )


def _message(status: Status) -> str:
    """The text of a 4776 inside its quotation marks, with places for package, account and workstation."""
    text = "".join(
        part if isinstance(part, str) else "%s" if not part.form else FORMS[part.form](status.hexadecimal)
        for part in PARTS[CREDENTIAL_VALIDATION.event_id]
    )
    return quoted(text)[1:-1]


def _source(record: BindRecord) -> str:
    if record.source_ip is None:
        return ""
    return f'"source":{{"ip":{quoted(record.source_ip)},"port":{record.source_port}}},'


def _ldap(record: BindRecord) -> tuple[object, ...]:
    realm, authzid, digest_uri = record.realm, record.authzid, record.digest_uri
    qop, cipher, detail, reading = record.qop, record.cipher, record.detail, record.reading
    return (
        record.connection,
        record.message_id,
        quoted(record.mechanism),
        "null" if realm is None else quoted(realm),
        "null" if authzid is None else quoted(authzid),
        "null" if qop is None else quoted(qop),
        "null" if cipher is None else quoted(cipher),
        "null" if digest_uri is None else quoted(digest_uri),
        "null" if record.result_code is None else int(record.result_code),
        "true" if record.tls else "false",
        "null" if record.reason is BindReason.SUCCESS else f'"{record.reason.value}"',
        "null" if detail is None else quoted(detail),
        "null" if reading is None else quoted(reading),
    )
