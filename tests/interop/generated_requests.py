"""Searches and compares about the varied entries: the same ones every time, each with some reason to go wrong."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

from ldapserver.directory.schema import core
from ldapserver.wire.filters import (
    And,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from ldapserver.wire.messages import CompareRequest, DerefAliases, Scope, SearchRequest
from tests.interop.slapd import BASE
from tests.interop.varied_entries import VARIED, Written

# Types that no entry has, that have no equality rule, and that nobody knows.
MORE_TYPES = ("name", "ou", "pager", "documentVersion", "distinguishedName", "facsimileTelephoneNumber", "audio")
UNKNOWN = ("undefinedType", "1.2.3.4.5.6", "cn;lang-fr", "name;lang-de", "description;lang-de;lang-en")
WRONG = (b"", b" ", b"\xff", b"no number", b"01", b"-0", b"true", b"cn", b"cn=a,", b"20241301000000Z", b"'2'B", b"\0")
RULES = (
    *("caseIgnoreMatch", "caseExactMatch", "2.5.13.2", "2.5.13.5", "caseIgnoreIA5Match", "caseExactIA5Match"),
    *("integerMatch", "octetStringMatch", "distinguishedNameMatch", "numericStringMatch", "telephoneNumberMatch"),
    *("booleanMatch", "generalizedTimeMatch", "bitStringMatch", "objectIdentifierMatch", "caseIgnoreListMatch"),
    *("uniqueMemberMatch", "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804", "integerOrderingMatch"),
    *("caseIgnoreOrderingMatch", "generalizedTimeOrderingMatch", "UUIDMatch", "noSuchRule", "1.2.3.4"),
)
BASES = (
    *(BASE, VARIED, f"ou=people,{VARIED}", f"ou=names,{VARIED}", f"OU=Numbers , {VARIED.upper()}"),
    *(f"ou=d11,ou=d10,ou=d9,ou=d8,ou=d7,ou=d6,ou=d5,ou=d4,ou=d3,ou=d2,ou=d1,ou=d0,{VARIED}", f"ou=d0,{VARIED}"),
    *(
        f"uid=nobody,ou=people,{VARIED}",
        f"cn=a,cn=b,ou=nowhere,{VARIED}",
        f"ou=nowhere,{BASE}",
        f"cn=a,ou=d1,{VARIED}",
    ),
    *(f"cn=x,cn=comma\\, inside,ou=names,{VARIED}", f"cn=MULTI,ou=names,{VARIED}", f"uid=P1,OU=people,{VARIED}"),
    *("dc=other", "o=nowhere,c=DE", f"uid=p1,ou=people,{VARIED},dc=com", "no name", "cn=", "cn", f"=x,{VARIED}"),
    *(
        f"cn=a\\,{VARIED}",
        f"cn=\\zz,{VARIED}",
        f'cn="quoted",{VARIED}',
        f",{VARIED}",
        f"cn=a,,{VARIED}",
        "dc=contoso;dc=com",
    ),
)
SELECTIONS = (
    *((), ("*",), ("+",), ("*", "+"), ("1.1",), ("1.1", "cn"), ("cn",), ("CN", "cn"), ("commonName",), ("2.5.4.3",)),
    *(("name",), ("2.5.4.41",), ("cn;lang-en",), ("description;lang-de",), ("cn;lang-fr",), ("name;lang-de",)),
    *(("@inetOrgPerson",), ("@person", "mail"), ("@posixAccount",), ("@nothing",), ("undefinedType",), ("", "cn")),
    *(("objectClass", "structuralObjectClass"), ("entryUUID", "createTimestamp"), ("entryDN", "subschemaSubentry")),
    *(("hasSubordinates",), ("creatorsName", "*"), ("userPassword", "cn"), ("member", "uniqueMember", "seeAlso")),
    *(
        ("distinguishedName",),
        ("postalAddress", "telephoneNumber"),
        ("**",),
        ("*", "1.1"),
        ("cn", "entryUUID;x"),
        ("@",),
    ),
    *(("jpegPhoto", "audio"), ("localeID", "dSCorePropagationData"), ("lang-de",), ("cn;binary",), ("userPKCS12",)),
)


def search(
    filter: Filter,
    base: str = VARIED,
    scope: Scope = Scope.WHOLE_SUBTREE,
    attributes: Sequence[str] = ("1.1",),
    *,
    size_limit: int = 0,
    types_only: bool = False,
) -> SearchRequest:
    """A request that follows no aliases and has no time limit."""
    never = DerefAliases.NEVER_DEREF_ALIASES
    return SearchRequest(base, scope, never, size_limit, 0, types_only, filter, tuple(attributes))


class Generator:
    """Draws requests about entries, from chance with a seed."""

    def __init__(self, entries: Sequence[Written], seed: int) -> None:
        self._chance = Random(seed)
        self._entries = entries
        self._values: dict[str, list[bytes]] = {}
        for entry in entries:
            for name, values in entry.attributes:
                self._values.setdefault(name, []).extend(values)
        self._types = [*self._values, *MORE_TYPES]
        self._everything = [value for values in self._values.values() for value in values]

    def items(self, each: int) -> Iterator[Filter]:
        """For every type, `each` filters of every kind, and each time what it says of whom it is not true of."""
        for name in (*self._types, *UNKNOWN):
            yield Present(name)
            yield Not(Present(name))
            for _ in range(each):
                for item in (
                    Equality(name, self._assertion(name)),
                    GreaterOrEqual(name, self._assertion(name)),
                    LessOrEqual(name, self._assertion(name)),
                    self._substrings(name),
                    Extensible(None, self._spelled(name), self._assertion(name), self._chance.random() < 0.3),
                    Extensible(self._rule(name), name, self._assertion(name), self._chance.random() < 0.3),
                ):
                    # One that is Undefined is told apart by its negation alone, which is Undefined too.
                    yield item
                    yield Not(item)

    def rules(self) -> Iterator[Filter]:
        """Every rule on all attributes that it fits, and names' parts too."""
        for rule in RULES:
            for value in (*self._chance.sample(self._everything, 3), b"0", b"TRUE", b"person"):
                yield Extensible(rule, None, value, False)
                yield Not(Extensible(rule, None, value, True))

    def nested(self, count: int) -> Iterator[Filter]:
        """And, or and not of a few items."""
        for _ in range(count):
            yield self._nested(3)

    def searches(self, count: int) -> Iterator[SearchRequest]:
        """Over all bases, scopes and selections, with filters that are simple."""
        for base in BASES:
            for scope in Scope:
                yield search(Present("objectClass"), base, scope)
        for attributes in SELECTIONS:
            for types_only in (False, True):
                yield search(Present("objectClass"), VARIED, Scope.WHOLE_SUBTREE, attributes, types_only=types_only)
        for _ in range(count):
            entry = self._chance.choice(self._entries)
            yield search(
                self._nested(1),
                self._chance.choice((entry.dn, entry.dn, self._chance.choice(BASES))),
                self._chance.choice(tuple(Scope)),
                self._chance.choice(SELECTIONS),
                types_only=self._chance.random() < 0.2,
            )

    def limited(self, count: int) -> Iterator[SearchRequest]:
        """With a size limit, and what tells nothing of which entries came first."""
        for _ in range(count):
            item = self._chance.choice(
                (Present("objectClass"), Present("mail"), Equality("sn", b"named"), Present("pager"))
            )
            limit = self._chance.choice((1, 2, 7, 32, 33, 34, 1000))
            yield search(item, VARIED, self._chance.choice(tuple(Scope)), size_limit=limit)

    def compares(self, each: int) -> Iterator[CompareRequest]:
        """Of every attribute of entries with its values as they are and otherwise, and of what they have not got."""
        for entry in self._entries[:: max(1, 2 - each)]:
            for name, values in self._chance.sample(entry.attributes, min(len(entry.attributes), 5)):
                for _ in range(each):
                    value = self._otherwise(self._chance.choice(values)) if values else b""
                    yield CompareRequest(entry.dn, self._spelled(name), value)
            name = self._chance.choice((*self._types, *UNKNOWN))
            yield CompareRequest(entry.dn, name, self._assertion(name))
        for base in BASES:
            yield CompareRequest(base, "objectClass", b"organizationalUnit")

    def _nested(self, depth: int) -> Filter:
        kind = self._chance.random()
        if depth == 0 or kind < 0.2:
            name = self._chance.choice((*self._types, *UNKNOWN))
            some = (Equality(name, self._assertion(name)), Present(name), self._substrings(name))
            return self._chance.choice((*some, Equality("objectClass", self._assertion("objectClass"))))
        if kind < 0.4:
            return Not(self._nested(depth - 1))
        inner = tuple(self._nested(depth - 1) for _ in range(self._chance.choice((0, 1, 2, 2, 3))))
        return And(inner) if kind < 0.7 else Or(inner)

    def _rule(self, name: str) -> str:
        attribute_type = core().attribute_type(name)
        fitting = attribute_type.equality if attribute_type is not None else None
        return fitting if fitting is not None and self._chance.random() < 0.5 else self._chance.choice(RULES)

    def _assertion(self, name: str) -> bytes:
        """Mostly a value that some entry has, or nearly; sometimes another's, or none that the syntax allows."""
        values = self._values.get(name)
        kind = self._chance.random()
        if kind < 0.12:
            return self._chance.choice(WRONG)
        if values is None or kind < 0.2:
            return self._otherwise(self._chance.choice(self._everything))
        return self._otherwise(self._chance.choice(values))

    def _otherwise(self, value: bytes) -> bytes:
        """A value, or what may or may not be equal to it."""
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return value
        kinds = (
            *(str, str, str.upper, str.lower, str.swapcase, lambda t: f" {t}  ", lambda t: t.replace(" ", "   ")),
            *(
                lambda t: unicodedata.normalize("NFD", t),
                lambda t: unicodedata.normalize("NFKC", t),
                lambda t: t[:-1],
            ),
            *(lambda t: t + "x", lambda t: t.replace(",", " , "), lambda t: t.replace("-", ""), lambda t: "0" + t),
            *(
                lambda t: t.replace("Z", "+0000"),
                lambda t: t.replace("=", " = "),
                lambda t: t.replace("uid", "userid"),
            ),
        )
        return self._chance.choice(kinds)(text).encode()

    def _spelled(self, name: str) -> str:
        """A description by another of its type's names."""
        attribute_type = core().attribute_type(name)
        if attribute_type is None or self._chance.random() < 0.6:
            return name
        _, semicolon, options = name.partition(";")
        other = self._chance.choice((*attribute_type.names, attribute_type.oid, name.partition(";")[0].upper()))
        return f"{other}{semicolon}{options}"

    def _substrings(self, name: str) -> Substrings:
        values = self._values.get(name) or self._everything
        value = self._otherwise(self._chance.choice(values))
        try:
            text: str | bytes = value.decode()
        except UnicodeDecodeError:
            text = value
        cuts = sorted(self._chance.randrange(len(text) + 1) for _ in range(self._chance.choice((2, 2, 4))))
        ends = (0, *cuts, len(text))
        parts = [text[start:end] for start, end in pairwise(ends)]
        octets = [part.encode() if isinstance(part, str) else part for part in parts]
        initial = octets[0] if octets[0] and self._chance.random() < 0.6 else None
        final = octets[-1] if octets[-1] and self._chance.random() < 0.6 else None
        between = tuple(part for part in octets[1:-1] if part and self._chance.random() < 0.7)
        if initial is None and final is None and not between:
            between = (octets[0] or octets[-1] or b"a",)
        return Substrings(name, initial, between, final)


def simpler(request: SearchRequest) -> Iterator[SearchRequest]:
    """The same search with each of the filters that its own is made of."""
    match request.filter:
        case And(filters) | Or(filters):
            yield from (replace(request, filter=each) for each in filters)
            # Of a part that is agreed about something may be Undefined to one and False to the other.
            yield from (replace(request, filter=Not(each)) for each in filters)
        case Not(And(filters) | Or(filters)):
            yield from simpler(replace(request, filter=And(filters)))
        case Not(negated):
            yield replace(request, filter=negated)
