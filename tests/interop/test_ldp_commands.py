"""`ldp`'s commands against our server, against it as Active Directory, and against a real slapd."""

import contextlib
import errno
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ldapserver.cli.ldp import main
from ldapserver.cli.ldp.connection import CIPHERS
from ldapserver.cli.remote import pages
from ldapserver.directory.ldif import EntryRecord, read_ldif
from tests.authority import Authority
from tests.interop.conftest import Answer, Scripted, lying, tool
from tests.interop.server import BASE, ENVIRONMENT, PEOPLE, U1
from tests.interop.slapd import TLS, running_slapd
from tests.interop.tls_server import running_tls_server

ADMIN = f"uid=admin,{PEOPLE}"
ROOT, ROOT_PASSWORD = f"cn=root,{BASE}", "root secret"
PEOPLE_OF_SLAPD = 600  # more than slapd gives at once, 500 unless it is told otherwise
MORE = "".join(
    f"\ndn: cn=p{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: p{number}\nsn: p\njpegPhoto:: /w==\n"
    for number in range(PEOPLE_OF_SLAPD)
)
ELSEWHERE = f"\ndn: ou=far,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nref: ldap://far/{BASE}\n"
# ldap3 2.9.1 compares the names in a certificate by a function of ssl that is going.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

COMMAND = (sys.executable, "-m", "ldapserver.cli.ldp")


@dataclass(frozen=True)
class There:
    """A server: its URLs, the CA of its certificate, and who may write on it."""

    url: str
    secure_url: str
    ca: str
    admin: tuple[str, ...]
    admin_password: str


