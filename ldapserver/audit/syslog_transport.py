"""How a syslog message gets to its receiver: datagrams and streams, over sockets that block for a bounded time."""

import contextlib
import errno
import itertools
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ldapserver.audit.syslog_url import TLS, UDP, UNIX, SyslogURL

if TYPE_CHECKING:
    from ssl import SSLContext

CONNECT_TIMEOUT = 10.0  # seconds for a connection, its TLS handshake included
SEND_TIMEOUT = 10.0  # seconds that a receiver may leave a message unread
_LOOKS = 16  # reads before each message


class Transport(Protocol):
    """A connection to a receiver."""

    def send(self, message: bytes) -> None:
        """Send one message, framed. Raises OSError, and then it has not arrived whole."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class Datagrams:
    """Each message a datagram (RFC 5426 section 3.1)."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def send(self, message: bytes) -> None:
        """Send one datagram. Raises OSError, also for what a receiver that is not there made of an earlier one."""
        self._socket.send(message)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Stream:
    """Messages in a stream, each a frame by `framed`; `silent` is what reading raises while nothing is said."""

    def __init__(
        self,
        connected: socket.socket,
        framed: Callable[[bytes], bytes],
        silent: tuple[type[OSError], ...] = (BlockingIOError,),
    ) -> None:
        self._socket = connected
        self._framed = framed
        self._silent = silent

    def send(self, message: bytes) -> None:
        """Send one frame. Raises OSError, also when the receiver has closed."""
        self._look()
        self._socket.settimeout(SEND_TIMEOUT)
        self._socket.sendall(self._framed(message))

    def _look(self) -> None:
        """Whether the receiver has closed: what is sent to it then is lost, and the system tells only afterwards."""
        self._socket.settimeout(0)
        try:
            # A receiver has nothing to say; TLS may. One that talks without end is not listened to for ever.
            for _ in range(_LOOKS):
                if not self._socket.recv(4096):
                    break
            else:
                return
        except self._silent:
            return
        raise ConnectionResetError(errno.ECONNRESET, "the receiver has closed the connection")

    def close(self) -> None:
        """Close the connection; TLS is ended first (RFC 5425 section 4.4)."""
        unwrap = getattr(self._socket, "unwrap", None)
        if unwrap is not None:
            self._socket.settimeout(0)  # our close_notify is sent, the receiver's not waited for
            # Else it is broken already, or theirs is still to come.
            with contextlib.suppress(OSError, ValueError):
                unwrap()
        self._socket.close()


def octet_counted(message: bytes) -> bytes:
    """MSG-LEN SP SYSLOG-MSG: RFC 6587 section 3.4.1, RFC 5425 section 4.3."""
    return b"%d %b" % (len(message), message)


def line_ended(message: bytes) -> bytes:
    """With the trailer LF, which no message of ours holds: RFC 6587 section 3.4.2, as Unix streams have it."""
    return message + b"\n"


def tls_context(ca: str | None) -> "SSLContext":
    """What verifies a receiver: by the CAs in the file `ca`, else the system's. Raises OSError (SSLError is one)."""
    import ssl

    # The receiver's certificate and its name are verified.  RFC 5425 sections 4.2.1 and 5.2
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connector(url: SyslogURL) -> Callable[[], Transport]:
    """What connects to the receiver, or raises OSError. Raises OSError itself for a file of CAs that won't do."""
    if url.scheme == UNIX:
        return lambda: _unix(url.path)
    if url.scheme == UDP:
        attempts = itertools.count()
        return lambda: _udp(url.host, url.port, next(attempts))
    if url.scheme == TLS:
        return _tls_connector(url)
    return lambda: Stream(_tcp(url.host, url.port), octet_counted)


def _tls_connector(url: SyslogURL) -> Callable[[], Transport]:
    # Loaded for who asks for TLS only.
    from ssl import SSLWantReadError, SSLWantWriteError

    context = tls_context(url.ca)
    silent = (SSLWantReadError, SSLWantWriteError)
    return lambda: Stream(_secured(_tcp(url.host, url.port), context, url.host), octet_counted, silent)


def _unix(path: str) -> Transport:
    """A socket at a path: of datagrams as most have it, else a stream."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        connected.settimeout(SEND_TIMEOUT)
        connected.connect(path)
    except OSError as error:
        connected.close()
        if error.errno != errno.EPROTOTYPE:
            raise
    else:
        return Datagrams(connected)
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(CONNECT_TIMEOUT)
        connected.connect(path)
    except OSError:
        connected.close()
        raise
    return Stream(connected, line_ended)


def _udp(host: str, port: int, attempt: int) -> Transport:
    """A socket to one of the host's addresses, the next with each attempt: nobody says which is listened at."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[attempt % len(found)]
    connected = socket.socket(family, kind, protocol)
    try:
        connected.settimeout(SEND_TIMEOUT)
        connected.connect(address)
    except OSError:
        connected.close()
        raise
    return Datagrams(connected)


def _tcp(host: str, port: int) -> socket.socket:
    connected = socket.create_connection((host, port), CONNECT_TIMEOUT)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def _secured(connected: socket.socket, context: "SSLContext", host: str) -> socket.socket:
    try:
        return context.wrap_socket(connected, server_hostname=host)
    except OSError:
        connected.close()
        raise
