"""A program that speaks SASL in lines of base64, each a message, on its standard input and output."""

import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.interop.server import ENVIRONMENT

REFUSAL = b"!\n"  # what our own drivers of others' libraries say for "no"


@dataclass
class Speaker:
    """The running program; the exit status is there when it has ended."""

    process: subprocess.Popen[bytes]
    status: int | None = None

    def say(self, message: bytes) -> None:
        """Give it a message of the other side."""
        assert self.process.stdin is not None
        self.process.stdin.write(b64encode(message) + b"\n")
        self.process.stdin.flush()

    def line(self) -> bytes:
        """Its next line as it is; nothing when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def hear(self) -> bytes | None:
        """Its next message; None when it has ended, or refuses."""
        line = self.line()
        return b64decode(line, validate=False) if line and line != REFUSAL else None


@contextmanager
def speaking(*command: str) -> Iterator[Speaker]:
    """Start it; it ends with its input."""
    octets, pipe = [word.encode() for word in command], subprocess.PIPE
    with subprocess.Popen(octets, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        # Who waits for a line that never comes is not to wait for ever.
        watchdog = threading.Timer(20, process.kill)
        watchdog.start()
        try:
            speaker = Speaker(process)
            yield speaker
            process.communicate()
            speaker.status = process.returncode
        finally:
            watchdog.cancel()
            process.kill()  # does nothing to one that has ended
