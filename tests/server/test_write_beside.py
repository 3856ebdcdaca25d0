"""What goes on beside a write: searches under way, changes read from LDIF, snapshots, and what a profile does."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.directory.computed import Computed
from ldapserver.directory.conformance import Conformance
from ldapserver.directory.directory import Written
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import Attributes, InvalidLDIF, read_ldif
from ldapserver.directory.memory import BATCH, MemoryDirectory
from ldapserver.directory.profile import Plain, View, Write
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute, ResultCode, Scope
from tests.server.stage import stopped

from .test_directory import PEOPLE, SUFFIX, crowd, directory, find, run, search

BY = DN.parse("cn=admin")
BASE = "dc=contoso,dc=com"
U0 = DN.parse("uid=u0,dc=x")


def names(where: MemoryDirectory) -> list[str]:
    return [str(dn) for dn, _ in where.records()]


def get(where: MemoryDirectory, dn: str) -> Entry:
    entry = run(where.read(DN.parse(dn)))
    assert entry is not None
    return entry


def change(what: ModifyOperation, name: str, *values: bytes) -> Change:
    return Change(what, PartialAttribute(name, values))


# Searches


def slices(
    where: MemoryDirectory, between: Callable[[], None], base: str = "dc=x", scope: Scope = Scope.WHOLE_SUBTREE
) -> list[str]:
    """The names a search finds when `between` is done after each of its batches."""

    async def found() -> list[str]:
        gathered = []
        async for batch in where.search(DN.parse(base), scope, parse_filter("(entryUUID=*)")):
            gathered += [str(entry.dn) for entry in batch]
            between()
        return gathered

    return run(found())


def once(write: Callable[[], object]) -> Callable[[], None]:
    """`write` the first time it is called, and nothing from then on."""
    left = [write]

    def step() -> None:
        if left:
            left.pop()()

    return step


def grove() -> MemoryDirectory:
    """Four branches with more leaves each than a search examines in one go."""
    lines = ["dn: dc=x\nobjectClass: domain\n"]
    for branch in "abcd":
        lines.append(f"dn: ou={branch},dc=x\nobjectClass: organizationalUnit\n")
        lines += [f"dn: cn={n},ou={branch},dc=x\nobjectClass: person\n" for n in range(BATCH + 9)]
    return directory("\n".join(lines))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["dc=x", "ou=b,dc=x", ""]), st.sampled_from(list(Scope)[1:]))
def test_a_search_finds_what_nobody_touches_once_whatever_else_is_written(seed: int, base: str, scope: Scope) -> None:
    where = grove()
    chance = Random(seed)
    started = set(slices(where, lambda: None, base, scope))
    touched: set[str] = set()

    def written() -> None:
        there = names(where)
        for _ in range(chance.randrange(20)):
            if not there:
                return  # the topmost entry went, and all with it
            dn, other = chance.choice(there), chance.choice(there)
            touched.update(name for name in there if name.endswith(dn))
            try:
                match chance.randrange(4):
                    case 0:
                        run(where.add(DN.parse(f"cn=new {chance.random()},{dn}"), (("sn", (b"x",)),), by=BY))
                    case 1:
                        run(where.delete(DN.parse(dn), by=BY, subtree=chance.random() < 0.1))
                    case 2:
                        run(where.modify_dn(DN.parse(dn), DN.parse(f"cn=y {chance.random()}"), True, by=BY))
                    case _:
                        run(where.modify_dn(DN.parse(dn), DN.parse(dn.split(",")[0]), True, DN.parse(other), by=BY))
            except OperationRefused:
                continue

    found = slices(where, written, base, scope)
    assert started - touched <= set(found)
    assert len(set(found)) == len(found)
    within = DN.parse(base)
    assert all(DN.parse(name).within(within) for name in found)


def test_an_entry_that_moves_ahead_of_a_search_is_not_found_twice() -> None:
    where = crowd(BATCH)
    run(where.add(DN.parse("ou=z,dc=x"), (("objectClass", (b"organizationalUnit",)),), by=BY))
    found = slices(
        where, once(lambda: run(where.modify_dn(U0, DN.parse("uid=u0"), True, DN.parse("ou=z,dc=x"), by=BY)))
    )
    assert [name for name in found if name.startswith("uid=u0,")] == ["uid=u0,dc=x"]


def test_an_entry_renamed_in_its_place_is_found_once() -> None:
    where = crowd(3 * BATCH)
    name = DN.parse(f"uid=u{3 * BATCH - 1},dc=x")
    found = slices(where, once(lambda: run(where.modify_dn(name, DN.parse("uid=new"), True, by=BY))))
    assert found[-1] == "uid=new,dc=x"
    assert len(found) == 3 * BATCH + 1


def test_what_an_index_led_to_is_looked_at_again() -> None:
    where = crowd(3)
    batches = where.search(DN.parse("dc=x"), Scope.WHOLE_SUBTREE, parse_filter("(|(uid=u0)(uid=u1)(uid=u2))"))
    run(where.delete(DN.parse("uid=u0,dc=x"), by=BY))
    run(where.modify_dn(DN.parse("uid=u1,dc=x"), DN.parse("uid=other"), True, by=BY))

    async def found() -> list[str]:
        return [str(entry.dn) async for batch in batches for entry in batch]

    assert run(found()) == ["uid=u2,dc=x"]


# Changes in LDIF

LOADED = SUFFIX + PEOPLE + f"dn: uid=a,ou=people,{BASE}\nobjectClass: account\nuid: a\nuserPassword: old\n"
CHANGES = f"""\
dn: uid=a,ou=people,{BASE}
changetype: modify
replace: userPassword
userPassword: new
-
replace: createTimestamp
createTimestamp: 20200101000000Z
-

