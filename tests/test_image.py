"""What `.dockerignore` lets into the image is all that it is installed from and started with.

`docker build` itself is not run here: nobody who runs the suite need have it.
"""

import json
import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
LET_IN = {line[1:] for line in LINES if line.startswith("!")}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SETTINGS = ConfigParser()
SETTINGS.read(ROOT / "setup.cfg", encoding="utf-8")


def installed_from() -> set[str]:
    """The paths that the build backend reads."""
    metadata, options = SETTINGS["metadata"], SETTINGS["options"]
    packages = SETTINGS["options.packages.find"]["include"].split()
    modules = options["py_modules"].split()
    return {
        *("pyproject.toml", "setup.cfg", "setup.py", metadata["license_files"]),
        metadata["long_description"].removeprefix("file: "),
        *(name.replace(".", "/") for name in packages if not name.endswith("*")),
        *(f"{name.replace('.', '/')}.py" for name in modules),
    }


def let_in(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in LET_IN)


@pytest.mark.parametrize("path", sorted(installed_from()))
def test_what_it_is_installed_from_is_there(path: str) -> None:
    assert (ROOT / path).exists()
    assert let_in(path)


def test_what_it_is_started_with_is_there() -> None:
    (arguments,) = re.findall(r"^CMD (\[.*\])", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)
    paths = [each for each in json.loads(arguments) if (ROOT / each).is_file()]
    assert paths == ["examples/contoso.ldif"]
    assert let_in(paths[0])


def test_each_extra_that_it_has_is_one() -> None:
    (extras,) = re.findall(r"sasl-digest\[(.*)\]", DOCKERFILE)
    assert set(extras.split(",")) <= set(SETTINGS["options.extras_require"])


def test_nothing_else_is_let_in() -> None:
    assert LINES[LINES.index("*") + 1].startswith("!")
    assert {path for path in LET_IN if not (ROOT / path).exists()} == set()
