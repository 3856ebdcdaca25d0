"""Fixtures for pytest: an LDAP server for each test that asks for one."""

from collections.abc import Callable, Iterator
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
    """A domain controller of example.com, as Active Directory has it when it is new."""
    return ldap_server_factory(domain="example.com")
