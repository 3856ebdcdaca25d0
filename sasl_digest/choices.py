"""What the two sides of an exchange choose among: quality of protection, cipher, size of buffers (RFC 2831)."""

import enum
from typing import Final

DEFAULT_MAXBUF: Final = 65536  # octets; RFC 2831 sections 2.1.1 and 2.1.2
MIN_MAXBUF: Final = 17  # octets; a buffer must hold its 16 octets of MAC and trailer: rfc2831bis-02 section 2.1.1
MAX_MAXBUF: Final = 16777215  # octets; three octets of length: RFC 2831 section 2.1.1, rfc2831bis-02


class QOP(bytes, enum.Enum):
    """Quality of protection: authentication, with integrity, with confidentiality (RFC 2831 section 2.1.1)."""

    AUTH = b"auth"
    AUTH_INT = b"auth-int"
    AUTH_CONF = b"auth-conf"


class Cipher(bytes, enum.Enum):
    """The ciphers that `auth-conf` may use (RFC 2831 section 2.4)."""

    TRIPLE_DES = b"3des"
    DES = b"des"
    RC4 = b"rc4"
    RC4_56 = b"rc4-56"
    RC4_40 = b"rc4-40"


QOPS: Final = {bytes(qop): qop for qop in QOP}
CIPHERS: Final = {bytes(cipher): cipher for cipher in Cipher}