def ldp(*arguments: str, password: str = "password", stdin: str = "") -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one run, in this process, for its imports take long."""
    status, output, error = _in_this_process(arguments, password, stdin.encode())
    assert password not in output + error or password == "password"
    return status, output, error


def _in_this_process(arguments: tuple[str, ...], password: str, stdin: bytes) -> tuple[int, str, str]:
    octets = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(each, encoding="utf-8", write_through=True) for each in octets)
    outer = os.dup(0), sys.stdin, os.environ.get("LDP_PASSWORD")
    with tempfile.TemporaryFile() as given, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        given.write(stdin)
        given.seek(0)
        os.dup2(given.fileno(), 0)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
        os.environ["LDP_PASSWORD"] = password
        try:
            status = main(arguments)
        finally:
            sys.stdin.close()
            os.dup2(outer[0], 0)
            os.close(outer[0])
            sys.stdin = outer[1]
            del os.environ["LDP_PASSWORD"]
            if outer[2] is not None:
                os.environ["LDP_PASSWORD"] = outer[2]
    return status, octets[0].getvalue().decode(), octets[1].getvalue().decode()


def ldp_outside(*arguments: str, password: str = "password", stdin: str = "") -> tuple[int, str, str]:
    """The same as a process: ldap3 drops a socket that TLS has refused without closing it."""
    run = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        env={**ENVIRONMENT, "LDP_PASSWORD": password},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert "Traceback" not in run.stderr
    return run.returncode, run.stdout, run.stderr


def objects(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def _named(url: str) -> str:
    return url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """Our server."""
    with _ours(tmp_path_factory.mktemp("ours")) as there:
        yield there


@pytest.fixture(scope="module")
def domain_controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """Our server, as Active Directory has its entries."""
    with _ours(tmp_path_factory.mktemp("ad"), "--profile", "ad", "--ad-errors") as there:
        yield there


@contextlib.contextmanager
def _ours(folder: Path, *options: str) -> Iterator[There]:
    with running_tls_server(folder, "--admin", ADMIN, *options) as server:
        yield There(server.url, server.secure_url, server.ca, ("-u", "admin"), "admin secret")


@pytest.fixture(scope="module")
def openldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """A real slapd."""
    folder = tmp_path_factory.mktemp("slapd")
    with running_slapd(
        tool("slapd"),
        tool("slapadd"),
        folder,
        tls=TLS.throw_away(folder),
        more_entries=MORE + ELSEWHERE,
        more_of_database=[
            f'rootdn "{ROOT}"',
            f'rootpw "{ROOT_PASSWORD}"',
            "access to attrs=userPassword by self write by anonymous auth by * none",
        ],
    ) as running:
        assert running.ldaps_url is not None
        yield There(
            running.url, _named(running.ldaps_url), str(folder / "ca.pem"), ("--simple", "-u", ROOT), ROOT_PASSWORD
        )


@pytest.fixture(params=["ours", "domain_controller", "openldap"])
def there(request: pytest.FixtureRequest) -> There:
    """Each of them in turn."""
    found: There = request.getfixturevalue(request.param)
    return found


# Who one is, and how it is protected


@pytest.mark.parametrize("tls", ["clear", "start-tls", "ldaps"])
def test_every_protection_inside_and_outside_tls(there: There, tls: str) -> None:
    where = {
        "clear": (there.url,),
        "start-tls": (there.url, "--start-tls", "--ca", there.ca),
        "ldaps": (there.secure_url, "--ca", there.ca),
    }[tls]
    status, output, _ = ldp("bind", *where, "-u", "u1", "--qop", "auth", "--json")
    assert (status, objects(output)[0]["qop"]) == (0, "auth")
    offered = [("auth-int", None), *(("auth-conf", cipher) for cipher in CIPHERS)]
    agreed = []
    for qop, cipher in offered:
        how = ("--qop", qop, *(() if cipher is None else ("--cipher", cipher)))
        status, output, error = ldp("bind", *where, "-u", "u1", *how, "--json")
        (outcome,) = objects(output)
        if status == 0:
            agreed.append((outcome["qop"], outcome["cipher"]))
        elif outcome["code"] is None:
            assert (status, outcome["outcome"]) == (80, "broken-off")
            assert "is not offered; the server offers" in error
        else:  # slapd offers ciphers that the system's library has not got any more
            assert (status, outcome["outcome"], outcome["code"]) == (80, "refused", 80)
    assert set(agreed) <= set(offered)
    if there.admin_password != ROOT_PASSWORD:
        assert agreed == [("auth-int", None), ("auth-conf", "3des"), ("auth-conf", "rc4")]
    else:
        assert {("auth-int", None), ("auth-conf", "rc4")} <= set(agreed)


def test_simple_anonymous_and_digest_in_each_way(there: There) -> None:
    user = f"uid=u1,ou=people,{BASE}"
    for where in ((there.url,), (there.url, "--start-tls", "--ca", there.ca), (there.secure_url, "--ca", there.ca)):
        for who, authzid in (
            (("-u", "u1"), user),
            (("-u", user, "--simple"), user),
            ((), ""),
            (("--anonymous",), ""),
        ):
            status, output, error = ldp("whoami", *where, *who, "--json")
            assert (status, error) == (0, "")
            told = objects(output)[0]["authzid"]
            # Active Directory says the account's name, u:CONTOSO\u1.
            assert told in ({f"dn:{user}", "u:CONTOSO\\u1"} if authzid else {""})


def test_transcript_of_tls(there: There) -> None:
    status, output, error = ldp("whoami", there.secure_url, "--ca", there.ca, "-u", "u1")
    assert (status, error) == (0, "")
    lines = output.splitlines()
    assert lines[0] == f'ld = ldap_sslinit("localhost", {there.secure_url.rpartition(":")[2]}, 1);'
    assert lines[1:3] == [
        "Error 0 = ldap_set_option(hLdap, LDAP_OPT_PROTOCOL_VERSION, 3);",
        "Error 0 = ldap_connect(hLdap, NULL);",
    ]
    assert lines[3].startswith("Host supports SSL, SSL cipher strength = ")
    assert lines[4].startswith("TLS: TLSv1.")
    assert lines[5] == "Established connection to localhost."


@pytest.mark.parametrize("start_tls", [False, True], ids=["ldaps", "start-tls"])
def test_certificates_that_are_not_to_be_trusted_are_81(there: There, start_tls: bool, tmp_path: Path) -> None:
    url, how = (there.url, ("--start-tls",)) if start_tls else (there.secure_url, ())
    status, output, error = ldp_outside("whoami", url, *how, "-u", "u1", "--json")
    assert (status, output) == (81, "")
    assert "certificate verify failed" in error
    status, output, error = ldp("whoami", url, *how, "--insecure", "-u", "u1", "--json")
    assert status == 0
    assert error.startswith("ldp: --insecure: the server's certificate is NOT verified")


def test_a_certificate_for_another_name_is_81(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    from ldapserver.certificates import throw_away

    made, ca = throw_away(["dc1.contoso.com"])
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "ca.pem").write_bytes(ca)
    (tmp_path / "cert.pem").write_bytes(b"".join(each.public_bytes(pem) for each in made.chain))
    (tmp_path / "key.pem").write_bytes(made.key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def answer(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as inside:
            inside.recv(1)

    with closing_listener(answer) as port:
        url = f"ldaps://127.0.0.1:{port}"
        status, output, error = ldp_outside("bind", url, "--ca", str(tmp_path / "ca.pem"), "--anonymous", "--json")
    assert (status, objects(output)[0]["outcome"]) == (81, "unreachable")
    assert (
        error
        == f"ldp: {url} cannot be reached: socket ssl wrapping error: the certificate is for none of ['127.0.0.1']\n"
    )


def test_by_a_socket_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "ldapi"
    url = f"ldapi://{str(path).replace('/', '%2F')}"
    with running_tls_server(tmp_path, "--listen", url):
        status, output, _ = ldp("whoami", url, "--external", "--json")
        assert status == 0
        who = f"gidNumber={os.getgid()}+uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
        assert objects(output) == [{"authzid": f"dn:{who}"}]
        status, output, _ = ldp("whoami", url, "-u", "u1", "--qop", "auth-conf")
        assert (status, output.splitlines()[0]) == (0, f'ld = ldap_open("{path}", 0);')


def test_a_certificate_instead_of_a_password(tmp_path: Path) -> None:
    clients = Authority()
    (tmp_path / "clients.pem").write_bytes(clients.pem)
    certificate, key = clients.issue().write(tmp_path)
    with running_tls_server(tmp_path, "--tls-ca", str(tmp_path / "clients.pem")) as server:
        shown = ("--client-cert", str(certificate), "--client-key", str(key), "--ca", server.ca, "--external")
        for where in ((server.secure_url,), (server.url, "--start-tls")):
            status, output, error = ldp("whoami", *where, *shown, "--json")
            assert (status, objects(output), error) == (0, [{"authzid": f"dn:{U1}"}], "")
        status, output, _ = ldp("bind", server.secure_url, *shown)
        assert (status, "res = ldap_bind_s(ld, NULL, NULL, EXTERNAL (166)); // v.3\n" in output) == (0, True)


def test_a_digest_is_bound_to_its_tls(tmp_path: Path) -> None:
    with running_tls_server(tmp_path, "--channel-binding", "always") as server:
        where = (server.secure_url, "--ca", server.ca, "-u", "u1", "--json")
        assert ldp("whoami", *where)[0] == 49
        assert ldp("whoami", *where, "--channel-binding")[0] == 0


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["ldp", "json"])
def test_what_goes_over_the_wire_stands_beside_the_output(
    form: tuple[str, ...], ours: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(connection: object, level: int, say: Callable[[str], None]) -> None:
        say(f"{type(connection).__name__} at level {level}")

    monkeypatch.setattr("ldapserver.cli.ldp.wire.watch", watch)
    for option, level in (("-v", 1), ("-vv", 2)):
        status, output, error = ldp("whoami", ours.url, option, *form)
        assert status == 0
        assert (error if form else output).startswith(f"DigestConnection at level {level}\n")
        assert output.endswith('{"authzid": ""}\n' if form else "Who am I: <anonymous>\n-----------\n")
        assert "at level" not in (output if form else error)


# What there is


def test_search_in_every_form(there: There) -> None:
    user = f"uid=u1,ou=people,{BASE}"
    asked = ("-u", "u1", "-b", BASE, "-f", "(uid=u1)", "-a", "uid,sn")
    status, output, error = ldp("search", there.url, *asked)
    assert (status, error) == (0, "")
    assert f'***Searching...\nldap_search_s(ld, "{BASE}", 2, "(uid=u1)", attrList,  0, &msg)\n' in output
    shown = output.partition("Getting 1 entries:\n")[2].splitlines()
    assert shown[0] == f"Dn: {user}"
    assert shown[-1] == "-----------"
    assert "uid: u1; " in shown
    status, output, _ = ldp("search", f"{there.url}/{BASE}?uid?sub?(uid=u1)", "-u", "u1", "--json")
    assert (status, objects(output)) == (0, [{"dn": user, "attributes": {"uid": ["u1"]}}])
    status, output, _ = ldp("search", there.url, *asked, "--ldif")
    (record,) = read_ldif(output, "output")
    assert isinstance(record, EntryRecord)
    assert (status, str(record.dn), dict(record.attributes)["uid"]) == (0, user, (b"u1",))


def test_nothing_found_is_no_error_and_no_such_base_is(there: There) -> None:
    asked = ("-u", "u1", "-f", "(uid=nobody-here)")
    assert ldp("search", there.url, *asked, "-b", BASE, "--ldif")[:2] == (0, "version: 1\n")
    assert ldp("search", there.url, *asked, "-b", BASE, "--json")[:2] == (0, "")
    status, output, error = ldp("search", there.url, *asked, "-b", f"ou=none,{BASE}")
    assert (status, error) == (32, "")
    assert "Error: Search: No Such Object. <32>\n" in output
    assert output.endswith("Getting 0 entries:\n-----------\n")
    status, output, error = ldp("search", there.url, *asked, "-b", f"ou=none,{BASE}", "--json")
    assert (status, output) == (32, "")
    assert error.startswith("ldp: search: noSuchObject (32)")


def test_attributes_of_active_directory_as_ldp_shows_them(domain_controller: There) -> None:
    status, output, _ = ldp("search", domain_controller.url, "-u", "u1", "-b", U1, "-s", "base")
    assert status == 0
    shown = dict(line.split(": ", 1) for line in output.partition("Getting 1 entries:\n")[2].splitlines()[:-1])
    assert shown["userAccountControl"] == "0x200 = ( NORMAL_ACCOUNT ); "
    assert shown["accountExpires"] == "9223372036854775807 (never); "
    assert shown["objectSid"].startswith("S-1-5-21-")
    assert len(shown["objectGUID"]) == len("ac666f04-679d-52f7-ae01-7e20131fa8f6; ")
    assert shown["whenCreated"].endswith("M Coordinated Universal Time; ")
    guid = shown["objectGUID"].removesuffix("; ")
    status, output, _ = ldp(
        "search", domain_controller.url, "-u", "u1", "-b", f"<GUID={guid}>", "-s", "base", "-a", "1.1", "--json"
    )
    assert (status, objects(output)) == (0, [{"dn": U1, "attributes": {}}])


def test_pages_limits_and_referrals_of_slapd(openldap: There) -> None:
    people = ("-f", "(cn=p*)", "-a", "cn", "-a", "jpegPhoto", "-b", BASE)
    root = (*openldap.admin, "--json")
    status, output, error = ldp("search", openldap.url, *people, *root, password=ROOT_PASSWORD)
    found = objects(output)
    assert (status, len(found)) == (0, PEOPLE_OF_SLAPD)
    assert found[0]["attributes"] == {"cn": ["p0"], "jpegPhoto": [{"base64": "/w=="}]}
    assert error == f"ldp: what is there is not asked for: ldap://far/{BASE}??sub\n"
    # slapd gives one that stands where a page ends on the next page too
    small = ("-b", BASE, "-f", "(cn=p1*)", "--page-size", "1", "--ldif", "-u", "u1")
    status, output, again = ldp("search", openldap.url, *small)
    assert (status, again) == (0, error)
    for page in ("0", "7", "500"):
        limited = ("--size-limit", "10", "--page-size", page)
        status, output, error = ldp("search", openldap.url, *people, *root, *limited, password=ROOT_PASSWORD)
        assert (status, len(objects(output))) == (4, 10)
        assert "ldp: search: sizeLimitExceeded (4)\n" in error
    status, output, _ = ldp("search", openldap.url, *people, *openldap.admin, password=ROOT_PASSWORD)
    assert status == 0
    assert [line for line in output.splitlines() if line.startswith("Getting")] == [
        "Getting 500 entries:",
        "Getting 100 entries:",
    ]
    assert output.count(f">> Referral: ldap://far/{BASE}??sub\n") == 1
    assert "jpegPhoto: <ldp: Binary blob 1 bytes>; \n" in output
    status, output, _ = ldp("search", openldap.url, "-b", f"ou=x,ou=far,{BASE}", "-u", "u1")
    assert status == 10
    assert f">> Referral: ldap://far/ou=x,{BASE}??sub\n" in output


@pytest.mark.parametrize("page", ["0", "2", "3", "500"])
def test_a_limit_that_the_server_does_not_count_is_kept(
    page: str, ours: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_limit(*arguments: Any, size_limit: int, **options: Any) -> Iterator[list[dict[str, Any]]]:
        yield from pages(*arguments, **options)

    monkeypatch.setattr("ldapserver.cli.ldp.search.pages", without_limit)
    asked = ("search", ours.url, "-u", "u1", "-b", BASE, "--json", "--page-size", page)
    status, output, error = ldp(*asked, "--size-limit", "3")
    assert (status, len(objects(output)), error) == (4, 3, "ldp: search: sizeLimitExceeded (4)\n")
    status, output, _ = ldp(*asked, "--size-limit", "1", "-s", "base")
    assert (status, len(objects(output))) == (0, 1)


def test_passwords_that_a_server_shows_are_not_shown(openldap: There) -> None:
    asked = ("search", openldap.url, *openldap.admin, "-b", f"uid=u1,ou=people,{BASE}", "-s", "base")
    for form in ("--json", "--ldif"):
        status, output, _ = ldp(*asked, form, password=ROOT_PASSWORD)
        assert status == 0
        assert "userPassword" not in output
    status, output, _ = ldp(*asked, password=ROOT_PASSWORD)
    assert "userPassword: <ldp: 8 bytes, not shown>; \n" in output


def test_compare_is_an_exit_status(there: There) -> None:
    user = f"uid=u1,ou=people,{BASE}"
    status, output, _ = ldp("compare", there.url, user, "uid=U1", "-u", "u1")
    assert status == 0
    assert output.endswith(f'ldap_compare_s(ld, "{user}", "uid", "U1")\nResults: TRUE. <6>\n-----------\n')
    status, output, _ = ldp("compare", there.url, user, "uid::dTI=", "-u", "u1")
    assert status == 1
    assert output.endswith("Results: FALSE. <5>\n-----------\n")
    status, output, _ = ldp("compare", there.url, user, "uid=u1", "-u", "u1", "--json")
    assert (status, objects(output)) == (0, [{"dn": user, "attribute": "uid", "equal": True}])
    assert ldp("compare", there.url, f"uid=none,{BASE}", "uid=u1", "-u", "u1")[0] == 32


def test_rootdse_in_every_form(there: There) -> None:
    status, output, error = ldp("rootdse", there.url, "-a", "supportedLDAPVersion")
    assert (status, error) == (0, "")
    assert output.endswith("Getting 1 entries:\nDn: (RootDSE)\nsupportedLDAPVersion: 3; \n-----------\n")
    status, output, _ = ldp("rootdse", there.url, "--json")
    (root,) = objects(output)
    assert isinstance(root["attributes"], dict)
    assert (root["dn"], BASE in root["attributes"]["namingContexts"]) == ("", True)
    status, output, _ = ldp("rootdse", there.url, "-a", "supportedLDAPVersion", "--ldif")
    assert (status, output) == (0, "version: 1\n\ndn:\nsupportedLDAPVersion: 3\n")


# What is changed

NINA = f"uid=nina,ou=new,{BASE}"
ENTRIES = f"""\
dn: ou=new,{BASE}
objectClass: organizationalUnit
ou: new

