"""The 29 hashes: the values Windows and Samba store, the blob, supplementalCredentials, and what is offered when."""

import json
import struct
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasl_digest import (
    HA1,
    Credential,
    DigestClient,
    DigestServer,
    Failure,
    Lookup,
    Password,
    Reason,
    Response,
    Success,
    UsageError,
    WDigest,
    user_properties,
    wdigest,
)
from sasl_digest.wdigest import forms, hashes, lower, pack, unpack, upper, utf8

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "wdigest.json").read_text(encoding="utf-8"))
SETS = [pytest.param(each, id=f"{each['sAMAccountName']}-{at}") for at, each in enumerate(VECTORS["sets"])]
ISO = [each for each in SETS if "hashes_iso_8859_1_per_MS_SAMR" in each.values[0]]  # type: ignore[operator]
HEAD = bytes.fromhex("3100011d000000000000000000000000")
U1 = ("u1", None, "CONTOSO", "contoso.com")
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
BLOBS = st.binary(min_size=464, max_size=464).map(HEAD.__add__)


def names(each: dict[str, Any]) -> tuple[str, str | None, str, str]:
    return each["sAMAccountName"], each["userPrincipalName"], each["netbios"], each["dns"]


def stored(each: dict[str, Any], key: str = "hashes") -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(item if isinstance(item, str) else item["hash"]) for item in each[key])


def bound(client: DigestClient, credential: Credential) -> Success | Failure:
    """The verdict of a server that holds this credential, and of the client about its proof."""
    server = DigestServer()
    answer = client.step(server.step(b"").data)  # type: ignore[union-attr]
    assert isinstance(answer, Response), answer
    question = server.step(answer.data)
    assert isinstance(question, Lookup), question
    verdict = server.verify(credential)
    assert isinstance(verdict, Success | Failure)
    if isinstance(verdict, Success):
        assert isinstance(client.step(verdict.data), Success)
    return verdict


def client(username: str, realm: str, credential: Credential) -> DigestClient:
    return DigestClient(username, credential, service="ldap", host="dc1", realm=realm)


def test_the_vectors_are_29_of_each_account() -> None:
    assert len(SETS) == 11
    assert {len(each["hashes"]) for each in VECTORS["sets"]} == {29}
    assert len(ISO) == 2


@pytest.mark.parametrize("each", SETS)
def test_the_forms_of_an_account_are_those_pairs_in_this_order(each: dict[str, Any]) -> None:
    assert list(forms(*names(each))) == [(item["user"], item["realm"]) for item in each["hashes"]]


@pytest.mark.parametrize("each", SETS)
def test_the_hashes_are_those_that_are_stored(each: dict[str, Any]) -> None:
    assert hashes(each["password"], forms(*names(each)), utf8) == stored(each)


@pytest.mark.parametrize("each", ISO)
def test_the_other_reading_is_that_of_ms_samr(each: dict[str, Any]) -> None:
    documented = stored(each, "hashes_iso_8859_1_per_MS_SAMR")
    assert hashes(each["password"], forms(*names(each))) == documented
    assert WDigest.of(each["password"], *names(each)).blobs == (HEAD + b"".join(documented), pack(stored(each)))


def test_the_published_sample_is_hash_1_2_and_3() -> None:
    sample = [bytes.fromhex(each["hash"]) for each in VECTORS["seed_check"]]
    assert list(hashes("password", forms(*U1)))[:3] == sample


@pytest.mark.parametrize("each", SETS)
def test_the_blob_is_byte_for_byte_what_is_stored(each: dict[str, Any]) -> None:
    blob = pack(stored(each))
    assert blob == HEAD + b"".join(stored(each))
    assert blob[:16].hex() == each.get("blob_header", HEAD.hex())
    assert len(blob) == each.get("blob_total", 480)
    assert unpack(blob) == stored(each)


@pytest.mark.parametrize("each", SETS)
def test_every_form_binds_without_the_password(each: dict[str, Any]) -> None:
    """The client hashes in the reading of the stored value: here its secret is given, not computed by our code."""
    credential = WDigest((pack(stored(each)),), *names(each))
    for item in each["hashes"]:
        if item["user"]:  # AD LDS has no userPrincipalName, and no client sends an empty name
            verdict = bound(client(item["user"], item["realm"], HA1(bytes.fromhex(item["hash"]))), credential)
            assert isinstance(verdict, Success), item


