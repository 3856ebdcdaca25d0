"""What attribute types, object classes and matching rules are called and how they relate (RFC 4512 sections 2 and 4).

The definitions stand in `core.schema`, read when they are first asked for. Nothing is enforced with them: they say
how values match, which attributes are operational, and what the subschema entry tells a client.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path

from ldapserver.directory.entry import Entry
from ldapserver.wire.dn import DN, NUMERICOID

SUBSCHEMA = DN.parse("cn=Subschema")

_SYNTAXES = "1.3.6.1.4.1.1466.115.121.1."
DIRECTORY_STRING = _SYNTAXES + "15"
_NUMERICOID = re.compile(NUMERICOID)
USER_APPLICATIONS = "userApplications"  # the usage that is meant when none is written, RFC 4512 section 4.1.2


class InvalidSchema(ValueError):
    """A definition is not in the notation of RFC 4512 section 4.1, or leans on one that does not stand before it."""


@dataclass(frozen=True, slots=True)
class AttributeType:
    """AttributeTypeDescription, RFC 4512 section 4.1.2; what it inherits from its supertype is filled in."""

    oid: str
    names: tuple[str, ...]
    sup: str | None
    equality: str | None
    ordering: str | None
    substr: str | None
    syntax: str
    single_value: bool
    no_user_modification: bool
    usage: str
    definition: str

    @property
    def operational(self) -> bool:
        """Whether it is returned only when it is asked for, RFC 4512 section 3.4."""
        return self.usage != USER_APPLICATIONS


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """ObjectClassDescription, RFC 4512 section 4.1.1."""

    oid: str
    names: tuple[str, ...]
    sup: tuple[str, ...]
    kind: str
    must: tuple[str, ...]
    may: tuple[str, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class MatchingRuleDescription:
    """RFC 4512 section 4.1.3; `syntax` is that of the assertion."""

    oid: str
    name: str
    syntax: str
    definition: str


class Schema:
    """Definitions, found by name in any case or by OID. It does not change: `extended` gives another."""

    def __init__(
        self,
        attribute_types: Iterable[AttributeType],
        object_classes: Iterable[ObjectClass],
        matching_rules: Iterable[MatchingRuleDescription],
    ) -> None:
        self.attribute_types = tuple(attribute_types)
        self.object_classes = tuple(object_classes)
        self.matching_rules = tuple(matching_rules)
        self._types = {name.lower(): each for each in self.attribute_types for name in (*each.names, each.oid)}
        self._classes = {name.lower(): each for each in self.object_classes for name in (*each.names, each.oid)}
        self._rules = {name.lower(): each for each in self.matching_rules for name in (each.name, each.oid)}
        self._subtypes: dict[str, list[AttributeType]] = {}
        for each in self.attribute_types:
            sup = self._types.get(each.sup.lower()) if each.sup else None
            if sup is not None:
                self._subtypes.setdefault(sup.oid, []).append(each)
        self._lineages: dict[str, frozenset[str]] = {}

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
        names = {name.lower() for name in (*attribute_type.names, attribute_type.oid)}
        for each in self._subtypes.get(attribute_type.oid, ()):
            names |= self.with_subtypes(each)
        return frozenset(names)

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
            (*self.attribute_types, *map(_generated_type, types.values())),
            (*self.object_classes, *map(_generated_class, classes.values())),
            self.matching_rules,
        )

    def subschema_entry(self, attributes: Iterable[str], object_classes: Iterable[str]) -> Entry:
        """The subschema entry of RFC 4512 section 4.2, about these names and whatever their definitions lean on."""
        classes: dict[str, ObjectClass] = {}
        for name in ("subschema", "extensibleObject", *object_classes):
            self._collect_classes(name, classes)
        types: dict[str, AttributeType] = {each.oid: each for each in self.attribute_types if each.operational}
        wanted = [*attributes, *(name for each in classes.values() for name in (*each.must, *each.may))]
        for name in wanted:
            self._collect_types(name, types)
        rules = {
            rule.lower() for each in types.values() for rule in (each.equality, each.ordering, each.substr) if rule
        }
        published = [rule for rule in self.matching_rules if rule.name.lower() in rules or rule.oid in ANY_INTEGER]
        syntaxes = {each.syntax for each in types.values()} | {rule.syntax for rule in published}
        return Entry(
            SUBSCHEMA,
            (
                ("objectClass", (b"top", b"subentry", b"subschema", b"extensibleObject")),
                ("cn", (b"Subschema",)),
                # "{ }" is the whole administrative area, RFC 3672 section 2.1.
                ("subtreeSpecification", (b"{ }",)),
                ("ldapSyntaxes", [f"( {syntax} )".encode() for syntax in sorted(syntaxes, key=_arcs)]),
                ("matchingRules", [rule.definition.encode() for rule in published]),
                ("attributeTypes", [each.definition.encode() for each in types.values()]),
                ("objectClasses", [each.definition.encode() for each in classes.values()]),
            ),
        )

    def _collect_classes(self, name: str, into: dict[str, ObjectClass]) -> None:
        object_class = self.object_class(name)
        if object_class and object_class.oid not in into:
            for sup in object_class.sup:
                self._collect_classes(sup, into)
            into[object_class.oid] = object_class

    def _collect_types(self, name: str, into: dict[str, AttributeType]) -> None:
        attribute_type = self.attribute_type(name)
        if attribute_type and attribute_type.oid not in into:
            if attribute_type.sup:
                self._collect_types(attribute_type.sup, into)
            into[attribute_type.oid] = attribute_type


ANY_INTEGER = ("1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804")  # named by no type, for they fit every integer


@cache
def core() -> Schema:
    """The schema of `core.schema`."""
    return read_schema(Path(__file__).with_name("core.schema").read_text("ascii"))


def read_schema(text: str) -> Schema:
    """Read a file of `attributeTypes`, `objectClasses` and `matchingRules` lines, or raise `InvalidSchema`."""
    types: dict[str, AttributeType] = {}
    classes: dict[str, ObjectClass] = {}
    rules: list[MatchingRuleDescription] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        kind, _, definition = line.partition(": ")
        try:
            if kind == "attributeTypes":
                attribute_type = _attribute_type(definition, types)
                types |= dict.fromkeys(map(str.lower, (*attribute_type.names, attribute_type.oid)), attribute_type)
            elif kind == "objectClasses":
                object_class = _object_class(definition, classes)
                classes |= dict.fromkeys(map(str.lower, (*object_class.names, object_class.oid)), object_class)
            elif kind == "matchingRules":
                rules.append(_matching_rule(definition))
            else:
                raise InvalidSchema(f"{kind!r} is none of attributeTypes, objectClasses, matchingRules")
        except InvalidSchema as error:
            raise InvalidSchema(f"line {number}: {error}") from None
    return Schema(dict.fromkeys(types.values()), dict.fromkeys(classes.values()), rules)


_TOKEN = re.compile(r"'[^']*'|[()$]|[^\s()$']+")
_FLAGS = frozenset(
    ("OBSOLETE", "SINGLE-VALUE", "COLLECTIVE", "NO-USER-MODIFICATION", "ABSTRACT", "STRUCTURAL", "AUXILIARY")
)


def _fields(definition: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The OID and the fields of any definition: `( numericoid *( KEYWORD [ value / "(" values ")" ] ) )`."""
    tokens: Iterator[str] = iter(_TOKEN.findall(definition))
    fields: dict[str, tuple[str, ...]] = {}
    try:
        if next(tokens) != "(":
            raise InvalidSchema("a definition begins with '('")
        oid = next(tokens)
        while (keyword := next(tokens)) != ")":
            if keyword in _FLAGS:
                fields[keyword] = ()
                continue
            value = next(tokens)
            if value != "(":
                fields[keyword] = (value.strip("'"),)
                continue
            values: list[str] = []
            while (value := next(tokens)) != ")":
                if value != "$":
                    values.append(value.strip("'"))
            fields[keyword] = tuple(values)
    except StopIteration:
        raise InvalidSchema("the definition ends before its ')'") from None
    return oid, fields


