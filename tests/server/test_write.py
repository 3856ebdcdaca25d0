"""Add, modify, delete and modifyDN: who may, what each answers, and what is there afterwards.

The result codes are those of OpenLDAP's slapd 2.5 to the same requests, but for the two that are named below.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from ldapserver import controls
from ldapserver.clock import StoppedClock
from ldapserver.controls import Controls
from ldapserver.directory import transaction
from ldapserver.directory.conformance import Conformance
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import Attributes, read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.profile import Plain, Write
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.messages import (
    AddRequest,
    Change,
    Control,
    DelRequest,
    LDAPResult,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    PartialAttribute,
    ResultCode,
    Scope,
    SearchResultEntry,
)
from ldapserver.write import write

from .stage import LDIF, U1, Stage, search, simple, stage
from .test_directory import run

BASE = "dc=contoso,dc=com"
PEOPLE = f"ou=people,{BASE}"
ADMIN = f"uid=u2,{PEOPLE}"
NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
STAMP = b"20231114221320Z"

MORE = f"""\

dn: uid=deep,{U1}
objectClass: inetOrgPerson
uid: deep
cn: Deep
sn: Deep
jpegPhoto: one
uidNumber: 7
uidNumber: -1
facsimileTelephoneNumber: 12
"""
DEEP = f"uid=deep,{U1}"

ADD, DELETE, REPLACE, INCREMENT = ModifyOperation
Request = AddRequest | ModifyRequest | DelRequest | ModifyDNRequest


def add(dn: str, /, **attributes: Any) -> AddRequest:
    """An add; a name that holds what Python's may not is given as `_` and pairs."""
    pairs = [*attributes.pop("_", []), *attributes.items()]
    held = [(name, values if isinstance(values, list) else [values]) for name, values in pairs]
    return AddRequest(dn, tuple([PartialAttribute(name, octets(values)) for name, values in held]))


def modify(dn: str, *changes: tuple[ModifyOperation, str, list[str]]) -> ModifyRequest:
    return ModifyRequest(dn, tuple([Change(what, PartialAttribute(name, octets(v))) for what, name, v in changes]))


def octets(values: list[str]) -> tuple[bytes, ...]:
    return tuple([value.encode() for value in values])


def administrator(ldif: str = LDIF + MORE, conformance: Conformance = Conformance.LENIENT, **more: Any) -> Stage:
    records = read_ldif(ldif, "stage")
    directory = MemoryDirectory(
        [("stage", records)], netbios="CONTOSO", clock=StoppedClock(NOW), random=bytes, conformance=conformance
    )
    on = stage(directory=directory, admins=(ADMIN,), **more)
    assert on.bind(simple(ADMIN, "another")).result_code is ResultCode.SUCCESS
    return on


def shown(on: Stage, dn: str, *attributes: str) -> dict[str, tuple[bytes, ...]] | None:
    entries, _ = on.search(search(dn, Scope.BASE_OBJECT, attributes=attributes))
    return next(iter(entries.values()), None)


def everything(on: Stage) -> dict[Any, Any]:
    directory = on.service.directory
    assert isinstance(directory, MemoryDirectory)
    return dict(directory.records(with_secrets=True))


PERSON: dict[str, Any] = {"objectClass": "inetOrgPerson", "cn": "x", "sn": "x"}
NEW = f"uid=new,{PEOPLE}"
UUID = "597ae2f6-16a6-1027-98f4-d28b5365dc14"
CODE = ResultCode

