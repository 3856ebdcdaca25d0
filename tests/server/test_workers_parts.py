"""What workers are made of, one by one: patience, logs of their own, sockets, and what does not go with them."""

import os
import socket
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.error import ReactorNotRunning

from ldapserver.cli.check import main as check
from ldapserver.cli.serve import _Run
from ldapserver.hosting import sockets
from ldapserver.hosting.loops import Loop
from ldapserver.hosting.options import read_options
from ldapserver.hosting.sockets import SharedSockets
from ldapserver.hosting.worker import Worker, check_shared_targets, own_options, own_target
from ldapserver.hosting.workers import LONGEST, STEADY, Patience
from ldapserver.testing import start_server
from ldapserver.twisted_service import LDAPService
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault

LOOPBACK = (ListenURL.parse("ldap://127.0.0.1:0"), "127.0.0.1")

# How long they live, one after the other, and how long their successors are waited with.
LIVES: dict[str, list[tuple[float, float]]] = {
    "one that has served is replaced at once": [(STEADY, 0), (1000, 0), (STEADY, 0)],
    "so is the first that has not": [(0, 0)],
    "each that follows it is waited with, twice as long each time": [(0, 0), (0, 1), (1, 2), (2, 4), (9.9, 8)],
    "up to a bound": [(0, 0), *((0, min(2.0**at, LONGEST)) for at in range(12))],
    "one that serves begins it anew": [(0, 0), (0, 1), (STEADY, 0), (0, 1)],
}


@pytest.mark.parametrize("lives", LIVES.values(), ids=LIVES)
def test_patience(lives: list[tuple[float, float]]) -> None:
    patience = Patience()
    assert [patience.after(lived) for lived, _ in lives] == [wait for _, wait in lives]


# Logs


@pytest.mark.parametrize(
    ("target", "own"),
    [
        ("audit.jsonl", "audit.2.jsonl"),
        ("/var/log/a.b/audit.log", "/var/log/a.b/audit.2.log"),
        ("/var/log/a.b/audit", "/var/log/a.b/audit.2"),
        (".audit", ".audit.2"),
        ("xml:audit.xml", "xml:audit.2.xml"),
        ("/dev/null", "/dev/null"),
        ("xml:/dev/null", "xml:/dev/null"),
        ("syslog:///dev/log", "syslog:///dev/log"),
        ("syslog+tcp://127.0.0.1:514", "syslog+tcp://127.0.0.1:514"),
    ],
)
def test_a_log_of_its_own(target: str, own: str) -> None:
    assert own_target(target, 2) == own


def test_a_worker_has_the_options_of_all_and_its_own_logs() -> None:
    options = read_options(["--workers", "3", "--audit", "a.jsonl", "--audit", "xml:b", "--ready-file", "ready"])
    own = own_options(options, 3)
    assert (own.audit, own.ready_file) == (["a.3.jsonl", "xml:b.3"], None)
    assert (options.audit, options.ready_file) == (["a.jsonl", "xml:b"], "ready")
    assert {**vars(own), "audit": None, "ready_file": None} == {**vars(options), "audit": None, "ready_file": None}


