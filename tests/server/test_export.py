"""`ldapserver export`: what it writes of our server and of LDIF files, and the one line when it cannot."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ldapserver.cli import main, remote
from ldapserver.cli.remote import Login
from ldapserver.cli.search_url import SearchURL
from ldapserver.directory.ldif import Attributes, EntryRecord, read_ldif
from ldapserver.url import InvalidURL, ListenURL
from ldapserver.wire.messages import Scope
from tests.interop.server import BASE, PEOPLE, ROOT, U1, OurServer, run, running_server

CONTOSO = str(ROOT / "examples" / "contoso.ldif")

# ldap3 2.9.1 compares the names in a certificate by a function of ssl that is going.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

GROUPS = ("engineers", "administrators", "research", "all-hands")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """Our server, with TLS and u1 who may bind."""
    folder = tmp_path_factory.mktemp("export")
    with running_server(folder, "--tls", "auto", "--tls-ca-out", str(folder / "ca.pem")) as running:
        yield running


Export = Callable[..., tuple[int, str, str]]


@pytest.fixture
def export(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Export:
    """Runs the command with u1's password in the environment: status, standard output, standard error."""
    monkeypatch.setenv("LDP_PASSWORD", "password")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["export", *arguments])
        told = capfdbinary.readouterr()
        return status, told.out.decode(), told.err.decode()

    return run


def entries(ldif: str) -> dict[str, dict[str, tuple[bytes, ...]]]:
    """The entries of a text, which must be LDIF, by name."""
    read = [record for record in read_ldif(ldif, "output") if isinstance(record, EntryRecord)]
    return {str(record.dn): dict(record.attributes) for record in read}


def without_secrets(ldif: str) -> dict[str, dict[str, tuple[bytes, ...]]]:
    return {
        name: {each: values for each, values in attributes.items() if each != "userPassword"}
        for name, attributes in entries(ldif).items()
    }


# From a server


def test_all_that_a_server_has_is_the_ldif_it_was_given_without_the_passwords(
    server: OurServer, export: Export
) -> None:
    status, output, error = export(server.url, "--user", "u1")
    assert (status, error) == (0, "")
    assert output.startswith("version: 1\n\ndn: dc=contoso,dc=com\n")
    assert entries(output) == without_secrets(Path(CONTOSO).read_text("utf-8"))


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        (f"/{PEOPLE}?cn?base", [PEOPLE]),
        (
            f"/ou=groups,{BASE}?cn?one",
            [f"cn={cn},ou=groups,{BASE}" for cn in GROUPS],
        ),
        (f"/{BASE}???(uid=u1)", [U1]),
        (f"/{BASE}???(%75id=u1)", [U1]),
    ],
    ids=["base", "one", "filter", "escaped"],
)
def test_the_url_says_what_is_wanted(rest: str, names: list[str], server: OurServer, export: Export) -> None:
    status, output, _ = export(server.url + rest, "--user", "u1")
    assert (status, list(entries_of_any(output))) == (0, names)


def entries_of_any(output: str) -> Iterator[str]:
    """The names in an output, whose entries may have nothing of what was asked for."""
    return (line.removeprefix("dn: ") for line in output.splitlines() if line.startswith("dn: "))


def test_json_is_an_object_a_line(server: OurServer, export: Export) -> None:
    status, output, _ = export(f"{server.url}/{BASE}?cn?sub?(|(uid=u1)(uid=jürgen))", "--user", "u1", "--json")
    assert status == 0
    assert [json.loads(line) for line in output.splitlines()] == [
        {"dn": U1, "attributes": {"cn": ["Una One"]}},
        {"dn": f"uid=jürgen,{PEOPLE}", "attributes": {"cn": ["Jürgen Groß"]}},
    ]
    assert output.isascii()


def test_operational_attributes_come_when_asked_for(server: OurServer, export: Export) -> None:
    url = f"{server.url}/{U1}??base"
    _, plain, _ = export(url, "--user", "u1")
    _, full, _ = export(url, "--user", "u1", "--operational")
    assert "entryDN" not in entries(plain)[U1]
    assert entries(full)[U1]["entryDN"] == (U1.encode(),)
    assert entries(plain)[U1].items() <= entries(full)[U1].items()


@pytest.mark.parametrize("how", [("--user", "u1", "--qop", "auth-conf"), ("--simple", U1)], ids=["sealed", "simple"])
def test_inside_tls_too(how: tuple[str, ...], server: OurServer, export: Export) -> None:
    ca = str(server.audit.with_name("ca.pem"))
    status, output, error = export(f"{server.url}/{U1}??base", "--start-tls", "--ca", ca, *how)
    assert (status, list(entries(output)), error) == (0, [U1], "")


def test_the_password_is_read_from_standard_input(server: OurServer) -> None:
    command = (sys.executable, "-m", "ldapserver", "export", f"{server.url}/{U1}?uid?base", "--user", "u1")
    assert run(*command, "--password-stdin", stdin=b"password\n")[:2] == (0, f"version: 1\n\ndn: {U1}\nuid: u1\n")
    wrong = (49, "", "ldapserver export: bind: invalidCredentials (49): Invalid credentials\n")
    assert run(*command, "--password-stdin", stdin=b"Password\n") == wrong
    nobody = "ldapserver export: no terminal to ask for the password: use --password-stdin\n"
    assert run(*command) == (2, "", nobody)


