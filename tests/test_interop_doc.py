"""docs/interop.md against the tests: every file it names is there, and every test of others' software is named."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
INTEROP = ROOT / "tests" / "interop"
DOCUMENT = (ROOT / "docs" / "interop.md").read_text(encoding="utf-8")
FAULTS = 9


def section(title: str) -> str:
    """What stands under a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The cells of the table under a heading, without its own heading."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_file_of_the_table_is_there_and_every_file_is_in_the_table() -> None:
    named = [re.findall(r"`(test_\w+\.py)`", row[-1]) for row in rows("Who is tested")]
    assert all(named)
    assert {name for names in named for name in names} == {path.name for path in INTEROP.glob("test_*.py")}


def test_every_fault_has_its_test_and_every_test_its_fault() -> None:
    tree = ast.parse((INTEROP / "test_stock_ldap3_faults.py").read_text(encoding="utf-8"))
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert [row[-1] for row in rows("Faults of ldap3 2.9.1")] == [f"`{name}`" for name in tests]
    assert len(tests) == FAULTS
