"""The security layers that an exchange may end in (RFC 2831 sections 2.3 and 2.4): octets to wrap, octets received.

    buffer = length (4 octets) | body                                     RFC 4422 section 3.7
    body   = message | MAC (10) | 0x0001 | sequence number (4)            auth-int
    body   = CIPHER( message | padding | MAC (10) ) | 0x0001 | sequence number (4)      auth-conf

Each direction has its own keys, sequence number and cipher state. Whatever is wrong with a buffer is said in one
text: who could tell bad padding from a bad MAC could read the message (rfc2831bis-02 section 3.8).
"""

import hmac
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import md5
from typing import TYPE_CHECKING, Protocol

from sasl_digest.errors import PeerError, UsageError
from sasl_digest.messages import QOP, Cipher

if TYPE_CHECKING:
    from sasl_digest.ciphers import Context

_LENGTH = 4  # octets of the length in front of a buffer
_MAC = 10  # octets of the MAC, cut off an HMAC-MD5
_TRAILER = b"\x00\x01"  # the message type
_TAIL = len(_TRAILER) + 4  # octets behind what is sealed: the type and the sequence number
_OVERHEAD = _MAC + _TAIL
BLOCK = 8  # octets of a DES block
BLOCK_CIPHERS = frozenset({Cipher.DES, Cipher.TRIPLE_DES})

_SIGNING = b"Digest session key to %b signing key magic constant"
_SEALING = b"Digest H(A1) to %b sealing key magic constant"
_CLIENT_TO_SERVER, _SERVER_TO_CLIENT = b"client-to-server", b"server-to-client"
# How much of H(A1) the sealing key is made of.  RFC 2831 section 2.4; "n" octets, rfc2831bis-02
_KEPT = {Cipher.RC4_40: 5, Cipher.RC4_56: 7}


class BrokenLayer(PeerError):
    """A buffer of the security layer is not what the peer's key and count would make: the connection must end."""

    def __init__(self) -> None:
        super().__init__("security layer: a buffer is wrong")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one direction, 16 octets each; `sealing` is empty without a cipher."""

    signing: bytes = field(repr=False)
    sealing: bytes = field(repr=False)


class SecurityLayer(Protocol):
    """What stands between a connection and its messages after an exchange.

    `most` is the longest message, in octets, that the peer takes in one buffer.
    """

    qop: QOP
    most: int
    cipher: Cipher | None
    """What auth-conf seals with."""

    def wrap(self, data: bytes) -> bytes:
        """The buffers to send for `data`, none longer than the peer takes."""
        ...

    def receive(self, data: bytes) -> bytes:
        """What the buffers completed by `data` hold. Raises BrokenLayer, after which nothing can be received."""
        ...


class IntegrityLayer:
    """auth-int: every buffer signed and counted."""

    qop = QOP.AUTH_INT
    cipher: Cipher | None = None

    def __init__(self, sending: bytes, receiving: bytes, *, peer_maxbuf: int, limit: int) -> None:
        """Take the two signing keys, 16 octets each.

        `peer_maxbuf` is the longest buffer the peer takes, `limit` the longest we do: octets behind the length.
        """
        self._sending, self._receiving = sending, receiving
        self._sent = self._received = 0
        self._limit = limit
        self.most = peer_maxbuf - _OVERHEAD
        self._held = bytearray()

    def wrap(self, data: bytes) -> bytes:
        """See `SecurityLayer`; nothing for nothing."""
        if len(data) <= self.most:
            return self._buffer(data) if data else b""
        view = memoryview(data)
        return b"".join([self._buffer(bytes(view[at : at + self.most])) for at in range(0, len(data), self.most)])

    def receive(self, data: bytes) -> bytes:
        """See `SecurityLayer`."""
        held = self._held
        held += data
        messages = []
        at = 0
        while len(held) - at >= _LENGTH:
            length = int.from_bytes(held[at : at + _LENGTH], "big")
            if not _OVERHEAD <= length <= self._limit:
                raise BrokenLayer
            if len(held) - at - _LENGTH < length:
                break
            at += _LENGTH
            messages.append(self._message(bytes(memoryview(held)[at : at + length])))
            at += length
        del held[:at]
        return b"".join(messages)

    def _buffer(self, message: bytes) -> bytes:
        count = self._sent.to_bytes(4, "big")
        # The sequence number wraps.  rfc2831bis-02 section 2.3
        self._sent = (self._sent + 1) & 0xFFFFFFFF
        sealed = self._seal(message, _mac(self._sending, count, message))
        return b"%b%b%b%b" % ((len(sealed) + _TAIL).to_bytes(_LENGTH, "big"), sealed, _TRAILER, count)

    def _message(self, body: bytes) -> bytes:
        count = self._received.to_bytes(4, "big")
        message, mac = self._open(body[:-_TAIL])
        # The MAC is computed whatever else is wrong, and everything is compared before anything is said.
        right = hmac.compare_digest(mac, _mac(self._receiving, count, message))
        right &= hmac.compare_digest(body[-_TAIL:], _TRAILER + count)
        if not right:
            raise BrokenLayer
        self._received = (self._received + 1) & 0xFFFFFFFF
        return message

    def _seal(self, message: bytes, mac: bytes) -> bytes:
        return message + mac

    def _open(self, sealed: bytes) -> tuple[bytes, bytes]:
        return sealed[:-_MAC], sealed[-_MAC:]


class ConfidentialityLayer(IntegrityLayer):
    """auth-conf: every buffer signed, counted and sealed."""

    qop = QOP.AUTH_CONF

    def __init__(self, sending: "Keys", receiving: "Keys", *, cipher: Cipher, peer_maxbuf: int, limit: int) -> None:
        """Take the keys of both directions, and the cipher agreed upon."""
        super().__init__(sending.signing, receiving.signing, peer_maxbuf=peer_maxbuf, limit=limit)
        self.cipher = self._cipher = cipher
        self._keys = sending.sealing, receiving.sealing
        self._padded = cipher in BLOCK_CIPHERS
        if self._padded:
            self.most = (peer_maxbuf - _TAIL) // BLOCK * BLOCK - _MAC - 1

    # Only before the first buffer: a layer is also made for one who is refused although the password was right, and
    # what it takes to set up a cipher, or to load the library, would tell so.

    @cached_property
    def _encryptor(self) -> "Context":
        from sasl_digest.ciphers import encryptor  # only who seals pays for loading the library

        return encryptor(self._cipher, self._keys[0])

    @cached_property
    def _decryptor(self) -> "Context":
        from sasl_digest.ciphers import decryptor

        return decryptor(self._cipher, self._keys[1])

    def _seal(self, message: bytes, mac: bytes) -> bytes:
        # 1 to 8 octets of padding, each saying how many, for block ciphers only.  RFC 2831 section 2.4
        padding = BLOCK - (len(message) + _MAC) % BLOCK if self._padded else 0
        return self._encryptor.update(message + bytes([padding]) * padding + mac)

    def _open(self, sealed: bytes) -> tuple[bytes, bytes]:
        if self._padded and len(sealed) % BLOCK:
            raise BrokenLayer
        opened = self._decryptor.update(sealed)
        message, mac = opened[:-_MAC], opened[-_MAC:]
        if not self._padded:
            return message, mac
        padding = message[-1] if message else 0
        if not 1 <= padding <= min(BLOCK, len(message)) or message[-padding:] != bytes([padding]) * padding:
            # No MAC fits, and one is computed all the same, over as much as if the padding were right.
            return message[:-1], b""
        return message[:-padding], mac


def cut(held: bytearray, due: int) -> tuple[bytes, int]:
    """Take from `held` what is there of the buffer it begins with, and no more; and how much of that is still due.

    `due` is that of the call before, 0 at the beginning of a buffer. Nothing is taken while the length is not there
    to read. What is behind a buffer that ends an exchange may be inside another layer.
    """
    if not due:
        if len(held) < _LENGTH:
            return b"", 0
        due = _LENGTH + int.from_bytes(held[:_LENGTH], "big")
    piece = bytes(memoryview(held)[:due])
    del held[:due]
    return piece, due - len(piece)


def least_maxbuf(cipher: Cipher | None) -> int:
    """The smallest maxbuf, in octets, with which a peer can be sent anything: one octet in a buffer."""
    return 2 * BLOCK + _TAIL if cipher in BLOCK_CIPHERS else _OVERHEAD + 1


def server_layer(
    h_a1: bytes, qop: QOP, cipher: Cipher | None, *, peer_maxbuf: int, limit: int
) -> SecurityLayer | None:
    """The server's end of the layer that `qop` and `cipher` ask for: None for auth."""
    sending, receiving = _keys(h_a1, _SERVER_TO_CLIENT, cipher), _keys(h_a1, _CLIENT_TO_SERVER, cipher)
    return _layer(sending, receiving, qop, cipher, peer_maxbuf=peer_maxbuf, limit=limit)