@pytest.mark.parametrize("each", [*ISO, SETS[2], SETS[7]])
def test_a_client_that_hashes_by_the_rfc_and_one_that_hashes_utf_8_both_bind_where_the_password_was_known(
    each: dict[str, Any],
) -> None:
    credential = WDigest.of(each["password"], *names(each))
    for user, realm in forms(*names(each)):
        assert isinstance(bound(client(user, realm, Password(each["password"])), credential), Success)
        raw = md5(f"{user}:{realm}:{each['password']}".encode()).digest()
        assert isinstance(bound(client(user, realm, HA1(raw)), credential), Success)


def test_one_reading_is_one_blob() -> None:
    assert len(WDigest.of("password", *U1).blobs) == 1
    assert len(WDigest.of("pässword", *U1).blobs) == 2
    assert len(WDigest.of("κωδικός", *U1).blobs) == 1


@pytest.mark.parametrize(
    ("username", "realm"),
    [
        ("u1", ""),
        ("u1@contoso.com", "CONTOSO"),
        ("u1@contoso.com", "contoso.com"),
        ("CONTOSO\\u1", "CONTOSO"),
        ("u1", "Contoso"),
        ("u1", "digest"),
        ("u1", "dc1.contoso.com"),
        ("CONTOSO\\\\u1", ""),
        ("contoso\\U1", ""),
        ("u2", "CONTOSO"),
    ],
)
def test_names_that_are_no_form_have_no_usable_secret(username: str, realm: str) -> None:
    credential = WDigest.of("password", *U1)
    assert bound(client(username, realm, Password("password")), credential) == Failure(Reason.NO_USABLE_SECRET)


def test_names_in_a_case_that_no_form_has_have_no_usable_secret() -> None:
    credential = WDigest.of("Secret:Pass 1", "JDoe", "John.Doe@Corp.Example.Org", "CONTOSO", "contoso.com")
    for username, realm in [("Jdoe", "CONTOSO"), ("JDoe@contoso.com", ""), ("john.doe@Corp.Example.Org", "")]:
        verdict = bound(client(username, realm, Password("Secret:Pass 1")), credential)
        assert verdict == Failure(Reason.NO_USABLE_SECRET)


def test_a_wrong_password_is_that() -> None:
    assert bound(client("u1", "CONTOSO", Password("Password")), WDigest.of("password", *U1)) == Failure(
        Reason.WRONG_PASSWORD
    )


def test_a_hash_is_offered_for_its_own_pair_and_once() -> None:
    distinct = [md5(b"%d" % number).digest() for number in range(29)]
    credential = WDigest((pack(distinct),) * 2, "u1", "Una@contoso.com", "Contoso", "contoso.com")
    pairs = forms("u1", "Una@contoso.com", "Contoso", "contoso.com")
    for at, pair in enumerate(pairs):
        assert credential.secrets(*pair) == (distinct[pairs.index(pair)],)
        assert pairs.index(pair) <= at


def test_no_repr_shows_a_hash() -> None:
    assert repr(WDigest.of("password", *U1)) == (
        "WDigest(sam_account_name='u1', user_principal_name=None, netbios='CONTOSO', dns='contoso.com')"
    )


@pytest.mark.parametrize(
    ("text", "in_upper", "in_lower"),
    [
        ("straße", "STRAßE", "straße"),
        ("Ζωή", "ΖΩΉ", "ζωή"),
        ("ΣΊΣΥΦΟΣ", "ΣΊΣΥΦΟΣ", "σίσυφοσ"),  # a final sigma is a matter of words, not of characters
        ("\ufb01n", "\ufb01N", "\ufb01n"),
        ("\u1fb3", "\u1fbc", "\u1fb3"),
        ("\u1fbc", "\u1fbc", "\u1fb3"),
        ("\u0130", "\u0130", "i"),
        ("\u01c5", "\u01c4", "\u01c6"),
    ],
)
def test_case_is_mapped_one_character_for_one(text: str, in_upper: str, in_lower: str) -> None:
    assert (upper(text), lower(text)) == (in_upper, in_lower)