dn: uid=b,ou=people,{BASE}
changetype: add
objectClass: account
uid: b
entryUUID: 597ae2f6-16a6-1027-98f4-d28b5365dc14

dn: uid=a,ou=people,{BASE}
changetype: modrdn
newrdn: uid=c
deleteoldrdn: 1
newsuperior: {BASE}

dn: uid=b,ou=people,{BASE}
changetype: delete

dn: uid=b,ou=people,{BASE}
changetype: add
objectClass: account
uid: b
description: again
"""


def loaded(*texts: str, **more: object) -> MemoryDirectory:
    sources = [(f"{at}.ldif", read_ldif(text, f"{at}.ldif")) for at, text in enumerate(texts)]
    return MemoryDirectory(sources, **more)  # type: ignore[arg-type]


def unchecked(*texts: str, **more: object) -> MemoryDirectory:
    return loaded(*texts, conformance=Conformance.OFF, **more)


def test_changes_are_made_in_turn_over_what_stands_before() -> None:
    where = loaded(LOADED, CHANGES, f"dn: uid=d,uid=c,{BASE}\nobjectClass: account\n")
    assert names(where) == [
        BASE,
        f"ou=people,{BASE}",
        f"uid=b,ou=people,{BASE}",
        f"uid=c,{BASE}",
        f"uid=d,uid=c,{BASE}",
    ]
    account = find(where, "c")
    assert account is not None
    assert account.passwords[0].check(b"new")
    assert get(where, f"uid=c,{BASE}").get("createTimestamp") == (b"20200101000000Z",)
    assert get(where, f"uid=b,ou=people,{BASE}").get("description") == (b"again",)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ("changetype: delete\n", r"^1.ldif:1: ou=people,.*: there are entries below it$"),
        (
            "changetype: modify\ndelete: title\n-\n",
            r"^1.ldif:1: ou=people,.*: title: not there$",
        ),
        ("control: 1.2.3 true\nchangetype: delete\n", r"^1.ldif:1: control 1.2.3: not supported here, and critical$"),
        ("changetype: add\nou: people\n", r"^1.ldif:1: ou=people,dc=contoso,dc=com stands at 0.ldif:5 already$"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_its_line(changes: str, refusal: str) -> None:
    with pytest.raises(InvalidLDIF, match=refusal):
        loaded(LOADED, f"dn: ou=people,{BASE}\n{changes}")


def test_what_ldif_brings_of_the_servers_own_attributes_stays_and_the_rest_is_added() -> None:
    where = loaded(
        SUFFIX + f"dn: cn=a,{BASE}\nobjectClass: person\nENTRYUUID: 597ae2f6-16a6-1027-98f4-d28b5365dc14\n",
        clock=stopped(),
    )
    entry = get(where, f"cn=a,{BASE}")
    assert entry.get("entryUUID") == (b"597ae2f6-16a6-1027-98f4-d28b5365dc14",)
    assert entry.get("createTimestamp") == entry.get("modifyTimestamp") == (b"20260102030405Z",)
    assert entry.get("creatorsName") == entry.get("modifiersName") == (b"cn=anonymous",)
    other = get(where, BASE)
    assert other.get("createTimestamp") is entry.get("createTimestamp")
    assert len(other.get("entryUUID")[0]) == 36


def test_every_entry_has_its_own_uuid_of_version_4() -> None:
    where = crowd(300)
    uuids = {dict(attributes)["entryUUID"] for _, attributes in where.records()}
    assert len(uuids) == 301
    assert {(uuid[0][14:15], uuid[0][19:20] in b"89ab") for uuid in uuids} == {(b"4", True)}


# The seams


def test_entries_are_checked_when_they_are_written_and_under_strict_when_they_are_loaded() -> None:
    retitled = f"dn: uid=t,{BASE}\nchangetype: modify\nreplace: title\ntitle: y\n"
    titled = f"dn: uid=t,{BASE}\nobjectClass: account\nuid: t\ntitle: x\n"
    where = loaded(LOADED, titled, retitled)
    before = list(where.records(with_secrets=True))
    with pytest.raises(OperationRefused, match="objectClass: an entry has at least one"):
        run(where.add(DN.parse(f"uid=n,{BASE}"), (("title", (b"x",)),), by=BY))
    with pytest.raises(OperationRefused, match="title: value #0 invalid per syntax"):
        run(where.modify(DN.parse(BASE), [change(ModifyOperation.ADD, "title", b"\xff")], by=BY))
    with pytest.raises(OperationRefused, match="title: value #0 invalid per syntax"):
        run(where.modify_dn(DN.parse(f"uid=a,ou=people,{BASE}"), DN.parse("title=\\FF"), True, by=BY))
    assert list(where.records(with_secrets=True)) == before
    with pytest.raises(InvalidLDIF, match=r"^0.ldif:1: uid=t,.*: title: allowed by none of the entry's classes"):
        loaded(titled, suffixes=[DN.parse(BASE)], conformance=Conformance.STRICT)


@dataclass
class Linked(Plain):
    """A profile that numbers entries, keeps `member` pointing at those there are, and lets nobody be `root`."""

    told: list[tuple[str | None, str | None]] = field(default_factory=list)
    number: int = 0

    def computed(self, view: View) -> Iterable[Computed]:
        def groups(entry: Entry) -> tuple[bytes, ...]:
            return tuple([str(each.dn).encode() for each in view.having("member", str(entry.dn).encode())])

        return (Computed("seeAlso", groups),)

    def loaded(self, write: Write) -> None:
        assert write.admin
        for entry in list(write.entries()):
            self.number += 1
            write.alter(entry.dn, [change(ModifyOperation.REPLACE, "employeeNumber", b"%d" % self.number)])

    def translate(self, write: Write, before: Entry, changes: Sequence[Change]) -> Sequence[Change]:
        return [each for each in changes if each.modification.type != "ignored"]

    def complete(self, write: Write, before: Entry | None, dn: DN, attributes: Attributes) -> Attributes:
        if any(True for _ in write.having("uid", b"root")) or b"root" in dict(attributes).get("uid", ()):
            raise OperationRefused(ResultCode.CONSTRAINT_VIOLATION, "nobody is root")
        if before is None:
            self.number += 1
            return (*attributes, ("employeeNumber", (b"%d" % self.number,)))
        return attributes

    def done(self, write: Write, written: Written) -> None:
        before, after = written.before, written.after
        if after is not None and after.get("description") == (b"altered",):
            write.alter(after.dn, [change(ModifyOperation.DELETE, "description")])
        self.told.append((str(before.dn) if before else None, str(after.dn) if after else None))
        if before is None or (after is not None and after.dn == before.dn):
            return
        old = str(before.dn).encode()
        for group in list(write.having("member", old)):
            changes = [change(ModifyOperation.DELETE, "member", old)]
            if after is not None:
                changes.append(change(ModifyOperation.ADD, "member", str(after.dn).encode()))
            write.alter(group.dn, changes)
        if after is not None and after.get("description") == (b"stays",):
            raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, "it stays")

    def state(self) -> object:
        return self.number

    def restore(self, state: object) -> None:
        assert isinstance(state, int)
        self.number = state


def linked() -> tuple[MemoryDirectory, Linked]:
    member = f"member: uid=a,ou=people,{BASE}\nmember: ou=people,{BASE}\n"
    profile = Linked()
    group = f"\ndn: cn=group,{BASE}\nobjectClass: groupOfNames\n{member}"
    return unchecked(LOADED + group, profile=profile), profile


def members(where: MemoryDirectory) -> tuple[bytes, ...]:
    return get(where, f"cn=group,{BASE}").get("member")


def test_a_profile_completes_what_is_loaded_and_what_is_added() -> None:
    where, profile = linked()
    assert get(where, f"cn=group,{BASE}").get("employeeNumber") == (b"4",)
    run(where.add(DN.parse(f"cn=n,{BASE}"), (("cn", (b"n",)),), by=BY))
    assert get(where, f"cn=n,{BASE}").get("employeeNumber") == (b"5",)
    run(where.modify(DN.parse(f"cn=n,{BASE}"), [change(ModifyOperation.ADD, "ignored", b"x")], by=BY))
    assert "ignored" not in get(where, f"cn=n,{BASE}")
    with pytest.raises(OperationRefused, match="nobody is root"):
        run(where.modify(DN.parse(f"cn=n,{BASE}"), [change(ModifyOperation.ADD, "uid", b"root")], by=BY))
    assert profile.told[-1] == (f"cn=n,{BASE}", f"cn=n,{BASE}")
    written = run(where.modify(DN.parse(BASE), [change(ModifyOperation.ADD, "description", b"altered")], by=BY))
    assert written.after is get(where, BASE)
    assert "description" not in written.after


def test_a_profile_follows_renames_and_deletions_in_the_same_transaction() -> None:
    where, profile = linked()
    run(where.modify_dn(DN.parse(f"ou=people,{BASE}"), DN.parse("ou=folk"), True, by=BY))
    assert members(where) == (f"ou=folk,{BASE}".encode(), f"uid=a,ou=folk,{BASE}".encode())
    assert profile.told == [
        (f"ou=people,{BASE}", f"ou=folk,{BASE}"),
        (f"uid=a,ou=people,{BASE}", f"uid=a,ou=folk,{BASE}"),
    ]
    assert search(where, f"(seeAlso=cn=group,{BASE})") == [f"ou=folk,{BASE}", f"uid=a,ou=folk,{BASE}"]
    run(where.delete(DN.parse(f"ou=folk,{BASE}"), by=BY, subtree=True))
    assert members(where) == ()


def test_what_a_profile_refuses_at_the_end_is_undone_with_all_that_it_did() -> None:
    where, _ = linked()
    leaf = DN.parse(f"uid=a,ou=people,{BASE}")
    run(where.modify(leaf, [change(ModifyOperation.ADD, "description", b"stays")], by=BY))
    before = list(where.records(with_secrets=True))
    with pytest.raises(OperationRefused, match="it stays"):
        run(where.modify_dn(DN.parse(f"ou=people,{BASE}"), DN.parse("ou=folk"), True, by=BY))
    after = dict(where.records(with_secrets=True))
    assert after == dict(before)
    assert find(where, "a") is run(where.account_at(leaf)) is not None
    assert search(where, "(objectClass=*)", f"ou=people,{BASE}") == [f"ou=people,{BASE}", str(leaf)]


# Snapshots


def test_a_snapshot_is_gone_back_to_as_often_as_one_likes() -> None:
    where, profile = linked()
    then, before, schema = where.snapshot(), list(where.records(with_secrets=True)), where.schema
    for _ in range(2):
        run(where.delete(DN.parse(f"ou=people,{BASE}"), by=BY, subtree=True))
        run(where.add(DN.parse(f"cn=n,{BASE}"), (("shoeSize", (b"37",)), ("userPassword", (b"1", b"2"))), by=BY))
        assert find(where, "a") is None
        assert where.schema is not schema
        assert profile.number == 5
        where.restore(then)
        assert list(where.records(with_secrets=True)) == before
        assert where.schema is schema
        assert b"shoeSize" not in b"".join(where.subschema.get("attributeTypes"))
        assert profile.number == 4
        assert find(where, "a") is not None
        assert find(where, "n") is None
    with pytest.raises(ValueError, match="another directory"):
        MemoryDirectory().restore(then)


def test_a_search_goes_on_when_a_snapshot_is_gone_back_to() -> None:
    where = crowd(3 * BATCH)
    then = where.snapshot()
    run(where.delete(DN.parse(f"uid=u{3 * BATCH - 1},dc=x"), by=BY))
    found = slices(where, lambda: where.restore(then))
    assert len(found) == len(set(found)) == 3 * BATCH
    assert len(slices(where, lambda: None)) == 3 * BATCH + 1
    assert where.naming_contexts == (DN.parse("dc=x"),)
    assert run(where.read(ROOT)) is None


def test_a_naming_value_is_in_the_entry_as_its_type_compares_it() -> None:
    where = loaded(
        "dn: dc=x\nobjectClass: domain\n\ndn: memberUid=A,dc=x\nobjectClass: top\nmemberUid: a\n\n"
        "dn: cn=A,dc=x\nobjectClass: top\ncn: a\n"
    )
    assert {str(dn): len(dict(held)[str(dn).partition("=")[0]]) for dn, held in list(where.records())[1:]} == {
        "memberUid=A,dc=x": 2,
        "cn=A,dc=x": 1,
    }
