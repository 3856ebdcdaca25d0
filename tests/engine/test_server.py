"""The server's side of an exchange: what it offers, what it refuses and why, and what it is sure of in the end."""

from collections.abc import Iterable
from hashlib import md5
from typing import Any

import pytest

from sasl_digest import (
    HA1,
    QOP,
    Challenge,
    Credential,
    DigestChallenge,
    DigestServer,
    Failure,
    Lookup,
    NonceBook,
    Password,
    Reason,
    Success,
    UsageError,
    digest,
)

SECRET = Password("secret")
HASH = digest.secret(b"alice", b"example.org", b"secret")


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


def begun(server: DigestServer) -> DigestChallenge:
    """The challenge of `server`, read."""
    outcome = server.step(b"")
    assert isinstance(outcome, Challenge)
    return DigestChallenge.parse(outcome.data)


def answer(
    nonce: bytes,
    *,
    username: str = "alice",
    password: str = "secret",
    realm: str | None = "example.org",
    nc: int = 1,
    uri: str = "ldap/ldap.example.org",
    qop: str | None = "auth",
    authzid: str | None = None,
    hashed: bytes | None = None,
) -> bytes:
    """A digest-response computed here, with the right response for whatever else it says."""
    h = hashed or md5(f"{username}:{realm or ''}:{password}".encode("iso-8859-1")).digest()
    h += b":" + nonce + b":cn0nce" + (b"" if authzid is None else b":" + authzid.encode())
    a2 = f"AUTHENTICATE:{uri}" + ("" if qop in (None, "auth") else ":" + "0" * 32)
    text = f"{md5(h).hexdigest()}:{nonce.decode()}:{nc:08x}:cn0nce:{qop or 'auth'}:{md5(a2.encode()).hexdigest()}"
    directives = [f'username="{username}",nonce="{nonce.decode()}",cnonce="cn0nce",nc={nc:08x},digest-uri="{uri}"']
    directives += [] if realm is None else [f'realm="{realm}"']
    directives += [] if qop is None else [f"qop={qop}"]
    directives += [] if qop != "auth-conf" else ["cipher=rc4"]
    directives += [] if authzid is None else [f'authzid="{authzid}"']
    return ",".join([*directives, f"response={md5(text.encode()).hexdigest()},charset=utf-8"]).encode()


def verified(server: DigestServer, response: bytes, credential: Credential | None) -> Success | Challenge | Failure:
    outcome = server.step(response)
    assert isinstance(outcome, Lookup), outcome
    return server.verify(credential)


# The challenge


@pytest.mark.parametrize(
    ("realms", "tail"),
    [
        ((), b""),
        (("example.org",), b',realm="example.org"'),
        (("one", 'tw"o\\', "drei ü"), b',realm="one",realm="tw\\"o\\\\",realm="drei \xc3\xbc"'),
    ],
)
def test_challenge_offers_the_realms(realms: tuple[str, ...], tail: bytes) -> None:
    server = DigestServer(realms=realms, nonces=NonceBook(clock=lambda: 0.0, token=bytes))
    assert server.step(b"") == Challenge(
        b'qop="auth",algorithm=md5-sess,nonce="AAAAAAAAAAAAAAAAAAAAAAAAwNWN3lonF8HDPD1a",charset=utf-8' + tail
    )


def test_challenge_without_utf_8_and_with_a_maxbuf() -> None:
    server = DigestServer(realms=["bücher"], utf8=False, maxbuf=4096)
    outcome = server.step(b"")
    assert isinstance(outcome, Challenge)
    nonce = DigestChallenge.parse(outcome.data).nonce
    assert outcome.data == b'qop="auth",maxbuf=4096,algorithm=md5-sess,nonce="%b",realm="b\xfccher"' % nonce


def test_other_realms_are_not_offered() -> None:
    assert begun(DigestServer(realms=["example.org"], other_realms=["EXAMPLE"])).realms == ("example.org",)