@given(TEXT)
def test_case_mapping_never_changes_how_many_characters_there_are(text: str) -> None:
    assert len(upper(text)) == len(lower(text)) == len(text)


@given(password=TEXT, sam=TEXT, upn=st.none() | TEXT, netbios=TEXT, dns=TEXT)
def test_whatever_the_names_every_form_offers_what_its_password_hashes_to(
    password: str, sam: str, upn: str | None, netbios: str, dns: str
) -> None:
    credential = WDigest.of(password, sam, upn, netbios, dns)
    for user, realm in forms(sam, upn, netbios, dns):
        assert set(credential.secrets(user, realm)) == set(Password(password).secrets(user, realm)[:2])


def test_what_utf_8_cannot_write_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^password: "):
        hashes("\ud800", forms(*U1))
    with pytest.raises(UsageError, match=r"^names of the account: "):
        hashes("password", [("\ud800", "")])


@given(blob=BLOBS, reserved=st.binary(min_size=14, max_size=14))
def test_what_is_reserved_is_ignored(blob: bytes, reserved: bytes) -> None:
    disturbed = reserved[:2] + blob[2:4] + reserved[2:] + blob[16:]
    assert unpack(disturbed) == unpack(blob)
    assert pack(unpack(disturbed)) == blob


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (b"", "0 octets; 480"),
        (HEAD + bytes(463), "479 octets; 480"),
        (HEAD + bytes(465), "481 octets; 480"),
        (bytes(480), "Version is 0; 1"),
        (bytes([0x31, 0, 1, 30]) + bytes(476), "NumberOfHashes is 30; 29"),
    ],
)
def test_a_malformed_blob_is_refused_with_the_rule(blob: bytes, said: str) -> None:
    for reader in (unpack, wdigest.to_supplemental_credentials, lambda blob: WDigest((blob,), *U1)):
        with pytest.raises(UsageError, match=f"^WDIGEST_CREDENTIALS: {said}"):
            reader(blob)


@pytest.mark.parametrize("wrong", [[], [bytes(16)] * 28, [bytes(16)] * 28 + [bytes(15)]])
def test_a_blob_is_packed_of_29_hashes_only(wrong: list[bytes]) -> None:
    with pytest.raises(UsageError, match="29 of 16 octets"):
        pack(wrong)


def test_a_credential_has_a_blob() -> None:
    with pytest.raises(UsageError, match="no blob"):
        WDigest((), *U1)


# supplementalCredentials


def user_property(name: str, value: bytes, reserved: int = 1) -> bytes:
    octets = name.encode("utf-16-le")
    return struct.pack("<HHH", len(octets), len(value), reserved) + octets + value


def properties(*elements: bytes, count: int | None = None, signature: int = 0x50, more: int = 0) -> bytes:
    counted = b" \0" * 48 + struct.pack("<HH", signature, len(elements) if count is None else count)
    counted += b"".join(elements)
    return struct.pack("<LLHH", 0, len(counted) + more, 0, 0) + counted + b"\0"


BLOB = pack(hashes("password", forms(*U1)))
WRITTEN = properties(
    user_property("Packages", "WDigest".encode("utf-16-le").hex().encode(), 2),
    user_property("Primary:WDigest", BLOB.hex().encode()),
)
# As Samba (bug 11441) and Windows have it for an account without any: PropertyCount is left out.
NONE = struct.pack("<LLHH", 0, 0x62, 0, 0) + b" \0" * 48 + b"\x50\0" + b"\0"


def test_supplemental_credentials_are_written_as_windows_does() -> None:
    assert wdigest.to_supplemental_credentials(BLOB) == WRITTEN
    assert user_properties.encode({}) == NONE
    assert len(NONE) == 0x6F  # [MS-SAMR] 2.2.10.1: the constant size without properties


def test_the_hashes_are_found_among_other_properties_and_in_upper_case() -> None:
    data = properties(
        user_property("Primary:Kerberos", b"not looked at"),
        user_property("Primary:WDigest", BLOB.hex().upper().encode(), 0xFFFF),
        user_property("Primary:CLEARTEXT", b"70006100"),
    )
    assert wdigest.from_supplemental_credentials(data) == BLOB
    disturbed = b"\xff" * 4 + data[4:8] + b"\xff" * 100 + data[108:-1] + b"\xff"  # what is reserved is ignored
    assert wdigest.from_supplemental_credentials(disturbed) == BLOB


