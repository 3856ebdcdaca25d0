"""DIGEST-MD5 that goes wrong by rule: what the client is sent, and that our own engine's client refuses it."""

import hmac
from collections.abc import Sequence

import pytest

from ldapserver.faults import (
    Action,
    Directives,
    HalfAnswer,
    NoAlgorithm,
    NoRealm,
    NoRspauth,
    QopDowngrade,
    RepeatedNonce,
    Rule,
    SmallMaxbuf,
    StaleNonce,
    TamperedLayer,
    TwoRealms,
    WrongRspauth,
    WrongSequenceNumber,
)
from ldapserver.wire import codec
from ldapserver.wire.messages import BindResponse, ExtendedRequest, LDAPMessage, Operation, ResultCode
from sasl_digest import (
    QOP,
    BrokenLayer,
    Cipher,
    DigestChallenge,
    DigestClient,
    Failure,
    Password,
    Reason,
    Response,
    SecurityLayer,
    Success,
)
from sasl_digest.grammar import split
from tests.server.faulted import Faulted, faulted
from tests.server.stage import WHO_AM_I, sasl, simple

WHO = ExtendedRequest(WHO_AM_I)


class Client:
    """The engine's client, bound over a stage."""

    def __init__(
        self, stage: Faulted, qop: Sequence[QOP] = (QOP.AUTH,), ciphers: Sequence[Cipher] = (Cipher.RC4,)
    ) -> None:
        self.stage = stage
        self.layer: SecurityLayer | None = None
        self.client = DigestClient(
            "u1", Password("password"), service="ldap", host="dc1.contoso.com", qop=qop, ciphers=ciphers
        )

    def bind(self) -> Success | Failure | ResultCode | int:
        """What the client comes to, or the result it was refused with."""
        response = self.stage.bind(sasl())
        for _ in range(3):
            outcome = self.client.step(response.server_sasl_creds or b"")
            if not isinstance(outcome, Response):
                break
            response = self.stage.bind(sasl(outcome.data))
            if response.result_code not in (ResultCode.SUCCESS, ResultCode.SASL_BIND_IN_PROGRESS):
                return response.result_code
            if response.result_code == ResultCode.SASL_BIND_IN_PROGRESS:
                return response.result_code
        assert isinstance(outcome, Success | Failure)
        self.layer = outcome.layer if isinstance(outcome, Success) else None
        return outcome

    def ask(self, *operations: Operation) -> list[LDAPMessage]:
        """The answers to these, inside the layer. Raises BrokenLayer."""
        assert self.layer is not None
        self.stage.session.data_received(
            self.layer.wrap(b"".join(self.stage.encoded(operation) for operation in operations))
        )
        received = self.layer.receive(self.stage.octets())
        answers = []
        while received:
            size = received[1] + 2
            answers.append(codec.decode(received[:size]))
            received = received[size:]
        return answers


def directives(action: Action) -> list[tuple[bytes, bytes]]:
    """Those of a challenge."""
    return split("digest-challenge", faulted(action, "challenge").challenge())


# The proof


def test_a_wrong_proof() -> None:
    stage = faulted(WrongRspauth(), "bind")
    outcome = Client(stage).bind()
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.RSPAUTH
    # The verdict had been reached, and it stands.
    assert (stage.reasons, len(stage.plan.fired)) == (["success"], 1)


def test_a_wrong_proof_is_wrong_in_one_digit() -> None:
    said = []
    for action in (WrongRspauth(), None):
        stage = faulted(action, "bind")
        client = DigestClient(
            "u1", Password("password"), service="ldap", host="dc1.contoso.com", cnonce=lambda: b"same"
        )
        answer = client.step(DigestChallenge(b"x" * 40, ("contoso.com",)).encode())
        assert isinstance(answer, Response)
        response = stage.digest()
        assert response.server_sasl_creds is not None
        said.append(response.server_sasl_creds)
    assert len(said[0]) == len(said[1]) == len("rspauth=") + 32
    assert not hmac.compare_digest(said[0], said[1])


def test_no_proof() -> None:
    stage = faulted(NoRspauth(), "bind")
    assert stage.digest() == BindResponse(ResultCode.SUCCESS)
    outcome = Client(faulted(NoRspauth(), "bind")).bind()
    assert isinstance(outcome, Failure)


