"""Windows events that were read from XML, as the JSON that our own server writes for them, as far as XML says it.

XML has no `ldap`, and of a 4776 no `source`: what was never written cannot be read back.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from ldapserver.audit.json_event import ECS_VERSION, EventTemplate, safe, user_and_logon
from ldapserver.audit.kinds import KINDS
from ldapserver.audit.record import EventRecord
from ldapserver.audit.system import CHANNEL, PROVIDER, PROVIDER_GUID, Execution
from ldapserver.audit.xml_form import unescaped
from ldapserver.viewer.event import SUCCESS, UNKNOWN, Event
from ldapserver.viewer.xml_form import parts

_KINDS = {str(event_id): kind for event_id, kind in KINDS.items()}
_INFO = "0"  # the opcode that all events of the security log have
_NUMBER = re.compile("[0-9]{1,20}")


def json_of(event: Event) -> str:
    """The record as a line of JSON: as it is where it is JSON, else in winlogbeat's shape; and which log it is of, if
    that is known, as `log.file.path` of the Elastic Common Schema.
    """
    text = event.text if event.text.startswith("{") else _of_xml(event)
    return text if event.log is None else _naming(text, event.log)


def _naming(text: str, log: str) -> str:
    value = json.loads(text)
    about = value.get("log")
    value["log"] = {**(about if isinstance(about, dict) else {}), "file": {"path": log}}
    return safe(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _of_xml(event: Event) -> str:
    elements, data = parts(ET.fromstring(event.text))
    system = _System.of(elements)
    time = f"{event.time.removesuffix('00')}Z"  # seven digits of a second where there are no more
    kind = _KINDS.get(event.code)
    if kind is None or not data.keys() >= set(kind.names) or not system.is_whole or event.outcome == UNKNOWN:
        return _as_far_as_known(event, time, system, data)
    template = _template(kind.event_id, event.outcome == SUCCESS, tuple(data), system.writer)
    record = EventRecord(0, kind, tuple(data.values()), 0, None, None, None)
    return template.line(record, int(system.record_id or 0), time)


@dataclass(frozen=True, slots=True)
class _Writer:
    """What all events of one kind have in common that one process writes; None for what is not said."""

    provider: str | None
    guid: str | None
    version: str | None
    opcode: str | None
    process_id: str | None
    thread_id: str | None
    channel: str | None
    computer: str | None


@dataclass(frozen=True, slots=True)
class _System:
    """The System of an event, as far as JSON has a place for it."""

    writer: _Writer
    record_id: str | None

    @classmethod
    def of(cls, elements: Mapping[str, ET.Element]) -> "_System":
        """Of its elements by their names."""

        def text(name: str) -> str | None:
            return elements[name].text or "" if name in elements else None

        def attribute(name: str, attribute: str) -> str | None:
            return elements[name].get(attribute) if name in elements else None

        guid, computer = attribute("Provider", "Guid"), text("Computer")
        writer = _Writer(
            provider=attribute("Provider", "Name"),
            guid=None if guid is None else guid.lower(),
            version=text("Version"),
            opcode=text("Opcode"),
            process_id=attribute("Execution", "ProcessID"),
            thread_id=attribute("Execution", "ThreadID"),
            channel=text("Channel"),
            computer=None if computer is None else unescaped(computer),
        )
        return cls(writer, text("EventRecordID"))

    @property
    def is_whole(self) -> bool:
        """Whether it is of the security log, and says all that one does."""
        writer = self.writer
        numbers = (writer.version, writer.process_id, writer.thread_id, self.record_id)
        named = (writer.provider, writer.guid, writer.channel, writer.opcode) == (
            PROVIDER,
            PROVIDER_GUID,
            CHANNEL,
            _INFO,
        )
        return named and writer.computer is not None and all(_number(each) is not None for each in numbers)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=64)  # a log is of one server, or of a few
def _template(event_id: int, success: bool, names: tuple[str, ...], writer: _Writer) -> EventTemplate:
    kind = replace(KINDS[event_id], version=_number(writer.version) or 0, names=names)
    execution = Execution(_number(writer.process_id) or 0, _number(writer.thread_id) or 0)
    return EventTemplate(kind, writer.computer or "", execution, success=success, ldap=False)


def _as_far_as_known(event: Event, time: str, system: _System, data: Mapping[str, str]) -> str:
    """An event that is none of ours, or that does not say all that they do."""
    kind, writer = _KINDS.get(event.code), system.writer
    ecs: dict[str, object] = {"code": event.code, "kind": "event", "module": "security", "outcome": event.outcome}
    if kind is not None:
        ecs |= {"action": kind.action, "category": [kind.category], "type": list(kind.type)}
    user, logon = user_and_logon(0 if kind is None else kind.event_id, data)
    process, thread = _number(writer.process_id), _number(writer.thread_id)
    winlog = {
        "channel": writer.channel,
        "computer_name": writer.computer,
        "event_data": data,
        "event_id": event.code,
        "keywords": [f"Audit {event.outcome.title()}"],
        "logon": logon or None,
        "opcode": "Info" if writer.opcode == _INFO else None,
        "process": None if process is None else {"pid": process, "thread": {"id": thread}},
        "provider_guid": writer.guid,
        "provider_name": writer.provider,
        "record_id": system.record_id,
        "task": None if kind is None else kind.task_name,
        "version": _number(writer.version) or None,
    }
    value: dict[str, object] = {"@timestamp": time, "ecs": {"version": ECS_VERSION}, "event": ecs}
    value |= {} if writer.computer is None else {"host": {"name": writer.computer}}
    value |= {} if event.source_ip is None else {"source": {"ip": event.source_ip}}
    said = {name: each for name, each in winlog.items() if each is not None}
    # Halves of surrogate pairs stand as `_xHHHH_` in XML: `unescaped` gives them.
    return safe(json.dumps(value | {"user": user or {"name": event.account}, "winlog": said}, ensure_ascii=False))
