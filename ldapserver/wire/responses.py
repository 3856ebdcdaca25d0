"""The responses over BER, each read and written as its ASN.1 stands in RFC 4511 sections 4.1.9 and 4.2 to 4.13.

Readers and writers are as in `requests`. Six of the responses are an LDAPResult with a tag of their own; BindResponse
and ExtendedResponse add to it; what a search finds and an IntermediateResponse have nothing of it.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from ldapserver.wire import ber
from ldapserver.wire.fields import (
    Refused,
    has,
    read_attributes,
    read_dn,
    read_optional_name,
    read_optional_octets,
    read_text,
    read_texts,
    write_attributes,
    write_text,
    write_texts,
)
from ldapserver.wire.messages import (
    AddResponse,
    BindResponse,
    CompareResponse,
    DelResponse,
    ExtendedResponse,
    IntermediateResponse,
    LDAPResult,
    ModifyDNResponse,
    ModifyResponse,
    ResultCode,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
)

REFERRAL: Final = 0xA3  # LDAPResult
SERVER_SASL_CREDS: Final = 0x87  # BindResponse
RESPONSE_NAME: Final = 0x8A  # ExtendedResponse
RESPONSE_VALUE: Final = 0x8B
INTERMEDIATE_RESPONSE_NAME: Final = 0x80  # IntermediateResponse
INTERMEDIATE_RESPONSE_VALUE: Final = 0x81

PlainResult = SearchResultDone | ModifyResponse | AddResponse | DelResponse | ModifyDNResponse | CompareResponse
_Plain = TypeVar("_Plain", bound=PlainResult)

# Any: of `ResultCode | int`, which is an int to it, mypyc would make the bare number.
_BIND_RESPONSE: Final = BindResponse.tag
# Octets of the LDAPResult and serverSaslCreds of a BindResponse: with what is around them, of which a messageID takes
# 6 at most, a message is less than 256 octets.
_SHORT: Final = 0xF0

_RESULT_CODES: Final[dict[int, Any]] = {int(code): code for code in ResultCode}
# A resultCode with an empty matchedDN and an empty diagnosticMessage, as most answers are.
_BARE_RESULTS: Final[dict[int, bytes]] = {int(code): b"\x0a\x01%c\x04\x00\x04\x00" % code for code in ResultCode}


def _read_result(data: bytes, pos: int, end: int) -> tuple[tuple[Any, str, str, tuple[str, ...]], int]:
    """The fields of an LDAPResult, section 4.1.9, and where they stop."""
    number, pos = ber.integer(data, pos, end, "resultCode", ber.ENUMERATED)
    matched_dn, pos = read_dn(data, pos, end, "matchedDN")
    diagnostic_message, pos = read_text(data, pos, end, "diagnosticMessage")
    referral: tuple[str, ...] = ()
    if has(data, pos, end, REFERRAL):
        start, pos = ber.expect(data, pos, end, REFERRAL, "referral")
        referral = _read_uris(data, start, pos, "referral")
    return (_RESULT_CODES.get(number, number), matched_dn, diagnostic_message, referral), pos


def _read_uris(data: bytes, pos: int, end: int, field: str) -> tuple[str, ...]:
    # "Referral ::= SEQUENCE SIZE (1..MAX) OF uri URI", and a SearchResultReference likewise.
    if pos == end:
        raise Refused(ResultCode.PROTOCOL_ERROR, f"{field}: empty, it has at least one URI")
    return read_texts(data, pos, end, field)


def _write_result(result: LDAPResult) -> bytes:
    """The fields of an LDAPResult."""
    if not result.diagnostic_message and not result.matched_dn and not result.referral:
        bare = _BARE_RESULTS.get(result.result_code)
        if bare is not None:
            return bare
    contents = (
        ber.encoded_integer(result.result_code, ber.ENUMERATED)
        + write_text(result.matched_dn)
        + write_text(result.diagnostic_message)
    )
    if result.referral:
        contents += ber.encoded(REFERRAL, write_texts(result.referral))
    return contents


def result_reader(response: type[_Plain]) -> Callable[[bytes, int, int], _Plain]:
    """The reader of a response that is an LDAPResult and nothing more."""

    def read(data: bytes, pos: int, end: int) -> _Plain:
        result, pos = _read_result(data, pos, end)
        ber.skip(data, pos, end, "LDAPResult")
        return response(*result)

    return read


def write_result(response: PlainResult) -> bytes:
    """A response that is an LDAPResult and nothing more."""
    return ber.encoded(response.tag, _write_result(response))


def read_bind_response(data: bytes, pos: int, end: int) -> BindResponse:
    """Section 4.2.2."""
    result, pos = _read_result(data, pos, end)
    server_sasl_creds, pos = read_optional_octets(data, pos, end, "serverSaslCreds", SERVER_SASL_CREDS)
    ber.skip(data, pos, end, "BindResponse")
    return BindResponse(*result, server_sasl_creds)


def write_bind_response(response: BindResponse) -> bytes:
    """Section 4.2.2."""
    result, server_sasl_creds = _write_result(response), response.server_sasl_creds
    if server_sasl_creds is None:
        return ber.encoded(_BIND_RESPONSE, result)
    return ber.encoded(_BIND_RESPONSE, result + ber.encoded(SERVER_SASL_CREDS, server_sasl_creds))


def write_short_bind_response(message_id: bytes, response: BindResponse) -> bytes | None:
    """The whole message with it, where that is short, else None; `message_id` is the element.

    Each bind has two, and element by element takes twice as long.
    """
    result, server_sasl_creds = _write_result(response), response.server_sasl_creds
    size, lengths = len(result), ber.LENGTH
    if server_sasl_creds is None:
        if size > _SHORT:
            return None
        length = lengths[size]
        whole_length = lengths[len(message_id) + 1 + len(length) + size]
        return b"\x30%b%b\x61%b%b" % (whole_length, message_id, length, result)
    if size + len(server_sasl_creds) > _SHORT:
        return None
    creds_length = lengths[len(server_sasl_creds)]
    size += 1 + len(creds_length) + len(server_sasl_creds)
    length = lengths[size]
    whole_length = lengths[len(message_id) + 1 + len(length) + size]
    return b"\x30%b%b\x61%b%b\x87%b%b" % (
        whole_length,
        message_id,
        length,
        result,
        creds_length,
        server_sasl_creds,
    )


def read_search_result_entry(data: bytes, pos: int, end: int) -> SearchResultEntry:
    """Section 4.5.2."""
    object_name, pos = read_dn(data, pos, end, "objectName")
    attributes, pos = read_attributes(data, pos, end)
    ber.skip(data, pos, end, "SearchResultEntry")
    return SearchResultEntry(object_name, attributes)


def write_search_result_entry(response: SearchResultEntry) -> bytes:
    """Section 4.5.2."""
    return ber.encoded(response.tag, write_text(response.object_name) + write_attributes(response.attributes))


def read_search_result_reference(data: bytes, pos: int, end: int) -> SearchResultReference:
    """Section 4.5.3."""
    return SearchResultReference(_read_uris(data, pos, end, "SearchResultReference"))


def write_search_result_reference(response: SearchResultReference) -> bytes:
    """Section 4.5.3."""
    return ber.encoded(response.tag, write_texts(response.uris))


def read_extended_response(data: bytes, pos: int, end: int) -> ExtendedResponse:
    """Section 4.12."""
    result, pos = _read_result(data, pos, end)
    response_name, pos = read_optional_name(data, pos, end, "responseName", RESPONSE_NAME)
    response_value, pos = read_optional_octets(data, pos, end, "responseValue", RESPONSE_VALUE)
    ber.skip(data, pos, end, "ExtendedResponse")
    return ExtendedResponse(*result, response_name, response_value)


def write_extended_response(response: ExtendedResponse) -> bytes:
    """Section 4.12."""
    contents = _write_result(response)
    if response.response_name is not None:
        contents += write_text(response.response_name, RESPONSE_NAME)
    if response.response_value is not None:
        contents += ber.encoded(RESPONSE_VALUE, response.response_value)
    return ber.encoded(response.tag, contents)


def read_intermediate_response(data: bytes, pos: int, end: int) -> IntermediateResponse:
    """Section 4.13."""
    response_name, pos = read_optional_name(data, pos, end, "responseName", INTERMEDIATE_RESPONSE_NAME)
    response_value, pos = read_optional_octets(data, pos, end, "responseValue", INTERMEDIATE_RESPONSE_VALUE)
    ber.skip(data, pos, end, "IntermediateResponse")
    return IntermediateResponse(response_name, response_value)


def write_intermediate_response(response: IntermediateResponse) -> bytes:
    """Section 4.13."""
    contents = b""
    if response.response_name is not None:
        contents += write_text(response.response_name, INTERMEDIATE_RESPONSE_NAME)
    if response.response_value is not None:
        contents += ber.encoded(INTERMEDIATE_RESPONSE_VALUE, response.response_value)
    return ber.encoded(response.tag, contents)
