"""The three digest messages as frozen values: what each directive must look like, and in which order we write them.

RFC 2831 sections 2.1.1 (digest-challenge), 2.1.2 (digest-response) and 2.1.3 (response-auth).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sasl_digest import usual
from sasl_digest.choices import CIPHERS, QOPS
from sasl_digest.choices import DEFAULT_MAXBUF as DEFAULT_MAXBUF
from sasl_digest.choices import MAX_MAXBUF as MAX_MAXBUF
from sasl_digest.choices import MIN_MAXBUF as MIN_MAXBUF
from sasl_digest.choices import QOP as QOP
from sasl_digest.choices import Cipher as Cipher
from sasl_digest.errors import MalformedMessage, UsageError
from sasl_digest.grammar import as_written, join, quoted, split
from sasl_digest.values import frozen_value, made

MAX_CHALLENGE: Final = 2048  # octets; "MUST be less than 2048 bytes", RFC 2831 section 2.1.1
MAX_RESPONSE: Final = 4096  # octets; "MUST be less than 4096 bytes", RFC 2831 section 2.1.2

_LOWER_HEX: Final = b"0123456789abcdef"
# One in front of what needs no escape. Odd backslashes only: the pairs in front of it are properly escaped ones.
_LONE_BACKSLASH: Final = re.compile(rb'(?<!\\)(?:\\\\)*\\[^"\\\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class DigestChallenge:
    """What the server says first.

    `realms` are those it offers, `nonce` its one-time octets, `maxbuf` the largest buffer it can receive
    (octets), `utf8` whether it takes names in UTF-8 (`charset=utf-8`).
    """

    nonce: bytes = field(repr=False)
    realms: tuple[str, ...] = ()
    qop_options: tuple[QOP, ...] = (QOP.AUTH,)
    cipher_options: tuple[Cipher, ...] = ()
    stale: bool = False
    maxbuf: int = DEFAULT_MAXBUF
    utf8: bool = True

    @classmethod
    def parse(cls, data: bytes) -> "DigestChallenge":
        """Read a digest-challenge. Raises MalformedMessage, naming the directive and the rule."""
        if len(data) >= MAX_CHALLENGE:
            raise MalformedMessage("digest-challenge", f"{len(data)} octets; fewer than {MAX_CHALLENGE} are allowed")
        pairs = split("digest-challenge", data)
        # Only realm may come more than once; clients abort on a second nonce or algorithm.  Section 2.1.1
        found = _once((pair for pair in pairs if pair[0] != b"realm"), _CHALLENGE_ONCE)
        # The only algorithm there is; a challenge without it is no digest-challenge.  Section 2.1.1, algorithm
        if _required(found, b"algorithm").lower() != b"md5-sess":
            raise MalformedMessage("algorithm", "must be md5-sess")
        utf8 = _utf8(found)
        # Clients ignore tokens they don't know.  Section 2.1.1, qop-options and cipher-opts
        qops = tuple(QOPS[t] for t in _tokens(found.get(b"qop", b"auth")) if t in QOPS)
        ciphers = tuple(CIPHERS[t] for t in _tokens(found.get(b"cipher", b"")) if t in CIPHERS)
        if QOP.AUTH_CONF in qops and b"cipher" not in found:
            raise MalformedMessage("cipher", "is missing; auth-conf is offered")
        return cls(
            nonce=_required(found, b"nonce"),
            realms=tuple(_text("realm", value, utf8) for name, value in pairs if name == b"realm"),
            qop_options=qops,
            cipher_options=ciphers,
            stale=found.get(b"stale", b"").lower() == b"true",
            maxbuf=_maxbuf(found),
            utf8=utf8,
        )

    def encode(self) -> bytes:
        """The digest-challenge, directives in Active Directory's order; raises UsageError when it gets too long."""
        charset = "utf-8" if self.utf8 else "iso-8859-1"
        directives = [(b"qop", quoted(b",".join(self.qop_options)))]
        # The ciphers are due where auth-conf is offered.  Section 2.1.1, cipher-opts
        if QOP.AUTH_CONF in self.qop_options and not self.cipher_options:
            raise UsageError("cipher_options: at least one must be offered for auth-conf")
        if self.cipher_options:
            directives.append((b"cipher", quoted(b",".join(self.cipher_options))))
        if self.maxbuf != DEFAULT_MAXBUF:
            directives.append((b"maxbuf", b"%d" % self.maxbuf))
        directives += [(b"algorithm", b"md5-sess"), (b"nonce", quoted(self.nonce))]
        if self.stale:
            directives.append((b"stale", b"true"))
        if self.utf8:
            directives.append((b"charset", b"utf-8"))
        directives += [(b"realm", quoted(_octets("realm", realm, charset))) for realm in self.realms]
        data = join(directives)
        if len(data) >= MAX_CHALLENGE:
            raise UsageError(f"digest-challenge: {len(data)} octets; fewer than {MAX_CHALLENGE} are allowed")
        return data


