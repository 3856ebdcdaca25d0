"""LayeredSocket: however the stream is cut, what is before a layer comes out raw and what is behind it opened."""

import queue
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import QOP, Cipher, PeerError, SecurityLayer
from sasl_digest.layered_socket import BrokenConnection, LayeredSocket
from sasl_digest.layers import client_layer, server_layer

KINDS: list[tuple[QOP, Cipher | None]] = [
    (QOP.AUTH_INT, None),
    (QOP.AUTH_CONF, Cipher.RC4),
    (QOP.AUTH_CONF, Cipher.TRIPLE_DES),
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: (kind[1] or kind[0]).decode())

SUCCESS = bytes.fromhex("300c 020102 6107 0a0100 0400 0400")
REFUSED = bytes.fromhex("300c 020102 6107 0a0131 0400 0400")
IN_PROGRESS = bytes.fromhex("3014 020101 610f 0a010e 0400 0400 8706") + b"nonce="
# As Windows writes lengths, and with the creds behind it.
LONG_SUCCESS = bytes.fromhex("308400000019 02020102 6184 0000000f 0a0100 0400 0400 8706") + b"rspaut"
LONG_REFUSED = LONG_SUCCESS.replace(b"\x0a\x01\x00", b"\x0a\x01\x31")
LONG_IN_PROGRESS = LONG_SUCCESS.replace(b"\x0a\x01\x00", b"\x0a\x01\x0e")
ENTRY = bytes.fromhex("3082012c 020103 6482 0125") + bytes(293)
DONE = bytes.fromhex("300c 020103 6507 0a0100 0400 0400")


def ends(kind: tuple[QOP, Cipher | None], h_a1: bytes = bytes(16)) -> tuple[SecurityLayer, SecurityLayer]:
    """A client's end of a layer and the server's."""
    client = client_layer(h_a1, *kind, peer_maxbuf=128, limit=4096)
    server = server_layer(h_a1, *kind, peer_maxbuf=128, limit=4096)
    assert client is not None
    assert server is not None
    return client, server


class Wire:
    """A socket whose peer has sent these pieces, one for each recv(), and then left."""

    def __init__(self, pieces: Iterable[bytes], timeout: float | None = 0.001) -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.timeout = timeout
        self.sent: list[bytes] = []
        self.shut: list[int] = []

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        self.pieces[:0] = [piece[size:]] if piece[size:] else []
        return piece[:size]

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)

    def shutdown(self, how: int) -> None:
        self.shut.append(how)

    def gettimeout(self) -> float | None:
        return self.timeout


def layered(wire: Wire, layer: SecurityLayer | None = None) -> LayeredSocket:
    return LayeredSocket(cast(socket.socket, wire), layer)


