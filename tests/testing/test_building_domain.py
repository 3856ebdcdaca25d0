"""A domain in one call: what Active Directory has when it is new."""

import ldap3
import pytest

from ldapserver.directory.ad.sid import BUILTIN_RIDS, DOMAIN_RIDS, sid_text, split_sid
from ldapserver.testing import Server, running_domain, running_server
from tests.testing.test_building import digest, simple


def rid(server: Server, name: str) -> tuple[str, int]:
    (octets,) = server.entry(name).octets("objectSid")
    domain, rid = split_sid(octets)
    return sid_text(domain), rid


def test_a_domain_has_its_containers_and_its_groups() -> None:
    with running_domain("contoso.com", schema="strict") as server:
        assert server.base_dn == "DC=contoso,DC=com"
        for container in ("CN=Users", "CN=Computers", "CN=Builtin", "OU=Domain Controllers", "CN=System"):
            assert server.entry(f"{container},{server.base_dn}")["objectClass"][0] == "top"
        own, _ = rid(server, "Domain Users")
        # Whoever is known by a RID is there under it; the RODC groups and Users are among them.
        assert {name: rid(server, name) for name in DOMAIN_RIDS} == {
            name: (own, number) for name, number in DOMAIN_RIDS.items()
        }
        assert {name: rid(server, f"CN={name},CN=Builtin,{server.base_dn}") for name in BUILTIN_RIDS} == {
            name: ("S-1-5-32", number) for name, number in BUILTIN_RIDS.items()
        }
        assert server.entry("Domain Admins")["member"] == [server.administrator.dn]
        assert server.entry("Domain Admins").dn in server.entry("Administrators")["member"]
        assert server.entry("Guest")["userAccountControl"] == ["66082"]


def test_the_administrator_writes_and_others_do_not() -> None:
    with running_domain("contoso.com", netbios="CORP", administrator_password="Keys 2") as server:
        administrator = server.administrator
        assert (administrator.name, administrator.password) == ("Administrator", "Keys 2")
        assert digest(server, "CORP\\Administrator", "Keys 2") == administrator.dn
        alice = server.add_user("alice", "wonderland", groups=["Domain Admins", "Protected Users"])
        assert sorted(server.entry(alice)["memberOf"]) == [
            f"CN=Domain Admins,CN=Users,{server.base_dn}",
            f"CN=Protected Users,CN=Users,{server.base_dn}",
        ]
        for who, password, code in ((administrator.dn, "Keys 2", 0), (alice.dn, "wonderland", 50)):
            connection = ldap3.Connection(server.url, who, password, auto_bind=True)
            connection.add(f"CN={code},CN=Users,{server.base_dn}", "user")  # type: ignore[no-untyped-call]
            assert connection.result["result"] == code
            connection.unbind()


def test_accounts_of_users_are_what_a_domain_makes_of_them() -> None:
    with running_server(domain="contoso.com") as server:
        alice = server.add_user("alice", "wonderland", userAccountControl=66048)
        entry = server.entry(alice)
        assert entry["userAccountControl"] == ["66048"]
        assert entry["primaryGroupID"] == ["513"]
        assert entry["sAMAccountName"] == ["alice"]
        assert rid(server, "alice")[1] >= 1100
        with pytest.raises(ValueError, match=r"^user 'bob': .*userPrincipalName"):
            server.add_user("bob", userPrincipalName="alice@contoso.com")
        carol = server.add_user("carol", "x", cn="Carol Clark")
        assert carol.dn == f"CN=Carol Clark,CN=Users,{server.base_dn}"
        assert simple(server, "CONTOSO\\carol", "x")


def test_without_a_domain_there_is_no_administrator() -> None:
    with running_server() as server, pytest.raises(LookupError, match=r"^nobody here is Administrator"):
        _ = server.administrator


def test_the_fixture_is_a_domain(ad_server: Server) -> None:
    assert ad_server.administrator.dn == "CN=Administrator,CN=Users,DC=example,DC=com"
