"""What docs/testing.md shows runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "testing.md").read_text("utf-8")
PROGRAMS = dict(re.findall(r"<!-- run: (\S+) -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL))
PRINTED = {
    "async_login.py": "300c02010161070a010004000400\n",
    "other_process.py": "3\n",
    "with_tls.py": "True\nTrue True\n",
}


def test_every_program_is_marked() -> None:
    assert len(PROGRAMS) == DOCUMENT.count("```python") == 6


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_page_runs(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(PROGRAMS[name], "utf-8")
    pytest_options = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if name.startswith("test_") else []
    done = subprocess.run(
        [sys.executable, *pytest_options, str(path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert pytest_options or done.stdout == PRINTED.get(name, "")


def test_each_file_that_is_linked_to_exists() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", DOCUMENT):
        assert (ROOT / "docs" / target).exists(), target
