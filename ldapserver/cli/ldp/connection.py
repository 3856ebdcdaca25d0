"""The options that all of `ldp`'s commands have: to which server, as whom, how protected and what to show of it."""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldapserver.cli.exit_status import ended
from ldapserver.cli.ldp.binding import announce_and_bind
from ldapserver.cli.ldp.transcript import Form, Output, Refused
from ldapserver.cli.password import PASSWORD, add_password_options, password_of
from ldapserver.cli.remote import (
    UNREACHABLE,
    Login,
    RemoteFailure,
    closing,
    connection_to,
    faults_told,
    reason,
)
from ldapserver.cli.search_url import SearchURL
from ldapserver.printable import printable
from ldapserver.url import ListenURL
from ldapserver.usage import HelpFormatter, Parser, UsageFault, is_utf8

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

USAGE = 64

# Spelt out, for --help loads nothing of the engine.
QOPS = ("auth", "auth-int", "auth-conf")
CIPHERS = ("3des", "rc4", "des", "rc4-56", "rc4-40")

STATUS = (
    "exit status: 0 success; 1 to 63 the server's LDAP result code; 64 usage; 80 any other code, or the client\n"
    "broke it off; 81 not reachable; 82 the server's proof (rspauth) is wrong or missing."
)
PASSWORDS = (
    f"The password is that of -p, or the first line of standard input with --password-stdin, or {PASSWORD} of the\n"
    "environment, or asked for; '-p prompt' asks whatever the environment has."
)


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for, checked: `text` is the URL as typed, `url` as read, `host` as LDP shows it."""

    text: str
    url: SearchURL
    host: str
    login: Login
    verbose: int


def command_parser(
    command: str, description: str, examples: str, *, more: str = "", forms: Sequence[Form] = (Form.JSON,)
) -> argparse.ArgumentParser:
    """The parser of a subcommand, with the options that all have."""
    epilog = "\n\n".join(each for each in (f"example:\n{examples.rstrip()}", more.strip(), PASSWORDS, STATUS) if each)
    parser = Parser(
        prog=f"ldp {command}",
        description=description,
        epilog=epilog,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    show = parser.add_argument_group("what is shown")
    either = show.add_mutually_exclusive_group()
    words = {Form.JSON: "JSON, one object a line, in place of LDP.exe's words", Form.LDIF: "LDIF, of entries alone"}
    for form in forms:
        either.add_argument(f"--{form.value}", dest="form", action="store_const", const=form, help=words[form])
    parser.set_defaults(form=Form.LDP)
    show.add_argument(
        "-v",
        dest="verbose",
        action="count",
        default=0,
        help="show every directive of a digest with its meaning; -vv: also every message, as a tree and in hex",
    )
    default = "nobody, that is anonymous, unless there is --user or --external"
    # A bind as nobody is one that was asked for.
    _add_login(
        parser.add_argument_group("who", "one of --user, --external, --anonymous" if command == "bind" else default)
    )
    _add_transport(parser.add_argument_group("how"))
    return parser


def _add_login(who: argparse._ArgumentGroup) -> None:
    who.add_argument("-u", "--user", help="the user's name; with --simple a DN will do too")
    who.add_argument("-d", "--domain", help="the realm to name; default: the first that the server offers")
    add_password_options(who)
    how = who.add_mutually_exclusive_group()
    how.add_argument("--simple", action="store_true", help="a simple bind, which sends the password in the clear")
    how.add_argument("--anonymous", action="store_true", help="nobody, and let it be known")
    how.add_argument(
        "--external", action="store_true", help="SASL EXTERNAL: who the certificate, or the socket of ldapi://, says"
    )
    who.add_argument("--authzid", metavar="ID", help="as whom to act, where the server lets you: u:NAME or dn:DN")
    who.add_argument(
        "--qop",
        choices=QOPS,
        help="the protection to agree upon: none, every message signed, or every message sealed; default: auth",
    )
    who.add_argument(
        "--cipher", choices=CIPHERS, help="what auth-conf seals with; default: 3des, or rc4 where that is not offered"
    )
    who.add_argument("--host-name", metavar="NAME", help="the server's name in digest-uri; default: HOST")
    who.add_argument("--channel-binding", action="store_true", help="bind the digest to the TLS it goes through")


def _add_transport(how: argparse._ArgumentGroup) -> None:
    how.add_argument("--start-tls", action="store_true", help="TLS on an ldap:// connection")
    trust = how.add_mutually_exclusive_group()
    trust.add_argument("--ca", metavar="FILE", help="the CAs to trust in TLS, in PEM; default: the system's")
    trust.add_argument("--insecure", action="store_true", help="trust whoever answers in TLS")
    how.add_argument("--client-cert", metavar="FILE", help="your certificate for TLS, in PEM")
    how.add_argument("--client-key", metavar="FILE", help="its key, in PEM; default: in the same file")
    how.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, help="how long to wait; default: 10, or 60 for an answer"
    )


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 99999")
    return int(text)


def parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The options. Raises UsageFault, without showing what may be a password in the wrong place."""
    try:
        options, unknown = parser.parse_known_intermixed_args(arguments)
    except UsageFault as fault:
        option, ignored, _ = str(fault).partition(": ignored explicit argument ")
        raise UsageFault(f"{option}: takes no value") if ignored else fault from None
    if unknown:
        named = [each.partition("=")[0] for each in unknown if each.startswith("--")]
        named += [each[:2] for each in unknown if each.startswith("-") and not each.startswith("--")]
        raise UsageFault(f"unrecognized arguments: {', '.join(named) or f'{len(unknown)} too many'}")
    return options


