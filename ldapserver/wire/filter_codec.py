"""The Filter of a SearchRequest over BER, both ways (RFC 4511 section 4.5.1.7).

Filters stand in filters: both directions go down by calling themselves, and both stop at `filters.MAX_DEPTH`. Nothing
is read twice or copied on the way down, so the work grows with the octets whatever the shape.
"""

from typing import Final

from ldapserver.wire import ber, filters
from ldapserver.wire.fields import (
    Refused,
    has,
    read_name,
    read_optional_name,
    text_value,
    write_text,
)
from ldapserver.wire.filters import MAX_DEPTH, Filter, InvalidFilter
from ldapserver.wire.messages import ResultCode

AND: Final = 0xA0
OR: Final = 0xA1
NOT: Final = 0xA2
EQUALITY_MATCH: Final = 0xA3
SUBSTRINGS: Final = 0xA4
GREATER_OR_EQUAL: Final = 0xA5
LESS_OR_EQUAL: Final = 0xA6
PRESENT: Final = 0x87
APPROX_MATCH: Final = 0xA8
EXTENSIBLE_MATCH: Final = 0xA9

INITIAL: Final = 0x80  # SubstringFilter
ANY: Final = 0x81
FINAL: Final = 0x82

MATCHING_RULE: Final = 0x81  # MatchingRuleAssertion
TYPE: Final = 0x82
MATCH_VALUE: Final = 0x83
DN_ATTRIBUTES: Final = 0x84

_ASSERTIONS: dict[
    int, type[filters.Equality | filters.GreaterOrEqual | filters.LessOrEqual | filters.Approximate]
] = {
    EQUALITY_MATCH: filters.Equality,
    GREATER_OR_EQUAL: filters.GreaterOrEqual,
    LESS_OR_EQUAL: filters.LessOrEqual,
    APPROX_MATCH: filters.Approximate,
}
_ASSERTION_TAGS = {assertion: tag for tag, assertion in _ASSERTIONS.items()}


def read_filter(data: bytes, pos: int, end: int, depth: int = 1) -> tuple[Filter, int]:
    """The Filter at `pos` and where it stops; `depth` counts the filters around it and itself."""
    tag, start, stop = ber.header(data, pos, end, "filter")
    if depth > MAX_DEPTH:
        raise Refused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"filter: more than {MAX_DEPTH} one inside another")
    assertion = _ASSERTIONS.get(tag)
    if assertion is not None:
        return assertion(*read_assertion(data, start, stop)), stop
    if tag == PRESENT:
        attribute = text_value(data[start:stop], "present")
        if not attribute:
            raise Refused(ResultCode.PROTOCOL_ERROR, "present: empty")
        return filters.Present(attribute), stop
    if tag == AND:
        return filters.And(_filters(data, start, stop, depth + 1)), stop
    if tag == OR:
        return filters.Or(_filters(data, start, stop, depth + 1)), stop
    if tag == NOT:
        inner = _filters(data, start, stop, depth + 1)
        if len(inner) != 1:
            raise Refused(ResultCode.PROTOCOL_ERROR, f"not: {len(inner)} filters, it has one")
        return filters.Not(inner[0]), stop
    if tag == SUBSTRINGS:
        return _substrings(data, start, stop), stop
    if tag == EXTENSIBLE_MATCH:
        return _extensible(data, start, stop), stop
    raise Refused(ResultCode.PROTOCOL_ERROR, f"filter: choice {tag:#04x} is unknown")


def _filters(data: bytes, pos: int, end: int, depth: int) -> tuple[Filter, ...]:
    """A SET OF filter, which RFC 4526 lets be empty: the absolute true and false filters."""
    found = []
    while pos < end:
        inner, pos = read_filter(data, pos, end, depth)
        found.append(inner)
    return tuple(found)


def read_assertion(data: bytes, pos: int, end: int) -> tuple[str, bytes]:
    """The contents of an AttributeValueAssertion, section 4.1.6."""
    # Nearly always these are two strings with a length of one octet each, and nothing behind them.
    start = pos + 2
    if start <= end and data[pos] == ber.OCTET_STRING and 0 < data[pos + 1] < 0x80:
        stop = start + data[pos + 1]
        after = stop + 2
        if after <= end and data[stop] == ber.OCTET_STRING and data[stop + 1] == end - after < 0x80:
            return text_value(data[start:stop], "attributeDesc"), data[after:end]
    attribute, pos = read_name(data, pos, end, "attributeDesc")
    value, pos = ber.octet_string(data, pos, end, "assertionValue")
    if pos != end:
        ber.skip(data, pos, end, "AttributeValueAssertion")
    return attribute, value


