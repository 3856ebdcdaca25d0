"""What stands against an account beside its password: disabled, locked, expired, not now, not from there.

Read from the attributes a domain controller keeps it in, and from those of other servers: pwdAccountLockedTime
(draft-behera-ldap-password-policy) and nsAccountLock (389 DS). Times are FILETIME, [MS-DTYP] 2.3.3.

What is looked at in which order:

    locked: whatever the password is, and so before all else; a locked account does not tell which password is right
    the password
    disabled, expired
    the password must be changed, the password is too old ([MS-SAMR] 3.1.5.13.7.1)
    not one of userWorkstations, outside logonHours

It is the order of Microsoft's sample of a subauthentication package, and Samba's: `docs/audit.md`.
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from ldapserver.directory.entry import Entry, Shape
from ldapserver.directory.filetime import EPOCH, NEVER
from ldapserver.directory.matching import FOR_EVER as FOR_EVER_WRITTEN
from ldapserver.directory.matching import generalized_time
from ldapserver.directory.policy import Policy
from ldapserver.directory.user_account_control import TRUSTS, Control

T = TypeVar("T")

SECOND = 10_000_000  # of a FILETIME
HOUR = 3600 * SECOND
HOURS = 21  # octets of logonHours: a bit for every hour of a week, [MS-SAMR] 2.2.6.5
FOR_EVER = -1  # a lockout that only an administrator ends

_DISABLED, _LOCKED = int(Control.ACCOUNT_DISABLE), int(Control.LOCKOUT)
_EXPIRED = int(Control.PASSWORD_EXPIRED)
_TRUSTED = int(TRUSTS)
# Whose password has no age: [MS-SAMR] 3.1.5.14.4.
_NO_EXPIRY = int(Control.DONT_EXPIRE_PASSWD | Control.SMARTCARD_REQUIRED | TRUSTS)


class AccountStatus(enum.Enum):
    """What is wrong with an account whose password may be right."""

    LOCKED_OUT = "account-locked-out"
    DISABLED = "account-disabled"
    EXPIRED = "account-expired"
    PASSWORD_MUST_CHANGE = "password-must-change"
    PASSWORD_EXPIRED = "password-expired"
    WORKSTATION = "workstation"
    LOGON_HOURS = "logon-hours"


class InvalidAccountState(ValueError):
    """Attributes of an account's state are of no known form; the text names each and the rule."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """The attributes, each as it is when it is absent.

    `control` is userAccountControl. `pwd_last_set` is None when it is not known, and 0 when the password must be
    changed first. `lockout_time` is 0 when it is not locked, `FOR_EVER` when no time unlocks it. `logon_hours` has
    `HOURS` octets, or is None for any hour; `workstations` are names in upper case, empty for any.
    """

    control: int = 0
    account_expires: int = 0
    pwd_last_set: int | None = None
    lockout_time: int = 0
    bad_pwd_count: int = 0
    bad_password_time: int = 0
    logon_hours: bytes | None = None
    workstations: frozenset[str] = frozenset()
    inactive: bool = False  # nsAccountLock

    def locked(self, policy: Policy, now: int) -> bool:
        """Whether nobody gets in, whatever the password, at the FILETIME `now`: [MS-ADTS] 3.1.1.4.5.17."""
        if self.control & _LOCKED:
            return True
        locked_at = self.lockout_time
        if not locked_at or self.control & _TRUSTED:
            return False
        if locked_at == FOR_EVER or not policy.lockout_duration:
            return True
        return now <= locked_at + int(policy.lockout_duration * SECOND)

    @property
    def lockable(self) -> bool:
        """Whether wrong passwords lock it: not a computer or another domain, [MS-ADTS] 3.1.1.4.5.17."""
        return not self.control & _TRUSTED

    def restriction(self, policy: Policy, now: int, workstation: str, *, by_password: bool) -> AccountStatus | None:
        """What keeps out one whose password is right; `by_password` is whether the age of that matters."""
        control = self.control
        if control & _DISABLED or self.inactive:
            return AccountStatus.DISABLED
        if 0 < self.account_expires < NEVER and now > self.account_expires:
            return AccountStatus.EXPIRED
        status = self.password_status(policy, now) if by_password else None
        if status is not None:
            return status
        if self.workstations and workstation.upper() not in self.workstations:
            return AccountStatus.WORKSTATION
        if self.logon_hours is not None and not _within(self.logon_hours, now):
            return AccountStatus.LOGON_HOURS
        return None

    def password_status(self, policy: Policy, now: int) -> AccountStatus | None:
        """What is wrong with the password's age."""
        if self.control & _NO_EXPIRY:
            return None
        if self.pwd_last_set == 0:
            return AccountStatus.PASSWORD_MUST_CHANGE
        if self.control & _EXPIRED or now > self.password_expiry(policy):
            return AccountStatus.PASSWORD_EXPIRED
        return None

    def password_expiry(self, policy: Policy) -> int:
        """The FILETIME up to which the password may be used, [MS-SAMR] 3.1.5.14.4; 0 when it must be changed."""
        if self.control & _NO_EXPIRY or self.pwd_last_set is None:
            return NEVER
        if not self.pwd_last_set:
            return 0
        return self.pwd_last_set + int(policy.max_password_age * SECOND) if policy.max_password_age else NEVER


NO_STATE: Final = AccountState()


def read_state(entry: Entry) -> AccountState | None:
    """The state that an entry says, None when it says nothing. Raises InvalidAccountState."""
    places = _places(entry.shape)
    if places is None:
        return None
    values = entry.values
    return _state(tuple([() if at is None else values[at] for at in places]))


