"""Canonical names ([MS-ADTS] 3.1.1.4.5, [MS-ADA1] 2.98): a DN from the top down, without types.

CN=Alice Apple,OU=People,DC=contoso,DC=com      contoso.com/People/Alice Apple
"""

import re
from dataclasses import dataclass

from ldapserver.wire.dn import DN, case_ignore

_DC = ("dc", "domaincomponent", "0.9.2342.19200300.100.1.25")
_PIECES = re.compile(r"((?:[^/\\]|\\.)*)(/|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CanonicalName:
    """The domain's DNS name, and the values of the RDNs below it from the top down, without their types."""

    domain: str
    path: tuple[str, ...]

    def names(self, dn: DN) -> bool:
        """Whether this is the canonical name of `dn`."""
        other = _of(dn)
        return other is not None and self._key() == other._key()

    def _key(self) -> tuple[str, ...]:
        return (self.domain.lower(), *(case_ignore(value.encode()) for value in self.path))

    def __str__(self) -> str:
        return "/".join([self.domain, *map(_escaped, self.path)]) + ("" if self.path else "/")


def canonical_name(dn: DN) -> str | None:
    """The canonicalName of an entry; None for a name that does not end in a domain, or is not text."""
    name = _of(dn)
    return None if name is None else str(name)


def parse_canonical(text: str) -> CanonicalName | None:
    """A canonical name as typed; None for what is none: without a slash, without a domain, with an empty part."""
    parts: list[str] = []
    position = 0
    while True:
        match = _PIECES.match(text, position)
        if match is None:
            return None  # it ends in a lone backslash
        parts.append(re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL))
        position = match.end()
        if not match[2]:
            break
    domain, *path = parts
    if not path or not domain:
        return None
    if path == [""]:
        return CanonicalName(domain, ())
    return CanonicalName(domain, tuple(path)) if all(path) else None


def _of(dn: DN) -> CanonicalName | None:
    values = []
    for rdn in dn.rdns:
        try:
            values.append(rdn[0].value.decode())
        except UnicodeDecodeError:
            return None
    below = len(dn.rdns)
    while below and dn.rdns[below - 1][0].type.lower() in _DC:
        below -= 1
    if below == len(dn.rdns):
        return None
    return CanonicalName(".".join(values[below:]), tuple(reversed(values[:below])))


def _escaped(value: str) -> str:
    return re.sub(r"([/\\])", r"\\\1", value)
