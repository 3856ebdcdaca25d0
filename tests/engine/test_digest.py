"""The formulas of RFC 2831 sections 2.1.2.1 and 2.1.3, held against a second computation straight from the text."""

from hashlib import md5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import QOP
from sasl_digest.digest import a1, a2_of_client, a2_of_server, converted, h, hexed, keyed, response_value, secret


def by_the_book(
    username: bytes,
    realm: bytes,
    password: bytes,
    nonce: bytes,
    cnonce: bytes,
    uri: bytes,
    nc: int,
    qop: str,
    authzid: bytes,
) -> tuple[bytes, bytes]:
    """response and rspauth, one formula a line; an empty authzid is none."""
    first = md5(username + b":" + realm + b":" + password).digest() + b":" + nonce + b":" + cnonce
    first += b":" + authzid if authzid else b""
    between = b":%s:%08x:%s:%s:" % (nonce, nc, cnonce, qop.encode())
    body = b"" if qop == "auth" else b":" + b"0" * 32

    def proof(a2: bytes) -> bytes:
        return md5((md5(first).hexdigest().encode() + between) + md5(a2).hexdigest().encode()).hexdigest().encode()

    return proof(b"AUTHENTICATE:" + uri + body), proof(b":" + uri + body)


@settings(deadline=None)
@given(
    st.tuples(*[st.binary(max_size=40)] * 6),
    st.integers(1, 2**32 - 1),
    st.sampled_from(QOP),
    st.binary(max_size=20),
)
def test_both_proofs_are_those_of_the_formulas(
    texts: tuple[bytes, bytes, bytes, bytes, bytes, bytes], nc: int, qop: QOP, authzid: bytes
) -> None:
    username, realm, password, nonce, cnonce, uri = texts
    h_a1 = h(a1(secret(username, realm, password), nonce=nonce, cnonce=cnonce, authzid=authzid or None))
    both = keyed(h_a1, nonce=nonce, nonce_count=nc, cnonce=cnonce, qop=qop)
    response = response_value(both, a2_of_client(uri, qop))
    rspauth = response_value(both, a2_of_server(uri, qop))
    assert (response, rspauth) == by_the_book(*texts, nc, qop.decode(), authzid)


def test_the_book_of_this_test_is_rfc_2831s() -> None:
    assert by_the_book(
        b"chris", b"elwood.innosoft.com", b"secret", b"OA6MG9tEQGm2hh", b"OA6MHXh6VqTrRk",
        b"imap/elwood.innosoft.com", 1, "auth", b"",
    ) == (b"d388dad90d4bbd760a152321f2143af7", b"ea40f60335c427b5527b84dbabcdfffd")  # fmt: skip


def test_a1_holds_the_secrets_octets_and_the_authzid_only_when_there_is_one() -> None:
    raw = bytes(range(16))
    assert a1(raw, nonce=b"n", cnonce=b"c", authzid=None) == raw + b":n:c"
    assert a1(raw, nonce=b"n", cnonce=b"c", authzid=b"u:bob") == raw + b":n:c:u:bob"
    assert a1(raw, nonce=b"n", cnonce=b"c", authzid=b"") == raw + b":n:c:"


@pytest.mark.parametrize(
    ("qop", "of_client", "of_server"),
    [
        (QOP.AUTH, b"AUTHENTICATE:ldap/h", b":ldap/h"),
        (QOP.AUTH_INT, b"AUTHENTICATE:ldap/h:" + b"0" * 32, b":ldap/h:" + b"0" * 32),
        (QOP.AUTH_CONF, b"AUTHENTICATE:ldap/h:" + b"0" * 32, b":ldap/h:" + b"0" * 32),
    ],
)
def test_a2_ends_in_32_zeros_when_a_layer_is_chosen(qop: QOP, of_client: bytes, of_server: bytes) -> None:
    assert a2_of_client(b"ldap/h", qop) == of_client
    assert a2_of_server(b"ldap/h", qop) == of_server


def test_nonce_count_is_hashed_as_eight_lower_case_digits() -> None:
    both = keyed(b"\xab" * 16, nonce=b"n", nonce_count=0xAB, cnonce=b"c", qop=QOP.AUTH_CONF)
    assert both == b"ab" * 16 + b":n:000000ab:c:auth-conf:"


def test_hexed_is_lower_case() -> None:
    assert hexed(b"\x00\xab\xff") == b"00abff"


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", b""),
        ("alice", b"alice"),
        ("jürgen", b"j\xfcrgen"),
        ("\x80\xff", b"\x80\xff"),
        ("Ā", b"\xc4\x80"),
        ("ü€", b"\xc3\xbc\xe2\x82\xac"),  # one character beyond ISO 8859-1 keeps the whole string in UTF-8
        ("山田", b"\xe5\xb1\xb1\xe7\x94\xb0"),
    ],
)
def test_each_string_goes_to_iso_8859_1_where_all_of_it_fits(text: str, octets: bytes) -> None:
    assert converted(text) == octets
