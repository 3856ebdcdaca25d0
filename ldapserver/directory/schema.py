"""What attribute types, object classes and matching rules are called and how they relate (RFC 4512 sections 2 and 4).

The definitions stand in `schemas/`, one file a document, read when they are first asked for; users may add their own.
How a definition is written is decided in `notation.py`, what a file of them looks like in `schema_file.py`, what
entries have to keep in `conformance.py`, and what clients are told in `subschema.py`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ldapserver.directory.descriptions import (
    DIRECTORY_STRING,
    USER_APPLICATIONS,
    AttributeType,
    MatchingRuleDescription,
    ObjectClass,
    SyntaxDescription,
    attribute_types,
    generated_class,
    generated_type,
    matching_rule,
    object_classes,
)
from ldapserver.directory.entry import PASSWORD_ATTRIBUTES, Shape, is_password
from ldapserver.directory.notation import Definition, Fields, InvalidSchema, render
from ldapserver.directory.schema_file import read_definitions
from ldapserver.wire.dn import DN, NUMERICOID

__all__ = [
    "DIRECTORY_STRING",
    "SUBSCHEMA",
    "AttributeType",
    "Definitions",
    "InvalidSchema",
    "Loaded",
    "MatchingRuleDescription",
    "ObjectClass",
    "Schema",
    "core",
    "load_schema",
    "read_schema",
]

SUBSCHEMA = DN.parse("cn=Subschema")

_TOP = "2.5.6.0"
_NUMERICOID = re.compile(NUMERICOID)


class Schema:
    """Definitions, found by name in any case or by OID. It does not change: `extended` gives another."""

    def __init__(
        self,
        attribute_types: Iterable[AttributeType],
        object_classes: Iterable[ObjectClass],
        matching_rules: Iterable[MatchingRuleDescription],
        syntaxes: Iterable[SyntaxDescription] = (),
    ) -> None:
        self.attribute_types = tuple(attribute_types)
        self.object_classes = tuple(object_classes)
        self.matching_rules = tuple(matching_rules)
        self.syntaxes = tuple(syntaxes)
        self._types = {name.lower(): each for each in self.attribute_types for name in (*each.names, each.oid)}
        self._classes = {name.lower(): each for each in self.object_classes for name in (*each.names, each.oid)}
        self._rules = {name.lower(): each for each in self.matching_rules for name in (each.name, each.oid)}
        self._subtypes: dict[str, list[AttributeType]] = {}
        for each in self.attribute_types:
            sup = self._types.get(each.sup.lower()) if each.sup else None
            if sup is not None:
                self._subtypes.setdefault(sup.oid, []).append(each)
        self._lineages: dict[str, frozenset[str]] = {}
        self._with_subtypes: dict[str, frozenset[str]] = {}
        self._places: dict[str, dict[Shape, tuple[int, ...]]] = {}
        secret = [each for each in self.attribute_types if any(map(is_password, (*each.names, each.oid)))]
        self._secret = PASSWORD_ATTRIBUTES.union(*map(self.with_subtypes, secret))

    def is_secret(self, description: str) -> bool:
        """Whether an attribute holds secrets: one of `PASSWORD_ATTRIBUTES`, by any of its names, or one below it."""
        return description.partition(";")[0].lower() in self._secret

    def attribute_type(self, description: str) -> AttributeType | None:
        """The type of an attribute description, whatever its options."""
        return self._types.get(description.partition(";")[0].lower())

    def object_class(self, name: str) -> ObjectClass | None:
        """The object class of this name or OID."""
        return self._classes.get(name.lower())

    def matching_rule(self, name: str) -> MatchingRuleDescription | None:
        """The matching rule of this name or OID."""
        return self._rules.get(name.lower())

    def oid(self, name: str) -> str | None:
        """The OID behind a short name of any kind; a dotted OID is itself. None when the name is not recognised."""
        if name[:1].isdigit():
            return name if _NUMERICOID.fullmatch(name) else None
        key = name.lower()
        found = self._classes.get(key) or self._types.get(key) or self._rules.get(key)
        return found.oid if found else None

    def with_subtypes(self, attribute_type: AttributeType) -> frozenset[str]:
        """The lower-case names and OIDs of a type and all below it: a filter on name is one on cn, section 2.5.1."""
        known = self._with_subtypes.get(attribute_type.oid)
        if known is None:
            names = {name.lower() for name in (*attribute_type.names, attribute_type.oid)}
            for each in self._subtypes.get(attribute_type.oid, ()):
                names |= self.with_subtypes(each)
            known = self._with_subtypes[attribute_type.oid] = frozenset(names)
        return known

    def places(self, attribute_type: AttributeType) -> dict[Shape, tuple[int, ...]]:
        """Where in entries of each shape the values of a type are, as far as `evaluation.py` has looked."""
        return self._places.setdefault(attribute_type.oid, {})

    def lineage(self, name: str) -> frozenset[str]:
        """The OIDs of an object class and all its superclasses; of an unknown class none."""
        key = name.lower()
        known = self._lineages.get(key)
        if known is None:
            object_class = self._classes.get(key)
            oids = {object_class.oid} if object_class else set()
            for sup in object_class.sup if object_class else ():
                oids |= self.lineage(sup)
            known = frozenset(oids)
            if object_class:  # what is not known is not remembered: it may come from a client, without end
                self._lineages[key] = known
        return known

    def extended(self, attributes: Iterable[str], object_classes: Iterable[str]) -> "Schema":
        """This schema and a generated definition for each name that has none here."""
        types = {d.partition(";")[0].lower(): d.partition(";")[0] for d in attributes if not self.attribute_type(d)}
        classes = {name.lower(): name for name in object_classes if not self.object_class(name)}
        if not types and not classes:
            return self
        return Schema(
            (*self.attribute_types, *map(generated_type, types.values())),
            (*self.object_classes, *map(generated_class, classes.values())),
            self.matching_rules,
            self.syntaxes,
        )


class Definitions:
    """Definitions on their way to a schema: of two that share an OID or a name, the later one counts."""

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        self._kept: dict[tuple[str, str], Definition] = {}  # by kind and OID
        self._named: dict[tuple[str, str], tuple[str, str]] = {}  # kind and lower-case name to where that stands
        for each in definitions:
            self.take(each)

    def take(self, definition: Definition) -> list[Definition]:
        """Add one; what it displaces, if that means anything else.

        Others may lean on any name of what is displaced: those that the new one leaves out stay with its OID.
        """
        kind, at = definition.kind, (definition.kind, definition.oid)
        known = self._kept.get(at)
        if known is not None:
            # Which values match is decided by code: that of a rule known here is not to be had from a file.
            if kind in ("matchingRules", "ldapSyntaxes") or known.text == definition.text:
                return []
            definition = _completed(known, definition)
        named = (self._named.get((kind, name.lower()), at) for name in definition.names)
        robbed = [self._kept[key] for key in dict.fromkeys(named) if key != at]
        if known is not None and not robbed and self._meaning(known) == self._meaning(definition):
            return []
        taken = {name.lower() for name in definition.names}
        for other in robbed:
            left = tuple([name for name in other.names if name.lower() not in taken])
            if left:
                self._kept[kind, other.oid] = _with_fields(other, {**other.fields, "NAME": left})
            else:
                del self._kept[kind, other.oid]
        self._kept[at] = definition
        self._named |= {(kind, name): at for name in taken}
        return [known, *robbed] if known is not None else robbed

    def _meaning(self, definition: Definition) -> Mapping[str, frozenset[str]]:
        """What a definition says, whatever it tells of itself, in whichever order and by which names."""
        meaning = {
            keyword: frozenset([self._oid(keyword, definition.kind, value) for value in values])
            for keyword, values in definition.fields.items()
            if keyword not in ("DESC", "STRUCTURAL") and keyword[:2] != "X-"
        }
        if meaning.get("USAGE") == frozenset((USER_APPLICATIONS.lower(),)):
            del meaning["USAGE"]
        if definition.kind == "objectClasses":
            meaning.setdefault("SUP", frozenset((_TOP,)))
        return meaning

    def _oid(self, keyword: str, kind: str, value: str) -> str:
        """What a value stands for: a type and a class go by several names."""
        kind = kind if keyword == "SUP" else "attributeTypes" if keyword in ("MUST", "MAY") else ""
        _, oid = self._named.get((kind, value.lower()), (kind, value.lower()))
        return oid

    def schema(self) -> Schema:
        """The schema of all of them, in the order they came in. Raises InvalidSchema: what leans on nothing."""
        by_kind: dict[str, list[Definition]] = {}
        for each in self._kept.values():
            by_kind.setdefault(each.kind, []).append(each)
        types = attribute_types(by_kind.get("attributeTypes", ()))
        classes = object_classes(by_kind.get("objectClasses", ()), types)
        return Schema(
            dict.fromkeys(types.values()),
            dict.fromkeys(classes.values()),
            [matching_rule(each) for each in by_kind.get("matchingRules", ())],
            [SyntaxDescription(each.oid, each.text) for each in by_kind.get("ldapSyntaxes", ())],
        )

    def copy(self) -> "Definitions":
        """The same ones, to add to."""
        other = Definitions()
        other._kept, other._named = dict(self._kept), dict(self._named)
        return other


def _completed(known: Definition, definition: Definition) -> Definition:
    """The definition with the names that only the known one of its OID has; and with its matching rules.

    These where it names none and has the same syntax: Active Directory's own schema names none anywhere.
    """
    fields = dict(definition.fields)
    names = {name.lower() for name in definition.names}
    if more := tuple([name for name in known.names if name.lower() not in names]):
        fields["NAME"] = (*definition.names, *more)
    same = known.fields.get("SYNTAX") == fields.get("SYNTAX")
    if same and "SUP" not in fields and _RULES.isdisjoint(fields):
        fields |= {keyword: known.fields[keyword] for keyword in _RULES & known.fields.keys()}
    return definition if fields == definition.fields else _with_fields(definition, fields)


def _with_fields(definition: Definition, fields: Fields) -> Definition:
    return replace(definition, fields=fields, text=render(definition.kind, definition.oid, fields))


_RULES = frozenset(("EQUALITY", "ORDERING", "SUBSTR"))
_FILES = Path(__file__).with_name("schemas")
# What Active Directory has otherwise than the RFCs. It counts where it is asked for.
_PROFILE = "activedirectory-profile.schema"


@cache
def core() -> Schema:
    """The schema of the files in `schemas/`."""
    return _core().schema()


@cache
def _core() -> Definitions:
    return Definitions(
        each for path in sorted(_FILES.glob("*.schema")) if path.name != _PROFILE for each in _own(path)
    )


@cache
def _active_directory() -> Schema:
    definitions = _core().copy()
    for each in _own(_FILES / _PROFILE):
        definitions.take(each)
    return definitions.schema()


def _own(path: Path) -> Iterable[Definition]:
    return read_definitions(path.read_text("ascii"), path.name, as_written=True)


def read_schema(text: str) -> Schema:
    """The schema of one file of definitions that lean on each other only. Raises InvalidSchema."""
    return Definitions(read_definitions(text, "schema")).schema()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of adding files: the schema, and what its user may want to know, a line each."""

    schema: Schema
    remarks: Sequence[str]


