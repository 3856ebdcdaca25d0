"""One clock drives all of a server: whatever has a date asks the directory's."""

import ast
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ldapserver.audit.file import FileSink
from ldapserver.audit.json_form import JSONRenderer
from ldapserver.audit.rotation import Rotation
from ldapserver.clock import SYSTEM_CLOCK, StoppedClock
from ldapserver.directory.filetime import filetime
from ldapserver.wire.messages import ResultCode, Scope

from ..test_imports import SOURCES
from .accounts import ALICE, LOCKED, REPLACE, WHO, WRONG, World
from .stage import LDIF, Stage, digest_response, sasl, search, simple

DAY = "2026-01-02T"


def attributes(on: Stage, *names: str) -> list[str]:
    found, _ = on.search(search(ALICE, Scope.BASE_OBJECT, attributes=names))
    return [found[ALICE][name][0].decode() for name in names]


def test_one_clock_drives_a_whole_server(tmp_path: Path) -> None:
    """Records, nonces, lockouts, stamps, the age of passwords, the rotation of logs: 31 minutes on."""
    world = World(ad=True, ldif=LDIF + WHO)
    log = tmp_path / "audit.jsonl"
    sink = FileSink(str(log), JSONRenderer("ldap1"), rotation=Rotation(every=3600))
    on = world.connect(sinks=[sink])
    # A nonce of now, and an account that is locked for five minutes from now on.
    challenge = on.challenge()
    assert world.binds("wrong", "wrong", "wrong", "right") == [WRONG, WRONG, WRONG, LOCKED]
    world.clock.advance(minutes=31)
    now = world.clock.now()
    assert now == datetime(2026, 1, 2, 3, 35, 5, tzinfo=UTC)
    assert on.bind(sasl(digest_response(challenge, "u1", "password"))).result_code is (
        ResultCode.SASL_BIND_IN_PROGRESS
    )
    assert on.reasons == ["nonce-expired"]
    assert world.bind("right") == "success"
    on.bind(simple("alice", "right"))
    assert {record.time_ns for record in on.sink.records} == {1_767_324_905_000_000_000}
    # What is written, by whom it may, has the same time in each of its forms.
    world.modify((REPLACE, "userPassword", [b"new"]), dn=ALICE)
    admin = world.connect_as_admin()
    assert attributes(admin, "modifyTimestamp", "whenChanged", "pwdLastSet") == [
        "20260102033505Z",
        "20260102033505.0Z",
        str(filetime(now)),
    ]
    found, _ = admin.search(search("", Scope.BASE_OBJECT, attributes=("currentTime",)))
    assert found[""]["currentTime"] == (b"20260102033505.0Z",)
    # The next hour of it is another log.
    world.clock.advance(minutes=25)
    on.bind(simple("alice", "new"))
    sink.close()
    logs = sorted(path.name for path in tmp_path.iterdir() if "audit" in path.name)
    assert logs == ["audit.jsonl", "audit.jsonl-20260102T040005Z"]
    first = json.loads(log.read_bytes().splitlines()[0])
    assert first["@timestamp"] == DAY + "04:00:05.0000000Z"


def test_a_service_has_the_clock_of_its_directory() -> None:
    world = World()
    on = world.connect()
    assert on.service.clock is world.directory.clock is world.clock


def test_the_system_s_clock_goes_and_agrees_with_itself() -> None:
    before = SYSTEM_CLOCK.ns()
    now, seconds = SYSTEM_CLOCK.now(), SYSTEM_CLOCK.seconds()
    after = SYSTEM_CLOCK.ns()
    assert before // 1000 <= round(now.timestamp() * 1e6) <= after // 1000 + 1
    assert before / 1e9 <= seconds <= after / 1e9
    assert now.tzinfo is UTC


def test_a_stopped_clock_goes_when_it_is_told_to() -> None:
    clock = StoppedClock(datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC))
    assert clock.ns() == clock.ns() == 1_767_323_045_678_901_000
    clock.advance(minutes=31, seconds=0.5)
    assert clock.now() == datetime(2026, 1, 2, 3, 35, 6, 178_901, tzinfo=UTC)
    clock.advance(days=-1)  # as when somebody sets it
    assert clock.now() == datetime(2026, 1, 1, 3, 35, 6, 178_901, tzinfo=UTC)


# What asks the system what time it is. How long something takes (`monotonic`, `perf_counter`) is another question.
ASKING = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
ASKING_WITHOUT = {"time.gmtime", "time.localtime", "time.ctime", "time.asctime"}  # of a moment they do not ask


def asks(source: str) -> list[str]:
    """The names in a source that ask the system what time it is."""
    tree = ast.parse(source)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [name for each in node.names if (name := f"time.{each.name}") in ASKING | ASKING_WITHOUT]
        if isinstance(node, ast.Attribute):
            name = ".".join(ast.unparse(node).split(".")[-2:])
            if name in ASKING or (name in ASKING_WITHOUT and id(node) not in called):
                found.append(name)
    return found


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(clock=time.time): pass", ["time.time"]),
        ("datetime.datetime.now(UTC)", ["datetime.now"]),
        ("from time import time_ns", ["time.time_ns"]),
        ("time.gmtime()", ["time.gmtime"]),
        ("time.gmtime(second); time.monotonic(); clock.now()", []),
    ],
)
def test_who_asks_the_system_is_seen(source: str, names: list[str]) -> None:
    assert asks(source) == names


def test_nobody_else_asks_the_system() -> None:
    """The engine's NonceBook has a default of its own, and is given the server's clock."""
    servers = {name: path for name, path in SOURCES.items() if name.startswith("ldapserver")}
    found = {module: names for module, path in servers.items() if (names := asks(path.read_text("utf-8")))}
    assert found == {"ldapserver.clock": ["time.time_ns", "time.time"]}
