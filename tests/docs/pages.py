"""A page of documentation as what can be run of it.

Behind a fence of three backticks stands

    python          a program; one with `def test_` is a file for pytest
    console         what was typed, behind `$ `, and what came of it
    another name    data, or another language: not run by itself

and in the lines before the fence there may be marks, a line each:

    <!-- file: users.yaml -->     it is put there first, under this name, for what follows
    <!-- continues -->            python: goes on with the program before it; they are one, and run where it ends
    <!-- fails -->                python: the program ends with another status than 0, or a test of this fence fails
    <!-- output -->               what the python before it writes: all of it; of tests these lines, among others
    <!-- typed: one | two -->     console: what is typed, one after the other, where a terminal does not show it
    <!-- varies: REGEX -->        what this matches, and the width of columns, is different each time
    <!-- not run: why -->         what cannot be run here

In what came of it `...` stands for anything, within a line or, alone in one, for any lines. A command that writes
nothing ends with status 0 unless `echo $?` follows. One that is left to run (`&`) is waited for until it listens, of
its lines some may be shown; `kill $!` and `kill %1` come back when it has ended.

A page begins in an empty folder with the package installed, `examples` and `docs`, and its snippets are run in their
order, in one shell. The ports that it names are others, that are free; so are those of 127.0.0.1 in reports of tests,
where times and message ids are of that run too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r" *<!-- ([^:]+?)(?:: (.+?))? -->")
_MARKS = {"file": True, "continues": False, "fails": False, "output": False,
          "typed": True, "varies": True, "not run": True}  # fmt: skip
_ANYTHING = re.compile(r"(^\.\.\.$\n?(?=\Z)|^\.\.\.\n|\n\.\.\.$|\.\.\.)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Snippet:
    """What stands in one fence; `line` is that of its first line in the page."""

    page: Path
    line: int
    language: str
    text: str
    marks: Mapping[str, str]

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Program:
    """The pieces of one program, and what the page says that it writes."""

    pieces: tuple[Snippet, ...]
    outputs: tuple[Snippet, ...] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return "\n\n".join(piece.text for piece in self.pieces)

    @property
    def name(self) -> str:
        """The file that it is put into."""
        return self.pieces[0].marks.get("file", f"snippet_{self.pieces[0].line}.py")

    @property
    def is_tests(self) -> bool:
        """Whether it is a file for pytest."""
        return "def test_" in self.text and "unittest" not in self.text


@dataclass(frozen=True, slots=True)
class Typed:
    """One command of a console, and what the page says came of it."""

    command: str
    output: str


def snippets(page: Path) -> Iterator[Snippet]:
    """Those of a page, in their order; ValueError for a mark that there is not."""
    text = page.read_text(encoding="utf-8")
    for fence in _FENCE.finditer(text):
        indent, language, body = fence.groups()
        before = text[: fence.start()].split("\n")[:-1]
        body = "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True))
        yield Snippet(page, len(before) + 2, language, body, _marks(before))


def _marks(before: list[str]) -> dict[str, str]:
    """What the last lines before a fence say of it."""
    marks = {}
    for line in reversed(before):
        if not (mark := _MARK.fullmatch(line)):
            break
        name, value = mark.groups()
        if _MARKS.get(name) != (value is not None):
            raise ValueError(f"no mark of these pages: {line}")
        marks[name] = value or ""
    return marks


def steps(page: Path) -> list[Snippet | Program]:
    """What there is to do, in its order: a program comes where its last piece stands."""
    found: list[Snippet | Program] = []
    last: Program | None = None
    for snippet in snippets(page):
        if last is not None and "output" in snippet.marks:
            more = Program(last.pieces, (*last.outputs, snippet))
            found[found.index(last)] = last = more
        elif last is not None and "continues" in snippet.marks:
            found.remove(last)
            last = Program((*last.pieces, snippet), last.outputs)
            found.append(last)
        elif snippet.marks.keys() & {"output", "continues"}:
            raise ValueError(f"{snippet.place}: there is no program before it")
        elif snippet.language == "python" and "not run" not in snippet.marks:
            last = Program((snippet,))
            found.append(last)
        else:
            found.append(snippet)
    return found


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


def agrees(said: str, output: str, varies: str | None = None) -> bool:
    """Whether what the page says is what came: `...` is anything, and blanks at the end of a line are nothing."""
    if varies is not None:
        said, output = _steady(said, varies), _steady(output, varies)
    said, output = (re.sub(r" +$", "", text, flags=re.MULTILINE) for text in (said, output))
    pattern = ""
    for piece in _ANYTHING.split(said):
        if "..." not in piece:
            pattern += re.escape(piece)
        elif piece.startswith("\n"):
            pattern += r"(?:\n[^\n]*)*?"
        elif piece.endswith("\n"):
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"(?s:.*)" if said == piece else r"[^\n]*?"
    return re.fullmatch(pattern, output) is not None


def _steady(text: str, varies: str) -> str:
    """The text without what is different each time, which may be `...` in the page."""
    found = re.sub(varies, lambda piece: piece[0] if piece[0] == "..." else "*", text)
    return "\n".join(re.sub(" +", " ", line).strip() for line in found.split("\n"))


def is_among(said: str, output: str) -> bool:
    """Whether these lines stand together in what tests have written."""
    wanted, lines = said.rstrip("\n").split("\n"), output.split("\n")
    return any(
        _of_any_run(lines[at : at + len(wanted)]) == _of_any_run(wanted)
        for at in range(len(lines))
        if _of_any_run(lines[at : at + 1]) == _of_any_run(wanted[:1])
    )


def _of_any_run(lines: list[str]) -> list[str]:
    """Lines of a report without ports, times, message ids, the addresses of objects and the width of headings.

    What connections do at one time may come in any order: each one's lines (begun by a time) stand together here.
    """
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", "\n".join(lines))
    text = re.sub(r"^(E?) +\d+\.\d{3} ", r"\1 TIME ", text, flags=re.MULTILINE)
    text = re.sub(r"-{3,}|={3,}|_{3,}", "---", text)
    blocks = re.split(r"^(?=E? TIME )", text, flags=re.MULTILINE)
    text = "".join(blocks[:1] + sorted((block.rstrip("\n") + "\n" for block in blocks[1:]), key=_connection))
    ids: dict[str, str] = {}
    text = re.sub(r"\[(\d+)\]", lambda found: ids.setdefault(found[1], f"[{len(ids) + 1}]"), text)
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]


def _connection(block: str) -> str:
    return block.partition("#")[2].partition(" ")[0]
