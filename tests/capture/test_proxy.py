"""The proxy: octet for octet, closes, half-closes and resets, and what it records of them."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ldapserver.capture.conversation import Conversation, End
from ldapserver.testing import recording
from tests.capture.conversations import stream

PATIENCE = 20.0  # seconds, before a test that hangs is failed


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server whose connections `answer` has, one after the other; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):  # it is closed
                while True:
                    connection, _ = listener.accept()
                    connection.settimeout(PATIENCE)
                    with connection:
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def connect(url: str) -> socket.socket:
    host, _, port = url.rpartition("/")[2].rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def all_of(connection: socket.socket) -> bytes:
    found = b""
    while data := connection.recv(65536):
        found += data
    return found


def reset(connection: socket.socket) -> None:
    """Close it in a way that the other end sees as a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ends(said: Conversation) -> list[tuple[bool, End]]:
    return [(piece.from_client, piece.end) for piece in said.pieces if piece.end is not None]


def test_half_closed_connections_go_on() -> None:
    """The server answers only what it has heard to its end."""
    with answering(lambda connection: connection.sendall(all_of(connection)[::-1])) as url, recording(url) as proxy:
        with connect(proxy.url) as client:
            client.sendall(b"any octets at all")
            client.shutdown(socket.SHUT_WR)
            assert all_of(client) == b"lla ta stetco yna"
        (said,) = proxy.conversations
    assert (stream(said, True), stream(said, False)) == (b"any octets at all", b"lla ta stetco yna")
    assert ends(said) == [(True, End.CLOSED), (False, End.CLOSED)]


def test_a_reset_of_the_server_is_one_for_the_client() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1)
        reset(connection)

    with answering(answer) as url, recording(url) as proxy:
        with connect(proxy.url) as client:
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        (said,) = proxy.conversations
    assert ends(said) == [(False, End.RESET)]


def test_a_reset_of_the_client_is_one_for_the_server() -> None:
    seen: list[type[BaseException]] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        try:
            all_of(connection)
        except OSError as error:
            seen.append(type(error))

    with answering(answer) as url, recording(url) as proxy:
        client = connect(proxy.url)
        assert client.recv(5) == b"hello"
        reset(client)
        (said,) = proxy.conversations
    assert ends(said) == [(True, End.RESET)]
    assert seen == [ConnectionResetError]


def test_connections_do_not_mix() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(connection.recv(100).upper())

    with answering(answer) as url, recording(url) as proxy:
        with connect(proxy.url) as one, connect(proxy.url) as other:
            # The server takes one after the other, and not always in the order in which they came to the proxy.
            one.sendall(b"one")
            other.sendall(b"other")
            assert (all_of(one), all_of(other)) == (b"ONE", b"OTHER")
        found = proxy.conversations
    assert sorted((stream(each, True), stream(each, False)) for each in found) == [
        (b"one", b"ONE"),
        (b"other", b"OTHER"),
    ]


def test_who_does_not_read_keeps_the_other_from_sending() -> None:
    """What the proxy holds is bounded: a server that writes without end gets stuck until the client reads."""
    stuck, sent = threading.Event(), [0]

    def answer(connection: socket.socket) -> None:
        connection.settimeout(1.0)
        try:
            while sent[0] < 64 * 2**20:
                sent[0] += connection.send(bytes(65536))
        except TimeoutError:
            stuck.set()

    with answering(answer) as url, recording(url) as proxy, connect(proxy.url):
        assert stuck.wait(PATIENCE)
    assert sent[0] < 64 * 2**20


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"ldap://127.0.0.1:{gone.getsockname()[1]}"
    with recording(url) as proxy:
        with connect(proxy.url) as client, pytest.raises(ConnectionResetError):
            client.recv(1)
        (said,) = proxy.conversations
    assert ends(said) == [(False, End.RESET)]
