"""What goes with an unlocking: badPwdCount is 0 where lockoutTime is, [MS-SAMR] 3.1.1.8.3.

An administrator unlocks by writing lockoutTime: 0, or by removing it or pwdAccountLockedTime; in a domain by any
userAccountControl without the bit of a lockout, too. Another password does not unlock, as it does not in a domain:
who resets one says so beside it.
"""

from collections.abc import Sequence

from ldapserver.directory.account_state import place_of
from ldapserver.directory.entry import Entry
from ldapserver.directory.user_account_control import Control
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute

_LOCKS = frozenset(("lockouttime", "1.2.840.113556.1.4.662", "pwdaccountlockedtime", "1.3.6.1.4.1.42.2.27.8.1.17"))
_COUNT = frozenset(("badpwdcount", "1.2.840.113556.1.4.12"))
_CONTROL = frozenset(("useraccountcontrol", "1.2.840.113556.1.4.8"))

UNLOCKED = tuple(
    Change(ModifyOperation.REPLACE, PartialAttribute(name, (b"0",))) for name in ("lockoutTime", "badPwdCount")
)
"""The changes that unlock an account of a domain."""


def unlocks_by_control(changes: Sequence[Change]) -> bool:
    """Whether the changes of a locked account end its lockout by a userAccountControl, and by nothing else.

    Samba's tests, which are for Windows too, expect it: of any value without the bit, and of none with it.
    """
    if any(change.modification.type.lower() in _LOCKS for change in changes):
        return False
    written = [change for change in changes if change.modification.type.lower() in _CONTROL]
    if not written or written[-1].operation is ModifyOperation.DELETE:
        return False
    try:
        return not int(written[-1].modification.values[-1]) & Control.LOCKOUT
    except (IndexError, ValueError):
        return False  # there is none, or it is one that the schema refuses


def with_counts(changes: Sequence[Change], before: Entry) -> Sequence[Change]:
    """The changes of an entry, and that its count is 0 where they unlock it and say nothing of that."""
    touched = {change.modification.type.lower() for change in changes}
    if touched.isdisjoint(_LOCKS) or not touched.isdisjoint(_COUNT) or place_of(before.shape, "badPwdCount") is None:
        return changes
    if not all(_unlocks(change) for change in changes if change.modification.type.lower() in _LOCKS):
        return changes
    return [*changes, Change(ModifyOperation.REPLACE, PartialAttribute("badPwdCount", (b"0",)))]


def _unlocks(change: Change) -> bool:
    deleted = change.operation is ModifyOperation.DELETE
    return deleted or change.modification.values in ((), (b"0",))
