"""Neither who there is nor whether a password is right is told by the work of a digest bind: bytecodes, no clock."""

import pytest

from tests.price.count import compiled, counted
from tests.server.stage import LDIF, digest_response, sasl, stage, stopped

pytestmark = pytest.mark.skipif(compiled(), reason="modules of ours are compiled: there is nothing to count")

LOCKED = """
dn: uid=locked,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: locked
cn: Lola Locked
sn: Locked
userPassword: password
pwdAccountLockedTime: 000001010000Z
"""
WRONG = "no such pw"
ROOM = 0.01  # a part of the larger count; one secret that is not tried is three times as much


def work(uid: str, password: str, reason: str) -> int:
    """What the server does for the last message of such a bind, once it has seen one like it."""
    on = stage(LDIF + LOCKED, clock=stopped())
    bytecodes = 0
    for _ in range(2):
        request = on.encoded(sasl(digest_response(on.challenge(), uid, password)))
        bytecodes = sum(counted(on.session.data_received, request).values())
        on.channel.taken()
    assert on.reasons == [reason, reason]
    return bytecodes


def apart(one: int, other: int) -> float:
    """How far apart they are, as a part of the larger."""
    return abs(one - other) / max(one, other)


def test_nobody_costs_what_a_wrong_password_does() -> None:
    assert apart(work("u1", WRONG, "wrong-password"), work("u9", WRONG, "unknown-user")) < ROOM


def test_of_an_account_that_is_locked_a_right_password_costs_what_a_wrong_one_does() -> None:
    right, wrong = (work("locked", each, "account-locked-out") for each in ("password", WRONG))
    assert apart(right, wrong) < ROOM
