"""TLS with the clients of others: StartTLS and ldaps://, every bind inside it, and who trips over the switches."""

import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import ldap3
import pytest

from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.interop.conftest import QUICKLY, absent, tool
from tests.interop.server import BASE, ENVIRONMENT, KEEPS_NOTHING, ROOT, U1, OurServer, run
from tests.interop.slapd import TLS

# ldap3 2.9.1 compares the names in a certificate by a function of ssl that is going.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

CLIENTS = Path(__file__).parent / "clients"


@dataclass(frozen=True)
class TLSServer(OurServer):
    """A server that listens on ldap:// and ldaps://; `log` is what else it has said once it has ended."""

    ldaps: str
    ca: Path
    log: list[str] = field(default_factory=list)

    @property
    def named_ldaps(self) -> str:
        """The ldaps:// URL with a name for its address."""
        return self.ldaps.replace("127.0.0.1", "localhost")

    def binds(self, mark: int) -> list[tuple[str | None, bool, str | None]]:
        """qop, TLS and reason of the records behind a mark."""
        found = [record["ldap"] for record in self.audit_records(mark)]
        return [(record["qop"], record["tls"], record["reason"]) for record in found]


@contextmanager
def running(folder: Path, *options: str) -> Iterator[TLSServer]:
    """Start it with a throw-away certificate; it must stop as it should."""
    ca, audit = folder / "ca.pem", folder / "audit.jsonl"
    command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(ROOT / "examples" / "contoso.ldif")]
    command += ["--listen", "ldap://127.0.0.1:0", "--listen", "ldaps://127.0.0.1:0", "--audit", str(audit)]
    command += ["--tls", "auto", "--tls-ca-out", str(ca), *options]
    with subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stderr is not None
        said = [process.stderr.readline(), process.stderr.readline()]
        assert all(": listening on " in line for line in said), said
        server = TLSServer(said[0].split()[-1], audit, said[1].split()[-1], ca)
        reader = threading.Thread(target=server.log.extend, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            reader.join()
    assert (process.returncode, server.log.pop()) == (0, "ldapserver: stopping\n")
    server.log.remove(KEEPS_NOTHING)  # wherever it stands: there may be more to listen on


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSServer]:
    """Our server, which nobody's handshake fails with."""
    with running(tmp_path_factory.mktemp("tls")) as running_server:
        yield running_server
    assert running_server.log == []


both_ways = pytest.mark.parametrize("ldaps", [False, True], ids=["StartTLS", "ldaps"])
AS_U1 = (0, f"dn:{U1}\n", "")
SIMPLE = ("-x", "-D", U1, "-w", "password")


# libldap, Cyrus SASL and GnuTLS. Cyrus counts TLS among the bits of strength it is asked for: 256 of them.


LAYERS = (("maxssf=0", "auth"), ("minssf=257,maxssf=257", "auth-int"), ("minssf=384,maxssf=384", "auth-conf"))


def openldap(program: str, server: TLSServer, *arguments: str, tls: str = "ldaps") -> tuple[int, str, str]:
    """`ldap...` inside TLS by ldaps or StartTLS, or in the clear when `tls` is nothing."""
    url = ["-H", server.ldaps if tls == "ldaps" else server.url]
    trust = ["-o", f"TLS_CACERT={server.ca}", "-o", "TLS_REQCERT=demand", "-o", "nettimeout=10"]
    return run(tool(f"ldap{program}"), *url, *(["-ZZ"] if tls == "StartTLS" else []), *trust, *arguments)


def digest(properties: str) -> tuple[str, ...]:
    """The options of a DIGEST-MD5 bind as u1."""
    return ("-Q", "-Y", "DIGEST-MD5", "-O", properties, "-U", "u1", "-w", "password")


@both_ways
def test_openldap_tools(server: TLSServer, ldaps: bool) -> None:
    tls = "ldaps" if ldaps else "StartTLS"
    mark = server.mark()
    kinds = (SIMPLE, *(digest(properties) for properties, _ in LAYERS))
    for arguments in kinds:
        assert openldap("whoami", server, *arguments, tls=tls) == AS_U1
    assert server.binds(mark) == [(None, True, None), *((qop, True, None) for _, qop in LAYERS)]
    for arguments in kinds:
        status, output, error = openldap("search", server, "-LLL", *arguments, "-b", BASE, "(uid=*)", "mail", tls=tls)
        assert (status, error) == (0, "")
        assert f"dn: {U1}\nmail: una.one@contoso.com\n" in output


