"""Mistakes that clients make, put into exchanges one by one, and the words that have to name each."""

from dataclasses import dataclass
from typing import Any

from sasl_digest.explaining import Exchange, Hints
from tests.engine.induced import CHALLENGE, SENT, ZEROS, Made, digits, exchange

NO_HINTS = Hints()


@dataclass(frozen=True)
class Mistake:
    """What was done; `headline` is part of the sentence that has to be said, `because` of what comes behind it."""

    name: str
    exchange: Exchange
    headline: str
    because: str = ""
    password: str = "Sesame-7"
    hints: Hints = NO_HINTS


def hashed(name: str, headline: str, because: str = "", sent: Made = SENT, **other: Any) -> Mistake:
    """The client says `sent` and hashes something else."""
    return Mistake(name, exchange(sent, sent.hashing(**other)), headline, because)


TWO_REALMS = CHALLENGE.replace(b'realm="contoso.com"', b'realm="contoso.com",realm="FABRIKAM"')
JUERGEN = SENT.hashing(user="jürgen".encode())
PAESS = "pässwörd"
BACKSLASH = SENT.hashing(user=rb"CONTOSO\alice")
INT = SENT.hashing(qop=b"auth-int")
AUTHZID = SENT.hashing(authzid=b"u:bob")
DN = SENT.hashing(user=b"uid=alice,ou=people,dc=contoso,dc=com")
IN_CAPITALS = SENT.hashing(uri=b"ldap/DC1")

