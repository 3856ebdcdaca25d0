"""What is written in Python, JSON or YAML as the value of an attribute, and the octets that stand for it."""

import reprlib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ldapserver.directory.filetime import filetime, generalized_time
from ldapserver.directory.ldif import Attributes
from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute

# Of accounts, as Active Directory has them: a moment is a FILETIME there, and a GeneralizedTime elsewhere.
_FILETIMES = frozenset(("accountexpires", "pwdlastset", "lockouttime", "badpasswordtime", "lastlogon"))

# Aliases of YAML make a great deal of little, all of which repr() would write.
_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 2
brief = _BRIEF.repr


def octets_of(name: str, value: object) -> tuple[bytes, ...]:
    """The values of the attribute `name`; none for None. Raises ValueError.

    Text is UTF-8, True and False are TRUE and FALSE, a moment knows its zone, `{"base64": "..."}` is octets, and a
    list is several values.
    """
    if value is None:
        return ()
    if isinstance(value, list | tuple | set | frozenset):
        return tuple([_octets(name, one) for one in value])
    return (_octets(name, value),)


def _octets(name: str, value: object) -> bytes:
    match value:
        case bytes():
            return value
        case str():
            return text_octets(name, value)
        case bool():
            return b"TRUE" if value else b"FALSE"
        case int():
            return b"%d" % value
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{name}: a moment must know its zone")
            as_number = name.lower() in _FILETIMES
            return str(filetime(value) if as_number else generalized_time(value.astimezone(UTC))).encode()
        case {"base64": str() as base64, **rest} if not rest:
            try:
                return b64decode(base64, validate=True)
            except ValueError:
                raise ValueError(f"{name}: not base64") from None
        case _:
            dn = getattr(value, "dn", None)  # a user or a group stands for its name
            if isinstance(dn, str):
                return dn.encode()
            raise ValueError(f"{name}: must be text, octets, a number, True or False, a moment, or a list of these")


def text_octets(name: str, text: str) -> bytes:
    """UTF-8. Raises ValueError for half of a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: half of a surrogate pair is no character") from None


def attributes_of(given: Mapping[str, object]) -> Attributes:
    """The attributes that have a value. Raises ValueError for what is no attribute's name (RFC 4512 section 2.5)."""
    found = [(checked_name(name), octets_of(name, value)) for name, value in given.items()]
    return tuple([(name, values) for name, values in found if values])


def checked_name(name: object) -> str:
    """An attribute description. Raises ValueError."""
    if not isinstance(name, str) or not ATTRIBUTE_DESCRIPTION.fullmatch(name):
        raise ValueError(f"{name}: is no name of an attribute: letters, digits and hyphens (RFC 4512 section 2.5)")
    return name


def changes_of(operation: ModifyOperation, given: Mapping[str, object]) -> Iterable[Change]:
    """A change for each attribute; None, of one to replace or delete, is all that it has. Raises ValueError."""
    for name, value in given.items():
        yield Change(operation, PartialAttribute(checked_name(name), octets_of(name, value)))
