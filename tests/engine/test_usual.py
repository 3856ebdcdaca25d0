"""A digest-response read in one pass says what the reading of any list says, or leaves it to that."""

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import DigestResponse, MalformedMessage
from sasl_digest.messages import _usual

from .test_vectors import ITEMS

HEX32 = b"d388dad90d4bbd760a152321f2143af7"
USUAL = (
    b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
    b'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=' + HEX32 + b",qop=auth"
)
# What may stand in a list: as usual, unusual, and wrong.
ELEMENTS = [
    *USUAL.split(b","),
    *[b'username=""', b'username="j\xc3\xbcrgen"', b'username="j\xfcrgen"', b'username="a\\"b"', b'username="a,b"'],
    *[b"username=chris", b'username="chr"is', b'username="\x01"', b'Username="chris"', b'username = "chris"'],
    *[b'realm="a\tb"', b'realm=""', b"realm=x", b"nonce=n", b'nonce="n"', b'cnonce="\x7f"', b'cnonce=""'],
    *[b"nc=00000000", b"nc=0000000a", b"nc=0000000A", b"nc=1", b'nc="00000001"', b"nc=000000011"],
    *[b'qop="auth"', b"qop=auth-int", b'qop="auth-int', b"qop=auth-conf", b"qop=auth-", b"qop=", b"qop=AUTH"],
    *[b'response="' + HEX32 + b'"', b"response=" + HEX32 + b'"', b"response=" + HEX32.upper(), b"response=d3"],
    *[
        b'charset="utf-8"',
        b'charset="utf-8',
        b'charset=utf-8"',
        b"charset=UTF-8",
        b"charset=",
        b"charset=latin1",
        b"digest-uri=ldap/h",
        b'digest-uri=""',
    ],
    *[b"maxbuf=65536", b"maxbuf=16", b"maxbuf=17", b"maxbuf=16777215", b"maxbuf=16777216", b'maxbuf="1024"'],
    *[b"maxbuf=065536", b"maxbuf=", b"cipher=rc4", b'authzid="u:bob"', b'x="y"', b"", b" ", b"=", b'"'],
]
SEPARATORS = [b",", b", ", b",\r\n\t", b" ,", b",,", b"", b" "]


def said(data: bytes) -> DigestResponse | str:
    try:
        return DigestResponse._read(data)
    except MalformedMessage as refused:
        return str(refused)


def agrees(data: bytes) -> bool:
    """Whether nothing is said of `data`, or the same to the last field, those left out of comparisons too."""
    usual, general = _usual(data), said(data)
    return usual is None or (isinstance(general, DigestResponse) and tuple(usual) == tuple(general))


def changed() -> Iterator[bytes]:
    """The message with each element in place of each, in front of it, and behind it."""
    elements = USUAL.split(b",")
    for at in range(len(elements)):
        for other in ELEMENTS:
            yield b",".join([*elements[:at], other, *elements[at + 1 :]])
            yield b",".join([*elements[:at], other, *elements[at:]])
    yield from (b",".join(element for element in elements if element not in out) for out in combinations(elements, 2))


def test_every_element_in_every_place_is_read_alike() -> None:
    assert [data for data in changed() if not agrees(data)] == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ELEMENTS), st.sampled_from(SEPARATORS)), max_size=14))
def test_any_list_of_them_is_read_alike(parts: list[tuple[bytes, bytes]]) -> None:
    assert agrees(b"".join(element + separator for element, separator in parts))


@settings(deadline=None)
@given(st.permutations(USUAL.split(b",")), st.integers(0, len(USUAL)), st.binary(max_size=2))
def test_any_octets_put_in_are_read_alike(elements: list[bytes], at: int, octets: bytes) -> None:
    data = b",".join(elements)
    assert agrees(data[:at] + octets + data[at:])
    assert agrees(data[:at] + octets + data[at + len(octets) :])


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["name"])
def test_what_clients_sent_is_read_alike(item: dict[str, str]) -> None:
    assert agrees(item["response"].encode())


@settings(deadline=None)
@given(st.permutations([*USUAL.split(b","), b"maxbuf=1024"]))
def test_the_order_does_not_matter(elements: list[bytes]) -> None:
    assert _usual(b",".join(elements)) is not None


@pytest.mark.parametrize(
    "data",
    [
        USUAL,  # RFC 2831 section 4
        USUAL.replace(b"response=" + HEX32, b'response="%b"' % HEX32).replace(b"=utf-8", b'="utf-8"'),  # ldap3
        USUAL.replace(b"charset=utf-8,", b"").replace(b"qop=auth", b"maxbuf=16777215,qop=auth"),  # Cyrus SASL
        USUAL.replace(b",", b", "),  # GNU SASL
        USUAL.replace(b"qop=auth", b'qop="auth"'),  # ruby-sasl
        USUAL.replace(b"qop=auth", b"qop=auth-int"),
    ],
)
def test_what_is_usual_needs_no_other_reading(data: bytes) -> None:
    assert _usual(data) is not None


def test_no_input_takes_long() -> None:
    """Quantifiers that give nothing back: a list that breaks at its end is tried once from its beginning."""
    assert _usual(b'username="' + b"x" * 4000) is None
    assert _usual(b"nc=00000001" + b", " * 2000) is None
    assert _usual(USUAL + b"," + b" " * 3800 + b"x") is None
