"""The BER reader and writer by themselves: every length form, every bound, what each element may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.errors import ProtocolViolation
from ldapserver.wire import ber


@pytest.mark.parametrize("header", ["0403", "048103", "04820003", "0483000003", "048400000003"])
def test_a_definite_length_is_read_in_every_form(header: str) -> None:
    element = bytes.fromhex(header) + b"abc"
    assert ber.octet_string(element, 0, len(element), "value") == (b"abc", len(element))
    assert ber.header(element, 0, len(element), "value") == (ber.OCTET_STRING, len(element) - 3, len(element))


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ("0480610000", "indefinite"),
        ("04850000000001ff", "a length of 5 octets"),
        ("04ff", "a length of 127 octets"),
        ("", "cut short"),
        ("04", "cut short"),
        ("0481", "its length is cut short"),
        ("04840000", "its length is cut short"),
        ("040261", "longer than what is around it"),
        ("0484ffffffff61", "longer than what is around it"),
        ("2403040161", "tag 0x24 where 0x04 is due"),
    ],
)
def test_an_octet_string_that_is_not_one_is_refused_with_its_field(element: str, reason: str) -> None:
    data = bytes.fromhex(element)
    with pytest.raises(ProtocolViolation, match=f"name: .*{reason}"):
        ber.octet_string(data, 0, len(data), "name")


def test_an_element_may_not_reach_past_its_parent_though_there_are_octets() -> None:
    data = bytes.fromhex("0402616263")
    assert ber.octet_string(data, 0, 4, "name") == (b"ab", 4)
    with pytest.raises(ProtocolViolation, match="longer than what is around it"):
        ber.octet_string(data, 0, 3, "name")
    with pytest.raises(ProtocolViolation, match="cut short"):
        ber.octet_string(data, 0, 1, "name")


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("020100", 0),
        ("02017f", 127),
        ("020180", -128),
        ("0201ff", -1),
        ("02020080", 128),
        ("02047fffffff", 2147483647),
        ("020480000000", -2147483648),
        ("020400000001", 1),
        ("02840000000103", 3),
    ],
)
def test_an_integer_is_read(element: str, value: int) -> None:
    data = bytes.fromhex(element)
    assert ber.integer(data, 0, len(data), "version") == (value, len(data))


@pytest.mark.parametrize("element", ["0200", "02050000000001", "02050080000000"])
def test_an_integer_has_one_to_four_octets(element: str) -> None:
    data = bytes.fromhex(element)
    with pytest.raises(ProtocolViolation, match=r"version: an INTEGER of \d octets"):
        ber.integer(data, 0, len(data), "version")


@pytest.mark.parametrize(
    ("element", "value"), [("010100", False), ("0101ff", True), ("010101", True), ("010180", True)]
)
def test_any_octet_but_zero_is_true(element: str, value: bool) -> None:
    assert ber.boolean(bytes.fromhex(element), 0, 3, "typesOnly") == (value, 3)


@pytest.mark.parametrize("element", ["0100", "01020000"])
def test_a_boolean_has_one_octet(element: str) -> None:
    data = bytes.fromhex(element)
    with pytest.raises(ProtocolViolation, match="typesOnly: a BOOLEAN of"):
        ber.boolean(data, 0, len(data), "typesOnly")


@pytest.mark.parametrize("elements", ["", "0500", "9f8f7f0161", "bf2003020100", "040161a706048400000000308400000000"])
def test_whole_elements_are_passed_over_whatever_their_tags(elements: str) -> None:
    data = bytes.fromhex(elements)
    ber.skip(data, 0, len(data), "LDAPMessage")


@pytest.mark.parametrize("elements", ["05", "0501", "9f", "9f8f", "9f8f7f", "9f8f7f02", "04016104", "0580"])
def test_a_trailing_element_cut_short_is_not_passed_over(elements: str) -> None:
    data = bytes.fromhex(elements)
    with pytest.raises(ProtocolViolation, match="LDAPMessage"):
        ber.skip(data, 0, len(data), "LDAPMessage")


def test_every_depth_is_checked_without_recursion() -> None:
    nested = b""
    for _ in range(3000):
        nested = b"\x30\x84" + len(nested).to_bytes(4) + nested
    ber.check(nested)
    broken = nested[:-1] + b"\x01"  # the innermost says it holds one octet more than there is
    with pytest.raises(ProtocolViolation):
        ber.check(broken)


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, "0400"),
        (127, "047f"),
        (128, "048180"),
        (255, "0481ff"),
        (256, "04820100"),
        (65535, "0482ffff"),
        (65536, "0483010000"),
        (16777216, "048401000000"),
    ],
)
def test_a_length_is_written_in_the_fewest_octets(length: int, header: str) -> None:
    assert ber.encoded(ber.OCTET_STRING, bytes(length)) == bytes.fromhex(header) + bytes(length)


@pytest.mark.parametrize(
    ("value", "element"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (255, "020200ff"),
        (256, "02020100"),
        (32767, "02027fff"),
        (32768, "0203008000"),
        (2147483647, "02047fffffff"),
        (-1, "0201ff"),
        (-128, "020180"),
        (-129, "0202ff7f"),
    ],
)
def test_an_integer_is_written_in_the_fewest_octets(value: int, element: str) -> None:
    assert ber.encoded_integer(value) == bytes.fromhex(element)


def test_true_is_written_as_ff() -> None:
    assert ber.encoded_boolean(True) == bytes.fromhex("0101ff")
    assert ber.encoded_boolean(False) == bytes.fromhex("010100")
    assert ber.encoded_boolean(True, 0x84) == bytes.fromhex("8401ff")


@given(st.integers(-(2**31), 2**31 - 1))
def test_an_integer_written_is_read_back(value: int) -> None:
    element = ber.encoded_integer(value, ber.ENUMERATED)
    assert ber.integer(element, 0, len(element), "value", ber.ENUMERATED) == (value, len(element))
