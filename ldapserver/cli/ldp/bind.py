"""`ldp`: bind to an LDAP server and show what happened, in the words of Windows' LDP.exe.

The transcript goes to standard output; it follows what LDP.exe shows on Windows Server 2012 to 2022. What it has no
words for (a realm that was not offered, the verified rspauth) is said in its tone. Why a bind could not be done at
all goes to standard error, in one line.
"""

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from ldapserver.cli.exit_status import INTERRUPTED, NO_READER
from ldapserver.cli.password import NoPassword, asked, from_stdin
from ldapserver.printable import printable

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

# Exit status: 0, the server's result code where it is one of RFC 4511's, or one of these.
USAGE = 64
ANOTHER_CODE = 80  # also: the client would not go on
UNREACHABLE = 81
UNPROVEN = 82
CODES = range(1, 64)

CONNECT_TIMEOUT = 10  # seconds; a host that drops packets would hold us for minutes
ANSWER_TIMEOUT = 60  # seconds
DEFAULT_PORT = 389

# Spelt out, for --help loads nothing of the engine.
QOPS = ("auth", "auth-int", "auth-conf")
CIPHERS = ("3des", "rc4", "des", "rc4-56", "rc4-40")

DASHES = "-----------"
LDAP_AUTH_DIGEST = 16518  # winldap.h, 0x4086: LDP shows the method's number

_URL = re.compile(r"ldap://(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:/?#@]+)(?::(?P<port>[0-9]{1,5}))?/?", re.IGNORECASE)

# As winldap's ldap_err2string() has them, where that is not RFC 4511's name with the words set apart.
_ERRORS = {8: "Strong Authentication Required", 50: "Insufficient Rights"}

# What Windows says to the code at the head of a domain controller's diagnosticMessage.
_WINDOWS_ERRORS = {
    0x2028: "A more secure authentication method is required for this server.",
    0x2035: "The server is unwilling to process the request.",
    0x80090303: "The specified target is unknown or unreachable",
    0x80090308: "The token supplied to the function is invalid",
    0x8009030C: "The logon attempt failed",
    0x80090311: "No authority could be contacted for authentication.",
}

# LDP's names for what other servers than a domain controller may list too.
_OIDS = {
    "1.2.840.113556.1.4.319": "PAGED_RESULT",
    "1.2.840.113556.1.4.417": "SHOW_DELETED",
    "1.2.840.113556.1.4.473": "SORT",
    "1.2.840.113556.1.4.474": "RESP_SORT",
    "1.2.840.113556.1.4.805": "TREE_DELETE",
    "1.2.840.113556.1.4.1413": "PERMISSIVE_MODIFY",
    "2.16.840.1.113730.3.4.9": "VLVREQUEST",
    "2.16.840.1.113730.3.4.10": "VLVRESPONSE",
    "1.2.840.113556.1.4.800": "ACTIVE_DIRECTORY",
    "1.2.840.113556.1.4.1670": "ACTIVE_DIRECTORY_V51",
    "1.2.840.113556.1.4.1791": "ACTIVE_DIRECTORY_LDAP_INTEG",
}


class _Ended(Exception):
    """There is nothing more to show: the exit status, and a line for standard error."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Request:
    """What the user asked for, checked."""

    url: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    domain: str | None
    simple: bool
    service_host: str | None
    qop: str
    cipher: str | None
    explain: bool = False


def main(argv: Sequence[str]) -> int:
    """Run `ldp bind`; the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _transcript(_request(argv))
    except _Ended as ended:
        print("ldp:", printable(str(ended)), file=sys.stderr)
        return ended.status
    except BrokenPipeError:
        # Whoever read the transcript has seen enough; what is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except KeyboardInterrupt:
        print("ldp: interrupted", file=sys.stderr)
        return INTERRUPTED


# What the user asked for.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    bind = _Parser(
        prog="ldp bind",
        description="Connect to an LDAP server, show its root DSE, bind by DIGEST-MD5, and check the server's proof.",
        epilog="example:\n  ldp bind ldap://127.0.0.1:3890 -u u1 -d CONTOSO\n\n"
        "exit status: 0 bound; 1 to 63 the server's LDAP result code; 64 usage; 80 any other code, or the bind\n"
        "was broken off; 81 not reachable; 82 the server's proof (rspauth) is wrong or missing.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bind.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], without TLS")
    bind.add_argument("-u", "--user", required=True, help="the user's name; with --simple a DN will do too")
    bind.add_argument("-d", "--domain", help="the realm to name; default: the first that the server offers")
    password = bind.add_mutually_exclusive_group()
    password.add_argument(
        "-p", "--password", help="others on this machine can see it; 'prompt', the default, asks for it"
    )
    password.add_argument(
        "--password-stdin", action="store_true", help="read it from the first line of standard input"
    )
    bind.add_argument("--simple", action="store_true", help="a simple bind, which sends the password in the clear")
    bind.add_argument(
        "--qop",
        choices=QOPS,
        help="the protection to agree upon: none, every message signed, or every message sealed; default: auth",
    )
    bind.add_argument(
        "--cipher", choices=CIPHERS, help="what auth-conf seals with; default: 3des, or rc4 where that is not offered"
    )
    help = "ask the server why, where the bind fails: ours tells when it is started with --explain"
    bind.add_argument("--explain", action="store_true", help=help)
    bind.add_argument("--host-name", metavar="NAME", help="the server's name in digest-uri; default: HOST")
    return bind


