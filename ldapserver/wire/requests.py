"""The ten requests over BER, each read and written as its ASN.1 stands in RFC 4511 sections 4.2 to 4.12.

A reader gets the octets and where the contents of its protocolOp begin and stop; a writer gives the whole protocolOp.
What is trailing and unknown is passed over, which `ber.skip` says (section 4).
"""

from typing import Final

from ldapserver.errors import ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire.fields import (
    Refused,
    has,
    read_attribute,
    read_attributes,
    read_dn,
    read_enumerated,
    read_limit,
    read_name,
    read_optional_octets,
    read_text,
    read_texts,
    text_value,
    write_attribute,
    write_attributes,
    write_text,
    write_texts,
)
from ldapserver.wire.filter_codec import read_assertion, read_filter, write_assertion, write_filter
from ldapserver.wire.messages import (
    MAX_INT,
    AbandonRequest,
    AddRequest,
    BindRequest,
    Change,
    CompareRequest,
    DelRequest,
    DerefAliases,
    ExtendedRequest,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    ResultCode,
    SaslAuthentication,
    Scope,
    SearchRequest,
    SimpleAuthentication,
    UnbindRequest,
)

SIMPLE: Final = 0x80  # AuthenticationChoice
SASL: Final = 0xA3
NEW_SUPERIOR: Final = 0x80  # ModifyDNRequest
REQUEST_NAME: Final = 0x80  # ExtendedRequest
REQUEST_VALUE: Final = 0x81

_VERSION_3: Final = b"\x02\x01\x03\x04"  # the version, and the tag of the name behind it
_DIGEST_MD5: Final = b"\x04\x0aDIGEST-MD5"  # the mechanism

_SCOPES: Final = tuple(Scope)
_DEREF_ALIASES: Final = tuple(DerefAliases)
_MODIFY_OPERATIONS: Final = tuple(ModifyOperation)


def read_bind_request(data: bytes, pos: int, end: int) -> BindRequest:
    """Section 4.2. Which versions and mechanisms are served is for the bind to say."""
    start = pos + 5
    size = data[pos + 4] if start <= end and data[pos : pos + 4] == _VERSION_3 else ber.LONG_LENGTH
    if not size:  # as in most SASL binds
        version, name, pos = 3, "", start
    elif size < ber.LONG_LENGTH and start + size <= end:
        version, pos = 3, start + size
        name = text_value(data[start:pos], "name", ResultCode.INVALID_DN_SYNTAX)
    else:
        version, pos = ber.integer(data, pos, end, "version")
        if not 1 <= version <= 127:
            raise Refused(ResultCode.PROTOCOL_ERROR, f"version: {version}, it has to be 1 to 127")
        name, pos = read_dn(data, pos, end, "name")
    choice, pos, stop = ber.header(data, pos, end, "authentication")
    if stop != end:
        ber.skip(data, stop, end, "BindRequest")
    if choice == SASL:
        start = pos + len(_DIGEST_MD5)
        if start <= stop and data[pos:start] == _DIGEST_MD5:
            mechanism, pos = "DIGEST-MD5", start
        else:
            mechanism, pos = read_text(data, pos, stop, "mechanism")
        credentials = None
        if pos < stop and data[pos] == ber.OCTET_STRING:
            start, pos = ber.expect(data, pos, stop, ber.OCTET_STRING, "credentials")
            credentials = data[start:pos]
        if pos != stop:
            ber.skip(data, pos, stop, "SaslCredentials")
        return BindRequest(version, name, SaslAuthentication(mechanism, credentials))
    if choice == SIMPLE:
        return BindRequest(version, name, SimpleAuthentication(data[pos:stop]))
    # Another context tag is another choice, as the [9] to [11] of Windows' SICILY ([MS-ADTS] section 5.1.1.1.3):
    # "Indicates that the authentication method or mechanism is not supported."  RFC 4511 appendix A.2
    if choice & 0xC0 == 0x80 and choice ^ ber.CONSTRUCTED not in (SIMPLE, SASL):
        raise Refused(ResultCode.AUTH_METHOD_NOT_SUPPORTED, f"authentication: choice {choice:#04x} is unknown")
    raise ProtocolViolation(f"authentication: tag {choice:#04x} is no AuthenticationChoice")


