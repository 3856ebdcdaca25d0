"""Which values a syntax allows (RFC 4517 section 3.3, and Active Directory's own), as strictly as OpenLDAP's slapd.

A syntax that is not here allows every value: JPEG, certificates and the like are looked at by who uses them.
"""

import re
from collections.abc import Callable

from ldapserver.directory.matching import (
    boolean,
    distinguished_name,
    generalized_time,
    integer,
    name_and_optional_uid,
)
from ldapserver.directory.notation import is_descr, is_numeric_oid

Allows = Callable[[bytes], bool]


def _directory_string(value: bytes) -> bool:
    """Section 3.3.6: UTF-8, of one character at least."""
    return value != b"" and (value.isascii() or _utf8(value))


def _matched(pattern: bytes) -> Allows:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _read(key: Callable[[bytes], object]) -> Allows:
    """Of a syntax whose matching rule refuses what is not in it."""

    def allows(value: bytes) -> bool:
        try:
            key(value)
        except ValueError:
            return False
        return True

    return allows


_utf8 = _read(bytes.decode)
_distinguished_name = _read(distinguished_name)
_POSTAL = re.compile(rb"(?:[^\\]|\\24|\\5[Cc])*", re.DOTALL)


def _postal_address(value: bytes) -> bool:
    r"""Section 3.3.28: UTF-8, where a backslash begins \24 or \5C. That a line is not empty slapd leaves open."""
    return _POSTAL.fullmatch(value) is not None and _utf8(value)


def _oid(value: bytes) -> bool:
    """Section 3.3.26: a name, or numbers."""
    text = value.decode("latin-1")
    return is_descr(text) or is_numeric_oid(text)


def _large_integer(value: bytes) -> bool:
    """[MS-ADTS] 3.1.1.2.2: an Integer of 64 bits."""
    try:
        return -(2**63) <= integer(value) < 2**63
    except ValueError:
        return False


_DN_WITH_BINARY = re.compile(rb"B:([0-9]{1,9}):((?:[0-9A-Fa-f]{2})*):(.*)", re.DOTALL)


def _dn_with_binary(value: bytes) -> bool:
    """[MS-ADTS] 3.1.1.2.2: `B:`, the number of hexadecimal digits, these, and a name."""
    found = _DN_WITH_BINARY.fullmatch(value)
    return found is not None and int(found[1]) == len(found[2]) and _distinguished_name(found[3])


# "PrintableCharacter", section 3.2.
_PRINTABLE = rb"[A-Za-z0-9'()+,\-./:? =]"
_DELIVERY = rb"(?i:any|mhs|physical|telex|teletex|g3fax|g4fax|ia5|videotex|telephone)"
_printable = _matched(_PRINTABLE + b"+")

_PREFIX = "1.3.6.1.4.1.1466.115.121.1."
_MICROSOFT = "1.2.840.113556.1.4."

# By OID: what the syntax is called, and whether it allows a value.
SYNTAXES: dict[str, tuple[str, Allows]] = {
    f"{_PREFIX}6": ("Bit String", _matched(rb"'[01]*'B")),
    f"{_PREFIX}7": ("Boolean", _read(boolean)),
    f"{_PREFIX}11": ("Country String", _matched(_PRINTABLE + b"{2}")),
    f"{_PREFIX}12": ("DN", _distinguished_name),
    f"{_PREFIX}14": ("Delivery Method", _matched(_DELIVERY + rb"(?: *\$ *" + _DELIVERY + b")*")),
    f"{_PREFIX}15": ("Directory String", _directory_string),
    f"{_PREFIX}22": ("Facsimile Telephone Number", _matched(_PRINTABLE + rb"+(?:\$" + _PRINTABLE + b"+)*")),
    f"{_PREFIX}24": ("Generalized Time", _read(generalized_time)),
    f"{_PREFIX}26": ("IA5 String", bytes.isascii),
    f"{_PREFIX}27": ("INTEGER", _read(integer)),
    f"{_PREFIX}34": ("Name And Optional UID", _read(name_and_optional_uid)),
    f"{_PREFIX}36": ("Numeric String", _matched(rb"[0-9 ]+")),
    f"{_PREFIX}38": ("OID", _oid),
    f"{_PREFIX}39": ("Other Mailbox", bytes.isascii),
    f"{_PREFIX}41": ("Postal Address", _postal_address),
    f"{_PREFIX}44": ("Printable String", _printable),
    f"{_PREFIX}50": ("Telephone Number", _printable),
    f"{_PREFIX}52": ("Telex Number", _matched(_PRINTABLE + rb"+(?:\$" + _PRINTABLE + b"+)*")),
    "1.3.6.1.1.16.1": ("UUID", _matched(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")),
    f"{_MICROSOFT}903": ("DN With Binary", _dn_with_binary),
    f"{_MICROSOFT}905": ("Case Insensitive String", _directory_string),
    f"{_MICROSOFT}906": ("Large Integer", _large_integer),
}


def allows(syntax: str, value: bytes) -> bool:
    """Whether a value is one of the syntax with this OID; of a syntax not known here every value is."""
    known = SYNTAXES.get(syntax)
    return known is None or known[1](value)
