"""Whether an entry is what the schema allows, and what refuses it, in each of the three modes."""

from collections.abc import Callable

import pytest

from ldapserver.directory.conformance import (
    Conformance,
    Rules,
    check_entry,
    check_user_modification,
    structural_object_class,
)
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import InvalidLDIF, read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.schema import core, load_schema
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import ResultCode

CORE = core()
STRICT, LENIENT, OFF = Conformance.STRICT, Conformance.LENIENT, Conformance.OFF
INET_ORG_PERSON = ("top", "person", "organizationalPerson", "inetOrgPerson")

Values = dict[str, tuple[str, ...]]
ALICE: Values = {"objectClass": INET_ORG_PERSON, "cn": ("Alice",), "sn": ("A",), "mail": ("a@x.org",), "uid": ("a",)}


def attributes(values: Values) -> list[tuple[str, tuple[bytes, ...]]]:
    return [(name, tuple(value.encode("latin-1") for value in each)) for name, each in values.items()]


def refusal(
    values: Values, how: Conformance = STRICT, dn: str = "cn=Alice,dc=x", before: Values | None = None
) -> tuple[ResultCode, str] | None:
    """Why an entry is refused, or None."""
    parsed = DN.parse(dn)
    stood = None if before is None else Entry(parsed, attributes(before))
    try:
        check_entry(CORE.extended(values, values.get("objectClass", ())), how, parsed, attributes(values), stood)
    except OperationRefused as error:
        return error.result_code, error.diagnostic_message
    return None


def with_(**more: tuple[str, ...]) -> Values:
    return {name: values for name, values in {**ALICE, **more}.items() if values}


@pytest.mark.parametrize("how", Conformance)
def test_an_entry_as_it_should_be_is_taken(how: Conformance) -> None:
    assert refusal(ALICE, how) is None


WRONG = [
    # what is wrong, the code that strict and lenient answer with (None: it is taken), and what is said
    (with_(shoeSize=("37",)), ResultCode.UNDEFINED_ATTRIBUTE_TYPE, None, "shoeSize: attribute type undefined"),
    (
        with_(objectClass=(*INET_ORG_PERSON, "shoeWearer")),
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        None,
        "objectClass: value #4 is no class that is known",
    ),
    (
        with_(objectClass=("shoeWearer", "sockWearer", *INET_ORG_PERSON)),
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        None,
        "objectClass: value #0 is no class that is known",
    ),
    (
        with_(objectClass=("not a name",)),
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        "objectClass: value #0 invalid per syntax (OID)",
    ),
    (
        with_(telephoneNumber=("1", "x@y")),
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        "telephoneNumber: value #1 invalid per syntax (Telephone Number)",
    ),
    (
        {**ALICE, "cn;lang-de": ("\xff",)},
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        "cn;lang-de: value #0 invalid per syntax (Directory String)",
    ),
    (
        with_(displayName=("a", "b")),
        ResultCode.CONSTRAINT_VIOLATION,
        ResultCode.CONSTRAINT_VIOLATION,
        "displayName: single-valued, and 2 values",
    ),
    (
        with_(objectClass=()),
        ResultCode.OBJECT_CLASS_VIOLATION,
        ResultCode.OBJECT_CLASS_VIOLATION,
        "objectClass: an entry has at least one",
    ),
    (with_(sn=()), ResultCode.OBJECT_CLASS_VIOLATION, None, "sn: required by the class inetOrgPerson"),
    (
        with_(sn=(), objectClass=("inetOrgPerson",)),
        ResultCode.OBJECT_CLASS_VIOLATION,
        None,
        "sn: required by the class inetOrgPerson",
    ),
    (
        with_(uidNumber=("1",)),
        ResultCode.OBJECT_CLASS_VIOLATION,
        None,
        "uidNumber: allowed by none of the entry's classes",
    ),
    (
        {"objectClass": ("top",), "cn": ("Alice",)},
        ResultCode.OBJECT_CLASS_VIOLATION,
        None,
        "objectClass: top is abstract, and no class derived from it is there",
    ),
    (
        {"objectClass": ("uidObject",), "uid": ("a",)},
        ResultCode.OBJECT_CLASS_VIOLATION,
        None,
        "objectClass: no structural class",
    ),
    (
        {"objectClass": ("person", "device"), "cn": ("Alice",), "sn": ("A",)},
        ResultCode.OBJECT_CLASS_VIOLATION,
        None,
        "objectClass: two structural chains, person and device",
    ),
    (with_(cn=("Bob",)), ResultCode.NAMING_VIOLATION, None, "cn: the value that names the entry is not in it"),
]


