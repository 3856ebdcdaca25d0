"""docs/explain.md is true: its commands print what it shows, its program runs, its operation is ours."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ldapserver.cli.ldp import main
from ldapserver.explaining import EXPLAIN
from ldapserver.hosting.options import read_options
from ldapserver.testing import running_server
from tests.engine.induced import CHALLENGE, SENT, exchange

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "explain.md").read_text("utf-8")
BLOCKS = re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```", DOCUMENT)
RUN = [(command, shown) for command, shown in BLOCKS if command.startswith("ldp ")]
# In `...` stands what is not shown.
SECRETS = {"secret.txt": "Sesame-7", "other.txt": "Open-8", "u1.txt": "password"}


def is_shown(out: str, shown: str) -> bool:
    pattern = "".join("(?:.*\n)*" if line == "...\n" else re.escape(line) for line in shown.splitlines(keepends=True))
    return re.fullmatch(pattern, out) is not None


@pytest.mark.parametrize(("command", "shown"), RUN, ids=[str(number) for number in range(len(RUN))])
def test_each_command_prints_what_is_shown(
    command: str,
    shown: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in re.findall(r"<!-- file: (.*) -->\n```\n((?:.*\n)*?)```", DOCUMENT):
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    words, _, file = command.removeprefix("ldp ").partition(" < ")
    for module in ("login", "ldp.explain"):
        monkeypatch.setattr(f"ldapserver.cli.{module}.from_stdin", lambda: SECRETS[file])
    settings: dict[str, Any] = {
        "ldif": str(ROOT / "examples" / "contoso.ldif"),
        "netbios": "CONTOSO",
        "host": "dc1.contoso.com",
    }
    with running_server(explain=True, **settings) as server:
        main(shlex.split(words.replace("ldap://127.0.0.1:3890", server.url)))
    out, err = capsys.readouterr()
    assert is_shown(out, shown), out
    assert err == ""


def test_there_are_commands_of_both_kinds() -> None:
    assert {command.split()[1] for command, _ in RUN} == {"bind", "explain"}


def test_the_server_takes_the_options_shown() -> None:
    (served,) = [command for command, _ in BLOCKS if command.startswith("ldapserver serve ")]
    options = read_options(shlex.split(served)[2:])
    assert options.explain
    assert (ROOT / options.ldif[0]).exists()


def test_the_operation_shown_is_ours() -> None:
    assert f"`{EXPLAIN}`" in DOCUMENT


def test_the_program_prints_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n((?:.*\n)*?)```", DOCUMENT)
    found = exchange(SENT, SENT.hashing(session="hex"))
    exec(program, {"response": found.response, "challenge": CHALLENGE})
    assert capsys.readouterr().out.startswith(
        "The client hashed A1 with H(user:realm:password) in hexadecimal digits"
    )
