"""Searches with controls: the values of the controls in BER by hand, and what came back."""

from dataclasses import dataclass, field

from ldapserver.wire import ber
from ldapserver.wire.filter_codec import write_filter
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.messages import (
    Control,
    LDAPMessage,
    LDAPResult,
    ResultCode,
    SearchRequest,
    SearchResultEntry,
    SearchResultReference,
)
from tests.server.stage import Stage

PAGED = "1.2.840.113556.1.4.319"
SORT = "1.2.840.113556.1.4.473"
SORTED = "1.2.840.113556.1.4.474"
VIEW = "2.16.840.1.113730.3.4.9"
VIEWED = "2.16.840.1.113730.3.4.10"
MATCHED_VALUES = "1.2.826.0.1.3344810.2.3"
SUBENTRIES = "1.3.6.1.4.1.4203.1.10.1"
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"
DOMAIN_SCOPE = "1.2.840.113556.1.4.1339"
ASSERTION = "1.3.6.1.1.12"
PROXIED = "2.16.840.1.113730.3.4.18"


@dataclass
class Outcome:
    """What a search came to, all turns taken."""

    entries: list[SearchResultEntry] = field(default_factory=list)
    references: list[tuple[str, ...]] = field(default_factory=list)
    done: LDAPResult = field(default_factory=lambda: LDAPResult(ResultCode.OTHER))
    controls: dict[str, bytes] = field(default_factory=dict)

    @property
    def code(self) -> ResultCode | int:
        """Its result."""
        return self.done.result_code

    @property
    def names(self) -> list[str]:
        """The names of the entries, in order."""
        return [entry.object_name for entry in self.entries]

    def values(self, attribute: str) -> list[tuple[bytes, ...]]:
        """The values that each entry shows of one attribute."""
        return [
            next((each.values for each in entry.attributes if each.type == attribute), ()) for entry in self.entries
        ]

    @property
    def page(self) -> tuple[int, bytes]:
        """The size and the cookie of a paged results response."""
        return paged_value(self.controls[PAGED])

    @property
    def sort(self) -> tuple[int, bytes | None]:
        """The sortResult and the attributeType of a sort response."""
        value = self.controls[SORTED]
        pos, end = ber.expect(value, 0, len(value), ber.SEQUENCE, "SortResult")
        code, pos = ber.integer(value, pos, end, "sortResult", ber.ENUMERATED)
        attribute = ber.octet_string(value, pos, end, "attributeType", 0x80)[0] if pos < end else None
        return code, attribute

    @property
    def view(self) -> tuple[int, int, int]:
        """targetPosition, contentCount and virtualListViewResult."""
        value = self.controls[VIEWED]
        pos, end = ber.expect(value, 0, len(value), ber.SEQUENCE, "VirtualListViewResponse")
        target, pos = ber.integer(value, pos, end, "targetPosition")
        count, pos = ber.integer(value, pos, end, "contentCount")
        return target, count, ber.integer(value, pos, end, "virtualListViewResult", ber.ENUMERATED)[0]

    @property
    def context_id(self) -> bytes:
        """The contextID of a virtual list view response."""
        value = self.controls[VIEWED]
        return value[value.rindex(b"\x04") + 2 :]


def find(on: Stage, request: SearchRequest, *controls: Control) -> Outcome:
    """Search, and take every turn."""
    messages = on.send(request, controls=controls)
    while on.channel.turn():
        messages += on.channel.taken()
    return outcome(messages)


def outcome(messages: list[LDAPMessage]) -> Outcome:
    """What these messages say, the last of which is the SearchResultDone."""
    found = Outcome()
    for message in messages:
        operation = message.operation
        if isinstance(operation, SearchResultEntry):
            found.entries.append(operation)
        elif isinstance(operation, SearchResultReference):
            found.references.append(operation.uris)
        else:
            assert message is messages[-1]
            assert isinstance(operation, LDAPResult)
            found.done = operation
            found.controls = {each.control_type: each.control_value or b"" for each in message.controls}
    return found


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of these."""
    return ber.encoded(ber.SEQUENCE, b"".join(parts))


def octets(value: bytes, tag: int = ber.OCTET_STRING) -> bytes:
    """An OCTET STRING."""
    return ber.encoded(tag, value)


def paged(size: int, cookie: bytes = b"", *, critical: bool = True) -> Control:
    """Ask for a page."""
    return Control(PAGED, critical, sequence(ber.encoded_integer(size), octets(cookie)))


def paged_value(value: bytes) -> tuple[int, bytes]:
    """The fields of a realSearchControlValue."""
    pos, end = ber.expect(value, 0, len(value), ber.SEQUENCE, "realSearchControlValue")
    size, pos = ber.integer(value, pos, end, "size")
    return size, ber.octet_string(value, pos, end, "cookie")[0]


def sort(*keys: str, critical: bool = True) -> Control:
    """Ask for an order."""
    return Control(SORT, critical, sequence(*map(_sort_key, keys)))


def _sort_key(key: str) -> bytes:
    name, _, rule = key.removeprefix("-").partition(":")
    parts = [octets(name.encode())]
    parts += [octets(rule.encode(), 0x80)] if rule else []
    parts += [ber.encoded_boolean(True, 0x81)] if key.startswith("-") else []
    return sequence(*parts)


def by_offset(before: int, after: int, offset: int, count: int = 0, context_id: bytes | None = None) -> Control:
    """Ask for a window around an offset."""
    target = ber.encoded(0xA0, ber.encoded_integer(offset) + ber.encoded_integer(count))
    return _view(before, after, target, context_id)


def from_value(before: int, after: int, value: bytes, context_id: bytes | None = None) -> Control:
    """Ask for a window around the first entry that is not less than a value."""
    return _view(before, after, octets(value, 0x81), context_id)


def _view(before: int, after: int, target: bytes, context_id: bytes | None) -> Control:
    context = [] if context_id is None else [octets(context_id)]
    parts = [ber.encoded_integer(before), ber.encoded_integer(after), target, *context]
    return Control(VIEW, True, sequence(*parts))


def matched(*items: str) -> Control:
    """Ask for the values of which one of these is true."""
    return Control(MATCHED_VALUES, True, sequence(*[write_filter(parse_filter(item)) for item in items]))


def assertion(filter: str) -> Control:
    """Ask for it to be done only if this is true."""
    return Control(ASSERTION, True, write_filter(parse_filter(filter)))


def acting_as(authzid: str) -> Control:
    """Ask for it to be done as somebody."""
    return Control(PROXIED, True, authzid.encode())
