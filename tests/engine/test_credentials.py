"""What credentials offer for the names a client sent."""

from hashlib import md5

import pytest

from sasl_digest import HA1, QOP, DigestResponse, DigestServer, Lookup, Password, Success, UsageError, digest
from sasl_digest.credentials import CONVERTED, MIXED, RAW, reading_of

from .test_server import begun

REALM = "example.org"


def hashed(text: bytes) -> bytes:
    return md5(text).digest()


def test_password_in_ascii_has_one_reading() -> None:
    assert Password("secret").secrets("alice", REALM) == (hashed(b"alice:example.org:secret"),)


def test_password_offers_the_three_readings_of_real_clients_the_rfcs_first() -> None:
    assert Password("pässwörd").secrets("jürgen", REALM) == (
        hashed(b"j\xfcrgen:example.org:p\xe4ssw\xf6rd"),
        hashed(b"j\xc3\xbcrgen:example.org:p\xc3\xa4ssw\xc3\xb6rd"),
        hashed(b"j\xc3\xbcrgen:example.org:p\xe4ssw\xf6rd"),
    )


def test_each_string_is_converted_by_itself() -> None:
    password = "パス".encode()
    assert Password("パス").secrets("jürgen", "bücher") == (
        hashed(b"j\xfcrgen:b\xfccher:" + password),
        hashed(b"j\xc3\xbcrgen:b\xc3\xbccher:" + password),
        hashed(b"j\xc3\xbcrgen:b\xc3\xbccher:" + password),
    )


@pytest.mark.parametrize(
    ("username", "realm", "password"), [("é", "r", "p"), ("u", "é", "p"), ("u", "r", "é"), ("é", "é", "é")]
)
def test_one_string_beyond_ascii_is_enough_for_further_readings(username: str, realm: str, password: str) -> None:
    latin = f"{username}:{realm}:{password}".encode("iso-8859-1")
    utf8 = f"{username}:{realm}:{password}".encode()
    assert {hashed(latin), hashed(utf8)} <= set(Password(password).secrets(username, realm))


def test_beyond_ascii_there_are_three_readings_even_where_they_agree() -> None:
    """A password outside ISO 8859-1 must not be told from one inside by what a failure costs."""
    assert Password("パスワード").secrets("山田", "") == (hashed("山田::パスワード".encode()),) * 3


@pytest.mark.parametrize(
    ("username", "password", "readings"),
    [("alice", "secret", [None]), ("jürgen", "secret", [CONVERTED, RAW, MIXED]), ("u", "é", [CONVERTED, RAW, MIXED])],
)
def test_password_says_which_reading_stands_where(username: str, password: str, readings: list[str | None]) -> None:
    offered = Password(password).secrets(username, REALM)
    assert [reading_of(Password(password), username, REALM, at) for at in range(len(offered))] == readings


def test_who_has_one_reading_only_says_nothing_of_it() -> None:
    assert reading_of(HA1(bytes(16)), "jürgen", REALM, 0) is None


@pytest.mark.parametrize(
    ("octets", "reading"),
    [
        ((b"j\xfcrgen", b"p\xe4ss"), CONVERTED),
        (("jürgen".encode(), "päss".encode()), RAW),
        (("jürgen".encode(), b"p\xe4ss"), MIXED),
    ],
)
def test_success_tells_how_the_client_has_hashed(octets: tuple[bytes, bytes], reading: str) -> None:
    server = DigestServer()
    nonce = begun(server).nonce
    secret = digest.secret(octets[0], b"", octets[1])
    keyed = digest.keyed(
        digest.h(digest.a1(secret, nonce=nonce, cnonce=b"c", authzid=None)),
        nonce=nonce,
        nonce_count=1,
        cnonce=b"c",
        qop=QOP.AUTH,
    )
    proof = digest.response_value(keyed, digest.a2_of_client(b"ldap/h", QOP.AUTH))
    assert isinstance(server.step(DigestResponse("jürgen", None, nonce, b"c", 1, b"ldap/h", proof).encode()), Lookup)
    verdict = server.verify(Password("päss"))
    assert isinstance(verdict, Success)
    assert verdict.reading == reading


def test_ha1_without_names_is_offered_for_any() -> None:
    assert HA1(b"0123456789abcdef").secrets("alice", REALM) == (b"0123456789abcdef",)


@pytest.mark.parametrize(
    ("credential", "offered"),
    [
        (HA1(bytes(16), username="alice"), True),
        (HA1(bytes(16), realm=REALM), True),
        (HA1(bytes(16), username="alice", realm=REALM), True),
        (HA1(bytes(16), username="Alice"), False),
        (HA1(bytes(16), username="alice", realm="EXAMPLE.ORG"), False),
        (HA1(bytes(16), username="bob", realm=REALM), False),
        (HA1(bytes(16), realm=""), False),
        (HA1(bytes(16), username=""), False),
    ],
)
def test_ha1_is_offered_only_for_exactly_the_names_it_was_made_of(credential: HA1, offered: bool) -> None:
    assert credential.secrets("alice", REALM) == ((bytes(16),) if offered else ())


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_ha1_has_16_octets(size: int) -> None:
    with pytest.raises(UsageError, match=rf"^HA1: {size} octets; MD5 has 16$"):
        HA1(bytes(size))
