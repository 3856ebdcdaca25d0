"""Search filters as values (RFC 4511 section 4.5.1.7) and their text (RFC 4515, RFC 4526).

The text is read by the letter: no blanks between filters, no empty substring, no '*' in an extensible match. What a
filter means for an entry is not decided here, nor is its BER.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION, OID

MAX_DEPTH = 50  # filters one inside another, the innermost item counted: both directions recurse, so both stop here
MAX_TEXT = 1024 * 1024  # characters; the BER of a longer one would not fit the message limit it travels under


class InvalidFilter(ValueError):
    """The filter has no meaning in RFC 4515; the text says where it went wrong and what the rule is."""


@dataclass(frozen=True, slots=True)
class And:
    """True when every one of `filters` is; with none it is always true (RFC 4526)."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True when one of `filters` is; with none it is always false (RFC 4526)."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True when `filter` is false, and Undefined when that is."""

    filter: "Filter"


@dataclass(frozen=True, slots=True)
class Equality:
    """equalityMatch: `attribute` has a value equal to `value`."""

    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Substrings:
    """A value begins with `initial`, then has each of `any` in turn, then ends with `final`."""

    attribute: str
    initial: bytes | None
    any: tuple[bytes, ...]
    final: bytes | None


@dataclass(frozen=True, slots=True)
class GreaterOrEqual:
    """`attribute` has a value that does not sort before `value`."""

    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LessOrEqual:
    """`attribute` has a value that does not sort after `value`."""

    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Present:
    """`attribute` has a value."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Approximate:
    """approxMatch: `attribute` has a value that sounds or looks like `value`."""

    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Extensible:
    """extensibleMatch: `matching_rule` applied to `attribute`, and to the DN's parts when `dn_attributes`."""

    matching_rule: str | None
    attribute: str | None
    value: bytes
    dn_attributes: bool = False


Filter = And | Or | Not | Equality | Substrings | GreaterOrEqual | LessOrEqual | Present | Approximate | Extensible


def items(filter: Filter) -> int:
    """How many items there are in a filter: what it takes to put it to an entry."""
    match filter:
        case And(filters) | Or(filters):
            return sum(map(items, filters))
        case Not(negated):
            return items(negated)
        case _:
            return 1


def parse_filter(text: str) -> Filter:
    """Read a filter, or raise `InvalidFilter`."""
    if len(text) > MAX_TEXT:
        raise InvalidFilter(f"the filter is {len(text)} characters long: at most {MAX_TEXT} are read")
    parsed, end = _read_filter(text, 0, 1)
    if end != len(text):
        raise InvalidFilter(f"{_shown(text, end)}: nothing may follow the filter (RFC 4515 section 3)")
    return parsed


def encode_filter(filter: Filter) -> str:
    """The filter as RFC 4515 writes it, or `InvalidFilter` when the grammar has no words for it.

    That is: nested deeper than `MAX_DEPTH`, an attribute or rule that is no name, an empty substring, or an
    extensible match that says neither attribute nor rule.
    """
    return "".join(_written(filter, 1))


# Reading: "filter = LPAREN filtercomp RPAREN", RFC 4515 section 3. Every function gets the text and a position, and
# gives back what it read and the position behind it.

# No value and no name holds a parenthesis that is not escaped, so an item is what stands before the next one.
_ITEM = re.compile(r"[^()]*+")
_RULE = re.compile(OID)


def _read_filter(text: str, start: int, depth: int) -> tuple[Filter, int]:
    if text[start : start + 1] != "(":
        raise InvalidFilter(f"{_shown(text, start)}: a filter begins with '(' (RFC 4515 section 3)")
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"character {start + 1}: filters are nested deeper than {MAX_DEPTH}")
    parsed: Filter
    match text[start + 1 : start + 2]:
        case "&":
            filters, end = _read_set(text, start + 2, depth + 1)
            parsed = And(filters)
        case "|":
            filters, end = _read_set(text, start + 2, depth + 1)
            parsed = Or(filters)
        case "!":
            negated, end = _read_filter(text, start + 2, depth + 1)
            parsed = Not(negated)
        case _:
            item = _ITEM.match(text, start + 1)
            assert item is not None  # the expression matches nothing too
            end = item.end()
            # Looked at before the item: where a ')' is missing, what was taken for the item is not one.
            if text[end : end + 1] == ")":
                parsed = _item(item[0])
    if text[end : end + 1] != ")":
        raise InvalidFilter(f"{_shown(text, end)}: ')' must come here (RFC 4515 section 3)")
    return parsed, end + 1


def _read_set(text: str, start: int, depth: int) -> tuple[tuple[Filter, ...], int]:
    # "filterlist = *filter": RFC 4526 makes (&) and (|) of RFC 4515's 1*filter.
    filters: list[Filter] = []
    while text[start : start + 1] == "(":
        parsed, start = _read_filter(text, start, depth)
        filters.append(parsed)
    return tuple(filters), start


def _item(item: str) -> Filter:
    left, equals, value = item.partition("=")
    if not equals:
        raise InvalidFilter(f"{_shown(item)} has no operator: one of '=', '~=', '>=', '<=', ':='")
    match left[-1:]:
        case ":":
            return _extensible(left[:-1], value)
        case "~":
            return Approximate(_attribute(left[:-1]), _value(value))
        case ">":
            return GreaterOrEqual(_attribute(left[:-1]), _value(value))
        case "<":
            return LessOrEqual(_attribute(left[:-1]), _value(value))
    attribute = _attribute(left)
    if value == "*":
        return Present(attribute)
    initial, *rest = value.split("*")
    if not rest:
        return Equality(attribute, _value(value))
    *between, final = rest
    # "any = ASTERISK *(assertionvalue ASTERISK)", RFC 4515 section 3, and of what it stands for: "A zero-length
    # substring is not permitted", RFC 4517 section 3.3.30.
    if not all(between):
        raise InvalidFilter(f"{_shown(item)}: nothing stands between two '*' (RFC 4517 section 3.3.30)")
    return Substrings(
        attribute,
        _value(initial) if initial else None,
        tuple(_value(part) for part in between),
        _value(final) if final else None,
    )


