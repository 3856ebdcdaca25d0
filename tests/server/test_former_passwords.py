"""A wrong password that was the account's own not long ago is not counted, where that is asked for."""

import pytest

from ldapserver.wire.messages import (
    Scope,
)

from .accounts import ALICE, DEAR, LOCKED, REPLACE, WHO, WRONG, World, change, dear, spared
from .stage import LDIF, search, simple


@pytest.mark.parametrize("how", ["modify", "unicodePwd", "Password Modify"])
@pytest.mark.parametrize("digest", [False, True])
def test_the_last_two_passwords_are_wrong_and_do_not_count(how: str, digest: bool) -> None:
    world = spared(ad=how == "unicodePwd")
    for password in ("second", "third", "fourth"):
        change(world, password, how)

    def told(password: str) -> str:
        if not digest:
            return world.bind(password)
        on = world.connect()
        on.digest("alice", password)
        return on.reasons[-1]

    before = world.counts()
    for _ in range(4):
        assert (told("third"), told("second")) == (WRONG, WRONG)
    assert world.counts() == before
    assert told("right") == WRONG  # the one before these
    assert world.counts()["badPwdCount"] == 1
    assert told("fourth") == "success"
    assert [told(password) for password in ("x", "y", "z", "third", "fourth")] == [
        WRONG,
        WRONG,
        WRONG,
        LOCKED,
        LOCKED,
    ]


def test_they_are_kept_in_every_form_and_shown_to_nobody() -> None:
    world = spared(ldif=DEAR)
    world.modify((REPLACE, "userPassword", [b"second"]))
    world.modify((REPLACE, "userPassword", [b"third"]))
    (stored,) = [dict(each) for dn, each in world.directory.records(with_secrets=True) if str(dn) == ALICE]
    assert [value.partition(b"Z#")[2] for value in stored["pwdHistory"]] == [
        b"1.3.6.1.4.1.1466.115.121.1.40#6#second",
        b"1.3.6.1.4.1.1466.115.121.1.40#%d#%b" % (len(dear("right")), dear("right").encode()),
    ]
    found, _ = world.connect_as_admin().search(search(ALICE, Scope.BASE_OBJECT, attributes=("*", "+", "pwdHistory")))
    assert not {"pwdHistory", "userPassword"} & found[ALICE].keys()
    on = world.connect()
    on.send(simple("alice", "right"))
    worked = []
    while on.channel.offloaded:  # nobody's and then the former one
        worked.append(len(on.channel.offloaded))
        on.channel.work()
    assert (on.reasons, world.counts()) == ([WRONG], {})
    nobody = world.connect()
    nobody.send(simple("stranger", "right"))
    for work in worked:  # as much
        assert len(nobody.channel.offloaded) == work
        nobody.channel.work()
    assert nobody.reasons == ["unknown-user"]


def test_who_is_kept_out_with_the_right_password_waits_for_the_former_ones_too() -> None:
    world = spared(ldif=DEAR)
    for attribute, value in (("userPassword", b"second"), ("userPassword", b"third"), ("userAccountControl", b"2")):
        world.modify((REPLACE, attribute, [value]))
    worked = {}
    for name, password in (("alice", "third"), ("alice", "x"), ("stranger", "x")):
        on = world.connect()
        on.send(simple(name, password))
        works = 0
        while on.channel.offloaded:
            works += len(on.channel.offloaded)
            on.channel.work()
        worked[on.reasons[-1]] = works
    assert worked == {"account-disabled": 2, WRONG: 2, "unknown-user": 2}


def test_without_the_option_no_password_is_kept_and_all_count() -> None:
    world = World()
    world.modify((REPLACE, "userPassword", [b"second"]))
    assert all("pwdHistory" not in dict(each) for _, each in world.directory.records(with_secrets=True))
    assert world.binds("right", "right", "right", "second") == [WRONG, WRONG, WRONG, LOCKED]


def test_another_servers_history_is_read_as_far_as_it_can_be() -> None:
    history = (
        "pwdHistory: 20250102030405Z#1.3.6.1.4.1.1466.115.121.1.40#5#older\n"
        "pwdHistory: 20250202030405Z#1.3.6.1.4.1.1466.115.121.1.40#4#last\n"
        "pwdHistory: 20240202030405Z#1.3.6.1.4.1.1466.115.121.1.40#6#oldest\n"
        "pwdHistory: 20250202030405Z#1.3.6.1.4.1.1466.115.121.1.40#10#{ARGON2}xx\n"
        "pwdHistory: nonsense\n"
    )
    world = spared(ldif=LDIF + WHO + history)
    assert world.binds("older", "last") == [WRONG, WRONG]
    assert world.counts() == {}
    assert world.bind("oldest") == WRONG
    assert world.counts()["badPwdCount"] == 1
