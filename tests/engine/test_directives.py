"""What each directive of the three messages must look like (RFC 2831 sections 2.1.1 to 2.1.3)."""

import pytest

from sasl_digest import (
    QOP,
    Cipher,
    DigestChallenge,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    MalformedMessage,
    Password,
    Reason,
    ResponseAuth,
)

HEX32 = b"d388dad90d4bbd760a152321f2143af7"
CHALLENGE = {
    "realm": '"example.org"',
    "nonce": '"n0nce"',
    "qop": '"auth"',
    "algorithm": "md5-sess",
    "charset": "utf-8",
}
RESPONSE = {
    "charset": "utf-8",
    "username": '"alice"',
    "realm": '"example.org"',
    "nonce": '"n0nce"',
    "nc": "00000001",
    "cnonce": '"cn0nce"',
    "digest-uri": '"ldap/ldap.example.org"',
    "response": HEX32.decode(),
    "qop": "auth",
}


def challenge(**changes: str) -> bytes:
    return written(CHALLENGE | changes)


def response(changes: dict[str, str]) -> bytes:
    return written(RESPONSE | changes)


def written(directives: dict[str, str]) -> bytes:
    return ",".join(f"{name}={value}" for name, value in directives.items()).encode()


def refusal(message: type[DigestChallenge] | type[DigestResponse], data: bytes) -> str:
    """What parse() says of `data`; the role that reads this message must say the same."""
    with pytest.raises(MalformedMessage) as caught:
        message.parse(data)
    assert str(caught.value) == f"{caught.value.directive}: {caught.value.rule}"
    if message is DigestChallenge:
        outcome: object = DigestClient("alice", Password("secret"), service="ldap", host="h").step(data)
    else:
        server = DigestServer()
        server.step(b"")
        outcome = server.step(data)
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.cause, MalformedMessage)
    assert (outcome.reason, outcome.detail) == (Reason.MALFORMED, str(caught.value))
    return str(caught.value)


# What is read


def test_challenge_is_read() -> None:
    data = (
        'realm="one",NONCE=bare+/==,qop=" auth , auth-int,unknown,AUTH-CONF",cipher="rc4,aes,3des",'
        'stale=TRUE,maxbuf="00017",charset="UTF-8",algorithm="MD5-SESS",realm="zwö"'
    )
    assert DigestChallenge.parse(data.encode()) == DigestChallenge(
        nonce=b"bare+/==",
        realms=("one", "zwö"),
        qop_options=(QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF),
        cipher_options=(Cipher.RC4, Cipher.TRIPLE_DES),
        stale=True,
        maxbuf=17,
        utf8=True,
    )


def test_what_a_challenge_leaves_out_has_the_rfcs_default() -> None:
    assert DigestChallenge.parse(b"nonce=n,algorithm=md5-sess") == DigestChallenge(
        nonce=b"n", realms=(), qop_options=(QOP.AUTH,), cipher_options=(), stale=False, maxbuf=65536, utf8=False
    )


def test_challenge_offering_only_unknown_qop_offers_none() -> None:
    assert DigestChallenge.parse(challenge(qop='"auth-inf"')).qop_options == ()
    assert DigestChallenge.parse(challenge(stale="false")).stale is False


@pytest.mark.parametrize("quote", ["", '"'], ids=["bare", "quoted"])
def test_every_directive_is_read_in_either_quoting(quote: str) -> None:
    values = {name: quote + value.strip('"') + quote for name, value in RESPONSE.items()}
    values |= {"qop": f"{quote}auth-conf{quote}", "cipher": f"{quote}des{quote}", "maxbuf": f"{quote}16777215{quote}"}
    assert DigestResponse.parse(written(values | {"authzid": f"{quote}u:bob{quote}"})) == DigestResponse(
        username="alice",
        realm="example.org",
        nonce=b"n0nce",
        cnonce=b"cn0nce",
        nonce_count=1,
        digest_uri=b"ldap/ldap.example.org",
        response=HEX32,
        qop=QOP.AUTH_CONF,
        maxbuf=16777215,
        utf8=True,
        cipher=Cipher.DES,
        authzid="u:bob",
    )


def test_what_a_response_leaves_out_has_the_rfcs_default() -> None:
    values = {name: value for name, value in RESPONSE.items() if name not in ("charset", "realm", "qop")}
    assert DigestResponse.parse(written(values)) == DigestResponse(
        "alice", None, b"n0nce", b"cn0nce", 1, b"ldap/ldap.example.org", HEX32, QOP.AUTH, 65536, False, None, None
    )


