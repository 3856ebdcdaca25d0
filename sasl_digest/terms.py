"""The terms of a server, worked out once for all exchanges: what a challenge offers, and what a response may say."""

from dataclasses import dataclass, field

from sasl_digest.digest import a2_of_client, a2_of_server, h, hexed
from sasl_digest.messages import QOP, Cipher, DigestChallenge, DigestResponse
from sasl_digest.nonces import Nonces

_MAX_PLACES = 64  # digest-uris of each qop whose hashes are kept; a client names the server in one way
_MAX_PLACE = 255  # octets of one


@dataclass(frozen=True, slots=True)
class Terms:
    """What one server offers and accepts.

    `head`, `tail` and `tail_when_stale` are the challenge around its nonce. `places` are, of each qop offered, the
    digest-uris that have named this server, with HEX(H(A2)) of the response and of rspauth: what is the same in every
    exchange, and nobody's.
    """

    head: bytes
    tail: bytes
    tail_when_stale: bytes
    service: str | None
    hosts: frozenset[str] | None
    serv_names: frozenset[str]
    places: dict[QOP, dict[bytes, tuple[bytes, bytes]]] = field(repr=False)
    ciphers: frozenset[Cipher]
    buffer_limit: int
    realms: frozenset[str] | None
    binding_required: bool
    readings: int
    nonces: Nonces = field(repr=False)

    def place(self, response: DigestResponse) -> tuple[bytes, bytes] | None:
        """What `places` has, or is to have, for a response of a qop offered; None where it names another server."""
        digest_uri, qop = response.digest_uri, response.qop
        if not self.names_us(digest_uri):
            return None
        place = hexed(h(a2_of_client(digest_uri, qop))), hexed(h(a2_of_server(digest_uri, qop)))
        places = self.places[qop]
        # Not for long where clients write many.
        if len(places) >= _MAX_PLACES:
            places.clear()
        if len(digest_uri) <= _MAX_PLACE:
            places[digest_uri] = place
        return place

    def names_us(self, digest_uri: bytes) -> bool:
        """Whether it names this service on one of these hosts."""
        # digest-uri-value = serv-type "/" host [ "/" serv-name ]; servers should check that it names them.
        # Section 2.1.2, digest-uri
        serv_type, _, rest = digest_uri.decode("utf-8", "replace").partition("/")
        host, _, serv_name = rest.partition("/")
        if self.service is not None and serv_type.lower() != self.service:
            return False
        if self.hosts is None:
            return True
        if canonical(host) not in self.hosts:
            return False
        # serv-name is sent for a replicated service, and is then its name: a host's or the realm's.
        return not serv_name or canonical(serv_name) in self.hosts or serv_name.lower() in self.serv_names


def canonical(name: str) -> str:
    """The name of a host as it is compared."""
    return name.lower().rstrip(".").strip("[]")


def around_nonce(challenge: DigestChallenge) -> tuple[bytes, bytes]:
    """The octets of a challenge before and behind those of its nonce, which is empty here."""
    head, due, tail = challenge.encode().partition(b'nonce="')
    return head + due, tail
