"""Where a client command gets the password from: never from a terminal's echo."""

import os


class NoPassword(Exception):
    """There is none; the text is the one line to print."""


def from_stdin() -> str:
    """The first line of standard input. Octets that are not UTF-8 become lone surrogates. Raises NoPassword."""
    try:
        with open(0, "rb", closefd=False) as stdin:
            line = stdin.readline()
    except OSError as error:
        raise NoPassword(f"--password-stdin: {error.strerror}") from None
    if not line:
        raise NoPassword("--password-stdin: standard input is empty")
    return line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def asked(user: str) -> str:
    """What is typed without being shown; `user` is for the prompt. Raises NoPassword where nobody can be asked."""
    if not os.isatty(0):
        raise NoPassword("no terminal to ask for the password: use --password-stdin")
    from getpass import getpass

    try:
        return getpass(f"Password for {user}: ")
    except EOFError:
        raise NoPassword("no password was given") from None