dn: {NINA}
objectClass: inetOrgPerson
uid: nina
cn: Nina
givenName:: TsOvbmE=
sn: New
"""
CHANGES = f"""\
dn: {NINA}
changetype: modify
replace: sn
sn: Newer
-
add: description
description: one
-
delete: description
description: one
-
add: description
description: two
-

dn: {NINA}
changetype: modrdn
newrdn: uid=nina2
deleteoldrdn: 1
"""


def test_add_modify_and_delete(there: There, tmp_path: Path) -> None:
    def admin(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        return ldp(*arguments, *there.admin, password=there.admin_password, stdin=stdin)

    file = tmp_path / "new.ldif"
    file.write_text(ENTRIES)
    status, output, error = admin("add", there.url, str(file))
    assert (status, error) == (0, "")
    assert f'***Call Add...\nldap_add_s(ld, "{NINA}", [5] attrs)\nAdded {{{NINA}}}.\n-----------\n' in output
    again = admin("add", there.url, "--json", stdin=ENTRIES)
    assert (again[0], [each["code"] for each in objects(again[1])]) == (80, [68])
    again = admin("add", there.url, "--json", "--continue", stdin=ENTRIES)
    assert (again[0], [each["result"] for each in objects(again[1])]) == (80, ["entryAlreadyExists"] * 2)
    status, output, _ = ldp("search", there.url, "-u", "u1", "-b", NINA, "-s", "base", "-a", "givenName", "--json")
    assert (status, objects(output)) == (0, [{"dn": NINA, "attributes": {"givenName": ["Nïna"]}}])
    status, output, error = admin("modify", there.url, "-", stdin=CHANGES)
    assert (status, error) == (0, "")
    assert f"***Call Modify...\nldap_modify_s(ld, '{NINA}',[4] attrs);\nModified \"{NINA}\".\n" in output
    assert f'ldap_rename_ext_s(ld, "{NINA}", "uid=nina2", NULL, TRUE, NULL, NULL)\nRenamed' in output
    renamed = NINA.replace("nina", "nina2")
    how = ("--replace", "description=a", "--replace", "description=b", "--delete", "givenName", "--json")
    status, output, _ = admin("modify", there.url, "--dn", renamed, *how)
    assert (status, objects(output)) == (
        0,
        [{"dn": renamed, "operation": "modify", "code": 0, "result": "success", "text": ""}],
    )
    status, output, _ = ldp("search", there.url, "-u", "u1", "-b", renamed, "-s", "base", "--json")
    (held,) = objects(output)
    assert isinstance(held["attributes"], dict)
    assert {name: held["attributes"].get(name) for name in ("uid", "sn", "description", "givenName")} == {
        "uid": ["nina2"],
        "sn": ["Newer"],
        "description": ["a", "b"],
        "givenName": None,
    }
    assert admin("modify", there.url, "--dn", renamed, "--add", "description=c", "--delete", "description=a")[0] == 0
    status, output, _ = ldp("search", there.url, "-u", "u1", "-b", renamed, "-a", "description", "--json")
    assert (status, objects(output)) == (0, [{"dn": renamed, "attributes": {"description": ["b", "c"]}}])
    status, output, _ = admin("delete", there.url, f"ou=new,{BASE}")
    assert status == 80
    assert "Error: Delete: Not Allowed On Non-Leaf. <66>\n" in output
    status, output, _ = admin("delete", there.url, f"ou=new,{BASE}", "--subtree")
    assert status == 0
    assert output.endswith(f'Deleted "ou=new,{BASE}"\n-----------\n')
    assert admin("delete", there.url, f"ou=new,{BASE}", "--json")[0] == 32


def test_what_others_may_not_is_50(there: There) -> None:
    status, output, _ = ldp("delete", there.url, f"uid=jürgen,ou=people,{BASE}", "-u", "u1")
    assert status == 50
    assert "Error: Delete: Insufficient Rights. <50>\n" in output
    status, output, error = ldp("add", there.url, "-u", "u1", "--json", stdin=ENTRIES)
    assert (status, objects(output)[0]["code"]) == (50, 50)
    assert error.startswith("ldp: add: insufficientAccessRights (50)")


def test_ldif_that_is_wrong_is_64_before_anything_is_sent(there: There) -> None:
    broken = f"{ENTRIES}\ndn: nonsense\n"
    status, output, error = ldp("add", there.url, *there.admin, password=there.admin_password, stdin=broken)
    assert (status, output) == (64, "")
    assert error.startswith("ldp: standard input:")
    status, output, error = ldp("add", there.url, "-u", "u1", stdin=CHANGES)
    assert (status, output, error) == (64, "", "ldp: line 1: a change of another kind than add is for ldp modify\n")
    status, output, error = ldp("modify", there.url, "-", "-u", "u1", stdin=ENTRIES)
    assert (status, output, error) == (64, "", "ldp: line 1: an entry without 'changetype:' is for ldp add\n")


def test_passwords_are_set(there: There) -> None:
    secure = (there.secure_url, "--ca", there.ca)
    jürgen = f"uid=jürgen,ou=people,{BASE}"
    stdin = f"{there.admin_password}\nNeues pässwort 1\n"
    status, output, error = ldp("passwd", *secure, jürgen, *there.admin, "--password-stdin", stdin=stdin)
    assert (status, error) == (0, "")
    assert output.endswith(f'Changed the password of "{jürgen}".\n-----------\n')
    assert ldp("whoami", there.url, "-u", "jürgen", password="pässwörd")[0] == 49
    assert ldp("whoami", there.url, "-u", "jürgen", password="Neues pässwort 1")[0] == 0
    status, output, error = ldp(
        "passwd", *secure, jürgen, *there.admin, "--generate", "--json", password=there.admin_password
    )
    (made,) = objects(output)
    assert (status, error, made["changed"]) == (0, "", ["password"])
    assert ldp("whoami", there.url, "-u", "jürgen", password=str(made["password"]))[0] == 0
    status, output, _ = ldp("passwd", *secure, jürgen, "-u", "u1", "--generate")
    assert status == 50
    assert "Error: Passwd: Insufficient Rights. <50>\n" in output


# What goes wrong


@contextlib.contextmanager
def closing_listener(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port where each connection is given to `answer`, and closed when that is done."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer, contextlib.suppress(OSError):
                    answer(peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


COMMANDS = {
    "bind": ("--anonymous",),
    "search": ("-b", BASE),
    "compare": (U1, "uid=u1"),
    "whoami": (),
    "rootdse": (),
    "add": (),
    "modify": ("--dn", U1, "--replace", "mail=x"),
    "delete": (U1,),
    "passwd": (U1, "-u", "u1", "--generate"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_statuses_of_servers_that_are_none(command: str) -> None:
    def run(url: str, *options: str) -> tuple[int, str]:
        command_line = (command, url, *COMMANDS[command], *options)
        status, output, error = ldp(*command_line, "--json", stdin=ENTRIES)
        assert error.startswith(f"ldp: {url}"), error
        assert error.count("\n") == 1
        outcomes = [each["outcome"] for each in objects(output)]
        assert outcomes == (["unreachable"] if command == "bind" and status == 81 else [])
        return status, error

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    status, error = run(f"ldap://127.0.0.1:{port}")
    assert (status, os.strerror(errno.ECONNREFUSED) in error) == (81, True)
    with closing_listener(lambda peer: peer.recv(1)) as port:
        assert run(f"ldap://127.0.0.1:{port}")[0] == 81
        assert run(f"ldaps://127.0.0.1:{port}")[0] == 81

    def of_the_web(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.recv(99)

    with closing_listener(of_the_web) as port:
        assert run(f"ldap://127.0.0.1:{port}", "--timeout", "5")[0] in (80, 81)
    # What goes on for as long as the client does: it is the client that leaves.
    with closing_listener(lambda peer: [peer.recv(9999) for _ in range(2)]) as port:
        status, error = run(f"ldap://127.0.0.1:{port}", "--timeout", "1")
        assert (status, "timed out" in error) == (81, True)


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "rootdse"])
def test_a_server_that_lies_or_is_silent_about_itself_is_82(scripted: Scripted, command: str) -> None:
    arguments = [each for each in COMMANDS[command] if each != "--anonymous"]
    if "-u" not in arguments:
        arguments += ["-u", "u1"]
    for verdict in (lying, lambda response: Answer(0)):
        server = scripted(verdict=verdict)
        status, _, error = ldp(command, server.url, *arguments, stdin=ENTRIES)
        assert status == 82
        assert "rspauth" in error
        # and it is told nothing more
        assert set(server.operations) <= {"bindRequest", "searchRequest", "unbindRequest"}
        assert command == "bind" or "searchRequest" not in server.operations


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["search", "ldap://h?x"], "a '/' is due before the '?'"),
        (["search", "ldap://h/dc=x", "-b", "dc=y"], "--base: the URL names one"),
        (["search", "ldap://h/dc=x??one", "-s", "sub"], "--scope: the URL names one"),
        (["search", "ldap://h/dc=x???(a=b)", "-f", "(a=c)"], "--filter: the URL has one"),
        (["search", "ldap://h/dc=x?cn", "-a", "sn"], "--attributes: the URL names some"),
        (["search", "ldap://h", "-f", "(a=b"], "--filter: "),
        (["search", "ldap://h", "-b", "nonsense"], "--base: "),
        (["search", "ldap://h", "-a", "a b"], "--attributes: 'a b' is no attribute"),
        (["search", "ldap://h", "--size-limit", "x"], "'x' is not a number of entries"),
        (["search", "ldap://h", "--json", "--ldif"], "--ldif: not allowed with argument --json"),
        (["whoami", "ldap://h/dc=x"], "nothing may follow the address"),
        (["whoami", "ldap://h", "--simple"], "--simple: needs --user"),
        (["whoami", "ldap://h", "-p", "hunter2"], "--password: has no place without --user"),
        (["whoami", "ldap://h", "-u", "u1", "--anonymous"], "--user: has no place with --anonymous"),
        (["whoami", "ldap://h", "-u", "u1", "--external"], "--user: has no place with --external"),
        (["whoami", "ldap://h", "--authzid", "u:x"], "--authzid: has no place without --user or --external"),
        (["whoami", "ldaps://h", "--start-tls"], "--start-tls: has no place with ldaps://"),
        (["whoami", "ldap://h", "--ca", "x"], "--ca: has no meaning without TLS"),
        (["whoami", "ldap://h", "--insecure"], "--insecure: has no meaning without TLS"),
        (["whoami", "ldaps://h", "--ca", "/none"], "argument --ca: /none: No such file or directory"),
        (["whoami", "ldaps://h", "--client-cert", "/none"], "argument --client-cert: /none: No such file"),
        (["whoami", "ldaps://h", "--client-key", "x"], "--client-key: needs --client-cert"),
        (["whoami", "ldap://h", "--timeout", "0"], "'0' is not a number of seconds"),
        (["whoami", "ldap://h", "hunter2"], "unrecognized arguments: 1 too many"),
        (["whoami", "ldap://h", "--json=hunter2"], "argument --json: takes no value"),
        (["compare", "ldap://h", "dc=x", "hunter2"], "ATTRIBUTE=VALUE: not of the form NAME=VALUE"),
        (["compare", "ldap://h", "dc=x", "cn::hunter2"], "ATTRIBUTE=VALUE: cn: not base64"),
        (["add", "ldap://h", "/none"], "argument FILE: /none: No such file or directory"),
        (["add", "ldap://h", "-u", "u1", "--password-stdin"], "standard input has the LDIF"),
        (["modify", "ldap://h"], "what to change is not known"),
        (["modify", "ldap://h", "--dn", "dc=x"], "--dn: needs a change"),
        (["modify", "ldap://h", "--dn", "dc=x", "f", "--add", "a=b"], "--dn: has no place with FILE"),
        (["modify", "ldap://h", "f", "--add", "a=b"], "--add: needs --dn"),
        (["modify", "ldap://h", "--dn", "x", "--add", "a=b"], "--dn: "),
        (["delete", "ldap://h", ""], "DN: must not be empty"),
        (["passwd", "ldap://h"], "who changes it is not known"),
        (["passwd", "ldap://h", "", "-u", "u1"], "USER: must not be empty"),
        (["bind", "ldap://h"], "who binds is not known"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_is_64_and_one_line_without_what_may_be_a_password(arguments: list[str], error: str) -> None:
    status, output, said = ldp(*arguments)
    assert (status, output) == (64, "")
    assert error in said
    assert said.startswith("ldp: ")
    assert said.count("\n") == 1
    assert "hunter2" not in said


def test_passwords_come_from_where_is_written_first(ours: There) -> None:
    asked = ("whoami", ours.url, "-u", "u1", "--json")
    assert ldp(*asked, "-p", "password", password="wrong!")[0] == 0
    assert ldp(*asked, "--password-stdin", stdin="password\n", password="wrong!")[0] == 0
    assert ldp(*asked, password="wrong!")[0] == 49
    status, _, error = ldp(*asked, "-p", "prompt")
    assert (status, error) == (64, "ldp: no terminal to ask for the password: use --password-stdin\n")


def test_interrupt_and_a_reader_that_leaves(openldap: There) -> None:
    arguments = ("search", openldap.url, *openldap.admin, "-b", BASE, "--json")
    environment = {**ENVIRONMENT, "LDP_PASSWORD": ROOT_PASSWORD}
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [*COMMAND, *arguments], env=environment, stdout=writing, stderr=subprocess.PIPE, check=False, text=True
    )
    os.close(writing)
    assert (run.returncode, [line for line in run.stderr.splitlines() if "is not asked for" not in line]) == (141, [])
    come = threading.Event()

    def silent(peer: socket.socket) -> None:
        peer.recv(99)
        come.set()
        peer.recv(99)

    with (
        closing_listener(silent) as port,
        subprocess.Popen(
            [*COMMAND, "whoami", f"ldap://127.0.0.1:{port}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert come.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == "ldp: interrupted\n"
        assert process.returncode == 130


def test_help_is_a_manual_and_loads_no_client() -> None:
    program = (
        "import sys; from ldapserver.cli.ldp import main\n"
        "for command in sys.argv[1:]:\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit as ended: assert not ended.code\n"
        "    print(end='\\f')\n"
        "sys.stderr.write(' '.join({'ldap3', 'pyasn1', 'twisted', 'rich'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *COMMANDS], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    manuals = dict(zip(COMMANDS, run.stdout.split("\f"), strict=False))
    assert set(manuals) == set(COMMANDS)
    for command, manual in manuals.items():
        assert f"\n  ldp {command} ldap" in manual
        assert "exit status: 0 success" in manual
