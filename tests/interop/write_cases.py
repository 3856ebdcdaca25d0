"""Single writes, each to an entry made for it, by whom and with which controls: one for each thing that can be wrong.

They are written as if all happened below one entry, PLACE; each has its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from ldapserver.controls.known import MANAGE_DSA_IT, TREE_DELETE
from ldapserver.wire.messages import AddRequest, Control, DelRequest, Operation
from tests.interop.slapd import BASE
from tests.interop.write_requests import (
    ADD,
    DELETE,
    INCREMENT,
    PERMISSIVE,
    REPLACE,
    Values,
    add,
    asserting,
    modify,
    read_before,
    read_behind,
    rename,
)

PLACE = f"ou=place,{BASE}"
OTHER = f"ou=other,{PLACE}"
X = f"uid=x,{PLACE}"
Y = f"uid=y,{PLACE}"
PERSON: tuple[tuple[str, Values], ...] = (("objectClass", "inetOrgPerson"), ("cn", "x"), ("sn", "x"))
ANY = (("objectClass", ("inetOrgPerson", "extensibleObject")), *PERSON[1:])
UUID = "00000000-0000-4000-8000-000000000001"
# Of syntaxes that no type of slapd's own schema has, for users to write.
SCHEMA = """\
attributetype ( 1.3.6.1.4.1.55555.1 NAME 'flag' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 )
attributetype ( 1.3.6.1.4.1.55555.2 NAME 'number' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )
"""
WRITER, USER, ANONYMOUS = "writer", "user", "anonymous"


@dataclass(frozen=True)
class Case:
    """A write; `start` are the attributes of X in the place of those it has else, `also` what is there besides."""

    request: Operation
    start: tuple[tuple[str, Values], ...] = ()
    controls: tuple[Control, ...] = ()
    also: tuple[AddRequest, ...] = ()
    by: str = WRITER

    def before(self, place: str) -> tuple[AddRequest, ...]:
        """What is there, below this entry."""
        unit = ("objectClass", "organizationalUnit")
        names = {name.lower() for name, _ in self.start}
        attributes = (*(each for each in PERSON if each[0].lower() not in names), *self.start)
        before = (add(PLACE, unit), add(OTHER, unit), add(X, *attributes), *self.also)
        return _moved(before, place)  # type: ignore[no-any-return]

    def asked(self, place: str) -> Operation:
        """The write below this entry."""
        return _moved(self.request, place)  # type: ignore[no-any-return]


def _moved(thing: Any, place: str) -> Any:
    match thing:
        case str():
            return thing.replace(PLACE, place)
        case bytes():
            return thing.replace(PLACE.encode(), place.encode())
        case tuple():
            return tuple([_moved(each, place) for each in thing])
        case _ if is_dataclass(thing):
            kind: Any = type(thing)
            return kind(*[_moved(getattr(thing, field.name), place) for field in fields(thing)])
        case _:
            return thing


def _new(*attributes: tuple[str, Values], dn: str = Y) -> AddRequest:
    return add(dn, *PERSON, *attributes)


def _given(**values: Values) -> tuple[tuple[str, Values], ...]:
    return tuple(values.items())


NUMBERS = (*ANY[:1], ("number", ("5", "-7")))
SUB = (_new(dn=f"uid=sub,{X}"), _new(dn=f"uid=subsub,uid=sub,{X}"))

ADDS: Mapping[str, Case] = {
    "parent missing": Case(_new(dn=f"uid=a,ou=nowhere,{PLACE}")),
    "three parents missing": Case(_new(dn=f"uid=a,ou=n1,ou=n2,ou=n3,{PLACE}")),
    "outside every suffix": Case(_new(dn="uid=a,dc=other")),
    "outside every suffix, and entry invalid": Case(add("uid=a,dc=other", ("cn", "a"))),
    "suffix again": Case(add(BASE, ("objectClass", ("organization", "dcObject")), ("o", "x"), ("dc", "contoso"))),
    "empty DN": Case(_new(dn="")),
    "subschema": Case(_new(dn="cn=Subschema")),
    "exists": Case(_new(dn=X)),
    "exists, and entry invalid": Case(add(X, ("cn", "a"))),
    "exists, in other case and spacing": Case(_new(dn=f"UID= X ,{PLACE}")),
    "parent missing, and entry invalid": Case(add(f"uid=a,ou=nowhere,{PLACE}", ("cn", "a"))),
    "no DN": Case(_new(dn="foo")),
    "DN value outside its syntax": Case(add(f"c=germany,{PLACE}", ("objectClass", "country"), ("c", "germany"))),
    "DN with unknown type": Case(_new(dn=f"foo=a,{PLACE}")),
    "DN with unknown type above": Case(_new(dn=f"uid=a,foo=a,{PLACE}")),
    "unknown type": Case(_new(("foo", "a"))),
    "unknown OID": Case(_new(("1.2.3.4.5", "a"))),
    "description malformed": Case(_new(("a b", "a"))),
    "objectClass missing": Case(add(Y, ("cn", "a"), ("sn", "a"))),
    "objectClass unknown": Case(add(Y, ("objectClass", ("inetOrgPerson", "foo")), *PERSON[1:])),
    "objectClass unknown, and parent missing": Case(add(f"cn=a,ou=n,{PLACE}", ("objectClass", "foo"))),
    "objectClass abstract only": Case(add(Y, ("objectClass", "top"), ("cn", "a"))),
    "objectClass auxiliary only": Case(
        add(
            Y,
            ("objectClass", "posixAccount"),
            *_given(cn="a", uidNumber="1", gidNumber="1", homeDirectory="/"),
        )
    ),
    "two structural classes": Case(
        add(Y, ("objectClass", ("inetOrgPerson", "organizationalUnit")), *PERSON[1:], ("ou", "a"))
    ),
    "MUST missing": Case(add(Y, *PERSON[:2])),
    "not allowed by classes": Case(_new(("dc", "a"))),
    "allowed by extensibleObject": Case(add(Y, *ANY, ("dc", "a"))),
    "naming value absent": Case(_new()),
    "naming type with another value": Case(_new(("uid", "z"))),
    "naming value in other case": Case(_new(("uid", "Y"))),
    "naming value under another name": Case(_new(("userid", "y"))),
    "naming type not allowed by classes": Case(_new(dn=f"dc=x,{PLACE}")),
    "SINGLE-VALUE with two": Case(_new(("preferredLanguage", ("de", "en")))),
    "SINGLE-VALUE with two, and parent missing": Case(
        _new(("preferredLanguage", ("de", "en")), dn=f"uid=a,ou=n,{PLACE}")
    ),
    "a value twice": Case(_new(("description", ("a", "a")))),
    "a value twice, equal by rule": Case(_new(("description", ("a", "A")))),
    "a telephone number twice, equal by rule": Case(_new(("telephoneNumber", ("+1 2", "+1-2")))),
    "an attribute twice": Case(_new(("description", "a"), ("description", "b"))),
    "an attribute twice with one value": Case(_new(("description", "a"), ("description", "A"))),
    "an attribute under two names": Case(_new(("commonName", "b"))),
    "an attribute under name and OID": Case(_new(("2.5.4.4", "x"))),
    "no values": Case(_new(("description", ()))),
    "no values, and parent missing": Case(_new(("description", ()), dn=f"uid=a,ou=n,{PLACE}")),
    "empty Directory String": Case(_new(("description", ""))),
    "empty IA5 String": Case(_new(("mail", ""))),
    "Directory String of blanks": Case(_new(("description", "  "))),
    "not UTF-8": Case(_new(("description", b"\xff"))),
    "octet string that is not UTF-8": Case(_new(("userPassword", b"\xff"))),
    "IA5 String beyond ASCII": Case(_new(("mail", "ü@x"))),
    "wrong Boolean": Case(add(Y, *ANY, ("flag", "true"))),
    "wrong Integer": Case(add(Y, *ANY, ("number", "01"))),
    "wrong DN": Case(_new(("manager", "nobody"))),
    "wrong telephone number": Case(_new(("telephoneNumber", "a_b"))),
    "an option": Case(_new(("cn;lang-de", "b"))),
    "an unknown option": Case(_new(("cn;foo", "b"))),
    "binary where it does not fit": Case(_new(("cn;binary", "b"))),
    "createTimestamp": Case(_new(("createTimestamp", "20200101000000Z"))),
    "entryUUID": Case(_new(("entryUUID", UUID))),
    "entryDN": Case(_new(("entryDN", X))),
    "hasSubordinates": Case(_new(("hasSubordinates", "TRUE"))),
    "structuralObjectClass": Case(_new(("structuralObjectClass", "inetOrgPerson"))),
    "modifiersName": Case(_new(("modifiersName", X))),
    "RDN of two types": Case(_new(dn=f"cn=x+uid=m,{PLACE}")),
    "RDN in the other order, exists": Case(_new(dn=f"uid=m+cn=x,{PLACE}"), also=(_new(dn=f"cn=x+uid=m,{PLACE}"),)),
    "RDN with a type twice": Case(_new(("cn", "y"), dn=f"cn=x+cn=y,{PLACE}")),
    "RDN with a pair twice": Case(_new(dn=f"cn=x+cn=x,{PLACE}")),
    "RDN of a type compared by case, beside another": Case(
        add(f"memberUid=A,{PLACE}", *ANY), also=(add(f"memberUid=a,{PLACE}", *ANY),)
    ),
    "RDN of a telephone number, exists": Case(
        _new(dn=f"telephoneNumber=\\+1-23,{PLACE}"), also=(_new(dn=f"2.5.4.20=\\+1 2 3,{PLACE}"),)
    ),
    "RDN that is a password": Case(_new(dn=f"userPassword=x,{PLACE}")),
    "below a leaf": Case(_new(dn=f"uid=child,{X}")),
    "spelling of the name": Case(_new(dn=f"UID=Odd  Case , {PLACE}")),
    "by a user": Case(_new(), by=USER),
    "by a user, parent missing": Case(_new(dn=f"uid=a,ou=n,{PLACE}"), by=USER),
    "by a user, entry invalid": Case(add(Y, ("cn", "a")), by=USER),
    "by anonymous": Case(_new(), by=ANONYMOUS),
}

DELETES: Mapping[str, Case] = {
    "no such entry": Case(DelRequest(f"uid=a,ou=n,{PLACE}")),
    "outside every suffix": Case(DelRequest("dc=other")),
    "empty DN": Case(DelRequest("")),
    "no DN": Case(DelRequest("foo")),
    "DN with unknown type": Case(DelRequest(f"foo=a,{PLACE}")),
    "not a leaf": Case(DelRequest(PLACE)),
    "suffix": Case(DelRequest(BASE)),
    "subschema": Case(DelRequest("cn=Subschema")),
    "leaf": Case(DelRequest(X.upper().replace(",", ", "))),
    "by a user": Case(DelRequest(X), by=USER),
    "by a user, no such entry": Case(DelRequest(Y), by=USER),
    "by a user, not a leaf": Case(DelRequest(PLACE), by=USER),
    "by anonymous": Case(DelRequest(X), by=ANONYMOUS),
    "by anonymous, no such entry": Case(DelRequest(Y), by=ANONYMOUS),
    "subtree": Case(DelRequest(X), controls=(Control(TREE_DELETE, True),), also=SUB),
}

DE = _given(preferredLanguage="de")
A = _given(description="a")
NOBODY = f"uid=none,ou=n,{PLACE}"
MODIFIES: Mapping[str, Case] = {
    "no such entry": Case(modify(NOBODY, (ADD, "description", "a"))),
    "no such entry, unknown type": Case(modify(NOBODY, (ADD, "foo", "a"))),
    "no such entry, wrong value": Case(modify(NOBODY, (ADD, "manager", "a"))),
    "no such entry, two values of SINGLE-VALUE": Case(modify(NOBODY, (ADD, "preferredLanguage", ("a", "b")))),
    "no such entry, a value twice": Case(modify(NOBODY, (ADD, "description", ("a", "A")))),
    "no such entry, server's own": Case(modify(NOBODY, (REPLACE, "createTimestamp", "20200101000000Z"))),
    "no such entry, server's own of wrong syntax": Case(modify(NOBODY, (REPLACE, "entryUUID", "x"))),
    "no such entry, unknown class": Case(modify(NOBODY, (ADD, "objectClass", "foo"))),
    "no such entry, nothing added": Case(modify(NOBODY, (ADD, "description", ()))),
    "no such entry, incremented string": Case(modify(NOBODY, (INCREMENT, "description", "1"))),
    "empty DN": Case(modify("", (ADD, "description", "a"))),
    "empty DN, unknown type": Case(modify("", (ADD, "foo", "a"))),
    "subschema": Case(modify("cn=Subschema", (ADD, "description", "a"))),
    "outside every suffix": Case(modify("dc=other", (ADD, "description", "a"))),
    "DN with unknown type": Case(modify(f"foo=a,{PLACE}", (ADD, "description", "a"))),
    "no changes": Case(modify(X)),
    "add": Case(modify(X, (ADD, "description", ("a", "b")))),
    "add nothing": Case(modify(X, (ADD, "description", ()))),
    "add what is there": Case(modify(X, (ADD, "description", "a")), A),
    "add what is there in other case": Case(modify(X, (ADD, "description", "A")), A),
    "add two, one there": Case(modify(X, (ADD, "description", ("b", "a"))), A),
    "add two that are equal": Case(modify(X, (ADD, "description", ("b", "B")))),
    "add one in two changes": Case(modify(X, (ADD, "description", "b"), (ADD, "description", "B"))),
    "add an empty value": Case(modify(X, (ADD, "description", ""))),
    "add unknown type": Case(modify(X, (ADD, "foo", "a"))),
    "add what is not allowed": Case(modify(X, (ADD, "dc", "a"))),
    "add wrong value": Case(modify(X, (ADD, "manager", "nobody"))),
    "add second value to SINGLE-VALUE": Case(modify(X, (ADD, "preferredLanguage", "en")), DE),
    "add two values to SINGLE-VALUE": Case(modify(X, (ADD, "preferredLanguage", ("en", "de")))),
    "add to SINGLE-VALUE what is there": Case(modify(X, (ADD, "preferredLanguage", "de")), DE),
    "SINGLE-VALUE deleted and added": Case(
        modify(X, (DELETE, "preferredLanguage", "de"), (ADD, "preferredLanguage", "en")), DE
    ),
    "SINGLE-VALUE added and deleted": Case(
        modify(X, (ADD, "preferredLanguage", "en"), (DELETE, "preferredLanguage", "de")), DE
    ),
    "delete": Case(modify(X, (DELETE, "description", ())), A),
    "delete absent attribute": Case(modify(X, (DELETE, "description", ()))),
    "delete value of absent attribute": Case(modify(X, (DELETE, "description", "a"))),
    "delete absent value": Case(modify(X, (DELETE, "description", "b")), A),
    "delete two, one absent": Case(modify(X, (DELETE, "description", ("a", "c"))), _given(description=("a", "b"))),
    "delete one twice": Case(modify(X, (DELETE, "description", ("a", "A"))), _given(description=("a", "b"))),
    "delete in other case and spacing": Case(modify(X, (DELETE, "description", " A  b ")), _given(description="a b")),
    "delete last value": Case(modify(X, (DELETE, "description", "a")), A),
    "delete value of wrong syntax": Case(modify(X, (DELETE, "manager", "nobody"))),
    "delete unknown type": Case(modify(X, (DELETE, "foo", ()))),
    "delete MUST": Case(modify(X, (DELETE, "sn", ()))),
    "delete MUST by value": Case(modify(X, (DELETE, "sn", "x"))),
    "delete naming attribute": Case(modify(X, (DELETE, "uid", ()))),
    "delete naming value": Case(modify(X, (DELETE, "uid", "x")), _given(uid=("x", "y"))),
    "delete the other value": Case(modify(X, (DELETE, "uid", "y")), _given(uid=("x", "y"))),
    "delete naming value and add it": Case(modify(X, (DELETE, "uid", "x"), (ADD, "uid", "x"))),
    "replace naming value": Case(modify(X, (REPLACE, "uid", "z"))),
    "replace naming value by another case": Case(modify(X, (REPLACE, "uid", "X"))),
    "replace naming attribute with nothing": Case(modify(X, (REPLACE, "uid", ()))),
    "replace": Case(modify(X, (REPLACE, "description", ("b", "c"))), A),
    "replace absent": Case(modify(X, (REPLACE, "description", "b"))),
    "replace with nothing": Case(modify(X, (REPLACE, "description", ())), A),
    "replace absent with nothing": Case(modify(X, (REPLACE, "description", ()))),
    "replace unknown type with nothing": Case(modify(X, (REPLACE, "foo", ()))),
    "replace by two that are equal": Case(modify(X, (REPLACE, "description", ("b", "B"))), A),
    "replace SINGLE-VALUE by two": Case(modify(X, (REPLACE, "preferredLanguage", ("b", "c"))), DE),
    "replace MUST with nothing": Case(modify(X, (REPLACE, "sn", ()))),
    "replace by wrong value": Case(modify(X, (REPLACE, "manager", "nobody"))),
    "replace under another name": Case(modify(X, (REPLACE, "commonName", "q"))),
    "replace under OID": Case(modify(X, (REPLACE, "2.5.4.4", "q"))),
    "replace without option": Case(modify(X, (REPLACE, "cn", "q")), (("cn", "x"), ("cn;lang-de", "y"))),
    "delete without option": Case(
        modify(X, (DELETE, "description", ())), (("description", "x"), ("description;lang-de", "y"))
    ),
    "delete where only an option is": Case(modify(X, (DELETE, "description", ())), (("description;lang-de", "y"),)),
    "delete supertype": Case(modify(X, (DELETE, "name", ()))),
    "add supertype": Case(modify(X, (ADD, "name", "x"))),
    "one value with and without option": Case(modify(X, (ADD, "cn;lang-de", "x"))),
    "the last of several fails": Case(
        modify(X, (ADD, "description", "a"), (REPLACE, "title", "t"), (DELETE, "mail", ()))
    ),
    "invalid in between": Case(modify(X, (DELETE, "sn", ()), (ADD, "sn", "new"))),
    "add then delete": Case(modify(X, (ADD, "description", "a"), (DELETE, "description", "a"))),
    "delete then add": Case(modify(X, (DELETE, "description", ()), (ADD, "description", "n")), A),
    "replace with nothing then delete": Case(modify(X, (REPLACE, "description", ()), (DELETE, "description", ())), A),
    "photo added": Case(modify(X, (ADD, "jpegPhoto", b"\xff\xd8two")), _given(jpegPhoto=b"\xff\xd8one")),
    "photo deleted by value": Case(
        modify(X, (DELETE, "jpegPhoto", b"\xff\xd8one")), _given(jpegPhoto=b"\xff\xd8one")
    ),
    "fax added": Case(modify(X, (ADD, "facsimileTelephoneNumber", "2")), _given(facsimileTelephoneNumber="1")),
    "increment": Case(modify(X, (INCREMENT, "number", "2")), NUMBERS),
    "increment by less than nothing": Case(modify(X, (INCREMENT, "number", "-3")), NUMBERS),
    "increment absent": Case(modify(X, (INCREMENT, "number", "2"))),
    "increment by no value": Case(modify(X, (INCREMENT, "number", ())), NUMBERS),
    "increment by two values": Case(modify(X, (INCREMENT, "number", ("1", "2"))), NUMBERS),
    "increment by no number": Case(modify(X, (INCREMENT, "number", "x")), NUMBERS),
    "increment a string": Case(modify(X, (INCREMENT, "description", "1")), _given(description="1")),
    "increment by nought": Case(modify(X, (INCREMENT, "number", "0")), NUMBERS),
    "increment by more than 64 bits": Case(modify(X, (INCREMENT, "number", "99999999999999999999")), NUMBERS),
    "class with its MUSTs": Case(
        modify(
            X,
            (ADD, "objectClass", "posixAccount"),
            *((ADD, name, value) for name, value in _given(uidNumber="1", gidNumber="1", homeDirectory="/")),
        )
    ),
    "class without its MUSTs": Case(modify(X, (ADD, "objectClass", "posixAccount"))),
    "class that is there": Case(modify(X, (ADD, "objectClass", "INETORGPERSON"))),
    "class that is there, by OID": Case(modify(X, (ADD, "objectClass", "2.16.840.1.113730.3.2.2"))),
    "superclass": Case(modify(X, (ADD, "objectClass", "person"))),
    "another structural class": Case(modify(X, (ADD, "objectClass", "device"))),
    "structural class replaced": Case(
        modify(X, (REPLACE, "objectClass", "device"), (DELETE, "sn", ()), (DELETE, "uid", ()))
    ),
    "structural class replaced by its superclass": Case(modify(X, (REPLACE, "objectClass", "person"))),
    "structural class replaced by a subclass": Case(
        modify(X, (ADD, "objectClass", "inetOrgPerson")), _given(objectClass=("person", "uidObject"))
    ),
    "classes deleted": Case(modify(X, (DELETE, "objectClass", ()))),
    "classes replaced with nothing": Case(modify(X, (REPLACE, "objectClass", ()))),
    "class unknown": Case(modify(X, (ADD, "objectClass", "foo"))),
    "class whose attributes stay deleted": Case(modify(X, (DELETE, "objectClass", "extensibleObject")), NUMBERS),
    "createTimestamp": Case(modify(X, (REPLACE, "createTimestamp", "20200101000000Z"))),
    "createTimestamp deleted": Case(modify(X, (DELETE, "createTimestamp", ()))),
    "entryUUID": Case(modify(X, (REPLACE, "entryUUID", UUID))),
    "modifiersName": Case(modify(X, (REPLACE, "modifiersName", X))),
    "entryDN": Case(modify(X, (REPLACE, "entryDN", X))),
    "hasSubordinates": Case(modify(X, (REPLACE, "hasSubordinates", "TRUE"))),
    "subschemaSubentry": Case(modify(X, (REPLACE, "subschemaSubentry", "cn=Subschema"))),
    "structuralObjectClass": Case(modify(X, (REPLACE, "structuralObjectClass", "person"))),
    "by a user": Case(modify(X, (REPLACE, "description", "a")), by=USER),
    "by a user, unknown type": Case(modify(X, (REPLACE, "foo", "a")), by=USER),
    "by a user, wrong value": Case(modify(X, (REPLACE, "seeAlso", "a")), by=USER),
    "by a user, server's own": Case(modify(X, (REPLACE, "createTimestamp", "20200101000000Z")), by=USER),
    "by a user, delete absent": Case(modify(X, (DELETE, "description", ())), by=USER),
    "by a user, no such entry": Case(modify(NOBODY, (REPLACE, "description", "a")), by=USER),
    "by anonymous": Case(modify(X, (REPLACE, "description", "a")), by=ANONYMOUS),
    "by anonymous, no such entry": Case(modify(NOBODY, (REPLACE, "description", "a")), by=ANONYMOUS),
    "malformed option": Case(modify(X, (ADD, "cn;", "a"))),
    "malformed description": Case(modify(X, (ADD, "a b", "a"))),
}

RENAMES: Mapping[str, Case] = {
    "rename": Case(rename(X, "uid=y")),
    "rename, old value kept": Case(rename(X, "uid=y", delete_old=False)),
    "to another type": Case(rename(X, "cn=x")),
    "to a value that is there": Case(rename(X, "uid=y"), _given(uid=("x", "y"))),
    "to a value that is there in other case": Case(rename(X, "uid=y", delete_old=False), _given(uid=("x", "Y"))),
    "onto itself": Case(rename(X, "uid=x")),
    "onto itself, old value kept": Case(rename(X, "uid=x", delete_old=False)),
    "other case": Case(rename(X, "uid=X")),
    "other case, old value kept": Case(rename(X, "uid=X", delete_old=False)),
    "other case of the type": Case(rename(X, "UID=x")),
    "another name of the type": Case(rename(X, "userid=x")),
    "onto a sibling": Case(rename(X, "uid=y"), also=(_new(),)),
    "onto a sibling in other case": Case(rename(X, "UID=Y"), also=(_new(),)),
    "no such entry": Case(rename(NOBODY, "uid=q")),
    "no such entry, new name exists": Case(rename(Y, "uid=x")),
    "outside every suffix": Case(rename("dc=other", "uid=q")),
    "empty DN": Case(rename("", "uid=q")),
    "the suffix": Case(rename(BASE, "dc=q")),
    "new RDN no DN": Case(rename(X, "foo")),
    "new RDN empty": Case(rename(X, "")),
    "new RDN two RDNs": Case(rename(X, "uid=a,ou=b")),
    "new RDN unknown type": Case(rename(X, "foo=a")),
    "new RDN outside its syntax": Case(rename(X, "c=abc")),
    "new RDN not allowed by classes": Case(rename(X, "dc=q")),
    "new RDN of two types": Case(rename(X, "uid=y+cn=new")),
    "new RDN of two types that keeps one": Case(rename(X, "uid=x+sn=x")),
    "new RDN a second value of SINGLE-VALUE": Case(rename(X, "preferredLanguage=en", delete_old=False), DE),
    "new RDN the server's own": Case(rename(X, f"entryUUID={UUID}")),
    "new RDN the server's own, no such entry": Case(rename(Y, f"entryUUID={UUID}")),
    "old value was MUST": Case(rename(f"cn=only,{PLACE}", "uid=y"), also=(add(f"cn=only,{PLACE}", *PERSON[::2]),)),
    "new superior missing": Case(rename(X, "uid=x", f"ou=nowhere,{PLACE}")),
    "new superior missing, entry missing": Case(rename(Y, "uid=x", f"ou=nowhere,{PLACE}")),
    "new superior outside every suffix": Case(rename(X, "uid=x", "dc=other")),
    "new superior the root": Case(rename(X, "uid=x", "")),
    "new superior no DN": Case(rename(X, "uid=x", "foo")),
    "new superior the present one, same RDN": Case(rename(X, "uid=x", PLACE)),
    "new superior the present one, new RDN": Case(rename(X, "uid=y", PLACE)),
    "new superior itself": Case(rename(X, "uid=x", X)),
    "new superior below itself": Case(rename(X, "uid=x", f"uid=sub,{X}"), also=SUB),
    "new superior below itself, and missing": Case(rename(X, "uid=x", f"uid=none,{X}")),
    "moved": Case(rename(X, "uid=x", OTHER)),
    "moved onto another": Case(rename(X, "uid=x", OTHER), also=(_new(dn=f"uid=x,{OTHER}"),)),
    "moved below a leaf": Case(rename(X, "uid=x", Y), also=(_new(),)),
    "rename with what is below": Case(rename(X, "uid=y"), also=SUB),
    "move with what is below": Case(rename(X, "uid=y", OTHER), also=SUB),
    "to another case of a type compared by it": Case(
        rename(f"memberUid=a,{PLACE}", "memberUid=A"),
        also=(add(f"memberUid=a,{PLACE}", *ANY), add(f"memberUid=A,{PLACE}", *ANY)),
    ),
    "by a user": Case(rename(X, "uid=y"), by=USER),
    "by a user, no such entry": Case(rename(Y, "uid=q"), by=USER),
    "by anonymous": Case(rename(X, "uid=y"), by=ANONYMOUS),
    "new RDN escaped and with blanks": Case(rename(X, "uid= a\\2Cb  c ")),
}

READ = ("*", "structuralObjectClass", "modifiersName", "hasSubordinates")
BOTH = (read_before(*READ), read_behind(*READ))
REPLACED = modify(X, (REPLACE, "description", "b"))
CONTROLS: Mapping[str, Case] = {
    "assertion true, modify": Case(REPLACED, controls=(asserting("(sn=X)"),)),
    "assertion false, modify": Case(REPLACED, controls=(asserting("(sn=q)"),)),
    "assertion false, delete": Case(DelRequest(X), controls=(asserting("(sn=q)"),)),
    "assertion Undefined, delete": Case(DelRequest(X), controls=(asserting("(foo=q)"),)),
    "assertion false, rename": Case(rename(X, "uid=y"), controls=(asserting("(sn=q)"),)),
    "assertion true, add": Case(_new(), controls=(asserting("(sn=x)"),)),
    "assertion false, add": Case(_new(), controls=(asserting("(sn=q)"),)),
    "assertion on a missing entry": Case(DelRequest(Y), controls=(asserting("(sn=q)"),)),
    "read around modify": Case(REPLACED, A, controls=BOTH),
    "read around rename": Case(rename(X, "uid=y", OTHER), controls=BOTH),
    "read before delete": Case(DelRequest(X), controls=BOTH[:1]),
    "read behind add": Case(_new(), controls=BOTH[1:]),
    "read behind add, critical before": Case(_new(), controls=BOTH),
    "read behind delete": Case(DelRequest(X), controls=BOTH[1:]),
    "read what is not there": Case(REPLACED, controls=(read_before("description"), read_behind("foo", "cn"))),
    "read nothing": Case(REPLACED, controls=(read_behind("1.1"),)),
    "read around a refusal": Case(modify(X, (DELETE, "description", ())), controls=BOTH),
    "read around what an assertion prevents": Case(REPLACED, controls=(*BOTH, asserting("(sn=q)"))),
    "unknown critical": Case(DelRequest(X), controls=(Control("1.2.3", True),)),
    "unknown critical, entry missing": Case(DelRequest(Y), controls=(Control("1.2.3", True),)),
    "unknown": Case(DelRequest(X), controls=(Control("1.2.3"),)),
    "manageDsaIT": Case(REPLACED, controls=(Control(MANAGE_DSA_IT, True),)),
    "permissive, add what is there": Case(modify(X, (ADD, "sn", ("X", "y"))), controls=(PERMISSIVE,)),
    "permissive, delete absent value": Case(
        modify(X, (DELETE, "description", ("z", "a"))), A, controls=(PERMISSIVE,)
    ),
    "permissive, delete value of absent attribute": Case(
        modify(X, (DELETE, "description", "z")), controls=(PERMISSIVE,)
    ),
    "permissive, delete absent attribute": Case(modify(X, (DELETE, "description", ())), controls=(PERMISSIVE,)),
    "permissive, a value twice": Case(modify(X, (ADD, "description", ("a", "A"))), controls=(PERMISSIVE,)),
    "permissive, the last of several fails": Case(
        modify(X, (ADD, "sn", ("x", "y")), (DELETE, "sn", "q"), (DELETE, "uid", "x")), controls=(PERMISSIVE,)
    ),
    "permissive, photo added": Case(
        modify(X, (ADD, "jpegPhoto", b"\xff\xd8one")), _given(jpegPhoto=b"\xff\xd8one"), (PERMISSIVE,)
    ),
}

CASES: Mapping[str, Case] = {
    f"{kind}: {name}": case
    for kind, cases in (
        ("add", ADDS),
        ("delete", DELETES),
        ("modify", MODIFIES),
        ("rename", RENAMES),
        ("control", CONTROLS),
    )
    for name, case in cases.items()
}
