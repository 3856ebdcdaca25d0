"""What is recognised whole is what is read field by field: the same message, or the same refusal in the same words.

A length of one octet written as two (81 and it) says the same, and no shortcut takes it: so each is held against what
the general reader makes of the same octets, in order and out of it.
"""

import pickle
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.wire import ber, codec, responses
from ldapserver.wire import filters as f
from ldapserver.wire import messages as m
from ldapserver.wire.codec import decode, encode
from ldapserver.wire.messages import DerefAliases, ResultCode, Scope

ID = bytes.fromhex("020101")
BASE = bytes.fromhex("04036f3d78")
PARAMETERS = bytes.fromhex("0a01020a0100020100020100010100")
FILTER = bytes.fromhex("a309040375696404027531")
ATTRIBUTES = bytes.fromhex("30070402636e04012a")
MECHANISM = b"\x0aDIGEST-MD5"


def message(tag: int, contents: bytes) -> bytes:
    return ber.encoded(0x30, ID + ber.encoded(tag, contents))


def outcome(octets: bytes) -> object:
    """What `octets` are decoded to, or the refusal and its words."""
    try:
        return decode(octets)
    except ProtocolViolation as violation:
        return ProtocolViolation, str(violation)
    except InvalidRequest as invalid:
        return invalid.message_id, invalid.response_tag, invalid.result_code, invalid.diagnostic_message


