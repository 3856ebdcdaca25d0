"""What docs/building.md and docs/twisted.md show works as it is shown."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ldapserver.testing import Server

DOCS = Path(__file__).parents[2] / "docs"
BUILDING = (DOCS / "building.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for each, block in found if each == language]


PYTHON: dict[str, Any] = {}
for each in blocks(BUILDING, "python"):
    exec(each, PYTHON)
TESTS = {name: value for name, value in PYTHON.items() if name.startswith("test_")}


@pytest.mark.parametrize("name", TESTS)
def test_each_example_of_building_works(
    name: str,
    ldap_server: Server,
    ldap_server_factory: Callable[..., Server],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (yaml,) = blocks(BUILDING, "yaml")
    Path("people.yaml").write_text(yaml, encoding="utf-8")
    fixtures = {"ldap_server": ldap_server, "ldap_server_factory": ldap_server_factory}
    example = TESTS[name]
    wanted = example.__code__.co_varnames[: example.__code__.co_argcount]
    example(**{fixture: fixtures[fixture] for fixture in wanted})
    output = capsys.readouterr().out
    assert not output or output in blocks(BUILDING, "")


def test_the_error_of_the_page_is_the_one_that_is_told(
    ldap_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (yaml,) = blocks(BUILDING, "yaml")
    wrong = re.sub(r"bob: builder .*", "bob: {disabled: maybe}", yaml)
    Path("people.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ValueError, match="disabled") as raised:
        ldap_server.load("people.yaml")
    assert f"`{raised.value}`" in BUILDING


def test_the_service_of_the_page_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (program,) = blocks((DOCS / "twisted.md").read_text(encoding="utf-8"), "python")
    exec(program, names)
    assert names["server"].running == 0
    names["server"].stopService()
    assert names["program"].services == [names["server"]]


@pytest.mark.parametrize("page", ["building.md", "twisted.md"])
def test_each_file_that_a_page_links_to_exists(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (DOCS / target).exists(), target
