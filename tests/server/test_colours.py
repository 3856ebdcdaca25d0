"""Who gets colours, and who gets plain text: decided in one place, and seen from outside in every command."""

import io
import re
import sys
from collections.abc import Sequence

import pytest

from ldapserver.cli.tables import Table, lines
from ldapserver.terminal import Paint, console, has_colours, is_dumb, is_terminal
from ldapserver.testing import running_server
from tests.interop.server import CONTOSO
from tests.server.terminal import at_a_terminal

NAMES = ["wdigest", "u1", "--netbios", "CONTOSO", "--dns", "contoso.com", "--no-hashes"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "colours"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=["ordinary", "NO_COLOR", "empty-NO_COLOR", "dumb"],
)
def test_a_terminal_has_colours_unless_somebody_wants_none(
    environment: dict[str, str], colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = Terminal()
    assert has_colours(screen) is colours
    console(screen).print("[bold red]text[/]")
    assert ("\x1b" in screen.getvalue()) is colours
    assert is_dumb() is (environment.get("TERM") == "dumb")


def test_what_is_no_terminal_has_no_colours() -> None:
    assert not has_colours(io.StringIO())
    assert not is_terminal(io.StringIO())
    assert Paint(False)("text", "red") == "text"
    assert Paint(True)("text", "red") == "\x1b[31mtext\x1b[0m"


def test_plain_columns_are_as_wide_as_what_is_in_them() -> None:
    table = Table(("n", "name", "rest"), (("1", "long name", "x"), ("10", "b", "")), frozenset({"n"}), "Title")
    assert lines(table) == ["Title", " n  name       rest", " 1  long name  x", "10  b"]


def command(program: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", program, *arguments]


def test_the_rate_of_a_load_is_shown_at_a_terminal_while_it_lasts() -> None:
    with running_server(ldif=[str(CONTOSO)]) as server:
        load = ["load", server.url, "--users", "u1:password,u1:wrong", "--rate", "20", "--count", "8"]
        status, screen = at_a_terminal(["env", "TERM=xterm", *command("ldapserver.cli.ldp", load)])
    assert status == 49
    assert re.search(r" binds/s .* done .* failed .*p50 [0-9.]+ ms +p99 [0-9.]+ ms", screen)
    assert "invalidCredentials (49)" in screen


@pytest.mark.parametrize("no_color", [False, True], ids=["colours", "NO_COLOR"])
def test_a_command_at_a_terminal_has_colours_unless_told_otherwise(no_color: bool) -> None:
    wanted = ["env", "TERM=xterm", "NO_COLOR=1"] if no_color else ["env", "-u", "NO_COLOR", "TERM=xterm"]
    status, screen = at_a_terminal([*wanted, *command("ldapserver.cli.ldp", NAMES)])
    assert status == 0
    assert "CONTOSO\\u1" in screen
    assert ("\x1b[" in screen) is not no_color
