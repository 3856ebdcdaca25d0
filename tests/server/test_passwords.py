"""Stored passwords: what each form accepts, what is refused when it is read, and what DIGEST-MD5 may use of it."""

import hashlib
import json
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.account import Account
from ldapserver.directory.schemes import (
    MAX_ITERATIONS,
    PBKDF2,
    ClearText,
    InvalidPassword,
    credential_of,
    read_password,
)
from ldapserver.wire.dn import ROOT
from sasl_digest.credentials import CONVERTED, MIXED, RAW, reading_of

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "passwords.json").read_text(encoding="utf-8"))
ITEMS = [pytest.param(item, id=item["name"]) for item in VECTORS["items"]]


@pytest.mark.parametrize("item", ITEMS)
def test_a_stored_value_accepts_its_password_and_no_other(item: dict[str, Any]) -> None:
    stored = read_password(item["value"].encode(), item["username"])
    assert [stored.check(password.encode()) for password in item["right"]] == [True] * len(item["right"])
    assert [stored.check(password.encode()) for password in item["wrong"]] == [False] * len(item["wrong"])


@pytest.mark.parametrize("item", ITEMS)
def test_noise_costs_the_same_and_accepts_nothing(item: dict[str, Any]) -> None:
    stored = read_password(item["value"].encode(), item["username"])
    noise = stored.noise()
    assert (type(noise), noise.cost, noise.dear) == (type(stored), stored.cost, stored.dear)
    assert not any(noise.check(password.encode()) for password in item["right"])


@pytest.mark.parametrize("item", ITEMS)
def test_no_repr_shows_a_secret(item: dict[str, Any]) -> None:
    stored = read_password(item["value"].encode(), item["username"])
    shown = repr(stored) + repr(Account(ROOT, "u1", credential_of((stored,)), (stored,)))
    assert "secret" not in shown.replace("secrets", "")
    assert "password" not in shown.replace("passwords", "")
    assert all(part not in shown for part in ("b'", '"'))  # no octets at all


def test_only_pbkdf2_is_dear() -> None:
    stored = [read_password(item["value"].encode(), "u1") for item in VECTORS["items"]]
    assert [isinstance(each, PBKDF2) for each in stored] == [each.dear for each in stored]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"{MD5}X03MO1qnZdYdgyfeuILPmQ==", "{MD5}"),
        (b"{CRYPT}$6$abc$def", "{CRYPT}"),
        (b"{NTHASH}AAAA", "{NTHASH}"),
        (b"{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{sha}"),
        (b"{}", "in braces"),
        (b"{not a scheme}x", "in braces"),
    ],
)
def test_an_unknown_scheme_is_refused_by_name_and_never_taken_for_clear_text(value: bytes, named: str) -> None:
    with pytest.raises(InvalidPassword) as refused:
        read_password(value, "u1")
    assert named in str(refused.value)
    assert "CLEARTEXT" in str(refused.value)  # what to write instead


def test_what_stands_in_braces_is_not_repeated_unless_it_looks_like_a_scheme() -> None:
    with pytest.raises(InvalidPassword) as refused:
        read_password(b"{my, secret}!", "u1")
    assert "my, secret" not in str(refused.value)


@pytest.mark.parametrize("value", [b"{", b"{half a brace", b"pass{word}"])
def test_a_brace_that_opens_no_scheme_is_part_of_a_password(value: bytes) -> None:
    assert read_password(value, "u1").check(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "empty"),
        (b"{CLEARTEXT}", "empty"),
        (b"{HA1}B57D463D9044A36BF3283CBEF5B76014", "realm"),
        (b"{HA1}CONTOSO:B57D463D9044A36BF3283CBEF5B7601", "32 hex digits"),
        (b"{HA1}CONTOSO:B57D463D9044A36BF3283CBEF5B7601g", "32 hex digits"),
        (b"{HA1}\xff:B57D463D9044A36BF3283CBEF5B76014", "UTF-8"),
        (b"{WDIGEST}=A", "base64"),
        (b"{WDIGEST}AAAA", "3 octets; 480"),
        (b"{WDIGEST}" + b64encode(bytes([0x31, 0, 2, 29]) + bytes(476)), "Version is 2"),
        (b"{WDIGEST}" + b64encode(bytes([0x31, 0, 1, 28]) + bytes(476)), "NumberOfHashes is 28"),
        (b"{SSHA}HB8799DS29q90NsFsYeLbXutmVf=!", "base64"),
        (b"{SSHA}" + b64encode(bytes(20)), "20 octets"),
        (b"{SSHA}" + b64encode(bytes(20 + 1025)), "1045 octets"),
        (b"{SSHA512}HB8799DS29q90NsFsYeLbXutmVfAu2Q7", "24 octets"),
        (b"{PBKDF2-SHA256}10000$jq40ImWtmpTE.aYDYV1GfQ", "iterations"),
        (b"{PBKDF2-SHA256}0$jq40ImWtmpTE.aYDYV1GfQ$mpiL", "iterations"),
        (b"{PBKDF2-SHA256}10000$jq40ImWtmpTE.aYDYV1GfQ$mpiL", "derived key of 3"),
        (b"{PBKDF2-SHA256}10000$$mpiL4ui02ACmYOAnCjp/MI1gQk50xLbZ54RZneU0fCg", "salt of 0"),
        (f"{{PBKDF2-SHA256}}{MAX_ITERATIONS + 1}$AA$AA".encode(), f"at most {MAX_ITERATIONS}"),
    ],
)
def test_a_malformed_value_is_refused_with_the_rule(value: bytes, said: str) -> None:
    with pytest.raises(InvalidPassword) as refused:
        read_password(value, "u1")
    assert said in str(refused.value)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(b"{HA1}".__add__) | st.binary().map(b"{SSHA}".__add__))
