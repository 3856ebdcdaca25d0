"""Our own client, where there is no bindload: all connections of a run in one thread.

It takes more CPU for an operation than the servers do. While they wait for it their CPU per operation still means
something, if less (a processor that sleeps has to be woken, which is charged to who does it); rates and latencies are
its own.
"""

import random
import selectors
import socket
import time

from benchmarks.load import CONNECT_DIGEST, CONNECT_SIMPLE, DIGEST, SEARCH, WARM_UP, Load, Order
from benchmarks.process import PATIENCE, Listening
from benchmarks.server import BASE
from ldapserver.wire import codec
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    DerefAliases,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
    Scope,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SimpleAuthentication,
    UnbindRequest,
)
from sasl_digest import DigestClient, Password, Success
from sasl_digest import Response as DigestResponse


class WrongAnswer(RuntimeError):
    """A server did not do what it was asked for."""


class _Connection:
    """One connection, with one operation under way."""

    def __init__(self, selector: selectors.BaseSelector, port: int, order: Order) -> None:
        self._selector = selector
        self._port = port
        self._order = order
        self._reconnects = order.mode in (CONNECT_DIGEST, CONNECT_SIMPLE)
        self._digest = order.mode in (DIGEST, CONNECT_DIGEST)
        self._bound = order.mode != SEARCH  # a search comes after one bind
        self.latencies: list[float] = []  # milliseconds
        self._connect()
        self._begin()

    def _connect(self) -> None:
        self._started = time.perf_counter()
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = Framer(1 << 20)
        self._message_id = 0
        self._selector.register(self.socket, selectors.EVENT_READ, self)

    def _begin(self) -> None:
        number = random.randint(1, self._order.users)
        self._entries = 0
        if not self._reconnects:
            self._started = time.perf_counter()
        if self._digest:
            self._client = DigestClient(f"user{number}", Password(f"pass{number}"), service="ldap", host="localhost")
            self._send(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None)))
        elif self._order.mode == SEARCH and self._bound:
            filter = parse_filter(f"(uid=user{number})")
            never = DerefAliases.NEVER_DEREF_ALIASES
            self._send(SearchRequest(BASE, Scope.WHOLE_SUBTREE, never, 0, 0, False, filter, ()))
        else:
            dn = f"uid=user{number},ou=people,{BASE}"
            self._send(BindRequest(3, dn, SimpleAuthentication(b"pass%d" % number)))

    def _send(self, request: BindRequest | SearchRequest | UnbindRequest) -> None:
        self._message_id += 1
        self.socket.sendall(codec.encode(LDAPMessage(self._message_id, request)))

    def readable(self) -> None:
        """Take what came and send what comes next."""
        octets = self.socket.recv(65536)
        if not octets:
            raise WrongAnswer("the server closed a connection")
        self._framer.feed(octets)
        while (element := self._framer.next()) is not None:
            answer = codec.decode(element).operation
            if isinstance(answer, SearchResultEntry):
                self._entries += 1
            elif isinstance(answer, BindResponse) and answer.result_code == ResultCode.SASL_BIND_IN_PROGRESS:
                self._respond(answer)
            else:
                self._check(answer)
                self._done()
                return

    def _respond(self, challenge: BindResponse) -> None:
        step = self._client.step(challenge.server_sasl_creds or b"")
        if not isinstance(step, DigestResponse):
            raise WrongAnswer(f"the challenge was not answered: {step}")
        self._send(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", step.data)))

    def _check(self, answer: object) -> None:
        if not isinstance(answer, BindResponse | SearchResultDone) or answer.result_code != ResultCode.SUCCESS:
            raise WrongAnswer(f"{self._order.mode}: {answer}")
        if isinstance(answer, SearchResultDone):
            if self._entries != 1:
                raise WrongAnswer(f"{self._entries} entries where one was due")
        elif self._digest and self._order.verified and not self._proves_itself(answer):
            raise WrongAnswer("the server's rspauth is wrong")

    def _proves_itself(self, answer: BindResponse) -> bool:
        return isinstance(self._client.step(answer.server_sasl_creds or b""), Success)

    def _done(self) -> None:
        if self._bound:
            self.latencies.append((time.perf_counter() - self._started) * 1000)
        self._bound = True
        if self._reconnects:
            self._send(UnbindRequest())
            self.close()
            self._connect()
        self._begin()

    def close(self) -> None:
        """Give the connection up."""
        self._selector.unregister(self.socket)
        self.socket.close()


def by_own_client(server: Listening, order: Order) -> Load:
    """A run of our own client, in this process. Raises WrongAnswer."""
    selector = selectors.DefaultSelector()
    clients = [_Connection(selector, server.port, order) for _ in range(order.connections)]
    _drive(selector, WARM_UP)
    for client in clients:
        client.latencies.clear()
    cpu, start = server.cpu_seconds(), time.perf_counter()
    while not any(client.latencies for client in clients) and time.perf_counter() - start < PATIENCE:
        _drive(selector, order.seconds)
    elapsed, used = time.perf_counter() - start, server.cpu_seconds() - cpu
    latencies = sorted(latency for client in clients for latency in client.latencies)
    for client in clients:
        client.close()
    count = len(latencies)
    if not count:
        raise WrongAnswer(f"{order.mode}: not one operation in {elapsed:.1f} seconds")
    return Load(count, elapsed, used / count * 1e6, latencies[count // 2], latencies[count * 99 // 100])


def _drive(selector: selectors.BaseSelector, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(0.1):
            key.data.readable()
