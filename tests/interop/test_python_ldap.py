"""python-ldap (libldap and Cyrus SASL, one connection for many operations) against our server."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from tests.interop.conftest import absent
from tests.interop.server import (
    BASE,
    PEOPLE,
    REJECTED,
    SUCCESS,
    U1,
    WRONG,
    Event,
    OurServer,
    every_account,
    own_host,
    rejected,
    simple,
)

DIGEST_URI = f"ldap/{own_host()}"  # as of the OpenLDAP tools: it is the same libldap


@pytest.fixture
def ldap() -> Any:
    """The module, which has no types."""
    try:
        import_module("ldap.sasl")
        return import_module("ldap")
    except ImportError:
        absent("python-ldap")


@contextmanager
def connected(ldap: Any, server: OurServer) -> Iterator[Any]:
    """A connection that will not negotiate a security layer."""
    connection = ldap.initialize(server.url)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.set_option(ldap.OPT_TIMEOUT, 10)
    connection.set_option(ldap.OPT_X_SASL_SSF_MAX, 0)
    try:
        yield connection
    finally:
        connection.unbind_s()


def bind(ldap: Any, connection: Any, user: str, password: str) -> None:
    """DIGEST-MD5."""
    callbacks = {ldap.sasl.CB_AUTHNAME: user, ldap.sasl.CB_PASS: password}
    connection.sasl_interactive_bind_s("", ldap.sasl.sasl(callbacks, "DIGEST-MD5"))


@every_account
def test_binds_and_searches(our_server: OurServer, ldap: Any, user: str, password: str) -> None:
    mark = our_server.mark()
    with connected(ldap, our_server) as connection:
        bind(ldap, connection, user, password)
        assert connection.whoami_s() == f"dn:uid={user},{PEOPLE}"
        found = connection.search_s(BASE, ldap.SCOPE_SUBTREE, "(uid=u1)", ["cn", "mail"])
        assert found == [(U1, {"cn": [b"Una One"], "mail": [b"una.one@contoso.com"]})]
    assert our_server.events(mark) == [Event(user, SUCCESS, DIGEST_URI)]


def test_all_who_may_not_bind_are_told_the_same(our_server: OurServer, ldap: Any) -> None:
    mark = our_server.mark()
    told = []
    for user in REJECTED:
        with connected(ldap, our_server) as connection:
            with pytest.raises(ldap.INVALID_CREDENTIALS) as refusal:
                bind(ldap, connection, user, WRONG)
            told.append(refusal.value.args[0])
    assert told[0]["info"] == "Invalid credentials"
    assert told == [told[0]] * len(REJECTED)
    assert our_server.events(mark) == [rejected(user, status, DIGEST_URI) for user, status in REJECTED.items()]


def test_one_connection_binds_again_and_again(our_server: OurServer, ldap: Any) -> None:
    mark = our_server.mark()
    with connected(ldap, our_server) as connection:
        bind(ldap, connection, "u1", "password")
        connection.simple_bind_s(f"uid=jürgen,{PEOPLE}", "pässwörd")
        assert connection.whoami_s() == f"dn:uid=jürgen,{PEOPLE}"
        # "the LDAP session is moved to an anonymous state" by a bind that fails.  RFC 4513 section 4
        with pytest.raises(ldap.INVALID_CREDENTIALS):
            bind(ldap, connection, "u1", WRONG)
        assert connection.whoami_s() == ""
        with pytest.raises(ldap.INSUFFICIENT_ACCESS):
            connection.search_s(BASE, ldap.SCOPE_SUBTREE)
        bind(ldap, connection, "u1", "password")
        assert connection.whoami_s() == f"dn:{U1}"
        connection.simple_bind_s("", "")
        assert connection.whoami_s() == ""
    assert our_server.events(mark) == [
        Event("u1", SUCCESS, DIGEST_URI),
        simple("jürgen"),
        rejected("u1", REJECTED["u1"], DIGEST_URI),
        Event("u1", SUCCESS, DIGEST_URI),
    ]


def test_compares(our_server: OurServer, ldap: Any) -> None:
    with connected(ldap, our_server) as connection:
        bind(ldap, connection, "u1", "password")
        assert connection.compare_s(U1, "cn", "UNA ONE") is True
        assert connection.compare_s(U1, "cn", "Una Two") is False


def test_operations_side_by_side_are_all_answered(our_server: OurServer, ldap: Any) -> None:
    with connected(ldap, our_server) as connection:
        bind(ldap, connection, "u1", "password")
        ids = [connection.search(BASE, ldap.SCOPE_SUBTREE, "(objectClass=*)", ["cn"]) for _ in range(50)]
        connection.abandon(ids.pop(0))
        sizes = {len(connection.result(message_id)[1]) for message_id in reversed(ids)}
        assert sizes == {31}  # all that contoso.ldif holds


def test_schema_is_read_by_its_parser(our_server: OurServer, ldap: Any) -> None:
    schema_module = import_module("ldap.schema")
    with connected(ldap, our_server) as connection:
        where = connection.search_subschemasubentry_s()
        assert where == "cn=Subschema"
        schema = schema_module.SubSchema(connection.read_subschemasubentry_s(where), check_uniqueness=2)
    assert schema.get_obj(schema_module.ObjectClass, "inetOrgPerson").sup == ("organizationalPerson",)
    assert schema.get_obj(schema_module.AttributeType, "uid").syntax == "1.3.6.1.4.1.1466.115.121.1.15"
    must, may = schema.attribute_types(["inetOrgPerson"])
    assert {each.names[0] for each in must.values()} == {"objectClass", "sn", "cn"}
    assert "mail" in {each.names[0] for each in may.values()}
