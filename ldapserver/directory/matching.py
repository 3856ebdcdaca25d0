"""When two values match, which sorts first, and what is part of what (RFC 4517 section 4.2, RFC 4518).

A rule is a function from a value to a key: values match when their keys are equal, and sort as their keys do. A value
that the rule's syntax does not allow has no key: the function raises ValueError, and what was asked is Undefined.
"""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ldapserver.directory.schema import AttributeType, Schema
from ldapserver.wire import dn
from ldapserver.wire.dn import DN

# A key is compared only with keys of the same rule, so which type it has is the rule's own affair.
Key = Callable[[bytes], Any]

_PREFIX = "1.3.6.1.4.1.1466.115.121.1."


def _syntaxes(*numbers: int) -> frozenset[str]:
    return frozenset(f"{_PREFIX}{number}" for number in numbers)


# What a rule on Directory String may be asked to match: Country String, Directory String, Printable String, Telephone
# Number. IA5 String and Numeric String are no alternatives of ASN.1's DirectoryString.  RFC 4517 section 4.2.4
_STRINGS = _syntaxes(11, 15, 44, 50)
_UUID = frozenset(("1.3.6.1.1.16.1",))
_LARGE_INTEGER = frozenset(("1.2.840.113556.1.4.906",))  # Active Directory's Integer of 64 bits


@dataclass(frozen=True, slots=True)
class Rule:
    """A matching rule: its key, and the syntaxes of the attributes it may be asked to match."""

    key: Key
    syntaxes: frozenset[str]

    def fits(self, attribute_type: AttributeType) -> bool:
        """Whether it can be applied to values of this type."""
        return attribute_type.syntax in self.syntaxes


def case_ignore_ia5(value: bytes) -> str:
    """caseIgnoreIA5Match, RFC 4517 section 4.2.7: folded, with inner blanks as one and none at the ends.

    What is not ASCII is compared too: where a directory's data come from a file, mail may be written like this.
    """
    if not value.isascii():
        value.decode()
    return dn.case_ignore(value)


def case_exact_ia5(value: bytes) -> str:
    """caseExactIA5Match, section 4.2.3, and beyond ASCII too."""
    text = _mapped(value)
    # Beyond ASCII there are more separators than the blank, which str.split knows.
    spaced = not text.isascii() or "  " in text or text[:1] == " " or text[-1:] == " "
    return " ".join(text.split()) if spaced else text


def case_ignore(value: bytes) -> str:
    """caseIgnoreMatch, section 4.2.11, which compares as that for IA5 String does."""
    return case_ignore_ia5(_not_empty(value))


def case_exact(value: bytes) -> str:
    """caseExactMatch, section 4.2.4."""
    return case_exact_ia5(_not_empty(value))


def _not_empty(value: bytes) -> bytes:
    # A Directory String has one character at least, section 3.3.6; so have a Printable String and a Telephone Number,
    # sections 3.3.29 and 3.3.31. An IA5 String may have none, section 3.3.15.
    if not value:
        raise ValueError("no character")
    return value


def case_ignore_list(value: bytes) -> tuple[str, ...]:
    r"""caseIgnoreListMatch, section 4.2.9: the lines of a postal address, where \24 is '$' and \5C a backslash."""
    return tuple([case_ignore_ia5(_unescaped_line(line)) for line in value.split(b"$")])


def numeric_string(value: bytes) -> str:
    """numericStringMatch, section 4.2.22: spaces do not count."""
    # "NumericString = 1*(DIGIT / SPACE)", section 3.3.23
    if not re.fullmatch(rb"[0-9 ]+", value):
        raise ValueError("not a Numeric String")
    return value.decode().replace(" ", "")


def telephone_number(value: bytes) -> str:
    """telephoneNumberMatch, RFC 4517 section 4.2.29: without spaces, hyphens and case."""
    return "".join(case_ignore(value).translate(dn.HYPHENS).split())


# "Integer = ( HYPHEN LDIGIT *DIGIT ) / number", RFC 4517 section 3.3.16; so many digits hold any serial number.
_INTEGER = re.compile(rb"-?[1-9][0-9]{0,999}|0")


def integer(value: bytes) -> int:
    """integerMatch, section 4.2.19."""
    if not _INTEGER.fullmatch(value):
        raise ValueError("not an Integer")
    return int(value)