@dataclass(frozen=True, slots=True)
class Bound:
    """What a response says in the open that its cnonce begins with a hash of (see the module `channel_binding`).

    `hashed_dirs` are the names of the directives hashed; `channel_binding` is 32 hexadecimal digits.
    """

    hashed_dirs: tuple[bytes, ...]
    service_name: bytes | None
    channel_binding: bytes | None = field(repr=False)


@frozen_value(hidden=("nonce", "cnonce", "response"), not_compared=("other_username",))
class DigestResponse(NamedTuple):
    """What the client answers.

    `digest_uri` is kept in octets, as it is hashed; `response` is 32 hexadecimal digits; `realm` is None when
    none was sent, which is not the same message as an empty one; `maxbuf` is the largest buffer the client can
    receive (octets). `other_username` is the name's other reading where there are backslashes in it: many clients
    don't escape, and who means `DOMAIN\\user` has then written `user` with a needless escape. `bound` is what the
    response says that it is bound to.
    """

    username: str
    realm: str | None
    nonce: bytes
    cnonce: bytes
    nonce_count: int
    digest_uri: bytes
    response: bytes
    qop: QOP = QOP.AUTH
    maxbuf: int = DEFAULT_MAXBUF
    utf8: bool = True
    cipher: Cipher | None = None
    authzid: str | None = None
    other_username: str | None = None
    bound: Bound | None = None

    @classmethod
    def parse(cls, data: bytes) -> "DigestResponse":
        """Read a digest-response. Raises MalformedMessage, naming the directive and the rule."""
        return read_response(data)

    @classmethod
    def _read(cls, data: bytes) -> "DigestResponse":
        """What any list of directives says, however it is written."""
        pairs = split("digest-response", data)
        found = dict(pairs)
        if len(found) != len(pairs):
            found = _once(pairs, _RESPONSE_ONCE)
        try:
            username, nonce, cnonce = found[b"username"], found[b"nonce"], found[b"cnonce"]
            nc, digest_uri, response = found[b"nc"], found[b"digest-uri"], found[b"response"]
        except KeyError as missing:
            raise MalformedMessage(missing.args[0].decode(), "is missing") from None
        # nc-value = 8LHEX, response-value = 32LHEX.  Section 2.1.2
        if len(nc) != 8 or nc.strip(_LOWER_HEX):
            raise MalformedMessage("nc", "must be 8 lower-case hexadecimal digits")
        if len(response) != 32 or response.strip(_LOWER_HEX):
            raise MalformedMessage("response", "must be 32 lower-case hexadecimal digits")
        utf8 = _utf8(found)
        qop = QOPS.get(found.get(b"qop", b"auth"))
        if qop is None:
            raise MalformedMessage("qop", "must be auth, auth-int or auth-conf")
        realm, authzid = found.get(b"realm"), found.get(b"authzid")
        name, other_name = _readings(data, username) if b"\\" in data else (username, None)
        return cls(
            username=_text("username", name, utf8),
            realm=None if realm is None else _text("realm", realm, utf8),
            nonce=nonce,
            cnonce=cnonce,
            nonce_count=int(nc, 16),
            digest_uri=digest_uri,
            response=response,
            qop=qop,
            maxbuf=_maxbuf(found),
            utf8=utf8,
            cipher=_cipher(found) if qop is QOP.AUTH_CONF else None,
            authzid=None if authzid is None else _authzid(authzid),
            other_username=None if other_name is None else _text("username", other_name, utf8),
            bound=_bound(found) if b"hashed-dirs" in found else None,
        )

    def encode(self) -> bytes:
        """The digest-response, directives in the order of RFC 2831's examples; UsageError when it gets too long."""
        charset = "utf-8" if self.utf8 else "iso-8859-1"
        directives = [(b"charset", b"utf-8")] if self.utf8 else []
        directives.append((b"username", quoted(_octets("username", self.username, charset))))
        if self.realm is not None:
            directives.append((b"realm", quoted(_octets("realm", self.realm, charset))))
        directives += [
            (b"nonce", quoted(self.nonce)),
            (b"nc", b"%08x" % self.nonce_count),
            (b"cnonce", quoted(self.cnonce)),
            (b"digest-uri", quoted(self.digest_uri)),
        ]
        if self.maxbuf != DEFAULT_MAXBUF:
            directives.append((b"maxbuf", b"%d" % self.maxbuf))
        directives += [(b"response", self.response), (b"qop", self.qop)]
        if self.cipher is not None:
            directives.append((b"cipher", self.cipher))
        if self.authzid is not None:
            directives.append((b"authzid", quoted(self.authzid.encode())))
        if self.bound is not None:
            directives.append((b"hashed-dirs", quoted(b",".join(self.bound.hashed_dirs))))
            for name, value in (
                (b"service-name", self.bound.service_name),
                (b"channel-binding", self.bound.channel_binding),
            ):
                directives += [] if value is None else [(name, quoted(value))]
        data = join(directives)
        if len(data) >= MAX_RESPONSE:
            raise UsageError(f"digest-response: {len(data)} octets; fewer than {MAX_RESPONSE} are allowed")
        return data


