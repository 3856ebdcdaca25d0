"""What an administrator makes of an account's state: unlocked, and its password to be changed first, or no more."""

from collections.abc import Iterator
from dataclasses import dataclass

from ldapserver.directory.entry import Entry
from ldapserver.directory.user_account_control import Control

# What says whether an account is locked, and whether its password must be changed.
ATTRIBUTES = ("userAccountControl", "pwdLastSet", "lockoutTime", "badPwdCount", "pwdAccountLockedTime")


@dataclass(frozen=True, slots=True)
class AccountReset:
    """What is asked for: `must_change` is None where that is to stay as it is."""

    must_change: bool | None = None
    unlock: bool = False

    def __bool__(self) -> bool:
        return self.must_change is not None or self.unlock


def reset(
    entry: Entry, asked: AccountReset, now: int, *, new_password: bool
) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """The attributes of an account that become others, with their values; none for one that goes.

    `now` is a FILETIME, at which the account gets a new password if `new_password`.
    """
    if asked.must_change:
        # "0: the user must change the password at the next logon", [MS-ADA3] pwdLastSet
        yield "pwdLastSet", (b"0",)
    elif (new_password or asked.must_change is not None) and "pwdLastSet" in entry:
        yield "pwdLastSet", (b"%d" % now,)
    cleared = 0
    if new_password:
        cleared |= Control.PASSWORD_EXPIRED
    if asked.unlock:
        cleared |= Control.LOCKOUT
        for name in ("lockoutTime", "badPwdCount"):
            if entry.get(name) not in ((), (b"0",)):
                yield name, (b"0",)
        if "pwdAccountLockedTime" in entry:
            yield "pwdAccountLockedTime", ()
    control = next(iter(entry.get("userAccountControl")), b"")
    if control.isdigit() and int(control) & cleared:
        yield "userAccountControl", (b"%d" % (int(control) & ~cleared),)
