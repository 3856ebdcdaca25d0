"""`ldp passwd`: a password, one's own or another's, set on a server."""

import argparse
from collections.abc import Callable, Iterator, Sequence

from ldapserver.cli.ldp.binding import announce_and_bind
from ldapserver.cli.ldp.connection import command_parser, opened, request_of, run
from ldapserver.cli.ldp.transcript import DASHES, Output, Refused
from ldapserver.cli.passwd import is_private
from ldapserver.cli.password import NoPassword, asked_twice, lines_of_stdin
from ldapserver.cli.password_change import PasswordChange
from ldapserver.cli.remote import RemoteFailure
from ldapserver.cli.remote_passwd import change_over
from ldapserver.directory.account_reset import AccountReset
from ldapserver.printable import printable
from ldapserver.usage import UsageFault, is_utf8

_MORE = """\
By Password Modify (RFC 3062), or on Active Directory by a write of unicodePwd, which needs TLS, ldapi:// or
--qop auth-conf. USER is a name, NAME@DOMAIN, DOMAIN\\NAME or a DN; left out it is you. The new password is asked for
twice; with --password-stdin it is the line behind that to bind with. `ldapserver passwd` does more: it unlocks
accounts, has passwords changed, and does all of it in LDIF files.

--json: one object, {"dn": "...", "changed": ["password"]}, with "password" too where --generate has made one up.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    passwd = command_parser(
        "passwd",
        "Set a password on an LDAP server.",
        "  ldp passwd ldap://127.0.0.1:3890 -u u1\n"
        "  ldp passwd ldap://127.0.0.1:3892 u1 -u admin --generate --json\n"
        "  printf '%s\\n' 'admin secret' 'new password' | ldp passwd ldap://127.0.0.1:3892 u1 -u admin "
        "--password-stdin",
        more=_MORE,
    )
    passwd.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket")
    passwd.add_argument("name", metavar="USER", nargs="?", help="whose password; default: your own")
    passwd.add_argument("--generate", action="store_true", help="let one be made up, and print it once")
    return passwd


def main(arguments: Sequence[str]) -> int:
    """Set it; the exit status."""
    return run(parser(), arguments, _passwd)


def _passwd(options: argparse.Namespace, out: Output) -> int:
    # A variable of a script that is not set must not make it one's own password.
    if options.name == "":
        raise UsageFault("USER: must not be empty")
    if options.user is None and not options.external:
        raise UsageFault("who changes it is not known: --user or --external is needed")
    lines = lines_of_stdin()
    request = request_of(options, stdin=lines)
    asked = PasswordChange(
        options.name, None if options.generate else _new_password(options, lines), options.generate, AccountReset()
    )
    if not is_private(request.url, request.login):
        out.note("the new password goes over the network in the clear")
    with opened(request, out) as connection:
        announce_and_bind(connection, request.login, out, request.text)
        try:
            changed = change_over(connection, request.url, request.login, asked)
        except RemoteFailure as failure:
            result = connection.result or {}
            if result.get("result"):
                out.refused("Passwd", result)
                out.say(DASHES)
                raise Refused(failure.status, str(failure)) from None
            raise
        out.say(f'Changed the password of "{printable(changed.name)}".')
        if changed.generated is not None:
            out.say(f"Password: {changed.generated}")
        out.say(DASHES)
        out.object(changed.as_json())
    return 0


def _new_password(options: argparse.Namespace, lines: Iterator[str]) -> Callable[[str], str]:
    """What gives the new one, told for whom it is."""

    def checked(name: str) -> str:
        text = next(lines) if options.password_stdin else asked_twice(printable(name))
        if not text:
            raise NoPassword("the new password is empty, and nothing is changed")
        if not is_utf8(text):
            raise NoPassword("the new password is not UTF-8, and nothing is changed")
        return text

    return checked
