"""Files of definitions that users bring: each form that servers keep them in, and what wins where two disagree."""

import json
import re
import warnings
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.notation import FORMS, InvalidSchema, parse, render
from ldapserver.directory.schema import AttributeType, Schema, core, load_schema

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 2.9.1 asks pyasn1 for names it has renamed
    from ldap3.protocol.schemas.ad2012R2 import ad_2012_r2_schema
    from ldap3.protocol.schemas.ds389 import ds389_1_3_3_schema
    from ldap3.protocol.schemas.slapd24 import slapd_2_4_schema

IA5 = "1.3.6.1.4.1.1466.115.121.1.26"


def loaded(*texts: str) -> Schema:
    return load_schema([(f"{number}.schema", text) for number, text in enumerate(texts, 1)]).schema


def remarks(text: str) -> list[str]:
    return list(load_schema([("mine.schema", text)]).remarks)


def shoe_size(schema: Schema) -> AttributeType:
    found = schema.attribute_type("shoeSize")
    assert found is not None
    return found


OURS = f"attributeTypes: ( 1.2.3.4 NAME 'shoeSize' EQUALITY caseExactIA5Match SYNTAX {IA5} SINGLE-VALUE )"
BASE64 = b64encode(OURS.partition(": ")[2].encode()).decode()
LDIF = f"""\
# of a search
dn: cn=schema
objectClass: top
objectClass: subschema
cn: schema
createTimestamp: 20200101000000Z
attributeTypes: ( 1.2.3.4 NAME 'shoe
 Size' EQUALITY caseExactIA5Match
  SYNTAX {IA5}{{32}} SINGLE-VALUE X-ORIGIN 'us' )
aci: (targetattr="*")(version 3.0; acl "all"; allow (read) userdn="ldap:///anyone";)
nameForms: ( 1.2.3.9 NAME 'x' OC person MUST cn )
"""
CONFIG = f"""\
dn: cn={{4}}shoes,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: {{4}}shoes
olcObjectIdentifier: {{0}}Shop 1.2.3
olcObjectIdentifier: {{1}}IA5 {IA5}
olcAttributeTypes: {{0}}( Shop:4 NAME 'shoeSize' EQUALITY caseExactIA5Match SYN
 TAX IA5{{32}} SINGLE-VALUE )
olcObjectClasses: {{0}}( Shop:5 NAME 'shoeWearer' SUP top AUXILIARY MUST shoeSize )
"""
CONF = f"""\
# as slapd.conf includes it
objectIdentifier\tShop\t1.2
objectidentifier Shoes Shop:3

attributetype ( Shoes:4
\tNAME 'shoeSize'
\tEQUALITY caseExactIA5Match
\tSYNTAX {IA5}{{32}} SINGLE-VALUE )
objectclass(Shoes:5 NAME 'shoeWearer' SUP top AUXILIARY MUST shoeSize)
"""
IN_EACH_FORM = {
    "singular": OURS.replace("Types", "Type"),
    "ours": OURS,
    "base64": f"attributeTypes:: {BASE64}",
    "LDIF": LDIF,
    "cn=config": CONFIG,
    "slapd.conf": CONF,
}


@pytest.mark.parametrize("text", IN_EACH_FORM.values(), ids=IN_EACH_FORM)
def test_a_definition_is_read_in_every_form_it_is_kept_in(text: str) -> None:
    for lines in (text, text.replace("\n", "\r\n")):
        found = shoe_size(loaded(lines))
        assert (found.oid, found.names, found.single_value) == ("1.2.3.4", ("shoeSize",), True)
        assert (found.equality, found.syntax) == ("caseExactIA5Match", IA5)


@pytest.mark.parametrize("text", [CONFIG, CONF], ids=["cn=config", "slapd.conf"])
def test_macros_stand_for_numbers_and_what_is_published_has_numbers(text: str) -> None:
    schema = loaded(text)
    wearer = schema.object_class("shoeWearer")
    assert wearer is not None
    assert (wearer.oid, wearer.kind, wearer.must) == ("1.2.3.5", "AUXILIARY", ("shoeSize",))
    definition = shoe_size(schema).definition
    assert definition == f"( 1.2.3.4 NAME 'shoeSize' EQUALITY caseExactIA5Match SYNTAX {IA5} SINGLE-VALUE )"


def test_a_tab_stands_between_words_wherever_it_goes_on_with_a_line() -> None:
    for keyword in ("attributeTypes:", "attributetype"):
        found = shoe_size(loaded(f"{keyword} ( 1.2.3.4 NAME 'shoeSize' EQUALITY\n\tcaseExactIA5Match SYNTAX {IA5} )"))
        assert found.equality == "caseExactIA5Match"


