"""A new password in each form an account keeps: the new one is right under it, the old one is not."""

from base64 import b64encode
from hashlib import md5, pbkdf2_hmac, sha1, sha256, sha512

import pytest

from ldapserver.directory.renewal import Owner, renewed
from ldapserver.directory.schemes import (
    ClearText,
    InvalidPassword,
    StoredPassword,
    StoredWDigest,
    credential_of,
    read_password,
    read_supplemental_credentials,
)
from sasl_digest import WDigest
from sasl_digest.wdigest import to_supplemental_credentials

OLD, NEW = b"old password", "neües Wort".encode()
U1 = Owner("u1", "una@contoso.com", "CONTOSO", "contoso.com")
HEX = md5(b"u1:contoso.com:" + OLD).hexdigest()
BLOBS = WDigest.of(OLD.decode(), "u1", "una@contoso.com", "CONTOSO", "contoso.com").blobs
FORMS = {
    "clear": OLD,
    "cleartext": b"{CLEARTEXT}" + OLD,
    "ssha": b"{SSHA}" + b64encode(sha1(OLD + b"salt").digest() + b"salt"),
    "ssha256": b"{ssha256}" + b64encode(sha256(OLD + b"salt").digest() + b"salt"),
    "ssha512": b"{SSHA512}" + b64encode(sha512(OLD + b"salt").digest() + b"salt"),
    "ha1": f"{{HA1}}contoso.com:{HEX}".encode(),
    "wdigest": b"{WDIGEST}" + b64encode(BLOBS[0]),
    "pbkdf2": b"{PBKDF2-SHA256}10$"
    + b64encode(b"salt!!")
    + b"$"
    + b64encode(pbkdf2_hmac("sha256", OLD, b"salt!!", 10)),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_made_anew(form: str) -> None:
    before = read_password(FORMS[form], "u1")
    assert before.check(OLD)
    assert not before.check(NEW)
    ((description, values),) = renewed((("userPassword", (FORMS[form],)),), NEW, U1)
    assert description == "userPassword"
    after = [read_password(value, "u1") for value in values]
    assert {one.scheme for one in after} == {before.scheme}
    assert any(one.check(NEW) for one in after)
    assert not any(one.check(OLD) for one in after)
    assert OLD not in b"".join(values)


@pytest.mark.parametrize("form", ["ha1", "wdigest", "clear"])
@pytest.mark.parametrize("password", ["secret", "pässwörd", "пароль"])
def test_what_digest_verified_before_it_verifies_after(form: str, password: str) -> None:
    ((_, values),) = renewed((("userPassword", (FORMS[form],)),), password.encode(), U1)
    credential = credential_of(tuple(_named(read_password(value, "u1")) for value in values))
    assert credential is not None
    latin = password.encode("latin-1") if password.isascii() or password == "pässwörd" else password.encode()
    assert md5(b"u1:contoso.com:" + latin).digest() in list(credential.secrets("u1", "contoso.com"))


def _named(stored: StoredPassword) -> StoredPassword:
    if isinstance(stored, StoredWDigest):
        return stored.named("una@contoso.com", "CONTOSO", "contoso.com")
    return stored


def test_wdigest_is_made_in_both_readings() -> None:
    ((_, values),) = renewed((("userPassword", (FORMS["wdigest"],)),), "pässwörd".encode(), U1)
    assert len(values) == 2
    again = renewed((("userPassword", values),), b"ascii", U1)
    assert len(again[0][1]) == 1


def test_each_scheme_is_kept_once_and_ha1_once_a_realm() -> None:
    values = (
        FORMS["clear"],
        FORMS["cleartext"],
        FORMS["ssha"],
        FORMS["ha1"],
        FORMS["ha1"].replace(b"contoso", b"fabrikam"),
    )
    ((_, after),) = renewed((("userPassword", values),), NEW, U1)
    assert [value.partition(b"}")[0] for value in after[1:]] == [b"{SSHA", b"{HA1", b"{HA1"]
    assert after[0] == NEW
    assert {value.partition(b":")[0] for value in after[2:]} == {b"{HA1}contoso.com", b"{HA1}fabrikam.com"}


def test_supplemental_credentials_hold_the_new_hashes() -> None:
    kept = (("supplementalCredentials", (to_supplemental_credentials(BLOBS[0]),)),)
    ((description, values),) = renewed(kept, NEW, U1)
    assert description == "supplementalCredentials"
    stored = read_supplemental_credentials(values[0], "u1")
    assert stored is not None
    assert stored.check(NEW)
    assert not stored.check(OLD)


def test_hashes_that_cannot_be_made_anew_are_dropped_and_foreign_secrets_stay() -> None:
    kept = (
        ("unicodePwd", (b"\1" * 16,)),
        ("sambaNTPassword", (b"00",)),
        ("msDS-ManagedPassword", (b"x",)),
        ("userPassword;x-old", (OLD,)),
    )
    assert renewed(kept, NEW, U1) == (("msDS-ManagedPassword", (b"x",)), ("userPassword;x-old", (NEW,)))


def test_an_account_without_a_password_gets_clear_text() -> None:
    assert renewed((), NEW, U1) == (("userPassword", (NEW,)),)


def test_a_password_in_braces_is_no_scheme() -> None:
    ((_, (value,)),) = renewed((), b"{SSHA}x", U1)
    assert read_password(value, "u1") == ClearText(b"{SSHA}x")


@pytest.mark.parametrize("form", ["ha1", "wdigest"])
def test_a_digest_needs_a_string(form: str) -> None:
    with pytest.raises(InvalidPassword, match="not UTF-8") as refused:
        renewed((("userPassword", (FORMS[form],)),), b"\xff\xfe", U1)
    assert "xff" not in str(refused.value)


def test_an_empty_password_is_none() -> None:
    with pytest.raises(InvalidPassword, match="empty"):
        renewed((), b"", U1)


def test_digests_are_of_the_prepared_password() -> None:
    ((_, (value,)),) = renewed((("userPassword", (FORMS["ha1"],)),), "I\u00adX".encode(), U1, saslprep=True)
    assert value == b"{HA1}contoso.com:" + md5(b"u1:contoso.com:IX").hexdigest().encode()
    with pytest.raises(InvalidPassword, match="password"):
        renewed((("userPassword", (FORMS["ha1"],)),), b"a\x07b", U1, saslprep=True)
