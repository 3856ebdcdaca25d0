"""Everything that a server under test can be asked, of one in this process and of one in its own."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import LDAPExceptionError

from ldapserver.faults import Action, Busy, Close, Hold, NoAnswer, WrongRspauth
from ldapserver.testing import Entry, Server, User, running_server
from ldapserver.testing.domain import ADMINISTRATOR_PASSWORD
from sasl_digest.ldap3 import Credentials, DigestConnection


@pytest.fixture(scope="module", params=[False, True], ids=["thread", "process"])
def running(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running_server(
        process=request.param, users={"alice": {"password": "secret"}}, lockout_threshold=3
    ) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    with running.preserved():
        yield running
        # What a client of this test has yet to say is not the next one's.
        running.wait_for(lambda: not running.connections.open)


@pytest.fixture(scope="module", params=[False, True], ids=["thread", "process"])
def domain(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running_server(process=request.param, domain="example.com") as server:
        yield server


def connected(server: Server) -> ldap3.Connection:
    return ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.NONE), receive_timeout=10)


def binds(server: Server, who: str = "alice", password: str = "secret") -> bool:
    """Whether a simple bind succeeds."""
    connection = connected(server)
    connection.user, connection.password = server.entry(who).dn, password
    connection.authentication = ldap3.SIMPLE
    bound: bool = connection.bind()
    connection.unbind()
    return bound


def digest(server: Server, qop: str) -> DigestConnection:
    return DigestConnection(
        ldap3.Server(server.url, get_info=ldap3.NONE),
        sasl_credentials=Credentials("alice", "secret", qop=qop),
        receive_timeout=10,
    )


def test_where_it_is(server: Server) -> None:
    assert server.url == f"ldap://{server.host}:{server.port}"
    assert (server.urls, server.base_dn) == ((server.url,), "dc=example,dc=com")
    assert repr(server) == f"<Server {server.url}>"
    for missing in ("ca", "ldaps_url"):
        with pytest.raises(ValueError, match="running_server"):
            getattr(server, missing)


# Who is there


def test_users_groups_and_entries(server: Server) -> None:
    carol = server.add_user("carol", "word", groups=["staff"], mail="carol@example.com")
    staff = server.add_group("all", members=[carol, "alice"])
    assert isinstance(carol, User)
    assert server.entry(carol)["mail"] == ["carol@example.com"]
    assert carol.dn in server.entry("staff")["member"]
    assert len(server.entry(staff)["member"]) == 2
    assert binds(server, "carol", "word")
    server.modify(carol, add={"telephoneNumber": "1"}, mail=None, sn="Jones")
    entry = server.entry(carol)
    assert isinstance(entry, Entry)
    assert (entry["telephoneNumber"], entry["mail"], entry["sn"]) == (["1"], [], ["Jones"])
    server.remove(carol)
    with pytest.raises(LookupError, match="'carol': no entry has this DN"):
        server.entry("carol")


@pytest.mark.parametrize("scheme", [None, "HA1", ("WDIGEST", "SSHA"), "PBKDF2-SHA256"], ids=str)
def test_passwords(server: Server, scheme: Any) -> None:
    server.set_password("alice", "another", scheme=scheme)
    assert not binds(server)
    assert binds(server, password="another")


@pytest.mark.parametrize(
    "state", [{"disabled": True}, {"locked": True}, {"expired": True}], ids=lambda each: next(iter(each))
)
def test_the_state_of_an_account(server: Server, state: dict[str, Any]) -> None:
    dave = server.add_user("dave", "word", **state)
    assert not binds(server, "dave", "word")
    assert [bind.reason for bind in server.binds(dave.dn)] != [None]


def test_data_and_files(server: Server, tmp_path: Path) -> None:
    server.add({"users": {"erin": {"password": "x"}}, "entries": {"ou=rooms": {"objectClass": "organizationalUnit"}}})
    server.load(ldif=f"dn: uid=frank,{server.base_dn}\nobjectClass: account\nuid: frank\nuserPassword: y\n")
    (tmp_path / "more.json").write_text('{"users": {"grace": {"password": "z"}}}')
    server.load(tmp_path / "more.json")
    assert [binds(server, who, password) for who, password in [("erin", "x"), ("frank", "y"), ("grace", "z")]] == [
        True,
        True,
        True,
    ]
    assert server.entry(f"ou=rooms,{server.base_dn}")["ou"] == ["rooms"]


WRONG: dict[str, tuple[Callable[[Server], object], type[Exception], str]] = {
    "user that is there": (lambda server: server.add_user("alice", "x"), ValueError, "is there already"),
    "group of nobody": (lambda server: server.add_group("g", ["nobody"]), ValueError, "nobody"),
    "data": (lambda server: server.add({"people": {}}), ValueError, "people"),
    "no file": (lambda server: server.load("/nonexistent.ldif"), OSError, "nonexistent"),
    "password of nobody": (lambda server: server.set_password("nobody", "x"), ValueError, "nobody"),
    "change of nobody": (lambda server: server.modify("nobody", sn="x"), ValueError, "nobody"),
    "removal of nobody": (lambda server: server.remove("nobody"), ValueError, "nobody"),
    "entry of nobody": (lambda server: server.entry("nobody"), LookupError, "nobody"),
    "administrator": (lambda server: server.administrator, LookupError, "nobody here is Administrator"),
    "filter": (lambda server: server.assert_searched(filter="(("), ValueError, "RFC 4515"),
    "fault": (lambda server: server.faults.add(Busy()), ValueError, "on: is due"),
    "policy": (lambda server: server.policy(lockout_threshold=-1), ValueError, "lockout_threshold"),
    "clock": (lambda server: server.clock.advance(days=-1), ValueError, "forward"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_and_changes_nothing(server: Server, case: str) -> None:
    call, kind, text = WRONG[case]
    with pytest.raises(kind, match=re.escape(text)):
        call(server)
    assert binds(server)


def test_the_administrator_of_a_domain(domain: Server) -> None:
    administrator = domain.administrator
    assert administrator.password == ADMINISTRATOR_PASSWORD
    with domain.preserved():
        domain.add_user("bob", "Pa55word!", groups=["Domain Admins"])
        assert binds(domain, "bob", "Pa55word!")
        connection: Any = ldap3.Connection(ldap3.Server(domain.url), administrator.dn, ADMINISTRATOR_PASSWORD)
        with connection:
            assert connection.modify(domain.entry("bob").dn, {"mail": [("MODIFY_REPLACE", ["b@example.com"])]})
        assert domain.entry("bob")["mail"] == ["b@example.com"]
        domain.assert_bound("Administrator")
        assert domain.entry("bob").octets("objectSid")
    with pytest.raises(LookupError):
        domain.entry("bob")


# What happened


def test_what_was_asked_is_told(server: Server) -> None:
    assert binds(server)
    assert not binds(server, password="wrong")
    with digest(server, "auth-conf") as connection:
        connection.search(server.base_dn, "(uid=alice)", attributes=["cn"])
    server.wait_for(lambda: not server.connections.open)
    assert [request.operation for request in server.requests][-4:] == ["bind", "bind", "search", "unbind"]
    assert (server.binds("alice").count, len(server.binds()), server.binds("EXAMPLE\\alice").failed) == (3, 3, 1)
    assert [(event.event_id, event.status) for event in server.events] == [(4776, 0), (4776, 0xC000006A), (4776, 0)]
    assert server.exchanges == ()
    assert len(server.connections) == 3
    assert "secret" not in str(server.conversation)
    assert "search" in str(server.conversation)
    server.assert_bound("alice", times=1, mechanism="DIGEST-MD5", qop="auth-conf", tls=False)
    server.assert_not_bound("nobody")
    server.assert_no_failed_binds("nobody")
    server.assert_event(4776, status=0xC000006A, user="alice", times=1)
    server.assert_searched(base=server.base_dn, filter="(UID=alice)", scope="sub", by="alice", times=1)
    (search,) = server.requests.searches
    assert (search.tls, search.layer, search.protected, search.identity) == (False, "auth-conf", True, "alice")
    for failing in (
        lambda: server.assert_not_bound("alice"),
        lambda: server.assert_no_failed_binds(),
        lambda: server.assert_event(4740),
        lambda: server.assert_searched(filter="(cn=x)"),
        lambda: server.assert_all_protected(),
        lambda: server.assert_bound("alice", times=7),
        lambda: server.wait_for(lambda: False, timeout=0.01),
    ):
        with pytest.raises(AssertionError, match="conversation"):
            failing()
    server.clear()
    assert (len(server.requests), len(server.binds()), len(server.events)) == (0, 0, 0)
    server.assert_all_protected()


def test_what_ends_without_a_verdict_is_an_exchange(server: Server) -> None:
    server.faults.add(Busy(), on="bind")
    assert not binds(server)
    assert [exchange.ldap.reason for exchange in server.exchanges] == ["fault-injected"]


def test_asking_while_others_wait(server: Server) -> None:
    """Who waits for what has not happened keeps nobody else from asking, nor from making it happen."""
    held = server.faults.add(Hold(), on="bind")
    with ThreadPoolExecutor(8) as threads:
        fault = threads.submit(held.wait)
        seen = threads.submit(server.wait_for, lambda: server.requests.of("unbind"), 10)
        bound = threads.submit(binds, server)
        asked = [threads.submit(server.add_user, f"user{number}", "x") for number in range(20)]
        assert len({each.result(10).dn for each in asked}) == 20
        fault.result(10)
        assert not bound.done()
        held.release()
        assert bound.result(10)
        assert len(seen.result(10)) == 1


# What goes wrong


@pytest.mark.parametrize("action", [Busy(), Close(), Close("done"), NoAnswer()], ids=repr)
def test_a_fault_strikes(server: Server, action: Action) -> None:
    fault = server.faults.add(action, on="search", nth=2)
    connection = connected(server)
    connection.receive_timeout = 1 if isinstance(action, NoAnswer) else 10
    connection.open()
    with closing(connection.socket):  # which ldap3 leaves open where it has failed
        connection.search(server.base_dn, "(a=b)")
        assert fault.count == 0
        try:
            assert not connection.search(server.base_dn, "(a=b)")
        except LDAPExceptionError:
            assert not isinstance(action, Busy)
    fault.wait()
    assert [(fired.rule, fired.user) for fired in server.faults.fired] == [(fault.rule, None)]
    assert list(server.faults.rules) == [fault.rule]
    server.faults.verify()
    fault.remove()
    assert list(server.faults.rules) == []


def test_a_fault_that_never_fires_is_told_of_once(server: Server) -> None:
    fault = server.faults.add(WrongRspauth())
    with pytest.raises(AssertionError, match=r"did not strike: WrongRspauth"):
        fault.wait(timeout=0.01)
    with pytest.raises(AssertionError, match=r"never fired .*\n  WrongRspauth\(\) on bind"):
        server.faults.verify()
    server.faults.verify()
    server.faults.add(WrongRspauth())
    server.faults.clear()
    server.faults.verify()


# Time, policy, and back to what was


def test_time_and_policy(server: Server) -> None:
    for _ in range(server.policy().lockout_threshold or 0):
        assert not binds(server, password="wrong")
    assert not binds(server)
    server.clock.advance(minutes=31)
    assert binds(server)
    at = datetime(2030, 1, 2, tzinfo=UTC)
    server.clock.stop(at)
    assert server.clock.now == at
    server.clock.advance(timedelta(hours=1))
    assert server.clock.now == at + timedelta(hours=1)
    server.clock.start()
    assert server.policy(lockout_threshold=1, lockout_duration="5m").lockout_threshold == 1
    assert not binds(server, password="wrong")
    assert not binds(server)
    server.set_password("alice", "new", unlock=True)
    assert binds(server, password="new")


def test_back_to_what_was(server: Server) -> None:
    before = server.faults.add(Busy(), on="bind", nth=2)
    there = server.snapshot()
    server.add_user("heidi", "x")
    server.clock.advance(days=400)
    server.policy(lockout_threshold=9)
    server.faults.add(Close(), on="bind", optional=True, nth=9)
    assert [binds(server), binds(server), before.count] == [True, False, 1]
    server.restore(there)
    assert (len(server.requests), server.faults.fired) == (0, ())
    assert server.clock.now - datetime.now(UTC) < timedelta(days=1)
    assert server.policy().lockout_threshold == 3
    with pytest.raises(LookupError):
        server.entry("heidi")
    # The fault of then stands as it stood, and is not said to have never fired.
    assert [*server.faults.rules, before.count] == [before.rule, 0]
    server.faults.verify()
    assert [binds(server), binds(server), binds(server), before.count] == [True, False, True, 1]


def test_going_back_tells_of_what_never_fired(server: Server) -> None:
    def leaves(error: Exception | None = None) -> None:
        with server.preserved():
            server.faults.add(Close(), on="compare")
            server.add_user("ivan", "x")
            if error is not None:
                raise error

    with pytest.raises(AssertionError, match=r"never fired .*\n  Close\(.*\) on compare$"):
        leaves()
    with pytest.raises(KeyError):
        leaves(KeyError())
    assert server.faults.rules == ()
    with pytest.raises(LookupError):
        server.entry("ivan")


def test_going_back_lets_go_what_is_held(server: Server) -> None:
    there = server.snapshot()
    held = server.faults.add(Hold(), on="bind")
    with ThreadPoolExecutor(1) as threads:
        bound = threads.submit(binds, server)
        held.wait()
        server.restore(there)
        assert bound.result(10)


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_what_a_server_begins_with(process: bool, tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text('{"users": {"judy": {"password": "x"}}}')
    settings: dict[str, Any] = {
        "load": tmp_path / "people.json",
        "groups": {"staff": {"members": ["judy"]}},
        "entries": {"ou=rooms": {"objectClass": "organizationalUnit"}},
        "listen": tmp_path / "ldapi",
        "audit": [f"{tmp_path / 'audit.jsonl'}"],
    }
    with running_server(process=process, **settings) as server:
        assert server.url.startswith("ldapi://")
        with pytest.raises(ValueError, match="a Unix socket"):
            _ = server.port
        assert server.entry("staff")["member"] == [server.entry("judy").dn]
    server.stop()
    assert repr(server).endswith("(stopped)>")
    assert not (tmp_path / "ldapi").exists()
    assert (tmp_path / "audit.jsonl").exists()
