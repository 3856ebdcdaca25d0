"""Captures: what we write others and we read, and what others write we read, in whatever order and form."""

import struct
from pathlib import Path
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.capture import packet_library
from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.messages import Message, messages
from ldapserver.capture.packet_library import MissingExtra
from ldapserver.capture.pcap import InvalidCapture, read_pcap
from ldapserver.capture.recorder import write_pcap
from tests.capture.conversations import BEGAN, conversation, conversations, digest_bind, lost, stream

CLIENT, SERVER = b"\xc0\x00\x02\x0a", b"\xc0\x00\x02\x01"
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10


def tcp(from_client: bool, seq: int, flags: int = ACK, data: bytes = b"", ack: int = 1, port: int = 50000) -> Any:
    ports = (port, 389) if from_client else (389, port)
    return dpkt.tcp.TCP(sport=ports[0], dport=ports[1], seq=seq % 2**32, ack=ack % 2**32, flags=flags, data=data)


def ip4(from_client: bool, segment: Any, **fields: Any) -> bytes:
    source, target = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
    packet = dpkt.ip.IP(src=source, dst=target, p=6, data=segment, **fields)
    packet.len = len(packet)
    return bytes(packet)


def ethernet(packet: bytes, kind: int = 0x0800, tags: bytes = b"") -> bytes:
    return bytes(12) + tags + kind.to_bytes(2) + packet


def frame(from_client: bool, seq: int, flags: int = ACK, data: bytes = b"", **more: Any) -> bytes:
    return ethernet(ip4(from_client, tcp(from_client, seq, flags, data, **more)))


def pcap(path: Path, frames: list[bytes], link_type: int = 1, order: str = "<", magic: int = 0xA1B2C3D4) -> str:
    octets = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    for number, each in enumerate(frames):
        octets += struct.pack(order + "IIII", 1000 + number, 500, len(each), len(each)) + each
    path.write_bytes(octets)
    return str(path)


def read(path: str) -> list[Conversation]:
    return list(read_pcap(path, pytest.fail))


# What we write


@given(said=conversations())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, said: Conversation) -> None:
    path = str(tmp_path_factory.mktemp("pcap") / "session.pcap")
    write_pcap(path, [said])
    (found,) = read(path)
    assert found.client == said.client
    for from_client in (True, False):
        assert stream(found, from_client) == stream(said, from_client)
    assert {piece.at for piece in found.pieces if piece.data} <= {piece.at for piece in said.pieces}
    if said.begun:
        assert found.begun
        assert lost(found) == lost(said)


def test_messages_and_ends_are_read_again(tmp_path: Path) -> None:
    said = conversation(*digest_bind())
    ends = (Piece(BEGAN + 1, True, b"", 0, End.CLOSED), Piece(BEGAN + 2, False, b"", 0, End.RESET))
    said = Conversation(said.client, said.server, (*said.pieces, *ends))
    write_pcap(str(tmp_path / "session.pcap"), [said])
    (found,) = read(str(tmp_path / "session.pcap"))
    assert [(each.from_client, each.octets) for each in messages(found)] == digest_bind()
    assert found.pieces[-2:] == tuple(Piece(round(e.at, 6), e.from_client, b"", 0, e.end) for e in ends)


def test_packets_have_right_checksums_and_ports_that_wireshark_knows(tmp_path: Path) -> None:
    said = conversation(*digest_bind())
    for client, server in (("10.0.0.1:5", "10.0.0.2:40000"), ("[::1]:5", "[::2]:3268"), ("client:0", "10.0.0.2:1")):
        path = tmp_path / f"{server[-5:]}.pcap"
        write_pcap(str(path), [Conversation(client, server, said.pieces)])
        with path.open("rb") as file:
            frames = [dpkt.ethernet.Ethernet(each) for _, each in dpkt.pcap.Reader(file)]
        for each in frames:
            packet, segment = each.data, each.data.data
            assert {segment.sport, segment.dport} & {389, 3268}
            sums = segment.sum, getattr(packet, "sum", 0)
            segment.sum = 0
            if hasattr(packet, "sum"):
                packet.sum = 0
            bytes(packet)
            assert (segment.sum, getattr(packet, "sum", 0)) == sums