def run(
    parser: argparse.ArgumentParser, arguments: Sequence[str], work: Callable[[argparse.Namespace, Output], int]
) -> int:
    """The exit status of a command: what `work` returns, or that of what it raises, which is told."""

    def whole() -> int:
        options = parsed(parser, arguments)
        out = Output(options.form)
        try:
            return work(options, out)
        except Refused as refused:
            if out.form is Form.LDP:
                return refused.status
            raise

    return ended("ldp", whole, usage=USAGE)


def request_of(options: argparse.Namespace, *, search: bool = False, stdin: Iterator[str] | None = None) -> Request:
    """What was asked for. With `search` the URL may say more than the server.

    The password is the next line of `stdin`, where it comes from there. Raises UsageFault, InvalidURL and NoPassword.
    """
    text: str = options.url
    url = SearchURL.parse(text)
    if not search:
        ListenURL.parse(text)  # which has nothing behind the address, and needs one
    login = _login(options, url.server, stdin)
    host = url.server.host or url.server.path
    at = text.lower().find(host, text.find("//") + 2)
    return Request(text, url, text[at : at + len(host)] if at > 0 else host, login, options.verbose)


def _login(options: argparse.Namespace, server: ListenURL, stdin: Iterator[str] | None) -> Login:
    _check(options, server)
    password = ""
    if options.user is not None:
        password = password_of(options, options.user, stdin)
        # A simple bind without a password succeeds and proves nothing.  RFC 4513 section 5.1.2
        if options.simple and not password:
            raise UsageFault("--simple: an empty password would bind as nobody")
    for name in ("user", "domain", "authzid"):
        if not is_utf8(getattr(options, name) or ""):
            raise UsageFault(f"--{name}: is not UTF-8")
    return Login(
        user=None if options.simple else options.user,
        simple=options.user if options.simple else None,
        password=password,
        qop=options.qop or "auth",
        start_tls=options.start_tls,
        ca=options.ca,
        domain=options.domain,
        cipher=options.cipher,
        service_host=options.host_name,
        authzid=options.authzid,
        channel_binding=options.channel_binding,
        external=options.external,
        verify=not options.insecure,
        certificate=options.client_cert,
        key=options.client_key,
        timeout=options.timeout,
    )