# Requests that come to nothing, and what slapd answers.
REFUSED: dict[str, tuple[Request, ResultCode, str]] = {
    "an entry that is there": (add(f"UID=U1,{PEOPLE}", **PERSON), CODE.ENTRY_ALREADY_EXISTS, ""),
    "an entry without a superior": (add(f"uid=a,ou=x,ou=y,{PEOPLE}", **PERSON), CODE.NO_SUCH_OBJECT, PEOPLE),
    "an entry outside the contexts": (add("o=elsewhere", **PERSON), CODE.UNWILLING_TO_PERFORM, ""),
    "an entry above a context": (add("dc=com", **PERSON), CODE.UNWILLING_TO_PERFORM, ""),
    "no DN": (add("foo", **PERSON), CODE.INVALID_DN_SYNTAX, ""),
    "a value twice": (add(NEW, **PERSON, mail=["a@b", "A@B"]), CODE.ATTRIBUTE_OR_VALUE_EXISTS, ""),
    "an attribute twice": (add(NEW, **PERSON, commonName="y"), CODE.ATTRIBUTE_OR_VALUE_EXISTS, ""),
    "an attribute of the server's": (add(NEW, **PERSON, entryUUID=UUID), CODE.CONSTRAINT_VIOLATION, ""),
    "a computed attribute": (add(NEW, **PERSON, hasSubordinates="TRUE"), CODE.CONSTRAINT_VIOLATION, ""),
    "the server's before the superior": (add(f"uid=a,ou=x,{PEOPLE}", entryUUID=UUID), CODE.CONSTRAINT_VIOLATION, ""),
    "an attribute without values": (add(NEW, **PERSON, mail=[]), CODE.PROTOCOL_ERROR, ""),
    "a password of no known form": (add(NEW, **PERSON, userPassword="{MD5}x"), CODE.CONSTRAINT_VIOLATION, ""),
    "an authzTo of no known form": (add(NEW, **PERSON, authzTo="anybody"), CODE.INVALID_ATTRIBUTE_SYNTAX, ""),
    "a value added that is there": (modify(U1, (ADD, "cn", ["una  ONE"])), CODE.ATTRIBUTE_OR_VALUE_EXISTS, ""),
    "... under another name": (modify(U1, (ADD, "2.5.4.3", ["Una One"])), CODE.ATTRIBUTE_OR_VALUE_EXISTS, ""),
    "a value added twice": (modify(U1, (ADD, "mail", ["q", "Q"])), CODE.ATTRIBUTE_OR_VALUE_EXISTS, ""),
    "a value replaced twice": (modify(U1, (REPLACE, "mail", ["q", "Q"])), CODE.ATTRIBUTE_OR_VALUE_EXISTS, ""),
    "an attribute deleted that is not": (modify(U1, (DELETE, "title", [])), CODE.NO_SUCH_ATTRIBUTE, ""),
    "a value deleted that is not": (modify(U1, (DELETE, "cn", ["zzz"])), CODE.NO_SUCH_ATTRIBUTE, ""),
    "an option more": (modify(U1, (DELETE, "cn;lang-fr", [])), CODE.NO_SUCH_ATTRIBUTE, ""),
    "nothing added": (modify(U1, (ADD, "title", [])), CODE.PROTOCOL_ERROR, ""),
    "the server's own modified": (modify(U1, (REPLACE, "modifyTimestamp", ["2"])), CODE.CONSTRAINT_VIOLATION, ""),
    "the server's own of nobody": (modify(NEW, (REPLACE, "entryUUID", ["2"])), CODE.CONSTRAINT_VIOLATION, ""),
    "nobody modified": (modify(NEW, (REPLACE, "cn", ["z"])), CODE.NO_SUCH_OBJECT, PEOPLE),
    "modified outside": (modify("o=elsewhere", (REPLACE, "cn", ["z"])), CODE.UNWILLING_TO_PERFORM, ""),
    "a photo added": (modify(DEEP, (ADD, "jpegPhoto", ["two"])), CODE.INAPPROPRIATE_MATCHING, ""),
    "a photo deleted": (modify(DEEP, (DELETE, "jpegPhoto", ["one"])), CODE.INAPPROPRIATE_MATCHING, ""),
    "a fax added": (modify(DEEP, (ADD, "facsimileTelephoneNumber", ["2"])), CODE.INAPPROPRIATE_MATCHING, ""),
    "no number incremented": (modify(U1, (INCREMENT, "cn", ["1"])), CODE.CONSTRAINT_VIOLATION, ""),
    "nothing incremented": (modify(U1, (INCREMENT, "uidNumber", ["1"])), CODE.NO_SUCH_ATTRIBUTE, ""),
    "incremented by two": (modify(DEEP, (INCREMENT, "uidNumber", ["1", "2"])), CODE.PROTOCOL_ERROR, ""),
    "incremented by none": (modify(DEEP, (INCREMENT, "uidNumber", [])), CODE.PROTOCOL_ERROR, ""),
    "incremented by a word": (modify(DEEP, (INCREMENT, "uidNumber", ["one"])), CODE.INVALID_ATTRIBUTE_SYNTAX, ""),
    "a password form modified": (modify(U1, (ADD, "userPassword", ["{X}y"])), CODE.CONSTRAINT_VIOLATION, ""),
    "the second of two changes": (
        modify(U1, (REPLACE, "sn", ["z"]), (DELETE, "title", [])),
        CODE.NO_SUCH_ATTRIBUTE,
        "",
    ),
    # slapd: namingViolation. RFC 4511 section 4.6 has a code for just this.
    "the naming value deleted": (modify(U1, (DELETE, "uid", ["u1"])), CODE.NOT_ALLOWED_ON_RDN, ""),
    "the naming value replaced": (modify(U1, (REPLACE, "userid", ["x"])), CODE.NOT_ALLOWED_ON_RDN, ""),
    "deleted above others": (DelRequest(U1), CODE.NOT_ALLOWED_ON_NON_LEAF, ""),
    "nobody deleted": (DelRequest(f"uid=z,ou=no,{BASE}"), CODE.NO_SUCH_OBJECT, BASE),
    "deleted outside": (DelRequest("dc=com"), CODE.UNWILLING_TO_PERFORM, ""),
    # slapd leaves matchedDN out here.
    "nobody renamed": (ModifyDNRequest(f"uid=z,ou=no,{BASE}", "uid=y", True), CODE.NO_SUCH_OBJECT, BASE),
    "renamed as another": (ModifyDNRequest(U1, "UID=U2", True), CODE.ENTRY_ALREADY_EXISTS, ""),
    "moved below nothing": (ModifyDNRequest(U1, "uid=u1", True, f"ou=no,{BASE}"), CODE.NO_SUCH_OBJECT, ""),
    "moved below itself": (ModifyDNRequest(U1, "uid=u1", True, DEEP), CODE.UNWILLING_TO_PERFORM, ""),
    "moved to itself": (ModifyDNRequest(U1, "uid=u1", True, U1), CODE.UNWILLING_TO_PERFORM, ""),
    "moved to another context": (ModifyDNRequest(U1, "uid=u1", True, "o=other"), CODE.AFFECTS_MULTIPLE_DSAS, ""),
    "moved to no context": (ModifyDNRequest(U1, "uid=u1", True, "o=elsewhere"), CODE.AFFECTS_MULTIPLE_DSAS, ""),
    "a context renamed": (ModifyDNRequest(BASE, "dc=foo", True), CODE.AFFECTS_MULTIPLE_DSAS, ""),
    "a context moved": (ModifyDNRequest(BASE, "dc=contoso", True, "o=other"), CODE.AFFECTS_MULTIPLE_DSAS, ""),
    "a context as it is": (ModifyDNRequest(BASE, "dc=CONTOSO", True), CODE.NAMING_VIOLATION, ""),
    "two RDNs": (ModifyDNRequest(U1, "uid=e,ou=x", True), CODE.INVALID_DN_SYNTAX, ""),
    "no RDN": (ModifyDNRequest(U1, "", True), CODE.INVALID_DN_SYNTAX, ""),
    "no DN to move below": (ModifyDNRequest(U1, "uid=e", True, "foo"), CODE.INVALID_DN_SYNTAX, ""),
    "named by the server's own": (ModifyDNRequest(U1, f"entryUUID={UUID}", True), CODE.CONSTRAINT_VIOLATION, ""),
    "named by a password": (ModifyDNRequest(U1, "userPassword=x", True), CODE.NAMING_VIOLATION, ""),  # slapd does it
    "added under a password": (add(f"userPassword=x,{PEOPLE}", **PERSON), CODE.NAMING_VIOLATION, ""),
    "the root DSE added": (add("", **PERSON), CODE.UNWILLING_TO_PERFORM, ""),
    "the root DSE modified": (modify("", (REPLACE, "cn", ["z"])), CODE.UNWILLING_TO_PERFORM, ""),
    "the root DSE deleted": (DelRequest(""), CODE.UNWILLING_TO_PERFORM, ""),
    "the subschema modified": (modify("CN=subschema", (REPLACE, "cn", ["z"])), CODE.UNWILLING_TO_PERFORM, ""),
    "the subschema renamed": (ModifyDNRequest("cn=Subschema", "cn=y", True), CODE.UNWILLING_TO_PERFORM, ""),
}
OTHER = "\ndn: o=other\nobjectClass: organization\no: other\n"


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_write_says_why_and_changes_nothing(name: str) -> None:
    on = administrator(LDIF + MORE + OTHER)
    request, code, matched = REFUSED[name]
    before = everything(on)
    answer = on.ask(request)
    assert (answer.result_code, answer.matched_dn) == (code, matched), answer.diagnostic_message
    assert everything(on) == before
    assert "{X}y" not in answer.diagnostic_message