def _request(argv: Sequence[str]) -> _Request:
    options = _parser().parse_args(argv)
    if options.url.lower().startswith("ldaps:"):
        raise _Ended(USAGE, f"{options.url}: ldp has no TLS in this version")
    parts = _URL.fullmatch(options.url)
    port = int((parts and parts["port"]) or DEFAULT_PORT)
    if parts is None or not 0 < port < 65536:
        raise _Ended(USAGE, f"{options.url}: not of the form ldap://HOST[:PORT]")
    for option in ("user", "host_name"):
        if getattr(options, option) == "":
            raise _Ended(USAGE, f"--{option.replace('_', '-')}: must not be empty")
    for option in ("domain", "host_name", "qop", "cipher"):
        if options.simple and getattr(options, option) is not None:
            raise _Ended(USAGE, f"--{option.replace('_', '-')}: has no place in a simple bind")
    if options.cipher is not None and options.qop != "auth-conf":
        raise _Ended(USAGE, "--cipher: has no place without --qop auth-conf")
    password = _password(options)
    # A simple bind without a password succeeds and proves nothing.  RFC 4513 section 5.1.2
    if options.simple and not password:
        raise _Ended(USAGE, "--simple: an empty password would bind as nobody")
    for name, value in (("user", options.user), ("domain", options.domain or ""), ("password", password)):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _Ended(USAGE, f"--{name}: is not UTF-8")
    host = parts["host"].strip("[]")
    return _Request(
        options.url,
        host,
        port,
        options.user,
        password,
        options.domain,
        options.simple,
        options.host_name,
        options.qop or "auth",
        options.cipher,
        options.explain,
    )


def _password(options: argparse.Namespace) -> str:
    try:
        if options.password_stdin:
            return from_stdin()
        if options.password not in (None, "prompt"):
            return str(options.password)
        return asked(printable(options.user))
    except NoPassword as none:
        raise _Ended(USAGE, str(none)) from None


# The transcript.


def _transcript(request: _Request) -> int:
    from ldap3.core.exceptions import LDAPCommunicationError, LDAPExceptionError

    from sasl_digest import UsageError

    try:
        connection = _connection(request)
        _say(f'ld = ldap_open("{printable(request.host)}", {request.port});')
        try:
            connection.open(read_server_info=False)
        except UnicodeError:  # what a name of no host comes to, of more than 63 characters in a label
            raise _Ended(USAGE, f"{request.url}: no host has such a name") from None
        except LDAPCommunicationError as error:
            _say(f"Error <0x51>: Fail to connect to {printable(request.host)}.")
            raise _Ended(UNREACHABLE, f"{request.url} cannot be reached: {error.args[0]}") from None
        try:
            _say(f"Established connection to {printable(request.host)}.")
            _show_root_dse(connection)
            return _show_bind(request, connection)
        finally:
            connection.strategy.close()
    except UsageError as error:
        raise _Ended(USAGE, str(error)) from None
    except LDAPCommunicationError as error:
        raise _Ended(UNREACHABLE, f"{request.url}: {error}") from None
    except (_Ended, BrokenPipeError):
        raise
    except OSError as error:
        raise _Ended(ANOTHER_CODE, str(error)) from None
    except LDAPExceptionError as error:
        raise _Ended(ANOTHER_CODE, f"{request.url}: {error}") from None
    except Exception as error:
        # ldap3's decoder raises whatever it stumbles over in what is no LDAP, or has a result code it does not know.
        raise _Ended(ANOTHER_CODE, f"{request.url}: the server's answer cannot be read: {error!r}") from None


def _connection(request: _Request) -> "DigestConnection":
    import ldap3

    from sasl_digest.ldap3 import Credentials, DigestConnection

    server = ldap3.Server(request.host, request.port, get_info=ldap3.NONE, connect_timeout=CONNECT_TIMEOUT)
    plain = {"auto_referrals": False, "check_names": False, "receive_timeout": ANSWER_TIMEOUT}
    if request.simple:
        return DigestConnection(
            server, user=request.user, password=request.password, authentication=ldap3.SIMPLE, **plain
        )
    credentials = Credentials(
        request.user,
        request.password,
        realm=request.domain,
        qop=request.qop,
        cipher=request.cipher,
        service_host=request.service_host,
    )
    return DigestConnection(server, sasl_credentials=credentials, **plain)


