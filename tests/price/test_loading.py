"""What an LDIF file costs to load grows with its entries and no faster, in a domain too: bytecodes, never a clock."""

from collections.abc import Callable
from functools import cache

import pytest

from ldapserver import MemoryDirectory
from ldapserver.directory.ad.profile import ActiveDirectory
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.schema import load_schema
from tests.price.count import compiled, counted

pytestmark = pytest.mark.skipif(compiled(), reason="modules of ours are compiled: there is nothing to count")

FEW, MORE, MANY = 30, 90, 210
ROOM = 1.05  # for what is worked out once for a number of entries, and not of each
# Bytecodes of an entry of a directory with and without a profile, and some room: what other versions of Python make
# of the same lines.
PLAIN, DOMAIN = 5500, 10500
MEMBERS = 30  # of a group

HEAD = "dn: dc=contoso,dc=com\nobjectClass: domainDNS\ndc: contoso\n\n"


def people(count: int) -> str:
    """Entries of ten attributes that know of no domain."""
    return HEAD + "".join(
        f"dn: uid=user{n},dc=contoso,dc=com\nobjectClass: top\nobjectClass: person\nobjectClass: inetOrgPerson\n"
        f"uid: user{n}\ncn: User {n}\nsn: Number{n}\ngivenName: User\nmail: user{n}@contoso.com\n"
        f"telephoneNumber: +1 555 {n:07}\nemployeeNumber: {n}\ndescription: number {n}\nuserPassword: pass{n}\n\n"
        for n in range(count)
    )


def accounts(count: int) -> str:
    """Accounts as a domain has them, each with a manager and in a group that lists it."""
    listed = [
        f"dn: CN=User {n},DC=contoso,DC=com\nobjectClass: top\nobjectClass: person\n"
        f"objectClass: organizationalPerson\nobjectClass: user\ncn: User {n}\nsAMAccountName: user{n}\n"
        f"userPrincipalName: user{n}@contoso.com\nuserAccountControl: 512\nuserPassword: pass{n}\n"
        f"memberOf: CN=Group {n // MEMBERS},DC=contoso,DC=com\nmanager: CN=User {n // 10},DC=contoso,DC=com\n\n"
        for n in range(count)
    ]
    for group in range(0, count, MEMBERS):
        members = "".join(f"member: CN=User {n},DC=contoso,DC=com\n" for n in range(group, group + MEMBERS))
        listed.append(f"dn: CN=Group {group // MEMBERS},DC=contoso,DC=com\nobjectClass: group\n{members}\n")
    return HEAD + "".join(listed)


@cache
def each(entries: Callable[[int], str], *, domain: bool) -> tuple[float, float]:
    """The bytecodes of one more entry, of few and of many."""
    schema = load_schema((), active_directory=domain).schema

    def load(text: bytes) -> None:
        profile = ActiveDirectory() if domain else None
        MemoryDirectory([("people", read_ldif(text.decode(), "people"))], schema=schema, profile=profile)

    load(entries(FEW).encode())  # what is read or worked out once in a process, whoever asks
    costs = [sum(counted(load, entries(many).encode()).values()) for many in (FEW, MORE, MANY)]
    return (costs[1] - costs[0]) / (MORE - FEW), (costs[2] - costs[1]) / (MANY - MORE)


@pytest.mark.parametrize("entries", [people, accounts])
@pytest.mark.parametrize("domain", [False, True])
def test_one_more_entry_costs_the_same_among_few_and_many(entries: Callable[[int], str], domain: bool) -> None:
    few, many = each(entries, domain=domain)
    assert many <= few * ROOM


@pytest.mark.parametrize("entries", [people, accounts])
def test_what_an_entry_costs(entries: Callable[[int], str]) -> None:
    assert each(entries, domain=False)[1] <= PLAIN
    assert each(entries, domain=True)[1] <= DOMAIN
