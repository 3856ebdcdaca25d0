"""One listener, in the clear or inside TLS; and one server to connect to, likewise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from twisted.internet import error
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.protocol import Factory

from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault

if TYPE_CHECKING:
    from ldapserver.certificates import ServerCertificate

CONNECT_TIMEOUT = 10.0  # seconds to reach a server


def open_port(
    reactor: Any, listening: tuple[ListenURL, str], factory: Any, certificate: "ServerCertificate | None" = None
) -> tuple[ListenURL, Any]:
    """Listen at a URL whose IP address is beside it; the URL says the port now. Raises UsageFault."""
    url, address = listening
    try:
        if url.path:
            return url, reactor.listenUNIX(url.path, factory, 511, 0o600, True)
        if url.tls:
            assert certificate is not None
            factory = _inside_tls(reactor, factory, certificate)
        port = reactor.listenTCP(url.port, factory, 511, address)
    except (error.CannotListenError, OSError) as refused:
        cause = getattr(refused, "socketError", refused)
        raise UsageFault(f"argument --listen: {url}: {getattr(cause, 'strerror', None) or cause}") from None
    return replace(url, port=port.getHost().port), port


def _inside_tls(reactor: Any, factory: Any, certificate: "ServerCertificate") -> Any:
    from twisted.protocols.tls import TLSMemoryBIOFactory

    from ldapserver.handshake import Handshakes

    # The clock is said, for the default is the reactor of `twisted.internet`, which need not be the one that runs.
    handshake = cast(Any, Handshakes(certificate).begin())
    return cast(Any, TLSMemoryBIOFactory)(handshake, False, factory, clock=reactor)


@dataclass(frozen=True)
class Upstream:
    """A server to connect to: `connect(factory)` gives a Deferred of a protocol that is connected to it."""

    name: str  # as HOST:PORT, or the path of a Unix socket
    connect: Callable[[Factory[Any]], Any]


def upstream(reactor: Any, url: ListenURL, trusted: Any = None) -> Upstream:
    """The server at a URL; `trusted` is who answers for its certificate, as Twisted has it, for ldaps://."""
    if url.path:
        unix = cast(Any, UNIXClientEndpoint)(reactor, url.path, timeout=CONNECT_TIMEOUT)
        return Upstream(url.path, lambda factory: unix.connect(factory))
    name = f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}"
    endpoint: Any = HostnameEndpoint(reactor, url.host, url.port, timeout=CONNECT_TIMEOUT)
    if not url.tls:
        return Upstream(name, lambda factory: endpoint.connect(factory))
    from twisted.internet.ssl import optionsForClientTLS
    from twisted.protocols.tls import TLSMemoryBIOFactory

    def connect(factory: Factory[Any]) -> Any:
        options = cast(Any, optionsForClientTLS)(url.host, trustRoot=trusted)
        wrapped = cast(Any, TLSMemoryBIOFactory)(options, True, factory, clock=reactor)
        return endpoint.connect(wrapped).addCallback(lambda outer: outer.wrappedProtocol)

    return Upstream(name, connect)


def trusted_by(ca: bytes | None) -> Any:
    """The CAs of PEM, or those that this system trusts. Raises InvalidCertificate."""
    from twisted.internet.ssl import Certificate, platformTrust, trustRootFromCertificates

    from ldapserver.certificates import InvalidCertificate

    if ca is None:
        return cast(Any, platformTrust)()
    from cryptography import x509

    from ldapserver.certificates import pem

    try:
        found = x509.load_pem_x509_certificates(ca)
    except ValueError:
        raise InvalidCertificate("holds no certificate in PEM") from None
    return cast(Any, trustRootFromCertificates)([Certificate.loadPEM(pem(each)) for each in found])
