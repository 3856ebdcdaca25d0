"""Whether a filter is true of an entry: TRUE, FALSE or Undefined, here True, False, None (RFC 4511 section 4.5.1.7).

A filter is compiled once for a search: names are resolved and asserted values prepared then, and where in an entry a
type's values stand is remembered for each shape of entry. Attributes that hold secrets are as good as unknown, so no
filter can be used to guess one.
"""

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from ldapserver.directory.computed import NOTHING, ByName
from ldapserver.directory.entry import Entry, Shape
from ldapserver.directory.matching import EQUALITY, ORDERING, SUBSTRINGS, Rule, equality_rule, integer
from ldapserver.directory.options import has_options
from ldapserver.directory.schema import AttributeType, Schema
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
    Present,
    Substrings,
)

Test = Callable[[Entry], bool | None]
Matches = Callable[[bytes], bool]  # of one value; raises ValueError where the answer is Undefined

_OBJECT_CLASS = "2.5.4.0"


def undefined(_: Entry) -> None:
    """The test whose outcome is Undefined for every entry."""
    return


def compile_filter(filter: Filter, schema: Schema, computed: ByName = NOTHING) -> Test:
    """The test that `filter` stands for; `computed` are the attributes that no entry stores."""
    match filter:
        case And(filters):
            return _and([compile_filter(each, schema, computed) for each in filters])
        case Or(filters):
            return _or([compile_filter(each, schema, computed) for each in filters])
        case Not(negated):
            return _not(compile_filter(negated, schema, computed))
        case Extensible():
            return _extensible(filter, schema, computed)
        case _:
            return _item(filter, schema, computed)


def readable_type(schema: Schema, description: str) -> AttributeType | None:
    """The attribute type of a description, None when it is not recognised or holds secrets."""
    attribute_type = schema.attribute_type(description)
    return None if attribute_type is None or schema.is_secret(attribute_type.oid) else attribute_type


def _item(
    filter: Equality | Approximate | Present | GreaterOrEqual | LessOrEqual | Substrings,
    schema: Schema,
    computed: ByName,
) -> Test:
    # "A filter item evaluates to Undefined when the server would not be able to determine whether the assertion value
    # matches an entry", as when the attribute description is not recognized.
    attribute_type = readable_type(schema, filter.attribute)
    if attribute_type is None:
        return undefined
    values = Values(schema, attribute_type, filter.attribute, computed)
    try:
        match filter:
            case Present():
                return lambda entry: bool(values(entry))
            case Equality(_, value) | Approximate(_, value):
                # "If approximate matching is not supported [...], this filter item should be treated as an
                # equalityMatch."
                if attribute_type.oid == _OBJECT_CLASS:
                    return _object_class(value, schema, values)
                return _any_value(values, equals(schema, attribute_type, value))
            case GreaterOrEqual(_, value):
                rule = _ordering(attribute_type)
                bound = rule.key(value)
                return _any_value(values, lambda stored: bool(rule.key(stored) >= bound))
            case LessOrEqual(_, value):
                rule = _ordering(attribute_type)
                bound = rule.key(value)
                return _any_value(values, lambda stored: bool(rule.key(stored) <= bound))
            case Substrings():
                return _any_value(values, _holds_parts(filter, attribute_type))
    except ValueError:
        return undefined


_NO_OPTIONS: frozenset[str] = frozenset()


class Values:
    """Where in an entry the values of a description are: under it, its subtypes, and either with further options."""

    __slots__ = ("_computed", "_names", "_options", "_positions")

    def __init__(
        self, schema: Schema, attribute_type: AttributeType, description: str, computed: ByName = NOTHING
    ) -> None:
        self._names = schema.with_subtypes(attribute_type)
        # "cn;lang-de" is a subtype of "cn", RFC 4512 section 2.5.2.
        self._options = frozenset(description.lower().split(";")[1:]) if ";" in description else _NO_OPTIONS
        # For all searches: types are as many as a schema has, shapes as many as a directory; options, any client's,
        # are not.
        self._positions: dict[Shape, tuple[int, ...]] = {} if self._options else schema.places(attribute_type)
        self._computed = computed.get(attribute_type.oid)

    def __call__(self, entry: Entry) -> Sequence[tuple[bytes, ...]]:
        """The values, one tuple for each attribute that has some."""
        positions = self._positions.get(entry.shape)
        if positions is None:
            positions = self.places(entry)
        if positions:
            return [entry.values[at] for at in positions]
        if self._computed is not None and not self._options:
            values = self._computed.values(entry)
            return [values] if values else ()
        return ()

    def places(self, entry: Entry) -> tuple[int, ...]:
        """Where in entries of this shape they are."""
        positions = self._positions[entry.shape] = tuple(
            [at for description, at in entry.shape.positions.items() if self._covers(description)]
        )
        return positions

    def alike(self, old: Entry, new: Entry) -> bool:
        """Whether both have the same values, asked much more often than answered by no."""
        before, after = self._positions.get(old.shape), self._positions.get(new.shape)
        if before is None or after is None or self._computed is not None:
            return self(old) == self(new)
        if len(before) == 1 == len(after):
            return old.values[before[0]] == new.values[after[0]]
        return [old.values[at] for at in before] == [new.values[at] for at in after]

    def _covers(self, description: str) -> bool:
        name, *options = description.split(";")
        return name in self._names and has_options(options, self._options)


