"""An LDAP message as the tree of its BER elements: offset, octets, and the names of RFC 4511.

Names and values are pyasn1's, by the grammar that ldap3 has of RFC 4511. A message that does not follow it is shown
without names as far as its elements can be told apart. Passwords are masked, in the octets too; how long they are is
not hidden.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ldap3.protocol.rfc4511 import LDAPMessage
from pyasn1.codec.ber import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import tag, univ

from ldapserver.errors import ProtocolViolation
from ldapserver.printable import printable
from ldapserver.wire import ber

A_LINE = 8  # octets
A_VALUE = 64  # characters of a value beside its name; all of its octets stand below
ROOM = 1 << 40  # octets; more than any message
MAX_DEPTH = 64  # elements inside of each other; a filter nests, and a hostile one deeply

# Attributes whose values are passwords, or as good as one: RFC 4519, [MS-ADA3], Samba's schema.
SECRET_ATTRIBUTES = frozenset(
    {
        "userpassword",
        "unicodepwd",
        "clearpassword",
        "cleartextpassword",
        "dbcspwd",
        "ntpwdhistory",
        "lmpwdhistory",
        "supplementalcredentials",
        "authpassword",
        "sambantpassword",
        "sambalmpassword",
        "sambapasswordhistory",
        "krbprincipalkey",
        "initialauthincoming",
        "initialauthoutgoing",
        "trustauthincoming",
        "trustauthoutgoing",
        "currentvalue",
        "priorvalue",
        "ms-mcs-admpwd",
        "mslaps-password",
        "mslaps-encryptedpassword",
        "msds-managedpassword",
        "pwdhistory",
    }
)
# SASL credentials that hold no password, or only what is derived from one. All others are masked.
OPEN_MECHANISMS = frozenset({b"DIGEST-MD5", b"EXTERNAL", b"ANONYMOUS", b"GSSAPI", b"GSS-SPNEGO", b"CRAM-MD5"})
_PASSWORD_MODIFY = b"1.3.6.1.4.1.4203.1.11.1"  # RFC 3062: both passwords are in its value

_CLASSES = {tag.tagClassApplication: "APPLICATION ", tag.tagClassContext: "", tag.tagClassPrivate: "PRIVATE "}
_UNIVERSAL = {
    1: "BOOLEAN",
    2: "INTEGER",
    3: "BIT STRING",
    4: "OCTET STRING",
    5: "NULL",
    6: "OBJECT IDENTIFIER",
    10: "ENUMERATED",
    12: "UTF8String",
    16: "SEQUENCE",
    17: "SET",
}
_OCTET_STRING = 4
_HIDING = frozenset({0x60, 0x77, 0x78})  # bindRequest, extendedReq, extendedResp


@dataclass(slots=True)
class _Secrecy:
    """What was read of the message so far that makes what follows a secret."""

    attribute: str = ""  # whose values, or whose assertion, comes next
    mechanism: bytes | None = None
    extension: bytes = b""
    seen: bool = False  # without a grammar: a name was read whose values are secret


@dataclass(frozen=True, slots=True)
class _Element:
    """Where an element of the message stands: from `at`, its contents from `start` to `stop`."""

    message: bytes = field(repr=False)
    at: int
    start: int
    stop: int
    missing: int = 0  # octets that its length announces and that are not there

    @classmethod
    def cut(cls, message: bytes, at: int, end: int) -> "_Element | None":
        """The one at `at`, as much of it as there is; None where none can begin."""
        try:
            return cls.read(message, at, end)
        except ProtocolViolation:
            pass
        try:
            # Room for any length: what is missing of the octets is counted below.
            identifier, start, stop = ber.header(message, at, ROOM, "element")
        except (ProtocolViolation, IndexError):
            return None
        # Text is no BER: of what breaks only what is constructed, or a string, has anything to show inside.
        if start > end or not (identifier & ber.CONSTRUCTED or identifier in (_OCTET_STRING, 0x80, 0x87)):
            return None
        return cls(message, at, start, end, stop - end)

    @classmethod
    def read(cls, message: bytes, at: int, end: int) -> "_Element":
        """The one at `at`. Raises ProtocolViolation."""
        _, start, stop = ber.header(message, at, end, "element")
        return cls(message, at, start, stop)

    @property
    def identifier(self) -> int:
        return self.message[self.at]

    @property
    def octets(self) -> bytes:
        return self.message[self.at : self.stop]

    @property
    def contents(self) -> bytes:
        return self.message[self.start : self.stop]

    @property
    def constructed(self) -> bool:
        return bool(self.identifier & ber.CONSTRUCTED)

    @property
    def is_universal(self) -> bool:
        return not self.identifier & 0xC0

    def called(self) -> str:
        """Its tag in words."""
        number = self.identifier & 0x1F
        if self.is_universal:
            return _UNIVERSAL.get(number, f"[UNIVERSAL {number}]")
        return f"[{_CLASSES[self.identifier & 0xC0]}{number}]"


class _Mismatch(Exception):
    """The message is not what the grammar says; the text says where."""


def tree(message: bytes) -> list[str]:
    """The lines: offset, octets in hexadecimal, and beside them the element with name, type and value.

    Nothing is raised: what is no BER is shown in octets, under a line that says where it breaks.
    """
    try:
        element = _Element.read(message, 0, len(message))
        if element.stop != len(message):
            raise _Mismatch(f"{len(message) - element.stop} octets are left behind the LDAPMessage")
        return list(_named(element, LDAPMessage(), "LDAPMessage", 0, _Secrecy()))
    except (_Mismatch, ProtocolViolation) as error:
        return [f"not by the grammar of RFC 4511: {error}", *_untyped(message, 0, len(message), 0, _Secrecy())]


# With the grammar.


def _named(element: _Element, spec: Any, name: str, depth: int, secrecy: _Secrecy) -> Iterator[str]:
    """The lines of an element which is `name`, and of type `spec`, a type of pyasn1's."""
    if depth > MAX_DEPTH:
        raise _Mismatch(f"more than {MAX_DEPTH} elements inside of each other")
    while isinstance(spec, univ.Choice) and not _is_tagged(spec):
        found = next((each for each in _parts(spec).namedTypes if _is(element, each.asn1Object)), None)
        if found is None:
            raise _Mismatch(f"{name}: there is no alternative {element.called()}")
        name, spec = (found.name if name in ("protocolOp", "") else f"{name} {found.name}"), found.asn1Object
    if not _is(element, spec) or element.constructed != isinstance(spec, _CONSTRUCTED):
        raise _Mismatch(f"{name or 'element'}: is {element.called()}")
    if isinstance(spec, univ.Choice):  # one with a tag of its own, around another: not [2] Filter
        yield _head(element, depth, f"{name} {element.called()}")
        inside = _Element.read(element.message, element.start, element.stop)
        yield from _named(inside, _parts(spec).namedTypes[0].asn1Object, "", depth + 1, secrecy)
    elif isinstance(spec, univ.SequenceOf | univ.SetOf):
        yield _head(element, depth, _titled(name, element, spec))
        for child in _children(element):
            yield from _named(child, _parts(spec), _ITEMS.get(name, ""), depth + 1, secrecy)
    elif isinstance(spec, univ.Sequence):
        yield _head(element, depth, _titled(name, element, spec))
        yield from _components(element, spec, depth + 1, secrecy)
    else:
        yield from _leaf(element, spec, name, depth, secrecy)