@dataclass(frozen=True, slots=True)
class ResponseAuth:
    """The server's proof that it knows the secret too: 32 hexadecimal digits."""

    rspauth: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "ResponseAuth":
        """Read a response-auth. Raises MalformedMessage, naming the directive and the rule."""
        # The message has the digest-challenge's limit for want of one of its own.  Section 2.1.3
        if len(data) >= MAX_CHALLENGE:
            raise MalformedMessage("response-auth", f"{len(data)} octets; fewer than {MAX_CHALLENGE} are allowed")
        rspauth = _required(_once(split("response-auth", data), frozenset({b"rspauth"})), b"rspauth")
        if len(rspauth) != 32 or rspauth.strip(_LOWER_HEX):
            raise MalformedMessage("rspauth", "must be 32 lower-case hexadecimal digits")
        return cls(rspauth)

    def encode(self) -> bytes:
        """`rspauth=` and the digits."""
        return b"rspauth=" + self.rspauth


def is_challenge(data: bytes) -> bool:
    """Whether what a server sent is to be read as a digest-challenge: it has a nonce, and no rspauth."""
    try:
        names = {name for name, _ in split("digest-challenge", data)}
    except MalformedMessage:
        return False
    return b"nonce" in names and b"rspauth" not in names


def read_response(data: bytes) -> DigestResponse:
    """What `DigestResponse.parse()` does, for compiled code, which calls a function at once and looks a method up."""
    if len(data) >= MAX_RESPONSE:
        raise MalformedMessage("digest-response", f"{len(data)} octets; fewer than {MAX_RESPONSE} are allowed")
    said = usual.fields(data)
    return DigestResponse._read(data) if said is None else made(DigestResponse, said)


