"""What a server under test has seen: requests, binds, events, connections, and waiting for them."""

import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import ldap3
import pytest

from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.sasl.mechanism import TLS
from ldapserver.testing import Server, recorder, running_server
from ldapserver.testing.requests import InvalidRequest, ModifyRequest, SearchRequest
from ldapserver.testing.watch import ConnectionWatch
from ldapserver.wire import codec
from ldapserver.wire import messages as m
from ldapserver.wire.filters import Present
from sasl_digest import QOP
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.server.stage import LDIF, U1, digest_response, sasl, search, simple, stopped
from tests.testing.test_seen_secrets import watched

PEOPLE = "ou=people,dc=contoso,dc=com"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    ldif = tmp_path / "people.ldif"
    ldif.write_text(LDIF)
    with running_server(ldif=[str(ldif)], netbios="CONTOSO", admin=[U1], host=["*"]) as server:
        yield server


_open: list[ldap3.Connection] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No socket is left open."""
    yield
    while _open:
        _open.pop().unbind()


def connect(server: Server, name: str = "", password: str = "") -> Any:  # ldap3.Connection, half of it without types
    """A connection that has tried to bind."""
    connection = ldap3.Connection(
        ldap3.Server(server.url, get_info=ldap3.NONE), name or None, password or None, raise_exceptions=False
    )
    _open.append(connection)
    connection.bind()
    return connection


def digest(server: Server, name: str, password: str, **options: Any) -> Any:
    """A DIGEST-MD5 bind that succeeds."""
    connection = DigestConnection(
        ldap3.Server(server.url, get_info=ldap3.NONE),
        authentication=ldap3.SASL,
        sasl_mechanism="DIGEST-MD5",
        sasl_credentials=Credentials(name, password, **options),
    )
    _open.append(connection)
    assert connection.bind()
    return connection


def raw(server: Server, *pieces: bytes) -> None:
    """Send octets, and take what comes until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        while connection.recv(65536):
            pass


def message(operation: m.Operation, message_id: int = 1) -> bytes:
    return codec.encode(m.LDAPMessage(message_id, operation))


# Requests


def test_a_search_is_seen_whole(server: Server) -> None:
    connection = connect(server, U1, "password")
    connection.search(
        PEOPLE, "(|(uid=u1)(uid=u2))", ldap3.LEVEL, attributes=["cn", "mail"], size_limit=9, paged_size=5
    )
    (search,) = server.requests.searches
    assert (search.base, search.scope, search.filter) == (PEOPLE, "one", "(|(uid=u1)(uid=u2))")
    assert (search.attributes, search.size_limit, search.controls) == (("cn", "mail"), 9, ("paged results",))
    assert (search.entries, search.result_code, search.result) == (2, 0, "success")
    assert (search.identity, search.identity_dn) == ("u1", U1)
    assert search.seconds is not None
    assert 0 <= search.seconds < 60
    assert (search.connection, search.operation, search.tls, search.layer) == (1, "search", False, None)
    assert abs((search.time - server.connections[0].opened).total_seconds()) < 60
    assert repr(search).startswith(f"<#1 [{search.message_id}] by u1 search (|(uid=u1)(uid=u2)), one of {PEOPLE}, ")
    assert "\n" not in repr(search)
    with pytest.raises(FrozenInstanceError):
        search.base = ""  # type: ignore[misc]


def test_every_operation_is_seen(server: Server) -> None:
    connection = connect(server, U1, "password")
    new = f"uid=new,{PEOPLE}"
    connection.add(new, "account", {"uid": "new", "userPassword": "secret"})
    connection.modify(
        new,
        {
            "description": [(ldap3.MODIFY_ADD, ["a"])],
            "jpegPhoto": [(ldap3.MODIFY_ADD, [b"\xff"])],
            "userPassword": [(ldap3.MODIFY_REPLACE, ["x"])],
        },
    )
    connection.compare(new, "description", "a")
    connection.modify_dn(new, "uid=newer")
    connection.delete(f"uid=newer,{PEOPLE}")
    connection.extend.standard.who_am_i()
    connection.unbind()
    raw(server, message(m.AbandonRequest(7)) + message(m.UnbindRequest(), 2))
    requests = server.wait_for(lambda: len(server.requests.of("unbind")) == 2 and server.requests)
    assert [request.operation for request in requests] == [
        *("bind", "add", "modify", "compare", "modifyDN", "delete", "extended"),
        *("unbind", "abandon", "unbind"),
    ]
    assert [request.result for request in requests[:7]] == [
        *("success", "success", "success", "compareTrue", "success", "success", "success"),
    ]
    assert requests.adds[0].attributes["userPassword"] == ("<removed>",)
    (modify,) = requests.modifies
    assert isinstance(modify, ModifyRequest)
    assert modify.changes == (
        ("add", "description", ("a",)),
        ("add", "jpegPhoto", (b"\xff",)),
        ("replace", "userPassword", ("<removed>",)),
    )
    assert len(requests.of("who am i?")) == len(requests.of("1.3.6.1.4.1.4203.1.11.3")) == 1
    assert len(requests.at(f"UID=New, {PEOPLE}")) == 4
    assert requests.failed == type(requests)()
    with pytest.raises(ValueError, match="'serach' is no operation; there are bind, search"):
        requests.of("serach")