def cut(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    return [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]


def everything(sock: LayeredSocket, size: int = 4096) -> bytes:
    """All until the end of the connection, or until a decision is due."""
    received = b""
    try:
        while data := sock.recv(size):
            assert len(data) <= size
            received += data
    except TimeoutError:
        pass
    return received


@contextmanager
def connected() -> Iterator[tuple[LayeredSocket, socket.socket]]:
    """One over a real socket, and the peer."""
    ours, peer = socket.socketpair()
    with closing(LayeredSocket(ours)) as sock, peer:
        yield sock, peer


# Without a layer


# 0x61 marks a BindResponse: by chance the octets in front of it might look like a message that holds one.
@given(pieces=st.lists(st.binary(max_size=80), max_size=20), watching=st.booleans())
def test_what_is_no_ldap_passes_as_it_comes(pieces: list[bytes], watching: bool) -> None:
    pieces = [piece.replace(b"\x61", b"!") for piece in pieces]
    sock = layered(Wire(pieces))
    if watching:
        sock.watch()
    assert everything(sock, 50) == b"".join(pieces)
    assert sock.recv(50) == b""


def test_octets_pass_as_they_come_until_a_layer_is_laid() -> None:
    stream = IN_PROGRESS + ENTRY + SUCCESS + DONE
    wire = Wire([stream])
    sock = layered(wire)
    assert sock.recv(4096) == stream
    assert sock.recv(4096) == b""
    sock.sendall(b"request")
    assert sock.send(b"another") == 7
    assert wire.sent == [b"request", b"another"]


def test_no_more_is_handed_out_than_was_asked_for() -> None:
    client, server = ends(KINDS[0])
    sock = layered(Wire([server.wrap(ENTRY)]), client)
    buffer = bytearray(5)
    assert sock.recv_into(buffer) == 5
    assert sock.recv_into(buffer, 3) == 3
    assert bytes(buffer) == ENTRY[5:8] + ENTRY[3:5]
    assert everything(sock, 7) == ENTRY[8:]


# The end of an exchange


@pytest.mark.parametrize("end", [SUCCESS, REFUSED, LONG_SUCCESS, LONG_REFUSED], ids=lambda end: end.hex()[:8])
def test_nothing_behind_the_end_is_handed_out_before_it_is_settled(end: bytes) -> None:
    sock = layered(Wire([IN_PROGRESS + ENTRY + LONG_IN_PROGRESS + end + DONE]))
    sock.watch()
    assert everything(sock) == IN_PROGRESS + ENTRY + LONG_IN_PROGRESS + end
    with pytest.raises(TimeoutError):
        sock.recv(1)
    sock.settle(None)
    assert everything(sock) == DONE


@each_kind
def test_success_and_what_is_in_the_layer_behind_it_cut_anywhere(kind: tuple[QOP, Cipher | None]) -> None:
    for at in range(len(LONG_SUCCESS) + 100):
        client, server = ends(kind)
        sock = layered(Wire(cut(LONG_SUCCESS + server.wrap(DONE) + server.wrap(ENTRY), [at])))
        sock.watch()
        assert everything(sock) == LONG_SUCCESS
        sock.settle(client)
        assert sock.layer is client
        assert everything(sock) == DONE + ENTRY


@settings(deadline=None)
@given(
    kinds=st.tuples(st.sampled_from([None, *KINDS]), st.sampled_from(KINDS)),
    before=st.lists(st.sampled_from([IN_PROGRESS, ENTRY, DONE]), max_size=2),
    behind=st.lists(st.sampled_from([ENTRY, DONE, SUCCESS]), max_size=3),
    data=st.data(),
)
def test_a_layer_takes_the_place_of_an_earlier_one_or_of_none_however_the_stream_is_cut(
    kinds: tuple[tuple[QOP, Cipher | None] | None, tuple[QOP, Cipher | None]],
    before: list[bytes],
    behind: list[bytes],
    data: st.DataObject,
) -> None:
    first, second = kinds
    old, old_server = (None, None) if first is None else ends(first)
    new, new_server = ends(second, bytes(range(16)))
    front = [*before, SUCCESS]
    stream = b"".join(front) if old_server is None else b"".join(map(old_server.wrap, front))
    stream += b"".join(map(new_server.wrap, behind))
    sock = layered(Wire(cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))), old)
    sock.watch()
    assert everything(sock) == b"".join(front)
    sock.settle(new)
    assert everything(sock) == b"".join(behind)


@settings(deadline=None)
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_an_earlier_layer_stays_when_no_other_is_agreed_upon(
    kind: tuple[QOP, Cipher | None], data: st.DataObject
) -> None:
    client, server = ends(kind)
    stream = server.wrap(REFUSED + DONE) + server.wrap(ENTRY)
    wire = Wire(cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=9))))
    sock = layered(wire, client)
    sock.watch()
    assert everything(sock) == REFUSED + DONE  # one buffer, and nobody else has touched it
    sock.settle(None)
    assert everything(sock) == ENTRY
    sock.sendall(DONE)
    assert server.receive(wire.sent[0]) == DONE


@pytest.mark.parametrize("seen", range(len(ENTRY) + 1))
def test_watch_begins_in_the_middle_of_a_message(seen: int) -> None:
    client, server = ends(KINDS[0])
    sock = layered(Wire([ENTRY[:seen], ENTRY[seen:] + SUCCESS + server.wrap(DONE)]))
    start = sock.recv(4096) if seen else b""
    sock.watch()
    assert start + everything(sock) == ENTRY + SUCCESS
    sock.settle(client)
    assert everything(sock) == DONE


@each_kind
def test_octets_one_by_one(kind: tuple[QOP, Cipher | None]) -> None:
    client, server = ends(kind)
    stream = IN_PROGRESS + SUCCESS + server.wrap(ENTRY) + server.wrap(DONE)
    sock = layered(Wire(cut(stream, range(len(stream)))))
    sock.watch()
    assert everything(sock) == IN_PROGRESS + SUCCESS
    sock.settle(client)
    assert everything(sock) == ENTRY + DONE


# In a layer


