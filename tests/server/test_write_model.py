"""Any sequence of writes, against the plainest directory there is: a dict of names to dicts of values.

After every step the result code, everything stored, what each index finds, who answers to a name and with which
password, and what is computed are compared.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.directory.account import AmbiguousName
from ldapserver.directory.conformance import Conformance
from ldapserver.directory.directory import Written
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.profile import Plain, Write
from ldapserver.directory.snapshot import Snapshot
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.filters import Equality, Present
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute, ResultCode, Scope
from tests.server.test_directory import run

BY = DN.parse("cn=admin,dc=x")
LDIF = """\
dn: dc=x
objectClass: domain

dn: ou=a,dc=x
objectClass: organizationalUnit

dn: ou=b,dc=x
objectClass: organizationalUnit

dn: cn=a,ou=a,dc=x
objectClass: person
userPassword: a
"""
STORED = ("structuralobjectclass", "entryuuid", "creatorsname", "createtimestamp", "modifiersname", "modifytimestamp")

# The model

Pair = tuple[str, str]
Name = tuple[frozenset[Pair], ...]  # leaf first
Values = dict[str, set[str]]

ALIASES = {"commonname": "cn", "2.5.4.3": "cn", "surname": "sn"}
EXACT = ("jpegphoto", "userpassword", "uidnumber", "entryuuid")
CONTEXT: Name = (frozenset({("dc", "x")}),)


def canonical(attribute: str) -> str:
    return ALIASES.get(attribute.lower(), attribute.lower())


def normal(attribute: str, value: str) -> str:
    return value if canonical(attribute) in EXACT else value.lower()


def name_of(text: str) -> Name:
    """By hand, for the names used here hold nothing to escape."""
    if not text:
        return ()
    return tuple(
        frozenset((canonical(kind), value.lower()) for kind, value in (ava.split("=") for ava in rdn.split("+")))
        for rdn in text.split(",")
    )


def within(name: Name, base: Name) -> bool:
    return name[len(name) - len(base) :] == base if len(name) >= len(base) else False


class Refused(Exception):
    def __init__(self, code: ResultCode) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Model:
    """What should be there."""

    entries: dict[Name, Values] = field(default_factory=dict)

    def check_context(self, name: Name) -> None:
        if not within(name, CONTEXT):
            raise Refused(ResultCode.UNWILLING_TO_PERFORM)

    def check(self, name: Name) -> Values:
        self.check_context(name)
        if name not in self.entries:
            raise Refused(ResultCode.NO_SUCH_OBJECT)
        return self.entries[name]

    def add(self, name: Name, attributes: list[tuple[str, list[str]]]) -> None:
        if not all(given_values for _, given_values in attributes):
            raise Refused(ResultCode.PROTOCOL_ERROR)
        values: Values = {}
        for attribute, given_values in attributes:
            if canonical(attribute) in values:
                raise Refused(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS)
            values[canonical(attribute)] = distinct(attribute, given_values)
        if not within(name, CONTEXT):
            raise Refused(ResultCode.UNWILLING_TO_PERFORM)
        if any(canonical(attribute) == "entryuuid" for attribute, _ in attributes):
            raise Refused(ResultCode.CONSTRAINT_VIOLATION)
        if name in self.entries:
            raise Refused(ResultCode.ENTRY_ALREADY_EXISTS)
        if name != CONTEXT and name[1:] not in self.entries:
            raise Refused(ResultCode.NO_SUCH_OBJECT)
        name_it(values, name[0])
        acceptable(values)
        self.entries[name] = values

    def modify(self, name: Name, changes: list[tuple[ModifyOperation, str, list[str]]], permissive: bool) -> None:
        for operation, _, values in changes:
            if operation is ModifyOperation.ADD and not values:
                raise Refused(ResultCode.PROTOCOL_ERROR)
            if operation is ModifyOperation.INCREMENT and len(values) != 1:
                raise Refused(ResultCode.PROTOCOL_ERROR)
        for operation, attribute, values in changes:
            if operation is ModifyOperation.INCREMENT and canonical(attribute) != "uidnumber":
                raise Refused(ResultCode.CONSTRAINT_VIOLATION)
            if operation is ModifyOperation.INCREMENT and not values[0].isdigit():
                raise Refused(ResultCode.INVALID_ATTRIBUTE_SYNTAX)
            if operation is not ModifyOperation.DELETE:
                distinct(attribute, values)
        self.check_context(name)
        if any(canonical(attribute) == "entryuuid" for _, attribute, _ in changes):
            raise Refused(ResultCode.CONSTRAINT_VIOLATION)
        entry = deepcopy(self.check(name))
        for operation, attribute, values in changes:
            change(entry, operation, canonical(attribute), {normal(attribute, value) for value in values}, permissive)
        if any(value not in entry.get(attribute, set()) for attribute, value in name[0]):
            raise Refused(ResultCode.NOT_ALLOWED_ON_RDN)
        acceptable(entry)
        self.entries[name] = entry

    def delete(self, name: Name, subtree: bool) -> None:
        self.check(name)
        below = [each for each in self.entries if within(each, name)]
        if len(below) > 1 and not subtree:
            raise Refused(ResultCode.NOT_ALLOWED_ON_NON_LEAF)
        for each in below:
            del self.entries[each]

    def modify_dn(self, name: Name, rdn: frozenset[Pair], delete_old: bool, superior: Name | None) -> None:
        above = name[1:] if superior is None else superior
        new = (rdn, *above)
        self.check_context(name)
        if within(above, name):
            raise Refused(ResultCode.UNWILLING_TO_PERFORM)
        if name == new == CONTEXT:
            raise Refused(ResultCode.NAMING_VIOLATION)
        if name == CONTEXT or not within(new, CONTEXT):
            raise Refused(ResultCode.AFFECTS_MULTIPLE_DSAS)
        entry = self.check(name)
        if any(attribute == "entryuuid" for attribute, _ in rdn):
            raise Refused(ResultCode.CONSTRAINT_VIOLATION)
        if any(attribute == "userpassword" for attribute, _ in rdn):
            raise Refused(ResultCode.NAMING_VIOLATION)
        if above not in self.entries:
            raise Refused(ResultCode.NO_SUCH_OBJECT)
        if new in self.entries and new != name:
            raise Refused(ResultCode.ENTRY_ALREADY_EXISTS)
        entry = deepcopy(entry)
        for attribute, value in name[0] - rdn if delete_old else ():
            entry[attribute].discard(value)
            if not entry[attribute]:
                del entry[attribute]
        name_it(entry, rdn)
        moved = {each: values for each, values in self.entries.items() if within(each, name)}
        for each in moved:
            del self.entries[each]
        for each, values in moved.items():
            self.entries[(*each[: len(each) - len(name)], *new)] = values
        self.entries[new] = entry

    def accounts(self, typed: str) -> list[Name]:
        return [name for name, values in self.entries.items() if somebody(values) and typed in names(values)]


def distinct(attribute: str, values: list[str]) -> set[str]:
    normalised = {normal(attribute, value) for value in values}
    if len(normalised) < len(values):
        raise Refused(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS)
    return normalised


def name_it(entry: Values, rdn: frozenset[Pair]) -> None:
    for attribute, value in rdn:
        entry.setdefault(attribute, set()).add(value)


def acceptable(entry: Values) -> None:
    if any(value.startswith("{") for value in entry.get("userpassword", ())):
        raise Refused(ResultCode.CONSTRAINT_VIOLATION)


def change(entry: Values, operation: ModifyOperation, attribute: str, values: set[str], permissive: bool) -> None:
    held = entry.get(attribute, set())
    unmatched = attribute == "jpegphoto"
    match operation:
        case ModifyOperation.ADD:
            if held and unmatched:
                raise Refused(ResultCode.INAPPROPRIATE_MATCHING)
            if held & values and not permissive:
                raise Refused(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS)
            held = held | values
        case ModifyOperation.DELETE:
            if values and unmatched:
                raise Refused(ResultCode.INAPPROPRIATE_MATCHING)
            # That an old password of one's own is wrong nobody gets around; where there is none, none is wrong.
            wrong = attribute == "userpassword" and held and values - held
            if wrong or ((not held or values - held) and not permissive):
                raise Refused(ResultCode.NO_SUCH_ATTRIBUTE)
            held = held - values if values else set()
        case ModifyOperation.REPLACE:
            held = values
        case ModifyOperation.INCREMENT:
            if not held:
                raise Refused(ResultCode.NO_SUCH_ATTRIBUTE)
            if not all(value.isdigit() for value in held | values):
                raise Refused(ResultCode.INVALID_ATTRIBUTE_SYNTAX)
            held = {str(int(value) + int(next(iter(values)))) for value in held}
    entry.pop(attribute, None)
    if held:
        entry[attribute] = held


def somebody(values: Values) -> bool:
    return "person" in values.get("objectclass", ()) or "userpassword" in values


def names(values: Values) -> set[str]:
    return values.get("uid") or values.get("cn") or set()


# Any writes: a number stands for one, and which it is depends on what is there, for most are to succeed

ATTRIBUTES = ["cn", "commonName", "2.5.4.3", "uid", "sn", "mail", "description", "shoeSize", "uidNumber", "jpegPhoto"]
ATTRIBUTES += ["userPassword", "userPassword", "objectClass", "objectClass"]
RDNS = ["cn=a", "cn=B", "CN=b", "ou=a", "ou=b", "uid=a", "cn=a+uid=b", "UID=B+commonName=A", "mail=a"]
NOWHERE = ["", "dc=y", "cn=a,dc=y", "cn=a,ou=nowhere,dc=x", "cn=a,cn=b,cn=a,ou=a,DC=X"]
KINDS = ["add"] * 5 + ["modify"] * 5 + ["modify_dn"] * 5 + ["delete", "delete", "snapshot", "restore"]


def operation(chance: Random, model: Model) -> tuple[Any, ...]:
    """One write, mostly of an entry that is there."""

    def there() -> str:
        known = sorted(spelled(name) for name in model.entries)
        dn = chance.choice(known) if known and chance.random() < 0.9 else chance.choice(NOWHERE[1:])
        return dn.upper() if chance.random() < 0.1 else dn

    def values(least: int) -> tuple[str, list[str]]:
        attribute = chance.choice(ATTRIBUTES) if chance.random() < 0.98 else "entryUUID"
        some = ["a", "A", "b", "1", "2"]
        if attribute == "objectClass":
            some = ["person", "PERSON", "device"]
        elif attribute == "userPassword" and chance.random() < 0.1:
            some = ["{MD5}x"]
        return attribute, [chance.choice(some) for _ in range(chance.choice([1, 1, 1, 2, 2, least]))]

    kind = chance.choice(KINDS)
    match kind:
        case "add":
            dn = there()
            if chance.random() < 0.9:
                dn = f"{chance.choice(RDNS)},{dn}"
            return kind, dn, [values(0 if chance.random() < 0.05 else 1) for _ in range(chance.randrange(4))]
        case "modify":
            changes = []
            for _ in range(chance.randint(1, 3)):
                what = chance.choice(list(ModifyOperation))
                changes.append((what, values(1 if what is ModifyOperation.INCREMENT else 0)))
            return kind, there(), changes, chance.random() < 0.3
        case "modify_dn":
            rdn = chance.choice(RDNS) if chance.random() < 0.95 else chance.choice(["userPassword=x", "entryUUID=x"])
            superior = there() if chance.random() < 0.5 else None
            return kind, there(), rdn, chance.random() < 0.5, "" if chance.random() < 0.05 else superior
        case "delete":
            return kind, there(), chance.random() < 0.2
        case _:
            return kind, chance.randrange(4)


@dataclass
class Refusing(Plain):
    """A profile that refuses when it is told of the entry that makes `left` none: in the midst of a write."""

    left: int = 0

    def done(self, write: Write, written: Written) -> None:
        self.left -= 1
        if not self.left:
            raise OperationRefused(ResultCode.BUSY)


def octets(values: Iterable[str]) -> tuple[bytes, ...]:
    return tuple([value.encode() for value in values])


def write(
    where: MemoryDirectory, model: Model, operation: tuple[Any, ...], profile: Refusing, refuse_at: int
) -> tuple[ResultCode, ResultCode]:
    """What the model says, and what the directory does."""
    expected = actual = ResultCode.SUCCESS
    kind, dn, *rest = operation
    name, asked = name_of(dn), DN.parse(dn)
    then = deepcopy(model.entries)
    try:
        told = 1
        match kind:
            case "add":
                model.add(name, rest[0])
            case "modify":
                model.modify(name, [(what, *pair) for what, pair in rest[0]], rest[1])
            case "delete":
                told = sum(within(each, name) for each in then)
                model.delete(name, rest[0])
            case "modify_dn":
                told = sum(within(each, name) for each in then)
                model.modify_dn(name, name_of(rest[0])[0], rest[1], None if rest[2] is None else name_of(rest[2]))
        if 0 < refuse_at <= told:
            model.entries = then
            expected = ResultCode.BUSY
    except Refused as refused:
        expected = refused.code
    profile.left = refuse_at
    try:
        match kind:
            case "add":
                run(where.add(asked, tuple([(each, octets(values)) for each, values in rest[0]]), by=BY))
            case "modify":
                changes = [Change(what, PartialAttribute(each, octets(values))) for what, (each, values) in rest[0]]
                run(where.modify(asked, changes, by=BY, permissive=rest[1]))
            case "delete":
                run(where.delete(asked, by=BY, subtree=rest[0]))
            case "modify_dn":
                superior = None if rest[2] is None else DN.parse(rest[2])
                run(where.modify_dn(asked, DN.parse(rest[0]), rest[1], superior, by=BY))
    except OperationRefused as refused:
        actual = refused.result_code
    return expected, actual


def compare(where: MemoryDirectory, model: Model) -> None:
    """Everything there is."""
    stored = {}
    for dn, held in where.records(with_secrets=True):
        values: Values = {}
        for attribute, each in held:
            if attribute.lower() in STORED:
                continue
            assert canonical(attribute) not in values, "one attribute under two names"
            values[canonical(attribute)] = {normal(attribute, value.decode()) for value in each}
            assert len(values[canonical(attribute)]) == len(each), "one value twice"
        stored[name_of(str(dn))] = values
    assert stored == model.entries
    for name, values in model.entries.items():
        entry = run(where.read(dn_of(name)))
        assert entry is not None
        assert name_of(str(entry.dn)) == name
        assert len(entry.get("entryUUID")) == len(entry.get("modifyTimestamp")) == 1
        below = sum(1 for other in model.entries if other[1:] == name)
        assert where.computed["numsubordinates"].values(entry) == (b"%d" % below,)
        account = run(where.account_at(dn_of(name)))
        assert (account is not None) == somebody(values)
        if account is not None:
            assert account.dn == entry.dn
            typed = ("a", "A", "b", "1", "2", "x")
            right = {each for each in typed if any(one.check(each.encode()) for one in account.passwords)}
            assert right == values.get("userpassword", set())
    for attribute in ("uid", "cn", "mail", "sn"):
        for value in ("a", "B", "1"):
            expected = {name for name, held in model.entries.items() if value.lower() in held.get(attribute, ())}
            assert found(where, Equality(attribute, value.encode())) == expected
    assert found(where, Present("objectClass")) == {
        name for name, held in model.entries.items() if "objectclass" in held
    }
    for called in ("a", "b", "1"):
        meant = model.accounts(called)
        try:
            account = run(where.find_account(called))
        except AmbiguousName:
            assert len(meant) > 1
        else:
            assert [name_of(str(each.dn)) for each in (account,) if each] == meant


def spelled(name: Name) -> str:
    return ",".join("+".join(f"{kind}={value}" for kind, value in sorted(rdn)) for rdn in name)


def dn_of(name: Name) -> DN:
    return DN.parse(spelled(name))


def found(where: MemoryDirectory, filter: Any) -> set[Name]:
    async def gathered() -> list[Name]:
        return [
            name_of(str(entry.dn))
            async for batch in where.search(ROOT, Scope.WHOLE_SUBTREE, filter)
            for entry in batch
        ]

    names_found = run(gathered())
    assert len(set(names_found)) == len(names_found)
    return set(names_found)


def fresh(profile: Refusing) -> tuple[MemoryDirectory, Model]:
    where = MemoryDirectory(
        [("test", read_ldif(LDIF, "test"))], suffixes=[DN.parse("dc=x")], profile=profile, conformance=Conformance.OFF
    )
    model = Model()
    model.entries = {
        name_of("dc=x"): {"objectclass": {"domain"}, "dc": {"x"}},
        name_of("ou=a,dc=x"): {"objectclass": {"organizationalunit"}, "ou": {"a"}},
        name_of("ou=b,dc=x"): {"objectclass": {"organizationalunit"}, "ou": {"b"}},
        name_of("cn=a,ou=a,dc=x"): {"objectclass": {"person"}, "cn": {"a"}, "userpassword": {"a"}},
    }
    return where, model


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**32), min_size=30, max_size=60))
def test_any_writes_come_to_what_the_model_says(sequence: list[int]) -> None:
    profile = Refusing()
    where, model = fresh(profile)
    kept: list[tuple[Snapshot, Model]] = []
    compare(where, model)
    for number in sequence:
        chance = Random(number)
        match operation(chance, model):
            case ("snapshot", _):
                kept.append((where.snapshot(), deepcopy(model)))
            case ("restore", at):
                if kept:
                    snapshot, then = kept[at % len(kept)]
                    where.restore(snapshot)
                    model = deepcopy(then)
            case asked:
                before = dict(where.records(with_secrets=True))
                expected, actual = write(where, model, asked, profile, chance.choice([0, 0, 0, 0, 1, 2, 3]))
                assert actual is expected, asked
                if actual is not ResultCode.SUCCESS:
                    assert dict(where.records(with_secrets=True)) == before
        compare(where, model)


@pytest.mark.parametrize("held", [[], ["a"], ["a", "b"]])
@pytest.mark.parametrize("old", ["a", "1"])
@pytest.mark.parametrize("permissive", [False, True])
def test_an_old_password_is_one_that_is_there(held: list[str], old: str, permissive: bool) -> None:
    profile = Refusing()
    where, model = fresh(profile)
    passwords = [("userPassword", held)] if held else []
    assert write(where, model, ("add", "cn=b,dc=x", passwords), profile, 0)[1] is ResultCode.SUCCESS
    changes = [(ModifyOperation.DELETE, ("userPassword", [old]))]
    right = old in held or (permissive and not held)
    code = ResultCode.SUCCESS if right else ResultCode.NO_SUCH_ATTRIBUTE
    assert write(where, model, ("modify", "cn=b,dc=x", changes, permissive), profile, 0) == (code, code)
    compare(where, model)
