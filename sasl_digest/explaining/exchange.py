"""The messages of one exchange, read as far as they can be: also those that a server or a client must refuse.

What `grammar` refuses is read on the way it was probably meant: quotes and backslashes that were not escaped, a
quote that is never closed, an `=` without a value. Which rule that breaks is for `rules` to say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

MOST = 16384  # octets that are looked at; no message of RFC 2831 has a quarter of it

# A quoted value ends at the first quote that is not escaped and has a comma or the end behind it: clients that do
# not escape (ldap3, go-ldap, GNU SASL) write names with quotes in them as they are.
_DIRECTIVE = re.compile(
    rb"""
      [\s,]*+ ( [^\s=,"]++ ) \s*+ = \s*+
      (?: " ( (?: \\. | [^\\] )*? ) " (?= \s*+ (?: , | \Z ) )
        | " ( [^,]*+ )
        | ( [^,]*+ )
      )
    """,
    re.VERBOSE | re.DOTALL,
)
_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_HTTP = re.compile(rb"\s*Digest\s+", re.IGNORECASE)  # the scheme before the directives, RFC 7616 section 3.3


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: `written` is its value as it stands between the quotes, `value` without quoted pairs."""

    name: str
    written: bytes
    value: bytes
    quoted: bool


def read(data: bytes) -> tuple[Directive, ...]:
    """The directives that can be found in `data`, in order; none in what is no list of them."""
    data = data[:MOST]
    scheme = _HTTP.match(data)
    found = []
    for name, quoted, unclosed, bare in _DIRECTIVE.findall(data[scheme.end() :] if scheme else data):
        written = quoted or unclosed or bare.rstrip()
        is_quoted = bool(quoted or unclosed) or not bare
        value = _PAIR.sub(rb"\1", written) if is_quoted else written
        found.append(Directive(name.decode("ascii", "replace").lower(), written, value, is_quoted))
    return tuple(found)


def text_of(value: bytes) -> str:
    """The text that a value is: UTF-8, or ISO 8859-1 where it is none (RFC 2831 section 2.1.1, charset)."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("iso-8859-1")


@dataclass(frozen=True)
class Exchange:
    """What went over the wire: the digest-challenge, the digest-response and the response-auth, as octets.

    Only the response is needed; without the challenge nothing can be said about what was offered.
    """

    response: bytes = field(repr=False)
    challenge: bytes | None = field(default=None, repr=False)
    rspauth: bytes | None = field(default=None, repr=False)

    @cached_property
    def offered(self) -> tuple[Directive, ...]:
        """The directives of the challenge."""
        return () if self.challenge is None else read(self.challenge)

    @cached_property
    def answered(self) -> tuple[Directive, ...]:
        """The directives of the response."""
        return read(self.response)

    @cached_property
    def sent(self) -> Mapping[str, Directive]:
        """The first directive of each name in the response."""
        return {each.name: each for each in reversed(self.answered)}

    @cached_property
    def challenged(self) -> Mapping[str, Directive]:
        """The first directive of each name in the challenge."""
        return {each.name: each for each in reversed(self.offered)}

    @cached_property
    def realms(self) -> tuple[str, ...]:
        """Those that the challenge offers."""
        return tuple(text_of(each.value) for each in self.offered if each.name == "realm")

    @cached_property
    def proof(self) -> bytes | None:
        """The digits of rspauth, in lower case, where the server sent them."""
        if self.rspauth is None:
            return None
        return next((each.value.lower() for each in read(self.rspauth) if each.name == "rspauth"), b"")

    def value(self, name: str) -> bytes | None:
        """The value of a directive of the response, None where there is none."""
        directive = self.sent.get(name)
        return None if directive is None else directive.value

    def text(self, name: str) -> str | None:
        """The same as text."""
        value = self.value(name)
        return None if value is None else text_of(value)

    @property
    def digest_uri(self) -> bytes | None:
        """The digest-uri, which HTTP calls `uri`."""
        value = self.value("digest-uri")
        return self.value("uri") if value is None else value