@pytest.mark.parametrize("field", ["entry", "object", "newrdn", "newSuperior"])
def test_a_name_that_is_none_is_refused_by_the_field_it_stands_in(field: str) -> None:
    requests: dict[str, Request] = {
        "entry": DelRequest("foo"),
        "object": modify("foo"),
        "newrdn": ModifyDNRequest(U1, "foo", True),
        "newSuperior": ModifyDNRequest(U1, "uid=x", True, "foo"),
    }
    answer = administrator().ask(requests[field])
    assert answer.result_code is ResultCode.INVALID_DN_SYNTAX
    assert answer.diagnostic_message.startswith(f"{field}: ")


def done(on: Stage, request: Request) -> LDAPResult:
    answer = on.ask(request)
    assert answer.result_code is ResultCode.SUCCESS, answer
    return answer


# What is there afterwards


def test_an_added_entry_has_what_it_was_given_its_naming_value_and_what_the_server_says_of_it() -> None:
    on = administrator()
    done(on, add(NEW, objectClass=["top", "inetOrgPerson"], CN="New", sn="x", mail=["b", "a"]))
    assert shown(on, NEW) == {
        "objectClass": (b"top", b"inetOrgPerson"),
        "CN": (b"New",),
        "sn": (b"x",),
        "mail": (b"b", b"a"),
        "uid": (b"new",),
    }
    assert shown(on, NEW, "+") == {
        "structuralObjectClass": (b"inetOrgPerson",),
        "entryUUID": (b"00000000-0000-4000-8000-000000000000",),
        "creatorsName": (ADMIN.encode(),),
        "createTimestamp": (STAMP,),
        "modifiersName": (ADMIN.encode(),),
        "modifyTimestamp": (STAMP,),
        "entryDN": (NEW.encode(),),
        "subschemaSubentry": (b"cn=Subschema",),
        "hasSubordinates": (b"FALSE",),
        "numSubordinates": (b"0",),
    }


