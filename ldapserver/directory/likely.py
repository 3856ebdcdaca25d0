"""Which of many distinguished names may be equal to one, told by their text before any is read.

A group of ten thousand members is looked through whenever one comes or goes, and reading a name takes microseconds;
looking for the words of one name in the text of all takes one millisecond.
"""

from collections.abc import Sequence

from ldapserver.wire.dn import DN, InvalidDN, case_ignore, preparation

MANY = 64  # values, from which on it pays to look at their text first

# What lets one value be written in several ways: escapes, hexadecimal digits, several pairs in an RDN, blanks.
_OTHERWISE = ("\\", "#", "+", ";", "  ", " ,", "= ")
_SPECIAL = frozenset('\\#+;,="<>')


def likely(values: Sequence[bytes], wanted: bytes) -> Sequence[int]:
    """Where in `values` a name may stand that equals `wanted`: everywhere, unless the text says otherwise."""
    everywhere = range(len(values))
    words = _words(wanted)
    if words is None:
        return everywhere
    try:
        text = (b",,".join(values).decode("ascii") + ",").lower()
    except UnicodeDecodeError:
        return everywhere
    # Characters that are not printable are mapped to nothing, or to blanks.  RFC 4518 section 2.2
    if not text.isprintable() or any(each in text for each in _OTHERWISE):
        return everywhere
    if words not in text:
        return ()
    looked_for = words.encode()
    return [at for at, value in enumerate(values) if looked_for in value.lower() + b","]


def _words(name: bytes) -> str | None:
    """What stands in every plain spelling of a name, in small letters: the value of its leaf between '=' and ','."""
    try:
        rdns = DN.parse(name.decode()).rdns
        leaf = rdns[0]
    except (InvalidDN, UnicodeDecodeError, IndexError):
        return None
    value = case_ignore(leaf[0].value)
    if (
        len(leaf) > 1
        or preparation(leaf[0].type) is not case_ignore
        or not value.isascii()
        or not value.isprintable()
        or _SPECIAL.intersection(value)
    ):
        return None
    return f"={value},"
