"""LDIF: entries and changes as text, read record by record, and entries written (RFC 2849).

Read by the letter, and more generously where files in use are: UTF-8 in the clear and a last '-' left out, both of
which OpenLDAP 2.5 reads. Names are read liberally, as the examples of the RFC need. Not done: "Implementations
SHOULD support the file:// URL format" (note 6). A value given as a URL is refused, for a directory file is not to
choose which files of this machine, or of the network, are read.
"""

import io
import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from sys import intern

from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION, DN, NUMERICOID, InvalidDN
from ldapserver.wire.messages import Change, Control, ModifyOperation, PartialAttribute

FOLD_AT = 76  # columns; "MAY be folded", RFC 2849 note 2, which leaves the width open

Attributes = tuple[tuple[str, tuple[bytes, ...]], ...]  # in written order; one name's values stand together


class InvalidLDIF(ValueError):
    """`FILE:LINE: what is wrong and the rule`; never shows a value, which may be a password."""


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """An entry: ldif-attrval-record."""

    dn: DN
    attributes: Attributes = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class AddRecord:
    """changetype: add."""

    dn: DN
    attributes: Attributes = field(repr=False)
    controls: tuple[Control, ...]
    line: int


@dataclass(frozen=True, slots=True)
class DeleteRecord:
    """changetype: delete."""

    dn: DN
    controls: tuple[Control, ...]
    line: int


@dataclass(frozen=True, slots=True)
class ModifyRecord:
    """changetype: modify."""

    dn: DN
    changes: tuple[Change, ...]
    controls: tuple[Control, ...]
    line: int


@dataclass(frozen=True, slots=True)
class ModifyDNRecord:
    """changetype: modrdn or moddn; `newrdn` is a name of one RDN."""

    dn: DN
    newrdn: DN
    deleteoldrdn: bool
    newsuperior: DN | None
    controls: tuple[Control, ...]
    line: int


Record = EntryRecord | AddRecord | DeleteRecord | ModifyRecord | ModifyDNRecord


Report = Callable[[InvalidLDIF], None]


def _refuse(error: InvalidLDIF) -> None:
    raise error


def read_ldif(lines_or_text: Iterable[str] | str, source: str, report: Report | None = None) -> Iterator[Record]:
    """Read the records of a text, or of lines such as a file opened as UTF-8 gives; `source` is its name in errors.

    One record is held at a time. Raises `InvalidLDIF` at the first thing that is wrong, after the records before it;
    with `report`, each thing that is wrong is told to it, and reading goes on with the next record.
    """
    lines = io.StringIO(lines_or_text) if isinstance(lines_or_text, str) else lines_or_text
    tell = report or _refuse
    reader = _Reader(source)
    kind: bool | None = None
    for number, block in enumerate(_blocks(lines, source, tell)):
        # "version-spec = "version:" FILL version-number", once and first; blank lines may follow it.
        if not number and block[0][1][:8].lower() == "version:":
            line, version = block.pop(0)
            if version[8:].lstrip(" ") != "1":
                tell(reader.wrong(line, "the version is not 1, the only one there is (RFC 2849, version-number)"))
            if not block:
                continue
        try:
            record = reader.record(block)
        except InvalidLDIF as error:
            tell(error)
            continue
        # "a set of directory entries, or a set of changes to be applied to directory entries, but not both"
        if kind is not None and kind != isinstance(record, EntryRecord):
            tell(reader.wrong(record.line, "entries and changes in one file (RFC 2849, ldif-file)"))
            continue
        kind = isinstance(record, EntryRecord)
        yield record


def write_entry(dn: DN, attributes: Iterable[tuple[str, Iterable[bytes]]]) -> str:
    """The entry as one LDIF record that ends with its last line; a blank line goes between two records.

    Raises `InvalidLDIF` for an attribute that no reader could tell from the lines around it.
    """
    return write_record(str(dn), attributes)


