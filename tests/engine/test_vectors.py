"""The RFC's examples and recorded exchanges of other implementations, octet for octet (tests/vectors/SOURCES.md).

A vector that says `accept` must come out of our client and get through our server; `hash_only` is arithmetic.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sasl_digest import (
    QOP,
    Challenge,
    Cipher,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    MalformedMessage,
    Password,
    Reason,
    Response,
    Success,
)
from sasl_digest.digest import a1, a2_of_client, a2_of_server, converted, h, keyed, response_value, secret
from sasl_digest.nonces import Nonces, NonceState

VECTORS = Path(__file__).parents[1] / "vectors"
ITEMS = json.loads((VECTORS / "digest_md5.json").read_text("utf-8"))["items"]
EXCHANGES = json.loads((VECTORS / "exchanges.json").read_text("utf-8"))

# The order in which we write; a vector that has the same must come out whole.
OUR_ORDER = ["charset", "username", "realm", "nonce", "nc", "cnonce", "digest-uri", "response", "qop", "authzid"]


def directives(message: str) -> dict[str, str]:
    """The last of each directive, read without the grammar under test."""
    found = re.findall(r'([a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^,"]*))', message)
    return {name: re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in found}


@dataclass(frozen=True)
class Vector:
    name: str
    username: str
    password: str
    challenge: str
    response: str
    rspauth: str | None
    accept: bool
    verifies: bool
    rspauth_verifies: bool
    hash_only: bool
    ha1_hex: str

    @property
    def sent(self) -> dict[str, str]:
        return directives(self.response)

    @property
    def nonce(self) -> str:
        return self.sent["nonce"]


def from_items() -> Iterable[Vector]:
    for item in ITEMS:
        yield Vector(
            name=item["name"],
            username=item["username"],
            password=item["password"],
            challenge=item["challenge"],
            response=item["response"],
            rspauth=item.get("rspauth"),
            accept=item["expect"] == "accept",
            verifies=item["response_verifies"],
            rspauth_verifies=item.get("rspauth_verifies", False),
            hash_only=item.get("hash_only", False),
            ha1_hex=item["ha1_hex"],
        )


def from_openjdk() -> Iterable[Vector]:
    for user in EXCHANGES["jdk17"]:
        for case in user["cases"]:
            yield Vector(
                name=f"OpenJDK 17, {user['user']}",
                username=user["user"],
                password=user["password"],
                challenge=case["challenge"],
                response=bytes.fromhex(case["response"]).decode(),
                rspauth=case["rspauth"],
                accept=True,
                verifies=True,
                rspauth_verifies=True,
                hash_only=False,
                ha1_hex=case["H_A1"],
            )


ALL = [*from_items(), *from_openjdk()]
ACCEPTED = [vector for vector in ALL if vector.accept and not vector.hash_only]
# In "testStaleNonce" the recorded response answers a later challenge than the recorded one.
ANSWERED = [vector for vector in ACCEPTED if directives(vector.challenge)["nonce"] == vector.nonce]


def each(vectors: Iterable[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", [pytest.param(vector, id=vector.name) for vector in vectors])


class OneNonce(Nonces):
    """The nonce of a vector."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce.encode()

    def issue(self) -> bytes:
        return self._nonce

    def state(self, nonce: bytes) -> NonceState:
        return NonceState.FRESH if nonce == self._nonce else NonceState.FOREIGN

    def expired(self, nonce: bytes) -> bool:
        return False


def challenged(nonce: str) -> DigestServer:
    server = DigestServer(nonces=OneNonce(nonce))
    outcome = server.step(b"")
    assert isinstance(outcome, Challenge)
    assert directives(outcome.data.decode())["nonce"] == nonce
    return server


def client_of(vector: Vector) -> DigestClient:
    """Our client with the names and the cnonce that the vector's client had."""
    service, host, *serv_name = vector.sent["digest-uri"].split("/")
    return DigestClient(
        vector.username,
        Password(vector.password),
        service=service,
        host=host,
        serv_name=serv_name[0] if serv_name else None,
        realm=vector.sent.get("realm"),
        authzid=vector.sent.get("authzid"),
        cnonce=lambda: vector.sent["cnonce"].encode(),
    )


def proofs(sent: dict[str, str], username: str, password: str) -> tuple[str, str, str]:
    """H(A1), response and rspauth by the functions of digest.py."""
    nonce, cnonce, uri = sent["nonce"].encode(), sent["cnonce"].encode(), sent["digest-uri"].encode()
    qop = QOP(sent["qop"].encode())
    authzid = sent["authzid"].encode() if "authzid" in sent else None
    hashed = secret(converted(username), converted(sent.get("realm", "")), converted(password))
    h_a1 = h(a1(hashed, nonce=nonce, cnonce=cnonce, authzid=authzid))
    both = keyed(h_a1, nonce=nonce, nonce_count=int(sent["nc"], 16), cnonce=cnonce, qop=qop)
    response, rspauth = (response_value(both, a2(uri, qop)).decode() for a2 in (a2_of_client, a2_of_server))
    return h_a1.hex(), response, rspauth


def test_there_are_as_many_vectors_as_sources_md_says() -> None:
    assert (len(ALL), len(ACCEPTED), len(ANSWERED)) == (40, 34, 33)


@each(ALL)
def test_arithmetic(vector: Vector) -> None:
    h_a1, response, rspauth = proofs(vector.sent, vector.username, vector.password)
    assert h_a1 == vector.ha1_hex
    assert (response == vector.sent["response"]) is vector.verifies
    if vector.rspauth is not None:
        assert (f"rspauth={rspauth}" == vector.rspauth) is vector.rspauth_verifies


