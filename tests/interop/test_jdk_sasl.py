"""The JDK's `javax.security.sasl` without LDAP, in both roles: the exchange, and octets through every layer.

One JVM plays all its exchanges (clients/Sasl.java): to start one takes longer than everything here.
"""

import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sasl_digest import (
    QOP,
    BrokenLayer,
    Challenge,
    Cipher,
    DigestClient,
    DigestServer,
    Failure,
    Lookup,
    Password,
    Reason,
    Response,
    SecurityLayer,
    Success,
)
from tests.interop.conftest import QUICKLY, compiled, tool
from tests.interop.server import ENVIRONMENT

HOST = "ldap.contoso.com"
REALM = "contoso.com"
EVERY_QOP = (QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF)

Kind = tuple[QOP, Cipher | None]
KINDS: list[Kind] = [
    (QOP.AUTH, None),
    (QOP.AUTH_INT, None),
    *((QOP.AUTH_CONF, cipher) for cipher in Cipher),
]
LAYERS = KINDS[1:]
# User, password, realm: in ASCII, in ISO 8859-1, beyond it, one of each, with all that must be escaped, with none.
NAMES = {
    "ascii": ("u1", "password", REALM),
    "latin": ("jürgen", "pässwörd", "bücher"),
    "beyond": ("жора", "пароль", "контосо"),
    "mixed": ("jürgen", "пароль", REALM),
    "hostile": ('a"b\\c,d=e', '"\\,=; ', 'r"e\\a,l='),
    "injecting": ('u1",authzid="root', 'p",nc=00000002', REALM),
    "blanks": (" u 1 ", " p w ", " re alm "),
}


def named(kind: Kind) -> str:
    qop, cipher = kind
    return (cipher or qop).decode()


each_kind = pytest.mark.parametrize("kind", KINDS, ids=named)
each_layer = pytest.mark.parametrize("kind", LAYERS, ids=named)
each_name = pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)


class RefusedByJDKError(Exception):
    """The JDK threw an exception: this one."""


@dataclass
class JDK:
    """The running program."""

    process: subprocess.Popen[bytes]

    def does(self, command: str, *arguments: bytes | str) -> bytes:
        """What it says to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        words = [a.encode() if isinstance(a, str) else a for a in arguments]
        line = b" ".join([command.encode(), *(b64encode(word) or b"=" for word in words)])
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        assert said, "the JVM has ended"
        if said.startswith(b"!"):
            raise RefusedByJDKError(said[1:].strip().decode())
        return b64decode(said)

    def client(
        self, names: tuple[str, str, str], kind: Kind = KINDS[0], *, maxbuf: int = 65536, authzid: str = ""
    ) -> None:
        """Begin an exchange as a client that knows what it wants."""
        qop, cipher = kind
        self.does("client", qop, cipher or b"", str(maxbuf), HOST, *names, authzid)

    def server(self, password: str, realms: str = REALM, *, maxbuf: int = 65536) -> None:
        """Begin an exchange as a server that offers all; `realms` are separated by blanks."""
        self.does("server", b",".join(EVERY_QOP), str(maxbuf), HOST, password, realms)


@pytest.fixture(scope="module")
def jdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JDK]:
    """A JVM with the program, compiled once."""
    java = tool("java")
    folder = compiled(tmp_path_factory.mktemp("classes"), Path(__file__).parent / "clients" / "Sasl.java")
    command = [java, *QUICKLY, "-cp", str(folder), "Sasl"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        watchdog = threading.Timer(120, process.kill)  # who waits for a line that never comes is not to for ever
        watchdog.start()
        try:
            yield JDK(process)
            process.communicate()
        finally:
            watchdog.cancel()
            process.kill()  # does nothing to one that has ended


def server_of(realm: str = REALM, *, maxbuf: int = 65536) -> DigestServer:
    return DigestServer(
        realms=[realm], service="ldap", hosts=[HOST], qop=EVERY_QOP, ciphers=tuple(Cipher), maxbuf=maxbuf
    )


def client_of(names: tuple[str, str, str], kind: Kind = KINDS[0], *, maxbuf: int = 65536) -> DigestClient:
    user, password, realm = names
    qop, cipher = kind
    ciphers = [cipher] if cipher else list(Cipher)
    return DigestClient(
        user, Password(password), service="ldap", host=HOST, realm=realm, qop=[qop], ciphers=ciphers, maxbuf=maxbuf
    )


def answered(jdk: JDK, server: DigestServer) -> Lookup | Failure:
    """Its client's exchange with our server, up to where ours knows what it has to do with."""
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    outcome = server.step(jdk.does("step", challenge.data))
    assert not isinstance(outcome, Challenge)
    return outcome


