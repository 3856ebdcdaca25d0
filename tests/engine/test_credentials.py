"""What credentials offer for the names a client sent."""

from hashlib import md5

import pytest

from sasl_digest import HA1, Password, UsageError

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
