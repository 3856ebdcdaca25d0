"""Where we and slapd answer differently on purpose: what about a request makes it so, and an example that shows it.

docs/interop.md gives the reasons, row by row. A difference is explained by what was asked and whom it concerns, as
narrowly as can be; one that nothing here explains is a fault, and most likely ours.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ldapserver.directory.schema import core
from ldapserver.wire.dn import AVA, DN, MAPPED, InvalidDN
from ldapserver.wire.filters import Equality, Extensible, Filter, GreaterOrEqual, LessOrEqual, Not, Substrings
from ldapserver.wire.messages import CompareRequest, Operation, ResultCode, SearchRequest
from tests.interop.generated_requests import search
from tests.interop.two_servers import NAMES, NAMES_WITH_UID, Difference, Name, canonical, name_of
from tests.interop.varied_entries import VARIED, Written

IA5_STRING = "1.3.6.1.4.1.1466.115.121.1.26"
COUNTRY_STRING = "1.3.6.1.4.1.1466.115.121.1.11"
JPEG = "1.3.6.1.4.1.1466.115.121.1.28"
TELEPHONE_NUMBER = "1.3.6.1.4.1.1466.115.121.1.50"
POSTAL_ADDRESS = "1.3.6.1.4.1.1466.115.121.1.41"
_PRINTABLE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+,-./:? =")


@dataclass(frozen=True)
class Asked:
    """What a difference is about, taken apart."""

    difference: Difference
    filter: Filter | None  # without the nots around it; of a compare the equality that it asks about
    values: tuple[bytes, ...]  # asserted
    stored: tuple[tuple[bytes, ...], ...]  # what each entry that they disagree about has of the attribute

    @property
    def attribute(self) -> str | None:
        """Asked about, if it is one."""
        return getattr(self.filter, "attribute", None)

    @property
    def syntax(self) -> str | None:
        """That of the attribute."""
        attribute_type = core().attribute_type(self.attribute) if self.attribute else None
        return attribute_type.syntax if attribute_type else None

    @property
    def rule(self) -> str | None:
        """Named in an extensible match, by the first of its names."""
        name = self.filter.matching_rule if isinstance(self.filter, Extensible) else None
        description = core().matching_rule(name) if name else None
        return description.name if description else name

    @property
    def undefined(self) -> bool:
        """Whether slapd finds it Undefined, or nothing that it is true of."""
        theirs = self.difference.theirs
        refused = theirs.result_code in (ResultCode.INVALID_ATTRIBUTE_SYNTAX, ResultCode.UNDEFINED_ATTRIBUTE_TYPE)
        return refused or (theirs.result_code == ResultCode.SUCCESS and not theirs.entries)


@dataclass(frozen=True)
class Known:
    """One such difference; `name` is its row in docs/interop.md."""

    name: str
    explains: Callable[[Asked], bool]
    example: Operation


class Explanations:
    """Finds which of them a difference is."""

    def __init__(self, entries: Iterable[Written]) -> None:
        self._attributes: Mapping[Name | str, tuple[tuple[str, tuple[bytes, ...]], ...]] = {
            name_of(entry.dn): entry.attributes for entry in entries
        }

    def of(self, difference: Difference) -> Known | None:
        """The first that fits."""
        asked = self._asked(difference)
        return next((known for known in KNOWN if known.explains(asked)), None)

    def _asked(self, difference: Difference) -> Asked:
        request = difference.request
        if isinstance(request, CompareRequest):
            filter: Filter | None = Equality(request.attribute_desc, request.assertion_value)
            names: Iterable[Name | str] = (name_of(request.entry),)
        else:
            filter = request.filter if isinstance(request, SearchRequest) else None
            names = difference.names
        while isinstance(filter, Not):
            filter = filter.filter
        values: tuple[bytes, ...] = ()
        match filter:
            case Equality(_, value) | GreaterOrEqual(_, value) | LessOrEqual(_, value) | Extensible(_, _, value, _):
                values = (value,)
            case Substrings(_, initial, between, final):
                values = tuple(part for part in (initial, *between, final) if part is not None)
        attribute = getattr(filter, "attribute", None)
        attribute_type = core().attribute_type(attribute) if attribute else None
        names_of_type = core().with_subtypes(attribute_type) if attribute_type else None
        stored = tuple(
            tuple(
                value
                for description, some in (*self._attributes.get(name, ()), *_named(name))
                if names_of_type is None or description.partition(";")[0].lower() in names_of_type
                for value in some
            )
            for name in names
        )
        return Asked(difference, filter, values, stored)


def _named(name: Name | str) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """What a name says of its entry."""
    for rdn in () if isinstance(name, str) else name:
        for type, value in rdn:
            yield type, (value,)


def _prepared_otherwise(octets: bytes) -> bool:
    """Whether slapd lets a character of these stand where RFC 4518 folds it, or maps it to nothing or a space."""
    text = octets.decode("utf-8", "replace")
    return any(
        ord(character) in MAPPED or character.casefold() != character.lower() or len(character.lower()) > 1
        for character in text
    )


def _otherwise_prepared(asked: Asked) -> bool:
    if any(map(_prepared_otherwise, asked.values)):
        return True
    return bool(asked.stored) and all(any(map(_prepared_otherwise, values)) for values in asked.stored)


def _blanks_at_the_end_of_a_part(asked: Asked) -> bool:
    return isinstance(asked.filter, Substrings) and any(part != part.strip() for part in asked.values)


def _nothing_left_of_a_part(asked: Asked) -> bool:
    return isinstance(asked.filter, Substrings) and any(not part.strip(b" -") for part in asked.values)


def _lines_in_a_part(asked: Asked) -> bool:
    special = any(b"$" in part or b"\\" in part for part in asked.values)
    escaped = bool(asked.stored) and all(any(b"\\" in value for value in values) for values in asked.stored)
    return isinstance(asked.filter, Substrings) and asked.syntax == POSTAL_ADDRESS and (special or escaped)


def _beyond_ia5(asked: Asked) -> bool:
    ia5 = asked.syntax == IA5_STRING if asked.attribute else asked.rule in ("caseIgnoreIA5Match", "caseExactIA5Match")
    return ia5 and asked.undefined and not all(value.isascii() for value in asked.values)


def _beyond_printable(asked: Asked) -> bool:
    telephone = asked.syntax == TELEPHONE_NUMBER if asked.attribute else asked.rule == "telephoneNumberMatch"
    return telephone and not all(_PRINTABLE.issuperset(value) for value in asked.values)


def _uuid_in_extensible(asked: Asked) -> bool:
    about_uuid = (asked.attribute or "").lower() in ("entryuuid", "1.3.6.1.1.16.4") or asked.rule == "UUIDMatch"
    return isinstance(asked.filter, Extensible) and about_uuid and asked.undefined


def _classes_by_identifier(asked: Asked) -> bool:
    attribute_type = core().attribute_type(asked.attribute) if asked.attribute else None
    about_one = attribute_type is not None and attribute_type.names[0] == "structuralObjectClass"
    return asked.rule == "objectIdentifierMatch" or (about_one and isinstance(asked.filter, Equality | Extensible))


def _country_in_ia5(asked: Asked) -> bool:
    return asked.syntax == COUNTRY_STRING and asked.rule in ("caseIgnoreIA5Match", "caseExactIA5Match")


def _photographs(asked: Asked) -> bool:
    return asked.rule == "octetStringMatch" and asked.syntax in (JPEG, None) and asked.undefined


def _bits_of_large_integers(asked: Asked) -> bool:
    def large(value: bytes) -> bool:
        return value.lstrip(b"-").isdigit() and not -(2**63) <= int(value) < 2**63

    bits = asked.rule in ("integerBitAndMatch", "integerBitOrMatch")
    concerned = bool(asked.stored) and all(any(map(large, values)) for values in asked.stored)
    return bits and (concerned or any(map(large, asked.values)))


def _base(asked: Asked) -> str:
    request = asked.difference.request
    assert isinstance(request, SearchRequest | CompareRequest)
    return request.base_object if isinstance(request, SearchRequest) else request.entry


def _impossible(name: str) -> bool:
    """Whether a name has an unknown type, a type twice in one RDN, or a value outside its type's syntax."""
    try:
        rdns = DN.parse(name).rdns
    except InvalidDN:
        return False
    avas = [ava for rdn in rdns for ava in rdn]
    twice = any(len({canonical(ava.type) for ava in rdn}) < len(rdn) for rdn in rdns)
    return twice or "=#" in name or not all(map(_possible, avas))


