"""What the attributes of an account's state mean, and which of them counts when several stand against it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.cli.check import main as check
from ldapserver.clock import StoppedClock
from ldapserver.directory.account_state import (
    FOR_EVER,
    SECOND,
    AccountState,
    AccountStatus,
    InvalidAccountState,
    read_state,
)
from ldapserver.directory.entry import Entry
from ldapserver.directory.filetime import NEVER, filetime, filetime_at
from ldapserver.directory.ldif import InvalidLDIF, read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.policy import NO_POLICY, Policy
from ldapserver.directory.user_account_control import Control
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import ResultCode

from .domain import ADMIN, REPLACE, Domain
from .stage import LDIF, U1

HOUR = 3600 * SECOND
NOW = filetime(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
MONTH = Policy(max_password_age=30 * 86400)


def state(**attributes: str | bytes) -> AccountState:
    """What an entry with these attributes says."""
    entry = Entry(
        DN.parse("cn=x"),
        [
            (name.replace("_", "."), (value.encode() if isinstance(value, str) else value,))
            for name, value in attributes.items()
        ],
    )
    found = read_state(entry)
    assert found is not None
    return found


def restriction(
    of: AccountState, now: int = NOW, policy: Policy = NO_POLICY, where: str = "W1"
) -> AccountStatus | None:
    """What keeps its password's owner out."""
    return of.restriction(policy, now, where, by_password=True)


def test_an_entry_that_says_nothing_has_no_state() -> None:
    assert read_state(Entry(DN.parse("cn=x"), [("cn", (b"x",)), ("description", (b"512",))])) is None


# Disabled


@pytest.mark.parametrize(
    ("attributes", "disabled"),
    [
        ({"userAccountControl": "512"}, False),
        ({"userAccountControl": "514"}, True),
        ({"1_2_840_113556_1_4_8": "514"}, True),
        ({"userAccountControl": "-2147483134"}, True),  # 0x80000202, as a signed integer of 32 bits
        ({"nsAccountLock": "true"}, True),
        ({"NSACCOUNTLOCK": "TRUE"}, True),
        ({"nsAccountLock": "false"}, False),
    ],
)
def test_disabled(attributes: dict[str, str], disabled: bool) -> None:
    assert restriction(state(**attributes)) is (AccountStatus.DISABLED if disabled else None)


# Expired


@pytest.mark.parametrize(
    ("expires", "expired"), [(0, False), (NEVER, False), (NOW - 1, True), (NOW, False), (NOW + 1, False), (1, True)]
)
def test_an_account_expires_when_its_time_is_in_the_past(expires: int, expired: bool) -> None:
    assert restriction(state(accountExpires=str(expires))) is (AccountStatus.EXPIRED if expired else None)


# Hours, by [MS-SAMR] 2.2.6.5: Sunday's first hour is the lowest bit of the first octet


@pytest.mark.parametrize(
    ("at", "octet", "bit"),
    [
        (datetime(2026, 1, 4, 0, 0, tzinfo=UTC), 0, 0),  # a Sunday
        (datetime(2026, 1, 4, 0, 59, 59, tzinfo=UTC), 0, 0),
        (datetime(2026, 1, 4, 1, 0, tzinfo=UTC), 0, 1),
        (datetime(2026, 1, 4, 8, 0, tzinfo=UTC), 1, 0),
        (datetime(2026, 1, 5, 0, 0, tzinfo=UTC), 3, 0),
        (datetime(2026, 1, 10, 23, 59, 59, tzinfo=UTC), 20, 7),
    ],
)
def test_the_bit_of_an_hour(at: datetime, octet: int, bit: int) -> None:
    only = bytes(1 << bit if each == octet else 0 for each in range(21))
    but = bytes(255 ^ each for each in only)
    assert restriction(state(logonHours=only), filetime(at)) is None
    assert restriction(state(logonHours=but), filetime(at)) is AccountStatus.LOGON_HOURS


@given(st.datetimes(datetime(1700, 1, 1), datetime(2400, 1, 1)), st.binary(min_size=21, max_size=21))
def test_the_hours_of_any_moment(at: datetime, hours: bytes) -> None:
    hour = (at.weekday() + 1) % 7 * 24 + at.hour
    within = bool(int.from_bytes(hours, "little") >> hour & 1)
    found = restriction(state(logonHours=hours), filetime(at.replace(tzinfo=UTC)))
    assert found is (None if within else AccountStatus.LOGON_HOURS)


# Workstations


