"""Messages and their octets: exact bytes made by hand, and that any octets at all are decoded or refused."""

import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any  # what a trace function is given

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.wire import filters as f
from ldapserver.wire import messages as m
from ldapserver.wire.codec import decode, encode
from ldapserver.wire.messages import ResultCode

NEVER = m.DerefAliases.NEVER_DEREF_ALIASES

# A space stands before every header, so that each can be followed into its contents.
MADE_BY_HAND: dict[str, tuple[m.LDAPMessage, str]] = {
    "simple bind": (
        m.LDAPMessage(1, m.BindRequest(3, "cn=a", m.SimpleAuthentication(b"pw"))),
        "3012 020101 600d 020103 0404636e3d61 80027077",
    ),
    "anonymous bind": (
        m.LDAPMessage(1, m.BindRequest(3, "", m.SimpleAuthentication(b""))),
        "300c 020101 6007 020103 0400 8000",
    ),
    "sasl bind without credentials": (
        m.LDAPMessage(1, m.BindRequest(3, "", m.SaslAuthentication("DIGEST-MD5"))),
        "3018 020101 6013 020103 0400 a30c 040a4449474553542d4d4435",
    ),
    "sasl bind with empty credentials": (
        m.LDAPMessage(1, m.BindRequest(3, "", m.SaslAuthentication("DIGEST-MD5", b""))),
        "301a 020101 6015 020103 0400 a30e 040a4449474553542d4d4435 0400",
    ),
    "challenge": (
        m.LDAPMessage(1, m.BindResponse(ResultCode.SASL_BIND_IN_PROGRESS, server_sasl_creds=b"qop")),
        "3011 020101 610c 0a010e 0400 0400 8703716f70",
    ),
    "bind refused": (
        m.LDAPMessage(1, m.BindResponse(ResultCode.INVALID_CREDENTIALS, "", "no")),
        "300e 020101 6109 0a0131 0400 04026e6f",
    ),
    "unbind": (
        m.LDAPMessage(3, m.UnbindRequest()),
        "3005 020103 4200",
    ),
    "search": (
        m.LDAPMessage(
            200,
            m.SearchRequest(
                "o=x", m.Scope.WHOLE_SUBTREE, NEVER, 0, 300, False, f.Equality("uid", b"u1"), ("cn", "*")
            ),
        ),
        "302f 020200c8 6329 04036f3d78 0a0102 0a0100 020100 0202012c 010100"
        " a309 0403756964 04027531 3007 0402636e 04012a",
    ),
    "search for the root DSE": (
        m.LDAPMessage(2, m.SearchRequest("", m.Scope.BASE_OBJECT, NEVER, 0, 0, True, f.Present("objectClass"), ())),
        "3025 020102 6320 0400 0a0100 0a0100 020100 020100 0101ff 870b6f626a656374436c617373 3000",
    ),
    "entry": (
        m.LDAPMessage(
            2, m.SearchResultEntry("o=x", (m.PartialAttribute("cn", (b"a", b"\xff")), m.PartialAttribute("sn", ())))
        ),
        "3022 020102 641d 04036f3d78 3016 300c 0402636e 3106 040161 0401ff 3006 0402736e 3100",
    ),
    "reference": (
        m.LDAPMessage(2, m.SearchResultReference(("ldap://b/",))),
        "3010 020102 730b 04096c6461703a2f2f622f",
    ),
    "end of a search": (
        m.LDAPMessage(2, m.SearchResultDone(ResultCode.NO_SUCH_OBJECT, "o=x"), (m.Control("1.2"),)),
        "3018 020102 650a 0a0120 04036f3d78 0400 a007 3005 0403312e32",
    ),
    "referral": (
        m.LDAPMessage(2, m.SearchResultDone(ResultCode.REFERRAL, referral=("ldap://b/", "ldap://c/"))),
        "3024 020102 651f 0a010a 0400 0400 a316 04096c6461703a2f2f622f 04096c6461703a2f2f632f",
    ),
    "modify": (
        m.LDAPMessage(
            4,
            m.ModifyRequest(
                "o=x",
                (
                    m.Change(m.ModifyOperation.REPLACE, m.PartialAttribute("cn", (b"b",))),
                    m.Change(m.ModifyOperation.DELETE, m.PartialAttribute("sn", ())),
                    m.Change(m.ModifyOperation.INCREMENT, m.PartialAttribute("n", (b"1",))),
                ),
            ),
        ),
        "3038 020104 6633 04036f3d78 302c 300e 0a0102 3009 0402636e 3103 040162"
        " 300b 0a0101 3006 0402736e 3100 300d 0a0103 3008 04016e 3103 040131",
    ),
    "modify response": (
        m.LDAPMessage(4, m.ModifyResponse(ResultCode.SUCCESS)),
        "300c 020104 6707 0a0100 0400 0400",
    ),
    "add": (
        m.LDAPMessage(5, m.AddRequest("o=x", (m.PartialAttribute("o", (b"x",)),))),
        "3016 020105 6811 04036f3d78 300a 3008 04016f 3103 040178",
    ),
    "add response": (
        m.LDAPMessage(5, m.AddResponse(ResultCode.ENTRY_ALREADY_EXISTS)),
        "300c 020105 6907 0a0144 0400 0400",
    ),
    "delete, with a critical control": (
        m.LDAPMessage(
            6, m.DelRequest("o=x"), (m.Control("1.2.840.113556.1.4.805", True), m.Control("1.3", False, b""))
        ),
        "3030 020106 4a036f3d78 a026"
        " 301b 0416312e322e3834302e3131333535362e312e342e383035 0101ff 3007 0403312e33 0400",
    ),
    "delete response": (
        m.LDAPMessage(6, m.DelResponse(ResultCode.NOT_ALLOWED_ON_NON_LEAF)),
        "300c 020106 6b07 0a0142 0400 0400",
    ),
    "modify DN": (
        m.LDAPMessage(7, m.ModifyDNRequest("o=x", "o=y", True)),
        "3012 020107 6c0d 04036f3d78 04036f3d79 0101ff",
    ),
    "modify DN to the root": (
        m.LDAPMessage(7, m.ModifyDNRequest("o=x", "o=y", False, "")),
        "3014 020107 6c0f 04036f3d78 04036f3d79 010100 8000",
    ),
    "modify DN response": (
        m.LDAPMessage(7, m.ModifyDNResponse(ResultCode.SUCCESS)),
        "300c 020107 6d07 0a0100 0400 0400",
    ),
    "compare": (
        m.LDAPMessage(8, m.CompareRequest("o=x", "o", b"x")),
        "3012 020108 6e0d 04036f3d78 3006 04016f 040178",
    ),
    "compare response": (
        m.LDAPMessage(8, m.CompareResponse(ResultCode.COMPARE_TRUE)),
        "300c 020108 6f07 0a0106 0400 0400",
    ),
    "abandon": (
        m.LDAPMessage(2147483647, m.AbandonRequest(128)),
        "300a 02047fffffff 50020080",
    ),
    "start TLS": (
        m.LDAPMessage(10, m.ExtendedRequest("1.3.6.1.4.1.1466.20037")),
        "301d 02010a 7718 8016312e332e362e312e342e312e313436362e3230303337",
    ),
    "extended request with a value": (
        m.LDAPMessage(10, m.ExtendedRequest("1.3", b"")),
        "300c 02010a 7707 8003312e33 8100",
    ),
    "extended response": (
        m.LDAPMessage(10, m.ExtendedResponse(ResultCode.CANCELED, response_name="1.3", response_value=b"v")),
        "3014 02010a 780f 0a0176 0400 0400 8a03312e33 8b0176",
    ),
    "notice of disconnection": (
        m.LDAPMessage(0, m.ExtendedResponse(ResultCode.PROTOCOL_ERROR, "", "", (), "1.3.6.1.4.1.1466.20036")),
        "3024 020100 781f 0a0102 0400 0400 8a16312e332e362e312e342e312e313436362e3230303336",
    ),
    "a result code without a name": (
        m.LDAPMessage(10, m.ExtendedResponse(4096)),
        "300d 02010a 7808 0a021000 0400 0400",
    ),
    "intermediate response": (
        m.LDAPMessage(11, m.IntermediateResponse("1.3", b"v")),
        "300d 02010b 7908 8003312e33 810176",
    ),
    "intermediate response of nothing": (
        m.LDAPMessage(11, m.IntermediateResponse()),
        "3005 02010b 7900",
    ),
}


