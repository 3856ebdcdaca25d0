"""What a definition says, each kind with fields of its own (RFC 4512 sections 4.1.1 to 4.1.5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ldapserver.directory.notation import Definition, InvalidSchema, is_numeric_oid, render
from ldapserver.directory.schema_file import generated_oid

DIRECTORY_STRING = "1.3.6.1.4.1.1466.115.121.1.15"
USER_APPLICATIONS = "userApplications"  # the usage that is meant when none is written, RFC 4512 section 4.1.2
_USAGES = (USER_APPLICATIONS, "directoryOperation", "distributedOperation", "dSAOperation")
_USAGE = {usage.lower(): usage for usage in _USAGES}


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
    generated: bool = False  # made for a name that nobody has defined

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
    generated: bool = False  # made for a name that nobody has defined


@dataclass(frozen=True, slots=True)
class MatchingRuleDescription:
    """RFC 4512 section 4.1.3; `syntax` is that of the assertion."""

    oid: str
    name: str
    syntax: str
    definition: str


@dataclass(frozen=True, slots=True)
class SyntaxDescription:
    """LDAPSyntaxDescription, RFC 4512 section 4.1.5."""

    oid: str
    definition: str


def attribute_types(definitions: Iterable[Definition]) -> dict[str, AttributeType]:
    """The types, under each lower-case name and OID. Raises InvalidSchema."""
    raw = {name.lower(): each for each in definitions for name in (*each.names, each.oid)}
    made: dict[str, AttributeType] = {}
    for each in raw.values():
        _make(each, raw, made, ())
    return {key: made[each.oid] for key, each in raw.items()}


def _make(
    definition: Definition, raw: Mapping[str, Definition], made: dict[str, AttributeType], below: tuple[str, ...]
) -> AttributeType:
    """One type and, before it, those it is derived from, wherever they stand."""
    oid, fields, place = definition.oid, definition.fields, definition.place
    known = made.get(oid)
    if known is not None:
        return known
    sup, sup_name = None, None
    if "SUP" in fields:
        (sup_name,) = fields["SUP"]
        supertype = raw.get(sup_name.lower())
        if supertype is None:
            raise InvalidSchema(f"{place}: {oid}: there is no supertype {sup_name}")
        if oid in below:
            raise InvalidSchema(f"{place}: {oid}: it is its own supertype")
        sup = _make(supertype, raw, made, (*below, oid))
    (equality,) = fields.get("EQUALITY") or ((sup.equality,) if sup else (None,))
    (ordering,) = fields.get("ORDERING") or ((sup.ordering,) if sup else (None,))
    (substr,) = fields.get("SUBSTR") or ((sup.substr,) if sup else (None,))
    (syntax,) = fields.get("SYNTAX") or ((sup.syntax,) if sup else ("",))
    # "each attribute type description must contain at least one of the SUP or SYNTAX fields", section 4.1.2.
    if not syntax:
        raise InvalidSchema(f"{place}: {oid}: there is neither SUP nor SYNTAX")
    usage = USER_APPLICATIONS
    if "USAGE" in fields:
        (written,) = fields["USAGE"]
        usage = _USAGE.get(written.lower(), "")
        if not usage:
            raise InvalidSchema(f"{place}: {oid}: USAGE {written} is none of {', '.join(_USAGES)}")
    attribute_type = made[oid] = AttributeType(
        oid,
        definition.names,
        sup_name,
        equality,
        ordering,
        substr,
        syntax,
        "SINGLE-VALUE" in fields,
        "NO-USER-MODIFICATION" in fields,
        usage,
        definition.text,
    )
    return attribute_type


def object_classes(definitions: Iterable[Definition], types: Mapping[str, AttributeType]) -> dict[str, ObjectClass]:
    """The classes, under each lower-case name and OID. Raises InvalidSchema."""
    raw = {name.lower(): each for each in definitions for name in (*each.names, each.oid)}
    made: dict[str, ObjectClass] = {}
    for each in raw.values():
        if each.oid not in made:
            made[each.oid] = _object_class(each, raw, types)
            _not_above_itself(each, raw, ())
    return {key: made[each.oid] for key, each in raw.items()}


def _object_class(
    definition: Definition, raw: Mapping[str, Definition], types: Mapping[str, AttributeType]
) -> ObjectClass:
    oid, fields, place = definition.oid, definition.fields, definition.place
    kinds = [kind for kind in ("ABSTRACT", "STRUCTURAL", "AUXILIARY") if kind in fields]
    if len(kinds) > 1:
        raise InvalidSchema(f"{place}: {oid}: a class is not both {' and '.join(kinds)}")
    sup, must, may = fields.get("SUP", ()), fields.get("MUST", ()), fields.get("MAY", ())
    for name in sup:
        if name.lower() not in raw:
            raise InvalidSchema(f"{place}: {oid}: there is no superclass {name}")
    for name in (*must, *may):
        if name.lower() not in types:
            raise InvalidSchema(f"{place}: {oid}: there is no attribute type {name}")
    return ObjectClass(oid, definition.names, sup, kinds[0] if kinds else "STRUCTURAL", must, may, definition.text)


def _not_above_itself(definition: Definition, raw: Mapping[str, Definition], below: tuple[str, ...]) -> None:
    if definition.oid in below:
        raise InvalidSchema(f"{definition.place}: {definition.oid}: it is its own superclass")
    for name in definition.fields.get("SUP", ()):
        sup = raw.get(name.lower())
        if sup is not None:
            _not_above_itself(sup, raw, (*below, definition.oid))


def matching_rule(definition: Definition) -> MatchingRuleDescription:
    """The matching rule of a definition. Raises InvalidSchema."""
    if not definition.names or "SYNTAX" not in definition.fields:
        raise InvalidSchema(f"{definition.place}: {definition.oid}: a matching rule has NAME and SYNTAX here")
    (syntax,) = definition.fields["SYNTAX"]
    return MatchingRuleDescription(definition.oid, definition.names[0], syntax, definition.text)


def generated_type(name: str) -> AttributeType:
    """A type for a name that nobody has defined: its values are compared as directory strings."""
    rules = ("caseIgnoreMatch", "caseIgnoreOrderingMatch", "caseIgnoreSubstringsMatch")
    values = ((each,) for each in (*rules, DIRECTORY_STRING))
    fields = dict(zip(("EQUALITY", "ORDERING", "SUBSTR", "SYNTAX"), values, strict=True))
    oid, names, definition = _generated("attributeTypes", name, fields)
    return AttributeType(
        oid, names, None, *rules, DIRECTORY_STRING, False, False, USER_APPLICATIONS, definition, generated=True
    )


def generated_class(name: str) -> ObjectClass:
    """A class for a name that nobody has defined: auxiliary, for nothing is known of it: it forbids nothing."""
    oid, names, definition = _generated("objectClasses", name, {"SUP": ("top",), "AUXILIARY": ()})
    return ObjectClass(oid, names, ("top",), "AUXILIARY", (), (), definition, generated=True)


def _generated(kind: str, name: str, fields: Mapping[str, tuple[str, ...]]) -> tuple[str, tuple[str, ...], str]:
    oid = generated_oid(name)
    names = () if is_numeric_oid(name) else (name,)
    return oid, names, render(kind, oid, {"NAME": names, **fields} if names else fields)
