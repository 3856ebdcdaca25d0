"""`Credentials(remember=True)`: a further bind to the same server in one round trip, where the server remembers."""

from contextlib import AbstractContextManager
from typing import Any

import ldap3
import pytest

from sasl_digest.ldap3 import Credentials, DigestBindError, RspauthError
from tests.interop.conftest import CHALLENGE, Answer, Scripted, asking, honest, lying
from tests.interop.connections import connection
from tests.interop.server import BASE, U1, OurServer
from tests.interop.test_subsequent import server, summary

__all__ = ["server"]  # the fixture


def credentials(password: str = "password", **more: Any) -> Credentials:
    return Credentials("u1", password, remember=True, **more)


def at(url: str, who: Credentials, **arguments: Any) -> AbstractContextManager[Any]:
    """A connection to this server."""
    return connection(ldap3.Server(url, get_info=ldap3.NONE), who, **arguments)


def bound(url: str, who: Credentials, **arguments: Any) -> bool:
    """Bind on a connection of its own, and do something with it."""
    with at(url, who, **arguments) as conn:
        if not conn.bind():
            return False
        assert conn.extend.standard.who_am_i() == f"dn:{U1}"
        found = conn.search(BASE, "(uid=u1)", attributes=["mail"])
        assert found if conn.strategy.sync else conn.get_response(found)[1]["result"] == 0
        return True


@pytest.mark.parametrize("layer", [{}, {"qop": "auth-int"}, {"qop": "auth-conf", "cipher": "3des"}])
@pytest.mark.parametrize("strategy", [ldap3.SYNC, ldap3.ASYNC, ldap3.RESTARTABLE])
def test_second_bind_takes_one_round_trip(server: OurServer, strategy: str, layer: dict[str, str]) -> None:
    who = credentials(**layer)
    mark = server.mark()
    for _ in range(3):
        assert bound(server.url, who, client_strategy=strategy)
    told = summary(server.audit_records(mark))
    # ldap3 counts messages over all its connections: who comes back has used one number less.
    assert [(code, reason) for _, code, reason in told] == [(0, None)] * 3
    assert len({record["ldap"]["qop"] for record in server.audit_records(mark)}) == 1


def test_it_is_one_message(scripted: Scripted) -> None:
    with_remembering = scripted()
    who = credentials()
    for _ in range(2):
        with at(with_remembering.url, who) as conn:
            assert conn.bind()
    begun = [given is not None for _, given in with_remembering.binds]
    assert begun == [False, True, True]
    assert [b"nc=00000001" in each for each in with_remembering.responses] == [True, False]
    assert b"nc=00000002" in with_remembering.responses[1]


def test_rebind_on_the_same_connection_too(server: OurServer) -> None:
    who = credentials(qop="auth-int")
    with at(server.url, who) as conn:
        for _ in range(3):
            assert conn.bind()
            assert conn.extend.standard.who_am_i() == f"dn:{U1}"


def test_server_that_does_not_remember_is_answered_as_the_first_time(our_server: OurServer) -> None:
    who = credentials()
    mark = our_server.mark()
    assert bound(our_server.url, who)
    assert bound(our_server.url, who)
    assert [code for _, code, _ in summary(our_server.audit_records(mark))] == [0, 0]


def test_nobody_is_remembered_unless_it_is_asked_for(scripted: Scripted) -> None:
    forgetful = scripted()
    who = Credentials("u1", "password")
    for _ in range(2):
        with at(forgetful.url, who) as conn:
            assert conn.bind()
    assert [given is not None for _, given in forgetful.binds] == [False, True, False, True]


def test_proof_is_due_in_the_one_round_trip_too(scripted: Scripted) -> None:
    verdicts = [honest, lying]
    impostor = scripted(verdict=lambda response: verdicts.pop(0)(response))
    who = credentials()
    with at(impostor.url, who) as conn:
        assert conn.bind()
        with pytest.raises(RspauthError):
            conn.bind()
        assert conn.closed


def test_server_that_gives_its_proof_and_wants_more_is_left(scripted: Scripted) -> None:
    def early(response: bytes) -> Answer:
        answer = honest(response)
        return answer if b"nc=00000001" in response else Answer(14, answer.server_sasl_creds)

    odd = scripted(verdict=early)
    who = credentials()
    with at(odd.url, who) as conn:
        assert conn.bind()
        with pytest.raises(DigestBindError, match="proof came where a challenge was due"):
            conn.bind()


@pytest.mark.parametrize("proof", [CHALLENGE, b"nonce=x", b""])
def test_success_with_a_challenge_proves_nothing(scripted: Scripted, proof: bytes) -> None:
    # Whoever has taken the server's place knows no password: he can only hope that a challenge will do.
    impostor = scripted(verdict=lambda response: honest(response) if b"nc=00000001" in response else Answer(0, proof))
    who = credentials()
    with at(impostor.url, who) as conn:
        assert conn.bind()
        with pytest.raises(RspauthError):
            conn.bind()
        assert (conn.bound, conn.closed, conn.digest_outcome) == (False, True, None)


def test_stale_challenge_is_answered_without_asking_anybody(scripted: Scripted) -> None:
    stale = asking(b'qop="auth",algorithm=md5-sess,nonce="bmV3",stale=true,charset=utf-8,realm="contoso.com"')
    server = scripted(verdict=lambda response: stale if b"nc=00000002" in response else honest(response))
    who = credentials()
    with at(server.url, who) as conn:
        assert conn.bind()
        assert conn.bind()
        assert [b'nonce="bmV3"' in each for each in server.responses] == [False, False, True]


def test_refused_response_is_forgotten(scripted: Scripted) -> None:
    verdicts = [honest, lambda response: Answer(49), honest]
    server = scripted(verdict=lambda response: verdicts.pop(0)(response))
    who = credentials()
    with at(server.url, who) as conn:
        assert conn.bind()
        assert not conn.bind()
        assert conn.bind()
        assert [given is not None for _, given in server.binds] == [False, True, True, False, True]


def test_credentials_show_nothing_of_what_they_keep(scripted: Scripted) -> None:
    who = credentials()
    before = repr(who)
    with at(scripted().url, who) as conn:
        assert conn.bind()
        assert repr(who) == before
        assert who == credentials()
