"""Every snippet of the documentation does what the page says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Snippet, agrees, snippets, typed
from tests.docs.shell import Shell

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
LANGUAGES = {"", "python", "console", "json", "yaml", "toml", "ldif", "xml", "ini", "java", "javascript", "makefile"}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_a_page_shows_is_what_comes(page: Path, shell: Shell, tmp_path: Path) -> None:
    for snippet in snippets(page):
        assert snippet.language in LANGUAGES, f"{snippet.place}: {snippet.language}: no language of these pages"
        if snippet.file is not None:
            (tmp_path / snippet.file).write_text(shell.here(snippet.text), encoding="utf-8")
        if snippet.not_run is not None:
            continue
        if snippet.language == "console":
            _type(snippet, shell)
        elif snippet.language == "python":
            _run(snippet, shell, tmp_path)


def _type(snippet: Snippet, shell: Shell) -> None:
    for each in typed(snippet.text):
        status, output = shell.run(each.command)
        if each.command.endswith("&") and not each.output:
            continue  # of what is left to run nothing need be shown: it has told that it listens
        assert agrees(each.output, output), f"{snippet.place}: $ {each.command}\n{output}\n(status {status})"


def _run(snippet: Snippet, shell: Shell, folder: Path) -> None:
    name = snippet.file or f"snippet_{snippet.line}.py"
    (folder / name).write_text(shell.here(snippet.text), encoding="utf-8")
    command = [sys.executable, name]
    if "def test_" in snippet.text and "unittest" not in snippet.text:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name]
    ended = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode != 0) == snippet.fails, f"{snippet.place}:\n{ended.stdout}{ended.stderr}"


@pytest.mark.parametrize(
    ("said", "output", "agreed"),
    [
        ("", "", True),
        ("a", "", False),
        ("", "a", False),
        ("one ... three", "one two three", True),
        ("one\n...\nfour", "one\ntwo\nthree\nfour", True),
        ("one\n...", "one\ntwo", True),
        ("...\ntwo", "one\ntwo", True),
        ("...", "whatever\nthere is", True),
        ("a.c", "abc", False),
    ],
)
def test_what_agrees_with_a_page(said: str, output: str, agreed: bool) -> None:
    assert agrees(said, output) == agreed


def test_what_is_typed_goes_on_over_lines() -> None:
    console = "$ one \\\n  two\nout\n$ cat <<EOF\nin\nEOF\nin\n$ three\n"
    commands = [(each.command, each.output) for each in typed(console)]
    assert commands == [("one \\\n  two", "out"), ("cat <<EOF\nin\nEOF", "in"), ("three", "")]
