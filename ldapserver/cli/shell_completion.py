"""Scripts that complete our commands, their options and what these take, in a shell; written by shtab.

shtab writes a script once, which knows all by itself: argcomplete would start Python at each press of the TAB key,
and needs its mark and its call in every program. A command is completed by its parser, which is what its module's
`parser()` or `_parser()` returns without arguments; one without such a function by its name alone.
"""

import argparse
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from ldapserver.cli.exit_status import Failure
from ldapserver.usage import HelpFormatter, Parser

SHELLS = ("bash", "zsh", "fish", "tcsh")

_NAMES = ("parser", "_parser")
# What an option takes is told by the word that stands for it.
_FILES = re.compile(r"(?:\b|_)(?:FILE|PATH|TARGET)\b")
_DIRECTORIES = re.compile(r"\bDIR(?:ECTORY)?\b")


def completion_parser(program: str) -> argparse.ArgumentParser:
    """The parser of `PROGRAM completion`."""
    parser = Parser(
        prog=f"{program} completion",
        description=f"Print a script that completes the commands and options of {program} in a shell.",
        epilog=f"""\
example:
  {program} completion bash > ~/.local/share/bash-completion/completions/{program}
  {program} completion zsh > "${{fpath[1]}}/_{program}"
  {program} completion fish > ~/.config/fish/completions/{program}.fish
  eval "$({program} completion bash)"        # in this shell only
""",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    return parser


def script(shell: str, program: str, package: str, commands: Mapping[str, str]) -> str:
    """The script for a shell: `commands` are modules of `package`, each with what it does in words.

    Raises Failure where shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise Failure(80, "needs shtab: pip install shtab") from None
    if shell not in shtab.SUPPORTED_SHELLS:  # an older one
        raise Failure(80, f"this shtab knows {', '.join(shtab.SUPPORTED_SHELLS)}: pip install --upgrade shtab")
    written: str = shtab.complete(whole(program, package, commands), shell)
    return written if written.endswith("\n") else f"{written}\n"


def whole(program: str, package: str, commands: Mapping[str, str]) -> argparse.ArgumentParser:
    """One parser of all commands."""
    root = argparse.ArgumentParser(prog=program)
    root.add_argument("--version", action="store_true", help="print the version")
    below = root.add_subparsers()
    for name, words in commands.items():
        parser = parser_of(import_module(f"{package}.{name}"))
        # Its own --help comes with it.
        parents = [] if parser is None else [parser]
        below.add_parser(name, help=words.replace("%", "%%"), parents=parents, add_help=parser is None)
    _say_what_is_a_file(root)
    return root


def parser_of(module: Any) -> argparse.ArgumentParser | None:
    """What a command's module has for a parser; None where it has no such function."""
    for name in _NAMES:
        function: Callable[[], object] | None = getattr(module, name, None)
        if not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters.values()
        if any(each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
               for each in parameters):  # fmt: skip
            continue
        parser = function()
        if isinstance(parser, argparse.ArgumentParser):
            return parser
    return None


def _say_what_is_a_file(parser: argparse.ArgumentParser) -> None:
    import shtab

    actions: Sequence[Any] = parser._actions  # argparse has no other way to them
    for action in actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _say_what_is_a_file(below)
        elif isinstance(action.metavar, str) and action.nargs != 0 and not hasattr(action, "complete"):
            if _FILES.search(action.metavar):
                action.complete = shtab.FILE
            elif _DIRECTORIES.search(action.metavar):
                action.complete = shtab.DIRECTORY
