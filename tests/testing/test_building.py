"""Users and groups in a few words: who was added can bind, and every rule of the directory has held."""

import pickle
import re
from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import ldap3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.testing import Group, Server, User, running_server
from ldapserver.wire.dn import DN
from sasl_digest.ldap3 import Credentials, DigestConnection

PROFILES: dict[str, dict[str, Any]] = {
    "plain": {},
    "strict": {"schema": "strict"},
    "ad": {"profile": "ad"},
    "domain": {"domain": "example.com", "schema": "strict"},
}


@pytest.fixture(params=PROFILES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of its own for each test, with each profile."""
    with running_server(ad_errors=True, **PROFILES[request.param]) as server:
        yield server


def is_domain(server: Server) -> bool:
    return "objectSid" in server.entry(server.base_dn)


def digest(server: Server, name: str, password: str) -> str:
    """The identity of a DIGEST-MD5 bind, else what a domain controller tells."""
    connection = DigestConnection(
        ldap3.Server(server.url, get_info=ldap3.NONE), sasl_credentials=Credentials(name, password)
    )
    try:
        if connection.bind():
            return str(connection.extend.standard.who_am_i()).removeprefix("dn:")
        return re.sub(r".*(data \w+),.*", r"\1", connection.result["message"].rstrip("\0"))
    finally:
        connection.unbind()


def simple(server: Server, dn: str, password: str) -> bool:
    connection = ldap3.Connection(
        ldap3.Server(server.url, get_info=ldap3.NONE), dn, password, check_names=False, raise_exceptions=False
    )
    try:
        return bool(connection.bind())
    finally:
        connection.unbind()


def test_a_user_binds_and_is_in_the_groups(server: Server) -> None:
    alice = server.add_user("alice", "wonderland", groups=["staff"], mail="alice@example.com", description=["a", "b"])
    assert digest(server, "alice", "wonderland") == alice.dn
    assert simple(server, alice.dn, "wonderland")
    assert not simple(server, alice.dn, "Wonderland")
    place = "cn=alice,cn=users" if is_domain(server) else "uid=alice,ou=people"
    assert alice.dn.lower() == f"{place},{server.base_dn.lower()}"
    assert server.entry("staff")["member"] == [alice.dn]
    assert alice.groups == (server.entry("staff").dn,)
    entry = server.entry(alice)
    assert (entry["MAIL"], entry["description"]) == (["alice@example.com"], ["a", "b"])
    assert "userPassword" not in entry
    if is_domain(server):
        assert entry["memberOf"] == [server.entry("staff").dn]
        assert entry["userAccountControl"] == ["512"]
        assert alice.user_principal_name == "alice@example.com"
        assert digest(server, "alice@example.com", "wonderland") == alice.dn


@pytest.mark.parametrize(
    ("state", "data"),
    [
        ({"disabled": True}, "data 533"),
        ({"must_change": True}, "data 773"),
        ({"locked": True}, "data 775"),
        ({"expired": True}, "data 701"),
        ({"expired": datetime(2026, 1, 1, tzinfo=UTC)}, "data 701"),
    ],
    ids=["disabled", "must_change", "locked", "expired", "expired-at"],
)
@pytest.mark.parametrize("scheme", [None, "HA1"])
def test_what_stands_against_an_account(server: Server, state: dict[str, Any], data: str, scheme: str | None) -> None:
    server.add_user("alice", "wonderland", scheme=scheme, **state)
    assert digest(server, "alice", "wonderland") == data


def test_an_account_that_expires_tomorrow_is_let_in_today(server: Server) -> None:
    alice = server.add_user("alice", "wonderland", expired=datetime.now(UTC) + timedelta(days=1))
    assert digest(server, "alice", "wonderland") == alice.dn


@pytest.mark.parametrize(
    ("scheme", "by_digest"),
    [
        ("CLEARTEXT", True),
        ("HA1", True),
        ("WDIGEST", True),
        ("SSHA", False),
        ("ssha256", False),
        ("SSHA512", False),
        ("PBKDF2-SHA256", False),
        (["ssha256", "HA1"], True),
    ],
    ids=str,
)
@pytest.mark.parametrize("profile", ["plain", "domain"])
def test_every_form_of_a_password_is_the_password(profile: str, scheme: str | list[str], by_digest: bool) -> None:
    with running_server(**PROFILES[profile]) as server:
        alice = server.add_user("alice", "pässwörd{", scheme=scheme)
        assert simple(server, alice.dn, "pässwörd{")
        assert not simple(server, alice.dn, "pässwörd")
        assert (digest(server, "alice", "pässwörd{") == alice.dn) == by_digest


def test_a_password_that_looks_like_a_form_is_the_password(server: Server) -> None:
    alice = server.add_user("alice", "{SSHA}secret")
    assert simple(server, alice.dn, "{SSHA}secret")


def test_a_stored_form_of_ones_own_is_an_attribute(server: Server) -> None:
    alice = server.add_user("alice", userPassword="{HA1}example.com:d4f9cc54f7d4f2a4a4d5d3e7d1fb8c5e")
    bob = server.add_user("bob", userPassword="sesame")
    assert (simple(server, alice.dn, "x"), simple(server, bob.dn, "sesame")) == (False, True)


def test_a_password_set_anew_keeps_its_form_and_frees_the_account(server: Server) -> None:
    alice = server.add_user("alice", "old", scheme="ssha256", must_change=True)
    server.set_password(alice, "new")
    assert (simple(server, alice.dn, "old"), simple(server, alice.dn, "new")) == (False, True)
    assert digest(server, "alice", "new") == "data 52e"
    server.set_password("alice", "newer", scheme="HA1", must_change=True)
    assert digest(server, "alice", "newer") == "data 773"
    server.add_user("bob", "old", locked=True)
    server.set_password("bob", "new")
    assert digest(server, "bob", "new") == "data 775"
    server.set_password("bob", "new", unlock=True)
    assert digest(server, "bob", "new") == server.entry("bob").dn


def test_groups_in_groups(server: Server) -> None:
    alice = server.add_user("alice", "wonderland")
    engineers = server.add_group("engineers", [alice], description="They build")
    research = server.add_group("research", ["engineers", alice.dn])
    server.add_user("bob", groups=[engineers, research.dn, "RESEARCH"])
    assert server.entry(research)["member"] == [engineers.dn, alice.dn, server.entry("bob").dn]
    assert server.entry("engineers")["member"] == [alice.dn, server.entry("bob").dn]
    assert research == Group("research", research.dn, (engineers.dn, alice.dn))
    server.add_group("all", [alice], groups=["everything"])
    assert server.entry("everything")["member"] == [server.entry("all").dn]


def test_a_user_whose_third_group_fails_is_not_half_there(server: Server) -> None:
    with pytest.raises(ValueError, match=r"^user 'alice': groups: 'cn=none,\S+' is nobody: no entry has this DN"):
        server.add_user("alice", "wonderland", groups=["one", "two", f"cn=none,{server.base_dn}"])
    for name in ("alice", "one", "two"):
        with pytest.raises(LookupError):
            server.entry(name)
    assert digest(server, "alice", "wonderland") == "data 52e"
    alice = server.add_user("alice", "wonderland", groups=["one"])
    assert server.entry("one")["member"] == [alice.dn]


def test_places_are_made(server: Server) -> None:
    alice = server.add_user("alice", under="ou=berlin,ou=staff")
    assert DN.parse(alice.dn).parent == DN.parse(f"ou=berlin,ou=staff,{server.base_dn}")
    assert "organizationalUnit" in server.entry(f"ou=staff,{server.base_dn}")["objectClass"]
    bob = server.add_user("bob", dn=f"cn=Bob Baker,ou=staff,{server.base_dn}")
    assert server.entry("bob")["cn"] == ["Bob Baker"]
    assert server.entry(bob).dn == f"cn=Bob Baker,ou=staff,{server.base_dn}"
    with pytest.raises(ValueError, match="under: there is no street=x,"):
        server.add_user("carol", under="street=x")


@pytest.mark.parametrize(
    ("name", "more", "error"),
    [
        ("", {}, "name: must not be empty"),
        ("a\ud800", {}, "name: half of a surrogate pair"),
        ("uid=alice,dc=example,dc=com", {}, "name: uid=alice,dc=example,dc=com is a DN: say dn="),
        ("alice", {"password": ""}, "password: must not be empty"),
        ("alice", {"password": 5}, "password: must be text, and not int"),
        ("alice", {"scheme": "HA1"}, "scheme: has no meaning without password"),
        ("alice", {"password": "x", "scheme": "MD5"}, "scheme: 'md5' is none of CLEARTEXT, HA1, WDIGEST, SSHA"),
        ("alice", {"password": "x", "userPassword": "y"}, "userPassword: not together with password"),
        ("alice", {"disabled": "yes"}, "disabled: must be True or False, and not 'yes'"),
        ("alice", {"expired": 1}, "expired: must be True, False or a moment, and not 1"),
        ("alice", {"expired": datetime(2026, 1, 1)}, "expired: a moment must know its zone"),
        ("alice", {"groups": "staff"}, "groups: must be a list"),
        ("alice", {"groups": [5]}, "groups: must be names, DNs, Users or Groups, and not 5"),
        ("alice", {"groups": ["taken"]}, None),
        ("alice", {"pasword": "x"}, "pasword: no such field; password may be meant"),
        ("alice", {"given_name": "x"}, "given_name: is no name of an attribute: letters, digits and hyphens"),
        ("alice", {"mail": object()}, "mail: must be text, octets, a number"),
        ("alice", {"dn": "nothing"}, "dn: "),
        ("alice", {"dn": "cn=a,ou=b", "under": "ou=b"}, "under: not together with dn"),
        ("alice", {"under": ["ou=b"]}, "under: must be text, and not list"),
        ("alice", {"under": ""}, "under: must not be empty"),
        ("alice", {"userPassword": "{MD5}x"}, "{MD5} is no scheme known here"),
        ("alice", {"accountExpires": "soon"}, "accountExpires: "),
        ("taken", {}, "taken,"),
        ("TAKEN", {"under": "ou=elsewhere"}, "name: "),
    ],
    ids=lambda value: "" if value is None or isinstance(value, dict) else ascii(value)[:30],
)
def test_wrong_input_names_the_field_and_the_rule(
    server: Server, name: str, more: dict[str, Any], error: str | None
) -> None:
    server.add_user("taken", "x")
    if error is None:
        more = {"groups": [server.entry("taken").dn]}
        error = f"groups: {server.entry('taken').dn} is no group"
    with pytest.raises(ValueError, match=f"^{re.escape(f'user {name!r}: ')}.*{re.escape(error)}") as raised:
        server.add_user(name, **more)
    assert not isinstance(raised.value, UnicodeError)
    if name == "alice":
        with pytest.raises(LookupError):
            server.entry("alice")


def test_groups_refuse_what_is_wrong(server: Server) -> None:
    with pytest.raises(ValueError, match=r"^group 'staff': members: 'nobody' is nobody: "):
        server.add_group("staff", ["nobody"])
    with pytest.raises(ValueError, match=r"^group 'staff': membres: no such field; members may be meant$"):
        server.add_group("staff", membres=["alice"])
    alice = server.add_user("alice", groups=["staff"])
    with pytest.raises(ValueError, match=r"^group 'staff': .*is there already$"):
        server.add_group("staff", [alice])
    if is_domain(server):  # where no two have one sAMAccountName
        return
    server.add_user("both")
    server.add_group("both", [alice])
    with pytest.raises(ValueError, match=r"^group 'more': members: 'both' may be .* and .*: say the DN$"):
        server.add_group("more", ["both"])


def test_an_empty_group_is_refused_where_the_schema_says_so() -> None:
    with running_server(schema="strict") as server:
        with pytest.raises(ValueError, match=r"^group 'staff': member: required by the class groupOfNames$"):
            server.add_group("staff")
        server.add_group("staff", [server.add_user("alice")])
    with running_server() as server:
        assert server.add_group("staff").members == ()


def test_entries_are_changed_and_removed(server: Server) -> None:
    alice = server.add_user("alice", "x", mail="a@example.com", groups=["staff"])
    server.modify("alice", mail="c@example.com", description="new", add={"ou": ["1", "2"]})
    server.modify(alice, delete={"ou": "1"}, description=None)
    entry = server.entry("alice")
    assert (entry["mail"], entry["ou"], entry["description"]) == (["c@example.com"], ["2"], [])
    with pytest.raises(ValueError, match=r"^modify 'alice': .*ou"):
        server.modify("alice", mail="d@example.com", delete={"ou": "9"})
    assert server.entry("alice")["mail"] == ["c@example.com"]
    server.remove("alice")
    with pytest.raises(LookupError, match=r"^'alice': no entry has this DN, no account or group this name$"):
        server.entry("alice")
    with pytest.raises(ValueError, match=r"^remove 'alice': who: 'alice' is nobody"):
        server.remove("alice")
    staff = server.entry("staff").dn
    above = str(DN.parse(staff).parent)
    with pytest.raises(ValueError, match="there are entries below it"):
        server.remove(above)
    server.remove(above, subtree=True)
    with pytest.raises(LookupError):
        server.entry(staff)


def test_a_password_is_in_no_repr_and_in_no_error(server: Server) -> None:
    alice = server.add_user("alice", "wonderland")
    assert alice.password == "wonderland"
    assert "wonderland" not in repr(alice)
    with pytest.raises(ValueError, match="alice") as raised:
        server.add_user("alice", "wonderland")
    assert "wonderland" not in str(raised.value)
    assert pickle.loads(pickle.dumps(alice)) == alice
    assert isinstance(alice, User)


@pytest.fixture(scope="module", params=["plain", "ad"])
def shared(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for many examples, each of which leaves it as it was."""
    with running_server(**PROFILES[request.param]) as server:
        yield server


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.text(
    ',"\\+<>;=# äж\0', min_size=1, max_size=8
)


@given(name=NAMES, group=NAMES)
def test_any_name_is_escaped(shared: Server, name: str, group: str) -> None:
    user = shared.add_user(name, "secret")
    try:
        (ava,) = DN.parse_strict(user.dn).rdns[0]
        assert ava.value == name.encode()
        assert shared.entry(user).dn == user.dn
        assert name in shared.entry(user)["cn"]
        assert simple(shared, user.dn, "secret")
        if group != name:
            made = shared.add_group("g" + group, [user])
            assert shared.entry(made)["member"] == [user.dn]
            shared.remove(made)
    finally:
        shared.remove(user)


def test_all_that_is_asked_and_answered_pickles(shared: Server) -> None:
    """A server may be in another process."""
    ask = shared._ask

    def over_there(function: Any, *args: Any) -> Any:
        function, args = pickle.loads(pickle.dumps((function, args)))
        return pickle.loads(pickle.dumps(ask(function, *args)))

    server: Any = copy(shared)
    server._ask = over_there
    alice = server.add_user("alice", "wonderland", groups=["staff"])
    server.add_group("more", [alice, "staff"])
    server.set_password(alice, "x", scheme="HA1")
    server.modify(alice, description="a", add={"ou": "b"})
    server.load(ldif=f"dn: {alice.dn}\nchangetype: modify\nreplace: title\ntitle: x\n-\n")
    server.add({"users": {"bob": {"groups": ["more"]}}, "entries": {"ou=x": {"objectClass": "organizationalUnit"}}})
    assert (server.entry(alice)["title"], server.entry("bob")["description"]) == (["x"], [])
    with pytest.raises(ValueError, match="is there already"):
        server.add_user("alice")
    with pytest.raises(LookupError):
        _ = server.administrator
    for who in (alice, "bob", "staff", "more", f"ou=x,{server.base_dn}"):
        server.remove(who)
