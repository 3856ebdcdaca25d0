"""A digest-response read in one pass says what the reading of any list says, or leaves it to that."""

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import DigestResponse, MalformedMessage
from sasl_digest.usual import _FORMS, _MAX_FORM, _MAX_FORMS, fields

from .test_vectors import ITEMS

HEX32 = b"d388dad90d4bbd760a152321f2143af7"
USUAL = (
    b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
    b'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=' + HEX32 + b",qop=auth"
)
LDAP3 = (
    b'username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",cnonce="OA6MHXh6VqTrRk",'
    b'digest-uri="imap/elwood.innosoft.com",qop=auth,nc=00000001,charset="utf-8",response="' + HEX32 + b'"'
)
WITHOUT_REALM = b'response=%b,username="chris",nonce="n",nc=00000001,cnonce="c",digest-uri="ldap/h"' % HEX32
INSIDE = b'username="chris",response=%b,cnonce="c",nonce="n",nc=00000001,digest-uri="ldap/h"' % HEX32
CONF = USUAL.replace(b"qop=auth", b"qop=auth-conf,cipher=rc4-56,maxbuf=16777215")
# In order of the RFC's examples, as ldap3 writes them, and with the response at the end and in front.
WRITTEN = [USUAL, LDAP3, b",".join(sorted(USUAL.split(b","))), USUAL[:-9], WITHOUT_REALM, INSIDE, CONF]
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
    *[b'username="response=%b"' % HEX32, b'realm=",response=?"', b'cnonce="response="', b"response=", b"response=?"],
    *[b'response=%b"' % HEX32, b'response=?"', b"respons%b=" % HEX32, b"response%b=" % HEX32, b'response="?"'],
    *[
        b"maxbuf=065536",
        b"maxbuf=",
        b"cipher=rc4",
        b'cipher="3des"',
        b"cipher=rc4-",
        b"cipher=RC4",
        b"cipher=",
        b'authzid="u:bob"',
        b'x="y"',
        b"",
        b" ",
        b"=",
        b'"',
    ],
]
SEPARATORS = [b",", b", ", b",\r\n\t", b" ,", b",,", b"", b" "]


def said(data: bytes) -> DigestResponse | str:
    try:
        return DigestResponse._read(data)
    except MalformedMessage as refused:
        return str(refused)


def agrees(data: bytes) -> bool:
    """Whether nothing is said of `data`, or the same to the last field, those left out of comparisons too."""
    usual, general = fields(data), said(data)
    return usual is None or (isinstance(general, DigestResponse) and usual == tuple(general))


def changed(message: bytes) -> Iterator[bytes]:
    """The message with each element in place of each, in front of it, and behind it."""
    elements = message.split(b",")
    for at in range(len(elements)):
        for other in ELEMENTS:
            yield b",".join([*elements[:at], other, *elements[at + 1 :]])
            yield b",".join([*elements[:at], other, *elements[at:]])
    yield from (b",".join(element for element in elements if element not in out) for out in combinations(elements, 2))


@pytest.mark.parametrize("message", WRITTEN)
def test_every_element_in_every_place_is_read_alike(message: bytes) -> None:
    for data in changed(message):
        assert fields(message) is not None  # known, by now, by how it is written
        assert agrees(data), data


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ELEMENTS), st.sampled_from(SEPARATORS)), max_size=14))
def test_any_list_of_them_is_read_alike(parts: list[tuple[bytes, bytes]]) -> None:
    assert agrees(b"".join(element + separator for element, separator in parts))


@settings(deadline=None)
@given(st.sampled_from(WRITTEN).flatmap(lambda data: st.permutations(data.split(b","))), st.data())
def test_any_octets_put_in_are_read_alike(elements: list[bytes], drawn: st.DataObject) -> None:
    data = b",".join(elements)
    assert fields(data) is not None  # known, from here on, by how it is written
    at, octets = drawn.draw(st.integers(0, len(data))), drawn.draw(st.binary(max_size=2))
    assert agrees(data[:at] + octets + data[at:])
    assert agrees(data[:at] + octets + data[at + len(octets) :])


@pytest.mark.parametrize("message", WRITTEN)
def test_any_octet_in_place_of_each_is_read_alike(message: bytes) -> None:
    assert fields(message) is not None  # known, from here on, by how it is written
    for at in range(len(message)):
        for octet in range(256):
            data = b"%b%c%b" % (message[:at], octet, message[at + 1 :])
            assert agrees(data), data