def bound_to_us(jdk: JDK, server: DigestServer, password: str) -> Success:
    """Its client's exchange with our server to the end, believed on both sides."""
    assert isinstance(answered(jdk, server), Lookup)
    outcome = server.verify(Password(password))
    assert isinstance(outcome, Success)
    assert jdk.does("step", outcome.data) == b""
    assert jdk.does("qop") == outcome.qop
    return outcome


def bound_to_it(jdk: JDK, client: DigestClient) -> Success:
    """Our client's exchange with its server to the end, believed on both sides."""
    response = client.step(jdk.does("step", b""))
    assert isinstance(response, Response), response
    outcome = client.step(jdk.does("step", response.data))
    assert isinstance(outcome, Success)
    assert jdk.does("qop") == outcome.qop
    return outcome


def through(jdk: JDK, layer: SecurityLayer, messages: list[bytes]) -> None:
    """Send these both ways, by turns and then several at a time."""
    for message in messages:
        assert jdk.does("unwrap", layer.wrap(message)) == message
        assert layer.receive(jdk.does("wrap", message)) == message
    assert jdk.does("unwrap", b"".join(layer.wrap(message) for message in messages)) == b"".join(messages)
    stream = b"".join(jdk.does("wrap", message) for message in messages)
    assert b"".join(layer.receive(stream[at : at + 1000]) for at in range(0, len(stream), 1000)) == b"".join(messages)


def longest(buffers: bytes) -> int:
    """Of a stream of buffers, the length of the longest, without the octets that say it."""
    most = at = 0
    while at < len(buffers):
        size = int.from_bytes(buffers[at : at + 4], "big")
        most, at = max(most, size), at + 4 + size
    assert at == len(buffers)
    return most


SHORT = [b"x", bytes(range(256)), b"seven..", b"eight...", b"\0" * 1023]


# Its client and our server


@each_kind
def test_its_client_binds_to_us_with_every_qop_and_cipher(jdk: JDK, kind: Kind) -> None:
    jdk.client(NAMES["ascii"], kind)
    server = server_of()
    outcome = bound_to_us(jdk, server, "password")
    assert server.response is not None
    assert (server.response.qop, server.response.cipher) == kind
    assert (outcome.username, outcome.realm, outcome.qop) == ("u1", REALM, kind[0])
    if outcome.layer is not None:
        through(jdk, outcome.layer, SHORT)


@each_name
@pytest.mark.parametrize("kind", [KINDS[0], (QOP.AUTH_CONF, Cipher.TRIPLE_DES)], ids=named)
def test_its_client_binds_to_us_whatever_the_names(jdk: JDK, names: tuple[str, str, str], kind: Kind) -> None:
    user, password, realm = names
    jdk.client(names, kind)
    outcome = bound_to_us(jdk, server_of(realm), password)
    assert (outcome.username, outcome.realm) == (user, realm)
    if outcome.layer is not None:
        through(jdk, outcome.layer, SHORT)


def test_its_client_may_act_as_another(jdk: JDK) -> None:
    jdk.client(NAMES["latin"], authzid="u:жора")
    assert bound_to_us(jdk, server_of("bücher"), "pässwörd").authzid == "u:жора"


