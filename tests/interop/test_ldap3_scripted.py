"""sasl_digest.ldap3 against servers that lie, mumble or hang up."""

import itertools
from collections.abc import Callable
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import (
    LDAPBindError,
    LDAPExceptionError,
    LDAPInvalidCredentialsResult,
    LDAPMaximumRetriesError,
)

from sasl_digest import DigestError, MalformedMessage, PeerError, Reason
from sasl_digest.ldap3 import Credentials, DigestBindError, RspauthError
from tests.interop.conftest import CHALLENGE, Answer, Scripted, asking, digest, honest, lying
from tests.interop.connections import WRONG, bound, connection, every_strategy, pool, stock, uids

# Servers that do not know the password.


def test_stock_ldap3_believes_a_wrong_rspauth_and_ours_raises(scripted: Scripted) -> None:
    server = scripted(verdict=lying)
    with connection(server.url, (None, "u1", "password", None), of=stock) as theirs:
        assert bound(theirs)
    with connection(server.url, (None, "u1", "password", None)) as ours, pytest.raises(RspauthError):
        ours.bind()


LIARS: dict[str, tuple[Callable[[], Answer], Callable[[bytes], Answer], str]] = {
    "wrong": (asking, lying, "rspauth is wrong"),
    "missing": (asking, lambda response: Answer(0), "no rspauth"),
    "empty": (asking, lambda response: Answer(0, b""), "no rspauth"),
    "malformed": (asking, lambda response: Answer(0, b"rspauth=0"), "rspauth: must be 32"),
    "the client's own": (
        asking,
        lambda response: Answer(0, b"rspauth=" + digest(response, "password", b"AUTHENTICATE:")),
        "rspauth is wrong",
    ),
    "success without exchange": (lambda: Answer(0), honest, "has proved nothing"),
    "success with the challenge": (lambda: Answer(0, CHALLENGE), honest, "has proved nothing"),
}


@every_strategy
@pytest.mark.parametrize(("opening", "verdict", "text"), LIARS.values(), ids=LIARS.keys())
def test_server_that_proves_nothing_is_left(
    scripted: Scripted,
    strategy: str,
    opening: Callable[[], Answer],
    verdict: Callable[[bytes], Answer],
    text: str,
) -> None:
    server = scripted(opening=opening, verdict=verdict)
    with connection(server.url, client_strategy=strategy) as conn:
        with pytest.raises(RspauthError, match=text) as error:
            conn.bind()
        assert (conn.bound, conn.closed) == (False, True)
        assert conn.digest_outcome is None
        assert conn.last_error == str(error.value)
        assert isinstance(error.value, PeerError)


def test_error_is_caught_by_ldap3s_names_and_by_ours() -> None:
    for kind in (LDAPBindError, LDAPExceptionError, DigestError):
        assert issubclass(DigestBindError, kind)
    # ldap3's RESTARTABLE strategies keep a history of errors by this very expression
    assert str(RspauthError(str(RspauthError("text", Reason.RSPAUTH)))) == "text"


def test_bound_connection_is_not_bound_when_a_rebind_ends_in_disbelief(scripted: Scripted) -> None:
    verdicts = iter([honest, lying])
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with connection(server.url) as conn:
        assert bound(conn)
        with pytest.raises(RspauthError):
            conn.rebind()
        assert (conn.bound, conn.closed) == (False, True)
        assert conn.digest_outcome is None


def test_bound_connection_is_anonymous_when_a_rebind_is_aborted(directory_server: str) -> None:
    with connection(directory_server) as conn:
        assert bound(conn)
        with pytest.raises(DigestBindError):
            conn.rebind(sasl_credentials=Credentials("u1", "password", realm="fabrikam.com", strict_realm=True))
        assert (conn.bound, conn.closed) == (False, False)


def test_lazy_connection_does_not_search_on_an_unproven_server(scripted: Scripted) -> None:
    with connection(scripted(verdict=lying).url, lazy=True) as conn:
        assert bound(conn)
        with pytest.raises(RspauthError):
            uids(conn)
        assert conn.closed


@pytest.mark.usefixtures("installed")
def test_installed_plain_connections_and_pools_do_not_believe_either(scripted: Scripted) -> None:
    url = scripted(verdict=lying).url
    with connection(url, of=stock) as plain, pytest.raises(RspauthError):
        plain.bind()
    with pool(url) as pooled:
        with pytest.raises(RspauthError):
            pooled.bind()
        assert not pooled.bound


