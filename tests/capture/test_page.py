"""What docs/capture.md shows is so."""

import io
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ldapserver.capture.conversation import End
from ldapserver.capture.messages import messages
from ldapserver.capture.recording import parse_recording
from ldapserver.capture.summary import summary
from tests.capture.test_replay import FOUND, session
from tests.interop.server import ENVIRONMENT, ROOT

PAGE = (ROOT / "docs" / "capture.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    """What stands behind `<!-- example: name -->`."""
    found = re.search(rf"<!-- example: {name} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_the_session_goes_as_shown(tmp_path: Path) -> None:
    """Each command, with ports of its own in place of those shown."""
    text = example("session").replace(":3890", f":{free_port()}").replace(":3899", f":{free_port()}")
    ours = f"{shlex.quote(sys.executable)} -m ldapserver"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    jobs: list[subprocess.Popen[bytes]] = []
    with ExitStack() as running:
        for shown in text.removeprefix("$ ").split("\n$ "):
            command, _, output = shown.partition("\n")
            words = re.sub(r"(^|[|] )ldapserver ", rf"\1{ours} ", command)
            options: dict[str, Any] = {"cwd": tmp_path, "env": ENVIRONMENT, "shell": True, "executable": "/bin/bash"}
            if command.endswith(" &"):
                # In a process group of its own, for the shell that runs it is not who listens.
                job = subprocess.Popen(words[:-2], stderr=subprocess.PIPE, start_new_session=True, **options)
                running.enter_context(job)
                running.callback(end, job)
                jobs.append(job)
                assert job.stderr is not None
                while b"listening on" not in (line := job.stderr.readline()):
                    assert line, command
            elif command.startswith("kill %"):
                end(jobs[int(command[-1]) - 1])
            else:
                done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)
                assert (done.stdout, done.returncode) == (output.rstrip("\n") + "\n", 0), done.stderr


def end(job: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, to it and what it started."""
    if job.poll() is None:
        os.killpg(job.pid, signal.SIGTERM)
        job.wait(timeout=30)


def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    found: list[list[str]] = []
    exec(example("python"), {"client_under_test": lambda url: found.append(session(url))})
    assert found == [FOUND, FOUND]


def test_the_file_shown_is_one() -> None:
    text = example("file")
    (said,) = parse_recording(io.BytesIO(text.encode()), "docs/capture.md").conversations
    words = [f"  # {line}" for read in messages(said) for line in summary(read)]
    assert words == re.findall(r"  # .*", text)
    assert said.pieces[-1].end is End.CLOSED
