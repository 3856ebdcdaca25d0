"""What the interop tests share: the programs of others, a real slapd, and an LDAP server that follows a script.

A test asks for a program by `tool("ldapsearch")`. Where it is absent the test is skipped by that name, and fails
when the environment says INTEROP=required.
"""

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Any, NoReturn

import ldap3
import pytest
from ldap3.protocol.rfc4511 import LDAPMessage
from ldap3.protocol.sasl import digestMd5
from pyasn1.codec.ber import decoder

from sasl_digest.ldap3 import install, uninstall
from tests.interop.connections import ldap3_threads
from tests.interop.server import OurServer, run, running_server
from tests.interop.slapd import running_slapd

_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # slapd's places, often outside a user's PATH


def tool(name: str) -> str:
    """The path of this program. Without it the test is skipped, or fails under INTEROP=required."""
    path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS)))
    return path if path is not None else absent(name)


def absent(what: str) -> NoReturn:
    """Skip the test, or fail it under INTEROP=required, since `what` is not installed."""
    if os.environ.get("INTEROP") == "required":
        pytest.fail(f"{what} is not installed, and INTEROP=required", pytrace=False)
    pytest.skip(f"{what} is not installed")


# A JVM that lives for a second optimises nothing worth its while.
QUICKLY = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


def compiled(folder: Path, source: Path) -> Path:
    """The folder, with the classes of a Java program in it."""
    status, _, error = run(tool("javac"), *(f"-J{option}" for option in QUICKLY), "-d", str(folder), str(source))
    assert status == 0, error
    return folder


@pytest.fixture(scope="session")
def bind_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client of JNDI, compiled once for all: a source file takes a second to start."""
    return compiled(tmp_path_factory.mktemp("classes"), Path(__file__).parent / "clients" / "Bind.java")


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real slapd that offers DIGEST-MD5."""
    programs = tool("slapd"), tool("slapadd")
    with running_slapd(*programs, tmp_path_factory.mktemp("slapd")) as running:
        with ldap3.Connection(ldap3.Server(running.url, get_info="DSA")) as anonymous:
            info = anonymous.server.info
        if "DIGEST-MD5" not in (info.supported_sasl_mechanisms or ()):
            absent("Cyrus SASL's DIGEST-MD5")
        yield running.url


@pytest.fixture(scope="session")
def our_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """`ldapserver serve` with the Contoso domain, and its audit log."""
    with running_server(tmp_path_factory.mktemp("ldapserver")) as server:
        yield server


@pytest.fixture(scope="session")
def our_url(our_server: OurServer) -> str:
    """The URL of `our_server`."""
    return our_server.url


@pytest.fixture(params=["slapd", "our_url"])
def directory_server(request: pytest.FixtureRequest) -> str:
    """The URL of a server with u1 (password) and jürgen (pässwörd) below ou=people,dc=contoso,dc=com."""
    url: str = request.getfixturevalue(request.param)
    return url


@dataclass(frozen=True)
class Answer:
    """A BindResponse, and octets that are sent in one piece with it."""

    result_code: int
    server_sasl_creds: bytes | None = None
    diagnostic_message: str = ""
    behind: bytes = b""


CHALLENGE = b'qop="auth",algorithm=md5-sess,nonce="AAECAwQFBgcICQ==",charset=utf-8,realm="contoso.com"'


def asking(challenge: bytes = CHALLENGE) -> Answer:
    """saslBindInProgress with this challenge."""
    return Answer(14, challenge)


def directives(response: bytes) -> dict[str, bytes]:
    """What ldap3 reads in a digest-response."""
    untyped: Any = digestMd5.decode_directives
    return {name: value.encode() for name, value in untyped(response).items()}


def digest(response: bytes, password: str, a2_prefix: bytes) -> bytes:
    """RFC 2831 section 2.1.2.1 over again, without the engine, for names and passwords in ASCII and qop auth."""

    def hexed(data: bytes) -> bytes:
        return md5(data).hexdigest().encode()

    said = directives(response)
    a1 = [md5(b":".join([said["username"], said.get("realm", b""), password.encode()])).digest(), said["nonce"]]
    a1 += [said["cnonce"], said["authzid"]] if "authzid" in said else [said["cnonce"]]
    keyed = [hexed(b":".join(a1)), said["nonce"], said["nc"], said["cnonce"], b"auth"]
    return hexed(b":".join([*keyed, hexed(a2_prefix + said["digest-uri"])]))


def honest(response: bytes) -> Answer:
    """The verdict of a server that knows the password, which is `password`."""
    if directives(response)["response"] != digest(response, "password", b"AUTHENTICATE:"):
        return Answer(49, None, "Invalid credentials")
    return Answer(0, b"rspauth=" + digest(response, "password", b":"))


def lying(response: bytes) -> Answer:
    """The verdict of a server that does not know the password and says yes."""
    return Answer(0, b"rspauth=" + b"0" * 32)


