"""Which names may be equal to one: never too few, and few where that is what it is for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.likely import likely
from ldapserver.directory.matching import distinguished_name

MEMBERS = [b"uid=u%d,ou=people,dc=x" % number for number in range(100)]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (b"UID=U7 , ou=people,dc=x", [7]),
        (b"uid=new,ou=people,dc=x", []),
        (b"uid=u1,dc=y", [1]),  # to be read
        (b"uid=u\\2c,ou=people,dc=x", range(100)),
        (b"uid=u7+cn=a,ou=people,dc=x", range(100)),
        (b"telephoneNumber=7,ou=people,dc=x", range(100)),
        ("uid=ü,dc=x".encode(), range(100)),
        (b"no name", range(100)),
        (b"", range(100)),
        (b"\xff", range(100)),
    ],
)
def test_a_plain_name_is_found_by_its_text(wanted: bytes, places: object) -> None:
    assert list(likely(MEMBERS, wanted)) == list(places)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "other",
    [
        *(b"uid=\\75new,dc=x", b"uid= new,dc=x", b"uid=new ,dc=x", b"uid=n  ew,dc=x", b"uid=#04036e6577,dc=x"),
        *(b"cn=a+uid=new,dc=x", b"uid=new;dc=x", "uid=\uff4eew,dc=x".encode(), b"uid=n\0ew,dc=x", b"\xff"),
    ],
)
def test_where_one_is_written_otherwise_all_are_read(other: bytes) -> None:
    assert len(likely([*MEMBERS, other], b"uid=new,dc=x")) == 101


TEXTS = st.sampled_from(
    ["a", "A", " a", "a ", "a b", "a  b", "\\61", "\\,", "é", "ａ", "#040161", "a\u00ad", "+1", "1-2", ""]
)
TYPES = st.sampled_from(["uid", "UID", "userid", "cn", "telephoneNumber", "memberUid", "0.9.2342.19200300.100.1.1"])
RDNS = st.tuples(TYPES, st.sampled_from(["=", " = "]), TEXTS).map("".join)
NAMES = st.lists(RDNS, min_size=1, max_size=2).flatmap(
    lambda rdns: st.sampled_from([",", " , ", "+", ";"]).map(lambda by: by.join(rdns))
)


@given(st.lists(NAMES.map(str.encode), max_size=4), NAMES.map(str.encode))
def test_no_equal_name_is_missed(values: list[bytes], wanted: bytes) -> None:
    def key(value: bytes) -> object:
        try:
            return distinguished_name(value)
        except ValueError:
            return value

    equal = {at for at, value in enumerate(values) if key(value) == key(wanted)}
    assert equal <= set(likely(values, wanted))