def client_layer(
    h_a1: bytes, qop: QOP, cipher: Cipher | None, *, peer_maxbuf: int, limit: int
) -> SecurityLayer | None:
    """The client's end of it."""
    sending, receiving = _keys(h_a1, _CLIENT_TO_SERVER, cipher), _keys(h_a1, _SERVER_TO_CLIENT, cipher)
    return _layer(sending, receiving, qop, cipher, peer_maxbuf=peer_maxbuf, limit=limit)


def _layer(
    sending: Keys, receiving: Keys, qop: QOP, cipher: Cipher | None, *, peer_maxbuf: int, limit: int
) -> SecurityLayer | None:
    if qop is QOP.AUTH:
        return None
    if qop is QOP.AUTH_INT:
        return IntegrityLayer(sending.signing, receiving.signing, peer_maxbuf=peer_maxbuf, limit=limit)
    if cipher is None:
        raise UsageError("cipher: due for auth-conf")
    return ConfidentialityLayer(sending, receiving, cipher=cipher, peer_maxbuf=peer_maxbuf, limit=limit)


def _keys(h_a1: bytes, direction: bytes, cipher: Cipher | None) -> Keys:
    # Ki = MD5({H(A1), "... signing key magic constant"}), Kc = MD5({H(A1)[0..n-1], "... sealing key ..."}).
    # Sections 2.3 and 2.4
    signing = md5(h_a1 + _SIGNING % direction).digest()
    if cipher is None:
        return Keys(signing, b"")
    return Keys(signing, md5(h_a1[: _KEPT.get(cipher, 16)] + _SEALING % direction).digest())


def _mac(key: bytes, count: bytes, message: bytes) -> bytes:
    """The first 10 octets of HMAC-MD5(Ki, {sequence number, message}), section 2.3."""
    return hmac.digest(key, count + message, "md5")[:_MAC]
