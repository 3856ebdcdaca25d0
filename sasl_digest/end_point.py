"""The channel binding tls-server-end-point (RFC 5929 section 4): the hash of a TLS server's certificate."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import SignatureAlgorithmOID

from sasl_digest.errors import UsageError


def end_point(certificate: bytes) -> bytes:
    """The hash of a certificate, in DER, by the hash function of its signature.  RFC 5929 section 4.1

    Raises UsageError for what is no certificate, and for a signature without a hash function that is known here.
    """
    try:
        read = x509.load_der_x509_certificate(certificate)
        return read.fingerprint(_hash_of(read))
    except ValueError:
        raise UsageError("certificate: is not one in DER") from None
    except UnsupportedAlgorithm:
        raise UsageError("certificate: is signed by an algorithm that is not known here") from None


def _hash_of(certificate: x509.Certificate) -> hashes.HashAlgorithm:
    # The Edwards curves have their hash built in.  RFC 8032 sections 5.1 and 5.2
    if certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519:
        return hashes.SHA512()
    if certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED448:
        return hashes.SHAKE256(64)
    named = certificate.signature_hash_algorithm
    if named is None:
        raise UnsupportedAlgorithm("a signature without a hash function")
    # SHA-256 stands in for MD5 and SHA-1.
    return hashes.SHA256() if isinstance(named, hashes.MD5 | hashes.SHA1) else named
