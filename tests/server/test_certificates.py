"""Certificates: what a throw-away one is good for, what is wrong with a file, and what a channel is bound to."""

import hashlib
import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ldapserver.certificates import (
    VALID_FOR,
    InvalidCertificate,
    PrivateKey,
    ServerCertificate,
    read_chain,
    read_key,
    throw_away,
)
from sasl_digest.end_point import end_point

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ("ldap1.contoso.com", "localhost", "127.0.0.1", "::1", "192.0.2.1")
CERTIFICATE, CA = throw_away(NAMES, NOW)
LEAF = CERTIFICATE.chain[0]
PEM, DER, PKCS8 = serialization.Encoding.PEM, serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
CLEAR = serialization.NoEncryption()


# The throw-away ones


def subject(name: str) -> x509.DNSName | x509.IPAddress:
    """What a client looks for in a certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def verified(name: str, at: datetime = NOW, ca: bytes = CA) -> list[x509.Certificate]:
    """The chain by which `cryptography` verifies the certificate for this name, as the Web's rules have it."""
    store = Store([x509.load_pem_x509_certificate(ca)])
    return PolicyBuilder().store(store).time(at).build_server_verifier(subject(name)).verify(LEAF, [])


@pytest.mark.parametrize("name", NAMES)
def test_it_is_good_for_every_name(name: str) -> None:
    assert verified(name) == list(CERTIFICATE.chain)


def test_it_is_good_for_no_other_name() -> None:
    for name in ("ldap2.contoso.com", "192.0.2.2"):
        with pytest.raises(VerificationError):
            verified(name)


def test_it_is_of_no_other_ca() -> None:
    with pytest.raises(VerificationError):
        verified("localhost", ca=throw_away(NAMES, NOW)[1])


def test_it_is_good_for_a_short_time_and_for_a_clock_that_is_behind() -> None:
    for at in (NOW - timedelta(minutes=59), NOW, NOW + VALID_FOR - timedelta(seconds=1)):
        verified("localhost", at)
    for at in (NOW - timedelta(minutes=61), NOW + VALID_FOR + timedelta(seconds=1)):
        with pytest.raises(VerificationError):
            verified("localhost", at)


def test_the_time_is_now_unless_it_is_said() -> None:
    leaf = throw_away(NAMES)[0].chain[0]
    assert leaf.not_valid_before_utc < datetime.now(UTC) < leaf.not_valid_after_utc


def test_names_that_no_client_could_ask_for_are_left_out() -> None:
    names = ["*", "0.0.0.0", "::", "", "a..b", "x" * 64, "\udcff", "LDAP1.Contoso.com.", "ldap1.contoso.com"]
    names += ["fe80::1%eth0", "жора.example"]
    leaf = throw_away(names)[0].chain[0]
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["ldap1.contoso.com", "xn--80alyi.example"]
    assert found.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("fe80::1")]


def test_two_have_nothing_in_common() -> None:
    other, ca = throw_away(NAMES, NOW)
    assert ca != CA
    assert other.chain[0].serial_number != LEAF.serial_number
    assert other.key.public_key() != CERTIFICATE.key.public_key()


def test_openssl_loads_it_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    path.write_bytes(LEAF.public_bytes(PEM) + CERTIFICATE.key.private_bytes(PEM, PKCS8, CLEAR))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)


def test_a_key_is_not_shown() -> None:
    assert "key" not in repr(CERTIFICATE)


# What a channel is bound to

Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