_CHALLENGE_ONCE: Final = frozenset({b"nonce", b"qop", b"stale", b"maxbuf", b"charset", b"algorithm", b"cipher"})
_RESPONSE_ONCE: Final = frozenset(
    {b"username", b"realm", b"nonce", b"cnonce", b"nc", b"qop", b"digest-uri", b"response", b"maxbuf"}
    | {b"charset", b"cipher", b"authzid", b"hashed-dirs", b"service-name", b"channel-binding"}
)


def _once(pairs: Iterable[tuple[bytes, bytes]], once: frozenset[bytes]) -> dict[bytes, bytes]:
    # What may come once and comes more often ends the authentication; auth-param, which we
    # ignore, may repeat.  Sections 2.1.1 and 2.1.2, each directive
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in found and name in once:
            raise MalformedMessage(name.decode(), "must come only once")
        found[name] = value
    return found


def _required(found: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in found:
        raise MalformedMessage(name.decode(), "is missing")
    return found[name]


def _readings(data: bytes, username: bytes) -> tuple[bytes, bytes | None]:
    """The name, and what else it may be: with its backslashes as quoted pairs, and as they stand."""
    written = as_written(data, b"username")
    if b"\\" not in written:
        return username, None
    # A lone backslash is taken for an improperly escaped one.  [MS-DPSP] section 2.2
    return (written, username) if _LONE_BACKSLASH.search(written) else (username, written)


def _bound(found: dict[bytes, bytes]) -> Bound:
    names = tuple(_tokens(found[b"hashed-dirs"]))
    return Bound(names, found.get(b"service-name"), found.get(b"channel-binding"))


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip().lower() for token in value.split(b",") if token.strip()]


def _utf8(found: dict[bytes, bytes]) -> bool:
    charset = found.get(b"charset")
    # Authen::SASL::Perl 2.16 writes `charset=` when the server has named none: the same as not writing it.
    if not charset:
        return False
    # The only value there is.  Section 2.1.1, charset
    if charset.lower() != b"utf-8":
        raise MalformedMessage("charset", "must be utf-8")
    return True


def _maxbuf(found: dict[bytes, bytes]) -> int:
    value = found.get(b"maxbuf")
    if value is None:
        return DEFAULT_MAXBUF
    if not value.isdigit() or len(value) > 16 or not MIN_MAXBUF <= int(value) <= MAX_MAXBUF:
        raise MalformedMessage("maxbuf", f"must be a number from {MIN_MAXBUF} to {MAX_MAXBUF}")
    return int(value)


def _cipher(found: dict[bytes, bytes]) -> Cipher:
    # Due exactly once when auth-conf is chosen.  Section 2.1.2, cipher
    cipher = CIPHERS.get(_required(found, b"cipher"))
    if cipher is None:
        raise MalformedMessage("cipher", "must be one of " + ", ".join(c.decode() for c in Cipher))
    return cipher


def _authzid(value: bytes) -> str:
    # Must not be empty: rfc2831bis-02 section 2.1.2; RFC 6331 section 1 calls an empty one unspecified.
    if not value:
        raise MalformedMessage("authzid", "must not be empty")
    # Always UTF-8, whatever the charset.  RFC 2831 section 2.1.2, authzid
    return _text("authzid", value, utf8=True)


def _text(directive: str, value: bytes, utf8: bool) -> str:
    if value.isascii():
        return value.decode("ascii")
    try:
        # Cyrus SASL 2.1.28 and go-ldap send UTF-8 without saying charset=utf-8, so UTF-8 is tried all the same.
        return value.decode("utf-8")
    except UnicodeDecodeError:
        if utf8:
            raise MalformedMessage(directive, "must be UTF-8") from None
        # Without charset=utf-8 names are in ISO 8859-1.  Section 2.1.1, charset
        return value.decode("iso-8859-1")


def _octets(directive: str, text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except UnicodeEncodeError:
        raise UsageError(f"{directive}: cannot be written in {charset}") from None
