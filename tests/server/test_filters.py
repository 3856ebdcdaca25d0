"""Filters against RFC 4515 and RFC 4526, and against themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.wire.filters import (
    MAX_DEPTH,
    MAX_TEXT,
    And,
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    InvalidFilter,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
    encode_filter,
    parse_filter,
)

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "filters.json").read_text(encoding="utf-8"))
ITEMS = [pytest.param(item, id=f"{n}:{item['filter']}") for n, item in enumerate(VECTORS["items"])]
VALID = [pytest.param(item, id=item["filter"]) for item in VECTORS["items"] if item["valid"]]


def octets(value: Any) -> Any:
    """A value as the vectors spell it."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else None if value is None else value.encode()


def built(structure: list[Any]) -> Filter:
    """The filter that the vectors' `structure` describes."""
    match structure:
        case ["and", inner]:
            return And(tuple(built(filter) for filter in inner))
        case ["or", inner]:
            return Or(tuple(built(filter) for filter in inner))
        case ["not", inner]:
            return Not(built(inner))
        case ["present", attribute]:
            return Present(attribute)
        case ["substrings", attribute, initial, between, final]:
            return Substrings(attribute, octets(initial), tuple(octets(part) for part in between), octets(final))
        case ["extensible", attribute, rule, dn_attributes, value]:
            return Extensible(rule, attribute, octets(value), dn_attributes)
        case ["equal", attribute, value]:
            return Equality(attribute, octets(value))
        case ["ge", attribute, value]:
            return GreaterOrEqual(attribute, octets(value))
        case ["le", attribute, value]:
            return LessOrEqual(attribute, octets(value))
        case ["approx", attribute, value]:
            return Approximate(attribute, octets(value))
    raise AssertionError(structure)


@pytest.mark.parametrize("item", ITEMS)
def test_reader_keeps_to_the_letter(item: dict[str, Any]) -> None:
    if item["valid"]:
        assert parse_filter(item["filter"]) == built(item["structure"])
    else:
        with pytest.raises(InvalidFilter):
            parse_filter(item["filter"])


@pytest.mark.parametrize("item", VALID)
def test_what_is_read_is_written_and_read_again(item: dict[str, Any]) -> None:
    filter = built(item["structure"])
    assert parse_filter(encode_filter(filter)) == filter


@pytest.mark.parametrize(
    ("filter", "text"),
    [
        (And(()), "(&)"),
        (Or(()), "(|)"),
        (And((Present("a"), Not(Equality("b", b"c")))), "(&(a=*)(!(b=c)))"),
        (Or((GreaterOrEqual("a", b"1"), LessOrEqual("b", b"2"), Approximate("c", b"3"))), "(|(a>=1)(b<=2)(c~=3))"),
        (Equality("cn;lang-en", b""), "(cn;lang-en=)"),
        (Equality("cn", b"*"), "(cn=\\2a)"),
        (Equality("cn", b"(a*b\\c)\0"), "(cn=\\28a\\2ab\\5cc\\29\\00)"),
        (Equality("cn", "Lučić\n".encode()), "(cn=Lučić\\0a)"),
        (Equality("cn", b"a\xff\xc4b"), "(cn=a\\ff\\c4b)"),
        (Equality("cn", b"\xed\xa0\x80"), "(cn=\\ed\\a0\\80)"),
        (Substrings("cn", b"a", (), None), "(cn=a*)"),
        (Substrings("cn", None, (b"*",), None), "(cn=*\\2a*)"),
        (Substrings("cn", b"a", (b"b", b"c"), b"d"), "(cn=a*b*c*d)"),
        (Extensible(None, "cn", b"a"), "(cn:=a)"),
        (Extensible("2.4.6", "cn", b"a", True), "(cn:dn:2.4.6:=a)"),
        (Extensible("rule", None, b"a"), "(:rule:=a)"),
        (Extensible("dn", "cn", b"a", True), "(cn:dn:dn:=a)"),
    ],
)
def test_text_is_that_of_rfc_4515(filter: Filter, text: str) -> None:
    assert encode_filter(filter) == text
    assert parse_filter(text) == filter