def test_without_dpkt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "dpkt", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sasl-digest\[capture\]'"):
        packet_library.library()


# What others write


@given(data=st.data())
def test_segments_in_any_order_and_twice_are_one_stream(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    octets = b"".join(octets for from_client, octets in digest_bind() if from_client)
    first = data.draw(st.sampled_from([0, 1000, 2**32 - 10, 2**32 - 150]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(octets) - 1), max_size=6)))
    segments = [(start, octets[start:stop]) for start, stop in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    # Retransmissions: the same again, or from and to elsewhere.
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(octets) - 1))
        segments.append((start, octets[start : start + data.draw(st.integers(1, 300))]))
    frames = [frame(True, first + 1 + start, ACK, part) for start, part in segments]
    frames += [frame(True, first, SYN), frame(True, first + 1 + len(octets), FIN | ACK)]
    frames = data.draw(st.permutations(frames))
    (found,) = read(pcap(tmp_path_factory.mktemp("pcap") / "x.pcap", frames))
    assert stream(found, True) == octets
    assert (found.begun, lost(found)) == (True, 0)
    assert [piece.end for piece in found.pieces if piece.end] == [End.CLOSED]


def test_of_an_overlap_the_first_is_taken(tmp_path: Path) -> None:
    frames = [frame(True, 9, SYN), frame(True, 10, ACK, b"abcd"), frame(True, 12, ACK, b"XXef")]
    (found,) = read(pcap(tmp_path / "x.pcap", frames))
    assert stream(found, True) == b"abcdef"


def test_what_was_not_captured_is_counted(tmp_path: Path) -> None:
    frames = [frame(True, 9, SYN), frame(True, 10, ACK, b"ab"), frame(True, 17, ACK, b"cd"), frame(True, 25, FIN)]
    (found,) = read(pcap(tmp_path / "x.pcap", frames))
    assert [(piece.data, piece.lost) for piece in found.pieces] == [(b"ab", 0), (b"cd", 5), (b"", 6), (b"", 0)]


def test_what_was_acknowledged_and_not_captured_is_counted(tmp_path: Path) -> None:
    frames = [frame(True, 9, SYN), frame(True, 10, ACK, b"ab"), frame(False, 1, ACK, b"yes", ack=10 + 2 + 40 + 1)]
    (found,) = read(pcap(tmp_path / "x.pcap", frames))
    assert lost(found) == 40


def test_a_piece_stands_where_what_it_waited_for_had_come(tmp_path: Path) -> None:
    frames = [
        frame(True, 9, SYN),
        frame(True, 13, ACK, b"def"),
        frame(False, 1, ACK, b"behind"),
        frame(True, 10, ACK, b"abc"),
    ]
    (found,) = read(pcap(tmp_path / "x.pcap", frames))
    assert [piece.data for piece in found.pieces] == [b"behind", b"abc", b"def"]
    assert found.pieces[2].at == found.pieces[1].at


def test_a_capture_that_begins_in_the_middle_knows_its_server_by_the_port(tmp_path: Path) -> None:
    (found,) = read(pcap(tmp_path / "x.pcap", [frame(False, 10, ACK, b"answer"), frame(True, 10, ACK, b"more")]))
    assert (found.client, found.server, found.begun) == ("192.0.2.10:50000", "192.0.2.1:389", False)


def test_ports_are_used_again(tmp_path: Path) -> None:
    frames = [frame(True, 9, SYN), frame(True, 10, ACK, b"one"), frame(True, 13, FIN)]
    frames += [frame(True, 90000, SYN), frame(True, 90001, ACK, b"two"), frame(True, 90000, SYN)]
    found = read(pcap(tmp_path / "x.pcap", frames))
    assert [stream(each, True) for each in found] == [b"one", b"two"]


