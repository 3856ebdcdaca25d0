"""What the options about TLS name: the server's certificate, and who answers for those of clients."""

import argparse
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ldapserver.config import Config, own_names
from ldapserver.hosting.options import has_tls
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile

if TYPE_CHECKING:
    from ldapserver.certificates import ClientAuthorities, ServerCertificate

T = TypeVar("T")

_log = logging.getLogger("ldapserver")


def certificate_of(options: argparse.Namespace, config: Config) -> "ServerCertificate | None":
    """The certificate for TLS; None when there is to be no TLS."""
    if not has_tls(options):
        return None
    if options.tls is None:
        return read_certificate(options)
    from ldapserver.certificates import throw_away

    listening = [url.host for url in options.listen if not url.path]
    names = (*config.hosts, *listening, *own_names(), config.computer, "localhost", "127.0.0.1", "::1")
    certificate, ca = throw_away(names)
    if options.tls_ca_out is not None:
        try:
            with WholeFile(options.tls_ca_out, private=False) as file:
                file.write(ca)
        except OSError as error:
            raise UsageFault(f"argument --tls-ca-out: {options.tls_ca_out}: {error.strerror}") from None
    return certificate


def read_certificate(options: argparse.Namespace) -> "ServerCertificate":
    """The certificate and the key of --tls-cert and --tls-key. Raises UsageFault."""
    from ldapserver.certificates import InvalidCertificate, ServerCertificate, read_chain, read_key

    option, path = "--tls-cert", options.tls_cert
    try:
        chain = read_chain(path)
        option, path = "--tls-key", options.tls_key
        return ServerCertificate(chain, read_key(path, chain[0]))
    except InvalidCertificate as error:
        raise UsageFault(f"argument {option}: {path}: {error}") from None
    except OSError as error:
        raise UsageFault(f"argument {option}: {path}: {error.strerror}") from None


def authorities(options: argparse.Namespace) -> "ClientAuthorities | None":
    """Who answers for clients; None when they are asked for no certificate."""
    if options.tls_ca is None:
        return None
    from ldapserver.certificates import ClientAuthorities, InvalidCertificate, read_authorities

    try:
        return ClientAuthorities(read_authorities(options.tls_ca), options.tls_client == "required")
    except InvalidCertificate as error:
        raise UsageFault(f"argument --tls-ca: {options.tls_ca}: {error}") from None
    except OSError as error:
        raise UsageFault(f"argument --tls-ca: {options.tls_ca}: {error.strerror}") from None


def used(options: argparse.Namespace, use: Callable[[], T]) -> T:
    """What becomes of a certificate, which OpenSSL may still have something against: a key too short, say."""
    if not has_tls(options):  # nothing of TLS need be loaded
        return use()
    from ldapserver.certificates import InvalidCertificate

    try:
        return use()
    except InvalidCertificate as error:
        raise UsageFault(f"argument --tls-cert: {options.tls_cert}: {error}") from None


def renew(
    options: argparse.Namespace,
    made: "ServerCertificate",
    use: Callable[["ServerCertificate", "ClientAuthorities | None"], object],
) -> None:
    """Read certificate, key and CAs again, all or none; one `made` for this run stays as it is."""
    try:
        certificate = made if options.tls_cert is None else read_certificate(options)
        clients = authorities(options)
        used(options, lambda: use(certificate, clients))
    except UsageFault as fault:
        _log.error("%s; the old certificate stays", fault)
    else:
        for path in filter(None, (options.tls_cert, options.tls_ca)):
            _log.info("tls: %s: read again", path)
