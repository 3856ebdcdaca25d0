"""What docs/ldp.md shows is true: each command of it is run, in its order, and says what stands there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.server import ENVIRONMENT, ROOT, U1, running_server
from tests.interop.tls_server import running_tls_server

TEXT = (ROOT / "docs" / "ldp.md").read_text(encoding="utf-8")
ADMIN = f"uid=admin,{U1.partition(',')[2]}"


def commands() -> Iterator[tuple[str, str]]:
    """Each command that is shown behind a prompt, and what is shown below it."""
    for block in re.findall(r"^```\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = piece.partition("\n")
            yield command, output


def pattern(output: str) -> str:
    """A line of dots stands for lines, dots in a line for some of it."""
    return "".join(
        "(?:.*\n)*" if line == "...\n" else re.escape(line).replace(r"\.\.\.", ".*")
        for line in output.splitlines(keepends=True)
    )


def port(url: str) -> str:
    return url.rpartition(":")[2]


def test_each_command_says_what_is_shown(tmp_path: Path) -> None:
    shim = tmp_path / "ldp"
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ldapserver.cli.ldp "$@"\n')
    shim.chmod(0o755)
    (tmp_path / "ad").mkdir()
    with (
        running_tls_server(tmp_path, "--admin", ADMIN) as ours,
        running_server(tmp_path / "ad", "--profile", "ad", "--ad-errors") as ad,
    ):
        ports = {"3890": port(ours.url), "3893": port(ad.url), "3636": port(ours.secure_url)}
        environment = {**ENVIRONMENT, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LDP_PASSWORD": "password"}
        status, run = 0, 0
        for command, output in commands():
            for shown, real in ports.items():
                command, output = command.replace(shown, real), output.replace(shown, real)
            done = subprocess.run(
                ["sh", "-c", f"(exit {status})\n{command}"],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                timeout=30,
                check=False,
            )
            assert re.fullmatch(pattern(output), done.stdout), f"$ {command}\n{done.stdout}"
            status, run = done.returncode, run + 1
    assert run > 15


@pytest.mark.parametrize("command", re.findall(r"^\| `ldp (\w+) URL", TEXT, re.MULTILINE))
def test_each_command_that_is_listed_is_shown(command: str) -> None:
    assert re.search(rf"^\$ .*\bldp {command} ", TEXT, re.MULTILINE)
