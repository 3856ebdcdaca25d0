"""What receives syslog: a strict reader of RFC 5424's grammar, octet counting, and receivers on real sockets."""

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

WAIT = 30.0  # seconds until a test that waits in vain fails

# RFC 5424 section 6, rule by rule.
_NAME = rb"[!#-<>-\\^-~]{1,32}"  # PRINTUSASCII without = ] and the quotation mark
_PARAM = rb"\x20%b=\"(?:[^\"\\\]]|\\[\"\\\]])*\"" % _NAME
_ELEMENT = rb"\[%b(?:%b)*\]" % (_NAME, _PARAM)
SYSLOG_MSG = re.compile(
    rb"<(?P<pri>0|[1-9]\d{0,2})>(?P<version>[1-9]\d{0,2})"
    rb"\x20(?P<timestamp>-|\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    rb"(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))"
    rb"\x20(?P<hostname>[!-~]{1,255})"
    rb"\x20(?P<app_name>[!-~]{1,48})"
    rb"\x20(?P<procid>[!-~]{1,128})"
    rb"\x20(?P<msgid>[!-~]{1,32})"
    rb"\x20(?P<structured>-|(?:%b)+)"
    rb"(?:\x20(?P<msg>.*))?" % _ELEMENT,
    re.DOTALL,
)

_TEXTS = ("timestamp", "hostname", "app_name", "procid", "msgid", "structured")


@dataclass(frozen=True)
class Message:
    """A syslog message, taken apart."""

    facility: int
    severity: int
    timestamp: str
    hostname: str
    app_name: str
    procid: str
    msgid: str
    structured: str
    msg: bytes

    @property
    def sequence(self) -> int:
        """The sequenceId of its meta element."""
        found = re.fullmatch(r'\[meta sequenceId="(\d+)"\]', self.structured)
        assert found is not None, self.structured
        return int(found[1])

    @property
    def record(self) -> Any:
        """The record in it, from JSON."""
        return json.loads(self.msg)

    @property
    def record_id(self) -> str | None:
        """The record id, None for what is no Windows event."""
        found: str | None = self.record.get("winlog", {}).get("record_id")
        return found


def parsed(octets: bytes) -> Message:
    """The message that is all of these octets, by the grammar and by the limits that go with it."""
    found = SYSLOG_MSG.fullmatch(octets)
    assert found is not None, octets
    pri = int(found["pri"])
    assert pri <= 191
    assert found["version"] == b"1"
    fields = {name: octets.decode() for name, octets in found.groupdict().items() if name in _TEXTS}
    return Message(facility=pri >> 3, severity=pri & 7, msg=found["msg"], **fields)


class OctetCounting:
    """Takes a stream apart: MSG-LEN SP SYSLOG-MSG (RFC 6587 section 3.4.1), strictly."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, octets: bytes) -> Iterator[bytes]:
        self.held += octets
        while found := re.match(rb"([1-9]\d*) ", self.held):
            end = found.end() + int(found[1])
            if len(self.held) < end:
                return
            message, self.held = self.held[found.end() : end], self.held[end:]
            yield message
        assert re.fullmatch(rb"(?:[1-9]\d*)?", self.held), self.held


class Lines:
    """Takes a stream apart at each LF (RFC 6587 section 3.4.2)."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, octets: bytes) -> Iterator[bytes]:
        *lines, self.held = (self.held + octets).split(b"\n")
        yield from lines


@dataclass
class Receiver:
    """A syslog receiver at `url`: what it gets is in `messages`, each as it came; `raw` is what a stream had."""

    url: str
    listener: socket.socket
    framing: type[OctetCounting] | type[Lines] | None = None
    context: ssl.SSLContext | None = None
    messages: Queue[bytes] = field(default_factory=Queue)
    connections: list[socket.socket] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    errors: list[OSError] = field(default_factory=list)
    reading: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self, *, reads: bool = True) -> "Receiver":
        if reads:
            self.reading.set()
        self.thread = threading.Thread(target=self._datagrams if self.framing is None else self._streams)
        self.thread.start()
        return self

    def next(self) -> Message:
        return parsed(self.messages.get(timeout=WAIT))

    def close(self) -> None:
        """Be gone: the listener, and every connection."""
        self.gone.set()
        self.reading.set()
        for each in (self.listener, *self.connections):
            if each.fileno() >= 0:
                if each.type == socket.SOCK_STREAM or each.family == socket.AF_UNIX:
                    try:
                        each.shutdown(socket.SHUT_RDWR)
                    except OSError as gone:
                        self.errors.append(gone)
                else:  # nothing else wakes whoever waits for a datagram
                    with socket.socket(each.family, socket.SOCK_DGRAM) as other:
                        other.sendto(b"", each.getsockname())
        if self.thread is not None:
            self.thread.join(WAIT)
        for each in (self.listener, *self.connections):
            each.close()

    def _datagrams(self) -> None:
        while octets := self.listener.recv(65536):
            self.messages.put(octets)

    def _streams(self) -> None:
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:  # closed
                return
            if self.context is not None:
                connected = self._secured(connected)
                if connected.fileno() < 0:
                    continue
            self.connections.append(connected)
            if self.gone.is_set():
                return
            self._read(connected)

    def _secured(self, connected: socket.socket) -> socket.socket:
        assert self.context is not None
        self.raw += connected.recv(65536, socket.MSG_PEEK)
        try:
            return self.context.wrap_socket(connected, server_side=True)
        except OSError as error:
            self.errors.append(error)
            connected.close()
            return connected

    def _read(self, connected: socket.socket) -> None:
        assert self.framing is not None
        framing = self.framing()
        self.reading.wait(WAIT)
        try:
            while octets := connected.recv(65536):
                for message in framing.feed(octets):
                    self.messages.put(message)
        except OSError as error:  # reset
            self.errors.append(error)


def unix_datagrams(folder: Path) -> Receiver:
    """As most syslog daemons have it at /dev/log."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(folder / "log"))
    return Receiver(f"syslog://{folder / 'log'}", listener)


def unix_stream(folder: Path) -> Receiver:
    """As some have it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / "log"))
    listener.listen()
    return Receiver(f"syslog://{folder / 'log'}", listener, Lines)


def udp(folder: Path) -> Receiver:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    return Receiver(f"syslog+udp://127.0.0.1:{listener.getsockname()[1]}", listener)


def tcp(folder: Path) -> Receiver:
    listener = socket.create_server(("127.0.0.1", 0))
    return Receiver(f"syslog+tcp://127.0.0.1:{listener.getsockname()[1]}", listener, OctetCounting)


def tls(ca: Path, certificate: tuple[Path, Path], host: str = "localhost") -> Receiver:
    """One that shows this certificate; the sink is to trust `ca`."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    url = f"syslog+tls://{host}:{listener.getsockname()[1]}?ca={ca}"
    return Receiver(url, listener, OctetCounting, context)


Make = Callable[[Path], Receiver]
