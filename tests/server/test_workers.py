"""`ldapserver serve --workers N` as it is run: real processes, which are killed, told to stop and left alone."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ldapserver.cli.events import main as events
from ldapserver.hosting.loops import loop_name
from ldapserver.wire.messages import (
    AddRequest,
    BindResponse,
    Change,
    DelRequest,
    ExtendedRequest,
    ExtendedResponse,
    LDAPResult,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    Operation,
    PartialAttribute,
    ResultCode,
    SearchResultDone,
    SearchResultEntry,
)
from sasl_digest import DigestChallenge
from tests.interop.server import ENVIRONMENT
from tests.server.stage import LDIF, U1, WHO_AM_I, digest_response, sasl, search, simple
from tests.server.test_serve import Client, Running, certified

COUNT = 2
MANY = 300  # connections that do not all fall to one of two workers by chance: once in 2^299 runs
READ_ONLY = "the directory is read-only: several workers serve it, and none would know of another's change"
PASSWORD_MODIFY = ExtendedRequest("1.3.6.1.4.1.4203.1.11.1")


@dataclass
class Crew(Running):
    """A server of several processes; `pids` are the workers'."""

    pids: list[int] = field(default_factory=list)
    folder: Path = Path()

    def log(self, worker: int) -> Path:
        return self.folder / f"audit.{worker}.jsonl"

    def records(self, worker: int) -> list[dict[str, Any]]:
        log = self.log(worker)
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def serving(self, client: Client) -> int:
        """Which worker has this connection: the one whose log has a record by a name that nobody else has."""
        name = f"nobody-{id(client)}-{len(self.clients)}"
        assert client.bind(simple(name, "x")) == ResultCode.INVALID_CREDENTIALS
        (worker,) = [each for each in range(1, len(self.pids) + 1) if name in self.log(each).read_text()]
        return worker

    def connect_to(self, worker: int, at: int = 0) -> Client:
        for _ in range(MANY):
            client = self.connect(at)
            if self.serving(client) == worker:
                return client
            client.socket.close()
        raise AssertionError(f"no connection fell to worker {worker}")

    def kill(self, worker: int, number: int = signal.SIGKILL) -> None:
        os.kill(self.pids[worker - 1], number)

    def replaced(self, worker: int) -> None:
        """Wait until another serves in its place."""
        line = self.until("serves in its place")
        begin, _, rest = line.partition(" (pid ")
        assert begin == f"ldapserver: worker {worker}"
        self.pids[worker - 1] = int(rest.partition(")")[0])


Start = Callable[..., Crew]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server of workers, and waits until it has said how many there are."""
    started: list[Crew] = []
    ldif = tmp_path / "contoso.ldif"
    ldif.write_text(LDIF, "utf-8")

    def run(*arguments: str, listen: tuple[str, ...] = ("ldap://127.0.0.1:0",), count: int = COUNT) -> Crew:
        command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(ldif), "--workers", str(count)]
        command += ["--host", "dc1.contoso.com", *arguments]
        for url in listen:
            command += ["--listen", url]
        if "--audit" not in arguments:
            command += ["--audit", str(tmp_path / "audit.jsonl")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        crew = Crew(process, folder=tmp_path)
        started.append(crew)
        crew.urls = [crew.until("listening on").partition("listening on ")[2] for _ in listen]
        words = crew.until(f"{count} workers, pids ").partition("pids ")[2]
        crew.pids = [int(pid) for pid in words.partition(",")[0].split()]
        assert len(set(crew.pids)) == count
        return crew

    yield run
    for crew in started:
        crew.close()


def ended(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watched], [], [], 30)[0], f"{pid} goes on"
    finally:
        os.close(watched)


def digest(client: Client, name: str = "u1", password: str = "password") -> int:
    challenge = client.ask(sasl())
    assert isinstance(challenge, BindResponse)
    return client.bind(sasl(digest_response(challenge.server_sasl_creds or b"", name, password)))


def numbers(crew: Crew, worker: int) -> list[int]:
    return [int(each["winlog"]["record_id"]) for each in crew.records(worker) if "winlog" in each]


def epolls(pid: int) -> int:
    """How many epolls a process has."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed by now
            count += os.readlink(descriptor).endswith("[eventpoll]")
    return count


# Serving


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are listed on Linux")
def test_each_waits_with_an_epoll_that_no_other_process_has(start: Start) -> None:
    """One from before the fork would be told of the sockets of all."""
    crew = start()
    assert epolls(crew.process.pid) == 0
    assert all(epolls(pid) for pid in crew.pids)


