"""The BER that LDAP uses (RFC 4511 section 5.1, X.690): finding elements in octets, and writing them.

Knows no message. A reader is told where it stands (`pos`) and where the element around it stops (`end`), and gives
back what it read and where it stopped, so that nothing is copied but values, and no element reaches past its parent.
Whatever is wrong is a `ProtocolViolation` that names the field it was found in.
"""

from typing import Final

from ldapserver.errors import ProtocolViolation

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31

CONSTRUCTED: Final = 0x20  # this bit of an identifier octet says that the contents are elements, X.690 8.1.2.5
HIGH_TAG_NUMBER: Final = 0x1F  # and with these bits set the number follows in octets of its own, X.690 8.1.2.4
LONG_LENGTH: Final = 0x80  # this bit of the first length octet says how many more there are, X.690 8.1.3.5

MAX_LENGTH_OCTETS: Final = 4  # what Windows always sends; an element no server holds in memory would need more
MAX_INTEGER_OCTETS: Final = 4  # every INTEGER and ENUMERATED of RFC 4511 ends at maxInt, which is 2^31 - 1

OCTET: Final = [bytes((value,)) for value in range(256)]
# The length octets of contents of so many octets, for those that take two at most.  X.690 8.1.3
LENGTH: Final = [bytes((value,)) if value < LONG_LENGTH else bytes((0x81, value)) for value in range(256)]
_SMALL_INTEGERS: Final = [bytes((INTEGER, 1, value)) for value in range(0x80)]  # the first messageIDs of a connection


def length_octets(first: int, field: str) -> int:
    """How many octets follow the `first` length octet, which has its high bit set."""
    count = first & ~LONG_LENGTH
    # "Only the definite form of length encoding is used."  RFC 4511 section 5.1
    if count == 0:
        raise ProtocolViolation(f"{field}: indefinite length, RFC 4511 section 5.1 allows only the definite form")
    if count > MAX_LENGTH_OCTETS:
        raise ProtocolViolation(f"{field}: a length of {count} octets, at most {MAX_LENGTH_OCTETS} are read")
    return count


def long_length(data: bytes, pos: int, end: int, field: str) -> tuple[int, int]:
    """The length whose first octet, with its high bit set, is before `pos`, and where the contents start."""
    count = data[pos - 1] - LONG_LENGTH
    if count == 1 and pos < end:
        return data[pos], pos + 1
    if count == 2 and pos + 1 < end:
        return data[pos] << 8 | data[pos + 1], pos + 2
    start = pos + length_octets(LONG_LENGTH + count, field)
    if start > end:
        raise ProtocolViolation(f"{field}: its length is cut short")
    return int.from_bytes(data[pos:start]), start


def header(data: bytes, pos: int, end: int, field: str) -> tuple[int, int, int]:
    """The identifier octet of the element at `pos`, and where its contents start and stop."""
    start = pos + 2
    if start > end:
        raise ProtocolViolation(f"{field}: absent or cut short")
    length = data[pos + 1]
    if length >= LONG_LENGTH:
        length, start = long_length(data, start, end, field)
    stop = start + length
    if stop > end:
        raise ProtocolViolation(f"{field}: longer than what is around it")
    return data[pos], start, stop


def expect(data: bytes, pos: int, end: int, tag: int, field: str) -> tuple[int, int]:
    """Where the contents of the element at `pos` start and stop; its identifier octet must be `tag`."""
    # Every field of every message comes by here: `header` is spared a call where the element is what it should be.
    start = pos + 2
    if start <= end and data[pos] == tag:
        length = data[pos + 1]
        if length >= LONG_LENGTH:
            length, start = long_length(data, start, end, field)
        stop = start + length
        if stop <= end:
            return start, stop
    found, start, stop = header(data, pos, end, field)
    if found != tag:
        raise ProtocolViolation(f"{field}: tag {found:#04x} where {tag:#04x} is due")
    return start, stop


def octet_string(data: bytes, pos: int, end: int, field: str, tag: int = OCTET_STRING) -> tuple[bytes, int]:
    """The octets of a string and where it stops.

    "OCTET STRING values are encoded in the primitive form only", RFC 4511 section 5.1, which the tag says.
    """
    start, stop = expect(data, pos, end, tag, field)
    return data[start:stop], stop


