"""The examples for other languages: a server that a test of theirs starts, asks and stops."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import QUICKLY, absent, tool
from tests.interop.server import CONTOSO, ENVIRONMENT, ROOT

EXAMPLES = ROOT / "examples" / "other_languages"
OKS = "ok   the right password is let in\nok   a wrong one is not\nok   and the audit says why\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With `ldapserver` on the PATH, as it is where it was installed: this checkout's."""
    command = tmp_path / "bin" / "ldapserver"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m ldapserver "$@"\n')
    command.chmod(0o755)
    return ENVIRONMENT | {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}


def ran(*command: str, folder: Path, environment: dict[str, str]) -> str:
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_bash(environment: dict[str, str]) -> None:
    tool("ldapwhoami")
    assert ran("bash", "login_test.sh", folder=EXAMPLES / "bash", environment=environment) == OKS


def test_node(environment: dict[str, str], tmp_path: Path) -> None:
    npm = tool("npm")
    folder = tmp_path / "examples" / "other_languages" / "node"
    shutil.copytree(EXAMPLES / "node", folder)
    shutil.copy(CONTOSO, tmp_path / "examples")
    install = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, capture_output=True, timeout=100
    )
    if install.returncode != 0:
        absent("the package ldapts, which npm could not get,")
    output = ran(npm, "test", folder=folder, environment=environment)
    assert "pass 2\n" in output
    assert "fail 0\n" in output


def test_java(environment: dict[str, str]) -> None:
    assert ran(tool("java"), *QUICKLY, "LoginTest.java", folder=EXAMPLES / "java", environment=environment) == OKS