def test_root_dse_lists_start_tls(server: TLSServer) -> None:
    status, output, _ = openldap("search", server, "-x", "-LLL", "-b", "", "-s", "base", "supportedExtension", tls="")
    assert status == 0
    assert "supportedExtension: 1.3.6.1.4.1.1466.20037\n" in output


# python-ldap


@both_ways
def test_python_ldap(server: TLSServer, ldaps: bool) -> None:
    try:
        import_module("ldap.sasl")
        ldap: Any = import_module("ldap")
    except ImportError:
        absent("python-ldap")
    callbacks = {ldap.sasl.CB_AUTHNAME: "u1", ldap.sasl.CB_PASS: "password"}
    # What Cyrus SASL remembers of an auth-conf before it would seal where auth-int was agreed on (docs/interop.md).
    forgetting = ldap.initialize(server.url)
    forgetting.set_option(ldap.OPT_X_SASL_SSF_MAX, 0)
    forgetting.sasl_interactive_bind_s("", ldap.sasl.sasl(callbacks, "DIGEST-MD5"))
    forgetting.unbind_s()
    mark = server.mark()
    connection = ldap.initialize(server.ldaps if ldaps else server.url)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.set_option(ldap.OPT_TIMEOUT, 10)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(server.ca))
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.set_option(ldap.OPT_X_SASL_SSF_MIN, 257)  # one more than TLS has, by its counting
    connection.set_option(ldap.OPT_X_SASL_SSF_MAX, 257)
    try:
        if not ldaps:
            connection.simple_bind_s(U1, "password")
            connection.start_tls_s()
            assert connection.whoami_s() == f"dn:{U1}"  # it stays who it was
        connection.sasl_interactive_bind_s("", ldap.sasl.sasl(callbacks, "DIGEST-MD5"))
        assert connection.whoami_s() == f"dn:{U1}"
        (found,) = connection.search_s(BASE, ldap.SCOPE_SUBTREE, "(uid=u1)", ["mail"])
        assert found == (U1, {"mail": [b"una.one@contoso.com"]})
        if not ldaps:
            with pytest.raises(ldap.OPERATIONS_ERROR):
                connection.extop_s(ldap.extop.ExtendedRequest("1.3.6.1.4.1.1466.20037", None))
    finally:
        connection.unbind_s()
    assert server.binds(mark) == [*([] if ldaps else [(None, False, None)]), ("auth-int", True, None)]


# Java


def jndi(server: TLSServer, bind_class: Path, qop: str) -> tuple[int, str, str]:
    """JNDI by ldaps with a trust store that holds our CA and nothing else."""
    store = server.ca.with_suffix(".p12")
    if not store.exists():
        imported = ("-importcert", "-noprompt", "-alias", "ca", "-file", str(server.ca))
        status, _, error = run(tool("keytool"), *imported, "-keystore", str(store), "-storepass", "secret")
        assert status == 0, error
    trust = (f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=secret")
    bind = ("Bind", server.named_ldaps, "DIGEST-MD5", "u1", "password")
    command = [tool("java"), *QUICKLY, *trust, "-cp", str(bind_class), *bind]
    environment = ENVIRONMENT | {"QOP": qop}
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False, encoding="utf-8")
    return ended.returncode, ended.stdout, ended.stderr


def test_jndi(server: TLSServer, bind_class: Path) -> None:
    mark = server.mark()
    found = f"who: dn:{U1}\nfound: {U1} una.one@contoso.com\nschema: [cn, sn]\n"
    assert jndi(server, bind_class, "auth") == (0, found, "")
    assert jndi(server, bind_class, "auth-conf") == (0, found, "")
    assert server.binds(mark) == [("auth", True, None), ("auth-conf", True, None)]


# Perl