def test_what_is_sent_is_wrapped_and_threads_do_not_mix_up_the_count() -> None:
    client, server = ends((QOP.AUTH_CONF, Cipher.RC4))
    wire = Wire([])
    sock = layered(wire, client)
    go = threading.Barrier(4)

    def send() -> None:
        go.wait()
        for _ in range(100):
            sock.sendall(DONE)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.receive(b"".join(wire.sent)) == DONE * 400


@each_kind
def test_buffer_that_was_altered_ends_the_connection(kind: tuple[QOP, Cipher | None]) -> None:
    client, server = ends(kind)
    whole, altered = server.wrap(ENTRY), bytearray(server.wrap(DONE))
    altered[6] ^= 1
    wire = Wire([whole + bytes(altered) + server.wrap(DONE), b"more"])
    sock = layered(wire, client)
    assert sock.recv(4096) == ENTRY
    assert wire.shut == []
    with pytest.raises(BrokenConnection, match=r"^security layer: a buffer is wrong$") as error:
        sock.recv(4096)
    assert isinstance(error.value, OSError)
    assert isinstance(error.value, PeerError)
    assert wire.shut == [socket.SHUT_RDWR]
    assert [sock.recv(4096), sock.recv(4096)] == [b"", b""]


def test_raw_octets_are_nothing_to_a_layer() -> None:
    client, _ = ends(KINDS[0])
    sock = layered(Wire([DONE]), client)
    with pytest.raises(BrokenConnection):
        sock.recv(4096)


# Threads


class Receiver(threading.Thread):
    """Receives until there is no more, as ldap3's threads do."""

    def __init__(self, sock: LayeredSocket) -> None:
        super().__init__()
        self._sock = sock
        self._got: queue.Queue[bytes] = queue.Queue()
        self.start()

    def run(self) -> None:
        while data := self._sock.recv(4096):
            self._got.put(data)

    def take(self, size: int) -> bytes:
        """So many octets, in one or more pieces."""
        taken = b""
        while len(taken) < size:
            taken += self._got.get(timeout=10)
        return taken


@each_kind
def test_thread_that_receives_all_the_time_gets_it_right_too(kind: tuple[QOP, Cipher | None]) -> None:
    client, server = ends(kind)
    with connected() as (sock, peer):
        receiver = Receiver(sock)
        sock.watch()
        peer.sendall(SUCCESS + server.wrap(DONE))
        assert receiver.take(len(SUCCESS)) == SUCCESS
        sock.settle(client)
        assert receiver.take(len(DONE)) == DONE
        peer.shutdown(socket.SHUT_WR)
        receiver.join(10)
        assert not receiver.is_alive()


@pytest.mark.parametrize("how", ["close", "shutdown"])
@pytest.mark.parametrize("sent", [SUCCESS, IN_PROGRESS], ids=["undecided", "open"])
def test_closing_releases_a_thread_that_receives(how: str, sent: bytes) -> None:
    with connected() as (sock, peer):
        sock.watch()
        receiver = Receiver(sock)
        peer.sendall(sent)
        assert receiver.take(len(sent)) == sent
        # ldap3 does both
        sock.shutdown(socket.SHUT_RDWR)
        if how == "close":
            sock.close()
        receiver.join(10)
        assert not receiver.is_alive()
        assert sock.recv(1) == b""


# As a socket


def test_it_is_the_socket_for_all_else() -> None:
    with connected() as (sock, peer):
        sock.settimeout(3)
        assert (sock.gettimeout(), sock.family, sock.fileno() > 0) == (3, peer.family, True)
        sock.sendall(b"x")
        assert peer.recv(1) == b"x"
        sock.shutdown(socket.SHUT_WR)
        peer.sendall(b"y")
        assert sock.recv(1) == b"y"
        assert "no layer" in repr(sock)
        with socket.socket(fileno=sock.detach()) as taken:
            assert taken.fileno() > 0
        assert sock.recv(1) == b""


@pytest.mark.parametrize("name", ["sendto", "sendmsg", "sendfile", "recvfrom", "recvmsg", "makefile", "dup", "read"])
def test_nothing_goes_past_the_layer(name: str) -> None:
    untyped: Any = LayeredSocket
    with connected() as (sock, _):
        assert not hasattr(sock, name)
    assert not hasattr(untyped, name)


def test_no_key_is_in_its_repr() -> None:
    client, _ = ends(KINDS[1], h_a1=b"\xa5" * 16)
    assert repr(layered(Wire([]), client)).endswith(", auth-conf)")
