"""ldap3 as it speaks with Active Directory, with a server of `--profile ad`: extensions, ranges, formatters."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import ldap3
import pytest

from ldapserver.directory.ad.sid import domain_sid, sid_text
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.interop.server import BASE, PEOPLE
from tests.interop.test_tls import TLSServer, running

# ldap3 2.9.1 compares the names in a certificate by a function of ssl that is going.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

ADMIN = f"uid=admin,{PEOPLE}"
ALICE = f"cn=Alice Apple,ou=staff,{BASE}"
BOB = f"cn=Bob Baker,ou=staff,{BASE}"
ENGINEERS = f"cn=engineers,ou=groups,{BASE}"
MEMBERS = [f"cn=m{number},ou=crowd,{BASE}" for number in range(3200)]


def crowd() -> str:
    """A group that takes three ranges, and pages, to read."""
    entries = [f"dn: ou=crowd,{BASE}\nobjectClass: organizationalUnit\n"]
    entries += [f"dn: {name}\nobjectClass: contact\n" for name in MEMBERS]
    entries.append(f"dn: cn=crowd,{BASE}\nobjectClass: group\n" + "".join(f"member: {name}\n" for name in MEMBERS))
    return "\n".join(entries)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSServer]:
    """Our server as a domain controller."""
    folder = tmp_path_factory.mktemp("ad")
    (folder / "crowd.ldif").write_text(crowd())
    with running(folder, "--profile", "ad", "--ldif", str(folder / "crowd.ldif"), "--admin", ADMIN) as running_server:
        yield running_server


@contextmanager
def connected(
    server: TLSServer, user: str, password: str, *, tls: bool = True, info: Any = ldap3.NONE, ranges: bool = True
) -> Iterator[Any]:
    verified = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(Path(server.ca)))
    url = server.named_ldaps if tls else server.named_url
    at = ldap3.Server(url, get_info=info, tls=verified, connect_timeout=10)
    connection = ldap3.Connection(at, user, password, auto_range=ranges, receive_timeout=10)
    assert connection.bind(), connection.result
    try:
        yield connection
    finally:
        connection.unbind()


def test_what_a_domain_controller_says_of_itself(server: TLSServer) -> None:
    with connected(server, ADMIN, "admin secret", info=ldap3.ALL) as connection:
        info, schema = connection.server.info, connection.server.schema
        assert info.other["defaultNamingContext"] == info.other["rootDomainNamingContext"] == [BASE]
        assert info.other["domainFunctionality"] == ["7"]
        assert info.other["isSynchronized"] == ["TRUE"]
        assert "1.2.840.113556.1.4.800" in [feature[0] for feature in info.supported_features]
        assert info.schema_entry == [f"CN=Aggregate,CN=Schema,CN=Configuration,{BASE}"]
        assert schema.attribute_types["objectSid"].oid == "1.2.840.113556.1.4.146"
        assert "user" in schema.object_classes


def test_values_are_formatted(server: TLSServer) -> None:
    with connected(server, "alice@contoso.com", "Apple pie 1", info=ldap3.ALL) as connection:
        assert connection.search(BASE, "(sAMAccountName=administrator)", attributes=["*"])
        (entry,) = connection.entries
        assert entry.objectSid.value == f"{sid_text(domain_sid('contoso.com'))}-500"
        assert entry.objectGUID.value == f"{{{UUID(bytes_le=entry.objectGUID.raw_values[0])}}}"
        assert entry.memberOf.values == [f"cn=Domain Admins,cn=Users,{BASE}"]
        assert entry.pwdLastSet.value.year >= 2026
        assert entry.userAccountControl.value == 512
        # Both can be searched for as they are shown.
        for name in ("objectSid", "objectGUID"):
            assert connection.search(BASE, f"({name}={entry[name].value})", attributes=["1.1"])
            assert [found["dn"] for found in connection.response] == [entry.entry_dn]


def test_every_form_of_a_name_binds(server: TLSServer) -> None:
    for name in ("CONTOSO\\alice", "alice@contoso.com", "contoso.com/staff/Alice Apple", "Alice Apple", ALICE):
        with connected(server, name, "Apple pie 1") as connection:
            assert connection.extend.standard.who_am_i() == f"dn:{ALICE}"


def test_passwords(server: TLSServer) -> None:
    with connected(server, ADMIN, "admin secret") as admin:
        # The administrator's way, and that of users themselves
        assert admin.extend.microsoft.modify_password(BOB, "Rye 3")
        with connected(server, "bob", "Rye 3") as bob:
            assert not bob.extend.microsoft.modify_password(BOB, "Oats 4", "Barley")
            assert bob.result["result"] == 19
            assert bob.extend.microsoft.modify_password(BOB, "Oats 4", "Rye 3")
        with connected(server, "bob", "Oats 4"):
            pass
        with connected(server, ADMIN, "admin secret", tls=False) as clear:
            assert not clear.extend.microsoft.modify_password(BOB, "Spelt 5")
            assert clear.result["description"] == "unwillingToPerform"
        assert admin.extend.microsoft.modify_password(BOB, "Bread rolls 2")


@pytest.mark.parametrize(("cipher", "enough"), [("rc4", True), ("3des", False)])
def test_passwords_inside_a_security_layer(server: TLSServer, cipher: str, enough: bool) -> None:
    credentials = Credentials("admin", "admin secret", qop="auth-conf", cipher=cipher)
    at = ldap3.Server(server.named_url, get_info=ldap3.NONE, connect_timeout=10)
    with DigestConnection(
        at,
        authentication=ldap3.SASL,
        sasl_mechanism=ldap3.DIGEST_MD5,
        sasl_credentials=credentials,
        receive_timeout=10,
    ) as connection:
        assert connection.bound
        # 3DES has 112 bits, and a domain controller asks for 128.
        assert connection.extend.microsoft.modify_password(BOB, "Bread rolls 2") is enough


def test_groups(server: TLSServer) -> None:
    with connected(server, ADMIN, "admin secret") as connection:
        microsoft = connection.extend.microsoft
        assert microsoft.add_members_to_groups([ALICE, BOB], [ENGINEERS])
        assert microsoft.add_members_to_groups([ALICE, BOB], [ENGINEERS])  # again: it looks first
        assert connection.search(BASE, f"(memberOf={ENGINEERS})", attributes=["1.1"])
        assert {ALICE, BOB} <= {found["dn"] for found in connection.response}
        assert microsoft.remove_members_from_groups([ALICE, BOB], [ENGINEERS])
        assert connection.search(ENGINEERS, "(objectClass=*)", attributes=["member"])
        assert ALICE not in connection.response[0]["attributes"]["member"]
        rule = "1.2.840.113556.1.4.1941"
        assert connection.search(BASE, f"(memberOf:{rule}:=cn=all-hands,ou=groups,{BASE})", attributes=["1.1"])
        assert {ALICE, BOB} <= {found["dn"] for found in connection.response}


def test_ranges_and_pages(server: TLSServer) -> None:
    with connected(server, "alice", "Apple pie 1") as connection:
        assert connection.search(f"cn=crowd,{BASE}", "(objectClass=*)", attributes=["member"])
        assert connection.response[0]["attributes"]["member"] == MEMBERS
        connection.search(f"ou=crowd,{BASE}", "(objectClass=contact)", attributes=["1.1"])
        assert (len(connection.response), connection.result["description"]) == (1000, "sizeLimitExceeded")
        paged = connection.extend.standard.paged_search
        found = paged(f"ou=crowd,{BASE}", "(objectClass=contact)", attributes=["1.1"], paged_size=5000)
        assert {entry["dn"] for entry in found} == set(MEMBERS)
    with connected(server, "alice", "Apple pie 1", ranges=False) as connection:
        assert connection.search(f"cn=crowd,{BASE}", "(objectClass=*)", attributes=["member"])
        shown = connection.response[0]["raw_attributes"]
        assert {name: len(values) for name, values in shown.items()} == {"member;range=0-1499": 1500}


def test_entries_by_their_identity(server: TLSServer) -> None:
    with connected(server, "alice", "Apple pie 1") as connection:
        users = "<WKGUID=A9D1CA15768811D1ADED00C04FD8D5CD,dc=contoso,dc=com>"
        for name in (f"<SID={sid_text(domain_sid('contoso.com'))}-500>", users):
            connection.check_names = False
            assert connection.search(name, "(objectClass=*)", ldap3.BASE, attributes=["cn", "objectGUID"]), name
            (found,) = connection.response
            guid = UUID(bytes_le=found["raw_attributes"]["objectGUID"][0])
            assert connection.search(f"<GUID={guid}>", "(objectClass=*)", ldap3.BASE, attributes=["1.1"])
            assert connection.response[0]["dn"] == found["dn"]