@pytest.mark.parametrize(("values", "strict", "lenient", "said"), WRONG, ids=[case[3] for case in WRONG])
def test_what_is_wrong_is_refused_by_strict_and_what_is_known_of_values_by_lenient(
    values: Values, strict: ResultCode, lenient: ResultCode | None, said: str
) -> None:
    assert refusal(values, STRICT) == (strict, said)
    assert refusal(values, LENIENT) == (None if lenient is None else (lenient, said))
    assert refusal(values, OFF) is None


@pytest.mark.parametrize(
    ("dn", "expected"),
    [
        ("CN=alice+SN=a,dc=x", None),  # in another case, by the rule of the type
        ("2.5.4.3=Alice,dc=x", None),
        ("commonName=Alice,dc=x", None),
        ("shoeSize=37,dc=x", "shoeSize: names the entry, and is undefined"),
        ("cn=Alice+uid=b,dc=x", "uid: the value that names the entry is not in it"),
        ("o=Alice,dc=x", "o: the value that names the entry is not in it"),
        ("", None),
    ],
)
def test_the_values_that_name_an_entry_are_in_it(dn: str, expected: str | None) -> None:
    refused = refusal(ALICE, STRICT, dn)
    assert refused == (None if expected is None else (ResultCode.NAMING_VIOLATION, expected))


def test_extensible_object_allows_any_attribute_that_is_known() -> None:
    extensible = with_(objectClass=(*INET_ORG_PERSON, "extensibleObject"), uidNumber=("1",))
    assert refusal(extensible) is None
    refused = refusal({**extensible, "shoeSize": ("37",)})
    assert refused is not None
    assert refused[0] is ResultCode.UNDEFINED_ATTRIBUTE_TYPE
    without = {name: values for name, values in extensible.items() if name != "sn"}
    assert refusal(without) == (ResultCode.OBJECT_CLASS_VIOLATION, "sn: required by the class inetOrgPerson")


def test_operational_attributes_are_in_no_class_and_in_any_entry() -> None:
    assert refusal(with_(authzTo=("u:x",), createTimestamp=("20200101000000Z",))) is None


def test_an_attribute_counts_by_any_of_its_names() -> None:
    named = {"objectclass": INET_ORG_PERSON, "2.5.4.3": ("Alice",), "SURNAME": ("A",), "rfc822Mailbox": ("a@x",)}
    assert refusal(named) is None


@pytest.mark.parametrize(
    ("was", "becomes", "code"),
    [
        (INET_ORG_PERSON, INET_ORG_PERSON, None),
        (INET_ORG_PERSON, ("inetOrgPerson",), None),  # named or not, the superclasses are there
        (INET_ORG_PERSON, (*INET_ORG_PERSON, "uidObject"), None),
        (("person",), INET_ORG_PERSON, ResultCode.OBJECT_CLASS_MODS_PROHIBITED),
        (("shoeWearer",), INET_ORG_PERSON, None),  # what it was is not known
    ],
)
def test_what_an_entry_is_structurally_it_stays(
    was: tuple[str, ...], becomes: tuple[str, ...], code: ResultCode | None
) -> None:
    refused = refusal(with_(objectClass=becomes), STRICT, before=with_(objectClass=was))
    assert (refused and refused[0]) == code
    if refused:
        assert refused[1] == "objectClass: the structural class person cannot become inetOrgPerson"
    assert refusal(with_(objectClass=becomes), LENIENT, before=with_(objectClass=was)) is None


def test_what_an_ldif_brought_is_not_held_against_a_change_of_something_else() -> None:
    stood = {"cn": ("Alice",), "telephoneNumber": ("x@y",), "displayName": ("a", "b")}
    assert refusal({**stood, "description": ("new",)}, LENIENT, before=stood) is None
    for wrong in ({"telephoneNumber": ("x@y", "z@y")}, {"displayName": ("a", "c")}, {"mail": ("\xff",)}):
        assert refusal({**stood, **wrong}, LENIENT, before=stood) is not None, wrong
    taken_away = refusal({"cn": ("Alice",)}, LENIENT, before=ALICE)
    assert taken_away == (ResultCode.OBJECT_CLASS_VIOLATION, "objectClass: an entry has at least one")


def refused(check: Callable[[], None]) -> ResultCode | None:
    try:
        check()
    except OperationRefused as error:
        return error.result_code
    return None


