"""The schema: its file, what it publishes, and whether others read it the same way."""

import json
import re
import uuid
import warnings
from contextlib import suppress
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.entry import PASSWORD_ATTRIBUTES, Entry
from ldapserver.directory.matching import ORDERING, SUBSTRINGS, equality_rule
from ldapserver.directory.notation import FORMS, parse, render
from ldapserver.directory.operational import Operational
from ldapserver.directory.schema import (
    DIRECTORY_STRING,
    SUBSCHEMA,
    InvalidSchema,
    core,
    load_schema,
    read_schema,
)
from ldapserver.directory.subschema import Subschema
from tests.interop.conftest import absent
from tests.server.stage import stopped

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 2.9.1 asks pyasn1 for names it has renamed
    from ldap3.protocol.rfc4512 import SchemaInfo
    from ldap3.protocol.schemas.ad2012R2 import ad_2012_r2_schema
    from ldap3.protocol.schemas.slapd24 import slapd_2_4_schema

CORE = core()
EXTENDED = CORE.extended(["uid", "shoeSize", "1.2.3.4"], ["inetOrgPerson", "shoeWearer"])


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


def test_every_rule_of_a_type_is_implemented_except_those_of_certificates() -> None:
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
    assert missing == {
        *("certificateExactMatch", "certificatePairExactMatch", "certificateListExactMatch"),
        "algorithmIdentifierMatch",
    }


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


def test_every_definition_is_published_and_read_by_ldap3() -> None:
    read = published(Subschema(Operational()).entry(EXTENDED))
    assert len(read.attribute_types) >= len(EXTENDED.attribute_types)
    for each in EXTENDED.attribute_types:
        theirs = read.attribute_types[(each.names or (each.oid,))[0]]
        assert (theirs.oid, tuple(theirs.name or ()), theirs.single_value) == (
            each.oid,
            each.names,
            each.single_value,
        )
        assert theirs.no_user_modification == each.no_user_modification
        assert (theirs.usage or "userApplications").replace("_", "").lower() == each.usage.lower()
        assert theirs.syntax in (each.syntax, None)
    for object_class in EXTENDED.object_classes:
        found = read.object_classes[(object_class.names or (object_class.oid,))[0]]
        assert (found.oid, tuple(found.superior or ())) == (object_class.oid, object_class.sup)
        assert tuple(found.must_contain or ()) == object_class.must
        assert tuple(found.may_contain or ()) == object_class.may
        assert (found.kind or "STRUCTURAL").upper() == object_class.kind
    for rule in EXTENDED.matching_rules:
        assert read.matching_rules[rule.name].syntax == rule.syntax
    assert read.ldap_syntaxes[DIRECTORY_STRING].description == "Directory String"
    assert read.attribute_types["shoeSize"].syntax == DIRECTORY_STRING


def test_every_definition_is_read_by_python_ldap() -> None:
    try:
        schema = import_module("ldap.schema")
    except ImportError:
        absent("python-ldap")
    values = {name: list(values) for name, values in Subschema(Operational()).entry(EXTENDED)}
    read = schema.SubSchema(values, check_uniqueness=2)
    for each in EXTENDED.attribute_types:
        theirs = read.get_obj(schema.AttributeType, each.oid)
        assert (theirs.names, theirs.sup) == (each.names, (each.sup,) if each.sup else ())
        assert (theirs.single_value, theirs.no_user_mod) == (each.single_value, each.no_user_modification)
        assert each.sup or theirs.equality == each.equality
    for object_class in EXTENDED.object_classes:
        found = read.get_obj(schema.ObjectClass, object_class.oid)
        assert (found.names, found.must, found.may) == (object_class.names, object_class.must, object_class.may)
        assert found.sup == (object_class.sup or ("top",)) or object_class.oid in ("2.5.6.0", "2.5.20.1")
    assert not read.non_unique_oids
    assert not read.non_unique_names[schema.AttributeType]


def test_every_definition_reads_back_to_itself() -> None:
    entry = Subschema(Operational()).entry(EXTENDED)
    kinds = [name for name, _ in entry if name in FORMS]
    assert len(kinds) == 4
    for kind in kinds:
        for value in entry.get(kind):
            oid, fields = parse(kind, value.decode())
            assert render(kind, oid, fields) == value.decode()
            if kind == "matchingRules" and oid in read_by_number(entry):
                assert fields["NAME"][0] in read_by_number(entry)[oid]


