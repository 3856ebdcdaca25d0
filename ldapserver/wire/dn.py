"""Distinguished names: text to value and back (RFC 4514), and which of them name the same entry (RFC 4517, RFC 4518).

Two readers: the letter of RFC 4514, and the liberal one for what clients and LDIF files really write. The grammar of
attribute descriptions (RFC 4512) stands here too, because names, filters and LDIF all lean on it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Final

from ldapserver.wire.frozen import frozen

MAX_TEXT = 64 * 1024  # octets of UTF-8; no real name comes near it, and the work to read one is bounded by it

# "oid = descr / numericoid", RFC 4512 section 1.4: a keystring of letters, digits and hyphens that begins with a
# letter, or numbers without leading zeros, two at least.
NUMERICOID = r"(?:0|[1-9][0-9]*+)(?:\.(?:0|[1-9][0-9]*+))++"
OID = rf"(?:[A-Za-z][A-Za-z0-9-]*+|{NUMERICOID})"
# "attributedescription = attributetype options; options = *( SEMI option ); option = 1*keychar", section 2.5.
ATTRIBUTE_DESCRIPTION = re.compile(OID + r"(?:;[A-Za-z0-9-]++)*+")

Key = tuple[tuple[tuple[str, str], ...], ...]


class InvalidDN(ValueError):
    """The text is no distinguished name; the message shows the part at fault and the rule."""


@frozen
class AVA:
    """One attributeTypeAndValue: `type` as it was written, `value` its octets without escapes."""

    type: str
    value: bytes


RDN = tuple[AVA, ...]


@frozen
class DN:
    """A distinguished name, leaf first. Two are equal when they name the same entry, however they are written."""

    rdns: tuple[RDN, ...]
    _key: Key | None = field(default=None, repr=False)  # kept from the first use, or given by who knows it already

    @classmethod
    def parse(cls, text: str) -> "DN":
        """Read a name as clients write it, or raise `InvalidDN`.

        "Implementations MAY recognize other DN string representations" (RFC 4514 section 3): blanks around
        separators and ';' for ',' (RFC 2253 section 4), a single number for a type.
        """
        return _KNOWN.get(text) or _read_liberal(text)

    @classmethod
    def parse_strict(cls, text: str) -> "DN":
        """Read a name by the letter of RFC 4514 section 3, or raise `InvalidDN`."""
        return cls(_read(text, _STRICT))

    @property
    def key(self) -> Key:
        """What is compared: hashable, leaf first, each RDN's (type, value) pairs normalised and sorted.

        One name is below another when its key ends with the other's. A value is compared as caseIgnoreMatch does,
        but for the types that are known here to have another rule (`_PREPARED`).
        """
        if self._key is None:
            # An RDN is a set, and its order has no meaning; a pair written twice still counts twice.
            key = tuple([(_pair(rdn[0]),) if len(rdn) == 1 else tuple(sorted(map(_pair, rdn))) for rdn in self.rdns])
            object.__setattr__(self, "_key", key)
            return key
        return self._key

    @property
    def parent(self) -> "DN":
        """The name of the entry above; the root is its own parent."""
        return DN(self.rdns[1:], None if self._key is None else self._key[1:])

    @property
    def is_empty(self) -> bool:
        """Whether this is the zero-length name, that of the root DSE."""
        return not self.rdns

    def within(self, base: "DN") -> bool:
        """Whether this is `base` or below it."""
        above = len(self.rdns) - len(base.rdns)
        return above >= 0 and self.key[above:] == base.key

    def __bool__(self) -> bool:
        return bool(self.rdns)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, DN) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        """The name in the form of RFC 4514, types as they were written."""
        return ",".join(["+".join([_ava_text(ava) for ava in rdn]) for rdn in self.rdns])


ROOT = DN(())

# Names as they were last read, by their text: clients write few, and many end alike. Both limits together are what it
# may hold, well below a megabyte whatever is sent; a name's text is no secret.
_KNOWN: dict[str, DN] = {}
_MAX_KNOWN: Final = 256
_LONGEST_KNOWN: Final = 128  # characters


# Reading. A name without escapes is recognised whole by one expression and then only split; everything else goes
# through `_read_pieces`, which knows the two grammars and finds the words for what is wrong.


@frozen
class _Grammar:
    """What the strict and the liberal reader disagree about."""

    piece: re.Pattern[str]  # everything up to the next separator that is not escaped
    type: re.Pattern[str]
    blanks: bool  # whether blanks around separators are dropped


_STRICT = _Grammar(re.compile(r"(?:[^\\,+]|\\.)*+", re.DOTALL), re.compile(OID), blanks=False)
_LIBERAL = _Grammar(
    re.compile(r"(?:[^\\,+;]|\\.)*+", re.DOTALL),
    # go-ldap takes a lone number, and escaped blanks as part of the type.
    re.compile(rf"(?:\\ )*+(?:{OID}|[0-9]++)(?:\\ )*+"),
    blanks=True,
)

# leadchar, stringchar and trailchar of RFC 4514 section 3, without pair.
_PLAIN_VALUE = r'(?:[^\0 "#+,;<>\\](?:[^\0"+,;<>\\]*[^\0 "+,;<>\\])?)?'
_PLAIN_RDN = re.compile(rf"({OID})=({_PLAIN_VALUE})")
_PLAIN_DN = re.compile(rf"{OID}={_PLAIN_VALUE}(?:,{OID}={_PLAIN_VALUE})*+")

# "pair = ESC ( ESC / special / hexpair )"
_STRING = re.compile(r'(?:[^\0"+,;<>\\]|\\(?:[0-9A-Fa-f]{2}|[\\ "#+,;<=>]))*+')
_PAIR = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|(.))")


def _read(text: str, grammar: _Grammar) -> tuple[RDN, ...]:
    if not text.isascii():
        try:
            octets = len(text.encode())
        except UnicodeEncodeError:
            raise InvalidDN("the name holds half of a surrogate pair: a DN is UTF-8 (RFC 4514 section 3)") from None
    else:
        octets = len(text)
    if octets > MAX_TEXT:
        raise InvalidDN(f"the name is {octets} octets long: at most {MAX_TEXT} are read")
    # "If the RDNSequence is an empty sequence, the result is the empty or zero-length string", section 2.1.
    if not text:
        return ()
    if _PLAIN_DN.fullmatch(text):
        return tuple(
            [(AVA(type, value.encode()),) for type, _, value in [rdn.partition("=") for rdn in text.split(",")]]
        )
    return _read_pieces(text, grammar)


def _read_liberal(text: str) -> DN:
    """The name in `text`, of which the part before the first comma is read here where there is nothing to escape."""
    rdn, comma, above = text.partition(",")
    plain = _PLAIN_RDN.fullmatch(rdn)
    if plain is None or len(text) > _LONGEST_KNOWN or (comma and not above):
        return DN(_read(text, _LIBERAL))
    type, value = plain.groups()
    try:
        ava = AVA(type, value.encode())
    except UnicodeEncodeError:
        return DN(_read(text, _LIBERAL))  # which says so
    parent = DN.parse(above) if comma else ROOT
    name = DN(((ava,), *parent.rdns), ((_pair(ava),), *parent.key))
    # Of what is not ASCII one character can become eighteen in the key.
    if text.isascii():
        if len(_KNOWN) >= _MAX_KNOWN:
            _KNOWN.clear()
        _KNOWN[text] = name
    return name


def _read_pieces(text: str, grammar: _Grammar) -> tuple[RDN, ...]:
    rdns: list[RDN] = []
    avas: list[AVA] = []
    position = 0
    while True:
        match = grammar.piece.match(text, position)
        assert match is not None  # the expression matches nothing too
        avas.append(_ava(match[0], grammar))
        end = match.end()
        if text[end : end + 1] == "\\":
            raise InvalidDN("the name ends in a backslash: an escape is a backslash and what it escapes")
        if text[end : end + 1] != "+":
            rdns.append(tuple(avas))
            avas = []
        if end == len(text):
            return tuple(rdns)
        position = end + 1


def _ava(piece: str, grammar: _Grammar) -> AVA:
    type, equals, value = piece.partition("=")
    if not equals:
        raise InvalidDN(f"{_shown(piece)} has no '=': each part of a name is type=value (RFC 4514 section 3)")
    if grammar.blanks:
        type, value = _trimmed(type), _trimmed(value)
    if not grammar.type.fullmatch(type):
        raise InvalidDN(f"{_shown(type)} is no attribute type: a name or a dotted OID (RFC 4512 section 1.4)")
    type = type.replace("\\", "")
    if value.startswith("#"):
        return AVA(type, _from_hexstring(value))
    string = _STRING.match(value)
    assert string is not None  # the expression matches nothing too
    end = string.end()
    if value[end : end + 1] == "\\":
        raise InvalidDN(
            f"{_shown(value)}: a backslash stands before two hex digits or one of '\\ \"#+,;<=>' (RFC 4514 section 3)"
        )
    if end != len(value):
        raise InvalidDN(f"{_shown(value)}: {value[end]!r} must be escaped (RFC 4514 section 2.4)")
    if _trimmed(value) != value:
        raise InvalidDN(f"{_shown(value)}: a blank at either end must be escaped (RFC 4514 section 2.4)")
    return AVA(type, _PAIR.sub(_unescaped, value.encode()))


def _trimmed(text: str) -> str:
    """`text` without the blanks at its ends; an escaped blank is none."""
    trimmed = text.strip(" ")
    backslashes = len(trimmed) - len(trimmed.rstrip("\\"))
    return trimmed + " " if backslashes % 2 else trimmed


def _unescaped(pair: re.Match[bytes]) -> bytes:
    return bytes.fromhex(pair[1].decode()) if pair[1] else pair[2]


# The tags of the string types whose contents are the value in LDAP's own encoding: OCTET STRING, UTF8String,
# NumericString, PrintableString, IA5String, VisibleString.
_STRING_TAGS = frozenset((0x04, 0x0C, 0x12, 0x13, 0x16, 0x1A))


def _from_hexstring(value: str) -> bytes:
    """The value of '#' and hex digits, which are the BER of an AttributeValue (RFC 4514 section 2.4).

    Of a string it is the contents; of any other type the whole BER, for nothing else tells what it is.
    """
    digits = value[1:]
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
        raise InvalidDN(
            f"{_shown(value)}: '#' is followed by pairs of hex digits; a value that begins with '#' escapes it "
            "(RFC 4514 section 2.4)"
        )
    ber = bytes.fromhex(digits)
    header = 2
    length = ber[1] if len(ber) >= header else None
    if length is not None and length & 0x80:
        header += length & 0x7F
        # No length octets at all are the indefinite form, which LDAP uses nowhere (RFC 4511 section 5.1).
        length = int.from_bytes(ber[2:header]) if header > 2 else None
    if length is None or header + length != len(ber) or ber[0] & 0x1F == 0x1F:
        raise InvalidDN(f"{_shown(value)}: the digits are not the BER of one value (RFC 4514 section 2.4)")
    return ber[header:] if ber[0] in _STRING_TAGS else ber


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...") if text else "an empty part"


# Writing. What RFC 4514 section 2.4 lists, and since "Other characters may be escaped" control characters too: a name
# goes into logs and LDIF on one line.
_MUST_ESCAPE = re.compile(r'^[ #]| \Z|[\0-\x1f"+,;<>\\\x7f]')


def _ava_text(ava: AVA) -> str:
    # Most values are letters and digits, and a search writes a hundred thousand names.
    if ava.value.isalnum() and " " not in ava.type:
        return f"{ava.type}={ava.value.decode()}"
    type = ava.type.replace(" ", "\\ ")  # only the liberal reader makes such a type, and only it reads it back
    try:
        value = ava.value.decode()
    except UnicodeDecodeError:
        # "This form is also used when [...] the LDAP-specific string encoding is not restricted to UTF-8-encoded
        # Unicode characters", section 2.4. The section would have it for every type that is a dotted OID too; but the
        # grammar does not, and libldap takes the BER itself for the value, so a value that is text stays text.
        return f"{type}=#{_octet_string(ava.value).hex()}"
    return f"{type}={_MUST_ESCAPE.sub(_escaped, value)}"


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return f"\\{character}" if character >= " " and character != "\x7f" else f"\\{ord(character):02x}"


def _octet_string(value: bytes) -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes((0x04, length)) + value
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((0x04, 0x80 | len(octets))) + octets + value


# Comparison. Types that have several names in RFC 4519, RFC 4524 and RFC 2985, under the first of them.
_NAMES = {
    alias: names[0]
    for names in (
        ("cn", "commonname", "2.5.4.3"),
        ("sn", "surname", "2.5.4.4"),
        ("serialnumber", "2.5.4.5"),
        ("c", "countryname", "2.5.4.6"),
        ("l", "localityname", "2.5.4.7"),
        ("st", "stateorprovincename", "2.5.4.8"),
        ("street", "streetaddress", "2.5.4.9"),
        ("o", "organizationname", "2.5.4.10"),
        ("ou", "organizationalunitname", "2.5.4.11"),
        ("title", "2.5.4.12"),
        ("givenname", "gn", "2.5.4.42"),
        ("dnqualifier", "2.5.4.46"),
        ("uid", "userid", "0.9.2342.19200300.100.1.1"),
        ("mail", "rfc822mailbox", "0.9.2342.19200300.100.1.3"),
        ("dc", "domaincomponent", "0.9.2342.19200300.100.1.25"),
        ("emailaddress", "email", "e", "1.2.840.113549.1.9.1"),
        ("telephonenumber", "2.5.4.20"),
        ("homephone", "hometelephonenumber", "0.9.2342.19200300.100.1.20"),
        ("mobile", "mobiletelephonenumber", "0.9.2342.19200300.100.1.41"),
        ("pager", "pagertelephonenumber", "0.9.2342.19200300.100.1.42"),
        ("x121address", "2.5.4.24"),
        ("internationalisdnnumber", "2.5.4.25"),
        ("labeleduri", "1.3.6.1.4.1.250.1.57"),
        ("ref", "2.16.840.1.113730.3.1.34"),
        ("homedirectory", "unixhomedirectory", "1.3.6.1.1.1.1.3"),
        ("loginshell", "1.3.6.1.1.1.1.4"),
        ("memberuid", "1.3.6.1.1.1.1.12"),
        ("membernisnetgroup", "1.3.6.1.1.1.1.13"),
        ("bootparameter", "1.3.6.1.1.1.1.23"),
        ("bootfile", "1.3.6.1.1.1.1.24"),
        ("nismapentry", "1.3.6.1.1.1.1.27"),
        ("automountmapname", "1.3.6.1.1.1.1.31"),
        ("automountkey", "1.3.6.1.1.1.1.32"),
        ("automountinformation", "1.3.6.1.1.1.1.33"),
    )
    for alias in names
}


def _pair(ava: AVA) -> tuple[str, str]:
    type = ava.type.lower()
    name, prepared = _TYPES.get(type) or (type, case_ignore)
    return name, prepared(ava.value)


def case_ignore(value: bytes) -> str:
    """`value` as caseIgnoreMatch compares it, prepared by RFC 4518; octets that are not UTF-8 stand as they are."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.decode("utf-8", "surrogateescape")  # equal to no text: text has no surrogates
    if text.isascii() and text.isprintable():
        text = text.lower()
        return " ".join(text.split()) if "  " in text or text[:1] == " " or text[-1:] == " " else text
    # "Map" and "Normalize", sections 2.2 and 2.3; more than once, for folding can undo the normal form and the normal
    # form bring capitals back.
    text = normalized(text.translate(MAPPED)).casefold()
    text = normalized(text).casefold()
    return " ".join(normalized(text).split())


