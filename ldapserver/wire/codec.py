"""Whole LDAP messages and their octets: `decode` and `encode` (RFC 4511 sections 4.1.1 and 4.1.11).

Two things can be wrong with what a peer sent. Where "the encoding structures or lengths of data fields are found to
be incorrect", that is a `ProtocolViolation`. Where a request is good BER and says what cannot be, it is an
`InvalidRequest`, which is answered; in what has no answer (a response, an unbind, an abandon) it is a violation too.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.wire import ber, requests, responses
from ldapserver.wire import messages as m
from ldapserver.wire.fields import Refused, read_name, read_optional_octets, write_text

CONTROLS: Final = 0xA0

_BIND_REQUEST: Final = m.BindRequest.tag
_EXTENDED_RESPONSE: Final = m.ExtendedResponse.tag

_READERS: Final[Mapping[int, Callable[[bytes, int, int], m.Operation]]] = {
    m.BindRequest.tag: requests.read_bind_request,
    m.BindResponse.tag: responses.read_bind_response,
    m.UnbindRequest.tag: requests.read_unbind_request,
    m.SearchRequest.tag: requests.read_search_request,
    m.SearchResultEntry.tag: responses.read_search_result_entry,
    m.SearchResultDone.tag: responses.result_reader(m.SearchResultDone),
    m.SearchResultReference.tag: responses.read_search_result_reference,
    m.ModifyRequest.tag: requests.read_modify_request,
    m.ModifyResponse.tag: responses.result_reader(m.ModifyResponse),
    m.AddRequest.tag: requests.read_add_request,
    m.AddResponse.tag: responses.result_reader(m.AddResponse),
    m.DelRequest.tag: requests.read_del_request,
    m.DelResponse.tag: responses.result_reader(m.DelResponse),
    m.ModifyDNRequest.tag: requests.read_modify_dn_request,
    m.ModifyDNResponse.tag: responses.result_reader(m.ModifyDNResponse),
    m.CompareRequest.tag: requests.read_compare_request,
    m.CompareResponse.tag: responses.result_reader(m.CompareResponse),
    m.AbandonRequest.tag: requests.read_abandon_request,
    m.ExtendedRequest.tag: requests.read_extended_request,
    m.ExtendedResponse.tag: responses.read_extended_response,
    m.IntermediateResponse.tag: responses.read_intermediate_response,
}

# Each writer takes the class it stands behind, which the type of a mapping cannot say: hence Any.
_WRITERS: Final[Mapping[type[m.Operation], Callable[[Any], bytes]]] = {
    m.BindRequest: requests.write_bind_request,
    m.BindResponse: responses.write_bind_response,
    m.UnbindRequest: requests.write_unbind_request,
    m.SearchRequest: requests.write_search_request,
    m.SearchResultEntry: responses.write_search_result_entry,
    m.SearchResultDone: responses.write_result,
    m.SearchResultReference: responses.write_search_result_reference,
    m.ModifyRequest: requests.write_modify_request,
    m.ModifyResponse: responses.write_result,
    m.AddRequest: requests.write_add_request,
    m.AddResponse: responses.write_result,
    m.DelRequest: requests.write_del_request,
    m.DelResponse: responses.write_result,
    m.ModifyDNRequest: requests.write_modify_dn_request,
    m.ModifyDNResponse: responses.write_result,
    m.CompareRequest: requests.write_compare_request,
    m.CompareResponse: responses.write_result,
    m.AbandonRequest: requests.write_abandon_request,
    m.ExtendedRequest: requests.write_extended_request,
    m.ExtendedResponse: responses.write_extended_response,
    m.IntermediateResponse: responses.write_intermediate_response,
}

_RESPONSE_TAGS: Final = {request.tag: request.response.tag for request in m.ANSWERED_REQUESTS}


def _openings() -> dict[bytes, m.BindRequest]:
    """The BindRequests that ask for a challenge, by their octets: with short lengths, and as Windows writes.

    Half of all messages to a server of DIGEST-MD5 are one of these, octet by octet. There is nothing secret in them,
    and these are all there are.
    """
    openings = {}
    for credentials, absent_or_empty in ((None, b""), (b"", b"\x04\x00")):
        request = m.BindRequest(3, "", m.SaslAuthentication("DIGEST-MD5", credentials))
        openings[requests.write_bind_request(request)] = request
        sasl = b"\x04\x0aDIGEST-MD5" + absent_or_empty
        contents = b"\x02\x01\x03\x04\x00\xa3\x84" + len(sasl).to_bytes(4) + sasl
        openings[b"\x60\x84" + len(contents).to_bytes(4) + contents] = request
    return openings


_OPENINGS: Final = _openings()
_LONGEST_OPENING: Final = max(map(len, _OPENINGS))


def decode(element: bytes) -> m.LDAPMessage:
    """The message that `element` is, one whole LDAPMessage; raises ProtocolViolation or InvalidRequest."""
    message_id, operation, controls = read(element)
    return m.LDAPMessage(message_id, operation, controls)


def read(element: bytes) -> tuple[int, m.Operation, tuple[m.Control, ...]]:
    """The same as the fields of that message, for who would take it apart again at once."""
    size = len(element)
    pos, end = ber.expect(element, 0, size, ber.SEQUENCE, "LDAPMessage")
    if end != size:
        raise ProtocolViolation(f"LDAPMessage: {size - end} octets behind it")
    start = pos + 3
    if start <= end and element[pos] == ber.INTEGER and element[pos + 1] == 1 and element[pos + 2] < 0x80:
        message_id = element[pos + 2]
        pos = start
    else:
        message_id, pos = ber.integer(element, pos, end, "messageID")
    if end - pos <= _LONGEST_OPENING and message_id > 0:
        opening = _OPENINGS.get(element[pos:end])
        if opening is not None:
            return message_id, opening, ()
    tag, pos, stop = ber.header(element, pos, end, "protocolOp")
    reader = None
    if tag != _BIND_REQUEST:
        reader = _READERS.get(tag)
        if reader is None:
            raise ProtocolViolation(f"protocolOp: tag {tag:#04x} is no operation of RFC 4511")
    # "The messageID of a request MUST have a non-zero value [...] The zero value is reserved for the unsolicited
    # notification message", which is an ExtendedResponse.  RFC 4511 sections 4.1.1.1 and 4.4
    if message_id <= 0 and (message_id < 0 or tag != _EXTENDED_RESPONSE):
        raise ProtocolViolation(f"messageID: {message_id}, it has to be 1 to {m.MAX_INT}")
    try:
        # A bind's is called by its name, which compiled is a call in C.
        operation = requests.read_bind_request(element, pos, stop) if reader is None else reader(element, pos, stop)
        controls = _read_controls(element, stop, end) if stop != end else ()
    except Refused as refused:
        # The reader stopped at what it refused; "not good BER" is still the graver answer.
        ber.check(element)
        if tag not in _RESPONSE_TAGS:
            raise ProtocolViolation(str(refused)) from refused
        raise InvalidRequest(message_id, _RESPONSE_TAGS[tag], refused.result_code, str(refused)) from refused
    return message_id, operation, controls


def encode(message: m.LDAPMessage) -> bytes:
    """The octets of `message`, every length in the fewest octets."""
    return written(message.message_id, message.operation, message.controls)


def written(message_id: int, operation: m.Operation, controls: tuple[m.Control, ...] = ()) -> bytes:
    """The same of the fields of a message, for who would make one for this alone."""
    identifier = ber.encoded_integer(message_id)
    if isinstance(operation, m.BindResponse):  # by its name, as in `read`
        if not controls and (whole := responses.write_short_bind_response(identifier, operation)) is not None:
            return whole
        contents = responses.write_bind_response(operation)
    else:
        contents = _WRITERS[type(operation)](operation)
    if controls:
        contents += ber.encoded(CONTROLS, b"".join([_write_control(control) for control in controls]))
    length = len(identifier) + len(contents)
    if length < 0x100:
        return b"\x30%b%b%b" % (ber.LENGTH[length], identifier, contents)
    return ber.encoded(ber.SEQUENCE, identifier + contents)


def _read_controls(data: bytes, pos: int, end: int) -> tuple[m.Control, ...]:
    """What follows the protocolOp: "controls [0] Controls OPTIONAL", and what we do not know."""
    controls = []
    if data[pos] == CONTROLS:
        start, pos = ber.expect(data, pos, end, CONTROLS, "controls")
        while start < pos:
            inside, start = ber.expect(data, start, pos, ber.SEQUENCE, "control")
            controls.append(_read_control(data, inside, start))
    ber.skip(data, pos, end, "LDAPMessage")
    return tuple(controls)


def _read_control(data: bytes, pos: int, end: int) -> m.Control:
    """Section 4.1.11."""
    control_type, pos = read_name(data, pos, end, "controlType")
    criticality = False
    if pos < end and data[pos] == ber.BOOLEAN:
        criticality, pos = ber.boolean(data, pos, end, "criticality")
    control_value, pos = read_optional_octets(data, pos, end, "controlValue", ber.OCTET_STRING)
    ber.skip(data, pos, end, "control")
    return m.Control(control_type, criticality, control_value)


def _write_control(control: m.Control) -> bytes:
    """Section 4.1.11; "If a value of a type is its default value, it is absent", section 5.1."""
    contents = write_text(control.control_type)
    if control.criticality:
        contents += ber.encoded_boolean(True)
    if control.control_value is not None:
        contents += ber.encoded(ber.OCTET_STRING, control.control_value)
    return ber.encoded(ber.SEQUENCE, contents)