def test_changes_are_made_in_turn() -> None:
    on = administrator()
    done(
        on,
        modify(
            U1,
            (ADD, "title", ["1"]),
            (DELETE, "TITLE", ["1"]),
            (ADD, "title", ["2"]),
            (REPLACE, "sn", []),
            (REPLACE, "commonName", ["Only"]),
            (DELETE, "cn;LANG-de", ["una eins"]),
            (REPLACE, "noSuchThing", []),
        ),
    )
    assert shown(on, U1) == {
        "objectClass": (b"inetOrgPerson",),
        "uid": (b"u1",),
        "sAMAccountName": (b"u1",),
        "userPrincipalName": (b"u1@contoso.com",),
        "cn": (b"Only",),
        "mail": (b"una.one@contoso.com",),
        "title": (b"2",),
    }
    stamped = shown(on, U1, "modifiersName", "creatorsName", "structuralObjectClass")
    assert stamped == {
        "modifiersName": (ADMIN.encode(),),
        "creatorsName": (b"cn=anonymous",),
        "structuralObjectClass": (b"inetOrgPerson",),
    }


def test_the_structural_class_follows_the_classes() -> None:
    on = administrator()
    done(on, modify(U1, (REPLACE, "objectClass", ["top", "PERSON", "organizationalPerson", "posixAccount"])))
    assert shown(on, U1, "structuralObjectClass") == {"structuralObjectClass": (b"organizationalPerson",)}
    done(on, modify(U1, (REPLACE, "objectClass", ["top"])))
    assert shown(on, U1, "structuralObjectClass") == {}


def test_every_value_is_incremented() -> None:
    on = administrator(conformance=Conformance.OFF)  # the attribute is single-valued
    done(on, modify(DEEP, (INCREMENT, "uidNumber", ["-10"])))
    assert shown(on, DEEP, "uidNumber") == {"uidNumber": (b"-3", b"-11")}


