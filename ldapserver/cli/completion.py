"""`ldapserver completion`: a script that completes its commands and options in a shell."""

import argparse
from collections.abc import Sequence

from ldapserver.cli import COMMANDS
from ldapserver.cli.exit_status import ended
from ldapserver.cli.shell_completion import completion_parser, script

_PROGRAM = "ldapserver"


def main(arguments: Sequence[str]) -> int:
    """Print the script; the exit status."""
    return ended(f"{_PROGRAM} completion", lambda: _print(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    return completion_parser(_PROGRAM)


def _print(options: argparse.Namespace) -> int:
    print(script(options.shell, _PROGRAM, "ldapserver.cli", COMMANDS), end="", flush=True)
    return 0