def test_empty_realm_is_not_an_absent_one() -> None:
    assert DigestResponse.parse(response({"realm": '""'})).realm == ""


def test_cipher_means_nothing_without_auth_conf() -> None:
    assert DigestResponse.parse(response({"cipher": "aes"})).cipher is None


def test_charset_without_a_value_is_the_same_as_none() -> None:
    assert DigestResponse.parse(response({"charset": ""})).utf8 is False
    assert DigestChallenge.parse(challenge(charset="")).utf8 is False


def test_without_charset_a_name_is_utf_8_where_it_reads_as_that_and_else_iso_8859_1() -> None:
    data = written({name: value for name, value in RESPONSE.items() if name not in ("charset", "username")})
    assert DigestResponse.parse(data + b',username="j\xc3\xbcrgen"').username == "jürgen"
    assert DigestResponse.parse(data + b',username="j\xfcrgen"').username == "jürgen"
    assert DigestChallenge.parse(b'nonce=n,algorithm=md5-sess,realm="b\xfccher"').realms == ("bücher",)


# Sizes


def test_challenge_is_shorter_than_2048_octets() -> None:
    data = challenge() + b","
    assert DigestChallenge.parse(data.ljust(2047, b",")).nonce == b"n0nce"
    said = refusal(DigestChallenge, data.ljust(2048, b","))
    assert said == "digest-challenge: 2048 octets; fewer than 2048 are allowed"


def test_response_is_shorter_than_4096_octets() -> None:
    data = response({}) + b","
    assert DigestResponse.parse(data.ljust(4095, b",")).username == "alice"
    said = refusal(DigestResponse, data.ljust(4096, b","))
    assert said == "digest-response: 4096 octets; fewer than 4096 are allowed"


def test_response_auth_is_shorter_than_2048_octets() -> None:
    data = b"rspauth=" + HEX32 + b","
    assert ResponseAuth.parse(data.ljust(2047, b",")).rspauth == HEX32
    with pytest.raises(MalformedMessage, match=r"^response-auth: 2048 octets; fewer than 2048 are allowed$"):
        ResponseAuth.parse(data.ljust(2048, b","))


# Directives


@pytest.mark.parametrize("name", ["nonce", "algorithm"])
def test_challenge_without_a_required_directive_is_refused(name: str) -> None:
    data = written({other: value for other, value in CHALLENGE.items() if other != name})
    assert refusal(DigestChallenge, data) == f"{name}: is missing"


@pytest.mark.parametrize("name", ["username", "nonce", "cnonce", "nc", "digest-uri", "response"])
def test_response_without_a_required_directive_is_refused(name: str) -> None:
    data = written({other: value for other, value in RESPONSE.items() if other != name})
    assert refusal(DigestResponse, data) == f"{name}: is missing"


@pytest.mark.parametrize("name", ["nonce", "qop", "stale", "maxbuf", "charset", "algorithm", "cipher"])
def test_challenge_with_a_directive_twice_is_refused(name: str) -> None:
    values = CHALLENGE | {"stale": "true", "maxbuf": "4096", "cipher": '"rc4"'}
    data = written(values)
    DigestChallenge.parse(data)
    assert (
        refusal(DigestChallenge, data + f",{name.upper()}={values[name]}".encode()) == f"{name}: must come only once"
    )


@pytest.mark.parametrize("name", [*RESPONSE, "maxbuf", "cipher", "authzid"])
def test_response_with_a_directive_twice_is_refused(name: str) -> None:
    values = RESPONSE | {"maxbuf": "4096", "cipher": "rc4", "authzid": '"u:bob"'}
    data = written(values)
    DigestResponse.parse(data)
    assert (
        refusal(DigestResponse, data + f",{name.upper()}={values[name]}".encode()) == f"{name}: must come only once"
    )


def test_unknown_directives_are_ignored_and_may_repeat() -> None:
    unknown = b',opaque="x",opaque="y",domain=z,auth-param="1",auth-param="1"'
    assert DigestChallenge.parse(challenge() + unknown) == DigestChallenge.parse(challenge())
    assert DigestResponse.parse(response({}) + unknown + b",algorithm=md5-sess,algorithm=x") == DigestResponse.parse(
        response({})
    )
    assert ResponseAuth.parse(b"a=1,rspauth=" + HEX32 + b",a=2") == ResponseAuth(HEX32)


