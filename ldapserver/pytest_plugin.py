"""Fixtures for pytest: an LDAP server for each test that asks for one.

Loaded in every run of whoever has this package installed, so it loads next to nothing itself.
"""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ldapserver.faults.rule import Rule
    from ldapserver.testing import Server
    from ldapserver.testing.authority import CA

MARKER = "ldap_server"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(**settings): settings of the servers of ldap_server and ad_server, as running_server takes them; "
        "what stands at a test goes before what stands at its class or module",
    )


@pytest.fixture
def ldap_server_factory() -> "Iterator[Callable[..., Server]]":
    """Starts LDAP servers for the test, as many as it wants: `ldap_server_factory(suffix="dc=a", tls=True)`.

    Takes what ldapserver.testing.running_server takes; each server stops when the test ends, or by its stop().
    """
    from ldapserver.testing import running_server

    with ExitStack() as running:

        def start(**settings: Any) -> "Server":
            return running.enter_context(running_server(**settings))

        yield start


@pytest.fixture
def ldap_server(request: pytest.FixtureRequest, ldap_server_factory: "Callable[..., Server]") -> "Server":
    """An LDAP server of dc=example,dc=com with nobody in it, at a port of its own (`ldap_server.url`), for this test.

    @pytest.mark.ldap_server(lockout_threshold=3, tls=True) gives it settings.
    """
    return ldap_server_factory(**_marked(request))


@pytest.fixture
def ad_server(request: pytest.FixtureRequest, ldap_server_factory: "Callable[..., Server]") -> "Server":
    """A domain controller of example.com, as Active Directory has it when it is new.

    @pytest.mark.ldap_server(...) gives it settings; with a `suffix` it has the shapes of one, and nobody in it.
    """
    settings = _marked(request)
    kind = {"profile": "ad"} if "suffix" in settings else {"domain": "example.com"}
    return ldap_server_factory(**{**kind, **settings})


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of all markers, the nearest first in what several say."""
    settings: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            raise pytest.UsageError(f"@pytest.mark.{MARKER} takes settings by name, not {marker.args[0]!r}")
        settings |= marker.kwargs
    return settings


@pytest.fixture(scope="session")
def ldap_ca() -> "CA":
    """The CA of the servers under test: `.pem`, `.path` for clients to trust, `.issue(names)`, `.issue_client(dn)`.

    A certificate with a defect is `ldap_ca.issue(expired=True)`, or one of
    `ldapserver.testing.faults.bad_certificate("unknown-ca")`.
    """
    from ldapserver.testing.authority import local_ca

    return local_ca()


# What was to go wrong, and did not: the test itself fails of a fault that never fired, unless it has already


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """What is to go wrong for several tests need not in the first of them; it is judged when the server stops."""
    result = yield
    if fixturedef.scope != "function":
        for server in _running():
            server.faults.settle()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Note when the test began."""
    item.stash[_BEGUN] = time.monotonic()
    try:
        yield
    except BaseException:
        _unfired()
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Look for what has not fired, on every server that runs, whoever has started it."""
    try:
        yield
    except BaseException:
        _unfired()
        raise
    unfired = _unfired()
    if unfired:
        from ldapserver.testing.faults import told

        pytest.fail(told(unfired), pytrace=False)


def _running() -> "tuple[Server, ...]":
    """The servers that run; where none ever did, nothing is even loaded."""
    register = sys.modules.get("ldapserver.testing.register")
    return () if register is None else tuple(register.RUNNING)


def _unfired() -> "list[Rule]":
    """What this test wanted to go wrong and never did; it is to disturb no other."""
    found: list[Rule] = []
    for server in _running():
        with suppress(RuntimeError):  # its process has ended, and nothing is known of it
            found += server.faults.left()
    return found


# What was said to a server, in the report of a test that fails

_BEGUN = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the conversation to the report of a failure; where no server ever ran, nothing is even loaded."""
    report = yield
    reporting = sys.modules.get("ldapserver.testing.reporting")
    if report.failed and reporting is not None:
        error = "" if call.excinfo is None else str(call.excinfo.value)
        report.sections.extend(reporting.sections(item.stash.get(_BEGUN, 0.0), error))
    return report
