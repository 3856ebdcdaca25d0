"""docs/reference/options.md, written from the parsers: `python -m tests.docs.options` writes it anew."""

import argparse
import re
from collections.abc import Iterator, Mapping
from importlib import import_module

from ldapserver import cli
from ldapserver.cli import ldp
from ldapserver.cli.shell_completion import parser_of
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "options.md"

LONG = 3  # rows of a table that is not shown twice

_BEGINNING = """\
# Every command and every option

`COMMAND --help` says the same at a terminal. This page is written from the same source, and a test holds it against
that. In a TOML file (`--config`) an option has its name without the dashes; as a setting of
[a server under test](../testing.md#settings) underscores stand for those within: `--lockout-threshold 3` is
`lockout-threshold = 3` and `lockout_threshold=3`. `TIME` is a number of seconds, or a number with `s`, `m`, `h` or
`d` behind it.
"""
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")  # the site makes a dash of two hyphens that are not code
_IN_A_TABLE = str.maketrans({"|": r"\|", "<": r"\<", "*": r"\*", "[": r"\[", "\n": " "})


def page() -> str:
    """All of it."""
    sections = [_BEGINNING]
    for program, package, commands in (
        ("ldapserver", "ldapserver.cli", cli.COMMANDS),
        ("ldp", "ldapserver.cli.ldp", ldp.COMMANDS),
    ):
        sections.extend(_of_program(program, package, commands))
    return "\n".join(sections)


def _of_program(program: str, package: str, commands: Mapping[str, str]) -> Iterator[str]:
    served: set[str] = set()
    told: dict[str, str] = {}
    for name, words in commands.items():
        parser = parser_of(import_module(f"{package}.{name}"))
        if (program, name) == ("ldapserver", "serve"):
            from ldapserver.hosting.options import serve_parser

            parser = serve_parser()
            served = {option for action in parser._actions for option in action.option_strings}
        if parser is None:
            raise LookupError(f"{program} {name}: its module has no parser()")
        known = served if (program, name) == ("ldapserver", "check") else set()
        yield from _of_command(f"{program} {name}", words, parser, known, told)


def _of_command(
    title: str, words: str, parser: argparse.ArgumentParser, known: set[str], told: dict[str, str]
) -> Iterator[str]:
    """A section; `known` are options that it has from another one, `told` the tables of those before it."""
    yield f"## `{title}`\n\n{words[0].upper()}{words[1:]}.\n"
    if known:
        yield "Every option of [`ldapserver serve`](#ldapserver-serve), and:\n"
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS
            and "--help" not in action.option_strings
            and not known.intersection(action.option_strings)
        ]
        if actions:
            about = f": {_with_options_as_code(group.description)}" if group.description else ""
            name = "arguments" if group.title == "positional arguments" else group.title
            table = "| | |\n|---|---|\n" + "".join(_row(parser, action) for action in actions)
            if (first := told.setdefault(f"{name}\n{table}", title)) == title or len(actions) < LONG:
                yield f"**{name}**{about}\n"
                yield table
            else:
                yield f"**{name}**: as of [`{first}`](#{first.replace(' ', '-')})\n"
    if not known and parser.epilog and "exit status" in parser.epilog:
        yield _exit_status(parser.epilog) + "\n"


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """An option as a row: what is typed, and what it says."""
    value = _value(action)
    typed = ", ".join(f"`{each}{value if each.startswith('--') or len(action.option_strings) == 1 else ''}`"
                      for each in action.option_strings) or f"`{value.strip()}`"  # fmt: skip
    formatter = parser._get_formatter()
    said = formatter._expand_help(action) if action.help else ""
    return f"| {typed.replace('|', chr(92) + '|')} | {_with_options_as_code(said.translate(_IN_A_TABLE))} |\n"


def _with_options_as_code(text: str) -> str:
    pieces = text.split("`")
    pieces[::2] = [_OPTION.sub(lambda found: f"`{found[0]}`", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def _value(action: argparse.Action) -> str:
    """What stands behind the name of an option, with the blank before it; nothing for a flag."""
    if action.nargs == 0:
        return ""
    metavar = action.metavar
    if metavar is None:
        metavar = "|".join(map(str, action.choices)) if action.choices is not None else action.dest.upper()
    text = metavar if isinstance(metavar, str) else " ".join(metavar)
    return {"?": f" [{text}]", "*": f" [{text} ...]", "+": f" {text} ..."}.get(str(action.nargs), f" {text}")


def _exit_status(epilog: str) -> str:
    """The paragraph about it, of the text below the options."""
    found = re.search(r"^exit status.*?(?=\n\n|\Z)", epilog.strip(), re.MULTILINE | re.DOTALL)
    return "" if found is None else _with_options_as_code(found[0].replace("exit status", "Exit status", 1).strip())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