_CONSTRUCTED = (univ.Sequence, univ.SequenceOf, univ.Set, univ.SetOf, univ.Choice)


def _components(element: _Element, spec: Any, depth: int, secrecy: _Secrecy) -> Iterator[str]:
    """The lines of what is inside of a SEQUENCE."""
    due = list(_parts(spec).namedTypes)
    for child in _children(element):
        skipped = []
        while due and not _is(child, due[0].asn1Object):
            skipped.append(due.pop(0))
        _expect_optional(skipped)
        if not due:  # RFC 4511 section 4: what is trailing and unknown is passed over
            yield from _untyped(child.message, child.at, child.stop, depth, _Secrecy(seen=True))
            continue
        component = due.pop(0)
        yield from _named(child, component.asn1Object, component.name, depth, secrecy)
    _expect_optional(due)


def _expect_optional(absent: list[Any]) -> None:
    for component in absent:
        if not (component.isOptional or component.isDefaulted):
            raise _Mismatch(f"{component.name}: is absent")


# What the parts of a list are, of which the grammar has no names.
_ITEMS = {"controls": "control", "attributes": "attribute", "vals": "value", "referral": "uri", "changes": "change",
          "searchResRef": "uri"}  # fmt: skip


def _titled(name: str, element: _Element, spec: Any) -> str:
    kind = "SET" if isinstance(spec, univ.SetOf) else "SEQUENCE"
    if not element.is_universal:
        kind = f"{element.called()} {kind}"
    if isinstance(spec, univ.SequenceOf | univ.SetOf):
        kind += " OF"
    return f"{name} {kind}".strip()