@both_ways
def test_perl(server: TLSServer, ldaps: bool) -> None:
    perl = tool("perl")
    for module in ("Net::LDAP", "Authen::SASL::Perl::DIGEST_MD5", "Digest::HMAC_MD5", "IO::Socket::SSL"):
        if run(perl, f"-M{module}", "-e", "1")[0]:
            absent(f"Perl's {module}")
    mark = server.mark()
    found = f"who: dn:{U1}\nfound: {U1} una.one@contoso.com\nschema: cn objectClass sn\n"
    url = server.named_ldaps if ldaps else server.named_url
    tls = {"CA": str(server.ca), **({} if ldaps else {"START_TLS": "1"})}
    for arguments, more in (
        (("simple", U1, "password"), {}),
        (("DIGEST-MD5", "u1", "password"), {}),
        (("DIGEST-MD5", "u1", "password"), {"SSF": "1"}),
    ):
        command = [perl, str(CLIENTS / "bind.pl"), url, *arguments]
        environment = {**ENVIRONMENT, **tls, **more}
        ended = subprocess.run(
            command, env=environment, capture_output=True, timeout=30, check=False, encoding="utf-8"
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, found, "")
    assert server.binds(mark) == [(None, True, None), ("auth", True, None), ("auth-int", True, None)]


# ldap3


# Any: ldap3's types leave out most of what is used here.
@contextmanager
def connected(server: TLSServer, *, ldaps: bool, **arguments: Any) -> Iterator[Any]:
    """ldap3 inside TLS, not bound yet."""
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(server.ca))
    url = server.named_ldaps if ldaps else server.named_url
    at = ldap3.Server(url, tls=tls, get_info=ldap3.NONE, connect_timeout=10)
    connection: Any = ldap3.Connection(at, receive_timeout=10, **arguments)
    try:
        connection.open()
        if not ldaps:
            assert connection.start_tls()
        yield connection
    finally:
        connection.unbind()


def sasl(*more: str) -> dict[str, Any]:
    """ldap3's own DIGEST-MD5."""
    credentials = ("contoso.com", "u1", "password", None, *more)
    return {"authentication": ldap3.SASL, "sasl_mechanism": ldap3.DIGEST_MD5, "sasl_credentials": credentials}


@both_ways
@pytest.mark.parametrize(
    ("arguments", "qop"),
    [({"user": U1, "password": "password"}, None), (sasl(), "auth"), (sasl("sign"), "auth-int")],
    ids=["simple", "auth", "auth-int"],
)
def test_ldap3(server: TLSServer, ldaps: bool, arguments: dict[str, Any], qop: str | None) -> None:
    mark = server.mark()
    with connected(server, ldaps=ldaps, **arguments) as connection:
        assert connection.bind()
        assert connection.extend.standard.who_am_i() == f"dn:{U1}"
        assert connection.search(BASE, "(uid=u1)", attributes=["mail"])
        assert connection.entries[0].mail.value == "una.one@contoso.com"
    # By ldaps it does not sign, though it was told to.
    assert server.binds(mark) == [("auth" if ldaps and qop else qop, True, None)]


# Handshakes that must fail


def test_old_versions_and_strangers_get_no_handshake(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        address = server.ldaps.removeprefix("ldaps://")
        client = (tool("openssl"), "s_client", "-connect", address, "-CAfile", str(server.ca), "-brief")
        for version, status in (("-tls1_1", 1), ("-tls1_2", 0), ("-tls1_3", 0)):
            ended = run(*client, "-cipher", "ALL:@SECLEVEL=0", version, "-x509_strict", "-verify_return_error")
            assert ended[0] == status, ended
        ended = run(*client[:4], "-verify_return_error", "-verify", "1", "-brief")  # it does not know our CA
        assert ended[0] == 1, ended
    failures = [line.partition("TLS handshake failed: ")[2].strip() for line in server.log]
    assert failures == ["unsupported protocol", "tlsv1 alert unknown ca"]
    assert server.audit_records() == []


# The switches of a hardened server


def test_require_signing(tmp_path: Path) -> None:
    with running(tmp_path, "--require-signing") as server:
        for arguments in (SIMPLE, digest("maxssf=0"), (*digest("maxssf=0")[:-1], "wrong")):
            status, _, error = openldap("whoami", server, *arguments, tls="")
            assert (status, "Strong(er) authentication required (8)" in error) == (8, True)
        assert openldap("whoami", server, *digest("minssf=1"), tls="") == AS_U1
        assert openldap("whoami", server, "-x", tls="") == (0, "anonymous\n", "")
        for arguments in (SIMPLE, digest("maxssf=0")):
            assert openldap("whoami", server, *arguments, tls="StartTLS") == AS_U1
        reasons = [reason for _, _, reason in server.binds(0)]
        assert reasons == ["signing-required"] * 3 + [None] * 3
    assert server.log == []


def test_no_layer_inside_tls(tmp_path: Path, bind_class: Path) -> None:
    with running(tmp_path, "--no-layer-inside-tls") as server:
        # It asks for auth-int whatever is offered.
        with connected(server, ldaps=False, **sasl("sign")) as connection:
            assert not connection.bind()
            assert connection.result["result"] == 49
        # They find nothing in the challenge that they could agree to.
        assert openldap("whoami", server, *digest(LAYERS[1][0]))[0] not in (0, 49)
        assert jndi(server, bind_class, "auth-int") == (49, "", "DIGEST-MD5\n")
        with connected(server, ldaps=True, **sasl()) as connection:
            assert connection.bind()
        # In the clear a layer is as welcome as ever.
        assert openldap("whoami", server, *digest("minssf=1"), tls="") == AS_U1
        reasons = [reason for _, _, reason in server.binds(0)]
        assert reasons == ["qop", "abandoned", "abandoned", None, None]
    assert server.log == []


def ours(server: TLSServer, url: str, **more: Any) -> bool:
    """Whether our plugin binds."""
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(server.ca))
    connection: Any = DigestConnection(
        ldap3.Server(url, tls=tls, get_info=ldap3.NONE),
        sasl_credentials=Credentials("u1", "password", **more),
        receive_timeout=10,
    )
    try:
        return bool(connection.bind())
    finally:
        connection.unbind()


