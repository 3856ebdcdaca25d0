"""Wrong passwords lock an account: how they are counted, what unlocks it, and that no race gets past it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.directory.account_state import FINE
from ldapserver.directory.conformance import Conformance
from ldapserver.directory.contents import Contents
from ldapserver.directory.filetime import filetime
from ldapserver.directory.index import Index
from ldapserver.directory.policy import Policy
from ldapserver.directory.schema import Schema, core
from ldapserver.directory.tree import Node
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import (
    ResultCode,
    Scope,
)
from sasl_digest import NonceBook

from .accounts import (
    ADMIN,
    ALICE,
    COUNTED,
    DEAR,
    DELETE,
    LOCKED,
    REPLACE,
    START,
    WHO,
    WRONG,
    World,
    batches,
    change,
    spared,
)
from .stage import LDIF, digest_response, sasl, search, simple
from .test_directory import run

# Counting


def test_the_threshold_locks_and_the_bind_that_locks_is_a_wrong_password() -> None:
    world = World()
    assert world.binds("a", "b", "c", "d", "right") == [WRONG, WRONG, WRONG, LOCKED, LOCKED]
    assert world.locked == 1
    assert world.counts()["badPwdCount"] == 3
    entry = run(world.directory.read(DN.parse(ALICE)))
    assert entry is not None
    assert entry.get("lockoutTime") == entry.get("badPasswordTime") == (b"%d" % filetime(START),)


def test_what_is_counted_of_each_wrong_password() -> None:
    world = World()
    assert world.counts() == {}
    world.clock.advance(seconds=5)
    world.bind("a")
    assert world.counts() == {"badPwdCount": 1, "badPasswordTime": 5}  # lockoutTime comes with a lockout
    world.clock.advance(seconds=60)
    world.bind("b")
    assert world.counts() == {"badPwdCount": 2, "badPasswordTime": 65}
    world.clock.advance(seconds=60.5)  # "more than" the window
    world.bind("c")
    assert world.counts()["badPwdCount"] == 1
    when = world.counts()["badPasswordTime"]
    world.clock.advance(seconds=1)
    assert world.bind("right") == "success"
    assert world.counts() == {"badPwdCount": 0, "badPasswordTime": when}
    assert world.binds("a", "b") == [WRONG, WRONG]
    assert world.locked == 0


def test_while_locked_nothing_is_counted() -> None:
    world = World()
    world.binds("a", "b", "c")
    before = world.counts()
    world.clock.advance(seconds=30)
    assert world.binds("d", "right") == [LOCKED, LOCKED]
    assert world.counts() == before


@pytest.mark.parametrize(("password", "reason", "count"), [("right", "success", 0), ("wrong", WRONG, 1)])
def test_a_lockout_runs_out(password: str, reason: str, count: int) -> None:
    world = World()
    world.binds("a", "b", "c")
    world.clock.advance(seconds=300)
    assert world.bind("right") == LOCKED  # up to the last moment
    world.clock.advance(seconds=0.001)
    assert world.bind(password) == reason
    assert (world.counts()["badPwdCount"], world.counts()["lockoutTime"]) == (count, 0)


def test_after_a_lockout_it_takes_as_many_again() -> None:
    world = World()
    world.binds("a", "b", "c")
    world.clock.advance(seconds=301)
    assert world.binds("a", "b", "c", "right") == [WRONG, WRONG, WRONG, LOCKED]
    assert world.locked == 2


def test_after_a_short_lockout_the_count_begins_anew_within_the_window() -> None:
    world = World(Policy(lockout_threshold=2, lockout_window=3600, lockout_duration=10))
    world.binds("a", "b")
    world.clock.advance(seconds=11)
    assert world.binds("a", "right") == [WRONG, "success"]
    assert world.locked == 1


def test_without_a_duration_no_time_unlocks() -> None:
    world = World(Policy(lockout_threshold=1, lockout_duration=0))
    assert world.bind("a") == WRONG
    world.clock.advance(seconds=10**9)
    assert world.bind("right") == LOCKED


def test_a_digest_is_counted_as_a_simple_bind_is() -> None:
    world = World()
    on = world.connect()
    for _ in range(3):
        on.digest("alice", "wrong")
    on.digest("alice", "right")
    assert on.reasons == [WRONG, WRONG, WRONG, LOCKED]
    assert world.bind("right") == LOCKED


def test_each_account_is_counted_by_itself_and_nobody_not_at_all() -> None:
    world = World()
    world.binds("a", "b")
    for _ in range(5):
        assert world.bind("x", "stranger") == "unknown-user"
        assert world.bind("x", "nobody") == "no-usable-secret"  # an account without a password
    world.bind("a", "salted")
    assert world.counts()["badPwdCount"] == 2
    assert world.locked == 0
    assert world.counts("uid=nobody,ou=people,dc=contoso,dc=com") == {}
    assert "cn=nobody,dc=invalid" not in {str(dn) for dn, _ in world.directory.records()}


def test_a_right_password_that_something_stands_against_forgets_nothing() -> None:
    world = World(ldif=LDIF + WHO + "userAccountControl: 514\n")
    assert world.binds("a", "right", "b", "right") == [WRONG, "account-disabled", WRONG, "account-disabled"]
    assert world.counts()["badPwdCount"] == 2
    assert world.binds("c", "right") == [WRONG, LOCKED]


def test_a_recorded_response_forgets_nothing() -> None:
    world = World()
    nonces = NonceBook(lifetime=60, clock=world.clock.seconds)
    on = world.connect(nonces=nonces)
    recorded = digest_response(on.challenge(), "alice", "right")
    world.clock.advance(seconds=61)
    world.bind("a")
    assert on.bind(sasl(recorded)).result_code is ResultCode.SASL_BIND_IN_PROGRESS
    assert on.reasons == ["nonce-expired"]
    assert world.counts()["badPwdCount"] == 1


def test_an_account_that_a_digest_cannot_be_checked_with_is_not_counted_and_locked_before_all_else() -> None:
    world = World()
    on = world.connect()
    on.digest("salted", "wrong")
    assert world.counts("uid=salted,ou=people,dc=contoso,dc=com") == {}
    world.modify((REPLACE, "lockoutTime", [b"%d" % filetime(START)]), dn="uid=salted,ou=people,dc=contoso,dc=com")
    on.digest("salted", "wrong")
    assert on.reasons == ["no-usable-secret", LOCKED]


def test_a_computer_is_counted_and_never_locked() -> None:
    world = World(ldif=LDIF + WHO + "userAccountControl: 4096\n")
    assert set(world.binds(*"abcdef")) == {WRONG}
    assert world.counts()["badPwdCount"] == 6
    assert world.bind("right") == "success"


def test_without_a_threshold_nothing_is_written() -> None:
    world = World(Policy())
    before = run(world.directory.read(DN.parse(ALICE)))
    assert world.binds("a", "right") == [WRONG, "success"]
    assert run(world.directory.read(DN.parse(ALICE))) is before


def test_without_a_threshold_a_right_password_writes_nothing_either() -> None:
    world = World(Policy(), LDIF + WHO + "badPwdCount: 2\n")
    before = run(world.directory.read(DN.parse(ALICE)))
    assert world.binds("right") == ["success"]
    assert run(world.directory.read(DN.parse(ALICE))) is before


def test_nobody_is_counted_in_no_entry_whatever_that_is_called() -> None:
    nobody = "dn: dc=invalid\nobjectClass: domain\ndc: invalid\n\ndn: cn=nobody,dc=invalid\n"
    nobody += "objectClass: person\ncn: nobody\nsn: N\nuserPassword: right\n"
    world = World(Policy(lockout_threshold=1), f"{LDIF}\n{nobody}")
    assert world.bind("wrong", "who is this") == "unknown-user"
    assert world.bind("right", "cn=nobody,dc=invalid") == "success"
    assert world.locked == 0


def test_a_name_that_is_by_now_that_of_no_account_is_nobody() -> None:
    world = World()
    account = run(world.directory.find_account("alice"))
    assert account is not None
    taken = replace(account, dn=DN.parse("ou=people,dc=contoso,dc=com"))
    for right in (True, False):
        assert run(world.directory.judge(taken, right=right, workstation="")).gone


def test_whoever_shows_no_password_may_have_got_another_meanwhile() -> None:
    world = World()
    account = run(world.directory.find_account("alice"))
    world.modify((REPLACE, "userPassword", [b"new"]))
    for by_password in (False, True):
        judgement = run(world.directory.judge(account, right=True, workstation="", by_password=by_password))
        assert judgement.changed is by_password


def test_whoever_shows_no_password_forgets_no_wrong_ones() -> None:
    world = World()
    assert world.bind("a") == WRONG
    account = run(world.directory.find_account("alice"))
    judgement = run(world.directory.judge(account, right=True, workstation="", by_password=False))
    assert judgement == FINE
    assert world.counts() == {"badPwdCount": 1, "badPasswordTime": 0}


def test_a_wrong_password_is_counted_though_there_is_another_by_now() -> None:
    world = World()
    account = run(world.directory.find_account("alice"))
    world.modify((REPLACE, "userPassword", [b"new"]))
    assert run(world.directory.judge(account, right=False, workstation="")) == FINE
    assert world.counts()["badPwdCount"] == 1


def test_an_account_that_is_gone_is_nobody() -> None:
    world = World()
    account = run(world.directory.find_account("alice"))
    run(world.directory.delete(DN.parse(ALICE), by=DN.parse(ADMIN), admin=True))
    for right in (True, False):
        assert run(world.directory.judge(account, right=right, workstation="")).gone


# In the directory


def test_what_is_counted_is_found_and_saved() -> None:
    world = World()
    world.binds("a", "b", "c")
    found = [
        entry.dn
        for filter in ("(lockoutTime>=1)", "(badPwdCount=3)", "(&(objectClass=person)(badPasswordTime>=1))")
        for batch in batches(world, filter)
        for entry in batch
    ]
    assert list(map(str, found)) == [ALICE] * 3
    saved = "".join(
        f"dn: {dn}\n" + "".join(f"{name}: {value.decode()}\n" for name, values in each for value in values) + "\n"
        for dn, each in world.directory.records(with_secrets=True)
        if str(dn) == ALICE
    )
    again = World(ldif=LDIF + "\n" + saved)
    assert again.counts() == world.counts()
    assert again.bind("right") == LOCKED


def test_what_is_counted_is_found_by_an_index_too() -> None:
    world = World()
    contents = world.directory._contents
    index = Index(contents.schema, ("badPwdCount",), find=contents.root.find)
    for node in contents.root.subtree():
        if node.entry is not None:
            index.add(node, node.entry)
    contents.index = world.directory._index = index
    for count in range(3):
        assert len([entry for batch in batches(world, f"(badPwdCount={count})") for entry in batch]) == (count > 0)
        world.bind("a")
    assert batches(world, "(badPwdCount=1)") == []


def test_what_is_counted_is_found_by_a_schema_that_did_not_know_of_it() -> None:
    known = core()
    types = [each for each in known.attribute_types if "badPwdCount" not in each.names]
    world = World(rest={"schema": Schema(types, known.object_classes, known.matching_rules, known.syntaxes)})
    assert batches(world, "(badPwdCount=1)") == []
    world.bind("a")
    assert len(batches(world, "(badPwdCount=1)")) == 1


def test_nothing_else_of_the_entry_changes() -> None:
    world = World()
    before = run(world.directory.read(DN.parse(ALICE)))
    world.clock.advance(seconds=3600)
    world.bind("a")
    after = run(world.directory.read(DN.parse(ALICE)))
    assert before is not None
    assert after is not None
    assert {name: values for name, values in after if name not in COUNTED} == dict(before)


def test_a_snapshot_has_it() -> None:
    world = World()
    clean = world.directory.snapshot()
    world.binds("a", "b", "c")
    locked = world.directory.snapshot()
    world.directory.restore(clean)
    assert world.counts() == {}
    assert world.binds("a", "right") == [WRONG, "success"]
    world.directory.restore(locked)
    assert world.bind("right") == LOCKED


def test_under_strict_an_account_of_any_class_is_counted_and_can_be_written() -> None:
    world = World(ldif=WHO_ALONE, rest={"conformance": Conformance.STRICT})
    assert world.bind("a") == WRONG
    world.modify((REPLACE, "description", [b"x"]), (REPLACE, "userAccountControl", [b"514"]))
    assert world.counts()["badPwdCount"] == 1
    assert world.bind("right") == "account-disabled"
    found, _ = world.connect_as_admin().search(search(ALICE, Scope.BASE_OBJECT))
    assert "badPwdCount" not in found[ALICE]  # operational: asked for by name, or by "+"


WHO_ALONE = (
    "dn: dc=contoso,dc=com\nobjectClass: domain\ndc: contoso\n\ndn: ou=people,dc=contoso,dc=com\n"
    f"objectClass: organizationalUnit\nou: people\n\ndn: {ADMIN}\nobjectClass: inetOrgPerson\nuid: u1\ncn: U\nsn: U\n"
    f"userPassword: password\n{WHO}"
)


# Unlocking


@pytest.mark.parametrize(
    "change",
    [
        (REPLACE, "lockoutTime", [b"0"]),
        (REPLACE, "1.2.840.113556.1.4.662", [b"0"]),
        (REPLACE, "lockoutTime", []),
        (DELETE, "lockoutTime", []),
    ],
)
@pytest.mark.parametrize("ad", [False, True])
def test_an_administrator_unlocks(change: Any, ad: bool) -> None:
    world = World(ad=ad)
    world.binds("a", "b", "c")
    assert world.bind("right") == LOCKED
    world.modify(change)
    assert world.counts()["badPwdCount"] == 0
    assert world.bind("right") == "success"


def test_a_lockout_by_other_attributes_ends_with_them() -> None:
    world = World(ldif=LDIF + WHO + "pwdAccountLockedTime: 000001010000Z\nuserAccountControl: 528\n")
    assert world.bind("right") == LOCKED
    world.modify((DELETE, "pwdAccountLockedTime", []))
    assert world.bind("right") == LOCKED
    world.modify((REPLACE, "userAccountControl", [b"512"]))
    assert world.bind("right") == "success"
    world.modify((REPLACE, "pwdAccountLockedTime", [b"000001010000Z"]))
    assert world.bind("right") == LOCKED


def test_a_lockout_of_another_server_runs_out_and_leaves_ours() -> None:
    world = World(ldif=LDIF + WHO + "pwdAccountLockedTime: 20260102030405Z\n")
    assert world.bind("right") == LOCKED
    world.clock.advance(seconds=301)
    assert world.bind("right") == "success"
    entry = run(world.directory.read(DN.parse(ALICE)))
    assert entry is not None
    assert "pwdAccountLockedTime" not in entry
    assert "lockoutTime" not in entry


def test_a_new_password_does_not_unlock() -> None:
    world = World()
    world.binds("a", "b", "c")
    world.modify((REPLACE, "userPassword", [b"new"]))
    assert world.bind("new") == LOCKED
    world.modify((REPLACE, "userPassword", [b"newer"]), (REPLACE, "lockoutTime", [b"0"]))
    assert world.bind("newer") == "success"


# Races


@given(
    st.lists(st.booleans(), min_size=1, max_size=9).flatmap(
        lambda rights: st.tuples(st.just(rights), st.permutations(range(len(rights))))
    ),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_passwords_checked_beside_each_other_in_any_order(
    drawn: tuple[list[bool], list[int]], threshold: int
) -> None:
    """All begin before any ends; what each is told is what a model says of the order they end in."""
    rights, order = drawn
    world = World(Policy(lockout_threshold=threshold), DEAR)
    connections = [world.connect() for _ in rights]
    for on, right in zip(connections, rights, strict=True):
        assert on.send(simple("alice", "right" if right else "wrong")) == []
        assert len(on.channel.offloaded) == 1
    count, told = 0, []
    for at in order:
        connections[at].channel.work()
        if count >= threshold:
            told.append(LOCKED)
        elif rights[at]:
            count = 0
            told.append("success")
        else:
            count += 1
            told.append(WRONG)
    assert [connections[at].reasons[-1] for at in order] == told
    assert world.locked == (count >= threshold)
    wrong = [judgement for right, judgement in world.directory.judgements if not right and judgement.status is None]
    assert len(wrong) == told.count(WRONG)


def test_a_right_password_that_was_begun_before_the_lockout_gets_nobody_in() -> None:
    world = World(ldif=DEAR)
    early = world.connect()
    assert early.send(simple("alice", "right")) == []
    for _ in range(3):
        on = world.connect()
        on.send(simple("alice", "wrong"))
        on.channel.work()
    early.channel.work()
    assert early.reasons == [LOCKED]
    (answer,) = early.channel.taken()
    assert answer.operation.result_code is ResultCode.INVALID_CREDENTIALS  # type: ignore[union-attr]


# Beside an account whose password is dear, a cheap one is known to be wrong before the bind is answered
BESIDE = LDIF + WHO + DEAR.removeprefix(LDIF).replace("alice", "dora").replace("Alice", "Dora")


def test_who_goes_before_the_answer_has_guessed_all_the_same() -> None:
    world = World(ldif=BESIDE)
    recorded = []
    for _ in range(4):
        on = world.connect()
        on.send(simple("alice", "wrong"))
        on.session.lost()
        assert on.records == []
        on.channel.work()
        recorded += on.reasons
    assert recorded == [WRONG, WRONG, WRONG, LOCKED]
    assert (world.locked, world.counts()["badPwdCount"]) == (1, 3)


def test_a_guess_counts_when_nobody_has_the_time_for_the_rest_and_is_answered_as_one_at_nobody() -> None:
    world = World(ldif=BESIDE)
    for _ in range(3):
        told = []
        for name in ("alice", "stranger"):
            on = world.connect()
            on.channel.full = True
            told.append(on.bind(simple(name, "wrong")))
            assert on.reasons == ["busy"]
        assert told[0] == told[1]
        assert told[0].result_code is ResultCode.BUSY
    assert (world.locked, world.counts()["badPwdCount"]) == (1, 3)
    on = world.connect()
    on.send(simple("alice", "right"))
    on.channel.work()
    assert on.reasons == [LOCKED]


def test_who_could_not_be_looked_at_has_not_guessed() -> None:
    world = World(ldif=BESIDE)
    on = world.connect()
    on.channel.full = True
    assert on.bind(simple("dora", "wrong")).result_code is ResultCode.BUSY
    assert "badPwdCount" not in world.counts("uid=dora,ou=people,dc=contoso,dc=com")


@pytest.mark.interpreted("ldapserver.directory.contents")
def test_whoever_is_refused_one_wrong_password_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's or nobody's: the work is the same, so that the time tells neither who is known nor who is locked."""
    noted: list[object] = []
    note = Contents.note

    def counting(contents: Contents, node: Node, *rest: Any) -> None:
        noted.append(node)
        note(contents, node, *rest)

    monkeypatch.setattr(Contents, "note", counting)
    off = "userAccountControl: 514\n"
    world = World(ldif=LDIF + WHO + WHO.replace("alice", "off").replace("Alice", "Off") + off)
    for name, password in (
        *(("alice", "a"), ("alice", "b"), ("alice", "c"), ("alice", "d"), ("alice", "right")),
        *(("stranger", "a"), ("twin", "a"), ("nobody", "a"), ("off", "right"), ("off", "a")),
    ):
        noted.clear()
        assert world.bind(password, name) != "success"
        assert len(noted) == 1, (name, password)
    account = run(world.directory.find_account("off"))
    assert account is not None
    world.modify((REPLACE, "userPassword", [b"new"]), dn=str(account.dn))
    noted.clear()
    assert run(world.directory.judge(account, right=True, workstation="")).changed
    assert len(noted) == 1
    world = spared()
    change(world, "second", "modify")
    for password in ("right", "a"):  # the former one first, when nothing has been counted yet
        noted.clear()
        assert world.bind(password) == WRONG
        assert len(noted) == 1, password
    noted.clear()
    assert World(Policy()).bind("a") == WRONG
    assert noted == []