def write_record(name: str, attributes: Iterable[tuple[str, Iterable[bytes]]]) -> str:
    """As `write_entry`, for an entry whose `name` is written as it stands: that which another server has given."""
    lines = [_written("dn", name.encode())]
    for description, values in attributes:
        if not ATTRIBUTE_DESCRIPTION.fullmatch(description):
            raise InvalidLDIF(f"{name}: {description!r} is no attribute description (RFC 4512 section 2.5)")
        # Behind the name "changetype:" makes a change of an entry, and "dn:" looks like a blank line left out.
        if description.lower() in _NOT_ATTRIBUTES:
            raise InvalidLDIF(f"{name}: an attribute called {description!r} cannot be written (RFC 2849, ldif-file)")
        lines.append(write_attribute(description, values))
    return "".join(lines)


def write_attribute(description: str, values: Iterable[bytes]) -> str:
    """The lines of one attribute of an entry, a value behind another."""
    return "".join([_written(description, value) for value in values])


# A logical line: the number of its first line in the file, and its text unfolded.
_Line = tuple[int, str]


def _blocks(lines: Iterable[str], source: str, tell: Report) -> Iterator[list[_Line]]:
    """The logical lines between two blank lines, without comments; only blocks that hold something."""
    block: list[_Line] = []
    folded: list[str] | None = None  # the parts of the last line, once it is known to be folded
    comment = False  # whether a continuation would belong to a comment
    for number, line in _numbered(lines, source):
        line = line.removesuffix("\n").removesuffix("\r")
        first = line[:1]
        if first == " ":
            # "exactly one space character at the beginning of each continued line must be discarded", note 2.
            if comment:
                continue
            if not block:
                tell(InvalidLDIF(f"{source}:{number}: a continuation with no line before it (RFC 2849 note 2)"))
                continue
            if folded is None:
                folded = [block[-1][1]]
            folded.append(line[1:])
            continue
        if first == "#":
            # "Any line that begins with a pound-sign [...] MUST be ignored", note 3; a comment may be folded, note 2.
            comment = True
            continue
        comment = False
        if folded is not None:
            block[-1] = (block[-1][0], "".join(folded))
            folded = None
        if first:
            block.append((number, line))
        elif block:
            yield block
            block = []
    if folded is not None:
        block[-1] = (block[-1][0], "".join(folded))
    if block:
        yield block


def _numbered(lines: Iterable[str], source: str) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield number, line
    except UnicodeDecodeError:
        raise InvalidLDIF(f"{source}:{number + 1}: not UTF-8 from here on (RFC 2849 note 7)") from None


_OPERATIONS = {
    operation.name.lower(): operation for operation in ModifyOperation
}  # "increment:" is RFC 4525 section 5
_NOT_ATTRIBUTES = ("dn", "changetype")  # names that only misplaced lines have

# "control = "control:" FILL ldap-oid 0*1(1*SPACE ("true" / "false")) 0*1(value-spec) SEP"
_CONTROL = re.compile(rf"control: *({NUMERICOID})(?: +(true|false))?(?::(.*))?", re.IGNORECASE | re.DOTALL)


