"""What ldap3 2.9.1 does wrong in DIGEST-MD5, and `sasl_digest.ldap3` right: docs/interop.md has the list.

Each test plays one script to both. What was sent is read by our engine, which is held against the RFC elsewhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any

import ldap3
import pytest

from sasl_digest import HA1, Credential, DigestResponse, DigestServer, Lookup, Password, Success
from sasl_digest.ldap3 import Credentials, DigestBindError, DigestConnection, RspauthError
from tests.interop.conftest import CHALLENGE, Answer, Scripted, ScriptedServer, asking, lying

NOTHING = Answer(0)  # success, and no proof


# Any: ldap3's stubs give most of what it returns no type.
@contextmanager
def connected(connection: Any) -> Iterator[Any]:
    """Close it in the end, whatever its state."""
    try:
        yield connection
    finally:
        connection.strategy.close()


def stock(url: str, user: str = "u1", password: str = "password") -> Any:
    """ldap3 as it comes."""
    return connected(
        ldap3.Connection(
            ldap3.Server(url, get_info=ldap3.NONE),
            authentication=ldap3.SASL,
            sasl_mechanism=ldap3.DIGEST_MD5,
            sasl_credentials=(None, user, password, None),
            receive_timeout=10,
        )
    )


def ours(url: str, user: str = "u1", password: str = "password") -> Any:
    """The same with our DIGEST-MD5."""
    server = ldap3.Server(url, get_info=ldap3.NONE)
    credentials = Credentials(user, password)
    return connected(DigestConnection(server, sasl_credentials=credentials, receive_timeout=10))


def sent(server: ScriptedServer) -> list[DigestResponse]:
    """The digest-responses that came."""
    return [DigestResponse.parse(response) for response in server.responses]


def engine(realm: str, credential: Credential) -> dict[str, Callable[..., Answer]]:
    """The script of a server that offers this realm and knows one account."""
    terms = DigestServer(realms=[realm])
    exchanges: list[DigestServer] = []

    def opening() -> Answer:
        exchanges.append(terms.fresh())
        return asking(exchanges[-1].step(b"").data)  # type: ignore[union-attr]

    def verdict(response: bytes) -> Answer:
        question = exchanges[-1].step(response)
        outcome = exchanges[-1].verify(credential) if isinstance(question, Lookup) else question
        return Answer(0, outcome.data) if isinstance(outcome, Success) else Answer(49)

    return {"opening": opening, "verdict": verdict}


def test_wrong_rspauth_is_accepted_by_stock_and_refused_by_ours(scripted: Scripted) -> None:
    url = scripted(verdict=lying).url
    with stock(url) as theirs:
        assert theirs.bind()
    with ours(url) as connection:
        with pytest.raises(RspauthError):
            connection.bind()
        assert (connection.bound, connection.closed) == (False, True)


def test_missing_rspauth_is_accepted_by_stock_and_refused_by_ours(scripted: Scripted) -> None:
    url = scripted(verdict=lambda response: NOTHING).url
    with stock(url) as theirs:
        assert theirs.bind()
    with ours(url) as connection:
        with pytest.raises(RspauthError):
            connection.bind()
        assert (connection.bound, connection.closed) == (False, True)


def test_challenge_without_realm_is_given_up_by_stock_and_answered_by_ours(scripted: Scripted) -> None:
    # realm is optional.  RFC 2831 section 2.1.1
    server = scripted(opening=lambda: asking(CHALLENGE.rpartition(b",realm")[0]))
    with stock(server.url) as theirs:
        assert not theirs.bind()
    assert server.responses == []
    with ours(server.url) as connection:
        assert connection.bind()


def test_quoted_pair_in_a_realm_is_mangled_by_stock_and_read_by_ours(scripted: Scripted) -> None:
    # A backslash quotes the character behind it, and is no part of the value.  Section 7.2
    realm = 'a "realm" with \\'
    server = scripted(**engine(realm, Password("password")))
    with stock(server.url) as theirs:
        assert not theirs.bind()
    assert rb'realm="a \realm\" with \\"",' in server.responses[0]
    with ours(server.url) as connection:
        assert connection.bind()
    assert DigestResponse.parse(server.responses[1]).realm == realm


def test_quote_in_a_user_name_adds_a_directive_in_stock_and_stays_in_its_place_in_ours(scripted: Scripted) -> None:
    user = 'u1",authzid="u:root'
    server = scripted(verdict=lambda response: Answer(49))
    with stock(server.url, user) as theirs:
        assert not theirs.bind()
    with ours(server.url, user) as connection:
        assert not connection.bind()
    said = [(response.username, response.authzid) for response in sent(server)]
    assert said == [("u1", "u:root"), (user, None)]


def test_of_two_realms_stock_takes_the_last_and_ours_the_first_or_the_one_that_is_named(scripted: Scripted) -> None:
    server = scripted(opening=lambda: asking(CHALLENGE + b',realm="fabrikam.com"'))
    with stock(server.url) as theirs:
        assert theirs.bind()
    with ours(server.url) as connection:
        assert connection.bind()
        connection.rebind(sasl_credentials=Credentials("u1", "password", realm="fabrikam.com"))
    assert [response.realm for response in sent(server)] == ["fabrikam.com", "contoso.com", "fabrikam.com"]


def test_qop_that_was_not_offered_is_answered_with_by_stock_and_not_by_ours(scripted: Scripted) -> None:
    # The client chooses among what is offered.  Section 2.1.2, qop
    server = scripted(opening=lambda: asking(CHALLENGE.replace(b'qop="auth"', b'qop="auth-other"')))
    with stock(server.url) as theirs:
        assert theirs.bind()
    assert b"qop=auth," in server.responses[0]
    with ours(server.url) as connection, pytest.raises(DigestBindError, match="offer"):
        connection.bind()
    assert len(server.responses) == 1


def test_space_behind_a_comma_stops_stock_and_not_ours(scripted: Scripted) -> None:
    # Blanks around the elements of a list mean nothing.  Section 7.1
    server = scripted(opening=lambda: asking(CHALLENGE.replace(b",", b", ")))
    with stock(server.url) as theirs:
        assert not theirs.bind()
    assert server.responses == []
    with ours(server.url) as connection:
        assert connection.bind()


def test_names_in_iso_8859_1_are_hashed_as_utf_8_by_stock_and_by_the_rfc_in_ours(scripted: Scripted) -> None:
    # What fits into ISO 8859-1 is hashed in it; charset is written without quotes.  Sections 2.1.2.1 and 2.1.2
    by_the_rfc = HA1(md5("jürgen:contoso.com:pässwörd".encode("iso-8859-1")).digest())
    as_utf8 = HA1(md5("jürgen:contoso.com:pässwörd".encode()).digest())
    for known, bound in ((by_the_rfc, (False, True)), (as_utf8, (True, False))):
        server = scripted(**engine("contoso.com", known))
        with stock(server.url, "jürgen", "pässwörd") as theirs, ours(server.url, "jürgen", "pässwörd") as connection:
            assert (theirs.bind(), connection.bind()) == bound
        assert [b'charset="utf-8"' in response for response in server.responses] == [True, False]
        assert [b"charset=utf-8" in response for response in server.responses] == [False, True]