PACKET = ip4(True, tcp(True, 10, ACK, b"hello"))
PACKET6 = bytes(
    dpkt.ip6.IP6(src=bytes(15) + b"\1", dst=bytes(15) + b"\2", nxt=6, plen=25, data=tcp(True, 9, ACK, b"hello"))
)
EXTENDED = bytearray(PACKET6[:40]) + b"\x06\x00\x01\x04\x00\x00\x00\x00" + PACKET6[40:]
EXTENDED[4:7] = (33).to_bytes(2) + b"\x00"  # its length, and hop-by-hop options next


@pytest.mark.parametrize(
    ("link_type", "captured"),
    [
        (1, ethernet(PACKET)),
        (1, ethernet(PACKET + b"padding of a short frame")),
        (1, ethernet(PACKET, tags=b"\x81\x00\x00\x07")),
        (1, ethernet(PACKET, tags=b"\x88\xa8\x00\x01\x81\x00\x00\x07")),
        (1, ethernet(PACKET6, 0x86DD)),
        (1, ethernet(bytes(EXTENDED), 0x86DD)),
        (0, b"\x02\x00\x00\x00" + PACKET),
        (108, b"\x00\x00\x00\x18" + PACKET6),
        (101, PACKET),
        (101, PACKET6),
        (228, PACKET),
        (229, PACKET6),
        (113, bytes(14) + b"\x08\x00" + PACKET),
        (276, b"\x86\xdd" + bytes(18) + PACKET6),
    ],
    ids=[
        "ethernet",
        "padded",
        "vlan",
        "qinq",
        "ipv6",
        "ipv6-options",
        "null",
        "loop",
        "raw",
        "raw6",
        "4",
        "6",
        "sll",
        "sll2",
    ],
)
def test_link_layers(link_type: int, captured: bytes, tmp_path: Path) -> None:
    (found,) = read(pcap(tmp_path / "x.pcap", [captured], link_type))
    assert stream(found, True) == b"hello"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "at"), [(0xA1B2C3D4, 1000.0005), (0xA1B23C4D, 1000.0000005)])
def test_byte_orders_and_resolutions_of_pcap(order: str, magic: int, at: float, tmp_path: Path) -> None:
    (found,) = read(pcap(tmp_path / "x.pcap", [ethernet(PACKET)], 1, order, magic))
    assert found.pieces[0].at == pytest.approx(at, abs=1e-9)


def pcapng(order: str, *blocks: tuple[int, bytes]) -> bytes:
    octets = b""
    for kind, body in ((0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)), *blocks):
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", len(body) + 12)
        octets += struct.pack(order + "I", kind) + size + body + size
    return octets


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_of_several_interfaces(order: str, tmp_path: Path) -> None:
    def enhanced(interface: int, ticks: int, captured: bytes) -> tuple[int, bytes]:
        size = len(captured)
        return 6, struct.pack(order + "IIIII", interface, ticks >> 32, ticks % 2**32, size, size) + captured

    nanoseconds = struct.pack(order + "HHBxxx", 9, 1, 9) + struct.pack(order + "HH", 0, 0)
    path = tmp_path / "x.pcapng"
    path.write_bytes(
        pcapng(
            order,
            (1, struct.pack(order + "HHI", 1, 0, 0)),
            (1, struct.pack(order + "HHI", 101, 0, 0) + nanoseconds),
            (5, b"statistics, or whatever"),
            enhanced(0, 1_500_000, ethernet(PACKET)),
            enhanced(1, 2_500_000_000, ip4(True, tcp(True, 15, ACK, b" there"))),
        )
    )
    (found,) = read(str(path))
    assert [(piece.at, piece.data) for piece in found.pieces] == [(1.5, b"hello"), (2.5, b" there")]


