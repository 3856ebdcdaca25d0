r"""Backslashes in a username: `DOMAIN\user`, from clients that escape and from those that don't."""

from hashlib import md5

import pytest

from sasl_digest import (
    HA1,
    Challenge,
    Credential,
    DigestChallenge,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    Password,
    Reason,
    Success,
)

SECRET = Password("secret")


def names(written: bytes) -> tuple[str, str | None]:
    """Both readings of a name, written so between the quotes."""
    response = DigestResponse.parse(
        b'username="%b",nonce="n",cnonce="c",nc=00000001,digest-uri="ldap/h",response=%b' % (written, b"0" * 32)
    )
    return response.username, response.other_username


@pytest.mark.parametrize(
    ("written", "username", "other"),
    [
        (rb"u1", "u1", None),
        # As the grammar has it, an escaped backslash; who means two of them does not escape.
        (rb"CONTOSO\\u1", r"CONTOSO\u1", r"CONTOSO\\u1"),
        # As ldap3 2.9.1, go-ldap and others send it: taken for an improperly escaped one, [MS-DPSP] section 2.2.
        (rb"CONTOSO\u1", r"CONTOSO\u1", "CONTOSOu1"),
        (rb"CONTOSO\\\u1", r"CONTOSO\\\u1", r"CONTOSO\u1"),
        (rb"CONTOSO\\\\u1", r"CONTOSO\\u1", r"CONTOSO\\\\u1"),
        # A quote can't stand there without a backslash.
        (rb"we\"ird", 'we"ird', r"we\"ird"),
        (b"\\\xc3\xbc", r"\ü", "ü"),
    ],
)
def test_both_readings(written: bytes, username: str, other: str | None) -> None:
    assert names(written) == (username, other)


def test_backslash_elsewhere_is_nobodys_name() -> None:
    response = DigestResponse.parse(
        b'username="u1",realm="a\\\\b",nonce="n",cnonce="c",nc=00000001,digest-uri="ldap/h",response=' + b"0" * 32
    )
    assert (response.username, response.realm, response.other_username) == ("u1", "a\\b", None)


def exchange(written: bytes, hashed: bytes, credential: Credential | None) -> tuple[Lookup, Success | Failure]:
    """A client that writes the name so, and hashes it so: RFC 2831 section 2.1.2.1 over again."""
    server = DigestServer()
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    nonce = DigestChallenge.parse(challenge.data).nonce

    def hexed(data: bytes) -> bytes:
        return md5(data).hexdigest().encode()

    a1 = md5(hashed + b"::secret").digest() + b":%b:c" % nonce
    proof = hexed(b"%b:%b:00000001:c:auth:%b" % (hexed(a1), nonce, hexed(b"AUTHENTICATE:ldap/h")))
    lookup = server.step(
        b'username="%b",nonce="%b",cnonce="c",nc=00000001,qop=auth,digest-uri="ldap/h",response=%b'
        % (written, nonce, proof)
    )
    assert isinstance(lookup, Lookup)
    verdict = server.verify(credential)
    assert not isinstance(verdict, Challenge)
    return lookup, verdict


@pytest.mark.parametrize(
    ("written", "hashed", "proved"),
    [
        (rb"CONTOSO\\u1", rb"CONTOSO\u1", r"CONTOSO\u1"),  # escapes
        (rb"CONTOSO\u1", rb"CONTOSO\u1", r"CONTOSO\u1"),  # does not
        (rb"CONTOSO\\u1", rb"CONTOSO\\u1", r"CONTOSO\\u1"),  # does not, and its user typed two
        (rb"\u\1", rb"u1", "u1"),  # escapes what it need not
    ],
)
def test_each_kind_of_client_is_believed(written: bytes, hashed: bytes, proved: str) -> None:
    lookup, verdict = exchange(written, hashed, SECRET)
    assert isinstance(verdict, Success)
    assert verdict.username == proved
    assert proved in (lookup.username, lookup.other_username)


def test_stored_hash_is_offered_for_its_own_name_only() -> None:
    stored = HA1(md5(rb"CONTOSO\u1::secret").digest(), username=r"CONTOSO\u1", realm="")
    for written in (rb"CONTOSO\\u1", rb"CONTOSO\u1"):
        assert isinstance(exchange(written, rb"CONTOSO\u1", stored)[1], Success)
    assert exchange(rb"CONTOSO\\u1", rb"CONTOSO\\u1", stored)[1] == Failure(Reason.WRONG_PASSWORD)
    assert exchange(rb"u\2", rb"u2", stored)[1] == Failure(Reason.NO_USABLE_SECRET)


@pytest.mark.parametrize("credential", [Password("wrong"), Password("schlüssel"), HA1(bytes(16)), None])
def test_two_readings_cost_the_same_whoever_they_are(
    credential: Credential | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[bytes] = []

    def counted(data: bytes) -> object:
        done.append(data)
        return md5(data)

    monkeypatch.setattr("sasl_digest.digest.md5", counted)
    verdict = exchange(rb"CONTOSO\\u1", rb"CONTOSO\u1", credential)[1]
    assert isinstance(verdict, Failure)
    # H(A2) of both proofs, which the server keeps; then names, readings of each, hashes of each
    assert len(done) == 2 + 2 * 3 * 3