@pytest.mark.parametrize(
    "data",
    [NONE, bytes(13), properties(), properties(user_property("Primary:Kerberos", b"00")), properties(b"\0" * 6)],
)
def test_an_account_may_have_no_hashes(data: bytes) -> None:
    assert wdigest.from_supplemental_credentials(data) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "USER_PROPERTIES: 0 octets"),
        (bytes(12), "USER_PROPERTIES: 12 octets"),
        (bytes(14), "USER_PROPERTIES: Length is 0; .* 1 octets"),
        (WRITTEN[:-1], "USER_PROPERTIES: Length"),
        (WRITTEN + b"\0", "USER_PROPERTIES: Length"),
        (properties(more=1), "USER_PROPERTIES: Length is 101; .* 100 octets"),
        (struct.pack("<LLHH", 0, 97, 0, 0) + bytes(98), "USER_PROPERTIES: Length is 97; .* 100 or more"),
        (struct.pack("<LLHH", 0, 99, 0, 0) + bytes(100), "USER_PROPERTIES: Length is 99; .* 100 or more"),
        (properties(signature=0x51), "PropertySignature is 0x0051; 0x0050"),
        (properties(count=1), "PropertyCount is 1; 0 are there"),
        (properties(user_property("a", b""), count=2), "PropertyCount is 2; 1 are there"),
        (properties(user_property("a", b""), count=0), "PropertyCount is 0; 8 octets stand behind"),
        (properties(user_property("a", b"00")[:-1]), "USER_PROPERTY 1: NameLength is 2 and ValueLength 2; 3 octets"),
        (properties(struct.pack("<HHH", 1, 0, 0) + b"a"), "USER_PROPERTY 1: PropertyName is not UTF-16"),
        (properties(struct.pack("<HHH", 2, 0, 0) + b"\0\xd8"), "USER_PROPERTY 1: PropertyName is not UTF-16"),
        (properties(*[user_property("a", b"")] * 2), "USER_PROPERTY 2: PropertyName 'a' stands there twice"),
        (properties(user_property("Primary:WDigest", b"3")), "Primary:WDigest: PropertyValue is not hexadecimal"),
        (properties(user_property("Primary:WDigest", b"3 10")), "Primary:WDigest: PropertyValue is not hexadecimal"),
        (properties(user_property("Primary:WDigest", b"")), "WDIGEST_CREDENTIALS: 0 octets"),
    ],
)
def test_malformed_supplemental_credentials_are_refused_with_the_field_and_the_rule(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=f"^{said}|^USER_PROPERTIES: {said}"):
        wdigest.from_supplemental_credentials(data)


@pytest.mark.parametrize("wrong", [{"n" * 32768: b""}, {"n": b"0" * 65536}])
def test_a_property_is_only_so_long(wrong: dict[str, bytes]) -> None:
    with pytest.raises(UsageError, match="at most 65535 octets"):
        user_properties.encode(wrong)


@given(st.dictionaries(TEXT, st.binary(max_size=40), max_size=5))
def test_properties_are_read_as_they_were_written(written: dict[str, bytes]) -> None:
    read = user_properties.parse(user_properties.encode(written))
    assert list(read.items()) == list(written.items())


@given(BLOBS)
def test_supplemental_credentials_give_back_their_blob(blob: bytes) -> None:
    assert wdigest.from_supplemental_credentials(wdigest.to_supplemental_credentials(blob)) == blob


@given(st.binary(max_size=600) | st.lists(st.binary(max_size=40), max_size=4).map(lambda each: properties(*each)))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    for reader in (unpack, wdigest.from_supplemental_credentials):
        with suppress(UsageError):
            reader(data)


@given(at=st.integers(0, len(WRITTEN) - 1), octet=st.integers(0, 255))
def test_any_one_octet_changed_is_read_or_refused(at: int, octet: int) -> None:
    with suppress(UsageError):
        found = wdigest.from_supplemental_credentials(WRITTEN[:at] + bytes([octet]) + WRITTEN[at + 1 :])
        assert found is None or len(found) == 480
