"""Windows events in XML: cut out of a log, read, and made of records that are JSON.

Read is what Windows' own tools export: an event a line, and `<Events>` documents however they are laid out.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

from ldapserver.audit.kinds import KINDS
from ldapserver.audit.system import AUDIT_FAILURE, AUDIT_SUCCESS, CHANNEL, PROVIDER, PROVIDER_GUID
from ldapserver.audit.xml_form import NAMESPACE, escaped, unescaped
from ldapserver.viewer.event import FAILURE, SUCCESS, UNKNOWN, Event, NotARecord, seen_in
from ldapserver.viewer.json_form import address
from ldapserver.viewer.times import canonical

LONGEST = 1 << 20  # octets of one event: one that has not ended by then is none

_DEEPEST = 100  # elements in one another; Windows has half a dozen

_END = b"</Event>"
_START = re.compile(rb"<Event(?=[\s/>])")
# What may stand around the events of a document.
_AROUND = re.compile(rb"(?:\s|\xef\xbb\xbf|<\?xml[^>]*\?>|</?Events[^>]*>|<!--.*?-->)*", re.DOTALL)

_AWAITED = ((b"<!--", b"-->"), (b"<?xml", b">"), (b"<Events", b">"), (b"</Events", b">"))  # each with its end

ET.register_namespace("", NAMESPACE)  # else what is written again has it under a prefix

_KINDS = {str(event_id): kind for event_id, kind in KINDS.items()}
_FAILED = AUDIT_FAILURE & ~AUDIT_SUCCESS  # the one bit of Keywords that they do not share
_SUCCEEDED = AUDIT_SUCCESS & ~AUDIT_FAILURE


class Elements:
    """Cuts `<Event>` elements out of octets that come bit by bit."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._looked = 0  # octets of it that are known to hold no end
        self._awaited = b""  # the end of a comment or the like that stands at its beginning

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._held)

    def feed(self, octets: bytes) -> Iterator[bytes | None]:
        """The events that end here; None in place of each piece that is none."""
        new = max(0, len(self._held) - len(self._awaited))
        self._held += octets
        while (end := self._held.find(_END, self._looked)) >= 0:
            whole = bytes(self._held[: end + len(_END)])
            del self._held[: end + len(_END)]
            self._looked = new = 0
            self._awaited = b""
            starts = [found.start() for found in _START.finditer(whole)]
            if len(starts) != 1 or not _AROUND.fullmatch(whole, 0, starts[0]):
                yield None
            if starts:
                yield whole[starts[-1] :]
        # What has begun is looked at again only once it may have ended: else many short lines take for ever.
        stuck = False
        if self._held.find(self._awaited, new) >= 0 and (around := _AROUND.match(self._held)):
            stuck = bool(self._awaited) and not around.end()  # it has ended otherwise than it may
            del self._held[: around.end()]
            self._awaited = next((end for begin, end in _AWAITED if self._held.startswith(begin)), b"")
        if self._held and (stuck or len(self._held) > LONGEST or not self._held.startswith(b"<")):
            self._held.clear()
            self._awaited = b""
            yield None
        self._looked = max(0, len(self._held) - len(_END))

    def drop(self) -> None:
        """What has begun will not end."""
        self._held.clear()
        self._looked = 0
        self._awaited = b""


# An event on one line, as our server and Windows write it: whole, and nothing that a parser would read otherwise.
_TEXT = r"[^<>&\x00-\x1f\ud800-\udfff\ufffe\uffff]*+"
_VALUE = r'"[^<>&"\x00-\x1f\ud800-\udfff\ufffe\uffff]*+"'
_SIMPLE = re.compile(
    rf"<Event xmlns={_VALUE}><System><Provider Name={_VALUE} Guid={_VALUE}/><EventID>(\d++)</EventID>"
    r"<Version>\d++</Version><Level>\d++</Level><Task>\d++</Task><Opcode>\d++</Opcode>"
    r'<Keywords>(0x[0-9a-f]++)</Keywords><TimeCreated SystemTime="(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7,9})Z"/>'
    r"<EventRecordID>\d++</EventRecordID><Correlation/>"
    rf'<Execution ProcessID="\d++" ThreadID="\d++"/><Channel>{_TEXT}</Channel><Computer>{_TEXT}</Computer><Security/>'
    rf'</System><EventData>((?:<Data Name="[A-Za-z0-9]++">{_TEXT}</Data>)*+)</EventData></Event>',
    re.ASCII,
)
_DATA = re.compile(r'<Data Name="([A-Za-z0-9]++)">([^<]*+)</Data>', re.ASCII)