@pytest.mark.parametrize(
    "filter",
    [
        Present("c n"),
        Present(""),
        Equality("cn=a)(b", b""),
        Substrings("cn", None, (), None),
        Substrings("cn", b"", (), b"a"),
        Substrings("cn", b"a", (b"",), b"a"),
        Extensible(None, None, b"a"),
        Extensible("", "cn", b"a"),
        Extensible("dn", "cn", b"a"),
        Extensible("a:b", "cn", b"a"),
        Extensible("rule", "cn:dn", b"a"),
        And((Or((Present("c n"),)),)),
    ],
)
def test_filter_without_a_text_is_refused(filter: Filter) -> None:
    with pytest.raises(InvalidFilter):
        encode_filter(filter)


def nested(depth: int) -> Filter:
    filter: Filter = Present("cn")
    for level in range(depth - 1):
        filter = (Not(filter), And((filter,)), Or((filter,)))[level % 3]
    return filter


def test_depth_is_limited_in_both_directions() -> None:
    deepest = nested(MAX_DEPTH)
    text = encode_filter(deepest)
    assert parse_filter(text) == deepest
    with pytest.raises(InvalidFilter, match=f"deeper than {MAX_DEPTH}"):
        encode_filter(Not(deepest))
    with pytest.raises(InvalidFilter, match=f"deeper than {MAX_DEPTH}"):
        parse_filter(f"(!{text})")


@pytest.mark.parametrize("opening", ["(!", "(&", "(|", "("])
def test_endless_nesting_is_refused_without_recursion(opening: str) -> None:
    with pytest.raises(InvalidFilter):
        parse_filter(opening * (MAX_TEXT // len(opening)))


def test_text_over_the_limit_is_refused_by_name() -> None:
    assert parse_filter("(cn=" + "a" * (MAX_TEXT - 5) + ")") == Equality("cn", b"a" * (MAX_TEXT - 5))
    with pytest.raises(InvalidFilter, match=f"at most {MAX_TEXT} are read"):
        parse_filter("(cn=" + "a" * (MAX_TEXT - 4) + ")")


def test_error_tells_where() -> None:
    with pytest.raises(InvalidFilter, match=r"character 7, the end: '\)' must come here"):
        parse_filter("(uid=u")
    with pytest.raises(InvalidFilter, match=r"character 8, ' \(c=d\)\)': '\)' must come here"):
        parse_filter("(&(a=b) (c=d))")


@pytest.mark.parametrize("text", ["(cn=a\0)", "(cn=\ud800)", "(cn\ud800=a)", "(cn=a\\2)", "(cn:dn:a:b:=c)"])
def test_other_text_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilter):
        parse_filter(text)


attributes = st.from_regex(
    r"([A-Za-z][A-Za-z0-9-]{0,6}|[1-9](\.[1-9]){1,3})(;[A-Za-z0-9-]{1,4}){0,2}", fullmatch=True
)
rules = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,6}|[1-9](\.[1-9]){1,3}", fullmatch=True)
rules = rules.filter(lambda rule: rule.lower() != "dn")
values = st.one_of(st.binary(max_size=12), st.text("()*\\\0é\n a", max_size=12).map(str.encode))
parts = values.filter(bool)
substrings = st.builds(
    Substrings, attributes, st.none() | parts, st.lists(parts, max_size=3).map(tuple), st.none() | parts
).filter(lambda filter: filter.initial is not None or filter.any != () or filter.final is not None)
extensible = st.builds(Extensible, st.none() | rules, st.none() | attributes, values, st.booleans()).filter(
    lambda filter: filter.matching_rule is not None or filter.attribute is not None
)
items = st.one_of(
    st.builds(Equality, attributes, values),
    st.builds(GreaterOrEqual, attributes, values),
    st.builds(LessOrEqual, attributes, values),
    st.builds(Approximate, attributes, values),
    st.builds(Present, attributes),
    substrings,
    extensible,
)
filters: st.SearchStrategy[Filter] = st.recursive(
    items,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda them: And(tuple(them))),
        st.lists(inner, max_size=3).map(lambda them: Or(tuple(them))),
        inner.map(Not),
    ),
    max_leaves=8,
)


@given(filters)
def test_any_filter_survives_its_text(filter: Filter) -> None:
    text = encode_filter(filter)
    assert parse_filter(text) == filter
    assert not any(character < " " for character in text)


@given(st.text("()&|!=<>~:*\\0acdn1.; \0é\ud800"))
def test_any_text_is_a_filter_or_invalid(text: str) -> None:
    try:
        filter = parse_filter(text)
    except InvalidFilter:
        return
    assert parse_filter(encode_filter(filter)) == filter
