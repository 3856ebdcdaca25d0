"""Which modules are C: those that setup.py lists, in a run that is to try them (MODULES=compiled), and else none."""

import ast
import os
import runpy
import sys
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path

import pytest

from ldapserver.cli import main

ROOT = Path(__file__).parents[1]
SETUP = runpy.run_path(str(ROOT / "setup.py"))
COMPILED: list[str] = SETUP["compiled"]()
ASKED_FOR = os.environ.get("MODULES") == "compiled"


@pytest.mark.parametrize("module", COMPILED)
def test_modules_that_run_are_compiled_where_that_is_tried_and_nowhere_else(module: str) -> None:
    file = str(import_module(module).__file__)
    assert file.endswith(tuple(EXTENSION_SUFFIXES if ASKED_FOR else SOURCE_SUFFIXES))


@pytest.mark.parametrize("module", SETUP["INTERPRETED"])
def test_what_cannot_be_compiled_is_there_and_not_listed(module: str) -> None:
    assert str(import_module(module).__file__).endswith(".py")
    assert module not in COMPILED


def otherwise_compiled(source: str) -> list[int]:
    """The lines of what mypyc takes without a word, and makes something else of.

    A cached property is one that is computed each time; a class variable of a dataclass is a field.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [ast.unparse(each) for each in getattr(node, "decorator_list", [])]
        if any("cached_property" in name for name in names):
            found.append(node.lineno)  # type: ignore[attr-defined]  # what has decorators has a line
        if isinstance(node, ast.ClassDef) and any("dataclass" in name for name in names):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign | ast.Assign)]
            found += [
                each.lineno for each in fields
                if isinstance(each, ast.Assign) or "ClassVar" in ast.unparse(each.annotation)
            ]  # fmt: skip
    return found


@pytest.mark.parametrize("module", COMPILED)
def test_nothing_is_compiled_to_something_else(module: str) -> None:
    assert otherwise_compiled((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")) == []


def test_what_would_be_compiled_to_something_else_is_found() -> None:
    assert otherwise_compiled("@functools.cached_property\ndef a(self): ...") == [2]
    assert otherwise_compiled("@dataclass(frozen=True)\nclass A:\n a: ClassVar[int] = 1\n b = 2\n c: int = 3") == [
        3,
        4,
    ]
    assert otherwise_compiled("class A:\n a: ClassVar[int] = 1\n b = 2") == []


def written_out(source: str) -> dict[str, tuple[str, str]]:
    """By name, the dataclasses that write their `__init__` themselves: theirs, and that which dataclass would write.

    They do because mypyc leaves dataclass's own to the interpreter. A field that is Final has its default in the
    `__init__` alone; the fields of a class above are set by that class.
    """
    found = {}
    above: dict[str, tuple[str, list[ast.arg], list[ast.expr]]] = {}  # by class, whose `__init__` it has
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef):
            continue
        base, inherited, defaults = above.get(ast.unparse(node.bases[0]) if node.bases else "", ("", [], []))
        above[node.name] = base, inherited, defaults
        if any("init=False" in ast.unparse(each) for each in node.decorator_list):
            init = next(each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
            arguments, body = [ast.arg("self"), *inherited], []
            if base:
                body.append(f"    {base}.__init__({', '.join(each.arg for each in arguments)})")
            shown = dict(
                zip([each.arg for each in reversed(init.args.args)], reversed(init.args.defaults), strict=False)
            )
            defaults = list(defaults)
            for each in (each for each in node.body if isinstance(each, ast.AnnAssign)):
                name, annotation, default = ast.unparse(each.target), each.annotation, each.value
                if isinstance(default, ast.Call):  # of field()
                    default = next((option.value for option in default.keywords if option.arg == "default"), None)
                if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Final":
                    annotation, default = annotation.slice, shown.get(name)
                arguments.append(ast.arg(name, annotation))
                body.append(f"    self.{name} = {name}")
                if default is not None:
                    defaults.append(default)
            taken = ast.unparse(ast.arguments([], arguments, kwonlyargs=[], kw_defaults=[], defaults=defaults))
            due = "\n".join([f"def __init__({taken}) -> None:", *body])
            found[node.name] = ast.unparse(init), due
            above[node.name] = node.name, arguments[1:], defaults
    return found


WRITTEN_OUT = [
    (module, name, *both)
    for module in COMPILED
    for name, both in written_out((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")).items()
]


@pytest.mark.parametrize(("written", "due"), [row[2:] for row in WRITTEN_OUT], ids=[row[1] for row in WRITTEN_OUT])
def test_what_is_written_out_is_what_dataclass_would_write(written: str, due: str) -> None:
    assert written == due


def test_no_module_is_listed_twice() -> None:
    assert len(COMPILED) == len(set(COMPILED)) > 50


def test_plain_builds_compile_nothing_and_need_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mypyc", None)  # an import of it fails
    assert SETUP["extensions"]({}) == SETUP["extensions"]({"SASL_DIGEST_COMPILE": ""}) == []
    with pytest.raises(ImportError):
        SETUP["extensions"]({"SASL_DIGEST_COMPILE": "1"})


def test_the_version_says_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.endswith(" (compiled)\n") == ASKED_FOR
