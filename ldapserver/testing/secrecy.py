"""What of a message may be shown: all of it but its secrets, which are gone before anything is kept.

A secret is known by its place: a password's field, the value of an attribute that holds passwords, what a digest is
made with. What stands there is neither kept nor measured, in whatever form a client has brought it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from ldapserver.directory.entry import is_password
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.filters import (
    And,
    Extensible,
    Filter,
    InvalidFilter,
    Not,
    Or,
    Present,
    Substrings,
    encode_filter,
)
from sasl_digest.errors import MalformedMessage
from sasl_digest.grammar import quoted, split

REMOVED = "<removed>"
_REMOVED = REMOVED.encode()
Value = str | bytes

# Attributes of an application's own schema, which no table knows.
_CALLED_SO = re.compile("(?:password|passwd|pwd|passphrase|secret|credentials)$", re.IGNORECASE)
_TYPE = re.compile(r"([\w.;-]+)\s*[~<>:]*=")  # what may be an attribute's name in a DN or a filter, broken or not
_IN_QUOTES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)

# The directives of digest messages that are no part of the computation's secrets (RFC 2831 section 2.1).
_SHOWN = frozenset(
    b"username realm qop algorithm charset cipher maxbuf nc digest-uri authzid stale hashed-dirs".split()
)
_HIDDEN = frozenset(b"nonce cnonce response rspauth service-name channel-binding".split())
_BARE = frozenset(b"algorithm charset maxbuf nc stale".split())
_TOKEN = re.compile(rb"[\w-]+")


class Secrecy:
    """Takes secrets out; `is_secret` says of an attribute description whether it is one of passwords."""

    def __init__(self, is_secret: Callable[[str], bool] = is_password) -> None:
        self._is_secret = is_secret

    def hides(self, description: str) -> bool:
        """Whether values of this attribute are not shown."""
        name = description.strip().partition(";")[0]
        name = name[4:] if name[:4].lower() == "oid." else name
        return is_password(name) or bool(_CALLED_SO.search(name)) or self._is_secret(name)

    def mentions(self, text: str) -> bool:
        """Whether a value of such an attribute may stand in `text`, a name or a filter, or what is left of one."""
        return any(self.hides(found) for found in _TYPE.findall(text))

    def values(self, description: str, values: Sequence[bytes]) -> tuple[Value, ...]:
        """The values of an attribute, as text where they are."""
        return (REMOVED,) * len(values) if self.hides(description) else tuple(map(shown, values))

    def name(self, text: str) -> str:
        """A DN, or whatever else a client calls an entry."""
        if not self.mentions(text):
            return text
        try:
            dn = DN.parse(text)
        except InvalidDN:
            return REMOVED
        rdns = [tuple([replace(a, value=_REMOVED) if self.hides(a.type) else a for a in rdn]) for rdn in dn.rdns]
        return str(DN(tuple(rdns)))

    def about(self, text: str, *, sensitive: bool) -> str:
        """What a server says, without what it quotes: of a request that is `sensitive`, or where this is."""
        return _IN_QUOTES.sub(REMOVED, text) if sensitive or self.mentions(text) else text

    def filter(self, filter: Filter) -> str:
        """A filter as text; one that asks any attribute may ask for a password too."""
        hidden = self._filter(filter)
        try:
            return encode_filter(hidden)
        except InvalidFilter as error:
            return REMOVED if self.mentions(str(error)) else f"(a filter without a text: {error})"

    def compares(self, filter: Filter) -> bool:
        """Whether a filter holds a value that is not shown."""
        return self._filter(filter) != filter

    def _filter(self, filter: Filter) -> Filter:
        match filter:
            case And(filters) | Or(filters):
                return replace(filter, filters=tuple(map(self._filter, filters)))
            case Not(negated):
                return Not(self._filter(negated))
            case Present():
                return filter
            case Substrings():
                return Substrings(filter.attribute, _REMOVED, (), None) if self.hides(filter.attribute) else filter
            case Extensible():
                hidden = filter.attribute is None or self.hides(filter.attribute)
                return replace(filter, value=_REMOVED) if hidden else filter
            case _:
                return replace(filter, value=_REMOVED) if self.hides(filter.attribute) else filter


def shown(value: bytes) -> Value:
    """A value as text, where it is some."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def directives(data: bytes) -> str | None:
    """A digest message with names, realms and what was chosen, and without what was computed; None for another."""
    try:
        found = split("digest", data)
    except MalformedMessage:
        return None
    known = _SHOWN | _HIDDEN
    # What no digest message has may be anything.
    if not any(name in known for name, _ in found):
        return None
    parts = []
    for name, value in found:
        if name in _SHOWN:
            written = value if name in _BARE and _TOKEN.fullmatch(value) else quoted(value)
            parts.append(f"{name.decode()}={written.decode('utf-8', 'backslashreplace')}")
        else:
            parts.append(f"{name.decode() if name in _HIDDEN else '...'}={REMOVED}")
    return ",".join(parts)


def digest_username(data: bytes) -> str | None:
    """Who a digest-response names, None where it names nobody."""
    try:
        names = [value for name, value in split("digest-response", data) if name == b"username"]
    except MalformedMessage:
        return None
    return names[0].decode("utf-8", "backslashreplace") if names else None


def plain_names(data: bytes) -> tuple[str, str] | None:
    """The authzid and the authcid of a PLAIN message (RFC 4616 section 2), None of one that breaks the grammar."""
    fields = data.split(b"\0")
    if len(fields) != 3 or not fields[1] or not fields[2]:
        return None
    return fields[0].decode("utf-8", "backslashreplace"), fields[1].decode("utf-8", "backslashreplace")
