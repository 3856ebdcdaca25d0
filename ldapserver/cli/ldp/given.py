"""The password that the commands `wdigest` and `load` are given, and what may be read of it."""

import argparse
import os

from ldapserver.cli.login import PASSWORD, is_utf8
from ldapserver.cli.password import asked, from_stdin
from ldapserver.printable import printable
from ldapserver.usage import UsageFault


def add_password_options(group: argparse._ActionsContainer) -> None:
    """-p/--password and --password-stdin."""
    password = group.add_mutually_exclusive_group()
    password.add_argument(
        "-p",
        "--password",
        help="others on this machine can see it; 'prompt' asks for it, the default where the environment has no"
        f" {PASSWORD}",
    )
    password.add_argument(
        "--password-stdin", action="store_true", help="read it from the first line of standard input"
    )


def password_of(options: argparse.Namespace, whose: str) -> str:
    """What was typed with -p, else standard input's with --password-stdin, else LDP_PASSWORD, else what is asked for.

    Raises NoPassword, and UsageFault for what is not UTF-8.
    """
    if options.password_stdin:
        password = from_stdin()
    elif options.password not in (None, "prompt"):
        password = str(options.password)
    elif options.password is None and os.environ.get(PASSWORD):
        password = os.environ[PASSWORD]
    else:
        password = asked(printable(whose))
    if not is_utf8(password):
        raise UsageFault("the password is not UTF-8")
    return password
