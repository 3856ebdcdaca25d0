"""The ciphers of auth-conf (RFC 2831 section 2.4), over `cryptography`: the only module here that imports it.

All of them are weak by now, which is why `cryptography` keeps them in `decrepit`; they are what the mechanism has.
"""

from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as Construction
from cryptography.hazmat.primitives.ciphers.modes import CBC

from sasl_digest.messages import Cipher


class Context(Protocol):
    """One direction of a cipher; its state runs on from buffer to buffer.

    RFC 2831 section 2.4 for rc4; for CBC the last block of a buffer is the next one's IV (rfc2831bis-02 section 2.4).
    """

    def update(self, data: bytes) -> bytes:
        """As many octets as came in."""
        ...


def encryptor(cipher: Cipher, key: bytes) -> Context:
    """What seals under `key`, the 16 octets of Kcc or Kcs."""
    return _construction(cipher, key).encryptor()


def decryptor(cipher: Cipher, key: bytes) -> Context:
    """What opens what `encryptor` sealed."""
    return _construction(cipher, key).decryptor()


def _construction(cipher: Cipher, key: bytes) -> Construction[CBC] | Construction[None]:
    if cipher in (Cipher.DES, Cipher.TRIPLE_DES):
        # DES takes the first 7 octets of the key, 3DES the first 14 as K1 and K2, then K1 again; the last 8 are the
        # first IV.  RFC 2831 section 2.4. DES itself is 3DES with one key three times.
        first, second = _with_parity(key[:7]), _with_parity(key[7:14])
        keys = first * 3 if cipher is Cipher.DES else first + second + first
        return Construction(TripleDES(keys), CBC(key[8:]))
    return Construction(ARC4(key), None)


def _with_parity(key: bytes) -> bytes:
    """8 octets of 7 bits each, in the high bits; DES does not look at the lowest."""
    bits = int.from_bytes(key, "big")
    return bytes([(bits >> shift & 0x7F) << 1 for shift in range(49, -1, -7)])