def test_a_file_is_written_whole_or_not_at_all(server: OurServer, export: Export, tmp_path: Path) -> None:
    target = tmp_path / "out.ldif"
    target.write_text("old")
    status, output, error = export(f"{server.url}/dc=none", "--user", "u1", "-o", str(target))
    assert (status, output) == (32, "")
    assert error == "ldapserver export: search below dc=none: noSuchObject (32)\n"
    assert target.read_text() == "old"
    assert export(f"{server.url}/{U1}?uid?base", "--user", "u1", "-o", str(target)) == (0, "", "")
    assert target.read_text() == f"version: 1\n\ndn: {U1}\nuid: u1\n"
    assert os.listdir(tmp_path) == ["out.ldif"]
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_nobody_may_read_is_refused_with_the_servers_code(server: OurServer, export: Export) -> None:
    status, output, error = export(f"{server.url}/{BASE}")
    assert (status, output) == (50, "")
    assert error.startswith(f"ldapserver export: search below {BASE}: insufficientAccessRights (50)")


def test_a_server_that_is_not_there_is_status_81(export: Export, tmp_path: Path) -> None:
    status, output, error = export(f"ldapi://{str(tmp_path / 'none').replace('/', '%2F')}/{BASE}")
    assert (status, output) == (81, "")
    assert "No such file or directory" in error


def test_what_another_server_shows_of_passwords_is_left_out(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    def shows(*_: object, operational: bool) -> Iterator[tuple[str, Attributes]]:
        yield "cn=a", (("cn", (b"a",)), ("userPassword", (b"hunter2",)), ("unicodePwd;x-old", (b"hunter2",)))

    monkeypatch.setattr("ldapserver.cli.export.remote_entries", shows)
    for form in ((), ("--json",)):
        status, output, _ = export("ldap://127.0.0.1/cn=a", *form)
        assert status == 0
        assert "cn=a" in output
        assert "hunter2" not in output
        assert "password" not in output.lower()


def test_a_password_is_in_no_repr() -> None:
    assert "hunter2" not in repr(Login("u1", password="hunter2"))


def test_pages_are_as_long_as_active_directory_allows() -> None:
    assert 1 < remote.PAGE <= 1000


# From a file


def test_a_file_comes_out_sorted_and_without_passwords(export: Export, tmp_path: Path) -> None:
    source = tmp_path / "in.ldif"
    source.write_text(
        "# a comment\ndn: uid=a, OU=p,dc=x\nobjectClass: account\nuserPassword: {CLEARTEXT}hunter2\nphoto:: /w==\n\n"
        "dn: ou=p,dc=x\nobjectClass: organizationalUnit\nentryUUID: 9f2e0000-0000-4000-8000-000000000000\n\n"
        "dn: dc=x\nobjectClass: domain\n"
    )
    parents = "version: 1\n\ndn: dc=x\nobjectClass: domain\ndc: x\n\ndn: OU=p,dc=x\nobjectClass: organizationalUnit\n"
    uuid = "entryUUID: 9f2e0000-0000-4000-8000-000000000000\n"
    leaf = "ou: p\n\ndn: uid=a,OU=p,dc=x\nobjectClass: account\nphoto:: /w==\nuid: a\n"
    secret = "userPassword: {CLEARTEXT}hunter2\n"
    assert export(str(source)) == (0, f"{parents}{leaf}", "")
    status, output, error = export(str(source), "--with-secrets", "--operational")
    assert (status, error) == (0, "")
    assert uuid in output
    assert output.endswith(secret)
    assert [line.partition(":")[0] for line in output.split("dn: uid=a")[1].splitlines()[1:]] == [
        *("objectClass", "photo", "uid", "structuralObjectClass", "entryUUID", "creatorsName", "createTimestamp"),
        *("modifiersName", "modifyTimestamp", "userPassword"),
    ]
    _, output, _ = export(str(source), "--json", "--with-secrets")
    assert json.loads(output.splitlines()[-1])["attributes"] == {
        "objectClass": ["account"],
        "photo": [{"base64": "/w=="}],
        "uid": ["a"],
        "userPassword": ["{CLEARTEXT}hunter2"],
    }


def test_what_comes_out_goes_in_and_comes_out_the_same(export: Export, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.ldif", tmp_path / "twice.ldif"
    assert export(CONTOSO, "--with-secrets", "-o", str(once))[0] == 0
    assert export(str(once), "--with-secrets", "-o", str(twice))[0] == 0
    assert once.read_bytes() == twice.read_bytes()
    assert entries(once.read_text()) == entries(Path(CONTOSO).read_text("utf-8"))
    assert once.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "the following arguments are required: SOURCE"),
        (("/none.ldif",), "argument SOURCE: /none.ldif: No such file or directory"),
        (("http://x/",), "http://x/: neither a file nor of ldap://, ldaps://, ldapi://"),
        (
            ("ldap://x", "--with-secrets"),
            "argument --with-secrets: no search returns passwords: only an LDIF file has",
        ),
        (("ldaps://x", "--start-tls"), "argument --start-tls: has no place with ldaps://"),
        (("ldap://x", "--ca", "y"), "argument --ca: has no meaning without TLS"),
        (("ldaps://x", "--ca", "/none"), "argument --ca: /none: No such file or directory"),
        (("ldap://x", "--qop", "auth"), "argument --qop: has no place without --user"),
        (("ldap://x", "--password-stdin"), "argument --password-stdin: has no place without --user or --simple"),
        (("ldap://x", "--user", ""), "argument --user: must not be empty"),
        (("ldap://x", "--user", "\udcff"), "the name or the password is not UTF-8"),
        ((CONTOSO, "--user", "u1"), "argument --user: has no place with a file"),
        ((CONTOSO, "--start-tls"), "argument --start-tls: has no place with a file"),
        ((CONTOSO, "-o", "/none/x"), "argument -o: /none/x: No such file or directory"),
        ((CONTOSO, "-o", "/dev/null"), "argument -o: /dev/null: is no regular file"),
        ((CONTOSO, "--jsn"), "unrecognized arguments: --jsn"),
    ],
    ids=lambda value: " ".join(value).replace("\udcff", "octet") if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_one_line_and_status_2(arguments: tuple[str, ...], line: str, export: Export) -> None:
    status, output, error = export(*arguments)
    assert (status, output) == (2, "")
    assert error.startswith(f"ldapserver export: {line}")
    assert error.count("\n") == 1


