"""Binds on many connections, one after the other on each: by a compiled `bindload`, or by our own client."""

import json
import random
import selectors
import socket
import subprocess
import time
from dataclasses import dataclass

from benchmarks.server import BASE, RunningServer
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
    SimpleAuthentication,
)
from sasl_digest import DigestClient, Password, Response, Success

MODES = ("digest", "simple")


@dataclass(frozen=True)
class Load:
    """What a run came to: operations, seconds, and CPU of the server per operation (microseconds)."""

    operations: int
    seconds: float
    server_cpu_us: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds


def by_bindload(path: str, server: RunningServer, mode: str, *, connections: int, users: int, seconds: float) -> Load:
    """A run of the compiled load generator, which verifies every rspauth."""
    command = [path, "--port", str(server.port), "--mode", mode, "--conns", str(connections), "--users", str(users)]
    command += ["--duration", str(seconds), "--digest-uri", "ldap/localhost", "--server-pid", str(server.pid)]
    if mode == "search":
        command += ["--bind", "digest"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds * 4 + 30)
    said = json.loads(ended.stdout)
    if said["errors"]:
        raise RuntimeError(f"{mode}: {said['errors']} errors, the first: {said['first_error']}")
    return Load(said["ops"], said["seconds"], said["server_cpu_us_per_op"], said["p50_ms"], said["p99_ms"])


class _Connection:
    """One of our own client's connections, in the middle of a bind."""

    def __init__(self, port: int, mode: str, users: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = Framer(1 << 20)
        self._mode = mode
        self._users = users
        self._message_id = 0
        self.latencies: list[float] = []

    def begin(self) -> None:
        """Send the first message of a bind."""
        number = random.randint(1, self._users)
        self._started = time.perf_counter()
        if self._mode == "simple":
            dn = f"uid=user{number},ou=people,{BASE}"
            self._send(BindRequest(3, dn, SimpleAuthentication(b"pass%d" % number)))
            return
        self._client = DigestClient(f"user{number}", Password(f"pass{number}"), service="ldap", host="localhost")
        self._send(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None)))

    def readable(self) -> None:
        """Take an answer and send what comes next."""
        self._framer.feed(self.socket.recv(65536))
        while (element := self._framer.next()) is not None:
            response = codec.decode(element).operation
            if not isinstance(response, BindResponse):
                raise RuntimeError(f"not a BindResponse: {response}")
            if response.result_code == ResultCode.SASL_BIND_IN_PROGRESS:
                answer = self._client.step(response.server_sasl_creds or b"")
                if not isinstance(answer, Response):
                    raise RuntimeError(f"the challenge was not answered: {answer}")
                self._send(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", answer.data)))
                continue
            if response.result_code != ResultCode.SUCCESS:
                raise RuntimeError(f"a bind failed: {response}")
            if self._mode == "digest" and not isinstance(
                self._client.step(response.server_sasl_creds or b""), Success
            ):
                raise RuntimeError("the server's rspauth is wrong")
            self.latencies.append((time.perf_counter() - self._started) * 1000)
            self.begin()

    def _send(self, request: BindRequest) -> None:
        self._message_id += 1
        self.socket.sendall(codec.encode(LDAPMessage(self._message_id, request)))


def by_own_client(server: RunningServer, mode: str, *, connections: int, users: int, seconds: float) -> Load:
    """A run of our own client, in this process: slower than the server, so only the CPU per operation means much."""
    selector = selectors.DefaultSelector()
    clients = [_Connection(server.port, mode, users) for _ in range(connections)]
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.begin()
    cpu, start = server.cpu_seconds(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        for key, _ in selector.select(1.0):
            key.data.readable()
    elapsed, used = time.perf_counter() - start, server.cpu_seconds() - cpu
    latencies = sorted(latency for client in clients for latency in client.latencies)
    for client in clients:
        client.socket.close()
    count = len(latencies)
    return Load(count, elapsed, used / count * 1e6, latencies[count // 2], latencies[count * 99 // 100])
