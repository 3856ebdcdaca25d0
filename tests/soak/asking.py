"""Clients of a soak with many connections: asyncio's, so that one process has thousands, each binding."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
    UnbindRequest,
)
from sasl_digest import DigestClient, Password, Response, Success

EMPTY = BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None))


class Lost(Exception):
    """The server closed a connection that was wanted."""


class Asking(asyncio.Protocol):
    """One connection that binds when it is told to."""

    def __init__(self) -> None:
        self._framer = Framer(65536)
        self._message_id = 0
        self._answer: asyncio.Future[BindResponse] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand the answer to who waits for it."""
        self._framer.feed(data)
        while (element := self._framer.next()) is not None:
            message = codec.decode(element)
            if self._answer is None or message.message_id != self._message_id:
                raise AssertionError(f"nobody asked for this: {message}")
            assert isinstance(message.operation, BindResponse)
            self._answer.set_result(message.operation)
            self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told."""
        self.closed.set_result(None)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Lost(f"the server closed a connection: {exc}"))

    async def bind(self, number: int) -> None:
        """As this user, by DIGEST-MD5. Raises AssertionError if that does not succeed, or Lost."""
        client = DigestClient(f"user{number}", Password(f"pass{number}"), service="ldap", host="localhost")
        challenge = await self._ask(EMPTY)
        assert challenge.result_code == ResultCode.SASL_BIND_IN_PROGRESS, challenge
        step = client.step(challenge.server_sasl_creds or b"")
        assert isinstance(step, Response), step
        verdict = await self._ask(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", step.data)))
        assert verdict.result_code == ResultCode.SUCCESS, verdict
        assert isinstance(client.step(verdict.server_sasl_creds or b""), Success)

    async def unbind(self) -> None:
        """Take leave, and wait until the server has closed the connection."""
        self._message_id += 1
        self._transport.write(codec.encode(LDAPMessage(self._message_id, UnbindRequest())))
        await self.closed

    def give_up(self) -> None:
        """Close the connection without a word."""
        self._transport.abort()

    async def _ask(self, request: BindRequest) -> BindResponse:
        if self.closed.done():
            raise Lost("the server has closed a connection")
        self._message_id += 1
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(codec.encode(LDAPMessage(self._message_id, request)))
        return await self._answer


@asynccontextmanager
async def connected(port: int, many: int) -> AsyncIterator[list[Asking]]:
    """So many connections, opened one after the other; those that are open in the end are given up."""
    loop = asyncio.get_running_loop()
    clients: list[Asking] = []
    try:
        for _ in range(many):
            clients.append((await loop.create_connection(Asking, "127.0.0.1", port))[1])
        yield clients
    finally:
        for client in clients:
            client.give_up()
        await asyncio.gather(*(client.closed for client in clients))
