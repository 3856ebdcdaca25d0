r"""Files of definitions, in the forms that servers have them in.

    attributeTypes: ( 1.2.3 NAME 'x' ... )    our own, 389's, OpenDJ's, and what a search of a subschema entry gives:
                                              LDIF, where a line that begins with a space goes on with the last
    olcAttributeTypes: {0}( 1.2.3 ... )       OpenLDAP's cn=config
    attributetype ( 1.2.3 NAME 'x' ... )      OpenLDAP's slapd.conf, with macros for OIDs: objectidentifier Us 1.2

What else stands in such a file (a name, timestamps, rules on names and content) says nothing that is kept here.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha1

from ldapserver.directory.notation import FORMS, Definition, InvalidSchema, is_descr, is_numeric_oid, parse, render

_KINDS = {
    **{kind.lower(): kind for kind in FORMS},
    "attributetype": "attributeTypes",
    "objectclass": "objectClasses",
    "ldapsyntax": "ldapSyntaxes",
    "olcattributetypes": "attributeTypes",
    "olcobjectclasses": "objectClasses",
    "olcldapsyntaxes": "ldapSyntaxes",
}
_MACROS = ("objectidentifier", "olcobjectidentifier")
# Known and left aside: rules about where and of what entries are made, which no server here keeps.
_LEFT_ASIDE = frozenset(
    (
        *("ditcontentrule", "ditcontentrules", "olcditcontentrules", "ditstructurerules", "nameforms"),
        "matchingruleuse",
    )
)
_DEFINITION = re.compile(r"\(\s*[0-9]+\.[0-9]")  # and not what else begins with a parenthesis, as 389's aci
_ORDERED = re.compile(r"\{[0-9]+\}")  # olcAttributeTypes: {12}( ...
# "keyword (" or "keyword name": slapd.conf; "keyword:" or "keyword::": LDIF.
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9;-]*)(::?|\s*(?=\()|\s+)\s*(.*)", re.DOTALL)
_OCTET_STRING = "1.3.6.1.4.1.1466.115.121.1.40"
_LDIF = re.compile(r"[A-Za-z0-9;-]+:")
_OID_TOKEN = re.compile(r"(\(\s*)('?)([^\s()']+)('?)")
_SYNTAX_TOKEN = re.compile(r"(\sSYNTAX\s+'?)([A-Za-z][^\s()'{]*)")


def read_definitions(text: str, source: str, *, as_written: bool = False) -> Iterator[Definition]:
    """The definitions of a file, in its order; `source` names it in errors. Raises InvalidSchema: where, and why.

    Each is put into the order and the spaces of RFC 4512, for others will read it; not `as_written`, which is for
    files that are known to be so.
    """
    macros: dict[str, str] = {}
    for number, line in _logical_lines(text):
        place = f"{source}:{number}"
        try:
            definition = _read(line, place, macros, as_written)
        except InvalidSchema as error:
            raise InvalidSchema(f"{place}: {error}") from None
        if definition is not None:
            yield definition


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with those that go on with it, and the number it began at; without comments and empty lines."""
    began, line = 0, ""
    for number, physical in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if physical[:1] in (" ", "\t") and line:
            # An LDIF may be cut anywhere, inside a word too; a line of slapd.conf ends between two words.
            cut = physical[0] == " " and _LDIF.match(line)
            line += physical[1:] if cut else " " + physical
            continue
        if line and line[0] != "#":
            yield began, line
        # White space where nothing is to go on with is an empty line.
        began, line = number, physical if physical.strip() else ""
    if line and line[0] != "#":
        yield began, line


def _read(line: str, place: str, macros: dict[str, str], as_written: bool) -> Definition | None:
    found = _LINE.fullmatch(line)
    if not found:
        raise InvalidSchema(f"{line.split()[0]!r} is no line of a schema: 'attributeTypes: ( ... )' is")
    name, separator, value = found.groups()
    key = name.partition(";")[0].lower()
    if separator == "::":
        value = _decoded(value)
    if ":" in separator:
        value = _ORDERED.sub("", value, count=1) if value[:1] == "{" else value
        # The entry that the definitions are values in has other attributes too: `objectClass: top`.
        if (key == "objectclass" or key not in (*_KINDS, *_MACROS)) and not _DEFINITION.match(value):
            return None
    if key not in _KINDS and key not in _MACROS and key not in _LEFT_ASIDE:
        raise InvalidSchema(f"{name!r} is none of attributeTypes, objectClasses, matchingRules, ldapSyntaxes")
    if key in _MACROS:
        _define(value, macros)
    if key not in _KINDS:
        return None
    kind = _KINDS[key]
    if as_written:
        oid, fields = parse(kind, value)
        return Definition(kind, oid, fields, value, place)
    oid, fields = parse(kind, _in_numbers(value, macros))
    if kind == "ldapSyntaxes":
        fields.pop("NAME", None)
    return Definition(kind, oid, fields, render(kind, oid, fields), place)


def _decoded(value: str) -> str:
    try:
        return b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidSchema("behind '::' stands no base64 of UTF-8") from None


def _define(value: str, macros: dict[str, str]) -> None:
    """`objectidentifier NAME OID`, where the OID may begin with another macro: `Us:1.2`."""
    words = _ORDERED.sub("", value, count=1).split()
    if len(words) != 2 or not is_descr(words[0]):
        raise InvalidSchema("objectidentifier takes a name and an object identifier")
    macros[words[0].lower()] = _expanded(words[1], macros)


def _expanded(token: str, macros: dict[str, str]) -> str:
    name, _, suffix = token.partition(":")
    number = macros.get(name.lower())
    if number is not None:
        token = f"{number}.{suffix}" if suffix else number
    elif token.endswith("-oid") and is_descr(token):
        # 389 Directory Server lets a name stand where nobody has got a number.
        token = generated_oid(token)
    if not is_numeric_oid(token):
        raise InvalidSchema(f"{token!r} is neither an object identifier in numbers nor a macro that stands before it")
    return token


def _in_numbers(definition: str, macros: dict[str, str]) -> str:
    """The definition with its own OID and that of its syntax in numbers."""
    found = _OID_TOKEN.match(definition)
    if found and not is_numeric_oid(found[3]):
        definition = f"( {_expanded(found[3], macros)}{definition[found.end() :]}"
    # Of repsFrom and repsTo Active Directory publishes the syntax by name.
    definition = definition.replace("SYNTAX 'OctetString'", f"SYNTAX {_OCTET_STRING}")
    if macros:
        definition = _SYNTAX_TOKEN.sub(lambda syntax: syntax[1] + _expanded(syntax[2], macros), definition)
    return definition


# The name space of RFC 9562's UUIDs of version 5 that the generated OIDs are made in; drawn at random, once.
_NAME_SPACE = bytes.fromhex("4d8e0d6bb0a94fd1a0d6c2a1f7b35e92")


def generated_oid(name: str) -> str:
    """The same OID for the same name everywhere: a version 5 UUID as an arc of 2.25 (X.667). An OID is its own."""
    if name[:1].isdigit():
        return name
    digest = bytearray(sha1(_NAME_SPACE + name.lower().encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(digest)}"