ROOT_DSE = {
    "objectClass": ["top"],
    "supportedSASLMechanisms": ["DIGEST-MD5", "EXTERNAL"],
    "namingContexts": ["dc=contoso,dc=com"],
    "supportedLDAPVersion": ["3"],
}


@dataclass
class ScriptedServer:
    """An LDAP server on this machine, a thread for each connection, whose binds end as the script says.

    `opening()` answers a DIGEST-MD5 bind without credentials, `verdict(digest_response)` one with them, `other()`
    another mechanism; where they give None the connection is closed instead. `binds` is what came of SASL: mechanism
    and credentials; `operations` is all that came, by the names of RFC 4511.
    """

    opening: Callable[[], Answer | None] = asking
    verdict: Callable[[bytes], Answer | None] = honest
    other: Callable[[], Answer | None] = lambda: Answer(7)
    operations: list[str] = field(default_factory=list)
    binds: list[tuple[str, bytes | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"ldap://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Close all it has open, and wait for its threads."""
        for each in self._open:
            with contextlib.suppress(OSError):  # the other end was faster
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    @property
    def responses(self) -> list[bytes]:
        """The digest-responses that came."""
        return [credentials for mechanism, credentials in self.binds if mechanism == "DIGEST-MD5" and credentials]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        with connection:
            while True:
                try:
                    received += (data := connection.recv(65536))
                    if received and received[0] != 0x30:  # inside a layer: it hangs up
                        return
                    while (message := _first_message(received)) is not None:
                        received = received[len(message) :]
                        answer = self._answer(message)
                        if answer is None:
                            return
                        connection.sendall(answer)
                except OSError:
                    return
                if not data:
                    return

    def _answer(self, message: bytes) -> bytes | None:
        request, _ = decoder.decode(message, asn1Spec=LDAPMessage())
        message_id, operation = tlv(0x02, int(request["messageID"]).to_bytes(4, "big")), request["protocolOp"]
        self.operations.append(operation.getName())
        if operation.getName() == "bindRequest":
            bind = self._bind(operation["bindRequest"]["authentication"])
            if bind is None:
                return None
            creds = b"" if bind.server_sasl_creds is None else tlv(0x87, bind.server_sasl_creds)
            result = _ldap_result(bind.result_code, bind.diagnostic_message)
            return tlv(0x30, message_id, tlv(0x61, result, creds)) + bind.behind
        if operation.getName() == "searchRequest":
            attributes = [
                tlv(0x30, tlv(0x04, name.encode()), tlv(0x31, *(tlv(0x04, value.encode()) for value in values)))
                for name, values in ROOT_DSE.items()
            ]
            entry = tlv(0x30, message_id, tlv(0x64, tlv(0x04), tlv(0x30, *attributes)))
            return entry + tlv(0x30, message_id, tlv(0x65, _ldap_result(0)))
        return None  # unbind, and whatever else

    def _bind(self, authentication: Any) -> Answer | None:
        if authentication.getName() == "simple":
            return Answer(0 if bytes(authentication["simple"]) == b"password" else 49)
        sasl = authentication["sasl"]
        credentials = bytes(sasl["credentials"]) if sasl["credentials"].hasValue() else None
        mechanism = str(sasl["mechanism"])
        self.binds.append((mechanism, credentials))
        if mechanism != "DIGEST-MD5":
            return self.other()
        return self.verdict(credentials) if credentials else self.opening()


def tlv(tag: int, *contents: bytes) -> bytes:
    """A BER element."""
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _ldap_result(result_code: int, diagnostic_message: str = "") -> bytes:
    return (
        tlv(0x0A, result_code.to_bytes(1 + result_code // 128, "big"))
        + tlv(0x04)
        + tlv(0x04, diagnostic_message.encode())
    )


def _first_message(received: bytes) -> bytes | None:
    if len(received) < 2:
        return None
    size, start = received[1], 2
    if size & 0x80:
        start += size & 0x7F
        if len(received) < start:
            return None
        size = int.from_bytes(received[2:start], "big")
    return received[: start + size] if len(received) >= start + size else None


@pytest.fixture
def installed() -> Iterator[None]:
    """Every connection of ldap3's binds by our plugin."""
    install()
    yield
    uninstall()


@pytest.fixture
def impatient() -> Iterator[None]:
    """The asynchronous strategies learn only by ldap3's time-out, of 20 seconds, that a connection is gone."""
    untyped: Any = ldap3
    usual = untyped.get_config_parameter("RESPONSE_WAITING_TIMEOUT")
    ldap3.set_config_parameter("RESPONSE_WAITING_TIMEOUT", 0.5)
    yield
    ldap3.set_config_parameter("RESPONSE_WAITING_TIMEOUT", usual)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A thread of ldap3's that a test leaves behind would stop another, somewhere else."""
    yield
    assert ldap3_threads() == []


Scripted = Callable[..., ScriptedServer]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Starts ScriptedServers with the given script; they end with the test."""
    servers: list[ScriptedServer] = []

    # Any: the fields of ScriptedServer, which have several types.
    def start(**script: Any) -> ScriptedServer:
        servers.append(ScriptedServer(**script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
