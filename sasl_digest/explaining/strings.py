"""What may have been hashed for the three strings of A1: another name, realm or form of the password.

RFC 2831 section 2.1.2.1.

Of the password only forms that somebody may take for the same one: with what an editor puts behind it, in another
normal form, typed with Caps Lock on.
"""

import unicodedata
from collections.abc import Callable, Iterator
from itertools import product
from typing import Literal

from sasl_digest.errors import UsageError
from sasl_digest.explaining.departures import Collected, Departure, Hints, shown, unique
from sasl_digest.explaining.exchange import Exchange, text_of
from sasl_digest.explaining.formula import CHARSETS, RFC, Charsets, Inputs

_Add = Callable[[str, str], None]

NORMAL_FORMS: tuple[tuple[Literal["NFC", "NFD", "NFKC"], str], ...] = (
    ("NFC", "composed"),
    ("NFD", "decomposed"),
    ("NFKC", "with compatibility characters replaced"),
)


def string_departures(exchange: Exchange, base: Inputs, hints: Hints) -> Iterator[Departure]:
    """All of them; for a `secret` none, for it stands for one name, realm and password."""
    if base.secret is not None:
        return
    yield from _names(exchange, base, hints)
    yield from _realms(exchange, base, hints)
    yield from _passwords(base)
    yield from _charsets(base)


def _names(exchange: Exchange, base: Inputs, hints: Hints) -> Iterator[Departure]:
    name = base.username
    found = Collected("name", base)

    def add(value: str, because: str) -> None:
        found.add(f"the name {shown(value)} in place of {shown(name)}", because, username=value)

    directive = exchange.sent.get("username")
    if directive is not None:
        add(text_of(directive.written), "the name as it stands in the response, its backslashes not taken as escapes")
    for each in hints.names:
        add(each, "another name of the account")
    _in_either_case(add, name, "the name as it was sent")
    for value, because in _parts(name):
        add(value, because)
    for realm in unique((base.realm or "", *exchange.realms, *hints.realms)):
        label = realm.partition(".")[0]
        bare = name.rpartition("\\")[2]
        if "@" not in bare:
            add(f"{bare}@{realm}", f"the name with the realm {shown(realm)} behind it")
        if "\\" not in name:
            for domain in unique((realm, label, label.upper())):
                add(f"{domain}\\{name}", f"the name with the domain {shown(domain)} in front of it")
    if "\\" in name:
        add(name.replace("\\", "\\\\"), "the name with its backslash escaped, as it stands on the wire")
        add(name.replace("\\", ""), "the name without its backslash, which was taken as an escape")
    for value, because in _spaced(name):
        add(value, f"the name {because}")
    add(f'"{name}"', "the name with the quotes around it")
    for value, because in _normal_forms(name):
        add(value, f"the name {because}")
    if base.authzid is not None:
        add(text_of(base.authzid).removeprefix("u:"), "the authzid")
    yield from found


def _parts(name: str) -> Iterator[tuple[str, str]]:
    """The name without what stands around it."""
    domain, backslash, user = name.partition("\\")
    if backslash:
        yield user, f"the name without the domain {shown(domain)} in front of it"
    user, at, domain = name.partition("@")
    if at:
        yield user, f"the name without {shown('@' + domain)} behind it"
    if is_dn(name):
        yield name.partition(",")[0].partition("=")[2].strip(), "the first value of the DN that was given as a name"


def is_dn(name: str) -> bool:
    """Whether it looks like a DN, which is not what DIGEST-MD5 is about."""
    first, comma, rest = name.partition(",")
    return all("=" in each and each.partition("=")[0].strip().isalnum() for each in (first, rest)) and bool(comma)


def _realms(exchange: Exchange, base: Inputs, hints: Hints) -> Iterator[Departure]:
    realm = base.realm or ""
    found = Collected("realm", base)

    def add(value: str, because: str) -> None:
        found.add(f"the realm {shown(value)} in place of {shown(realm)}", because, realm=value)

    for each in exchange.realms:
        add(each, "a realm that the challenge offers")
    for each in hints.realms:
        add(each, "a name of the domain")
    found.add("no realm at all, and not the colon behind it", "", realm=None)
    add("", "no realm")
    _in_either_case(add, realm, "the realm as it was sent")
    for each in unique((realm, *exchange.realms, *hints.realms)):
        label = each.partition(".")[0]
        _in_either_case(add, label, f"the first label of {shown(each)}", itself=True)
        _in_either_case(add, each, f"the realm {shown(each)}")
    add("Digest", "Windows' stand-in for a realm")
    serv_type, _, rest = (exchange.digest_uri or b"").partition(b"/")
    host = text_of(rest.partition(b"/")[0])
    if serv_type and host:
        add(host, "the host in digest-uri")
        add(host.partition(".")[0], "the first label of the host in digest-uri")
        add(host.partition(".")[2], "the domain of the host in digest-uri")
    for each in hints.hosts:
        add(each, "a name of the server")
    name = base.username
    for domain in unique((name.partition("\\")[0] if "\\" in name else "", name.partition("@")[2])):
        _in_either_case(add, domain, "the domain in the name", itself=True)
    if realm:
        for value, because in _spaced(realm):
            add(value, f"the realm {because}")
        add(f'"{realm}"', "the realm with the quotes around it")
        add(f"{realm}.", "the realm with a full stop behind it")
        add(realm.rstrip("."), "the realm without the full stop behind it")
        for value, because in _normal_forms(realm):
            add(value, f"the realm {because}")
    directive = exchange.sent.get("realm")
    if directive is not None:
        add(text_of(directive.written), "the realm as it stands in the response, with its escapes")
    yield from found