def boolean(value: bytes) -> bool:
    """booleanMatch, section 4.2.2."""
    if value not in (b"TRUE", b"FALSE"):
        raise ValueError("not a Boolean")
    return value == b"TRUE"


def octet_string(value: bytes) -> bytes:
    """octetStringMatch, section 4.2.27: the octets as they are."""
    return value


def bit_string(value: bytes) -> bytes:
    """bitStringMatch, section 4.2.1, for `'0101'B`."""
    if not re.fullmatch(rb"'[01]*'B", value):
        raise ValueError("not a Bit String")
    return value


def distinguished_name(value: bytes) -> Hashable:
    """distinguishedNameMatch, section 4.2.15."""
    return DN.parse(value.decode()).key


def name_and_optional_uid(value: bytes) -> Hashable:
    """uniqueMemberMatch, section 4.2.31: a name, and after '#' perhaps a bit string."""
    uid = re.search(rb"#('[01]*'B) *\Z", value)
    if uid:
        return distinguished_name(value[: uid.start()]), uid[1]
    return distinguished_name(value), None


_GENERALIZED_TIME = re.compile(
    rb"([0-9]{4})([0-9]{2})([0-9]{2})([01][0-9]|2[0-3])(?:([0-5][0-9])([0-5][0-9]|60)?)?(?:[.,]([0-9]{1,20}))?"
    rb"(?:Z|([+-])([01][0-9]|2[0-3])([0-5][0-9])?)"
)
FOR_EVER = b"000001010000Z"  # the one moment of the year 0 that is in use: draft-behera section 5.3.3
_FRACTION = 10**20  # a second in the parts that twenty digits of fraction can tell apart


def generalized_time(value: bytes) -> tuple[int, int]:
    """generalizedTimeMatch, section 4.2.16: the moment, whatever zone and precision it is written in.

    It is the minute and what has passed of it, for 23:59:60 is in its minute and not the beginning of the next.
    """
    if value == FOR_EVER:
        return -365 * 1440, 0
    match = _GENERALIZED_TIME.fullmatch(value)
    if not match:
        raise ValueError("not a Generalized Time")
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = match.groups()
    minutes = date(int(year), int(month), int(day)).toordinal() * 1440 + int(hour) * 60 + int(minute or 0)
    if sign:
        ahead = int(zone_hour) * 60 + int(zone_minute or 0)
        minutes += ahead if sign == b"-" else -ahead
    # A fraction is one of the smallest unit that is written, section 3.3.13.
    parts = int((fraction or b"0").ljust(20, b"0"))
    if second:
        return minutes, int(second) * _FRACTION + parts
    more, parts = divmod(parts * (60 if minute else 3600), 60 * _FRACTION)
    return minutes + more, parts


_UUID_TEXT = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def uuid(value: bytes) -> bytes:
    """UUIDMatch, RFC 4530 section 2.2."""
    if not _UUID_TEXT.fullmatch(value):
        raise ValueError("not a UUID")
    return value.lower()


def _first_component(key: Key) -> Key:
    """The rules that match a number with the first thing inside a definition, sections 4.2.18 and 4.2.25."""
    return lambda value: key(b"".join(value[1:].split(maxsplit=1)[:1]) if value[:1] == b"(" else value)


EQUALITY = {
    "caseignorematch": Rule(case_ignore, _STRINGS),
    "caseignoreia5match": Rule(case_ignore_ia5, _syntaxes(26)),
    "caseexactmatch": Rule(case_exact, _STRINGS),
    "caseexactia5match": Rule(case_exact_ia5, _syntaxes(26)),
    "caseignorelistmatch": Rule(case_ignore_list, _syntaxes(41)),
    "numericstringmatch": Rule(numeric_string, _syntaxes(36)),
    "telephonenumbermatch": Rule(telephone_number, _syntaxes(50)),
    "integermatch": Rule(integer, _syntaxes(27) | _LARGE_INTEGER),
    "integerfirstcomponentmatch": Rule(_first_component(integer), _syntaxes(17)),
    "booleanmatch": Rule(boolean, _syntaxes(7)),
    "octetstringmatch": Rule(octet_string, _syntaxes(28, 40)),
    "bitstringmatch": Rule(bit_string, _syntaxes(6)),
    "distinguishednamematch": Rule(distinguished_name, _syntaxes(12)),
    "uniquemembermatch": Rule(name_and_optional_uid, _syntaxes(34)),
    "generalizedtimematch": Rule(generalized_time, _syntaxes(24)),
    "uuidmatch": Rule(uuid, _UUID),
}
ORDERING = {
    "caseignoreorderingmatch": EQUALITY["caseignorematch"],
    "caseexactorderingmatch": EQUALITY["caseexactmatch"],
    "numericstringorderingmatch": EQUALITY["numericstringmatch"],
    "integerorderingmatch": EQUALITY["integermatch"],
    "octetstringorderingmatch": EQUALITY["octetstringmatch"],
    "generalizedtimeorderingmatch": EQUALITY["generalizedtimematch"],
    "uuidorderingmatch": EQUALITY["uuidmatch"],
}