@pytest.mark.parametrize(
    ("workstations", "where", "may"),
    [
        ("W1", "W1", True),
        ("w1,w2", "W2", True),
        ("W1, W2", "w2", True),
        ("W1,W2", "W", False),
        ("W1,W2", "W1,W2", False),
        ("W2", "", False),
        ("", "W1", True),
        (",", "W1", True),
    ],
)
def test_workstations_are_names_with_commas_between(workstations: str, where: str, may: bool) -> None:
    found = restriction(state(userWorkstations=workstations), where=where)
    assert found is (None if may else AccountStatus.WORKSTATION)


# The password's age


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"pwdLastSet": "0"}, AccountStatus.PASSWORD_MUST_CHANGE),
        ({"pwdLastSet": "-1"}, None),  # nobody knows when
        ({"pwdLastSet": str(NOW)}, None),
        ({"pwdLastSet": str(NOW - 30 * 24 * HOUR)}, None),
        ({"pwdLastSet": str(NOW - 30 * 24 * HOUR - 1)}, AccountStatus.PASSWORD_EXPIRED),
        ({"userAccountControl": str(0x800200)}, AccountStatus.PASSWORD_EXPIRED),
        ({"userAccountControl": str(0x800200), "pwdLastSet": "0"}, AccountStatus.PASSWORD_MUST_CHANGE),
        ({"userAccountControl": str(0x810200)}, None),
        ({"userAccountControl": "66048", "pwdLastSet": "0"}, None),
        ({"userAccountControl": "66048", "pwdLastSet": "1"}, None),
        ({"userAccountControl": "4096", "pwdLastSet": "0"}, None),  # a computer's
        ({"userAccountControl": "262656", "pwdLastSet": "0"}, None),  # a smart card's
    ],
)
def test_the_age_of_a_password(attributes: dict[str, str], found: AccountStatus | None) -> None:
    of = state(**attributes)
    assert restriction(of, policy=MONTH) is found
    assert of.restriction(MONTH, NOW, "", by_password=False) is None


@pytest.mark.parametrize(
    ("of", "due"),
    [
        (AccountState(512, pwd_last_set=10), NEVER),
        (AccountState(512, pwd_last_set=0), 0),
        (AccountState(66048, pwd_last_set=0), NEVER),
        (AccountState(0x1000, pwd_last_set=0), NEVER),
        (AccountState(0x40200, pwd_last_set=0), NEVER),
    ],
)
def test_when_a_password_expires(of: AccountState, due: int) -> None:
    assert of.password_expiry(NO_POLICY) == due
    with_age = of.password_expiry(MONTH)
    assert with_age == (10 + 30 * 24 * HOUR if of.pwd_last_set == 10 else due)


# Locked


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("20260102030405Z", NOW),
        ("20260102030405.5Z", NOW + SECOND // 2),
        ("20260102030405,25Z", NOW + SECOND // 4),
        ("20260102040405+0100", NOW),
        ("20260101220405-05", NOW),
        ("202601020304Z", NOW - 5 * SECOND),
        ("000001010000Z", FOR_EVER),
        ("15000101000000Z", 1),
    ],
)
def test_when_an_account_was_locked(value: str, at: int) -> None:
    assert state(pwdAccountLockedTime=value).lockout_time == at
    assert state(pwdAccountLockedTime=value, lockoutTime="0").lockout_time == at
    assert state(lockoutTime=str(max(at, 1))).lockout_time == max(at, 1)


def test_the_later_of_two_lockouts_counts() -> None:
    assert state(pwdAccountLockedTime="20260102030405Z", lockoutTime=str(NOW + 1)).lockout_time == NOW + 1
    assert state(pwdAccountLockedTime="000001010000Z", lockoutTime=str(NOW + 1)).lockout_time == FOR_EVER


@pytest.mark.parametrize(
    ("of", "duration", "after", "locked"),
    [
        (AccountState(lockout_time=NOW), 10, 10 * SECOND, True),  # [MS-SAMR] 3.1.5.13.7.1: "less than or equal"
        (AccountState(lockout_time=NOW), 10, 10 * SECOND + 1, False),
        (AccountState(lockout_time=NOW), 0, 10**17, True),
        (AccountState(lockout_time=FOR_EVER), 10, 10**17, True),
        (AccountState(lockout_time=0), 0, 0, False),
        (AccountState(int(Control.LOCKOUT)), 10, 10**17, True),
        (AccountState(0x1000, lockout_time=NOW), 0, 0, False),
    ],
)
def test_how_long_an_account_is_locked(of: AccountState, duration: float, after: int, locked: bool) -> None:
    assert of.locked(Policy(lockout_duration=duration), NOW + after) is locked


# The order


