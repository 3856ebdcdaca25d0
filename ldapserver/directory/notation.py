"""The notation that definitions of a schema are written in, read and written (RFC 4512 section 4.1).

    "(" numericoid *( KEYWORD [ value ] ) *( X-KEYWORD qdstrings ) ")"

What the four kinds of definition have in common is here; what their fields mean is in `schema.py`. Fields may come in
any order, as they do in the files people have, and an OID may stand in quotes, as in those of Active Directory.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, auto
from functools import lru_cache

Fields = Mapping[str, tuple[str, ...]]  # a keyword's values, unescaped; none for a keyword that stands by itself


class InvalidSchema(ValueError):
    """A definition is not in the notation of RFC 4512 section 4.1, or leans on one that there is not."""


class Form(IntEnum):
    """What may stand behind a keyword."""

    FLAG = auto()  # nothing
    DESCRS = auto()  # qdescrs: one quoted name, or several in parentheses
    STRING = auto()  # qdstring
    OID = auto()  # a name or numericoid
    OIDS = auto()  # one of these, or several in parentheses with '$' between
    SYNTAX = auto()  # noidlen: a numericoid and perhaps {bound}
    STRINGS = auto()  # qdstrings: one quoted string, or several in parentheses


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition as it was read: `kind` is a key of `FORMS`, `place` says where it stood, for errors."""

    kind: str
    oid: str
    fields: Fields
    text: str
    place: str

    @property
    def names(self) -> tuple[str, ...]:
        """Its short names."""
        return self.fields.get("NAME", ())


_COMMON = {"NAME": Form.DESCRS, "DESC": Form.STRING, "OBSOLETE": Form.FLAG}

# The fields of each kind, in the order that RFC 4512 sections 4.1.1 to 4.1.5 write them. The key is the attribute of
# the subschema entry that the kind is published in.
FORMS: dict[str, dict[str, Form]] = {
    "attributeTypes": {
        **_COMMON,
        "SUP": Form.OID,
        "EQUALITY": Form.OID,
        "ORDERING": Form.OID,
        "SUBSTR": Form.OID,
        "SYNTAX": Form.SYNTAX,
        "SINGLE-VALUE": Form.FLAG,
        "COLLECTIVE": Form.FLAG,
        "NO-USER-MODIFICATION": Form.FLAG,
        "USAGE": Form.OID,
    },
    "objectClasses": {
        **_COMMON,
        "SUP": Form.OIDS,
        "ABSTRACT": Form.FLAG,
        "STRUCTURAL": Form.FLAG,
        "AUXILIARY": Form.FLAG,
        "MUST": Form.OIDS,
        "MAY": Form.OIDS,
    },
    "matchingRules": {**_COMMON, "SYNTAX": Form.SYNTAX},
    "ldapSyntaxes": {"NAME": Form.DESCRS, "DESC": Form.STRING},  # the name is OpenLDAP's, and read only
}

# Every character that is no blank is in some token; a quote that nothing closes, or whose string holds a backslash
# that begins neither \27 nor \5C (section 1.4: qdstring), is a token of its own, which nothing takes.
_TOKEN = re.compile(r"'(?:[^'\\]|\\27|\\5[Cc])*'|[()$]|[^\s()$']+|'")
_NUMERIC_OID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
_DESCR = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_SYNTAX = re.compile(r"((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+)(?:\{[0-9]+\})?")


def is_numeric_oid(text: str) -> bool:
    """Whether it is a numericoid, RFC 4512 section 1.4."""
    return _NUMERIC_OID.fullmatch(text) is not None


def is_descr(text: str) -> bool:
    """Whether it is a short name, RFC 4512 section 1.4."""
    return _DESCR.fullmatch(text) is not None