def test_an_ldif_that_is_wrong_is_told_by_line_and_leaves_the_file(export: Export, tmp_path: Path) -> None:
    source, target = tmp_path / "in.ldif", tmp_path / "out.ldif"
    source.write_text("dn: dc=x\nobjectClass domain\n")
    target.write_text("old")
    status, output, error = export(str(source), "-o", str(target))
    assert (status, output) == (2, "")
    assert error == f"ldapserver export: {source}:2: no ':' after the attribute (RFC 2849, attrval-spec)\n"
    assert target.read_text() == "old"


def test_who_stops_reading_ends_it_quietly() -> None:
    command = f"{sys.executable} -m ldapserver export {CONTOSO} | true; exit ${{PIPESTATUS[0]}}"
    status, _, error = run("bash", "-c", command)
    assert error == ""
    assert status in (0, 141)  # it may have been done before


# The URL


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ldap://h", SearchURL(ListenURL("h", 389), "", (), Scope.WHOLE_SUBTREE, "(objectClass=*)")),
        ("LDAPS://h/", SearchURL(ListenURL("h", 636, tls=True), "", (), Scope.WHOLE_SUBTREE, "(objectClass=*)")),
        ("ldap:///dc=x", SearchURL(ListenURL("localhost", 389), "dc=x", (), Scope.WHOLE_SUBTREE, "(objectClass=*)")),
        ("ldap://:3890/", SearchURL(ListenURL("localhost", 3890), "", (), Scope.WHOLE_SUBTREE, "(objectClass=*)")),
        (
            "ldap://[::1]:1/o=A%3fB%2CC?cn,sn;lang-de?OnE?(cn=%2a)?x=y",
            SearchURL(ListenURL("::1", 1), "o=A?B,C", ("cn", "sn;lang-de"), Scope.SINGLE_LEVEL, "(cn=*)"),
        ),
        (
            "ldapi://%2Fs/dc=x??base",
            SearchURL(ListenURL(path="/s"), "dc=x", (), Scope.BASE_OBJECT, "(objectClass=*)"),
        ),
    ],
)
def test_a_url_is_read_as_rfc_4516_says(text: str, meant: SearchURL) -> None:
    if "%2C" in text:
        # The comma is one of the name's own only when the name escapes it: here it separates, and is no RDN.
        with pytest.raises(InvalidURL):
            SearchURL.parse(text)
        text, base = text.replace("%2C", "%5C%2C"), r"o=A?B\,C"
        meant = SearchURL(meant.server, base, meant.attributes, meant.scope, meant.filter)
    assert SearchURL.parse(text) == meant


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ldap://h?x", "a '/' is due before the '?'"),
        ("ldap://h:0/", "the port must be a number from 1 to 65535"),
        ("ldap://h:x/", "the port must be a number from 0 to 65535"),
        ("ldap://u@h/", "needs an address"),
        ("ldap://h/dc", "dc"),
        ("ldap://h/%ff", "not UTF-8"),
        ("ldap://h/?a b", "'a b' is no attribute"),
        ("ldap://h/??all", "'all' is no scope; there is base, one, sub"),
        ("ldap://h/???(cn=", "')' must come here (RFC 4515 section 3)"),
        ("ldap://h/????!x", "the extension !x is not known"),
        ("ldap://h/?????", "nothing may follow the extensions"),
    ],
)
def test_a_url_that_is_none_is_refused(text: str, line: str) -> None:
    with pytest.raises(InvalidURL) as refused:
        SearchURL.parse(text)
    assert line in str(refused.value)
