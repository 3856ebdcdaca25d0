"""Every LDAP message as a value: the ASN.1 of RFC 4511 section 4, in the document's words.

Nothing here knows how a message is encoded, except that each operation names its own `tag`: the one
identifier octet of `[APPLICATION n]`. A request also names the class of its `response`, which answers it when it is
refused.

Octets that may hold a secret are left out of every `repr`: passwords, SASL credentials, attribute values, the
values of extended operations (RFC 3062 carries passwords in them).
"""

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum
from typing import ClassVar, get_args

from ldapserver.wire.filters import Filter
from ldapserver.wire.frozen import frozen

MAX_INT = 2147483647  # "maxInt INTEGER ::= 2147483647 -- (2^^31 - 1) --", RFC 4511 section 4.1.1


class ResultCode(IntEnum):
    """The resultCode of an LDAPResult, RFC 4511 section 4.1.9; the last ones from later documents."""

    SUCCESS = 0
    OPERATIONS_ERROR = 1
    PROTOCOL_ERROR = 2
    TIME_LIMIT_EXCEEDED = 3
    SIZE_LIMIT_EXCEEDED = 4
    COMPARE_FALSE = 5
    COMPARE_TRUE = 6
    AUTH_METHOD_NOT_SUPPORTED = 7
    STRONGER_AUTH_REQUIRED = 8
    REFERRAL = 10
    ADMIN_LIMIT_EXCEEDED = 11
    UNAVAILABLE_CRITICAL_EXTENSION = 12
    CONFIDENTIALITY_REQUIRED = 13
    SASL_BIND_IN_PROGRESS = 14
    NO_SUCH_ATTRIBUTE = 16
    UNDEFINED_ATTRIBUTE_TYPE = 17
    INAPPROPRIATE_MATCHING = 18
    CONSTRAINT_VIOLATION = 19
    ATTRIBUTE_OR_VALUE_EXISTS = 20
    INVALID_ATTRIBUTE_SYNTAX = 21
    NO_SUCH_OBJECT = 32
    ALIAS_PROBLEM = 33
    INVALID_DN_SYNTAX = 34
    ALIAS_DEREFERENCING_PROBLEM = 36
    INAPPROPRIATE_AUTHENTICATION = 48
    INVALID_CREDENTIALS = 49
    INSUFFICIENT_ACCESS_RIGHTS = 50
    BUSY = 51
    UNAVAILABLE = 52
    UNWILLING_TO_PERFORM = 53
    LOOP_DETECT = 54
    SORT_CONTROL_MISSING = 60  # draft-ietf-ldapext-ldapv3-vlv-09, as is the next, and 76
    OFFSET_RANGE_ERROR = 61
    NAMING_VIOLATION = 64
    OBJECT_CLASS_VIOLATION = 65
    NOT_ALLOWED_ON_NON_LEAF = 66
    NOT_ALLOWED_ON_RDN = 67
    ENTRY_ALREADY_EXISTS = 68
    OBJECT_CLASS_MODS_PROHIBITED = 69
    AFFECTS_MULTIPLE_DSAS = 71
    VIRTUAL_LIST_VIEW_ERROR = 76
    OTHER = 80
    CANCELED = 118  # RFC 3909 section 2, as are the next three
    NO_SUCH_OPERATION = 119
    TOO_LATE = 120
    CANNOT_CANCEL = 121
    ASSERTION_FAILED = 122  # RFC 4528
    AUTHORIZATION_DENIED = 123  # RFC 4370


class Scope(IntEnum):
    """How far below baseObject a search looks, RFC 4511 section 4.5.1.2."""

    BASE_OBJECT = 0
    SINGLE_LEVEL = 1
    WHOLE_SUBTREE = 2


class DerefAliases(IntEnum):
    """When a search follows aliases, RFC 4511 section 4.5.1.3."""

    NEVER_DEREF_ALIASES = 0
    DEREF_IN_SEARCHING = 1
    DEREF_FINDING_BASE_OBJ = 2
    DEREF_ALWAYS = 3


