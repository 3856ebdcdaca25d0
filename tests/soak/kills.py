"""Kill -9 under load, again and again: `python -m tests.soak.kills KILLS`.

Whatever a client saw succeed has its event 4776, no record stands twice, and no record id is missing, over all the
servers that wrote one log and were killed, in both modes of durability.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.server import BASE, write_users
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
    SimpleAuthentication,
)
from sasl_digest import DigestClient, Password, Response, Success

ROOT = Path(__file__).parents[2]
MODES: dict[str, tuple[str, ...]] = {"in the kernel's hands": (), "on stable storage": ("--audit-sync",)}
USERS = 20
CLIENTS = 6
MOST = 250  # successes before a kill

Bind = tuple[int, int, int]  # the server's process, the client's port, the message


@dataclass
class Seen:
    """The binds that clients saw succeed, and the moment when they are enough."""

    enough: int
    binds: list[Bind] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)

    def add(self, bind: Bind) -> None:
        """One more."""
        self.binds.append(bind)
        if len(self.binds) >= self.enough:
            self.reached.set()


class Client(threading.Thread):
    """One connection that binds as fast as it can, by turns simply and with DIGEST-MD5, until its server is gone."""

    def __init__(self, pid: int, port: int, seen: Seen, number: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._seen = seen
        self._number = number
        self._framer = Framer(1 << 20)
        self._message_id = 0
        self._socket = socket.create_connection(("127.0.0.1", port))
        self.fault: Exception | None = None

    def run(self) -> None:
        """Bind until the connection breaks; what else goes wrong is kept in `fault`."""
        own_port = self._socket.getsockname()[1]
        try:
            with self._socket:
                while True:
                    self._digest() if self._message_id % 2 else self._simple()
                    self._seen.add((self._pid, own_port, self._message_id))
        except (ConnectionError, EOFError):
            pass  # that is the kill
        except Exception as error:
            self.fault = error
            self._seen.reached.set()

    def _simple(self) -> None:
        number = self._number % USERS + 1
        dn = f"uid=user{number},ou=people,{BASE}"
        response = self._ask(BindRequest(3, dn, SimpleAuthentication(b"pass%d" % number)))
        _check(response, ResultCode.SUCCESS)

    def _digest(self) -> None:
        number = self._number % USERS + 1
        client = DigestClient(f"user{number}", Password(f"pass{number}"), service="ldap", host="localhost")
        challenge = self._ask(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None)))
        _check(challenge, ResultCode.SASL_BIND_IN_PROGRESS)
        answer = client.step(challenge.server_sasl_creds or b"")
        assert isinstance(answer, Response)
        response = self._ask(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", answer.data)))
        _check(response, ResultCode.SUCCESS)
        assert isinstance(client.step(response.server_sasl_creds or b""), Success)

    def _ask(self, request: BindRequest) -> BindResponse:
        self._message_id += 1
        self._socket.sendall(codec.encode(LDAPMessage(self._message_id, request)))
        while (element := self._framer.next()) is None:
            octets = self._socket.recv(65536)
            if not octets:
                raise EOFError
            self._framer.feed(octets)
        response = codec.decode(element).operation
        assert isinstance(response, BindResponse)
        return response


def _check(response: BindResponse, code: ResultCode) -> None:
    if response.result_code != code:
        raise AssertionError(f"{response.result_code}: {response.diagnostic_message}")


@contextmanager
def serving(folder: Path, log: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server of that log, and its port; it is killed in the end, if it still runs."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    pipe, theirs = os.pipe()
    command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(folder / "users.ldif")]
    command += ["--listen", "ldap://127.0.0.1:0", "--host", "localhost", "--audit", str(log), *options]
    process = subprocess.Popen(command, stderr=theirs, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)})
    os.close(theirs)
    try:
        with os.fdopen(pipe) as said:
            port = next((int(line.rpartition(":")[2]) for line in said if "listening on" in line), None)
            if port is None:
                raise RuntimeError(f"the server did not start: exit status {process.wait()}")
            # What else it says must not fill the pipe.
            threading.Thread(target=said.read, daemon=True).start()
            yield process, port
    finally:
        process.kill()
        process.wait()


def kill(folder: Path, log: Path, enough: int, *options: str) -> list[Bind]:
    """Serve, let clients bind until `enough` were seen to succeed, and kill the server at once; what they saw."""
    seen = Seen(enough)
    with serving(folder, log, *options) as (process, port):
        clients = [Client(process.pid, port, seen, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        reached = seen.reached.wait(timeout=60)
        process.send_signal(signal.SIGKILL)
        for client in clients:
            client.join()
    faults = [client.fault for client in clients if client.fault is not None]
    if faults:
        raise faults[0]
    assert reached, f"only {len(seen.binds)} binds of {enough}"
    return seen.binds


def events(log: Path) -> Iterator[tuple[int, Bind, str]]:
    """Record id, bind and Status of every event 4776 of the log and of what was rotated out of it, oldest first."""
    for path in (*sorted(log.parent.glob(f"{log.name}-*")), log):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            winlog = record.get("winlog")
            if winlog is not None:
                bind = winlog["process"]["pid"], record["source"]["port"], record["ldap"]["message_id"]
                yield int(winlog["record_id"]), bind, winlog["event_data"]["Status"]


def check(log: Path, seen: list[Bind]) -> str:
    """Raise AssertionError where something is lost, doubled or missing; else what was looked at, in words."""
    found = list(events(log))
    ids = [record_id for record_id, _, _ in found]
    assert ids == list(range(1, len(ids) + 1)), f"record ids: {_unlike(ids)}"
    times = Counter(bind for _, bind, _ in found)
    doubled = [bind for bind, count in times.items() if count > 1]
    assert not doubled, f"recorded twice: {doubled[:3]}"
    succeeded = {bind for _, bind, status in found if status == "0x0"}
    lost = [bind for bind in seen if bind not in succeeded]
    assert not lost, f"{len(lost)} binds were seen to succeed and are not in the log, the first {lost[0]}"
    return f"{len(seen)} successes seen, {len(found)} events, ids 1 to {len(ids)}"


def _unlike(ids: list[int]) -> str:
    at = next(at for at, record_id in enumerate(ids) if record_id != at + 1)
    return f"{ids[max(0, at - 2) : at + 3]} where {at + 1} is due"


def run(kills: int, folder: Path, seed: int, *options: str) -> str:
    """So many kills of servers of one log, and one that ends in peace; what was looked at, in words."""
    chance = random.Random(seed)
    log = folder / "audit.jsonl"
    write_users(folder / "users.ldif", USERS)
    seen: list[Bind] = []
    for _ in range(kills):
        seen += kill(folder, log, chance.randint(1, MOST), *options)
    # A line that was torn is put aside by the next who opens the log.
    with serving(folder, log, *options) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    return check(log, seen)


def main(arguments: list[str]) -> int:
    """Kill so many servers in each mode; the exit status."""
    kills = int(arguments[0]) if arguments else 50
    for mode, options in MODES.items():
        seed = random.randrange(1 << 32)
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{kills} kills, records {mode}: {run(kills, Path(folder), seed, *options)}", flush=True)
            except AssertionError as wrong:
                print(f"{kills} kills, records {mode}, seed {seed}: {wrong}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