def test_what_has_no_equality_rule_is_replaced_and_deleted_whole() -> None:
    on = administrator()
    done(on, modify(DEEP, (REPLACE, "jpegPhoto", ["two", "three"]), (DELETE, "facsimileTelephoneNumber", [])))
    assert shown(on, DEEP, "jpegPhoto", "fax") == {"jpegPhoto": (b"two", b"three")}


def test_a_deleted_leaf_is_gone_and_its_superior_a_leaf() -> None:
    on = administrator()
    done(on, DelRequest(DEEP))
    assert on.ask(search_of(DEEP)).result_code is ResultCode.NO_SUCH_OBJECT
    assert shown(on, U1, "hasSubordinates") == {"hasSubordinates": (b"FALSE",)}
    done(on, DelRequest(U1))


def test_the_entry_of_a_naming_context_may_go_and_come_again() -> None:
    on = administrator(LDIF + OTHER)
    done(on, DelRequest("o=other"))
    done(on, add("O=Other", objectClass="organization"))
    assert shown(on, "o=other", "o") == {"O": (b"Other",)}


@pytest.mark.parametrize(
    ("newrdn", "delete_old", "uid", "cn"),
    [
        ("uid=U9", True, (b"U9",), None),
        ("uid=U9", False, (b"deep", b"U9"), None),
        ("uid=DEEP", True, (b"DEEP",), None),
        ("uid=DEEP", False, (b"deep",), None),
        ("cn=deep", True, None, (b"Deep",)),
        ("cn=x", False, (b"deep",), (b"Deep", b"x")),
        ("cn=x+uid=deep", True, (b"deep",), (b"Deep", b"x")),
    ],
)
def test_a_new_name_is_among_the_values_and_the_old_one_as_was_asked(
    newrdn: str, delete_old: bool, uid: tuple[bytes, ...] | None, cn: tuple[bytes, ...] | None
) -> None:
    on = administrator()
    done(on, ModifyDNRequest(DEEP, newrdn, delete_old))
    expected = {"uid": uid, "cn": cn or (b"Deep",)}
    assert shown(on, f"{newrdn},{U1}", "uid", "cn") == {name: held for name, held in expected.items() if held}
    assert shown(on, f"{newrdn},{U1}", "modifiersName") == {"modifiersName": (ADMIN.encode(),)}


def test_what_is_below_moves_along() -> None:
    on = administrator()
    done(on, ModifyDNRequest(U1, "cn=Una", True, BASE))
    assert shown(on, f"cn=Una,{BASE}", "uid", "sn", "cn;lang-de") == {"sn": (b"One",), "cn;lang-de": (b"Una Eins",)}
    assert shown(on, f"uid=deep,cn=una,{BASE}", "entryDN") == {"entryDN": (f"uid=deep,cn=Una,{BASE}".encode(),)}
    found, _ = on.search(search(BASE, filter="(uid=deep)", attributes=("1.1",)))
    assert list(found) == [f"uid=deep,cn=Una,{BASE}"]
    assert on.ask(search_of(U1)).result_code is ResultCode.NO_SUCH_OBJECT
    assert on.ask(search_of(DEEP)).matched_dn == PEOPLE


def search_of(dn: str) -> Any:
    return search(dn, Scope.BASE_OBJECT)


def test_a_new_type_and_a_new_class_are_known_from_then_on() -> None:
    on = administrator()
    directory = on.service.directory
    before = directory.schema, directory.subschema
    done(on, modify(DEEP, (REPLACE, "sn", ["known"])))
    assert (directory.schema, directory.subschema) == before  # nothing new, so nothing is made
    done(on, modify(DEEP, (ADD, "shoeSize", ["37"]), (ADD, "objectClass", ["shoeWearer"])))
    found, _ = on.search(search(BASE, filter="(&(shoeSize=37)(objectClass=SHOEwearer))", attributes=("SHOESIZE",)))
    assert found == {DEEP: {"shoeSize": (b"37",)}}
    assert b"'shoeSize'" in b"".join(directory.subschema.get("attributeTypes"))
    assert b"'shoeWearer'" in b"".join(directory.subschema.get("objectClasses"))


def test_a_refused_write_makes_nothing_known() -> None:
    on = administrator()
    before = on.service.directory.subschema
    assert on.ask(modify(U1, (ADD, "shoeSize", ["1"]), (DELETE, "title", []))).result_code is CODE.NO_SUCH_ATTRIBUTE
    assert on.service.directory.subschema is before


