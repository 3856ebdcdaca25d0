"""The options that say how a client command binds to a server, and what becomes of them."""

import argparse
from collections.abc import Callable

from ldapserver.cli.password import known_or_asked
from ldapserver.cli.remote import Login
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault, is_utf8


def add_login_options(group: argparse._ArgumentGroup) -> None:
    """--user, --simple, --qop, --start-tls and --ca."""
    who = group.add_mutually_exclusive_group()
    who.add_argument("--user", metavar="NAME", help="bind by DIGEST-MD5")
    who.add_argument("--simple", metavar="DN", help="a simple bind, which sends the password as it is")
    group.add_argument("--qop", choices=("auth", "auth-int", "auth-conf"), help="the protection that --user asks for")
    group.add_argument("--start-tls", action="store_true", help="TLS on an ldap:// connection")
    group.add_argument("--ca", metavar="FILE", help="the CAs to trust in TLS, in PEM (default: the system's)")


def check_transport(options: argparse.Namespace, text: str, server: ListenURL) -> None:
    """Raise UsageFault where options about TLS and layers do not fit the URL `text`, which leads to `server`."""
    if options.start_tls and (server.tls or server.path):
        raise UsageFault(f"argument --start-tls: has no place with {text.partition('//')[0]}//")
    if options.ca is not None and not (server.tls or options.start_tls):
        raise UsageFault("argument --ca: has no meaning without TLS")
    if options.qop is not None and options.user is None:
        raise UsageFault("argument --qop: has no place without --user")


def check_no_login(options: argparse.Namespace) -> None:
    """Raise UsageFault where one of them stands beside the name of a file."""
    for option in ("user", "simple", "qop", "ca"):
        if getattr(options, option) is not None:
            raise UsageFault(f"argument --{option}: has no place with a file")
    if options.start_tls:
        raise UsageFault("argument --start-tls: has no place with a file")


def login_of(options: argparse.Namespace, given: Callable[[], str] | None = None) -> Login:
    """How to bind; `given` says the password, which otherwise the environment has or the user is asked for.

    Raises UsageFault and NoPassword.
    """
    start_tls, ca = options.start_tls, options.ca
    if options.user is None and options.simple is None:
        return Login(start_tls=start_tls, ca=ca)
    for option in ("user", "simple"):
        if getattr(options, option) == "":
            raise UsageFault(f"argument --{option}: must not be empty")
    password = known_or_asked(options.user or options.simple) if given is None else given()
    # A simple bind without a password succeeds and proves nothing.  RFC 4513 section 5.1.2
    if options.simple is not None and not password:
        raise UsageFault("argument --simple: an empty password would bind as nobody")
    if not is_utf8(f"{password}{options.user}{options.simple}"):
        raise UsageFault("the name or the password is not UTF-8")
    return Login(options.user, options.simple, password, options.qop or "auth", start_tls, ca)