def test_channel_binding(tmp_path: Path) -> None:
    with running(tmp_path, "--channel-binding", "always") as server:
        # Nobody else here makes one; in the clear there is nothing to bind to.
        assert openldap("whoami", server, *digest("maxssf=0"))[0] == 49
        assert openldap("whoami", server, *digest("maxssf=0"), tls="") == AS_U1
        assert ours(server, server.named_ldaps, channel_binding=True)
        assert ours(server, server.named_ldaps, channel_binding=True, qop="auth-int")
        assert ours(server, server.named_url, channel_binding=True)
        assert not ours(server, server.named_ldaps)
        reasons = [(tls, reason) for _, tls, reason in server.binds(0)]
        assert reasons == [
            (True, "channel-binding"),
            (False, None),
            (True, None),
            (True, None),
            (False, None),
            (True, "channel-binding"),
        ]
    assert server.log == []


def test_channel_binding_where_it_is_made(tmp_path: Path) -> None:
    with running(tmp_path, "--channel-binding", "supported") as server:
        assert openldap("whoami", server, *digest("maxssf=0")) == AS_U1
        assert ours(server, server.named_ldaps, channel_binding=True)
        with relayed(server, tmp_path) as in_the_middle:
            # Who has another certificate can pass on the octets of who binds nothing, and not of who does.
            assert ours(in_the_middle, in_the_middle.named_ldaps)
            assert not ours(in_the_middle, in_the_middle.named_ldaps, channel_binding=True)
        assert [reason for *_, reason in server.binds(0)] == [None, None, None, "channel-binding"]
    assert server.log == []


@contextmanager
def relayed(server: TLSServer, folder: Path) -> Iterator[TLSServer]:
    """The same server behind a man in the middle, whom clients trust, and who shows a certificate of his own."""
    (folder / "other").mkdir()
    other = TLS.throw_away(folder / "other")
    theirs, his = ssl.create_default_context(cafile=server.ca), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    his.load_cert_chain(other.certificate, other.key)
    port = int(server.ldaps.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                with (
                    his.wrap_socket(accepted, server_side=True) as client,
                    socket.create_connection(("127.0.0.1", port)) as connected,
                    theirs.wrap_socket(connected, server_hostname="localhost") as upstream,
                ):
                    pass_on(client, upstream)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ldaps = f"ldaps://127.0.0.1:{listener.getsockname()[1]}"
        yield replace(server, ldaps=ldaps, ca=other.authority, log=server.log)
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def pass_on(client: ssl.SSLSocket, upstream: ssl.SSLSocket) -> None:
    """Questions up and answers down, one after the other, as a bind goes."""
    while question := client.recv(65536):
        upstream.sendall(question)
        if answer := upstream.recv(65536):
            client.sendall(answer)
