"""The report of a failing test has what was said to its servers, as whoever uses the plugin sees it."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
BIND = """
import ldap3
import pytest
from ldapserver.testing import running_server

def bind(server, name, password="hunter2"):
    connection = ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.NONE), name, password)
    connection.bind()
    connection.unbind()
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Where these are set pytest says every message a second time and whole, in its summary.
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    return pytester


def output(run: pytest.Pytester, test: str, *options: str, subprocess: bool = False) -> str:
    """What pytest prints of a file of tests."""
    run.makepyfile(test_application=BIND + test)
    start = run.runpytest_subprocess if subprocess else run.runpytest_inprocess
    return start("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio", *options).stdout.str()


def test_a_failing_test_shows_its_conversation_and_a_passing_one_nothing(run: pytest.Pytester) -> None:
    printed = output(
        run,
        """
def test_passes(ldap_server):
    bind(ldap_server, "cn=passes")

def test_fails(ldap_server):
    bind(ldap_server, "cn=fails")
    assert "who" == "nobody"

def test_has_no_server():
    assert "nothing" == "said"
""",
        "-rP",
        subprocess=True,
    )
    assert len(re.findall(r"-+ LDAP conversation with ldap://127\.0\.0\.1:\d+ -+", printed)) == 1
    assert "] bind, simple, cn=fails" in printed
    assert "bind: invalidCredentials" in printed
    assert "audit: 4776 Credential Validation, cn=fails: failure (0xc0000064 No such user)" in printed
    assert "cn=passes" not in printed
    assert "hunter2" not in printed.partition("LDAP conversation")[2].partition("= short test summary")[0].replace(
        'password="hunter2"', ""
    )


def test_the_schema_that_a_client_reads_by_itself_is_one_line(run: pytest.Pytester) -> None:
    printed = output(
        run,
        """
def test_fails(ldap_server):
    with ldap3.Connection(ldap_server.url):  # which reads root DSE and schema
        assert "who" == "nobody"
""",
    )
    conversation = printed.partition("LDAP conversation")[2].splitlines()
    at = next(number for number, line in enumerate(conversation) if "entry cn=Subschema" in line)
    assert re.fullmatch(r" +a schema: \d{3} values", conversation[at + 1])
    assert "search: success, 1 entry" in conversation[at + 2]


def test_a_server_that_ran_within_the_test_is_shown_too(run: pytest.Pytester) -> None:
    printed = output(
        run,
        """
def test_passes():
    with running_server() as server:
        bind(server, "cn=earlier")

def test_fails(ldap_server):
    with running_server() as server:
        bind(server, "cn=within")
    bind(ldap_server, "cn=fixture")
    assert "who" == "nobody"
""",
    )
    assert printed.count("- LDAP conversation with ldap://") == 2
    assert "cn=within" in printed.partition("LDAP conversation")[2]
    assert "cn=fixture" in printed.partition("LDAP conversation")[2]
    assert "cn=earlier" not in printed


def test_of_a_server_for_many_tests_only_this_one_is_shown(run: pytest.Pytester) -> None:
    printed = output(
        run,
        """
@pytest.fixture(scope="module")
def shared():
    with running_server() as server:
        yield server

def test_passes(shared):
    bind(shared, "cn=earlier")
    shared.wait_for(lambda: not shared.connections.open)

def test_fails(shared):
    bind(shared, "cn=later")
    assert "who" == "nobody"

def test_fails_silently(shared):
    shared.wait_for(lambda: not shared.connections.open)
    assert "who" == "nobody"
""",
    )
    assert "cn=later" in printed
    assert "cn=earlier" not in printed


def test_a_message_that_has_the_conversation_does_not_get_it_twice(run: pytest.Pytester) -> None:
    printed = output(
        run,
        """
def test_fails(ldap_server):
    bind(ldap_server, "cn=fails")
    ldap_server.assert_bound("alice", times=1)
""",
    )
    assert printed.count("LDAP conversation with") == 1
    assert (
        "E       AssertionError: expected 1 successful bind as alice, seen 0 such; as others there were 1" in printed
    )
    assert ">       ldap_server.assert_bound" in printed  # the frame of the test, and none of ours
    assert "asserting.py" not in printed
    assert "server.py" not in printed


def test_what_is_long_is_cut_in_the_middle_and_said_to_be(run: pytest.Pytester) -> None:
    printed = output(
        run,
        """
def test_fails(ldap_server):
    for number in range(100):
        bind(ldap_server, f"cn=n{number}x")
    assert "who" == "nobody"
""",
    )
    assert re.search(r"\.\.\. \d{3} lines are cut out here; `server\.conversation` has them \.\.\.", printed)
    said = printed.partition("LDAP conversation")[2]
    assert "cn=n0x" in said
    assert "cn=n99x" in said
    assert "cn=n30x" not in said


def test_it_is_in_the_report_of_workers_too(run: pytest.Pytester) -> None:
    printed = output(
        run,
        """
@pytest.mark.parametrize("number", range(4))
def test_fails(ldap_server, number):
    bind(ldap_server, f"cn=n{number}x")
    assert "who" == "nobody"
""",
        "-n2",
        subprocess=True,
    )
    assert printed.count("- LDAP conversation with ldap://") == 4


def test_who_uses_no_server_loads_none(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
import sys

def test_loaded():
    assert not [name for name in sys.modules if name.startswith(("ldapserver.testing", "twisted"))]
"""
    )
    run.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