ALL = AccountState(
    control=int(Control.ACCOUNT_DISABLE | Control.PASSWORD_EXPIRED),
    account_expires=1,
    pwd_last_set=0,
    logon_hours=bytes(21),
    workstations=frozenset(("ELSEWHERE",)),
)


def test_what_counts_when_several_things_stand_against_an_account() -> None:
    of, found = ALL, []
    steps: tuple[dict[str, Any], ...] = (
        {"control": int(Control.PASSWORD_EXPIRED)},
        {"account_expires": 0},
        {"pwd_last_set": 1},
        {"control": 0},
        {"workstations": frozenset()},
        {"logon_hours": None},
    )
    for without in steps:
        found.append(restriction(of))
        of = replace(of, **without)
    assert restriction(of) is None
    assert found == [
        AccountStatus.DISABLED,
        AccountStatus.EXPIRED,
        AccountStatus.PASSWORD_MUST_CHANGE,
        AccountStatus.PASSWORD_EXPIRED,
        AccountStatus.WORKSTATION,
        AccountStatus.LOGON_HOURS,
    ]
    # and before them all, whatever the password
    assert set(AccountStatus) == {*[each for each in found if each], AccountStatus.LOCKED_OUT}


# What is wrong


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"userAccountControl": "0x200"}, ["userAccountControl", "'0x200'", "integer of 64 bits"]),
        ({"accountExpires": "never"}, ["accountExpires", "'never'", "integer"]),
        ({"accountExpires": str(2**63)}, ["accountExpires", "64 bits"]),
        ({"lockoutTime": "-1"}, ["lockoutTime", "'-1'", "less than 0"]),
        ({"badPwdCount": ""}, ["badPwdCount", "integer"]),
        ({"pwdLastSet": "-2"}, ["pwdLastSet", "'-2'"]),
        ({"logonHours": bytes(20)}, ["logonHours", "20 octets", "21 are right"]),
        ({"pwdAccountLockedTime": "yesterday"}, ["pwdAccountLockedTime", "'yesterday'", "GeneralizedTime"]),
        ({"pwdAccountLockedTime": "20261302030405Z"}, ["pwdAccountLockedTime", "GeneralizedTime"]),
        ({"badPwdCount": "x", "logonHours": b""}, ["badPwdCount", "; logonHours"]),
    ],
)
def test_what_is_of_no_known_form_is_named_with_its_rule(attributes: dict[str, str], words: list[str]) -> None:
    with pytest.raises(InvalidAccountState) as wrong:
        state(**attributes)
    assert [word for word in words if word not in str(wrong.value)] == []


def test_two_values_of_what_has_one_are_wrong() -> None:
    with pytest.raises(InvalidAccountState, match=r"^lockoutTime: 2 values"):
        read_state(Entry(DN.parse("cn=x"), [("lockoutTime", (b"1", b"2"))]))


def test_a_file_is_refused_with_line_attribute_and_rule(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = LDIF.replace("uid: u1\n", "uid: u1\nlogonHours: all\n", 1)
    line = LDIF[: LDIF.index(f"dn: {U1}")].count("\n") + 1
    with pytest.raises(InvalidLDIF, match=f"^stage:{line}: {U1}: logonHours: 3 octets"):
        MemoryDirectory([("stage", read_ldif(wrong, "stage"))])
    path = f"{tmp_path}/wrong.ldif"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            wrong.replace("uid: odd\n", "uid: odd\n") + "\ndn: uid=two,dc=contoso,dc=com\nobjectClass: account\n"
        )
        file.write("uid: two\nlockoutTime: soon\nbadPwdCount: -1\n")
    assert check([path]) == 1
    told = capsys.readouterr().out
    assert f"{path}:{line}: error: {U1}: logonHours: 3 octets" in told
    assert "lockoutTime: 'soon' is not an integer of 64 bits; badPwdCount: '-1' is less than 0" in told


def test_a_write_is_refused() -> None:
    domain = Domain()
    refused = domain.modify(ADMIN, (REPLACE, "logonHours", ["all"]))
    assert refused.result_code is ResultCode.CONSTRAINT_VIOLATION
    assert refused.diagnostic_message.startswith("logonHours: 3 octets, 21 are right")


def test_nanoseconds_and_moments_are_the_same_times() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert filetime_at(StoppedClock(at).ns()) == filetime(at)
    assert filetime_at(0) == filetime(datetime(1970, 1, 1, tzinfo=UTC))
    assert filetime_at(199) == filetime_at(0) + 1
    assert filetime(at + timedelta(hours=1)) - filetime(at) == HOUR