@each(ANSWERED)
def test_our_client_answers_as_the_vectors_client_did(vector: Vector) -> None:
    client = client_of(vector)
    answer = client.step(vector.challenge.encode())
    assert isinstance(answer, Response)
    # 65536 is the default of maxbuf, and we do not write it.
    expected = vector.response.replace(",maxbuf=65536", "")
    assert directives(answer.data.decode()) == directives(expected)
    if [name for name in OUR_ORDER if name in vector.sent] == list(directives(expected)) and 'nc="' not in expected:
        assert answer.data == expected.encode()
    if vector.rspauth is not None:
        assert client.step(vector.rspauth.encode()) == Success(
            vector.username, vector.sent.get("realm", ""), vector.sent.get("authzid"), QOP.AUTH
        )


@each(ACCEPTED)
def test_our_server_accepts_what_the_vectors_client_sent(vector: Vector) -> None:
    server = challenged(vector.nonce)
    realm, authzid = vector.sent.get("realm", ""), vector.sent.get("authzid")
    assert server.step(vector.response.encode()) == Lookup(vector.username, realm, authzid)
    outcome = server.verify(Password(vector.password))
    assert isinstance(outcome, Success)
    _, _, rspauth = proofs(vector.sent, vector.username, vector.password)
    proof = vector.rspauth if vector.rspauth is not None else f"rspauth={rspauth}"
    assert outcome == Success(vector.username, realm, authzid, QOP.AUTH, proof.encode())


@each(ACCEPTED)
def test_our_server_refuses_it_from_a_client_with_another_password(vector: Vector) -> None:
    server = challenged(vector.nonce)
    server.step(vector.response.encode())
    assert server.verify(Password(vector.password + "x")) == Failure(Reason.WRONG_PASSWORD)


def named(name: str) -> Vector:
    (vector,) = (vector for vector in ALL if vector.name.startswith(name))
    return vector


@pytest.mark.parametrize("name", ["RFC 3920 section 6.5 XMPP example", "elytron server testMoreRealmsFromServer"])
def test_response_copied_from_another_exchange_is_a_wrong_password(name: str) -> None:
    vector = named(name)
    server = challenged(vector.nonce)
    assert isinstance(server.step(vector.response.encode()), Lookup)
    assert server.verify(Password(vector.password)) == Failure(Reason.WRONG_PASSWORD)


def test_response_that_is_not_32_digits_is_malformed() -> None:
    vector = named("elytron server testIncorrectResponseField")
    outcome = challenged(vector.nonce).step(vector.response.encode())
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.cause, MalformedMessage)
    assert (outcome.reason, outcome.cause.directive) == (Reason.MALFORMED, "response")


def test_our_client_refuses_the_wrong_rspauth_behind_a_right_response() -> None:
    vector = named("elytron client testWrongStepThreeRspauth")
    client = client_of(vector)
    answer = client.step(vector.challenge.encode())
    assert isinstance(answer, Response)
    assert directives(answer.data.decode())["response"] == vector.sent["response"]
    assert vector.rspauth is not None
    outcome = client.step(vector.rspauth.encode())
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.RSPAUTH


@each(vector for vector in ALL if vector.hash_only)
def test_nonce_count_2_is_no_first_response(vector: Vector) -> None:
    assert challenged(vector.nonce).step(vector.response.encode()) == Failure(Reason.NONCE_COUNT)


def test_response_to_another_challenge_than_the_last_is_refused() -> None:
    vector = named("elytron client testStaleNonce")
    last = directives(vector.challenge)["nonce"]
    assert challenged(last).step(vector.response.encode()) == Failure(Reason.NONCE_FOREIGN)


@pytest.mark.parametrize("example", EXCHANGES["rfc2831_examples"], ids=lambda example: str(example["digest_uri"]))
def test_rfc_2831_example(example: dict[str, str]) -> None:
    sent = {name.replace("_", "-"): value for name, value in example.items()}
    expected = example["H_A1"], example["response"], example["rspauth"]
    assert proofs(sent, example["username"], example["password"]) == expected


def test_winldap_asks_for_auth_conf_with_an_empty_realm() -> None:
    recorded: dict[str, str] = EXCHANGES["wldap32_recorded"]
    message = recorded["response_text"]
    assert DigestResponse.parse(message.encode()) == DigestResponse(
        username="alice",
        realm="",
        nonce=b"MDEyMzQ1Njc4OWFiY2RlZg==",
        cnonce=b"8aa82d051ad9706a2cbc26aceeb8f21a",
        nonce_count=1,
        digest_uri=b"ldap/127.0.0.1",
        response=b"a5161e5d54e3950512ceb4bd61f5a564",
        qop=QOP.AUTH_CONF,
        maxbuf=65536,
        utf8=True,
        cipher=Cipher.TRIPLE_DES,
        authzid=None,
    )
    expected = recorded["H_A1"], recorded["response"], recorded["rspauth"]
    assert proofs(directives(message), "alice", recorded["password"]) == expected


def test_winldaps_auth_conf_is_refused_where_only_auth_was_offered() -> None:
    recorded: dict[str, str] = EXCHANGES["wldap32_recorded"]
    outcome = challenged(recorded["nonce"]).step(recorded["response_text"].encode())
    assert outcome == Failure(Reason.QOP)
