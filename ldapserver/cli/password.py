"""Where a client command gets the password from: never from a terminal's echo."""

import os
import secrets
from collections.abc import Iterator


class NoPassword(Exception):
    """There is none; the text is the one line to print."""


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
