"""Certificates for TLS: those of files, a throw-away CA with a leaf, and the CAs that clients are held against.

Loads `cryptography`, and is loaded itself only by a server that does TLS.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ldapserver.clock import SYSTEM_CLOCK
from sasl_digest import UsageError
from sasl_digest.end_point import end_point

VALID_FOR = timedelta(days=30)  # of a throw-away certificate
SLOW_CLOCKS = timedelta(hours=1)  # by which a client's clock may be behind ours

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


class InvalidCertificate(ValueError):
    """What a file holds is not what it should; the text says why, and names nothing of the key."""


@dataclass(frozen=True)
class ServerCertificate:
    """What a server shows in the handshake, its own certificate first, and the key that belongs to it."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey = field(repr=False)

    @cached_property
    def end_point(self) -> bytes:
        """What a channel to this server is bound to.  RFC 5929 section 4.1"""
        return end_point(der(self.chain[0]))


def read_chain(path: str) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, the server's own first. Raises InvalidCertificate and OSError."""
    with open(path, "rb") as file:
        text = file.read()
    return _certificates(text)


def _certificates(text: bytes) -> tuple[x509.Certificate, ...]:
    try:
        chain = tuple(x509.load_pem_x509_certificates(text))
    except ValueError:
        raise InvalidCertificate("holds no certificate in PEM") from None
    try:
        end_point(der(chain[0]))
    except UsageError as error:
        raise InvalidCertificate(f"the {str(error).replace(': ', ' ', 1)}") from None
    return chain


@dataclass(frozen=True)
class ClientAuthorities:
    """Who answers for clients: in a handshake they are asked for a certificate of one of these CAs.

    One that was not verified ends the handshake. Unless one is `required`, who has none is served all the same.
    """

    certificates: tuple[x509.Certificate, ...]
    required: bool = False


def read_authorities(path: str) -> tuple[x509.Certificate, ...]:
    """The certificates of CAs in a PEM file. Raises InvalidCertificate and OSError."""
    with open(path, "rb") as file:
        text = file.read()
    try:
        return tuple(x509.load_pem_x509_certificates(text))
    except ValueError:
        raise InvalidCertificate("holds no certificate in PEM") from None


def read_key(path: str, certificate: x509.Certificate) -> PrivateKey:
    """The private key of a PEM file, which must be that of `certificate`. Raises InvalidCertificate and OSError."""
    with open(path, "rb") as file:
        text = file.read()
    return _key(text, certificate)


def _key(text: bytes, certificate: x509.Certificate) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError:  # what the library raises for a key that wants a password
        raise InvalidCertificate("the key is encrypted; only one without a passphrase can be used") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidCertificate("holds no private key in PEM") from None
    if not isinstance(key, _KEYS):
        raise InvalidCertificate("not a key for TLS: must be RSA, EC, Ed25519 or Ed448")
    if key.public_key() != certificate.public_key():
        raise InvalidCertificate("the key does not belong to the certificate")
    return key


def throw_away(names: Iterable[str], now: datetime | None = None) -> tuple[ServerCertificate, bytes]:
    """A certificate for these host names and IP addresses, and the CA it is of, in PEM, for clients to trust.

    The CA's key is gone with this call: it has signed this one certificate and will never sign another.
    """
    begin = (SYSTEM_CLOCK.now() if now is None else now) - SLOW_CLOCKS
    end = begin + SLOW_CLOCKS + VALID_FOR
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = common_name("ldapserver throw-away CA")
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id)
    ca = (
        begun(ca_name, ca_name, ca_key.public_key(), begin, end)
        # What a CA's certificate must say, and its leaf's.  RFC 5280 section 4.2.1.1 to 4.2.1.3, 4.2.1.9
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(ca_id, critical=False)
        .add_extension(issued_by, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        begun(common_name("ldapserver"), ca_name, key.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issued_by, critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives(names)), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return ServerCertificate((leaf, ca), key), pem(ca)


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def der(certificate: x509.Certificate) -> bytes:
    """The certificate in DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def server_certificate(chain: bytes, key: bytes) -> ServerCertificate:
    """The certificate of these PEM texts, the server's own first, and the key of it. Raises InvalidCertificate."""
    certificates = _certificates(chain)
    return ServerCertificate(certificates, _key(key, certificates[0]))


def common_name(name: str) -> x509.Name:
    """A subject of this one attribute."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    """A certificate as far as its fields go, without extensions."""
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), begin, end)


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What the key is for: a CA's, or TLS."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    """One alternative a name; what no client could ask for, like `*` or 0.0.0.0, is left out."""
    found: dict[x509.GeneralName, None] = {}
    for name in names:
        try:
            address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            if (ascii_name := _ascii(name)) is not None:
                found[x509.DNSName(ascii_name)] = None
        else:
            if not address.is_unspecified:
                found[x509.IPAddress(address)] = None
    return list(found)


def _ascii(name: str) -> str | None:
    """A host name as certificates hold it, None where it is none."""
    try:
        encoded = name.lower().rstrip(".").encode("idna").decode()
    except UnicodeError:  # an empty label, one too long, or octets that were no text
        return None
    return encoded if encoded.strip("*") else None