def damaged(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of them as it is, cut, or with an octet of it changed."""

    def changed(sample: bytes, place: int, octet: int) -> bytes:
        place %= len(sample)
        return sample[:place] + bytes([octet]) + sample[place + 1 :]

    whole = st.sampled_from(samples)
    return st.one_of(
        whole,
        st.builds(lambda sample, place: sample[: place % (len(sample) + 1)], whole, st.integers(0, 60)),
        st.builds(changed, whole, st.integers(0, 60), st.sampled_from([0, 1, 2, 4, 0x80, 0x81, 0xA3, 0xFF])),
    )


# How a message goes on behind a tag, whose length is written one way or the other; and what is made of it.
SHORTCUTS: dict[str, tuple[bytes, list[bytes], Callable[[bytes], bytes]]] = {
    "messageID": (
        b"\x02",
        [
            bytes.fromhex("0105") + bytes.fromhex("4200"),
            bytes.fromhex("0101") + ber.encoded(0x60, bytes.fromhex("0201030400a30c04") + MECHANISM),
        ],
        lambda contents: ber.encoded(0x30, contents),
    ),
    "version": (
        b"\x02",
        [
            bytes.fromhex("01030400a30c04") + MECHANISM,
            bytes.fromhex("01030400a3840000000c04") + MECHANISM,
            bytes.fromhex("01030400a30e04") + MECHANISM + bytes.fromhex("0400"),
            bytes.fromhex("01030404636e3d6180027077"),
        ],
        lambda contents: message(0x60, contents),
    ),
    "mechanism": (
        b"\x04",
        [MECHANISM, MECHANISM + bytes.fromhex("0403616263"), MECHANISM + bytes.fromhex("04820003616263")],
        lambda contents: message(0x60, bytes.fromhex("0201030400") + ber.encoded(0xA3, contents)),
    ),
    "scope": (
        b"\x0a",
        [PARAMETERS[1:] + FILTER + ATTRIBUTES, PARAMETERS[1:] + FILTER + bytes.fromhex("3000")],
        lambda contents: message(0x63, BASE + contents),
    ),
    "attributeDesc": (
        b"\x04",
        [FILTER[3:], FILTER[3:] + b"\x04\x00"],
        lambda contents: message(0x63, BASE + PARAMETERS + ber.encoded(0xA3, contents) + ATTRIBUTES),
    ),
}


@pytest.mark.parametrize("name", SHORTCUTS)
@settings(max_examples=150)
@given(st.data())
def test_what_is_recognised_is_what_is_read_field_by_field(name: str, data: st.DataObject) -> None:
    tag, samples, whole = SHORTCUTS[name]
    rest = data.draw(damaged(samples).filter(lambda octets: b"" < octets[:1] < b"\x80"))
    assert outcome(whole(tag + rest)) == outcome(whole(tag + b"\x81" + rest))


# What chance does not find: lengths that lie, and octets outside an element that would fit into it.


@pytest.mark.parametrize("credentials", [None, b""])
def test_windows_asks_for_a_challenge(credentials: bytes | None) -> None:
    sasl = b"\x04" + MECHANISM + (b"" if credentials is None else b"\x04\x00")
    bind = bytes.fromhex("0201030400a384") + len(sasl).to_bytes(4) + sasl
    octets = ID + b"\x60\x84" + len(bind).to_bytes(4) + bind
    asked = m.BindRequest(3, "", m.SaslAuthentication("DIGEST-MD5", credentials))
    assert decode(b"\x30\x84" + len(octets).to_bytes(4) + octets) == m.LDAPMessage(1, asked)


def test_message_zero_asks_for_no_challenge() -> None:
    bind = ber.encoded(0x60, bytes.fromhex("0201030400a30c04") + MECHANISM)
    assert outcome(ber.encoded(0x30, b"\x02\x01\x00" + bind)) == (
        ProtocolViolation,
        f"messageID: 0, it has to be 1 to {m.MAX_INT}",
    )


def test_a_name_of_a_length_of_two_octets() -> None:
    name = "n" * 0x85
    octets = bytes.fromhex("020103048185") + name.encode() + bytes.fromhex("80027077")
    assert decode(message(0x60, octets)).operation == m.BindRequest(3, name, m.SimpleAuthentication(b"pw"))


def test_a_mechanism_that_ends_outside_is_cut_short() -> None:
    octets = bytes.fromhex("0201030400a30b04") + MECHANISM + b"\x00"
    assert outcome(message(0x60, octets)) == (ProtocolViolation, "mechanism: longer than what is around it")


def test_parameters_that_end_outside_are_cut_short() -> None:
    octets = ID + ber.encoded(0x63, BASE + PARAMETERS[:9]) + PARAMETERS[9:] + FILTER + ATTRIBUTES
    assert outcome(ber.encoded(0x30, octets)) == (ProtocolViolation, "timeLimit: absent or cut short")


@pytest.mark.parametrize(
    ("octets", "attribute", "value"),
    [
        (b"\x04\x03uid\x04\x81\x80" + b"v" * 128, "uid", b"v" * 128),
        (b"\x04\x81\x7f" + b"n" * 127 + b"\x04\x04\x03abc", "n" * 127, b"\x03abc"),
    ],
)
def test_lengths_that_look_like_those_of_one_octet(octets: bytes, attribute: str, value: bytes) -> None:
    search = decode(message(0x63, BASE + PARAMETERS + ber.encoded(0xA3, octets) + ATTRIBUTES)).operation
    assert isinstance(search, m.SearchRequest)
    assert search.filter == f.Equality(attribute, value)


@given(st.sampled_from(m.Scope), st.sampled_from(m.DerefAliases), st.booleans(), st.integers(0, 1), st.integers(0, 1))
def test_the_parameters_of_a_search_are_read_as_they_were_written(
    scope: m.Scope, aliases: m.DerefAliases, types_only: bool, size_limit: int, time_limit: int
) -> None:
    search = m.SearchRequest("", scope, aliases, size_limit, time_limit, types_only, f.Present("cn"), ())
    decoded = decode(encode(m.LDAPMessage(1, search))).operation
    assert decoded == search
    assert isinstance(decoded, m.SearchRequest)
    assert (type(decoded.scope), type(decoded.types_only)) == (m.Scope, bool)


@pytest.mark.parametrize("size", [0, *range(107, 130), *range(235, 260), 65535, 65536])
def test_every_length_around_a_step_is_written_in_the_fewest_octets(size: int) -> None:
    def element(tag: int, contents: bytes) -> bytes:
        length = b"" if len(contents) < 128 else len(contents).to_bytes((len(contents).bit_length() + 7) // 8)
        first = 0x80 | len(length) if length else len(contents)
        return bytes([tag, first]) + length + contents

    value = b"v" * size
    bind = m.BindResponse(ResultCode.SUCCESS, server_sasl_creds=value)
    octets = element(0x61, bytes.fromhex("0a0100 0400 0400") + element(0x87, value))
    for number, written in ((1, "020101"), (127, "02017f"), (128, "02020080")):
        assert encode(m.LDAPMessage(number, bind)) == element(0x30, bytes.fromhex(written) + octets)
    entry = m.SearchResultEntry("o=x", (m.PartialAttribute("cn", (value, b"")),))
    vals = element(0x31, element(0x04, value) + b"\x04\x00")
    attribute = element(0x30, bytes.fromhex("0402636e") + vals)
    octets = element(0x64, bytes.fromhex("04036f3d78") + element(0x30, attribute))
    assert encode(m.LDAPMessage(1, entry)) == element(0x30, ID + octets)


def test_a_code_with_a_name_is_read_by_its_name() -> None:
    done = decode(message(0x65, bytes.fromhex("0a010304000400"))).operation
    assert isinstance(done, m.SearchResultDone)
    assert done.result_code is ResultCode.TIME_LIMIT_EXCEEDED


# Values


def test_a_value_is_one_by_its_fields_and_shows_no_secret() -> None:
    bind = m.BindRequest(3, "cn=a", m.SimpleAuthentication(b"secret"))
    again = replace(bind, name="cn=a")
    assert (bind, hash(bind)) == (again, hash(again))
    assert bind != replace(bind, authentication=m.SimpleAuthentication(b"other"))
    assert {m.DelResponse(ResultCode.SUCCESS), m.AddResponse(ResultCode.SUCCESS)} != {
        m.AddResponse(ResultCode.SUCCESS)
    }
    assert repr(bind) == "BindRequest(version=3, name='cn=a', authentication=SimpleAuthentication())"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            m.BindRequest(3, "cn=a", m.SimpleAuthentication(b"secret")),
            "BindRequest(version=3, name='cn=a', authentication=SimpleAuthentication())",
        ),
        (
            m.BindRequest(3, "", m.SaslAuthentication("PLAIN", b"secret")),
            "BindRequest(version=3, name='', authentication=SaslAuthentication(mechanism='PLAIN'))",
        ),
        (
            m.BindResponse(ResultCode.BUSY, "cn=a", "why", ("ldap://a",), b"secret"),
            "BindResponse(result_code=<ResultCode.BUSY: 51>, matched_dn='cn=a', diagnostic_message='why', "
            "referral=('ldap://a',))",
        ),
        (
            m.ExtendedResponse(4711, response_name="1.2", response_value=b"secret"),
            "ExtendedResponse(result_code=4711, matched_dn='', diagnostic_message='', referral=(), "
            "response_name='1.2')",
        ),
        (
            m.DelResponse(ResultCode.SUCCESS),
            "DelResponse(result_code=<ResultCode.SUCCESS: 0>, matched_dn='', diagnostic_message='', referral=())",
        ),
        (
            m.SearchRequest("", Scope.BASE_OBJECT, DerefAliases.DEREF_ALWAYS, 1, 2, True, f.Present("a"), ("b",)),
            "SearchRequest(base_object='', scope=<Scope.BASE_OBJECT: 0>, "
            "deref_aliases=<DerefAliases.DEREF_ALWAYS: 3>, size_limit=1, "
            "time_limit=2, types_only=True, filter=Present(attribute='a'), attributes=('b',))",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_writes_its_init_itself_is_shown_copied_and_pickled_whole(value: Any, shown: str) -> None:
    assert repr(value) == shown
    for other in (pickle.loads(pickle.dumps(value)), deepcopy(value), replace(value)):
        assert (other, hash(other)) == (value, hash(value))
        assert [getattr(other, each.name) for each in fields(other)] == [
            getattr(value, each.name) for each in fields(value)
        ]


def test_assigning_to_a_field_is_found_by_the_type_checker() -> None:
    # mypy complains of an ignored error that is none.
    bind = m.BindRequest(3, "", m.SimpleAuthentication(b""))
    with suppress(AttributeError):  # compiled, it can't be done at all
        bind.version = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        bind.versions = 2  # type: ignore[attr-defined]


@given(
    message_id=st.integers(1, 2**31 - 1) | st.sampled_from([1, 127, 128, 255, 256, 32767, 32768, 2**31 - 1]),
    text=st.integers(0, 20) | st.integers(220, 260),
    creds=st.none() | st.integers(0, 300),
)
def test_the_answer_to_a_bind_is_put_together_at_once_as_it_would_be_element_by_element(
    message_id: int, text: int, creds: int | None
) -> None:
    response = m.BindResponse(
        ResultCode.OTHER, diagnostic_message="x" * text, server_sasl_creds=None if creds is None else b"c" * creds
    )
    wanted = ber.encoded(0x30, ber.encoded(2, shortest(message_id)) + responses.write_bind_response(response))
    assert codec.written(message_id, response) == wanted
    assert decode(wanted) == m.LDAPMessage(message_id, response)


@pytest.mark.parametrize("creds", [None, *range(0x60, 0x110)])
def test_at_every_length_an_answer_to_a_bind_is_what_it_would_be_element_by_element(creds: int | None) -> None:
    response = m.BindResponse(ResultCode.SUCCESS, server_sasl_creds=None if creds is None else b"c" * creds)
    for message_id in (1, 0x7F, 0x80, 2**31 - 1):
        identifier = ber.encoded(2, shortest(message_id))
        assert codec.written(message_id, response) == ber.encoded(
            0x30, identifier + responses.write_bind_response(response)
        )


def shortest(number: int) -> bytes:
    """The contents of an INTEGER that is not negative, in the fewest octets."""
    return number.to_bytes(number.bit_length() // 8 + 1)
