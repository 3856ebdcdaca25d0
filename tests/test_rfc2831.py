"""docs/rfc2831.md against the code: every rule has a row, every row a test, and all that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+)([a-z]?) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$")
RULES = set(range(1, 43))


def rows(text: str) -> list[tuple[str, ...]]:
    """Number, letter, clause, rule, what we do, and tests, of every line of a table that is no heading."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not re.match(r"\| # |\|---", line)]
    matches = [(line, ROW.match(line)) for line in lines]
    assert [line for line, match in matches if match is None] == []
    return [match.groups() for _, match in matches if match is not None]


ROWS = rows((ROOT / "docs" / "rfc2831.md").read_text(encoding="utf-8"))
each_row = pytest.mark.parametrize("row", ROWS, ids=[number + letter for number, letter, *_ in ROWS])


@cache
def names(path: Path) -> frozenset[str]:
    """What a file defines at its top, and in its classes behind a dot."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            members = [each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {f"{node.name}.{member}" for member in members}
            # A method may come from a class of the same file.
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            found |= {f"{node.name}.{name.partition('.')[2]}" for name in found if name.partition(".")[0] in bases}
    return frozenset(found)


def defines_test(path: str, name: str) -> bool:
    """Whether pytest would find `name` in the file."""
    file = ROOT / path
    return name.startswith("test_") and file.name.startswith("test_") and file.is_file() and name in names(file)


def defines(dotted: str) -> bool:
    """Whether a module of the packages, or a name in one, is there; and its arguments, where they are named too."""
    dotted, _, arguments = dotted.partition("(")
    package, *parts = dotted.split(".") if dotted.startswith("ldapserver.") else ["sasl_digest", *dotted.split(".")]
    for taken in range(len(parts), 0, -1):
        path = ROOT.joinpath(package, *parts[:taken]).with_suffix(".py")
        if path.is_file():
            name = ".".join(parts[taken:])
            return (not name or name in names(path)) and all(
                re.search(rf"\b{argument.strip()}\b.*[:=]", path.read_text("utf-8"))
                for argument in arguments.rstrip(")").replace("=", "").split(",")
            )
    return False


@each_row
def test_every_row_names_tests_and_they_are_there(row: tuple[str, ...]) -> None:
    tests = re.findall(r"`(tests/[^`]+\.py)::([^`]+)`", row[5])
    assert tests
    assert row[5] == "<br>".join(f"`{path}::{name}`" for path, name in tests)
    assert [f"{path}::{name}" for path, name in tests if not defines_test(path, name)] == []


@each_row
def test_every_row_names_what_does_it_and_it_is_there(row: tuple[str, ...]) -> None:
    # Code in this column that has no dot is a value: `charset=`, `hosts`.
    named = re.findall(r"`([a-z_]+\.[A-Za-z_0-9.]+(?:\([a-z_=, ]*\))?|[a-z]+)`", row[4])
    modules = [name for name in named if "." in name or (ROOT / "sasl_digest" / f"{name}.py").is_file()]
    assert modules
    assert [name for name in modules if not defines(name)] == []


def test_every_rule_of_the_checklist_has_its_row() -> None:
    assert {int(number) for number, *_ in ROWS} == RULES


def test_rows_are_in_order_and_lettered_where_there_are_several() -> None:
    marks = [(int(number), letter) for number, letter, *_ in ROWS]
    assert marks == sorted(set(marks))
    for rule in RULES:
        letters = [letter for number, letter in marks if number == rule]
        assert letters == ([""] if len(letters) == 1 else list("abcdefgh"[: len(letters)]))


def test_what_is_not_there_is_noticed() -> None:
    assert defines("server.DigestServer.verify")
    assert defines("layers.ConfidentialityLayer.receive")
    assert defines("ldapserver.bind.Binder")
    assert defines("server.DigestServer(service=, hosts=)")
    assert not defines("server.DigestServer.verified")
    assert not defines("server.DigestServer(guests=)")
    assert not defines("servers.DigestServer")
    assert defines_test("tests/test_rfc2831.py", "test_what_is_not_there_is_noticed")
    assert not defines_test("tests/test_rfc2831.py", "test_what_is_there_is_not")
    assert not defines_test("tests/test_nothing.py", "test_what_is_not_there_is_noticed")
    assert not defines_test("tests/test_rfc2831.py", "defines_test")
    with pytest.raises(AssertionError):
        rows("| 1 | too | few |")
