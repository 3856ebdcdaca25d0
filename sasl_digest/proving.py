"""Which secret a response was made with: each that is offered is tried (RFC 2831 section 2.1.2.1)."""

import hmac
from typing import Final

from sasl_digest import digest
from sasl_digest.layers import SecurityLayer
from sasl_digest.messages import DigestResponse

_equal: Final = hmac.compare_digest


class Proof:
    """What a response was made of beside the secret, whosever it is: worked out once for all that are tried."""

    __slots__ = ("behind_h_a1", "behind_secret", "h_a2", "response")

    def __init__(self, response: DigestResponse, h_a2: bytes) -> None:
        nonce, cnonce, authzid = response.nonce, response.cnonce, response.authzid
        authzid_octets = None if authzid is None else authzid.encode()
        self.behind_secret = digest.a1(b"", nonce=nonce, cnonce=cnonce, authzid=authzid_octets)  # the rest of A1
        self.behind_h_a1 = digest.behind_h_a1(nonce, response.nonce_count, cnonce, response.qop)
        self.h_a2 = h_a2
        self.response = response.response


class Proved:
    """What a `Success` says beside what the response has said itself: each field is that of the same name there."""

    __slots__ = ("data", "layer", "reading", "username")

    def __init__(self, username: str, data: bytes, layer: SecurityLayer | None, reading: str | None) -> None:
        self.username = username
        self.data = data
        self.layer = layer
        self.reading = reading


def matching(offered: tuple[bytes, ...], proof: Proof) -> tuple[int, bytes, bytes] | None:
    """What gives this response, of the secrets offered for a name: its position, H(A1), `digest.keyed()`."""
    behind_secret, behind_h_a1, h_a2, response = proof.behind_secret, proof.behind_h_a1, proof.h_a2, proof.response
    for position, secret in enumerate(offered):
        h_a1 = digest.h(secret + behind_secret)
        keyed = digest.hexed(h_a1) + behind_h_a1
        if _equal(digest.proof(keyed, h_a2), response):
            return position, h_a1, keyed
    return None


def make_up(readings: int, username: str, proof: Proof) -> None:
    """Do the work of so many more readings: a failure costs the same, whatever an account holds or whether it is."""
    for _ in range(readings):
        matching((digest.secret(username.encode(), b"", b""),), proof)
