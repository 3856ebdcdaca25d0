"""A CA for tests that issues certificates to clients: good ones, and wrong ones in every way that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from ldapserver.wire import ber

UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
DAY = timedelta(days=1)

# uid=u1,ou=people,dc=contoso,dc=com, as a certificate has it: the root first.
U1 = (
    (NameOID.DOMAIN_COMPONENT, "com"),
    (NameOID.DOMAIN_COMPONENT, "contoso"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "people"),
    (NameOID.USER_ID, "u1"),
)


def name(*attributes: tuple[ObjectIdentifier, str]) -> x509.Name:
    """A name of one attribute an RDN."""
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def upn(text: str) -> x509.OtherName:
    """A UPN of Active Directory's."""
    return x509.OtherName(UPN, ber.encoded(0x0C, text.encode()))


@dataclass(frozen=True)
class Issued:
    """A certificate, and the key that belongs to it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def write(self, folder: Path, stem: str = "client") -> tuple[Path, Path]:
        """The certificate and the key as PEM files."""
        certificate, key = folder / f"{stem}.pem", folder / f"{stem}.key"
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


class Authority:
    """A CA, made anew."""

    def __init__(self, common_name: str = "Contoso Test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name((NameOID.COMMON_NAME, common_name))
        now = datetime.now(UTC)
        begun = x509.CertificateBuilder(
            self._name, self._name, self._key.public_key(), x509.random_serial_number(), now - DAY, now + 2 * DAY
        )
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self.certificate = (
            begun.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(self._id, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        subject: x509.Name | None = None,
        alternatives: Sequence[x509.GeneralName] = (),
        *,
        ends: timedelta = DAY,
        usage: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> Issued:
        """A certificate for a client: u1's, unless another name is given; `ends` from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            self._name,
            name(*U1) if subject is None else subject,
            key.public_key(),
            x509.random_serial_number(),
            now - DAY,
            now + ends,
        )
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._id), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return Issued(builder.sign(self._key, hashes.SHA256()), key)
