"""What the pages about `ldp load`, `ldp wdigest`, -v and the terminal show is what is shown."""

import base64
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ldap3
import pytest

from ldapserver.cli.ldp.wire import watch
from ldapserver.testing import Server
from ldapserver.testing import running_server as server_in_thread
from sasl_digest.ldap3 import Credentials, DigestConnection
from sasl_digest.wdigest import forms, hashes, pack
from tests.interop.server import CONTOSO, ENVIRONMENT, U1

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```\n(\$ .*?)^```", re.DOTALL | re.MULTILINE)
# What differs from run to run: numbers, and the nonces of chance.
NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?")
CHANCE = re.compile(
    r"(?<=   (?:nonce |cnonce)       )\S+|(?<=response     )[0-9a-f]{32}|(?<=rspauth      )[0-9a-f]{32}"
)


@pytest.fixture(scope="module")
def contoso() -> Iterator[Server]:
    with server_in_thread(ldif=[str(CONTOSO)]) as server:
        yield server


@pytest.fixture(autouse=True)
def first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """ldap3 counts the messages of all its connections together; from 128 on a message is an octet longer."""
    monkeypatch.setattr(ldap3.Server, "_message_counter", 0)


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Each command that a page shows, and what it says comes of it."""
    for block in BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = command.partition("\n")
            yield line, output


def squeezed(text: str) -> str:
    """Without what differs: numbers, and the columns that are as wide as they are."""
    return re.sub(r" +", " ", NUMBER.sub("N", text))


def expected(output: str) -> str:
    """A regular expression for what a page shows: `...` is any lines."""
    lines = [
        r"(?:.*\n)*?" if line == "..." else re.escape(squeezed(line).strip()) + "\n" for line in output.splitlines()
    ]
    return "".join(lines)


@pytest.mark.parametrize(
    ("page", "number", "line", "output"),
    [(page, at, *each) for page in ("load.md", "wdigest.md") for at, each in enumerate(commands(page))],
    ids=[f"{page}-{at}" for page in ("load.md", "wdigest.md") for at, _ in enumerate(commands(page))],
)
def test_a_command_shows_what_the_page_says(page: str, number: int, line: str, output: str, contoso: Server) -> None:
    value = base64.b64encode(pack(hashes("password", forms("u1", None, "CONTOSO", "contoso.com")))).decode()
    line = line.replace("ldap://127.0.0.1:3890", contoso.url).replace("--duration 5s", "--count 50")
    words = shlex.split(line.replace('"$VALUE"', value))
    environment = dict(ENVIRONMENT)
    while "=" in words[0]:
        name, _, text = words.pop(0).partition("=")
        environment[name] = text
    assert words[0] == "ldp"
    ended = subprocess.run(
        [sys.executable, "-m", "ldapserver.cli.ldp", *words[1:]],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    shown = "".join(f"{squeezed(each).strip()}\n" for each in ended.stdout.splitlines())
    assert re.fullmatch(expected(output), shown), shown


def block(level: int) -> str:
    """What the page shows for -v or -vv."""
    page = (DOCS / "wire-view.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- wire: {level} -->\n```\n(.*?)\n```", page, re.DOTALL)
    assert found is not None
    return found[1]


def without_chance(text: str) -> str:
    return re.sub(
        r"message [0-9]+", "message N", re.sub(r"messageID INTEGER [0-9]+|02 01 0[0-9]", "", CHANCE.sub("*", text))
    )


def test_the_digest_of_the_page_is_what_v_shows(contoso: Server) -> None:
    lines: list[str] = []
    credentials = Credentials("u1", "password", realm="CONTOSO", qop="auth-conf")
    connection = DigestConnection(ldap3.Server(contoso.url, get_info=ldap3.NONE), sasl_credentials=credentials)
    watch(connection, 1, lines.append, colours=False)
    assert connection.bind(read_server_info=False)
    connection.extend.standard.who_am_i()
    connection.unbind()
    assert without_chance("\n".join(lines)) == without_chance(block(1))


def test_the_simple_bind_of_the_page_is_what_vv_shows(contoso: Server) -> None:
    lines: list[str] = []
    connection = DigestConnection(
        ldap3.Server(contoso.url, get_info=ldap3.NONE), user=U1, password="password", authentication=ldap3.SIMPLE
    )
    watch(connection, 2, lines.append, colours=False)
    assert connection.bind(read_server_info=False)
    connection.unbind()
    assert without_chance("\n".join(lines)) == without_chance(block(2))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_completions_of_the_page_are_written_and_read_by_bash(tmp_path: Path) -> None:
    page = (DOCS / "terminal.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    folder = tmp_path / ".local/share/bash-completion/completions"
    folder.mkdir(parents=True)
    environment = {**ENVIRONMENT, "HOME": str(tmp_path), "PYTHON": sys.executable}
    functions = 'ldp() { "$PYTHON" -m ldapserver.cli.ldp "$@"; }\nldapserver() { "$PYTHON" -m ldapserver "$@"; }\n'
    subprocess.run(["bash", "-ec", functions + lines], env=environment, check=True)
    for name in ("ldp", "ldapserver"):
        subprocess.run(["bash", "--norc", "-n", str(folder / name)], check=True)