def test_its_wrong_password_is_refused_by_us(jdk: JDK) -> None:
    jdk.client(("u1", "Password", REALM))
    server = server_of()
    assert isinstance(answered(jdk, server), Lookup)
    assert server.verify(Password("password")) == Failure(Reason.WRONG_PASSWORD)


def test_our_false_proof_is_refused_by_its_client(jdk: JDK) -> None:
    jdk.client(NAMES["ascii"])
    assert isinstance(answered(jdk, server_of()), Lookup)
    with pytest.raises(RefusedByJDKError, match="rspauth"):
        jdk.does("step", b"rspauth=" + b"0" * 32)


# Its server and our client


@each_kind
def test_we_bind_to_its_server_with_every_qop_and_cipher(jdk: JDK, kind: Kind) -> None:
    jdk.server("password")
    outcome = bound_to_it(jdk, client_of(NAMES["ascii"], kind))
    assert outcome.qop is kind[0]
    if outcome.layer is not None:
        through(jdk, outcome.layer, SHORT)


@each_name
@pytest.mark.parametrize("kind", [KINDS[0], (QOP.AUTH_CONF, Cipher.RC4)], ids=named)
def test_we_bind_to_its_server_whatever_the_names(jdk: JDK, names: tuple[str, str, str], kind: Kind) -> None:
    # It takes only realms that it offers, and its list of them is cut at blanks and commas.
    user, password, realm = names
    realm = REALM if {" ", ","} & set(realm) else realm
    jdk.server(password, f"other.org {realm}")
    outcome = bound_to_it(jdk, client_of((user, password, realm), kind))
    assert (outcome.username, outcome.realm) == (user, realm)
    if outcome.layer is not None:
        through(jdk, outcome.layer, SHORT)


def test_our_wrong_password_is_refused_by_its_server(jdk: JDK) -> None:
    jdk.server("password")
    response = client_of(("u1", "Password", REALM)).step(jdk.does("step", b""))
    assert isinstance(response, Response)
    with pytest.raises(RefusedByJDKError, match="digest response format violation"):
        jdk.does("step", response.data)


# Long messages and small buffers


@each_layer
@pytest.mark.parametrize("maxbuf", [1024, 65536])
def test_100_kilobytes_are_cut_as_the_other_side_asks(jdk: JDK, kind: Kind, maxbuf: int) -> None:
    message = bytes(range(256)) * 400
    jdk.client(NAMES["ascii"], kind, maxbuf=maxbuf)
    to_its_client = bound_to_us(jdk, server_of(maxbuf=maxbuf), "password")
    assert to_its_client.layer is not None
    wrapped = to_its_client.layer.wrap(message)
    assert longest(wrapped) <= maxbuf
    assert jdk.does("unwrap", wrapped) == message
    theirs = jdk.does("wrap", message)
    assert longest(theirs) <= maxbuf
    assert to_its_client.layer.receive(theirs) == message
    jdk.server("password", maxbuf=maxbuf)
    to_its_server = bound_to_it(jdk, client_of(NAMES["ascii"], kind, maxbuf=maxbuf))
    assert to_its_server.layer is not None
    wrapped = to_its_server.layer.wrap(message)
    assert longest(wrapped) <= maxbuf
    assert jdk.does("unwrap", wrapped) == message
    assert to_its_server.layer.receive(jdk.does("wrap", message)) == message


@each_layer
def test_altered_buffer_is_believed_by_neither(jdk: JDK, kind: Kind) -> None:
    jdk.client(NAMES["ascii"], kind)
    outcome = bound_to_us(jdk, server_of(), "password")
    assert outcome.layer is not None
    ours = bytearray(outcome.layer.wrap(b"an order"))
    ours[4] ^= 1
    # OpenJDK 17 drops a buffer whose MAC is wrong and says nothing, where we end the connection.
    assert jdk.does("unwrap", bytes(ours)) == b""
    theirs = bytearray(jdk.does("wrap", b"an order"))
    theirs[4] ^= 1
    with pytest.raises(BrokenLayer):
        outcome.layer.receive(bytes(theirs))