@pytest.mark.parametrize("name", ["u1", "U1", "u1@contoso.com", "CONTOSO\\u1", U1, U1.upper()])
def test_requests_are_found_by_any_name_of_who_was_bound(server: Server, name: str) -> None:
    connect(server, U1, "password").search(PEOPLE, "(uid=u1)")
    connect(server, "u2", "another").search(PEOPLE, "(uid=u2)")
    assert [search.filter for search in server.requests.searches.by(name)] == ["(uid=u1)"]
    assert [request.operation for request in server.requests.by("")] == ["bind", "bind"]


def test_what_is_refused_is_seen_with_its_error(server: Server) -> None:
    connect(server).search(PEOPLE, "(uid=u1)")
    search = server.requests.searches.last
    assert (search.result, search.succeeded, search.entries) == ("insufficientAccessRights", False, 0)
    assert search.message.startswith("bind first")
    assert list(server.requests.failed) == [search]


def test_what_is_no_request_is_seen(server: Server) -> None:
    bad_scope = message(
        m.SearchRequest("", m.Scope.BASE_OBJECT, m.DerefAliases(0), 0, 0, False, Present("objectClass"), ())
    )
    raw(server, bad_scope.replace(b"\x0a\x01\x00", b"\x0a\x01\x07", 1) + b"\x30\x05\x02\x01\x01\x7e\x00")
    raw(server, b"GET / HTTP/1.1\r\n\r\n")
    refused, broken, other = server.requests.of("invalid")
    assert isinstance(refused, InvalidRequest)
    assert isinstance(broken, InvalidRequest)
    assert isinstance(other, InvalidRequest)
    assert (refused.meant, refused.result) == ("search", "protocolError")
    assert "scope" in refused.error
    assert (broken.meant, broken.result_code) == (None, None)
    assert "tag 0x7e is no operation of RFC 4511" in broken.error
    assert "tag 0x47 where 0x30 is due" in other.error
    assert len(server.requests.failed) == 3


def test_a_layer_is_seen(server: Server) -> None:
    digest(server, "u1", "password", qop=QOP.AUTH_CONF).search(PEOPLE, "(uid=u1)")
    bind, response, search = server.requests
    assert (bind.result, response.layer, search.layer) == ("saslBindInProgress", None, "auth-conf")
    assert (response.protected, search.protected) == (False, True)
    assert server.connections.open[0].layer == "auth-conf"


def test_tls_is_seen() -> None:
    there, seen = watched()
    there.session.secured(TLS(b""))
    there.bind(simple(U1, "password"))
    (bind,) = seen.requests()
    assert (bind.tls, bind.password, bind.protected) == (True, True, True)
    assert seen.connections()[0].tls
    assert seen.binds().last.tls
    assert "inside TLS from here on" in str(seen.conversation(""))


def test_entries_that_are_not_shown_are_counted(server: Server) -> None:
    connection = connect(server, U1, "password")
    for number in range(12):
        connection.add(f"uid=n{number},{PEOPLE}", "account")
    server.clear()
    connection.search(PEOPLE, "(objectClass=account)")
    assert server.requests.searches.last.entries == 12
    said = str(server.conversation)
    assert said.count("entry uid=n") == 10
    assert "success, 12 entries, 2 of them not shown here" in said


# Binds


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        ("u1", "account name"),
        ("u1@contoso.com", "UPN (user@domain)"),
        ("CONTOSO\\u1", "DOMAIN\\user"),
        (U1, "distinguished name"),
    ],
)
def test_a_bind_is_found_by_any_name_of_its_account(server: Server, sent: str, form: str) -> None:
    connect(server, sent, "password")
    for name in ("u1", "U1", "u1@contoso.com", "contoso\\U1", U1, U1.replace(",", " , ")):
        binds = server.binds(name)
        assert (binds.count, binds.failed, binds.succeeded) == (1, 0, 1), name
    assert (binds.last.name, binds.last.form, binds.last.dn) == (sent, form, U1)
    assert server.binds("u2").count == 0
    connect(server, "u2", "another")
    assert server.binds("U2@contoso.com").count == server.binds("CONTOSO\\u2").count == 1


