"""`ldp completion`: a script that completes its commands and options in a shell."""

import argparse
from collections.abc import Sequence

from ldapserver.cli.exit_status import ended
from ldapserver.cli.ldp import COMMANDS, USAGE_STATUS
from ldapserver.cli.shell_completion import completion_parser, script

_PROGRAM = "ldp"


def main(arguments: Sequence[str]) -> int:
    """Print the script; the exit status."""
    return ended(f"{_PROGRAM} completion", lambda: _print(_parser().parse_args(arguments)), usage=USAGE_STATUS)


def _parser() -> argparse.ArgumentParser:
    return completion_parser(_PROGRAM)


def _print(options: argparse.Namespace) -> int:
    print(script(options.shell, _PROGRAM, "ldapserver.cli.ldp", COMMANDS), end="", flush=True)
    return 0
