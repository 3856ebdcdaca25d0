"""A challenge is given without a coroutine: held against the bind that has one, whatever is asked and of whom."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.bind import Binder, Decision
from ldapserver.service import Peer
from ldapserver.wire.messages import BindRequest, SaslAuthentication, SimpleAuthentication
from sasl_digest import NonceBook
from tests.server.stage import sasl, simple, stage, stopped

PEER = Peer(7, "192.0.2.1", 40000)

requests = st.builds(
    BindRequest,
    st.sampled_from([3, 3, 3, 2]),
    st.sampled_from(["", "uid=u1"]),
    st.builds(
        SaslAuthentication,
        st.sampled_from(["DIGEST-MD5", "DIGEST-MD5", "digest-md5", "EXTERNAL", "PLAIN", "GSSAPI", ""]),
        st.sampled_from([None, b"", b"username=", b"\0u1\0password"]),
    )
    | st.builds(SimpleAuthentication, st.sampled_from([b"", b"password"])),
)


def binder(*, explain: bool = False, remember: float = 0.0) -> Binder:
    """One of many that are all the same: clock and chance stand still."""
    clock = stopped()
    nonces = NonceBook(clock=clock.seconds, token=bytes, remembered_for=remember)
    on = stage(clock=clock, nonces=nonces, explain=explain)
    return Binder(on.service, PEER, on.channel)


def whole(on: Binder, message_id: int, request: BindRequest) -> Decision:
    """What `bind` comes to, which here never waits."""
    coroutine = on.bind(message_id, request)
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    decision: Decision = end.value.value
    return decision


@given(st.lists(requests, min_size=1, max_size=4), st.booleans(), st.sampled_from([0.0, 60.0]))
def test_a_challenge_is_that_of_the_whole_bind(asked: list[BindRequest], explain: bool, remember: float) -> None:
    quick, slow = (binder(explain=explain, remember=remember) for _ in range(2))
    for message_id, request in enumerate(asked, 1):
        challenge, due = quick.challenge(message_id, request), whole(slow, message_id, request)
        assert (challenge or whole(quick, message_id, request)) == due
        assert quick.checking == slow.checking
        assert quick.in_progress == slow.in_progress
    # And the exchanges go on alike: what is left of them is recorded alike.
    assert quick.abandon() == slow.abandon()


def test_it_is_given_to_who_asks_for_nothing_else() -> None:
    for credentials in (None, b""):
        on = binder()
        assert on.challenge(1, sasl(credentials)) is not None
        assert on.challenge(2, sasl(credentials)) is None  # an answer is due, and to send none is one
    for other in (sasl(b"x"), sasl(None, "EXTERNAL"), replace(sasl(), version=2), simple("u1", "password")):
        assert binder().challenge(1, other) is None
    assert binder(explain=True).challenge(1, sasl()) is None