def test_binds_that_fail_are_counted_with_their_reason(server: Server) -> None:
    connect(server, U1, "wrong")
    connect(server, "nemo", "wrong")
    connect(server, U1, "password")
    assert (server.binds("u1").count, server.binds("u1").failed) == (2, 1)
    wrong, unknown, right = server.binds()
    assert (wrong.status, wrong.reason, wrong.result, wrong.succeeded) == (
        0xC000006A,
        "wrong-password",
        "invalidCredentials",
        False,
    )
    assert (unknown.name, unknown.dn, unknown.status) == ("nemo", "", 0xC0000064)
    assert (right.status, right.reason, right.tls, right.mechanism) == (0, None, False, "simple")
    assert server.binds("NEMO").count == 1


def test_an_exchange_is_one_bind(server: Server) -> None:
    digest(server, "u1", "password", qop=QOP.AUTH_CONF)
    (bind,) = server.binds("u1")
    assert (bind.mechanism, bind.qop, bind.cipher, bind.realm) == ("DIGEST-MD5", "auth-conf", "3des", "contoso.com")
    assert bind.digest_uri == f"ldap/{server.host}"
    assert server.binds().mechanisms == ("DIGEST-MD5",)
    assert len(server.requests.binds) == 2


def test_an_exchange_that_is_left_is_one_failed_bind(server: Server) -> None:
    begin = m.BindRequest(3, "", m.SaslAuthentication("DIGEST-MD5"))
    raw(server, message(begin) + message(m.UnbindRequest(), 2))
    (bind,) = server.wait_for(server.binds)
    assert (bind.reason, bind.result_code, bind.status) == ("abandoned", None, None)
    (exchange,) = server.exchanges
    assert (exchange.reason, exchange.ldap.mechanism) == ("abandoned", "DIGEST-MD5")
    assert len(server.events) == 0


def test_an_expired_nonce_does_not_make_two_binds_of_one() -> None:
    clock = stopped()
    there, seen = watched(clock=clock)
    challenge = there.challenge()
    clock.advance(hours=5)
    again = there.bind(sasl(digest_response(challenge, "u1", "password")))
    assert again.server_sasl_creds is not None
    there.bind(sasl(digest_response(again.server_sasl_creds, "u1", "password")))
    (bind,) = seen.binds()
    assert (bind.succeeded, bind.earlier) == (True, ("nonce-expired",))
    assert [exchange.reason for exchange in seen.exchanges()] == ["nonce-expired"]


def test_why_a_bind_that_was_left_had_gone_on_is_kept() -> None:
    clock = stopped()
    there, seen = watched(clock=clock)
    challenge = there.challenge()
    clock.advance(hours=5)
    there.bind(sasl(digest_response(challenge, "u1", "password")))
    there.session.lost()
    (bind,) = seen.binds()
    assert (bind.reason, bind.earlier) == ("abandoned", ("nonce-expired",))


def test_anonymous_binds_are_requests_and_no_binds(server: Server) -> None:
    connect(server)
    assert server.binds().count == 0
    assert [request.mechanism for request in server.requests.binds] == ["anonymous"]


# Events


def test_events_are_as_in_windows(server: Server) -> None:
    connect(server, U1, "wrong")
    connect(server, U1, "password")
    failed, right, special = server.events
    assert (failed.event_id, failed.record_id, failed.status, failed.outcome) == (4776, 1, 0xC000006A, "failure")
    assert failed.name == "Credential Validation"
    assert failed.data["TargetUserName"] == "u1"
    assert failed.data["Status"] == "0xc000006a"
    assert (failed.reason, failed.ldap.result_code, failed.source_ip) == ("wrong-password", 49, "127.0.0.1")
    assert str(failed) == "4776 Credential Validation, u1: failure (0xc000006a Wrong password)"
    assert (right.status, right.outcome, right.reason) == (0, "success", None)
    assert (special.event_id, special.status, special.user, special.ldap.mechanism) == (4672, 0, "u1", "simple")
    assert special.text.startswith("Special privileges assigned to new logon.")
    assert len(server.events.of(4776).by(U1)) == 2


def test_logon_events_and_lockouts_are_seen(tmp_path: Path) -> None:
    ldif = tmp_path / "people.ldif"
    ldif.write_text(LDIF)
    with running_server(ldif=[str(ldif)], events="logon", lockout_threshold=2) as server:
        connect(server, U1, "wrong").unbind()
        connect(server, U1, "wrong").unbind()
        connect(server, "u2", "another").unbind()
        server.wait_for(lambda: server.events.of(4634))
        assert [event.event_id for event in server.events] == [4776, 4625, 4776, 4740, 4625, 4776, 4624, 4634]
        assert [event.record_id for event in server.events] == [*range(1, 9)]
        failed = server.events.of(4625)[0]
        assert (failed.status, failed.sub_status, failed.outcome) == (0xC000006D, 0xC000006A, "failure")
        assert server.events.of(4740).last.user == "u1"
        assert "4740 User Account Management, u1: success" in str(server.conversation)