@pytest.mark.parametrize(
    ("known", "data"),
    [
        (USUAL[:-9], USUAL[:-9] + b'"x'),  # a quote that does not end, behind all that is known
        (USUAL[:-9], USUAL[:-9] + b'"' + b'"'),
        (USUAL[:-9], USUAL[:-10]),  # a digit less
        (USUAL, USUAL.replace(b"chris", b"response=" + HEX32).replace(b"e=" + HEX32 + b",", b"e=,")),
        (USUAL, USUAL.replace(b"chris", b"response=?").replace(b"=" + HEX32, b"=?")),
        (LDAP3, LDAP3.replace(b'response="', b"response=" + HEX32 + b'"')),
        (LDAP3, LDAP3.replace(b'"utf-8"', b'"utf-9"')),
        (USUAL.replace(b"qop=auth", b'qop="auth"'), USUAL.replace(b"qop=auth", b'qop="auth-int"')),
        (CONF.replace(b"rc4-56", b'"rc4"'), CONF.replace(b"rc4-56", b'"des"')),
        # The same octets around the digits, which stand elsewhere among them.
        (WITHOUT_REALM, WITHOUT_REALM.replace(b"response=" + HEX32, b"response" + HEX32 + b"=")),
        (INSIDE, INSIDE.replace(b"response=" + HEX32 + b",c", b",cresponse=" + HEX32)),
    ],
)
def test_what_is_nearly_what_is_known_is_read_alike(known: bytes, data: bytes) -> None:
    fields(known)
    assert agrees(data)


def test_who_writes_alike_is_known_and_nothing_of_who_it_is_is_kept() -> None:
    _FORMS.clear()
    for message in (USUAL, LDAP3):
        assert fields(message) == tuple(said(message))
        kept = len(_FORMS)
        another = message.replace(b"chris", b"j\xc3\xbcrgen").replace(b"OA6M", b"XXXX").replace(HEX32, HEX32[::-1])
        assert another.count(b"XXXX") == 2
        assert fields(another) == tuple(said(another)) != fields(message)
        assert len(_FORMS) == kept
    assert len(_FORMS) == 2
    said_of_them = repr(_FORMS)
    for secret in (b"chris", b"innosoft", b"OA6M", HEX32):
        assert secret.decode() not in said_of_them


def test_few_ways_of_writing_are_kept() -> None:
    _FORMS.clear()
    for size in range(1024, 1024 + 3 * _MAX_FORMS):
        assert fields(USUAL + b",maxbuf=%d" % size) is not None
        assert 1 <= len(_FORMS) <= _MAX_FORMS
    _FORMS.clear()
    assert fields(USUAL.replace(b",", b"," + b" " * _MAX_FORM)) is not None
    assert fields(USUAL.replace(b"nc=00000001", b"nc=00000002")) is not None  # another each time
    assert not _FORMS


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["name"])
def test_what_clients_sent_is_read_alike(item: dict[str, str]) -> None:
    assert agrees(item["response"].encode())


@settings(deadline=None)
@given(st.permutations([*USUAL.split(b","), b"maxbuf=1024"]))
def test_the_order_does_not_matter(elements: list[bytes]) -> None:
    assert fields(b",".join(elements)) is not None


@pytest.mark.parametrize(
    "data",
    [
        USUAL,  # RFC 2831 section 4
        USUAL.replace(b"response=" + HEX32, b'response="%b"' % HEX32).replace(b"=utf-8", b'="utf-8"'),  # ldap3
        USUAL.replace(b"charset=utf-8,", b"").replace(b"qop=auth", b"maxbuf=16777215,qop=auth"),  # Cyrus SASL
        USUAL.replace(b",", b", "),  # GNU SASL
        USUAL.replace(b"qop=auth", b'qop="auth"'),  # ruby-sasl
        USUAL.replace(b"qop=auth", b"qop=auth-int"),
        CONF,  # Cyrus SASL
        CONF.replace(b"rc4-56", b'"3des"'),  # the JDK
    ],
)
def test_what_is_usual_needs_no_other_reading(data: bytes) -> None:
    assert fields(data) is not None


def test_no_input_takes_long() -> None:
    """Quantifiers that give nothing back: a list that breaks at its end is tried once from its beginning."""
    assert fields(b'username="' + b"x" * 4000) is None
    assert fields(b"nc=00000001" + b", " * 2000) is None
    assert fields(USUAL + b"," + b" " * 3800 + b"x") is None
