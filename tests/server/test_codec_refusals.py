"""What is refused and how: broken encoding by a violation, impossible content by an answer, the new not at all."""

from collections.abc import Callable

import pytest

from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.wire import filters as f
from ldapserver.wire import messages as m
from ldapserver.wire.codec import decode
from ldapserver.wire.messages import ResultCode

PROTOCOL_ERROR = ResultCode.PROTOCOL_ERROR
INVALID_DN_SYNTAX = ResultCode.INVALID_DN_SYNTAX
AUTH_METHOD_NOT_SUPPORTED = ResultCode.AUTH_METHOD_NOT_SUPPORTED


def tlv(tag: int, *parts: str | bytes) -> bytes:
    """One element in the short form; a part may be hexadecimal."""
    contents = b"".join([bytes.fromhex(part) if isinstance(part, str) else part for part in parts])
    assert len(contents) < 0x80
    return bytes([tag, len(contents)]) + contents


def operation(tag: int, *parts: str | bytes) -> bytes:
    """A message with the protocolOp that `parts` are the contents of."""
    return tlv(0x30, "020101", tlv(tag, *parts))


def search(
    base: str = "0400",
    scope: str = "0a0100",
    deref: str = "0a0100",
    size: str = "020100",
    time: str = "020100",
    types_only: str = "010100",
    filter: str | bytes = "8702636e",
    attributes: str = "3000",
) -> bytes:
    """A SearchRequest of which a part may be given as hexadecimal."""
    return tlv(0x63, base, scope, deref, size, time, types_only, filter, attributes)


# Violations: after these nothing is answered but the Notice of Disconnection.

