"""A shell that does what a page's reader does: commands one after the other, servers left running behind them."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.docs.pages import ROOT

PATIENCE = 60.0  # seconds that one command may take
_PORT = re.compile(r"(?<=:)(389[0-9]|363[0-9])\b")


class Shell:
    """bash in a folder where `.venv`, `examples` and `docs` are those of the project.

    The ports that pages name (3890 to 3899, 3630 to 3639) are others here, that are free.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, str] = {}
        for name, target in (
            (".venv", Path(sys.prefix)),
            ("examples", ROOT / "examples"),
            ("docs", ROOT / "docs"),
            ("Makefile", ROOT / "Makefile"),
        ):
            (folder / name).symlink_to(target)
        path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=os.environ
            | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
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
        return _PORT.sub(lambda found: self._ports.setdefault(found[0], str(_free_port())), text)

    def there(self, text: str) -> str:
        """`text` with the ports that the page names."""
        for named, ours in self._ports.items():
            text = text.replace(f":{ours}", f":{named}")
        return text

    def run(self, command: str) -> tuple[int, str]:
        """The exit status of a command, and what it wrote. One that is left to run is waited for to listen."""
        command = self.here(command)
        mark = f"--{time.monotonic_ns()}--"
        self._in.write(f"{command}\nprintf '%s %s\\n' {mark} $?\n".encode())
        self._in.flush()
        listeners = max(1, command.count("--listen")) if command.rstrip().endswith("&") else 0
        output = self._read(mark, listeners)
        head, _, status = output.rpartition(f"{mark} ")
        status, _, rest = status.partition("\n")
        return int(status), self.there((head + rest).replace(str(self._folder), ".")).rstrip("\n")

    def _read(self, mark: str, listeners: int) -> str:
        """What comes until the mark has, and as many listeners as are due."""
        end = time.monotonic() + PATIENCE
        output = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while f"{mark} ".encode() not in output or output.count(b"listening on ") < listeners:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise TimeoutError(f"still waiting, and there is: {output.decode(errors='replace')}")
                if not (more := self._out.read(65536)):
                    raise EOFError(f"the shell has ended: {output.decode(errors='replace')}")
                output += more
        return output.decode()

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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