MAXBUF = "maxbuf: must be a number from 17 to 16777215"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("algorithm", "md5", "algorithm: must be md5-sess"),
        ("algorithm", "", "algorithm: must be md5-sess"),
        ("charset", "iso-8859-1", "charset: must be utf-8"),
        ("charset", "utf8", "charset: must be utf-8"),
        ("qop", '"auth,auth-conf"', "cipher: is missing; auth-conf is offered"),
        ("maxbuf", "16", MAXBUF),
        ("maxbuf", "16777216", MAXBUF),
        ("maxbuf", "", MAXBUF),
        ("maxbuf", "-1", MAXBUF),
        ("maxbuf", "0x400", MAXBUF),
        ("maxbuf", "1_024", MAXBUF),
        ("maxbuf", '" 1024"', MAXBUF),
        ("maxbuf", "9" * 1500, MAXBUF),
    ],
)
def test_challenge_with_a_wrong_value_is_refused(name: str, value: str, said: str) -> None:
    assert refusal(DigestChallenge, challenge(**{name: value})) == said


def test_challenge_whose_realm_is_not_the_utf_8_it_says_is_refused() -> None:
    assert refusal(DigestChallenge, challenge() + b',realm="b\xfccher"') == "realm: must be UTF-8"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nc": value}, "nc: must be 8 lower-case hexadecimal digits")
        for value in ("", "1", "0000001", "000000001", "0000000A", "0000000g", '"0000001\n"', "+0000001")
    ]
    + [
        ({"response": value}, "response: must be 32 lower-case hexadecimal digits")
        for value in ("", "incorrectResponse", "0" * 31, "0" * 33, "A" * 32, "g" * 32, '"' + "0" * 31 + '\n"')
    ]
    + [
        ({"charset": "iso-8859-1"}, "charset: must be utf-8"),
        ({"qop": ""}, "qop: must be auth, auth-int or auth-conf"),
        ({"qop": "auth-inf"}, "qop: must be auth, auth-int or auth-conf"),
        ({"qop": '"auth,auth-int"'}, "qop: must be auth, auth-int or auth-conf"),
        ({"qop": "auth-conf"}, "cipher: is missing"),
        ({"qop": "auth-conf", "cipher": "aes"}, "cipher: must be one of 3des, des, rc4, rc4-56, rc4-40"),
        ({"maxbuf": "16"}, MAXBUF),
        ({"maxbuf": "16777216"}, MAXBUF),
        ({"maxbuf": "x"}, MAXBUF),
        ({"authzid": '""'}, "authzid: must not be empty"),
    ],
)
def test_response_with_a_wrong_value_is_refused(changes: dict[str, str], said: str) -> None:
    assert refusal(DigestResponse, response(changes)) == said


@pytest.mark.parametrize("name", [b"username", b"realm", b"authzid"])
def test_response_whose_name_is_not_the_utf_8_it_says_is_refused(name: bytes) -> None:
    data = written({other: value for other, value in RESPONSE.items() if other != name.decode()})
    assert refusal(DigestResponse, data + b"," + name + b'="j\xfcrgen"') == f"{name.decode()}: must be UTF-8"


def test_authzid_is_utf_8_whatever_the_charset() -> None:
    data = written({name: value for name, value in RESPONSE.items() if name != "charset"})
    assert DigestResponse.parse(data + b',authzid="\xc3\xbc"').authzid == "ü"
    assert refusal(DigestResponse, data + b',authzid="\xfc"') == "authzid: must be UTF-8"


@pytest.mark.parametrize(
    "data", [b"", b"a=1", b"rspauth", b"rspauth=", b"rspauth=" + HEX32.upper(), b"rspauth=0" + HEX32]
)
def test_response_auth_without_its_32_digits_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage, match=r"^(response-auth|rspauth): "):
        ResponseAuth.parse(data)


def test_response_auth_with_rspauth_twice_is_refused() -> None:
    with pytest.raises(MalformedMessage, match=r"^rspauth: must come only once$"):
        ResponseAuth.parse(b"rspauth=%b,rspauth=%b" % (HEX32, HEX32))


@pytest.mark.parametrize("data", [b"rspauth=%b", b'rspauth="%b"', b' RSPAUTH = "%b" ,', b"x=y,rspauth=%b"])
def test_response_auth_is_read_in_either_quoting(data: bytes) -> None:
    assert ResponseAuth.parse(data % HEX32) == ResponseAuth(HEX32)