def test_a_proof_that_is_not_due_cannot_be_wrong() -> None:
    stage = faulted(WrongRspauth(), "bind")
    assert stage.digest(password="wrong").result_code == ResultCode.INVALID_CREDENTIALS
    assert stage.bind(simple("u1", "password")).result_code == ResultCode.SUCCESS
    assert not stage.plan.fired
    # The turn was not used up.
    assert isinstance(Client(stage).bind(), Failure)
    assert len(stage.plan.fired) == 1


# Challenges


def test_fewer_qops_than_there_could_be() -> None:
    found = dict(directives(QopDowngrade()))
    assert found[b"qop"] == b"auth"
    assert b"cipher" not in found
    assert dict(directives(QopDowngrade("auth", "auth-conf")))[b"cipher"] == b"3des,rc4"
    stage = faulted(QopDowngrade(), "challenge")
    challenged = Client(stage, [QOP.AUTH_CONF]).bind()
    assert isinstance(challenged, Failure)
    assert challenged.reason is Reason.QOP
    # Who takes less gets it, and the exchange is a right one.
    assert isinstance(Client(faulted(QopDowngrade(), "challenge"), [QOP.AUTH_CONF, QOP.AUTH]).bind(), Success)


def test_two_realms() -> None:
    realms = [value for name, value in directives(TwoRealms("other.example")) if name == b"realm"]
    assert realms == [b"contoso.com", b"other.example"]
    # The first is ours.
    assert isinstance(Client(faulted(TwoRealms(), "challenge")).bind(), Success)


def test_no_realm() -> None:
    assert b"realm" not in dict(directives(NoRealm()))
    assert isinstance(Client(faulted(NoRealm(), "challenge")).bind(), Success | ResultCode)


def test_no_algorithm() -> None:
    assert b"algorithm" not in dict(directives(NoAlgorithm()))
    outcome = Client(faulted(NoAlgorithm(), "challenge")).bind()
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.MALFORMED


def test_a_maxbuf_that_nothing_fits_in() -> None:
    assert dict(directives(SmallMaxbuf()))[b"maxbuf"] == b"16"
    outcome = Client(faulted(SmallMaxbuf(), "challenge"), [QOP.AUTH_INT]).bind()
    assert isinstance(outcome, Failure)
    client = Client(faulted(SmallMaxbuf(100), "challenge"), [QOP.AUTH_INT])
    assert isinstance(client.bind(), Success)
    assert client.layer is not None
    assert client.layer.most == 100 - 16
    assert client.ask(WHO)[0].operation.result_code == ResultCode.SUCCESS  # type: ignore[union-attr]


def test_any_directives() -> None:
    action = Directives(without=("qop", "Charset"), added=(("qop", '"auth"'), ("nonce", '"another"')))
    plain = faulted().challenge()
    names = [name for name, _ in split("digest-challenge", plain)]
    altered = directives(action)
    kept = [name for name in names if name not in (b"qop", b"charset")]
    assert [name for name, _ in altered] == [*kept, b"qop", b"nonce"]


def test_a_challenge_that_changes_nothing_is_the_same_but_for_its_nonce() -> None:
    def without_nonce(challenge: bytes) -> bytes:
        return challenge.replace(DigestChallenge.parse(challenge).nonce, b"")

    stage = faulted(Directives(), "challenge")
    assert without_nonce(stage.challenge()) == without_nonce(stage.beside().challenge())
    assert len(stage.plan.fired) == 1


def test_a_nonce_that_comes_again() -> None:
    stage = faulted(RepeatedNonce(), "challenge")
    first, again, third = (
        DigestChallenge.parse(each.challenge()).nonce for each in (stage, stage.beside(), stage.beside())
    )
    assert first == again != third
    assert len(stage.plan.fired) == 1
    # The server takes it as if it were new.
    stage.add(RepeatedNonce(), "challenge")
    assert isinstance(Client(stage.beside()).bind(), Success)


