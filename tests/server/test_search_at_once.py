"""Searches answered in one step: that they say what a search in slices says, and when they are left to that."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.access import ANONYMOUS, Identity
from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.search_at_once import AT_ONCE, ITEMS
from ldapserver.faults import Unavailable
from ldapserver.lookups import BESIDE, LONGEST, LONGEST_NAMES, Lookups
from ldapserver.results import SLICE
from ldapserver.search_at_once import search_at_once
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Filter, parse_filter
from ldapserver.wire.messages import (
    Change,
    DerefAliases,
    ModifyOperation,
    PartialAttribute,
    ResultCode,
    Scope,
    SearchRequest,
)
from tests.server import domain
from tests.server.faulted import faulted
from tests.server.searching import Outcome, find
from tests.server.stage import U1, Stage, search, stage
from tests.server.test_directory import run

BASE = "dc=x"
LDIF = """\
dn: dc=x
objectClass: domain
dc: x

dn: ou=people,dc=x
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=x
objectClass: inetOrgPerson
uid: ann
uid: Anna
cn: Ann
cn;lang-de: Änne
sn: One
mail: ann@x.example
userPassword: secret

dn: uid=bob,ou=people,dc=x
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: One
description: ann

dn: cn=rule,dc=x
objectClass: subentry
cn: rule
uid: ann
"""
SOMEBODY_DN = "uid=bob,ou=people,dc=x"
SOMEBODY = Identity(DN.parse(SOMEBODY_DN), "bob")
ADMIN = Identity(DN.parse("cn=admin"), "admin", admin=True)


class Sliced:
    """A directory that can do what another can, but for an answer at once."""

    def __init__(self, directory: MemoryDirectory) -> None:
        self._directory = directory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._directory, name)


def of(ldif: str = LDIF, **rest: Any) -> MemoryDirectory:
    return MemoryDirectory([("x", read_ldif(ldif, "x"))], **rest)


def connected(directory: Directory, identity: Identity = SOMEBODY, **rest: Any) -> Stage:
    on = stage(directory=directory, **rest)
    on.session.identity = identity
    return on


def ready(directory: MemoryDirectory, *types: str) -> None:
    """Have the indexes of these types made."""
    for each in types:
        run(drained(directory.search(DN.parse(BASE), Scope.WHOLE_SUBTREE, parse_filter(f"({each}=x)"))))


async def drained(batches: AsyncIterator[Sequence[Entry]]) -> None:
    async for _ in batches:
        pass


def at_once(on: Stage, request: SearchRequest) -> bool:
    """Whether the request is answered in one step."""
    return search_at_once(on.service, on.session.identity, 1, request) is not None


# What it says

TYPES = ("uid", "cn", "mail", "objectClass", "cn;lang-de", "UserID", "name", "entryDN", "userPassword", "nothing")
VALUES = ("ann", "Ann", " ann", "Anna", "bob", "one", "inetOrgPerson", "Person", "2.5.6.6", "a\\c3", "secret", "")
BASES = (
    BASE,
    "DC=X",
    "ou=people,dc=x",
    "uid=ann,ou=people,dc=x",
    "cn=rule,dc=x",
    "uid=none,dc=x",
    "",
    "cn=Subschema",
    "?",
)
SELECTORS = (
    "*",
    "+",
    "1.1",
    "cn",
    "name",
    "CN;lang-de",
    "uid",
    "@person",
    "entryDN",
    "userPasswordScheme",
    "nothing",
)

ITEM = st.builds(
    "({}{}{})".format, st.sampled_from(TYPES), st.sampled_from(("=", "~=", ">=")), st.sampled_from(VALUES)
)
PRESENT = st.builds("({}=*)".format, st.sampled_from(TYPES))
FILTERS = st.recursive(
    ITEM | PRESENT | st.builds("({}={}*)".format, st.sampled_from(TYPES), st.sampled_from(VALUES[:5])),
    lambda inner: (
        st.builds(
            lambda operator, parts: f"({operator}{''.join(parts)})",
            st.sampled_from("&|"),
            st.lists(inner, max_size=3),
        )
        | st.builds("(!{})".format, inner)
    ),
    max_leaves=4,
)
REQUESTS = st.builds(
    SearchRequest,
    st.sampled_from(BASES),
    st.sampled_from(Scope),
    st.just(DerefAliases.NEVER_DEREF_ALIASES),
    st.integers(0, 2),
    st.just(0),
    st.booleans(),
    FILTERS.map(parse_filter),
    st.lists(st.sampled_from(SELECTORS), max_size=3).map(tuple),
)


def said(outcome: Outcome) -> tuple[object, ...]:
    return sorted(outcome.names), {entry.object_name: entry for entry in outcome.entries}, outcome.done


def agree(directory: MemoryDirectory, request: SearchRequest, identity: Identity, **rest: Any) -> bool:
    """Have the request answered both ways; whether it was answered in one step."""
    whole, sliced = (connected(each, identity, **rest) for each in (directory, cast("Directory", Sliced(directory))))
    assert not at_once(sliced, request)
    expected = find(sliced, request)
    answer = find(whole, request)
    if 0 < request.size_limit <= len(expected.names):
        # Which of them are returned is not said.
        assert (len(answer.names), answer.done) == (len(expected.names), expected.done)
    else:
        assert said(answer) == said(expected)
    assert whole.channel.failures == []
    return at_once(whole, request)


@settings(max_examples=400)
@given(REQUESTS, st.sampled_from((ANONYMOUS, SOMEBODY, ADMIN)), st.booleans())
def test_a_search_is_answered_alike_at_once_and_in_slices(
    request: SearchRequest, identity: Identity, anonymous_search: bool
) -> None:
    agree(DIRECTORY, request, identity, anonymous_search=anonymous_search)


DIRECTORY = of()
ready(DIRECTORY, "uid", "cn", "mail", "objectClass")


@settings(max_examples=200)
@given(
    st.sampled_from((domain.BASE, domain.ALICE, f"ou=people,{domain.BASE}", "<WKGUID=x>", f"<GUID={32 * '0'}>")),
    st.sampled_from(Scope),
    st.sampled_from(
        ("(sAMAccountName=alice)", "(uid=u1)", "(aNR=alice)", "(cn=all-hands)", "(memberOf=x)", "(objectClass=user)")
    ),
    st.lists(
        st.sampled_from(("*", "+", "member;range=0-1", "cn", "memberOf", "tokenGroups", "objectCategory")), max_size=2
    ),
    st.sampled_from((ANONYMOUS, SOMEBODY, ADMIN)),
)
def test_in_a_domain_too(base: str, scope: Scope, filter: str, attributes: list[str], identity: Identity) -> None:
    agree(DOMAIN, search(base, scope, filter, tuple(attributes)), identity)


DOMAIN = domain.directory()


@pytest.mark.parametrize(
    "request_",
    [
        search(BASE, filter="(uid=ann)"),
        search(BASE, filter="(UID=ANN)", attributes=("cn", "+")),
        search("ou=people,dc=x", Scope.SINGLE_LEVEL, "(&(objectClass=person)(uid=ann))"),
        search(BASE, filter="(|(uid=ann)(mail=*))", types_only=True),
        search(BASE, filter="(uid=none)"),
        search(BASE, filter="(uid=)"),
        search("uid=ann,ou=people,dc=x", Scope.BASE_OBJECT),
        search("cn=rule,dc=x", Scope.BASE_OBJECT),
    ],
    ids=lambda request: f"{request.filter}"[:30],
)
def test_these_are_answered_in_one_step(request_: SearchRequest) -> None:
    where = of()
    ready(where, "uid", "mail", "objectClass")
    assert agree(where, request_, SOMEBODY)


@pytest.mark.parametrize(("value", "found"), [("Ann", 0), ("Änne", 1)])
def test_an_option_is_part_of_what_is_asked(value: str, found: int) -> None:
    where = of()
    ready(where, "cn")
    request = search(BASE, filter=f"(cn;lang-de={value})")
    assert agree(where, request, SOMEBODY)
    assert len(find(connected(where), request).names) == found


def test_in_a_domain_somebody_is_looked_up_in_one_step() -> None:
    where = domain.directory()
    ready(where, "sAMAccountName")
    assert agree(where, search(domain.BASE, filter="(sAMAccountName=alice)"), SOMEBODY)


# What is kept


def modified(where: MemoryDirectory, name: str, value: bytes) -> None:
    changes = [Change(ModifyOperation.REPLACE, PartialAttribute("sn", (value,)))]
    run(where.modify(DN.parse(name), changes, by=DN.parse("cn=admin"), admin=True))


def test_an_entry_that_is_changed_is_shown_as_it_is() -> None:
    where = of()
    ready(where, "uid")
    on = connected(where)
    for value in (b"Two", b"Three"):
        modified(where, "uid=bob,ou=people,dc=x", value)
        for _ in range(2):
            assert find(on, search(BASE, filter="(uid=bob)", attributes=("sn",))).values("sn") == [(value,)]


def test_a_renamed_one_by_its_name() -> None:
    where = of()
    ready(where, "cn")
    on = connected(where)
    assert find(on, search(BASE, filter="(cn=bob)")).names == ["uid=bob,ou=people,dc=x"]
    run(where.modify_dn(SOMEBODY.dn, DN.parse("uid=rob"), True, by=DN.parse("cn=admin"), admin=True))
    assert find(on, search(BASE, filter="(cn=bob)")).names == ["uid=rob,ou=people,dc=x"]


def test_no_more_is_kept_than_there_is_room_for() -> None:
    where = of("dn: dc=x\nobjectClass: domain\n\n" + "\n".join(_person(n) for n in range(20)))
    ready(where, "uid")
    on = connected(where)
    on.session._service = service = replace(on.service, lookups=Lookups(4 * BESIDE))
    for n in range(20):
        find(on, search(BASE, filter=f"(uid={n})"))
    kept = service.lookups.choice(where, ()).written
    assert 1 <= len(kept) <= 3
    assert [entry.get("uid") for entry in kept][-1] == (b"19",)


def test_nothing_is_kept_for_long_lists_however_few_names_they_have() -> None:
    where = of()
    ready(where, "uid")
    on = connected(where)
    service = on.service
    for length, kept in ((LONGEST_NAMES - 2, 1), (LONGEST_NAMES - 1, 0)):
        attributes = ("sn", "x" * length)
        request = search(BASE, filter="(uid=bob)", attributes=attributes)
        assert at_once(on, request)
        assert find(on, request).values("sn") == [(b"One",)]
        again = service.lookups.choice(where, attributes)
        assert (again is service.lookups.choice(where, attributes), len(again.written)) == (bool(kept), kept)


def test_what_is_computed_is_worked_out_each_time() -> None:
    where = of()
    ready(where, "ou")
    on = connected(where)
    request = search(BASE, filter="(ou=people)", attributes=("numSubordinates",))
    assert find(on, request).values("numSubordinates") == [(b"2",)]
    run(where.delete(SOMEBODY.dn, by=DN.parse("cn=admin"), admin=True))
    assert find(on, request).values("numSubordinates") == [(b"1",)]


def test_an_administrator_is_not_shown_what_others_were() -> None:
    where = of()
    ready(where, "uid")
    request = search("ou=people,dc=x", filter="(uid=ann)", attributes=("userPasswordScheme",))
    on = connected(where)
    assert find(on, request).values("userPasswordScheme") == [()]
    on.session.identity = ADMIN
    assert find(on, request).values("userPasswordScheme") == [(b"CLEARTEXT",)]
    on.session.identity = SOMEBODY
    assert find(on, request).values("userPasswordScheme") == [()]


def test_types_are_not_kept_for_who_asks_for_values() -> None:
    where = of()
    ready(where, "uid")
    on = connected(where)
    request = search(BASE, filter="(uid=bob)", attributes=("sn",))
    for _ in range(2):
        assert find(on, replace(request, types_only=True)).values("sn") == [()]
        assert find(on, request).values("sn") == [(b"One",)]


def test_what_is_computed_is_so_under_a_range_too() -> None:
    where = domain.directory()
    ready(where, "sAMAccountName")
    on = connected(where)
    request = search(domain.ALICE, Scope.BASE_OBJECT, attributes=("tokenGroups;range=0-*",))
    before = find(on, request).entries
    changes = [Change(ModifyOperation.DELETE, PartialAttribute("member", (domain.ALICE.encode(),)))]
    run(where.modify(DN.parse(domain.RESEARCH), changes, by=DN.parse(domain.ADMIN), admin=True))
    assert find(on, request).entries != before


def test_a_subentry_is_seen_by_who_names_it_and_not_in_other_searches() -> None:
    where = of()
    ready(where, "uid")
    on = connected(where)
    for _ in range(2):
        assert find(on, search("cn=rule,dc=x", Scope.BASE_OBJECT)).names == ["cn=rule,dc=x"]
        assert find(on, search(BASE, filter="(uid=ann)")).names == ["uid=ann,ou=people,dc=x"]


# What is left to a search in slices


class AnotherForm:
    """A dialect in which a name that looks like a DN stands for another."""

    def __init__(self, dialect: object) -> None:
        self._dialect = dialect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)

    def dn(self, text: str) -> DN | None:
        if text == domain.ALICE:
            raise LookupError(text)
        return DN.parse(domain.BOB) if text == domain.U1 else None


def test_a_name_in_another_form() -> None:
    where = domain.directory()
    where.dialect = cast("Any", AnotherForm(where.dialect))
    on = connected(where)
    assert find(on, search(domain.U1, Scope.BASE_OBJECT)).names == [domain.BOB]
    assert find(on, search(domain.ALICE, Scope.BASE_OBJECT)).code is ResultCode.NO_SUCH_OBJECT


def test_what_an_administrator_asks_for_in_a_range() -> None:
    where = domain.directory()
    request = search(domain.ADMIN, Scope.BASE_OBJECT, attributes=("userPasswordScheme;range=0-*",))
    assert not agree(where, request, ADMIN)


def test_a_base_that_is_on_the_way_to_entries_only() -> None:
    where = of(
        "dn: ou=a,dc=x\nobjectClass: organizationalUnit\nou: a\n\ndn: uid=b,ou=a,dc=x\nobjectClass: account\nuid: b\n"
    )
    ready(where, "uid")
    on = connected(where)
    assert find(on, search(BASE, filter="(uid=b)")).code is ResultCode.NO_SUCH_OBJECT
    assert find(on, search("ou=a,dc=x", filter="(uid=b)")).names == ["uid=b,ou=a,dc=x"]


def test_the_servers_own_entries() -> None:
    where = of(f"{LDIF}\ndn: cn=Subschema\nobjectClass: person\ncn: Subschema\nsn: x\n")
    on = connected(where)
    request = search("cn=subschema", Scope.BASE_OBJECT, attributes=("sn", "subtreeSpecification"))
    (entry,) = find(on, request).entries
    assert [each.type for each in entry.attributes] == ["subtreeSpecification"]


def _person(n: int, **more: str) -> str:
    return f"dn: uid={n},dc=x\nobjectClass: inetOrgPerson\nuid: {n}\ncn: all\nsn: {n}\n" + "".join(
        [f"{name}: {value}\n" for name, value in more.items()]
    )


def crowd(count: int) -> MemoryDirectory:
    return of("dn: dc=x\nobjectClass: domain\n\n" + "\n".join(_person(n) for n in range(count)))


@pytest.mark.parametrize(("count", "once"), [(AT_ONCE, True), (AT_ONCE + 1, False)])
def test_more_than_a_few(count: int, once: bool) -> None:
    where = crowd(count)
    ready(where, "cn", "uid")
    on = connected(where)
    for filter in ("(cn=all)", "(&(cn=all)(sn=*))", "(|(cn=all)(uid=x))"):
        assert at_once(on, search(BASE, filter=filter)) is once
        assert len(find(on, search(BASE, filter=filter)).names) == count


def test_a_long_filter() -> None:
    where = crowd(3)
    ready(where, "uid")
    on = connected(where)
    for count in (ITEMS, ITEMS + 1):
        filter = f"(|{''.join(f'(uid={n})' for n in range(count))})"
        assert at_once(on, search(BASE, filter=filter)) is (count == ITEMS)
        assert at_once(on, search("uid=1,dc=x", Scope.BASE_OBJECT, filter)) is (count == ITEMS)
        assert len(find(on, search(BASE, filter=filter)).names) == 3


def test_a_long_list_of_attributes() -> None:
    on = connected(of())
    for count in (LONGEST, LONGEST + 1):
        request = search(SOMEBODY_DN, Scope.BASE_OBJECT, attributes=("sn", *[f"x{n}" for n in range(1, count)]))
        assert at_once(on, request) is (count == LONGEST)
        assert find(on, request).values("sn") == [(b"One",)]


def test_an_index_that_is_still_to_be_made() -> None:
    on = connected(of())
    request = search(BASE, filter="(uid=ann)")
    assert not at_once(on, request)
    find(on, request)
    assert at_once(on, request)


def test_an_answer_of_more_than_a_slice() -> None:
    where = of(
        "dn: dc=x\nobjectClass: domain\n\n" + "\n".join(_person(n, description=SLICE // 3 * "x") for n in range(3))
    )
    ready(where, "uid")
    on = connected(where)
    for filter, once in (("(uid=1)", True), ("(|(uid=0)(uid=1)(uid=2))", False)):
        assert at_once(on, search(BASE, filter=filter)) is once
    assert len(find(on, search(BASE, filter="(|(uid=0)(uid=1)(uid=2))")).names) == 3


def test_a_time_limit_that_might_be_over() -> None:
    where = of()
    ready(where, "uid")
    request = search(BASE, filter="(uid=ann)")
    assert at_once(connected(where, time_limit=0), request)
    assert not at_once(connected(where, time_limit=0.1), request)


def test_size_limits_hold() -> None:
    where = crowd(3)
    ready(where, "cn")
    request = search(BASE, filter="(cn=all)")
    for on, code in (
        (connected(where, size_limit=2), ResultCode.SIZE_LIMIT_EXCEEDED),
        (connected(where, ADMIN, size_limit=2), ResultCode.SUCCESS),
        (connected(where, size_limit=3), ResultCode.SUCCESS),
    ):
        assert find(on, request).code is code
        assert at_once(on, request) is (code is ResultCode.SUCCESS)
    for most, code in ((2, ResultCode.SIZE_LIMIT_EXCEEDED), (3, ResultCode.SUCCESS)):
        asked = search(BASE, filter="(cn=all)", size_limit=most)
        assert (len(find(on, asked).names), find(on, asked).code) == (most, code)
        assert at_once(on, asked) is (code is ResultCode.SUCCESS)


def test_where_there_are_referral_objects() -> None:
    where = of(f"{LDIF}\ndn: ou=far,dc=x\nobjectClass: referral\nobjectClass: extensibleObject\nref: ldap://y/\n")
    ready(where, "uid")
    on = connected(where)
    assert not at_once(on, search(BASE, filter="(uid=ann)"))
    assert find(on, search(BASE, filter="(uid=ann)")).references == [("ldap://y/ou=far,dc=x??sub",)]


def test_where_it_is_to_go_wrong() -> None:
    on = faulted(Unavailable("x"), "search", anonymous_search=True)
    request = search(U1, Scope.BASE_OBJECT)
    assert at_once(on, request)
    assert find(on, request).code is ResultCode.UNAVAILABLE


class Counting(MemoryDirectory):
    """One that has a search of its own."""

    searches = 0

    def search(self, base: DN, scope: Scope, filter: Filter) -> Any:
        self.searches += 1
        return super().search(base, scope, filter)


def test_a_directory_that_searches_in_its_own_way_is_asked_to() -> None:
    where = Counting([("x", read_ldif(LDIF, "x"))])
    on = connected(where)
    for _ in range(3):
        assert find(on, search(BASE, filter="(uid=ann)")).names == ["uid=ann,ou=people,dc=x"]
    assert where.searches == 3


class Broken(MemoryDirectory):
    """One that breaks where it is asked for what it finds at once."""

    def search_at_once(self, base: DN, scope: Scope, filter: Filter) -> list[Entry] | None:
        raise KeyError("a bug")


def test_a_bug_is_an_answer_and_not_the_end() -> None:
    on = connected(Broken([("x", read_ldif(LDIF, "x"))]))
    assert find(on, search(BASE, filter="(uid=ann)")).code is ResultCode.OTHER
    assert [type(each) for each in on.channel.failures] == [KeyError]
    assert not on.session.busy
    assert not on.session.closed


def test_the_whole_answer_is_one_write_in_the_turn_of_its_request() -> None:
    where = of()
    ready(where, "uid")
    on = connected(where)
    messages = on.send(search(BASE, filter="(uid=ann)"), search(BASE, filter="(uid=bob)"))
    assert [message.message_id for message in messages] == [1, 1, 2, 2]
    assert not on.channel.turn()
