"""Values that are names of entries: in angle brackets as clients may write them, and as they are stored."""

from ldapserver.directory.ad.following import targets_in
from ldapserver.directory.ad.links import LINKS
from ldapserver.directory.ad.naming import named
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.profile import View, Write
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import Change, PartialAttribute, ResultCode

_DISTINGUISHED_NAME = "1.3.6.1.4.1.1466.115.121.1.12"
_FORWARD = frozenset(map(str.lower, LINKS))

_Values = tuple[bytes, ...]


def is_link(description: str) -> bool:
    """Whether this is a linked attribute, whose values lead to entries."""
    return description.lower() in _FORWARD


def with_names(view: View, change: Change, domain: DN) -> Change:
    """The change with the names that its values stand for."""
    name, values = change.modification.type, change.modification.values
    found = meant(view, name, values, domain)
    return change if found is values else Change(change.operation, PartialAttribute(name, found))


def meant(view: View, description: str, values: _Values, domain: DN) -> _Values:
    """What names in angle brackets stand for, in values that are names: [MS-ADTS] 3.1.1.3.1.2.4."""
    if not any(value.startswith(b"<") for value in values):
        return values
    attribute_type = view.schema.attribute_type(description)
    if attribute_type is None or attribute_type.syntax != _DISTINGUISHED_NAME:
        return values
    return tuple([_name(view, value, domain) for value in values])


def meant_in_filter(view: View, description: str, value: bytes, domain: DN) -> bytes:
    """What an asserted value stands for: as `meant`, but that a name of nobody stays, and matches nothing."""
    try:
        return meant(view, description, (value,), domain)[0]
    except OperationRefused:
        return value


def _name(view: View, value: bytes, domain: DN) -> bytes:
    text = value.decode("utf-8", "replace")
    try:
        dn = named(view, text, domain)
    except InvalidDN:
        return value  # which the schema refuses
    except LookupError:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, f"{text}: nobody") from None
    return value if dn is None else str(dn).encode()


def linked(write: Write, before: Entry | None, attributes: Attributes) -> Attributes:
    """Links lead to entries that there are, and call them as they are called: [MS-ADTS] 3.1.1.1.6."""
    kept = []
    for name, values in attributes:
        if is_link(name):
            there = set(() if before is None else before.get(name))
            values = tuple([value if value in there else _target(write, name, value) for value in values])
        kept.append((name, values))
    return tuple(kept)


def _target(write: Write, name: str, value: bytes) -> bytes:
    targets = targets_in(value)
    if not targets:
        return value  # which the schema refuses
    entry = write.entry(targets[0])
    if entry is None:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, f"{name}: there is no {targets[0]}")
    return str(entry.dn).encode()


def resolved(view: View, values: _Values) -> tuple[_Values, list[DN]]:
    """Names of entries as these are called, what leads nowhere as it was; and the names that the values are."""
    spelt: dict[bytes, None] = {}
    names: list[DN] = []
    for value in values:
        for name in targets_in(value):
            entry = view.entry(name)
            if entry is not None:
                # The entry's own name, of which there is one however many point to it.
                name, value = entry.dn, str(entry.dn).encode()
            names.append(name)
        spelt[value] = None
    return tuple(spelt), names
