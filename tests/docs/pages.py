"""A page of documentation as what can be run of it.

Behind a fence of three backticks stands

    python          a program; one with `def test_` is a file for pytest
    console         what was typed, behind `$ `, and what came of it
    another name    data, or another language: not run by itself

and in the line before the fence there may be a mark:

    <!-- file: users.yaml -->     it is put there first, under this name, for what follows
    <!-- fails -->                it ends with another status than 0, and the page says so
    <!-- not run: why -->         what cannot be run here

In what came of it `...` stands for anything, within a line or, alone in one, for any lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (?:(file|not run): (.+?)|(fails)) -->\s*$")


@dataclass(frozen=True, slots=True)
class Snippet:
    """What stands in one fence; `line` is that of its first line in the page."""

    page: Path
    line: int
    language: str
    text: str
    file: str | None = None
    not_run: str | None = None
    fails: bool = False

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Typed:
    """One command of a console, and what the page says came of it."""

    command: str
    output: str


def snippets(page: Path) -> Iterator[Snippet]:
    """Those of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    for fence in _FENCE.finditer(text):
        indent, language, body = fence.groups()
        before = text[: fence.start()]
        mark = _MARK.search(before)
        kind, value, fails = mark.groups() if mark else (None, None, None)
        yield Snippet(
            page,
            before.count("\n") + 2,
            language,
            "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True)),
            file=value if kind == "file" else None,
            not_run=value if kind == "not run" else None,
            fails=bool(fails),
        )


def typed(console: str) -> Iterator[Typed]:
    """The commands of a console: a line that ends in a backslash goes on, and so does a here-document."""
    lines = console.splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            raise ValueError(f"a command is due, behind '$ ': {lines[at]!r}")
        command = [lines[at][2:]]
        at += 1
        while command[-1].endswith("\\"):
            command.append(lines[at])
            at += 1
        if here := re.search(r"<<'?(\w+)'?", command[-1]):
            while command[-1] != here[1]:
                command.append(lines[at])
                at += 1
        output = []
        while at < len(lines) and not lines[at].startswith("$ "):
            output.append(lines[at])
            at += 1
        yield Typed("\n".join(command), "\n".join(output).rstrip("\n"))


def agrees(said: str, output: str) -> bool:
    """Whether what the page says is what came, where `...` is anything."""
    pattern = ""
    for piece in re.split(r"(^\.\.\.\n|\n\.\.\.$|^\.\.\.$|\.\.\.)", said, flags=re.MULTILINE):
        pattern += ".*?" if "..." in piece else re.escape(piece)
    return re.fullmatch(pattern, output, re.DOTALL) is not None
