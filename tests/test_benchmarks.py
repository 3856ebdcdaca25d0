"""`make bench`: a short run from end to end, and what a goal and a row of the table are."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import goals
from benchmarks.__main__ import main
from benchmarks.arena import cpu_ratio, middle, p99_ratio
from benchmarks.goals import Goal
from benchmarks.load import Load
from benchmarks.peers.ours import compiled, compiled_peers
from benchmarks.process import announced, at_port, descriptors, family, free_port, resident_mib
from benchmarks.rows import Finding, Row, Section
from benchmarks.table import lines

ROOT = Path(__file__).parents[1]
COLUMNS = 120
PURE = compiled() == "pure Python"


def test_a_part_from_end_to_end(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "benchmarks", "--only", "simple", "--seconds", "0.2", "--rounds", "1"]
    command += ["--json", str(found)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert max(map(len, said)) <= COLUMNS
    (section,) = json.loads(found.read_text())["sections"]
    assert section["title"] == "simple, 16 connections"
    assert section["title"] in said
    ours = section["rows"][0]
    assert ours["name"].startswith("ours, twisted")
    assert ours["load"]["operations"] > 0
    for finding in ours["findings"]:
        if finding["of"] == "x slapd":
            assert finding["goal"]["limit"] == goals.SIMPLE_TO_SLAPD["twisted"].limit


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--only", "digest,nothing"), "nothing: not one of digest, "),
        (("--seconds", "0"), "more than 0"),
        (("--rounds", "0"), "invalid choice"),
        (("--compiled", "python-that-is-nowhere"), "--compiled: [Errno 2] No such file"),
    ],
)
def test_options_that_mean_nothing(options: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert error in capsys.readouterr().err


def test_runs_that_are_too_short_say_so() -> None:
    run = Load(1, 0.01, 0.0, 1.0, 1.0)
    with pytest.raises(RuntimeError, match="--seconds"):
        cpu_ratio([run], [run])


@pytest.mark.skipif(not PURE, reason="the modules here are compiled")
def test_an_interpreter_without_the_compiled_wheel_is_refused() -> None:
    with pytest.raises(RuntimeError, match="has no compiled ldapserver: ldapserver is pure Python"):
        compiled_peers(sys.executable)


def test_a_program_that_does_not_listen() -> None:
    command = ("sh", "-c", "exit 3")
    for start in (announced(command), at_port(command, free_port())):
        with pytest.raises(RuntimeError, match="it did not start: exit status 3"), start:
            pass


def test_descendants_are_counted() -> None:
    child = "import subprocess, sys; print(1, flush=True); subprocess.run(['sleep', '60'])"
    with announced((sys.executable, "-c", child)) as server:
        deadline = time.monotonic() + 10
        while len(found := family(server.pid)) < 2 and time.monotonic() < deadline:
            pass
        try:
            assert found[0] == server.pid
            assert len(found) == 2
            assert server.resident_mib() > resident_mib(found[1]) > 0
            assert descriptors(server.pid) > descriptors(found[1])
        finally:
            os.kill(found[-1], signal.SIGKILL)


@pytest.mark.parametrize(
    ("goal", "measured", "met"),
    [(Goal(2), 2.0, True), (Goal(2), 2.01, False), (Goal(25, least=True), 25.0, True),
     (Goal(25, least=True), 24.9, False)],
)  # fmt: skip
def test_a_goal(goal: Goal, measured: float, met: bool) -> None:
    assert Finding(measured, "x slapd", goal).met is met


def load(cpu: float, p99: float = 1.0) -> Load:
    return Load(100, 1.0, cpu, 0.5, p99)


def test_ratios_are_of_one_round_each() -> None:
    # A machine that is twice as slow in one round: the ratio stays.
    ours, slapd = [load(60, 3), load(120, 6), load(61, 3)], [load(80, 1), load(160, 2), load(80, 1)]
    assert cpu_ratio(ours, slapd) == 0.75
    assert p99_ratio(ours, slapd) == 3
    assert middle(ours) == ours[2]


def test_the_table() -> None:
    findings = Finding(0.7, "x slapd", Goal(0.75)), Finding(2.5, "x bare twisted", Goal(2)), Finding(1.0, "x none")
    rows = Row("ours, twisted", load(60), findings), Row("slapd", load(80))
    _, _, *body = lines([Section("digest, 16 connections", rows, "a note")])
    assert body == [
        "digest, 16 connections",
        "  ours, twisted                        60.0       100     0.50     1.00"
        "  0.70 x slapd                at most 0.75  yes",
        " " * 73 + "2.50 x bare twisted         at most 2     NO",
        " " * 73 + "1.00 x none",
        "  slapd                                80.0       100     0.50     1.00",
        "  (a note)",
        "",
    ]
