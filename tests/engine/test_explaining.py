"""Explanations: mistakes that were put in are named, two candidates are both listed, and nothing else is claimed."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sasl_digest import HA1, Password, WDigest
from sasl_digest.explaining import Exchange, Explanation, Verdict, explain
from tests.engine.induced import CHALLENGE, SENT, digits, exchange
from tests.engine.mistakes import MISTAKES, Mistake

PASSWORD = Password("Sesame-7")


@pytest.mark.parametrize("mistake", MISTAKES, ids=[each.name for each in MISTAKES])
def test_a_mistake_is_named(mistake: Mistake) -> None:
    explanation = explain(mistake.exchange, Password(mistake.password), hints=mistake.hints)
    assert explanation.response.verdict is Verdict.READING
    assert mistake.headline in explanation.headline
    (reading,) = explanation.response.readings
    because = [why for each in reading.departures for why in each.because]
    assert mistake.because in "; ".join(because)
    assert not explanation.right


def test_there_are_twenty_mistakes_and_more() -> None:
    assert len({each.name for each in MISTAKES}) == len(MISTAKES) >= 20


def test_two_mistakes_at_once_are_both_named() -> None:
    explanation = explain(exchange(SENT, SENT.hashing(realm=b"CONTOSO", session="hex")), PASSWORD)
    (reading,) = explanation.response.readings
    assert {each.aspect for each in reading.departures} == {"realm", "A1"}
    assert "the realm 'CONTOSO' in place of 'contoso.com', and A1 with" in explanation.headline


def test_two_ways_to_one_realm_are_both_listed() -> None:
    challenge = CHALLENGE.replace(b'realm="contoso.com"', b'realm="contoso.com",realm="CONTOSO.COM"')
    explanation = explain(exchange(SENT, SENT.hashing(realm=b"CONTOSO.COM"), challenge=challenge), PASSWORD)
    ((departure,),) = [each.departures for each in explanation.response.readings]
    assert departure.because[0] == "a realm that the challenge offers"
    assert "the realm as it was sent, in upper case" in departure.because


def test_readings_that_make_the_same_digits_are_all_listed_and_none_is_claimed() -> None:
    # Two passwords of one account, either of which may have been meant.
    known = [PASSWORD, Password("Sesame-7 \n")]
    explanation = explain(exchange(SENT, SENT.hashing(password=b"Sesame-7 ")), known)
    assert explanation.response.verdict is Verdict.SEVERAL
    words = [each.words for each in explanation.response.readings]
    assert words == ["the password with a blank behind it", "the password without the line end behind it"]
    assert all(each in explanation.headline for each in words)
    assert "nothing here tells which" in explanation.headline


def test_where_a_value_stands_in_two_places_both_are_listed() -> None:
    # CONTOSO may have come from the challenge, or from the name.
    challenge = CHALLENGE.replace(b'realm="contoso.com"', b'realm="CONTOSO"')
    sent = SENT.hashing(user=rb"CONTOSO\alice")
    explanation = explain(
        exchange(sent, SENT.hashing(realm=b"CONTOSO"), challenge=challenge, user=rb"CONTOSO\\alice"), PASSWORD
    )
    (reading,) = explanation.response.readings
    realm = next(each for each in reading.departures if each.aspect == "realm")
    assert {"a realm that the challenge offers", "the domain in the name"} <= set(realm.because)


VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "digest_md5.json").read_text("utf-8"))["items"]
RIGHT = [each for each in VECTORS if each.get("response_verifies") and "password" in each and "response" in each]


@pytest.mark.parametrize("item", RIGHT, ids=[each["name"] for each in RIGHT])
def test_recorded_exchanges_that_are_right_get_no_other_reading(item: dict[str, Any]) -> None:
    challenge, rspauth = item.get("challenge"), item.get("rspauth")
    recorded = Exchange(
        item["response"].encode(),
        None if challenge is None else challenge.encode(),
        rspauth.encode() if rspauth is not None and item.get("rspauth_verifies") else None,
    )
    explanation = explain(recorded, Password(item["password"]), service=None)
    assert explanation.response.verdict is Verdict.MATCH
    assert [each.departures for each in explanation.response.readings] == [()]
    assert explanation.rspauth is None or explanation.rspauth.verdict is Verdict.MATCH


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters='"\\'), min_size=1, max_size=12)


def converted(text: str) -> bytes:
    """ISO 8859-1 where it fits, as RFC 2831 section 2.1.2.1 has it."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


