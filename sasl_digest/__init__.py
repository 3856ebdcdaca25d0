"""SASL DIGEST-MD5 (RFC 2831), both roles, without I/O. The mechanism is Historic (RFC 6331): use TLS."""

from sasl_digest.client import DigestClient
from sasl_digest.credentials import HA1, Credential, Password
from sasl_digest.errors import DigestError, MalformedMessage, PeerError, UsageError
from sasl_digest.htdigest import read_htdigest
from sasl_digest.layers import BrokenLayer, SecurityLayer
from sasl_digest.messages import QOP, Cipher, DigestChallenge, DigestResponse, ResponseAuth
from sasl_digest.nonce_book import NonceBook
from sasl_digest.outcomes import Challenge, Failure, Lookup, Reason, Remembered, Response, Success
from sasl_digest.server import DigestServer
from sasl_digest.wdigest import WDigest

__version__ = "0.1.0"

__all__ = [
    "HA1",
    "QOP",
    "BrokenLayer",
    "Challenge",
    "Cipher",
    "Credential",
    "DigestChallenge",
    "DigestClient",
    "DigestError",
    "DigestResponse",
    "DigestServer",
    "Failure",
    "Lookup",
    "MalformedMessage",
    "NonceBook",
    "Password",
    "PeerError",
    "Reason",
    "Remembered",
    "Response",
    "ResponseAuth",
    "SecurityLayer",
    "Success",
    "UsageError",
    "WDigest",
    "read_htdigest",
]
