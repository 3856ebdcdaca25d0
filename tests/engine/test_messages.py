"""The octets we write, whole, and that we read them back (RFC 2831 sections 2.1.1 to 2.1.3)."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sasl_digest import QOP, Cipher, DigestChallenge, DigestResponse, ResponseAuth, UsageError

HEX32 = b"d388dad90d4bbd760a152321f2143af7"


def test_challenge_is_written_in_active_directorys_order() -> None:
    message = DigestChallenge(
        nonce=b"+Upgraded+v1ab",
        realms=("contoso.com",),
        qop_options=(QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF),
        cipher_options=(Cipher.TRIPLE_DES, Cipher.RC4),
    )
    # as captured from a domain controller, but for the nonce
    assert message.encode() == (
        b'qop="auth,auth-int,auth-conf",cipher="3des,rc4",algorithm=md5-sess,'
        b'nonce="+Upgraded+v1ab",charset=utf-8,realm="contoso.com"'
    )


def test_challenge_with_everything_in_it() -> None:
    message = DigestChallenge(
        nonce=b'a"\\b', realms=('on"e', "zwö"), cipher_options=(Cipher.DES,), stale=True, maxbuf=4096, utf8=False
    )
    assert message.encode() == (
        b'qop="auth",cipher="des",maxbuf=4096,algorithm=md5-sess,nonce="a\\"\\\\b",stale=true,realm="on\\"e",realm="zw\xf6"'
    )


def test_smallest_challenge() -> None:
    assert DigestChallenge(nonce=b"n").encode() == b'qop="auth",algorithm=md5-sess,nonce="n",charset=utf-8'


def test_response_is_written_as_in_rfc_2831_section_4() -> None:
    message = DigestResponse(
        username="chris",
        realm="elwood.innosoft.com",
        nonce=b"OA6MG9tEQGm2hh",
        cnonce=b"OA6MHXh6VqTrRk",
        nonce_count=1,
        digest_uri=b"imap/elwood.innosoft.com",
        response=b"d388dad90d4bbd760a152321f2143af7",
    )
    assert message.encode() == (
        b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
        b'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",'
        b"response=d388dad90d4bbd760a152321f2143af7,qop=auth"
    )


def test_response_with_everything_in_it() -> None:
    message = DigestResponse(
        username='jü"r\\gen',
        realm="",
        nonce=b'n"',
        cnonce=b"c\\",
        nonce_count=0xABCDEF,
        digest_uri=b'ldap/h"',
        response=HEX32,
        qop=QOP.AUTH_CONF,
        maxbuf=1024,
        cipher=Cipher.RC4,
        authzid="u:bøb",
    )
    assert message.encode() == (
        b'charset=utf-8,username="j\xc3\xbc\\"r\\\\gen",realm="",nonce="n\\"",nc=00abcdef,cnonce="c\\\\",'
        b'digest-uri="ldap/h\\"",maxbuf=1024,response=' + HEX32 + b',qop=auth-conf,cipher=rc4,authzid="u:b\xc3\xb8b"'
    )


def test_without_utf_8_names_are_written_in_iso_8859_1_and_the_authzid_is_not() -> None:
    message = DigestResponse("jürgen", "bücher", b"n", b"c", 1, b"ldap/h", HEX32, utf8=False, authzid="ü")
    assert message.encode() == (
        b'username="j\xfcrgen",realm="b\xfccher",nonce="n",nc=00000001,cnonce="c",digest-uri="ldap/h",response='
        + HEX32
        + b',qop=auth,authzid="\xc3\xbc"'
    )


def test_response_auth_is_written() -> None:
    assert ResponseAuth(HEX32).encode() == b"rspauth=" + HEX32


def test_name_that_does_not_fit_the_charset_is_not_written() -> None:
    with pytest.raises(UsageError, match=r"^realm: cannot be written in iso-8859-1$"):
        DigestChallenge(nonce=b"n", realms=("山",), utf8=False).encode()
    with pytest.raises(UsageError, match=r"^username: cannot be written in iso-8859-1$"):
        DigestResponse("山", None, b"n", b"c", 1, b"ldap/h", HEX32, utf8=False).encode()


def test_messages_over_the_limit_are_not_written() -> None:
    fits = DigestChallenge(nonce=b"n" * (2047 - len(DigestChallenge(nonce=b"").encode())))
    assert len(fits.encode()) == 2047
    with pytest.raises(UsageError, match=r"^digest-challenge: 2048 octets; fewer than 2048 are allowed$"):
        DigestChallenge(nonce=fits.nonce + b"n").encode()
    with pytest.raises(UsageError, match=r"^digest-response: \d+ octets; fewer than 4096 are allowed$"):
        DigestResponse("u" * 4000, None, b"n", b"c", 1, b"ldap/h", HEX32).encode()


# Our own messages, read back

OCTETS = st.binary(max_size=30).map(lambda raw: bytes(octet for octet in raw if octet >= 32 and octet != 127))
SOME_OCTETS = OCTETS.filter(bool)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)
LATIN = st.text(st.characters(codec="iso-8859-1", exclude_categories=["Cc"]), max_size=20)


def reads_back_from_iso_8859_1(text: str) -> bool:
    """Whether `text` in ISO 8859-1 cannot be taken for UTF-8, which is tried first."""
    raw = text.encode("iso-8859-1")
    return raw.decode("utf-8", "replace").encode() != raw or raw.isascii()


@settings(deadline=None)
@given(st.data())
def test_every_challenge_we_write_is_read_back(data: st.DataObject) -> None:
    utf8 = data.draw(st.booleans())
    names = TEXT if utf8 else LATIN.filter(reads_back_from_iso_8859_1)
    qops = data.draw(st.lists(st.sampled_from(QOP), min_size=1, unique=True))
    ciphers = data.draw(st.lists(st.sampled_from(Cipher), min_size=1, unique=True))
    message = DigestChallenge(
        nonce=data.draw(SOME_OCTETS),
        realms=tuple(data.draw(st.lists(names, max_size=4))),
        qop_options=tuple(qops),
        cipher_options=tuple(ciphers) if QOP.AUTH_CONF in qops else (),
        stale=data.draw(st.booleans()),
        maxbuf=data.draw(st.integers(17, 16777215)),
        utf8=utf8,
    )
    assert DigestChallenge.parse(message.encode()) == message


@settings(deadline=None)
@given(st.data())
def test_every_response_we_write_is_read_back(data: st.DataObject) -> None:
    utf8 = data.draw(st.booleans())
    names = TEXT if utf8 else LATIN.filter(reads_back_from_iso_8859_1)
    qop = data.draw(st.sampled_from(QOP))
    message = DigestResponse(
        username=data.draw(names),
        realm=data.draw(st.none() | names),
        nonce=data.draw(SOME_OCTETS),
        cnonce=data.draw(SOME_OCTETS),
        nonce_count=data.draw(st.integers(0, 2**32 - 1)),
        digest_uri=data.draw(OCTETS),
        response=data.draw(st.binary(min_size=16, max_size=16)).hex().encode(),
        qop=qop,
        maxbuf=data.draw(st.integers(17, 16777215)),
        utf8=utf8,
        cipher=data.draw(st.sampled_from(Cipher)) if qop is QOP.AUTH_CONF else None,
        authzid=data.draw(st.none() | TEXT.filter(bool)),
    )
    wire = message.encode()
    assume(len(wire) < 4096)
    assert DigestResponse.parse(wire) == message
