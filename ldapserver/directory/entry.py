"""An entry as the rest of the server sees it: a name and its attributes, never a secret (RFC 4512 section 2).

A directory of a hundred thousand entries holds a million attributes, most of them under the same ten names. So an
entry keeps its values alone; which names they go by is its `Shape`, shared with all entries of the same make.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Self

from ldapserver.wire.dn import DN

# What holds a secret, or what a secret was made into. A directory keeps these apart from the entries it hands out,
# so that no search can return them, and filters on them are Undefined. By name and by OID, for clients write either.
PASSWORD_ATTRIBUTES = frozenset(
    name.lower()
    for name in (
        *("userPassword", "2.5.4.35", "authPassword", "1.3.6.1.4.1.4203.1.3.4"),
        *("pwdHistory", "1.3.6.1.4.1.42.2.27.8.1.20"),
        *("unicodePwd", "1.2.840.113556.1.4.90", "supplementalCredentials", "1.2.840.113556.1.4.125"),
        *("dBCSPwd", "1.2.840.113556.1.4.55", "ntPwdHistory", "1.2.840.113556.1.4.94"),
        *(
            "lmPwdHistory",
            "1.2.840.113556.1.4.160",
            "ms-Mcs-AdmPwd",
            "msDS-ManagedPassword",
            "1.2.840.113556.1.4.2196",
        ),
        *("msDS-ExecuteScriptPassword", "1.2.840.113556.1.4.1783", "msLAPS-Password", "msLAPS-EncryptedPassword"),
        *("initialAuthIncoming", "1.2.840.113556.1.4.539", "initialAuthOutgoing", "1.2.840.113556.1.4.540"),
        *("trustAuthIncoming", "1.2.840.113556.1.4.129", "trustAuthOutgoing", "1.2.840.113556.1.4.135"),
        *("currentValue", "1.2.840.113556.1.4.27", "priorValue", "1.2.840.113556.1.4.100"),
        *("sambaLMPassword", "1.3.6.1.4.1.7165.2.1.24", "sambaNTPassword", "1.3.6.1.4.1.7165.2.1.25"),
        *("sambaPasswordHistory", "1.3.6.1.4.1.7165.2.1.54", "krbPrincipalKey", "krbPwdHistory", "krb5Key"),
    )
)


def is_password(description: str) -> bool:
    """Whether an attribute description, with or without options, names an attribute that holds a secret."""
    return description.partition(";")[0].lower() in PASSWORD_ATTRIBUTES


class Shape:
    """The attribute descriptions of an entry, as they were written and in that order."""

    __slots__ = ("descriptions", "positions")

    def __init__(self, descriptions: tuple[str, ...]) -> None:
        self.descriptions = descriptions
        self.positions = {description.lower(): at for at, description in enumerate(descriptions)}


# Real directories have a few dozen shapes; one with more than this many pays in memory and is right all the same.
@lru_cache(maxsize=4096)
def shape_of(descriptions: tuple[str, ...]) -> Shape:
    """The shape of entries that have these attributes in this order."""
    return Shape(descriptions)


_NO_ATTRIBUTES = shape_of(())


class Entry:
    """A name and its attributes; iterating gives (description, values) as they were written and in that order."""

    __slots__ = ("dn", "shape", "values")

    dn: DN
    shape: Shape
    values: tuple[tuple[bytes, ...], ...]

    def __init__(self, dn: DN, attributes: Iterable[tuple[str, Sequence[bytes]]]) -> None:
        """An attribute that comes twice, in any case, is one with the values of both; no value stands twice."""
        self.dn = dn
        if attributes == ():  # by way of `of`, for every entry that is loaded
            self.shape, self.values = _NO_ATTRIBUTES, ()
            return
        given = tuple(attributes)
        self.shape = shape_of(tuple([description for description, _ in given]))
        if len(self.shape.positions) == len(given):  # none comes twice, as nearly always
            self.values = tuple([tuple(dict.fromkeys(more)) if len(more) > 1 else tuple(more) for _, more in given])
            return
        names: dict[str, str] = {}
        values: dict[str, dict[bytes, None]] = {}
        for description, more in given:
            key = description.lower()
            names.setdefault(key, description)
            values.setdefault(key, {}).update(dict.fromkeys(more))
        self.shape = shape_of(tuple(names.values()))
        self.values = tuple([tuple(each) for each in values.values()])

    @classmethod
    def of(cls, dn: DN, shape: Shape, values: tuple[tuple[bytes, ...], ...]) -> Self:
        """The entry of this shape, whose values are known to be right: one tuple for each description of it."""
        entry = cls(dn, ())  # which a compiled class can be made by too, unlike object.__new__
        entry.shape = shape
        entry.values = values
        return entry

    def renamed(self, dn: DN) -> Self:
        """The same attributes, which it shares, under another name."""
        return self.of(dn, self.shape, self.values)

    def get(self, description: str) -> tuple[bytes, ...]:
        """The values under exactly this description, in any case; none when it is absent."""
        at = self.shape.positions.get(description.lower())
        return () if at is None else self.values[at]

    def number(self, description: str) -> int | None:
        """The first value as a number; None where it is none, for a schema may not be enforced."""
        try:
            return int(self.get(description)[0])
        except (IndexError, ValueError):
            return None

    def __iter__(self) -> Iterator[tuple[str, tuple[bytes, ...]]]:
        return zip(self.shape.descriptions, self.values, strict=True)

    def __contains__(self, description: str) -> bool:
        return description.lower() in self.shape.positions

    @property
    def attributes(self) -> tuple[tuple[str, tuple[bytes, ...]], ...]:
        """What iterating gives, all at once."""
        return tuple(self)

    def __repr__(self) -> str:
        return f"Entry({str(self.dn)!r}, {', '.join(self.shape.descriptions)})"
