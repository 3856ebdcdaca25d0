"""A capture written: connections as the packets that a network would have carried, for Wireshark.

Only what TCP carried is known. The rest is made up, and made so that nothing in it is amiss: addresses of Ethernet,
handshakes, sequence numbers, an acknowledgement behind each message, checksums.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ldapserver.capture.conversation import End
from ldapserver.capture.messages import TLS, Read, Unreadable
from ldapserver.capture.packet_library import library
from ldapserver.capture.recorder import OwnFile
from ldapserver.capture.recording import microseconds
from ldapserver.url import LDAP_PORT, LDAPS_PORT

_SNAPLEN = 262144  # octets of a packet that a reader has to expect; tcpdump's
_MSS = 1400  # octets of a segment: with all headers a frame is no longer than Ethernet's 1514
_WINDOW = 65535
_ISN = (1000, 2_000_000)  # where the client's and the server's sequence numbers begin
_NEXT_ISN = 64_000_000  # beyond those where they began before
_NOWHERE = "192.0.2.1"  # for a name of no address: TEST-NET-1, RFC 5737
_MACS = (b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02")  # locally administered

_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10

# What Wireshark takes for LDAP, or for LDAP inside TLS, without being told: the global catalog's ports are Windows'.
_IN_THE_CLEAR = (LDAP_PORT, 3268)
_INSIDE_TLS = (LDAPS_PORT, 3269)


@dataclass
class _Side:
    address: Any  # ipaddress' two kinds
    port: int
    mac: bytes
    seq: int
    ended: bool = False


@dataclass
class _Flow:
    """One connection; the handshake is written with the first thing said, which tells what port it is to have."""

    client: _Side
    server: _Side
    at: float
    begun: bool
    opened: bool = field(default=False)

    def sides(self, from_client: bool) -> tuple[_Side, _Side]:
        return (self.client, self.server) if from_client else (self.server, self.client)

    def open(self, inside_tls: bool) -> Iterator[tuple[int, _Side, _Side, bytes]]:
        if self.opened:
            return
        self.opened = True
        known = _INSIDE_TLS if inside_tls else _IN_THE_CLEAR
        if self.server.port not in known:
            self.server.port = known[0]
        if self.begun:
            yield from self.segment(True, _SYN)
            yield from self.segment(False, _SYN | _ACK)
            yield from self.segment(True, _ACK)

    def segment(self, from_client: bool, flags: int, data: bytes = b"") -> Iterator[tuple[int, _Side, _Side, bytes]]:
        sender, receiver = self.sides(from_client)
        yield flags, sender, receiver, data
        # SYN and FIN take a sequence number.  RFC 9293 section 3.4
        sender.seq = (sender.seq + len(data) + bool(flags & _SYN) + bool(flags & _FIN)) % 2**32


class PcapSink:
    """A capture of Ethernet, in microseconds."""

    def __init__(self, file: OwnFile) -> None:
        """Raises MissingExtra and OSError."""
        self._dpkt = library()
        self._file = file
        self._flows: dict[int, _Flow] = {}
        self._writer = self._dpkt.pcap.Writer(file, snaplen=_SNAPLEN)
        self._id = 0
        self._used: Counter[tuple[Any, int, Any, int]] = Counter()  # how often two ends were connected

    def begin(self, number: int, at: float, client: str, server: str, begun: bool) -> None:
        """See Sink."""
        (one, one_port), (other, other_port) = map(_address, (client, server))
        if one.version != other.version:
            one, other = _as_ipv6(one), _as_ipv6(other)
        # Ends that have had a connection before: with the same numbers it would be a retransmission.
        self._used[ends := (one, one_port, other, other_port)] += 1
        isns = [(isn + (self._used[ends] - 1) * _NEXT_ISN) % 2**32 for isn in _ISN]
        near, far = _Side(one, one_port, _MACS[0], isns[0]), _Side(other, other_port, _MACS[1], isns[1])
        self._flows[number] = _Flow(near, far, at, begun)

    def say(self, number: int, read: Read, octets: bytes) -> None:
        """See Sink."""
        flow = self._flows[number]
        self._open(flow, isinstance(read, Unreadable) and read.reason == TLS)
        sender = flow.sides(read.from_client)[0]
        sender.seq = (sender.seq + read.lost) % 2**32
        for at in range(0, len(octets), _MSS):
            last = _PSH if at + _MSS >= len(octets) else 0
            self._write(flow.segment(read.from_client, _ACK | last, octets[at : at + _MSS]), read.at)
        if octets:
            self._write(flow.segment(not read.from_client, _ACK), read.at)

    def end(self, number: int, at: float, from_client: bool, end: End) -> None:
        """See Sink."""
        flow = self._flows[number]
        self._open(flow, False)
        sender, receiver = flow.sides(from_client)
        if end is End.RESET and not (sender.ended and receiver.ended):
            self._write(flow.segment(from_client, _RST | _ACK), at)
            receiver.ended = True
        elif end is End.CLOSED and not sender.ended:
            self._write(flow.segment(from_client, _FIN | _ACK), at)
            self._write(flow.segment(not from_client, _ACK), at)
        sender.ended = True

    def close(self) -> None:
        """See Sink: connections of which nothing was said are there too."""
        for flow in self._flows.values():
            self._open(flow, False)
        self._file.close()

    def _open(self, flow: _Flow, inside_tls: bool) -> None:
        self._write(flow.open(inside_tls), flow.at)

    def _write(self, segments: Iterator[tuple[int, _Side, _Side, bytes]], at: float) -> None:
        moment = microseconds(at) / 1_000_000
        for flags, sender, receiver, data in segments:
            self._writer.writepkt_time(self._frame(flags, sender, receiver, data), moment)

    def _frame(self, flags: int, sender: _Side, receiver: _Side, data: bytes) -> bytes:
        dpkt = self._dpkt
        tcp = dpkt.tcp.TCP(
            sport=sender.port,
            dport=receiver.port,
            seq=sender.seq,
            ack=receiver.seq if flags & _ACK else 0,
            flags=flags,
            win=_WINDOW,
            data=data,
        )
        source, target = sender.address.packed, receiver.address.packed
        if sender.address.version == 4:
            self._id = (self._id + 1) % 2**16
            packet = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_TCP, id=self._id, df=1, data=tcp)
            packet.len = len(packet)
            kind = dpkt.ethernet.ETH_TYPE_IP
        else:
            nxt = dpkt.ip.IP_PROTO_TCP
            packet = dpkt.ip6.IP6(src=source, dst=target, nxt=nxt, hlim=64, plen=len(tcp), data=tcp)
            kind = dpkt.ethernet.ETH_TYPE_IP6
        return bytes(dpkt.ethernet.Ethernet(src=sender.mac, dst=receiver.mac, type=kind, data=packet))


def _address(text: str) -> tuple[Any, int]:
    """The address and the port of HOST:PORT; a host that is no address gets one, and so does a Unix socket."""
    host, _, port = text.rpartition(":")
    try:
        address: Any = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        address = ipaddress.ip_address(_NOWHERE)
    return address, int(port) if port.isdecimal() and int(port) < 2**16 else 0


def _as_ipv6(address: Any) -> Any:
    """In an IPv4-mapped address, RFC 4291 section 2.5.5.2."""
    return address if address.version == 6 else ipaddress.IPv6Address(f"::ffff:{address}")
