"""What the README says is true: its programs run, its folders exist, its make targets are there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sasl_digest import Lookup, Success
from tests.interop.server import running_server

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def program(name: str) -> str:
    """The program behind the mark `<!-- example: name -->`."""
    found = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_engine_program_ends_in_mutual_success() -> None:
    names: dict[str, Any] = {}
    exec(program("engine"), names)
    assert isinstance(names["question"], Lookup)
    assert isinstance(names["verdict"], Success)
    assert names["verdict"].data.startswith(b"rspauth=")


def test_the_bind_program_prints_who_it_is(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        text = program("bind").replace("ldap://127.0.0.1:3890", server.url)
        ended = subprocess.run(
            [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
    assert ended.stderr == ""
    assert ended.stdout == "dn:uid=u1,ou=people,dc=contoso,dc=com\nUna One\n"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", README))))
def test_each_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"^ {0,2}([a-z_]+/) ", README, re.MULTILINE))
def test_each_folder_of_the_layout_exists(path: str) -> None:
    assert (ROOT / path).is_dir() or (ROOT / "ldapserver" / path).is_dir()