def test_a_stale_nonce() -> None:
    stage = faulted(StaleNonce(), "bind")
    challenge = stage.challenge()
    first = DigestChallenge.parse(challenge)
    client = Client(stage).client
    answer = client.step(challenge)
    assert isinstance(answer, Response)
    response = stage.bind(sasl(answer.data))
    assert response.result_code == ResultCode.SASL_BIND_IN_PROGRESS
    second = DigestChallenge.parse(response.server_sasl_creds or b"")
    assert second.stale
    assert second.nonce != first.nonce
    # Nobody's password was looked at.
    assert [(record.reason.value, record.result_code) for record in stage.records] == [("fault-injected", 14)]
    once_more = Client(stage).client.step(response.server_sasl_creds or b"")
    assert isinstance(once_more, Response)
    assert stage.bind(sasl(once_more.data)).result_code == ResultCode.SUCCESS
    assert stage.reasons == ["fault-injected", "success"]


@pytest.mark.parametrize("action", [WrongRspauth(), NoAlgorithm(), RepeatedNonce(), TamperedLayer()], ids=repr)
def test_where_there_is_nothing_to_strike_on_nothing_strikes(action: Action) -> None:
    stage = faulted(action, "challenge" if "bind" not in action.places else "bind", times=None)
    assert stage.bind(simple("u1", "password")).result_code == ResultCode.SUCCESS
    assert not stage.plan.fired
    assert stage.plan.unfired()


# Layers

LAYERS = [([QOP.AUTH_INT], Cipher.RC4), ([QOP.AUTH_CONF], Cipher.RC4), ([QOP.AUTH_CONF], Cipher.TRIPLE_DES)]


@pytest.mark.parametrize(("qop", "cipher"), LAYERS, ids=["auth-int", "rc4", "3des"])
@pytest.mark.parametrize("action", [TamperedLayer(), WrongSequenceNumber()], ids=repr)
def test_a_buffer_that_is_wrong(action: Action, qop: list[QOP], cipher: Cipher) -> None:
    stage = faulted()
    client = Client(stage, qop, [cipher])
    assert isinstance(client.bind(), Success)
    stage.add(action, "whoami", nth=2)
    assert len(client.ask(WHO)) == 1
    with pytest.raises(BrokenLayer):
        client.ask(WHO)
    assert len(stage.plan.fired) == 1


def test_one_octet_is_changed_and_no_length() -> None:
    stage = faulted()
    client = Client(stage, [QOP.AUTH_INT])
    client.bind()
    stage.add(TamperedLayer(), "whoami")
    assert client.layer is not None
    stage.session.data_received(client.layer.wrap(stage.encoded(WHO)))
    octets = bytearray(stage.octets())
    assert int.from_bytes(octets[:4]) == len(octets) - 4
    octets[4] ^= 1
    assert codec.decode(client.layer.receive(bytes(octets))).message_id == stage.last_id


def test_a_wrong_number_is_signed_as_a_right_one() -> None:
    stage = faulted()
    client = Client(stage, [QOP.AUTH_INT])
    client.bind()
    stage.add(WrongSequenceNumber(), "whoami")
    assert client.layer is not None
    stage.session.data_received(client.layer.wrap(stage.encoded(WHO)))
    octets = stage.octets()
    assert octets[-4:] == (1).to_bytes(4)
    # Who has counted one more takes it.
    client.layer._received = 1  # type: ignore[attr-defined]
    assert codec.decode(client.layer.receive(octets)).message_id == stage.last_id


def test_half_an_answer_inside_a_layer() -> None:
    stage = faulted()
    client = Client(stage, [QOP.AUTH_CONF])
    client.bind()
    stage.add(HalfAnswer(4), "whoami")
    assert client.layer is not None
    stage.session.data_received(client.layer.wrap(stage.encoded(WHO)))
    assert len(client.layer.receive(stage.octets())) == 4
    assert stage.channel.closed


def test_actions_that_know_one_place_say_so() -> None:
    for action, on in ((WrongRspauth(), "bind"), (NoRealm(), "challenge"), (RepeatedNonce(), "challenge")):
        assert action.default_on == on
        assert Rule(action=action, on=on).on == on
        with pytest.raises(ValueError, match="strikes on"):
            Rule(action=action, on="search")
