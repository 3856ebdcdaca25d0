"""The names that users import: that they are there, say what they are, and are what was promised."""

import inspect
from types import ModuleType

import ldap3
import pytest

import ldapserver
import sasl_digest
from ldapserver import capture, faults, testing
from ldapserver.testing import Binds, Event, running_server

MODULES = (sasl_digest, ldapserver, testing, faults, capture)


@pytest.mark.interpreted("sasl_digest.outcomes")  # compiled classes have no docstrings
@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_what_is_for_users_says_what_it_is(module: ModuleType) -> None:
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for name in module.__all__:
        named = getattr(module, name)
        if not (inspect.isclass(named) or inspect.isfunction(named)):
            continue
        assert inspect.getdoc(named), name
        for member, value in vars(named).items():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                # A property may be overridden, and is then documented where it is declared.
                assert inspect.getdoc(value) or inspect.getdoc(getattr(named, member)), f"{name}.{member}"


def test_a_server_under_test_has_the_promised_names() -> None:
    with running_server(tls=True) as server:
        server.add_user("alice", "wonderland")
        for password in ("wonderland", "wrong"):
            user = f"uid=alice,ou=people,{server.base_dn}"
            connection = ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.NONE), user, password)
            assert connection.bind() is (password == "wonderland")
            connection.unbind()
        assert (server.url, server.base_dn) == (f"ldap://{server.host}:{server.port}", "dc=example,dc=com")
        assert (type(server.host), type(server.port)) == (str, int)
        assert server.ca.startswith("-----BEGIN CERTIFICATE-----")
        binds = server.binds("alice")
        assert (type(binds), binds.count, binds.failed) == (Binds, 2, 1)
        assert [(type(each), each.event_id, each.status) for each in server.events] == [
            (Event, 4776, 0),
            (Event, 4776, 0xC000006A),
        ]