REALMS = [
    hashed("realm of NetBIOS", "the realm 'CONTOSO' in place of 'contoso.com'", "first label", realm=b"CONTOSO"),
    hashed("realm in upper case", "the realm 'CONTOSO.COM' in place", "in upper case", realm=b"CONTOSO.COM"),
    hashed("empty realm", "the realm '' in place of 'contoso.com'", "no realm", realm=b""),
    hashed("realm Digest", "the realm 'Digest' in place", "Windows' stand-in", realm=b"Digest"),
    hashed("host as realm", "the realm 'dc1.contoso.com' in place", "host in digest-uri", realm=b"dc1.contoso.com"),
    hashed("realm in quotes", "the realm '\"contoso.com\"' in place", "quotes around", realm=b'"contoso.com"'),
    Mistake(
        "other realm offered",
        exchange(SENT, SENT.hashing(realm=b"FABRIKAM"), challenge=TWO_REALMS),
        "the realm 'FABRIKAM' in place of 'contoso.com'",
        "a realm that the challenge offers",
    ),
]
NAMES = [
    hashed("name in upper case", "the name 'ALICE' in place of 'alice'", "in upper case", user=b"ALICE"),
    hashed("domain put in front", r"the name 'CONTOSO\alice' in place", "'CONTOSO' in front", user=rb"CONTOSO\alice"),
    hashed("name as UPN", "the name 'alice@contoso.com' in place", "behind it", user=b"alice@contoso.com"),
    hashed("name with a blank", "the name 'alice ' in place", "a blank behind it", user=b"alice "),
    Mistake(
        "domain left out",
        exchange(BACKSLASH, SENT, user=rb"CONTOSO\\alice"),
        r"the name 'alice' in place of 'CONTOSO\alice'",
        "without the domain",
    ),
    Mistake(
        "backslash not escaped",
        exchange(BACKSLASH, BACKSLASH),
        r"the name 'CONTOSO\alice' in place of 'CONTOSOalice'",
        "its backslashes not taken as escapes",
    ),
    Mistake(
        "backslash hashed escaped",
        exchange(BACKSLASH, BACKSLASH.hashing(user=rb"CONTOSO\\alice"), user=rb"CONTOSO\\alice"),
        r"the name 'CONTOSO\\alice' in place of 'CONTOSO\alice'",
        "its backslashes not taken as escapes",
    ),
    Mistake(
        "DN given as the name",
        exchange(DN, DN.hashing(user=b"alice")),
        "the name 'alice' in place of 'uid=alice,ou=people,dc=contoso,dc=com'",
        "the first value of the DN",
    ),
    Mistake(
        "another name of the account",
        exchange(SENT, SENT.hashing(user=b"Alice Liddell")),
        "the name 'Alice Liddell' in place of 'alice'",
        "another name of the account",
        hints=Hints(names=("Alice Liddell",)),
    ),
]
CHARSETS = [
    Mistake(
        "all in UTF-8",
        exchange(JUERGEN, JUERGEN.hashing(password=PAESS.encode())),
        "the name and the password in UTF-8, where RFC 2831 has ISO 8859-1",
        password=PAESS,
    ),
    Mistake(
        "name in UTF-8, password in ISO 8859-1",
        exchange(JUERGEN, JUERGEN.hashing(password=PAESS.encode("latin-1"))),
        "the name in UTF-8, where RFC 2831 has ISO 8859-1",
        password=PAESS,
    ),
    Mistake(
        "UTF-8 twice",
        exchange(SENT, SENT.hashing(password=PAESS.encode().decode("latin-1").encode())),
        "the password in UTF-8 twice",
        password=PAESS,
    ),
    Mistake(
        "decomposed password",
        exchange(SENT, SENT.hashing(password=b"passwo\xcc\x88rd")),
        "the password in Unicode's form NFD, decomposed",
        password="passwörd",
    ),
]
PASSWORDS = [
    hashed("line feed", "the password with a line feed behind it", password=b"Sesame-7\n"),
    hashed("empty password", "the password as an empty one", password=b""),
    hashed("Caps Lock", "as if Caps Lock had been on", password=b"sESAME-7"),
    hashed("password in quotes", "the password with double quotes around it", password=b'"Sesame-7"'),
]
DIGEST_URIS = [
    hashed("other host", "the digest-uri 'ldap/dc1' in place", "the first label of the host", uri=b"ldap/dc1"),
    hashed("other service", "'host/dc1.contoso.com' in place", "service 'host'", uri=b"host/dc1.contoso.com"),
    hashed("host alone", "the digest-uri 'dc1.contoso.com' in place", "the host alone", uri=b"dc1.contoso.com"),
    hashed("lower case", "the digest-uri 'ldap/dc1'", "in lower case", sent=IN_CAPITALS, uri=b"ldap/dc1"),
]
A2 = [
    hashed("zeros missing", "A2 without the 32 zeros", "as for qop auth", sent=INT, zeros=b""),
    hashed("zeros too many", "A2 with the 32 zeros", "for auth-int and auth-conf", zeros=ZEROS),
    hashed("HTTP's empty body", "A2 with the MD5 of an empty body", sent=INT, zeros=b":" + digits(b"")),
    hashed("qop auth hashed", "the qop 'auth' in place of 'auth-int'", sent=INT, qop=b"auth"),
    hashed("rspauth as response", "A2 without AUTHENTICATE", "rspauth is made so", method=b""),
    hashed("HTTP's method", "A2 with 'GET' where 'AUTHENTICATE' belongs", "HTTP's method", method=b"GET"),
    hashed("RFC 2069", "no nc, cnonce and qop, as in RFC 2069", session="2069"),
]
A1 = [
    hashed("HTTP's session hash", "A1 with H(user:realm:password) in hexadecimal", "HTTP Digest", session="hex"),
    hashed("algorithm md5", "H(user:realm:password) in place of A1", "algorithm md5", session="md5"),
    hashed("inner H missing", "user:realm:password itself in A1", "the inner H is missing", session="plain"),
    hashed("authzid left out", "A1 without the authzid that it sent", sent=AUTHZID, authzid=None),
    hashed("authzid empty", "A1 with an empty authzid, a colon behind the cnonce", authzid=b""),
    hashed("authzid put in", "A1 with an authzid, 'u:alice', that it did not send", authzid=b"u:alice"),
]
NONCES = [
    hashed("nc without zeros", "the nc '1' in place of '00000001'", "without leading zeros", nc=b"1"),
    hashed("next nc", "the nc '00000002' in place of '00000001'", "the next count", nc=b"00000002"),
    hashed("nonce in quotes", "the nonce with the quotes around it", nonce=b'"OA6MG9tEQGm2hh"'),
    hashed("empty cnonce", "the cnonce as an empty one", cnonce=b""),
]
MISTAKES = [*REALMS, *NAMES, *CHARSETS, *PASSWORDS, *DIGEST_URIS, *A2, *A1, *NONCES]
