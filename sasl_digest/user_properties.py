"""USER_PROPERTIES, what Active Directory keeps in `supplementalCredentials` ([MS-SAMR] 2.2.10.1 and 2.2.10.2).

    Reserved1 4 | Length 4 | Reserved2 2 | Reserved3 2 |
        Reserved4 96 | PropertySignature 2 | PropertyCount 2 | USER_PROPERTY ... | Reserved5 1

Little-endian. Length counts from Reserved4 to the last USER_PROPERTY; Reserved5 is not in it (as Windows writes it).
What is read here was stored by our caller, so what is wrong with it is a UsageError; it shows no value.
"""

import struct
from collections.abc import Mapping

from sasl_digest.errors import UsageError

_HEAD = struct.Struct("<LLHH")
_COUNTED = struct.Struct("<96sHH")  # what begins where Length begins to count
_PROPERTY = struct.Struct("<HHH")
_SIGNATURE = 0x50  # 'P'
_RESERVED4 = " ".encode("utf-16-le") * 48
_MAX_LENGTH = 0xFFFF  # what NameLength, ValueLength and PropertyCount can say


def parse(data: bytes) -> dict[str, bytes]:
    """The properties by name, their values still in hexadecimal; raises UsageError for anything else."""
    if len(data) <= _HEAD.size:
        raise UsageError(f"USER_PROPERTIES: {len(data)} octets; its fixed fields alone are more")
    length = _HEAD.unpack_from(data)[1]
    if length != len(data) - _HEAD.size - 1:
        due = len(data) - _HEAD.size - 1
        raise UsageError(f"USER_PROPERTIES: Length is {length}; from Reserved4 to Reserved5 there are {due} octets")
    # Samba writes an account without any property so: everything zero, and nothing behind Length's fields.
    if length == 0:
        return {}
    # "When there are zero UserProperty elements, this field MUST be omitted": PropertyCount, 2.2.10.1
    without_count = _COUNTED.size - 2
    if length < without_count or without_count < length < _COUNTED.size:
        raise UsageError(f"USER_PROPERTIES: Length is {length}; the fields it counts are {_COUNTED.size} or more")
    (signature,) = struct.unpack_from("<H", data, _HEAD.size + 96)
    if signature != _SIGNATURE:
        raise UsageError(f"USER_PROPERTIES: PropertySignature is 0x{signature:04x}; 0x{_SIGNATURE:04x} is right")
    return {} if length == without_count else _properties(data)


def encode(properties: Mapping[str, bytes]) -> bytes:
    """A USER_PROPERTIES of these, in this order; the values are hexadecimal already."""
    elements = b"".join(_property(name, value) for name, value in properties.items())
    counted = _COUNTED.pack(_RESERVED4, _SIGNATURE, len(properties)) + elements if properties else _none()
    return _HEAD.pack(0, len(counted), 0, 0) + counted + b"\0"


def _properties(data: bytes) -> dict[str, bytes]:
    _, _, count = _COUNTED.unpack_from(data, _HEAD.size)
    at, end = _HEAD.size + _COUNTED.size, len(data) - 1
    properties: dict[str, bytes] = {}
    for number in range(1, count + 1):
        if end - at < _PROPERTY.size:
            raise UsageError(f"USER_PROPERTIES: PropertyCount is {count}; {number - 1} are there")
        name_length, value_length, _ = _PROPERTY.unpack_from(data, at)
        at += _PROPERTY.size
        if end - at < name_length + value_length:
            raise UsageError(
                f"USER_PROPERTY {number}: NameLength is {name_length} and ValueLength {value_length}; "
                f"{end - at} octets are left"
            )
        try:
            name = data[at : at + name_length].decode("utf-16-le")
        except UnicodeDecodeError:
            raise UsageError(f"USER_PROPERTY {number}: PropertyName is not UTF-16") from None
        if name in properties:
            raise UsageError(f"USER_PROPERTY {number}: PropertyName {name!r} stands there twice")
        at += name_length
        properties[name] = data[at : at + value_length]
        at += value_length
    if at != end:
        raise UsageError(f"USER_PROPERTIES: PropertyCount is {count}; {end - at} octets stand behind those")
    return properties


def _property(name: str, value: bytes) -> bytes:
    octets = name.encode("utf-16-le")
    if max(len(octets), len(value)) > _MAX_LENGTH:
        raise UsageError(f"USER_PROPERTY {name[:32]!r}: at most {_MAX_LENGTH} octets of name and of value")
    # "Reserved MUST be ignored"; Windows writes 2 for the list of the packages and 1 for all else.
    return _PROPERTY.pack(len(octets), len(value), 2 if name == "Packages" else 1) + octets + value


def _none() -> bytes:
    return _RESERVED4 + struct.pack("<H", _SIGNATURE)
