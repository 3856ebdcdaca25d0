"""A socket with room for a security layer (RFC 4422 section 3.7, RFC 4513 section 5.2.1): LDAP's octets in and out.

Without a layer it hands on what comes. A layer begins right behind the BindResponse that reports success, and what
follows that may have arrived in one piece with it, so a bind is in three acts:

    watch()         before the last message of an exchange is sent
    recv()          hands out, in whatever thread, no more than up to the BindResponse that ends the exchange
    settle(layer)   once the server's proof was verified: what follows is inside the layer; or None: it is as before

A layer laid earlier stays until a new one takes its place: a second bind travels inside the first one's layer.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sasl_digest.errors import PeerError
from sasl_digest.layers import BrokenLayer, SecurityLayer, cut

# resultCode 14, saslBindInProgress: the only one that does not end an exchange.  RFC 4511 section 4.2.2
_IN_PROGRESS = b"\x0a\x01\x0e"
_BIND_RESPONSE = b"\x61"
_HEAD = 64  # octets of a message that are kept: up to and including a BindResponse's resultCode, however written
_PAST_THE_LAYER = ("send", "recv", "makefile", "dup", "read", "write", "unwrap")


class BrokenConnection(ConnectionAbortedError, PeerError):
    """A BrokenLayer came, and the connection was ended. An OSError, as whoever reads from a socket expects."""


class LayeredSocket:
    """A stream socket, which may be TLS, and the layer that all its octets go through.

    One thread may receive while others send. Every other method and attribute is the socket's own.
    """

    def __init__(self, below: socket.socket, layer: SecurityLayer | None = None) -> None:
        """`below` is the socket, connected or not; `layer` is one that is agreed upon already."""
        self._below = below
        self._layer = layer
        self._sending = threading.Lock()  # buffers are counted: they must leave in the order they were wrapped in
        self._changed = threading.Condition()  # guards all that follows
        self._received = bytearray()  # as it came
        self._ready = bytearray()  # to be handed out
        self._of_buffer = 0  # octets that the layer still lacks of the buffer it was last given a part of
        self._messages = _Messages()
        self._watching = False
        self._undecided = False  # the end of an exchange was handed out, and settle() is due
        self._broken = False
        self._over = threading.Event()

    def __repr__(self) -> str:
        return f"LayeredSocket({self._below!r}, {'no layer' if self._layer is None else self._layer.qop.decode()})"

    def __getattr__(self, name: str) -> Any:
        """The socket's own, except what would go past the layer."""
        if name.startswith(("_", *_PAST_THE_LAYER)):
            raise AttributeError(f"LayeredSocket has no {name!r}")
        return getattr(self._below, name)

    @property
    def layer(self) -> SecurityLayer | None:
        """The layer in place."""
        return self._layer

    def watch(self) -> None:
        """An exchange is about to end: keep back what comes behind the BindResponse that ends it."""
        with self._changed:
            self._watching = True

    def settle(self, layer: SecurityLayer | None) -> None:
        """The exchange has ended, and `layer` is in place from here on; None leaves an earlier one as it is."""
        with self._changed:
            self._watching = self._undecided = False
            if layer is not None:
                self._layer, self._of_buffer = layer, 0
            self._changed.notify_all()

    def sendall(self, data: bytes) -> None:
        """Send all of `data`. Raises OSError."""
        with self._sending:
            layer = self._layer
            self._below.sendall(data if layer is None else layer.wrap(bytes(data)))

    def send(self, data: bytes) -> int:
        """Send all of `data`, for half a buffer is no use, and say how much that was. Raises OSError."""
        self.sendall(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Wait for octets and return at most `size` of them; none when the connection is over.

        Raises BrokenConnection, once, for a buffer that is not what the peer's key and count make, TimeoutError, and
        what else the socket raises.
        """
        while True:
            with self._changed:
                self._wait_for_decision()
                self._sort()
                if self._ready:
                    data = bytes(self._ready[:size])
                    del self._ready[:size]
                    return data
                if self._over.is_set():
                    return b""
                if self._broken:
                    self._end()
                    raise BrokenConnection(str(BrokenLayer()))
            try:
                data = self._below.recv(size)
            except (OSError, ValueError):  # ValueError: TLS, closed in another thread
                if self._over.is_set():
                    return b""
                raise
            if not data:
                return b""
            with self._changed:
                self._received += data

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0) -> int:
        """`recv()` into `buffer`: how many octets that was."""
        data = self.recv(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def shutdown(self, how: int) -> None:
        """As of a socket; a thread that waits in `recv()` returns."""
        if how != socket.SHUT_WR:
            self._leave()
        self._below.shutdown(how)

    def close(self) -> None:
        """As of a socket."""
        self._leave()
        self._below.close()

    def detach(self) -> int:
        """The file descriptor, which is the caller's from here on; nothing can be sent or received any more."""
        self._leave()
        return self._below.detach()

    def _leave(self) -> None:
        with self._changed:
            self._over.set()
            self._changed.notify_all()

    def _end(self) -> None:
        self._over.set()
        with suppress(OSError):  # the peer was faster
            self._below.shutdown(socket.SHUT_RDWR)

    def _wait_for_decision(self) -> None:
        while self._undecided and not (self._ready or self._over.is_set()):
            if not self._changed.wait(self._below.gettimeout()):
                raise TimeoutError("timed out")

    def _sort(self) -> None:
        """Take what was received off the layer, up to the end of an exchange that is waited for."""
        received = self._received
        while received and not (self._undecided or self._broken):
            if self._layer is None:
                end = self._watched(received)
                self._ready += received[:end]
                del received[:end]
                continue
            # One buffer at a time: what is behind the one that holds the BindResponse may be inside of a new layer.
            piece, self._of_buffer = cut(received, self._of_buffer)
            if not piece:
                return
            try:
                opened = self._layer.receive(piece)
            except BrokenLayer:
                self._broken = True
            else:
                self._watched(opened)
                self._ready += opened

    def _watched(self, data: bytes | bytearray) -> int:
        """Up to where `data` may be handed out now."""
        for end, head in self._messages.ends(data):
            if self._watching and _ends_exchange(head):
                self._watching, self._undecided = False, True
                if self._layer is None:
                    return end
        return len(data)


class _Messages:
    """Where LDAP messages end in a stream. What is not LDAP does it no harm."""

    def __init__(self) -> None:
        self._head = bytearray()  # the first octets of the message that has begun
        self._passed = 0  # how many of its octets there were

    def ends(self, data: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
        """The end of each message that ends in `data`, and its first octets. May be left early."""
        at = 0
        while at < len(data):
            self._head += data[at : at + _HEAD - len(self._head)]
            content, length = _header(self._head, 0)
            due = content + length - self._passed
            if not content or len(data) - at < due:
                self._passed += len(data) - at
                return
            at += due
            head = bytes(self._head[: content + length])
            self._head.clear()
            self._passed = 0
            yield at, head


def _header(element: bytes | bytearray, at: int) -> tuple[int, int]:
    """Where the content of the BER element at `at` begins, and its length; (0, 0) when that is not there to see."""
    if len(element) < at + 2:
        return 0, 0
    first = element[at + 1]
    if first < 0x80:
        return at + 2, first
    content = at + 2 + (first & 0x7F)
    return (content, int.from_bytes(element[at + 2 : content], "big")) if len(element) >= content else (0, 0)


def _ends_exchange(head: bytes) -> bool:
    """Whether a message that begins so is a BindResponse other than saslBindInProgress."""
    content, _ = _header(
        head, 0
    )  # LDAPMessage ::= SEQUENCE { messageID, protocolOp CHOICE { bindResponse ... } ... }
    message_id, length = _header(head, content)
    operation = message_id + length
    result, _ = _header(head, operation)
    is_bind_response = head[operation : operation + 1] == _BIND_RESPONSE
    return is_bind_response and head[result : result + len(_IN_PROGRESS)] != _IN_PROGRESS
