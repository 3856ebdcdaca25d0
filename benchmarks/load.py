"""One operation after the other on many connections: by a compiled `bindload`, or by our own client."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.process import Listening

DIGEST, SIMPLE, SEARCH = "digest", "simple", "search"
CONNECT_DIGEST, CONNECT_SIMPLE = "connect+digest+unbind", "connect+simple+unbind"
WARM_UP = 0.4  # seconds that are not measured


@dataclass(frozen=True)
class Load:
    """What a run came to: operations, seconds, and CPU of the server per operation (microseconds)."""

    operations: int
    seconds: float
    server_cpu_us: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds


@dataclass(frozen=True)
class Order:
    """What to do: the mode, on how many connections, by how many users; `verified` is whether rspauth is one."""

    mode: str
    connections: int
    users: int
    seconds: float
    verified: bool = True


Driver = Callable[[Listening, Order], Load]


def by_bindload(path: str) -> Driver:
    """Runs of the compiled load generator at this path."""

    def drive(server: Listening, order: Order) -> Load:
        command = [path, "--port", str(server.port), "--mode", order.mode, "--conns", str(order.connections)]
        command += ["--users", str(order.users), "--duration", str(order.seconds), "--warmup", str(WARM_UP)]
        command += ["--digest-uri", "ldap/localhost", "--server-pid", str(server.pid)]
        command += [] if order.verified else ["--no-verify"]
        command += ["--bind", "simple"] if order.mode == SEARCH else []
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=False, timeout=order.seconds * 4 + 30
        )
        said = json.loads(ended.stdout)
        if said["errors"]:
            raise RuntimeError(f"{order.mode}: {said['errors']} errors, the first: {said['first_error']}")
        return Load(said["ops"], said["seconds"], said["server_cpu_us_per_op"], said["p50_ms"], said["p99_ms"])

    return drive