def test_terms_that_no_challenge_can_state_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^digest-challenge: \d+ octets; fewer than 2048 are allowed$"):
        DigestServer(realms=["r" * 2048])
    with pytest.raises(UsageError, match=r"^realm: cannot be written in iso-8859-1$"):
        DigestServer(realms=["山"], utf8=False)


@pytest.mark.parametrize("length", range(1900, 2000, 10))
def test_no_server_sends_a_challenge_of_2048_octets(length: int) -> None:
    try:
        server = DigestServer(realms=["r" * length])
    except UsageError:
        return
    outcome = server.step(b"")
    assert isinstance(outcome, Challenge)
    assert len(outcome.data) < 2048


@pytest.mark.parametrize("maxbuf", [17, 65536, 16777215])
def test_maxbuf_within_bounds_is_told(maxbuf: int) -> None:
    assert begun(DigestServer(maxbuf=maxbuf)).maxbuf == maxbuf


@pytest.mark.parametrize("maxbuf", [16, 16777216, 0, -1])
def test_maxbuf_out_of_bounds_is_refused(maxbuf: int) -> None:
    with pytest.raises(UsageError, match=rf"^maxbuf: {maxbuf}; must be from 17 to 16777215$"):
        DigestServer(maxbuf=maxbuf)


def test_server_without_any_qop_or_cipher_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^qop: at least one QOP must be offered$"):
        DigestServer(qop=())
    with pytest.raises(UsageError, match=r"^ciphers: at least one must be offered for auth-conf$"):
        DigestServer(qop=(QOP.AUTH_CONF,), ciphers=())


# The verdict


def test_right_password_is_a_success_with_rspauth() -> None:
    server = DigestServer(realms=["example.org"], service="ldap", hosts=["ldap.example.org"])
    nonce = begun(server).nonce
    assert server.step(answer(nonce, authzid="u:bob")) == Lookup("alice", "example.org", "u:bob")
    a1 = md5(b"alice:example.org:secret").digest() + b":" + nonce + b":cn0nce:u:bob"
    a2 = md5(b":ldap/ldap.example.org").hexdigest()
    text = f"{md5(a1).hexdigest()}:{nonce.decode()}:00000001:cn0nce:auth:{a2}"
    rspauth = b"rspauth=" + md5(text.encode()).hexdigest().encode()
    assert server.verify(SECRET) == Success("alice", "example.org", "u:bob", QOP.AUTH, rspauth)
    assert server.response is not None
    assert server.response.digest_uri == b"ldap/ldap.example.org"


@pytest.mark.parametrize("credential", [Password("Secret"), Password(""), HA1(bytes(16))])
def test_wrong_secret_is_a_wrong_password(credential: Credential) -> None:
    server = DigestServer()
    assert verified(server, answer(begun(server).nonce), credential) == Failure(Reason.WRONG_PASSWORD)


def test_user_that_is_not_known() -> None:
    server = DigestServer()
    assert verified(server, answer(begun(server).nonce), None) == Failure(Reason.UNKNOWN_USER)


def test_credential_that_offers_nothing_for_these_names() -> None:
    stored = md5(b"alice:example.org:secret").digest()
    for credential, expected in (
        (HA1(stored, username="alice", realm="example.org"), None),
        (HA1(stored, username="bob"), Reason.NO_USABLE_SECRET),
        (HA1(stored, realm="EXAMPLE.ORG"), Reason.NO_USABLE_SECRET),
    ):
        server = DigestServer(realms=["example.org"])
        outcome = verified(server, answer(begun(server).nonce), credential)
        assert (outcome.reason if isinstance(outcome, Failure) else None) is expected


@pytest.mark.parametrize(
    "hashed",
    [
        "jürgen:example.org:pässwörd".encode("iso-8859-1"),  # RFC 2831 section 2.1.2.1
        "jürgen:example.org:pässwörd".encode(),  # ldap3 and many more
        "jürgen:example.org:".encode() + "pässwörd".encode("iso-8859-1"),  # GNU SASL
    ],
    ids=["rfc-2831", "utf-8", "gnu-sasl"],
)
def test_three_readings_of_names_beyond_ascii_are_accepted(hashed: bytes) -> None:
    server = DigestServer(realms=["example.org"])
    response = answer(begun(server).nonce, username="jürgen", hashed=md5(hashed).digest())
    assert isinstance(verified(server, response, Password("pässwörd")), Success)


