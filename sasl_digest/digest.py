"""The arithmetic (RFC 2831 sections 2.1.2.1 and 2.1.3): the formulas under their own names, octets in and out."""

from binascii import hexlify
from typing import Final

from sasl_digest.messages import QOP

try:
    # What is hashed here is short, and for that the interpreter's own MD5 takes half the time of OpenSSL's, most of
    # which is for setting up. Where it was built without, hashlib's is the same.
    from _md5 import md5  # type: ignore[import-not-found]
except ImportError:
    from hashlib import md5

# Compiled code looks imported names up each time, and this not. It does for md5, whose calls the tests count.
_hexlify: Final = hexlify
_NO_BODY: Final = b":00000000000000000000000000000000"  # in place of H(entity-body) when a layer is chosen
_FIRST: Final = b"00000001"  # the nonce-count of nearly every response


def h(data: bytes) -> bytes:
    """H(s): the 16 octets of MD5."""
    octets: bytes = md5(data).digest()
    return octets


def hexed(data: bytes) -> bytes:
    """HEX(n): 32 lower-case hexadecimal digits of 16 octets."""
    return _hexlify(data)


def converted(text: str) -> bytes:
    """`text` in ISO 8859-1 where every character is in it, else in UTF-8.

    RFC 2831 section 2.1.2.1: names and passwords sent in UTF-8 are brought back to ISO 8859-1 before hashing
    when they fit, each string by itself (the section's sample code; measured of Cyrus SASL 2.1.28 and OpenJDK 17).
    """
    try:
        return text.encode("iso-8859-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def secret(username: bytes, realm: bytes, password: bytes) -> bytes:
    """H( username ":" realm ":" password ): the 16 octets that a server may store in place of the password."""
    return h(b"%b:%b:%b" % (username, realm, password))


def a1(secret: bytes, *, nonce: bytes, cnonce: bytes, authzid: bytes | None) -> bytes:
    """A1 = { secret ":" nonce ":" cnonce [ ":" authzid ] }, the secret as 16 raw octets."""
    if authzid is None:
        return b"%b:%b:%b" % (secret, nonce, cnonce)
    return b"%b:%b:%b:%b" % (secret, nonce, cnonce, authzid)


def a2_of_client(digest_uri: bytes, qop: QOP) -> bytes:
    """A2 of the response: { "AUTHENTICATE:" digest-uri [ ":" 32 zeros ] }, section 2.1.2.1."""
    return b"AUTHENTICATE:" + digest_uri + (b"" if qop is QOP.AUTH else _NO_BODY)


def a2_of_server(digest_uri: bytes, qop: QOP) -> bytes:
    """A2 of rspauth: { ":" digest-uri [ ":" 32 zeros ] }, section 2.1.3."""
    return b":" + digest_uri + (b"" if qop is QOP.AUTH else _NO_BODY)


def keyed(h_a1: bytes, *, nonce: bytes, nonce_count: int, cnonce: bytes, qop: QOP) -> bytes:
    """What both proofs hash before HEX(H(A2)): { HEX(H(A1)) ":" nonce ":" nc ":" cnonce ":" qop ":" }."""
    return hexed(h_a1) + behind_h_a1(nonce, nonce_count, cnonce, qop)


def behind_h_a1(nonce: bytes, nonce_count: int, cnonce: bytes, qop: QOP) -> bytes:
    """What `keyed()` has behind HEX(H(A1)), where several of these are tried."""
    nc = _FIRST if nonce_count == 1 else b"%08x" % nonce_count
    chosen: bytes = qop  # which can be compiled to a copy of these octets
    return b":%b:%b:%b:%b:" % (nonce, nc, cnonce, chosen)


def response_value(keyed: bytes, a2: bytes) -> bytes:
    """HEX( KD( HEX(H(A1)), nonce:nc:cnonce:qop:HEX(H(A2)) ) ), with `keyed()` for all but the last.

    The client's `response` and the server's `rspauth` differ only in `a2`.
    """
    return proof(keyed, hexed(h(a2)))


def proof(keyed: bytes, h_a2: bytes) -> bytes:
    """The same with HEX(H(A2)), for who has that already."""
    digits: str = md5(keyed + h_a2).hexdigest()
    return digits.encode()
