"""`ldp load` and -vv with servers of others: slapd, and ours."""

import json

import ldap3
import pytest

from ldapserver.cli.ldp import main
from ldapserver.cli.ldp.wire import watch
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.interop.server import BASE, U1


@pytest.mark.parametrize(
    "mode",
    [
        ["--mode", "digest"],
        ["--mode", "simple", "--dn", U1],
        ["--mode", "search", "--base", BASE, "--filter", "(uid={user})"],
    ],
    ids=["digest", "simple", "search"],
)
def test_every_operation_succeeds(directory_server: str, mode: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    # Cyrus SASL looks at the host of a digest-uri, and knows this machine as localhost.
    url = directory_server.replace("127.0.0.1", "localhost")
    assert main(["load", url, "--users", "u1:password", "--count", "20", "--json", *mode]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["succeeded"], found["errors"]) == (20, {})


def test_every_message_of_a_bind_and_a_search_is_by_the_grammar(directory_server: str) -> None:
    lines: list[str] = []
    url = directory_server.replace("127.0.0.1", "localhost")
    connection = DigestConnection(
        ldap3.Server(url, get_info=ldap3.NONE), sasl_credentials=Credentials("u1", "password", qop="auth-int")
    )
    watch(connection, 2, lines.append, colours=False)
    assert connection.bind(read_server_info=False)
    assert connection.search(BASE, "(&(uid=u1)(!(cn=nobody)))", attributes=["*", "+"])
    connection.unbind()
    text = "\n".join(lines)
    assert "not by the grammar" not in text
    assert f'object OCTET STRING "{U1}"' in text
    assert "-- from here on inside a security layer, auth-int" in text