def test_fourth_reading_is_not() -> None:
    hashed = "jürgen".encode("iso-8859-1") + ":example.org:pässwörd".encode()
    server = DigestServer(realms=["example.org"])
    response = answer(begun(server).nonce, username="jürgen", hashed=md5(hashed).digest())
    assert verified(server, response, Password("pässwörd")) == Failure(Reason.WRONG_PASSWORD)


# Realms


@pytest.mark.parametrize(
    ("offered", "others", "sent", "served"),
    [
        (["example.org"], [], "example.org", True),
        (["example.org"], [], "EXAMPLE.Org", True),
        (["Example.ORG"], [], "example.org", True),
        (["example.org"], [], "elsewhere.org", False),
        (["example.org"], [], "", False),
        (["example.org"], [], None, False),
        (["example.org"], ["EXAMPLE", "Digest"], "example", True),
        (["example.org"], ["EXAMPLE"], "example.org", True),
        (["example.org"], ["EXAMPLE"], "", False),
        (["example.org"], [""], "", True),
        (["example.org"], [""], None, True),
        (["one", "two"], [], "two", True),
        (["one", "two"], [], "three", False),
        ([], ["EXAMPLE"], "example", True),
        ([], ["EXAMPLE"], "", False),
        ([], [], "anything", True),
        ([], [], "", True),
        ([], [], None, True),
    ],
)
def test_realm_is_served_when_it_was_named_without_regard_to_case(
    offered: list[str], others: list[str], sent: str | None, served: bool
) -> None:
    server = DigestServer(realms=offered, other_realms=others)
    response = answer(begun(server).nonce, realm=sent)
    assert server.step(response) == Lookup("alice", sent or "", None)
    assert server.response is not None
    assert server.response.realm == sent
    outcome = server.verify(SECRET)
    assert isinstance(outcome, Success) if served else outcome == Failure(Reason.REALM)


@pytest.mark.parametrize("credential", [SECRET, None, HA1(bytes(16), username="x")])
def test_realm_that_is_not_served_ends_after_the_question_whatever_is_known(credential: Credential | None) -> None:
    server = DigestServer(realms=["example.org"])
    assert verified(server, answer(begun(server).nonce, realm="x"), credential) == Failure(Reason.REALM)


# The digest-uri


@pytest.mark.parametrize(
    ("uri", "right"),
    [
        ("ldap/ldap.example.org", True),
        ("LDAP/LDAP.Example.ORG", True),
        ("ldap/ldap.example.org.", True),
        ("ldap/alias", True),
        ("ldap/[::1]", True),
        ("ldap/::1", True),
        ("ldap/192.0.2.1", False),
        ("ldap/[::2]", False),
        ("ldap/elsewhere.org", False),
        ("ldap/ldap.example.org.evil.org", False),
        ("ldap/", False),
        ("ldap", False),
        ("", False),
        ("/ldap.example.org", False),
        ("imap/ldap.example.org", False),
        ("ldap.example.org", False),
        ("ldap/ldap.example.org/alias", True),
        ("ldap/ldap.example.org/Example.org", True),
        ("ldap/ldap.example.org/elsewhere.org", False),
        ("ldap/ldap.example.org/alias/x", False),
        ("ldap/elsewhere.org/ldap.example.org", False),
        ("ldap/\xe9", False),
    ],
)
def test_digest_uri_must_name_this_service_on_this_host(uri: str, right: bool) -> None:
    hosts = ["ldap.example.org", "ALIAS.", "[::1]"]
    server = DigestServer(realms=["example.org"], service="ldap", hosts=hosts)
    outcome = server.step(answer(begun(server).nonce, uri=uri))
    assert outcome == (Lookup("alice", "example.org", None) if right else Failure(Reason.DIGEST_URI))