def test_what_is_no_file_cannot_be_had_by_each(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for target, what in ((str(fifo), "is no file"), (f"xml:{fifo}", "is no file"), (str(tmp_path), "is a directory")):
        options = read_options(["--workers", "2", "--audit", target])
        with pytest.raises(UsageFault) as fault:
            check_shared_targets(options)
        rule = f"{what}, and each of several workers has a log of its own"
        assert str(fault.value) == f"argument --audit: {target}: {rule}"
        check_shared_targets(read_options(["--audit", target]))
    check_shared_targets(read_options(["--workers", "2", "--audit", str(tmp_path / "log"), "--audit", "/dev/null"]))


def test_no_two_workers_give_one_logon_id() -> None:
    ids = [
        list(islice(Worker(number, 3, (), (), lambda: None).logon_ids(began), 100))
        for number, began in ((1, 10**15), (2, 10**15), (3, 10**15 + 7), (2, 10**15 + 1000))
    ]
    assert len({each for some in ids for each in some}) == 400
    assert ids[0][0] >= 10**15 - 3


# What does not go with them

WRITTEN = "the directory would be written, and no worker sees what another writes"
AGAINST = {
    "--profile ad": (["--profile", "ad"], WRITTEN),
    "--lockout-threshold": (["--lockout-threshold", "3"], WRITTEN),
    "--spare-old-passwords": (["--spare-old-passwords"], WRITTEN),
    "--save": (["--save", "saved.ldif"], WRITTEN),
    "--lockout-threshold, --save": (["--save", "saved.ldif", "--lockout-threshold", "3"], WRITTEN),
    "--metrics": (
        ["--metrics", "127.0.0.1:0"],
        "each worker would count its own binds, and one port would tell of one",
    ),
    "--audit -": (["--audit", "-"], "each worker numbers the events of a log of its own"),
}


@pytest.mark.parametrize("named", AGAINST)
def test_what_needs_one_process_is_named(
    named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, why = AGAINST[named]
    with pytest.raises(UsageFault) as fault:
        read_options(["--workers", "2", *arguments])
    assert str(fault.value) == f"argument --workers: 2: not with {named}: {why}"
    read_options(["--workers", "1", *arguments])
    assert check(["--workers", "2", *arguments]) == 1
    assert f"error: {fault.value}\n" in capsys.readouterr().out


def test_no_threshold_is_no_lockout() -> None:
    assert read_options(["--workers", "2", "--lockout-threshold", "0", "--lockout-window", "1h"]).workers == 2


def test_a_file_says_it_too(tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text("workers = 4\n")
    assert read_options(["--config", str(config)]).workers == 4


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "many", "257"])
def test_how_many_there_may_be(number: str) -> None:
    with pytest.raises(UsageFault, match="argument --workers: "):
        read_options([f"--workers={number}"])


def test_check_looks_at_the_log_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.2.jsonl").mkdir()
    assert check(["--workers", "2", "--audit", str(tmp_path / "audit.jsonl")]) == 1
    told = capsys.readouterr().out
    assert f"error: argument --audit: {tmp_path / 'audit.2.jsonl'}: Is a directory" in told


def test_who_has_one_process_says_so() -> None:
    with pytest.raises(ValueError, match=r"workers: 2: a service is one process, the program's; ldapserver serve"):
        LDAPService(workers=2, audit="/dev/null")
    with pytest.raises(ValueError, match="workers: not in a test: a server under test is one process"):
        start_server(workers=2)


def test_to_be_told_twice_to_stop_is_no_error() -> None:
    """As by a service manager, which tells all processes, and by the one that started this one."""

    class Reactor:
        told = 0

        def stop(self) -> None:
            self.told += 1
            if self.told > 1:
                raise ReactorNotRunning

    reactor, nothing = Reactor(), cast(Any, None)
    run = _Run(Loop("twisted", reactor), nothing, nothing)
    run._end()
    run._end()
    assert reactor.told == 2


# Sockets


def test_each_worker_has_a_socket_where_the_system_deals_out() -> None:
    shared = SharedSockets([LOOPBACK], 3)
    try:
        own = [shared.of(worker) for worker in range(3)]
        (url,) = shared.urls
        assert {each.getsockname() for (each,) in own} == {("127.0.0.1", url.port)}
        assert len({each.fileno() for (each,) in own}) == (3 if sockets._DEALT_OUT else 1)
    finally:
        shared.close()
    assert _refuses(url)


def test_elsewhere_all_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_DEALT_OUT", False)
    shared = SharedSockets([LOOPBACK], 3)
    try:
        assert len({shared.of(worker)[0].fileno() for worker in range(3)}) == 1
        shared.leave(1)
        shared.keep_for(2)
        assert shared.of(0)[0].getsockname()[1] == shared.urls[0].port
    finally:
        shared.close()
    assert _refuses(shared.urls[0])


def test_what_comes_while_nobody_is_in_a_place_is_for_the_others() -> None:
    shared = SharedSockets([LOOPBACK], 2)
    try:
        (url,), (left,) = shared.urls, shared.of(0)
        shared.leave(0)
        assert left.fileno() == -1
        for _ in range(20):
            with socket.create_connection((url.host, url.port)):
                shared.of(1)[0].accept()[0].close()
        assert shared.of(0)[0].getsockname()[1] == url.port  # made anew
    finally:
        shared.close()


def test_all_or_none_are_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = ListenURL("127.0.0.1", taken.getsockname()[1])
        free = SharedSockets([LOOPBACK], 2)
        first = free.urls[0]
        free.close()
        with pytest.raises(UsageFault) as fault:
            SharedSockets([(first, "127.0.0.1"), (url, "127.0.0.1")], 2)
        assert str(fault.value) == f"argument --listen: {url}: Address already in use"
    assert _refuses(first)


def test_a_file_in_the_way_of_a_unix_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("mine")
    with pytest.raises(UsageFault, match="Address already in use"):
        SharedSockets([(ListenURL(path=str(path)), "")], 2)
    assert path.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["socket"]  # no lock is left


def _refuses(url: ListenURL) -> bool:
    try:
        socket.create_connection((url.host, url.port)).close()
    except ConnectionRefusedError:
        return True
    return False