def _attribute_type(definition: str, known: dict[str, AttributeType]) -> AttributeType:
    oid, fields = _fields(definition)
    (sup_name,) = fields.get("SUP", (None,))
    sup = known.get(sup_name.lower()) if sup_name else None
    if sup_name and not sup:
        raise InvalidSchema(f"{oid}: the supertype {sup_name} does not stand before it")
    (equality,) = fields.get("EQUALITY") or ((sup.equality,) if sup else (None,))
    (ordering,) = fields.get("ORDERING") or ((sup.ordering,) if sup else (None,))
    (substr,) = fields.get("SUBSTR") or ((sup.substr,) if sup else (None,))
    (syntax,) = fields.get("SYNTAX") or ((sup.syntax,) if sup else ("",))
    # "each attribute type description must contain at least one of the SUP or SYNTAX fields", section 4.1.2.
    if not syntax:
        raise InvalidSchema(f"{oid}: there is neither SUP nor SYNTAX")
    return AttributeType(
        oid,
        fields.get("NAME", ()),
        sup_name,
        equality,
        ordering,
        substr,
        syntax.partition("{")[0],
        "SINGLE-VALUE" in fields,
        "NO-USER-MODIFICATION" in fields,
        fields.get("USAGE", (USER_APPLICATIONS,))[0],
        definition,
    )


