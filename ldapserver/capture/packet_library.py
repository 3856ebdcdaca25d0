"""dpkt, which knows the formats of captures and packets; it comes with an extra."""

from typing import Any

EXTRA = "sasl-digest[capture]"


class MissingExtra(Exception):
    """What was asked for needs a library that is not installed; the text says how to get it."""


def library() -> Any:
    """The package `dpkt`, which has no types. Raises MissingExtra."""
    try:
        import dpkt
        import dpkt.ethernet
        import dpkt.ip
        import dpkt.ip6
        import dpkt.pcap
        import dpkt.tcp
    except ImportError:
        raise MissingExtra(f"captures of tcpdump and Wireshark need the extra: pip install '{EXTRA}'") from None
    return dpkt