def _check(options: argparse.Namespace, server: ListenURL) -> None:
    """Raise UsageFault where options do not go together."""

    def refuse(names: Sequence[str], why: str) -> None:
        for name in names:
            if getattr(options, name) not in (None, False):
                raise UsageFault(f"--{name.replace('_', '-')}: {why}")

    for name in ("user", "host_name", "authzid"):
        if getattr(options, name) == "":
            raise UsageFault(f"--{name.replace('_', '-')}: must not be empty")
    of_digest = ("domain", "host_name", "qop", "cipher", "channel_binding")
    if options.simple:
        refuse((*of_digest, "authzid"), "has no place in a simple bind")
    if options.simple and options.user is None:
        raise UsageFault("--simple: needs --user")
    for mode in ("anonymous", "external"):
        if getattr(options, mode):
            refuse(("user",), f"has no place with --{mode}")
    if options.user is None:
        refuse((*of_digest, "password", "password_stdin"), "has no place without --user")
        if not options.external:
            refuse(("authzid",), "has no place without --user or --external")
    if options.cipher is not None and options.qop != "auth-conf":
        raise UsageFault("--cipher: has no place without --qop auth-conf")
    if server.tls or server.path:
        refuse(("start_tls",), f"has no place with {'ldaps' if server.tls else 'ldapi'}://")
    if not (server.tls or options.start_tls):
        refuse(("ca", "insecure", "client_cert", "channel_binding"), "has no meaning without TLS")
    if options.client_key is not None and options.client_cert is None:
        raise UsageFault("--client-key: needs --client-cert")


@contextmanager
def opened(request: Request, out: Output) -> "Iterator[DigestConnection]":
    """A connection, in TLS where that was asked for, and not bound. What goes wrong on it is a Failure."""
    if not request.login.verify:
        out.note("--insecure: the server's certificate is NOT verified: anybody on the way may answer in its place")
    with faults_told(request.text):
        connection = connection_to(request.url.server, request.login)
        if request.verbose:
            from ldapserver.cli.ldp.wire import watch

            watch(connection, request.verbose, out.say_of_wire)
        with closing(connection):
            _open(connection, request, out)
            out.say(f"Established connection to {printable(request.host)}.")
            if request.login.start_tls:
                _start_tls(connection, request, out)
            yield connection


@contextmanager
def bound(request: Request, out: Output) -> "Iterator[DigestConnection]":
    """The same, bound where there is anything to bind as."""
    with opened(request, out) as connection:
        if request.login.binds:
            announce_and_bind(connection, request.login, out, request.text)
        yield connection


def _open(connection: "DigestConnection", request: Request, out: Output) -> None:
    from ldap3.core.exceptions import LDAPCommunicationError

    server, host = request.url.server, printable(request.host)
    if server.tls:
        out.say(f'ld = ldap_sslinit("{host}", {server.port}, 1);')
        out.say("Error 0 = ldap_set_option(hLdap, LDAP_OPT_PROTOCOL_VERSION, 3);")
    else:
        out.say(f'ld = ldap_open("{host}", {server.port});')
    try:
        connection.open(read_server_info=False)
    except UnicodeError:  # what a name of no host comes to, of more than 63 characters in a label
        raise UsageFault(f"{request.text}: no host has such a name") from None
    except LDAPCommunicationError as error:
        if server.tls:
            out.say("Error 81 = ldap_connect(hLdap, NULL);")
            out.say("Server error: <empty>")
        out.say(f"Error <0x51>: Fail to connect to {host}.")
        raise RemoteFailure(UNREACHABLE, f"{request.text} cannot be reached: {reason(error)}") from None
    if server.tls:
        out.say("Error 0 = ldap_connect(hLdap, NULL);")
        _say_cipher(connection, out)


def _say_cipher(connection: "DigestConnection", out: Output) -> None:
    name, version, bits = connection.socket.cipher() or ("", "", 0)
    out.say(f"Host supports SSL, SSL cipher strength = {bits} bits")
    out.say(f"TLS: {printable(version)}, {printable(name)}.")


def _start_tls(connection: "DigestConnection", request: Request, out: Output) -> None:
    from ldap3.core.exceptions import LDAPStartTLSError

    out.say("ldap_start_tls_s(ld, &retValue, result, SvrCtrls, ClntCtrls)")
    try:
        connection.start_tls(read_server_info=False)
    except LDAPStartTLSError as error:
        # Where the server has agreed to it, it is the TLS that failed.
        result = connection.result or {}
        if result.get("result"):
            raise out.refused("StartTLS", result) from None
        out.say("Error <0x51>: ldap_start_tls_s() failed: Server Down.")
        raise RemoteFailure(UNREACHABLE, f"{request.text}: StartTLS: {reason(error)}") from None
    out.say("result <0>")
    _say_cipher(connection, out)
