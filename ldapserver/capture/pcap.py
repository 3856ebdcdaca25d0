"""Captures of tcpdump and Wireshark: the TCP connections in them."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

from ldapserver.capture.conversation import Conversation
from ldapserver.capture.frames import NotTCP, Unusable, segment_of
from ldapserver.capture.packet_library import library
from ldapserver.capture.packets import InvalidCapture, read_packets
from ldapserver.capture.reassembly import Reassembly

__all__ = ["InvalidCapture", "read_pcap"]

_log = logging.getLogger("ldapserver")


def read_pcap(path: str, warn: Callable[[str], object] = _log.warning) -> Iterator[Conversation]:
    """The TCP connections of a capture, put together again, in the order of their first packets.

    The whole of it is read before the first is given. `warn` is told, in one line for each kind, which packets could
    not be used. Raises MissingExtra, OSError, and InvalidCapture for a file that is none or is damaged.
    """
    dpkt = library()
    reassembly = Reassembly()
    unusable: Counter[str] = Counter()
    for packet in read_packets(dpkt, path):
        try:
            reassembly.take(segment_of(dpkt, packet.link_type, packet.frame), packet.at)
        except NotTCP:
            continue
        except Unusable as reason:
            unusable[str(reason)] += 1
        except Exception:
            # dpkt raises whatever it stumbles over in a packet that is cut off, or was made to be stumbled over.
            unusable["packets that cannot be read"] += 1
    for why, count in unusable.items():
        warn(f"{path}: left out: {count} {why}")
    yield from reassembly.conversations()
