"""Fixtures for pytest: an LDAP server for each test that asks for one."""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ldapserver.testing import Server


@pytest.fixture
def ldap_server_factory() -> "Iterator[Callable[..., Server]]":
    """Starts servers, which stop with the test; takes what `ldapserver.testing.running_server` takes."""
    from ldapserver.testing import running_server

    with ExitStack() as running:
        yield lambda **settings: running.enter_context(running_server(**settings))


@pytest.fixture
def ldap_server(ldap_server_factory: "Callable[..., Server]") -> "Server":
    """A server of dc=example,dc=com, with nobody in it."""
    return ldap_server_factory()


@pytest.fixture
def ad_server(ldap_server_factory: "Callable[..., Server]") -> "Server":
    """A domain controller of dc=example,dc=com in its shapes."""
    return ldap_server_factory(profile="ad")


# What was said to a server, in the report of a test that fails

_BEGUN = pytest.StashKey[float]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note when the test began."""
    item.stash[_BEGUN] = time.monotonic()


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
