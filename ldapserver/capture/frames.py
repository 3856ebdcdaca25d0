"""From a captured frame to the TCP segment in it: link layers, VLAN tags, IPv4 and IPv6.

No length that a packet claims is believed: what is not there is not read. Numbers of link types are those of
https://www.tcpdump.org/linktypes.html.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any

_ETHERNET = 1
_NULL, _LOOP = 0, 108  # the address family in four octets, in the order of the machine or of the network
_RAW = (12, 14, 101, 228, 229)  # BSD's numbers, that of files, and those of one version only
_SLL, _SLL2 = 113, 276  # Linux "cooked": of `-i any`
LINK_TYPES = frozenset((_ETHERNET, _NULL, _LOOP, *_RAW, _SLL, _SLL2))

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)  # IEEE 802.1Q, 802.1ad, and QinQ from before it
_TCP = 6


class Unusable(Exception):
    """The frame has no TCP segment that can be used; the text says why, to be counted."""


class NotTCP(Exception):
    """The frame is something else, which is not worth a word."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What one packet says; `source` and `target` are addresses and ports."""

    source: tuple[str, int]
    target: tuple[str, int]
    seq: int
    ack: int | None
    syn: bool
    fin: bool
    rst: bool
    data: bytes


def segment_of(dpkt: Any, link_type: int, frame: bytes) -> Segment:
    """The segment in a frame. Raises Unusable and NotTCP, and whatever dpkt stumbles over."""
    packet = _network_packet(link_type, frame)
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        ip = dpkt.ip.IP(packet)
        if ip.p != _TCP:
            raise NotTCP
        if ip.mf or ip.offset:
            raise Unusable("fragments of IP packets")
        tcp = ip.data
    elif version == 6:
        ip = dpkt.ip6.IP6(packet)
        if any(getattr(each, "frag_off", 0) or getattr(each, "m_flag", 0) for each in ip.all_extension_headers):
            raise Unusable("fragments of IP packets")
        if getattr(ip, "p", None) != _TCP:
            raise NotTCP
        tcp = ip.data
    else:
        raise NotTCP
    if not isinstance(tcp, dpkt.tcp.TCP):
        raise Unusable("packets cut off before the end of TCP's header")
    flags = tcp.flags
    return Segment(
        (str(ipaddress.ip_address(ip.src)), tcp.sport),
        (str(ipaddress.ip_address(ip.dst)), tcp.dport),
        tcp.seq,
        tcp.ack if flags & 0x10 else None,
        bool(flags & 0x02),
        bool(flags & 0x01),
        bool(flags & 0x04),
        bytes(tcp.data),
    )


def _network_packet(link_type: int, frame: bytes) -> bytes:
    """What is inside the link layer, and its VLAN tags."""
    if link_type in _RAW:
        return frame
    if link_type in (_NULL, _LOOP):
        return frame[4:]
    if link_type == _ETHERNET:
        kind, rest = frame[12:14], frame[14:]
    elif link_type == _SLL:
        kind, rest = frame[14:16], frame[16:]
    elif link_type == _SLL2:
        kind, rest = frame[0:2], frame[20:]
    else:
        raise Unusable(f"packets of link type {link_type}")
    while int.from_bytes(kind) in _VLAN_TAGS:
        kind, rest = rest[2:4], rest[4:]
    if int.from_bytes(kind) not in (_IPV4, _IPV6):
        raise NotTCP
    return rest
