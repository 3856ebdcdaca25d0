"""A shell that does what a page's reader does: commands one after the other, servers left running behind them."""

import os
import re
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from shlex import join

from tests.docs.pages import ROOT

PATIENCE = 60.0  # seconds that one command may take
_PORT = re.compile(r"(?<=:)(389[0-9]|363[0-9]|9389)\b")
_STOPS = re.compile(r"kill (%\d+|\$!)")


def environment() -> dict[str, str]:
    """That of a reader: what the run of the suite itself goes by is not there, nor that it is one of a CI's."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LDP_", "LDAP"))}
    ours = {name: value for name, value in ours.items() if name not in ("CI", "BUILD_NUMBER")}
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return ours | {
        "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "120", "NO_COLOR": "1"
    }  # fmt: skip


class Shell:
    """bash in a folder where `.venv`, `examples` and `docs` are those of the project.

    The ports that pages name (3890 to 3899, 3630 to 3639, 9389) are others here, that are free.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, str] = {}
        self._jobs = 0
        for name, target in (
            (".venv", Path(sys.prefix)),
            ("examples", ROOT / "examples"),
            ("docs", ROOT / "docs"),
            ("Makefile", ROOT / "Makefile"),
        ):
            (folder / name).symlink_to(target)
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=environment() | {"HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._in, self._out = self._bash.stdin, self._bash.stdout
        os.set_blocking(self._out.fileno(), False)

    def here(self, text: str) -> str:
        """`text` with the ports of this run."""
        return _PORT.sub(lambda found: self._ports.setdefault(found[0], _free_port()), text)

    def there(self, text: str) -> str:
        """`text` with the ports that the page names."""
        for named, ours in self._ports.items():
            text = re.sub(rf'(?<=[:" ]){ours}\b', named, text)
        return text.replace(str(self._folder), ".")

    def run(self, command: str, answers: Sequence[str] = ()) -> tuple[int, str]:
        """The exit status of a command, and what it wrote, with `answers` typed where it asks for what is not shown.

        One that is left to run is waited for to listen, and one that is told to stop to have ended.
        """
        command = self.here(command)
        if command.rstrip().endswith("&"):
            return self._leave_running(command.rstrip().removesuffix("&"))
        if answers:
            command = join([sys.executable, "-m", "tests.docs.terminal", command, *answers])
        if stopped := _STOPS.fullmatch(command):
            command += f" && {{ wait {stopped[1]}; true; }} 2>/dev/null"
        status, output = self._ask(command)
        return status, self.there(output).rstrip("\n")

    def _leave_running(self, command: str) -> tuple[int, str]:
        """What it writes goes to a file, for it may come at any time. Here is what came until it listened."""
        self._jobs += 1
        log = self._folder / f".job{self._jobs}"
        _, pid = self._ask(f"{command} >{log} 2>&1 &\necho $!")
        end = time.monotonic() + PATIENCE
        listeners = max(1, command.count("--listen"))
        while (output := _text(log)).count("listening on ") < listeners:
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                return 1, f"(it has ended) {_text(log)}"
            if time.monotonic() > end:
                raise TimeoutError(f"it does not listen, and says: {output}")
            time.sleep(0.01)
        return 0, self.there(output).rstrip("\n")

    def _ask(self, command: str) -> tuple[int, str]:
        """`$?` is as the command left it, for the next one."""
        mark = f"--{time.monotonic_ns()}--"
        self._in.write(f"{command}\nstatus=$?; printf '%s %s\\n' {mark} $status; (exit $status)\n".encode())
        self._in.flush()
        end = time.monotonic() + PATIENCE
        output = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while not (found := re.search(rf"{mark} (\d+)\n".encode(), output)):
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise TimeoutError(f"still waiting, and there is: {output.decode(errors='replace')}")
                if not (more := self._out.read(65536)):
                    raise EOFError(f"the shell has ended: {output.decode(errors='replace')}")
                output += more
        return int(found[1]), output[: found.start()].decode()

    def close(self) -> None:
        """End it, and all that it left running."""
        os.killpg(self._bash.pid, signal.SIGTERM)
        self._in.close()
        try:
            self._bash.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._bash.pid, signal.SIGKILL)
            self._bash.wait()
        self._out.close()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _free_port() -> str:
    """One that the system gives to nobody by itself, so that nobody else gets it until it is listened at."""
    while True:
        port = 15000 + secrets.randbelow(15000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return str(port)
