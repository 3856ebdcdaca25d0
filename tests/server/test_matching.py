"""Matching rules against RFC 4517's and RFC 4518's words, and filters against a model that could not be plainer."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ldapserver.directory.computed import Computed, by_name
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.matching import (
    EQUALITY,
    ORDERING,
    SUBSTRINGS,
    case_exact_ia5,
    case_ignore_ia5,
    generalized_time,
)
from ldapserver.directory.operational import Operational
from ldapserver.directory.schema import core
from ldapserver.directory.subschema import Subschema
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import (
    And,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
    parse_filter,
)

SCHEMA = core().extended(["shoeSize"], ["shoeWearer"])


# Keys


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        ("caseIgnoreMatch", "Babs  Jensen ", " babs jensen"),
        ("caseIgnoreMatch", "STRASSE", "straße"),
        ("caseIgnoreMatch", "ﬁne", "FINE"),
        ("caseIgnoreMatch", "A\u00adB", "ab"),
        ("caseIgnoreMatch", "a\tb", "a b"),
        ("caseExactMatch", " Babs  Jensen", "Babs Jensen"),
        ("caseExactMatch", "e\u0301", "é"),
        ("caseIgnoreListMatch", "12 Main St$Anytown", "12 MAIN st $ anytown"),
        ("caseIgnoreListMatch", r"\241,000,000", r"\241,000,000"),
        ("numericStringMatch", "15 079 672 281", "15079672281"),
        ("telephoneNumberMatch", "+1 512-315-0280", "+15123150280"),
        ("telephoneNumberMatch", "+1 555 EXT", "+1555-ext"),
        ("integerMatch", "-1", "-1"),
        ("booleanMatch", "TRUE", "TRUE"),
        ("bitStringMatch", "'0101'B", "'0101'B"),
        ("distinguishedNameMatch", "CN=Babs Jensen , dc=Example,dc=com", "2.5.4.3=babs  jensen,DC=example,dc=com"),
        ("uniqueMemberMatch", "cn=A,dc=com#'01'B", "CN=a,dc=com#'01'B"),
        ("uniqueMemberMatch", "cn=a,dc=com#'01'B", " cn=a, dc=com#'01'B "),
        ("caseIgnoreIA5Match", "", " "),
        ("caseExactIA5Match", "", " "),
        ("generalizedTimeMatch", "20260102030405Z", "20260102040405.0+0100"),
        ("generalizedTimeMatch", "199412161032-0500", "199412161532Z"),
        ("generalizedTimeMatch", "2026010203.5Z", "20260102033000Z"),
        ("generalizedTimeMatch", "202601020304,25Z", "20260102030415Z"),
        ("UUIDMatch", "597ae2f6-16a6-1027-98f4-d28b5365dc14", "597AE2F6-16A6-1027-98F4-D28B5365DC14"),
    ],
)
def test_values_that_match(rule: str, one: str, other: str) -> None:
    key = EQUALITY[rule.lower()].key
    assert key(one.encode()) == key(other.encode())


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        ("caseIgnoreMatch", "ab", "a b"),
        ("caseExactMatch", "Babs", "babs"),
        ("caseIgnoreListMatch", "a$b", "a b"),
        ("caseIgnoreListMatch", r"a\24b", "a$b"),
        ("octetStringMatch", "a", "A"),
        ("bitStringMatch", "'0101'B", "'01010'B"),
        ("uniqueMemberMatch", "cn=a,dc=com#'01'B", "cn=a,dc=com"),
        ("generalizedTimeMatch", "20260102030405Z", "20260102030405.00000000000000000001Z"),
        ("generalizedTimeMatch", "20161231235960Z", "20170101000000Z"),
        ("integerMatch", "1", "-1"),
    ],
)
def test_values_that_do_not_match(rule: str, one: str, other: str) -> None:
    key = EQUALITY[rule.lower()].key
    assert key(one.encode()) != key(other.encode())


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        *[("integerMatch", value) for value in (b"", b"01", b"-0", b"+1", b" 1", b"1.0", b"0x1", b"9" * 5000)],
        *[("booleanMatch", value) for value in (b"true", b"1", b"")],
        *[("bitStringMatch", value) for value in (b"0101", b"'012'B")],
        *[("distinguishedNameMatch", value) for value in (b"alice", b"cn", b"\xff=a")],
        *[("generalizedTimeMatch", value) for value in (b"2026", b"20261302000000Z", b"20260230000000Z")],
        *[("generalizedTimeMatch", value) for value in (b"20260102030405", b"20260102240000Z", b"00000101000000Z")],
        *[("UUIDMatch", value) for value in (b"597ae2f616a6102798f4d28b5365dc14", b"")],
        *[(rule, b"\xff") for rule in ("caseIgnoreMatch", "caseExactMatch", "telephoneNumberMatch")],
        *[(rule, b"") for rule in ("caseIgnoreMatch", "caseExactMatch", "telephoneNumberMatch")],
        *[("numericStringMatch", value) for value in (b"", b"15a", b"-1", "１".encode())],
    ],
)
def test_a_value_outside_the_syntax_has_no_key(rule: str, value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- what it says is for nobody: the filter is Undefined
        EQUALITY[rule.lower()].key(value)


@given(st.sampled_from(sorted(EQUALITY)), st.binary(max_size=30) | st.text(max_size=30).map(str.encode))
@example("integerfirstcomponentmatch", b"(")
@example("integerfirstcomponentmatch", b"( ")
def test_any_octets_have_a_key_or_none(rule: str, value: bytes) -> None:
    with suppress(ValueError):
        hash(EQUALITY[rule].key(value))


@given(st.text(max_size=20))
def test_preparing_what_is_prepared_changes_nothing(text: str) -> None:
    for prepare in (case_ignore_ia5, case_exact_ia5):
        prepared = prepare(text.encode())
        assert prepare(prepared.encode()) == prepared


@given(st.text(max_size=20), st.integers(1, 3))
@example("\u2028", 1)
def test_case_exact_values_that_match_match_without_case_too(text: str, blanks: int) -> None:
    other = f" {text.replace(' ', ' ' * blanks)}".encode()
    assert case_exact_ia5(text.encode()) == case_exact_ia5(other)
    assert case_ignore_ia5(text.encode()) == case_ignore_ia5(other)


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
def test_integers_sort_by_value(one: int, other: int) -> None:
    key = ORDERING["integerorderingmatch"].key
    assert (key(b"%d" % one) < key(b"%d" % other)) == (one < other)


@given(st.datetimes().map(lambda moment: moment.replace(microsecond=0)), st.datetimes())
def test_times_sort_by_moment(one: Any, other: Any) -> None:
    # Not strftime, which on some systems writes the year 1 with one digit.
    def written(moment: Any) -> bytes:
        digits = "".join(filter(str.isdigit, moment.isoformat(timespec="seconds")))
        return f"{digits}.{moment.microsecond:06}Z".encode()

    assert (generalized_time(written(one)) < generalized_time(written(other))) == (one < other)


# Parts


def holds(rule: str, value: str, initial: str | None, any: tuple[str, ...], final: str | None) -> bool | None:
    """Whether a value of an attribute with this substrings rule has these parts."""
    attribute = {
        "caseIgnore": "cn",
        "telephone": "telephoneNumber",
        "numeric": "x121Address",
        "list": "postalAddress",
        "caseExactIA5": "nisMapEntry",
    }[rule]
    entry = Entry(DN.parse("cn=x"), [(attribute, [value.encode()])])
    parts = (
        None if initial is None else initial.encode(),
        tuple(map(str.encode, any)),
        None if final is None else final.encode(),
    )
    return compile_filter(Substrings(attribute, *parts), SCHEMA)(entry)


@pytest.mark.parametrize(
    ("rule", "value", "initial", "any", "final", "expected"),
    [
        ("caseIgnore", "Babs Jensen", "babs", (), "JENSEN", True),
        ("caseIgnore", "Babs Jensen", None, ("s j",), None, True),
        ("caseIgnore", "Babs   Jensen", "Babs ", (), " Jensen", True),
        ("caseIgnore", "BabsJensen", "Babs ", (), None, False),
        ("caseIgnore", "Babs Jensen", None, (" ",), None, True),
        ("caseIgnore", "abab", "ab", ("ab",), None, True),
        ("caseIgnore", "aba", "ab", (), "ba", False),  # parts do not overlap
        ("caseIgnore", "abc", None, ("b", "a"), None, False),  # and come in order
        ("caseIgnore", "abc", None, ("b", "b"), None, False),
        ("caseExactIA5", "abc", "A", (), None, False),
        ("telephone", "+1 555-1234", "+15", (), "5-12 34", True),
        ("numeric", "1 2 3", None, ("23",), None, True),
        ("list", "12 Main St$Anytown", None, ("main",), "TOWN", True),
        ("list", "12 Main St$Anytown", None, ("St$Any",), None, False),
    ],
)
def test_parts(
    rule: str, value: str, initial: str | None, any: tuple[str, ...], final: str | None, expected: bool
) -> None:
    assert holds(rule, value, initial, any, final) is expected


WORDS = st.lists(st.text("abÄß1", min_size=1, max_size=4), min_size=1, max_size=4).map(" ".join)


@given(st.data(), WORDS)
def test_a_value_holds_the_parts_it_is_cut_into(data: st.DataObject, value: str) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(value) - 1)), max_size=3)))
    pieces = [value[a:b] for a, b in zip([0, *cuts], [*cuts, len(value)], strict=True)]
    pieces = [piece for piece in pieces if piece.strip()]  # a part of blanks alone is one blank by RFC 4518
    assert holds("caseIgnore", value, pieces[0], (), None)
    assert holds("caseIgnore", value, None, (), pieces[-1])
    assert all(holds("caseIgnore", value, None, (piece,), None) for piece in pieces)
    if len(pieces) > 1:
        assert holds("caseIgnore", value, pieces[0], tuple(pieces[1:-1]), pieces[-1])


@given(st.sampled_from(sorted(SUBSTRINGS)), st.binary(max_size=20))
def test_any_octets_are_a_part_or_none(rule: str, value: bytes) -> None:
    for prepare in (SUBSTRINGS[rule].value, SUBSTRINGS[rule].initial, SUBSTRINGS[rule].any, SUBSTRINGS[rule].final):
        with suppress(ValueError):
            prepare(value)


# Filters: one entry, and what each filter is for it.

ALICE = Entry(
    DN.parse("uid=alice+sn=Liddell,ou=People,dc=example,dc=com"),
    [
        ("objectClass", [b"inetOrgPerson", b"shoeWearer"]),
        ("uid", [b"alice"]),
        ("cn", [b"Alice Liddell", b"Alice"]),
        ("cn;lang-de", [b"Alix"]),
        ("SN", [b"Liddell"]),
        ("uidNumber", [b"1000"]),
        ("userAccountControl", [b"514"]),
        ("shoeSize", [b"37"]),
        ("telephoneNumber", [b"+44 1865 276150"]),
        ("manager", [b"uid=bob,ou=people,dc=example,dc=com"]),
        ("description", [b"\xff"]),
        ("jpegPhoto", [b"\xff\xd8"]),
        # Not from a directory, which would have taken it out: the evaluation does not rely on that.
        ("userPassword", [b"secret"]),
        ("2.5.4.35", [b"secret"]),
    ],
)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("(&)", True),
        ("(|)", False),
        ("(uid=ALICE)", True),
        ("(userid=alice)", True),
        ("(0.9.2342.19200300.100.1.1=alice)", True),
        ("(uid=bob)", False),
        ("(cn=alice  liddell)", True),
        ("(name=Liddell)", True),  # sn is a subtype
        ("(cn=Alix)", True),  # so is cn;lang-de
        ("(cn;lang-de=Alix)", True),
        ("(cn;lang-de=Alice)", False),
        ("(cn;LANG-DE=*)", True),
        ("(cn;lang-fr=*)", False),
        ("(uid~=alice)", True),
        ("(surname=*)", True),
        ("(mail=*)", False),
        ("(mail=a@example.com)", False),
        ("(shoeSize=37)", True),  # a type that only an entry names
        ("(objectClass=shoeWearer)", True),
        ("(objectClass=person)", True),  # an inetOrgPerson is one
        ("(objectClass=top)", True),
        ("(objectClass=2.5.6.6)", True),
        ("(objectClass=device)", False),
        ("(objectClass=nothing)", None),
        ("(objectClass=cn)", None),  # a name, of something else
        ("(objectClass=0person)", None),
        ("(objectClass=1.2.3)", False),  # an object class may be called that
        ("(!(cn=))", None),
        ("(uidNumber=1000)", True),
        ("(uidNumber=01000)", None),
        ("(uidNumber>=999)", True),  # by value: "999" sorts after "1000" as text
        ("(uidNumber<=999)", False),
        ("(uidNumber<=1000)", True),
        ("(shoeSize>=36)", True),
        ("(uid>=a)", None),  # uid has no ordering rule
        ("(uidNumber=1*)", None),  # nor this one a substrings rule
        ("(manager=UID=bob, OU=People,dc=example,dc=com)", True),
        ("(manager=bob)", None),
        ("(description=x)", None),  # the stored value is no text
        ("(description=*)", True),
        ("(jpegPhoto=x)", None),  # JPEG has no equality rule
        ("(jpegPhoto=*)", True),
        ("(nothing=x)", None),
        ("(nothing=*)", None),
        ("(!(nothing=x))", None),
        ("(&(uid=alice)(nothing=x))", None),
        ("(&(uid=bob)(nothing=x))", False),
        ("(|(uid=alice)(nothing=x))", True),
        ("(|(uid=bob)(nothing=x))", None),
        # extensible
        ("(uid:=ALICE)", True),
        ("(uid:caseExactMatch:=ALICE)", False),
        ("(uid:2.5.13.5:=alice)", True),
        ("(cn:caseIgnoreOrderingMatch:=b)", True),
        ("(cn:caseIgnoreOrderingMatch:=a)", False),
        ("(:caseExactMatch:=Liddell)", True),
        ("(:caseExactMatch:=liddell)", None),  # of the description, which is no text, there is no telling
        ("(:caseExactMatch:=37)", True),
        ("(:integerMatch:=1000)", True),
        ("(:integerMatch:=37)", False),  # shoeSize is a string for all that is known
        ("(shoeSize:integerMatch:=37)", None),  # the rule does not fit, whatever the value
        ("(uid:nothing:=alice)", None),
        ("(:nothing:=alice)", None),
        ("(nothing:caseExactMatch:=alice)", None),
        ("(uid:caseIgnoreSubstringsMatch:=a)", None),
        ("(ou:=people)", False),
        ("(ou:dn:=people)", True),
        ("(ou:dn:=animals)", False),
        ("(sn:dn:caseExactMatch:=Liddell)", True),
        ("(:dn:caseIgnoreMatch:=PEOPLE)", True),
        ("(:dn:caseIgnoreIA5Match:=EXAMPLE)", True),  # dc is an IA5 String
        ("(!(:dn:caseIgnoreMatch:=EXAMPLE))", None),  # and the description, which is no text, may match or not
        ("(cn:caseIgnoreIA5Match:=Alice)", None),
        ("(cn;lang-de:dn:=Alix)", True),
        ("(sn;lang-de:dn:=Liddell)", False),  # what stands in a name has no options
        ("(objectClass:=person)", True),  # an equality match too
        ("(!(objectClass:=nothing))", None),
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)", True),
        ("(userAccountControl:1.2.840.113556.1.4.803:=18)", False),
        ("(userAccountControl:1.2.840.113556.1.4.804:=18)", True),
        ("(userAccountControl:1.2.840.113556.1.4.804:=16)", False),
        ("(userAccountControl:1.2.840.113556.1.4.803:=x)", None),
        # secrets
        ("(userPassword=secret)", None),
        ("(userPassword=*)", None),
        ("(USERPASSWORD;x-a=*)", None),
        ("(2.5.4.35=secret)", None),
        ("(userPassword:octetStringMatch:=secret)", None),
        ("(:octetStringMatch:=secret)", False),
        ("(unicodePwd=*)", None),
        ("(!(userPassword=*))", None),
    ],
)
def test_a_filter_is_true_false_or_undefined(filter: str, expected: bool | None) -> None:
    assert compile_filter(parse_filter(filter), SCHEMA)(ALICE) is expected


def test_an_extensible_match_with_neither_rule_nor_attribute_is_undefined() -> None:
    assert compile_filter(Extensible(None, None, b"x"), SCHEMA)(ALICE) is None


def test_a_name_made_of_a_secret_is_not_matched_either() -> None:
    entry = Entry(DN.parse("userPassword=secret,dc=example"), [("dc", [b"x"])])
    for filter in (
        Extensible("octetStringMatch", None, b"secret", True),
        Extensible(None, "userPassword", b"s", True),
    ):
        assert not compile_filter(filter, SCHEMA)(entry)


def test_a_computed_attribute_is_computed_only_for_filters_on_it() -> None:
    asked: list[Entry] = []

    def has_subordinates(entry: Entry) -> tuple[bytes, ...]:
        asked.append(entry)
        return (b"FALSE",)

    attributes = by_name(SCHEMA, [Computed("hasSubordinates", has_subordinates)])
    assert compile_filter(parse_filter("(uid=bob)"), SCHEMA, attributes)(ALICE) is False
    assert not asked
    assert compile_filter(parse_filter("(hasSubordinates=FALSE)"), SCHEMA, attributes)(ALICE) is True
    assert compile_filter(parse_filter("(hassubordinates=*)"), SCHEMA, attributes)(ALICE) is True
    assert compile_filter(parse_filter("(2.5.18.9=TRUE)"), SCHEMA, attributes)(ALICE) is False
    assert compile_filter(parse_filter("(entryDN=*)"), SCHEMA, attributes)(ALICE) is False


def test_what_is_computed_stands_in_the_schema() -> None:
    with pytest.raises(LookupError, match="shoeColour"):
        by_name(SCHEMA, [Computed("shoeColour", lambda _: ())])


def test_definitions_match_by_their_first_component() -> None:
    entry = Subschema(Operational()).entry(SCHEMA)
    assert compile_filter(parse_filter("(attributeTypes=2.5.4.0)"), SCHEMA)(entry) is True
    assert compile_filter(parse_filter("(attributeTypes=objectClass)"), SCHEMA)(entry) is True
    assert compile_filter(parse_filter("(attributeTypes=1.2.3.4)"), SCHEMA)(entry) is False


# Filters against a model. Its values are plain lower-case text or numbers, so that it needs no rules.

MODEL_TYPES = ["cn", "sn", "uid", "uidNumber", "nothing", "userPassword"]
model_values = st.sampled_from([b"a", b"b", b"ab", b"1", b"2", b"10"])
model_entries = st.dictionaries(st.sampled_from(MODEL_TYPES), st.lists(model_values, min_size=1, max_size=2))
attributes = st.sampled_from([*MODEL_TYPES, "name", "CN", "mail"])
items: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Equality, attributes, model_values),
    st.builds(GreaterOrEqual, attributes, model_values),
    st.builds(LessOrEqual, attributes, model_values),
    st.builds(Present, attributes),
    st.builds(Substrings, attributes, model_values | st.none(), st.just(()), model_values),
)
filters = st.recursive(
    items,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)

FALSE, UNDEFINED, TRUE = 0, 1, 2  # then AND is the least, OR the greatest, and NOT the other way round


def model(filter: Filter, entry: dict[str, list[bytes]]) -> int:
    match filter:
        case And(filters):
            return min((model(each, entry) for each in filters), default=TRUE)
        case Or(filters):
            return max((model(each, entry) for each in filters), default=FALSE)
        case Not(negated):
            return TRUE - model(negated, entry)
        case Present(attribute):
            return any_of(attribute, entry, lambda value: TRUE)
        case Equality(attribute, wanted):
            return any_of(attribute, entry, lambda value: compared(attribute, value, wanted, lambda a, b: a == b))
        case GreaterOrEqual(attribute, wanted):
            if attribute != "uidNumber":
                return UNDEFINED
            return any_of(attribute, entry, lambda value: compared(attribute, value, wanted, lambda a, b: a >= b))
        case LessOrEqual(attribute, wanted):
            if attribute != "uidNumber":
                return UNDEFINED
            return any_of(attribute, entry, lambda value: compared(attribute, value, wanted, lambda a, b: a <= b))
        case Substrings(attribute, initial, _, final):
            if attribute == "uidNumber":
                return UNDEFINED
            start, end = initial or b"", final or b""
            return any_of(
                attribute,
                entry,
                lambda value: (
                    TRUE
                    if value.startswith(start) and value.endswith(end) and len(value) >= len(start) + len(end)
                    else FALSE
                ),
            )
    raise AssertionError(filter)


def any_of(attribute: str, entry: dict[str, list[bytes]], test: Callable[[bytes], int]) -> int:
    if attribute in ("nothing", "userPassword"):
        return UNDEFINED
    held = ["cn", "sn"] if attribute == "name" else [attribute.replace("CN", "cn")]
    return max((test(value) for name in held for value in entry.get(name, [])), default=FALSE)


def compared(attribute: str, value: bytes, wanted: bytes, test: Callable[[Any, Any], bool]) -> int:
    if attribute != "uidNumber":
        return TRUE if test(value, wanted) else FALSE
    if not value.isdigit():
        return UNDEFINED
    return TRUE if test(int(value), int(wanted)) else FALSE


def assertions_are_sound(filter: Filter) -> bool:
    """Whether no assertion is outside its syntax: the model has no words for that."""
    match filter:
        case And(filters) | Or(filters):
            return all(map(assertions_are_sound, filters))
        case Not(negated):
            return assertions_are_sound(negated)
        case Equality("uidNumber", value) | GreaterOrEqual("uidNumber", value) | LessOrEqual("uidNumber", value):
            return value.isdigit()
        case _:
            return True


@given(filters.filter(assertions_are_sound), model_entries)
def test_filters_agree_with_the_model(filter: Filter, attributes: dict[str, list[bytes]]) -> None:
    entry = Entry(DN.parse("dc=example"), attributes.items())
    expected = {FALSE: False, UNDEFINED: None, TRUE: True}[model(filter, attributes)]
    assert compile_filter(filter, core())(entry) is expected