@pytest.mark.usefixtures("installed")
def test_disbelief_in_a_pools_thread_reaches_the_caller_and_the_pool_lives_on(scripted: Scripted) -> None:
    verdicts = iter([honest, lying, honest])
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with pool(server.url) as conn:
        assert bound(conn)
        with pytest.raises(RspauthError, match="rspauth is wrong") as error:
            uids(conn)
        assert error.value.reason is Reason.RSPAUTH
        assert conn.get_response(conn.search("", "(objectClass=*)", ldap3.BASE))[1]["description"] == "success"
    assert len(server.responses) == 3


# What else servers say.


def test_challenge_without_auth_is_not_answered(scripted: Scripted) -> None:
    offers = b'qop="auth-int,auth-conf",cipher="rc4",algorithm=md5-sess,nonce="x",charset=utf-8,realm="contoso.com"'
    challenges = iter([offers, CHALLENGE])
    server = scripted(opening=lambda: asking(next(challenges)))
    with connection(server.url) as conn:
        with pytest.raises(
            DigestBindError, match="auth is not offered; the server offers auth-int, auth-conf"
        ) as error:
            conn.bind()
        assert error.value.reason is Reason.QOP
        assert not isinstance(error.value, PeerError)
        # an empty mechanism name takes the exchange back, and the connection is good for another
        assert server.binds == [("DIGEST-MD5", None), ("", None)]
        assert (conn.bound, conn.closed) == (False, False)
        assert bound(conn)


def test_malformed_challenge_is_named(scripted: Scripted) -> None:
    with connection(scripted(opening=lambda: asking(CHALLENGE + b',nonce="two"')).url) as conn:
        with pytest.raises(DigestBindError, match="nonce: must come only once") as error:
            conn.bind()
        assert isinstance(error.value.__cause__, MalformedMessage)
    with (
        connection(scripted(opening=lambda: Answer(14)).url) as conn,
        pytest.raises(DigestBindError, match="digest-challenge: is empty"),
    ):
        conn.bind()


@every_strategy
@pytest.mark.usefixtures("impatient")
def test_abort_that_the_server_does_not_answer_closes_the_connection(scripted: Scripted, strategy: str) -> None:
    server = scripted(opening=lambda: asking(b"nonce"), other=lambda: None)
    with connection(server.url, client_strategy=strategy) as conn:
        with pytest.raises(DigestBindError, match="no directive can be read"):
            conn.bind()
        assert (conn.bound, conn.closed) == (False, True)
        assert server.binds == [("DIGEST-MD5", None), ("", None)]


def test_first_of_two_realms_is_taken_and_the_named_one_preferred(scripted: Scripted) -> None:
    server = scripted(opening=lambda: asking(CHALLENGE + b',realm="fabrikam.com"'))
    with connection(server.url) as conn:
        assert bound(conn)
        assert conn.digest_outcome.realm == "contoso.com"
        conn.rebind(sasl_credentials=Credentials("u1", "password", realm="fabrikam.com"))
        assert conn.digest_outcome.realm == "fabrikam.com"
        assert conn.digest_note is None


def test_realm_that_was_not_offered_is_sent_and_noted(scripted: Scripted) -> None:
    with connection(scripted().url, Credentials("u1", "password", realm="CONTOSO")) as conn:
        assert bound(conn)
        assert conn.digest_outcome.realm == "CONTOSO"
        assert conn.digest_note == "realm 'CONTOSO' was not offered (offered: 'contoso.com')"


def test_challenge_with_spaces_without_realm_or_in_upper_case_stops_stock_ldap3_and_not_ours(
    scripted: Scripted,
) -> None:
    for challenge in (
        CHALLENGE.replace(b",", b", "),
        CHALLENGE.rpartition(b",")[0],
        CHALLENGE.replace(b"nonce", b"NONCE"),
    ):
        url = scripted(opening=lambda challenge=challenge: asking(challenge)).url
        with connection(url, (None, "u1", "password", None), of=stock) as theirs:
            assert not bound(theirs)
        with connection(url) as ours:
            assert bound(ours)


def test_digest_uri_names_the_host_as_typed_or_as_told(scripted: Scripted) -> None:
    server = scripted()
    with connection(f"ldap://LocalHost:{server.port}") as conn:
        assert bound(conn)
        conn.rebind(sasl_credentials=Credentials("u1", "password", service_host="dc1.contoso.com"))
        assert conn.bound
    assert [response.count(b'digest-uri="ldap/LocalHost"') for response in server.responses] == [1, 0]
    assert [response.count(b'digest-uri="ldap/dc1.contoso.com"') for response in server.responses] == [0, 1]