SHORT = 1024  # characters that are brought into order in no time, whatever they are
_MOST_MARKS = 30  # one behind another; no writing has more than a few
_MARKS = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")  # no marks themselves, and nothing but marks when taken apart
_JOINER = "\u034f"  # COMBINING GRAPHEME JOINER, which marks do not pass on their way into order


def normalized(text: str) -> str:
    """NFKC, of a long text in the Stream-Safe Text Format (UAX #15 section 13).

    A run of marks takes time with the square of its length: a megabyte of them, a minute.
    """
    if len(text) > SHORT:
        text = "".join(_stream_safe(text))
    return unicodedata.normalize("NFKC", text)


def _stream_safe(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) or character in _MARKS else 0
        if marks > _MOST_MARKS:
            yield _JOINER
            marks = 1
        yield character


def is_visible(name: str) -> bool:
    """Whether nothing of a name is lost in comparison: else one would be taken for another that people see as it."""
    return name.isprintable() and (name.isascii() or MAPPED.keys().isdisjoint(map(ord, name)))


# RFC 4518 section 2.2, "mapped to nothing" and "mapped to SPACE"; its "FF00-FE0F" is read as FE00-FE0F, the variation
# selectors it names. Every other separator is a blank to str.split.
_GONE = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x1806, 0x1806), (0x180B, 0x180D), (0xFE00, 0xFE0F), (0xFFFC, 0xFFFC)),
    *((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F), (0x6DD, 0x6DD), (0x70F, 0x70F)),
    *((0x180E, 0x180E), (0x200C, 0x200F), (0x202A, 0x202E), (0x2060, 0x2063), (0x206A, 0x206F)),
    *((0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F)),
    (0x200B, 0x200B),
)
MAPPED: dict[int, str | None] = {code: None for first, last in _GONE for code in range(first, last + 1)}
MAPPED |= dict.fromkeys((0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85), " ")


