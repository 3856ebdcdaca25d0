"""What is written about an account while its password is being checked, which takes long where that is dear."""

from collections.abc import Callable

import pytest

from ldapserver.wire.dn import DN
from ldapserver.wire.messages import BindResponse, ModifyOperation, ResultCode
from tests.server.accounts import ADMIN, ALICE, DEAR, REPLACE, THREE, World, dear
from tests.server.stage import Stage, simple
from tests.server.test_directory import run

BOB = ALICE.replace("alice", "bob")


def rename(world: World, name: str, to: str) -> None:
    dn = DN.parse(f"uid={name},ou=people,dc=contoso,dc=com")
    run(world.directory.modify_dn(dn, DN.parse(f"uid={to}"), True, by=DN.parse(ADMIN), admin=True))


def another_takes_the_name(world: World) -> None:
    rename(world, "alice", "gone")
    rename(world, "u2", "alice")


def delete(world: World) -> None:
    run(world.directory.delete(DN.parse(ALICE), by=DN.parse(ADMIN), admin=True))


def a_new_password(world: World) -> None:
    world.modify((REPLACE, "userPassword", [dear("new").encode()]))


def another_attribute(world: World) -> None:
    world.modify((REPLACE, "description", [b"x"]))


def a_wrong_password(world: World) -> None:
    on = world.connect()
    on.send(simple("alice", "wrong"))
    on.channel.work()


def disable(world: World) -> None:
    world.modify((ModifyOperation.REPLACE, "userAccountControl", [b"514"]))


def bound_while(world: World, write: Callable[[World], None]) -> tuple[Stage, BindResponse]:
    on = world.connect()
    assert on.send(simple("alice", "right")) == []
    write(world)
    on.channel.work()
    (message,) = on.channel.taken()
    assert isinstance(message.operation, BindResponse)
    assert on.channel.failures == []
    return on, message.operation


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (another_takes_the_name, "wrong-password"),
        (delete, "unknown-user"),
        (a_new_password, "wrong-password"),
        (disable, "account-disabled"),
        (another_attribute, "success"),
        (a_wrong_password, "success"),
    ],
)
def test_a_password_is_right_if_it_still_is_when_that_is_known(write: Callable[[World], None], reason: str) -> None:
    world = World(THREE, DEAR)
    on, response = bound_while(world, write)
    assert on.reasons == [reason]
    assert on.session.identity.anonymous is (reason != "success")
    assert (response.result_code is ResultCode.SUCCESS) is (reason == "success")
    assert world.locked == 0


def test_a_count_stays_what_can_be_read_again() -> None:
    world = World(ldif=World.ldif + "userAccountControl: 4096\nbadPwdCount: 9223372036854775807\n")
    world.modify((REPLACE, "badPasswordTime", [b"9223372036854775807"]))
    assert world.bind("wrong") == "wrong-password"
    world.modify((REPLACE, "description", [b"x"]))
    assert 0 < world.counts()["badPwdCount"] < 2**31
