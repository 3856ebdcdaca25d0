"""What a server under test shows in TLS handshakes, and the CA that a client trusts to believe it."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ldapserver.hosting.tls import read_certificate
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile

if TYPE_CHECKING:
    from ldapserver.certificates import ServerCertificate


@runtime_checkable
class Authority(Protocol):
    """A CA that issues certificates for servers."""

    @property
    def pem(self) -> str:
        """Its certificate, for clients to trust."""
        ...

    def issue(self, names: tuple[str, ...], /) -> "Issued":
        """A certificate for these host names and IP addresses."""
        ...


@runtime_checkable
class Trusted(Protocol):
    """A CA that is in a file, for others to trust."""

    @property
    def path(self) -> Path:
        """The file, in PEM."""
        ...


class Issued(Protocol):
    """What such a CA gives."""

    @property
    def server(self) -> "ServerCertificate":
        """For a server to show."""
        ...


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and the CA it is of in PEM: None where whoever gave the certificate knows it."""

    certificate: "ServerCertificate"
    ca: str | None

    def __reduce__(self) -> tuple[Callable[..., "Identity"], tuple[Any, ...]]:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        from ldapserver.certificates import pem

        key = self.certificate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return _from_pem, (tuple(pem(each) for each in self.certificate.chain), key, self.ca)


def _from_pem(chain: tuple[bytes, ...], key: bytes, ca: str | None) -> Identity:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    from ldapserver.certificates import ServerCertificate

    certificates = tuple(load_pem_x509_certificate(each) for each in chain)
    loaded: Any = load_pem_private_key(key, None)
    return Identity(ServerCertificate(certificates, loaded), ca)


@cache
def local_identity(names: tuple[str, ...]) -> Identity:
    """One for these names, of this process's CA; the same for the same names, as long as it lasts."""
    from ldapserver.testing.authority import local_ca

    ca = local_ca()
    return Identity(ca.issue(names).server, ca.pem)


def identity_of(
    options: argparse.Namespace, issued: Callable[[tuple[str, ...]], Identity], names: Iterable[str]
) -> Identity:
    """That of the options' own files, or else one `issued` for these names. Raises UsageFault."""
    if options.tls is None:
        return Identity(read_certificate(options), None)
    identity = issued(tuple(names))
    if options.tls_ca_out is not None:
        try:
            with WholeFile(options.tls_ca_out, private=False) as file:
                file.write((identity.ca or "").encode())
        except OSError as error:
            raise UsageFault(f"argument --tls-ca-out: {options.tls_ca_out}: {error.strerror}") from None
    return identity
