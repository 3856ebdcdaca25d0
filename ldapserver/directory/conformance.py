"""Whether an entry is what the schema allows (RFC 4512 section 2), refused with the result codes that slapd uses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from weakref import WeakKeyDictionary

from ldapserver.directory.entry import Entry
from ldapserver.directory.matching import equality_rule
from ldapserver.directory.schema import AttributeType, ObjectClass, Schema
from ldapserver.directory.syntaxes import SYNTAXES, allows
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import AVA, DN
from ldapserver.wire.messages import ResultCode

Attributes = Iterable[tuple[str, Sequence[bytes]]]

_OBJECT_CLASS = "2.5.4.0"
# userAccountControl, accountExpires, pwdLastSet, logonHours, userWorkstations: what a bind goes by (`account_state`).
OF_ACCOUNTS = frozenset(f"1.2.840.113556.1.4.{number}" for number in (8, 159, 96, 64, 86))
_EXTENSIBLE_OBJECT = "1.3.6.1.4.1.1466.101.120.111"


class Conformance(Enum):
    """How much of the schema entries have to keep."""

    STRICT = "strict"  # all of it
    LENIENT = "lenient"  # what is known of a value: its syntax, and that there is one only; and to be of some class
    OFF = "off"  # nothing


@dataclass(frozen=True, slots=True)
class Rules:
    """What a write has to keep of a schema. Every method refuses with OperationRefused."""

    schema: Schema
    how: Conformance

    def name(self, field: str, dn: DN) -> None:
        """Refuse, under strict, a name that no entry can have, as slapd does: it is none (invalidDNSyntax)."""
        for rdn in dn.rdns if self.how is Conformance.STRICT else ():
            oids: set[str] = set()
            for ava in rdn:
                attribute_type = self.schema.attribute_type(ava.type)
                if attribute_type is None or attribute_type.generated:
                    raise _refused(ResultCode.INVALID_DN_SYNTAX, f"{field}: {ava.type}: attribute type undefined")
                if not allows(attribute_type.syntax, ava.value):
                    raise _refused(ResultCode.INVALID_DN_SYNTAX, f"{field}: {ava.type}: value invalid per syntax")
                oids.add(attribute_type.oid)
            # An RDN has no two values of one type.  RFC 4512 section 2.3.1
            if len(oids) < len(rdn):
                raise _refused(ResultCode.INVALID_DN_SYNTAX, f"{field}: an RDN has one value of a type")

    def values(self, description: str, values: Sequence[bytes], *, deleted: bool = False) -> None:
        """Refuse, under strict, what a request says of one attribute, whatever entry it is about.

        Under lenient the values may be those that an LDIF brought, wrong as they are: there the entry is asked first.
        """
        if self.how is not Conformance.STRICT:
            return
        attribute_type = _known_type(self.schema, description)
        _check_syntax(attribute_type, description, values, ())
        if attribute_type.oid == _OBJECT_CLASS:
            _check_known_classes(self.schema, values)
        if not deleted:
            _check_number(attribute_type, description, values)

    def entry(self, dn: DN, attributes: Attributes, before: Entry | None) -> None:
        """See `check_entry`."""
        check_entry(self.schema, self.how, dn, attributes, before)


def check_entry(
    schema: Schema, how: Conformance, dn: DN, attributes: Attributes, before: Entry | None = None
) -> None:
    """Refuse an entry as a write would leave it, with OperationRefused.

    `attributes` are all it will hold, those with secrets and the values that name it among them. `before` is the
    entry as it stands, where there is one: what it held already is not held against it by lenient, nor are its values
    looked at again, for they may come from an LDIF that nobody checked.
    """
    if how is Conformance.OFF:
        return
    strict = how is Conformance.STRICT
    attributes = tuple(attributes)
    classes: Sequence[bytes] = ()
    types: list[tuple[str, AttributeType]] = []
    for description, values in attributes:
        attribute_type = _known_type(schema, description) if strict else schema.attribute_type(description)
        if attribute_type is None or attribute_type.generated:
            continue
        if attribute_type.oid == _OBJECT_CLASS:
            classes = values
        _check_values(attribute_type, description, values, before.get(description) if before is not None else ())
        if strict:
            types.append((description, attribute_type))
    # What an entry is, it says: objectClass is in every one.  RFC 4512 section 2.4
    if not classes and (strict or before is None or before.get("objectClass")):
        raise _refused(ResultCode.OBJECT_CLASS_VIOLATION, "objectClass: an entry has at least one")
    if strict:
        _check_classes(schema, classes, types, before)
        for ava in dn.rdns[0] if dn else ():
            _check_naming(schema, ava, attributes)


def check_user_modification(schema: Schema, descriptions: Iterable[str]) -> None:
    """Refuse what names an attribute that the server keeps: NO-USER-MODIFICATION, RFC 4512 section 4.1.2."""
    for description in descriptions:
        attribute_type = schema.attribute_type(description)
        if attribute_type is not None and attribute_type.no_user_modification:
            raise _refused(ResultCode.CONSTRAINT_VIOLATION, f"{description}: no user modification allowed")


def structural_object_class(schema: Schema, classes: Iterable[bytes]) -> ObjectClass | None:
    """The structural class of an entry: that of its structural ones that none of the others is derived from.

    None where there is none that is known; the first where there are several, which strict allows nobody.
    """
    return _class_set(schema, tuple(classes)).structural


def _refused(result_code: ResultCode, text: str) -> OperationRefused:
    return OperationRefused(result_code, text)


def _check_values(
    attribute_type: AttributeType, description: str, values: Sequence[bytes], before: Sequence[bytes]
) -> None:
    if tuple(values) != before:
        _check_number(attribute_type, description, values)
    _check_syntax(attribute_type, description, values, before)


def _check_known_classes(schema: Schema, classes: Iterable[bytes]) -> None:
    for number, value in enumerate(classes):
        if _known_class(schema, value) is None:
            raise _refused(*_no_class(number))


def _known_class(schema: Schema, value: bytes) -> ObjectClass | None:
    object_class = schema.object_class(value.decode("utf-8", "replace"))
    return None if object_class is None or object_class.generated else object_class


def _no_class(number: int) -> tuple[ResultCode, str]:
    return ResultCode.INVALID_ATTRIBUTE_SYNTAX, f"objectClass: value #{number} is no class that is known"


def _check_number(attribute_type: AttributeType, description: str, values: Sequence[bytes]) -> None:
    if len(values) > 1 and attribute_type.single_value:
        raise _refused(ResultCode.CONSTRAINT_VIOLATION, f"{description}: single-valued, and {len(values)} values")


def _known_type(schema: Schema, description: str) -> AttributeType:
    attribute_type = schema.attribute_type(description)
    if attribute_type is None or attribute_type.generated:
        raise _refused(ResultCode.UNDEFINED_ATTRIBUTE_TYPE, f"{description}: attribute type undefined")
    return attribute_type


def _check_syntax(
    attribute_type: AttributeType, description: str, values: Sequence[bytes], before: Sequence[bytes]
) -> None:
    syntax = SYNTAXES.get(attribute_type.syntax)
    if syntax is None:
        return
    name, fits = syntax
    wrong = [value for value in (set(values).difference(before) if before else values) if not fits(value)]
    if wrong:
        number = min(map(tuple(values).index, wrong))
        raise _refused(
            ResultCode.INVALID_ATTRIBUTE_SYNTAX, f"{description}: value #{number} invalid per syntax ({name})"
        )


@dataclass(frozen=True, slots=True)
class _ClassSet:
    """What the object classes of an entry amount to; `must` goes from OIDs to who asks for what."""

    structural: ObjectClass | None
    refusal: tuple[ResultCode, str] | None
    must: dict[str, tuple[str, str]]
    may: frozenset[str]
    extensible: bool


# Entries of one kind list the same classes, so what they amount to is worked out once for each list and schema.
_CLASS_SETS: WeakKeyDictionary[Schema, dict[tuple[bytes, ...], _ClassSet]] = WeakKeyDictionary()
_MOST_CLASS_SETS = 1024  # lists come from clients, without end


def _class_set(schema: Schema, classes: tuple[bytes, ...]) -> _ClassSet:
    known = _CLASS_SETS.setdefault(schema, {})
    found = known.get(classes)
    if found is None:
        if len(known) >= _MOST_CLASS_SETS:
            known.clear()
        found = known[classes] = _amounting(schema, classes)
    return found


def _amounting(schema: Schema, classes: Iterable[bytes]) -> _ClassSet:
    listed: list[ObjectClass] = []
    refusal: tuple[ResultCode, str] | None = None
    for number, value in enumerate(classes):
        object_class = _known_class(schema, value)
        if object_class is not None:
            listed.append(object_class)
        elif refusal is None:
            refusal = _no_class(number)
    above = {each.oid: schema.lineage(each.oid) for each in listed}
    structural = [each for each in listed if each.kind == "STRUCTURAL"]
    lowest = [
        each for each in structural if not any(each.oid in above[other.oid] for other in structural if other != each)
    ]
    must: dict[str, tuple[str, str]] = {}
    may: set[str] = set()
    for each in listed:
        for oid in sorted(above[each.oid]):  # in an order, so that the same refusal is said every time
            superclass = schema.object_class(oid)
            if superclass is not None:
                must |= {_oid(schema, name): (_name(each), name) for name in superclass.must}
                may |= {_oid(schema, name) for name in superclass.may}
    extensible = any(_EXTENSIBLE_OBJECT in oids for oids in above.values())
    refusal = refusal or _wrong_kinds(listed, above, lowest)
    return _ClassSet(lowest[0] if lowest else None, refusal, must, frozenset((*must, *may)), extensible)


def _wrong_kinds(
    listed: Sequence[ObjectClass], above: dict[str, frozenset[str]], lowest: Sequence[ObjectClass]
) -> tuple[ResultCode, str] | None:
    """What is against the list of classes: RFC 4512 sections 2.4.1 and 2.4.2."""
    violation = ResultCode.OBJECT_CLASS_VIOLATION
    # An abstract class is had through a structural or auxiliary one derived from it.  Section 2.4.1
    for each in listed:
        if each.kind == "ABSTRACT" and not any(
            each.oid in above[other.oid] for other in listed if other.kind != "ABSTRACT"
        ):
            return violation, f"objectClass: {_name(each)} is abstract, and no class derived from it is there"
    if not lowest:
        return violation, "objectClass: no structural class"
    # The structural classes of an entry are one chain.  Section 2.4.2
    if len(lowest) > 1:
        return violation, f"objectClass: two structural chains, {_name(lowest[0])} and {_name(lowest[1])}"
    return None


def _check_classes(
    schema: Schema, classes: Sequence[bytes], types: Sequence[tuple[str, AttributeType]], before: Entry | None
) -> None:
    class_set = _class_set(schema, tuple(classes))
    if class_set.refusal is not None:
        raise _refused(*class_set.refusal)
    if before is not None:
        was = structural_object_class(schema, before.get("objectClass"))
        now = class_set.structural
        # What an entry is structurally, it stays.  RFC 4512 section 2.4.2
        if was is not None and now is not None and was.oid != now.oid:
            text = f"objectClass: the structural class {_name(was)} cannot become {_name(now)}"
            raise _refused(ResultCode.OBJECT_CLASS_MODS_PROHIBITED, text)
    present = {attribute_type.oid for _, attribute_type in types}
    for oid, (object_class, name) in class_set.must.items():
        if oid not in present:
            raise _refused(ResultCode.OBJECT_CLASS_VIOLATION, f"{name}: required by the class {object_class}")
    if class_set.extensible:
        return
    for description, attribute_type in types:
        # Operational attributes are in no class, and who may bind when is said of any.  RFC 4512 section 2.4
        if attribute_type.oid not in class_set.may | OF_ACCOUNTS and not attribute_type.operational:
            raise _refused(
                ResultCode.OBJECT_CLASS_VIOLATION, f"{description}: allowed by none of the entry's classes"
            )


def _check_naming(schema: Schema, ava: AVA, attributes: Attributes) -> None:
    """The values that name an entry are among its values, RFC 4512 section 2.3."""
    attribute_type = schema.attribute_type(ava.type)
    if attribute_type is None:
        raise _refused(ResultCode.NAMING_VIOLATION, f"{ava.type}: names the entry, and is undefined")
    rule = equality_rule(schema, attribute_type.equality or "")
    for description, values in attributes:
        if schema.attribute_type(description) is attribute_type:
            if ava.value in values:
                return
            try:
                if rule is not None and rule.key(ava.value) in map(rule.key, values):
                    return
            except ValueError:
                continue
    raise _refused(ResultCode.NAMING_VIOLATION, f"{ava.type}: the value that names the entry is not in it")


def _oid(schema: Schema, name: str) -> str:
    attribute_type = schema.attribute_type(name)
    return attribute_type.oid if attribute_type is not None else name


def _name(object_class: ObjectClass) -> str:
    return (object_class.names or (object_class.oid,))[0]
