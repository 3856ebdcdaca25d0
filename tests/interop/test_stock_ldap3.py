"""ldap3 as it comes, with its own DIGEST-MD5 and without our plugin, against our server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ldap3
import pytest

from tests.interop.server import (
    BASE,
    PEOPLE,
    REALM,
    REJECTED,
    SUCCESS,
    U1,
    WRONG,
    Event,
    OurServer,
    every_account,
    rejected,
    simple,
)

DIGEST_URI = "ldap/127.0.0.1"  # the host of the URL


# Any: ldap3's types leave out most of what is used here.
@contextmanager
def connected(
    server: OurServer, user: str, password: str, realm: str | None = None, **arguments: Any
) -> Iterator[Any]:
    """A connection that would bind by ldap3's own DIGEST-MD5, and is closed in the end."""
    credentials = (realm, user, password, None)
    connection = ldap3.Connection(
        ldap3.Server(server.url, get_info=arguments.pop("get_info", ldap3.NONE), connect_timeout=10),
        authentication=ldap3.SASL,
        sasl_mechanism=ldap3.DIGEST_MD5,
        sasl_credentials=credentials,
        receive_timeout=10,
        **arguments,
    )
    try:
        yield connection
    finally:
        connection.unbind()


@every_account
def test_binds_and_searches(our_server: OurServer, user: str, password: str) -> None:
    mark = our_server.mark()
    with connected(our_server, user, password) as connection:
        assert connection.bind()
        assert connection.extend.standard.who_am_i() == f"dn:uid={user},{PEOPLE}"
        assert connection.search(BASE, "(uid=u1)", attributes=["cn", "mail"])
        (entry,) = connection.response
        assert (entry["dn"], entry["raw_attributes"]) == (U1, {"cn": [b"Una One"], "mail": [b"una.one@contoso.com"]})
    assert our_server.events(mark) == [Event(user, SUCCESS, DIGEST_URI)]


def test_all_who_may_not_bind_are_told_the_same(our_server: OurServer) -> None:
    mark = our_server.mark()
    told = []
    for user in REJECTED:
        with connected(our_server, user, WRONG) as connection:
            assert not connection.bind()
            told.append(connection.result)
    assert (told[0]["result"], told[0]["message"]) == (49, "Invalid credentials")
    assert told == [told[0]] * len(REJECTED)
    assert our_server.events(mark) == [rejected(user, status, DIGEST_URI) for user, status in REJECTED.items()]


@pytest.mark.parametrize("realm", [REALM, "CONTOSO.COM", "CONTOSO", "contoso"])
def test_realm_is_the_domain_by_either_name(our_server: OurServer, realm: str) -> None:
    mark = our_server.mark()
    with connected(our_server, "u1", "password", realm) as connection:
        assert connection.bind()
    assert our_server.events(mark) == [Event("u1", SUCCESS, DIGEST_URI, realm)]


def test_other_realm_is_refused_like_an_unknown_user(our_server: OurServer) -> None:
    mark = our_server.mark()
    with connected(our_server, "u1", "password", "fabrikam.com") as connection:
        assert not connection.bind()
    assert our_server.events(mark) == [
        Event("u1", REJECTED["nobody"], DIGEST_URI, realm="fabrikam.com", result_code=49)
    ]


def test_root_dse_and_schema_are_read_without_complaint(our_server: OurServer) -> None:
    with connected(our_server, "u1", "password", get_info=ldap3.ALL, check_names=True) as connection:
        assert connection.bind()
        info, schema = connection.server.info, connection.server.schema
        assert info.naming_contexts == [BASE]
        assert info.supported_sasl_mechanisms == ["DIGEST-MD5"]
        assert info.supported_ldap_versions == ["3"]
        assert info.vendor_name == ["sasl-digest"]
        assert schema.object_classes["inetorgperson"].superior == ["organizationalPerson"]
        assert schema.attribute_types["uid"].equality == ["caseIgnoreMatch"]
        # With a schema ldap3 checks the names in a filter, and gives values their types.
        assert connection.search(BASE, "(&(objectClass=inetOrgPerson)(sAMAccountName=u1))", attributes=["*"])
        (entry,) = connection.entries
        assert entry.entry_attributes_as_dict["mail"] == ["una.one@contoso.com"]
        assert connection.search(BASE, "(cn=engineers)", attributes=["member"])
        assert connection.entries[0].member.values == [U1, f"uid=jürgen,{PEOPLE}"]
        assert connection.compare(U1, "mail", "UNA.ONE@contoso.com")


