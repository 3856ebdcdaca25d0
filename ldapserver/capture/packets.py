"""The packets in a capture file: pcap and pcapng, of either byte order, in microseconds or nanoseconds.

pcap is read by dpkt. Of pcapng dpkt reads what has one interface only, and Wireshark writes several; its blocks
(https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html) are read here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

MAX_PACKET = 16 * 1024 * 1024  # octets: libpcap itself takes a longer one for a damaged file
MAX_BLOCK = MAX_PACKET + 1024 * 1024

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_TSRESOL, _TSOFFSET = 9, 14  # options of an interface
_PCAP_MAGICS = frozenset((0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34))


class InvalidCapture(ValueError):
    """The file is no capture, or is damaged; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A captured frame; `at` is seconds since 1970-01-01 UTC."""

    at: float
    link_type: int
    frame: bytes


def read_packets(dpkt: Any, path: str) -> Iterator[Packet]:
    """The packets of a file, in its order. Raises InvalidCapture and OSError."""
    with open(path, "rb") as file:
        magic = file.read(4)
        file.seek(0)
        number = 0
        try:
            if len(magic) == 4 and int.from_bytes(magic) == _SECTION:
                packets = _of_pcapng(file)
            elif {int.from_bytes(magic), int.from_bytes(magic, "little")} & _PCAP_MAGICS:
                packets = _of_pcap(dpkt, file)
            else:
                raise InvalidCapture("neither pcap nor pcapng: it begins with none of their numbers")
            for packet in packets:
                number += 1
                yield packet
        except InvalidCapture as invalid:
            raise InvalidCapture(f"{path}: {invalid}" + (f" (behind packet {number})" if number else "")) from None


class _Bounded:
    """A file of which no more is read at once than a packet may have: a length in it could be any number."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if size > MAX_PACKET:
            raise InvalidCapture(f"a packet of {size} octets: at most {MAX_PACKET} are read")
        return self._file.read(size)


def _of_pcap(dpkt: Any, file: BinaryIO) -> Iterator[Packet]:
    try:
        reader = dpkt.pcap.Reader(_Bounded(file))
        link_type = reader.datalink() & 0xFFFF  # above are the length of a frame check sequence, and other things
    except (dpkt.dpkt.Error, ValueError, struct.error) as error:
        raise InvalidCapture(f"a damaged pcap: {error or type(error).__name__}") from None
    try:
        for at, frame in reader:
            yield Packet(float(at), link_type, bytes(frame))
    except dpkt.dpkt.NeedData:
        return  # cut off, as is a capture that was being written


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    ticks: int  # in a second
    offset: int  # seconds


def _of_pcapng(file: BinaryIO) -> Iterator[Packet]:
    order = "<"
    interfaces: list[_Interface] = []
    while header := file.read(8):
        if len(header) < 8:
            return  # cut off, as is a capture that was being written
        if int.from_bytes(header[:4]) == _SECTION:
            marked = file.read(4)
            file.seek(-len(marked), 1)
            order = _order(marked)
            interfaces = []
        kind, size = struct.unpack(order + "II", header)
        if size < 12 or size % 4 or size > MAX_BLOCK:
            raise InvalidCapture(f"a damaged pcapng: a block of {size} octets")
        body = file.read(size - 12)
        closing = file.read(4)
        if len(closing) < 4:
            return
        if closing != header[4:]:
            raise InvalidCapture("a damaged pcapng: a block whose two lengths differ")
        try:
            if kind == _INTERFACE:
                interfaces.append(_interface(order, body))
            elif kind in (_PACKET, _OLD_PACKET):
                yield _packet(order, body, interfaces, old=kind == _OLD_PACKET)
            elif kind == _SIMPLE_PACKET:
                (length,) = struct.unpack_from(order + "I", body)
                yield Packet(0.0, interfaces[0].link_type, body[4 : 4 + length])
        except (struct.error, IndexError):
            raise InvalidCapture("a damaged pcapng: a block that is too short, or of no interface") from None


def _order(mark: bytes) -> str:
    for order in "<>":
        if mark == struct.pack(order + "I", _BYTE_ORDER):
            return order
    raise InvalidCapture("a damaged pcapng: a section without its byte order")


def _interface(order: str, body: bytes) -> _Interface:
    (link_type,) = struct.unpack_from(order + "H", body)
    ticks, offset, at = 1_000_000, 0, 8
    while at + 4 <= len(body):
        option, size = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + size]
        if option == _TSRESOL and value:
            # A power of ten, or with the high bit one of two.
            power = value[0] & 0x7F
            if power > 64:
                raise InvalidCapture(f"a damaged pcapng: a resolution of {power}")
            ticks = 2**power if value[0] & 0x80 else 10**power
        elif option == _TSOFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
        at += 4 + size + -size % 4
    return _Interface(link_type, ticks, offset)


def _packet(order: str, body: bytes, interfaces: list[_Interface], *, old: bool) -> Packet:
    number, high, low, captured = struct.unpack_from(order + ("HxxIII" if old else "IIII"), body)
    interface = interfaces[number]
    at = (high << 32 | low) / interface.ticks + interface.offset
    return Packet(at, interface.link_type, body[20 : 20 + captured])
