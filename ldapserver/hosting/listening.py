"""Where the options say to listen."""

import argparse

from ldapserver.hosting.options import has_tls
from ldapserver.url import InvalidURL, ListenURL, is_loopback
from ldapserver.usage import UsageFault


def listening_addresses(options: argparse.Namespace) -> list[tuple[ListenURL, str]]:
    """Each URL of --listen with its IP address. Raises UsageFault."""
    in_the_clear = options.insecure_public or (options.require_signing and has_tls(options))
    addresses = [(url, _address(url, in_the_clear)) for url in options.listen]
    if options.explain:
        for url, address in addresses:
            if address and not is_loopback(address):
                raise UsageFault(
                    f"argument --explain: {url}: others can reach this address, and would be told of accounts and "
                    "passwords"
                )
    return addresses


def _address(url: ListenURL, in_the_clear: bool) -> str:
    """The IP address to listen on, empty for a Unix socket; `in_the_clear` is whether ldap:// may be public."""
    if url.path:
        return ""
    try:
        address = url.address()
    except InvalidURL as error:
        raise UsageFault(f"argument --listen: {error}") from None
    if not (url.tls or in_the_clear or is_loopback(address)):
        raise UsageFault(
            f"argument --listen: {url}: others can reach this address, and passwords may come in the clear; use "
            "ldaps://, or TLS with --require-signing, or say --insecure-public if that is meant"
        )
    return address
