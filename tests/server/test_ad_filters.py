"""Filters that only Active Directory knows, said in those that everybody does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ad.anr import ANR_SET, resolve
from ldapserver.directory.ad.filters import Surroundings, asserted, rewrite
from ldapserver.directory.ad.guid import parse_guid
from ldapserver.directory.ad.sid import parse_sid
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.schema import core
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import And, Equality, Filter, Not, Or, encode_filter, parse_filter

SCHEMA = DN.parse("CN=Schema,CN=Configuration,DC=contoso,DC=com")
NOWHERE = Surroundings(SCHEMA, lambda attribute, dn: [])
GUID = "10015663-e1f7-11d1-a6bf-aaaf842b9cfa"


def rewritten(text: str, surroundings: Surroundings = NOWHERE) -> str:
    return encode_filter(rewrite(parse_filter(text), surroundings))


@pytest.mark.parametrize(
    ("text", "due"),
    [
        # [MS-ADTS] 3.1.1.3.1.3.5: the short name of a class stands for its defaultObjectCategory
        ("(objectCategory=person)", f"(objectCategory=CN=Person,{SCHEMA})"),
        ("(objectCategory=user)", f"(objectCategory=CN=Person,{SCHEMA})"),
        ("(objectcategory=COMPUTER)", f"(objectcategory=CN=Computer,{SCHEMA})"),
        ("(objectCategory=organizationalUnit)", f"(objectCategory=CN=Organizational-Unit,{SCHEMA})"),
        ("(objectCategory=domain)", f"(objectCategory=CN=Domain-DNS,{SCHEMA})"),  # [MS-ADSC] 2.43
        ("(objectCategory=nobody)", "(objectCategory=nobody)"),
        (f"(objectCategory=CN=Person,{SCHEMA})", f"(objectCategory=CN=Person,{SCHEMA})"),
        ("(objectCategory=*)", "(objectCategory=*)"),
        ("(cn=person)", "(cn=person)"),
        ("(&(objectCategory=group)(!(cn=x)))", f"(&(objectCategory=CN=Group,{SCHEMA})(!(cn=x)))"),
        ("(|(cn=a)(objectCategory:=group))", f"(|(cn=a)(objectCategory:=CN=Group,{SCHEMA}))"),
    ],
)
def test_category_by_its_short_name(text: str, due: str) -> None:
    assert rewritten(text) == due


@pytest.mark.parametrize("text", ["S-1-5-32-544", "s-1-5-32-544"])
@pytest.mark.parametrize("attribute", ["objectSid", "OBJECTSID", "1.2.840.113556.1.4.146", "sIDHistory"])
def test_sid_is_asserted_as_text_or_octets(attribute: str, text: str) -> None:
    octets = parse_sid("S-1-5-32-544")
    assert asserted(attribute, text.encode(), SCHEMA) == octets
    assert asserted(attribute, octets, SCHEMA) == octets
    assert asserted("description", text.encode(), SCHEMA) == text.encode()


@pytest.mark.parametrize("text", [GUID, f"{{{GUID}}}", GUID.upper(), "63560110f7e1d111a6bfaaaf842b9cfa"])
def test_guid_is_asserted_as_text_or_octets(text: str) -> None:
    octets = parse_guid(GUID)
    assert asserted("objectGUID", text.encode(), SCHEMA) == octets
    assert asserted("objectGUID", octets, SCHEMA) == octets
    assert rewrite(Equality("objectGUID", text.encode()), NOWHERE) == Equality("objectGUID", octets)


@pytest.mark.parametrize("value", [b"", b"S-1", b"\xff", b"0123456789abcdef", b"\1\1\0\0\0\0\0\5\x12\0\0\0"])
@pytest.mark.parametrize("attribute", ["objectSid", "objectGUID", "objectCategory"])
def test_value_that_is_neither_form_stays(attribute: str, value: bytes) -> None:
    assert asserted(attribute, value, SCHEMA) == value


# [MS-ADTS] 3.1.1.3.1.3.4, with KB 243299's example of two names, over a short ANR set.
SHORT = ("displayName", "legacyExchangeDN", "sn")


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("(anr=John)", "(|(displayName=John*)(legacyExchangeDN=John)(sn=John*))"),
        ("(aNR=John*)", "(|(displayName=John*)(legacyExchangeDN=John)(sn=John*))"),
        ("(1.2.840.113556.1.4.1208~=John)", "(|(displayName=John*)(legacyExchangeDN=John)(sn=John*))"),
        ("(anr==John)", "(|(displayName=John)(legacyExchangeDN=John)(sn=John))"),
        (
            "(anr=John Doe)",
            "(|(displayName=John Doe*)(legacyExchangeDN=John Doe)(sn=John Doe*)"
            "(&(givenName=John*)(sn=Doe*))(&(givenName=Doe*)(sn=John*)))",
        ),
        (
            "(anr==John  van Doe)",
            "(|(displayName=John  van Doe)(legacyExchangeDN=John  van Doe)(sn=John  van Doe)"
            "(&(givenName=John)(sn=van Doe))(&(givenName=van Doe)(sn=John)))",
        ),
        ("(anr=John )", "(|(displayName=John*)(legacyExchangeDN=John)(sn=John*))"),
        *(
            (text, "(|)")
            for text in ("(anr=*)", "(anr=)", "(anr= )", "(anr==)", "(anr=*John)", "(anr=J*n)", "(anr=J*n*)")
        ),
        ("(anr:=John)", "(|)"),
        ("(cn=John)", "(cn=John)"),
    ],
)
def test_anr_is_expanded(text: str, due: str) -> None:
    assert encode_filter(resolve(parse_filter(text), SHORT)) == due


def test_anr_inside_other_filters_is_expanded() -> None:
    found = rewrite(parse_filter("(&(objectClass=user)(!(anr=jo)))"), NOWHERE)
    assert isinstance(found, And)
    negated = found.filters[1]
    assert isinstance(negated, Not)
    assert isinstance(negated.filter, Or)
    names = {each.attribute for each in negated.filter.filters if not isinstance(each, And | Or | Not)}
    assert names == set(ANR_SET)
    assert "anr" not in encode_filter(found)


def person(**attributes: str) -> Entry:
    described = [(name, (value.encode(),)) for name, value in {"objectClass": "person", **attributes}.items()]
    return Entry(DN.parse("cn=x,dc=contoso,dc=com"), described)


PEOPLE = {
    "John Doe": person(cn="John Doe", displayName="John Doe", givenName="John", sn="Doe"),
    "John Does": person(cn="jd2", givenName="John", sn="Does"),
    "John Buck": person(cn="John Buck", displayName="John Buck", givenName="John", sn="Buck"),
    "Doe John": person(cn="dj", givenName="Doe", sn="John"),
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # KB 243299: the search for "John Doe"
        ("(anr=John Doe)", ["John Doe", "John Does", "Doe John"]),
        ("(anr==John Doe)", ["John Doe", "Doe John"]),
        ("(anr=john)", ["John Doe", "John Does", "John Buck", "Doe John"]),
        ("(anr=buck)", ["John Buck"]),
        ("(!(anr=buck))", ["John Doe", "John Does", "Doe John"]),
        ("(anr=*)", []),
    ],
)
def test_anr_finds(text: str, found: list[str]) -> None:
    known = tuple(name for name in ANR_SET if core().attribute_type(name))
    surroundings = Surroundings(SCHEMA, lambda attribute, dn: [], known)
    test = compile_filter(rewrite(parse_filter(text), surroundings), core())
    assert [name for name, entry in PEOPLE.items() if test(entry)] == found


filters = st.recursive(
    st.sampled_from(["cn", "anr", "objectSid", "objectGUID", "objectCategory", "member"]).flatmap(
        lambda name: st.binary(min_size=1, max_size=40).map(lambda value: Equality(name, value))
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: And(tuple(each)))
        | st.lists(inner, max_size=3).map(lambda each: Or(tuple(each)))
        | inner.map(Not)
    ),
    max_leaves=8,
)


@given(filters)
def test_what_is_rewritten_needs_no_rewriting(filter: Filter) -> None:
    once = rewrite(filter, NOWHERE)
    assert rewrite(once, NOWHERE) == once
