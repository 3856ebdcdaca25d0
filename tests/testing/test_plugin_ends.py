"""However a run of pytest ends or is asked to go: nothing hangs, and no server, thread or descriptor is left."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ldapserver.testing.register import RUNNING

pytest_plugins = ["pytester"]

# To load what other plugins of ours are there for is half of what such a process does.
ALONE = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio")
OPTIONS = (*ALONE, "-p", "no:xdist")

MANNERS = """
import socket
import ldap3
import pytest
from ldapserver.testing import running_server
from ldapserver.testing.register import RUNNING

@pytest.fixture(scope="class")
def of_a_class():
    with running_server() as server:
        yield server

@pytest.fixture(scope="package")
def of_a_package():
    with running_server(suffix="dc=package") as server:
        yield server

class TestWider:
    def test_class(self, of_a_class, ldap_server):
        assert of_a_class.url != ldap_server.url

    def test_package(self, of_a_package, of_a_class, ad_server):
        assert len(RUNNING) == 3

def test_left_open(ldap_server, of_a_package):
    left = socket.create_connection((ldap_server.host, ldap_server.port))
    ldap_server.wait_for(lambda: ldap_server.connections.open)
    test_left_open.sockets = left

def test_of_the_one_before(of_a_package):
    assert RUNNING == [of_a_package]
    # Told, and closed by the server.
    with test_left_open.sockets as left:
        assert b"stopping" in left.recv(4096)
        assert left.recv(1) == b""

def test_stopped(ldap_server, ldap_server_factory):
    other = ldap_server_factory()
    for server in (other, ldap_server, other):
        server.stop()
    assert RUNNING[1:] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((ldap_server.host, ldap_server.port))
"""


@pytest.mark.parametrize(
    "options",
    [(), ("--setup-show",), ("-x",), ("-n2", "--dist", "loadscope"), ("-n2", "--dist", "load")],
    ids=lambda options: "-".join(options) or "plain",
)
def test_wider_scopes_connections_left_open_and_servers_stopped(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(MANNERS)
    manner = options if "-n2" in options else ("-p", "no:xdist", *options)
    if "load" in options:  # where a test may come before the one it is about
        manner += ("-k", "not before")
    result = pytester.runpytest_inprocess(*ALONE, "-W", "ignore::ResourceWarning", *manner)
    result.assert_outcomes(passed=4 if "load" in options else 5)
    assert RUNNING == []


def test_it_can_be_done_without(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from ldapserver.testing import running_server

        def test_own():
            with running_server() as server:
                assert server.url

        def test_fixture(ldap_server):
            pass
        """
    )
    result = pytester.runpytest_subprocess(*OPTIONS, "-p", "no:ldapserver", timeout=60)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'ldap_server' not found"])


LEAVES = """
import pytest
from ldapserver.faults import Close
from ldapserver.testing import running_server, start_server

@pytest.fixture(scope="session")
def shared():
    with running_server() as server:
        yield server

def test_interrupted(shared, ldap_server, ldap_server_factory):
    for server in (shared, ldap_server, ldap_server_factory(process=True), start_server()):
        server.faults.add(Close(), on="compare")
    raise {error}

def test_next(shared):
    assert shared.faults.rules == ()
"""


def run(
    folder: Path, *options: str, error: str = "KeyboardInterrupt", said: str = ""
) -> subprocess.CompletedProcess[str]:
    """A run of pytest in a process of its own, which has to end by itself."""
    (folder / "test_it.py").write_text(LEAVES.format(error=error))
    command = [sys.executable, "-m", "pytest", *OPTIONS, *options, "test_it.py"]
    return subprocess.run(command, cwd=folder, input=said, capture_output=True, text=True, timeout=60)


def test_interrupted(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.stdout
    assert "never fired" not in done.stdout
    assert done.stderr == ""


def test_ended_at_the_first_failure(tmp_path: Path) -> None:
    done = run(tmp_path, "-x", error="KeyError('x')")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed" in done.stdout
    assert "never fired" not in done.stdout


@pytest.mark.parametrize("said", ["continue\n", "quit\n"], ids=str.strip)
def test_looked_at_in_the_debugger(tmp_path: Path, said: str) -> None:
    done = run(tmp_path, "--pdb", error="KeyError('x')", said=f"p shared.requests\np ldap_server.url\n{said}")
    assert "(Pdb) <Requests" in done.stdout or "(Pdb) " in done.stdout
    assert "ldap://127.0.0.1:" in done.stdout
    assert ("1 failed, 1 passed" if said == "continue\n" else "1 failed") in done.stdout
    assert "never fired" not in done.stdout


def test_a_thread_is_all_that_stays() -> None:
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("ldapserver.testing")]
    assert len([name for name in names if name == "ldapserver.testing"]) <= 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