def read_by_number(entry: Entry) -> dict[str, str]:
    """What matchingRuleUse says, by the rule's OID."""
    return {value.split()[1].decode(): value.decode() for value in entry.get("matchingRuleUse")}


def test_what_is_published_is_closed() -> None:
    read = published(Subschema(Operational()).entry(EXTENDED))
    for name in read.object_classes:
        info = read.object_classes[name]
        assert all(sup in read.object_classes for sup in info.superior or ())
        assert all(each in read.attribute_types for each in (info.must_contain or []) + (info.may_contain or []))
    for name in read.attribute_types:
        info = read.attribute_types[name]
        assert all(each in read.attribute_types for each in info.superior or ())
        assert all(each in read.matching_rules for each in info.equality or ())
        assert info.syntax is None or info.syntax in read.ldap_syntaxes
    for name in read.matching_rules:
        assert read.matching_rules[name].syntax in read.ldap_syntaxes
    for name in read.matching_rule_uses:
        assert all(each in read.attribute_types for each in read.matching_rule_uses[name].apply_to)


def test_a_rule_is_said_to_apply_to_what_it_can_be_asked_of_and_to_no_secret() -> None:
    uses = read_by_number(Subschema(Operational()).entry(CORE))
    of_integers = uses["1.2.840.113556.1.4.803"].split()
    assert {"uidNumber", "userAccountControl", "pwdLastSet"} <= set(of_integers)
    assert "uid" not in of_integers
    assert "jpegPhoto" in uses["2.5.13.17"].split()
    assert not {"userPassword", "unicodePwd"} & set(uses["2.5.13.17"].split())
    assert "sn" in uses["2.5.13.3"].split()  # caseIgnoreOrderingMatch
    assert "2.5.13.4" not in uses  # caseIgnoreSubstringsMatch is no extensible filter's
    assert "2.5.13.34" not in uses  # certificateExactMatch is not implemented


def test_a_rule_that_applies_to_nothing_is_no_use() -> None:
    rule = "( 2.5.13.2 NAME 'caseIgnoreMatch' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
    assert Subschema(Operational()).entry(read_schema(f"matchingRules: {rule}")).get("matchingRuleUse") == ()


def test_the_entry_says_when_the_schema_became_what_it_is() -> None:
    clock = stopped()
    subschema = Subschema(Operational(clock))
    first = subschema.entry(CORE)
    assert first.dn == SUBSCHEMA
    clock.advance(days=1)
    assert subschema.entry(CORE) is first  # and is made once
    changed = subschema.entry(EXTENDED)
    times = [(each.get("createTimestamp"), each.get("modifyTimestamp")) for each in (first, changed)]
    began = (b"20260102030405Z",)
    assert times == [(began, began), (began, (b"20260103030405Z",))]
    assert changed.get("structuralObjectClass") == (b"subentry",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("attributeTypes: 1.2.3 NAME 'x' )", "begins with '('"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SYNTAX 1.2", "ends before"),
        ("attributeTypes: ( 1.2.3 NAME ( 'x' ", "ends before"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SYNTAX 1.2 ) )", "stands behind the last ')'"),
        ("attributeTypes: ( 1.2.3 NAME 'x' )", "neither SUP nor SYNTAX"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SUP y )", "supertype y"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SUP x )", "its own supertype"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SYNTAX 1.2 USAGE mine )", "USAGE mine is none of"),
        ("attributeTypes: ( x.2 NAME 'x' SYNTAX 1.2 )", "neither an object identifier in numbers nor a macro"),
        ("attributeTypes: ( 1.02 NAME 'x' SYNTAX 1.2 )", "neither an object identifier"),
        ("attributeTypes: ( 1.2.3 NAME 'x' SYNTAX 1.2{a} )", "SYNTAX 1.2{a} is no object identifier"),
        ("attributeTypes: ( 1.2.3 NAME x SYNTAX 1.2 )", "NAME x stands without quotes"),
        ("attributeTypes: ( 1.2.3 NAME '1x' SYNTAX 1.2 )", "'1x' is no name"),
        ("attributeTypes: ( 1.2.3 NAME 'x SYNTAX 1.2 )", "a quote is not closed"),
        (r"attributeTypes: ( 1.2.3 DESC 'a\b' SYNTAX 1.2 )", "a quote is not closed, or"),
        ("attributeTypes: ( 1.2.3 NAME 'x' NAME 'y' SYNTAX 1.2 )", "NAME stands there twice"),
        ("attributeTypes: ( 1.2.3 COLOUR 'x' SYNTAX 1.2 )", "COLOUR is no field of attributeTypes"),
        ("attributeTypes: ( 1.2.3 XY 'x' SYNTAX 1.2 )", "XY is no field of attributeTypes"),
        ("attributeTypes: ( 1.2.3 EQUALITY ( a ) SYNTAX 1.2 )", "EQUALITY has one value"),
        ("attributeTypes: ( 1.2.3 EQUALITY $ SYNTAX 1.2 )", "EQUALITY has no value"),
        ("attributeTypes: ( 1.2.3 EQUALITY a!b SYNTAX 1.2 )", "'a!b' is neither a name nor"),
        ("objectClasses: ( 1.2.3 NAME 'x' SUP y )", "superclass y"),
        ("objectClasses: ( 1.2.3 NAME 'x' SUP x )", "its own superclass"),
        ("objectClasses: ( 1.2.3 NAME 'x' MUST y )", "no attribute type y"),
        ("objectClasses: ( 1.2.3 NAME 'x' MAY ( a b ) )", "takes names with '$' between them"),
        ("objectClasses: ( 1.2.3 NAME 'x' MAY ( a $ ) )", "takes names with '$' between them"),
        ("objectClasses: ( 1.2.3 NAME 'x' ABSTRACT AUXILIARY )", "not both ABSTRACT and AUXILIARY"),
        ("matchingRules: ( 1.2.3 NAME 'x' )", "NAME and SYNTAX"),
        ("attributeTypes:: $$$", "no base64"),
        ("attribute ( 1.2.3 )", "'attribute' is none of attributeTypes"),
        ("( 1.2.3 )", "'(' is no line of a schema"),
        ("objectidentifier x", "takes a name and an object identifier"),
        ("objectidentifier x y:1", "nor a macro that stands before it"),
    ],
)
def test_a_definition_that_is_wrong_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        read_schema("# a comment\n\n" + text)
    assert said in str(refused.value)
    assert str(refused.value).startswith("schema:3: ")


