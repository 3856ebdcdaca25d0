"""The client's side of an exchange: what it answers, what it will not answer, and what proof it wants."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from sasl_digest import (
    HA1,
    QOP,
    Credential,
    DigestChallenge,
    DigestClient,
    Failure,
    MalformedMessage,
    Password,
    Reason,
    Response,
    Success,
    UsageError,
)

SECRET = Password("secret")
CHALLENGE = b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'
RSPAUTH = b"rspauth=ea40f60335c427b5527b84dbabcdfffd"


def client(
    username: str = "chris",
    credential: Credential = SECRET,
    *,
    service: str = "imap",
    host: str = "elwood.innosoft.com",
    serv_name: str | None = None,
    realm: str | None = None,
    strict_realm: bool = False,
    authzid: str | None = None,
    cnonce: Callable[[], bytes] = lambda: b"OA6MHXh6VqTrRk",
) -> DigestClient:
    """The client of RFC 2831 section 4's first example, but for what a test changes."""
    return DigestClient(
        username,
        credential,
        service=service,
        host=host,
        serv_name=serv_name,
        realm=realm,
        strict_realm=strict_realm,
        authzid=authzid,
        cnonce=cnonce,
    )


def answered(client: DigestClient, challenge: bytes = CHALLENGE) -> bytes:
    outcome = client.step(challenge)
    assert isinstance(outcome, Response), outcome
    return outcome.data


def refused(client: DigestClient, data: bytes) -> tuple[Reason, str]:
    """Why and in what words the client refuses `data`; it is over after that."""
    outcome = client.step(data)
    assert isinstance(outcome, Failure), outcome
    with pytest.raises(UsageError, match=r"^step\(\) out of turn; due: nothing$"):
        client.step(data)
    return outcome.reason, outcome.detail


# The answer


def test_first_example_of_rfc_2831() -> None:
    chris = client()
    assert answered(chris) == (
        b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
        b'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",'
        b"response=d388dad90d4bbd760a152321f2143af7,qop=auth"
    )
    assert chris.challenge == DigestChallenge.parse(CHALLENGE)
    assert chris.step(RSPAUTH) == Success("chris", "elwood.innosoft.com", None, QOP.AUTH, b"")


def test_second_example_of_rfc_2831() -> None:
    chris = client(service="acap", cnonce=lambda: b"OA9BSuZWMSpW8m")
    assert answered(chris, CHALLENGE.replace(b"OA6MG9tEQGm2hh", b"OA9BSXrbuRhWay")) == (
        b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA9BSXrbuRhWay",nc=00000001,'
        b'cnonce="OA9BSuZWMSpW8m",digest-uri="acap/elwood.innosoft.com",'
        b"response=6084c6db3fede7352c551284490fd0fc,qop=auth"
    )
    assert isinstance(chris.step(b"rspauth=2f0b3d7c3c2e486600ef710726aa2eae"), Success)


def test_challenge_in_active_directorys_order_is_answered_with_auth() -> None:
    challenge = (
        b'qop="auth,auth-int,auth-conf",cipher="3des,rc4",algorithm=md5-sess,nonce="+Upgraded+v1abcd",'
        b'charset=utf-8,realm="contoso.com"'
    )
    u1 = client("u1", Password("password"), service="ldap", host="dc1.contoso.com", cnonce=lambda: b"cn0nce")
    # response and rspauth computed from the formulas of section 2.1.2.1 with another implementation of MD5 (openssl)
    assert answered(u1, challenge) == (
        b'charset=utf-8,username="u1",realm="contoso.com",nonce="+Upgraded+v1abcd",nc=00000001,cnonce="cn0nce",'
        b'digest-uri="ldap/dc1.contoso.com",response=444d22b5f5b0a950697d5853fd372f15,qop=auth'
    )
    assert isinstance(u1.step(b"rspauth=73e80ff39f992ed5030c6d682bdd5a39"), Success)


def test_serv_name_is_the_third_part_of_the_digest_uri() -> None:
    assert b',digest-uri="imap/elwood.innosoft.com/pool.example",' in answered(client(serv_name="pool.example"))


def test_cnonce_is_new_each_time_and_has_128_bits() -> None:
    found = set()
    for _ in range(100):
        wire = answered(DigestClient("chris", Password("secret"), service="imap", host="h"))
        cnonce = re.search(rb'cnonce="([0-9a-f]{32})"', wire)
        assert cnonce
        found.add(cnonce[1])
    assert len(found) == 100


