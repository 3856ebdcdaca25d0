"""Users, groups and entries as data: mappings, and files of LDIF, JSON and YAML."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ldapserver.testing import Server, running_server
from tests.testing.test_building import digest, simple

YAML = """\
# The people of our tests
users:
  alice:
    password: wonderland
    groups: [staff, admins]
    mail: alice@example.com
    telephoneNumber: 0123
  bob: 0042
  carol: {password: secret, scheme: [HA1, SSHA256], disabled: yes}
  dave:
    password: "no"
    groups: temps
    expired: 2026-01-02T03:04:05Z
  erin:
groups:
  staff: {description: All of us, members: [erin]}
  everybody: [staff, bob]
  temps: {description: Who names it is in it}
  closed:
    members: open
  open:
    members: [closed, bob]
entries:
  ou=printers: {objectClass: organizationalUnit}
  cn=lp0,ou=printers,dc=example,dc=com:
    objectClass: [top, device]
    cn: lp0
    serialNumber: "7"
"""
PROFILES: dict[str, dict[str, Any]] = {
    "plain": {},
    "strict": {"schema": "strict"},
    "domain": {"domain": "example.com"},
}


@pytest.fixture(params=PROFILES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running_server(ad_errors=True, **PROFILES[request.param]) as server:
        yield server


@pytest.fixture
def plain() -> Iterator[Server]:
    with running_server(ad_errors=True) as server:
        yield server


def check(server: Server) -> None:
    """Everybody of YAML is there."""
    alice, bob, erin = server.entry("alice"), server.entry("bob"), server.entry("erin")
    assert digest(server, "alice", "wonderland") == alice.dn
    assert (alice["mail"], alice["telephoneNumber"]) == (["alice@example.com"], ["0123"])
    assert digest(server, "bob", "0042") == bob.dn
    assert digest(server, "carol", "secret") == "data 533"
    assert digest(server, "dave", "no") == "data 701"
    staff, opened = server.entry("staff"), server.entry("open")
    assert sorted(staff["member"]) == sorted([alice.dn, erin.dn])
    assert staff["description"] == ["All of us"]
    assert server.entry("admins")["member"] == [alice.dn]
    assert server.entry("everybody")["member"] == [staff.dn, bob.dn]
    assert server.entry("temps")["member"] == [server.entry("dave").dn]
    assert server.entry("closed")["member"] == [opened.dn]
    assert sorted(opened["member"]) == sorted([server.entry("closed").dn, bob.dn])
    assert server.entry("cn=lp0,ou=printers,dc=example,dc=com")["serialNumber"] == ["7"]


def test_yaml(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(YAML, encoding="utf-8")
    server.load(path)
    check(server)


def test_json_and_a_mapping_say_the_same(plain: Server, tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "users": {
            "alice": {"password": "wonderland", "groups": ["staff", "admins"], "mail": "alice@example.com"},
            "bob": "0042",
            "carol": {"password": "secret", "scheme": ["HA1", "SSHA256"], "disabled": True},
            "dave": {"password": "no", "groups": "temps", "expired": "2026-01-02T03:04:05Z"},
            "erin": None,
        },
        "groups": {
            "staff": {"description": "All of us", "members": ["erin"]},
            "everybody": ["staff", "bob"],
            "temps": None,
            "closed": {"members": "open"},
            "open": {"members": ["closed", "bob"]},
        },
        "entries": {
            "ou=printers": {"objectClass": "organizationalUnit"},
            "cn=lp0,ou=printers,dc=example,dc=com": {
                "objectClass": ["top", "device"],
                "cn": "lp0",
                "serialNumber": 7,
                "description": {"base64": "w6Q="},
            },
        },
    }
    data["users"]["alice"]["telephoneNumber"] = "0123"
    path = tmp_path / "people.JSON"
    path.write_text(json.dumps(data), encoding="utf-8")
    plain.load(str(path))
    check(plain)
    assert plain.entry("cn=lp0,ou=printers,dc=example,dc=com")["description"] == ["ä"]
    with running_server(ad_errors=True, **data) as server:
        check(server)
    with running_server(ad_errors=True) as server:
        server.add(data)
        check(server)


LDIF = """\
dn: dc=example,dc=com
objectClass: domain
dc: example
description: Ours

