"""A CA for tests: certificates for servers and clients, right ones, and wrong ones in every way that is asked for."""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from ldapserver.certificates import (
    SLOW_CLOCKS,
    VALID_FOR,
    ServerCertificate,
    alternatives,
    begun,
    common_name,
    key_usage,
    pem,
    server_certificate,
)
from ldapserver.client_certificate import USER_PRINCIPAL_NAME, subject_of
from ldapserver.clock import SYSTEM_CLOCK
from ldapserver.wire import ber
from ldapserver.wire.dn import DN

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_UTF8_STRING = 0x0C


@dataclass(frozen=True)
class Issued:
    """A certificate in PEM, with those above it behind it, and the key that belongs to it."""

    chain: bytes
    key: bytes = field(repr=False)

    @property
    def server(self) -> ServerCertificate:
        """For a server to show."""
        return server_certificate(self.chain, self.key)

    def write(self, folder: Path, stem: str) -> tuple[Path, Path]:
        """The two in files, `stem`.pem and `stem`.key; where they are."""
        chain, key = folder / f"{stem}.pem", folder / f"{stem}.key"
        chain.write_bytes(self.chain)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return chain, key


class CA:
    """A CA, made anew: its key stays in this process."""

    def __init__(self, name: str = "ldapserver test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = common_name(name)
        self._id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        begin, end = _validity()
        self.certificate = (
            begun(self._name, self._name, self._key.public_key(), begin, end)
            # What a CA's certificate must say.  RFC 5280 section 4.2.1.1 to 4.2.1.3, 4.2.1.9
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .add_extension(self._id, critical=False)
            .add_extension(self._issued_by, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def __repr__(self) -> str:
        return f"<CA {self._name.rfc4514_string()}>"

    @property
    def pem(self) -> str:
        """Its certificate, for clients to trust."""
        return pem(self.certificate).decode()

    @cached_property
    def path(self) -> Path:
        """A file of that, which is there as long as this CA is."""
        folder = tempfile.mkdtemp(prefix="ldapserver-ca-")
        weakref.finalize(self, shutil.rmtree, folder)
        path = Path(folder, "ca.pem")
        path.write_text(self.pem)
        return path

    def issue(
        self,
        names: Sequence[str] = LOCAL_NAMES,
        *,
        expired: bool = False,
        not_yet_valid: bool = False,
        self_signed: bool = False,
    ) -> Issued:
        """A certificate for a server of these host names and IP addresses."""
        begin, end = _validity()
        if expired:
            begin, end = begin - VALID_FOR, begin
        elif not_yet_valid:
            begin, end = end, end + VALID_FOR
        return self._issue(
            common_name(names[0] if names else "ldapserver"),
            alternatives(names),
            ExtendedKeyUsageOID.SERVER_AUTH,
            (begin, end),
            self_signed=self_signed,
        )

    def issue_client(
        self, dn: str, *, upn: str | None = None, mail: str | None = None, expired: bool = False
    ) -> Issued:
        """A certificate for the client of this DN, to bind by EXTERNAL with. Raises ValueError for other names."""
        others: list[x509.GeneralName] = []
        if upn is not None:
            others.append(x509.OtherName(USER_PRINCIPAL_NAME, ber.encoded(_UTF8_STRING, upn.encode())))
        if mail is not None:
            others.append(x509.RFC822Name(mail))
        begin, end = _validity()
        if expired:
            begin, end = begin - VALID_FOR, begin
        subject = subject_of(DN.parse(dn))
        return self._issue(subject, others, ExtendedKeyUsageOID.CLIENT_AUTH, (begin, end))

    @property
    def _issued_by(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._id)

    def _issue(
        self,
        subject: x509.Name,
        names: Sequence[x509.GeneralName],
        usage: ObjectIdentifier,
        validity: tuple[datetime, datetime],
        *,
        self_signed: bool = False,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer = subject if self_signed else self._name
        by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own) if self_signed else self._issued_by
        builder = (
            begun(subject, issuer, key.public_key(), *validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(own, critical=False)
            .add_extension(by, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        leaf = builder.sign(key if self_signed else self._key, hashes.SHA256())
        chain = pem(leaf) if self_signed else pem(leaf) + pem(self.certificate)
        return Issued(chain, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@cache
def local_ca() -> CA:
    """The CA of this process's servers under test, made when it is first asked for."""
    return CA()


@cache
def unknown_ca() -> CA:
    """Another one, which nobody trusts."""
    return CA("a CA that nobody knows")


def defective(defect: str, ca: CA) -> Issued:
    """A certificate for localhost, right but for one thing. Raises ValueError when that is not known."""
    if defect == "expired":
        return ca.issue(expired=True)
    if defect == "not-yet-valid":
        return ca.issue(not_yet_valid=True)
    if defect == "wrong-name":
        return ca.issue(["elsewhere.example"])
    if defect == "unknown-ca":
        return unknown_ca().issue()
    if defect == "self-signed":
        return ca.issue(self_signed=True)
    raise ValueError(f"defect: {defect}: must be expired, not-yet-valid, wrong-name, unknown-ca or self-signed")


def _validity() -> tuple[datetime, datetime]:
    begin = SYSTEM_CLOCK.now() - SLOW_CLOCKS
    return begin, begin + SLOW_CLOCKS + VALID_FOR