def _possible(ava: AVA) -> bool:
    attribute_type = core().attribute_type(ava.type)
    if attribute_type is None or not ava.value:
        return False
    return ava.value.isascii() or attribute_type.syntax != IA5_STRING


def _impossible_name(asked: Asked) -> bool:
    if asked.difference.theirs.result_code == ResultCode.INVALID_DN_SYNTAX:
        return _impossible(_base(asked))
    about_names = asked.undefined and asked.syntax in (NAMES, NAMES_WITH_UID)
    return about_names and any(_impossible(value.decode()) for value in asked.values)


def _unknown_options(asked: Asked) -> bool:
    _, *options = (asked.attribute or "").split(";")
    return asked.undefined and any(not option.startswith("lang-") for option in options)


def _quoted_name(asked: Asked) -> bool:
    if asked.difference.ours.result_code == ResultCode.INVALID_DN_SYNTAX:
        return '="' in _base(asked)
    return asked.syntax == NAMES and any(b'="' in value for value in asked.values)


KNOWN = (
    Known(
        "characters that fold into several, or into nothing", _otherwise_prepared, search(Equality("sn", b"STRASSE"))
    ),
    Known(
        "blanks at the ends of a substring",
        _blanks_at_the_end_of_a_part,
        search(Substrings("title", None, (b" \xe2\x91\xa0  ",), None)),
    ),
    Known(
        "substrings of nothing but blanks and hyphens",
        _nothing_left_of_a_part,
        search(Substrings("telephoneNumber", b"+1 408 555", (b"-",), b"212")),
    ),
    Known(
        "substrings across the lines of a postal address",
        _lines_in_a_part,
        search(Substrings("postalAddress", None, (b"St$Any",), None)),
    ),
    Known("IA5 strings beyond ASCII", _beyond_ia5, search(Not(Equality("mail", "jürgen".encode())))),
    Known("telephone numbers of any characters", _beyond_printable, search(Not(Equality("pager", b"a$b")))),
    Known(
        "UUIDs in extensible matches",
        _uuid_in_extensible,
        search(Extensible(None, "entryUUID", b"00000000-0000-4000-8000-000000010010")),
    ),
    Known(
        "object classes compared as identifiers",
        _classes_by_identifier,
        search(Extensible("objectIdentifierMatch", "objectClass", b"person")),
    ),
    Known("countries under an IA5 rule", _country_in_ia5, search(Extensible("caseIgnoreIA5Match", "c", b"de"))),
    Known(
        "photographs under octetStringMatch",
        _photographs,
        search(Extensible("octetStringMatch", "jpegPhoto", b"plain")),
    ),
    Known(
        "bits of integers of more than 64 bits",
        _bits_of_large_integers,
        search(Extensible("1.2.840.113556.1.4.803", "localeID", b"18446744073709551616")),
    ),
    Known("names that no entry can have", _impossible_name, search(Equality("cn", b"x"), f"cn=,{VARIED}")),
    Known("attribute options of any name", _unknown_options, search(Not(Equality("cn;x-any", b"x")))),
    Known("names with quotation marks", _quoted_name, search(Equality("cn", b"x"), f'cn="x",{VARIED}')),
)
