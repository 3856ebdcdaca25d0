"""Links, back links, and membership through groups of groups."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ad.account_control import is_security_group
from ldapserver.directory.ad.filters import Surroundings, rewrite
from ldapserver.directory.ad.links import Links, chain, token_groups
from ldapserver.directory.computed import Computed, by_name
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.ldif import EntryRecord, read_ldif
from ldapserver.directory.schema import core
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import parse_filter

CHAIN = "1.2.840.113556.1.4.1941"
SCHEMA = DN.parse("CN=Schema,CN=Configuration,DC=contoso,DC=com")


def dn(name: str) -> DN:
    return DN.parse(f"cn={name},dc=contoso,dc=com")


def entry(name: str, **links: str) -> Entry:
    """An entry whose links are to entries by the names that are given, apart by blanks."""
    return Entry(dn(name), [(kind, [str(dn(each)).encode() for each in to.split()]) for kind, to in links.items()])


def names(found: Iterable[DN]) -> str:
    return " ".join(sorted(each.rdns[0][0].value.decode() for each in found))


def linked(*entries: Entry) -> Links:
    links = Links()
    for each in entries:
        links.put(each)
    return links


def members(links: Links, text: str, entries: Sequence[Entry]) -> str:
    """Which of `entries` a filter finds, whose memberOf and directReports are computed."""

    def computed(name: str) -> Computed:
        return Computed(name, lambda each: links.back(name, each.dn))

    schema = core()
    back = by_name(schema, [computed("memberOf"), computed("directReports")])
    test = compile_filter(rewrite(parse_filter(text), Surroundings(SCHEMA, links.pointing)), schema, back)
    return names(each.dn for each in entries if test(each))


SPELT = st.sampled_from(
    [f"{kind}={name},dc=contoso,dc=com" for kind in ("cn", "CN") for name in ("a", "b", "B", "c")]
)


@given(st.lists(st.lists(SPELT | st.just("no name"), unique=True), min_size=2, max_size=5))
def test_change_comes_to_what_looking_at_all_of_it_does(versions: list[list[str]]) -> None:
    links = Links()
    before = Entry(dn("g"), [])
    for values in versions:
        after = Entry(dn("g"), [("member", [value.encode() for value in values]), ("manager", [b"cn=x"])])
        links.change(before, after)
        whole = linked(after)
        for each in ("a", "b", "c"):
            assert links.pointing("member", dn(each)) == whole.pointing("member", dn(each))
        assert set(links.pointing("memberOf", dn("g"))) == set(whole.pointing("memberOf", dn("g")))
        before = after
    links.drop(dn("g"))
    assert not links.pointing("member", dn("a"))


def test_back_link_says_what_the_forward_link_says() -> None:
    links = linked(entry("g", member="a b"), entry("h", member="a"), entry("b", manager="a"))
    assert links.back("memberOf", dn("a")) == (b"cn=g,dc=contoso,dc=com", b"cn=h,dc=contoso,dc=com")
    assert links.back("MEMBEROF", dn("B")) == (b"cn=g,dc=contoso,dc=com",)
    assert links.back("directReports", dn("a")) == (b"cn=b,dc=contoso,dc=com",)
    assert links.back("memberOf", dn("g")) == links.back("managedObjects", dn("a")) == ()
    assert names(links.pointing("member", dn("a"))) == "g h"
    assert names(links.pointing("memberof", dn("g"))) == "a b"
    assert links.pointing("cn", dn("a")) == []


def test_entry_that_is_written_anew_links_anew() -> None:
    links = linked(entry("g", member="a b", managedBy="c"))
    links.put(entry("g", member="b d"))
    assert [links.back("memberOf", dn(name)) for name in "abd"] == [(), *[(b"cn=g,dc=contoso,dc=com",)] * 2]
    assert links.back("managedObjects", dn("c")) == ()
    links.drop(dn("g"))
    links.drop(dn("g"))
    assert links.back("memberOf", dn("b")) == ()
    assert vars(links) == vars(Links())  # and nothing is left of it


def test_value_that_is_no_name_links_to_nobody() -> None:
    links = linked(Entry(dn("g"), [("member", [b"nobody", b"\xff", str(dn("a")).encode()])]))
    assert names(links.pointing("memberOf", dn("g"))) == "a"


# everyone > (staff > (eve, ops > (adam, everyone)), guests > gus): a circle, for directories have them
NESTED = (
    entry("everyone", member="staff guests"),
    entry("staff", member="eve ops"),
    entry("ops", member="adam everyone"),
    entry("guests", member="gus"),
    entry("eve", manager="adam"),
    entry("adam", manager="gus"),
    *map(entry, ("gus", "lone")),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"(memberOf:{CHAIN}:=cn=everyone,dc=contoso,dc=com)", "adam eve everyone guests gus ops staff"),
        (f"(memberOf:{CHAIN}:=CN=guests,DC=contoso,DC=com)", "gus"),
        (f"(memberOf:{CHAIN}:=cn=lone,dc=contoso,dc=com)", ""),
        (f"(member:{CHAIN}:=cn=gus,dc=contoso,dc=com)", "everyone guests ops staff"),
        (f"(member:{CHAIN}:=cn=adam,dc=contoso,dc=com)", "everyone ops staff"),
        (f"(manager:{CHAIN}:=cn=gus,dc=contoso,dc=com)", "adam eve"),
        (f"(directReports:{CHAIN}:=cn=eve,dc=contoso,dc=com)", "adam gus"),
        (f"(&(memberOf:{CHAIN}:=cn=staff,dc=contoso,dc=com)(!(member=*)))", "adam eve gus"),
        ("(memberOf=cn=everyone,dc=contoso,dc=com)", "guests staff"),
        # no link, and no name: Undefined, so neither it nor its negation finds anybody
        (f"(seeAlso:{CHAIN}:=cn=gus,dc=contoso,dc=com)", ""),
        (f"(!(member:{CHAIN}:=gus))", ""),
    ],
)
def test_chain_is_followed(text: str, found: str) -> None:
    assert members(linked(*NESTED), text, NESTED) == found


def test_chain_keeps_only_those_that_others_point_to() -> None:
    links = linked(*NESTED)
    assert names(chain("memberOf", dn("everyone"), links.pointing)) == "everyone guests ops staff"
    assert names(chain("memberOf", dn("lone"), links.pointing)) == "lone"


graphs = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), max_size=6)


@given(graphs, st.sampled_from("abcdef"))
def test_chain_finds_whom_walking_finds(graph: dict[str, set[str]], start: str) -> None:
    entries = [entry(name, member=" ".join(sorted(graph.get(name, ())))) for name in "abcdef"]
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for each in graph.get(waiting.pop(), ()):
            if each not in reached:
                reached.add(each)
                waiting.append(each)
    found = members(linked(*entries), f"(memberOf:{CHAIN}:=cn={start},dc=contoso,dc=com)", entries)
    assert found == " ".join(sorted(reached))


def test_token_groups_are_all_security_groups() -> None:
    links = linked(
        entry("admins", member="adam"),
        entry("builtin", member="admins users"),
        entry("mail", member="adam"),
        entry("through-mail", member="mail"),
        entry("users", member="builtin"),
    )
    sids = {dn(name).key: name.encode() for name in ("admins", "builtin", "users", "through-mail")}

    def tokens(name: str, primary: DN | None) -> str:
        found = token_groups(dn(name), primary, lambda of: links.pointing("member", of), lambda of: sids.get(of.key))
        return b" ".join(sorted(found)).decode()

    # "mail" is a distribution group: it gives nothing and leads nowhere
    assert tokens("adam", None) == "admins builtin users"
    assert tokens("eve", dn("users")) == "builtin users"
    assert tokens("eve", None) == ""


def contoso() -> list[Entry]:
    path = Path(__file__).parents[2] / "examples" / "contoso.ldif"
    records = read_ldif(path.read_text("utf-8"), str(path))
    return [Entry(record.dn, record.attributes) for record in records if isinstance(record, EntryRecord)]


def test_contoso_has_groups_in_groups() -> None:
    entries = contoso()
    links = linked(*entries)
    base = "dc=contoso,dc=com"
    assert members(links, f"(memberOf:{CHAIN}:=cn=Administrators,cn=Builtin,{base})", entries) == (
        "Administrator Domain Admins"
    )
    assert members(links, f"(memberOf:{CHAIN}:=cn=research,ou=groups,{base})", entries) == (
        "Alice Apple Bob Baker engineers jürgen u1"
    )
    bob = DN.parse(f"cn=Bob Baker,ou=staff,{base}")
    assert names(links.pointing("managedBy", bob)) == "LAPTOP7"
    types = {each.dn.key: each.get("groupType") for each in entries}
    assert not is_security_group(types[DN.parse(f"cn=all-hands,ou=groups,{base}").key])
    assert is_security_group(types[DN.parse(f"cn=research,ou=groups,{base}").key])
    # every link leads to somebody
    keys = {each.dn.key for each in entries}
    values = [value for each in entries for kind in ("member", "manager", "managedBy") for value in each.get(kind)]
    assert len(values) == 13
    assert all(DN.parse(value.decode()).key in keys for value in values)
