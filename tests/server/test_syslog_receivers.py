"""Syslog on real sockets of every kind: what receivers get, and what becomes of what they do not take."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ldapserver.audit import syslog_transport
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.syslog import SyslogSink
from ldapserver.audit.syslog_message import SyslogRenderer
from ldapserver.audit.syslog_transport import Stream, connector, octet_counted
from ldapserver.audit.syslog_url import SyslogURL
from tests.authority import Authority, name
from tests.server import syslog_receiving
from tests.server.syslog_receiving import WAIT, Make, Receiver
from tests.server.test_audit_record import RECORD


@dataclass
class Sending:
    """Sinks to receivers; what they report, and the pauses they make, which end when a test says so."""

    said: Queue[str] = field(default_factory=Queue)
    pauses: Queue[float] = field(default_factory=Queue)
    on: threading.Event = field(default_factory=threading.Event)
    sinks: list[SyslogSink] = field(default_factory=list)
    receivers: list[Receiver] = field(default_factory=list)

    def receiver(self, receiver: Receiver, *, reads: bool = True) -> Receiver:
        self.receivers.append(receiver)
        return receiver.start(reads=reads)

    def sink(self, url: str, **rest: Any) -> SyslogSink:
        renderer = SyslogRenderer("ldap1.contoso.com", JSONRenderer("ldap1.contoso.com"))
        connect = connector(SyslogURL.parse(url))
        settings: dict[str, Any] = {"wait": self._wait, "report": self.said.put, "grace": WAIT, **rest}
        self.sinks.append(SyslogSink("receiver", connect, renderer, **settings))
        return self.sinks[-1]

    def _wait(self, seconds: float) -> None:
        self.pauses.put(seconds)
        assert self.on.wait(WAIT)
        self.on.clear()

    def line(self) -> str:
        return self.said.get(timeout=WAIT).removeprefix("audit: receiver: ")


@pytest.fixture
def sending() -> Iterator[Sending]:
    """Leaves no thread and no socket behind."""
    sending = Sending()
    yield sending
    for receiver in sending.receivers:
        receiver.close()
    for sink in sending.sinks:
        while sink._thread.is_alive():
            sink._closing.set()
            sink._queue.put(None)
            sending.on.set()
            sink._thread.join(0.01)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def certified(authority: Authority, tmp_path: Path) -> tuple[Path, tuple[Path, Path]]:
    """A CA, and a certificate of it for localhost."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    return ca, issued(authority, "localhost", tmp_path)