def test_digest_uri_has_brackets_around_an_ipv6_address(scripted: Scripted) -> None:
    server = scripted()
    typed: Any = ldap3.Server(server.url)
    assert typed.address_info  # where it connects to is settled; what was typed may be anything from here on,
    typed.host = "::1"  # and so the test needs no IPv6
    with connection(typed) as conn:
        assert bound(conn)
    assert b'digest-uri="ldap/[::1]"' in server.responses[0]


def test_authzid_is_sent_and_hashed(scripted: Scripted) -> None:
    server = scripted()
    with connection(server.url, (None, "u1", "password", "u:other")) as conn:
        assert bound(conn)
    assert b'authzid="u:other"' in server.responses[0]


def test_expired_nonce_is_answered_once_more(scripted: Scripted) -> None:
    stale = CHALLENGE.replace(b"AAEC", b"BBBB") + b",stale=true"
    verdicts = iter([lambda response: asking(stale), honest])
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with connection(server.url) as conn:
        assert bound(conn)
    assert [b'nonce="BBBB' in response for response in server.responses] == [False, True]


def test_server_for_which_every_nonce_is_expired_is_given_up(scripted: Scripted) -> None:
    server = scripted(verdict=lambda response: asking(CHALLENGE + b",stale=true"))
    with connection(server.url) as conn, pytest.raises(DigestBindError, match="where the verdict was due"):
        conn.bind()
    assert len(server.responses) == 2


def test_challenge_in_place_of_a_verdict_does_not_get_the_password_tried_again(scripted: Scripted) -> None:
    server = scripted(verdict=lambda response: asking())
    with connection(server.url) as conn, pytest.raises(DigestBindError, match="where the verdict was due"):
        conn.bind()
    assert len(server.responses) == 1
    assert server.binds[-1] == ("", None)


@pytest.mark.parametrize("strategy", [ldap3.RESTARTABLE, ldap3.SAFE_RESTARTABLE])
def test_restartable_strategies_do_not_send_a_refused_response_again(scripted: Scripted, strategy: str) -> None:
    server = scripted()
    with (
        connection(server.url, WRONG, client_strategy=strategy, raise_exceptions=True) as conn,
        pytest.raises(LDAPInvalidCredentialsResult),
    ):
        conn.bind()
    assert len(server.responses) == 1


@every_strategy
@pytest.mark.usefixtures("impatient")
def test_response_is_never_sent_twice_when_the_server_hangs_up(scripted: Scripted, strategy: str) -> None:
    server = scripted(verdict=lambda response: None)
    with connection(server.url, client_strategy=strategy) as conn:
        with pytest.raises(LDAPExceptionError):
            conn.bind()
        assert (conn.bound, conn.closed) == (False, True)
    assert len(server.responses) == 1


@pytest.mark.parametrize("strategy", [ldap3.RESTARTABLE, ldap3.SAFE_RESTARTABLE])
def test_restartable_strategies_ask_for_the_challenge_again_on_a_new_connection(
    scripted: Scripted, strategy: str
) -> None:
    openings = iter([None, asking()])
    server = scripted(opening=lambda: next(openings))
    with connection(server.url, client_strategy=strategy) as conn:
        conn.strategy.restartable_sleep_time = 0
        assert bound(conn)
    assert [credentials is None for _, credentials in server.binds] == [True, True, False]


@pytest.mark.parametrize("strategy", [ldap3.RESTARTABLE, ldap3.SAFE_RESTARTABLE])
def test_restartable_strategies_send_no_operation_to_a_server_that_proves_nothing(
    scripted: Scripted, strategy: str
) -> None:
    verdicts = itertools.chain([honest], itertools.repeat(lying))
    server = scripted(verdict=lambda response: next(verdicts)(response))
    with connection(server.url, client_strategy=strategy) as conn:
        conn.strategy.restartable_sleep_time, conn.strategy.restartable_tries = 0, 3
        assert bound(conn)
        with pytest.raises(LDAPMaximumRetriesError) as error:
            conn.extended("1.3.6.1.4.1.4203.1.11.3")  # to which the server hangs up
        assert isinstance(error.value.args[1][-1], RspauthError)
        assert (conn.bound, conn.closed) == (False, True)
    assert len(server.responses) == 1 + 3
    assert server.operations.count("extendedReq") == 1