def signed(by: PrivateKey, with_: Hash | None, pss: bool = False) -> x509.Certificate:
    """A certificate that is signed this way, by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    until = NOW + timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, by.public_key(), 1, NOW, until)
    if pss:
        assert isinstance(with_, hashes.SHA384)
        return builder.sign(by, with_, rsa_padding=padding.PSS(padding.MGF1(with_), with_.digest_size))
    return builder.sign(by, with_)


RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
# As no library signs any more: openssl req -x509 -newkey rsa:1024 -md5, and ... -newkey ec -sha1
MD5 = b"""\
-----BEGIN CERTIFICATE-----
MIIB9jCCAV+gAwIBAgIUL5/BPx6mHThlfHpxXQdzuMNwrAIwDQYJKoZIhvcNAQEE
BQAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjIwNjUyMTZaGA8yMTI2MTAyOTA2NTIx
NlowDDEKMAgGA1UEAwwBYTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAtpUJ
ookd5/XMLfXcFlZQyFBTikMHNiU7zknb9CzWtsyExKYF3KfXOycRNwAKqxl+SUhP
cdXiWL4pujdomAXRkYjEvCWTTrIhRXt912fTZbiJhohp4iGCdiG4NhKW7hIfHAz3
MFp0EwxRTreOPXteTAQKS0rt/oc67oksQsQErW8CAwEAAaNTMFEwHQYDVR0OBBYE
FPOMSufJ3CoNFG3eR3ioaa+xRJLSMB8GA1UdIwQYMBaAFPOMSufJ3CoNFG3eR3io
aa+xRJLSMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQEEBQADgYEAWoujG1ZW
fCdZMEpvxhBKo+qO/oNlM6I8LXYf/F+Z1TO8356JlHJut/GQWUBimOQb/MiRbzMs
vdyYtTGu9aIeGtF5K9V4lGQ2INut09Bulo+aozyhYH2iYcE9rbxOUISusafCLYKf
vETtStZnL7uZvgr++dUq4+fsrTmCJSqUP0s=
-----END CERTIFICATE-----
"""
SHA1 = b"""\
-----BEGIN CERTIFICATE-----
MIIBbjCCARSgAwIBAgIUKJ1M/cOsKf+pZ5YDW4/YR3zNfwswCQYHKoZIzj0EATAM
MQowCAYDVQQDDAFhMCAXDTI2MTEyMjA2NTI0MloYDzIxMjYxMDI5MDY1MjQyWjAM
MQowCAYDVQQDDAFhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq7OcDCycvZY9
jiLcCb2DCGR/ulDlTzoHqpqorPo1vUqwAzQDzz0XfJBcjRNYOja8orHAyYwExe/1
k/18aO0BJqNTMFEwHQYDVR0OBBYEFHoqTjY+Mmfo8AlrtTQScGjHNVBcMB8GA1Ud
IwQYMBaAFHoqTjY+Mmfo8AlrtTQScGjHNVBcMA8GA1UdEwEB/wQFMAMBAf8wCQYH
KoZIzj0EAQNJADBGAiEAw6gyqJcwlEv9/P5asSffRmpcX8rsPECdJ1LRNM+epokC
IQD2kc5Xj8FS/ovAcRQWt//uC02ioraJzYSJuNy5yATIww==
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        (signed(P256, hashes.SHA256()), hashlib.sha256),
        (signed(P256, hashes.SHA384()), hashlib.sha384),
        (signed(RSA, hashes.SHA512()), hashlib.sha512),
        (signed(RSA, hashes.SHA384(), pss=True), hashlib.sha384),
        (x509.load_pem_x509_certificate(SHA1), hashlib.sha256),
        (x509.load_pem_x509_certificate(MD5), hashlib.sha256),
        (signed(ed25519.Ed25519PrivateKey.generate(), None), hashlib.sha512),
    ],
    ids=["SHA-256", "SHA-384", "SHA-512", "PSS", "SHA-1", "MD5", "Ed25519"],
)
def test_a_channel_is_bound_to_the_hash_that_the_signature_names(
    certificate: x509.Certificate, expected: Callable[[bytes], "hashlib._Hash"]
) -> None:
    # "If the certificate's signatureAlgorithm uses a single hash function, and that hash function is either MD5 or
    # SHA-1, then use SHA-256 ... neither MD5 nor SHA-1, then use the hash function associated": RFC 5929 section 4.1
    assert end_point(certificate.public_bytes(DER)) == expected(certificate.public_bytes(DER)).digest()


def test_of_ed448_the_hash_has_64_octets_of_shake256() -> None:
    certificate = signed(ed448.Ed448PrivateKey.generate(), None)
    assert end_point(certificate.public_bytes(DER)) == hashlib.shake_256(certificate.public_bytes(DER)).digest(64)


def test_a_server_is_bound_to_its_own_certificate_and_not_to_its_ca() -> None:
    assert CERTIFICATE.end_point == hashlib.sha256(LEAF.public_bytes(DER)).digest()


# Files


def file(folder: Path, data: bytes) -> str:
    """The path of a file that holds this."""
    path = folder / "file.pem"
    path.write_bytes(data)
    return str(path)


CHAIN = b"".join(each.public_bytes(PEM) for each in CERTIFICATE.chain)
KEY = CERTIFICATE.key.private_bytes(PEM, PKCS8, CLEAR)


@pytest.mark.parametrize("data", [CHAIN, KEY + CHAIN, b"a word before\n" + CHAIN], ids=["alone", "key", "words"])
def test_a_chain_is_read_in_its_order(data: bytes, tmp_path: Path) -> None:
    assert read_chain(file(tmp_path, data)) == CERTIFICATE.chain


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", KEY, LEAF.public_bytes(DER), CHAIN[:200], CHAIN.replace(b"M", b"!", 1)],
    ids=["empty", "nonsense", "key", "DER", "cut", "no base64"],
)
def test_what_is_no_chain_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidCertificate, match=r"^holds no certificate in PEM$"):
        read_chain(file(tmp_path, data))


KEYS: list[PrivateKey] = [RSA, P256, ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_a_key_of_every_kind_is_read(key: PrivateKey, tmp_path: Path) -> None:
    certificate = signed(key, None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else SHA256)
    path = file(tmp_path, key.private_bytes(PEM, PKCS8, CLEAR))
    read = read_key(path, certificate)
    assert read.private_bytes(DER, PKCS8, CLEAR) == key.private_bytes(DER, PKCS8, CLEAR)
    assert ServerCertificate((certificate,), read).end_point == end_point(certificate.public_bytes(DER))


SHA256 = hashes.SHA256()
ENCRYPTED = serialization.BestAvailableEncryption(b"a passphrase")
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
DSA = dsa.generate_private_key(2048)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "holds no private key in PEM"),
        (b"nonsense", "holds no private key in PEM"),
        (CHAIN, "holds no private key in PEM"),
        (KEY[:100], "holds no private key in PEM"),
        (CERTIFICATE.key.private_bytes(PEM, PKCS8, ENCRYPTED), "the key is encrypted"),
        (CERTIFICATE.key.private_bytes(PEM, TRADITIONAL, ENCRYPTED), "the key is encrypted"),
        (P256.private_bytes(PEM, PKCS8, CLEAR), "the key does not belong to the certificate"),
        (RSA.private_bytes(PEM, PKCS8, CLEAR), "the key does not belong to the certificate"),
        (DSA.private_bytes(PEM, PKCS8, CLEAR), "not a key for TLS"),
    ],
    ids=["empty", "nonsense", "certificate", "cut", "PKCS 8", "traditional", "other", "other kind", "DSA"],
)
def test_what_is_no_key_of_the_certificate_is_refused(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidCertificate, match=f"^{why}") as refused:
        read_key(file(tmp_path, data), LEAF)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