def case_exact(value: bytes) -> str:
    """`value` as caseExactMatch compares it; octets that are not UTF-8 stand as they are."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.decode("utf-8", "surrogateescape")
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFKC", text.translate(MAPPED))
    return " ".join(text.split())


# What is a hyphen, RFC 4518 section 2.6.3.
HYPHENS = dict.fromkeys((0x2D, 0x58A, 0x2010, 0x2011, 0x2212, 0xFE63, 0xFF0D))


def without_blanks(value: bytes) -> str:
    """`value` as telephoneNumberMatch compares it, and numericStringMatch where there are only digits."""
    return "".join(case_ignore(value).translate(HYPHENS).split())


# The types that are not compared by caseIgnoreMatch, for a name has no schema to ask: those of RFC 4519, RFC 4524,
# RFC 2079, RFC 2307 and its successor. Numbers, times and UUIDs have one spelling, or two that differ by case.
_PREPARED = {
    **dict.fromkeys(
        ("telephonenumber", "homephone", "mobile", "pager", "x121address", "internationalisdnnumber"), without_blanks
    ),
    **dict.fromkeys(
        ("homedirectory", "loginshell", "memberuid", "membernisnetgroup", "labeleduri", "ref"), case_exact
    ),
    **dict.fromkeys(("bootparameter", "bootfile", "nismapentry"), case_exact),
    **dict.fromkeys(("automountmapname", "automountkey", "automountinformation"), case_exact),
}
_TYPES = {alias: (name, _PREPARED.get(name, case_ignore)) for alias, name in _NAMES.items()}


def preparation(type: str) -> Callable[[bytes], str]:
    """How values of this type are prepared to be compared in a name."""
    return _TYPES.get(type.lower(), ("", case_ignore))[1]