def test_anybody_reads_the_whole_schema(our_server: OurServer) -> None:
    server = ldap3.Server(our_server.url, get_info=ldap3.ALL)
    with ldap3.Connection(server, check_names=True) as connection:
        assert connection.bind()
        assert server.schema.schema_entry == "cn=Subschema"
        assert {"uidNumber", "objectGUID", "entryUUID"} <= set(server.schema.attribute_types)
        assert {"posixAccount", "user", "pkiCA", "referral"} <= set(server.schema.object_classes)
        assert server.schema.ldap_syntaxes["1.3.6.1.4.1.1466.115.121.1.27"].description == "INTEGER"
        assert "uidNumber" in server.schema.matching_rule_uses["integerMatch"].apply_to
        # What has changed since is told by these.
        assert server.schema.create_time_stamp
        assert server.schema.modify_time_stamp


def test_failed_rebind_leaves_the_connection_anonymous(our_server: OurServer) -> None:
    with connected(our_server, "u1", "password") as connection:
        assert connection.bind()
        assert not connection.rebind(sasl_credentials=(None, "u1", WRONG, None))
        assert not connection.extend.standard.who_am_i()
        assert connection.rebind(sasl_credentials=(None, "u1", "password", None))
        assert connection.extend.standard.who_am_i() == f"dn:{U1}"


@pytest.mark.parametrize(
    ("name", "account"),
    [(U1, "u1"), ("u1", "u1"), ("CONTOSO\\u1", "CONTOSO\\u1"), ("u1@contoso.com", "u1@contoso.com")],
)
def test_simple_bind_by_dn_and_by_name(our_server: OurServer, name: str, account: str) -> None:
    mark = our_server.mark()
    with ldap3.Connection(ldap3.Server(our_server.url), name, "password") as connection:  # it binds here
        assert connection.extend.standard.who_am_i() == f"dn:{U1}"
    assert our_server.events(mark) == [simple(account)]


def test_search_stops_at_the_size_limit_of_the_client(our_server: OurServer) -> None:
    with connected(our_server, "u1", "password") as connection:
        assert connection.bind()
        connection.search(BASE, "(uid=*)", size_limit=3)
        assert connection.result["description"] == "sizeLimitExceeded"
        assert len(connection.response) == 3


def test_quote_in_a_user_name_is_written_unescaped_by_ldap3(our_server: OurServer) -> None:
    # RFC 2831 section 7.2 has a backslash before a quote inside of a quoted string; ldap3 2.9.1 writes none, so that
    # what it sends is no list of directives. It is refused as such: there is nobody to name in a 4776.
    mark = our_server.mark()
    with connected(our_server, 'a"b', "password") as connection:
        assert not connection.bind()
        assert connection.result["result"] == 49
    (record,) = our_server.audit_records(mark)
    assert (record["event"]["code"], record["ldap"]["reason"]) == ("sasl-exchange", "malformed")


@pytest.mark.parametrize("realm", [None, "CONTOSO", ""])
@pytest.mark.parametrize("user", [r"CONTOSO\u1", r"contoso\\u1"])
def test_domain_and_user_with_one_backslash_or_two_which_it_does_not_escape(
    our_server: OurServer, user: str, realm: str | None
) -> None:
    mark = our_server.mark()
    with connected(our_server, user, "password", realm) as connection:
        assert connection.bind()
        assert connection.extend.standard.who_am_i() == f"dn:{U1}"
    (event,) = our_server.events(mark)
    assert event.status == SUCCESS
    assert event.account is not None
    assert event.account.lower() == r"contoso\u1"
