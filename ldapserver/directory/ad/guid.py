"""GUIDs, binary and as text ([MS-DTYP] 2.3.4): the first three groups of the text are little-endian in the octets."""

import re
from uuid import UUID, uuid5

_DASHED = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-F]{32}", re.IGNORECASE)

# The name space of the GUIDs that entries get which come without one; drawn at random, once.
_NAME_SPACE = UUID("8c9b6d0e-52c1-4d0f-9a7e-3f0b6c5e2d41")


class InvalidGUID(ValueError):
    """The text or the octets are no GUID."""


def parse_guid(text: str) -> bytes:
    """The 16 octets of a GUID: dashed, in braces or not, or the hex of the octets. Raises `InvalidGUID`."""
    bare = text[1:-1] if text[:1] == "{" and text[-1:] == "}" else text
    if _DASHED.fullmatch(bare):
        return UUID(bare).bytes_le
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    raise InvalidGUID(f"{text[:60]!r} is no GUID: 8-4-4-4-12 hex digits, or 32 of them ([MS-DTYP] 2.3.4)")


def guid_text(octets: bytes) -> str:
    """The dashed form in lower case, without braces; raises `InvalidGUID`."""
    if len(octets) != 16:
        raise InvalidGUID(f"{len(octets)} octets are no GUID: it has 16")
    return str(UUID(bytes_le=octets))


def derived_guid(name: str) -> bytes:
    """A GUID for an entry that was loaded without: the same whenever and wherever it is loaded under this name."""
    return uuid5(_NAME_SPACE, name.lower()).bytes_le


def guid_of_uuid(entry_uuid: str) -> bytes:
    """The objectGUID that says the same as an entryUUID (RFC 4530): one identity. Raises `InvalidGUID`."""
    if not _DASHED.fullmatch(entry_uuid):
        raise InvalidGUID(f"{entry_uuid[:60]!r} is no UUID (RFC 4530 section 2.1)")
    return UUID(entry_uuid).bytes_le
