"""The gsasl command (GNU SASL), which speaks SASL in lines of base64: its client with our server and back."""

import socket
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5

import pytest

from sasl_digest import (
    HA1,
    QOP,
    Challenge,
    Credential,
    DigestClient,
    DigestServer,
    Failure,
    Lookup,
    Password,
    Reason,
    Response,
    Success,
)
from tests.interop.conftest import tool
from tests.interop.lines import Speaker, speaking
from tests.interop.server import ENVIRONMENT, PASSWORDS, REALM, WRONG, every_account

HOST = "ldap.contoso.com"


@contextmanager
def gsasl(*arguments: str, host: str = HOST) -> Iterator[Speaker]:
    """gsasl in one of its roles, at the point where the mechanism is agreed on."""
    command = [tool("gsasl"), "--quiet", "--no-starttls", "--mechanism", "DIGEST-MD5", "--service", "ldap"]
    command += ["--hostname", host, "--realm", REALM, "--quality-of-protection", "qop-auth", *arguments]
    with speaking(*command) as running:
        assert running.line() == b"DIGEST-MD5\n"
        yield running


def client(user: str, password: str) -> tuple[str, ...]:
    """The options of its client."""
    return ("--client", "--authentication-id", user, "--password", password)


def challenged(peer: Speaker, server: DigestServer) -> Lookup | Failure:
    """Run the exchange of gsasl's client up to where our server knows what it has to do with."""
    assert peer.hear() == b""  # DIGEST-MD5 has no initial response
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    peer.say(challenge.data)
    outcome = server.step(peer.hear() or b"")
    assert not isinstance(outcome, Challenge)
    return outcome


def our_server() -> DigestServer:
    """The engine with the terms of an LDAP server."""
    return DigestServer(realms=[REALM], service="ldap", hosts=[HOST])


@every_account
def test_its_client_binds_to_us(user: str, password: str) -> None:
    # jürgen is the one that needs our third reading: GNU SASL hashes the name in UTF-8 and the password, which fits,
    # in ISO 8859-1.
    known: Credential = Password(password)
    if user == "hashed":
        known = HA1(md5(f"{user}:{REALM}:{password}".encode()).digest(), username=user, realm=REALM)
    server = our_server()
    with gsasl(*client(user, password)) as peer:
        assert challenged(peer, server) == Lookup(user, REALM, None)
        outcome = server.verify(known)
        assert isinstance(outcome, Success)
        peer.say(outcome.data)
        assert peer.hear() == b""  # "the client sends an empty response": the proof is believed
        peer.say(b"")  # "outcome with success", RFC 4422 section 3.1
    assert peer.status == 0
    assert server.response is not None
    assert server.response.digest_uri == f"ldap/{HOST}".encode()


def test_its_wrong_password_is_refused_by_us() -> None:
    server = our_server()
    with gsasl(*client("u1", WRONG)) as peer:
        assert isinstance(challenged(peer, server), Lookup)
        assert server.verify(Password("password")) == Failure(Reason.WRONG_PASSWORD)


def test_our_false_proof_is_refused_by_its_client() -> None:
    server = our_server()
    with gsasl(*client("u1", "password")) as peer:
        assert isinstance(challenged(peer, server), Lookup)
        peer.say(b"rspauth=" + b"0" * 32)
        assert peer.hear() is None
    assert peer.status == 1


def test_its_client_for_another_host_is_refused_by_us() -> None:
    server = our_server()
    with gsasl(*client("u1", "password"), host="ldap.fabrikam.com") as peer:
        assert challenged(peer, server) == Failure(Reason.DIGEST_URI)


def test_quote_in_a_user_name_is_written_unescaped_by_its_client() -> None:
    # RFC 2831 section 7.2 has a backslash before a quote inside of a quoted string; GNU SASL 2.2 writes none, so that
    # what it sends is no list of directives. (Inside a password a quote does no harm: see `quoted`.)
    server = our_server()
    with gsasl(*client('a"b', "password")) as peer:
        outcome = challenged(peer, server)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.MALFORMED


def answered(peer: Speaker, us: DigestClient) -> bytes | None:
    """Run the exchange of gsasl's server up to its verdict: its rspauth, or None."""
    challenge = peer.hear()
    assert challenge is not None
    answer = us.step(challenge)
    assert isinstance(answer, Response)
    peer.say(answer.data)
    return peer.hear()


def our_client(user: str, password: str) -> DigestClient:
    """The engine as an LDAP client."""
    return DigestClient(user, Password(password), service="ldap", host=HOST)


