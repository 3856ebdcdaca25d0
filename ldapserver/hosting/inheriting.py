"""Listeners of Twisted's at sockets that another process has bound."""

import socket
from collections.abc import Sequence
from typing import Any

from twisted.internet import tcp, unix

from ldapserver.hosting.sockets import BACKLOG, SOCKET_MODE
from ldapserver.url import ListenURL


class _SharedUnixPort(unix.Port):
    """One of several at a path, which is not its own to remove, nor is the socket to shut: others accept there."""

    _shouldShutdown = False  # noqa: N815  # as Twisted has it for an inherited socket of TCP

    def connectionLost(self, reason: object) -> None:  # noqa: N802  # Twisted's name
        """Let go of the socket, and of nothing else."""
        tcp.Port.connectionLost(self, reason)  # type: ignore[no-untyped-call]


def inherit_listeners(
    reactor: Any,
    urls: Sequence[ListenURL],
    sockets: Sequence[socket.socket],
    factory: object,
    secure: object,
) -> list[tuple[ListenURL, Any]]:
    """A listener at each of these sockets, which listen already and are closed here: the listeners have their own."""
    opened: list[tuple[ListenURL, Any]] = []
    for url, inherited in zip(urls, sockets, strict=True):
        if url.path:
            port: Any = _SharedUnixPort._fromListeningDescriptor(reactor, inherited.fileno(), factory)  # type: ignore[no-untyped-call]
            port.mode, port.backlog = SOCKET_MODE, BACKLOG  # it sets both anew
            port.startListening()
        else:
            port = reactor.adoptStreamPort(inherited.fileno(), inherited.family, secure if url.tls else factory)
        inherited.close()
        opened.append((url, port))
    return opened