def write_bind_request(request: BindRequest) -> bytes:
    """Section 4.2."""
    contents = ber.encoded_integer(request.version) + write_text(request.name)
    authentication = request.authentication
    if isinstance(authentication, SimpleAuthentication):
        contents += ber.encoded(SIMPLE, authentication.password)
    else:
        sasl = write_text(authentication.mechanism)
        if authentication.credentials is not None:
            sasl += ber.encoded(ber.OCTET_STRING, authentication.credentials)
        contents += ber.encoded(SASL, sasl)
    return ber.encoded(request.tag, contents)


def read_unbind_request(data: bytes, pos: int, end: int) -> UnbindRequest:
    """Section 4.3."""
    if pos != end:
        raise ProtocolViolation(f"UnbindRequest: a NULL of {end - pos} octets, X.690 8.8.2 allows none")
    return UnbindRequest()


def write_unbind_request(request: UnbindRequest) -> bytes:
    """Section 4.3."""
    return ber.encoded(request.tag, b"")


def _parameters() -> dict[bytes, tuple[Scope, DerefAliases, int, int, bool]]:
    """What stands between baseObject and filter, by its octets, where no limit is asked for: as in most searches."""
    found = {}
    for scope in Scope:
        for aliases in DerefAliases:
            for types_only in (False, True):
                octets = b"\x0a\x01%c\x0a\x01%c\x02\x01\x00\x02\x01\x00" % (scope, aliases)
                found[octets + ber.encoded_boolean(types_only)] = (scope, aliases, 0, 0, types_only)
    return found


_PARAMETERS: Final = _parameters()
_PARAMETERS_LENGTH: Final = 15


def read_search_request(data: bytes, pos: int, end: int) -> SearchRequest:
    """Section 4.5.1. An empty attribute selector is one we do not recognise, and passes."""
    base_object, pos = read_dn(data, pos, end, "baseObject")
    stop = pos + _PARAMETERS_LENGTH
    parameters = _PARAMETERS.get(data[pos:stop]) if stop <= end else None
    if parameters is not None:
        scope, deref_aliases, size_limit, time_limit, types_only = parameters
        pos = stop
    else:
        scope, pos = read_enumerated(data, pos, end, "scope", _SCOPES)
        deref_aliases, pos = read_enumerated(data, pos, end, "derefAliases", _DEREF_ALIASES)
        size_limit, pos = read_limit(data, pos, end, "sizeLimit")
        time_limit, pos = read_limit(data, pos, end, "timeLimit")
        types_only, pos = ber.boolean(data, pos, end, "typesOnly")
    filter_, pos = read_filter(data, pos, end)
    pos, stop = ber.expect(data, pos, end, ber.SEQUENCE, "attributes")
    attributes = read_texts(data, pos, stop, "attributes") if pos != stop else ()
    if stop != end:
        ber.skip(data, stop, end, "SearchRequest")
    return SearchRequest(base_object, scope, deref_aliases, size_limit, time_limit, types_only, filter_, attributes)


def write_search_request(request: SearchRequest) -> bytes:
    """Section 4.5.1."""
    return ber.encoded(
        request.tag,
        write_text(request.base_object)
        + ber.encoded_integer(request.scope, ber.ENUMERATED)
        + ber.encoded_integer(request.deref_aliases, ber.ENUMERATED)
        + ber.encoded_integer(request.size_limit)
        + ber.encoded_integer(request.time_limit)
        + ber.encoded_boolean(request.types_only)
        + write_filter(request.filter)
        + ber.encoded(ber.SEQUENCE, write_texts(request.attributes)),
    )


def read_modify_request(data: bytes, pos: int, end: int) -> ModifyRequest:
    """Section 4.6."""
    name, pos = read_dn(data, pos, end, "object")
    pos, stop = ber.expect(data, pos, end, ber.SEQUENCE, "changes")
    ber.skip(data, stop, end, "ModifyRequest")
    changes = []
    while pos < stop:
        start, pos = ber.expect(data, pos, stop, ber.SEQUENCE, "change")
        operation, start = read_enumerated(data, start, pos, "operation", _MODIFY_OPERATIONS)
        modification, start = read_attribute(data, start, pos)
        ber.skip(data, start, pos, "change")
        changes.append(Change(operation, modification))
    return ModifyRequest(name, tuple(changes))


