"""EXTERNAL with the clients of others: by a certificate inside TLS, and by a Unix socket."""

import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ldap3
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from tests.authority import Authority, Issued
from tests.interop.conftest import QUICKLY, absent, tool
from tests.interop.server import BASE, ENVIRONMENT, U1, run
from tests.interop.test_tls import TLSServer, both_ways, openldap, running

# ldap3 2.9.1 compares the names in a certificate by a function of ssl that is going.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

AS_U1 = (0, f"dn:{U1}\n", "")
PEERCRED = f"gidNumber={os.getegid()}+uidNumber={os.geteuid()},cn=peercred,cn=external,cn=auth"
EXTERNAL = ("-Q", "-Y", "EXTERNAL")


@dataclass(frozen=True)
class Shown:
    """A certificate of u1's, as files, and how libldap is told to show it."""

    issued: Issued
    certificate: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("-o", f"TLS_CERT={self.certificate}", "-o", f"TLS_KEY={self.key}")


@dataclass(frozen=True)
class Asking:
    """A server that asks for certificates and listens at a Unix socket too."""

    server: TLSServer
    ldapi: str
    good: Shown
    stranger: Shown


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """Our server; it must have had one thing to complain of: the stranger."""
    folder = tmp_path_factory.mktemp("external")
    ours, another = Authority(), Authority("Another CA")
    theirs, ldapi = folder / "theirs.pem", "ldapi://" + quote(str(folder / "s"), safe="")
    theirs.write_bytes(ours.pem)
    shown = []
    for stem, authority in (("good", ours), ("stranger", another)):
        issued = authority.issue()
        shown.append(Shown(issued, *issued.write(folder, stem)))
    with running(folder, "--tls-ca", str(theirs), "--listen", ldapi) as server:
        yield Asking(server, ldapi, *shown)
    listening, *failed = server.log
    assert listening.endswith(f": listening on {ldapi}\n")
    assert all("unable to get issuer cert locally: the client's certificate" in line for line in failed)


def ended(asking: Asking, mark: int) -> list[tuple[str, str | None, str | None]]:
    """Kind, detail and reason of the records behind a mark: none is a Windows event."""
    records = asking.server.audit_records(mark)
    return [(each["event"]["code"], each["ldap"]["detail"], each["ldap"]["reason"]) for each in records]


# OpenLDAP's tools


@both_ways
def test_openldap_tools(asking: Asking, ldaps: bool) -> None:
    tls, mark = "ldaps" if ldaps else "StartTLS", asking.server.mark()
    assert openldap("whoami", asking.server, *asking.good.options, *EXTERNAL, tls=tls) == AS_U1
    search = ("-LLL", "-b", BASE, "(uid=u1)", "mail")
    status, output, _ = openldap("search", asking.server, *asking.good.options, *EXTERNAL, *search, tls=tls)
    assert (status, output) == (0, f"dn: {U1}\nmail: una.one@contoso.com\n\n")
    # Without one they are served as ever, and find that EXTERNAL is not offered.
    assert openldap("whoami", asking.server, "-x", "-D", U1, "-w", "password", tls=tls) == AS_U1
    assert openldap("whoami", asking.server, *EXTERNAL, tls=tls)[0] != 0
    assert ended(asking, mark) == [("sasl-exchange", U1, None)] * 2 + [("4776", None, None)]


def test_a_stranger_gets_no_connection(asking: Asking) -> None:
    mark = asking.server.mark()
    status, _, error = openldap("whoami", asking.server, *asking.stranger.options, "-x")
    assert status != 0
    assert "Can't contact LDAP server" in error
    assert ended(asking, mark) == []


def test_openldap_tools_by_a_unix_socket(asking: Asking) -> None:
    mark = asking.server.mark()
    who = (tool("ldapwhoami"), "-H", asking.ldapi, *EXTERNAL)
    assert run(*who) == (0, f"dn:{PEERCRED}\n", "")
    assert run(*who, "-X", f"dn:{PEERCRED}") == (0, f"dn:{PEERCRED}\n", "")
    status, _, error = run(*who, "-X", "u:u1")
    assert (status, "Insufficient access (50)" in error) == (50, True)
    assert ended(asking, mark) == [
        ("sasl-exchange", PEERCRED, None),
        ("sasl-exchange", PEERCRED, None),
        ("sasl-exchange", PEERCRED, "authzid-refused"),
    ]


# python-ldap


@pytest.fixture
def ldap() -> Any:
    """The module, which has no types."""
    try:
        import_module("ldap.sasl")
        return import_module("ldap")
    except ImportError:
        absent("python-ldap")