dn: uid=alice,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: Liddell
userPassword: wonderland
"""
CHANGES = """\
dn: uid=alice,dc=example,dc=com
changetype: modify
replace: mail
mail: alice@example.com
-

dn: uid=bob,dc=example,dc=com
changetype: add
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Baker

dn: uid=bob,dc=example,dc=com
changetype: modrdn
newrdn: uid=rob
deleteoldrdn: 1
"""


def test_ldif_of_entries_and_of_changes(plain: Server, tmp_path: Path) -> None:
    plain.load(ldif=LDIF)
    assert simple(plain, "uid=alice,dc=example,dc=com", "wonderland")
    assert plain.entry("dc=example,dc=com")["description"] == ["Ours"]
    path = tmp_path / "changes.ldif"
    path.write_text(CHANGES, encoding="utf-8")
    plain.load(path)
    assert plain.entry("alice")["mail"] == ["alice@example.com"]
    assert plain.entry("rob")["uid"] == ["rob"]
    path.write_text("dn: uid=rob,dc=example,dc=com\nchangetype: delete\n", encoding="utf-8")
    plain.load(ldif=path)
    with pytest.raises(LookupError):
        plain.entry("rob")


def test_a_file_is_loaded_whole_or_not_at_all(plain: Server) -> None:
    with pytest.raises(
        ValueError, match=r"^ldif:13: uid=eve,ou=none,dc=example,dc=com: refused with NO_SUCH_OBJECT$"
    ):
        plain.load(ldif=LDIF + "\ndn: uid=eve,ou=none,dc=example,dc=com\nobjectClass: account\nuid: eve\n")
    with pytest.raises(LookupError):
        plain.entry("alice")
    assert plain.entry("dc=example,dc=com")["description"] == []
    with pytest.raises(ValueError, match=r"^user 'bob': groups: "):
        plain.add({"users": {"alice": "x", "bob": {"groups": ["cn=none,dc=example,dc=com"]}}})
    with pytest.raises(LookupError):
        plain.entry("alice")


def test_a_server_begins_with_files(tmp_path: Path) -> None:
    people, more = tmp_path / "people.yaml", tmp_path / "more.ldif"
    people.write_text(YAML, encoding="utf-8")
    more.write_text(LDIF.replace("alice", "zoe"), encoding="utf-8")
    with running_server(ad_errors=True, load=[people, more]) as server:
        check(server)
        assert server.entry("zoe").dn == "uid=zoe,dc=example,dc=com"
    with running_server(ad_errors=True, load=people, users={"zoe": {"groups": ["staff"]}}) as server:
        assert server.entry("zoe").dn in server.entry("staff")["member"]


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.yaml", "users:\n  alice:\n    pasword: x\n", "a.yaml:2: user 'alice': pasword: no such field; password"),
        ("a.yaml", "users:\n  alice: x\n  bob: y\n  alice: z\n", "a.yaml:4: alice: is there twice"),
        ("a.yml", "users:\n  alice:\n    mail: x\n    mail: y\n", "a.yml:4: mail: is there twice"),
        ("a.yaml", "users: [alice]\n", "a.yaml:1: users: must be a mapping, of names to what is said of them"),
        ("a.yaml", "people: {}\n", "a.yaml:1: people: is none of users, groups, entries"),
        ("a.yaml", "- alice\n", "a.yaml: must be a mapping of users, groups, entries"),
        (
            "people.yaml",
            "users:\n  alice: x\n\n\n\n  bob: {disabled: maybe}\n",
            "people.yaml:6: user 'bob': disabled: must be true or false, and not 'maybe'",  # as in docs/building.md
        ),
        ("a.yaml", "users:\n  alice: {expired: soon}\n", "a.yaml:2: user 'alice': expired: 'soon' is neither true"),
        ("a.yaml", "users:\n  alice: [x]\n", "a.yaml:2: user 'alice': must be a mapping"),
        ("a.yaml", "groups:\n\n  staff: [nobody]\n", "a.yaml:3: group 'staff': members: 'nobody' is nobody"),
        ("a.yaml", "entries:\n  ou=x: {given_name: y}\n", "a.yaml:2: entry 'ou=x': given_name: is no name of an"),
        ("a.yaml", "entries:\n  oux: {objectClass: top}\n", "a.yaml:2: entry 'oux': dn: "),
        ("a.yaml", "entries:\n  ou=x: {description: y}\n", "a.yaml:2: entry 'ou=x': objectClass: an entry has"),
        ("a.yaml", "users:\n  alice: {secret\n", "a.yaml:3: "),
        ("a.yaml", "users:\n  alice: {password: {a: b}}\n", "a.yaml:2: user 'alice': password: must be text"),
        ("a.yaml", "users: &a\n  alice: *a\n", "a.yaml:1: found unconstructable recursive node"),
        ("a.json", '{"users": {"alice": 5}}', "a.json: user 'alice': must be a mapping"),
        ("a.json", '{"users": {"alice": {"password": 5}}}', "a.json: user 'alice': password: must be text, and not"),
        ("a.json", '{"users": {"a": "x", "a": "y"}}', "a.json: a: is there twice"),
        ("a.json", "[" * 100_000, "a.json: mappings and lists stand too deep inside each other"),
        ("a.yaml", "users: " + "[" * 2_000 + "]" * 2_000, "a.yaml: mappings and lists stand too deep inside each"),
        ("a.json", '{\n"users": secret}', "a.json:2: Expecting value"),
        ("a.json", '["users"]', "a.json: must be a mapping of"),
        ("a.ldif", "dn: uid=a,dc=example,dc=com\nuid a\n", "a.ldif:2: no ':' after the attribute"),
        (
            "a.ldif",
            "dn: uid=a,dc=example,dc=com\nuid: a\n",
            "a.ldif:1: uid=a,dc=example,dc=com: objectClass: an entry",
        ),
        (
            "a.ldif",
            "dn: uid=a,dc=other\nuid: a\nobjectClass: account\n",
            "a.ldif:1: uid=a,dc=other: uid=a,dc=other is",
        ),
        ("a.txt", "", "a.txt: must end with .ldif, .json, .yaml, .yml"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(
    plain: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{re.escape(error)}") as raised:
        plain.load(name)
    assert "secret" not in str(raised.value)
    with pytest.raises(LookupError):
        plain.entry("alice")


@pytest.mark.parametrize("field", ["disabled", "groups"])
def test_what_aliases_make_of_little_is_not_told_whole(plain: Server, tmp_path: Path, field: str) -> None:
    bomb = "entries:\n  cn=a:\n    a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for depth in range(1, 5):
        bomb += f"    a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 10)}]\n"
    file = tmp_path / "bomb.yaml"
    file.write_text(f"{bomb}users:\n  alice: {{{field}: *a4}}\n")
    with pytest.raises(ValueError, match=f"alice': {field}: must be ") as refused:
        plain.load(file)
    assert len(str(refused.value)) < 20_000


def test_load_needs_one_thing(plain: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^load: needs the path of a file, or ldif=$"):
        plain.load()
    with pytest.raises(FileNotFoundError):
        plain.load(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"users: {j\xfcrgen: x}\n")
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: not UTF-8$"):
        plain.load(path)


def test_without_the_library_yaml_says_what_to_install(
    plain: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(YAML, encoding="utf-8")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ValueError, match=r"needs the library PyYAML, which the extra sasl-digest\[yaml\] installs$"):
        plain.load(path)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"users": {"alice": {"pasword": "x"}}}, "user 'alice': pasword: no such field"),
        ({"users": {"alice": {"groups": ["cn=x,dc=example,dc=com"]}}}, "user 'alice': groups: 'cn=x"),
        ({"load": 5}, "load: must be the path of a file, or a list of paths"),
        ({"domain": "exa mple.com"}, "domain: 'exa mple.com' is no DNS name"),
        ({"domain": "example.com", "suffix": "dc=x"}, "suffix: follows from domain"),
        ({"domain": "example.com", "administrator_password": ""}, "administrator_password: must be text"),
        ({"administrator_password": "x"}, "administrator_password: has no meaning without domain"),
    ],
    ids=str,
)
def test_a_server_that_cannot_begin_is_not_there(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(error)}"), running_server(**settings):
        pytest.fail("it began")
