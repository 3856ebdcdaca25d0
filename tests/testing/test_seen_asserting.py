"""The assertions about what a server has seen: what they take, and what they say."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ldapserver.testing import Server, running_server
from ldapserver.wire import messages as m
from ldapserver.wire.filters import InvalidFilter, parse_filter
from sasl_digest import QOP
from tests.server.stage import LDIF, U1
from tests.testing.test_seen import PEOPLE, _closed, connect, digest, message, raw

__all__ = ["_closed"]  # a fixture that holds here too


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    ldif = tmp_path / "people.ldif"
    ldif.write_text(LDIF)
    with running_server(ldif=[str(ldif)], netbios="CONTOSO", host=["*"]) as server:
        connect(server, U1, "password").search(PEOPLE, "(UID=u1)", attributes=["cn", "Mail"])
        connect(server, U1, "wrong")
        digest(server, "u2", "another", qop=QOP.AUTH_CONF).search("", "(objectClass=*)", "BASE")
        yield server


HOLDS: list[Callable[[Server], object]] = [
    lambda server: server.assert_bound("u1"),
    lambda server: server.assert_bound("CONTOSO\\u1", times=1, mechanism="simple", tls=False),
    lambda server: server.assert_bound("u2", times=1, mechanism="DIGEST-MD5", qop="auth-conf"),
    lambda server: server.assert_bound("u1", times=0, mechanism="DIGEST-MD5"),
    lambda server: server.assert_not_bound("u3"),
    lambda server: server.assert_no_failed_binds("u2"),
    lambda server: server.assert_event(4776, status=0xC000006A, user="u1", times=1),
    lambda server: server.assert_event(4776, times=3),
    lambda server: server.assert_event(4776, status=0, user="u2"),
    lambda server: server.assert_event(4740, times=0),
    lambda server: server.assert_searched(base=PEOPLE.upper(), filter="(uid=u1)", by="u1", times=1),
    lambda server: server.assert_searched(attributes=["MAIL", "cn"], scope="sub"),
    lambda server: server.assert_searched(base="", scope="base", by="u2"),
]
FAILS: list[tuple[Callable[[Server], object], str]] = [
    (
        lambda server: server.assert_bound("u3"),
        "at least 1 successful bind as u3, seen 0 such; as others there were 3",
    ),
    (lambda server: server.assert_bound("u1", times=2), "2 successful binds as u1, seen 1 such"),
    (
        lambda server: server.assert_bound("u2", mechanism="DIGEST-MD5", qop="auth-int"),
        "at least 1 successful bind as u2 by DIGEST-MD5 with qop auth-int, seen 0 such",
    ),
    (
        lambda server: server.assert_bound("u1", tls=True),
        "at least 1 successful bind as u1 inside TLS, seen 0 such",
    ),
    (lambda server: server.assert_not_bound(), "no successful bind, seen 2"),
    (lambda server: server.assert_not_bound("U1"), "no successful bind as U1, seen 1"),
    (lambda server: server.assert_no_failed_binds(), "no failed bind, seen 1"),
    (lambda server: server.assert_event(4740), "at least 1 event 4740, seen 0 such"),
    (
        lambda server: server.assert_event(4776, status=0xC000006A, user="u2"),
        "at least 1 event 4776 about u2 with status 0xc000006a, seen 0 such",
    ),
    (lambda server: server.assert_event(4776, times=1), "1 event 4776, seen 3 such"),
    (
        lambda server: server.assert_searched(filter="(uid=U1)", base=PEOPLE, times=2),
        f"2 searches for (uid=U1) at {PEOPLE}, seen 0 such",
    ),
    (
        lambda server: server.assert_searched(scope="one", by="", attributes=["cn"]),
        "at least 1 search with scope one of attributes cn by anonymous, seen 0 such",
    ),
    (lambda server: server.assert_all_protected(), "no password in the clear, seen 2"),
]


@pytest.mark.parametrize("claim", HOLDS, ids=map(str, range(len(HOLDS))))
def test_what_is_so_is_taken(server: Server, claim: Callable[[Server], object]) -> None:
    claim(server)


@pytest.mark.parametrize(("claim", "says"), FAILS, ids=map(str, range(len(FAILS))))
def test_what_is_not_is_told_with_what_was_seen_and_said(
    server: Server, claim: Callable[[Server], object], says: str
) -> None:
    with pytest.raises(AssertionError) as failure:
        claim(server)
    first, second, *rest = str(failure.value).split("\n")
    assert first == f"expected {says}"
    assert second.startswith("<")
    assert f"LDAP conversation with {server.url}" in rest
    assert f"] bind, simple, {U1}\n" in str(failure.value)
    assert "password <removed>" in str(failure.value)


def test_what_was_found_is_returned(server: Server) -> None:
    assert server.assert_bound("u2").last.cipher == "3des"
    assert server.assert_event(4776, user="u1").last.reason == "wrong-password"
    assert server.assert_searched(by="u1").last.entries == 1


def test_a_filter_that_is_none_is_no_failure_of_the_application(server: Server) -> None:
    with pytest.raises(InvalidFilter):
        server.assert_searched(filter="uid=u1")


def test_only_who_encrypts_is_protected() -> None:
    with running_server(tls="auto", host=["*"]) as server:
        filter = parse_filter("(userPassword=x)")
        search = m.SearchRequest("", m.Scope.BASE_OBJECT, m.DerefAliases(0), 0, 0, False, filter, ())
        raw(server, message(search) + message(m.UnbindRequest(), 2))
        with pytest.raises(AssertionError, match="no password in the clear, seen 1\n"):
            server.assert_all_protected()
        server.clear()
        connect(server)
        server.assert_all_protected()


def test_a_password_inside_a_layer_that_encrypts_is_protected(server: Server) -> None:
    server.clear()
    digest(server, "u2", "another", qop=QOP.AUTH_CONF).compare(U1, "userPassword", "x")
    assert server.requests.last.password
    server.assert_all_protected()
    digest(server, "u2", "another", qop=QOP.AUTH_INT).compare(U1, "userPassword", "x")
    with pytest.raises(AssertionError, match="no password in the clear, seen 1\n"):
        server.assert_all_protected()
