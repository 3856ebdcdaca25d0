"""What is wrong whatever the password is: rules that an exchange breaks, and messages that are none."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasl_digest import Password, UsageError
from sasl_digest.explaining import Exchange, Hints, Verdict, explain
from sasl_digest.explaining.exchange import read
from sasl_digest.explaining.transcript import read_transcript
from tests.engine.induced import CHALLENGE, NONCE, SENT, exchange, written

PASSWORD = Password("Sesame-7")
RESPONSE = written(SENT, SENT.digest())
GRAVE, NOT_GRAVE = True, False


def with_response(data: bytes, challenge: bytes | None = CHALLENGE) -> Exchange:
    return Exchange(data, challenge)


@pytest.mark.parametrize(
    ("found", "rule", "grave"),
    [
        (
            exchange(SENT, SENT, challenge=CHALLENGE.replace(b'realm="contoso.com"', b'realm="a",realm="b"')),
            "realm: 'contoso.com' was not offered, but 'a' and 'b'",
            NOT_GRAVE,
        ),
        (
            with_response(RESPONSE.replace(b'realm="contoso.com",', b"")),
            "realm: is missing, though the challenge offers 'contoso.com': an empty one is hashed",
            GRAVE,
        ),
        (exchange(SENT.hashing(qop=b"auth-conf"), SENT), "qop: 'auth-conf' was not offered", GRAVE),
        (
            with_response(RESPONSE.replace(b"qop=auth", b"qop=auth-conf,cipher=des"), CHALLENGE + b',cipher="rc4"'),
            "cipher: 'des' was not offered, but 'rc4'",
            GRAVE,
        ),
        (exchange(SENT.hashing(nonce=b"another"), SENT), "nonce: is not that of the challenge", GRAVE),
        (exchange(SENT.hashing(nc=b"00000002"), SENT), "nc: is '00000002'; 00000001 is due", GRAVE),
        (exchange(SENT.hashing(nc=b"00000002"), SENT, challenge=None), "nc: is '00000002'", NOT_GRAVE),
        (exchange(SENT.hashing(nc=b"1"), SENT), "nc: must be 8 lower-case hexadecimal digits", GRAVE),
        (
            exchange(SENT, SENT, challenge=CHALLENGE + b",stale=true"),
            "stale: the challenge has stale=true",
            NOT_GRAVE,
        ),
        (exchange(SENT.hashing(uri=b"ldap"), SENT), "digest-uri: 'ldap' names no host", GRAVE),
        (exchange(SENT.hashing(uri=b"imap/dc1"), SENT), "digest-uri: names the service 'imap'; 'ldap' is due", GRAVE),
        (
            exchange(SENT.hashing(uri=b"ldap/other"), SENT),
            "digest-uri: names the host 'other'; the server is called 'dc1.contoso.com' or 'dc1'",
            GRAVE,
        ),
        (
            with_response(RESPONSE.replace(b"qop=auth", b"qop=auth,nc=00000001")),
            "nc: comes twice in the response, with the same",
            GRAVE,
        ),
        (
            with_response(RESPONSE.replace(SENT.digest(), SENT.digest().upper())),
            "response: must be 32 lower-case",
            GRAVE,
        ),
        (with_response(RESPONSE.replace(b'cnonce="OA6MHXh6VqTrRk",', b"")), "cnonce: is missing", GRAVE),
        (with_response(RESPONSE.replace(b"digest-uri", b"uri")), "digest-response: is one of HTTP Digest", GRAVE),
        (
            with_response(b"\0alice\0Sesame-7"),
            "digest-response: is none: it looks like a message of SASL PLAIN",
            GRAVE,
        ),
        (with_response(b"n,,n=alice,r=abcdef"), "digest-response: is none: it looks like a message of SCRAM", GRAVE),
        (with_response(b"NTLMSSP\0\1\0\0\0"), "digest-response: is none: it looks like a message of NTLM", GRAVE),
        (with_response(bytes.fromhex("6048060662")), "it looks like a message of GSSAPI or GSS-SPNEGO", GRAVE),
        (with_response(CHALLENGE), "digest-response: is none: this is a challenge", GRAVE),
        (with_response(b"rspauth=" + SENT.digest()), "digest-response: is none: this is the server's rspauth", GRAVE),
        (with_response(b""), "digest-response: is empty", GRAVE),
        (
            exchange(SENT, SENT, challenge=CHALLENGE.replace(b"algorithm=md5-sess,", b"")),
            "algorithm: is missing",
            GRAVE,
        ),
        (exchange(SENT.hashing(user=b"cn=a,dc=b"), SENT), "username: 'cn=a,dc=b' is a DN", NOT_GRAVE),
        (exchange(SENT.hashing(user=rb"A\b"), SENT), "username: has a backslash that is not escaped", NOT_GRAVE),
        (exchange(SENT.hashing(user=b" b"), SENT), "username: has blanks around it", NOT_GRAVE),
        (
            with_response(RESPONSE.replace(b"charset=utf-8,", b"").replace(b"alice", b"j\xfcrgen")),
            "charset: is missing, and there are names beyond ASCII",
            NOT_GRAVE,
        ),
        (
            exchange(SENT, SENT, challenge=CHALLENGE.replace(b",charset=utf-8", b"")),
            "charset: was not offered by the challenge",
            NOT_GRAVE,
        ),
        (
            exchange(
                SENT, SENT, more=b',hashed-dirs="service-name,channel-binding",service-name="a",channel-binding="b"'
            ),
            "channel-binding: the cnonce does not begin with the hash",
            GRAVE,
        ),
    ],
)
def test_a_broken_rule_is_named(found: Exchange, rule: str, grave: bool) -> None:
    explanation = explain(found, PASSWORD, hints=Hints(hosts=("dc1.contoso.com", "dc1")))
    (broken,) = [each for each in explanation.broken if rule in str(each)]
    assert broken.grave is grave
    if grave:
        assert not explanation.right
    assert "Sesame" not in "".join(map(str, explanation.broken))


def test_an_exchange_that_is_right_breaks_none() -> None:
    explanation = explain(exchange(SENT, SENT), PASSWORD, hints=Hints(hosts=("dc1.contoso.com",)))
    assert explanation.right
    assert explanation.broken == ()


def test_a_response_that_is_right_and_breaks_a_rule_is_said_to_be_both() -> None:
    sent = SENT.hashing(nonce=b"another")
    headline = explain(exchange(sent, sent), PASSWORD).headline
    assert headline == "The response is right for this secret, but nonce: is not that of the challenge."


def test_upper_case_digits_break_a_rule_and_are_compared_all_the_same() -> None:
    explanation = explain(with_response(RESPONSE.replace(SENT.digest(), SENT.digest().upper())), PASSWORD)
    assert explanation.response.verdict is Verdict.MATCH
    assert not explanation.right


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'username="a\"b"', b'a"b'),
        (b'username="a"b",realm=x', b'a"b'),
        (b'username="open', b"open"),
        (b"username=bare , realm=x", b"bare"),
        (b'username=""', b""),
        (b'Digest username="a"', b"a"),
        (b',, USERNAME = "a" ,', b"a"),
    ],
)
def test_values_are_read_as_they_were_probably_meant(data: bytes, value: bytes) -> None:
    first = read(data)[0]
    assert (first.name, first.value) == ("username", value)


@settings(max_examples=60)
@given(st.binary(max_size=80), st.none() | st.binary(max_size=80), st.none() | st.binary(max_size=40))
def test_any_octets_get_an_explanation(response: bytes, challenge: bytes | None, rspauth: bytes | None) -> None:
    explanation = explain(Exchange(response, challenge, rspauth), PASSWORD, depth=1)
    assert explanation.headline


@settings(max_examples=60)
@given(st.integers(0, len(RESPONSE) - 1), st.binary(max_size=3), st.integers(0, 5))
def test_a_response_that_was_altered_anywhere_gets_an_explanation(at: int, put: bytes, taken: int) -> None:
    altered = RESPONSE[:at] + put + RESPONSE[at + taken :]
    explanation = explain(with_response(altered), PASSWORD, depth=1)
    assert explanation.headline
    if altered == RESPONSE:
        assert explanation.right


def test_a_long_message_of_quotes_is_read_in_a_moment() -> None:
    assert len(read(b'a="' + b'\\"' * 8000)) <= 1
    assert read(b'a="",' * 3000)


# The text form


def test_a_transcript_is_read_raw_in_base64_and_in_hexadecimal() -> None:
    rspauth = b"rspauth=" + SENT.digest()
    for form in (bytes.decode, lambda data: b64encode(data).decode(), bytes.hex, lambda data: data.hex(":")):
        text = (
            f"# a comment\n\nchallenge: {form(CHALLENGE)}\r\nresponse: {form(RESPONSE)}\nrspauth: {form(rspauth)}\n"
        )
        assert read_transcript(text) == (Exchange(RESPONSE, CHALLENGE, rspauth),)


def test_labels_are_not_needed_and_lines_go_on_with_a_blank() -> None:
    text = f"{CHALLENGE.decode()}\n{RESPONSE.decode()[:40]}\n {RESPONSE.decode()[40:]}\n"
    assert read_transcript(text) == (Exchange(RESPONSE, CHALLENGE),)
    server, client = b64encode(CHALLENGE).decode(), b64encode(RESPONSE).decode()
    assert read_transcript(f"S: + {server}\nC: {client}\n") == (Exchange(RESPONSE, CHALLENGE),)


def test_several_exchanges_are_told_apart() -> None:
    text = f"challenge: {CHALLENGE.decode()}\nresponse: {RESPONSE.decode()}\n"
    assert read_transcript(text + f"response: {RESPONSE.decode()}\n" + text) == (
        Exchange(RESPONSE, CHALLENGE),
        Exchange(RESPONSE),
        Exchange(RESPONSE, CHALLENGE),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\n", "line 1: neither challenge, response nor rspauth"),
        (f"challenge: {CHALLENGE.decode()}\n", "there is no response in it"),
        ("\n\nrspauth: rspauth=abc\n", "line 3: an rspauth, and no response in front of it"),
        ("", "there is no response in it"),
    ],
)
def test_what_is_no_transcript_is_said_by_its_line(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_transcript(text)


def test_nonces_of_others_stay_out_of_errors() -> None:
    with pytest.raises(UsageError) as raised:
        read_transcript(f"password Sesame-7 {NONCE.decode()}\n")
    assert "Sesame" not in str(raised.value)