def test_stored_hash_answers_as_the_password_does() -> None:
    stored = Password("secret").secrets("chris", "elwood.innosoft.com")[0]
    assert answered(client(credential=HA1(stored))) == answered(client())


def test_stored_hash_of_other_names_is_not_used() -> None:
    other = client(credential=HA1(bytes(16), username="bob"))
    reason, detail = refused(other, CHALLENGE)
    assert reason is Reason.NO_USABLE_SECRET
    assert detail == "the stored hash is not for 'chris' in realm 'elwood.innosoft.com'"


def test_names_with_quotes_and_backslashes_stay_inside_their_directive() -> None:
    injecting = client('a",authzid="root', realm='r\\",nc=00000002,x="', authzid='u:\\"')
    wire = answered(injecting, b'nonce="n\\"\\\\",algorithm=md5-sess,charset=utf-8')
    response = re.search(rb"response=[0-9a-f]{32}", wire)
    assert response
    assert wire == (
        b'charset=utf-8,username="a\\",authzid=\\"root",realm="r\\\\\\",nc=00000002,x=\\"",nonce="n\\"\\\\",'
        b'nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",'
        + response[0]
        + b',qop=auth,authzid="u:\\\\\\""'
    )


@pytest.mark.parametrize("challenge", [CHALLENGE.replace(b'qop="auth",', b""), CHALLENGE + b',qop2="x",opaque=y'])
def test_qop_left_out_and_unknown_directives_change_nothing(challenge: bytes) -> None:
    assert answered(client(), challenge) == answered(client())


# Realms


@pytest.mark.parametrize(
    ("offered", "asked", "sent", "note"),
    [
        ((), None, None, None),
        ((), "mine", "mine", None),
        ((), "", "", None),
        (("one",), None, "one", None),
        (("one", "two"), None, "one", None),
        (("", "two"), None, "", None),
        (("one", "two"), "two", "two", None),
        (("one", "two"), "three", "three", "realm 'three' was not offered (offered: 'one', 'two')"),
        (("one",), "ONE", "ONE", "realm 'ONE' was not offered (offered: 'one')"),
        (("one",), "", "", "realm '' was not offered (offered: 'one')"),
    ],
)
def test_realm_asked_for_is_sent_and_else_the_first_offered(
    offered: tuple[str, ...], asked: str | None, sent: str | None, note: str | None
) -> None:
    outcome = client(realm=asked).step(DigestChallenge(nonce=b"n", realms=offered).encode())
    assert isinstance(outcome, Response)
    found = re.search(rb'realm="([^"]*)"', outcome.data)
    assert (None if found is None else found[1].decode()) == sent
    assert outcome.note == note


def test_strict_realm_refuses_one_that_was_not_offered() -> None:
    challenge = DigestChallenge(nonce=b"n", realms=("one", "two")).encode()
    assert refused(client(realm="three", strict_realm=True), challenge) == (
        Reason.REALM,
        "realm 'three' was not offered (offered: 'one', 'two')",
    )
    assert b',realm="two",' in answered(client(realm="two", strict_realm=True), challenge)
    assert b',realm="one",' in answered(client(strict_realm=True), challenge)


# What is not answered


@pytest.mark.parametrize(
    ("qop", "offered"),
    [
        (b"auth-int", "auth-int"),
        (b"auth-int,auth-conf", "auth-int, auth-conf"),
        (b"auth-inf", "nothing known"),
        (b"", "nothing known"),
    ],
)
def test_server_that_does_not_offer_auth_is_refused(qop: bytes, offered: str) -> None:
    challenge = b'nonce="n",algorithm=md5-sess,cipher="rc4",charset=utf-8,qop="%b"' % qop
    assert refused(client(), challenge) == (Reason.QOP, f"auth is not offered; the server offers {offered}")


@pytest.mark.parametrize(
    ("username", "realm", "directive"),
    [("山田", None, "username"), ("alice", "山", "realm"), ("a€", "b€", "username")],
)
def test_name_outside_iso_8859_1_is_not_sent_to_a_server_without_utf_8(
    username: str, realm: str | None, directive: str
) -> None:
    challenge = b'nonce="n",algorithm=md5-sess'
    assert refused(client(username, realm=realm), challenge) == (
        Reason.CHARSET,
        f"{directive}: not in ISO 8859-1; the server does not take UTF-8",
    )


