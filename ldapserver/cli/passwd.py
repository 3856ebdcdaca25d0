"""`ldapserver passwd`: set a password and what goes with it, on a server or in an LDIF file."""

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence

from ldapserver.cli.exit_status import ended
from ldapserver.cli.file_passwd import change_in_file
from ldapserver.cli.login import add_login_options, check_no_login, check_transport, login_of
from ldapserver.cli.password import PASSWORD, NoPassword, asked_twice, lines_of_stdin
from ldapserver.cli.password_change import Changed, PasswordChange
from ldapserver.cli.remote import Login
from ldapserver.cli.remote_passwd import change_on_server
from ldapserver.cli.search_url import EVERY_ENTRY, SearchURL, is_url
from ldapserver.directory.account_reset import AccountReset
from ldapserver.directory.renewal import FORMS
from ldapserver.printable import printable
from ldapserver.url import is_loopback
from ldapserver.usage import HelpFormatter, Parser, UsageFault, is_utf8

_ASK = object()  # of --new-password without one

_DESCRIPTION = """\
Set the password of an account, on an LDAP server or in an LDIF file. The new one is typed twice and not shown. Where
--must-change, --no-must-change or --unlock is asked for the password stays as it is, unless --new-password or
--generate stands beside it.
"""
_EPILOG = f"""\
TARGET is a file of entries, or a URL: ldap://HOST:PORT, also ldaps://, and ldapi://%2Fpath%2Fof%2Fsocket, with
/BASE behind it where USER is to be looked for below that only. USER is a name, NAME@DOMAIN, DOMAIN\\NAME or a DN;
on a server it is you where it is left out.

example:
  ldapserver passwd ldap://127.0.0.1:3890 --user u1
  ldapserver passwd ldaps://dc1.contoso.com alice --simple admin@contoso.com --generate --must-change
  ldapserver passwd people.ldif u1 --scheme ha1,ssha512
  ldapserver passwd ldap://127.0.0.1:3890 u1 --unlock --user admin

The password to bind with is asked for, or taken from the environment, of {PASSWORD}. With --password-stdin standard
input has the passwords, a line each: on a server that to bind with, then the new one; of a file, the new one.

On a server it is done by Password Modify (RFC 3062), or, on Active Directory, by a write of unicodePwd.
A file is put in its place whole, with its owner and mode; all but this entry is as it was, to the octet. A server
that has read it knows the old password until it reads it again, and one with --save to it writes over it at exit.

--json: one object on standard output: {{"dn": "...", "changed": ["password", "unlock"], "password": "..."}}, the
last with --generate only. Without --json standard output has nothing but the password that --generate made.

exit status: 0 done; 2 wrong usage or file; 1 to 63 the LDAP result code of what was refused, 32 for nobody of that
name and 19 for two of it in a file too; 80 any other failure; 81 not reachable; 82 the server's proof (rspauth) is
wrong or missing.
"""

_VISIBLE = (
    "a password on the command line is there for others to see: leave it out to be asked for it, or use "
    "--password-stdin, or insist with --insecure-password-argument"
)


def main(arguments: Sequence[str]) -> int:
    """Do it, and say what was done; the exit status."""

    def work() -> int:
        options = _options(arguments)
        _say(_changed(options), as_json=options.json)
        return 0

    return ended("ldapserver passwd", work)


def _say(changed: Changed, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(changed.as_json()), flush=True)
        return
    print("ldapserver passwd:", printable(str(changed)), file=sys.stderr)
    if changed.generated is not None:
        print(changed.generated, flush=True)


# What was asked for


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ldapserver passwd",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        usage="ldapserver passwd TARGET [USER] [OPTION...]",
    )
    parser.add_argument("target", metavar="TARGET", help="an LDAP URL, or an LDIF file of entries")
    parser.add_argument("name", metavar="USER", nargs="?", help="whose password; on a server the default is yours")
    parser.add_argument("--json", action="store_true", help="say what was done as a JSON object")
    new = parser.add_argument_group("the new password")
    which = new.add_mutually_exclusive_group()
    which.add_argument("--generate", action="store_true", help="let one be made up, and print it once")
    which.add_argument(
        "--new-password",
        metavar="PASSWORD",
        nargs="?",
        const=_ASK,
        help="a new one, beside a change of the account's state too; one that stands here is refused",
    )
    new.add_argument("--password-stdin", action="store_true", help="read passwords from standard input, a line each")
    new.add_argument(
        "--insecure-password-argument",
        action="store_true",
        help="take one that stands here, for others on this machine to read in the list of processes",
    )
    state = parser.add_argument_group("the account")
    must = state.add_mutually_exclusive_group()
    must.add_argument(
        "--must-change", action="store_const", const=True, help="the password must be changed first (pwdLastSet: 0)"
    )
    must.add_argument(
        "--no-must-change", action="store_const", const=False, dest="must_change", help="it need not be, from now on"
    )
    state.add_argument(
        "--unlock", action="store_true", help="end a lockout (lockoutTime: 0, without pwdAccountLockedTime)"
    )
    parser.add_argument("--realm", metavar="NAME", help="the DNS name of the domain (default: from the suffix)")
    parser.add_argument("--netbios", metavar="NAME", help="its NetBIOS name (default: the suffix's first label)")
    file = parser.add_argument_group("in a file")
    file.add_argument(
        "--scheme",
        metavar="LIST",
        action="append",
        type=_schemes,
        help=f"keep the password so and in no other form, repeatable: {', '.join(FORMS)} (default: as it was kept)",
    )
    file.add_argument("--saslprep", action="store_true", help="make digests of it as `serve --saslprep` does")
    add_login_options(parser.add_argument_group("on a server", "who changes it"))
    return parser


