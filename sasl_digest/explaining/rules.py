"""What is wrong with an exchange whatever the password is: rules of RFC 2831 that one of the messages breaks."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sasl_digest import channel_binding as binding
from sasl_digest.errors import MalformedMessage
from sasl_digest.explaining.departures import Hints, shown
from sasl_digest.explaining.exchange import Exchange, text_of
from sasl_digest.explaining.strings import is_dn
from sasl_digest.messages import DigestChallenge, DigestResponse, ResponseAuth

_DIGEST = re.compile(rb"[0-9a-f]{32}")
_LONE_BACKSLASH = re.compile(rb'\\(?!["\\])')

# How the messages of other mechanisms begin. None of them is shown: PLAIN's holds the password.
_OTHERS = (
    (re.compile(rb"NTLMSSP\0"), "NTLM"),
    (re.compile(rb"[^\0]*\0[^\0]+\0"), "SASL PLAIN"),
    (re.compile(rb"[nyp](=[^,]*)?,(a=[^,]*)?,n="), "SCRAM"),
    (re.compile(rb"\x60[\x00-\xff]{1,5}\x06"), "GSSAPI or GSS-SPNEGO"),
)


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """`about` names the directive or message, `words` the rule; `grave` is whether a server may refuse for it."""

    about: str
    words: str
    grave: bool = True

    def __str__(self) -> str:
        return f"{self.about}: {self.words}"


def broken_rules(exchange: Exchange, hints: Hints, service: str | None = "ldap") -> tuple[BrokenRule, ...]:
    """All that can be told, each once. `service` is the serv-type that is due in digest-uri, None for any."""
    found: dict[str, BrokenRule] = {}
    kind = list(_of_kind(exchange))
    # Of what is no digest-response it says nothing that a directive is missing there.
    rules = _malformed(exchange) if exchange.value("response") is not None or not kind else ()
    for each in (*kind, *rules, *_of_terms(exchange, hints, service), *_of_names(exchange)):
        found.setdefault(str(each), each)
    return tuple(found.values())


def _of_kind(exchange: Exchange) -> Iterator[BrokenRule]:
    """What is no digest-response at all."""
    if exchange.value("response") is not None:
        if exchange.value("uri") is not None or exchange.response.lstrip()[:7].lower() == b"digest ":
            yield BrokenRule(
                "digest-response", "is one of HTTP Digest: SASL has digest-uri, and no uri and algorithm"
            )
        return
    if not exchange.response:
        yield BrokenRule("digest-response", "is empty; it is what answers the challenge")
        return
    for pattern, mechanism in _OTHERS:
        if pattern.match(exchange.response):
            yield BrokenRule("digest-response", f"is none: it looks like a message of {mechanism}")
            return
    names = {each.name for each in exchange.answered}
    if "rspauth" in names:
        yield BrokenRule("digest-response", "is none: this is the server's rspauth")
    elif "nonce" in names and "username" not in names:
        yield BrokenRule("digest-response", "is none: this is a challenge")


def _malformed(exchange: Exchange) -> Iterator[BrokenRule]:
    """What a strict reader refuses."""
    if exchange.challenge is not None:
        yield from _read(DigestChallenge.parse, exchange.challenge)
    yield from _read(DigestResponse.parse, exchange.response)
    if exchange.rspauth is not None:
        yield from _read(ResponseAuth.parse, exchange.rspauth)
    for message, directives in (("challenge", exchange.offered), ("response", exchange.answered)):
        values: dict[str, bytes] = {}
        for each in directives:
            if each.name in values and not (message == "challenge" and each.name == "realm"):
                same = "the same" if values[each.name] == each.value else "another"
                yield BrokenRule(each.name, f"comes twice in the {message}, with {same} value the second time")
            values[each.name] = each.value
    # The strict reader stops at the first; these are looked at for themselves.
    for name in ("username", "nonce", "cnonce", "nc", "digest-uri", "response"):
        if (
            exchange.answered
            and exchange.value(name) is None
            and not (name == "digest-uri" and exchange.value("uri"))
        ):
            yield BrokenRule(name, "is missing")
    response = exchange.value("response")
    if response is not None and not _DIGEST.fullmatch(response) and _DIGEST.fullmatch(response.lower()):
        yield BrokenRule("response", "must be 32 lower-case hexadecimal digits")


def _read(parse: Callable[[bytes], object], data: bytes) -> Iterator[BrokenRule]:
    try:
        parse(data)
    except MalformedMessage as error:
        yield BrokenRule(error.directive, error.rule)


def _of_terms(exchange: Exchange, hints: Hints, service: str | None) -> Iterator[BrokenRule]:
    """What does not go with the challenge, or with this server."""
    challenged = exchange.challenged
    if challenged:
        realm = exchange.text("realm")
        if realm is None and exchange.realms:
            yield BrokenRule(
                "realm", f"is missing, though the challenge offers {_list(exchange.realms)}: an empty one is hashed"
            )
        elif realm is not None and exchange.realms and realm not in exchange.realms:
            yield BrokenRule("realm", f"{shown(realm)} was not offered, but {_list(exchange.realms)}", grave=False)
        nonce = exchange.value("nonce")
        if nonce is not None and "nonce" in challenged and nonce != challenged["nonce"].value:
            yield BrokenRule("nonce", "is not that of the challenge")
        if "stale" in challenged and challenged["stale"].value.lower() == b"true":
            words = "the challenge has stale=true: the nonce before was too old, and its response right"
            yield BrokenRule("stale", words, grave=False)
        yield from _not_offered(exchange, "qop", "qop", b"auth")
        if exchange.value("qop") == b"auth-conf":
            yield from _not_offered(exchange, "cipher", "cipher", b"")
        if exchange.value("charset") and "charset" not in challenged:
            yield BrokenRule("charset", "was not offered by the challenge", grave=False)
    nc = exchange.value("nc")
    if nc is not None and re.fullmatch(rb"[0-9A-Fa-f]{1,8}", nc) and int(nc, 16) != 1:
        first = exchange.challenge is not None
        yield BrokenRule("nc", f"is {shown(nc)}; 00000001 is due behind a challenge", grave=first)
    yield from _of_digest_uri(exchange, hints, service)
    yield from _of_binding(exchange)


def _not_offered(exchange: Exchange, name: str, options: str, default: bytes) -> Iterator[BrokenRule]:
    directive = exchange.challenged.get(options)
    offered = [each.strip().lower() for each in (default if directive is None else directive.value).split(b",")]
    chosen = exchange.value(name)
    chosen = default if chosen is None else chosen
    if chosen and chosen.lower() not in offered:
        yield BrokenRule(name, f"{shown(chosen)} was not offered, but {_list([text_of(each) for each in offered])}")


def _of_digest_uri(exchange: Exchange, hints: Hints, service: str | None) -> Iterator[BrokenRule]:
    uri = exchange.value("digest-uri")
    if uri is None:
        return
    serv_type, slash, rest = text_of(uri).partition("/")
    host = rest.partition("/")[0]
    if not slash or not host:
        yield BrokenRule("digest-uri", f"{shown(uri)} names no host; serv-type '/' host is due")
        return
    if service is not None and serv_type.lower() != service:
        yield BrokenRule("digest-uri", f"names the service {shown(serv_type)}; {shown(service)} is due")
    known = [_host(each) for each in hints.hosts]
    if known and "*" not in known and _host(host) not in known:
        yield BrokenRule(
            "digest-uri", f"names the host {shown(host)}; the server is called {_list(hints.hosts, 'or')}"
        )


def _of_binding(exchange: Exchange) -> Iterator[BrokenRule]:
    try:
        response = DigestResponse.parse(exchange.response)
    except MalformedMessage:
        return
    if response.bound is not None and not binding.is_bound(response):
        words = "the cnonce does not begin with the hash of service-name and channel-binding"
        yield BrokenRule("channel-binding", words)


def _of_names(exchange: Exchange) -> Iterator[BrokenRule]:
    directive, name = exchange.sent.get("username"), exchange.text("username")
    if directive is None or name is None:
        return
    if is_dn(name):
        yield BrokenRule("username", f"{shown(name)} is a DN; DIGEST-MD5 is about a user's name", grave=False)
    if name != name.strip():
        yield BrokenRule("username", "has blanks around it, which are hashed too", grave=False)
    if directive.quoted and _LONE_BACKSLASH.search(directive.written.replace(b"\\\\", b"")):
        words = "has a backslash that is not escaped: the name then is the one without it"
        yield BrokenRule("username", words, grave=False)
    beyond = not all((exchange.value(each) or b"").isascii() for each in ("username", "realm"))
    if beyond and not exchange.value("charset"):
        words = "is missing, and there are names beyond ASCII: they are ISO 8859-1 then"
        yield BrokenRule("charset", words, grave=False)


def _host(name: str) -> str:
    return name.lower().rstrip(".").strip("[]")


def _list(names: Sequence[str], word: str = "and") -> str:
    quoted = [shown(each) for each in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"