def _is_tagged(choice: Any) -> bool:
    return len(type(choice).tagSet) > 0


def _parts(spec: Any) -> Any:
    """The type of what is inside. ldap3 makes And, Or and Not whole after it has made the instances in Filter."""
    return type(spec).componentType


def _is(element: _Element, spec: Any) -> bool:
    """Whether an element's tag is one that `spec` may have."""
    if isinstance(spec, univ.Choice) and not _is_tagged(spec):
        return any(_is(element, each.asn1Object) for each in _parts(spec).namedTypes)
    outer = type(spec).tagSet.superTags[-1]
    return bool(outer.tagClass == element.identifier & 0xC0 and outer.tagId == element.identifier & 0x1F)


def _children(element: _Element) -> Iterator[_Element]:
    at = element.start
    while at < element.stop:
        child = _Element.read(element.message, at, element.stop)
        yield child
        at = child.stop


def _leaf(element: _Element, spec: Any, name: str, depth: int, secrecy: _Secrecy) -> Iterator[str]:
    kind = element.called() if element.is_universal else f"{element.called()} {_type(spec)}"
    hidden = _is_secret(element, name, secrecy)
    text = f"({len(element.contents)} octets, not shown)" if hidden else _value(element, spec)
    yield from _lines(element, depth, f"{name} {kind} {text}".strip(), hidden)


def _is_secret(element: _Element, name: str, secrecy: _Secrecy) -> bool:
    """Whether the value of a leaf must not be shown; what is read on the way decides about those that follow."""
    contents = element.contents
    name = name.rpartition(" ")[2]
    if name in ("type", "attributeDesc"):
        secrecy.attribute = contents.decode("ascii", "replace").partition(";")[0].lower()
    elif name == "mechanism":
        secrecy.mechanism = contents
    elif name == "requestName":
        secrecy.extension = contents
    elif name in ("simple", "sicilyPackageDiscovery", "sicilyNegotiate", "sicilyResponse"):
        return True
    elif name in ("credentials", "saslCreds"):
        return secrecy.mechanism is None or not _is_open(secrecy.mechanism)
    elif name == "requestValue":
        return secrecy.extension == _PASSWORD_MODIFY
    elif name == "responseValue":
        # genPasswd of RFC 3062 comes without a name of the operation; it is a SEQUENCE, an authzId is text.
        return contents[:1] == b"\x30"
    elif name in ("value", "assertionValue", "matchValue", "initial", "any", "final"):
        return secrecy.attribute in SECRET_ATTRIBUTES
    return False


def _is_open(mechanism: bytes) -> bool:
    return mechanism in OPEN_MECHANISMS or mechanism.startswith(b"SCRAM-")


def _type(spec: Any) -> str:
    base = type(spec).__mro__
    for kind, words in ((univ.Boolean, "BOOLEAN"), (univ.Enumerated, "ENUMERATED"), (univ.Integer, "INTEGER")):
        if kind in base:
            return words
    return "NULL" if isinstance(spec, univ.Null) else "OCTET STRING"