def _schemes(text: str) -> list[str]:
    schemes = [each.strip().lower() for each in text.split(",")]
    for each in schemes:
        if each not in FORMS:
            raise argparse.ArgumentTypeError(f"{each!r} is no scheme; there are {', '.join(FORMS)}")
    return schemes


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    # What stands where it should not may be a password, which a log of standard error is not to have.
    try:
        # Intermixed, for else an option between TARGET and USER would leave USER no place.
        options, unknown = _parser().parse_known_intermixed_args(arguments)
    except UsageFault as fault:
        option, ignored, _ = str(fault).partition(": ignored explicit argument ")
        raise UsageFault(f"{option}: takes no value") if ignored else fault from None
    if unknown:
        named = [
            each.partition("=")[0] if each.startswith("--") else each[:2] for each in unknown if each.startswith("-")
        ]
        raise UsageFault(f"unrecognized arguments: {', '.join(named)}" if named else _VISIBLE)
    if isinstance(options.new_password, str) and not options.insecure_password_argument:
        raise UsageFault(f"argument --new-password: {_VISIBLE}")
    return options


def _asked(options: argparse.Namespace, lines: Iterator[str]) -> PasswordChange:
    state = AccountReset(options.must_change, options.unlock)
    asks = not options.generate and (options.new_password is not None or not state)
    password = _new_password(options, lines) if asks else None
    return PasswordChange(options.name, password, options.generate, state, options.realm, options.netbios)


def _new_password(options: argparse.Namespace, lines: Iterator[str]) -> Callable[[str], str]:
    def checked(user: str) -> str:
        if isinstance(options.new_password, str):
            text = options.new_password
        elif options.password_stdin:
            text = next(lines)
        else:
            text = asked_twice(printable(user))
        if not text:
            raise NoPassword("the new password is empty, and nothing is changed")
        if not is_utf8(text):
            raise NoPassword("the new password is not UTF-8, and nothing is changed")
        return text

    return checked


# Where it is done


def _changed(options: argparse.Namespace) -> Changed:
    lines = lines_of_stdin()
    asked = _asked(options, lines)
    # A variable of a script that is not set must not make it one's own password.
    if options.name == "":
        raise UsageFault("argument USER: must not be empty")
    if not is_url(options.target):
        return _in_file(options, asked)
    for option in ("scheme", "saslprep"):
        if getattr(options, option):
            raise UsageFault(f"argument --{option}: has no place with a server, which keeps passwords as it does")
    url = SearchURL.parse(options.target)
    if url.attributes or url.filter != EVERY_ENTRY:
        raise UsageFault(f"argument TARGET: {options.target}: nothing may follow the base")
    check_transport(options, options.target, url.server)
    if options.user is None and options.simple is None:
        raise UsageFault("who changes it is not known: --user or --simple is needed")
    login = login_of(options, (lambda: next(lines)) if options.password_stdin else None)
    if asked.new_password and not is_private(url, login):
        print("ldapserver passwd: the new password goes over the network in the clear", file=sys.stderr)
    return change_on_server(url, login, asked)


def _in_file(options: argparse.Namespace, asked: PasswordChange) -> Changed:
    check_no_login(options)
    if not options.name:
        raise UsageFault("the following arguments are required with a file: USER")
    if options.password_stdin and (asked.password is None or isinstance(options.new_password, str)):
        raise UsageFault("argument --password-stdin: has no place where no password is asked for")
    schemes = [each for listed in options.scheme or () for each in listed]
    if schemes and not asked.new_password:
        raise UsageFault("argument --scheme: has no place without a new password")
    gc.disable()  # everything that is read stays until the end
    return change_in_file(options.target, asked, schemes=schemes, saslprep=options.saslprep)


def is_private(url: SearchURL, login: Login) -> bool:
    """Whether nobody on the way sees what is sent."""
    server = url.server
    if server.tls or server.path or login.start_tls or login.qop == "auth-conf" or server.host == "localhost":
        return True
    try:
        return is_loopback(server.host)
    except ValueError:
        return False