def test_name_inside_iso_8859_1_is_sent_in_it_to_a_server_without_utf_8() -> None:
    wire = answered(client("jürgen", realm="bücher"), b'nonce="n",algorithm=md5-sess')
    assert wire.startswith(b'username="j\xfcrgen",realm="b\xfccher",nonce="n",')
    assert b"charset" not in wire


def test_password_may_be_outside_iso_8859_1_for_it_is_only_hashed() -> None:
    assert answered(client(credential=Password("パス")), b'nonce="n",algorithm=md5-sess')


@pytest.mark.parametrize("data", [b"", b"hello", b'nonce="n"', b'nonce="n",nonce="m",algorithm=md5-sess'])
def test_broken_challenge_is_malformed(data: bytes) -> None:
    outcome = client().step(data)
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.cause, MalformedMessage)
    assert (outcome.reason, outcome.detail) == (Reason.MALFORMED, str(outcome.cause))


# The proof


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.RSPAUTH),
        (b"rspauth=" + b"0" * 32, Reason.RSPAUTH),
        # a server that only echoes our response has proved nothing
        (b"rspauth=d388dad90d4bbd760a152321f2143af7", Reason.RSPAUTH),
        (RSPAUTH.upper(), Reason.MALFORMED),
        (RSPAUTH[:-1], Reason.MALFORMED),
        (RSPAUTH + b"," + RSPAUTH, Reason.MALFORMED),
        (b"rspauth=", Reason.MALFORMED),
        (b"a=1", Reason.MALFORMED),
        (b"\x00", Reason.MALFORMED),
        (CHALLENGE, Reason.MALFORMED),
    ],
)
def test_server_that_does_not_prove_itself_is_refused(data: bytes, reason: Reason) -> None:
    chris = client()
    answered(chris)
    assert refused(chris, data)[0] is reason


@pytest.mark.parametrize("data", [RSPAUTH, b' rspauth="ea40f60335c427b5527b84dbabcdfffd" , x=y,'])
def test_rspauth_is_read_in_either_quoting(data: bytes) -> None:
    chris = client()
    answered(chris)
    assert isinstance(chris.step(data), Success)


def test_after_success_nothing_is_due() -> None:
    chris = client()
    answered(chris)
    chris.step(RSPAUTH)
    with pytest.raises(UsageError, match=r"^step\(\) out of turn; due: nothing$"):
        chris.step(RSPAUTH)


# How it is called


def test_empty_names_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^username: must not be empty$"):
        client("")
    with pytest.raises(UsageError, match=r"^authzid: must not be empty; None is for oneself$"):
        client(authzid="")


def test_client_without_any_qop_or_cipher_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^qop: at least one QOP must be named$"):
        DigestClient("chris", Password("secret"), service="imap", host="h", qop=())
    with pytest.raises(UsageError, match=r"^ciphers: at least one must be named for auth-conf$"):
        DigestClient("chris", Password("secret"), service="imap", host="h", qop=(QOP.AUTH_CONF,), ciphers=())


@pytest.mark.parametrize("maxbuf", [16, 16777216])
def test_clients_maxbuf_out_of_bounds_is_refused(maxbuf: int) -> None:
    with pytest.raises(UsageError, match=rf"^maxbuf: {maxbuf}; must be from 17 to 16777215$"):
        DigestClient("chris", Password("secret"), service="imap", host="h", maxbuf=maxbuf)


@pytest.mark.parametrize(
    "step",
    [
        lambda: client("a\udcff").step(CHALLENGE),
        lambda: client(realm="\udcff").step(CHALLENGE),
        lambda: client(authzid="\udcff").step(CHALLENGE),
        lambda: client(host="\udcff").step(CHALLENGE),
        lambda: client(service="\udcff").step(CHALLENGE),
        lambda: client(serv_name="\udcff").step(CHALLENGE),
        lambda: client(credential=Password("hunt\udcffer")).step(CHALLENGE),
    ],
    ids=["username", "realm", "authzid", "host", "service", "serv_name", "password"],
)
def test_text_that_utf_8_cannot_write_is_a_usage_error_that_names_no_password(step: Callable[[], object]) -> None:
    """Such text comes from a command line or a file that is not in UTF-8 (PEP 383)."""
    with pytest.raises(UsageError) as caught:
        step()
    assert "hunt" not in repr(caught.value) + repr(caught.value.__cause__)


def test_password_that_is_no_credential_is_refused_at_once() -> None:
    password: Any = "secret"
    with pytest.raises(UsageError, match=r"^credential: a Password, an HA1 or the like is due$"):
        DigestClient("alice", password, service="ldap", host="h")