def _passwords(base: Inputs) -> Iterator[Departure]:
    password = base.password or ""
    found = Collected("password", base)
    for value, because in (
        (password + "\n", "with a line feed behind it"),
        (password + "\r\n", "with a carriage return and a line feed behind it"),
        (password + "\r", "with a carriage return behind it"),
        (password + "\0", "with a NUL behind it"),
        (password.rstrip("\r\n"), "without the line end behind it"),
        *_spaced(password),
        (f'"{password}"', "with double quotes around it"),
        (f"'{password}'", "with single quotes around it"),
        (password.swapcase(), "in the other case, as if Caps Lock had been on"),
        ("", "as an empty one"),
        ("\ufeff" + password, "with a byte order mark in front of it"),
        *_normal_forms(password),
    ):
        found.add(f"the password {because}", "", password=value)
    if '"' in password or "\\" in password:
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        found.add("the password with backslashes in front of its quotes and backslashes", "", password=escaped)
    yield from found


def _spaced(text: str) -> tuple[tuple[str, str], ...]:
    return (
        (text.strip(" "), "without the blanks around it"),
        (text + " ", "with a blank behind it"),
        (" " + text, "with a blank in front of it"),
    )


def _normal_forms(text: str) -> Iterator[tuple[str, str]]:
    if text.isascii():
        return
    for form, words in NORMAL_FORMS:
        yield unicodedata.normalize(form, text), f"in Unicode's form {form}, {words}"
    try:
        from sasl_digest.saslprep import prepare

        yield prepare(text, "text"), "as SASLprep has it"
    except UsageError:  # forbidden there, or the library is not installed: NFKC is most of it
        return


def _in_either_case(add: _Add, text: str, what: str, *, itself: bool = False) -> None:
    if itself and text:
        add(text, what)
    if text:
        add(text.lower(), f"{what}, in lower case")
        add(text.upper(), f"{what}, in upper case")
        add(text[:1].upper() + text[1:].lower(), f"{what}, with a capital at its beginning")


def _charsets(base: Inputs) -> Iterator[Departure]:
    texts = {"name": base.username, "realm": base.realm or "", "password": base.password or ""}
    beyond = [name for name, text in texts.items() if not text.isascii()]
    found = Collected("charset", base)
    for chosen in product((RFC, "UTF-8"), repeat=len(beyond)):
        _charset(found, base, dict(zip(beyond, chosen, strict=True)), texts)
    for charset in tuple(CHARSETS)[2:]:
        for several in (beyond, *([each] for each in beyond)):
            _charset(found, base, dict.fromkeys(several, charset), texts)
    if not beyond:
        _charset(found, base, dict.fromkeys(texts, "UTF-16"), texts)
    yield from found


def _charset(found: Collected, base: Inputs, chosen: dict[str, str], texts: dict[str, str]) -> None:
    """Add it, where it gives other octets than RFC 2831's way does."""
    differing: dict[str, list[str]] = {}
    charsets = {}
    for name, charset in chosen.items():
        try:
            octets = CHARSETS[charset](texts[name])
        except UnicodeError:
            return
        if octets != CHARSETS[RFC](texts[name]):
            charsets[name] = charset
            differing.setdefault(charset, []).append(name)
    if not differing:
        return
    said = " and ".join(f"the {' and the '.join(names)} in {charset}" for charset, names in differing.items())
    due = {charset_due(texts[name]) for name in charsets}
    value = Charsets(charsets.get("name", RFC), charsets.get("realm", RFC), charsets.get("password", RFC))
    found.add(f"{said}, where RFC 2831 has {' and '.join(sorted(due))}", "", charsets=value)


def charset_due(text: str) -> str:
    """The character set that RFC 2831 hashes a string in."""
    try:
        text.encode("iso-8859-1")
    except UnicodeEncodeError:
        return "UTF-8"
    return "ISO 8859-1"
