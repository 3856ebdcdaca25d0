"""A record as a Windows event in XML, one event a line: what a Windows log exports, for programs that read that.

What XML 1.0 cannot hold (section 2.2: most control characters, U+FFFE, U+FFFF, halves of surrogate pairs) is written
`_xHHHH_` with the code in four upper-case hexadecimal digits, as in ECMA-376 part 1 section 22.9.2.19; an underscore
that could begin such a group is written `_x005F_`. So no two names are ever written alike, and `unescaped` finds the
name again.
"""

import re
from collections.abc import Iterable, Iterator

from ldapserver.audit.kinds import KINDS, Kind
from ldapserver.audit.message import event_data
from ldapserver.audit.record import Record
from ldapserver.audit.system import (
    AUDIT_FAILURE,
    AUDIT_SUCCESS,
    CHANNEL,
    PROVIDER,
    PROVIDER_GUID,
    Execution,
    TimeText,
)

NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"

_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_AMBIGUOUS = re.compile("_(?=x[0-9A-Fa-f]{4})")
_GROUP = re.compile("_x([0-9A-Fa-f]{4})_")
# Beside the markup everything that some reader of lines takes for the end of one.
_REFERENCES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"} | {
    code: f"&#{code};" for code in (0x0A, 0x0D, *range(0x7F, 0xA0), 0x2028, 0x2029)
}

_EVENT = """\
<Event xmlns="{namespace}"><System><Provider Name="{provider}" Guid="{guid}"/><EventID>{kind.event_id}</EventID>\
<Version>{kind.version}</Version><Level>0</Level><Task>{kind.task}</Task><Opcode>0</Opcode><Keywords>%s</Keywords>\
<TimeCreated SystemTime="%s"/><EventRecordID>%d</EventRecordID><Correlation/>\
<Execution ProcessID="{execution.process_id}" ThreadID="{execution.thread_id}"/><Channel>{channel}</Channel>\
<Computer>{computer}</Computer><Security/></System><EventData>{data}</EventData></Event>
"""

_SUCCESS, _FAILURE = f"{AUDIT_SUCCESS:#x}", f"{AUDIT_FAILURE:#x}"


class XMLRenderer:
    """Renders records of one server as Windows events; `computer` is the full name that the events carry."""

    def __init__(self, computer: str) -> None:
        execution = Execution.here()
        self._templates = {event_id: _template(kind, computer, execution) for event_id, kind in KINDS.items()}
        self._time = TimeText()

    def line(self, record: Record, record_id: int) -> str | None:
        """The record as a line with its end; None for the record of a bind without a verdict, which is no event."""
        if record.kind is None:
            return None
        kind, data = event_data(record)
        success = data[-1] == "0x0" if kind.success is None else kind.success
        joined = "".join(data)
        # Nearly always nothing has to be escaped, and one look at all of it is cheaper than one at each.
        if not joined.isprintable() or "&" in joined or "<" in joined or ">" in joined or "_x" in joined:
            data = tuple([escaped(value) for value in data])
        return self._templates[kind.event_id] % (
            _SUCCESS if success else _FAILURE,
            self._time.of(record.time_ns),
            record_id,
            *data,
        )


def _template(kind: Kind, computer: str, execution: Execution) -> str:
    return _EVENT.format(
        namespace=NAMESPACE,
        provider=PROVIDER,
        guid=PROVIDER_GUID.upper(),
        kind=kind,
        execution=execution,
        channel=CHANNEL,
        computer=escaped(computer).replace("%", "%%"),
        data="".join(f'<Data Name="{name}">%s</Data>' for name in kind.names),
    )


def escaped(text: str) -> str:
    """The text as the content of an element, without an end of line in it."""
    text = _AMBIGUOUS.sub("_x005F_", text)
    return _ILLEGAL.sub(lambda match: f"_x{ord(match[0]):04X}_", text).translate(_REFERENCES)


def unescaped(text: str) -> str:
    """What was written, out of the text that an XML reader gives for it."""
    return _GROUP.sub(lambda match: chr(int(match[1], 16)), text)


def document(events: Iterable[str]) -> Iterator[str]:
    """The lines of a whole document that holds these events, each a line as `XMLRenderer` writes it."""
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield "<Events>\n"
    yield from events
    yield "</Events>\n"
