"""Attributes that are worked out when somebody asks for them, and stored nowhere."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ldapserver.directory.entry import Entry
from ldapserver.directory.schema import Schema
from ldapserver.wire.dn import DN


@dataclass(frozen=True, slots=True)
class Computed:
    """One such attribute; `values` gives those of an entry, none when it has not got it.

    Where it is known, `having` gives the other way round the names of all entries that have a value.
    """

    name: str
    values: Callable[[Entry], tuple[bytes, ...]]
    having: Callable[[bytes], Iterable[DN]] | None = None


ByName = Mapping[str, Computed]  # by every name and OID of the type, in lower case
NOTHING: ByName = {}


def by_name(schema: Schema, attributes: Iterable[Computed]) -> ByName:
    """Each under every name of its type, all of which `schema` has."""
    named: dict[str, Computed] = {}
    for each in attributes:
        attribute_type = schema.attribute_type(each.name)
        if attribute_type is None:
            raise LookupError(f"{each.name}: not in the schema")
        named |= dict.fromkeys((attribute_type.oid, *(name.lower() for name in attribute_type.names)), each)
    return named
