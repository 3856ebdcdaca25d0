"""The schema: its file, what it publishes, and whether others read it the same way."""

import json
import re
import uuid
import warnings
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.entry import PASSWORD_ATTRIBUTES, Entry
from ldapserver.directory.matching import ORDERING, SUBSTRINGS, equality_rule
from ldapserver.directory.schema import (
    DIRECTORY_STRING,
    SUBSCHEMA,
    InvalidSchema,
    core,
    read_schema,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 2.9.1 asks pyasn1 for names it has renamed
    from ldap3.protocol.rfc4512 import SchemaInfo
    from ldap3.protocol.schemas.ad2012R2 import ad_2012_r2_schema
    from ldap3.protocol.schemas.slapd24 import slapd_2_4_schema

CORE = core()


def published(entry: Entry) -> SchemaInfo:
    """The subschema entry as ldap3 understands it."""
    attributes = {name: [value.decode() for value in values] for name, values in entry}
    return SchemaInfo(str(entry.dn), attributes, {name: list(values) for name, values in entry})


def test_every_name_that_a_definition_leans_on_is_defined() -> None:
    for each in CORE.object_classes:
        assert all(CORE.object_class(name) for name in each.sup), each.definition
        assert all(CORE.attribute_type(name) for name in (*each.must, *each.may)), each.definition
    for attribute_type in CORE.attribute_types:
        rules = (attribute_type.equality, attribute_type.ordering, attribute_type.substr)
        assert all(CORE.matching_rule(rule) for rule in rules if rule), attribute_type.definition


def test_no_oid_or_name_is_defined_twice() -> None:
    oids = [each.oid for each in CORE.attribute_types]
    oids += [each.oid for each in CORE.object_classes] + [each.oid for each in CORE.matching_rules]
    names = [name.lower() for each in CORE.attribute_types for name in each.names]
    names += [name.lower() for each in CORE.object_classes for name in each.names]
    assert len(oids) == len(set(oids))
    # The two kinds of definition share no name either, so an OID may be written by any of them.
    assert len(names) == len(set(names))


def test_every_rule_of_a_type_is_implemented_except_that_of_certificates() -> None:
    missing = {
        rule
        for each in CORE.attribute_types
        for rule, known in (
            (each.equality, each.equality and equality_rule(CORE, each.equality)),
            (each.ordering, each.ordering and each.ordering.lower() in ORDERING),
            (each.substr, each.substr and each.substr.lower() in SUBSTRINGS),
        )
        if rule and not known
    }
    assert missing == {"certificateExactMatch"}


# OpenLDAP's and Active Directory's own definitions, as ldap3 has them. AD gave some names of the RFCs to types of
# its own (info, employeeNumber, ...), so of its schema only what stands under its own arc says something about ours.
@pytest.mark.parametrize(
    ("recorded", "arc"), [(slapd_2_4_schema, ""), (ad_2012_r2_schema, "1.2.840.113556.")], ids=["OpenLDAP", "AD"]
)
def test_oids_agree_with_other_servers(recorded: str, arc: str) -> None:
    theirs = json.loads(recorded)["raw"]
    compared = 0
    for kind, find in (("attributeTypes", CORE.attribute_type), ("objectClasses", CORE.object_class)):
        for definition in theirs[kind]:
            for name in re.findall(r"'([^']*)'", definition.split(" DESC ")[0].split(" SYNTAX ")[0]):
                ours = find(name)
                if ours and ours.oid.startswith(arc):
                    assert ours.oid == definition.split()[1], name
                    compared += 1
    assert compared > 80


def test_a_subtype_inherits_the_rules_and_syntax_of_its_supertype() -> None:
    cn = CORE.attribute_type("commonName")
    assert cn is not None
    assert (cn.names, cn.equality, cn.syntax) == (("cn", "commonName"), "caseIgnoreMatch", DIRECTORY_STRING)


def test_names_are_found_in_any_case_by_oid_and_with_options() -> None:
    cn = CORE.attribute_type("cn")
    assert cn is CORE.attribute_type("CN") is CORE.attribute_type("2.5.4.3") is CORE.attribute_type("cn;lang-de")
    assert CORE.attribute_type("nothing") is None


def test_a_type_covers_its_subtypes() -> None:
    name = CORE.attribute_type("name")
    assert name is not None
    assert {"name", "cn", "commonname", "2.5.4.3", "sn"} <= CORE.with_subtypes(name)
    assert "uid" not in CORE.with_subtypes(name)


def test_the_lineage_of_a_class_is_all_above_it() -> None:
    names = ("inetOrgPerson", "organizationalPerson", "person", "top")
    assert CORE.lineage("INETORGPERSON") == {CORE.oid(name) for name in names}
    assert CORE.lineage("nothing") == frozenset()


def test_password_attributes_of_the_file_are_known_as_such_by_name_and_oid() -> None:
    for name in ("userPassword", "unicodePwd", "supplementalCredentials", "dBCSPwd", "ntPwdHistory", "lmPwdHistory"):
        attribute_type = CORE.attribute_type(name)
        assert attribute_type is not None
        assert {name.lower(), attribute_type.oid} <= PASSWORD_ATTRIBUTES


def test_an_unknown_name_gets_a_definition_of_its_own_and_always_the_same() -> None:
    extended = CORE.extended(["cn", "shoeSize", "SHOESIZE;lang-de", "1.2.3.4"], ["person", "shoeWearer"])
    shoe_size, shoe_wearer = extended.attribute_type("shoesize"), extended.object_class("shoewearer")
    assert shoe_size is not None
    assert shoe_wearer is not None
    number = int(shoe_size.oid.removeprefix("2.25."))
    assert uuid.UUID(int=number).version == 5
    again = core().extended(["ShoeSize"], []).attribute_type("shoeSize")
    assert again is not None
    assert again.oid == shoe_size.oid
    assert shoe_size.oid != shoe_wearer.oid
    assert shoe_size.syntax == DIRECTORY_STRING
    by_oid = extended.attribute_type("1.2.3.4")
    assert by_oid is not None
    assert (by_oid.oid, by_oid.names) == ("1.2.3.4", ())
    assert CORE.attribute_type("shoeSize") is None  # the schema it came from is as it was


def test_nothing_unknown_gives_the_same_schema() -> None:
    assert CORE.extended(["cn", "uid"], ["person"]) is CORE


def test_ldap3_reads_the_subschema_entry() -> None:
    extended = CORE.extended(["uid", "shoeSize", "1.2.3.4"], ["inetOrgPerson", "shoeWearer"])
    entry = extended.subschema_entry(["uid", "shoeSize", "1.2.3.4"], ["inetOrgPerson", "shoeWearer"])
    read = published(entry)
    assert entry.dn == SUBSCHEMA
    assert read.object_classes["inetOrgPerson"].superior == ["organizationalPerson"]
    assert "sn" in read.object_classes["person"].must_contain
    assert read.attribute_types["uid"].equality == ["caseIgnoreMatch"]
    assert read.attribute_types["shoeSize"].syntax == DIRECTORY_STRING
    assert read.attribute_types["1.2.3.4"].oid == "1.2.3.4"
    assert read.object_classes["shoeWearer"].kind.upper() == "AUXILIARY"
    assert read.matching_rules["caseIgnoreMatch"].syntax == DIRECTORY_STRING
    assert DIRECTORY_STRING in read.ldap_syntaxes


def test_ldap3_reads_every_definition_of_the_file() -> None:
    types = [name for each in CORE.attribute_types for name in each.names]
    classes = [name for each in CORE.object_classes for name in each.names]
    read = published(CORE.subschema_entry(types, classes))
    for each in CORE.attribute_types:
        theirs = read.attribute_types[each.names[0]]
        assert (theirs.oid, tuple(theirs.name), theirs.single_value) == (each.oid, each.names, each.single_value)
    for object_class in CORE.object_classes:
        assert tuple(read.object_classes[object_class.names[0]].may_contain or ()) == object_class.may


def test_what_is_published_is_closed_and_no_more_than_is_in_use() -> None:
    entry = CORE.subschema_entry(["mail"], ["inetOrgPerson"])
    read = published(entry)
    for name in read.object_classes:
        info = read.object_classes[name]
        assert all(sup in read.object_classes for sup in info.superior or ())
        assert all(each in read.attribute_types for each in (info.must_contain or []) + (info.may_contain or []))
    for name in read.attribute_types:
        info = read.attribute_types[name]
        assert all(each in read.attribute_types for each in info.superior or ())
        assert all(each in read.matching_rules for each in info.equality or ())
        assert info.syntax is None or info.syntax in read.ldap_syntaxes
    assert "sAMAccountName" not in read.attribute_types
    assert "posixAccount" not in read.object_classes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("attributeTypes: 1.2.3 NAME 'x' )", "begins with '('"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SYNTAX 1.2", "ends before"),
        ("attributeTypes: ( 1.2.3 NAME ( 'x' ", "ends before"),
        ("attributeTypes: ( 1.2.3 NAME 'x' )", "neither SUP nor SYNTAX"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SUP y )", "supertype y"),
        ("objectClasses: ( 1.2.3 NAME 'x' SUP y )", "superclass y"),
        ("matchingRules: ( 1.2.3 NAME 'x' )", "NAME and SYNTAX"),
        ("nameForms: ( 1.2.3 )", "'nameForms'"),
    ],
)
def test_a_definition_that_is_wrong_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        read_schema("# a comment\n\n" + text)
    assert said in str(refused.value)
    assert "line 3" in str(refused.value)


WORDS = st.lists(
    st.sampled_from(["(", ")", "1.2.3", "NAME", "'x'", "SUP", "SYNTAX", "EQUALITY", "MUST", "$", "SINGLE-VALUE", "'"])
)


@given(st.sampled_from(["attributeTypes", "objectClasses", "matchingRules"]), WORDS)
def test_any_words_are_a_definition_or_refused(kind: str, words: list[str]) -> None:
    with suppress(InvalidSchema):
        read_schema(f"{kind}: {' '.join(words)}")
