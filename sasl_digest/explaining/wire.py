"""What may have been hashed for everything but the three strings: the directives, and the formulas themselves.

RFC 2831 section 2.1.2.1; what HTTP does in its place is in RFC 7616 section 3.4 and RFC 2069 section 2.1.2.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from hashlib import md5

from sasl_digest.explaining.departures import Collected, Departure, Hints, shown, unique
from sasl_digest.explaining.exchange import Exchange, text_of
from sasl_digest.explaining.formula import METHOD, NO_BODY, Inputs, Session

SERVICES = ("ldap", "ldaps", "host", "http", "imap", "smtp", "pop", "xmpp")
QOPS = (b"auth", b"auth-int", b"auth-conf")
_EMPTY_BODY = b":" + md5(b"").hexdigest().encode()


def wire_departures(exchange: Exchange, base: Inputs, hints: Hints) -> Iterator[Departure]:
    """All of them."""
    yield from _digest_uris(exchange, base, hints)
    yield from _qops(exchange, base)
    yield from _bodies(base)
    yield from _nonce_counts(base)
    for name in ("nonce", "cnonce"):
        yield from _nonces(name, exchange, base)
    yield from _sessions(base)
    yield from _authzids(exchange, base)
    yield from _methods(base)
    upper = Collected("digits", base)
    upper.add("HEX(H(A1)) and HEX(H(A2)) in upper-case digits", "", upper=True)
    yield from upper


def _digest_uris(exchange: Exchange, base: Inputs, hints: Hints) -> Iterator[Departure]:
    sent = base.digest_uri
    found = Collected("digest-uri", base)

    def add(value: bytes | str, because: str) -> None:
        octets = value.encode() if isinstance(value, str) else value
        found.add(f"the digest-uri {shown(octets)} in place of {shown(sent)}", because, digest_uri=octets)

    text = text_of(sent)
    serv_type, _, rest = text.partition("/")
    host, slash, _ = rest.partition("/")
    add(text.lower(), "the digest-uri in lower case")
    add(text.upper(), "the digest-uri in upper case")
    add(f"{serv_type.upper()}/{rest}", "its serv-type in upper case")
    if slash:
        add(f"{serv_type}/{host}", "the digest-uri without its serv-name")
    add(host, "the host alone")
    add(serv_type, "the serv-type alone")
    add("", "nothing")
    add(f"{serv_type}/", "the digest-uri without its host")
    add(f"{text}/", "the digest-uri with a slash behind it")
    add(f"{serv_type}://{host}", "a URL")
    add(f'"{text}"', "the digest-uri with the quotes around it")
    add(f"{serv_type}/{host}/{host}", "the host as the serv-name too")
    for realm in unique((base.realm or "", *exchange.realms)):
        add(f"{serv_type}/{realm}", "the realm as the host")
        add(f"{serv_type}/{host}/{realm}", "the realm as the serv-name")
    bare = re.sub(r":[0-9]+$", "", host)
    add(f"{serv_type}/{bare}", "the host without its port")
    for port in ("389", "636", "3268"):
        add(f"{serv_type}/{host}:{port}", "the host with a port")
    add(f"{serv_type}/{host.strip('[]')}", "the IPv6 address without its brackets")
    add(f"{serv_type}/[{host}]", "the host in brackets")
    add(f"{serv_type}/{host.partition('.')[0]}", "the first label of the host")
    add(f"{serv_type}/{host.rstrip('.')}", "the host without the full stop behind it")
    add(f"{serv_type}/{host}.", "the host with a full stop behind it")
    for each in unique((*hints.hosts, "localhost", "127.0.0.1")):
        add(f"{serv_type}/{each}", f"the host {shown(each)}")
    for service in SERVICES:
        add(f"{service}/{rest}", f"the service {shown(service)}")
        for each in hints.hosts:
            add(f"{service}/{each}", f"the service {shown(service)} and the host {shown(each)}")
    add("/", "HTTP's path")
    directive = exchange.sent.get("digest-uri")
    if directive is not None:
        add(directive.written, "the digest-uri as it stands in the response, with its escapes")
    yield from found


def _qops(exchange: Exchange, base: Inputs) -> Iterator[Departure]:
    sent = base.qop or b""
    found = Collected("qop", base)
    for qop in QOPS:
        words = f"the qop {shown(qop)} in place of {shown(sent)}"
        found.add(words, "", qop=qop, body=b"" if qop == b"auth" else NO_BODY)
        found.add(f"{words} in front of H(A2), and not in A2", "", qop=qop)
    offered = exchange.challenged.get("qop")
    if offered is not None:
        words = f"the whole list of qops that was offered, {shown(offered.value)}, in place of {shown(sent)}"
        found.add(words, "", qop=offered.value)
    found.add(f"the qop with quotes around it in place of {shown(sent)}", "", qop=b'"' + sent + b'"')
    found.add(f"an empty qop in place of {shown(sent)}", "", qop=b"")
    found.add("no nc, cnonce and qop, as in RFC 2069, which knew none", "", qop=None)
    yield from found


def _bodies(base: Inputs) -> Iterator[Departure]:
    found = Collected("A2", base)
    layer = base.qop not in (b"auth", None)
    zeros = "the 32 zeros behind the digest-uri in A2"
    if layer:
        why = f"that is as for qop auth, and {shown(base.qop or b'')} was chosen"
        found.add(f"A2 without {zeros}", why, body=b"")
    else:
        found.add(f"A2 with {zeros}", "that is for auth-int and auth-conf", body=NO_BODY)
    found.add("A2 with the MD5 of an empty body", "HTTP has it so for auth-int", body=_EMPTY_BODY)
    yield from found


def _nonce_counts(base: Inputs) -> Iterator[Departure]:
    sent = base.nonce_count
    found = Collected("nc", base)

    def add(value: bytes, because: str) -> None:
        found.add(f"the nc {shown(value)} in place of {shown(sent)}", because, nonce_count=value)

    for number in range(4):
        add(b"%08x" % number, "another count")
    try:
        number = int(sent, 16)
    except ValueError:
        number = 1
    if number < 1 << 32:
        add(b"%08x" % number, "the count in eight digits")
        add(b"%x" % number, "the count without leading zeros")
        add(b"%d" % number, "the count in decimal digits")
        add(b"%08x" % (number + 1), "the next count")
    add(sent.upper(), "in upper case")
    add(b'"' + sent + b'"', "with the quotes around it")
    add(b"", "nothing")
    yield from found


def _nonces(name: str, exchange: Exchange, base: Inputs) -> Iterator[Departure]:
    sent: bytes = getattr(base, name)
    found = Collected(name, base)

    def add(value: bytes, words: str) -> None:
        found.add(f"the {name} {words}", "", **{name: value})

    directive = exchange.sent.get(name)
    if directive is not None:
        add(directive.written, "with its escapes, as it stands in the response")
    add(b'"' + sent + b'"', "with the quotes around it")
    add(sent.replace(b"\\", b"\\\\").replace(b'"', b'\\"'), "with its quotes and backslashes escaped")
    if name == "nonce" and "nonce" in exchange.challenged:
        add(exchange.challenged["nonce"].value, "of the challenge, which is not the one it sent")
        add(exchange.challenged["nonce"].written, "of the challenge, with its escapes")
    if name == "cnonce":
        add(base.nonce, "of the server in place of its own")
        add(b"", "as an empty one")
    add(sent.rstrip(b"="), "without the = behind it")
    add(sent.lower(), "in lower case")
    for decode, words in ((lambda value: b64decode(value, validate=True), "base64"), (bytes.fromhex, "hexadecimal")):
        try:
            add(decode(sent.decode("ascii")), f"as the octets that its {words} stands for")
        except (binascii.Error, ValueError):
            continue
    yield from found


def _sessions(base: Inputs) -> Iterator[Departure]:
    found = Collected("A1", base)
    secret = "H(user:realm:password)"
    words = f"A1 with {secret} in hexadecimal digits in place of 16 octets"
    found.add(words, "HTTP Digest has MD5-sess so", session=Session.HEX)
    words = f"A1 with {secret} in upper-case hexadecimal digits in place of 16 octets"
    found.add(words, "", session=Session.UPPER_HEX)
    found.add(f"{secret} in place of A1, without nonce and cnonce", "that is algorithm md5", session=Session.NONE)
    if base.secret is None:
        words = f"user:realm:password itself in A1, in place of {secret}"
        found.add(words, "the inner H is missing", session=Session.PLAIN)
    yield from found


def _authzids(exchange: Exchange, base: Inputs) -> Iterator[Departure]:
    found = Collected("authzid", base)
    sent, name = base.authzid, base.username
    if sent is not None:
        found.add("A1 without the authzid that it sent", "", authzid=None)
        found.add("the authzid without its 'u:' or 'dn:'", "", authzid=sent.partition(b":")[2])
        directive = exchange.sent["authzid"]
        found.add("the authzid with its escapes, as it stands in the response", "", authzid=directive.written)
    else:
        found.add("A1 with an empty authzid, a colon behind the cnonce", "", authzid=b"")
        for value in (name, f"u:{name}"):
            words = f"A1 with an authzid, {shown(value)}, that it did not send"
            found.add(words, "", authzid=value.encode())
    yield from found


def _methods(base: Inputs) -> Iterator[Departure]:
    found = Collected("method", base)
    if base.method == METHOD:
        words = "A2 without AUTHENTICATE, ':' and the digest-uri"
        found.add(words, "the server's rspauth is made so, and not a response", method=b"")
    else:
        words = "A2 with AUTHENTICATE in front of the digest-uri"
        found.add(words, "a client's response is made so, and not rspauth", method=METHOD)
    for method in (b"authenticate", b"AUTHENTICATION", b"GET", b"POST", b"BIND"):
        words = f"A2 with {shown(method)} where {shown(base.method)} belongs"
        found.add(words, "HTTP's method" if method in (b"GET", b"POST") else "", method=method)
    yield from found
