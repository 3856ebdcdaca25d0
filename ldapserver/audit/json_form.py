"""A record as a line of JSON, shaped as winlogbeat writes Windows events (ECS), for existing consumers.

Rendered from pieces: the record is on the path of every bind, and `json.dumps` of it costs ten times as much. The
suite holds what is rendered against `json`.
"""

from typing import Final

from ldapserver.audit.json_event import ECS_VERSION, quoted, safe, templates
from ldapserver.audit.kinds import CREDENTIAL_VALIDATION
from ldapserver.audit.message import PARTS, code, sentence
from ldapserver.audit.record import BindRecord, EventRecord, Record
from ldapserver.audit.status import BindReason, Status
from ldapserver.audit.system import PROVIDER, PROVIDER_GUID, Execution, TimeText

# What lines have in common is kept for the next, but strangers choose realms and the like, and must not fill the
# memory with them. A server meets some dozens, of about 200 characters.
MAX_KEPT: Final = 256  # lines
MAX_END: Final = 512  # characters behind the number of the message, where all of that is
MAX_ORIGINS: Final = 1024  # connections, with about 400 octets each

# Doubled braces are literal; the fields stand in the order of the contract's example. What each record has of its own
# goes in at the slots.
_SLOT: Final = "\0"  # JSON text never has it
_4776: Final = """\
{{"@timestamp":"{slot}Z","ecs":{{"version":"{ecs}"}},\
"event":{{"action":"credential-validated","category":["authentication"],"code":"4776","kind":"event",\
"module":"security","outcome":"{outcome}","provider":"{provider}","type":["start"]}},\
"host":{{"name":{computer}}},"log":{{"level":"information"}},"message":"{message}","related":{{"user":[{slot}]}},\
{slot}"user":{{"name":{slot}}},"winlog":{{"channel":"Security","computer_name":{computer},\
"event_data":{{"PackageName":{package},"TargetUserName":{slot},"Workstation":{slot},\
"Status":"{status.hexadecimal}"}},"event_id":"4776","keywords":["Audit {keyword}"],\
"logon":{{"failure":{{"status":"{status.words}"}}}},"opcode":"Info",\
"process":{{"pid":{pid},"thread":{{"id":{thread}}}}},"provider_guid":"{guid}","provider_name":"{provider}",\
"record_id":"{slot}","task":"Credential Validation"}},"ldap":{{"connection":\
"""
_LDAP_ONLY: Final = """\
{{"@timestamp":"{slot}Z","ecs":{{"version":"{ecs}"}},"event":{{"action":"sasl-exchange",\
"category":["authentication"],"code":"sasl-exchange","kind":"event","module":"ldap","outcome":"{slot}",\
"type":["start"]}},"host":{{"name":{computer}}},"log":{{"level":"information"}},"message":{slot},{slot}\
"ldap":{{"connection":\
"""


class _Origin:
    """What lines have of the connection, as JSON; and what that was made of."""

    __slots__ = ("connection", "made_of", "source", "workstation_inside", "workstation_quoted")

    def __init__(self, record: BindRecord) -> None:
        ip, port = record.source_ip, record.source_port
        self.made_of = ip, port, record.workstation
        self.source = "" if ip is None or port is None else f'"source":{{"ip":{quoted(ip)},"port":{port}}},'
        self.workstation_quoted = quoted(record.workstation)
        self.workstation_inside = self.workstation_quoted[1:-1]
        self.connection = f'{record.connection},"message_id":'


