"""A search filter as Active Directory reads it, said in filters that need no Active Directory.

aNR and the rule for chains become what they stand for; a GUID, a SID or the short name of a category written as text,
or a name in angle brackets, becomes the value that entries have.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ldapserver.directory.ad.anr import ANR_SET, is_anr, resolve
from ldapserver.directory.ad.categories import category_dn
from ldapserver.directory.ad.guid import InvalidGUID, parse_guid
from ldapserver.directory.ad.links import IN_CHAIN, Pointing, in_chain
from ldapserver.directory.ad.sid import InvalidSID, parse_sid
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import (
    And,
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
)

# By name and by OID, for clients write either.
GUIDS = frozenset(("objectguid", "1.2.840.113556.1.4.2", "schemaidguid", "1.2.840.113556.1.4.148"))
SIDS = frozenset(("objectsid", "1.2.840.113556.1.4.146", "sidhistory", "1.2.840.113556.1.4.609", "tokengroups"))
CATEGORIES = frozenset(("objectcategory", "1.2.840.113556.1.4.782"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a filter leans on beside the entry: the forest's schema naming context, and who points to whom.

    `anr_set` is best without attributes that the directory's schema has not got: they are Undefined, and so would be
    the negation of every aNR. `meant(attribute, value)` is what a value of the form `<SID=...>` stands for, and any
    other as it is.
    """

    schema_naming_context: DN
    pointing: Pointing
    anr_set: tuple[str, ...] = ANR_SET
    meant: Callable[[str, bytes], bytes] = lambda _, value: value


def asserted(attribute: str, value: bytes, schema_naming_context: DN) -> bytes:
    r"""The value that an asserted `value` stands for, in an entry's own form; any other value as it is.

    objectGUID and objectSid may be asserted as the octets (`\01\05...`) or as text, objectCategory as a DN or as the
    lDAPDisplayName of a class ([MS-ADTS] 3.1.1.3.1.3.5).
    """
    name = attribute.partition(";")[0].lower()
    if name not in GUIDS and name not in SIDS and name not in CATEGORIES:
        return value
    try:
        text = value.decode("ascii")
        if name in GUIDS:
            return parse_guid(text)  # no text form is 16 long, so octets are never taken for one
        if name in SIDS:
            return parse_sid(text)
    except (UnicodeDecodeError, InvalidGUID, InvalidSID):
        return value
    category = category_dn(text, schema_naming_context)
    return value if category is None else str(category).encode()


def rewrite(filter: Filter, surroundings: Surroundings) -> Filter:
    """`filter` said without anything that only Active Directory knows."""
    match filter:
        case And(filters):
            return And(_each(filters, surroundings))
        case Or(filters):
            return Or(_each(filters, surroundings))
        case Not(negated):
            return Not(rewrite(negated, surroundings))
        case Extensible(attribute=str(attribute), matching_rule=rule) if rule == IN_CHAIN:
            named = replace(filter, value=surroundings.meant(attribute, filter.value))
            return in_chain(named, surroundings.pointing)
        case Equality() | Approximate() | GreaterOrEqual() | LessOrEqual() if not is_anr(filter.attribute):
            return _item(filter, filter.attribute, surroundings)
        case Extensible(attribute=str(attribute)) if not is_anr(attribute):
            return _item(filter, attribute, surroundings)
    return resolve(filter, surroundings.anr_set)


def _each(filters: tuple[Filter, ...], surroundings: Surroundings) -> tuple[Filter, ...]:
    return tuple([rewrite(each, surroundings) for each in filters])


def _item(
    item: Equality | Approximate | GreaterOrEqual | LessOrEqual | Extensible,
    attribute: str,
    surroundings: Surroundings,
) -> Filter:
    value = asserted(attribute, item.value, surroundings.schema_naming_context)
    value = surroundings.meant(attribute, value)
    return item if value == item.value else replace(item, value=value)
