"""Digest exchanges with a mistake put in: formulas of our own, which share nothing with what they test."""

from dataclasses import dataclass, replace
from hashlib import md5

from sasl_digest.explaining import Exchange

NONCE = b"OA6MG9tEQGm2hh"
CNONCE = b"OA6MHXh6VqTrRk"
ZEROS = b":" + b"0" * 32
CHALLENGE = b'realm="contoso.com",nonce="OA6MG9tEQGm2hh",qop="auth,auth-int",algorithm=md5-sess,charset=utf-8'


def digits(data: bytes) -> bytes:
    return md5(data).hexdigest().encode()


@dataclass(frozen=True)
class Made:
    """What is hashed, in octets; by default what is sent as well."""

    user: bytes = b"alice"
    realm: bytes = b"contoso.com"
    password: bytes = b"Sesame-7"
    uri: bytes = b"ldap/dc1.contoso.com"
    qop: bytes = b"auth"
    nc: bytes = b"00000001"
    nonce: bytes = NONCE
    cnonce: bytes = CNONCE
    authzid: bytes | None = None
    method: bytes = b"AUTHENTICATE"
    zeros: bytes | None = None
    session: str = "raw"

    def digest(self, method: bytes | None = None) -> bytes:
        """HEX(KD(...)), with a mistake where one is."""
        head = self.user + b":" + self.realm + b":" + self.password
        secret = md5(head).digest()
        tail = b":" + self.nonce + b":" + self.cnonce
        tail += b"" if self.authzid is None else b":" + self.authzid
        h_a1 = {
            "raw": lambda: digits(secret + tail),
            "2069": lambda: digits(secret + tail),
            "hex": lambda: digits(secret.hex().encode() + tail),
            "plain": lambda: digits(head + tail),
            "md5": lambda: digits(head),
        }[self.session]()
        zeros = self.zeros if self.zeros is not None else b"" if self.qop == b"auth" else ZEROS
        h_a2 = digits((self.method if method is None else method) + b":" + self.uri + zeros)
        if self.session == "2069":
            return digits(h_a1 + b":" + self.nonce + b":" + h_a2)
        return digits(b":".join([h_a1, self.nonce, self.nc, self.cnonce, self.qop, h_a2]))

    def hashing(self, **other: object) -> "Made":
        """The same with other values hashed."""
        return replace(self, **other)  # type: ignore[arg-type]  # the fields' own types


SENT = Made()


def written(sent: Made, response: bytes, *, user: bytes | None = None, more: bytes = b"") -> bytes:
    """The digest-response that says `sent`; `user` is the name with its escapes."""
    directives = [
        b"charset=utf-8",
        b'username="%b"' % (sent.user if user is None else user),
        b'realm="%b"' % sent.realm,
        b'nonce="%b"' % sent.nonce,
        b"nc=" + sent.nc,
        b'cnonce="%b"' % sent.cnonce,
        b'digest-uri="%b"' % sent.uri,
        b"response=" + response,
        b"qop=" + sent.qop,
    ]
    if sent.authzid is not None:
        directives.append(b'authzid="%b"' % sent.authzid)
    return b",".join(directives) + more


def exchange(
    sent: Made,
    hashed: Made,
    *,
    challenge: bytes | None = CHALLENGE,
    user: bytes | None = None,
    more: bytes = b"",
    proof: bytes | None = None,
) -> Exchange:
    """An exchange in which the client has said `sent` and hashed `hashed`."""
    rspauth = None if proof is None else b"rspauth=" + proof
    return Exchange(written(sent, hashed.digest(), user=user, more=more), challenge, rspauth)