def parse(kind: str, definition: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The OID of a definition and its fields; `kind` is a key of `FORMS`. Raises InvalidSchema with the reason."""
    tokens = _TOKEN.findall(definition)
    if "'" in tokens:
        raise InvalidSchema("a quote is not closed, or \\ in quotes is not \\27 or \\5C")
    forms, each, fields = FORMS[kind], iter(tokens), {}
    try:
        if next(each) != "(":
            raise InvalidSchema("a definition begins with '('")
        oid = _numeric_oid(next(each))
        while (keyword := next(each)) != ")":
            form = forms.get(keyword)
            if form is None:
                # "xstring = "X" HYPHEN 1*( ALPHA / HYPHEN / USCORE )", section 4.1
                if keyword[:2] != "X-":
                    raise InvalidSchema(f"{oid}: {keyword} is no field of {kind}")
                form = Form.STRINGS
            if keyword in fields:
                raise InvalidSchema(f"{oid}: {keyword} stands there twice")
            fields[keyword] = () if form is Form.FLAG else _value(oid, keyword, form, each)
    except StopIteration:
        raise InvalidSchema("the definition ends before its ')'") from None
    if (behind := next(each, None)) is not None:
        raise InvalidSchema(f"{oid}: {behind} stands behind the last ')'")
    return oid, fields


def render(kind: str, oid: str, fields: Fields) -> str:
    """The definition in the order and with the spaces of RFC 4512; `fields` as `parse` gives them."""
    forms = FORMS[kind]
    words = ["(", oid]
    for keyword in (*(each for each in forms if each in fields), *(each for each in fields if each not in forms)):
        words.append(keyword)
        form = forms.get(keyword, Form.STRINGS)
        values = fields[keyword]
        if form is not Form.FLAG:
            between = " $ " if form is Form.OIDS else " "
            if form in (Form.DESCRS, Form.STRING, Form.STRINGS):
                values = tuple([_quoted(value) for value in values])
            words.append(values[0] if len(values) == 1 else f"( {between.join(values)} )")
    return " ".join((*words, ")"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\5C").replace("'", "\\27")
    return f"'{escaped}'"


def _unquoted(token: str) -> str:
    text = token[1:-1]
    if "\\" in text:
        text = text.replace("\\27", "'").replace("\\5c", "\\").replace("\\5C", "\\")
    return text


def _numeric_oid(token: str) -> str:
    oid = token.strip("'")
    if not _NUMERIC_OID.fullmatch(oid):
        raise InvalidSchema(f"{oid!r} is no object identifier in numbers")
    return oid


def _value(oid: str, keyword: str, form: Form, tokens: Iterator[str]) -> tuple[str, ...]:
    token = next(tokens)
    try:
        if token != "(":
            return (_single(form, token),)
        if form not in (Form.DESCRS, Form.OIDS, Form.STRINGS):
            raise InvalidSchema("has one value, without parentheses")
        inside: list[str] = []
        while (token := next(tokens)) != ")":
            inside.append(token)
        if form is Form.OIDS:
            # "oidlist = oid *( WSP DOLLAR WSP oid )", section 4.1
            if len(inside) % 2 == 0 or any(dollar != "$" for dollar in inside[1::2]):
                raise InvalidSchema("takes names with '$' between them")
            del inside[1::2]
        return tuple([_single(form, token) for token in inside])
    except InvalidSchema as error:
        raise InvalidSchema(f"{oid}: {keyword} {error}") from None


# Nearly all tokens have been met before: the same rules, syntaxes and attributes everywhere.
@lru_cache(maxsize=4096)
def _single(form: Form, token: str) -> str:
    if token in "($)":
        raise InvalidSchema("has no value")
    quoted = token[0] == "'"
    if form is Form.OID or form is Form.OIDS:
        name = token[1:-1] if quoted else token
        if not _DESCR.fullmatch(name) and not _NUMERIC_OID.fullmatch(name):
            raise InvalidSchema(f"{name!r} is neither a name nor an object identifier")
        return name
    if form is Form.SYNTAX:
        found = _SYNTAX.fullmatch(token[1:-1] if quoted else token)
        if not found:
            raise InvalidSchema(f"{token} is no object identifier in numbers")
        return found[1]  # the bound is a hint that nobody has to keep, section 4.1.2
    if not quoted:
        raise InvalidSchema(f"{token} stands without quotes")
    text = _unquoted(token)
    if form is Form.DESCRS and not _DESCR.fullmatch(text):
        raise InvalidSchema(f"{text!r} is no name: a letter, then letters, digits and hyphens")
    return text
