"""Fixtures for pytest: an LDAP server for each test that asks for one."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ldapserver.testing import Server
    from ldapserver.testing.authority import CA

_SERVERS: pytest.StashKey[list["Server"]] = pytest.StashKey()  # those that a test has started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A fault that never fired is a failure of the test itself, unless there was another."""
    try:
        yield
    except BaseException:
        for server in item.stash.get(_SERVERS, ()):
            server.faults.clear()
        raise
    for server in item.stash.get(_SERVERS, ()):
        try:
            server.faults.verify()
        except AssertionError as error:
            pytest.fail(str(error), pytrace=False)


@pytest.fixture
def ldap_server_factory(request: pytest.FixtureRequest) -> "Iterator[Callable[..., Server]]":
    """Starts servers, which stop with the test; takes what `ldapserver.testing.running_server` takes."""
    from ldapserver.testing import running_server

    servers = request.node.stash.setdefault(_SERVERS, [])

    with ExitStack() as running:

        def start(**settings: object) -> "Server":
            server = running.enter_context(running_server(**settings))
            servers.append(server)
            return server

        yield start
        servers.clear()


@pytest.fixture
def ldap_server(ldap_server_factory: "Callable[..., Server]") -> "Server":
    """A server of dc=example,dc=com, with nobody in it."""
    return ldap_server_factory()


@pytest.fixture
def ad_server(ldap_server_factory: "Callable[..., Server]") -> "Server":
    """A domain controller of dc=example,dc=com in its shapes."""
    return ldap_server_factory(profile="ad")


@pytest.fixture(scope="session")
def ldap_ca() -> "CA":
    """The CA of the servers under test: `.pem`, `.path` for clients to trust, `.issue(names)`, `.issue_client(dn)`.

    A certificate with a defect is `ldap_ca.issue(expired=True)`, or one of
    `ldapserver.testing.faults.bad_certificate("unknown-ca")`.
    """
    from ldapserver.testing.authority import local_ca

    return local_ca()