class NoEqualityRule(ValueError):
    """The type has no equality rule that is known here."""


def equals(schema: Schema, attribute_type: AttributeType, value: bytes) -> Matches:
    """Whether a stored value equals `value` by the type's equality rule.

    Raises NoEqualityRule, or another ValueError when `value` is outside the rule's syntax.
    """
    rule = equality_rule(schema, attribute_type.equality) if attribute_type.equality else None
    if rule is None:
        raise NoEqualityRule(attribute_type.names)
    if attribute_type.oid == _OBJECT_CLASS:
        _class_oid(value, schema)
    return _equal(rule, value)


def _equal(rule: Rule, value: bytes) -> Matches:
    wanted = rule.key(value)
    return lambda stored: stored == value or bool(rule.key(stored) == wanted)


def _any_value(values: Values, matches: Matches) -> Test:
    def test(entry: Entry) -> bool | None:
        outcome: bool | None = False
        for each in values(entry):
            for value in each:
                try:
                    if matches(value):
                        return True
                except ValueError:
                    outcome = None
        return outcome

    return test


def _and(tests: list[Test]) -> Test:
    """FALSE if one is FALSE, TRUE if all are TRUE (with none too, RFC 4526), otherwise Undefined."""

    def test(entry: Entry) -> bool | None:
        outcome: bool | None = True
        for each in tests:
            result = each(entry)
            if result is False:
                return False
            if result is None:
                outcome = None
        return outcome

    return test


def _or(tests: list[Test]) -> Test:
    """TRUE if one is TRUE, FALSE if all are FALSE (with none too, RFC 4526), otherwise Undefined."""

    def test(entry: Entry) -> bool | None:
        outcome: bool | None = False
        for each in tests:
            result = each(entry)
            if result:
                return True
            if result is None:
                outcome = None
        return outcome

    return test


def _not(negated: Test) -> Test:
    def test(entry: Entry) -> bool | None:
        result = negated(entry)
        return None if result is None else not result

    return test


def _object_class(value: bytes, schema: Schema, values: Values) -> Test:
    """An entry belongs to the superclasses of its classes, named or not (RFC 4512 section 3.3)."""
    wanted = _class_oid(value, schema)
    known: dict[tuple[bytes, ...], bool] = {}

    def test(entry: Entry) -> bool:
        for classes in values(entry):
            outcome = known.get(classes)
            if outcome is None:
                outcome = known[classes] = any(
                    wanted in schema.lineage(name.decode("utf-8", "replace")) for name in classes
                )
            if outcome:
                return True
        return False

    return test


def _class_oid(value: bytes, schema: Schema) -> str:
    """The OID of an object class; a name that only other things have is none that is recognised."""
    name = value.decode("ascii")
    object_class = schema.object_class(name)
    oid = object_class.oid if object_class else schema.oid(name) if name[:1].isdigit() else None
    if oid is None:
        raise ValueError("no object class known here")
    return oid


def _ordering(attribute_type: AttributeType) -> Rule:
    rule = ORDERING.get(attribute_type.ordering.lower()) if attribute_type.ordering else None
    if rule is None:
        raise ValueError("the type has no ordering rule that is known here")
    return rule


def _holds_parts(filter: Substrings, attribute_type: AttributeType) -> Matches:
    rule = SUBSTRINGS.get(attribute_type.substr.lower()) if attribute_type.substr else None
    if rule is None:
        raise ValueError("the type has no substrings rule that is known here")
    prepare = rule.value
    initial = "" if filter.initial is None else rule.initial(filter.initial)
    middle = [rule.any(part) for part in filter.any]
    final = "" if filter.final is None else rule.final(filter.final)

    def matches(stored: bytes) -> bool:
        text = prepare(stored)
        if not text.startswith(initial):
            return False
        at = len(initial)
        # The parts come "in order" and do not overlap: taking each at its first place leaves the most for the rest.
        for part in middle:
            at = text.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return len(text) - at >= len(final) and text.endswith(final)

    return matches