def equality_rule(schema: Schema, name: str) -> Rule | None:
    """The equality rule of this name, or None. Those on object identifiers know the names that `schema` does."""
    key = name.lower()
    if key == "objectidentifiermatch":
        return Rule(lambda value: _oid(schema, value), _syntaxes(38))
    if key == "objectidentifierfirstcomponentmatch":
        return Rule(_first_component(lambda value: _oid(schema, value)), _syntaxes(3, 16, 30, 31, 35, 37, 54))
    return EQUALITY.get(key)


def _oid(schema: Schema, value: bytes) -> str:
    # Of a short name that is not recognised nothing can be said, RFC 4517 section 4.2.26.
    oid = schema.oid(value.decode("ascii"))
    if oid is None:
        raise ValueError("not a name known here")
    return oid


@dataclass(frozen=True, slots=True)
class SubstringsRule:
    """How a value and the three kinds of part are written so that plain text search finds the one in the other."""

    value: Callable[[bytes], str]
    initial: Callable[[bytes], str]
    any: Callable[[bytes], str]
    final: Callable[[bytes], str]


# "Insignificant Space Handling", RFC 4518 section 2.6.1: a value gets one space at either end and two between words;
# a part keeps what spaces it has at its ends, as one, except that an initial one begins, and a final one ends, with
# one always.


def _blanks(text: str) -> tuple[str, str, str]:
    """A leading space if there is one, the words with two spaces between them, a trailing space if there is one."""
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() else ""
    return before, "  ".join(text.split()), after


def _spaced(prepare: Callable[[bytes], str]) -> SubstringsRule:
    def value(octets: bytes) -> str:
        return f" {'  '.join(prepare(octets).split())} "

    def initial(octets: bytes) -> str:
        _, words, after = _blanks(prepare(octets))
        return f" {words}{after}" if words else " "

    def any_(octets: bytes) -> str:
        before, words, after = _blanks(prepare(octets))
        return f"{before}{words}{after}" if words else before

    def final(octets: bytes) -> str:
        before, words, _ = _blanks(prepare(octets))
        return f"{before}{words} " if words else " "

    return SubstringsRule(value, initial, any_, final)


def _mapped(value: bytes) -> str:
    """Mapped and normalised, RFC 4518 sections 2.2 and 2.3, and no more."""
    text = value.decode()
    if text.isascii() and text.isprintable():
        return text
    return dn.normalized(text.translate(dn.MAPPED))


def _folded(value: bytes) -> str:
    text = _mapped(value)
    return text.lower() if text.isascii() else dn.normalized(text.casefold()).casefold()


def _unescaped_line(line: bytes) -> bytes:
    return line.replace(b"\\24", b"$").replace(b"\\5c", b"\\").replace(b"\\5C", b"\\")


_CASE_IGNORE = _spaced(_folded)
_CASE_EXACT = _spaced(_mapped)


def _list_value(value: bytes) -> str:
    """The lines with something between them that no part can hold: preparing leaves no line feed in a part."""
    return "\n".join([_CASE_IGNORE.value(_unescaped_line(line)) for line in value.split(b"$")])


SUBSTRINGS = {
    "caseignoresubstringsmatch": _CASE_IGNORE,
    "caseignoreia5substringsmatch": _CASE_IGNORE,
    "caseexactsubstringsmatch": _CASE_EXACT,
    "caseexactia5substringsmatch": _CASE_EXACT,
    "caseignorelistsubstringsmatch": replace(_CASE_IGNORE, value=_list_value),
    "numericstringsubstringsmatch": SubstringsRule(*[numeric_string] * 4),
    "telephonenumbersubstringsmatch": SubstringsRule(*[telephone_number] * 4),
}