def test_all_workers_answer_and_each_numbers_its_own_log(start: Start, tmp_path: Path) -> None:
    ready, path = tmp_path / "ready", tmp_path / "socket"
    listen = ("ldap://127.0.0.1:0", f"ldapi://{str(path).replace('/', '%2F')}")
    crew = start("--ready-file", str(ready), listen=listen)
    # Each URL once, whatever listens there.
    assert ready.read_text() == "".join(f"{url}\n" for url in crew.urls)
    logs = f"each with its own {tmp_path / 'audit.N.jsonl'}"
    assert crew.lines == [
        *(f"ldapserver: {loop_name('auto')}: listening on {url}" for url in crew.urls),
        f"ldapserver: 2 workers, pids {crew.pids[0]} {crew.pids[1]}, {logs}; the directory is read-only",
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    for worker in range(1, COUNT + 1):
        client = crew.connect_to(worker)
        assert digest(client) == ResultCode.SUCCESS
        assert isinstance(client.ask(search(U1)), SearchResultEntry)
        done = client.next()
        assert done is not None
        assert isinstance(done.operation, SearchResultDone)
        # Whose process it is, the record says too.
        record = crew.records(worker)[-1]
        assert record["winlog"]["event_data"]["TargetUserName"] == "u1"
        assert record["winlog"]["process"]["pid"] == crew.pids[worker - 1]
    assert digest(crew.connect(1)) == ResultCode.SUCCESS  # at the Unix socket
    assert crew.stop() == 0
    assert crew.lines[len(listen) + 1 :] == ["ldapserver: stopping"]
    for worker in range(1, COUNT + 1):
        found = numbers(crew, worker)
        assert found == list(range(1, len(found) + 1))
    assert not (tmp_path / "audit.jsonl").exists()
    assert not ready.exists()
    assert not path.exists()


def test_the_logs_are_read_as_one_and_each_event_names_its_own(
    start: Start, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    crew = start()
    order = [2, 1, 1, 2]
    names = [f"user{at}" for at in range(len(order))]
    clients = {worker: crew.connect_to(worker) for worker in set(order)}
    for worker, name in zip(order, names, strict=True):
        clients[worker].bind(simple(name, "x"))
    assert crew.stop() == 0
    logs = [str(crew.log(worker)) for worker in (1, 2)]
    assert events(["--json", *logs, *(word for name in names for word in ("--user", name))]) == 0
    shown = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [each["winlog"]["event_data"]["TargetUserName"] for each in shown] == names
    assert [each["log"]["file"]["path"] for each in shown] == [logs[worker - 1] for worker in order]


def test_logons_of_different_workers_have_different_ids(start: Start) -> None:
    crew = start("--events", "logon")
    for worker in (1, 2):
        client = crew.connect_to(worker)
        for _ in range(3):
            assert digest(client) == ResultCode.SUCCESS
    assert crew.stop() == 0
    remainders = []
    for worker in (1, 2):
        logons = [each["winlog"] for each in crew.records(worker) if each["event"]["code"] == "4624"]
        ids = [int(each["event_data"]["TargetLogonId"], 16) for each in logons]
        assert len(set(ids)) == 3
        remainders.append({each % COUNT for each in ids})
    assert remainders == [{0}, {1}]


def test_tls_by_every_worker_with_one_certificate(start: Start, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    listen = ("ldap://127.0.0.1:0", "ldaps://127.0.0.1:0")
    crew = start("--tls", "auto", "--tls-ca-out", str(ca), listen=listen)
    found = set()
    for _ in range(MANY):
        found.add(crew.serving(crew.connect_tls(ca, 1)))
        if len(found) == COUNT:
            break
    assert found == {1, 2}


# Nobody writes

WRITES: dict[str, Operation] = {
    "add": AddRequest("uid=new,dc=contoso,dc=com", (PartialAttribute("objectClass", (b"account",)),)),
    "modify": ModifyRequest(U1, (Change(ModifyOperation.REPLACE, PartialAttribute("description", (b"x",))),)),
    "own password": ModifyRequest(U1, (Change(ModifyOperation.REPLACE, PartialAttribute("userPassword", (b"x",))),)),
    "delete": DelRequest(U1),
    "rename": ModifyDNRequest(U1, "uid=u9", True),
    "Password Modify": PASSWORD_MODIFY,
}


def test_nobody_writes_and_is_told_why(start: Start) -> None:
    crew = start("--admin", U1)
    client = crew.connect()
    for bind in (simple(), simple(U1, "password")):  # anonymous, and the administrator
        assert client.bind(bind) == ResultCode.SUCCESS
        for name, request in WRITES.items():
            response = client.ask(request)
            assert isinstance(response, LDAPResult), name
            told = (response.result_code, response.diagnostic_message)
            assert told == (ResultCode.UNWILLING_TO_PERFORM, READ_ONLY), name
    # What changes nothing is done.
    assert isinstance(client.ask(ExtendedRequest(WHO_AM_I)), ExtendedResponse)


# Nonces


def test_a_response_to_another_workers_challenge_is_no_wrong_password(start: Start) -> None:
    crew = start()
    first, second = crew.connect_to(1), crew.connect_to(2)
    challenge, other = first.ask(sasl()), second.ask(sasl())
    assert isinstance(challenge, BindResponse)
    assert isinstance(other, BindResponse)
    before = len(crew.records(2))
    response = digest_response(challenge.server_sasl_creds or b"", "u1", "password")
    assert second.bind(sasl(response)) == ResultCode.INVALID_CREDENTIALS
    (record,) = crew.records(2)[before:]
    assert (record["event"]["code"], record["ldap"]["reason"]) == ("sasl-exchange", "nonce-foreign")
    # The challenge of the one that is asked leads in.
    assert digest(second) == ResultCode.SUCCESS


@pytest.mark.parametrize("remember", [True, False])
def test_who_comes_back_to_another_worker_gets_a_fresh_challenge(start: Start, remember: bool) -> None:
    crew = start(*(["--remember", "1h"] if remember else []))
    first, second = crew.connect_to(1), crew.connect_to(2)
    challenge = first.ask(sasl())
    assert isinstance(challenge, BindResponse)
    known = challenge.server_sasl_creds or b""
    assert first.bind(sasl(digest_response(known, "u1", "password"))) == ResultCode.SUCCESS
    before = len(crew.records(2))
    again = second.ask(sasl(digest_response(known, "u1", "password", nc="00000002")))
    assert isinstance(again, BindResponse)
    assert again.result_code is ResultCode.SASL_BIND_IN_PROGRESS
    fresh = again.server_sasl_creds or b""
    assert DigestChallenge.parse(fresh).nonce != DigestChallenge.parse(known).nonce
    assert not DigestChallenge.parse(fresh).stale
    assert second.bind(sasl(digest_response(fresh, "u1", "password"))) == ResultCode.SUCCESS
    told = [(each["event"]["code"], each["ldap"]["reason"]) for each in crew.records(2)[before:]]
    foreign = [("sasl-exchange", "nonce-foreign")] if remember else []
    assert told == [*foreign, ("4776", None)]


# Dying


def test_a_killed_worker_is_replaced_and_its_log_goes_on(start: Start, tmp_path: Path) -> None:
    crew = start(listen=("ldap://127.0.0.1:0", f"ldapi://{str(tmp_path / 'socket').replace('/', '%2F')}"))
    other = crew.connect_to(1)
    client = crew.connect_to(2)
    killed = crew.pids[1]
    crew.kill(2)
    assert client.next() is None
    line = crew.until("takes its place")
    assert line == f"ldapserver: worker 2 (pid {killed}) was killed by SIGKILL; another takes its place"
    crew.replaced(2)
    assert digest(crew.connect_to(2)) == ResultCode.SUCCESS
    assert digest(other) == ResultCode.SUCCESS  # which has noticed nothing
    # Who is told to go, and not by the one that started it, is replaced too.
    crew.kill(1, signal.SIGTERM)
    assert other.next() is not None  # the notice
    assert crew.until("worker 1").startswith(f"ldapserver: worker 1 (pid {crew.pids[0]}) ended with status 0;")
    crew.replaced(1)
    assert digest(crew.connect(1)) == ResultCode.SUCCESS  # it has not taken the Unix socket with it
    assert crew.stop() == 0
    for worker in (1, 2):
        found = numbers(crew, worker)
        assert len(found) >= 2
        assert found == list(range(1, len(found) + 1))


def test_connections_to_a_worker_that_died_are_answered_by_its_successor(start: Start) -> None:
    crew = start()
    # Stopped, they accept nothing: what connects now waits in their queues, and dies with none of them.
    for worker in (1, 2):
        crew.kill(worker, signal.SIGSTOP)
    waiting = [crew.connect() for _ in range(20)]
    for worker in (1, 2):
        crew.kill(worker)
    for client in waiting:
        assert digest(client) == ResultCode.SUCCESS


def test_one_that_dies_again_and_again_is_waited_with_and_the_others_serve(start: Start) -> None:
    crew = start()
    crew.kill(2)
    crew.replaced(2)
    crew.kill(2)
    line = crew.until("2 times in a row")
    assert line.endswith(
        "was killed by SIGKILL, soon after it began, 2 times in a row; another takes its place in 1 s"
    )
    for _ in range(20):
        assert crew.serving(crew.connect()) == 1
    crew.replaced(2)
    assert crew.serving(crew.connect_to(2)) == 2
    assert crew.stop() == 0


def test_workers_end_with_who_started_them(start: Start) -> None:
    crew = start()
    client = crew.connect_to(1)
    crew.process.kill()
    for pid in crew.pids:
        ended(pid)
    assert client.next() is not None  # the notice: they stop as they are told to
    assert client.next() is None


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_them_all(start: Start, number: signal.Signals) -> None:
    crew = start()
    clients = [crew.connect_to(worker) for worker in (1, 2)]
    # A terminal, or a service manager, tells all processes: it is the same.
    for pid in crew.pids:
        os.kill(pid, number)
    assert crew.stop(number) == 0
    for client in clients:
        assert client.next() is not None
        assert client.next() is None
    assert not [line for line in crew.lines if "Traceback" in line or "Error" in line]
    for pid in crew.pids:
        ended(pid)


def test_sighup_lets_each_open_its_log_again(start: Start) -> None:
    crew = start()
    clients = {worker: crew.connect_to(worker) for worker in (1, 2)}
    last = {worker: numbers(crew, worker)[-1] for worker in clients}
    for worker in clients:
        crew.log(worker).rename(crew.folder / f"old.{worker}")
    crew.process.send_signal(signal.SIGHUP)
    said = {crew.until("opened again") for _ in clients}
    assert said == {f"ldapserver: worker {each}: audit: {crew.log(each)}: opened again" for each in clients}
    for worker, client in clients.items():
        assert digest(client) == ResultCode.SUCCESS
        assert numbers(crew, worker) == [last[worker] + 1]


def test_sighup_is_heard_by_workers_to_come(start: Start, tmp_path: Path) -> None:
    """A certificate that was renewed is that of every worker, when ever it began."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    old = certified(cert, key).rename(tmp_path / "old.ca")
    listen = ("ldap://127.0.0.1:0", "ldaps://127.0.0.1:0")
    crew = start("--tls-cert", str(cert), "--tls-key", str(key), listen=listen)
    crew.connect_tls(old, 1)
    new = certified(cert, key)
    crew.process.send_signal(signal.SIGHUP)
    for _ in range(COUNT + 1):  # the parent and its workers
        crew.until("read again")
    for worker in (1, 2):
        crew.kill(worker)
        crew.replaced(worker)
    found = set()
    for _ in range(MANY):
        found.add(crew.serving(crew.connect_tls(new, 1)))
        if len(found) == COUNT:
            break
    assert found == {1, 2}


def test_sigusr1_has_nothing_to_save(start: Start) -> None:
    crew = start()
    crew.process.send_signal(signal.SIGUSR1)
    assert crew.until("SIGUSR1") == "ldapserver: SIGUSR1: there is no --save"
    assert crew.stop() == 0


# Beginning


def refused(tmp_path: Path, *arguments: str) -> str:
    """What is said where it does not start."""
    command = [sys.executable, "-m", "ldapserver", "serve", "--workers", "2", "--listen", "ldap://127.0.0.1:0"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path, env=ENVIRONMENT, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_none_begins_where_one_cannot(start: Start, tmp_path: Path) -> None:
    crew = start()
    ready = tmp_path / "ready"
    told = refused(tmp_path, "--audit", str(tmp_path / "audit.jsonl"), "--ready-file", str(ready))
    assert told in {
        f"ldapserver serve: argument --audit: {crew.log(worker)}: another process writes this log\n"
        for worker in (1, 2)
    }
    assert not ready.exists()


def test_the_port_of_another_server_is_not_shared_with_it(start: Start, tmp_path: Path) -> None:
    url = start().urls[0]
    told = refused(tmp_path, "--audit", str(tmp_path / "other.jsonl"), "--listen", url)
    assert told == f"ldapserver serve: argument --listen: {url}: Address already in use\n"


def test_a_ready_file_that_cannot_be_written_ends_them(tmp_path: Path) -> None:
    path = tmp_path / "none" / "ready"
    told = refused(tmp_path, "--ready-file", str(path))
    assert told == f"ldapserver serve: argument --ready-file: {path}: No such file or directory\n"


def test_a_unix_socket_that_a_killed_server_left_is_taken_over(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listen = (f"ldapi://{str(path).replace('/', '%2F')}",)
    crew = start(listen=listen)
    crew.process.kill()
    crew.process.wait()
    for pid in crew.pids:
        ended(pid)
    assert path.exists()
    assert digest(start(listen=listen).connect()) == ResultCode.SUCCESS
    url = listen[0]
    assert "Cannot acquire lock" in refused(tmp_path, "--audit", "other.jsonl", "--listen", url)
