"""TLS handshakes as a server (RFC 8446, RFC 5246): what is shown to clients, and what is asked of them.

Loaded by a server that does TLS, for it is OpenSSL. A session is never resumed: every connection is verified anew.
"""

from typing import TYPE_CHECKING, Any, cast

from cryptography.x509 import InvalidVersion
from OpenSSL import SSL, crypto
from twisted.internet import interfaces
from twisted.internet.ssl import Certificate, CertificateOptions, TLSVersion, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from ldapserver.certificates import ClientAuthorities, InvalidCertificate, ServerCertificate, pem
from ldapserver.sasl.mechanism import TLS

if TYPE_CHECKING:
    from ldapserver.protocol import LDAPFactory, LDAPProtocol

MAX_REFUSAL = 512  # characters of a line in the log: a certificate may name its subject at any length


class Handshakes:
    """Begins handshakes that show `certificate`, and that ask clients for one of `clients`, if there are any."""

    def __init__(self, certificate: ServerCertificate, clients: ClientAuthorities | None = None) -> None:
        """Raises InvalidCertificate when TLS can't be done with what is given."""
        self._clients = clients
        self.end_point = certificate.end_point
        self.context = _context(certificate, clients)
        self.verify = SSL.VERIFY_NONE
        if clients is not None:
            self.verify = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if clients.required else 0)

    def showing(self, certificate: ServerCertificate) -> "Handshakes":
        """The same with another certificate. Raises InvalidCertificate."""
        return Handshakes(certificate, self._clients)

    def begin(self) -> "Handshake":
        """One for a new connection."""
        return Handshake(self)


@implementer(interfaces.IOpenSSLServerConnectionCreator)
class Handshake:
    """One handshake. Where OpenSSL would not have the client's certificate, `refusal` says which, and why."""

    def __init__(self, terms: Handshakes) -> None:
        self._terms = terms
        self._connection: SSL.Connection | None = None
        self.refusal: str | None = None

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, N803  Twisted's names
        """What Twisted does the handshake with."""
        connection = self._connection = SSL.Connection(self._terms.context, None)
        connection.set_verify(self._terms.verify, self._verified)
        return connection

    def _verified(self, connection: object, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
        """What OpenSSL has found stands; what it has against a certificate is kept for the log."""
        if not good:
            whose = "the client's certificate" if depth == 0 else "a CA's certificate"
            self.refusal = f"{_rule(error)}: {whose}, {_subject(certificate)}"[:MAX_REFUSAL]
        return bool(good)

    def secured(self) -> TLS:
        """What is known once it is done."""
        assert self._connection is not None
        certificate = self._connection.get_peer_certificate()
        shown = None if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        return TLS(self._terms.end_point, shown)


def layer(
    protocol: "LDAPProtocol", handshake: Handshake, factory: "LDAPFactory", bare: interfaces.ITransport
) -> None:
    """Put TLS between a protocol and its transport `bare`, and begin the handshake.

    Not by the transport's own `startTLS`, whose writes wait for the reactor of `twisted.internet`, whichever runs.
    """
    tls = TLSMemoryBIOFactory(handshake, False, factory, cast(Any, factory.reactor))
    between: Any = tls.protocol(tls, protocol)
    cast(Any, bare).protocol = between
    between.makeConnection(bare)


def told(why: object) -> object:
    """Why a handshake failed, in OpenSSL's words where they are its own."""
    errors = why.args[0] if isinstance(why, Exception) and why.args else None
    if isinstance(errors, list):  # (library, function, reason) of each
        return ", ".join(error[-1] for error in errors)
    return why


def _subject(certificate: crypto.X509) -> str:
    """Whose it says that it is; nobody has checked what a stranger sends."""
    try:
        return repr(certificate.to_cryptography().subject.rfc4514_string())
    except (ValueError, InvalidVersion):
        return "which can't be read"


def _rule(error: int) -> object:
    """What OpenSSL calls one of its errors in verifying."""
    for name, code in vars(SSL.X509VerificationCodes).items():
        if code == error:
            return name.removeprefix("ERR_").replace("_", " ").lower()
    return f"error {error} in verifying"


def _context(certificate: ServerCertificate, clients: ClientAuthorities | None) -> SSL.Context:
    # Any: Twisted hands these on as they are, and its types know pyOpenSSL's own, now deprecated, only.
    own, *others = cast(Any, certificate.chain)
    authorities = None
    if clients is not None:
        trusted = [Certificate.loadPEM(pem(each)) for each in clients.certificates]
        authorities = trustRootFromCertificates(trusted)  # type: ignore[no-untyped-call]  # Twisted's own
    options = CertificateOptions(
        privateKey=cast(Any, certificate.key),
        certificate=own,
        extraCertChain=others,
        raiseMinimumTo=TLSVersion.TLSv1_2,
        trustRoot=authorities,
        # Neither tickets nor a cache: who is resumed is not verified again, and may have been by a CA of before.
        enableSessions=False,
        enableSessionTickets=False,
    )
    try:
        return options.getContext()
    except SSL.Error as error:
        raise InvalidCertificate(f"cannot be used for TLS: {told(error)}") from None
