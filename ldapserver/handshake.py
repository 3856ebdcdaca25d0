"""TLS handshakes as a server (RFC 8446, RFC 5246): what is shown to clients, and what is asked of them.

Loaded by a server that does TLS, for it is OpenSSL. A session is never resumed: every connection is verified anew.
"""

from typing import Any, cast

from cryptography.x509 import InvalidVersion
from OpenSSL import SSL, crypto
from twisted.internet import interfaces
from twisted.internet.ssl import Certificate, CertificateOptions, TLSVersion, trustRootFromCertificates
from zope.interface import implementer

from ldapserver.certificates import ClientAuthorities, InvalidCertificate, ServerCertificate, pem
from ldapserver.sasl.mechanism import TLS

MAX_PIECE = 1 << 16  # octets asked of OpenSSL at once; a record has a quarter of that at most (RFC 8446 section 5.1)
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
    """One handshake, and the TLS behind it: octets of the peer's in, octets for the peer out; opens nothing.

    `done` is whether the handshake is, `closed` whether the peer has ended TLS, and `failure` why there is no going
    on, in OpenSSL's words; where it would not have the client's certificate, they say which, and why.
    """

    def __init__(self, terms: Handshakes) -> None:
        self._terms = terms
        self._refusal: str | None = None
        self.done = False
        self.closed = False
        self.failure: str | None = None
        self._connection = SSL.Connection(terms.context, None)
        self._connection.set_verify(terms.verify, self._verified)
        self._connection.set_accept_state()

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, N803  Twisted's names
        """What Twisted's own TLS does the handshake with."""
        return self._connection

    def _verified(self, connection: object, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
        """What OpenSSL has found stands; what it has against a certificate is kept for the log."""
        if not good:
            whose = "the client's certificate" if depth == 0 else "a CA's certificate"
            self._refusal = f"{_rule(error)}: {whose}, {_subject(certificate)}"[:MAX_REFUSAL]
        return bool(good)

    def take(self, data: bytes) -> bytes:
        """Octets of the peer's: what they say inside TLS, which is nothing as long as the handshake goes on."""
        connection = self._connection
        pieces = []
        try:
            # OpenSSL's own buffer grows: what it is given it takes whole.
            connection.bio_write(data)
            if not self.done:
                connection.do_handshake()
                self.done = True
            while True:
                pieces.append(connection.recv(MAX_PIECE))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:  # close_notify.  RFC 8446 section 6.1
            self.closed = True
        except SSL.Error as error:
            self.failure = self._refusal or str(told(error))
        return b"".join(pieces)

    def outgoing(self) -> bytes:
        """The octets that are to be sent now: of the handshake, an alert, or what was wrapped."""
        pieces = []
        try:
            while True:
                pieces.append(self._connection.bio_read(MAX_PIECE))
        except SSL.WantReadError:
            return b"".join(pieces)

    def wrap(self, data: bytes) -> bytes:
        """These octets inside TLS."""
        self._connection.sendall(data)
        return self.outgoing()

    def end(self) -> bytes:
        """Our close_notify, and what is still to be sent before it."""
        if self.failure is None:
            self._connection.shutdown()
        return self.outgoing()

    def secured(self) -> TLS:
        """What is known once the handshake is done."""
        certificate = self._connection.get_peer_certificate()
        shown = None if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        return TLS(self._terms.end_point, shown)


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