def _show_root_dse(connection: "DigestConnection") -> None:
    _say("Retrieving base DSA information...")
    connection.search("", "(objectClass=*)", "BASE", attributes=["*", "+"])
    result: dict[str, Any] = connection.result
    if result["result"] != 0:
        _say(f"Error: Search: {_error_name(result)}. <{result['result']}>")
        _say_server_error(result)
    entries = [each for each in connection.response or () if each["type"] == "searchResEntry"]
    _say(f"Getting {len(entries)} entries:")
    for entry in entries:
        _say("Dn: (RootDSE)")
        attributes: dict[str, list[bytes]] = entry["raw_attributes"]
        for name in sorted(attributes, key=str.lower):
            values = attributes[name]
            count = f" ({len(values)})" if len(values) > 1 else ""
            _say(f"{printable(name)}{count}: " + "".join(f"{_value(value)}; " for value in values))
    _say(DASHES)


def _show_bind(request: _Request, connection: "DigestConnection") -> int:
    from ldap3.core.exceptions import LDAPCommunicationError

    from sasl_digest.ldap3 import DigestBindError, RspauthError

    user, domain = printable(request.user), printable(request.domain or "NULL")
    if request.simple:
        # LDP ends this error without a full stop, and that of ldap_bind_s with one.
        call, stop = "ldap_simple_bind_s", ""
        _say(f"res = {call}(ld, '{user}', <unavailable>); // v.3")
    else:
        call, stop = "ldap_bind_s", "."
        _say(f"res = {call}(ld, NULL, &NtAuthIdentity, DIGEST ({LDAP_AUTH_DIGEST})); // v.3")
        _say(f"{{NtAuthIdentity: User='{user}'; Pwd=<unavailable>; domain = '{domain}'}}")
    failed: tuple[int, str] | None = None
    try:
        connection.bind(read_server_info=False)
    except RspauthError as error:
        failed, line, status = (82, "Local Error"), str(error), UNPROVEN
    except DigestBindError as error:
        failed, line, status = (80, "Other"), str(error), ANOTHER_CODE
    except LDAPCommunicationError as error:
        failed, line, status = (81, "Server Down"), f"{request.url}: {error}", UNREACHABLE
    if connection.digest_note is not None:
        _say(f"Note: {printable(connection.digest_note)}.")
    if failed is not None:
        _say(f"Error <{failed[0]}>: {call}() failed: {failed[1]}{stop}")
        _say("Server error: <empty>")
        _say(DASHES)
        raise _Ended(status, line)
    result: dict[str, Any] = connection.result
    code: int = result["result"]
    if code != 0:
        _say(f"Error <{code}>: {call}() failed: {_error_name(result)}{stop}")
        _say_server_error(result)
        if request.explain:
            from ldapserver.cli.ldp.explain_live import ask

            for line in ask(connection):
                _say(f"Explained: {printable(line)}")
        _say(DASHES)
        return code if code in CODES else ANOTHER_CODE
    name = user
    if (proved := connection.digest_outcome) is not None:
        _say("Server proved itself: rspauth verified.")
        if (layer := proved.layer) is not None:
            cipher = "" if layer.cipher is None else f", cipher {layer.cipher.decode()}"
            _say(f"Security layer: {layer.qop.decode()}{cipher}.")
        name = printable(f"{proved.realm}\\{proved.username}" if proved.realm else proved.username)
    _say(f"Authenticated as: '{name}'.")
    _say(DASHES)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _say_server_error(result: dict[str, Any]) -> None:
    text: str = printable(result["message"].rstrip("\0 \r\n"))  # Active Directory's ends with a NUL
    _say(f"Server error: {text or '<empty>'}")
    # A domain controller's text begins with a Windows error code, which LDP explains.
    if head := re.match(r"([0-9A-Fa-f]{8}): ", text):
        code = int(head[1], 16)
        _say(f"Error 0x{code:X} {_WINDOWS_ERRORS.get(code, '')}".rstrip())


def _error_name(result: dict[str, Any]) -> str:
    """`invalidCredentials` as winldap writes it: Invalid Credentials."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", result["description"])
    return _ERRORS.get(result["result"], spaced[:1].upper() + spaced[1:])


def _value(value: bytes) -> str:
    try:
        text = printable(value.decode())
    except UnicodeDecodeError:
        return f"<ldp: Binary blob {len(value)} bytes>"
    return f"{text} = ( {_OIDS[text]} )" if text in _OIDS else text