@both_ways
def test_python_ldap(asking: Asking, ldap: Any, ldaps: bool) -> None:
    mark = asking.server.mark()
    connection = ldap.initialize(asking.server.ldaps if ldaps else asking.server.url)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.set_option(ldap.OPT_TIMEOUT, 10)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(asking.server.ca))
    connection.set_option(ldap.OPT_X_TLS_CERTFILE, str(asking.good.certificate))
    connection.set_option(ldap.OPT_X_TLS_KEYFILE, str(asking.good.key))
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    try:
        if not ldaps:
            connection.start_tls_s()
        connection.sasl_external_bind_s()
        assert connection.whoami_s() == f"dn:{U1}"
    finally:
        connection.unbind_s()
    assert ended(asking, mark) == [("sasl-exchange", U1, None)]


def test_python_ldap_by_a_unix_socket(asking: Asking, ldap: Any) -> None:
    connection = ldap.initialize(asking.ldapi)
    try:
        connection.sasl_external_bind_s()
        assert connection.whoami_s() == f"dn:{PEERCRED}"
    finally:
        connection.unbind_s()


# ldap3


@both_ways
@pytest.mark.parametrize(("credentials", "expected"), [("", True), (f"dn:{U1}", True), ("u:jürgen", False)])
def test_ldap3(asking: Asking, ldaps: bool, credentials: str, expected: bool) -> None:
    server = asking.server
    tls = ldap3.Tls(
        validate=ssl.CERT_REQUIRED,
        ca_certs_file=str(server.ca),
        local_certificate_file=str(asking.good.certificate),
        local_private_key_file=str(asking.good.key),
    )
    at = ldap3.Server(server.named_ldaps if ldaps else server.named_url, tls=tls, get_info=ldap3.NONE)
    sasl: dict[str, Any] = {
        "authentication": ldap3.SASL,
        "sasl_mechanism": "EXTERNAL",
        "sasl_credentials": credentials,
    }
    connection: Any = ldap3.Connection(at, receive_timeout=10, **sasl)
    try:
        connection.open()
        if not ldaps:
            assert connection.start_tls()
        assert connection.bind() is expected
        assert connection.extend.standard.who_am_i() == (f"dn:{U1}" if expected else None)
    finally:
        connection.unbind()


def test_ldap3_without_credentials_does_not_answer_when_it_is_asked(asking: Asking) -> None:
    sasl: dict[str, Any] = {"authentication": ldap3.SASL, "sasl_mechanism": "EXTERNAL", "sasl_credentials": None}
    connection: Any = ldap3.Connection(ldap3.Server(asking.ldapi, get_info=ldap3.NONE), receive_timeout=10, **sasl)
    try:
        assert not connection.bind()
        assert connection.result["description"] == "saslBindInProgress"  # of slapd it gets the same
        connection.sasl_credentials = ""
        assert connection.bind()
        assert connection.extend.standard.who_am_i() == f"dn:{PEERCRED}"
    finally:
        connection.unbind()


# Java


def test_jndi(asking: Asking, bind_class: Path, tmp_path: Path) -> None:
    keys, trusted = tmp_path / "keys.p12", tmp_path / "trusted.p12"
    issued, secret = asking.good.issued, b"secret"
    encryption = BestAvailableEncryption(secret)
    keys.write_bytes(pkcs12.serialize_key_and_certificates(b"u1", issued.key, issued.certificate, None, encryption))
    imported = ("-importcert", "-noprompt", "-alias", "ca", "-file", str(asking.server.ca))
    status, _, error = run(tool("keytool"), *imported, "-keystore", str(trusted), "-storepass", "secret")
    assert status == 0, error
    stores = [
        f"-Djavax.net.ssl.{kind}={value}"
        for kind, value in (
            ("trustStore", trusted),
            ("trustStorePassword", "secret"),
            ("keyStore", keys),
            ("keyStorePassword", "secret"),
        )
    ]
    mark = asking.server.mark()
    java = (tool("java"), *QUICKLY, *stores, "-cp", str(bind_class), "Bind")
    found = f"who: dn:{U1}\nfound: {U1} una.one@contoso.com\nschema: [cn, sn]\n"
    for mechanism in ("EXTERNAL", "PLAIN"):
        command = [*java, asking.server.named_ldaps, mechanism, "u1", "password"]
        done = subprocess.run(
            command, env=ENVIRONMENT, capture_output=True, timeout=30, check=False, encoding="utf-8"
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, found, "")
    assert ended(asking, mark) == [("sasl-exchange", U1, None), ("4776", None, None)]
