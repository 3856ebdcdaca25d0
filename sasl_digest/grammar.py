"""The directive list that every digest message is (RFC 2831 section 7.1).

    1#( token "=" ( token | quoted-string ) )

Splits and joins; knows no directive by name.
"""

import re

from sasl_digest.errors import MalformedMessage

QUOTED = rb'[^"\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*+'  # inside a quoted-string, up to a quoted pair

# One element and the separators behind it. "#rule" lists may hold null elements and white space around the
# elements (section 7.1). A value may come bare although the grammar quotes it, and quoted although the grammar
# leaves it bare: ldap3 quotes charset and response, the JDK cipher, curl nc, and ruby-sasl sends its nonce bare.
# So a bare value is any run of visible octets but a comma, a quote and a backslash; it may be empty, for
# Authen::SASL::Perl writes `charset=`. Quantifiers are possessive: no input makes this backtrack.
# The last alternative takes all that is left at the first place where the list breaks.
_ELEMENT = re.compile(
    rb"""
      ( [!\#$%&'*+\-.0-9A-Z^_`a-z|~]++ )                                  # token
      [ \t\r\n]*+ = [ \t\r\n]*+
      (?: " ( (?: [^"\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f] | \\[\x00-\xff] )*+ ) "   # quoted-string
        | ( [^\x00-\x20",\\\x7f]*+ )
      )
      [ \t\r\n]*+ (?: , [ \t\r\n,]*+ | \Z )
    | ( [\x00-\xff]++ )
    """,
    re.VERBOSE,
)
_QUOTED_PAIR = re.compile(rb"\\([\x00-\xff])")
_TO_ESCAPE = re.compile(rb'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')


def split(message: str, data: bytes) -> list[tuple[bytes, bytes]]:
    """The directives of `data` in order: names in lower case, values unquoted and unescaped.

    `message` is what the error calls the whole: `digest-challenge`, `digest-response`, `response-auth`.
    Raises MalformedMessage where the list breaks, naming the octet.
    """
    elements = _ELEMENT.findall(data.lstrip(b" \t\r\n,"))
    if not elements:
        raise MalformedMessage(message, "is empty; at least one directive was due")
    if rest := elements[-1][3]:
        raise MalformedMessage(message, f"no directive can be read at octet {len(data) - len(rest)}")
    if b"\\" in data:
        # "\" quotes the one character after it.  RFC 2831 section 7.1, quoted-pair
        return [(name.lower(), _QUOTED_PAIR.sub(rb"\1", quoted) or bare) for name, quoted, bare, _ in elements]
    return [(name.lower(), quoted or bare) for name, quoted, bare, _ in elements]


def as_written(data: bytes, name: bytes) -> bytes:
    """The value of the first directive of this name in a list that `split()` took, its quoted pairs as they stand."""
    elements: list[tuple[bytes, bytes, bytes, bytes]] = _ELEMENT.findall(data.lstrip(b" \t\r\n,"))
    return next(quoted or bare for token, quoted, bare, _ in elements if token.lower() == name)


def quoted(value: bytes) -> bytes:
    """`value` as a quoted-string: in quotes, with a backslash before each quote, backslash and control."""
    return b'"' + _TO_ESCAPE.sub(rb"\\\g<0>", value) + b'"'


def join(directives: list[tuple[bytes, bytes]]) -> bytes:
    """The directive list with these names and values as they stand, without a blank (some clients choke on one)."""
    return b",".join([name + b"=" + value for name, value in directives])
