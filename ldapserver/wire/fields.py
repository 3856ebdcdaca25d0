"""What the operations are made of: LDAP's strings, numbers and attributes over BER (RFC 4511 section 4.1).

Each `read_` gets the octets, where the field begins and where what is around it stops, and gives back the value and
where the field stopped. Broken BER is a `ProtocolViolation`; a value that RFC 4511 does not allow is `Refused`, and
`codec` turns that into an answer or a violation.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import TypeVar

from ldapserver.wire import ber
from ldapserver.wire.messages import MAX_INT, PartialAttribute, ResultCode

Member = TypeVar("Member", bound=IntEnum)


class Refused(Exception):
    """Good BER whose content RFC 4511 refuses; the text is what the peer may read."""

    def __init__(self, result_code: ResultCode, reason: str) -> None:
        super().__init__(reason)
        self.result_code = result_code


def text_value(octets: bytes, field: str, result_code: ResultCode = ResultCode.PROTOCOL_ERROR) -> str:
    """The text in `octets`; "LDAPString ::= OCTET STRING -- UTF-8 encoded", RFC 4511 section 4.1.2."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Refused(result_code, f"{field}: not UTF-8, RFC 4511 section 4.1.2 demands it") from None


def read_text(data: bytes, pos: int, end: int, field: str, tag: int = ber.OCTET_STRING) -> tuple[str, int]:
    """An LDAPString."""
    start, stop = ber.expect(data, pos, end, tag, field)
    try:
        return data[start:stop].decode(), stop
    except UnicodeDecodeError:
        return text_value(data[start:stop], field), stop  # which says what is wrong


def read_dn(data: bytes, pos: int, end: int, field: str, tag: int = ber.OCTET_STRING) -> tuple[str, int]:
    """An LDAPDN or RelativeLDAPDN, section 4.1.3; its grammar is for whoever asks what it names."""
    start, stop = ber.expect(data, pos, end, tag, field)
    try:
        return data[start:stop].decode(), stop
    except UnicodeDecodeError:
        return text_value(data[start:stop], field, ResultCode.INVALID_DN_SYNTAX), stop


def read_name(data: bytes, pos: int, end: int, field: str, tag: int = ber.OCTET_STRING) -> tuple[str, int]:
    """An AttributeDescription, MatchingRuleId or LDAPOID, of at least one character (RFC 4512 section 1.4)."""
    text, stop = read_text(data, pos, end, field, tag)
    if not text:
        raise Refused(ResultCode.PROTOCOL_ERROR, f"{field}: empty")
    return text, stop


def has(data: bytes, pos: int, end: int, tag: int) -> bool:
    """Whether an element with `tag` begins at `pos`: an OPTIONAL one is there, or something behind it, or nothing."""
    return pos < end and data[pos] == tag


def read_optional_name(data: bytes, pos: int, end: int, field: str, tag: int) -> tuple[str | None, int]:
    """A name, or `None` when it is absent."""
    return read_name(data, pos, end, field, tag) if has(data, pos, end, tag) else (None, pos)


def read_optional_octets(data: bytes, pos: int, end: int, field: str, tag: int) -> tuple[bytes | None, int]:
    """An OCTET STRING, or `None` when it is absent."""
    return ber.octet_string(data, pos, end, field, tag) if has(data, pos, end, tag) else (None, pos)


def read_texts(data: bytes, pos: int, end: int, field: str) -> tuple[str, ...]:
    """Every LDAPString from `pos` to `end`."""
    texts = []
    while pos < end:
        start, pos = ber.expect(data, pos, end, ber.OCTET_STRING, field)
        texts.append(text_value(data[start:pos], field))
    return tuple(texts)


def read_limit(data: bytes, pos: int, end: int, field: str) -> tuple[int, int]:
    """INTEGER (0 ..  maxInt); what is more than maxInt has more octets than an INTEGER may have here."""
    value, pos = ber.integer(data, pos, end, field)
    if value < 0:
        raise Refused(ResultCode.PROTOCOL_ERROR, f"{field}: {value}, it has to be 0 to {MAX_INT}")
    return value, pos


def read_enumerated(data: bytes, pos: int, end: int, field: str, members: tuple[Member, ...]) -> tuple[Member, int]:
    """An ENUMERATED, which is one of `members`; they count up from zero."""
    value, pos = ber.integer(data, pos, end, field, ber.ENUMERATED)
    if not 0 <= value < len(members):
        raise Refused(ResultCode.PROTOCOL_ERROR, f"{field}: {value} is none of 0 to {len(members) - 1}")
    return members[value], pos


def read_attribute(data: bytes, pos: int, end: int) -> tuple[PartialAttribute, int]:
    """A PartialAttribute, section 4.1.7."""
    pos, end = ber.expect(data, pos, end, ber.SEQUENCE, "attribute")
    description, pos = read_name(data, pos, end, "type")
    start, stop = ber.expect(data, pos, end, ber.SET, "vals")
    values = []
    while start < stop:
        value, start = ber.octet_string(data, start, stop, "vals")
        values.append(value)
    ber.skip(data, stop, end, "attribute")
    return PartialAttribute(description, tuple(values)), end


def read_attributes(data: bytes, pos: int, end: int) -> tuple[tuple[PartialAttribute, ...], int]:
    """An AttributeList or PartialAttributeList."""
    start, stop = ber.expect(data, pos, end, ber.SEQUENCE, "attributes")
    attributes = []
    while start < stop:
        attribute, start = read_attribute(data, start, stop)
        attributes.append(attribute)
    return tuple(attributes), stop


def write_text(text: str, tag: int = ber.OCTET_STRING) -> bytes:
    """An LDAPString of any kind."""
    return ber.encoded(tag, text.encode())


def write_texts(texts: Iterable[str]) -> bytes:
    """The contents of a SEQUENCE OF LDAPString."""
    return b"".join([write_text(text) for text in texts])


def write_attribute(attribute: PartialAttribute) -> bytes:
    """A PartialAttribute."""
    description = attribute.type.encode()
    vals = b"".join(
        [
            b"\x04" + ber.OCTET[len(value)] + value
            if len(value) < ber.LONG_LENGTH
            else ber.encoded(ber.OCTET_STRING, value)
            for value in attribute.values
        ]
    )
    size, vals_size = len(description), len(vals)
    length = size + vals_size + 4
    if length < ber.LONG_LENGTH:
        return b"".join(
            (b"\x30", ber.OCTET[length], b"\x04", ber.OCTET[size], description, b"\x31", ber.OCTET[vals_size], vals)
        )
    return ber.encoded(ber.SEQUENCE, ber.encoded(ber.OCTET_STRING, description) + ber.encoded(ber.SET, vals))


def write_attributes(attributes: Iterable[PartialAttribute]) -> bytes:
    """An AttributeList or PartialAttributeList."""
    return ber.encoded(ber.SEQUENCE, b"".join([write_attribute(attribute) for attribute in attributes]))
