"""Every LDAP message as a value: the ASN.1 of RFC 4511 section 4, in the document's words.

Nothing here knows how a message is encoded, except that each operation names its own `tag`: the one
identifier octet of `[APPLICATION n]`. A request also names the class of its `response`, which answers it when it is
refused.

Octets that may hold a secret are left out of every `repr`: passwords, SASL credentials, attribute values, the
values of extended operations (RFC 3062 carries passwords in them).
"""

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar, get_args

from ldapserver.wire.codes import MAX_INT, DerefAliases, ModifyOperation, ResultCode, Scope
from ldapserver.wire.frequent import BindRequest, SaslAuthentication, SearchRequest, SimpleAuthentication
from ldapserver.wire.frozen import frozen
from ldapserver.wire.ldap_result import (
    AddResponse,
    BindResponse,
    CompareResponse,
    DelResponse,
    ExtendedResponse,
    LDAPResult,
    ModifyDNResponse,
    ModifyResponse,
    SearchResultDone,
)

__all__ = [
    "ANSWERED_REQUESTS",
    "MAX_INT",
    "RESULTS",
    "AbandonRequest",
    "AddRequest",
    "AddResponse",
    "AnsweredRequest",
    "BindRequest",
    "BindResponse",
    "Change",
    "CompareRequest",
    "CompareResponse",
    "Control",
    "DelRequest",
    "DelResponse",
    "DerefAliases",
    "ExtendedRequest",
    "ExtendedResponse",
    "IntermediateResponse",
    "LDAPMessage",
    "LDAPResult",
    "ModifyDNRequest",
    "ModifyDNResponse",
    "ModifyOperation",
    "ModifyRequest",
    "ModifyResponse",
    "Operation",
    "PartialAttribute",
    "Request",
    "Response",
    "Result",
    "ResultCode",
    "SaslAuthentication",
    "Scope",
    "SearchRequest",
    "SearchResultDone",
    "SearchResultEntry",
    "SearchResultReference",
    "SimpleAuthentication",
    "UnbindRequest",
]


@frozen
class Control:
    """One control of a message, RFC 4511 section 4.1.11."""

    control_type: str
    criticality: bool = False
    control_value: bytes | None = None


@frozen
class PartialAttribute:
    """An attribute description with its values, RFC 4511 section 4.1.7."""

    type: str
    values: tuple[bytes, ...] = field(repr=False)


@frozen
class SearchResultEntry:
    """One entry found, RFC 4511 section 4.5.2."""

    tag: ClassVar[int] = 0x64
    object_name: str
    attributes: tuple[PartialAttribute, ...]


@frozen
class SearchResultReference:
    """Where the rest of a search may be found, RFC 4511 section 4.5.3; at least one URI."""

    tag: ClassVar[int] = 0x73
    uris: tuple[str, ...]


@frozen
class IntermediateResponse:
    """RFC 4511 section 4.13."""

    tag: ClassVar[int] = 0x79
    response_name: str | None = None
    response_value: bytes | None = field(default=None, repr=False)


@frozen
class UnbindRequest:
    """RFC 4511 section 4.3; there is no response."""

    tag: ClassVar[int] = 0x42
    response: ClassVar[None] = None


@frozen
class Change:
    """One step of a ModifyRequest, RFC 4511 section 4.6."""

    operation: ModifyOperation
    modification: PartialAttribute


@frozen
class ModifyRequest:
    """RFC 4511 section 4.6."""

    tag: ClassVar[int] = 0x66
    response: ClassVar[type[ModifyResponse]] = ModifyResponse
    object: str
    changes: tuple[Change, ...]


@frozen
class AddRequest:
    """RFC 4511 section 4.7; each attribute has at least one value."""

    tag: ClassVar[int] = 0x68
    response: ClassVar[type[AddResponse]] = AddResponse
    entry: str
    attributes: tuple[PartialAttribute, ...]


@frozen
class DelRequest:
    """RFC 4511 section 4.8."""

    tag: ClassVar[int] = 0x4A
    response: ClassVar[type[DelResponse]] = DelResponse
    entry: str


@frozen
class ModifyDNRequest:
    """RFC 4511 section 4.9."""

    tag: ClassVar[int] = 0x6C
    response: ClassVar[type[ModifyDNResponse]] = ModifyDNResponse
    entry: str
    newrdn: str
    deleteoldrdn: bool
    new_superior: str | None = None


@frozen
class CompareRequest:
    """RFC 4511 section 4.10."""

    tag: ClassVar[int] = 0x6E
    response: ClassVar[type[CompareResponse]] = CompareResponse
    entry: str
    attribute_desc: str
    assertion_value: bytes = field(repr=False)


@frozen
class AbandonRequest:
    """RFC 4511 section 4.11; `message_id` is the operation to give up. There is no response."""

    tag: ClassVar[int] = 0x50
    response: ClassVar[None] = None
    message_id: int


@frozen
class ExtendedRequest:
    """RFC 4511 section 4.12."""

    tag: ClassVar[int] = 0x77
    response: ClassVar[type[ExtendedResponse]] = ExtendedResponse
    request_name: str
    request_value: bytes | None = field(default=None, repr=False)


AnsweredRequest = (
    BindRequest
    | SearchRequest
    | ModifyRequest
    | AddRequest
    | DelRequest
    | ModifyDNRequest
    | CompareRequest
    | ExtendedRequest
)
Request = AnsweredRequest | UnbindRequest | AbandonRequest
Result = (
    BindResponse
    | SearchResultDone
    | ModifyResponse
    | AddResponse
    | DelResponse
    | ModifyDNResponse
    | CompareResponse
    | ExtendedResponse
)
Response = Result | SearchResultEntry | SearchResultReference | IntermediateResponse
Operation = Request | Response


@frozen
class LDAPMessage:
    """The envelope of every operation, RFC 4511 section 4.1.1."""

    message_id: int
    operation: Operation
    controls: tuple[Control, ...] = ()


ANSWERED_REQUESTS: tuple[type[AnsweredRequest], ...] = get_args(AnsweredRequest)
# What an `InvalidRequest` is answered with: the response its `response_tag` stands for.
RESULTS: Mapping[int, type[Result]] = {request.response.tag: request.response for request in ANSWERED_REQUESTS}
