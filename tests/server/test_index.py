"""The index: never too few candidates, whatever was added and removed; few enough where that is what it is for."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.directory.computed import Computed, by_name
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.index import INDEXED, STEP, Index
from ldapserver.directory.likely import MANY
from ldapserver.directory.schema import core, read_schema
from ldapserver.directory.tree import Node
from ldapserver.directory.type_index import COMBINATIONS
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
    Present,
    Substrings,
    parse_filter,
)

Attributes = tuple[tuple[str, tuple[bytes, ...]], ...]

SCHEMA = core().extended(("shoeSize",), ("cobbler",))


def place(name: str) -> Node:
    return Node(DN.parse(name))


def held(index: Index, node: Node, *attributes: tuple[str, tuple[bytes, ...]]) -> Entry:
    """Put an entry at `node`, and in the index."""
    entry = node.entry = Entry(node.dn, attributes)
    index.add(node, entry)
    return entry


def crowd(count: int) -> Index:
    """An index of so many people, every tenth of them an organization instead."""
    index = Index(SCHEMA)
    for number in range(count):
        held(
            index,
            place(f"uid=u{number},dc=x"),
            ("objectClass", (b"top", b"organization" if number % 10 == 0 else b"inetOrgPerson")),
            ("uid", (b"u%d" % number,)),
            ("givenName", (b"Kim",)),
            ("uidNumber", (b"%d" % (1000 + number),)),
            *([("mail", (b"u%d@example.org" % number,))] if number % 100 == 0 else []),
            *([("memberUid", (b"member1", b"Member2")), ("telephoneNumber", (b"+1 555 1",))] if number == 0 else []),
        )
    return index


def number_of(index: Index, filter: str) -> int | None:
    """How many candidates; None when all are."""
    found = index.candidates(parse_filter(filter), SCHEMA)
    return None if found is None else len(found)


@pytest.mark.parametrize(
    ("filter", "candidates"),
    [
        ("(uid=U7)", 1),
        ("(UserID=u7)", 1),
        ("(0.9.2342.19200300.100.1.1=u7)", 1),
        ("(uid~=u7)", 1),
        ("(uid:=u7)", 1),
        ("(uid=nobody)", 0),
        ("(uid=\\ff)", 0),  # no value of the type, so Undefined of every entry
        # The least of a conjunction counts, and whether the others are indexed does not.
        ("(&(objectClass=person)(uid=u7))", 1),
        ("(&(description=x)(uid=u7))", 1),
        ("(&(uid=u7)(!(uid=u8)))", 1),
        ("(&(givenName=Kim)(uid=u7))", 1),
        ("(&(|(uid=u7)(mail=u100@example.org))(objectClass=*))", 2),
        ("(|(uid=u7)(uid=U7))", 1),
        ("(|)", 0),
        ("(uid=u12*)", 11),  # u12, and u120 to u129
        ("(uid=u12*9)", 11),
        ("(uid= U12*)", 11),
        ("(&(uid=u*)(uid=u99*))", 11),
        ("(mail=*)", 10),
        ("(&(uid=u*)(mail=*))", 10),
        ("(memberUid=member1*)", 1),
        ("(telephoneNumber=+1 55-5*)", 1),
        ("(uidNumber>=1990)", 10),
        ("(uidNumber<=1009)", 10),
        ("(&(uidNumber>=1500)(uidNumber<=1519))", 500),
        ("(uidNumber>=ten)", 0),
        ("(objectClass=organization)", 100),
        ("(objectClass=2.5.6.4)", 100),
        ("(objectClass=nothingKnown)", 0),
    ],
)
def test_few_are_looked_at(filter: str, candidates: int) -> None:
    assert number_of(crowd(1000), filter) == candidates


@pytest.mark.parametrize(
    "filter",
    [
        "(objectClass=person)",
        "(objectClass=top)",
        "(objectClass=*)",
        "(givenName=kim)",
        "(uid=u*)",
        "(uid=*7)",
        "(uidNumber>=1400)",
        "(uid>=u999)",  # the type has no ordering rule
        "(!(uid=u7))",
        "(!(!(uid=u7)))",
        "(description=x)",
        "(|(uid=u7)(description=x))",
        "(&)",
        "(&(!(uid=u7))(givenName=Kim))",
        "(uid:dn:=u7)",
        "(uid:caseExactMatch:=u7)",
        "(:caseIgnoreMatch:=u7)",
    ],
)
def test_all_are_looked_at_where_no_index_tells_or_half_would_be(filter: str) -> None:
    assert number_of(crowd(1000), filter) is None


def test_secrets_are_not_indexed_even_when_asked_for() -> None:
    index = Index(SCHEMA, (*INDEXED, "userPassword"))
    held(index, place("cn=a"), ("userPassword", (b"secret",)))
    assert number_of(index, "(userPassword=nothing)") is None


def test_a_type_of_the_callers_is_indexed_too() -> None:
    index = Index(SCHEMA, ("shoeSize",))
    nodes = [place(f"cn={number}") for number in range(4)]
    for number, node in enumerate(nodes):
        held(index, node, ("shoeSize", (b"%d" % (40 + number),)))
    assert index.candidates(parse_filter("(SHOESIZE=42)"), SCHEMA) == [nodes[2]]
    assert number_of(index, "(uid=nobody)") is None


def test_of_computed_attributes_nothing_is_known() -> None:
    index = crowd(10)
    computed = by_name(SCHEMA, [Computed("mail", lambda entry: (b"%s@example.org" % str(entry.dn).encode(),))])
    assert index.candidates(parse_filter("(mail=nobody)"), SCHEMA, computed) is None
    assert index.candidates(parse_filter("(mail=nobody)"), SCHEMA) == []
    assert index.candidates(parse_filter("(mail=nobody)"), SCHEMA, computed) is None


def test_a_class_that_the_schema_learns_later_has_its_superclasses() -> None:
    index = crowd(10)
    node = place("cn=odd")
    held(index, node, ("objectClass", (b"weaver",)))
    assert index.candidates(parse_filter("(objectClass=weaver)"), SCHEMA) == []
    assert index.candidates(parse_filter("(objectClass=weaver)"), SCHEMA.extended((), ("weaver",))) == [node]


def test_a_type_whose_matching_changes_is_read_again() -> None:
    index = Index(core(), ("shoeSize", "uid"))
    nodes = [place(f"cn={number}") for number in range(3)]
    for number, node in enumerate(nodes):
        held(index, node, ("shoeSize", (b"%d" % number,)), ("uid", (b"u",)))
    # Of a type that no schema tells of, nothing is known; then one does.
    assert index.candidates(parse_filter("(shoeSize=1)"), core()) is None
    assert index.candidates(parse_filter("(shoeSize=1)"), SCHEMA) == [nodes[1]]
    assert index.candidates(parse_filter("(shoeSize=1)"), core()) is None
    assert index.candidates(parse_filter("(shoeSize=1)"), core().extended(("SHOESIZE",), ())) == [nodes[1]]


def test_more_combinations_of_classes_than_can_be_looked_through_are_not() -> None:
    index = Index(SCHEMA)
    for number in range(COMBINATIONS):
        held(index, place(f"cn={number}"), ("objectClass", (b"c%d" % number,)))
    assert number_of(index, "(objectClass=person)") == 0
    held(index, place("cn=one more"), ("objectClass", (b"one more",)))
    assert number_of(index, "(objectClass=person)") is None


def test_subtypes_that_a_schema_adds_are_read_too() -> None:
    text = "\n".join(
        f"attributeTypes: {each.definition}" for each in core().attribute_types if each.oid in ("2.5.4.41",)
    )
    without = read_schema(text + "\nattributeTypes: ( 1.2.1 NAME 'nick' SUP name )")
    below = read_schema(
        text + "\nattributeTypes: ( 1.2.1 NAME 'nick' SUP name )\nattributeTypes: ( 1.2.2 NAME 'pet' SUP nick )"
    )
    index = Index(without, ("nick",))
    nodes = [place(f"cn={number}") for number in range(2)]
    for node in nodes:
        held(index, node, ("pet" if node is nodes[0] else "other", (b"rex",)))
    assert index.candidates(parse_filter("(nick=rex)"), without) == []
    assert index.candidates(parse_filter("(nick=rex)"), below) == [nodes[0]]


def test_types_whose_values_are_called_as_a_schema_calls_them_are_not_indexed() -> None:
    index = Index(SCHEMA, ("structuralObjectClass",))
    held(index, place("cn=a"), ("structuralObjectClass", (b"weaver",)))
    assert SCHEMA.attribute_type("structuralObjectClass") is not None
    assert number_of(index, "(structuralObjectClass=person)") is None


def test_a_value_that_matches_nothing_is_present() -> None:
    index = crowd(10)
    node = place("cn=odd")
    held(index, node, ("cn", (b"\xff",)))
    assert index.candidates(parse_filter("(cn=*)"), SCHEMA) == [node]


def test_who_asks_for_all_entries_has_no_index_made() -> None:
    index = crowd(10)
    assert number_of(index, "(objectClass=*)") is None
    assert index.made == {}


# Made when it is first asked for


def test_an_index_is_made_in_steps_and_once() -> None:
    index = crowd(3 * STEP)
    filter = parse_filter("(&(uid=u7)(!(cn=x)))")
    assert sum(1 for _ in index.prepare(filter, SCHEMA)) == 2  # the third step is its last: nobody waits behind it
    assert sum(1 for _ in index.prepare(filter, SCHEMA)) == 0
    assert number_of(index, "(uid=u7)") == 1


def test_entries_come_in_the_order_they_were_added_in() -> None:
    index = crowd(30)
    found = index.candidates(parse_filter("(objectClass=organization)"), SCHEMA)
    assert found is not None
    assert [str(node.dn) for node in found] == ["uid=u0,dc=x", "uid=u10,dc=x", "uid=u20,dc=x"]


def test_what_is_asked_without_preparing_is_answered_all_the_same() -> None:
    assert number_of(crowd(3 * STEP), "(uid=u7)") == 1


def test_what_changes_between_the_steps_is_as_if_it_had_been_so() -> None:
    index = crowd(3 * STEP)
    nodes = {str(node.dn): node for node in index._entries}
    steps = index.prepare(parse_filter("(uid=u7)"), SCHEMA)
    next(steps)
    for name in ("uid=u7,dc=x", f"uid=u{3 * STEP - 1},dc=x"):  # one that was read, one that was not
        node = nodes[name]
        assert node.entry is not None
        index.remove(node, node.entry)
        held(index, node, ("uid", (b"renamed",)))
    gone = nodes[f"uid=u{3 * STEP - 2},dc=x"]
    assert gone.entry is not None
    index.remove(gone, gone.entry)
    new = place("uid=new,dc=x")
    held(index, new, ("uid", (b"new",)))
    for _ in steps:
        pass
    assert (number_of(index, "(uid=u7)"), number_of(index, "(uid=renamed)")) == (0, 2)
    assert number_of(index, f"(uid=u{3 * STEP - 2})") == 0
    assert index.candidates(parse_filter("(uid=new)"), SCHEMA) == [new]
    assert index.made[core().oid("uid") or ""].present == 3 * STEP


def test_two_searches_make_one_index_together() -> None:
    index = crowd(3 * STEP)
    first, second = (index.prepare(parse_filter("(uid=u7)"), SCHEMA) for _ in range(2))
    next(first)
    next(second)
    assert next(first, "done") == "done"
    assert next(second, "done") == "done"
    assert number_of(index, "(uid=u7)") == 1


def test_of_many_values_only_those_that_come_and_go_are_looked_at() -> None:
    index, group = with_others(), place("cn=group")
    members = [b"uid=u%d,ou=people,dc=x" % number for number in range(2 * MANY)]
    twice = (b"UID=U7, OU=people,dc=x", b"nonsense")
    entry = held(index, group, ("member", (*members, *twice)), ("memberUid", (b"a", *members)))
    wanted: list[Filter] = [Equality("member", b"uid=%s,ou=people,dc=x" % uid) for uid in (b"u7", b"new", b"u3")]
    wanted += [
        Equality("memberUid", b"a"),
        Present("member"),
        Present("memberUid"),
    ]

    def found() -> list[bool]:
        return [index.candidates(each, SCHEMA) == [group] for each in wanted]

    def become(*attributes: tuple[str, tuple[bytes, ...]]) -> None:
        nonlocal entry
        old, entry = entry, Entry(group.dn, attributes)
        index.change(group, old, entry)

    assert found() == [True, False, True, True, True, True]
    # One of the two spellings of u7 goes, and the other stays.
    become(
        ("member", (*members[:7], *members[8:], *twice, b"uid=new,ou=people,dc=x")), ("memberUid", (*members, b"b"))
    )
    assert found() == [True, True, True, False, True, True]
    become(("member", (*members[:3], *members[4:7], *members[8:])), ("memberUid", (b"b",)))
    assert found() == [False, False, False, False, True, True]
    become(("member", tuple([b"none %d" % number for number in range(2 * MANY)])))
    assert found() == [False, False, False, False, True, False]
    nonsense = [b"none %d" % number for number in range(2 * MANY)]
    become()
    become(("member", (*nonsense, b"uid=new,ou=people,dc=x")))
    assert found() == [False, True, False, False, True, False]
    become(("member", tuple(nonsense)))
    assert found() == [False, False, False, False, True, False]
    become()
    assert found() == [False] * 6


# Any entries, any filters, in any order

# Letters that folding and normalising take apart, put together or lengthen; values that are none of their type.
TEXTS = (
    *(
        "a",
        "A",
        "b",
        "ab",
        "aB c",
        "a  b",
        " a",
        "ab*",
        "j",
        "J\u030c",
        "\u01f0",
        "\u01f0x",
        "jx",
        "i",
        "I",
        "\u0130",
    ),
    *(
        "\u0131",
        "s",
        "ss",
        "\u00df",
        "\u1e9e",
        "\ufb01",
        "fi",
        "e",
        "\u00e9",
        "e\u0301",
        "\u00c9x",
        "a\u00ad",
        "a\u0301",
    ),
    *("\u0149", "n", "\u02bcn", "\uff21", "\u212b", "\u00e5", "\t", "-", "+1 555-1", "+1555 10", "\U0010ffff"),
)
NUMBERS = ("0", "1", "7", "10", "-5", "007", "99", "+1")
OTHERS = (b"\xff", b"", b"cn=a,dc=x", b"CN=A, DC=X", b"cn=a,dc=x#'0'B", b"20240101000000Z", b"202401010000+0000")
VALUES = (*(text.encode() for text in (*TEXTS, *NUMBERS)), *OTHERS)
CLASSES = (b"top", b"person", b"inetOrgPerson", b"cobbler", b"neverHeardOf", b"2.5.6.6", b"PERSON", b"\xff")
TYPES = (
    *("cn", "CN", "commonName", "2.5.4.3", "cn;lang-de", "cn;lang-de;x-a", "sn", "givenName", "uid", "mail"),
    *("telephoneNumber", "uidNumber", "memberUid", "member", "uniqueMember", "objectSid", "entryUUID", "shoeSize"),
    *("modifyTimestamp", "description"),
)
ASKED = (*TYPES, "name", "objectClass", "unheardOf", "distinguishedName", "userPassword")

values = st.sampled_from(VALUES)
attributes = st.lists(
    st.tuples(st.sampled_from(TYPES), st.lists(values, min_size=1, max_size=3).map(tuple)), max_size=4
)
entries = st.tuples(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=2).map(tuple), attributes).map(
    lambda drawn: (("objectClass", drawn[0]), *drawn[1])
)
asked = st.sampled_from(ASKED)
items: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Equality, asked, values),
    st.builds(Equality, st.just("objectClass"), st.sampled_from(CLASSES)),
    st.builds(Approximate, asked, values),
    st.builds(Present, asked),
    st.builds(GreaterOrEqual, asked, values),
    st.builds(LessOrEqual, asked, values),
    st.builds(
        Substrings,
        asked,
        st.none() | values.filter(bool),
        st.lists(values.filter(bool), max_size=1).map(tuple),
        st.none() | values.filter(bool),
    ),
    st.builds(
        Extensible, st.none() | st.just("caseIgnoreMatch"), asked, st.sampled_from((*VALUES, *CLASSES)), st.booleans()
    ),
)
filters = st.recursive(
    items,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)
steps = st.lists(
    st.one_of(st.tuples(st.integers(0, 4), entries), st.tuples(st.integers(0, 4), st.none()), filters), max_size=12
)


def with_others() -> Index:
    """An index of twenty entries that nothing is asked about: so few others are less than half."""
    index = Index(SCHEMA)
    for number in range(20):
        held(index, place(f"street={number}"), ("street", (b"%d" % number,)))
    return index


def internals(index: Index, oid: str) -> tuple[object, ...]:
    one = index.made[oid]
    assert one._ordered is None or one._ordered == sorted(one.nodes)  # type: ignore[type-var]
    return one.nodes, one.keyless, one.present, one.unread


@settings(max_examples=200)
@given(steps)
def test_whatever_was_added_and_removed_all_matches_are_candidates(
    drawn: Iterable[Filter | tuple[int, Attributes | None]],
) -> None:
    index = with_others()
    nodes = [place(f"cn={number}") for number in range(5)]
    for step in drawn:
        if isinstance(step, tuple):
            number, attributes = step
            node = nodes[number]
            if node.entry is not None and attributes is not None and number % 2:
                old, node.entry = node.entry, Entry(node.dn, attributes)
                index.change(node, old, node.entry)
                continue
            if node.entry is not None:
                index.remove(node, node.entry)
                node.entry = None
            if attributes is not None:
                held(index, node, *attributes)
        else:
            test = compile_filter(step, SCHEMA)
            found = index.candidates(step, SCHEMA)
            matches = {node for node in nodes if node.entry is not None and test(node.entry)}
            assert found is None or matches <= set(found)
            assert found is None or len(found) == len(set(found))
    # What is left is what an index has that never saw the rest.
    anew = with_others()
    for node in index._entries.keys() & set(nodes):
        assert node.entry is not None
        anew.add(node, node.entry)
    nothing = {node: index._entries[node] for node in index._entries if node not in nodes}
    assert all(node.entry is entry for node, entry in nothing.items())
    for oid in index.made:
        anew.candidates(Equality(oid, b"top"), SCHEMA)
        assert internals(index, oid) == internals(anew, oid)


@settings(max_examples=500)
@given(st.sampled_from(("cn", "mail", "memberUid", "telephoneNumber")), values, values.filter(bool))
def test_a_beginning_finds_what_begins_so(attribute: str, stored: bytes, initial: bytes) -> None:
    index = with_others()
    node = place("cn=a")
    entry = held(index, node, (attribute, (stored,)))
    for filter in (Substrings(attribute, initial, (), None), Substrings(attribute, initial, (b"x",), None)):
        found = index.candidates(filter, SCHEMA)
        assert not compile_filter(filter, SCHEMA)(entry) or found is None or node in found