def test_the_name_that_openldap_lets_a_syntax_have_is_not_published() -> None:
    (syntax,) = [
        each
        for each in loaded("ldapsyntax ( 1.2.3.8 NAME 'Size' DESC 'A size' )").syntaxes
        if "size" in each.definition
    ]
    assert syntax.definition == "( 1.2.3.8 DESC 'A size' )"


def test_a_name_in_place_of_a_number_as_389_has_them_gets_a_number() -> None:
    found = shoe_size(loaded(f"attributeTypes: ( shoeSize-oid NAME 'shoeSize' SYNTAX {IA5} )"))
    assert found.oid.startswith("2.25.")
    assert f"( {found.oid} NAME" in found.definition


def test_quoted_oids_and_any_order_are_read_as_active_directory_writes_them() -> None:
    definition = f"( 1.2.3.4 SINGLE-VALUE SYNTAX '{IA5}' NAME 'shoeSize'  )"
    found = shoe_size(loaded(f"attributeTypes: {definition}"))
    assert found.definition == f"( 1.2.3.4 NAME 'shoeSize' SYNTAX {IA5} SINGLE-VALUE )"


def test_what_is_quoted_may_hold_parentheses_and_escaped_quotes_and_backslashes() -> None:
    definition = r"( 1.2.3.4 NAME 'shoeSize' DESC 'it\27s (a $) \5Csize' SUP name X-A ( 'one' 'two (2)' ) X-B 'b' )"
    oid, fields = parse("attributeTypes", definition)
    assert (oid, fields["DESC"], fields["X-A"]) == ("1.2.3.4", (r"it's (a $) \size",), ("one", "two (2)"))
    assert shoe_size(loaded(f"attributeTypes: {definition}")).definition == definition


def test_definitions_lean_on_others_in_any_order_and_file() -> None:
    first = "objectClasses: ( 1.2.3.5 NAME 'runner' SUP shoeWearer AUXILIARY MAY sockSize )\n"
    second = "attributeTypes: ( 1.2.3.6 NAME 'sockSize' SUP shoeSize )\n"
    third = f"{OURS}\nobjectClasses: ( 1.2.3.7 NAME 'shoeWearer' SUP top AUXILIARY MUST shoeSize )\n"
    schema = loaded(first, second, third)
    sock = schema.attribute_type("sockSize")
    assert sock is not None
    assert (sock.syntax, sock.equality) == (IA5, "caseExactIA5Match")
    assert "socksize" in schema.with_subtypes(shoe_size(schema))
    assert schema.lineage("runner") == {"1.2.3.5", "1.2.3.7", "2.5.6.0"}


CN = "attributeTypes: ( 2.5.4.3 NAME ( 'cn' 'commonName' )"


@pytest.mark.parametrize(
    "text",
    [
        f"{CN} SUP name )",
        "attributeTypes: ( 2.5.4.3 NAME 'cn' SUP name )",
        f"{CN} DESC 'RFC4519: common name(s)' SUP name USAGE userApplications X-ORIGIN 'RFC 4519' )",
        "attributetype ( 2.5.4.3 NAME ( 'commonName' 'cn' ) SUP name )",
        "objectClasses: ( 2.5.6.6 NAME 'person' MAY ( description $ seeAlso $ telephoneNumber $ userPassword ) "
        "MUST ( commonName $ surname ) )",
        # as a domain controller publishes it, without matching rules
        "attributeTypes: ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' "
        "SINGLE-VALUE )",
        "matchingRules: ( 2.5.13.2 NAME 'caseIgnoreMatch' SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )",
        "ldapSyntaxes: ( 1.3.6.1.4.1.1466.115.121.1.15 DESC 'another word for it' )",
    ],
)
def test_what_says_the_same_again_changes_nothing(text: str) -> None:
    assert remarks(text) == []
    again = loaded(text)
    assert again.attribute_types == core().attribute_types
    assert again.object_classes == core().object_classes
    assert again.matching_rules == core().matching_rules
    assert again.syntaxes == core().syntaxes


def test_what_contradicts_takes_the_place_of_what_is_known_and_is_remarked() -> None:
    text = f"{CN} SUP name SINGLE-VALUE )"
    cn = loaded(text).attribute_type("cn")
    assert cn is not None
    assert (cn.single_value, cn.syntax) == (True, "1.3.6.1.4.1.1466.115.121.1.15")
    assert remarks(text) == ["mine.schema: takes the place of what is known as cn"]


