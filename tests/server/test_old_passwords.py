"""An old password that comes with a new one is guessed at like that of a bind: counted, locked, and told of."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.audit.kinds import LOCKED_OUT
from ldapserver.audit.record import Record
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.directory.policy import Policy
from ldapserver.password_modify import PASSWORD_MODIFY
from ldapserver.process import Process
from ldapserver.suspension import Suspension
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import (
    AbandonRequest,
    Change,
    Control,
    ExtendedRequest,
    LDAPResult,
    ModifyRequest,
    PartialAttribute,
    ResultCode,
)

from .accounts import ADD, ADMIN, ALICE, DEAR, DELETE, LOCKED, REPLACE, THREE, World, change, dear, spared
from .domain import utf16
from .stage import Stage, simple
from .test_directory import run
from .test_password_modify import value

PERMISSIVE = Control("1.2.840.113556.1.4.1413", True)
Operation = ModifyRequest | ExtendedRequest


def modifying(*changes: tuple[Any, str, Sequence[bytes]], dn: str = ALICE) -> ModifyRequest:
    return ModifyRequest(
        dn, tuple([Change(what, PartialAttribute(name, tuple(given))) for what, name, given in changes])
    )


def deleting(old: str, new: str = "new") -> ModifyRequest:
    return modifying((DELETE, "userPassword", [old.encode()]), (ADD, "userPassword", [new.encode()]))


def unicode_pwd(old: str, new: str = "new") -> ModifyRequest:
    return modifying((DELETE, "unicodePwd", [utf16(old)]), (ADD, "unicodePwd", [utf16(new)]))


def password_modify(old: str, new: str = "new", who: str = ALICE) -> ExtendedRequest:
    return ExtendedRequest(PASSWORD_MODIFY, value(who, old, new))


Ask = Callable[[str], Operation]
REFUSED: dict[
    Ask, tuple[ResultCode, str, ResultCode, str]
] = {  # with a wrong old password, and once the account is locked
    deleting: (
        ResultCode.NO_SUCH_ATTRIBUTE,
        "userPassword: a value",
        ResultCode.UNWILLING_TO_PERFORM,
        "the account is locked",
    ),
    unicode_pwd: (ResultCode.CONSTRAINT_VIOLATION, "00000056", ResultCode.CONSTRAINT_VIOLATION, "00000775"),
    password_modify: (
        ResultCode.UNWILLING_TO_PERFORM,
        "oldPasswd: not",
        ResultCode.UNWILLING_TO_PERFORM,
        "the account is locked",
    ),
}
WAYS: list[Ask] = list(REFUSED)
OF_DEAR: list[Ask] = [deleting, password_modify]


def world_of(ask: Ask, **rest: Any) -> World:
    return World(ad=ask is unicode_pwd, **rest)


def alice(world: World, password: str = "right", **settings: Any) -> Stage:
    """A connection that she has bound on, and that is protected."""
    on = world.connect(process=Process(1000, 1000), **settings)
    on.send(simple("alice", password))
    on.channel.work()
    on.channel.taken()
    assert not on.session.identity.anonymous
    return on


def told(result: LDAPResult) -> tuple[int, str]:
    return result.result_code, result.diagnostic_message


def lockouts(*stages: Stage) -> int:
    return sum(event.kind is LOCKED_OUT for on in stages for event in on.events)


@pytest.mark.parametrize("ask", WAYS)
def test_wrong_ones_are_counted_and_lock(ask: Ask) -> None:
    world = world_of(ask)
    on = alice(world)
    code, text, locked_code, locked_text = REFUSED[ask]
    for number in (1, 2, 3):
        world.clock.advance(seconds=1)
        result = on.ask(ask(f"wrong{number}"))
        assert result.result_code == code
        assert result.diagnostic_message.startswith(text)
        assert (world.counts()["badPwdCount"], world.counts()["badPasswordTime"]) == (number, number)
        assert lockouts(on) == (number == 3)
    assert world.counts()["lockoutTime"] == 3
    before = world.counts()
    # Whatever the old password is, and though it is the right one.
    right, wrong = on.ask(ask("right")), on.ask(ask("wrong"))
    assert right == wrong
    assert right.result_code == locked_code
    assert right.diagnostic_message.startswith(locked_text)
    assert world.counts() == before
    assert world.bind("right") == LOCKED
    assert lockouts(on) == world.locked == 1
    assert len(on.records) == 1  # of the bind: nothing was validated by a bind since


@pytest.mark.parametrize("ask", WAYS)
def test_the_event_is_that_of_a_bind_but_for_the_message(ask: Ask) -> None:
    world = world_of(ask, policy=Policy(lockout_threshold=1))
    on = alice(world)
    on.ask(ask("wrong"))
    world.modify((REPLACE, "lockoutTime", [b"0"]))
    bound = world.connect(process=Process(1000, 1000))
    bound.bind(simple("alice", "wrong"))
    (event,), (of_bind,) = on.events, bound.events
    assert (event.kind, event.data, event.connection) == (of_bind.kind, of_bind.data, of_bind.connection)
    assert (event.time_ns, event.source_ip, event.source_port) == (of_bind.time_ns, None, None)
    assert (event.message_id, of_bind.message_id) == (2, 1)


def test_the_event_has_the_client_s_address() -> None:
    world = World(Policy(lockout_threshold=1))
    on = world.connect(workstation="client")
    on.bind(simple("alice", "right"))
    on.ask(deleting("wrong"))
    assert (on.events[0].source_ip, on.events[0].source_port) == ("192.0.2.10", 50123)
    assert on.events[0].data[1] == "192.0.2.10"


@pytest.mark.parametrize("ask", WAYS)
def test_a_right_one_sets_nothing_back(ask: Ask) -> None:
    world = world_of(ask)
    on = alice(world)
    on.ask(ask("a"))
    on.ask(ask("b"))
    assert on.ask(ask("right")).result_code is ResultCode.SUCCESS
    assert world.counts()["badPwdCount"] == 2
    on.ask(ask("right"))
    assert world.bind("new") == LOCKED


@pytest.mark.parametrize("ask", WAYS)
def test_the_passwords_before_are_spared(ask: Ask) -> None:
    world = spared(ad=ask is unicode_pwd)
    change(world, "second", "modify")
    on = alice(world, "second")
    before = world.counts()
    for _ in range(4):
        assert on.ask(ask("right")).result_code == REFUSED[ask][0]
    assert world.counts() == before
    on.ask(ask("wrong"))
    assert world.counts()["badPwdCount"] == 1


@pytest.mark.parametrize("ask", WAYS)
def test_without_a_threshold_it_is_counted_in_a_domain_only(ask: Ask) -> None:
    world = world_of(ask, policy=Policy())
    on = alice(world)
    for _ in range(4):
        assert on.ask(ask("wrong")).result_code == REFUSED[ask][0]
    assert world.counts().get("badPwdCount") == (4 if world.ad else None)
    assert on.ask(ask("right")).result_code is ResultCode.SUCCESS
    assert on.events == []


def test_nothing_else_of_the_entry_changes() -> None:
    world = World()
    on = alice(world)
    before = run(world.directory.read(DN.parse(ALICE)))
    world.clock.advance(seconds=5)
    on.ask(deleting("wrong"))
    after = run(world.directory.read(DN.parse(ALICE)))
    assert before is not None
    assert after is not None
    assert {name: values for name, values in after if name not in ("badPwdCount", "badPasswordTime")} == dict(before)


def test_what_gives_no_old_password_counts_nothing() -> None:
    world = World()
    on = alice(world)
    for request in (
        modifying((DELETE, "unicodePwd", [])),
        modifying((DELETE, "userPassword;x-other", [b"right"])),
        modifying((REPLACE, "userPassword", [b"right"])),
        ExtendedRequest(PASSWORD_MODIFY, value(None, None, "")),
    ):
        on.ask(request)
    assert world.counts() == {}
    admin = world.connect_as_admin()
    # An administrator takes values away, whatever they are: it is no old password that is given.
    assert admin.ask(modifying((DELETE, "userPassword", [b"wrong"]))).result_code is ResultCode.NO_SUCH_ATTRIBUTE
    assert world.counts() == {}


def test_an_administrator_who_gives_an_old_one_is_held_to_it() -> None:
    """As Samba does with unicodePwd: `test_against_samba.py`."""
    world = World()
    admin = world.connect_as_admin()
    results = [admin.ask(password_modify(old)) for old in ("a", "b", "c", "d", "right")]
    assert world.counts()["badPwdCount"] == 3
    assert lockouts(admin) == world.locked == 1
    assert results[3] == results[4]
    assert admin.ask(ExtendedRequest(PASSWORD_MODIFY, value(ALICE, None, "new"))).result_code is ResultCode.SUCCESS


def test_an_account_without_a_password_is_not_guessed_at() -> None:
    world = World()
    admin = world.connect_as_admin()
    for _ in range(4):
        result = admin.ask(password_modify("x", who="secretless"))
        assert told(result) == (ResultCode.UNWILLING_TO_PERFORM, "oldPasswd: not the password")
    assert world.directory.judgements[-1][1].status is None
    assert world.locked == 0


def test_nobody_gets_around_it_by_permissive_modify() -> None:
    world = World()
    on = alice(world)
    refused = on.ask(modifying((DELETE, "userPassword", [b"wrong"])), controls=(PERMISSIVE,))
    assert refused.result_code is ResultCode.NO_SUCH_ATTRIBUTE
    assert world.counts()["badPwdCount"] == 1
    admin = world.connect_as_admin()
    request = modifying((DELETE, "userPassword", [b"wrong"]))
    assert admin.ask(request, controls=(PERMISSIVE,)).result_code is ResultCode.SUCCESS


# The audit


class Broken:
    """A sink that takes nothing once it is `broken`."""

    broken = False

    def write(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise AuditUnavailable("broken")

    def close(self) -> None:
        pass


class Slow:
    """A sink whose records are on their way until it is told."""

    def __init__(self) -> None:
        self.slow = False
        self.records: list[Record] = []
        self.waiting: list[Suspension[None]] = []

    def write(self, records: Sequence[Record]) -> Suspension[None] | None:
        self.records += records
        if not self.slow:
            return None
        self.waiting.append(Suspension())
        return self.waiting[-1]

    def close(self) -> None:
        pass


@pytest.mark.parametrize("ask", WAYS)
def test_a_lockout_that_cannot_be_recorded_is_answered_by_unavailable(ask: Ask) -> None:
    world, sink = world_of(ask), Broken()
    on = alice(world, sinks=[sink])
    sink.broken = True
    codes = [on.ask(ask(f"wrong{number}")).result_code for number in range(3)]
    assert codes == [REFUSED[ask][0], REFUSED[ask][0], ResultCode.UNAVAILABLE]
    assert world.locked == 1


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("error", [None, AuditUnavailable("full")])
def test_the_answer_waits_for_the_record(ask: Ask, error: AuditUnavailable | None) -> None:
    world, sink = world_of(ask, policy=Policy(lockout_threshold=1)), Slow()
    on = alice(world, sinks=[sink])
    sink.slow = True
    assert on.send(ask("wrong")) == []
    assert isinstance(sink.records[-1], type(on.events[-1]))
    if error is None:
        sink.waiting[0].resume(None)
    else:
        sink.waiting[0].fail(error)
    (message,) = on.channel.taken()
    assert isinstance(message.operation, LDAPResult)
    assert message.operation.result_code == (ResultCode.UNAVAILABLE if error else REFUSED[ask][0])
    assert on.channel.failures == []


def test_a_record_on_its_way_is_settled_though_nobody_waits_for_it() -> None:
    said: list[str] = []
    world, sink = World(Policy(lockout_threshold=1)), Slow()
    on = alice(world, sinks=[sink], report=said.append)
    sink.slow = True
    on.send(deleting("wrong"))
    on.send(AbandonRequest(on.last_id))
    sink.waiting[0].fail(AuditUnavailable("full"))
    assert on.channel.taken() == []
    assert on.channel.failures == []
    assert len(said) == 1


# Races


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(OF_DEAR)), min_size=1, max_size=7).flatmap(
        lambda tries: st.tuples(st.just(tries), st.permutations(range(len(tries))))
    ),
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_dear_ones_checked_beside_each_other_in_any_order(
    drawn: tuple[list[tuple[bool, Ask]], list[int]], threshold: int
) -> None:
    """All begin before any ends. At most so many are counted, one locks, and then none is right any more."""
    tries, order = drawn
    world = World(Policy(lockout_threshold=threshold), DEAR)
    stages = [alice(world) for _ in tries]
    for on, (right, ask) in zip(stages, tries, strict=True):
        assert on.send(ask("right" if right else "wrong")) == []
        assert len(on.channel.offloaded) == 1
    count, changed = 0, False
    for at in order:
        right, ask = tries[at]
        on = stages[at]
        while on.channel.offloaded:
            on.channel.work()
        (message,) = on.channel.taken()
        assert isinstance(message.operation, LDAPResult)
        code, _, locked_code, _ = REFUSED[ask]
        if count >= threshold:
            assert message.operation.diagnostic_message.startswith("the account is locked")
            assert message.operation.result_code == locked_code
        elif right and not changed:
            changed = True
            assert message.operation.result_code is ResultCode.SUCCESS
        else:
            # One that was right when it was looked at, of a password that is gone, is no guess.
            count += not right
            assert message.operation.result_code == code
    assert lockouts(*stages) == world.locked == (count >= threshold)
    assert (world.counts().get("badPwdCount") or 0) == count


@pytest.mark.parametrize("ask", OF_DEAR)
def test_of_a_locked_account_no_dear_one_is_looked_at(ask: Ask) -> None:
    world = World(Policy(lockout_threshold=1), DEAR)
    on = alice(world)
    guess = alice(world)
    guess.send(ask("wrong"))
    guess.channel.work()
    for old in ("right", "wrong"):
        assert len(on.send(ask(old))) == 1
        assert on.channel.offloaded == []


def test_a_lockout_while_the_new_one_is_worked_out_ends_it() -> None:
    world = World(Policy(lockout_threshold=1), DEAR)
    on, guess = alice(world), alice(world)
    on.send(password_modify("right"))
    on.channel.work()
    assert len(on.channel.offloaded) == 1  # the new one
    guess.send(deleting("wrong"))
    guess.channel.work()
    on.channel.work()
    (message,) = on.channel.taken()
    assert isinstance(message.operation, LDAPResult)
    assert told(message.operation) == (
        ResultCode.UNWILLING_TO_PERFORM,
        "the account is locked: no old password is looked at",
    )
    world.modify((REPLACE, "lockoutTime", [b"0"]))
    alice(world)


def test_another_password_while_the_old_one_is_looked_at_makes_it_wrong_and_counts_nothing() -> None:
    for ask in OF_DEAR:
        world = World(THREE, DEAR)
        on = alice(world)
        on.send(ask("right"))
        world.modify((REPLACE, "userPassword", [dear("other").encode()]))
        on.channel.work()
        (message,) = on.channel.taken()
        assert isinstance(message.operation, LDAPResult)
        assert message.operation.result_code == REFUSED[ask][0]
        assert world.counts() == {}


def former_is_dear(*, ad: bool = False) -> World:
    world = spared(ldif=DEAR, ad=ad)
    world.modify((REPLACE, "userPassword", [b"second"]))
    return world


@pytest.mark.parametrize("ask", WAYS)
def test_a_lockout_while_those_before_are_looked_at_is_what_is_told(ask: Ask) -> None:
    world = former_is_dear(ad=ask is unicode_pwd)
    on = alice(world, "second")
    assert on.send(ask("wrong")) == []
    for _ in range(3):
        other = world.connect()
        other.send(simple("alice", "guess"))
        while other.channel.offloaded:
            other.channel.work()
    before = world.counts()
    on.channel.work()
    (message,) = on.channel.taken()
    assert isinstance(message.operation, LDAPResult)
    assert message.operation.result_code == REFUSED[ask][2]
    assert message.operation.diagnostic_message.startswith(REFUSED[ask][3])
    assert world.counts() == before
    assert world.locked == 1


@pytest.mark.parametrize("ask", OF_DEAR)
def test_a_guess_that_nobody_waits_for_is_counted(ask: Ask) -> None:
    world = former_is_dear()
    on = alice(world, "second")
    assert on.send(ask("wrong")) == []  # is it one of before?
    on.send(AbandonRequest(on.last_id))
    on.channel.work()
    assert world.counts()["badPwdCount"] == 1
    assert on.channel.taken() == []


@pytest.mark.parametrize("ask", OF_DEAR)
def test_while_everybody_is_busy_a_guess_is_counted(ask: Ask) -> None:
    world = former_is_dear()
    on = alice(world, "second")
    on.channel.full = True
    assert on.ask(ask("wrong")).result_code == REFUSED[ask][0]
    assert world.counts()["badPwdCount"] == 1


def test_who_acts_for_another_guesses_at_that_other() -> None:
    world = World()
    admin = world.connect_as_admin()
    proxied = Control("2.16.840.1.113730.3.4.18", True, f"dn:{ALICE}".encode())
    admin.ask(deleting("wrong"), controls=(proxied,))
    assert world.counts()["badPwdCount"] == 1
    assert "badPwdCount" not in world.counts(ADMIN)