def _value(element: _Element, spec: Any) -> str:
    """A leaf's value as pyasn1 reads it."""
    try:
        value, _ = decoder.decode(element.octets, asn1Spec=spec)
    except PyAsn1Error as error:
        raise _Mismatch(f"pyasn1: {printable(str(error))[:80]}") from None
    if isinstance(value, univ.Null):
        return ""
    if isinstance(value, univ.Boolean):
        return "TRUE" if value else "FALSE"
    if isinstance(value, univ.Integer):
        number = int(value)
        named = {int(code): words for words, code in value.namedValues.items()}
        return f"{named[number]} ({number})" if number in named else str(number)
    return _quoted(bytes(value))


def _quoted(octets: bytes) -> str:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return f"({len(octets)} octets, binary)"
    shown = printable(text)
    if shown != text and len(shown) > 2 * len(text):
        return f"({len(octets)} octets, binary)"
    return f'"{shown}"' if len(shown) <= A_VALUE else f'"{shown[:A_VALUE]}"... ({len(octets)} octets)'


# Without the grammar.


def _untyped(message: bytes, at: int, end: int, depth: int, secrecy: _Secrecy) -> Iterator[str]:
    while at < end:
        element = _Element.cut(message, at, end)
        if element is None:
            yield f"{' ' * 6}here it breaks: no element begins"
            yield from _dump(message, at, end, hidden=secrecy.seen)
            return
        at = element.stop
        if element.missing:
            yield f"{' ' * 6}cut short: {element.missing} octets are missing"
        # A password may be in each of their parts; without a grammar nobody can tell in which.
        inside = _Secrecy(seen=True) if element.identifier in _HIDING else secrecy
        if element.constructed and depth < MAX_DEPTH:
            yield _head(element, depth, f"{element.called()}, {element.stop - element.start} octets")
            yield from _untyped(message, element.start, element.stop, depth + 1, inside)
            continue
        hidden = inside.seen and not (element.is_universal and element.identifier & 0x1F != _OCTET_STRING)
        text = f"({len(element.contents)} octets, not shown)" if hidden else _untyped_value(element)
        yield from _lines(element, depth, f"{element.called()} {text}".strip(), hidden)
        if element.contents.lower().partition(b";")[0] in _SECRET_NAMES:
            secrecy.seen = True


_SECRET_NAMES = frozenset({name.encode() for name in SECRET_ATTRIBUTES} | {_PASSWORD_MODIFY})


def _untyped_value(element: _Element) -> str:
    if not element.is_universal or element.identifier & 0x1F == _OCTET_STRING:
        return _quoted(element.contents)
    try:
        value, _ = decoder.decode(element.octets)
        return printable(str(value))
    except Exception as error:  # whatever pyasn1 stumbles over in what is no BER
        return f"(pyasn1: {printable(str(error))[:80]})"


# Octets.

_WIDTH = 3 * A_LINE - 1


def _hex(octets: bytes) -> str:
    return octets.hex(" ")


def _line(at: int, shown: str, depth: int, text: str) -> str:
    return f"{at:5}  {shown:{_WIDTH}}  {'  ' * depth}{text}".rstrip()


def _head(element: _Element, depth: int, text: str) -> str:
    return _line(element.at, _hex(element.message[element.at : element.start]), depth, text)


def _lines(element: _Element, depth: int, text: str, hidden: bool) -> Iterator[str]:
    """A leaf: on one line where its octets fit there, else those of its contents on lines below."""
    if element.stop - element.at <= A_LINE:
        shown = _hex(element.message[element.at : element.start]).split(" ")
        shown += ["**" if hidden else f"{octet:02x}" for octet in element.contents]
        yield _line(element.at, " ".join(shown), depth, text)
        return
    yield _head(element, depth, text)
    yield from _dump(element.message, element.start, element.stop, hidden=hidden)


def _dump(message: bytes, start: int, stop: int, *, hidden: bool) -> Iterator[str]:
    for at in range(start, stop, A_LINE):
        octets = message[at : min(at + A_LINE, stop)]
        yield _line(at, " ".join(["**"] * len(octets)) if hidden else _hex(octets), 0, "")