class JSONRenderer:
    """Renders records of one server; `computer` is the full name that the events carry."""

    def __init__(self, computer: str) -> None:
        execution = Execution.here()
        self._fixed: dict[str, object] = {
            "slot": _SLOT,
            "ecs": ECS_VERSION,
            "provider": PROVIDER,
            "guid": PROVIDER_GUID,
            "computer": quoted(computer),
            "pid": execution.process_id,
            "thread": execution.thread_id,
        }
        self._verdicts: dict[tuple[Status, str], list[str]] = {}
        self._ldap_only = _LDAP_ONLY.format(**self._fixed).split(_SLOT)
        self._beside = templates(computer)
        self._time = TimeText()
        # By what they are made of: the pieces of a line with a verdict, which most binds share with many before them.
        self._kept: dict[tuple[object, ...], tuple[str, ...]] = {}
        self._key_before: tuple[object, ...] = ()  # of the line before, and its pieces
        self._pieces_before: tuple[str, ...] = ()
        self._origins: dict[int, _Origin] = {}  # by number of the connection

    def line(self, record: Record, record_id: int) -> str:
        """The record as a line with its end; `record_id` goes into a Windows event and nowhere else."""
        if isinstance(record, EventRecord):
            return self._beside[record.kind.event_id].line(record, record_id, self._time.of(record.time_ns))
        origin = self._origins.get(record.connection)
        # Two servers that write to one log may have connections of one number.
        if origin is None or origin.made_of != (record.source_ip, record.source_port, record.workstation):
            origin = self._origin(record)
        if record.status is None:
            return self._without_verdict(record, origin)
        key: tuple[object, ...] = (
            record.status,
            record.package,
            record.mechanism,
            record.realm,
            record.authzid,
            record.qop,
            record.cipher,
            record.digest_uri,
            record.result_code,
            record.reason,
            record.detail,
            record.tls,
            record.reading,
        )
        # Most often it is that of the line before, which is seen sooner than a key is found.
        if key != self._key_before:
            self._pieces_before = self._pieces(key, record, record.status)
            self._key_before = key
        second, digits = self._time.parts(record.time_ns)
        account = quoted(record.account)
        inside = account[1:-1]
        # In their order, each but the last before what this record has of its own.
        a, b, c, d, e, f, g, h, i, j, end = self._pieces_before
        line = (
            f"{a}{second}{digits}{b}{inside}{c}{origin.workstation_inside}{d}{account}{e}{origin.source}{f}{account}"
            f"{g}{account}{h}{origin.workstation_quoted}{i}{record_id}{j}{origin.connection}{record.message_id}{end}"
        )
        return line if line.isascii() else safe(line)

    def _origin(self, record: BindRecord) -> _Origin:
        """Of the record's connection, kept: most connections bind again."""
        if len(self._origins) >= MAX_ORIGINS:
            self._origins.clear()
        origin = self._origins[record.connection] = _Origin(record)
        return origin

    def _without_verdict(self, record: BindRecord, origin: _Origin) -> str:
        if record.reason is BindReason.SUCCESS:
            outcome = "success"
        else:
            outcome = "unknown" if record.result_code is None else "failure"
        second, digits = self._time.parts(record.time_ns)
        a, b, c, d, e = self._ldap_only
        return safe(
            f"{a}{second}{digits}{b}{outcome}{c}{quoted(sentence(record))}{d}{origin.source}{e}"
            f"{origin.connection}{record.message_id}{_end(record)}"
        )

    def _pieces(self, key: tuple[object, ...], record: BindRecord, status: Status) -> tuple[str, ...]:
        """The pieces of this record's line, kept for others that are like it."""
        pieces = self._kept.get(key)
        if pieces is not None:
            return pieces
        verdict = self._verdicts.get((status, record.package))
        if verdict is None:
            # Their packages are the server's own, and few.
            verdict = self._verdicts[status, record.package] = self._verdict(status, record.package)
        end = _end(record)
        pieces = (*verdict, end)
        if len(end) <= MAX_END:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[key] = pieces
        return pieces

    def _verdict(self, status: Status, package: str) -> list[str]:
        """The pieces of a 4776 up to the number of the connection."""
        text = _4776.format(
            status=status,
            package=quoted(package),
            message=_message(status, package),
            outcome="failure" if status else "success",
            keyword="Failure" if status else "Success",
            **self._fixed,
        )
        return text.split(_SLOT)


def _message(status: Status, package: str) -> str:
    """The text of a 4776 inside its quotation marks, with slots for account and workstation."""
    values = {
        "PackageName": quoted(package)[1:-1],
        "TargetUserName": _SLOT,
        "Workstation": _SLOT,
        "Status": code(status.hexadecimal),
    }
    return "".join(
        quoted(part)[1:-1] if isinstance(part, str) else values[part.name]
        for part in PARTS[CREDENTIAL_VALIDATION.event_id]
    )


def _end(record: BindRecord) -> str:
    """The end of a line, behind the number of the message."""
    result_code, reason = record.result_code, record.reason
    return (
        f',"mechanism":{quoted(record.mechanism)},"realm":{_or_null(record.realm)}'
        f',"authzid":{_or_null(record.authzid)},"qop":{_or_null(record.qop)},"cipher":{_or_null(record.cipher)}'
        f',"digest_uri":{_or_null(record.digest_uri)}'
        f',"result_code":{"null" if result_code is None else int(result_code)}'
        f',"tls":{"true" if record.tls else "false"}'
        f',"reason":{"null" if reason is BindReason.SUCCESS else quoted(reason.value)}'
        f',"detail":{_or_null(record.detail)},"reading":{_or_null(record.reading)}}}}}\n'
    )


def _or_null(text: str | None) -> str:
    return "null" if text is None else quoted(text)