def load_schema(files: Iterable[tuple[str, str]], *, active_directory: bool = False) -> Loaded:
    """The known schema and the definitions of `files`, pairs of a name for messages and a text; theirs count.

    A definition may lean on one that stands later, or in another file. With `active_directory` the known schema is
    Active Directory's where that is at odds with the RFCs. Raises InvalidSchema with file, line and reason.
    """
    files = tuple(files)
    if active_directory and not files:
        return Loaded(_active_directory(), ())
    definitions = _core().copy()
    if active_directory:
        for each in _own(_FILES / _PROFILE):
            definitions.take(each)
    own: dict[str, list[Definition]] = {}
    displaced: dict[str, dict[str, None]] = {}
    for source, text in files:
        for each in read_definitions(text, source):
            own.setdefault(source, []).append(each)
            names = {(other.names or (other.oid,))[0]: None for other in definitions.take(each)}
            displaced.setdefault(source, {}).update(names)
    schema = definitions.schema()
    remarks: list[str] = []
    for source, added in own.items():
        if names := displaced[source]:
            remarks.append(f"{source}: takes the place of what is known as {_some(names)}")
        rules = {rule: None for each in added for keyword in _RULES for rule in each.fields.get(keyword, ())}
        if unknown := [rule for rule in rules if schema.matching_rule(rule) is None]:
            remarks.append(f"{source}: {_some(unknown)} not implemented: filters that need it are Undefined")
    return Loaded(schema, remarks)


def _some(names: Iterable[str], most: int = 8) -> str:
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