@pytest.mark.parametrize(("message", "octets"), MADE_BY_HAND.values(), ids=MADE_BY_HAND.keys())
def test_a_message_is_written_to_the_octet_and_read_back(message: m.LDAPMessage, octets: str) -> None:
    assert encode(message) == bytes.fromhex(octets)
    assert decode(bytes.fromhex(octets)) == message


def test_every_operation_is_made_by_hand() -> None:
    assert {type(message.operation) for message, _ in MADE_BY_HAND.values()} == set(m.Operation.__args__)


def test_lengths_of_four_octets_are_read_as_windows_writes_them() -> None:
    octets = "308400000020 020101 608400000017 020103 0400 a3840000000c 0406475353415049 04024e54"
    bind = m.BindRequest(3, "", m.SaslAuthentication("GSSAPI", b"NT"))
    assert decode(bytes.fromhex(octets)) == m.LDAPMessage(1, bind)


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(item, id=item["filter"])
        for item in json.loads((Path(__file__).parents[1] / "vectors" / "filters.json").read_text())["items"]
        if item["valid"]
    ],
)
def test_a_filter_has_the_octets_that_openldap_gives_it(item: dict[str, str]) -> None:
    before = bytes.fromhex("0400 0a0102 0a0100 020100 020100 010100")
    parsed = f.parse_filter(item["filter"])
    message = m.LDAPMessage(1, m.SearchRequest("", m.Scope.WHOLE_SUBTREE, NEVER, 0, 0, False, parsed, ()))
    octets = encode(message)
    assert octets.endswith(before + bytes.fromhex(item["ber"]) + b"\x30\x00")
    assert decode(octets) == message


