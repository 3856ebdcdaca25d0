"""A recording in whichever form it is: our readable file, or a capture of tcpdump or Wireshark."""

from collections.abc import Callable

from ldapserver.capture.recording import MAGIC, Recording, parse_recording


def read_conversations(path: str, warn: Callable[[str], object]) -> Recording:
    """What was recorded. `warn` is told of packets that can't be used.

    Raises OSError, InvalidRecording, InvalidCapture and MissingExtra.
    """
    with open(path, "rb") as file:
        beginning = file.read(len(MAGIC))
        file.seek(0)
        # Comments may stand before the first line; a capture begins with octets that are no text.
        if beginning.isascii() and all(octet >= 0x20 or octet in b"\t\r\n" for octet in beginning):
            return parse_recording(file, path)
    from ldapserver.capture.pcap import read_pcap

    return Recording(tuple(read_pcap(path, warn)))
