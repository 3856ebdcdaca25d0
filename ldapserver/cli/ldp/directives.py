"""What each directive of a digest says, and what follows from a challenge and its response, in words (RFC 2831).

Pure functions: octets of the three messages in, rows and lines out. What is shown travels in the clear anyway; the
password, H(username:realm:password) and the keys made of them are named and never computed here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ldapserver.printable import printable
from sasl_digest import DigestChallenge, DigestResponse, MalformedMessage
from sasl_digest.digest import a2_of_client, h, hexed
from sasl_digest.grammar import split

CHALLENGE, RESPONSE, RESPONSE_AUTH, UNREADABLE = "digest-challenge", "digest-response", "response-auth", "unreadable"


@dataclass(frozen=True, slots=True)
class Row:
    """A directive as it came, in words, and the section of RFC 2831 (or the document) that says so."""

    name: str
    value: str
    meaning: str
    section: str


_OF_CHALLENGE = {
    b"realm": ("a realm the server knows this user may be in; there may be several", "2.1.1"),
    b"nonce": ("the server's one-time octets: every hash of this exchange contains them", "2.1.1"),
    b"qop": ("offered: {qop}", "2.1.1"),
    b"stale": ("{stale}", "2.1.1"),
    b"maxbuf": ("the server takes buffers of a security layer up to so many octets", "2.1.1"),
    b"charset": ("the server takes names in UTF-8; without it they are ISO 8859-1", "2.1.1"),
    b"algorithm": ("the only one there is: A1 is hashed together with both nonces", "2.1.1"),
    b"cipher": ("what the server can seal with, for auth-conf", "2.1.1, 2.4"),
}
_OF_RESPONSE = {
    b"username": ("the user's name in the realm", "2.1.2"),
    b"realm": ("the realm that the user is in; it is hashed with the name", "2.1.2"),
    b"nonce": ("the server's nonce, sent back", "2.1.2"),
    b"cnonce": ("the client's own one-time octets: the server cannot choose all that is hashed", "2.1.2"),
    b"nc": ("nonce-count, hexadecimal: {nc}", "2.1.2"),
    b"qop": ("chosen: {qop}", "2.1.2"),
    b"digest-uri": ("{uri}", "2.1.2"),
    b"response": ("the proof: 32 digits that only who knows the secret can compute", "2.1.2.1"),
    b"maxbuf": ("the client takes buffers of a security layer up to so many octets", "2.1.2"),
    b"charset": ("username and realm are written in UTF-8", "2.1.2"),
    b"cipher": ("what both sides seal with from here on", "2.1.2, 2.4"),
    b"authzid": ("as whom the user asks to act; always UTF-8", "2.1.2"),
    b"hashed-dirs": ("which directives the cnonce begins with a hash of", "[MS-DPSP] 3.1.5"),
    b"service-name": ("the service the client means, bound by the cnonce", "[MS-DPSP] 3.1.5"),
    b"channel-binding": ("a hash of the TLS channel, bound by the cnonce", "[MS-DPSP] 3.1.5"),
}
_OF_RESPONSE_AUTH = {b"rspauth": ("the server's proof that it knows the secret too", "2.1.3")}
_TABLES = {CHALLENGE: _OF_CHALLENGE, RESPONSE: _OF_RESPONSE, RESPONSE_AUTH: _OF_RESPONSE_AUTH}

_QOPS = {
    "auth": "authentication only, no layer follows",
    "auth-int": "every message signed",
    "auth-conf": "every message sealed",
}


def kind(message: bytes) -> str:
    """Which of the three messages this is, by its directives; or `unreadable`."""
    try:
        names = {name for name, _ in split("message", message)}
    except MalformedMessage:
        return UNREADABLE
    if b"rspauth" in names:
        return RESPONSE_AUTH
    return RESPONSE if names & {b"response", b"digest-uri", b"cnonce"} else CHALLENGE


def described(message: bytes) -> tuple[Row, ...]:
    """The directives of a digest-challenge, digest-response or response-auth in order, each with its meaning.

    One row says why, where no list of directives can be read; nothing is raised.
    """
    try:
        pairs = split("message", message)
    except MalformedMessage as error:
        return (Row("(unreadable)", _text(message), str(error), "7.1"),)
    table = _TABLES[kind(message)]
    return tuple(_row(name, value, table) for name, value in pairs)


def _row(name: bytes, value: bytes, table: dict[bytes, tuple[str, str]]) -> Row:
    text = _text(value)
    if name not in table:
        return Row(_text(name), text, "not known here: who does not know a directive ignores it", "2.1.1, 2.1.2")
    meaning, section = table[name]
    if "{qop}" in meaning:
        chosen = [token.strip().lower() for token in text.split(",") if token.strip()]
        meaning = meaning.format(qop="; ".join(f"{each}, {_QOPS.get(each, 'not known here')}" for each in chosen))
    elif "{stale}" in meaning:
        stale = text.lower() == "true"
        meaning = (
            "the nonce was too old and the password right: answer again" if stale else "says nothing unless true"
        )
    elif "{nc}" in meaning:
        meaning = meaning.format(nc=_count(text))
    elif "{uri}" in meaning:
        meaning = _uri(text)
    return Row(_text(name), text, meaning, section)


def _count(digits: str) -> str:
    try:
        count = int(digits, 16)
    except ValueError:
        return "it is no number"
    return "the first response to this nonce" if count == 1 else f"response number {count:,} to this nonce"


def _uri(text: str) -> str:
    service, slash, host = text.partition("/")
    if not slash:
        return "not of the form service/host"
    host, slash, name = host.partition("/")
    return f"service {service}, host {host}" + (f", service name {name}" if slash else "")


def chosen(challenge: bytes, response: bytes) -> list[str]:
    """What the client chose of what was offered and why, and what the proof is computed from; a line each.

    A line says why, where one of the two messages breaks RFC 2831.
    """
    try:
        offered, sent = DigestChallenge.parse(challenge), DigestResponse.parse(response)
    except MalformedMessage as error:
        return [f"cannot be compared: {error}"]
    return [*_choices(offered, sent), *_computation(sent)]


def _choices(offered: DigestChallenge, sent: DigestResponse) -> Iterator[str]:
    qop = sent.qop.decode()
    yield f"qop          {qop}, of {_listed(offered.qop_options)} offered: {_QOPS[qop]}"
    if sent.cipher is not None:
        yield f"cipher       {sent.cipher.decode()}, of {_listed(offered.cipher_options)} offered"
    yield f"realm        {_realm(offered, sent)}"
    same = "is the challenge's" if sent.nonce == offered.nonce else "is NOT the challenge's: an earlier one's"
    yield f"nonce        {same}; nonce-count {sent.nonce_count}"
    charset = "UTF-8" if sent.utf8 else "ISO 8859-1"
    yield f"charset      {charset}: the server {'takes' if offered.utf8 else 'does not take'} UTF-8"
    if sent.qop != b"auth":
        yield f"maxbuf       the client sends up to {offered.maxbuf:,} octets a buffer, the server {sent.maxbuf:,}"
    if sent.authzid is not None:
        yield f"authzid      to act as {printable(sent.authzid)}, if the server allows it"


def _realm(offered: DigestChallenge, sent: DigestResponse) -> str:
    realms = ", ".join(printable(realm) or '""' for realm in offered.realms)
    if sent.realm is None:
        return "none: the server offered none, and it is empty in A1"
    name = printable(sent.realm) or '""'
    if not offered.realms:
        return f"{name}: the user named it, the server offered none"
    if sent.realm not in offered.realms:
        return f"{name}: the user named it; NOT among those offered: {realms}"
    if len(offered.realms) == 1:
        return f"{name}: the one offered"
    return f"{name}: of those offered: {realms}"


def _listed(values: Sequence[bytes]) -> str:
    return ", ".join(value.decode() for value in values) or "none"


def _computation(sent: DigestResponse) -> Iterator[str]:
    realm, user = printable(sent.realm or ""), printable(sent.username)
    authzid = "" if sent.authzid is None else ", ':', authzid"
    a2 = a2_of_client(sent.digest_uri, sent.qop)
    yield "A1           H(username, ':', realm, ':', password), ':', nonce, ':', cnonce" + authzid
    yield f"             with username {user}, realm {realm or '(empty)'}; password and H are never shown"
    yield f"A2           {_text(a2)}"
    yield f"HEX(H(A2))   {hexed(h(a2)).decode()}"
    yield (
        f"response     HEX(KD(HEX(H(A1)), nonce, ':', {sent.nonce_count:08x}, ':', cnonce, ':', {sent.qop.decode()},"
        " ':', HEX(H(A2))))"
    )
    yield "rspauth      the same, with an A2 that has nothing before its first ':'"


def _text(value: bytes) -> str:
    try:
        return printable(value.decode())
    except UnicodeDecodeError:
        return printable(value.decode("iso-8859-1"))