def _extensible(left: str, value: str) -> Extensible:
    # "extensible = ( attr [dnattrs] [matchingrule] COLON EQUALS assertionvalue )
    #            / ( [dnattrs] matchingrule COLON EQUALS assertionvalue )"; "dn" is matched without case, as all ABNF.
    attribute, *rest = left.split(":")
    dn_attributes = bool(rest) and rest[0].lower() == "dn"
    rule = rest[1:] if dn_attributes else rest
    if len(rule) > 1:
        raise InvalidFilter(f"{_shown(left)}: an extensible match has one matching rule (RFC 4515 section 3)")
    if rule and not _RULE.fullmatch(rule[0]):
        raise InvalidFilter(f"{_shown(rule[0])} is no matching rule: a name or a dotted OID (RFC 4512 section 1.4)")
    if not attribute and not rule:
        raise InvalidFilter(f"{_shown(left + ':=')}: neither an attribute nor a matching rule (RFC 4515 section 3)")
    return Extensible(
        matching_rule=rule[0] if rule else None,
        attribute=_attribute(attribute) if attribute else None,
        value=_value(value),
        dn_attributes=dn_attributes,
    )


def _attribute(text: str) -> str:
    if not ATTRIBUTE_DESCRIPTION.fullmatch(text):
        raise InvalidFilter(f"{_shown(text)} is no attribute description (RFC 4512 section 2.5)")
    return text


_NOT_NORMAL = re.compile(r"[\0()*]")  # what UTF1SUBSET leaves out, but for the backslash
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})")


def _value(text: str) -> bytes:
    # "valueencoding = 0*(normal / escaped)"; "escaped = ESC HEX HEX"
    if special := _NOT_NORMAL.search(text):
        raise InvalidFilter(
            f"{_shown(text)}: {special[0]!r} in a value is written \\{ord(special[0]):02x} (RFC 4515 section 3)"
        )
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        raise InvalidFilter("a value holds half of a surrogate pair: a filter is UTF-8") from None
    if b"\\" not in octets:
        return octets
    if b"\\" in _ESCAPED.sub(b"", octets):
        raise InvalidFilter(f"{_shown(text)}: a backslash stands before two hex digits (RFC 4515 section 3)")
    return _ESCAPED.sub(lambda escaped: bytes.fromhex(escaped[1].decode()), octets)


def _shown(text: str, start: int = 0) -> str:
    """`text` from `start`, cut to a length for messages; the position is told where there is one to tell."""
    rest = text[start : start + 60]
    if not start:
        return repr(rest) if rest else "nothing"
    return f"character {start + 1}, {rest!r}" if rest else f"character {start + 1}, the end"


# Writing.


def _written(filter: Filter, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"filters are nested deeper than {MAX_DEPTH}")
    yield "("
    match filter:
        case And(filters) | Or(filters):
            yield "&" if isinstance(filter, And) else "|"
            for inner in filters:
                yield from _written(inner, depth + 1)
        case Not(negated):
            yield "!"
            yield from _written(negated, depth + 1)
        case Present(attribute):
            yield f"{_attribute(attribute)}=*"
        case Substrings():
            yield _substrings_text(filter)
        case Extensible():
            yield _extensible_text(filter)
        case Equality(attribute, value):
            yield f"{_attribute(attribute)}={_value_text(value)}"
        case Approximate(attribute, value):
            yield f"{_attribute(attribute)}~={_value_text(value)}"
        case GreaterOrEqual(attribute, value):
            yield f"{_attribute(attribute)}>={_value_text(value)}"
        case LessOrEqual(attribute, value):
            yield f"{_attribute(attribute)}<={_value_text(value)}"
    yield ")"


def _substrings_text(filter: Substrings) -> str:
    parts = [filter.initial, *filter.any, filter.final]
    if b"" in parts or parts == [None, None]:
        raise InvalidFilter(f"{filter.attribute!r}: no substring, or an empty one (RFC 4517 section 3.3.30)")
    return f"{_attribute(filter.attribute)}={'*'.join(_value_text(part or b'') for part in parts)}"


def _extensible_text(filter: Extensible) -> str:
    left = filter.attribute or ""
    if filter.dn_attributes:
        left += ":dn"
    if filter.matching_rule is not None:
        left += f":{filter.matching_rule}"
    text = f"{left}:={_value_text(filter.value)}"
    # Read back, for that is the whole rule: a matching rule called "dn" would be taken for dnAttributes.
    if _extensible(left, "") != replace(filter, value=b""):
        raise InvalidFilter(
            f"{left!r} would be read as another filter: ':dn' is always dnAttributes (RFC 4515 section 3)"
        )
    return text


_MUST_ESCAPE = re.compile(r"[\0-\x1f()*\\\x7f\udc80-\udcff]")


def _value_text(value: bytes) -> str:
    # "octets [...] that are not part of a valid UTF-8 encoded character" are escaped one by one, and control
    # characters too, so that a filter in a log is one line: surrogateescape gives each bad octet a code of its own.
    text = value.decode("utf-8", "surrogateescape")
    return _MUST_ESCAPE.sub(lambda match: f"\\{ord(match[0]) & 0xFF:02x}", text)