@pytest.mark.parametrize(
    ("user", "password"),
    [("u1", "password"), ("жора", "пароль"), ("u1", "pässwörd"), ("u1", PASSWORDS["quoted"]), ("a,b=c", "password")],
)
def test_we_bind_to_its_server(user: str, password: str) -> None:
    us = our_client(user, password)
    with gsasl("--server", "--password", password) as peer:
        verdict = answered(peer, us)
        assert verdict is not None
        assert isinstance(us.step(verdict), Success)
        peer.say(b"")
    assert peer.status == 0


def test_our_wrong_password_is_refused_by_its_server() -> None:
    with gsasl("--server", "--password", "password") as peer:
        assert answered(peer, our_client("u1", WRONG)) is None
    assert peer.status == 1


def test_name_outside_ascii_that_fits_iso_8859_1_is_hashed_otherwise_by_its_server() -> None:
    # RFC 2831 section 2.1.2.1 converts username, realm and password each by itself; GNU SASL 2.2 converts the
    # password alone. We keep to the RFC, as Cyrus SASL and the JDK do, and its server refuses us.
    with gsasl("--server", "--password", "pässwörd") as peer:
        assert answered(peer, our_client("jürgen", "pässwörd")) is None
    assert peer.status == 1


@pytest.mark.parametrize("user", ['a"b', "a\\b"])
def test_quoted_pair_is_read_literally_by_its_server(user: str) -> None:
    # RFC 2831 section 7.2: quoted-pair = "\\" CHAR. GNU SASL 2.2 keeps the backslash as a part of the name.
    with gsasl("--server", "--password", "password") as peer:
        assert answered(peer, our_client(user, "password")) is None
    assert peer.status == 1


# The command wraps what it reads once it speaks IMAP on a socket of its own; auth-int is all that the library has. As
# a server it offers qop auth only: `--quality-of-protection` is "unsupported" there.


class ImapServer:
    """As much of an IMAP server as the command asks for, over one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("rwb", buffering=0)

    def ask(self, *lines: bytes) -> bytes:
        """Send these lines and hear one."""
        self.lines.write(b"".join(line + b"\r\n" for line in lines))
        return self.lines.readline().removesuffix(b"\r\n")

    def authenticate(self, server: DigestServer) -> Success:
        """The exchange, RFC 3501 section 6.2.2, to its good end."""
        tag = self.ask(b"* OK").split()[0]
        assert self.ask(b"* CAPABILITY IMAP4rev1 AUTH=DIGEST-MD5", tag + b" OK").endswith(b" AUTHENTICATE DIGEST-MD5")
        challenge = server.step(b"")
        assert isinstance(challenge, Challenge)
        assert isinstance(server.step(b64decode(self.ask(b"+ " + b64encode(challenge.data)))), Lookup)
        outcome = server.verify(Password("password"))
        assert isinstance(outcome, Success)
        assert self.ask(b"+ " + b64encode(outcome.data)) == b""
        self.lines.write(tag + b" OK\r\n")
        return outcome


def test_its_client_signs_and_takes_what_we_signed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        command = [tool("gsasl"), "--client", "--imap", "--connect", f"127.0.0.1:{listener.getsockname()[1]}"]
        command += ["--quiet", "--no-starttls", "--mechanism", "DIGEST-MD5", "--quality-of-protection", "qop-int"]
        command += ["--hostname", HOST, "--realm", REALM, *client("u1", "password")[1:]]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        ) as process:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(20)
                imap = ImapServer(connection)
                server = DigestServer(realms=[REALM], service="imap", hosts=[HOST], qop=list(QOP))
                outcome = imap.authenticate(server)
                assert outcome.qop is QOP.AUTH_INT
                layer = outcome.layer
                assert layer is not None
                assert process.stdin is not None
                for number in range(3):
                    # Before the order: what is there when it polls is read before it polls again.
                    connection.sendall(layer.wrap(b"answer %d\r\n" % number))
                    order = b"order %d" % number
                    process.stdin.write(order + b"\n")
                    process.stdin.flush()
                    received = b""
                    while not received.endswith(b"\n"):
                        received += layer.receive(connection.recv(4096))
                    assert received == order + b"\r\n"
                process.stdin.close()
                assert imap.lines.readline() == b". LOGOUT\r\n"  # in clear, for it means to end
                imap.lines.write(b"* BYE\r\n. OK\r\n")
            assert process.stdout is not None
            output = process.stdout.read()
    assert process.returncode == 0
    assert [line for line in output.splitlines() if line.startswith(b"answer")] == [
        b"answer 0",
        b"answer 1",
        b"answer 2",
    ]