# Who may

OWN = [modify(U1, (REPLACE, "userPassword", ["new"])), modify("UID=U1," + PEOPLE, (REPLACE, "unicodePwd", ["new"]))]
OTHERS = [
    modify(ADMIN, (REPLACE, "userPassword", ["new"])),
    modify(U1, (REPLACE, "userPassword", ["new"]), (REPLACE, "sn", ["new"])),
    modify(U1, (REPLACE, "sambaNTPassword", ["new"])),
    modify(U1),
    modify(NEW, (REPLACE, "userPassword", ["new"])),
    add(NEW, **PERSON),
    add(U1, **PERSON),
    DelRequest(U1),
    DelRequest(NEW),
    ModifyDNRequest(U1, "uid=x", True),
    ModifyDNRequest(NEW, "uid=x", True),
    modify("", (REPLACE, "cn", ["x"])),
]


@pytest.mark.parametrize("request_", OWN + OTHERS, ids=str)
def test_anonymous_may_write_nothing_and_learns_nothing(request_: Request) -> None:
    answers = {
        (a.result_code, a.matched_dn, a.diagnostic_message) for a in (stage().ask(r) for r in (request_, OWN[0]))
    }
    assert [code for code, matched, _ in answers if not matched] == [ResultCode.INSUFFICIENT_ACCESS_RIGHTS]


@pytest.mark.parametrize("request_", OTHERS, ids=str)
def test_a_user_may_not_write_beyond_the_own_password(request_: Request) -> None:
    on = stage(admins=(ADMIN,))
    on.digest()
    answer = on.ask(request_)
    assert (answer.result_code, answer.matched_dn) == (ResultCode.INSUFFICIENT_ACCESS_RIGHTS, "")


@pytest.mark.parametrize("request_", OWN, ids=str)
def test_a_user_may_write_the_own_password(request_: Request) -> None:
    on = stage()
    on.digest()
    done(on, request_)
    assert shown(on, U1, "modifiersName") == {"modifiersName": (U1.encode(),)}


def test_a_user_who_was_deleted_meanwhile_stays_bound_and_is_no_object() -> None:
    on = stage(admins=(ADMIN,))
    on.digest()
    directory = on.service.directory
    assert isinstance(directory, MemoryDirectory)
    gone = directory.delete(DN.parse(U1), by=DN.parse(ADMIN))
    with pytest.raises(StopIteration):
        gone.send(None)
    assert on.who() == f"dn:{U1}"
    answer = on.ask(OWN[0])
    assert (answer.result_code, answer.matched_dn) == (ResultCode.NO_SUCH_OBJECT, PEOPLE)


# What controls ask for besides: their values are read in controls.py, and given here as that gives them


def carried_out(on: Stage, request: Request, asked: Controls) -> Reply:
    return run(write(Context(on.service, on.session.identity, on.channel, asked), request))


@pytest.mark.parametrize(
    "request_",
    [DelRequest(DEEP), modify(DEEP, (REPLACE, "sn", ["x"])), ModifyDNRequest(DEEP, "cn=x", True), add(NEW, **PERSON)],
    ids=str,
)
def test_with_an_assertion_a_write_is_done_only_if_it_is_true(request_: Request) -> None:
    on = administrator()
    before = everything(on)
    for wrong in ("(sn=nobody)", "(noSuchType=x)", "(userPassword=*)"):
        with pytest.raises(OperationRefused) as refused:
            carried_out(on, request_, Controls(assertion=parse_filter(wrong)))
        assert refused.value.result_code is ResultCode.ASSERTION_FAILED
    assert everything(on) == before
    carried_out(on, request_, Controls(assertion=parse_filter("(|(sn=Deep)(sn=x))")))
    assert everything(on) != before


