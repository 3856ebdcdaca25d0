"""Subsequent authentication on a connection: what is answered, what is recorded, and what the switch does."""

from dataclasses import replace

import pytest

from ldapserver.audit.status import Status
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire.messages import BindResponse, ResultCode
from sasl_digest import DigestClient, Password, Remembered, Response, Success
from tests.server.stage import REALM, Stage, sasl, stage

HOUR = 3600.0


def client(remembered: Remembered | None = None, password: str = "password", user: str = "u1") -> DigestClient:
    return DigestClient(
        user, Password(password), service="ldap", host="dc1.contoso.com", realm=REALM, remembered=remembered
    )


def first_time(on: Stage) -> Remembered:
    return proved(on, client(), on.challenge())


def proved(on: Stage, end: DigestClient, challenge: bytes) -> Remembered:
    answer = end.step(challenge)
    assert isinstance(answer, Response)
    return believed(end, on.bind(sasl(answer.data)))


def believed(end: DigestClient, response: BindResponse) -> Remembered:
    assert response.result_code == ResultCode.SUCCESS
    outcome = end.step(response.server_sasl_creds or b"")
    assert isinstance(outcome, Success)
    assert outcome.remembered is not None
    return outcome.remembered


def again(on: Stage, end: DigestClient) -> BindResponse:
    """The same server, another connection: its first bind."""
    answer = end.initial_response()
    assert isinstance(answer, Response)
    return on.bind(sasl(answer.data))


def connection(on: Stage) -> Stage:
    return Stage(on.service, on.sink)


def test_one_round_trip_and_one_4776() -> None:
    on = stage(remember=HOUR)
    remembered = first_time(on)
    following = connection(on)
    end = client(remembered)
    believed(end, again(following, end))
    assert following.session.identity.authzid.startswith("dn:uid=u1,")
    assert [(record.status, record.result_code, record.reason.value) for record in on.records] == [
        (Status.SUCCESS, 0, "success"),
        (Status.SUCCESS, 0, "success"),
    ]


def test_server_does_not_remember_unless_it_is_told_to() -> None:
    on = stage()
    remembered = first_time(on)
    following = connection(on)
    end = client(remembered)
    response = again(following, end)
    assert response.result_code == ResultCode.SASL_BIND_IN_PROGRESS
    assert len(on.records) == 1  # that it was asked is worth no record
    proved(following, end, response.server_sasl_creds or b"")


@pytest.mark.parametrize(
    ("password", "user", "status", "reason"),
    [
        ("wrong", "u1", Status.WRONG_PASSWORD, "wrong-password"),
        ("x", "nobody-knows", Status.NO_SUCH_USER, "unknown-user"),
    ],
)
def test_wrong_initial_response_gets_a_challenge_and_its_4776(
    password: str, user: str, status: Status, reason: str
) -> None:
    on = stage(remember=HOUR)
    remembered = replace(first_time(on), username=user)
    following = connection(on)
    end = client(remembered, password, user)
    response = again(following, end)
    assert response.result_code == ResultCode.SASL_BIND_IN_PROGRESS
    assert b"stale" not in (response.server_sasl_creds or b"")
    assert following.session.identity.anonymous
    record = on.records[-1]
    assert (record.status, record.result_code, record.reason.value) == (status, 14, reason)
    # The guess was one; the exchange may go on, and the next response is judged for itself.
    proved(following, client(), response.server_sasl_creds or b"")


def test_replayed_initial_response_is_recorded_without_a_verdict() -> None:
    on = stage(remember=HOUR)
    remembered = first_time(on)
    believed(end := client(remembered), again(connection(on), end))
    thief = connection(on)
    response = again(thief, client(remembered))
    assert response.result_code == ResultCode.SASL_BIND_IN_PROGRESS
    assert thief.session.identity.anonymous
    record = on.records[-1]
    assert (record.status, record.result_code, record.reason.value) == (None, 14, "nonce-count")


def test_malformed_initial_response_is_recorded_with_its_detail() -> None:
    on = stage(remember=HOUR)
    assert on.bind(sasl(b'username="u1"')).result_code == ResultCode.SASL_BIND_IN_PROGRESS
    (record,) = on.records
    assert (record.reason.value, record.detail, record.result_code) == ("malformed", "nonce: is missing", 14)


def test_initial_response_without_a_layer_where_one_is_required_gets_a_challenge() -> None:
    on = stage(remember=HOUR, require_signing=True)
    on.session.secured(TLS(bytes(32)))
    remembered = first_time(on)  # inside TLS qop auth will do
    in_the_clear = connection(on)
    end = client(remembered)
    response = again(in_the_clear, end)
    assert response.result_code == ResultCode.SASL_BIND_IN_PROGRESS
    record = on.records[-1]
    assert (record.status, record.result_code, record.reason.value) == (None, 14, "signing-required")
    # The exchange goes on, and ends as any other without a layer.
    answer = end.step(response.server_sasl_creds or b"")
    assert isinstance(answer, Response)
    assert in_the_clear.bind(sasl(answer.data)).result_code == ResultCode.STRONGER_AUTH_REQUIRED