def integer_value(data: bytes, start: int, stop: int, field: str) -> int:
    """The number whose contents are `data[start:stop]`; leading zeros are taken, as every other server takes them."""
    size = stop - start
    if size == 1 and data[start] < 0x80:
        return data[start]
    # "The contents octets shall consist of one or more octets."  X.690 8.3.1
    if not 1 <= size <= MAX_INTEGER_OCTETS:
        raise ProtocolViolation(f"{field}: an INTEGER of {size} octets, it has 1 to {MAX_INTEGER_OCTETS}")
    return int.from_bytes(data[start:stop], signed=True)


def integer(data: bytes, pos: int, end: int, field: str, tag: int = INTEGER) -> tuple[int, int]:
    """An INTEGER, or with its tag an ENUMERATED, and where it stops."""
    start, stop = expect(data, pos, end, tag, field)
    return integer_value(data, start, stop, field), stop


def boolean(data: bytes, pos: int, end: int, field: str, tag: int = BOOLEAN) -> tuple[bool, int]:
    """A BOOLEAN and where it stops; any octet but zero is read as TRUE (X.690 8.2.2), for not all write ff."""
    start, stop = expect(data, pos, end, tag, field)
    if stop - start != 1:
        raise ProtocolViolation(f"{field}: a BOOLEAN of {stop - start} octets, X.690 8.2.1 allows one")
    return data[start] != 0, stop


def skip(data: bytes, pos: int, end: int, field: str) -> None:
    """Pass over whole elements up to `end`.

    "[C]lients and servers MUST (unless otherwise specified) ignore trailing SEQUENCE components whose tags they do
    not recognize", RFC 4511 section 4; that they are elements, and end where their parent does, is still demanded.
    """
    while pos < end:
        pos = header(data, _last_tag_octet(data, pos, end), end, field)[2]


def check(data: bytes) -> None:
    """Pass over every element of `data` at every depth: well-formed BER, or a `ProtocolViolation`."""
    pos = 0
    ends = [len(data)]
    while ends:
        if pos == ends[-1]:
            ends.pop()
            continue
        identifier = data[pos]
        _, start, stop = header(data, _last_tag_octet(data, pos, ends[-1]), ends[-1], "LDAPMessage")
        if identifier & CONSTRUCTED:
            ends.append(stop)
            pos = start
        else:
            pos = stop


def _last_tag_octet(data: bytes, pos: int, end: int) -> int:
    """Where the tag of the element at `pos` has its last octet; only what we do not know has more than one."""
    if data[pos] & HIGH_TAG_NUMBER != HIGH_TAG_NUMBER:
        return pos
    pos += 1
    while pos < end and data[pos] & 0x80:
        pos += 1
    return pos


def encoded(tag: int, contents: bytes) -> bytes:
    """One element, its length in the fewest octets."""
    length = len(contents)
    if length < 0x100:
        return b"%b%b%b" % (OCTET[tag], LENGTH[length], contents)
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return b"%b%b%b%b" % (OCTET[tag], OCTET[LONG_LENGTH | len(octets)], octets, contents)


def encoded_integer(value: int, tag: int = INTEGER) -> bytes:
    """An INTEGER, or with its tag an ENUMERATED, in the fewest octets (X.690 8.3.2)."""
    if 0 <= value < 0x80:
        return _SMALL_INTEGERS[value] if tag == INTEGER else b"%b\x01%b" % (OCTET[tag], OCTET[value])
    if 0x80 <= value < 0x8000:  # most messageIDs of a connection that lasts
        return b"%b\x02%b%b" % (OCTET[tag], OCTET[value >> 8], OCTET[value & 0xFF])
    # One bit more than the number has, for the sign.
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return encoded(tag, value.to_bytes(size, signed=True))


def encoded_boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    """A BOOLEAN; "if the value is true, the encoding of the value octet is set to hex FF", RFC 4511 section 5.1."""
    return OCTET[tag] + (b"\x01\xff" if value else b"\x01\x00")
