"""What stands against an account beside its password: disabled, locked, expired, not now, not from there.

Read from the attributes a domain controller keeps it in, and from those of other servers: pwdAccountLockedTime
(draft-behera-ldap-password-policy) and nsAccountLock (389 DS). Times are FILETIME, [MS-DTYP] 2.3.3.
"""

import enum
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from ldapserver.directory.entry import Entry, Shape
from ldapserver.directory.filetime import NEVER, filetime, moment
from ldapserver.directory.policy import Policy
from ldapserver.directory.user_account_control import Control

SECOND = 10_000_000  # of a FILETIME
HOURS = 21  # octets of logonHours: a bit for every hour of a week, [MS-SAMR] 2.2.6.5
FOR_EVER = -1  # a lockout that only an administrator ends

_DISABLED, _LOCKED = int(Control.ACCOUNT_DISABLE), int(Control.LOCKOUT)
_EXPIRED, _NO_EXPIRY = int(Control.PASSWORD_EXPIRED), int(Control.DONT_EXPIRE_PASSWD)


class AccountStatus(enum.Enum):
    """What is wrong with an account whose password may be right."""

    LOCKED_OUT = "account-locked-out"
    DISABLED = "account-disabled"
    EXPIRED = "account-expired"
    LOGON_HOURS = "logon-hours"
    WORKSTATION = "workstation"
    PASSWORD_MUST_CHANGE = "password-must-change"
    PASSWORD_EXPIRED = "password-expired"


class InvalidAccountState(ValueError):
    """An attribute of an account's state is of no known form; the text names it and the rule."""


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
        """Whether nobody gets in, whatever the password, at the FILETIME `now`."""
        if self.control & _LOCKED or self.lockout_time == FOR_EVER:
            return True
        if not self.lockout_time:
            return False
        return not policy.lockout_duration or now < self.lockout_time + int(policy.lockout_duration * SECOND)

    def restriction(self, policy: Policy, now: int, workstation: str, *, by_password: bool) -> AccountStatus | None:
        """What keeps out one whose password is right; `by_password` is whether the age of that matters."""
        control = self.control
        if control & _DISABLED or self.inactive:
            return AccountStatus.DISABLED
        if 0 < self.account_expires < NEVER and now >= self.account_expires:
            return AccountStatus.EXPIRED
        if self.logon_hours is not None and not _within(self.logon_hours, now):
            return AccountStatus.LOGON_HOURS
        if self.workstations and workstation.upper() not in self.workstations:
            return AccountStatus.WORKSTATION
        if not by_password:
            return None
        if control & _EXPIRED:
            return AccountStatus.PASSWORD_EXPIRED
        # What never expires need not be changed either.  [MS-ADTS] 3.1.1.4.5.33
        if self.pwd_last_set is None or control & _NO_EXPIRY:
            return None
        if not self.pwd_last_set:
            return AccountStatus.PASSWORD_MUST_CHANGE
        if policy.max_password_age and now >= self.pwd_last_set + int(policy.max_password_age * SECOND):
            return AccountStatus.PASSWORD_EXPIRED
        return None


def read_state(entry: Entry) -> AccountState | None:
    """The state that an entry says, None when it says nothing. Raises InvalidAccountState."""
    if not _says(entry.shape):
        return None
    lockout_time = _number(entry, "lockoutTime") or 0
    if (locked := _text(entry, "pwdAccountLockedTime")) is not None:
        lockout_time = _locked_time(locked)
    hours = next(iter(entry.get("logonHours")), None)
    if hours is not None and len(hours) != HOURS:
        raise InvalidAccountState(f"logonHours: {len(hours)} octets, {HOURS} are right")
    return AccountState(
        _number(entry, "userAccountControl") or 0,
        _number(entry, "accountExpires") or 0,
        _number(entry, "pwdLastSet"),
        lockout_time,
        _number(entry, "badPwdCount") or 0,
        _number(entry, "badPasswordTime") or 0,
        hours,
        frozenset(
            name.strip().upper() for name in (_text(entry, "userWorkstations") or "").split(",") if name.strip()
        ),
        (_text(entry, "nsAccountLock") or "").lower() == "true",
    )


def _within(hours: bytes, now: int) -> bool:
    """Whether the bit of this hour is set: the first is that of Sunday's first hour, UTC."""
    at = moment(now)
    hour = (at.isoweekday() % 7) * 24 + at.hour
    return bool(hours[hour // 8] >> hour % 8 & 1)


_NAMES = frozenset(
    (
        *("useraccountcontrol", "accountexpires", "pwdlastset", "lockouttime", "badpwdcount", "badpasswordtime"),
        *("logonhours", "userworkstations", "pwdaccountlockedtime", "nsaccountlock"),
    )
)


@lru_cache(maxsize=4096)
def _says(shape: Shape) -> bool:
    return not _NAMES.isdisjoint(shape.positions)


def _text(entry: Entry, name: str) -> str | None:
    values = entry.get(name)
    return values[0].decode("utf-8", "replace") if values else None


def _number(entry: Entry, name: str) -> int | None:
    text = _text(entry, name)
    if text is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,19}", text):
        raise InvalidAccountState(f"{name}: {text[:40]!r} is not an integer")
    return int(text)


def _locked_time(text: str) -> int:
    """pwdAccountLockedTime, a GeneralizedTime; "000001010000Z" is for ever (draft-behera section 5.3.3)."""
    if text.startswith("0000"):
        return FOR_EVER
    try:
        at = datetime.strptime(re.sub(r"[.,][0-9]+", "", text), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidAccountState(f"pwdAccountLockedTime: {text[:40]!r} is not a GeneralizedTime") from None
    return filetime(at)


_UNIX = 116_444_736_000_000_000  # 1970 as a FILETIME


def filetime_of(seconds: float) -> int:
    """The FILETIME of so many seconds since 1970."""
    return _UNIX + int(seconds * SECOND)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said about an account whose password was looked at.

    `status` is None when nothing stands against it. `locked` is whether this wrong password has just locked it.
    """

    status: AccountStatus | None = None
    locked: bool = False


FINE = Judgement()
