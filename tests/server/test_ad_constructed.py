"""The example domain completed as a domain controller would, and what is worked out of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ldapserver.directory.ad.account_control import of_loaded
from ldapserver.directory.ad.completion import Creation, Kind, complete, kind_of
from ldapserver.directory.ad.constructed import BASE_OBJECT_ONLY, Domain, as_stored, is_constructed
from ldapserver.directory.ad.guid import derived_guid
from ldapserver.directory.ad.links import Links
from ldapserver.directory.ad.sid import RelativeIds, domain_sid, parse_sid, sid_text, well_known
from ldapserver.directory.entry import Entry, is_password
from ldapserver.directory.filetime import filetime
from ldapserver.directory.ldif import EntryRecord, read_ldif
from ldapserver.directory.policy import NO_POLICY, Policy
from ldapserver.wire.dn import DN

BASE = "dc=contoso,dc=com"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
CONTOSO = domain_sid("contoso.com")


def contoso() -> dict[object, Entry]:
    """The entries of the example by the keys of their names, completed; their SIDs counted from 1100."""
    path = Path(__file__).parents[2] / "examples" / "contoso.ldif"
    rids = RelativeIds(CONTOSO)
    entries: dict[object, Entry] = {}
    for usn, record in enumerate(read_ldif(path.read_text("utf-8"), str(path)), 1):
        assert isinstance(record, EntryRecord)
        given = dict(record.attributes)
        kind = kind_of(given["objectClass"])
        name = given.get("sAMAccountName", (b"",))[0].decode()
        builtin = record.dn.within(DN.parse(f"cn=Builtin,{BASE}"))
        sid = (well_known(CONTOSO, name, builtin=builtin) or rids.allocate()) if kind.is_principal else None
        created = Creation(
            record.dn,
            DN.parse(f"CN=Schema,CN=Configuration,{BASE}"),
            NOW,
            usn,
            derived_guid(str(record.dn)),
            sid,
            control=of_loaded(computer=kind is Kind.COMPUTER, password=any(map(is_password, given))),
        )
        entries[record.dn.key] = Entry(record.dn, complete(as_stored(record.attributes), created))
    return entries


ENTRIES = contoso()
BY_SID = {entry.get("objectSid"): entry.dn for entry in ENTRIES.values() if entry.get("objectSid")}


def values(name: str, attribute: str, policy: Policy = NO_POLICY) -> list[bytes]:
    links = Links()
    for each in ENTRIES.values():
        links.put(each)
    domain = Domain(
        links,
        entry_at=lambda dn: ENTRIES.get(dn.key),
        by_sid=lambda sid: BY_SID.get((sid,)),
        now=lambda: filetime(NOW),
        policy=lambda: policy,
    )
    (computed,) = [each for each in domain.attributes() if each.name == attribute]
    return sorted(computed.values(ENTRIES[DN.parse(f"{name},{BASE}" if name else BASE).key]))


ADMINISTRATOR = "cn=Administrator,cn=Users"
BOB = "cn=Bob Baker,ou=staff"


@pytest.mark.parametrize(
    ("name", "attribute", "due"),
    [
        (ADMINISTRATOR, "distinguishedName", [f"cn=Administrator,cn=Users,{BASE}"]),
        (ADMINISTRATOR, "name", ["Administrator"]),
        ("uid=u1,ou=people", "name", ["u1"]),
        (BOB, "canonicalName", ["contoso.com/staff/Bob Baker"]),
        ("", "canonicalName", ["contoso.com/"]),
        # its primary group is in no memberOf
        (ADMINISTRATOR, "memberOf", [f"cn=Domain Admins,cn=Users,{BASE}"]),
        ("cn=Domain Users,cn=Users", "memberOf", []),
        ("cn=research,ou=groups", "memberOf", [f"cn=all-hands,ou=groups,{BASE}"]),
        ("cn=Alice Apple,ou=staff", "directReports", [f"cn=Bob Baker,ou=staff,{BASE}"]),
        (BOB, "managedObjects", [f"cn=LAPTOP7,cn=Computers,{BASE}"]),
        ("cn=Domain Users,cn=Users", "primaryGroupToken", ["513"]),
        ("cn=Administrators,cn=Builtin", "primaryGroupToken", ["544"]),
        (BOB, "primaryGroupToken", []),
        (ADMINISTRATOR, "msDS-User-Account-Control-Computed", [str(0x800000)]),  # pwdLastSet is 0
        ("cn=svc-web,cn=Users", "msDS-User-Account-Control-Computed", ["0"]),
        ("cn=DC1,ou=Domain Controllers", "msDS-User-Account-Control-Computed", ["0"]),
        ("cn=Domain Users,cn=Users", "msDS-User-Account-Control-Computed", []),
        (ADMINISTRATOR, "msDS-UserPasswordExpiryTimeComputed", ["0"]),
        ("cn=svc-web,cn=Users", "msDS-UserPasswordExpiryTimeComputed", ["9223372036854775807"]),
        ("cn=Domain Users,cn=Users", "msDS-UserPasswordExpiryTimeComputed", []),
    ],
)
def test_attribute_is_worked_out(name: str, attribute: str, due: list[str]) -> None:
    assert [value.decode() for value in values(name, attribute)] == due


def rids(name: str) -> list[str]:
    return sorted(sid_text(sid).rpartition("-")[2] for sid in values(name, "tokenGroups"))


def test_token_groups() -> None:
    assert rids(ADMINISTRATOR) == ["512", "513", "544"]
    research = sid_text(ENTRIES[DN.parse(f"cn=research,ou=groups,{BASE}").key].get("objectSid")[0]).rpartition("-")[2]
    # all-hands, which research is in, is a distribution group
    assert rids(BOB) == sorted(["513", research])
    assert rids("cn=LAPTOP7,cn=Computers") == []  # this domain has no Domain Computers
    assert rids("ou=staff") == []


def test_example_is_a_domain() -> None:
    administrator = ENTRIES[DN.parse(f"{ADMINISTRATOR},{BASE}").key]
    assert sid_text(administrator.get("objectSid")[0]) == f"{sid_text(CONTOSO)}-500"
    builtin = ENTRIES[DN.parse(f"cn=Administrators,cn=Builtin,{BASE}").key]
    assert builtin.get("objectSid") == (parse_sid("S-1-5-32-544"),)
    controls = {
        each.get("sAMAccountName")[0]: each.get("userAccountControl")[0]
        for each in ENTRIES.values()
        if "userAccountControl" in each
    }
    assert controls.pop(b"Guest") == b"66082"
    assert {controls.pop(name) for name in (b"DC1$", b"LAPTOP7$", b"svc-web")} == {b"532480", b"4096", b"66048"}
    assert set(controls.values()) == {b"512"}  # who has a password may bind
    for unique in ("objectSid", "objectGUID", "sAMAccountName", "userPrincipalName"):
        every = [value.lower() for each in ENTRIES.values() for value in each.get(unique)]
        assert len(every) == len(set(every)) > 0


def test_dump_is_kept_without_what_is_worked_out() -> None:
    dump = [("cn", (b"a",)), ("MemberOf", (b"cn=g",)), ("member", (b"cn=b",)), ("distinguishedName", (b"cn=a",))]
    assert as_stored(dump) == [dump[0], dump[2]]
    assert is_constructed("directReports")
    assert is_constructed("tokengroups")
    assert not is_constructed("member")
    assert "tokengroups" in BASE_OBJECT_ONLY


def test_account_that_stores_nonsense_has_no_computed_bits() -> None:
    domain = Domain(Links(), lambda dn: None, lambda sid: None, lambda: filetime(NOW), lambda: NO_POLICY)
    named = {each.name: each for each in domain.attributes()}
    odd = Entry(DN.parse("cn=x"), [("userAccountControl", [b"x"]), ("objectSid", [b"x"]), ("groupType", [b"2"])])
    assert [named[name].values(odd) for name in ("tokenGroups", "primaryGroupToken", "canonicalName")] == [(), (), ()]
    assert named["msDS-User-Account-Control-Computed"].values(odd) == ()