def write_modify_request(request: ModifyRequest) -> bytes:
    """Section 4.6."""
    changes = [
        ber.encoded(
            ber.SEQUENCE,
            ber.encoded_integer(change.operation, ber.ENUMERATED) + write_attribute(change.modification),
        )
        for change in request.changes
    ]
    return ber.encoded(request.tag, write_text(request.object) + ber.encoded(ber.SEQUENCE, b"".join(changes)))


def read_add_request(data: bytes, pos: int, end: int) -> AddRequest:
    """Section 4.7."""
    entry, pos = read_dn(data, pos, end, "entry")
    attributes, pos = read_attributes(data, pos, end)
    for attribute in attributes:
        # "A PartialAttribute allows zero values, while Attribute requires at least one value."  Section 4.1.7
        if not attribute.values:
            raise Refused(ResultCode.PROTOCOL_ERROR, f"vals: {attribute.type} has no value")
    ber.skip(data, pos, end, "AddRequest")
    return AddRequest(entry, attributes)


def write_add_request(request: AddRequest) -> bytes:
    """Section 4.7."""
    return ber.encoded(request.tag, write_text(request.entry) + write_attributes(request.attributes))


def read_del_request(data: bytes, pos: int, end: int) -> DelRequest:
    """Section 4.8."""
    return DelRequest(text_value(data[pos:end], "DelRequest", ResultCode.INVALID_DN_SYNTAX))


def write_del_request(request: DelRequest) -> bytes:
    """Section 4.8."""
    return write_text(request.entry, request.tag)


def read_modify_dn_request(data: bytes, pos: int, end: int) -> ModifyDNRequest:
    """Section 4.9."""
    entry, pos = read_dn(data, pos, end, "entry")
    newrdn, pos = read_dn(data, pos, end, "newrdn")
    deleteoldrdn, pos = ber.boolean(data, pos, end, "deleteoldrdn")
    new_superior = None
    if has(data, pos, end, NEW_SUPERIOR):
        new_superior, pos = read_dn(data, pos, end, "newSuperior", NEW_SUPERIOR)
    ber.skip(data, pos, end, "ModifyDNRequest")
    return ModifyDNRequest(entry, newrdn, deleteoldrdn, new_superior)


def write_modify_dn_request(request: ModifyDNRequest) -> bytes:
    """Section 4.9."""
    contents = write_text(request.entry) + write_text(request.newrdn) + ber.encoded_boolean(request.deleteoldrdn)
    if request.new_superior is not None:
        contents += write_text(request.new_superior, NEW_SUPERIOR)
    return ber.encoded(request.tag, contents)


def read_compare_request(data: bytes, pos: int, end: int) -> CompareRequest:
    """Section 4.10."""
    entry, pos = read_dn(data, pos, end, "entry")
    pos, stop = ber.expect(data, pos, end, ber.SEQUENCE, "ava")
    ber.skip(data, stop, end, "CompareRequest")
    return CompareRequest(entry, *read_assertion(data, pos, stop))


def write_compare_request(request: CompareRequest) -> bytes:
    """Section 4.10."""
    ava = ber.encoded(ber.SEQUENCE, write_assertion(request.attribute_desc, request.assertion_value))
    return ber.encoded(request.tag, write_text(request.entry) + ava)


def read_abandon_request(data: bytes, pos: int, end: int) -> AbandonRequest:
    """Section 4.11. Zero is in the range of a MessageID and names no operation."""
    message_id = ber.integer_value(data, pos, end, "AbandonRequest")
    if message_id < 0:
        raise Refused(ResultCode.PROTOCOL_ERROR, f"AbandonRequest: {message_id}, it has to be 0 to {MAX_INT}")
    return AbandonRequest(message_id)


def write_abandon_request(request: AbandonRequest) -> bytes:
    """Section 4.11."""
    return ber.encoded_integer(request.message_id, request.tag)


def read_extended_request(data: bytes, pos: int, end: int) -> ExtendedRequest:
    """Section 4.12."""
    request_name, pos = read_name(data, pos, end, "requestName", REQUEST_NAME)
    request_value, pos = read_optional_octets(data, pos, end, "requestValue", REQUEST_VALUE)
    ber.skip(data, pos, end, "ExtendedRequest")
    return ExtendedRequest(request_name, request_value)


def write_extended_request(request: ExtendedRequest) -> bytes:
    """Section 4.12."""
    contents = write_text(request.request_name, REQUEST_NAME)
    if request.request_value is not None:
        contents += ber.encoded(REQUEST_VALUE, request.request_value)
    return ber.encoded(request.tag, contents)
