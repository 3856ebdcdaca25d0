"""What a shell completes: bash is asked itself, with the script that `completion` prints."""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ldapserver.cli import COMMANDS, ldp
from ldapserver.cli import main as ldapserver
from ldapserver.cli.shell_completion import SHELLS, parser_of, whole

PROGRAMS = {
    "ldp": (ldp.main, ldp.COMMANDS, "ldapserver.cli.ldp", 64),
    "ldapserver": (ldapserver, COMMANDS, "ldapserver.cli", 2),
}
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

# As bash does it: the words of the line, which of them is to be completed, and the function bound to the name.
ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
bound=$(complete -p "$1"); [[ $bound =~ -F\\ ([^ ]+) ]]
"${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts for bash."""
    folder = tmp_path_factory.mktemp("completion")
    for name, module in (("ldp", "ldapserver.cli.ldp"), ("ldapserver", "ldapserver")):
        printed = subprocess.run(
            [sys.executable, "-m", module, "completion", "bash"], capture_output=True, check=True, text=True
        )
        (folder / name).write_text(printed.stdout, encoding="utf-8")
    return folder


def completed(scripts: Path, folder: Path, *words: str) -> set[str]:
    """What bash offers for the last of these words, in a folder."""
    script = str(scripts / words[0])
    asked = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", script, *words], cwd=folder, capture_output=True, check=True, text=True
    )
    assert asked.stderr == ""
    return set(asked.stdout.split())


@needs_bash
@pytest.mark.parametrize("program", PROGRAMS)
def test_bash_completes_every_command(program: str, scripts: Path, tmp_path: Path) -> None:
    assert completed(scripts, tmp_path, program, "") == set(PROGRAMS[program][1])


@needs_bash
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ldp", "wd"), {"wdigest"}),
        (("ldp", "bind", "--qo"), {"--qop"}),
        (("ldp", "bind", "--qop", ""), {"auth", "auth-int", "auth-conf"}),
        (("ldp", "load", "ldap://localhost", "--mode", "s"), {"simple", "search"}),
        (("ldp", "completion", ""), set(SHELLS)),
        (("ldapserver", "serve", "--tls-k"), {"--tls-key"}),
        (("ldapserver", "check", "--js"), {"--json"}),
        (("ldapserver", "events", "--follo"), {"--follow"}),
        (("ldapserver", "passwd", "--gener"), {"--generate"}),
        (("ldapserver", "export", "--start"), {"--start-tls"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_bash_completes_options_and_their_values(
    words: tuple[str, ...], offered: set[str], scripts: Path, tmp_path: Path
) -> None:
    assert completed(scripts, tmp_path, *words) == offered


@needs_bash
def test_bash_completes_names_of_files_where_one_is_due(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "users.txt").touch()
    assert completed(scripts, tmp_path, "ldp", "load", "ldap://x", "--users-file", "us") == {"users.txt"}
    assert completed(scripts, tmp_path, "ldp", "load", "ldap://x", "--users", "us") == set()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_each_shell_has_a_script_of_all_commands(
    program: str, shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, commands, _, _ = PROGRAMS[program]
    assert run(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"\b{command}\b", printed) for command in commands)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_command_is_known_with_its_options(program: str) -> None:
    """One without a parser that can be found would be completed by its name alone."""
    _, commands, package, _ = PROGRAMS[program]
    root = whole(program, package, commands)
    (below,) = [each for each in root._actions if isinstance(each, argparse._SubParsersAction)]
    assert {name for name, parser in below.choices.items() if len(parser._actions) > 1} == set(commands)


def test_a_module_without_a_parser_of_its_own_is_no_error() -> None:
    def parser(needed: str) -> argparse.ArgumentParser:
        raise AssertionError(needed)

    assert parser_of(SimpleNamespace()) is None
    assert parser_of(SimpleNamespace(parser=parser, _parser=None)) is None
    assert parser_of(SimpleNamespace(_parser=lambda optional=1: argparse.ArgumentParser(prog="x"))) is not None


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("arguments", [[], ["ksh"]], ids=["nothing", "ksh"])
def test_wrong_usage_is_one_line(program: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run, _, _, usage = PROGRAMS[program]
    assert run(["completion", *arguments]) == usage
    ended = capsys.readouterr()
    assert ended.out == ""
    assert ended.err.startswith(f"{program} completion: ")
    assert ended.err.count("\n") == 1