def test_digest_uri_may_name_an_address_that_is_listed() -> None:
    server = DigestServer(hosts=["127.0.0.1"])
    assert isinstance(server.step(answer(begun(server).nonce, uri="imap/127.0.0.1")), Lookup)


def test_service_is_checked_without_hosts_and_hosts_without_a_service() -> None:
    def outcome(uri: str, service: str | None, hosts: Iterable[str] | None) -> Lookup | Challenge | Failure:
        server = DigestServer(service=service, hosts=hosts)
        return server.step(answer(begun(server).nonce, uri=uri))

    assert outcome("imap/any", "LDAP", None) == Failure(Reason.DIGEST_URI)
    assert isinstance(outcome("ldap/any", "LDAP", None), Lookup)
    assert outcome("imap/any", None, ["one"]) == Failure(Reason.DIGEST_URI)
    assert isinstance(outcome("imap/one", None, ["one"]), Lookup)
    assert outcome("imap/one", None, []) == Failure(Reason.DIGEST_URI)
    assert isinstance(outcome("any thing", None, None), Lookup)


def test_each_exchange_is_held_to_its_own_digest_uri_and_qop_whatever_came_before() -> None:
    terms = DigestServer(hosts=["one", "other"], qop=[QOP.AUTH, QOP.AUTH_INT])
    for uri, qop in [("ldap/one", "auth"), ("ldap/other", "auth"), ("ldap/one", "auth-int"), ("ldap/one", "auth")]:
        server = terms.fresh()
        verdict = verified(server, answer(begun(server).nonce, uri=uri, qop=qop), SECRET)
        assert isinstance(verdict, Success)
        a2 = f":{uri}" + ("" if qop == "auth" else ":" + "0" * 32)
        assert server.response is not None
        keyed = digest.keyed(
            digest.h(digest.a1(HASH, nonce=server.response.nonce, cnonce=b"cn0nce", authzid=None)),
            nonce=server.response.nonce,
            nonce_count=1,
            cnonce=b"cn0nce",
            qop=verdict.qop,
        )
        assert verdict.data == b"rspauth=" + digest.response_value(keyed, a2.encode())
        server = terms.fresh()
        forged = answer(begun(server).nonce, uri=uri, qop=qop).replace(uri.encode(), b"ldap/elsewhere")
        assert server.step(forged) == Failure(Reason.DIGEST_URI)
        server = terms.fresh()
        moved = b"ldap/one" if uri == "ldap/other" else b"ldap/other"
        swapped = answer(begun(server).nonce, uri=uri, qop=qop).replace(uri.encode(), moved)
        assert verified(server, swapped, SECRET) == Failure(Reason.WRONG_PASSWORD)


def test_what_is_kept_of_digest_uris_is_bounded() -> None:
    terms = DigestServer(service="ldap")
    for uri in [f"ldap/host{number}" for number in range(300)] + ["ldap/" + "x" * 500]:
        for _ in range(2):
            server = terms.fresh()
            assert isinstance(verified(server, answer(begun(server).nonce, uri=uri), SECRET), Success)
        kept = terms._terms.places[QOP.AUTH]
        assert len(kept) <= 64
        assert max(map(len, kept)) <= 255


# nonce, nonce-count, qop


@pytest.mark.parametrize("nc", [0, 2, 0x10, 0xFFFFFFFF])
def test_nonce_count_must_be_1(nc: int) -> None:
    server = DigestServer()
    assert server.step(answer(begun(server).nonce, nc=nc)) == Failure(Reason.NONCE_COUNT)


@pytest.mark.parametrize("qop", ["auth-int", "auth-conf"])
def test_qop_must_have_been_offered(qop: str) -> None:
    server = DigestServer()
    assert server.step(answer(begun(server).nonce, qop=qop)) == Failure(Reason.QOP)


def test_qop_left_out_is_auth() -> None:
    server = DigestServer()
    assert isinstance(verified(server, answer(begun(server).nonce, qop=None), SECRET), Success)