def _object_class(definition: str, known: dict[str, ObjectClass]) -> ObjectClass:
    oid, fields = _fields(definition)
    sup = fields.get("SUP", ())
    for name in sup:
        if name.lower() not in known:
            raise InvalidSchema(f"{oid}: the superclass {name} does not stand before it")
    kind = next((kind for kind in ("ABSTRACT", "AUXILIARY") if kind in fields), "STRUCTURAL")
    must, may = fields.get("MUST", ()), fields.get("MAY", ())
    return ObjectClass(oid, fields.get("NAME", ()), sup, kind, must, may, definition)


def _matching_rule(definition: str) -> MatchingRuleDescription:
    oid, fields = _fields(definition)
    if "NAME" not in fields or "SYNTAX" not in fields:
        raise InvalidSchema(f"{oid}: a matching rule has NAME and SYNTAX here")
    return MatchingRuleDescription(oid, fields["NAME"][0], fields["SYNTAX"][0], definition)


def _generated_type(name: str) -> AttributeType:
    oid = _generated_oid(name)
    rules = ("caseIgnoreMatch", "caseIgnoreOrderingMatch", "caseIgnoreSubstringsMatch")
    fields = " ".join(f"{f} {rule}" for f, rule in zip(("EQUALITY", "ORDERING", "SUBSTR"), rules, strict=True))
    names = () if oid == name else (name,)
    definition = f"( {oid}{_quoted(names)} {fields} SYNTAX {DIRECTORY_STRING} )"
    return AttributeType(oid, names, None, *rules, DIRECTORY_STRING, False, False, USER_APPLICATIONS, definition)


def _generated_class(name: str) -> ObjectClass:
    """Auxiliary, for nothing is known of it, and so it forbids nothing."""
    oid = _generated_oid(name)
    names = () if oid == name else (name,)
    definition = f"( {oid}{_quoted(names)} SUP top AUXILIARY )"
    return ObjectClass(oid, names, ("top",), "AUXILIARY", (), (), definition)


def _quoted(names: tuple[str, ...]) -> str:
    return f" NAME '{names[0]}'" if names else ""


# The name space of RFC 9562's UUIDs of version 5 that the generated OIDs are made in; drawn at random, once.
_NAME_SPACE = bytes.fromhex("4d8e0d6bb0a94fd1a0d6c2a1f7b35e92")


def _generated_oid(name: str) -> str:
    """The same OID for the same name everywhere: a version 5 UUID as an arc of 2.25 (X.667). An OID is its own."""
    if name[:1].isdigit():
        return name
    digest = bytearray(sha1(_NAME_SPACE + name.lower().encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(digest)}"


def _arcs(oid: str) -> list[int]:
    return [int(arc) for arc in oid.split(".")]
