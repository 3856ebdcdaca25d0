"""A real server and its log: N binds at once cost far fewer syncs than N, SIGHUP under load loses nothing."""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ldapserver.wire import codec
from ldapserver.wire.messages import BindResponse, LDAPMessage
from tests.server.stage import LDIF, simple
from tests.server.test_serve import Client, Running

CLIENTS = 32

# The first sync does not end before every bind is written: what a slow disk is like, without waiting for one.
COUNTING = f"""
import os, sys, threading
from ldapserver.cli import main
lines, syncs, all_written = 0, 0, threading.Event()
write = os.write
def counted(fd, data):
    global lines
    lines += data.count(b'"code":"4776"')  # those of a turn are written in one piece
    if lines == {CLIENTS}:
        all_written.set()
    return write(fd, data)
def slow(fd):
    global syncs
    syncs += 1
    assert all_written.wait(30)
    print(syncs, os.fstat(fd).st_size, flush=True)
os.write, os.fdatasync = counted, slow
sys.exit(main(sys.argv[1:]))
"""

# A disk that does nothing until the server is told to stop.
STUCK = f"""
import os, sys, threading
from ldapserver.audit.group_commit import GroupCommit
from ldapserver.cli import main
lines, stopping = 0, threading.Event()
write, settle = os.write, GroupCommit.settle
def counted(fd, data):
    global lines
    done = write(fd, data)
    more = data.count(b'"code":"4776"')  # those of a turn are written in one piece
    lines += more
    if more and lines == {CLIENTS}:
        print("all written", flush=True)
    return done
def settled(commit):
    stopping.set()
    settle(commit)
def stuck(fd):
    assert stopping.wait(30)
os.write, os.fdatasync, GroupCommit.settle = counted, stuck, settled
sys.exit(main(sys.argv[1:]))
"""

Start = Callable[..., Running]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the log is to be."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def start(tmp_path: Path, log: Path) -> Iterator[Start]:
    """Starts a server by this program."""
    started: list[Running] = []
    ldif = tmp_path / "contoso.ldif"
    ldif.write_text(LDIF, "utf-8")

    def start(*options: str, program: tuple[str, ...] = ("-m", "ldapserver")) -> Running:
        command = [sys.executable, *program, "serve", "--ldif", str(ldif), "--audit", str(log)]
        command += ["--listen", "ldap://127.0.0.1:0", *options]
        server = Running(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        started.append(server)
        server.urls = [server.until("listening on").partition("listening on ")[2]]
        return server

    yield start
    for server in started:
        server.close()


def send(client: Client, password: str = "password") -> None:
    client.last_id += 1
    client.socket.sendall(codec.encode(LDAPMessage(client.last_id, simple("u1", password))))


def answered(client: Client) -> int:
    message = client.next()
    assert message is not None
    assert isinstance(message.operation, BindResponse)
    return int(message.operation.result_code)


def numbers(*paths: Path) -> list[int]:
    """The record ids of these files, one after the other."""
    return [int(json.loads(line)["winlog"]["record_id"]) for path in paths for line in path.read_bytes().splitlines()]


def test_binds_at_once_share_their_syncs_and_none_is_answered_before_it(start: Start, log: Path) -> None:
    server = start("--audit-sync", program=("-c", COUNTING))
    clients = [server.connect() for _ in range(CLIENTS)]
    for client in clients:
        send(client)
    assert [answered(client) for client in clients] == [0] * CLIENTS
    assert server.stop() == 0
    assert server.process.stdout is not None
    syncs = [tuple(map(int, line.split())) for line in server.process.stdout]
    assert numbers(log) == list(range(1, CLIENTS + 1))
    # One that only those had who came before it began, and one for all the others.
    assert [number for number, _ in syncs] in ([1], [1, 2])
    assert syncs[-1][1] == log.stat().st_size


@pytest.mark.parametrize("options", [(), ("--audit-sync", "--audit-rotate-size", "20K")], ids=["default", "sync"])
def test_a_log_that_is_renamed_and_opened_again_under_load_loses_nothing(
    options: tuple[str, ...], start: Start, log: Path
) -> None:
    server = start(*options)
    clients = [server.connect() for _ in range(4)]
    binds = 0
    for turn in range(12):
        for client in clients:
            send(client, "password" if turn % 2 else "wrong")
        log.rename(log.with_name(f"audit.jsonl.{turn}"))
        server.process.send_signal(signal.SIGHUP)
        for _ in range(4):
            for client in clients:
                send(client)
        for client in clients:
            assert answered(client) == (0 if turn % 2 else 49)
            assert [answered(client) for _ in range(4)] == [0] * 4
        binds += 5 * len(clients)
        server.until(f"{log}: opened again")
    assert server.stop() == 0
    assert sorted(numbers(*log.parent.glob("audit.jsonl*"))) == list(range(1, binds + 1))
    for path in log.parent.glob("audit.jsonl*"):
        each = numbers(path)  # none where all binds of a turn were quicker than the signal, or slower
        assert each == list(range(min(each, default=0), max(each, default=-1) + 1))
    # And a server that comes after goes on from there.
    start(*options).connect().bind(simple("u1", "password"))
    assert sorted(numbers(*log.parent.glob("audit.jsonl*"))) == list(range(1, binds + 2))


def test_on_a_full_disk_binds_fail_until_there_is_room_again(start: Start, log: Path) -> None:
    """A limit to the length of files fails as a full disk does: first a part is taken, then nothing."""
    server = start()
    client = server.connect()
    assert client.bind(simple("u1", "password")) == 0
    room = log.stat().st_size * 5 // 2
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    assert [client.bind(simple("u1", "password")) for _ in range(4)] == [0, 52, 52, 52]
    assert numbers(log) == [1, 2]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert client.bind(simple("u1", "password")) == 0
    assert server.stop() == 0
    assert numbers(log) == [1, 2, 3]
    said = [line for line in server.lines if "audit:" in line]
    assert said == [
        f"ldapserver: audit: {log}: no space left for a record; binds fail until it works again",
        f"ldapserver: audit: {log}: records are written again",
    ]


def test_a_server_that_stops_answers_who_waits_for_the_disk_and_then_tells_all_to_go(start: Start, log: Path) -> None:
    server = start("--audit-sync", program=("-c", STUCK))
    clients = [server.connect() for _ in range(CLIENTS)]
    for client in clients:
        send(client)
    assert server.process.stdout is not None
    with server._patience():
        assert server.process.stdout.readline() == "all written\n"
    server.process.send_signal(signal.SIGTERM)
    for client in clients:
        assert answered(client) == 0
        notice = client.next()
        assert notice is not None
        assert notice.message_id == 0
        assert client.next() is None
    assert server.process.wait(timeout=30) == 0
    assert numbers(log) == list(range(1, CLIENTS + 1))
