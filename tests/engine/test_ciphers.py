"""The ciphers of auth-conf against published numbers, and against each other (RFC 2831 section 2.4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import Cipher
from sasl_digest.ciphers import decryptor, encryptor

NO_IV = bytes(8)
# FIPS 46's much-printed example: key 133457799BBCDFF1.
DES_KEY, DES_PLAIN, DES_SEALED = (
    bytes.fromhex(octets) for octets in ("133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405")
)

blocks = st.integers(0, 12).flatmap(lambda n: st.binary(min_size=8 * n, max_size=8 * n))
keys = st.binary(min_size=16, max_size=16)


def without_parity(key: bytes) -> bytes:
    """The 7 octets that RFC 2831 would expand into this DES key of 8."""
    bits = "".join(f"{octet >> 1:07b}" for octet in key)
    return int(bits, 2).to_bytes(7, "big")


def sealed_once(cipher: Cipher, key: bytes, data: bytes) -> bytes:
    return encryptor(cipher, key).update(data)


def opened_once(cipher: Cipher, key: bytes, data: bytes) -> bytes:
    return decryptor(cipher, key).update(data)


def test_des_takes_the_first_seven_octets_as_the_high_bits_of_eight() -> None:
    # The octet between key and IV belongs to neither.
    key = without_parity(DES_KEY) + b"\xff" + NO_IV
    assert sealed_once(Cipher.DES, key, DES_PLAIN) == DES_SEALED
    assert opened_once(Cipher.DES, key, DES_SEALED) == DES_PLAIN


def test_des_starts_with_the_last_eight_octets_as_iv() -> None:
    key = without_parity(DES_KEY) + b"\0" + DES_PLAIN
    assert sealed_once(Cipher.DES, key, NO_IV) == DES_SEALED


def test_3des_is_encrypt_decrypt_encrypt_under_k1_k2_k1() -> None:
    k1, k2 = without_parity(DES_KEY), without_parity(bytes.fromhex("fedcba9876543210"))
    one, two = k1 + b"\0" + NO_IV, k2 + b"\0" + NO_IV
    by_hand = sealed_once(Cipher.DES, one, opened_once(Cipher.DES, two, sealed_once(Cipher.DES, one, DES_PLAIN)))
    # 14 octets of keys and 2 of the IV, whose last 8 octets are those of the whole: only this IV overlaps K2.
    key = k1 + k2 + bytes(2)
    masked = bytes(a ^ b for a, b in zip(DES_PLAIN, key[8:], strict=True))
    assert sealed_once(Cipher.TRIPLE_DES, key, masked) == by_hand


@pytest.mark.parametrize("cipher", [Cipher.RC4, Cipher.RC4_56, Cipher.RC4_40])
def test_rc4_takes_all_sixteen_octets_whatever_its_name(cipher: Cipher) -> None:
    # RFC 6229 section 2, the key of 128 bits, offset 0.
    stream = bytes.fromhex("9ac7cc9a609d1ef7b2932899cde41b97")
    assert sealed_once(cipher, bytes(range(1, 17)), bytes(16)) == stream


@settings(deadline=None)
@given(key=keys, pieces=st.lists(blocks), cipher=st.sampled_from(Cipher))
def test_what_is_sealed_in_pieces_is_what_is_sealed_at_once(key: bytes, pieces: list[bytes], cipher: Cipher) -> None:
    whole = b"".join(pieces)
    seal, unseal = encryptor(cipher, key), decryptor(cipher, key)
    sealed = [seal.update(piece) for piece in pieces]
    assert [len(piece) for piece in sealed] == [len(piece) for piece in pieces]
    assert b"".join(sealed) == sealed_once(cipher, key, whole)
    assert [unseal.update(piece) for piece in sealed] == pieces
