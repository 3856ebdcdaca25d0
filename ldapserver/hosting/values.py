"""What may be typed as the value of an option, and what it is then; each raises argparse.ArgumentTypeError."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from ldapserver.config import CERTIFICATE_MAPS, MECHANISMS
from ldapserver.url import InvalidURL, ListenURL
from sasl_digest import QOP, Cipher
from sasl_digest.messages import MAX_MAXBUF, MIN_MAXBUF

T = TypeVar("T")

MOST_WORKERS = 256  # far more than there is use for: a slip of the finger is to start no thousands of processes

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"K": 1024, "M": 1024**2, "G": 1024**3}


def listen_url(text: str) -> ListenURL:
    """A URL to listen on."""
    try:
        return ListenURL.parse(text)
    except InvalidURL as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def address(text: str) -> ListenURL:
    """HOST:PORT, an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    try:
        if host and port.isdigit():
            return ListenURL.parse(f"ldap://{text}")
    except InvalidURL:
        pass  # it says what is wrong with a URL, and nobody has typed one
    raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, like 127.0.0.1:9389")


def store(text: str) -> str:
    """Where entries are kept."""
    if text != "memory:":
        raise argparse.ArgumentTypeError(f"{text}: is not supported in this version; memory: is")
    return text


def listed(names: Sequence[bytes]) -> str:
    """Names as they are typed."""
    return b",".join(names).decode()


def mechanism(text: str) -> str:
    """The name of a SASL mechanism that there is."""
    if text not in MECHANISMS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(MECHANISMS)}")
    return text


def certificate_maps(text: str) -> tuple[str, ...]:
    """A list of ways from a certificate to an account."""
    return tuple(name.decode() for name in _names(text, CERTIFICATE_MAPS))


def qop(text: str) -> tuple[QOP, ...]:
    """A list of protections."""
    return tuple(QOP(name) for name in _names(text, [qop.decode() for qop in QOP]))


def ciphers(text: str) -> tuple[Cipher, ...]:
    """A list of ciphers."""
    return tuple(Cipher(name) for name in _names(text, [cipher.decode() for cipher in Cipher]))


def _names(text: str, known: Sequence[str]) -> list[bytes]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return [name.encode() for name in dict.fromkeys(names)]


def maxbuf(text: str) -> int:
    """The length of a buffer that RFC 2831 allows, in octets."""
    number = positive(text)
    if not MIN_MAXBUF <= number <= MAX_MAXBUF:
        raise argparse.ArgumentTypeError(f"{text!r} is not from {MIN_MAXBUF} to {MAX_MAXBUF}")
    return number


def workstation(text: str) -> str:
    """What 4776 is to name."""
    if not text:
        raise argparse.ArgumentTypeError("must be server, client or a name")
    return text


def positive(text: str) -> int:
    """A number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def workers(text: str) -> int:
    """How many processes."""
    number = positive(text)
    if number > MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MOST_WORKERS}")
    return number


def octets(text: str) -> int:
    """A size above 0, in octets."""
    number, unit = (text[:-1], _SIZES[text[-1]]) if text[-1:] in _SIZES else (text, 1)
    try:
        return positive(number) * unit
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size above 0, like 5000, 64K, 100M, 1G") from None


def zero_or(read: Callable[[str], T]) -> Callable[[str], T | int]:
    """What `read` does, which asks for something above 0, and 0 too."""

    def read_or_zero(text: str) -> T | int:
        try:
            return 0 if text == "0" else read(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(str(error).replace("above 0", "from 0 on")) from None

    return read_or_zero


def seconds(text: str) -> float:
    """A time above 0, in seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < sys.maxsize:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time above 0, like 30, 30s, 15m")
    return seconds