class ModifyOperation(IntEnum):
    """What a Change does with its values, RFC 4511 section 4.6; increment is RFC 4525."""

    ADD = 0
    DELETE = 1
    REPLACE = 2
    INCREMENT = 3


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
class LDAPResult:
    """What every final response holds, RFC 4511 section 4.1.9; a code without a name stays an `int`."""

    result_code: ResultCode | int
    matched_dn: str = ""
    diagnostic_message: str = ""
    referral: tuple[str, ...] = ()


# Responses stand before requests, so that each request can name the class that answers it.


@frozen
class BindResponse(LDAPResult):
    """RFC 4511 section 4.2.2."""

    tag: ClassVar[int] = 0x61
    server_sasl_creds: bytes | None = field(default=None, repr=False)


@frozen
class SearchResultEntry:
    """One entry found, RFC 4511 section 4.5.2."""

    tag: ClassVar[int] = 0x64
    object_name: str
    attributes: tuple[PartialAttribute, ...]


@frozen
class SearchResultDone(LDAPResult):
    """The end of a search, RFC 4511 section 4.5.2."""

    tag: ClassVar[int] = 0x65


@frozen
class SearchResultReference:
    """Where the rest of a search may be found, RFC 4511 section 4.5.3; at least one URI."""

    tag: ClassVar[int] = 0x73
    uris: tuple[str, ...]


@frozen
class ModifyResponse(LDAPResult):
    """RFC 4511 section 4.6."""

    tag: ClassVar[int] = 0x67


@frozen
class AddResponse(LDAPResult):
    """RFC 4511 section 4.7."""

    tag: ClassVar[int] = 0x69


@frozen
class DelResponse(LDAPResult):
    """RFC 4511 section 4.8."""

    tag: ClassVar[int] = 0x6B


@frozen
class ModifyDNResponse(LDAPResult):
    """RFC 4511 section 4.9."""

    tag: ClassVar[int] = 0x6D


@frozen
class CompareResponse(LDAPResult):
    """RFC 4511 section 4.10."""

    tag: ClassVar[int] = 0x6F


@frozen
class ExtendedResponse(LDAPResult):
    """RFC 4511 section 4.12; with message_id 0 an unsolicited notification (section 4.4)."""

    tag: ClassVar[int] = 0x78
    response_name: str | None = None
    response_value: bytes | None = field(default=None, repr=False)


@frozen
class IntermediateResponse:
    """RFC 4511 section 4.13."""

    tag: ClassVar[int] = 0x79
    response_name: str | None = None
    response_value: bytes | None = field(default=None, repr=False)


@frozen
class SimpleAuthentication:
    """The `simple` choice of a bind, RFC 4511 section 4.2."""

    password: bytes = field(repr=False)


@frozen
class SaslAuthentication:
    """The `sasl` choice of a bind, RFC 4511 section 4.2; absent credentials are not empty ones."""

    mechanism: str
    credentials: bytes | None = field(default=None, repr=False)


@frozen
class BindRequest:
    """RFC 4511 section 4.2."""

    tag: ClassVar[int] = 0x60
    response: ClassVar[type[BindResponse]] = BindResponse
    version: int
    name: str
    authentication: SimpleAuthentication | SaslAuthentication


@frozen
class UnbindRequest:
    """RFC 4511 section 4.3; there is no response."""

    tag: ClassVar[int] = 0x42
    response: ClassVar[None] = None


@frozen
class SearchRequest:
    """RFC 4511 section 4.5.1."""

    tag: ClassVar[int] = 0x63
    response: ClassVar[type[SearchResultDone]] = SearchResultDone
    base_object: str
    scope: Scope
    deref_aliases: DerefAliases
    size_limit: int
    time_limit: int
    types_only: bool
    filter: Filter
    attributes: tuple[str, ...]


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
