"""Any sequence of writes to a domain: what is kept beside the entries is always what the entries say."""

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.directory.ad.links import LINKS
from ldapserver.directory.ad.profile import ActiveDirectory
from ldapserver.directory.directory import Written
from ldapserver.directory.ldif import read_ldif, write_entry
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.profile import Write
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.filters import Equality
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute, ResultCode, Scope

from .domain import schema
from .test_directory import run

BY = DN.parse("cn=admin")
LDIF = """\
dn: dc=x
objectClass: domainDNS

dn: ou=a,dc=x
objectClass: organizationalUnit

dn: ou=b,dc=x
objectClass: organizationalUnit

dn: cn=g0,ou=a,dc=x
objectClass: group
member: CN=g1,OU=b,DC=x
member: cn=u0,ou=a,dc=x
member: cn=nobody,dc=x

dn: cn=u0,ou=a,dc=x
objectClass: user
manager: cn=g0,ou=a,dc=x

dn: cn=a0,ou=b,dc=x
objectClass: contact

dn: cn=g1,ou=b,dc=x
objectClass: group
member: cn=a0,ou=b,dc=x
member: cn=z0,ou=b,dc=x
member: cn=g0,ou=a,dc=x
member: cn=g1,ou=b,dc=x
managedBy: ou=a,dc=x

dn: cn=z0,ou=b,dc=x
objectClass: contact
manager: cn=a0,ou=b,dc=x
"""
FORWARD = {name.lower(): name for name in LINKS}