def test_what_is_so_already_is_no_error_where_that_is_asked_for() -> None:
    on = administrator()
    changes: tuple[tuple[ModifyOperation, str, list[str]], ...]
    changes = (ADD, "cn", ["una ONE", "more"]), (DELETE, "title", []), (DELETE, "cn", ["none", "more"])

    def cn() -> tuple[bytes, ...]:
        return (shown(on, U1, "cn") or {})["cn"]

    for alone in changes[:2]:
        with pytest.raises(OperationRefused):
            carried_out(on, modify(U1, alone), Controls())
    carried_out(on, modify(U1, *changes), Controls(permissive_modify=True))
    assert cn() == (b"Una One",)
    carried_out(on, modify(U1, *changes[:1]), Controls(permissive_modify=True))
    assert cn() == (b"Una One", b"more")
    before = everything(on)
    # All or nothing all the same; and what no rule compares, nobody can say to be there.
    for wrong in ((DELETE, "uid", ["u1"]), (ADD, "mail", ["q", "Q"]), (INCREMENT, "uidNumber", ["1"])):
        with pytest.raises(OperationRefused):
            carried_out(on, modify(U1, (ADD, "cn", ["most"]), wrong), Controls(permissive_modify=True))
    with pytest.raises(OperationRefused) as refused:
        carried_out(on, modify(DEEP, (ADD, "jpegPhoto", ["one"])), Controls(permissive_modify=True))
    assert refused.value.result_code is ResultCode.INAPPROPRIATE_MATCHING
    assert everything(on) == before


def test_so_many_entries_are_deleted_or_moved_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    on = administrator()
    monkeypatch.setattr(transaction, "MOST_AT_ONCE", 1)
    before = everything(on)
    for request in (DelRequest(U1), ModifyDNRequest(U1, "uid=x", True)):
        with pytest.raises(OperationRefused) as refused:
            carried_out(on, request, Controls(tree_delete=True))
        assert refused.value.result_code is ResultCode.ADMIN_LIMIT_EXCEEDED
    assert everything(on) == before
    monkeypatch.setattr(transaction, "MOST_AT_ONCE", 2)
    carried_out(on, ModifyDNRequest(U1, "uid=x", True), Controls())
    carried_out(on, DelRequest(f"uid=x,{PEOPLE}"), Controls(tree_delete=True))
    assert everything(on).keys() < before.keys()


MEMBERS = [f"uid=m{number},{PEOPLE}" for number in range(200)]


def test_members_of_many_are_compared_by_their_names() -> None:
    group = f"cn=group,{BASE}"
    on = administrator(
        LDIF + MORE + f"\ndn: {group}\nobjectClass: groupOfNames\n" + "".join(f"member: {each}\n" for each in MEMBERS)
    )
    again = MEMBERS[7].upper().replace(",", " , ")
    assert on.ask(modify(group, (ADD, "member", [again]))).result_code is CODE.ATTRIBUTE_OR_VALUE_EXISTS
    assert on.ask(modify(group, (ADD, "member", [f"uid=new,{PEOPLE}"]))).result_code is CODE.SUCCESS
    assert on.ask(modify(group, (DELETE, "member", [f"uid=none,{PEOPLE}"]))).result_code is CODE.NO_SUCH_ATTRIBUTE
    assert on.ask(modify(group, (DELETE, "member", [again]))).result_code is CODE.SUCCESS
    found = shown(on, group, "member")
    assert found == {"member": tuple(each.encode() for each in (*MEMBERS[:7], *MEMBERS[8:], f"uid=new,{PEOPLE}"))}


STRICTLY = f"""\
dn: {BASE}
objectClass: domain
dc: contoso

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {U1}
objectClass: inetOrgPerson
uid: u1
cn: Una One
sn: One

dn: {ADMIN}
objectClass: inetOrgPerson
uid: u2
cn: Ugo Two
sn: Two
userPassword: another
"""