VIOLATIONS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "LDAPMessage"),
    "no sequence": (tlv(0x31, "020101", "4200"), "LDAPMessage: tag 0x31"),
    "octets behind the message": (tlv(0x30, "020101", "4200") + b"\x00", "LDAPMessage: 1 octets behind it"),
    "message cut short": (tlv(0x30, "020101", "4200")[:-1], "LDAPMessage: longer"),
    "no messageID": (tlv(0x30), "messageID: absent"),
    "no protocolOp": (tlv(0x30, "020101"), "protocolOp: absent"),
    # not every server refuses the next four
    "messageID 0 in a request": (tlv(0x30, "020100", "6007 020103 0400 8000"), "messageID: 0"),
    "messageID negative": (tlv(0x30, "0201ff", "6007 020103 0400 8000"), "messageID: -1"),
    "messageID of no octets": (tlv(0x30, "0200", "6007 020103 0400 8000"), "messageID: an INTEGER of 0 octets"),
    "element cut short inside": (tlv(0x30, "020101", "6007 020103 0404 8000"), "name: longer than what is around"),
    "messageID negative in a notice": (tlv(0x30, "0201ff", "7807 0a0102 0400 0400"), "messageID: -1"),
    "messageID 0 in another response": (tlv(0x30, "020100", "6107 0a0102 0400 0400"), "messageID: 0"),
    "messageID over maxInt": (tlv(0x30, "02050080000000", "4200"), "messageID: an INTEGER of 5 octets"),
    "messageID of the wrong type": (tlv(0x30, "0a0101", "4200"), "messageID: tag 0x0a where 0x02 is due"),
    "protocolOp unknown": (tlv(0x30, "020101", "7a00"), "protocolOp: tag 0x7a"),
    "protocolOp primitive": (tlv(0x30, "020101", "4000"), "protocolOp: tag 0x40"),
    "protocolOp with a long tag": (tlv(0x30, "020101", "7f6000"), "protocolOp"),
    "indefinite length inside": (tlv(0x30, "020101", "6080 020103 0400 8000 0000"), "protocolOp: indefinite length"),
    "version of no octets": (tlv(0x30, "020101", "6006 0200 0400 8000"), "version: an INTEGER of 0 octets"),
    "version of 5 octets": (tlv(0x30, "020101", "600b 02050000000003 0400 8000"), "version: an INTEGER of 5"),
    "name in the constructed form": (tlv(0x30, "020101", "6009 020103 24020400 8000"), "name: tag 0x24"),
    "simple in the constructed form": (tlv(0x30, "020101", "6007 020103 0400 a000"), "authentication: tag 0xa0"),
    "sasl in the primitive form": (tlv(0x30, "020101", "6009 020103 0400 83020400"), "authentication: tag 0x83"),
    "authentication of a universal type": (tlv(0x30, "020101", "6007 020103 0400 0400"), "authentication: tag 0x04"),
    "sasl without a mechanism": (tlv(0x30, "020101", "6007 020103 0400 a300"), "mechanism: absent"),
    "typesOnly of two octets": (tlv(0x30, "020101", search(types_only="01020000")), "typesOnly: a BOOLEAN of 2"),
    "scope that is an INTEGER": (tlv(0x30, "020101", search(scope="020100")), "scope: tag 0x02"),
    "no filter": (tlv(0x30, "020101", search(filter="", attributes="")), "filter: absent"),
    "filter past its parent": (tlv(0x30, "020101", search(filter="a003 8702636e")), "filter: longer"),
    "values in a sequence": (tlv(0x30, "020101", "680b 0400 3007 3005 040161 3000"), "vals: tag 0x30"),
    "unbind with contents": (tlv(0x30, "020101", "420100"), "UnbindRequest: a NULL of 1 octets"),
    "abandon of nothing": (tlv(0x30, "020101", "5000"), "AbandonRequest: an INTEGER of 0 octets"),
    "abandon of a negative messageID": (tlv(0x30, "020101", "5001ff"), "AbandonRequest: -1"),
    "controls cut short": (tlv(0x30, "020101", "4200 a003 3003 04"), "longer than what is around"),
    "control that is no sequence": (tlv(0x30, "020101", "4200 a002 0400"), "control: tag 0x04"),
    "criticality of no octets": (tlv(0x30, "020101", "4200 a007 3005 040131 0100"), "criticality: a BOOLEAN of 0"),
    "refused control of an unbind": (tlv(0x30, "020101", "4200 a004 3002 0400"), "controlType: empty"),
    "matchedDN of a response not UTF-8": (tlv(0x30, "020101", "6108 0a0100 0401ff 0400"), "matchedDN: not UTF-8"),
    "referral without a URI": (tlv(0x30, "020101", "6109 0a0100 0400 0400 a300"), "referral: empty"),
    "reference without a URI": (tlv(0x30, "020101", "7300"), "SearchResultReference: empty"),
    "trailing element cut short": (tlv(0x30, "020101", "6009 020103 0400 8000 0401"), "BindRequest: longer"),
    # each would be refused and answered, were there not something worse behind it
    "unknown scope and a filter cut short": (
        tlv(0x30, "020101", search(scope="0a0109", filter="a3030402")),
        "longer",
    ),
    "unknown scope and controls cut short": (tlv(0x30, "020101", search(scope="0a0109"), "a001 30"), "cut short"),
}


