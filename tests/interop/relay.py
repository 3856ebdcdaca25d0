"""Somebody in the middle, who hands on what client and server say, and meddles with what the server says."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Relay:
    """Listens at `url` for the server at another. `alter(data)` gives the octets to hand on, one piece each."""

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        self.alter: Callable[[bytes], list[bytes]] = lambda data: [data]
        self._server = parts.hostname, parts.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def cut(self) -> None:
        """End all connections there are."""
        for each in self._open:
            with contextlib.suppress(OSError):  # it has ended
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all, and wait for the threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads[1:]:
            thread.join()
        for each in self._open:
            each.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [client, server]
            self._start(self._pump, client, server, lambda data: [data])
            self._start(self._pump, server, client, lambda data: self.alter(data))

    def _pump(self, source: socket.socket, target: socket.socket, alter: Callable[[bytes], list[bytes]]) -> None:
        with contextlib.suppress(OSError):  # either end was faster
            while data := source.recv(65536):
                for piece in alter(data):
                    target.sendall(piece)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(server_url: str) -> Iterator[Relay]:
    """A relay for a block."""
    running = Relay(server_url)
    try:
        yield running
    finally:
        running.close()
