"""Every snippet of the documentation does what the page says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Program, Snippet, agrees, is_among, steps, typed
from tests.docs.shell import Shell, environment

LANGUAGES = {
    "", "bash", "console", "ini", "java", "javascript", "json", "ldif", "makefile", "python", "text", "toml", "xml",
    "yaml",
}  # fmt: skip
# Plugins of pytest that are there for this suite: a reader has them or not, and to load them is half of such a run.
WITHOUT = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:anyio"]
# Programs of others that a reader may have to install first.
OTHERS = {"curl", "docker", "ldapmodify", "ldappasswd", "ldapsearch", "ldapwhoami"}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_a_page_shows_is_what_comes(page: Path, shell: Shell, tmp_path: Path) -> None:
    for step in steps(page):
        if isinstance(step, Program):
            _run(step, shell, tmp_path)
            continue
        assert step.language in LANGUAGES, f"{step.place}: {step.language}: no language of these pages"
        assert step.language or not re.search(r"^\$ ", step.text, re.MULTILINE), f"{step.place}: call it console"
        if "file" in step.marks:
            (tmp_path / step.marks["file"]).write_text(shell.here(step.text), encoding="utf-8")
        if step.language == "console" and "not run" not in step.marks:
            _type(step, shell)


def _type(snippet: Snippet, shell: Shell) -> None:
    answers = snippet.marks["typed"].split(" | ") if "typed" in snippet.marks else []
    commands = list(typed(snippet.text))
    for each, then in zip(commands, [*commands[1:], None], strict=True):
        status, output = shell.run(each.command, answers)
        shown = f"{snippet.place}: $ {each.command}\n{output}\n(status {status})"
        absent = re.search(r": (\S+): command not found$", output, re.MULTILINE)
        if absent and absent[1] in OTHERS and os.environ.get("INTEROP") != "required":
            pytest.skip(f"{absent[1]} is not installed")
        if each.command.endswith("&"):
            assert status == 0, shown
            lines = output.splitlines()
            assert all(any(agrees(said, line) for line in lines) for said in each.output.splitlines()), shown
        else:
            assert agrees(each.output, output, snippet.marks.get("varies")), shown
            assert each.output or status == 0 or (then and then.command == "echo $?"), shown


def _run(program: Program, shell: Shell, folder: Path) -> None:
    place = program.pieces[0].place
    (folder / program.name).write_text(shell.here(program.text), encoding="utf-8")
    pytest_options = ["-m", "pytest", "-q", "-rfEP", *WITHOUT] if program.is_tests else []
    ended = subprocess.run(
        [sys.executable, *pytest_options, program.name],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    output = shell.there(ended.stdout)
    if program.is_tests:
        failed = set(re.findall(r"^(?:FAILED|ERROR) [^:\s]+::(?:\w+::)*(\w+)", output, re.MULTILINE))
        failing = [
            set(re.findall(r"^ *def (test_\w+)", piece.text, re.MULTILINE))
            for piece in program.pieces
            if "fails" in piece.marks
        ]
        assert ended.returncode == bool(failing), f"{place}:\n{output}"
        assert failed <= set().union(*failing), f"{place}:\n{output}"
        assert all(tests & failed for tests in failing), f"{place}:\n{output}"
    else:
        fails = any("fails" in piece.marks for piece in program.pieces)
        assert (ended.returncode != 0) == fails, f"{place}:\n{output}"
    for said in program.outputs:
        as_said = (
            is_among(said.text, output) if program.is_tests else agrees(said.text.strip("\n"), output.strip("\n"))
        )
        assert as_said, f"{said.place}:\n{output}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=named)
def test_each_file_that_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
