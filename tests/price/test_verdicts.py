"""Neither who there is nor whether a password is right is told by the work of a bind: bytecodes, no clock."""

from collections.abc import Callable

import pytest

from ldapserver.wire.messages import BindRequest
from tests.price.count import compiled, counted
from tests.server.stage import LDIF, Stage, digest_response, sasl, simple, stage, stopped

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
ROOM_SIMPLE = 0.05  # nobody holds the dearest cheap form there is; a name that is not looked up is seven hundredths


def work(uid: str, password: str, reason: str) -> int:
    """What the server does for the last message of such a bind, once it has seen one like it."""
    return _work(lambda on: sasl(digest_response(on.challenge(), uid, password)), reason)


def simple_work(name: str, password: str, reason: str) -> int:
    """The same of a simple bind."""
    return _work(lambda on: simple(name, password), reason)


def _work(request: Callable[[Stage], BindRequest], reason: str) -> int:
    on = stage(LDIF + LOCKED, clock=stopped())
    bytecodes = 0
    for _ in range(2):
        octets = on.encoded(request(on))
        bytecodes = sum(counted(on.session.data_received, octets).values())
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


@pytest.mark.parametrize("form", ["uid={},ou=people,dc=contoso,dc=com", "{}"])
def test_a_simple_bind_of_nobody_costs_what_a_wrong_password_does(form: str) -> None:
    wrong = simple_work(form.format("u1"), WRONG, "wrong-password")
    assert apart(wrong, simple_work(form.format("u9"), WRONG, "unknown-user")) < ROOM_SIMPLE


@pytest.mark.parametrize("form", ["uid={},ou=people,dc=contoso,dc=com", "{}"])
def test_a_simple_bind_of_a_locked_account_costs_the_same_by_a_right_password(form: str) -> None:
    right, wrong = (simple_work(form.format("locked"), each, "account-locked-out") for each in ("password", WRONG))
    assert apart(right, wrong) < ROOM_SIMPLE