def test_a_name_goes_to_the_definition_that_came_last() -> None:
    schema = loaded(f"attributeTypes: ( 1.2.3.4 NAME 'fax' SYNTAX {IA5} )")
    fax, left = schema.attribute_type("fax"), schema.attribute_type("2.5.4.23")
    assert fax is not None
    assert left is not None
    assert (fax.oid, left.names) == ("1.2.3.4", ("facsimileTelephoneNumber",))
    assert "NAME 'facsimileTelephoneNumber'" in left.definition
    only = loaded(f"attributeTypes: ( 1.2.3.4 NAME 'gecos' SYNTAX {IA5} )")
    gecos = only.attribute_type("gecos")
    assert gecos is not None
    assert gecos.oid == "1.2.3.4"
    assert only.attribute_type("1.3.6.1.1.1.1.2") is None


def test_the_names_of_what_was_displaced_stay_for_others_lean_on_them() -> None:
    schema = loaded(f"attributeTypes: ( 2.5.4.23 NAME 'telefax' SYNTAX {IA5} )")
    fax = schema.attribute_type("facsimileTelephoneNumber")
    assert fax is not None
    assert fax is schema.attribute_type("telefax")
    assert (fax.names, fax.syntax) == (("telefax", "facsimileTelephoneNumber", "fax"), IA5)


def test_a_rule_that_is_not_implemented_is_remarked() -> None:
    text = f"attributeTypes: ( 1.2.3.4 NAME 'shoeSize' EQUALITY shoeMatch SYNTAX {IA5} )"
    assert remarks(text) == ["mine.schema: shoeMatch not implemented: filters that need it are Undefined"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n\nattributetype ( 1.2.3\n  NAME 'x'\n  SYNTAX y )", "2.schema:3: 1.2.3: SYNTAX y is no object"),
        ("attributeTypes: ( 1.2.3 NAME\n  'x' SUP y )", "2.schema:1: 1.2.3: there is no supertype y"),
        ("objectClasses: ( 1.2.3 NAME 'x' MAY y )", "2.schema:1: 1.2.3: there is no attribute type y"),
        ("atributeTypes: ( 1.2.3 NAME 'x' SYNTAX 1.2 )", "2.schema:1: 'atributeTypes' is none of attributeTypes"),
        ("include /etc/ldap/schema/core.schema", "2.schema:1: 'include' is none of attributeTypes"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(text: str, said: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        loaded(OURS, text)
    assert str(refused.value).startswith(said)


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,9}", fullmatch=True)
OIDS = st.lists(st.integers(0, 10**6), min_size=2, max_size=5).map(lambda arcs: ".".join(map(str, arcs)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=20)


@given(OIDS, st.lists(NAMES, min_size=1, max_size=3), TEXTS, st.lists(TEXTS, max_size=3), st.booleans(), OIDS)
def test_what_is_written_reads_back_to_itself(
    oid: str, names: list[str], description: str, origins: list[str], single: bool, syntax: str
) -> None:
    fields = {"NAME": tuple(names), "DESC": (description,), "SYNTAX": (syntax,), "X-ORIGIN": tuple(origins)}
    if single:
        fields["SINGLE-VALUE"] = ()
    assert parse("attributeTypes", render("attributeTypes", oid, fields)) == (oid, fields)


@given(OIDS, st.lists(NAMES | OIDS, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4))
def test_lists_of_names_read_back_to_themselves(oid: str, must: list[str], sup: list[str]) -> None:
    fields = {"SUP": tuple(sup), "AUXILIARY": (), "MUST": tuple(must)}
    assert parse("objectClasses", render("objectClasses", oid, fields)) == (oid, fields)


@given(st.sampled_from(list(FORMS)), st.text("()'\\$ \tabX-1.2{}"))
def test_any_text_is_a_definition_or_refused(kind: str, text: str) -> None:
    try:
        oid, fields = parse(kind, f"( 1.2 {text})")
    except InvalidSchema:
        return
    assert parse(kind, render(kind, oid, fields)) == (oid, fields)


# What other servers publish, as ldap3 has it.
@pytest.mark.parametrize(
    "recorded", [slapd_2_4_schema, ds389_1_3_3_schema, ad_2012_r2_schema], ids=["slapd", "389", "AD"]
)
def test_the_whole_schema_of_another_server_is_taken(recorded: str) -> None:
    raw = json.loads(recorded)["raw"]
    kinds = ("attributeTypes", "objectClasses")
    schema = loaded("\n".join(f"{kind}: {definition}" for kind in kinds for definition in raw[kind]))
    for kind, find in (("attributeTypes", schema.attribute_type), ("objectClasses", schema.object_class)):
        for definition in raw[kind]:
            oid, fields = definition.split()[1], re.findall(r"'([^']*)'", definition.split(" DESC ")[0])
            found = find(oid) or find(fields[0])
            assert found is not None, definition