def read_xml(octets: bytes) -> Event:
    """The record in one `<Event>` element. Raises NotARecord."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise NotARecord("not UTF-8") from None
    found = _SIMPLE.fullmatch(text)
    if found is None or "_x" in found[4]:
        return read_any_xml(text)
    code, keywords, time, data = found.groups()
    return _event(code, int(keywords, 16), time.ljust(29, "0"), dict(_DATA.findall(data)), text)


def read_any_xml(text: str) -> Event:
    """The record in one `<Event>` element, by a parser, however it is laid out. Raises NotARecord."""
    try:
        root = ET.fromstring(text)
        _check_depth(root)
        system, data = parts(root)
        code = (system["EventID"].text or "").strip()
        keywords = int(system["Keywords"].text or "", 0)
        time = canonical(system["TimeCreated"].get("SystemTime", ""))
    except (ValueError, KeyError, ET.ParseError) as error:
        raise NotARecord(str(error)) from None
    return _event(code, keywords, time, data, text)


def _check_depth(root: ET.Element) -> None:
    """Raise NotARecord for what could not be written again, which is done by recursion."""
    level, depth = list(root), 1
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise NotARecord(f"more than {_DEEPEST} elements in one another")
        level = [each for element in level for each in element]


def _event(code: str, keywords: int, time: str, data: dict[str, str], text: str) -> Event:
    outcome = FAILURE if keywords & _FAILED else SUCCESS if keywords & _SUCCEEDED else UNKNOWN
    package, account, workstation, status, general = seen_in(code, data)
    ip = address(data)
    ldap = (None,) * 7
    return Event(time, account, ip, workstation, code, outcome, package, status, general, *ldap, text)


def parts(root: ET.Element) -> tuple[dict[str, ET.Element], dict[str, str]]:
    """The elements of an event's System, and its EventData, each by its name."""
    system: dict[str, ET.Element] = {}
    data: dict[str, str] = {}
    for part in root:
        name = part.tag.rpartition("}")[2]
        if name == "System":
            system = {each.tag.rpartition("}")[2]: each for each in part}
        elif name == "EventData":
            data = {each.get("Name", ""): unescaped(each.text or "") for each in part}
    return system, data


def xml_of(event: Event) -> str | None:
    """The record as one line of XML; as it is where it is XML, None where it is no Windows event.

    `ldapserver.audit` renders what a server writes; here the form is made of what a log holds as JSON.
    """
    if not event.text.startswith("{"):
        return _one_line(event.text)
    winlog = json.loads(event.text).get("winlog")
    if not winlog:
        return None
    kind = _KINDS.get(event.code)
    version, task = (0, 0) if kind is None else (kind.version, kind.task)
    process = _object(winlog, "process")
    thread = _object(process, "thread")
    guid = str(winlog.get("provider_guid", PROVIDER_GUID)).upper()
    time = event.time.removesuffix("00")  # seven digits of a second, as Windows has them mostly
    keywords = AUDIT_FAILURE if event.outcome == FAILURE else AUDIT_SUCCESS
    data = "".join(
        f"<Data Name={_attribute(name)}>{escaped(_data_text(each))}</Data>"
        for name, each in (winlog.get("event_data") or {}).items()
    )
    return (
        f'<Event xmlns="{NAMESPACE}"><System>'
        f"<Provider Name={_attribute(str(winlog.get('provider_name', PROVIDER)))} "
        f"Guid={_attribute(guid)}/>"
        f"<EventID>{escaped(event.code)}</EventID><Version>{version}</Version><Level>0</Level><Task>{task}</Task>"
        f'<Opcode>0</Opcode><Keywords>{keywords:#x}</Keywords><TimeCreated SystemTime="{time}Z"/>'
        f"<EventRecordID>{escaped(str(winlog.get('record_id', 0)))}</EventRecordID><Correlation/>"
        f"<Execution ProcessID={_attribute(str(process.get('pid', 0)))} "
        f"ThreadID={_attribute(str(thread.get('id', 0)))}/><Channel>{CHANNEL}</Channel>"
        f"<Computer>{escaped(str(winlog.get('computer_name', '')))}</Computer><Security/></System>"
        f"<EventData>{data}</EventData></Event>"
    )


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _data_text(value: object) -> str:
    """A value of EventData; PrivilegeList is an array in JSON, and lines with three tabs in XML."""
    return "\n\t\t\t".join(map(str, value)) if isinstance(value, list) else str(value)


def _attribute(text: str) -> str:
    return f'"{escaped(text).replace(chr(34), "&quot;")}"'


def _one_line(text: str) -> str:
    """An event that its log has over several lines, without what it was laid out with."""
    if "\n" not in text:
        return text
    root = ET.fromstring(text)
    for element in root.iter():
        element.tail = None
        if len(element):
            element.text = None
    # What line ends are left stand in values, for in attributes they are written as references.
    return ET.tostring(root, "unicode").replace("\n", "&#10;")
