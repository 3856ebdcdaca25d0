"""The values of controls and of extended operations, declared as their documents declare them, in pyasn1's words.

Loaded when the first such value is read or written, and not before. An element must be the BER of RFC 4511 section
5.1 before pyasn1 sees it: definite lengths, each within its parent.
"""

from collections.abc import Callable
from typing import Any  # what a pyasn1 object holds is decided by its declaration, which no annotation can follow

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import constraint, namedtype, tag, univ

from ldapserver.errors import OperationRefused, ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire.messages import MAX_INT, ResultCode

# Octets of a value: pyasn1 takes some ten microseconds for an element, which has two octets at least, and everybody
# waits for it.
MAX_VALUE = 16 * 1024

Named, Optional, Defaulted = namedtype.NamedType, namedtype.OptionalNamedType, namedtype.DefaultedNamedType


def _tagged(declared: Any, number: int, *, constructed: bool = False) -> Any:
    """[number] IMPLICIT."""
    form = tag.tagFormatConstructed if constructed else tag.tagFormatSimple
    return declared.subtype(implicitTag=tag.Tag(tag.tagClassContext, form, number))


class Count(univ.Integer):
    """INTEGER (0..maxInt)."""

    subtypeSpec = constraint.ConstraintsIntersection(constraint.ValueRangeConstraint(0, MAX_INT))  # noqa: N815  pyasn1's name, as are the others


class RealSearchControlValue(univ.Sequence):
    """RFC 2696 section 2."""

    componentType = namedtype.NamedTypes(Named("size", Count()), Named("cookie", univ.OctetString()))  # noqa: N815


class _SortKey(univ.Sequence):
    componentType = namedtype.NamedTypes(  # noqa: N815
        Named("attributeType", univ.OctetString()),
        Optional("orderingRule", _tagged(univ.OctetString(), 0)),
        Defaulted("reverseOrder", _tagged(univ.Boolean(False), 1)),
    )


class SortKeyList(univ.SequenceOf):
    """RFC 2891 section 1.1."""

    componentType = _SortKey()  # noqa: N815


class SortResult(univ.Sequence):
    """RFC 2891 section 1.2."""

    componentType = namedtype.NamedTypes(  # noqa: N815
        Named("sortResult", univ.Enumerated()),
        Optional("attributeType", _tagged(univ.OctetString(), 0)),
    )


class _ByOffset(univ.Sequence):
    componentType = namedtype.NamedTypes(  # noqa: N815
        # The draft begins at 1; 0 is out of the list's range, which has a code of its own.
        Named("offset", Count()),
        Named("contentCount", Count()),
    )


class _Target(univ.Choice):
    componentType = namedtype.NamedTypes(  # noqa: N815
        Named("byOffset", _tagged(_ByOffset(), 0, constructed=True)),
        Named("greaterThanOrEqual", _tagged(univ.OctetString(), 1)),
    )


class VirtualListViewRequest(univ.Sequence):
    """draft-ietf-ldapext-ldapv3-vlv-09 section 6.1."""

    componentType = namedtype.NamedTypes(  # noqa: N815
        Named("beforeCount", Count()),
        Named("afterCount", Count()),
        Named("target", _Target()),
        Optional("contextID", univ.OctetString()),
    )


class VirtualListViewResponse(univ.Sequence):
    """draft-ietf-ldapext-ldapv3-vlv-09 section 6.2."""

    componentType = namedtype.NamedTypes(  # noqa: N815
        Named("targetPosition", Count()),
        Named("contentCount", Count()),
        Named("virtualListViewResult", univ.Enumerated()),
        Optional("contextID", univ.OctetString()),
    )


class AttributeSelection(univ.SequenceOf):
    """RFC 4511 section 4.5.1, for RFC 4527."""

    componentType = univ.OctetString()  # noqa: N815


class CancelRequestValue(univ.Sequence):
    """RFC 3909 section 2.1."""

    componentType = namedtype.NamedTypes(Named("cancelID", Count()))  # noqa: N815


class PasswdModifyRequestValue(univ.Sequence):
    """RFC 3062 section 2."""

    componentType = namedtype.NamedTypes(  # noqa: N815
        Optional("userIdentity", _tagged(univ.OctetString(), 0)),
        Optional("oldPasswd", _tagged(univ.OctetString(), 1)),
        Optional("newPasswd", _tagged(univ.OctetString(), 2)),
    )


class PasswdModifyResponseValue(univ.Sequence):
    """RFC 3062 section 2."""

    componentType = namedtype.NamedTypes(  # noqa: N815
        Optional("genPasswd", _tagged(univ.OctetString(), 0)),
    )


def decode(declaration: Callable[[], Any], value: bytes | None, name: str) -> Any:
    """The value read as it is declared. Raises OperationRefused: protocolError, and where in `name` it went wrong."""
    whole = declaration()
    if value is None:
        raise malformed(f"{name}: there is no value")
    if len(value) > MAX_VALUE:
        raise OperationRefused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"{name}: longer than {MAX_VALUE} octets")
    try:
        ber.check(value)
        decoded, rest = decoder.decode(value, asn1Spec=whole)
    except ProtocolViolation:
        raise malformed(f"{name}: its value is no BER of RFC 4511 section 5.1") from None
    except (PyAsn1Error, ValueError):  # a ValueError where it cannot write an INTEGER of thousands of digits
        raise malformed(f"{name}: {_field(whole, value)} is not what {type(whole).__name__} says") from None
    if rest:
        raise malformed(f"{name}: {len(rest)} octets behind its value")
    return decoded


def text(octets: Any, name: str) -> str:
    """An LDAPString or LDAPOID inside a value. Raises OperationRefused where it is none."""
    try:
        return bytes(octets).decode()
    except UnicodeDecodeError:
        raise malformed(f"{name}: not UTF-8, RFC 4511 section 4.1.2 demands it") from None


def encode(declaration: Callable[[], Any], **fields: object) -> bytes:
    """The octets of a SEQUENCE with these fields; one that is None is left out."""
    value = declaration()
    for name, field in fields.items():
        if field is not None:
            value[name] = field
    octets: bytes = encoder.encode(value)
    return octets


def malformed(text: str) -> OperationRefused:
    """The refusal of a value that does not have its form."""
    return OperationRefused(ResultCode.PROTOCOL_ERROR, text)


def _field(whole: Any, value: bytes) -> str:
    """Which field of a SEQUENCE pyasn1 stumbled at: the first that cannot be read by itself."""
    if not isinstance(whole, univ.Sequence) or value[:1] != b"\x30":
        return "its value"
    start, end = ber.expect(value, 0, len(value), ber.SEQUENCE, "value")
    rest = value[start:end]
    for field in whole.componentType.namedTypes:
        try:
            _, rest = decoder.decode(rest, asn1Spec=field.asn1Object)
        except (PyAsn1Error, ValueError):
            if not (field.isOptional or field.isDefaulted):
                return str(field.name)
    return "what is behind its last field"