class Refusing(ActiveDirectory):
    """One that may have something against a write when all of it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.after: int | None = None

    def done(self, write: Write, written: Written) -> None:
        super().done(write, written)
        if self.after is not None and not write.loading:
            self.after -= 1
            if self.after <= 0:
                raise OperationRefused(ResultCode.OTHER)


def links(where: MemoryDirectory) -> dict[tuple[str, str], set[str]]:
    """By entry and back link, who points there: read off the forward links of all entries."""
    entries = {dn: dict(attributes) for dn, attributes in where.records()}
    pointing: dict[tuple[str, str], set[str]] = {}
    for dn, attributes in entries.items():
        for name, values in attributes.items():
            if name.lower() in FORWARD:
                for value in values:
                    pointing.setdefault((str(DN.parse(value.decode())), LINKS[FORWARD[name.lower()]]), set()).add(
                        str(dn)
                    )
    return pointing


def found(where: MemoryDirectory, attribute: str, value: bytes) -> set[str]:
    async def search() -> set[str]:
        batches = where.search(ROOT, Scope.WHOLE_SUBTREE, Equality(attribute, value))
        return {str(entry.dn) async for batch in batches for entry in batch}

    return run(search())


def check(where: MemoryDirectory, dangling: str = "cn=nobody,dc=x") -> None:
    pointing = links(where)
    names = {str(dn): dn for dn, _ in where.records()}
    assert {target for target, _ in pointing} - {dangling} <= set(names)
    for text, dn in names.items():
        entry = run(where.read(dn))
        assert entry is not None
        for back in LINKS.values():
            sources = pointing.get((text, back), set())
            assert {value.decode() for value in where.computed[back.lower()].values(entry)} == sources
    for back in ("memberOf", "managedObjects"):
        for source in names:
            expected = {target for (target, name), sources in pointing.items() if name == back and source in sources}
            assert found(where, back, source.encode()) == expected & set(names)
    for unique in ("objectSid", "objectGUID", "sAMAccountName"):
        values = [values for _, each in where.records() for name, values in each if name == unique]
        assert len(set(values)) == len(values)


def spelt(dn: str, chance: Random) -> bytes:
    return (dn.upper() if chance.random() < 0.3 else dn).encode()


def write(where: MemoryDirectory, chance: Random) -> None:
    names = [str(dn) for dn, _ in where.records()]
    dn, other = DN.parse(chance.choice(names)), chance.choice([*names, "cn=nobody,dc=x"])
    forward = chance.choice([*LINKS, "member", "member"])
    match chance.randrange(9):
        case 0 | 1:
            kind = chance.choice([b"user", b"group", b"group", b"organizationalUnit"])
            attributes = (("objectClass", (kind,)), (forward, (spelt(other, chance),)))
            run(where.add(DN.parse(f"cn=n{chance.randrange(30)},{dn}"), attributes, by=BY, admin=True))
        case 2 | 3 | 4:
            what = chance.choice([ModifyOperation.ADD, ModifyOperation.DELETE, ModifyOperation.REPLACE])
            change = Change(what, PartialAttribute(forward, (spelt(other, chance),)))
            run(where.modify(dn, [change], by=BY, admin=True))
        case 5:
            if len(dn.rdns) > 1:
                run(where.delete(dn, by=BY, subtree=chance.random() < 0.3))
        case 6 | 7:
            newrdn = DN.parse(f"cn={chance.choice('nN')}{chance.randrange(30)}")
            run(where.modify_dn(dn, newrdn, True, by=BY))
        case _:
            run(where.modify_dn(dn, DN.parse(str(dn).partition(",")[0]), True, DN.parse(other), by=BY))


def domain(*texts: str) -> tuple[MemoryDirectory, Refusing]:
    profile = Refusing()
    sources = [("ldif", read_ldif(text, "ldif")) for text in texts or (LDIF,)]
    where = MemoryDirectory(sources, schema=schema(), profile=profile)
    return where, profile


def stored(where: MemoryDirectory) -> dict[DN, Any]:
    return dict(where.records(with_secrets=True))


def saved(where: MemoryDirectory) -> str:
    return "\n".join(write_entry(dn, attributes) for dn, attributes in where.records(with_secrets=True))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_back_links_are_the_inverse_of_forward_links_whatever_is_written(seed: int) -> None:
    chance = Random(seed)
    where, profile = domain()
    check(where)
    kept, then = where.snapshot(), stored(where)
    for _ in range(12):
        refusing = chance.random() < 0.2
        before = stored(where)
        profile.after = chance.randrange(1, 4) if refusing else None
        try:
            write(where, chance)
        except OperationRefused:
            assert stored(where) == before
        check(where)
        if chance.random() < 0.1:
            kept, then = where.snapshot(), stored(where)
    again, _ = domain(saved(where))
    assert stored(again) == stored(where)
    check(again)
    where.restore(kept)
    assert stored(where) == then
    check(where)


def names_of(records: Iterator[tuple[DN, Any]], attribute: str) -> dict[str, tuple[bytes, ...]]:
    return {str(dn): values for dn, each in records for name, values in each if name == attribute}


def test_changes_in_files_move_links_too() -> None:
    where, _ = domain(
        LDIF,
        "dn: cn=u0,ou=a,dc=x\nchangetype: modrdn\nnewrdn: cn=v0\ndeleteoldrdn: 1\nnewsuperior: ou=b,dc=x\n"
        "\ndn: ou=b,dc=x\nchangetype: modrdn\nnewrdn: ou=c\ndeleteoldrdn: 1\n"
        "\ndn: cn=g0,ou=a,dc=x\nchangetype: delete\n"
        # Files may say what no client may: what leads nowhere yet, what is worked out.
        "\ndn: cn=g1,ou=c,dc=x\nchangetype: modify\nadd: member\nmember: cn=nobody,dc=x\n-\n"
        "replace: memberOf\nmemberOf: cn=gone\n-\n",
    )
    members = (b"cn=a0,ou=c,dc=x", b"cn=z0,ou=c,dc=x", b"cn=g1,ou=c,dc=x", b"cn=nobody,dc=x")
    assert names_of(where.records(), "member") == {"cn=g1,ou=c,dc=x": members}
    assert names_of(where.records(), "manager") == {"cn=z0,ou=c,dc=x": (b"cn=a0,ou=c,dc=x",)}
    assert names_of(where.records(), "managedBy") == {"cn=g1,ou=c,dc=x": (b"ou=a,dc=x",)}
    check(where)


def test_a_snapshot_has_the_numbers_too() -> None:
    where, _ = domain()
    kept = where.snapshot()
    made = []
    for _ in range(2):
        run(where.add(DN.parse("cn=new,dc=x"), (("objectClass", (b"group",)),), by=BY, admin=True))
        made.append(names_of(where.records(), "objectSid")["cn=new,dc=x"])
        made.append(names_of(where.records(), "uSNCreated")["cn=new,dc=x"])
        where.restore(kept)
    assert made[:2] == made[2:]