class _Reader:
    """One reading: the name of the file, for errors, and the attribute names met, each checked once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._names: dict[str, str] = {}  # as written: in lower case

    def wrong(self, line: int, what: str) -> InvalidLDIF:
        return InvalidLDIF(f"{self._source}:{line}: {what}")

    def record(self, block: list[_Line]) -> Record:
        line, text = block[0]
        # "dn-spec = "dn:" (FILL distinguishedName / ":" FILL base64-distinguishedName)"
        name, colon, rest = text.partition(":")
        if not colon or name.lower() != "dn":
            raise self.wrong(line, "a record begins with 'dn:' (RFC 2849, dn-spec)")
        dn = self._dn(line, rest)
        controls = 0
        while block[1 + controls : 2 + controls] and block[1 + controls][1][:8].lower() == "control:":
            controls += 1
        # "ldif-change-record = dn-spec SEP *control changerecord"; without a changetype "control" is an attribute.
        body = block[1 + controls :]
        if body and body[0][1][:11].lower() == "changetype:":
            return self._change(dn, tuple([self._control(*at) for at in block[1 : 1 + controls]]), body, line)
        if len(block) == 1:
            raise self.wrong(line, "an entry has one attribute at least (RFC 2849, ldif-attrval-record)")
        return EntryRecord(dn, self._attributes(block[1:]), line)

    def _change(self, dn: DN, controls: tuple[Control, ...], body: list[_Line], line: int) -> Record:
        at, changetype = body.pop(0)
        match changetype[11:].lstrip(" ").lower():
            case "add":
                if not body:
                    raise self.wrong(at, "an add has one attribute at least (RFC 2849, change-add)")
                return AddRecord(dn, self._attributes(body), controls, line)
            case "delete":
                if body:
                    raise self.wrong(body[0][0], "nothing follows 'changetype: delete' (RFC 2849, change-delete)")
                return DeleteRecord(dn, controls, line)
            case "modify":
                return ModifyRecord(dn, tuple(self._changes(body)), controls, line)
            case "modrdn" | "moddn":
                return self._modify_dn(dn, controls, body, line)
            case other:
                raise self.wrong(at, f"{other!r} is no changetype (RFC 2849, changerecord)")

    def _changes(self, body: list[_Line]) -> Iterator[Change]:
        # "mod-spec = ("add:" / "delete:" / "replace:") FILL AttributeDescription SEP *attrval-spec "-" SEP"
        lines = iter(body)
        for line, text in lines:
            name, colon, rest = text.partition(":")
            operation = _OPERATIONS.get(name.lower())
            if not colon or operation is None:
                raise self.wrong(
                    line, "a change begins with add:, delete:, replace: or increment: (RFC 2849, mod-spec)"
                )
            attribute = rest.lstrip(" ")
            lowered = self._name(line, attribute)
            values: list[bytes] = []
            for at, value in lines:
                if value == "-":
                    break
                described, colon, rest = value.partition(":")
                if not colon or described.lower() != lowered:
                    raise self.wrong(at, f"a value of {attribute!r}, or '-', must come here (RFC 2849, mod-spec)")
                values.append(self._value(at, rest))
            yield Change(operation, PartialAttribute(attribute, tuple(values)))

    def _modify_dn(self, dn: DN, controls: tuple[Control, ...], body: list[_Line], line: int) -> ModifyDNRecord:
        # "change-moddn = ("modrdn" / "moddn") SEP "newrdn:" [...] SEP "deleteoldrdn:" FILL ("0" / "1") SEP
        #                 0*1("newsuperior:" [...] SEP)"
        given = [(at, *text.partition(":")) for at, text in body]
        names = [name.lower() + colon for _, name, colon, _ in given]
        if names not in (["newrdn:", "deleteoldrdn:"], ["newrdn:", "deleteoldrdn:", "newsuperior:"]):
            raise self.wrong(line, "newrdn:, deleteoldrdn: and perhaps newsuperior: in turn (RFC 2849, change-moddn)")
        newrdn = self._dn(given[0][0], given[0][3])
        if len(newrdn.rdns) != 1:
            raise self.wrong(given[0][0], "newrdn is not one RDN (RFC 2849, change-moddn)")
        deleteoldrdn = given[1][3].lstrip(" ")
        if deleteoldrdn not in ("0", "1"):
            raise self.wrong(given[1][0], f"deleteoldrdn is {deleteoldrdn!r}, not 0 or 1 (RFC 2849, change-moddn)")
        newsuperior = self._dn(given[2][0], given[2][3]) if len(given) == 3 else None
        return ModifyDNRecord(dn, newrdn, deleteoldrdn == "1", newsuperior, controls, line)

    def _control(self, line: int, text: str) -> Control:
        match = _CONTROL.fullmatch(text)
        if match is None:
            raise self.wrong(line, "a control is an OID, perhaps true or false, perhaps a value (RFC 2849, control)")
        control_type, criticality, value = match.groups()
        # "criticality BOOLEAN DEFAULT FALSE", RFC 4511 section 4.1.11.
        critical = criticality is not None and criticality.lower() == "true"
        return Control(control_type, critical, None if value is None else self._value(line, value))

    def _attributes(self, lines: list[_Line]) -> Attributes:
        """The attributes, each where its first value stands and as it is written there."""
        names: list[str] = []
        values: dict[str, list[bytes]] = {}
        for line, text in lines:
            name, colon, rest = text.partition(":")
            if not colon:
                raise self.wrong(line, "no ':' after the attribute (RFC 2849, attrval-spec)")
            lowered = self._names.get(name) or self._name(line, name)
            value = self._value(line, rest)
            if lowered in values:
                values[lowered].append(value)
            else:
                values[lowered] = [value]
                names.append(intern(name))  # one string for all entries that have the attribute
        return tuple([(name, tuple(held)) for name, held in zip(names, values.values(), strict=True)])

    def _name(self, line: int, name: str) -> str:
        if not ATTRIBUTE_DESCRIPTION.fullmatch(name):
            raise self.wrong(line, f"{name[:80]!r} is no attribute description (RFC 4512 section 2.5)")
        lowered = name.lower()
        if lowered in _NOT_ATTRIBUTES:
            raise self.wrong(line, f"'{lowered}:' cannot come here (RFC 2849, ldif-file)")
        self._names[name] = lowered
        return lowered

    def _value(self, line: int, rest: str) -> bytes:
        """The value-spec behind the first ':' of a line.

        "value-spec = ":" ( FILL 0*1(SAFE-STRING) / ":" FILL (BASE64-STRING) / "<" FILL url)"
        """
        first = rest[:1]
        if first == ":":
            # "LDIF does not permit any extraneous characters", note 10; strict_mode overlooks '=' too many.
            base64 = rest[1:].lstrip(" ")
            try:
                if len(base64) % 4 == 0 and not base64.endswith("==="):
                    return a2b_base64(base64, strict_mode=True)
            except ValueError:  # binascii.Error is one, and so is a character outside ASCII
                pass
            raise self.wrong(line, "not base64, or cut short (RFC 2849 note 10)")
        if first == "<":
            raise self.wrong(line, "a value by URL (':<') is not followed: give it in base64, after '::'")
        value = rest.lstrip(" ")
        # "any value <= 127 except NUL, LF, CR, SPACE, colon [...] and less-than", SAFE-INIT-CHAR; 127 apart, as said.
        if value[:1] in (":", "<") or "\0" in value or "\r" in value:
            raise self.wrong(
                line,
                "a value that begins with ':' or '<', or holds NUL or CR, is written in base64 (RFC 2849 note 4)",
            )
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise self.wrong(line, "not UTF-8 (RFC 2849 note 7)") from None

    def _dn(self, line: int, rest: str) -> DN:
        octets = self._value(line, rest)
        try:
            return DN.parse(octets.decode())
        except InvalidDN as error:
            raise self.wrong(line, str(error)) from None
        except UnicodeDecodeError:
            raise self.wrong(line, "the name is not UTF-8 (RFC 4514 section 3)") from None


# SAFE-STRING of RFC 2849, less the control characters it allows, so that a terminal shows what the file holds; and
# "Values or distinguished names that end with SPACE SHOULD be base-64 encoded", note 8.
_SAFE = re.compile(rb"(?:[!-9;=-~](?:[ -~]*[!-~])?)?")


def _written(name: str, value: bytes) -> str:
    if not value:
        line = f"{name}:"
    elif _SAFE.fullmatch(value):
        line = f"{name}: {value.decode()}"
    else:
        line = f"{name}:: {b64encode(value).decode()}"
    if len(line) <= FOLD_AT:
        return f"{line}\n"
    rest = range(FOLD_AT, len(line), FOLD_AT - 1)  # the blank takes a column
    return "\n ".join([line[:FOLD_AT], *[line[start : start + FOLD_AT - 1] for start in rest]]) + "\n"