def search_for(filter: f.Filter) -> m.LDAPMessage:
    return m.LDAPMessage(1, m.SearchRequest("", m.Scope.BASE_OBJECT, NEVER, 0, 0, False, filter, ()))


def test_a_filter_nested_deeper_is_not_written() -> None:
    filter: f.Filter = f.Present("cn")
    for _ in range(f.MAX_DEPTH):
        filter = f.Not(filter)
    with pytest.raises(f.InvalidFilter, match="more than 50"):
        encode(search_for(filter))


def test_a_filter_ten_times_as_wide_takes_ten_times_the_steps() -> None:
    def lines_run(width: int) -> int:
        octets = encode(search_for(f.Or((f.Present("cn"),) * width)))
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            decode(octets)
        finally:
            sys.settrace(before)
        return count

    assert lines_run(10_000) < 10.5 * lines_run(1_000)


# Any octets at all


def decoded_or_refused(octets: bytes) -> None:
    """Demand that `octets` give a message that can be written and read again, a refusal to send, or a violation."""
    refused = None
    try:
        message = decode(octets)
    except ProtocolViolation:
        return
    except InvalidRequest as invalid:
        refused = invalid
    if refused is None:
        assert decode(encode(message)) == message
    else:
        assert 1 <= refused.message_id <= m.MAX_INT
        assert refused.response_tag in m.RESULTS


@given(st.binary(max_size=120))
def test_any_octets_are_decoded_or_refused(octets: bytes) -> None:
    decoded_or_refused(octets)


@settings(max_examples=500)
@given(st.integers(0x40, 0x7F), st.binary(max_size=50), st.binary(max_size=30))
def test_any_operation_of_any_octets_is_decoded_or_refused(tag: int, contents: bytes, rest: bytes) -> None:
    operation = bytes([tag, len(contents)]) + contents
    decoded_or_refused(bytes([0x30, 3 + len(operation) + len(rest), 2, 1, 1]) + operation + rest)


@settings(max_examples=500)
@given(
    st.sampled_from([bytes.fromhex(octets) for _, octets in MADE_BY_HAND.values()]),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 2), st.binary(max_size=2)), min_size=1, max_size=4),
)
def test_a_message_gone_wrong_is_decoded_or_refused(octets: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    contents = octets[2:]
    for place, removed, added in changes:
        place %= len(contents) or 1
        contents = contents[:place] + added + contents[place + removed :]
    decoded_or_refused(bytes([0x30, len(contents)]) + contents)
