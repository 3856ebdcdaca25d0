"""Channel bindings in the server: which switch asks for what, inside TLS and in the clear."""

import pytest

from ldapserver.config import Config, InvalidConfig
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire.messages import BindResponse, ResultCode
from sasl_digest import DigestClient, Password, Response
from sasl_digest.channel_binding import END_POINT, NO_CHANNEL, token
from tests.server.stage import REALM, sasl, stage

OURS = TLS(bytes(range(32)))
HERE, ELSEWHERE = token(END_POINT + OURS.end_point), token(END_POINT + bytes(32))


def bind(policy: str, tls: TLS | None, binding: bytes | None) -> tuple[ResultCode, str]:
    """Result code and reason of a bind with the right password."""
    on = stage(channel_binding=policy)
    if tls is not None:
        on.session.secured(tls)
    client = DigestClient(
        "u1", Password("password"), service="ldap", host="dc1.contoso.com", realm=REALM, channel_binding=binding
    )
    answer = client.step(on.challenge())
    assert isinstance(answer, Response)
    response = on.bind(sasl(answer.data))
    assert isinstance(response, BindResponse)
    return ResultCode(response.result_code), on.reasons[-1]


TAKEN = (ResultCode.SUCCESS, "success")
REFUSED = (ResultCode.INVALID_CREDENTIALS, "channel-binding")


@pytest.mark.parametrize(
    ("policy", "tls", "binding", "ended"),
    [
        ("never", OURS, ELSEWHERE, TAKEN),
        ("never", OURS, None, TAKEN),
        ("supported", OURS, None, TAKEN),
        ("supported", OURS, HERE, TAKEN),
        ("supported", OURS, ELSEWHERE, REFUSED),
        ("supported", OURS, NO_CHANNEL, REFUSED),
        ("always", OURS, None, REFUSED),
        ("always", OURS, HERE, TAKEN),
        ("always", OURS, ELSEWHERE, REFUSED),
        # In the clear nothing is due. But who says that there is TLS speaks it to somebody else.
        ("supported", None, None, TAKEN),
        ("always", None, None, TAKEN),
        ("always", None, NO_CHANNEL, TAKEN),
        ("always", None, HERE, REFUSED),
        ("supported", None, ELSEWHERE, REFUSED),
    ],
)
def test_what_is_bound_must_be_this_channel(
    policy: str, tls: TLS | None, binding: bytes | None, ended: tuple[ResultCode, str]
) -> None:
    assert bind(policy, tls, binding) == ended


def test_only_who_looks_at_bindings_says_so_in_the_nonce() -> None:
    assert b'nonce="+Upgraded+v1' not in stage().challenge()
    for policy in ("supported", "always"):
        assert b'nonce="+Upgraded+v1' in stage(channel_binding=policy).challenge()


def test_other_words_are_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"^channel_binding: must be one of never, supported, always$"):
        Config(channel_binding="sometimes")
