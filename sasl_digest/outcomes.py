"""What a step ends in, as values: what the peer can make happen comes back, only a bug is raised."""

import enum
from dataclasses import dataclass, field

from sasl_digest.errors import PeerError
from sasl_digest.layers import SecurityLayer
from sasl_digest.messages import QOP


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
    """The nonce is this server's, of another exchange."""
    NONCE_EXPIRED = "nonce-expired"
    """The password was right and the nonce too old: a new challenge follows, with stale=true."""
    NONCE_COUNT = "nonce-count"
    QOP = "qop"
    """Server: a qop that was not offered. Client: none of those offered will do."""
    DIGEST_URI = "digest-uri"
    """The digest-uri names another service or host."""
    CIPHER = "cipher"
    """Server: a cipher that was not offered. Client: none of those offered will do. Or a maxbuf too small for it."""
    CHARSET = "charset"
    """The server takes only ISO 8859-1 and a name does not fit into it."""
    RSPAUTH = "rspauth"
    """The server did not prove that it knows the secret."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The exchange goes on: send `data` and wait for the client's response.

    `stale` says that this one takes the place of an expired nonce, whose response was right (RFC 2831 2.1.1).
    """

    data: bytes = field(repr=False)
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """The exchange goes on: send `data` and wait for the server's proof.

    `note` tells the user what was done although it looks odd: a realm was named that was not offered.
    """

    data: bytes = field(repr=False)
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """The question to whoever drives the server: what is known of this user? Answer with `verify()`."""

    username: str
    realm: str
    authzid: str | None


@dataclass(frozen=True, slots=True)
class Success:
    """The exchange is over and the peer has proved the secret.

    `data` is what the server still sends (`rspauth=...`) and empty at the client; `layer` is what all that follows it
    goes through, both ways, None for qop auth. Whether `username` may act as
    `authzid` is for the caller to decide, before `data` leaves.
    """

    username: str
    realm: str
    authzid: str | None
    qop: QOP
    data: bytes = field(default=b"", repr=False)
    layer: SecurityLayer | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """The exchange is over. `reason` is for the audit record and never for the wire; `detail` says it in words."""

    reason: Reason
    detail: str = ""
    cause: PeerError | None = None