@settings(max_examples=25)
@given(TEXTS, TEXTS, TEXTS)
def test_what_is_right_gets_no_other_reading(user: str, realm: str, password: str) -> None:
    sent = SENT.hashing(user=user.encode(), realm=realm.encode())
    made = sent.hashing(user=converted(user), realm=converted(realm), password=converted(password))
    assert explain(exchange(sent, made), Password(password)).response.verdict is Verdict.MATCH


def folded(text: str) -> str:
    """The password without what two forms of one may differ in."""
    return unicodedata.normalize("NFKD", text).strip("\r\n \0\ufeff'\"\\").casefold()


@settings(max_examples=15)
@given(TEXTS, TEXTS)
def test_a_password_that_is_another_gets_no_reading(used: str, given: str) -> None:
    assume(folded(used) and folded(used) != folded(given))
    explanation = explain(exchange(SENT, SENT.hashing(password=converted(used))), Password(given))
    assert explanation.response.verdict is Verdict.NONE
    assert not explanation.response.readings
    assert "most likely the password is another" in explanation.headline


def texts(explanation: Explanation) -> str:
    """All that an explanation shows, and its repr."""
    findings = [each for each in (explanation.response, explanation.rspauth) if each is not None]
    shown = [explanation.headline, repr(explanation), *map(str, explanation.broken), *explanation.untried]
    for finding in findings:
        shown += [finding.headline, *(f"{each.formula} {each}" for each in finding.values)]
        shown += [f"{each.words} {each.because}" for one in finding.readings for each in one.departures]
    return "\n".join(shown)


@settings(max_examples=25)
@given(
    st.text(st.sampled_from("ghijklXYZ\u00e4\u0436$%&"), min_size=6, max_size=12),
    st.sampled_from(["", "\n", " "]),
    st.sampled_from(["raw", "hex", "plain"]),
    st.booleans(),
)
def test_the_password_is_nowhere(password: str, behind: str, session: str, show_hashes: bool) -> None:
    made = SENT.hashing(password=converted(password + behind), session=session)
    found = exchange(SENT, made, proof=made.digest(method=b""))
    shown = texts(explain(found, Password(password), show_hashes=show_hashes))
    assert password not in shown
    assert password.encode().hex() not in shown


def test_hashes_that_are_as_good_as_the_password_are_shown_to_who_asks() -> None:
    secret = digits(b"alice:contoso.com:Sesame-7").decode()
    assert secret not in texts(explain(exchange(SENT, SENT), PASSWORD))
    assert secret in texts(explain(exchange(SENT, SENT), PASSWORD, show_hashes=True))


def test_values_are_those_of_the_formulas() -> None:
    values = {each.name: each.value for each in explain(exchange(SENT, SENT), PASSWORD).response.values}
    h_a2 = digits(b"AUTHENTICATE:ldap/dc1.contoso.com").decode()
    assert values["names"] == "alice:contoso.com:(password)"
    assert values["A1"] == "(secret):OA6MG9tEQGm2hh:OA6MHXh6VqTrRk"
    assert values["A2"] == "AUTHENTICATE:ldap/dc1.contoso.com"
    assert values["H(A2)"] == h_a2
    assert values["KD"] == f"(H(A1)):OA6MG9tEQGm2hh:00000001:OA6MHXh6VqTrRk:auth:{h_a2}"
    assert values["response"] == SENT.digest().decode()
    assert values["secret"] is values["H(A1)"] is None


def test_without_a_password_only_the_rules_are_looked_at() -> None:
    explanation = explain(exchange(SENT, SENT, challenge=CHALLENGE.replace(b"contoso.com", b"fabrikam.com")))
    assert explanation.response.verdict is Verdict.NOT_TRIED
    assert explanation.headline == "No password was given: only what needs none was looked at."
    assert [str(each) for each in explanation.broken] == [
        "realm: 'contoso.com' was not offered, but 'fabrikam.com'",
    ]


# Stored hashes


def ha1(names: bytes, **of: str) -> HA1:
    """H(names:password)."""
    return HA1(bytes.fromhex(digits(names + b":Sesame-7").decode()), **of)


def test_a_stored_hash_stands_for_one_reading_of_the_names_and_that_is_said() -> None:
    stored = ha1(b"alice:contoso.com")
    assert explain(exchange(SENT, SENT), stored).right
    assert "in hexadecimal digits" in explain(exchange(SENT, SENT.hashing(session="hex")), stored).headline
    explanation = explain(exchange(SENT, SENT.hashing(realm=b"CONTOSO")), stored)
    assert explanation.response.verdict is Verdict.NONE
    assert "of another name, realm or password" in explanation.headline
    assert any("other names, realms" in each for each in explanation.untried)