@pytest.mark.parametrize(("octets", "reason"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_broken_encoding_is_a_violation_that_names_the_field(octets: bytes, reason: str) -> None:
    with pytest.raises(ProtocolViolation, match=reason):
        decode(octets)


# Refusals: each is answered by its own response, and the connection lives on.

REFUSALS: dict[str, tuple[bytes, type[m.Result], ResultCode]] = {
    "version: 0": (tlv(0x60, "020100 0400 8000"), m.BindResponse, PROTOCOL_ERROR),
    "version: -3": (tlv(0x60, "0201fd 0400 8000"), m.BindResponse, PROTOCOL_ERROR),
    "version: 128": (tlv(0x60, "02020080 0400 8000"), m.BindResponse, PROTOCOL_ERROR),
    "name: not UTF-8": (tlv(0x60, "020103 0401ff 8000"), m.BindResponse, INVALID_DN_SYNTAX),
    "authentication: choice 0x89": (tlv(0x60, "020103 0400 8900"), m.BindResponse, AUTH_METHOD_NOT_SUPPORTED),
    "authentication: choice 0xa4": (tlv(0x60, "020103 0400 a400"), m.BindResponse, AUTH_METHOD_NOT_SUPPORTED),
    "mechanism: not UTF-8": (tlv(0x60, "020103 0400 a3030401ff"), m.BindResponse, PROTOCOL_ERROR),
    "baseObject: not UTF-8": (search(base="0401ff"), m.SearchResultDone, INVALID_DN_SYNTAX),
    "scope: 3": (search(scope="0a0103"), m.SearchResultDone, PROTOCOL_ERROR),
    "scope: -1": (search(scope="0a01ff"), m.SearchResultDone, PROTOCOL_ERROR),
    "derefAliases: 4": (search(deref="0a0104"), m.SearchResultDone, PROTOCOL_ERROR),
    "sizeLimit: -1": (search(size="0201ff"), m.SearchResultDone, PROTOCOL_ERROR),
    "timeLimit: -2147483648": (search(time="020480000000"), m.SearchResultDone, PROTOCOL_ERROR),
    "attributes: not UTF-8": (search(attributes="30030401ff"), m.SearchResultDone, PROTOCOL_ERROR),
    "filter: choice 0xaa": (search(filter="aa00"), m.SearchResultDone, PROTOCOL_ERROR),
    "present: empty": (search(filter="8700"), m.SearchResultDone, PROTOCOL_ERROR),
    "present: not UTF-8": (search(filter="8701ff"), m.SearchResultDone, PROTOCOL_ERROR),
    "attributeDesc: empty": (search(filter="a304 0400 0400"), m.SearchResultDone, PROTOCOL_ERROR),
    "not: 0 filters": (search(filter="a200"), m.SearchResultDone, PROTOCOL_ERROR),
    "not: 2 filters": (search(filter="a206 870161 870162"), m.SearchResultDone, PROTOCOL_ERROR),
    "substrings: empty": (search(filter="a405 040161 3000"), m.SearchResultDone, PROTOCOL_ERROR),
    "type: empty": (search(filter="a406 0400 3002 8000"), m.SearchResultDone, PROTOCOL_ERROR),
    "substrings: 0x80 out of turn": (
        search(filter="a40b 040161 3006 810162 800161"),
        m.SearchResultDone,
        PROTOCOL_ERROR,
    ),
    "substrings: 0x81 out of turn": (
        search(filter="a40b 040161 3006 820162 810161"),
        m.SearchResultDone,
        PROTOCOL_ERROR,
    ),
    "substrings: 0x82 out of turn": (
        search(filter="a40b 040161 3006 820162 820161"),
        m.SearchResultDone,
        PROTOCOL_ERROR,
    ),
    "extensibleMatch: neither": (search(filter="a902 8300"), m.SearchResultDone, PROTOCOL_ERROR),
    "matchingRule: empty": (search(filter="a904 8100 8300"), m.SearchResultDone, PROTOCOL_ERROR),
    "object: not UTF-8": (tlv(0x66, "0401ff 3000"), m.ModifyResponse, INVALID_DN_SYNTAX),
    "operation: 4": (tlv(0x66, "0400 300c 300a 0a0104 3005 040161 3100"), m.ModifyResponse, PROTOCOL_ERROR),
    "entry: not UTF-8": (tlv(0x68, "0401ff 3000"), m.AddResponse, INVALID_DN_SYNTAX),
    "vals: a has no value": (tlv(0x68, "0400 3007 3005 040161 3100"), m.AddResponse, PROTOCOL_ERROR),
    "DelRequest: not UTF-8": (tlv(0x4A, "ff"), m.DelResponse, INVALID_DN_SYNTAX),
    "newrdn: not UTF-8": (tlv(0x6C, "0400 0401ff 0101ff"), m.ModifyDNResponse, INVALID_DN_SYNTAX),
    "newSuperior: not UTF-8": (tlv(0x6C, "0400 0400 0101ff 8001ff"), m.ModifyDNResponse, INVALID_DN_SYNTAX),
    "attributeDesc: not UTF-8": (tlv(0x6E, "0400 3005 0401ff 0400"), m.CompareResponse, PROTOCOL_ERROR),
    "requestName: not UTF-8": (tlv(0x77, "8001ff"), m.ExtendedResponse, PROTOCOL_ERROR),
    "requestName: empty": (tlv(0x77, "8000"), m.ExtendedResponse, PROTOCOL_ERROR),
    "controlType: not UTF-8": (tlv(0x77, "800131") + tlv(0xA0, "3003 0401ff"), m.ExtendedResponse, PROTOCOL_ERROR),
    "controlType: empty": (tlv(0x4A) + tlv(0xA0, "3002 0400"), m.DelResponse, PROTOCOL_ERROR),
}


@pytest.mark.parametrize(("reason", "refusal"), REFUSALS.items(), ids=REFUSALS.keys())
def test_impossible_content_is_answered_by_its_own_response(
    reason: str, refusal: tuple[bytes, type[m.Result], ResultCode]
) -> None:
    request, response, result_code = refusal
    with pytest.raises(InvalidRequest, match=reason) as refused:
        decode(tlv(0x30, "020205dc", request))
    assert refused.value.message_id == 1500
    assert m.RESULTS[refused.value.response_tag] is response
    assert refused.value.result_code is result_code
    assert refused.value.diagnostic_message.startswith(reason)


# "[C]lients and servers MUST (unless otherwise specified) ignore trailing SEQUENCE components whose tags they do not
# recognize."  RFC 4511 section 4

# Every SEQUENCE of the protocol, whole; what `rest` is stands at its end.
SEQUENCES: dict[str, Callable[[str], bytes]] = {
    "LDAPMessage": lambda rest: tlv(0x30, "020101 4200", rest),
    "LDAPMessage with controls": lambda rest: tlv(0x30, "020101 4200 a007 3005 0403312e33", rest),
    "Control": lambda rest: tlv(0x30, "020101 4200", tlv(0xA0, tlv(0x30, "0403312e33", rest))),
    "BindRequest": lambda rest: operation(0x60, "020103 0400 8000", rest),
    "SaslCredentials": lambda rest: operation(0x60, "020103 0400", tlv(0xA3, "040161", rest)),
    "SaslCredentials with credentials": lambda rest: operation(0x60, "020103 0400", tlv(0xA3, "040161 0400", rest)),
    "BindResponse": lambda rest: operation(0x61, "0a0100 0400 0400", rest),
    "BindResponse with all": lambda rest: operation(0x61, "0a0100 0400 0400 a303040161 870161", rest),
    "SearchRequest": lambda rest: tlv(0x30, "020101", search(attributes="3000" + rest)),
    "SubstringFilter": lambda rest: tlv(0x30, "020101", search(filter=tlv(0xA4, "040161 3003 800162", rest))),
    "AttributeValueAssertion": lambda rest: tlv(0x30, "020101", search(filter=tlv(0xA3, "040161 0400", rest))),
    "MatchingRuleAssertion": lambda rest: tlv(0x30, "020101", search(filter=tlv(0xA9, "810161 8300", rest))),
    "MatchingRuleAssertion with all": lambda rest: tlv(
        0x30, "020101", search(filter=tlv(0xA9, "810161 820162 8300 8401ff", rest))
    ),
    "SearchResultEntry": lambda rest: operation(0x64, "0400 3000", rest),
    "PartialAttribute": lambda rest: operation(0x64, "0400", tlv(0x30, tlv(0x30, "040161 3100", rest))),
    "SearchResultDone": lambda rest: operation(0x65, "0a0100 0400 0400", rest),
    "ModifyRequest": lambda rest: operation(0x66, "0400 3000", rest),
    "change": lambda rest: operation(0x66, "0400", tlv(0x30, tlv(0x30, "0a0102 3005 040161 3100", rest))),
    "AddRequest": lambda rest: operation(0x68, "0400 3000", rest),
    "ModifyDNRequest": lambda rest: operation(0x6C, "0400 0400 010100", rest),
    "ModifyDNRequest with newSuperior": lambda rest: operation(0x6C, "0400 0400 010100 8000", rest),
    "CompareRequest": lambda rest: operation(0x6E, "0400 3005 040161 0400", rest),
    "ExtendedRequest": lambda rest: operation(0x77, "800161", rest),
    "ExtendedRequest with a value": lambda rest: operation(0x77, "800161 8100", rest),
    "ExtendedResponse": lambda rest: operation(0x78, "0a0100 0400 0400", rest),
    "ExtendedResponse with all": lambda rest: operation(0x78, "0a0100 0400 0400 8a0161 8b00", rest),
    "IntermediateResponse": lambda rest: operation(0x79, rest),
    "IntermediateResponse with all": lambda rest: operation(0x79, "800161 8100", rest),
}

every_sequence = pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES.keys())


@every_sequence
def test_unknown_trailing_elements_are_ignored(sequence: Callable[[str], bytes]) -> None:
    whole = sequence("")
    # A [15], a [1407] that holds an INTEGER, and a NULL.
    assert decode(sequence("8f0178 bf8a7f03020101 0500")) == decode(whole)


@every_sequence
@pytest.mark.parametrize("rest", ["8f", "8f0278", "bf8a", "8f80"])
def test_unknown_trailing_elements_have_to_be_whole(sequence: Callable[[str], bytes], rest: str) -> None:
    with pytest.raises(ProtocolViolation):
        decode(sequence(rest))


@pytest.mark.parametrize("octet", ["01", "7f", "80", "ff"])
def test_any_octet_but_zero_is_true(octet: str) -> None:
    operation = decode(tlv(0x30, "020101", search(types_only="0101" + octet))).operation
    assert isinstance(operation, m.SearchRequest)
    assert operation.types_only is True


def nested_search(depth: int) -> bytes:
    """A search for "cn is present", in as many `not` as make it `depth` filters one inside another."""
    filter = bytes.fromhex("8702636e")
    for _ in range(depth - 1):
        filter = b"\xa2\x84" + len(filter).to_bytes(4) + filter
    contents = bytes.fromhex("0400 0a0100 0a0100 020100 020100 010100") + filter + b"\x30\x00"
    contents = b"\x02\x01\x01\x63\x84" + len(contents).to_bytes(4) + contents
    return b"\x30\x84" + len(contents).to_bytes(4) + contents


def test_filters_nest_as_deep_in_octets_as_in_text() -> None:
    text = "(!" * (f.MAX_DEPTH - 1) + "(cn=*)" + ")" * (f.MAX_DEPTH - 1)
    operation = decode(nested_search(f.MAX_DEPTH)).operation
    assert isinstance(operation, m.SearchRequest)
    assert operation.filter == f.parse_filter(text)


@pytest.mark.parametrize("depth", [f.MAX_DEPTH + 1, 5000])
def test_a_filter_nested_deeper_is_refused_and_answered(depth: int) -> None:
    with pytest.raises(InvalidRequest, match="filter: more than 50") as refused:
        decode(nested_search(depth))
    assert refused.value.result_code is ResultCode.ADMIN_LIMIT_EXCEEDED
    assert m.RESULTS[refused.value.response_tag] is m.SearchResultDone
