"""PLAIN with the clients of others: inside TLS and by a Unix socket, and nowhere else."""

import subprocess
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import ldap3
import pytest

from tests.interop.conftest import absent, tool
from tests.interop.server import ENVIRONMENT, PEOPLE, REJECTED, SUCCESS, U1, WRONG, run, simple
from tests.interop.test_tls import CLIENTS, TLSServer, both_ways, connected, openldap, running

# ldap3 2.9.1 compares the names in a certificate by a function of ssl that is going.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

ACCOUNTS = {"u1": "password", "jürgen": "pässwörd", "quoted": 'a"b\\c,d=e', "hashed": "sesame"}
every_account = pytest.mark.parametrize(("user", "password"), ACCOUNTS.items(), ids=ACCOUNTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSServer]:
    """Our server, which nobody's handshake fails with."""
    with running(tmp_path_factory.mktemp("plain")) as running_server:
        yield running_server
    assert running_server.log == []


def plain(user: str, password: str) -> tuple[str, ...]:
    """The options of a bind."""
    return ("-Q", "-Y", "PLAIN", "-U", user, "-w", password)


@both_ways
@every_account
def test_openldap_tools(server: TLSServer, ldaps: bool, user: str, password: str) -> None:
    mark = server.mark()
    tls = "ldaps" if ldaps else "StartTLS"
    assert openldap("whoami", server, *plain(user, password), tls=tls) == (0, f"dn:uid={user},{PEOPLE}\n", "")
    assert server.events(mark) == [simple(user)]


def test_all_who_may_not_bind_are_told_the_same(server: TLSServer) -> None:
    mark = server.mark()
    told = [openldap("whoami", server, *plain(user, WRONG)) for user in REJECTED]
    assert told[0][0] == 49
    assert told == [told[0]] * len(REJECTED)
    # A hash that no digest can be checked with is as good as any other here.
    expected = {**REJECTED, "salted": REJECTED["u1"]}
    assert server.events(mark) == [simple(user, status) for user, status in expected.items()]


def test_in_the_clear_it_is_not_offered(server: TLSServer) -> None:
    root = ("-x", "-LLL", "-b", "", "-s", "base", "supportedSASLMechanisms")
    listed = {tls: openldap("search", server, *root, tls=tls)[1].splitlines()[1:-1] for tls in ("", "ldaps")}
    assert listed[""] == ["supportedSASLMechanisms: DIGEST-MD5"]
    assert listed["ldaps"] == ["supportedSASLMechanisms: DIGEST-MD5", "supportedSASLMechanisms: PLAIN"]
    at = ldap3.Server(server.named_url, get_info=ldap3.NONE)
    sasl: dict[str, Any] = {
        "authentication": ldap3.SASL,
        "sasl_mechanism": "PLAIN",
        "sasl_credentials": (None, "u1", "password"),
    }
    connection: Any = ldap3.Connection(at, receive_timeout=10, **sasl)
    mark = server.mark()
    try:
        assert not connection.bind()
        assert connection.result["description"] == "confidentialityRequired"
    finally:
        connection.unbind()
    assert server.binds(mark) == [(None, False, "confidentiality-required")]


@both_ways
def test_ldap3(server: TLSServer, ldaps: bool) -> None:
    mark = server.mark()
    sasl: dict[str, Any] = {"authentication": ldap3.SASL, "sasl_mechanism": "PLAIN"}
    with connected(server, ldaps=ldaps, **sasl, sasl_credentials=(None, "jürgen", "pässwörd")) as connection:
        assert connection.bind()
        assert connection.extend.standard.who_am_i() == f"dn:uid=jürgen,{PEOPLE}"
    assert server.events(mark) == [simple("jürgen")]


def test_python_ldap(server: TLSServer) -> None:
    try:
        import_module("ldap.sasl")
        ldap: Any = import_module("ldap")
    except ImportError:
        absent("python-ldap")
    connection = ldap.initialize(server.ldaps)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.set_option(ldap.OPT_TIMEOUT, 10)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(server.ca))
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    callbacks = {ldap.sasl.CB_AUTHNAME: "u1", ldap.sasl.CB_PASS: "password"}
    try:
        connection.sasl_interactive_bind_s("", ldap.sasl.sasl(callbacks, "PLAIN"))
        assert connection.whoami_s() == f"dn:{U1}"
    finally:
        connection.unbind_s()


def test_perl(server: TLSServer) -> None:
    perl = tool("perl")
    for module in ("Net::LDAP", "Authen::SASL::Perl::PLAIN", "IO::Socket::SSL"):
        if run(perl, f"-M{module}", "-e", "1")[0]:
            absent(f"Perl's {module}")
    mark = server.mark()
    command = [perl, str(CLIENTS / "bind.pl"), server.named_ldaps, "PLAIN", "u1", "password"]
    ended = subprocess.run(
        command,
        env={**ENVIRONMENT, "CA": str(server.ca)},
        capture_output=True,
        timeout=30,
        check=False,
        encoding="utf-8",
    )
    found = f"who: dn:{U1}\nfound: {U1} una.one@contoso.com\nschema: cn objectClass sn\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, found, "")
    assert server.events(mark) == [simple("u1", SUCCESS)]