def test_any_octets_are_a_password_or_refused(value: bytes) -> None:
    with suppress(InvalidPassword):
        read_password(value, "u1").check(value)


@given(password=st.binary(max_size=40), salt=st.binary(min_size=1, max_size=20), other=st.binary(max_size=40))
def test_a_salted_digest_accepts_exactly_what_it_was_made_of(password: bytes, salt: bytes, other: bytes) -> None:
    stored = read_password(b"{SSHA}" + b64encode(hashlib.sha1(password + salt).digest() + salt), "u1")
    assert stored.check(password)
    assert stored.check(other) == (other == password)


# A simple bind against {HA1} hashes what the client typed, and clients disagree about how (RFC 2831 section 2.1.2.1).
@pytest.mark.parametrize("charset", ["utf-8", "iso8859-1"])
def test_ha1_accepts_a_latin_1_password_in_either_reading(charset: str) -> None:
    secret = hashlib.md5("jürgen:example.org:pässwörd".encode(charset)).hexdigest()
    stored = read_password(f"{{HA1}}example.org:{secret}".encode(), "jürgen")
    assert stored.check("pässwörd".encode())
    assert not stored.check(b"passwort")


def test_ha1_accepts_octets_that_are_not_utf_8() -> None:
    secret = hashlib.md5(b"u1:example.org:p\xe4ss").hexdigest()
    assert read_password(f"{{HA1}}example.org:{secret}".encode(), "u1").check(b"p\xe4ss")


def test_digest_md5_uses_clear_text_and_ha1_and_wdigest_and_nothing_else() -> None:
    usable = {
        item["name"]: credential_of((read_password(item["value"].encode(), item["username"]),)) is not None
        for item in VECTORS["items"]
    }
    assert [name for name, is_usable in usable.items() if is_usable] == [
        "clear text",
        "CLEARTEXT",
        "HA1",
        "HA1, scheme and digits in lower case",
        "WDIGEST",
    ]


def test_clear_text_that_is_not_utf_8_is_for_simple_binds_only() -> None:
    stored = read_password(b"p\xe4ss", "u1")
    assert stored.check(b"p\xe4ss")
    assert credential_of((stored,)) is None


def test_ha1_is_offered_for_its_own_name_and_realm_alone() -> None:
    credential = credential_of((read_password(b"{HA1}CONTOSO:B57D463D9044A36BF3283CBEF5B76014", "u1"),))
    assert credential is not None
    assert list(credential.secrets("u1", "CONTOSO")) == [bytes.fromhex("B57D463D9044A36BF3283CBEF5B76014")]
    assert list(credential.secrets("U1", "CONTOSO")) == []
    assert list(credential.secrets("u1", "contoso")) == []


def test_several_values_say_each_its_own_readings() -> None:
    hashed = f"{{HA1}}r:{'0' * 32}".encode()
    credential = credential_of(tuple(read_password(value, "jürgen") for value in (b"old", hashed, b"new")))
    assert credential is not None
    count = len(tuple(credential.secrets("jürgen", "r")))
    readings = [CONVERTED, RAW, MIXED]
    assert [reading_of(credential, "jürgen", "r", at) for at in range(count)] == [*readings, None, *readings]


def test_several_values_offer_all_their_secrets() -> None:
    values = (b"old", b"{SSHA}HB8799DS29q90NsFsYeLbXutmVfAu2Q7", b"new")
    credential = credential_of(tuple(read_password(value, "u1") for value in values))
    assert credential is not None
    expected = [hashlib.md5(b"u1:r:" + password).digest() for password in (b"old", b"new")]
    assert list(credential.secrets("u1", "r")) == expected


def test_no_passwords_are_no_credential() -> None:
    assert credential_of(()) is None
    assert credential_of((ClearText(b"\xff"),)) is None