def _substrings(data: bytes, pos: int, end: int) -> filters.Substrings:
    attribute, pos = read_name(data, pos, end, "type")
    pos, stop = ber.expect(data, pos, end, ber.SEQUENCE, "substrings")
    ber.skip(data, stop, end, "SubstringFilter")
    if pos == stop:
        raise Refused(ResultCode.PROTOCOL_ERROR, "substrings: empty, it has at least one substring")
    initial = final = None
    inner = []
    if has(data, pos, stop, INITIAL):
        initial, pos = ber.octet_string(data, pos, stop, "initial", INITIAL)
    while has(data, pos, stop, ANY):
        value, pos = ber.octet_string(data, pos, stop, "any", ANY)
        inner.append(value)
    if has(data, pos, stop, FINAL):
        final, pos = ber.octet_string(data, pos, stop, "final", FINAL)
    # "There SHALL be at most one 'initial' and at most one 'final' in the 'substrings' of a SubstringFilter.  If
    # 'initial' is present, it SHALL be the first element of 'substrings'.  If 'final' is present, it SHALL be the
    # last element of 'substrings'."  RFC 4511 section 4.5.1.7.2
    if pos != stop:
        raise Refused(ResultCode.PROTOCOL_ERROR, f"substrings: {data[pos]:#04x} out of turn")
    return filters.Substrings(attribute, initial, tuple(inner), final)


def _extensible(data: bytes, pos: int, end: int) -> filters.Extensible:
    """MatchingRuleAssertion, section 4.5.1.7.7."""
    matching_rule, pos = read_optional_name(data, pos, end, "matchingRule", MATCHING_RULE)
    attribute, pos = read_optional_name(data, pos, end, "type", TYPE)
    value, pos = ber.octet_string(data, pos, end, "matchValue", MATCH_VALUE)
    dn_attributes = False
    if has(data, pos, end, DN_ATTRIBUTES):
        dn_attributes, pos = ber.boolean(data, pos, end, "dnAttributes", DN_ATTRIBUTES)
    ber.skip(data, pos, end, "MatchingRuleAssertion")
    # "If the matchingRule field is absent, the type field MUST be present".
    if matching_rule is None and attribute is None:
        raise Refused(ResultCode.PROTOCOL_ERROR, "extensibleMatch: neither matchingRule nor type")
    return filters.Extensible(matching_rule, attribute, value, dn_attributes)


def write_filter(filter: Filter, depth: int = 1) -> bytes:
    """The Filter element; `InvalidFilter` for one that no reader would take, nested deeper than MAX_DEPTH."""
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"more than {MAX_DEPTH} filters one inside another")
    match filter:
        case filters.And(inner):
            return ber.encoded(AND, b"".join([write_filter(each, depth + 1) for each in inner]))
        case filters.Or(inner):
            return ber.encoded(OR, b"".join([write_filter(each, depth + 1) for each in inner]))
        case filters.Not(only):
            return ber.encoded(NOT, write_filter(only, depth + 1))
        case filters.Present(attribute):
            return write_text(attribute, PRESENT)
        case filters.Substrings():
            return _write_substrings(filter)
        case filters.Extensible():
            return _write_extensible(filter)
        case _:
            return ber.encoded(_ASSERTION_TAGS[type(filter)], write_assertion(filter.attribute, filter.value))


def write_assertion(attribute: str, value: bytes) -> bytes:
    """The contents of an AttributeValueAssertion."""
    return write_text(attribute) + ber.encoded(ber.OCTET_STRING, value)


def _write_substrings(filter: filters.Substrings) -> bytes:
    parts = [ber.encoded(ANY, value) for value in filter.any]
    if filter.initial is not None:
        parts.insert(0, ber.encoded(INITIAL, filter.initial))
    if filter.final is not None:
        parts.append(ber.encoded(FINAL, filter.final))
    return ber.encoded(SUBSTRINGS, write_text(filter.attribute) + ber.encoded(ber.SEQUENCE, b"".join(parts)))


def _write_extensible(filter: filters.Extensible) -> bytes:
    contents = b""
    if filter.matching_rule is not None:
        contents += write_text(filter.matching_rule, MATCHING_RULE)
    if filter.attribute is not None:
        contents += write_text(filter.attribute, TYPE)
    contents += ber.encoded(MATCH_VALUE, filter.value)
    # "If a value of a type is its default value, it is absent."  RFC 4511 section 5.1
    if filter.dn_attributes:
        contents += ber.encoded_boolean(True, DN_ATTRIBUTES)
    return ber.encoded(EXTENSIBLE_MATCH, contents)
