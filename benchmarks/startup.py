"""From starting the process to the first bind's success, beside a bare import of the reactor in the same run."""

import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.server import running
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import BindRequest, BindResponse, LDAPMessage, SaslAuthentication
from sasl_digest import DigestClient, Password, Response, Success


@dataclass(frozen=True)
class StartUp:
    """Median milliseconds."""

    bare_reactor: float
    first_bind: float


def measure(users: int, rounds: int) -> StartUp:
    """By turns, so that both see the same machine."""
    bare, first = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import twisted.internet.reactor"], check=True)
        bare.append((time.perf_counter() - start) * 1000)
        start = time.perf_counter()
        with running(users) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                bind(connection)
            first.append((time.perf_counter() - start) * 1000)
    return StartUp(statistics.median(bare), statistics.median(first))


def bind(connection: socket.socket, user: int = 1) -> None:
    """One DIGEST-MD5 bind, its rspauth verified."""
    client = DigestClient(f"user{user}", Password(f"pass{user}"), service="ldap", host="localhost")
    challenge = _ask(connection, 1, None)
    answer = client.step(challenge.server_sasl_creds or b"")
    assert isinstance(answer, Response), answer
    assert isinstance(client.step(_ask(connection, 2, answer.data).server_sasl_creds or b""), Success)


def _ask(connection: socket.socket, message_id: int, credentials: bytes | None) -> BindResponse:
    request = BindRequest(3, "", SaslAuthentication("DIGEST-MD5", credentials))
    connection.sendall(codec.encode(LDAPMessage(message_id, request)))
    framer = Framer(65536)
    while (element := framer.next()) is None:
        framer.feed(connection.recv(65536))
    response = codec.decode(element).operation
    assert isinstance(response, BindResponse), response
    return response
