"""A fault that never fired fails the test it was for, with one message, however the test came by its server."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

# To load what other plugins of ours are there for is half of what a worker does.
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:anyio")

WAYS = """
import asyncio
import unittest
import pytest
from ldapserver.faults import Busy, Close
from ldapserver.testing import running_server, start_server

PROCESS = {process}

def to_fail(server):
    server.faults.add(Close(), on="compare")
    return server

def test_with():
    with running_server(process=PROCESS) as server:
        to_fail(server)

def test_async_with():
    async def main():
        async with running_server(process=PROCESS) as server:
            to_fail(server)
    asyncio.run(main())

def test_start_and_stop():
    to_fail(start_server(process=PROCESS)).stop()

class Case(unittest.TestCase):
    def test_cleanup(self):
        server = start_server(process=PROCESS)
        self.addCleanup(server.stop)
        to_fail(server)

    def test_context(self):
        to_fail(self.enterContext(running_server(process=PROCESS)))

@pytest.mark.ldap_server(process=PROCESS)
def test_fixture(ldap_server):
    to_fail(ldap_server)

def test_factory(ldap_server_factory):
    # Two servers, and yet one message.
    to_fail(ldap_server_factory(process=PROCESS))
    to_fail(ldap_server_factory(process=PROCESS))

@pytest.fixture(scope="module")
def shared():
    with running_server(process=PROCESS) as server:
        server.faults.add(Busy("from the first on"), on="search", optional=True)
        yield server

@pytest.fixture
def preserved(shared):
    with shared.preserved():
        yield shared

@pytest.fixture
def arranged(preserved):
    return to_fail(preserved)

def test_shared(shared):
    to_fail(shared)

def test_shared_and_preserved(preserved):
    to_fail(preserved)

def test_of_a_fixture_for_it(arranged):
    pass

def test_the_next_is_not_disturbed(shared):
    assert [str(rule.action.text) for rule in shared.faults.rules] == ["from the first on"]
"""


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_the_test_itself_fails_and_says_it_once(pytester: pytest.Pytester, process: bool) -> None:
    pytester.makepyfile(WAYS.format(process=process))
    result = pytester.runpytest_inprocess(*OPTIONS, "-p", "no:xdist", "-rN")
    result.assert_outcomes(passed=1, failed=10)
    shown = result.stdout.str().split("\n____")[1:]
    assert len(shown) == 10
    for report in shown:
        *_, last = report.split("\n___")
        # Where it was raised by a server that stops, its traceback shows the text as well, behind an E.
        lines = [line for line in last.splitlines() if "never fired" in line and "raise AssertionError" not in line]
        assert len(lines) == 1, last


def test_under_xdist_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WAYS.format(process=False))
    # By scopes one worker has all of them but the class, so one does.
    for how in (("-n2", "--dist", "load"), ("-n1", "--dist", "loadscope")):
        pytester.runpytest_inprocess(*OPTIONS, *how).assert_outcomes(passed=1, failed=10)


FAILED_ANYWAY = """
import pytest
from ldapserver.faults import Close
from ldapserver.testing import running_server

@pytest.fixture(scope="module")
def shared():
    with running_server() as server:
        yield server

@pytest.fixture
def breaks(shared, ldap_server):
    for server in (shared, ldap_server):
        server.faults.add(Close(), on="compare")
    raise KeyError("for another reason")

def test_setup(breaks):
    pass

@pytest.mark.parametrize("how", ["fail", "skip", "xfail"])
def test_failed(shared, ldap_server, how):
    for server in (shared, ldap_server):
        server.faults.add(Close(), on="compare")
    getattr(pytest, how)("for another reason")

def test_next(shared):
    assert shared.faults.rules == ()
"""


def test_nothing_is_said_of_it_where_there_was_another_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILED_ANYWAY)
    result = pytester.runpytest_inprocess(*OPTIONS, "-p", "no:xdist")
    result.assert_outcomes(passed=1, failed=1, errors=1, skipped=1, xfailed=1)
    assert "never fired" not in result.stdout.str()


FOR_SEVERAL = """
import ldap3
import pytest
from ldapserver.faults import Busy, Close
from ldapserver.testing import running_server

@pytest.fixture(scope="module")
def busy():
    with running_server() as server:
        server.faults.add(Busy(), on="bind", always=True)
        server.faults.add(Close(), on="compare")
        yield server

def test_that_does_not_bind(busy):
    pass

def test_that_does(busy):
    connection = ldap3.Connection(busy.url)
    assert not connection.bind()
    connection.unbind()
"""


def test_what_stands_for_several_is_judged_when_their_server_stops(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FOR_SEVERAL)
    result = pytester.runpytest_inprocess(*OPTIONS, "-p", "no:xdist")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_that_does*"])
    said = "".join(line for line in result.outlines if line.startswith("E  "))
    assert "Close(when='before') on compare" in said
    assert "Busy" not in said


UNITTEST = """
import unittest
from ldapserver.faults import Close
from ldapserver.testing import running_server, start_server

class Case(unittest.TestCase):
    def setUp(self):
        self.server = start_server()
        self.addCleanup(self.server.stop)

    def test_unfired(self):
        self.server.faults.add(Close(), on="compare")

    def test_good(self):
        pass

unittest.main()
"""


def test_with_unittest_alone(tmp_path: Path) -> None:
    (tmp_path / "case.py").write_text(UNITTEST)
    done = subprocess.run([sys.executable, tmp_path / "case.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "FAIL: test_unfired" in done.stderr
    assert done.stderr.count("AssertionError: faults that never fired") == 1
    assert "FAILED (failures=1)" in done.stderr
