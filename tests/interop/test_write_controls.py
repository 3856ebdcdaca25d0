"""The controls of writes as the tools and libraries of others send them, and read what comes back."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import ldap3
import pytest

from ldapserver.controls.known import KNOWN_CONTROLS
from ldapserver.wire.messages import AddRequest, DelRequest, ModifyDNRequest, ModifyRequest
from tests.interop.conftest import absent, tool
from tests.interop.server import BASE, PEOPLE, OurServer, run, running_server

ADMIN, PASSWORD = f"uid=admin,{PEOPLE}", "admin secret"
TOP = f"ou=top,{BASE}"
FAR = f"ou=far,{BASE}"
TREE_DELETE, MANAGE_DSA_IT = ("1.2.840.113556.1.4.805", True, None), ("2.16.840.1.113730.3.4.2", True, None)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """Our server."""
    with running_server(tmp_path_factory.mktemp("controls"), "--admin", ADMIN) as running:
        yield running


@pytest.fixture
def server(running: OurServer) -> OurServer:
    """The same with two entries, as if they had just been made."""
    connection: Any
    with ldap3.Connection(ldap3.Server(running.url), ADMIN, PASSWORD) as connection:
        for dn in (TOP, FAR):
            connection.delete(dn, controls=[TREE_DELETE, MANAGE_DSA_IT])
        assert connection.add(TOP, "organizationalUnit", {"description": "before"})
        referral = {"ref": "ldap://one.example/ou=away,dc=example"}
        assert connection.add(FAR, ["referral", "extensibleObject"], referral)
    return running


def ldap(program: str, server: OurServer, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """`ldap...` as the administrator: exit status, which is the result code, and output."""
    bind = ("-x", "-D", ADMIN, "-w", PASSWORD, "-H", server.url, "-o", "nettimeout=10", "-o", "ldif-wrap=no")
    status, output, error = run(tool(f"ldap{program}"), *bind, *arguments, stdin=stdin.encode())
    return status, output + error


def change(*lines: str, dn: str = TOP) -> str:
    """An LDIF change record."""
    return "\n".join((f"dn: {dn}", *lines, ""))


REPLACED = change("changetype: modify", "replace: description", "description: behind")


def test_ldapmodify_reads_before_and_behind(server: OurServer) -> None:
    status, output = ldap(
        "modify", server, "-e", "!preread=description", "-e", "!postread=description,modifiersName", stdin=REPLACED
    )
    assert status == 0
    before, behind = output.split("1.3.6.1.1.13.2")
    assert "description: before" in before
    assert "description: behind" in behind
    assert f"modifiersName: {ADMIN}" in behind


def test_ldapmodify_asserts(server: OurServer) -> None:
    assert ldap("modify", server, "-e", "!assert=(description=else)", stdin=REPLACED)[0] == 122
    assert ldap("modify", server, "-e", "!assert=(description=before)", stdin=REPLACED)[0] == 0
    assert ldap("delete", server, "-e", "!assert=(description=before)", TOP)[0] == 122
    assert ldap("modrdn", server, "-e", "!assert=(description=before)", TOP, "ou=else")[0] == 122


def test_ldapmodify_manages_referral_objects(server: OurServer) -> None:
    replaced = change("changetype: modify", "replace: description", "description: x", dn=FAR)
    status, output = ldap("modify", server, stdin=replaced)
    assert status == 10
    assert "ldap://one.example/ou=away,dc=example" in output
    assert ldap("modify", server, "-M", stdin=replaced)[0] == 0
    assert ldap("delete", server, "-MM", FAR)[0] == 0


def test_ldapadd_and_ldapdelete_go_up_and_down(server: OurServer) -> None:
    entries = "\n".join(
        f"dn: {dn}\nobjectClass: organizationalUnit\n" for dn in (f"ou=a,{TOP}", f"ou=b,ou=a,{TOP}", f"ou=c,{TOP}")
    )
    assert ldap("add", server, stdin=entries)[0] == 0
    assert ldap("delete", server, TOP)[0] == 66
    assert ldap("delete", server, "-r", f"ou=a,{TOP}")[0] == 0  # which searches, and deletes one after the other
    status, output = ldap("delete", server, "-e", "!1.2.840.113556.1.4.805", TOP)
    assert (status, output) == (0, "")
    assert ldap("search", server, "-b", TOP, "-s", "base")[0] == 32


def test_ldapmodify_is_permitted_what_is_so_already(server: OurServer) -> None:
    permissive = ("-e", "!1.2.840.113556.1.4.1413")
    there = change("changetype: modify", "add: description", "description: BEFORE", "description: more")
    gone = change("changetype: modify", "delete: seeAlso", "-", "delete: description", "description: none")
    assert [ldap("modify", server, stdin=each)[0] for each in (there, gone)] == [20, 16]
    assert [ldap("modify", server, *permissive, stdin=each)[0] for each in (there, gone)] == [0, 0]
    status, output = ldap("search", server, "-LLL", "-b", TOP, "-s", "base", "description")
    assert (status, output) == (0, f"dn: {TOP}\ndescription: before\ndescription: more\n\n")
    # One that fails undoes what was permitted before it.
    failing = change("changetype: modify", "add: description", "description: most", "-", "delete: ou", "ou: top")
    assert ldap("modify", server, *permissive, stdin=failing)[0] == 67
    assert ldap("search", server, "-LLL", "-b", TOP, "-s", "base", "description")[1] == output


def test_ldapmodify_acts_as_another(server: OurServer) -> None:
    as_user = ("-e", f"!authzid=dn:uid=u1,{PEOPLE}")
    assert ldap("modify", server, *as_user, stdin=REPLACED)[0] == 50
    as_admin = ("-e", f"!authzid=dn:{ADMIN}")
    assert ldap("modify", server, *as_admin, stdin=REPLACED)[0] == 0


def test_python_ldap_reads_before_and_behind(server: OurServer) -> None:
    try:
        module: Any = import_module("ldap")
        readentry: Any = import_module("ldap.controls.readentry")
    except ImportError:
        absent("python-ldap")
    connection = module.initialize(server.url)
    connection.simple_bind_s(ADMIN, PASSWORD)
    before = readentry.PreReadControl(criticality=True, attrList=["description", "ou"])
    behind = readentry.PostReadControl(criticality=True, attrList=["*"])
    read = {}
    for message in (
        connection.modify_ext(TOP, [(module.MOD_REPLACE, "description", [b"behind"])], serverctrls=[before, behind]),
        connection.rename(TOP, "ou=new", serverctrls=[before, behind]),
        connection.delete_ext(f"ou=new,{BASE}", serverctrls=[before]),
        connection.add_ext(TOP, [("objectClass", [b"organizationalUnit"])], serverctrls=[behind]),
    ):
        kind, _, _, controls = connection.result3(message)
        read[kind] = [(control.dn, control.entry) for control in controls]
    connection.unbind_s()
    new, classes = f"ou=new,{BASE}", [b"organizationalUnit"]
    assert read == {
        module.RES_MODIFY: [
            (TOP, {"description": [b"before"], "ou": [b"top"]}),
            (TOP, {"objectClass": classes, "description": [b"behind"], "ou": [b"top"]}),
        ],
        module.RES_MODRDN: [
            (TOP, {"description": [b"behind"], "ou": [b"top"]}),
            (new, {"objectClass": classes, "description": [b"behind"], "ou": [b"new"]}),
        ],
        module.RES_DELETE: [(new, {"description": [b"behind"], "ou": [b"new"]})],
        module.RES_ADD: [(TOP, {"objectClass": classes, "ou": [b"top"]})],
    }


def test_ldap3_knows_what_there_is_and_sends_it(server: OurServer) -> None:
    connection: Any
    with ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.ALL), ADMIN, PASSWORD) as connection:
        offered = {control[0] for control in connection.server.info.supported_controls}
        writes = (AddRequest, ModifyRequest, DelRequest, ModifyDNRequest)
        assert {oid for oid, known in KNOWN_CONTROLS.items() if set(writes) & set(known.operations)} <= offered
        permissive = ("1.2.840.113556.1.4.1413", True, None)
        added = {"description": [(ldap3.MODIFY_ADD, ["before"])]}
        assert not connection.modify(TOP, added)
        assert connection.modify(TOP, added, controls=[permissive])
        connection.add(f"ou=a,{TOP}", "organizationalUnit")
        assert not connection.delete(TOP)
        assert connection.delete(TOP, controls=[TREE_DELETE])