def test_a_stored_hash_of_other_names_than_were_sent_is_a_departure() -> None:
    stored = ha1(b"alice:CONTOSO", username="alice", realm="CONTOSO")
    explanation = explain(exchange(SENT, SENT.hashing(realm=b"CONTOSO")), stored)
    assert explanation.headline == "The client hashed the realm 'CONTOSO' in place of 'contoso.com'."


def test_the_pair_of_names_is_found_among_the_29_hashes() -> None:
    wdigest = WDigest.of("Sesame-7", "alice", "alice@contoso.com", "CONTOSO", "contoso.com")
    assert explain(exchange(SENT, SENT), wdigest, depth=0).right
    explanation = explain(exchange(SENT, SENT.hashing(user=b"ALICE", realm=b"CONTOSO")), wdigest, depth=0)
    words = "the name 'ALICE' in place of 'alice' and the realm 'CONTOSO' in place of 'contoso.com'"
    assert explanation.headline == f"The client hashed {words}."


def test_hashes_of_other_names_tell_nothing_of_the_password_and_claim_nothing() -> None:
    sent = SENT.hashing(user=b"alice@contoso.com")
    wdigest = WDigest.of("Sesame-7", "alice", "alice@contoso.com", "CONTOSO", "contoso.com")
    for stored in (wdigest, ha1(b"alice:contoso.com", username="alice", realm="contoso.com")):
        explanation = explain(exchange(sent, sent), stored, depth=0)
        assert explanation.response.verdict is Verdict.NONE
        assert explanation.headline.startswith("No stored hash is of the names that were sent")


# rspauth


def test_rspauth_is_explained_too() -> None:
    assert explain(exchange(SENT, SENT, proof=SENT.digest(method=b"")), PASSWORD).right
    echoed = explain(exchange(SENT, SENT, proof=SENT.digest()), PASSWORD)
    assert (
        echoed.headline == "The response is right. The server hashed A2 with AUTHENTICATE in front of the digest-uri."
    )
    assert not echoed.right
    foreign = explain(exchange(SENT, SENT, proof=SENT.hashing(password=b"other").digest(method=b"")), PASSWORD)
    assert foreign.rspauth is not None
    assert foreign.rspauth.verdict is Verdict.NONE
    assert "the server did not have this password" in foreign.headline


def test_rspauth_of_a_server_that_understood_the_client_is_explained_in_the_same_way() -> None:
    made = SENT.hashing(realm=b"CONTOSO")
    explanation = explain(exchange(SENT, made, proof=made.digest(method=b"")), PASSWORD)
    assert explanation.rspauth is not None
    assert explanation.rspauth.headline == "The server hashed the realm 'CONTOSO' in place of 'contoso.com'."


def test_a_response_of_http_is_named_as_one() -> None:
    # RFC 2617 section 3.5, whose password is "Circle Of Life"
    response = (
        b'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        b'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
        b'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    explanation = explain(Exchange(response), Password("Circle Of Life"))
    (reading,) = explanation.response.readings
    assert {each.aspect for each in reading.departures} == {"A1", "method"}
    assert "A2 with 'GET' where 'AUTHENTICATE' belongs" in explanation.headline
    assert "HTTP Digest" in str(explanation.broken[0])


def test_rspauth_may_depart_further_than_the_response_it_answers() -> None:
    made = SENT.hashing(realm=b"CONTOSO")
    explanation = explain(exchange(SENT, made, proof=made.digest()), PASSWORD, depth=1)
    assert explanation.rspauth is not None
    (reading,) = explanation.rspauth.readings
    assert [each.aspect for each in reading.departures] == ["realm", "method"]


def test_inputs_keep_their_password_to_themselves() -> None:
    (reading,) = explain(exchange(SENT, SENT), PASSWORD).response.readings
    assert reading.inputs.password == "Sesame-7"
    assert "Sesame" not in repr(reading.inputs)


def test_of_a_directive_that_comes_twice_the_first_is_read() -> None:
    explanation = explain(exchange(SENT, SENT, more=b',realm="CONTOSO"'), PASSWORD)
    assert explanation.response.verdict is Verdict.MATCH
    assert "realm: comes twice in the response, with another value the second time" in map(str, explanation.broken)


def test_a_proof_of_any_octets_is_explained() -> None:
    explanation = explain(exchange(SENT, SENT, proof=b"\xb4" * 32), PASSWORD)
    assert explanation.rspauth is not None
    assert explanation.rspauth.verdict is Verdict.NONE
    assert "\\xb4" in explanation.rspauth.sent
