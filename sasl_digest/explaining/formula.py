"""The formulas of RFC 2831 sections 2.1.2.1 and 2.1.3 with every input open, so that a wrong one can be put in.

`sasl_digest.digest` computes what is right; this computes what somebody may have computed. It is written apart from
that on purpose: the two check each other.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import NamedTuple

NO_BODY = b":00000000000000000000000000000000"  # behind the digest-uri where a layer is chosen
METHOD = b"AUTHENTICATE"


class Session(enum.Enum):
    """What A1 begins with."""

    RAW = "H(user:realm:password), 16 octets"
    HEX = "H(user:realm:password) in 32 hexadecimal digits"
    UPPER_HEX = "H(user:realm:password) in 32 upper-case hexadecimal digits"
    PLAIN = "user:realm:password itself"
    NONE = "and ends with user:realm:password, which is algorithm md5"


def _converted(text: str) -> bytes:
    try:
        return text.encode("iso-8859-1")
    except UnicodeEncodeError:
        return text.encode()


RFC = "ISO 8859-1 where it fits"
CHARSETS: Mapping[str, Callable[[str], bytes]] = {
    RFC: _converted,
    "UTF-8": str.encode,
    "UTF-8 twice": lambda text: text.encode().decode("iso-8859-1").encode(),
    "Windows-1252": lambda text: text.encode("cp1252"),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "ISO 8859-1 with ? for what does not fit": lambda text: text.encode("iso-8859-1", "replace"),
}


class Charsets(NamedTuple):
    """In which character set each string was hashed."""

    username: str = RFC
    realm: str = RFC
    password: str = RFC


BY_THE_RFC = Charsets()


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that goes into a response, or into rspauth, whose `method` is empty.

    Of `password` and `secret`, H(user:realm:password), there is one. A `realm` of None is one whose colon is missing
    too. A `qop` of None is the form of RFC 2069, which has neither nc nor cnonce. `body` is what stands behind the
    digest-uri.
    """

    username: str
    realm: str | None
    password: str | None = field(repr=False)
    secret: bytes | None = field(repr=False)
    nonce: bytes
    cnonce: bytes
    nonce_count: bytes
    qop: bytes | None
    digest_uri: bytes
    authzid: bytes | None
    body: bytes
    charsets: Charsets = BY_THE_RFC
    session: Session = Session.RAW
    method: bytes = METHOD
    upper: bool = False  # whether HEX() gives upper-case digits inside


@dataclass(frozen=True, slots=True)
class Steps:
    """What is computed on the way; `digest` is the end of it, 32 digits."""

    secret: bytes = field(repr=False)
    a1: bytes = field(repr=False)
    h_a1: bytes = field(repr=False)
    a2: bytes
    h_a2: bytes
    kd: bytes = field(repr=False)  # what HEX(H(A1)) stands in front of
    digest: bytes


def a1_head(inputs: Inputs) -> bytes:
    """user:realm:password, each string in its character set. Raises UnicodeError where one does not fit in it."""
    names = inputs.charsets
    realm = b"" if inputs.realm is None else CHARSETS[names.realm](inputs.realm) + b":"
    password = CHARSETS[names.password](inputs.password or "")
    return CHARSETS[names.username](inputs.username) + b":" + realm + password


def steps(inputs: Inputs) -> Steps:
    """Every value. Raises UnicodeError where a string does not fit in its character set."""
    head = b"" if inputs.secret is not None else a1_head(inputs)
    secret = inputs.secret if inputs.secret is not None else md5(head).digest()
    tail = b":" + inputs.nonce + b":" + inputs.cnonce
    if inputs.authzid is not None:
        tail += b":" + inputs.authzid
    session = inputs.session
    if session is Session.RAW:
        a1 = secret + tail
        h_a1 = md5(a1).digest()
    elif session is Session.NONE:
        a1, h_a1 = head, secret
    else:
        begin = head if session is Session.PLAIN else secret.hex().encode()
        a1 = (begin.upper() if session is Session.UPPER_HEX else begin) + tail
        h_a1 = md5(a1).digest()
    a2 = inputs.method + b":" + inputs.digest_uri + inputs.body
    h_a2 = md5(a2).digest()
    first, last = h_a1.hex(), h_a2.hex()
    if inputs.upper:
        first, last = first.upper(), last.upper()
    middle = b":" + inputs.nonce + b":"
    if inputs.qop is not None:
        middle += inputs.nonce_count + b":" + inputs.cnonce + b":" + inputs.qop + b":"
    digest = md5(first.encode() + middle + last.encode()).hexdigest().encode()
    return Steps(secret, a1, h_a1, a2, h_a2, middle + last.encode(), digest)


def digest_of(inputs: Inputs) -> bytes | None:
    """The digest alone, or None where a string does not fit in its character set."""
    try:
        return steps(inputs).digest
    except UnicodeError:
        return None