WORDS = st.lists(
    st.sampled_from(["(", ")", "1.2.3", "NAME", "'x'", "SUP", "SYNTAX", "EQUALITY", "MUST", "$", "SINGLE-VALUE", "'"])
)


@given(st.sampled_from(["attributeTypes", "objectClasses", "matchingRules"]), WORDS)
def test_any_words_are_a_definition_or_refused(kind: str, words: list[str]) -> None:
    with suppress(InvalidSchema):
        read_schema(f"{kind}: {' '.join(words)}")


# Of Active Directory


def test_the_profile_of_active_directory_takes_its_own_where_the_rfcs_say_otherwise() -> None:
    theirs = load_schema((), active_directory=True).schema
    ours, other = CORE.attribute_type("homeDirectory"), theirs.attribute_type("homeDirectory")
    assert ours is not None
    assert other is not None
    assert (ours.oid, other.oid) == ("1.3.6.1.1.1.1.3", "1.2.840.113556.1.4.44")
    unix = theirs.attribute_type("unixHomeDirectory")
    assert unix is not None
    assert unix.oid == ours.oid
    cn, sid = theirs.attribute_type("cn"), theirs.attribute_type("objectSid")
    assert cn is not None
    assert sid is not None
    assert (cn.single_value, sid.no_user_modification) == (True, True)
    domain = theirs.object_class("domain")
    assert domain is not None
    assert domain.kind == "ABSTRACT"


def test_the_profile_agrees_with_active_directory() -> None:
    theirs = load_schema((), active_directory=True).schema
    compared = 0
    for definition in json.loads(ad_2012_r2_schema)["raw"]["attributeTypes"]:
        name = re.findall(r"NAME \(? ?'([^']*)'", definition)[0]
        ours = theirs.attribute_type(name)
        if ours is None or ours.operational or ours.oid.startswith(("2.5.", "1.3.6.1.1.", "2.16.", "0.9.")):
            continue
        assert ours.oid == definition.split()[1], name
        assert ours.single_value == ("SINGLE-VALUE" in definition), name
        assert ours.no_user_modification == ("NO-USER-MODIFICATION" in definition), name
        assert f"'{ours.syntax}'" in definition or "'OctetString'" in definition, name
        compared += 1
    assert compared > 150