def test_nonce_of_another_server_is_foreign() -> None:
    server = DigestServer()
    begun(server)
    assert server.step(answer(begun(DigestServer()).nonce)) == Failure(Reason.NONCE_FOREIGN)


@pytest.mark.parametrize("before", [b"!", b"!!!!", b"="])
def test_nonce_with_octets_put_in_front_is_foreign(before: bytes) -> None:
    server = DigestServer()
    nonce = begun(server).nonce
    assert server.step(answer(before + nonce)) == Failure(Reason.NONCE_FOREIGN)


def test_response_replayed_in_the_next_exchange_is_refused() -> None:
    server = DigestServer()
    response = answer(begun(server).nonce)
    assert isinstance(verified(server, response, SECRET), Success)
    following = server.fresh()
    begun(following)
    assert following.step(response) == Failure(Reason.NONCE_REPLAYED)


def test_servers_that_share_a_book_know_each_others_nonces() -> None:
    book = NonceBook()
    one, other = DigestServer(nonces=book), DigestServer(nonces=book)
    begun(other)
    assert other.step(answer(begun(one).nonce)) == Failure(Reason.NONCE_REPLAYED)


def test_expired_nonce_with_the_right_password_is_challenged_again() -> None:
    clock = Clock()
    server = DigestServer(realms=["example.org"], nonces=NonceBook(clock=clock))
    first = begun(server).nonce
    clock.now += 301
    outcome = verified(server, answer(first), SECRET)
    assert isinstance(outcome, Challenge)
    assert outcome.stale
    second = DigestChallenge.parse(outcome.data).nonce
    assert outcome.data == (
        b'qop="auth",algorithm=md5-sess,nonce="%b",stale=true,charset=utf-8,realm="example.org"' % second
    )
    assert second != first
    assert isinstance(verified(server, answer(second), SECRET), Success)


def test_response_to_the_expired_nonce_is_not_taken_twice() -> None:
    clock = Clock()
    server = DigestServer(nonces=NonceBook(clock=clock))
    response = answer(begun(server).nonce)
    clock.now += 301
    assert isinstance(verified(server, response, SECRET), Challenge)
    assert server.step(response) == Failure(Reason.NONCE_REPLAYED)


@pytest.mark.parametrize(
    ("realm", "credential", "reason"),
    [
        ("example.org", Password("wrong"), Reason.WRONG_PASSWORD),
        ("example.org", None, Reason.UNKNOWN_USER),
        ("example.org", HA1(bytes(16), username="bob"), Reason.NO_USABLE_SECRET),
        ("elsewhere.org", SECRET, Reason.REALM),
    ],
)
def test_only_who_knows_the_password_is_told_of_an_expired_nonce(
    realm: str, credential: Credential | None, reason: Reason
) -> None:
    clock = Clock()
    server = DigestServer(realms=["example.org"], nonces=NonceBook(clock=clock))
    response = answer(begun(server).nonce, realm=realm)
    clock.now += 301
    assert verified(server, response, credential) == Failure(reason)


def test_nonce_as_old_as_its_lifetime_is_good() -> None:
    clock = Clock()
    server = DigestServer(nonces=NonceBook(clock=clock, lifetime=300.0))
    response = answer(begun(server).nonce)
    clock.now += 300
    assert isinstance(verified(server, response, SECRET), Success)


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"realms": "example.org"}, r"^realms: several names are due, in a list or the like, and not one str$"),
        ({"hosts": "ldap.example.org"}, r"^hosts: several names are due"),
        ({"other_realms": b"EXAMPLE"}, r"^other_realms: several names are due, .* not one bytes$"),
        ({"qop": ["auth"]}, r"^qop: at least one QOP must be offered$"),
        ({"qop": "auth"}, r"^qop: at least one QOP must be offered$"),
        ({"qop": [QOP.AUTH_CONF], "ciphers": ["rc4"]}, r"^ciphers: Cipher is what they are$"),
    ],
)
@pytest.mark.interpreted("sasl_digest.server")
def test_terms_of_another_type_are_refused_at_once(terms: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        DigestServer(**terms)
