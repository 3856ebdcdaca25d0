"""Exchanges as a person writes them into a file: a line for each message.

    # alice, from the web application
    challenge: realm="contoso.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8
    response: username="alice",realm="contoso.com",...
    rspauth: rspauth=ea40f60335c427b5527b84dbabcdfffd

Raw, in base64, or in hexadecimal, as tools show and copy them. The label may be left out where the message tells what
it is; `S:` and `C:` are the server and the client, as in RFC 2831's own examples. Another challenge, or another
response, begins the next exchange. A line that begins with a blank goes on with the one before.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace

from sasl_digest.errors import UsageError
from sasl_digest.explaining.exchange import Exchange, read

_LINE = re.compile(r"(challenge|response|rspauth|s|c|server|client)\s*:\s?(.*)", re.IGNORECASE | re.DOTALL)
_HEX = re.compile(r"(?:0x)?(?:[0-9A-Fa-f]{2}[ :]?){8,}")
_BASE64 = re.compile(r"(?:\+ )?([0-9A-Za-z+/]{8,}={0,2})")
_KINDS = {
    "challenge": "challenge",
    "response": "response",
    "rspauth": "rspauth",
    "c": "response",
    "client": "response",
}


def read_transcript(text: str) -> tuple[Exchange, ...]:
    """The exchanges of a file. Raises UsageError, which names the line and shows nothing of it."""
    found: list[Exchange] = []
    challenge: bytes | None = None
    answered = True  # whether `challenge` has had its response
    for number, line in _unfolded(text):
        labelled = _LINE.fullmatch(line)
        label, value = ("", line) if labelled is None else (labelled[1].lower(), labelled[2])
        data = octets_of(value.strip())
        kind = _KINDS.get(label) or _kind(data)
        if kind is None:
            raise UsageError(f"line {number}: neither challenge, response nor rspauth: one with such a label is due")
        if kind == "challenge":
            challenge, answered = data, False
        elif kind == "response":
            found.append(Exchange(data, challenge))
            challenge, answered = None, True
        elif not found or found[-1].rspauth is not None or not answered:
            raise UsageError(f"line {number}: an rspauth, and no response in front of it")
        else:
            found[-1] = replace(found[-1], rspauth=data)
    if not found:
        raise UsageError("there is no response in it")
    return tuple(found)


def octets_of(value: str) -> bytes:
    """The octets of a message that is written in hexadecimal, in base64, or as it is."""
    if _HEX.fullmatch(value):
        return bytes.fromhex(value.removeprefix("0x").replace(":", " "))
    base64 = _BASE64.fullmatch(value)
    if base64 is not None and len(base64[1]) % 4 == 0:
        try:
            data = b64decode(base64[1], validate=True)
        except binascii.Error:
            return value.encode("utf-8", "surrogateescape")
        # Text that happens to be base64 as well stands for no message.
        if b"=" in data or b"\0" in data:
            return data
    return value.encode("utf-8", "surrogateescape")


def _kind(data: bytes) -> str | None:
    names = {each.name for each in read(data)}
    if "rspauth" in names:
        return "rspauth"
    if "response" in names:
        return "response"
    return "challenge" if "nonce" in names else None


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, without comments and empty ones."""
    start, whole = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if line[:1] in (" ", "\t") and line.strip() and whole:
            whole += line[1:]
            continue
        if whole:
            yield start, whole
        start, whole = number, "" if line.startswith("#") or not line.strip() else line
    if whole:
        yield start, whole
