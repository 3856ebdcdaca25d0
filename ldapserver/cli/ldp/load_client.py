"""One connection of `ldp load`: our codec and our DIGEST-MD5 over asyncio, an operation at a time."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.url import ListenURL
from ldapserver.wire.codec import decode, encode
from ldapserver.wire.filters import Filter
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    DerefAliases,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    LDAPResult,
    Operation,
    ResultCode,
    SaslAuthentication,
    Scope,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
    SimpleAuthentication,
    UnbindRequest,
)
from sasl_digest import DigestClient, DigestError, Password, Response, Success

A = TypeVar("A", BindResponse, ExtendedResponse)

MAX_MESSAGE = 16 * 1024 * 1024  # octets of an answer; a server is not to fill our memory
_START_TLS = "1.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14
_VERSION = 3

UNREACHABLE, CLOSED, TIMEOUT, UNREADABLE = "cannot connect", "closed by the server", "no answer in time", "unreadable"
UNPROVEN, REFUSED_CHALLENGE = "rspauth wrong or missing", "challenge not acceptable"


class Trouble(Exception):
    """An operation has no result code: `kind` is what is counted, `detail` says more of this one."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and how."""

    server: ListenURL
    host_name: str
    realm: str | None = None
    start_tls: bool = False
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class Client(asyncio.Protocol):
    """A connection. Its operations raise Trouble, after which it is of no more use, and is to be closed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        # Any: the stubs have the transports of the two kinds of sockets in types of their own.
        self._transport: Any = None
        self._framer = Framer(MAX_MESSAGE)
        self._awaited: asyncio.Future[None] | None = None
        self._arrived: list[bytes] = []
        self._trouble: Trouble | None = None
        self._message_id = 0

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._framer.feed(data)
        try:
            while (element := self._framer.next()) is not None:
                self._arrived.append(element)
        except ProtocolViolation as violation:
            self._trouble = Trouble(UNREADABLE, str(violation))
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._trouble = self._trouble or Trouble(CLOSED, "" if error is None else str(error))
        self._wake()

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done() and (self._arrived or self._trouble):
            self._awaited.set_result(None)

    # What the load does.

    async def open(self) -> None:
        """Connect, with TLS where it is asked for."""
        loop = asyncio.get_running_loop()
        server, target = self._target.server, self._target
        try:
            if server.path:
                self._transport, _ = await loop.create_unix_connection(lambda: self, server.path)
            else:
                context = target.tls if server.tls else None
                name = server.host if context else None
                self._transport, _ = await loop.create_connection(
                    lambda: self, server.host, server.port, ssl=context, server_hostname=name
                )
            if target.start_tls:
                await self._start_tls(loop)
        except OSError as error:  # also ssl.SSLError, and what a certificate does not prove
            raise Trouble(UNREACHABLE, error.strerror or str(error)) from None
        except UnicodeError:
            raise Trouble(UNREACHABLE, "no host has such a name") from None

    async def _start_tls(self, loop: asyncio.AbstractEventLoop) -> None:
        answer = await self._ask(ExtendedRequest(_START_TLS), ExtendedResponse)
        if answer.result_code != ResultCode.SUCCESS:
            raise Trouble(UNREACHABLE, f"StartTLS: resultCode {int(answer.result_code)}")
        assert self._target.tls is not None
        # What came in the clear behind the answer is nobody's word.
        if self._framer.pending or self._arrived:
            raise Trouble(UNREADABLE, "octets in the clear behind the answer to StartTLS")
        self._transport = await loop.start_tls(
            self._transport, self, self._target.tls, server_hostname=self._target.server.host
        )

    def close(self) -> None:
        """Unbind, and end the connection."""
        if self._transport is not None:
            if self._trouble is None:
                self._send(UnbindRequest())
            self._transport.close()
            self._transport = None

    async def simple(self, name: str, password: str) -> int:
        """A simple bind: its resultCode."""
        request = BindRequest(_VERSION, name, SimpleAuthentication(password.encode()))
        return (await self._ask(request, BindResponse)).result_code

    async def digest(self, username: str, password: str) -> int:
        """A bind by DIGEST-MD5, in which the server has to prove itself too: its resultCode."""
        target = self._target
        try:
            client = DigestClient(
                username, Password(password), service="ldap", host=target.host_name, realm=target.realm
            )
        except DigestError as error:
            raise Trouble(REFUSED_CHALLENGE, str(error)) from None
        first = await self._ask(_sasl(None), BindResponse)
        if first.result_code == ResultCode.SUCCESS:
            raise Trouble(UNPROVEN, "success without a challenge")
        if first.result_code != ResultCode.SASL_BIND_IN_PROGRESS:
            return first.result_code
        answer = client.step(first.server_sasl_creds or b"")
        if not isinstance(answer, Response):
            raise Trouble(REFUSED_CHALLENGE, getattr(answer, "detail", ""))
        last = await self._ask(_sasl(answer.data), BindResponse)
        if last.result_code == ResultCode.SUCCESS:
            # A server that says yes and proves nothing may be anybody.  RFC 2831 section 2.1.3
            outcome = client.step(last.server_sasl_creds or b"")
            if not isinstance(outcome, Success):
                raise Trouble(UNPROVEN, getattr(outcome, "detail", ""))
        return last.result_code

    async def search(self, base: str, scope: Scope, filter: Filter, attributes: tuple[str, ...]) -> tuple[int, int]:
        """A search: its resultCode, and how many entries came."""
        self._send(SearchRequest(base, scope, DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False, filter, attributes))
        entries = 0
        while True:
            operation = await self._next()
            if isinstance(operation, SearchResultDone):
                return operation.result_code, entries
            if isinstance(operation, SearchResultEntry):
                entries += 1
            elif not isinstance(operation, SearchResultReference):
                raise Trouble(UNREADABLE, f"a {type(operation).__name__} answers a search")

    async def _ask(self, request: Operation, kind: type[A]) -> A:
        self._send(request)
        operation = await self._next()
        if not isinstance(operation, kind):
            raise Trouble(UNREADABLE, f"a {type(operation).__name__} answers a {type(request).__name__}")
        return operation

    def _send(self, operation: Operation) -> None:
        if self._transport is None or self._trouble is not None:
            raise self._trouble or Trouble(CLOSED)
        self._message_id += 1
        self._transport.write(encode(LDAPMessage(self._message_id, operation)))

    async def _next(self) -> Operation:
        while not self._arrived:
            if self._trouble is not None:
                raise self._trouble
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        element = self._arrived.pop(0)
        try:
            message = decode(element)
        except (ProtocolViolation, InvalidRequest) as error:
            raise Trouble(UNREADABLE, str(error)) from None
        if message.message_id == 0:
            # A Notice of Disconnection.  RFC 4511 section 4.4.1
            code = int(message.operation.result_code) if isinstance(message.operation, LDAPResult) else "unknown"
            raise Trouble(CLOSED, f"notice of disconnection, resultCode {code}")
        if message.message_id != self._message_id:
            raise Trouble(UNREADABLE, f"messageID {message.message_id} where {self._message_id} is due")
        return message.operation


def _sasl(credentials: bytes | None) -> BindRequest:
    return BindRequest(_VERSION, "", SaslAuthentication("DIGEST-MD5", credentials))
