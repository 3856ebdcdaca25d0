"""What programs show of a refusal under --ad-errors, to its NUL: those that take it apart are made for this text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldap3
import pytest

from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.interop import test_jndi, test_openldap_tools
from tests.interop.server import CONTOSO, PEOPLE, OurServer, running_server

OFF = f"""
dn: uid=off,{PEOPLE}
objectClass: inetOrgPerson
uid: off
cn: Olga Off
sn: Off
userAccountControl: 514
userPassword: password
"""
DN = f"uid=off,{PEOPLE}"


def text(mechanism: str, data: str) -> str:
    """The words of a domain controller of Windows Server 2022."""
    of_digest = mechanism == "DIGEST-MD5"
    error = "8009030C: LdapErr: DSID-0C0905D2" if of_digest else "80090308: LdapErr: DSID-0C09042A"
    return f"{error}, comment: AcceptSecurityContext error, data {data}, v4f7c"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """Our server, with one account that is disabled."""
    folder = tmp_path_factory.mktemp("ad-errors")
    ldif = folder / "people.ldif"
    ldif.write_text(CONTOSO.read_text("utf-8") + OFF, "utf-8")
    with running_server(folder, "--ad-errors", "--ad-build", "20348", ldif=ldif) as running:
        yield running


def states(server: OurServer, mark: int) -> list[str]:
    """The Status of each 4776 behind a mark."""
    return [str(event.status) for event in server.events(mark)]


DISABLED = ["0xc0000072", "0xc000006a"]


def test_ldap3_hands_the_text_over_with_its_nul(server: OurServer) -> None:
    mark = server.mark()
    at = ldap3.Server(server.named_url, get_info=ldap3.NONE, connect_timeout=10)
    for password, data in (("password", "533"), ("wrong", "52e")):
        connection: Any = DigestConnection(at, sasl_credentials=Credentials("off", password))
        assert not connection.bind()
        assert connection.result["result"] == 49
        assert connection.result["message"] == text("DIGEST-MD5", data) + "\0"
        connection.unbind()
    assert states(server, mark) == DISABLED
    mark = server.mark()
    for password, data in (("password", "533"), ("wrong", "52e")):
        connection = ldap3.Connection(at, DN, password, receive_timeout=10)
        assert not connection.bind()
        assert connection.result["message"] == text("simple", data) + "\0"
        connection.unbind()
    assert states(server, mark) == DISABLED


def test_openldap_tools_show_it_up_to_its_nul(server: OurServer) -> None:
    mark = server.mark()
    for password, data in (("password", "533"), ("wrong", "52e")):
        by_digest = test_openldap_tools.search(server, *test_openldap_tools.digest("off", password))
        said = f"Invalid credentials (49)\n\tadditional info: {text('DIGEST-MD5', data)}\n"
        assert by_digest == (49, "", f"ldap_sasl_interactive_bind: {said}")
        by_dn = test_openldap_tools.search(server, *test_openldap_tools.by_dn(DN, password))
        said = f"Invalid credentials (49)\n\tadditional info: {text('simple', data)}\n"
        assert by_dn == (49, "", f"ldap_bind: {said}")
    assert states(server, mark) == [status for status in DISABLED for _ in range(2)]


def test_jndi_keeps_its_nul_within_brackets(server: OurServer, bind_class: Path) -> None:
    mark = server.mark()
    for password, data in (("password", "533"), ("wrong", "52e")):
        for mechanism, user in (("DIGEST-MD5", "off"), ("simple", DN)):
            said = f"[LDAP: error code 49 - {text(mechanism, data)}\0]\n"
            assert test_jndi.client(bind_class, server, mechanism, user, password) == (49, "", said)
    assert states(server, mark) == [status for status in DISABLED for _ in range(2)]
