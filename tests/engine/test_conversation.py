"""Both ends joined in memory: what one of them means the other understands, for any names."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sasl_digest import (
    HA1,
    QOP,
    Challenge,
    Credential,
    DigestClient,
    DigestServer,
    Failure,
    Lookup,
    NonceBook,
    Password,
    Reason,
    Response,
    Success,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)
AWKWARD = st.text('"\\,=; ü', max_size=8)
NAMES = TEXT | AWKWARD
LATIN = st.text(st.characters(codec="iso-8859-1", exclude_categories=["Cc"]), max_size=20) | AWKWARD


Verdict = Success | Challenge | Failure


def converse(client: DigestClient, server: DigestServer, credential: Credential | None) -> Verdict:
    """Run both ends against each other; the server's last word, checked by the client."""
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    answer = client.step(challenge.data)
    assert isinstance(answer, Response), answer
    outcome: Verdict | Lookup = server.step(answer.data)
    if isinstance(outcome, Lookup):
        outcome = server.verify(credential)
    if isinstance(outcome, Success):
        proved = client.step(outcome.data)
        assert proved == Success(outcome.username, outcome.realm, outcome.authzid, outcome.qop)
    return outcome


def mistaken_for_utf_8(text: str) -> bool:
    """Whether `text` in ISO 8859-1 reads as another text in UTF-8, which a server tries first."""
    raw = text.encode("iso-8859-1")
    return not raw.isascii() and raw.decode("utf-8", "replace").encode() == raw


@settings(deadline=None)
@given(st.data())
def test_right_password_succeeds_on_both_ends_whatever_the_names(data: st.DataObject) -> None:
    utf8 = data.draw(st.booleans(), label="utf8")
    names = NAMES if utf8 else LATIN
    username = data.draw(names.filter(bool), label="username")
    realms = data.draw(st.lists(names, max_size=3), label="realms")
    asked = data.draw(st.sampled_from([None, *realms]), label="asked")
    authzid = data.draw(st.none() | NAMES.filter(bool), label="authzid")
    password = Password(data.draw(NAMES, label="password"))
    if not utf8:
        assume(not any(mistaken_for_utf_8(text) for text in (username, *realms)))
    server = DigestServer(realms=realms, service="ldap", hosts=["ldap.example.org"], utf8=utf8)
    client = DigestClient(
        username, password, service="ldap", host="ldap.example.org", realm=asked, strict_realm=True, authzid=authzid
    )
    realm = asked if asked is not None else "".join(realms[:1])
    outcome = converse(client, server, password)
    assert isinstance(outcome, Success)
    assert (outcome.username, outcome.realm, outcome.authzid, outcome.qop) == (username, realm, authzid, QOP.AUTH)


@settings(deadline=None)
@given(username=NAMES.filter(bool), realm=NAMES, right=NAMES, wrong=NAMES)
def test_wrong_password_fails_whatever_the_names(username: str, realm: str, right: str, wrong: str) -> None:
    client, server = DigestClient(username, Password(wrong), service="ldap", host="h", realm=realm), DigestServer()
    if set(Password(right).secrets(username, realm)) & set(Password(wrong).secrets(username, realm)):
        assert isinstance(converse(client, server, Password(right)), Success)
    else:
        assert converse(client, server, Password(right)) == Failure(Reason.WRONG_PASSWORD)


@settings(deadline=None)
@given(username=NAMES.filter(bool), realm=NAMES, password=NAMES)
def test_stored_hash_serves_either_end_as_the_password_does(username: str, realm: str, password: str) -> None:
    stored = HA1(Password(password).secrets(username, realm)[0], username=username, realm=realm)
    for ours, theirs in ((stored, Password(password)), (Password(password), stored), (stored, stored)):
        client = DigestClient(username, ours, service="ldap", host="h", realm=realm)
        assert isinstance(converse(client, DigestServer(), theirs), Success)


def test_user_who_is_not_known_fails() -> None:
    client = DigestClient("alice", Password("secret"), service="ldap", host="h")
    assert converse(client, DigestServer(), None) == Failure(Reason.UNKNOWN_USER)


def test_server_that_does_not_know_the_secret_cannot_convince_the_client() -> None:
    client = DigestClient("alice", Password("secret"), service="ldap", host="h")
    impostor, real = DigestServer(), DigestServer()
    challenge = impostor.step(b"")
    assert isinstance(challenge, Challenge)
    assert isinstance(client.step(challenge.data), Response)
    other = DigestClient("alice", Password("guess"), service="ldap", host="h")
    outcome = converse(other, real, Password("guess"))
    assert isinstance(outcome, Success)
    refused = client.step(outcome.data)
    assert isinstance(refused, Failure)
    assert refused.reason is Reason.RSPAUTH


def test_client_answers_the_challenge_that_replaces_an_expired_nonce() -> None:
    now = [0.0]
    server = DigestServer(realms=["example.org"], nonces=NonceBook(clock=lambda: now[0]))
    first = server.step(b"")
    assert isinstance(first, Challenge)
    answer = DigestClient("alice", Password("secret"), service="ldap", host="h").step(first.data)
    assert isinstance(answer, Response)
    now[0] += 301
    assert isinstance(server.step(answer.data), Lookup)
    second = server.verify(Password("secret"))
    assert isinstance(second, Challenge)
    # "stale" means that the password need not be asked for again: the same names, another exchange
    again = DigestClient("alice", Password("secret"), service="ldap", host="h")
    answer = again.step(second.data)
    assert isinstance(answer, Response)
    assert again.challenge is not None
    assert again.challenge.stale
    assert isinstance(server.step(answer.data), Lookup)
    outcome = server.verify(Password("secret"))
    assert isinstance(outcome, Success)
    assert isinstance(again.step(outcome.data), Success)
