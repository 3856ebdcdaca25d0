"""What a domain asks of its accounts: said by its own entry, and acted on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ldapserver.directory.ad.profile import ActiveDirectory
from ldapserver.directory.filetime import filetime
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.policy import Policy
from ldapserver.directory.unlocking import unlocks_by_control
from ldapserver.hosting.assembly import load
from ldapserver.hosting.options import read_options
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import Change, PartialAttribute

from .accounts import (
    ADD,
    ALICE,
    COUNTED,
    DELETE,
    LOCKED,
    REPLACE,
    START,
    THREE,
    WHO,
    WRONG,
    World,
    since_start,
)
from .domain import schema
from .stage import LDIF
from .test_directory import run


def test_a_domain_counts_without_a_threshold_and_replicates_nothing() -> None:
    world = World(Policy(), ad=True)
    before = run(world.directory.read(DN.parse(ALICE)))
    world.clock.advance(seconds=10)
    assert world.binds("a", "b") == [WRONG, WRONG]
    after = run(world.directory.read(DN.parse(ALICE)))
    assert before is not None
    assert after is not None
    assert (after.get("badPwdCount"), after.get("badPasswordTime")) != ((b"0",), (b"0",))
    same = {name: values for name, values in before if name not in COUNTED}
    assert {name: values for name, values in after if name not in COUNTED} == same
    assert {"uSNChanged", "whenChanged", "modifyTimestamp"} <= same.keys()


HEAD = "dc=contoso,dc=com"


def policy_of(world: World) -> dict[str, str]:
    entry = run(world.directory.read(DN.parse(HEAD)))
    assert entry is not None
    names = ("lockoutThreshold", "lockOutObservationWindow", "lockoutDuration", "maxPwdAge")
    return {name: entry.get(name)[0].decode() for name in names}


def test_a_domain_says_its_policy() -> None:
    assert policy_of(World(Policy(), ad=True)) == {
        "lockoutThreshold": "0",
        "lockOutObservationWindow": "-18000000000",
        "lockoutDuration": "-18000000000",
        "maxPwdAge": "-9223372036854775808",
    }
    assert policy_of(World(Policy(5, 60, 0, 86400), ad=True)) == {
        "lockoutThreshold": "5",
        "lockOutObservationWindow": "-600000000",
        "lockoutDuration": "-9223372036854775808",
        "maxPwdAge": "-864000000000",
    }


def test_what_the_domain_says_holds_and_what_is_asked_is_written_there() -> None:
    ldif = LDIF.replace("dc: contoso\n", "dc: contoso\nlockoutThreshold: 2\nlockoutDuration: -100000000\n", 1) + WHO
    world = World(Policy(lockout_threshold=7), ldif, ad=True)
    assert (world.directory.policy.lockout_threshold, world.directory.policy.lockout_duration) == (2, 10)
    assert world.directory.policy.counted
    profile = ActiveDirectory(policy={"lockout_threshold": 0, "max_password_age": 60.0})
    directory = MemoryDirectory([("world", read_ldif(ldif, "world"))], schema=schema(), profile=profile)
    assert directory.policy == Policy(0, 1800, 10, 60, counted=True)


@pytest.mark.parametrize("duration", ["0", "-9223372036854775808"])
def test_an_administrator_changes_the_policy_and_it_holds_at_once(duration: str) -> None:
    world = World(Policy(), ad=True)
    assert set(world.binds(*"abcde")) == {WRONG}
    world.modify((REPLACE, "lockoutThreshold", [b"1"]), (REPLACE, "lockoutDuration", [duration.encode()]), dn=HEAD)
    assert world.binds("f", "right") == [WRONG, LOCKED]
    world.clock.advance(seconds=10**8)
    assert world.bind("right") == LOCKED


def test_computed_attributes_say_what_a_bind_would_be_told() -> None:
    world = World(Policy(2, 60, 300, 3600), ldif=LDIF + WHO.replace("inetOrgPerson", "user"), ad=True)
    names = ("msDS-User-Account-Control-Computed", "msDS-UserPasswordExpiryTimeComputed")

    def computed() -> tuple[int, int]:
        found = world.directory.computed
        entry = run(world.directory.read(DN.parse(ALICE)))
        assert entry is not None
        bits, expiry = (int(found[name.lower()].values(entry)[0]) for name in names)
        return bits, since_start(expiry)

    assert computed() == (0, 3600)
    world.binds("a", "b")
    assert computed() == (0x10, 3600)
    assert world.bind("right") == LOCKED
    world.clock.advance(seconds=3601)
    assert computed() == (0x800000, 3600)
    assert world.bind("right") == "password-expired"
    world.modify((REPLACE, "maxPwdAge", [b"-72000000000"]), dn=HEAD)
    assert computed() == (0, 7200)
    assert world.bind("right") == "success"
    world.modify((REPLACE, "pwdLastSet", [b"0"]))
    assert computed() == (0x800000, 0)
    assert world.bind("right") == "password-must-change"
    world.modify((DELETE, "pwdLastSet", []))
    assert computed() == (0x800000, 0)
    assert world.bind("right") == "password-must-change"
    world.modify((REPLACE, "pwdLastSet", [b"-1"]))
    assert world.bind("right") == "success"


def test_a_loaded_account_may_say_that_its_password_was_set_now() -> None:
    world = World(ldif=LDIF + WHO + "pwdLastSet: -1\nbadPwdCount: 2\n", ad=True)
    entry = run(world.directory.read(DN.parse(ALICE)))
    assert entry is not None
    assert entry.get("pwdLastSet") == (b"%d" % filetime(START),)
    assert entry.get("badPwdCount") == (b"2",)


@pytest.mark.parametrize(
    ("typed", "policy"),
    [
        ([], Policy()),
        (["--lockout-threshold", "3", "--lockout-duration", "0"], Policy(3, 1800, 0)),
        (["--lockout-window", "1m", "--max-password-age", "1d"], Policy(0, 60, 1800, 86400)),
        (["--lockout-threshold", "0"], Policy()),
        (["--spare-old-passwords"], Policy(spare_old_passwords=True)),
    ],
)
def test_what_is_typed_is_the_policy(typed: list[str], policy: Policy, tmp_path: Path) -> None:
    path = tmp_path / "domain.ldif"
    path.write_text(LDIF, "utf-8")
    files = ["--ldif", str(path)]
    assert load(read_options([*files, *typed])).policy == policy
    assert load(read_options([*files, *typed, "--profile", "ad"])).policy == replace(policy, counted=True)
    path.write_text(LDIF.replace("dc: contoso\n", "dc: contoso\nlockoutThreshold: 9\nmaxPwdAge: -10000000\n", 1))
    stands = load(read_options([*files, *typed, "--profile", "ad"])).policy
    assert stands.lockout_threshold == (policy.lockout_threshold if "--lockout-threshold" in typed else 9)
    assert stands.max_password_age == (86400 if "--max-password-age" in typed else 1)


UAC = "userAccountControl"


@pytest.mark.parametrize(
    ("changes", "unlocked"),
    [
        ([(REPLACE, UAC, [b"512"])], True),
        ([(REPLACE, "1.2.840.113556.1.4.8", [b"66048"])], True),
        ([(DELETE, UAC, []), (ADD, UAC, [b"512"])], True),
        ([(REPLACE, UAC, [b"528"])], False),
        ([(REPLACE, UAC, [b"528"]), (REPLACE, UAC, [b"512"])], True),
        ([(REPLACE, UAC, [b"512"]), (REPLACE, UAC, [b"528"])], False),
        ([(REPLACE, "lockoutTime", [b"%d" % filetime(START)]), (REPLACE, UAC, [b"512"])], False),
        ([(REPLACE, "description", [b"512"])], False),
    ],
)
def test_a_control_without_the_bit_of_a_lockout_unlocks(changes: list[Any], *, unlocked: bool) -> None:
    world = World(THREE, ad=True)
    assert world.binds("a", "b", "c", "right") == [WRONG, WRONG, WRONG, LOCKED]
    world.modify(*changes)
    counts = world.counts()
    assert (counts["badPwdCount"], "lockoutTime" in counts) == (0 if unlocked else 3, True)
    assert world.bind("right") == ("success" if unlocked else LOCKED)


@pytest.mark.parametrize("values", [[b"x"], [], [b"512", b"x"]])
def test_a_control_that_is_no_number_unlocks_nobody(values: list[bytes]) -> None:
    assert not unlocks_by_control([Change(REPLACE, PartialAttribute(UAC, tuple(values)))])
    assert not unlocks_by_control([Change(DELETE, PartialAttribute(UAC, (b"512",)))])
