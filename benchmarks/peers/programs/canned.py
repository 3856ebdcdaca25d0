"""A responder that parses nothing: `python canned.py twisted|uvloop` says at which port it listens.

To whatever is read it answers by turns with the octets of a challenge and of a success. What it costs is what an
event loop costs for a bind, two messages in and two out, whoever it serves.
"""

import asyncio
import sys
from importlib import import_module
from typing import Any

_CHALLENGE = (
    b'qop="auth",algorithm=md5-sess,nonce="c2l4dGVlbiBvY3RldHMgb2YgY2hhbmNlIGFuZCBhIHNpZ24",charset=utf-8,'
    b'realm="example.org"'
)
_RSPAUTH = b"rspauth=ea40f60335c427b5527b84dbabcdfffd"


def _bind_response(result_code: int, server_sasl_creds: bytes) -> bytes:
    """BindResponse of RFC 4511 section 4.2.2 with message id 1, each length in one octet or behind an 0x81."""
    creds = b"\x87" + _length(server_sasl_creds)
    response = b"\x61" + _length(b"\x0a\x01" + bytes([result_code]) + b"\x04\x00\x04\x00" + creds)
    return b"\x30" + _length(b"\x02\x01\x01" + response)


def _length(contents: bytes) -> bytes:
    size = len(contents)
    return (bytes([0x81, size]) if size > 127 else bytes([size])) + contents


ANSWERS = _bind_response(14, _CHALLENGE), _bind_response(0, _RSPAUTH)


def on_twisted() -> None:
    """On the reactor that Twisted takes by itself."""
    from twisted.internet import protocol, reactor

    class Canned(protocol.Protocol):
        second = False

        def dataReceived(self, data: bytes) -> None:  # noqa: N802
            transport: Any = self.transport
            transport.write(ANSWERS[self.second])
            self.second = not self.second

    factory: Any = protocol.Factory.forProtocol(Canned)
    factory.noisy = False
    running: Any = reactor
    port = running.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    running.run()


def on_uvloop() -> None:
    """A protocol straight on uvloop, without Twisted."""
    uvloop: Any = import_module("uvloop")  # which is there or not, also for who checks types

    class Canned(asyncio.Protocol):
        second = False

        def connection_made(self, transport: Any) -> None:
            self.write = transport.write

        def data_received(self, data: bytes) -> None:
            self.write(ANSWERS[self.second])
            self.second = not self.second

    loop = uvloop.new_event_loop()
    server: Any = loop.run_until_complete(loop.create_server(Canned, "127.0.0.1", 0, backlog=1024))
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.run_forever()


if __name__ == "__main__":
    {"twisted": on_twisted, "uvloop": on_uvloop}[sys.argv[1]]()
