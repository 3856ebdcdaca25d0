"""What a step ends in, as values: what the peer can make happen comes back, only a bug is raised."""

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from sasl_digest.errors import PeerError
from sasl_digest.layers import SecurityLayer
from sasl_digest.messages import QOP, Cipher, DigestChallenge
from sasl_digest.values import frozen_value


class Reason(enum.Enum):
    """Why an exchange failed: for the audit and for the person at the client, never for the wire."""

    MALFORMED = "malformed"
    """A message breaks RFC 2831; `Failure.cause` names directive and rule."""
    WRONG_PASSWORD = "wrong-password"
    UNKNOWN_USER = "unknown-user"
    REALM = "realm"
    """Server: a realm that is not served here. Client: the realm asked for was not offered (`strict_realm`)."""
    NO_USABLE_SECRET = "no-usable-secret"
    """The account is known, and holds nothing that could verify a digest under these names."""
    NONCE_FOREIGN = "nonce-foreign"
    """The nonce is none that this server issued."""
    NONCE_REPLAYED = "nonce-replayed"
    """The nonce is this server's, and was for another exchange, or another user."""
    NONCE_FORGOTTEN = "nonce-forgotten"
    """An initial response has a nonce of this server's, which it does not remember, or no longer."""
    NONCE_EXPIRED = "nonce-expired"
    """The password was right and the nonce too old: a new challenge follows, with stale=true."""
    NONCE_COUNT = "nonce-count"
    """The nonce-count is not the one that is due: a response sent again, or one lost on its way."""
    QOP = "qop"
    """Server: a qop that was not offered. Client: none of those offered will do."""
    DIGEST_URI = "digest-uri"
    """The digest-uri names another service or host."""
    CIPHER = "cipher"
    """Server: a cipher that was not offered. Client: none of those offered will do. Or a maxbuf too small for it."""
    CHANNEL_BINDING = "channel-binding"
    """The response is bound to another channel or service, or to none where that is required."""
    CHARSET = "charset"
    """The server takes only ISO 8859-1 and a name does not fit into it."""
    RSPAUTH = "rspauth"
    """The server did not prove that it knows the secret."""


@frozen_value(hidden=("data",))
class Challenge(NamedTuple):
    """The exchange goes on: send `data` and wait for the client's response.

    `stale` says that this one takes the place of an expired nonce, whose response was right (RFC 2831 2.1.1). When a
    response came and would not do, `reason` is why, for the audit, and `detail` says it in words.
    """

    data: bytes
    stale: bool = False
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """The exchange goes on: send `data` and wait for the server's proof.

    `note` tells the user what was done although it looks odd: a realm was named that was not offered.
    """

    data: bytes = field(repr=False)
    note: str | None = None


@frozen_value(not_compared=("other_username",))
class Lookup(NamedTuple):
    """The question to whoever drives the server: what is known of this user? Answer with `verify()`.

    When nobody is called `username`, `other_username` may be meant (`DigestResponse.other_username`).
    """

    username: str
    realm: str
    authzid: str | None
    other_username: str | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a client keeps of a success, to authenticate again in one round trip (RFC 2831 section 2.2).

    No secret is in it: the same client needs its password again. `nonce_count` is the last one used.
    """

    username: str
    realm: str | None
    digest_uri: bytes
    challenge: DigestChallenge
    cnonce: bytes = field(repr=False)
    nonce_count: int
    qop: QOP
    cipher: Cipher | None


@frozen_value(hidden=("data", "layer", "remembered"), not_compared=("reading", "remembered"))
class Success(NamedTuple):
    """The exchange is over and the peer has proved the secret.

    `data` is what the server still sends (`rspauth=...`) and empty at the client; `layer` is what all that follows it
    goes through, both ways, None for qop auth. Whether `username` may act as `authzid` is for the caller to decide,
    before `data` leaves. At the server `reading` says in which of several ways the client has hashed what is not
    ASCII; at the client `remembered` is what saves the next exchange a round trip.
    """

    username: str
    realm: str
    authzid: str | None
    qop: QOP
    data: bytes = b""
    layer: SecurityLayer | None = None
    reading: str | None = None
    remembered: Remembered | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The exchange is over. `reason` is for the audit record and never for the wire; `detail` says it in words."""

    reason: Reason
    detail: str = ""
    cause: PeerError | None = None
