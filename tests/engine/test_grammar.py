"""The directive list of RFC 2831 section 7.1: what is read, what is refused and where, and what is written."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import MalformedMessage, PeerError
from sasl_digest.grammar import _ELEMENT, join, quoted, split

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~", min_size=1, max_size=12).map(str.encode)
CONTROLS = [octet for octet in range(32) if octet not in b"\t\r\n"] + [127]


@pytest.mark.parametrize(
    ("data", "directives"),
    [
        (b"a=1", [(b"a", b"1")]),
        (b'a="1"', [(b"a", b"1")]),
        (b'a=1,b="2",c=3', [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]),
        (b'realm="one",realm="two"', [(b"realm", b"one"), (b"realm", b"two")]),
        # names are literals of the ABNF and have no case; values have
        (b'NONCE="AbC",Qop=AUTH', [(b"nonce", b"AbC"), (b"qop", b"AUTH")]),
        # "=" and "/" in a bare value: ruby-sasl sends a base64 nonce without quotes
        (b"nonce=ab/c+d==,b=2", [(b"nonce", b"ab/c+d=="), (b"b", b"2")]),
        # Authen::SASL::Perl writes charset= with nothing behind it
        (b"charset=,b=2", [(b"charset", b""), (b"b", b"2")]),
        (b"charset=", [(b"charset", b"")]),
        (b'a="",b=2', [(b"a", b""), (b"b", b"2")]),
        (b'a="x,y=z"', [(b"a", b"x,y=z")]),
        (b'a=" x ",b=2', [(b"a", b" x "), (b"b", b"2")]),
        (b'a="x\ty"', [(b"a", b"x\ty")]),
        (b'a="\xc3\xbc\xff",b=\xc3\xbc', [(b"a", b"\xc3\xbc\xff"), (b"b", b"\xc3\xbc")]),
        (b"!#$%&'*+-.^_`|~9=1", [(b"!#$%&'*+-.^_`|~9", b"1")]),
    ],
)
def test_list_is_split(data: bytes, directives: list[tuple[bytes, bytes]]) -> None:
    assert split("digest-challenge", data) == directives


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'a="x\"y"', b'x"y'),
        (rb'a="x\\y"', rb"x\y"),
        (rb'a="\\\""', rb"\"" b""),
        (rb'a="\\"', b"\\"),
        (rb'a="\a\,"', b"a,"),
        (b'a="\\\x00\\\x7f\\\xff"', b"\x00\x7f\xff"),
        (rb'a="\\x",b="\y"', rb"\x"),
        (rb'A="x\"y"', b'x"y'),
    ],
)
def test_quoted_pair_stands_for_the_character_behind_the_backslash(data: bytes, value: bytes) -> None:
    assert split("digest-challenge", data)[0] == (b"a", value)


@pytest.mark.parametrize(
    "data",
    [
        b"a=1, b=2",
        b"a=1 ,b=2",
        b"a=1\r\n ,\t b=2",
        b"  a=1,b=2\r\n",
        b"a = 1,b\t=\n2",
        b'a = "1" , b="2" ',
        b",a=1,,b=2",
        b" , ,a=1, ,\t, b=2",
        b"a=1,b=2,",
        b"a=1,b=2 , ,",
    ],
)
def test_blanks_and_empty_elements_mean_nothing(data: bytes) -> None:
    assert split("digest-challenge", data) == [(b"a", b"1"), (b"b", b"2")]


@pytest.mark.parametrize("data", [b"", b" ", b",", b" ,\r\n\t, "])
def test_list_without_a_directive_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage, match=r"^response-auth: is empty; at least one directive was due$"):
        split("response-auth", data)


@pytest.mark.parametrize(
    ("data", "octet"),
    [
        (b"a", 0),
        (b"=1", 0),
        (b'"a"=1', 0),
        (b"a=1,b", 4),
        (b"a=1,b,c=3", 4),
        (b" ,a=1, b", 7),
        (b"a=1;b=2,@=1", 8),
        (b"a=1 b=2", 0),
        (b'a="1"b=2', 0),
        (b'a="1" "2"', 0),
        (b'a=1,b="2', 4),
        (b'a=1,b="2\\"', 4),
        (b'a=1,b="', 4),
        (b'a=1,b="\\', 4),
        (b'a=1,b=2"', 4),
        (b'a=1,b=x"2"', 4),
        (b"a=1,b=x\\y", 4),
        (b"a=1,b\xc3=2", 4),
        (b"a=1,b(=2", 4),
        (b"a=1,b\x00=2", 4),
    ],
)
def test_broken_list_is_refused_at_the_octet_where_it_breaks(data: bytes, octet: int) -> None:
    with pytest.raises(MalformedMessage) as caught:
        split("digest-response", data)
    assert str(caught.value) == f"digest-response: no directive can be read at octet {octet}"
    assert (caught.value.directive, caught.value.rule) == (
        "digest-response",
        f"no directive can be read at octet {octet}",
    )


@pytest.mark.parametrize("octet", CONTROLS)
@pytest.mark.parametrize("form", [b'a=1,b="x%by"', b"a=1,b=x%by", b"a=1,b%b=x", b"a=1,%bb=x"])
def test_control_is_refused_unless_a_backslash_quotes_it(form: bytes, octet: int) -> None:
    with pytest.raises(MalformedMessage, match=r"at octet 4$"):
        split("digest-response", form % bytes([octet]))
    assert split("digest-response", b'b="x\\%by"' % bytes([octet])) == [(b"b", b"x%by" % bytes([octet]))]


@pytest.mark.parametrize(
    "data",
    [
        b"," * 4095,
        b"a=1" + b" " * 4091 + b"x",
        b"a" * 4095,
        b"a=" + b" " * 4092 + b'"',
        b'a="' + b"x" * 4092,
        b'a="' + b"\\" * 4091,
        b'a="' + rb"\a" * 2046,
        b"a=1," * 1023 + b'a"',
        b"a=1 , \t\r\n," * 400 + b"\x00",
    ],
    ids=lambda data: repr(data[:8]),
)
def test_long_list_that_breaks_at_its_end_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        split("digest-response", data)


def test_no_repetition_of_the_grammar_gives_back_what_it_took() -> None:
    """A matcher that never backtracks passes over any input once: seen on the pattern, not on a clock."""
    literals = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])+\]")
    bare = re.sub(r"#.*", "", literals.sub("x", _ELEMENT.pattern.decode("ascii")))
    repetitions = re.findall(r"[*+]+", bare)
    assert len(repetitions) == 8
    assert set(repetitions) == {"*+", "++"}
    assert "{" not in bare


@pytest.mark.parametrize(
    ("value", "written"),
    [(b"", b'""'), (b"alice", b'"alice"'), (b'a"b', rb'"a\"b"'), (b"a\\b", rb'"a\\b"'), (b'\\"', rb'"\\\""')],
)
def test_quotes_and_backslashes_are_written_behind_a_backslash(value: bytes, written: bytes) -> None:
    assert quoted(value) == written


def test_what_quoted_writes_can_be_read_even_with_controls_in_it() -> None:
    value = bytes(CONTROLS)
    assert split("digest-response", b"a=" + quoted(value)) == [(b"a", value)]


def test_directives_are_joined_without_a_blank() -> None:
    assert join([(b"qop", b"auth"), (b"realm", b'"a b"'), (b"charset", b"")]) == b'qop=auth,realm="a b",charset='


@settings(deadline=None)
@given(
    st.lists(st.tuples(TOKENS, st.binary(max_size=20).map(lambda v: re.sub(rb"[\x00-\x1f\x7f]", b"", v))), min_size=1)
)
def test_every_list_we_write_is_read_back(directives: list[tuple[bytes, bytes]]) -> None:
    assert split("digest-response", join([(name, quoted(value)) for name, value in directives])) == directives
