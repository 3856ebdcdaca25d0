"""What the operating system says that a process and those it has started have used, and how one is told to listen."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
PATIENCE = 60.0  # seconds that a server may take to start, or to stop


def family(pid: int) -> list[int]:
    """The process and its descendants, those that are still there."""
    found = [pid]
    for parent in found:
        for thread in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                found += map(int, thread.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of all of them so far, with that of children that ended; in steps of a clock tick."""
    ticks = 0
    for each in family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICK


def resident_mib(pid: int) -> float:
    """Memory of all of them in use now; what they share is counted for each."""
    return sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in family(pid)) * _PAGE / 2**20


def descriptors(pid: int) -> int:
    """How many files, sockets among them, all of them have open."""
    return sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in family(pid))


def hold_on_core(pid: int, core: int) -> None:
    """Let the threads of all of them, and those they start from now on, run on this core alone."""
    for each in family(pid):
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def allow_descriptors(count: int) -> None:
    """Let this process, and those it starts, open so many. Raises RuntimeError where the system does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        enough = hard == resource.RLIM_INFINITY or hard >= count
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard if enough else count))
        except (ValueError, OSError):
            raise RuntimeError(f"{count} open files are due, and this system allows {hard} (ulimit -Hn)") from None


@dataclass(frozen=True)
class Listening:
    """A process that listens on a port of the loopback address; when it was started, by `time.perf_counter`."""

    pid: int
    port: int
    started: float

    def cpu_seconds(self) -> float:
        """See `cpu_seconds`."""
        return cpu_seconds(self.pid)

    def resident_mib(self) -> float:
        """See `resident_mib`."""
        return resident_mib(self.pid)


@contextlib.contextmanager
def announced(command: Sequence[str]) -> Iterator[Listening]:
    """A program that writes the port it listens on to standard output, until the `with` block ends."""
    started = time.perf_counter()
    with (
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process,
        ended(process),
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip().isdecimal():
            raise RuntimeError(f"{' '.join(command)}: it did not start: exit status {process.wait(PATIENCE)}")
        yield Listening(process.pid, int(line), started)


@contextlib.contextmanager
def at_port(command: Sequence[str], port: int) -> Iterator[Listening]:
    """A program that is told a port, once it takes connections there, until the `with` block ends."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process, ended(process):
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            if process.poll() is not None or time.perf_counter() > started + PATIENCE:
                raise RuntimeError(f"{' '.join(command)}: it did not start: exit status {process.returncode}")
            time.sleep(0.002)
        yield Listening(process.pid, port, started)


@contextlib.contextmanager
def ended(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    """Told to stop when the `with` block ends, and waited for."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            print(f"{process.args!r}: it did not stop when told to", file=sys.stderr)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