@pytest.mark.parametrize(
    ("dn", "code"),
    [
        ("cn=Alice+sn=A,dc=x", None),
        ("", None),
        ("shoeSize=37,dc=x", ResultCode.INVALID_DN_SYNTAX),
        ("cn=Alice,shoeSize=37,dc=x", ResultCode.INVALID_DN_SYNTAX),
        ("c=germany", ResultCode.INVALID_DN_SYNTAX),
        ("cn=a+commonName=b,dc=x", ResultCode.INVALID_DN_SYNTAX),
    ],
)
def test_names_that_no_entry_can_have_are_none_under_strict(dn: str, code: ResultCode | None) -> None:
    schema = CORE.extended(("shoeSize",), ())
    for how in Conformance:
        found = refused(lambda how=how: Rules(schema, how).name("entry", DN.parse(dn)))  # type: ignore[misc]
        assert found == (code if how is STRICT else None)


@pytest.mark.parametrize(
    ("description", "values", "code", "deleted"),
    [
        ("shoeSize", (b"37",), ResultCode.UNDEFINED_ATTRIBUTE_TYPE, ResultCode.UNDEFINED_ATTRIBUTE_TYPE),
        ("manager", (b"cn=a", b"x"), ResultCode.INVALID_ATTRIBUTE_SYNTAX, ResultCode.INVALID_ATTRIBUTE_SYNTAX),
        ("objectClass", (b"cobbler",), ResultCode.INVALID_ATTRIBUTE_SYNTAX, ResultCode.INVALID_ATTRIBUTE_SYNTAX),
        ("preferredLanguage", (b"de", b"en"), ResultCode.CONSTRAINT_VIOLATION, None),
        ("cn;lang-de", (b"a", b"b"), None, None),
    ],
)
def test_what_a_request_says_by_itself_is_refused_by_strict(
    description: str, values: tuple[bytes, ...], code: ResultCode | None, deleted: ResultCode | None
) -> None:
    rules = Rules(CORE.extended(("shoeSize",), ("cobbler",)), STRICT)
    assert refused(lambda: rules.values(description, values)) == code
    assert refused(lambda: rules.values(description, values, deleted=True)) == deleted
    # Who reads LDIF leniently may have to delete what is wrong in it.
    assert refused(lambda: Rules(CORE, LENIENT).values(description, values, deleted=True)) is None


def test_no_refusal_shows_a_value() -> None:
    assert "secret" not in str(refusal(with_(telephoneNumber=("secret@",))))


def test_attributes_that_the_server_keeps_are_not_the_users() -> None:
    check_user_modification(CORE, ["cn", "authzTo", "shoeSize", "objectSid"])
    for name in ("entryUUID", "CREATETIMESTAMP", "2.5.18.2"):
        with pytest.raises(OperationRefused, match=f"{name}: no user modification") as refused:
            check_user_modification(CORE, ["cn", name])
        assert refused.value.result_code is ResultCode.CONSTRAINT_VIOLATION
    profile = load_schema((), active_directory=True).schema
    with pytest.raises(OperationRefused):
        check_user_modification(profile, ["objectSid"])


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((b"top", b"inetOrgPerson", b"person"), "inetOrgPerson"),
        ((b"person", b"uidObject"), "person"),
        ((b"2.5.6.6",), "person"),
        ((b"person", b"device"), "person"),
        ((b"uidObject", b"shoeWearer", b"\xff"), None),
        ((), None),
    ],
)
def test_the_structural_class_is_the_most_special_one(classes: tuple[bytes, ...], expected: str | None) -> None:
    found = structural_object_class(CORE, classes)
    assert (found and found.names[0]) == expected


BROKEN = """\
dn: dc=x
objectClass: domain
dc: x

dn: cn=Alice,dc=x
objectClass: person
cn: Alice
"""


def test_an_ldif_is_checked_under_strict_only_and_told_with_its_line() -> None:
    def load(text: str, how: Conformance) -> MemoryDirectory:
        return MemoryDirectory([("a.ldif", read_ldif(text.splitlines(keepends=True), "a.ldif"))], conformance=how)

    for how in (LENIENT, OFF):
        load(BROKEN, how)
    with pytest.raises(InvalidLDIF) as refused:
        load(BROKEN, STRICT)
    assert str(refused.value) == "a.ldif:5: cn=Alice,dc=x: sn: required by the class person"
    load(BROKEN + "sn: A\nuserPassword: secret\n", STRICT)
    load(BROKEN.replace("person", "simpleSecurityObject\nobjectClass: device") + "userPassword: secret\n", STRICT)
    # The entry that a suffix is given is the server's own, and so is what makes it up.
    MemoryDirectory(suffixes=[DN.parse("cn=suffix")], conformance=STRICT)