# The attributes in the order of `_state`, by name and OID: clients and files write either.
_ATTRIBUTES = (
    ("userAccountControl", "1.2.840.113556.1.4.8"),
    ("accountExpires", "1.2.840.113556.1.4.159"),
    ("pwdLastSet", "1.2.840.113556.1.4.96"),
    ("lockoutTime", "1.2.840.113556.1.4.662"),
    ("badPwdCount", "1.2.840.113556.1.4.12"),
    ("badPasswordTime", "1.2.840.113556.1.4.49"),
    ("logonHours", "1.2.840.113556.1.4.64"),
    ("userWorkstations", "1.2.840.113556.1.4.86"),
    ("pwdAccountLockedTime", "1.3.6.1.4.1.42.2.27.8.1.17"),
    ("nsAccountLock", "2.16.840.1.113730.3.1.610"),
)
_OIDS = {name.lower(): oid for name, oid in _ATTRIBUTES}


def place_of(shape: Shape, name: str) -> int | None:
    """Where an entry of this shape holds an attribute of the state, by its name or OID."""
    at = shape.positions.get(name.lower())
    return shape.positions.get(_OIDS[name.lower()]) if at is None else at


@lru_cache(maxsize=4096)
def _places(shape: Shape) -> tuple[int | None, ...] | None:
    places = tuple([place_of(shape, name) for name, _ in _ATTRIBUTES])
    return None if places == (None,) * len(places) else places


# The accounts of one load say the same, mostly: they share what it comes to.
@lru_cache(maxsize=4096)
def _state(attributes: tuple[tuple[bytes, ...], ...]) -> AccountState:
    wrong: list[str] = []

    def read(at: int, reader: Callable[[bytes], T], default: T) -> T:
        values = attributes[at]
        if not values:
            return default
        try:
            if len(values) > 1:
                raise ValueError(f"{len(values)} values, and one is all there can be")
            return reader(values[0])
        except ValueError as error:
            wrong.append(f"{_ATTRIBUTES[at][0]}: {error}")
            return default

    lockout_time, locked_time = read(3, _not_negative, 0), read(8, _locked_time, 0)
    state = AccountState(
        read(0, _integer, 0),
        read(1, _not_negative, 0),
        read(2, _pwd_last_set, None),
        FOR_EVER if locked_time == FOR_EVER else max(lockout_time, locked_time),
        read(4, _not_negative, 0),
        read(5, _not_negative, 0),
        read(6, _logon_hours, None),
        read(7, _workstations, frozenset()),
        any(value.lower() == b"true" for value in attributes[9]),
    )
    if wrong:
        raise InvalidAccountState("; ".join(wrong))
    return state


def _integer(value: bytes) -> int:
    """[MS-ADTS] 3.1.1.2.2.2: 64 bits with a sign."""
    if not re.fullmatch(rb"-?[0-9]{1,19}", value) or not -(2**63) <= int(value) < 2**63:
        raise ValueError(f"{_shown(value)} is not an integer of 64 bits")
    return int(value)


def _not_negative(value: bytes) -> int:
    number = _integer(value)
    if number < 0:
        raise ValueError(f"{_shown(value)} is less than 0")
    return number


def _pwd_last_set(value: bytes) -> int | None:
    """-1 is what is written to say "now"; nobody knows when that was once it stands there."""
    number = _integer(value)
    if number < -1:
        raise ValueError(f"{_shown(value)} is neither a FILETIME, nor 0 or -1")
    return None if number == -1 else number


def _logon_hours(value: bytes) -> bytes:
    if len(value) != HOURS:
        raise ValueError(f"{len(value)} octets, {HOURS} are right: a bit for every hour of a week")
    return value


def _workstations(value: bytes) -> frozenset[str]:
    names = value.decode("utf-8", "replace").split(",")
    return frozenset([name.strip().upper() for name in names if name.strip()])


_MINUTES_TO_1601 = EPOCH.toordinal() * 1440
_IN_A_SECOND = 10**20 // SECOND  # of the parts that `generalized_time` counts


def _locked_time(value: bytes) -> int:
    """pwdAccountLockedTime; the first moment of the year 0 is for ever (draft-behera section 5.3.3)."""
    try:
        minutes, parts = generalized_time(value)
    except ValueError:
        raise ValueError(f"{_shown(value)} is not a GeneralizedTime") from None
    if value == FOR_EVER_WRITTEN:
        return FOR_EVER
    return max(1, (minutes - _MINUTES_TO_1601) * 60 * SECOND + parts // _IN_A_SECOND)


def _shown(value: bytes) -> str:
    return repr(value[:40].decode("utf-8", "replace"))


def _within(hours: bytes, now: int) -> bool:
    """Whether the bit of this hour is set, the lowest of an octet first: the first is Sunday's first hour, UTC."""
    hour = (now // HOUR + 24) % (HOURS * 8)  # 1601 began with a Monday
    return bool(hours[hour // 8] >> hour % 8 & 1)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said about an account whose password was looked at.

    `status` is None when nothing stands against it. `locked` is whether this wrong password has just locked it,
    `gone` whether there is no such account any more, `changed` whether a right password was that of what stood there
    before: the account has another by now, or is another.
    """

    status: AccountStatus | None = None
    locked: bool = False
    gone: bool = False
    changed: bool = False


FINE: Final = Judgement()
JUST_LOCKED = Judgement(locked=True)
GONE = Judgement(gone=True)
CHANGED = Judgement(changed=True)
LOCKED_OUT = Judgement(AccountStatus.LOCKED_OUT)