# Under strict what a request says by itself comes before what there is, as in slapd; the first is refused.
FIRST: dict[str, tuple[Request, ResultCode]] = {
    "an unknown type": (modify(NEW, (ADD, "foo", ["x"])), CODE.UNDEFINED_ATTRIBUTE_TYPE),
    "no description": (modify(NEW, (ADD, "cn;", ["x"])), CODE.UNDEFINED_ATTRIBUTE_TYPE),
    "a wrong value, to be deleted": (modify(NEW, (DELETE, "manager", ["x"])), CODE.INVALID_ATTRIBUTE_SYNTAX),
    "an unknown class": (modify(NEW, (ADD, "objectClass", ["x"])), CODE.INVALID_ATTRIBUTE_SYNTAX),
    "two of one": (modify(NEW, (ADD, "preferredLanguage", ["x", "y"])), CODE.CONSTRAINT_VIOLATION),
    "a value twice": (modify(NEW, (ADD, "cn", ["x", "X"])), CODE.ATTRIBUTE_OR_VALUE_EXISTS),
    "nothing, behind an unknown type": (modify(NEW, (ADD, "foo", ["x"]), (ADD, "cn", [])), CODE.PROTOCOL_ERROR),
    "the server's own, outside": (modify("o=x", (REPLACE, "entryUUID", [UUID])), CODE.UNWILLING_TO_PERFORM),
    "the server's own, of wrong syntax": (modify(NEW, (REPLACE, "entryUUID", ["x"])), CODE.INVALID_ATTRIBUTE_SYNTAX),
    "no entry, there": (add(U1, cn="x"), CODE.OBJECT_CLASS_VIOLATION),
    "no entry, nowhere": (add(f"uid=x,ou=no,{BASE}", objectClass="person", cn="x"), CODE.OBJECT_CLASS_VIOLATION),
    "a right one, nowhere": (add(f"uid=x,ou=no,{BASE}", **PERSON), CODE.NO_SUCH_OBJECT),
    "a name of unknown type": (DelRequest(f"foo=x,{BASE}"), CODE.INVALID_DN_SYNTAX),
    "below itself, not there": (ModifyDNRequest(NEW, "cn=x", True, f"cn=y,{NEW}"), CODE.UNWILLING_TO_PERFORM),
    "out of the context, not there": (ModifyDNRequest(NEW, "cn=x", True, "o=x"), CODE.AFFECTS_MULTIPLE_DSAS),
}


@pytest.mark.parametrize("name", FIRST)
def test_what_a_request_says_is_looked_at_before_what_there_is(name: str) -> None:
    on = administrator(conformance=Conformance.STRICT, ldif=STRICTLY)
    request, code = FIRST[name]
    assert on.ask(request).result_code is code


def test_a_profile_completes_only_what_has_a_place() -> None:
    class Completing(Plain):
        def complete(self, write: Write, before: Entry | None, dn: DN, attributes: Attributes) -> Attributes:
            if write.entry(dn.parent) is None:
                raise OperationRefused(ResultCode.BUSY)
            return (*attributes, ("sn", (b"completed",)))

    directory = MemoryDirectory(
        [("x", read_ldif(STRICTLY, "x"))], conformance=Conformance.STRICT, profile=Completing()
    )
    on = stage(directory=directory, admins=(ADMIN,))
    on.bind(simple(ADMIN, "another"))
    one = {"objectClass": "person", "cn": "x"}
    assert on.ask(add(f"cn=x,ou=no,{BASE}", **one)).result_code is CODE.NO_SUCH_OBJECT
    assert on.ask(add(f"cn=x,{BASE}", **one)).result_code is CODE.SUCCESS


def test_a_subtree_is_deleted_whole() -> None:
    on = administrator()
    carried_out(on, DelRequest(U1), Controls(tree_delete=True))
    found, _ = on.search(search(BASE, filter="(|(uid=u1)(uid=deep))"))
    assert found == {}


def test_the_entry_is_read_before_and_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(kind: str) -> Any:
        def response(entry: SearchResultEntry) -> Control:
            held = b"".join(value for each in entry.attributes for value in each.values)
            return Control(kind, control_value=entry.object_name.encode() + b" " + held)

        return response

    monkeypatch.setattr(controls, "pre_read_response", told("pre"), raising=False)
    monkeypatch.setattr(controls, "post_read_response", told("post"), raising=False)
    on = administrator()
    both = Controls(pre_read=("sn",), post_read=("sn", "modifiersName"))

    def answers(request: Request) -> list[tuple[str, bytes | None]]:
        return [(each.control_type, each.control_value) for each in carried_out(on, request, both).controls]

    by = ADMIN.encode()
    new, old = f"uid=y,{U1}".encode(), DEEP.encode()
    assert answers(modify(DEEP, (REPLACE, "sn", ["x"]))) == [("pre", old + b" Deep"), ("post", old + b" x" + by)]
    assert answers(ModifyDNRequest(DEEP, "uid=y", True)) == [("pre", old + b" x"), ("post", new + b" x" + by)]
    assert answers(DelRequest(f"uid=y,{U1}")) == [("pre", new + b" x")]
    assert answers(add(DEEP, objectClass="person", sn="z")) == [("post", old + b" z" + by)]
