"""Rules of RFC 2831 that no other file here has a test for (docs/rfc2831.md lists them all)."""

from hashlib import md5

from sasl_digest import (
    QOP,
    Challenge,
    Cipher,
    DigestChallenge,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    Password,
    Reason,
    Response,
    Success,
)


def test_digest_uri_goes_into_the_hash_in_the_case_it_was_sent_in() -> None:
    server = DigestServer(service="ldap", hosts=["ldap.example.org"])
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    nonce, uri = DigestChallenge.parse(challenge.data).nonce.decode(), "LDAP/Ldap.Example.ORG"
    a1 = md5(b"alice::secret").digest() + f":{nonce}:c".encode()
    hashed = [md5(a1).hexdigest(), nonce, "00000001:c:auth", md5(f"AUTHENTICATE:{uri}".encode()).hexdigest()]
    response = DigestResponse(
        "alice", None, nonce.encode(), b"c", 1, uri.encode(), md5(":".join(hashed).encode()).hexdigest().encode()
    )
    assert isinstance(server.step(response.encode()), Lookup)
    assert isinstance(server.verify(Password("secret")), Success)


def test_client_that_knows_none_of_the_ciphers_offered_gives_up() -> None:
    client = DigestClient("u", Password("p"), service="ldap", host="h", qop=[QOP.AUTH_CONF], ciphers=tuple(Cipher))
    outcome = client.step(b'nonce=n,algorithm=md5-sess,qop="auth-conf",cipher="aes,rc4-41"')
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.CIPHER
    assert outcome.detail.endswith("the server offers nothing known")


def test_client_that_knows_one_of_the_ciphers_offered_takes_it() -> None:
    client = DigestClient("u", Password("p"), service="ldap", host="h", qop=[QOP.AUTH_CONF], ciphers=tuple(Cipher))
    outcome = client.step(b'nonce=n,algorithm=md5-sess,qop="auth-conf,auth-xyz",cipher="aes,des"')
    assert isinstance(outcome, Response)
    assert DigestResponse.parse(outcome.data).cipher is Cipher.DES


def test_client_is_told_of_a_stale_nonce_and_of_none_by_default() -> None:
    for directive, stale in ((b"", False), (b",stale=true", True), (b",stale=false", False)):
        client = DigestClient("u", Password("p"), service="ldap", host="h")
        assert isinstance(client.step(b"nonce=n,algorithm=md5-sess" + directive), Response)
        assert client.challenge is not None
        assert client.challenge.stale is stale


def test_realm_that_a_client_leaves_out_is_hashed_as_an_empty_one() -> None:
    for realm in (None, ""):
        server = DigestServer(realms=["example.org", ""])
        challenge = server.step(b"")
        assert isinstance(challenge, Challenge)
        nonce = DigestChallenge.parse(challenge.data).nonce
        a1 = md5(md5(b"alice::secret").digest() + b":" + nonce + b":c").hexdigest()
        kd = f"{a1}:{nonce.decode()}:00000001:c:auth:{md5(b'AUTHENTICATE:ldap/h').hexdigest()}"
        response = DigestResponse("alice", realm, nonce, b"c", 1, b"ldap/h", md5(kd.encode()).hexdigest().encode())
        assert server.step(response.encode()) == Lookup("alice", "", None)
        assert isinstance(server.verify(Password("secret")), Success)
