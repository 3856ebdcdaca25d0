"""What the README says is true: its programs run, its folders exist, its make targets are there."""

import re
from pathlib import Path
from typing import Any

import pytest

from sasl_digest import Lookup, Success

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_engine_program_ends_in_mutual_success() -> None:
    names: dict[str, Any] = {}
    (program,) = re.findall(r"```python\n(from sasl_digest import .*?)```", README, re.DOTALL)
    exec(program, names)
    assert isinstance(names["question"], Lookup)
    assert isinstance(names["verdict"], Success)
    assert names["verdict"].data.startswith(b"rspauth=")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+(?:-[a-z]+)*)", README))))
def test_each_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"^ {0,2}([a-z_]+/) ", README, re.MULTILINE))
def test_each_folder_of_the_layout_exists(path: str) -> None:
    assert (ROOT / path).is_dir() or (ROOT / "ldapserver" / path).is_dir()
