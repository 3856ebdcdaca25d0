"""Where a client command gets the password from: never from a terminal's echo."""

import argparse
import os
import secrets
from collections.abc import Iterator

from ldapserver.printable import printable
from ldapserver.usage import UsageFault, is_utf8

PASSWORD = "LDP_PASSWORD"  # the environment's name for it


class NoPassword(Exception):
    """There is none; the text is the one line to print."""


def add_password_options(group: argparse._ActionsContainer) -> None:
    """-p/--password and --password-stdin, of the commands of `ldp`."""
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


def password_of(options: argparse.Namespace, whose: str, stdin: Iterator[str] | None = None) -> str:
    """That of -p, else the next line of `stdin` with --password-stdin, else the environment's, else what is typed.

    `stdin` are the lines of standard input, where somebody else reads them too. Raises NoPassword, and UsageFault for
    what is not UTF-8.
    """
    if options.password_stdin:
        password = from_stdin() if stdin is None else next(stdin)
    elif options.password is None:
        password = known_or_asked(whose)
    elif options.password == "prompt":
        password = asked(printable(whose))
    else:
        password = str(options.password)
    if not is_utf8(password):
        raise UsageFault("the password is not UTF-8")
    return password


def known_or_asked(whose: str) -> str:
    """That of the environment, and where it has none what is typed. Raises NoPassword."""
    return os.environ.get(PASSWORD) or asked(printable(whose))


def from_stdin() -> str:
    """The first line of standard input. Octets that are not UTF-8 become lone surrogates. Raises NoPassword."""
    return next(lines_of_stdin())


def lines_of_stdin() -> Iterator[str]:
    """The lines of standard input, as `from_stdin` gives the first. Raises NoPassword where there is no more."""
    wanting = "standard input is empty"
    try:
        with open(0, "rb", closefd=False) as stdin:
            for line in stdin:
                yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
                wanting = "standard input has no further line, for the new password"
    except OSError as error:
        raise NoPassword(f"--password-stdin: {error.strerror}") from None
    raise NoPassword(f"--password-stdin: {wanting}")


def asked(user: str) -> str:
    """What is typed without being shown; `user` is for the prompt. Raises NoPassword where nobody can be asked."""
    return _typed(f"Password for {user}: ")


def asked_twice(user: str) -> str:
    """A new password, typed twice without being shown. Raises NoPassword, also where the two differ."""
    first = _typed(f"New password for {user}: ")
    if first != _typed("The same again: "):
        raise NoPassword("the two are not the same, and nothing is changed")
    return first


GENERATED = 12  # octets of chance: sixteen characters


def made_up() -> str:
    """A password of chance, with letters of either case and a digit, as a domain's policy wants."""
    while True:
        text = secrets.token_urlsafe(GENERATED)
        if any(map(str.islower, text)) and any(map(str.isupper, text)) and any(map(str.isdigit, text)):
            return text


def _typed(prompt: str) -> str:
    if not os.isatty(0):
        raise NoPassword("no terminal to ask for the password: use --password-stdin")
    from getpass import getpass

    try:
        return getpass(prompt)
    except EOFError:
        raise NoPassword("no password was given") from None