@pytest.mark.parametrize(
    ("link_type", "captured", "warning"),
    [
        (1, ethernet(ip4(True, tcp(True, 10, ACK, b"part"), mf=1)), "fragments of IP packets"),
        (1, ethernet(PACKET[:30]), "packets cut off before the end of TCP's header"),
        (1, ethernet(PACKET[:12]), "packets that cannot be read"),
        (147, PACKET, "packets of link type 147"),
    ],
    ids=["fragment", "tcp", "ip", "link-type"],
)
def test_what_cannot_be_used_is_said(link_type: int, captured: bytes, warning: str, tmp_path: Path) -> None:
    warnings: list[str] = []
    path = pcap(tmp_path / "x.pcap", [captured, captured], link_type)
    assert list(read_pcap(path, warnings.append)) == []
    assert warnings == [f"{path}: left out: 2 {warning}"]


def test_what_is_not_tcp_is_passed_over(tmp_path: Path) -> None:
    udp = bytes(dpkt.ip.IP(src=CLIENT, dst=SERVER, p=17, data=dpkt.udp.UDP(sport=1, dport=389)))
    assert read(pcap(tmp_path / "x.pcap", [ethernet(udp), ethernet(b"who has", 0x0806), b"", b"short"])) == []


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "neither pcap nor pcapng"),
        (b"ldapserver-recording 1", "neither pcap nor pcapng"),
        (struct.pack("<I", 0xA1B2C3D4), "a damaged pcap"),
        (
            struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 9, 1, 1, 1, 2**32 - 1, 9),
            "a packet of 4294967295 octets",
        ),
        (pcapng("<")[:8] + b"????" * 5, "a section without its byte order"),
        (pcapng("<") + struct.pack("<II", 6, 2**32 - 4), "a block of 4294967292 octets"),
        (pcapng("<") + struct.pack("<II", 6, 0), "a block of 0 octets"),
        (pcapng("<", (6, bytes(20))), "a block that is too short, or of no interface"),
        (pcapng("<", (1, bytes(8)))[:-4] + b"\1\0\0\0", "a block whose two lengths differ"),
    ],
    ids=["empty", "text", "header", "packet", "order", "long", "zero", "interface", "lengths"],
)
def test_a_damaged_file_is_one_clear_error(octets: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(octets)
    with pytest.raises(InvalidCapture, match=message) as caught:
        list(read_pcap(str(path)))
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_was_cut_off_is_read_to_there(tmp_path: Path) -> None:
    path = Path(pcap(tmp_path / "x.pcap", [ethernet(PACKET), ethernet(PACKET)]))
    path.write_bytes(path.read_bytes()[: 24 + 16 + len(ethernet(PACKET)) + 7])
    (found,) = read(str(path))
    assert stream(found, True) == b"hello"


@given(data=st.data())
def test_any_octets_are_a_capture_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("pcap")
    good = Path(pcap(folder / "good.pcap", [ethernet(PACKET), ethernet(bytes(EXTENDED), 0x86DD)])).read_bytes()
    if data.draw(st.booleans()):
        body = struct.pack("<IIIII", 0, 0, 0, len(PACKET), len(PACKET)) + PACKET
        good = pcapng("<", (1, struct.pack("<HHI", 101, 0, 0)), (6, body))
    spoiled = bytearray(good)
    for at, octet in data.draw(
        st.dictionaries(st.integers(0, len(good) - 1), st.integers(0, 255), max_size=8)
    ).items():
        spoiled[at] = octet
    path = folder / "x.pcap"
    path.write_bytes(spoiled[: data.draw(st.integers(0, len(good)))])
    try:
        found = list(read_pcap(str(path), lambda line: None))
    except InvalidCapture as invalid:
        found = []
        said = str(invalid)
    else:
        said = str(path)
    assert said.startswith(str(path))
    for each in found:
        assert all(isinstance(read, Message) or read.reason for read in messages(each))
