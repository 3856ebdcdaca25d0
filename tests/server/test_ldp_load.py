"""`ldp load`: what is counted, what a latency is counted from, and how it ends."""

import asyncio
import json
import os
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.cli.ldp import main
from ldapserver.cli.ldp.histogram import LONGEST, Histogram
from ldapserver.cli.ldp.load_client import Target
from ldapserver.cli.ldp.load_run import MOST_SELECTED, Plan, Run, Schedule, punctual
from ldapserver.cli.ldp.load_users import Users, in_dn, in_filter, listed, matching
from ldapserver.testing import running_server as server_in_thread
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault
from tests.interop.conftest import Answer, ScriptedServer, asking, honest, lying
from tests.interop.server import BASE, CONTOSO, PEOPLE, running_server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server_in_thread(ldif=[str(CONTOSO)]) as server:
        yield server.url


@contextmanager
def scripted(**script: Any) -> Iterator[ScriptedServer]:
    server = ScriptedServer(**script)
    try:
        yield server
    finally:
        server.close()


def load(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and the JSON."""
    status = main(["load", *arguments, "--json"])
    ended = capsys.readouterr()
    assert ended.err == ""
    found: dict[str, Any] = json.loads(ended.out)
    return status, found


# The histogram.


@given(
    st.lists(st.integers(0, LONGEST), min_size=1, max_size=200), st.sampled_from([0.1, 50.0, 90.0, 99.0, 99.9, 100.0])
)
def test_a_percentile_is_never_too_good_and_less_than_one_part_in_a_hundred_off(
    values: list[int], percent: float
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    # the nearest rank, in whole numbers
    rank = max(1, -(-len(values) * round(percent * 10) // 1000))
    exact = sorted(values)[rank - 1]
    assert exact <= histogram.percentile(percent) <= exact * 1.01 + 1
    assert (histogram.least, histogram.greatest, histogram.count) == (min(values), max(values), len(values))
    assert histogram.mean == sum(values) / len(values)


def test_a_duration_longer_than_the_longest_counts_as_that() -> None:
    histogram = Histogram()
    histogram.record(LONGEST * 10)
    assert histogram.percentile(50) == LONGEST


# Whose turn it is, and when.


def test_users_come_from_a_pattern_a_list_and_with_their_own_passwords() -> None:
    pattern = matching("u{008..011}@x", "secret")
    assert [pattern.at(number).name for number in range(5)] == ["u008@x", "u009@x", "u010@x", "u011@x", "u008@x"]
    users = listed("a:pw:with colon,b", "common")
    assert [(users.at(n).name, users.at(n).password) for n in range(2)] == [("a", "pw:with colon"), ("b", "common")]


@pytest.mark.parametrize("pattern", ["u", "u{3..1}", "u{0..1000000}", "u{..}"])
def test_a_pattern_without_a_range_is_refused(pattern: str) -> None:
    with pytest.raises(UsageFault, match="--user-pattern"):
        matching(pattern, "x")


def test_names_are_escaped_where_they_are_put() -> None:
    assert in_dn(" a,b+c=\\d\0#") == "\\20a\\2cb\\2bc\\3d\\5cd\\00\\23"
    assert in_filter("a*(b)\\\0") == "a\\2a\\28b\\29\\5c\\00"


def schedule(**plan: Any) -> Schedule:
    # What is asked for is not looked at.
    return Schedule(Plan(target=None, users=Users([]), **plan), began=100.0)  # type: ignore[arg-type]


def test_with_a_rate_each_operation_is_due_whatever_became_of_the_others() -> None:
    due = schedule(rate=2.0, count=4)
    assert [due.take(now) for now in (100.0, 100.0, 105.0, 105.0, 105.0)] == [
        (0, 100.0), (1, 100.5), (2, 101.0), (3, 101.5), None,
    ]  # fmt: skip


def test_without_a_rate_an_operation_is_due_now_until_the_time_is_over() -> None:
    due = schedule(duration=3.0)
    assert [due.take(now) for now in (100.0, 102.5, 103.0)] == [(0, 100.0), (1, 102.5), None]
    assert due.not_begun(103.0) == 0


def test_what_was_due_and_not_begun_is_counted() -> None:
    due = schedule(rate=10.0, duration=3.0)
    assert [due.take(102.9), due.take(103.0)] == [(0, 100.0), None]
    assert due.not_begun(103.2) == 29


# A server that takes a second for each bind, by a clock that only it moves.


class StandingClock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("rate", "latencies"),
    [(None, [1.0, 1.0, 1.0, 1.0]), (2.0, [1.0, 1.5, 2.0, 2.5])],
    ids=["closed-loop", "rate"],
)
def test_with_a_rate_a_latency_is_counted_from_when_the_operation_was_due(
    rate: float | None, latencies: list[float]
) -> None:
    clock = StandingClock()

    def slow(response: bytes) -> Answer:
        clock.now += 1.0
        return honest(response)

    with scripted(verdict=slow) as server:
        target = Target(ListenURL.parse(server.url), "127.0.0.1")
        tally = asyncio.run(Run(Plan(target, listed("u1:password", None), count=4, rate=rate), clock).run())
    assert tally.succeeded == 4
    assert tally.latency.mean == sum(latencies) / 4 * 1e6
    assert (tally.latency.least, tally.latency.greatest) == (min(latencies) * 1e6, max(latencies) * 1e6)


def test_who_stops_a_run_need_not_wait_for_what_is_due_in_an_hour() -> None:
    async def stopped(run: Run) -> None:
        running = asyncio.create_task(run.run())
        while not run.tally.done:
            await asyncio.sleep(0)
        run.stop()
        await asyncio.wait_for(running, 30)

    with scripted() as server:
        target = Target(ListenURL.parse(server.url), "127.0.0.1")
        run = Run(Plan(target, listed("u1:password", None), rate=1 / 3600))
        asyncio.run(stopped(run))
    assert (run.tally.succeeded, run.tally.not_begun) == (1, 0)


@pytest.mark.parametrize(("connections", "selects"), [(MOST_SELECTED, True), (MOST_SELECTED + 1, False)])
def test_a_loop_wakes_when_it_is_due_unless_there_are_too_many_connections_for_select(
    connections: int, selects: bool
) -> None:
    loop = punctual(connections)
    try:
        assert isinstance(loop._selector, selectors.SelectSelector) is selects  # type: ignore[attr-defined]
    finally:
        loop.close()


def test_a_run_at_a_rate_waits_to_the_microsecond(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    select = selectors.SelectSelector.select

    def noted(selector: selectors.SelectSelector, timeout: float | None = None) -> Any:
        waited.append(timeout or 0.0)
        return select(selector, timeout)

    monkeypatch.setattr(selectors.SelectSelector, "select", noted)
    with scripted() as server:
        arguments = [server.url, "--users", "u1:password", "--count", "4", "--connections", "1", "--rate", "123/s"]
        assert main(["load", *arguments, "--json"]) == 0
    assert any(timeout > 0 and (timeout * 1e3) % 1 for timeout in waited)


# Runs against servers.


@pytest.mark.parametrize(("reconnect", "connections"), [([], 1), (["--reconnect"], 3)], ids=["kept", "reconnect"])
def test_a_connection_is_kept_unless_each_bind_is_to_have_its_own(
    reconnect: list[str], connections: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted() as server:
        status, _ = load(
            capsys, server.url, "--users", "u1:password", "--count", "3", "--connections", "1", *reconnect
        )
        assert len(server._open) == 1 + connections  # and the listener
    assert status == 0


@pytest.mark.parametrize("reconnect", [[], ["--reconnect"]], ids=["kept", "reconnect"])
@pytest.mark.parametrize(
    "mode",
    [
        ["--mode", "digest"],
        ["--mode", "simple", "--dn", f"uid={{user}},{PEOPLE}"],
        ["--mode", "search", "--base", BASE, "--filter", "(uid={user})"],
        ["--mode", "search", "--base", BASE, "--filter", "(uid={user})", "--dn", f"uid={{user}},{PEOPLE}"],
    ],
    ids=["digest", "simple", "search", "search-simple"],
)
def test_as_many_as_asked_for_succeed(
    mode: list[str], reconnect: list[str], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = load(
        capsys, url, "--users", "u1:password", "--count", "20", "--connections", "3", *mode, *reconnect
    )
    assert status == 0
    assert (found["operations"], found["succeeded"], found["failed"], found["errors"]) == (20, 20, 0, {})
    assert found["entries"] == (20 if "search" in mode else 0)
    assert found["result_codes"] == {"0": 20}
    assert found["latency_ms"]["min"] > 0


def test_users_take_turns_and_a_wrong_password_is_its_result_code(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "users").write_text("# three\nu1:password\n\nu1:wrong\njürgen:pässwörd\n", encoding="utf-8")
    status, found = load(capsys, url, "--users-file", str(tmp_path / "users"), "--count", "9", "--connections", "1")
    assert status == 49
    assert found["result_codes"] == {"0": 6, "49": 3}


def test_the_tables_say_it_in_words(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", url, "--users", "u1:password,u1:Wrong-9", "--count", "4"]) == 49
    ended = capsys.readouterr()
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[:4] == ["what how many", "binds 4", "succeeded 2", "failed 2"]
    assert "2 invalidCredentials (49)" in lines
    assert "2 success (0)" in lines
    assert [line.split()[0] for line in lines if line[:1] == "p"] == ["p50", "p90", "p99", "p99.9"]
    assert "Wrong-9" not in ended.out + ended.err
    assert "\x1b" not in ended.out


def test_a_server_that_lies_about_the_secret_is_82(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(verdict=lying) as server:
        status, found = load(capsys, server.url, "--users", "u1:password", "--count", "3", "--connections", "1")
    assert status == 82
    assert found["succeeded"] == 0
    assert found["errors"] == {"rspauth wrong or missing": 3}


def test_a_server_that_proves_nothing_is_82(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(verdict=lambda response: Answer(0)) as server:
        status, _ = load(capsys, server.url, "--users", "u1:password", "--count", "1", "--connections", "1")
    assert status == 82


@pytest.mark.parametrize(
    ("script", "kind", "status"),
    [
        ({"opening": lambda: None}, "closed by the server", 81),
        ({"verdict": lambda response: None}, "closed by the server", 81),
        ({"opening": lambda: asking(b"nonsense")}, "challenge not acceptable", 80),
    ],
    ids=["closes", "closes-late", "challenge"],
)
def test_an_error_is_counted_by_its_kind(
    script: dict[str, Callable[..., Answer | None]], kind: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(**script) as server:
        ended, found = load(capsys, server.url, "--users", "u1:password", "--count", "2", "--connections", "1")
    assert (ended, found["errors"], found["result_codes"]) == (status, {kind: 2}, {})


def test_a_result_code_that_is_no_bind_error_is_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(opening=lambda: Answer(51)) as server:
        status, found = load(capsys, server.url, "--users", "u1:password", "--count", "2")
    assert (status, found["result_codes"]) == (51, {"51": 2})


def test_a_server_that_never_answers_is_81_and_its_time_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        status, found = load(
            capsys, url, "--users", "u1:password", "--count", "1", "--timeout", "50ms", "--connections", "1"
        )
    assert (status, found["errors"]) == (81, {"no answer in time": 1})
    assert found["latency_ms"]["max"] >= 50


def test_a_port_where_nobody_listens_is_81(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert main(["load", f"ldap://127.0.0.1:{port}", "--users", "u1:password", "--count", "1"]) == 81
    assert capsys.readouterr().err.startswith(f"ldp load: ldap://127.0.0.1:{port}: cannot connect: ")


def test_tls_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_server(tmp_path, "--tls", "auto", "--tls-ca-out", "ca.pem") as server:
        users = ["--users", "u1:password", "--count", "4", "--connections", "2", "--start-tls"]
        status, found = load(capsys, server.named_url, *users, "--ca", str(tmp_path / "ca.pem"), "--reconnect")
        assert (status, found["succeeded"]) == (0, 4)
        assert main(["load", server.named_url, *users]) == 81
        assert "certificate verify failed" in capsys.readouterr().err
        assert main(["load", server.named_url, *users, "--insecure"]) == 0
        assert "may be anybody's" in capsys.readouterr().err


def test_ctrl_c_ends_it_with_what_there_was(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    begun = threading.Event()

    def opening() -> Answer:
        begun.set()
        return asking()

    def interrupt() -> None:
        begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with scripted(opening=opening) as server:
        users = ["--users", "u1:password", "--rate", "0.001", "--duration", "1h", "--connections", "1"]
        status, found = load(capsys, server.url, *users)
    interrupting.join()
    assert (status, found["operations"]) == (130, 1)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["http://x", "--users", "a:b"], "http://x: must begin with ldap://, ldaps:// or ldapi://"),
        (["ldap://x"], "one of the arguments --users --users-file --user-pattern is required"),
        (["ldap://x", "--users", "a:b", "--mode", "search"], "argument --base: is due in --mode search"),
        (
            ["ldap://x", "--users", "a:b", "--rate", "0"],
            "argument --rate: 0: must be a number of operations a second",
        ),
        (["ldap://x", "--users", "a:b", "--duration", "1y"], "argument --duration: 1y: must be a time"),
        (["ldap://x", "--users", "a:b", "--ca", "x"], "argument --ca: has no meaning without TLS"),
        (["ldap://x", "--users", "a:", "--mode", "simple"], "an empty password would bind as nobody"),
        (["ldap://x", "--users-file", "/nowhere"], "argument --users-file: /nowhere: No such file or directory"),
        (
            ["ldap://x", "--users", "a:b", "--mode", "search", "--base", "", "--filter", "("],
            "argument --filter: ",
        ),
    ],
    ids=["scheme", "nobody", "base", "rate", "duration", "ca", "empty-password", "file", "filter"],
)
def test_wrong_usage_is_64_and_one_line(given: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", *given]) == 64
    ended = capsys.readouterr()
    assert ended.err.startswith(f"ldp load: {line}")
    assert ended.err.count("\n") == 1
