"""Servers and clients of a soak: clients bind as fast as they can, and remember what they were told."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.server import BASE
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
USERS = 20
CLIENTS = 6
PATIENCE = 60  # seconds for what takes a moment

Bind = tuple[int, int, int]  # the server's process, the client's port, the message


@dataclass
class Seen:
    """The binds that clients saw succeed, and how many they saw fail since a record could not be written."""

    binds: list[Bind] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # of each, in nanoseconds of the monotonic clock
    unavailable: int = 0
    faults: list[Exception] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, bind: Bind) -> None:
        """One more success, now."""
        at = time.monotonic_ns()
        with self._changed:
            self.binds.append(bind)
            self.times.append(at)
            self._changed.notify_all()

    def fail(self) -> None:
        """One more that was not recorded."""
        with self._changed:
            self.unavailable += 1
            self._changed.notify_all()

    def fault(self, error: Exception) -> None:
        """Something that no server may do."""
        with self._changed:
            self.faults.append(error)
            self._changed.notify_all()

    def wait(self, *, successes: int = 0, unavailable: int = 0) -> None:
        """Return when there are so many in all. Raises a client's fault, or AssertionError when it takes too long."""
        with self._changed:
            reached = self._changed.wait_for(
                lambda: self.faults or (len(self.binds) >= successes and self.unavailable >= unavailable), PATIENCE
            )
        self.check()
        assert reached, (
            f"only {len(self.binds)} successes of {successes}, {self.unavailable} failures of {unavailable}"
        )

    def check(self) -> None:
        """Raise the first fault of a client."""
        if self.faults:
            raise self.faults[0]


class Client(threading.Thread):
    """One connection that binds as fast as it can, by turns simply and with DIGEST-MD5, until its server is gone.

    With `unavailable` it takes that for an answer, and goes on.
    """

    def __init__(self, pid: int, port: int, seen: Seen, number: int, *, unavailable: bool = False) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._seen = seen
        self._number = number
        self._allowed = {ResultCode.SUCCESS, ResultCode.UNAVAILABLE} if unavailable else {ResultCode.SUCCESS}
        self._framer = Framer(1 << 20)
        self._message_id = 0
        self._socket = socket.create_connection(("127.0.0.1", port))

    def run(self) -> None:
        """Bind until the connection ends."""
        own_port = self._socket.getsockname()[1]
        try:
            with self._socket:
                while True:
                    if self._digest() if self._message_id % 2 else self._simple():
                        self._seen.add((self._pid, own_port, self._message_id))
                    else:
                        self._seen.fail()
        except (ConnectionError, EOFError):
            pass  # that is the end of the server
        except Exception as error:
            self._seen.fault(error)

    def _simple(self) -> bool:
        number = self._number % USERS + 1
        dn = f"uid=user{number},ou=people,{BASE}"
        response = self._ask(BindRequest(3, dn, SimpleAuthentication(b"pass%d" % number)))
        return self._succeeded(response)

    def _digest(self) -> bool:
        number = self._number % USERS + 1
        client = DigestClient(f"user{number}", Password(f"pass{number}"), service="ldap", host="localhost")
        challenge = self._ask(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None)))
        _check(challenge, {ResultCode.SASL_BIND_IN_PROGRESS})
        answer = client.step(challenge.server_sasl_creds or b"")
        assert isinstance(answer, Response)
        response = self._ask(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", answer.data)))
        if not self._succeeded(response):
            assert response.server_sasl_creds is None, "an rspauth without a record"
            return False
        assert isinstance(client.step(response.server_sasl_creds or b""), Success)
        return True

    def _succeeded(self, response: BindResponse) -> bool:
        _check(response, self._allowed)
        return response.result_code == ResultCode.SUCCESS

    def _ask(self, request: BindRequest) -> BindResponse:
        self._message_id += 1
        self._socket.sendall(codec.encode(LDAPMessage(self._message_id, request)))
        while (element := self._framer.next()) is None:
            octets = self._socket.recv(65536)
            if not octets:
                raise EOFError
            self._framer.feed(octets)
        message = codec.decode(element)
        if message.message_id == 0:  # the notice of disconnection
            raise EOFError
        assert message.message_id == self._message_id
        assert isinstance(message.operation, BindResponse)
        return message.operation


def _check(response: BindResponse, allowed: set[ResultCode]) -> None:
    if response.result_code not in allowed:
        raise AssertionError(f"{response.result_code}: {response.diagnostic_message}")


@dataclass
class Server:
    """A server that listens, and the lines it has said so far on standard error."""

    process: subprocess.Popen[bytes]
    port: int
    said: list[str]

    @property
    def pid(self) -> int:
        """Of its process."""
        return self.process.pid

    def load(self, seen: Seen, *, clients: int = CLIENTS, unavailable: bool = False) -> list[Client]:
        """So many clients that bind from now on."""
        started = [Client(self.pid, self.port, seen, number, unavailable=unavailable) for number in range(clients)]
        for client in started:
            client.start()
        return started


@contextmanager
def serving(folder: Path, *options: str, program: Sequence[str] = ("-m", "ldapserver")) -> Iterator[Server]:
    """A server of the users in `folder`; it is killed in the end, if it still runs."""
    pipe, theirs = os.pipe()
    command = [sys.executable, *program, "serve", "--ldif", str(folder / "users.ldif")]
    command += ["--listen", "ldap://127.0.0.1:0", "--host", "localhost", *options]
    process = subprocess.Popen(command, stderr=theirs, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)})
    os.close(theirs)
    stream = os.fdopen(pipe)
    said: list[str] = []
    # What it says must not fill the pipe.
    reader = threading.Thread(target=lambda: said.extend(line.rstrip("\n") for line in stream), daemon=True)
    try:
        for line in stream:
            said.append(line.rstrip("\n"))
            if "listening on" in line:
                break
        else:
            raise RuntimeError(f"the server did not start: exit status {process.wait()}, {said}")
        port = int(said[-1].rpartition(":")[2])
        reader.start()
        yield Server(process, port, said)
    finally:
        process.kill()
        process.wait()
        if reader.ident is not None:
            reader.join(PATIENCE)
        stream.close()