def _extensible(filter: Extensible, schema: Schema, computed: ByName) -> Test:
    attribute_type = readable_type(schema, filter.attribute) if filter.attribute is not None else None
    if filter.attribute is not None and attribute_type is None:
        return undefined
    try:
        if filter.matching_rule is None:
            # "If the matchingRule field is absent, the type field MUST be present, and an equality match is performed
            # for that type": so the same as by an equality filter.
            if attribute_type is None or filter.attribute is None:
                return undefined
            if attribute_type.oid == _OBJECT_CLASS:
                return _object_class(filter.value, schema, Values(schema, attribute_type, filter.attribute, computed))
            matches, rule = equals(schema, attribute_type, filter.value), None
        else:
            rule, matches = _asserted(filter.matching_rule, filter.value, schema)
            # Undefined when "the matchingRule is not suitable for use with the specified type"
            if attribute_type is not None and not rule.fits(attribute_type):
                return undefined
    except ValueError:
        return undefined

    if attribute_type is not None and filter.attribute is not None:
        names = schema.with_subtypes(attribute_type)
        tests = [_any_value(Values(schema, attribute_type, filter.attribute, computed), matches)]
    else:
        assert rule is not None  # without an attribute there was a rule
        # "If the type field is absent and the matchingRule is present, the matchValue is compared against all
        # attributes in an entry that support that matchingRule."
        names = _supporting(schema, rule)
        tests = [_any_value(_Named(names), matches)]
    # What stands in a name has no options, and "cn;lang-de" does not cover it.
    if filter.dn_attributes and ";" not in (filter.attribute or ""):
        # "If the dnAttributes field is set to TRUE, the match is additionally applied against all the
        # AttributeValueAssertions in an entry's distinguished name"
        tests.append(_any_value(_NamedInDN(names), matches))
    return _or(tests)


# Which types a rule is for is found once: a filter may hold ten thousand items, and a schema a thousand types.
_SUPPORTING: WeakKeyDictionary[Schema, dict[frozenset[str], frozenset[str]]] = WeakKeyDictionary()


def _supporting(schema: Schema, rule: Rule) -> frozenset[str]:
    """The lower-case names of all types that the rule can be asked of."""
    known = _SUPPORTING.setdefault(schema, {})
    names = known.get(rule.syntaxes)
    if names is None:
        types = [each for each in schema.attribute_types if rule.fits(each) and readable_type(schema, each.oid)]
        names = known[rule.syntaxes] = frozenset(name.lower() for each in types for name in (*each.names, each.oid))
    return names


class _Named(Values):
    """The values of every attribute whose name is one of `names`."""

    __slots__ = ()

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._options = frozenset()
        self._positions = {}
        self._computed = None


class _NamedInDN(_Named):
    """The values that stand in the entry's own name, under one of `names`."""

    __slots__ = ()

    def __call__(self, entry: Entry) -> Sequence[tuple[bytes, ...]]:
        return [(ava.value,) for rdn in entry.dn.rdns for ava in rdn if ava.type.lower() in self._names]


# [MS-ADTS] 3.1.1.3.4.4: all of the asserted bits are set; one of them is.
_BITS: dict[str, Callable[[int, int], bool]] = {
    "integerbitandmatch": lambda stored, asserted: stored & asserted == asserted,
    "integerbitormatch": lambda stored, asserted: stored & asserted != 0,
}


def _asserted(name: str, value: bytes, schema: Schema) -> tuple[Rule, Matches]:
    """A rule by name or OID and what it says of a stored value; ValueError when it is not known."""
    description = schema.matching_rule(name)
    if description is None:
        raise ValueError("no such matching rule")
    known_as = description.name.lower()
    rule = equality_rule(schema, known_as)
    if rule is not None:
        return rule, _equal(rule, value)
    rule = ORDERING.get(known_as)
    if rule is not None:
        key, bound = rule.key, rule.key(value)
        # An ordering rule by itself asks for what sorts before, RFC 4517 section 4.2.5 and its like.
        return rule, lambda stored: bool(key(stored) < bound)
    bits = _BITS.get(known_as)
    if bits is not None:
        mask = integer(value)
        return EQUALITY["integermatch"], lambda stored: bits(integer(stored), mask)
    raise ValueError("a substrings rule is asked for by a substrings filter")
