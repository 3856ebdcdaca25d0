"""The operational attributes an entry is given: which it is, who made and changed it, and when (RFC 4512, 3.4).

Values that an LDIF file brings stay as they are. All entries of one load share the time and the name.
"""

import time
from collections.abc import Callable, Iterator
from os import urandom

from ldapserver.clock import SYSTEM_CLOCK, Clock
from ldapserver.directory.changes import Draft
from ldapserver.directory.conformance import structural_object_class
from ldapserver.directory.entry import Entry, Shape, shape_of
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.schema import Schema
from ldapserver.wire.dn import DN

# Who has written what nobody who had bound wrote, as slapadd has it: no such entry need be.
NOBODY = DN.parse("cn=anonymous")

_NAMES = ("structuralObjectClass", "entryUUID", "creatorsName", "createTimestamp", "modifiersName", "modifyTimestamp")
_OBJECT_CLASS = ("objectclass", "2.5.4.0")
_DRAWN = 4096  # octets of chance asked for at once: a call for each of a hundred thousand entries would be felt

_Values = tuple[bytes, ...]


class Operational:
    """Where the values come from: a clock, and `random`, which gives so many octets of chance."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, random: Callable[[int], bytes] = urandom) -> None:
        self.clock = clock
        self._uuids = _uuids(random)
        self._missing: dict[tuple[Shape, bool], tuple[Shape, tuple[int, ...]]] = {}
        self._structural: dict[_Values, _Values] = {}

    def now(self) -> _Values:
        """The time as GeneralizedTime (RFC 4517 section 3.3.13), to the second."""
        return (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(self.clock.seconds())).encode(),)

    def completed(self, entry: Entry, schema: Schema, by: _Values, at: _Values) -> Entry:
        """The entry with those of the attributes that it has not got, added by `by` at the time `at`."""
        structural = self.structural(entry.get("objectClass"), schema)
        key = entry.shape, bool(structural)
        known = self._missing.get(key)
        if known is None:
            known = self._missing[key] = _completion(entry.shape, schema, key[1])
        shape, missing = known
        if not missing:
            return entry
        values: tuple[_Values, ...] = (structural, (next(self._uuids),), by, at, by, at)
        if len(missing) != len(_NAMES):
            values = tuple([values[each] for each in missing])
        return Entry.of(entry.dn, shape, entry.values + values)

    def renewed(self, attributes: Attributes, schema: Schema, by: _Values, at: _Values) -> Attributes:
        """The attributes of an entry that `by` has changed at the time `at`."""
        draft = Draft(attributes, schema)
        classes = next((values for name, values in attributes if name.lower() in _OBJECT_CLASS), ())
        draft.replace("structuralObjectClass", self.structural(classes, schema))
        draft.replace("modifiersName", by)
        draft.replace("modifyTimestamp", at)
        return draft.attributes

    def structural(self, classes: _Values, schema: Schema) -> _Values:
        """The structural object class of an entry of these classes (RFC 4512 section 2.4.2), if there is one."""
        known = self._structural.get(classes)
        if known is None:
            found = structural_object_class(schema, classes)
            known = self._structural[classes] = () if found is None else ((*found.names, found.oid)[0].encode(),)
        return known


def _completion(shape: Shape, schema: Schema, structural: bool) -> tuple[Shape, tuple[int, ...]]:
    oids = {each.oid for description in shape.descriptions if (each := schema.attribute_type(description))}
    missing = tuple(at for at, name in enumerate(_NAMES) if schema.oid(name) not in oids and (at or structural))
    return shape_of((*shape.descriptions, *[_NAMES[at] for at in missing])), missing


def _uuids(random: Callable[[int], bytes]) -> Iterator[bytes]:
    """UUIDs of version 4 (RFC 9562 section 5.4), written as RFC 4530 has them."""
    while True:
        drawn = random(_DRAWN).hex()
        for at in range(0, len(drawn), 32):
            hexed = drawn[at : at + 32]
            variant = "89ab"[int(hexed[16], 16) & 3]
            yield f"{hexed[:8]}-{hexed[8:12]}-4{hexed[13:16]}-{variant}{hexed[17:20]}-{hexed[20:]}".encode()
