"""A few connections of what `make soak` opens by the thousand, and that the checks can fail."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak import idle, steady
from tests.soak.asking import Lost
from tests.soak.steady import DEARER, GROWN, SLACK, Sample, Seen, check

SECONDS, BINDS = 50.0, 500


def test_idle_connections_are_served_and_leave_nothing(tmp_path: Path) -> None:
    # By the hundred what the process needs once counts as theirs, so here only that it all works.
    said = idle.run(tmp_path, 100, most=100.0)
    assert said.startswith("100 connections, ")


def test_an_idle_connection_that_needs_too_much_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="KiB each of 20 idle connections"):
        idle.run(tmp_path, 20, most=0.0)


def test_a_steady_load_is_served(tmp_path: Path) -> None:
    said = steady.run(tmp_path, 20, 1.0, period=0.1)
    assert said.startswith("200 binds, ")


def test_a_connection_that_the_server_closes_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(Lost):
        steady.run(tmp_path, 20, 1.0, "--max-connections", "10", period=0.1)


def seen() -> Seen:
    return Seen(
        [(at * SECONDS / BINDS, 2.0) for at in range(BINDS)],
        [Sample(at, 60.0, at * 0.1, 30) for at in range(int(SECONDS))],
    )


def lose_one(seen: Seen) -> None:
    del seen.binds[7]


def leak(seen: Seen) -> None:
    seen.samples[:] = [replace(each, memory=60 + each.at / SECONDS * GROWN * 1.4) for each in seen.samples]


def keep_files(seen: Seen) -> None:
    seen.samples[-1] = replace(seen.samples[-1], files=31)


def cost_more(seen: Seen) -> None:
    seen.samples[:] = [replace(each, cpu=each.cpu + each.at**2 * DEARER / 100) for each in seen.samples]


def slow_down(seen: Seen) -> None:
    seen.binds[:] = [(due, 2.0 + due / SECONDS * SLACK * 1.3) for due, _ in seen.binds]


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lose_one, "499 binds, where 500 were due"),
        (leak, "MiB more"),
        (keep_files, "from 30 to 31 open files"),
        (cost_more, "times the CPU"),
        (slow_down, "p99"),
    ],
)
def test_what_is_wrong_is_found(spoil: Callable[[Seen], None], wrong: str) -> None:
    what = seen()
    assert check(what, SECONDS, BINDS).startswith("500 binds, p99 2.0 ms")
    spoil(what)
    with pytest.raises(AssertionError, match=wrong):
        check(what, SECONDS, BINDS)


def test_a_moment_in_which_others_had_the_machine_is_no_growth() -> None:
    what = seen()
    what.binds[-20:] = [(due, 4000.0) for due, _ in what.binds[-20:]]
    check(what, SECONDS, BINDS)
