"""A domain and its LDIF files: what is saved is what is loaded again, and dumps of domains are taken as they are."""

from base64 import b64encode
from pathlib import Path

import pytest

from ldapserver.cli import check
from ldapserver.directory.ad.sid import domain_sid, parse_sid, sid_text
from ldapserver.directory.conformance import Conformance
from ldapserver.directory.ldif import write_entry
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.hosting.assembly import load
from ldapserver.hosting.options import read_options
from ldapserver.wire.messages import ResultCode

from .domain import ADD, ALICE, BASE, BOB, EXAMPLE, RESEARCH, Domain, directory

STAMPS = ("creatorsname", "createtimestamp", "modifiersname", "modifytimestamp")


def text(where: MemoryDirectory) -> str:
    return "\n".join(write_entry(dn, attributes) for dn, attributes in where.records(with_secrets=True))


def of(where: MemoryDirectory, attribute: str) -> dict[str, tuple[bytes, ...]]:
    return {str(dn): values for dn, each in where.records() for name, values in each if name == attribute}


def test_what_is_saved_is_what_is_loaded_again(tmp_path: Path) -> None:
    saved = tmp_path / "saved.ldif"
    first = load(read_options(["--profile", "ad", "--ldif", str(EXAMPLE)]))
    domain = Domain(first)
    assert domain.add(f"cn=New,ou=staff,{BASE}", objectClass="user").result_code is ResultCode.SUCCESS
    assert domain.modify(RESEARCH, (ADD, "member", [f"cn=New,ou=staff,{BASE}"])).result_code is ResultCode.SUCCESS
    saved.write_text(text(first))
    second = load(read_options(["--profile", "ad", "--ldif", str(saved)]))
    assert dict(second.records(with_secrets=True)) == dict(first.records(with_secrets=True))
    root = Domain(second).read("", "highestCommittedUSN")
    assert root == domain.read("", "highestCommittedUSN")
    # SIDs go on behind those that are given.
    accounts = [sid_text(sid) for (sid,) in of(second, "objectSid").values() if sid[1] == 5]
    newest = max(int(sid.rpartition("-")[2]) for sid in accounts)
    again = Domain(second)
    assert again.add(f"cn=Newer,ou=staff,{BASE}", objectClass="user").result_code is ResultCode.SUCCESS
    (sid,) = of(second, "objectSid")[f"cn=Newer,ou=staff,{BASE}"]
    assert sid_text(sid).endswith(f"-{newest + 1}")


def test_links_and_secrets_that_are_worked_out_are_not_saved() -> None:
    saved = text(directory()).lower()
    for name in ("memberof", "distinguishedname", "name:", "canonicalname", "primarygrouptoken", "tokengroups"):
        assert f"\n{name}" not in saved


def test_dump_keeps_its_identity() -> None:
    sid = parse_sid("S-1-5-21-1-2-3-1234")
    guid = bytes(range(16))
    where = directory(
        f"""\
dn: {BASE}
objectClass: domainDNS
distinguishedName: {BASE}
name: contoso

dn: cn=Old,{BASE}
objectClass: user
objectSid:: {b64encode(sid).decode()}
objectGUID:: {b64encode(guid).decode()}
memberOf: cn=Gone,{BASE}
whenCreated: 20010101000000.0Z
uSNCreated: 77
uSNChanged: 78
userAccountControl: 66048

dn: cn=New,{BASE}
objectClass: user
"""
    )
    old = Domain(where, name="", anonymous_search=True).read(f"cn=Old,{BASE}", "*")
    assert (old["whenCreated"], old["uSNCreated"], old["uSNChanged"]) == (["20010101000000.0Z"], ["77"], ["78"])
    assert old["userAccountControl"] == ["66048"]
    assert "memberOf" not in old
    assert of(where, "objectGUID")[f"cn=Old,{BASE}"] == (guid,)
    # The domain's SID is that of its accounts, and new ones come behind them.
    assert of(where, "objectSid") == {
        BASE: (parse_sid("S-1-5-21-1-2-3"),),
        f"cn=Old,{BASE}": (sid,),
        f"cn=New,{BASE}": (parse_sid("S-1-5-21-1-2-3-1235"),),
    }
    assert of(where, "uSNCreated")[f"cn=New,{BASE}"] == (b"80",)


def test_nonsense_is_kept_as_it_is() -> None:
    where = directory(f"dn: {BASE}\nobjectClass: domainDNS\nobjectSid: x\n\ndn: cn=u,{BASE}\nobjectClass: user\n")
    assert of(where, "objectSid")[BASE] == (b"x",)
    (sid,) = of(where, "objectSid")[f"cn=u,{BASE}"]
    assert sid_text(sid) == f"{sid_text(domain_sid('contoso.com'))}-1100"


def test_domain_without_a_dns_name_is_one_too() -> None:
    where = directory("dn: o=Acme\nobjectClass: organization\n\ndn: cn=u,o=Acme\nobjectClass: user\n")
    root = Domain(where, name="").read("", "defaultNamingContext", "ldapServiceName")
    assert root["defaultNamingContext"] == ["o=Acme"]


def test_people_without_account_names_are_called_by_their_uid() -> None:
    names = of(directory(), "sAMAccountName")
    assert names[f"uid=jürgen,ou=people,{BASE}"] == ("jürgen".encode(),)
    unnamed = f"dn: {BASE}\nobjectClass: domainDNS\n\ndn: cn=u,{BASE}\nobjectClass: user\n"
    one, two = (of(directory(unnamed), "sAMAccountName")[f"cn=u,{BASE}"] for _ in range(2))
    assert one == two
    assert one[0].startswith(b"$")


def test_example_is_loaded_by_every_policy_that_clients_may_break(capsys: pytest.CaptureFixture[str]) -> None:
    for policy in (Conformance.LENIENT, Conformance.OFF):
        assert check.main(["--profile", "ad", "--schema", policy.value, str(EXAMPLE)]) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[-1] == "0 errors, 0 warnings"
        assert said[0].startswith("31 entries, 14 accounts")


def test_profile_is_plain_unless_asked_for() -> None:
    assert load(read_options(["--ldif", str(EXAMPLE)])).dialect is None
    plain = dict(load(read_options(["--ldif", str(EXAMPLE)])).records())
    assert not any("objectSid" in entry for each in plain.values() for entry in [dict(each)])
    assert load(read_options(["--ldif", str(EXAMPLE), "--profile", "ad"])).dialect is not None


def test_snapshot_goes_back_to_the_whole_domain() -> None:
    domain = Domain()
    kept, before = domain.directory.snapshot(), domain.read(RESEARCH, "*", "+")
    for _ in range(2):
        assert domain.delete(ALICE).result_code is ResultCode.SUCCESS
        assert domain.read(BOB, "manager") == {}
        domain.directory.restore(kept)
        assert domain.read(RESEARCH, "*", "+") == before
        assert domain.read(ALICE, "memberOf") == {"memberOf": [RESEARCH]}
        assert domain.names(f"(memberOf={RESEARCH})") >= {ALICE, BOB}