def issued(authority: Authority, host: str, folder: Path) -> tuple[Path, Path]:
    subject = name((NameOID.COMMON_NAME, host))
    certificate = authority.issue(subject, [x509.DNSName(host)], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    return certificate.write(folder, host)


KINDS: tuple[Make, ...] = (
    syslog_receiving.unix_datagrams,
    syslog_receiving.unix_stream,
    syslog_receiving.udp,
    syslog_receiving.tcp,
)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_record_arrives_as_one_message(make: Make, sending: Sending, tmp_path: Path) -> None:
    receiver = sending.receiver(make(tmp_path))
    sink = sending.sink(receiver.url)
    sink.write([RECORD, RECORD])
    sink.write([RECORD])
    found = [receiver.next() for _ in range(3)]
    assert [(each.sequence, each.record_id) for each in found] == [(1, "1"), (2, "2"), (3, "3")]
    assert found[0].hostname == "ldap1.contoso.com"
    sink.close()
    assert sending.said.empty()
    assert receiver.messages.empty()


def test_over_tls_likewise(sending: Sending, certified: tuple[Path, tuple[Path, Path]]) -> None:
    receiver = sending.receiver(syslog_receiving.tls(*certified))
    sink = sending.sink(receiver.url)
    sink.write([RECORD, RECORD])
    assert [receiver.next().sequence for _ in range(2)] == [1, 2]
    version = receiver.connections[0].version()  # type: ignore[attr-defined]  # of ssl.SSLSocket
    assert version in ("TLSv1.2", "TLSv1.3")
    sink.close()
    assert sending.said.empty()
    receiver.close()
    assert receiver.errors == [] or "SSL" not in str(receiver.errors)  # TLS was ended as it should


def refused(sending: Sending, receiver: Receiver, words: str) -> None:
    sink = sending.sink(receiver.url)
    sink.write([RECORD])
    assert words in sending.line()
    assert sending.pauses.get(timeout=WAIT) > 0
    sending.on.set()
    sink.close()
    assert sending.line() == "records dropped since the start: 0; left unsent at the end: 1"
    receiver.close()
    assert receiver.raw[:2] == b"\x16\x03"  # a handshake record of TLS is all that there was in the clear
    assert b"4776" not in receiver.raw
    assert receiver.messages.empty()


def test_a_receiver_of_another_name_gets_nothing(sending: Sending, authority: Authority, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    receiver = sending.receiver(syslog_receiving.tls(ca, issued(authority, "other.example.com", tmp_path)))
    refused(sending, receiver, "its certificate will not do: Hostname mismatch")


@pytest.mark.parametrize("trusted", [True, False], ids=["another CA", "the system's"])
def test_a_receiver_of_an_unknown_ca_gets_nothing(
    trusted: bool, sending: Sending, certified: tuple[Path, tuple[Path, Path]], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("Another CA").pem)
    receiver = sending.receiver(syslog_receiving.tls(other, certified[1]))
    if not trusted:
        receiver.url = receiver.url.partition("?")[0]
    refused(sending, receiver, "its certificate will not do: ")


def test_a_receiver_that_speaks_no_tls_gets_nothing(sending: Sending, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    sink = sending.sink(f"syslog+tls://127.0.0.1:{listener.getsockname()[1]}")
    sink.write([RECORD])
    connected, _ = listener.accept()
    raw = connected.recv(65536)
    connected.sendall(b"220 mail.example.com ESMTP\r\n")
    assert raw[:2] == b"\x16\x03"
    assert "SSL" in sending.line()
    connected.close()
    listener.close()
    sending.on.set()
    sink.close()


def test_a_receiver_that_goes_away_and_comes_back_gets_what_was_written_meanwhile(
    sending: Sending, tmp_path: Path
) -> None:
    first = sending.receiver(syslog_receiving.tcp(tmp_path))
    sink = sending.sink(first.url)
    sink.write([RECORD])
    assert first.next().sequence == 1
    address = first.listener.getsockname()
    first.close()
    sink.write([RECORD, RECORD])
    assert sending.line().startswith("the receiver has closed the connection; records wait")
    assert sending.pauses.get(timeout=WAIT) > 0
    again = Receiver(first.url, socket.create_server(address), syslog_receiving.OctetCounting)
    sending.receiver(again)
    sending.on.set()
    assert [again.next().sequence for _ in range(2)] == [2, 3]
    assert sending.line() == "records are sent again"
    sink.close()
    assert again.messages.empty()
    assert sending.said.empty()


def test_a_unix_socket_that_is_made_anew_is_found_again(sending: Sending, tmp_path: Path) -> None:
    sink = sending.sink(f"syslog://{tmp_path / 'log'}")
    assert sending.line().startswith("No such file or directory")
    sink.write([RECORD])
    assert sending.pauses.get(timeout=WAIT) > 0
    first = sending.receiver(syslog_receiving.unix_datagrams(tmp_path))
    sending.on.set()
    assert first.next().sequence == 1
    assert sending.line() == "records are sent again"
    first.close()
    (tmp_path / "log").unlink()
    sink.write([RECORD])
    assert sending.line().startswith("Connection refused")
    assert sending.pauses.get(timeout=WAIT) > 0
    again = sending.receiver(syslog_receiving.unix_datagrams(tmp_path))
    sending.on.set()
    assert again.next().sequence == 2
    sink.close()


@pytest.mark.parametrize("make", KINDS[:2] + KINDS[3:], ids=lambda make: make.__name__)
def test_while_a_receiver_does_not_read_records_are_dropped_and_counted_and_none_is_cut(
    make: Make, sending: Sending, tmp_path: Path
) -> None:
    receiver = make(tmp_path)
    receiver.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if receiver.framing is None:
        sending.receivers.append(receiver)  # a socket that nobody reads
    else:
        sending.receiver(receiver, reads=False)
    sink = sending.sink(receiver.url, queue=50)
    written = 0
    while sink.dropped < 100:
        sink.write([RECORD])
        written += 1
        assert written < 100_000
    assert sending.line() == "50 records wait already; more are dropped until there is room"
    if receiver.framing is None:
        receiver.start()
    else:
        receiver.reading.set()
    found = [receiver.next().sequence for _ in range(written - sink.dropped)]
    sink.close()
    assert receiver.messages.empty()
    assert found == sorted(set(found))
    assert found[0] == 1
    assert len(found) + sink.dropped == written
    dropped = sink.dropped
    assert sending.line() == f"there is room again; records dropped: {dropped}"
    assert sending.line() == f"records dropped since the start: {dropped}; left unsent at the end: 0"


def test_a_receiver_that_takes_too_long_over_a_message_is_left_for_another_connection(
    sending: Sending, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog_transport, "SEND_TIMEOUT", 0.05)
    receiver = syslog_receiving.tcp(tmp_path)
    receiver.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sending.receiver(receiver, reads=False)
    sink = sending.sink(receiver.url)
    sink.write([RECORD] * 10_000)  # more than both ends of a connection hold
    assert sending.pauses.get(timeout=WAIT) > 0
    assert sending.line() == "timed out; records wait, 10000 at most, and it is tried again"
    assert sink.failures == 1
    sending.on.set()
    receiver.close()


def test_a_name_with_several_addresses_is_tried_at_the_next_one(
    sending: Sending, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = sending.receiver(syslog_receiving.udp(tmp_path))
    address = receiver.listener.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    known = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", each) for each in (nobody, address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: known)
    sink = sending.sink("syslog+udp://logs.example.com")
    sink.write([RECORD])  # lost: nobody is there, which is known only now
    sink.write([RECORD])
    assert sending.line().startswith("Connection refused")
    assert sending.pauses.get(timeout=WAIT) > 0
    sending.on.set()
    assert receiver.next().sequence == 2
    sink.close()


class Talkative:
    """The socket of a receiver that never stops talking."""

    def __init__(self) -> None:
        self.reads = 0
        self.sent = b""

    def settimeout(self, seconds: float) -> None:
        """Nothing here takes time."""

    def recv(self, size: int) -> bytes:
        self.reads += 1
        assert self.reads < 1000, "it is listened to for ever"
        return b"x" * size

    def sendall(self, octets: bytes) -> None:
        self.sent += octets


def test_a_receiver_that_never_stops_talking_is_sent_to() -> None:
    talkative = Talkative()
    Stream(cast(socket.socket, talkative), octet_counted).send(b"message")
    assert talkative.sent == b"7 message"