# Connections, waiting, forgetting


def test_connections_are_seen_until_they_are_closed(server: Server) -> None:
    connection = connect(server, U1, "password")
    (seen,) = server.connections.open
    assert (seen.number, seen.identity, seen.requests, seen.tls) == (1, "u1", 1, False)
    assert seen.peer.startswith("127.0.0.1:")
    connection.unbind()
    server.wait_for(lambda: not server.connections.open)
    (closed,) = server.connections
    assert closed.closed is not None
    assert closed.closed >= closed.opened
    assert closed.requests == 2


def test_waiting_ends_when_it_happens_and_says_so_when_it_does_not(server: Server) -> None:
    clients = [threading.Thread(target=lambda: connect(server, U1, "password").unbind()) for _ in range(3)]
    for client in clients:
        client.start()
    assert len(server.wait_for(lambda: len(server.requests.of("unbind")) == 3 and server.binds())) == 3
    for client in clients:
        client.join()
    with pytest.raises(AssertionError, match=r"waited 0\.01 s for what did not happen\n\nLDAP conversation with "):
        server.wait_for(lambda: server.requests.of("delete"), timeout=0.01)


def test_who_waits_is_called_once_when_more_has_happened_and_not_in_the_same_turn() -> None:
    turns: list[Callable[[], object]] = []
    calls: list[str] = []
    directory = MemoryDirectory([("stage", read_ldif(LDIF, "stage"))])
    seen = recorder.Recorder(directory, lambda seconds, call: turns.append(call))
    before = seen.version
    seen.after(before, lambda: calls.append("first"))
    back = seen.after(seen.version, lambda: calls.append("taken back"))
    back()
    assert not turns
    seen.say(1, "", "something")
    seen.say(1, "", "something else")
    assert (len(turns), calls) == (1, [])
    turns.pop()()
    assert calls == ["first"]
    seen.after(before, lambda: calls.append("late"))
    turns.pop()()
    assert calls == ["first", "late"]
    seen.say(1, "", "more")
    assert not turns


def test_nothing_is_kept_of_what_is_outstanding_once_it_was_abandoned() -> None:
    there, seen = watched()
    watch = there.session._watch
    assert isinstance(watch, ConnectionWatch)
    watch.received(there.encoded(search()))
    assert len(watch._outstanding) == 1
    watch.received(there.encoded(m.AbandonRequest(there.last_id)))
    assert not watch._outstanding
    assert [request.result for request in seen.requests().searches] == [None]


def test_what_was_is_forgotten(server: Server) -> None:
    connection = connect(server, U1, "password")
    server.clear()
    assert not server.requests
    assert not server.binds()
    assert not server.events
    assert str(server.conversation).endswith("nobody has connected")
    connection.search(PEOPLE, "(uid=u1)")
    assert [request.operation for request in server.requests] == ["search"]
    assert server.requests.last.identity == "u1"
    assert server.connections[0].requests == 1
    connect(server, U1, "wrong")
    assert server.events.last.record_id == 3


def test_only_the_newest_are_kept_and_that_is_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "KEPT", 5)
    connection = connect(server, U1, "password")
    for _ in range(7):
        connection.compare(U1, "uid", "u1")
    assert (len(server.requests), server.requests.forgotten) == (5, 3)
    assert repr(server.requests).startswith("<5 requests (3 older forgotten)>")
    assert server.requests.of("compare").forgotten == 3
    assert "things before this are forgotten" in str(server.conversation)


def test_large_messages_are_kept_within_bounds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "KEPT_OCTETS", 10_000)
    connection = connect(server, U1, "password")
    for _ in range(5):
        connection.compare(U1, "cn", "x" * 4000)
    assert [request.operation for request in server.requests] == ["compare", "compare"]


def test_all_of_it_pickles(server: Server) -> None:
    connect(server, U1, "wrong")
    connect(server, U1, "password").search(PEOPLE, "(uid=u1)")
    everything = (
        *(server.requests, server.binds(), server.events, server.exchanges, server.connections),
        server.conversation,
    )
    assert pickle.loads(pickle.dumps(everything)) == everything
    assert isinstance(pickle.loads(pickle.dumps(server.requests)).last, SearchRequest)


def test_a_moved_clock_is_in_the_conversation() -> None:
    clock = stopped()
    there, seen = watched(clock=clock)
    there.bind(simple(U1, "wrong"))
    clock.advance(minutes=31)
    there.bind(simple(U1, "password"))
    assert "the server's clock was put forward by 0:31:00\n" in str(seen.conversation(""))
