"""Wrong passwords, counted until they lock an account: [MS-SAMR] 3.1.5.13.7.1 and 3.1.5.14.6.

What is counted stands in the entry (badPwdCount, badPasswordTime, lockoutTime) and nowhere else. An account is judged
as it is now and not as it was when its password began to be looked at, and a wrong password counted, in one step: a
dear password may be checked beside others for the same account.
"""

from dataclasses import replace

from ldapserver.directory.account import Account
from ldapserver.directory.account_state import (
    CHANGED,
    FINE,
    GONE,
    JUST_LOCKED,
    LOCKED_OUT,
    NO_STATE,
    SECOND,
    AccountState,
    Judgement,
)
from ldapserver.directory.contents import Contents
from ldapserver.directory.entry import Entry
from ldapserver.directory.filetime import filetime_at
from ldapserver.directory.index import Index
from ldapserver.directory.policy import Policy
from ldapserver.directory.tree import Node
from ldapserver.wire.dn import DN

# Nobody's entry: outside the tree, and never read. With it a wrong password costs the same whoever is named.
_NOBODY = DN.parse("cn=nobody,dc=invalid")
_ATTRIBUTES = 10  # as many as a small account has
_MOST = 2**31 - 1  # of badPwdCount: [MS-ADA1] has it of 32 bits with a sign


class Lockout:
    """The judge of the accounts in `contents`."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._clock = contents.clock
        self._nobody = Node(_NOBODY)
        self._nowhere = Index(contents.base_schema)
        self._nobody.entry = Entry(_NOBODY, [(f"x-{each}", (b"nobody",)) for each in range(_ATTRIBUTES)])
        self._nobody.account = Account(_NOBODY, "nobody")
        self.lately: Node | None = None  # whom the directory looked up last, if anybody: mostly who is judged next

    def judge(
        self,
        account: Account | None,
        policy: Policy,
        *,
        right: bool,
        workstation: str,
        by_password: bool,
        counted: bool,
    ) -> Judgement:
        """See `Directory`."""
        if account is None:
            self._count_nobody(policy)
            return FINE
        node = self.lately
        # A node that has this very account stands in the tree under its name, for what changes either changes both.
        # In any other case it is looked for there, as it is now.
        if node is None or node.account is not account:
            node = self._contents.root.find(account.dn)
        known = None if node is None else node.account
        if node is None or known is None:
            self._count_nobody(policy)
            # Whom a certificate or a process names need not have an entry; whose password was looked at had one.
            return GONE if by_password else FINE
        # A dear password is checked beside writes: the name may be another's by now, or its password another.
        if (
            right
            and by_password
            and known.passwords is not account.passwords
            and known.passwords != account.passwords
        ):
            self._count_nobody(policy)
            return CHANGED
        state = known.state
        if state is None:
            if right:
                return FINE
            state = NO_STATE
        now = filetime_at(self._clock.ns())
        # Whatever the password: a right one must not be told from a wrong one, nor be the sooner refused.
        if state.locked(policy, now):
            self._count_nobody(policy)
            return LOCKED_OUT
        if right:
            status = state.restriction(policy, now, workstation, by_password=by_password)
            if status is not None:
                self._count_nobody(policy)  # nor is this refused the sooner for the password being right
                return Judgement(status)
            if (state.bad_pwd_count or state.lockout_time) and counted and by_password and policy.counts:
                self._contents.note(node, replace(state, bad_pwd_count=0, lockout_time=0))
            return FINE
        if not policy.counts:
            return FINE
        if not counted:
            self._count_nobody(policy)
            return FINE
        after = _failed(state, policy, now)
        self._contents.note(node, after)
        return JUST_LOCKED if after.lockout_time else FINE

    def _count_nobody(self, policy: Policy) -> None:
        """Do the work of counting a wrong password."""
        if not policy.counts:
            return
        account = self._nobody.account
        assert account is not None
        after = _failed(account.state or NO_STATE, policy, filetime_at(self._clock.ns()))
        self._contents.note(self._nobody, after, self._nowhere)


def _failed(state: AccountState, policy: Policy, now: int) -> AccountState:
    """The state after one more wrong password, of an account that is not locked, or not any more."""
    late = now - state.bad_password_time > int(policy.lockout_window * SECOND)
    # What ran out is over: the count begins anew, as it does when the last wrong password is long ago.
    count = 1 if late or state.lockout_time else min(state.bad_pwd_count + 1, _MOST)
    locks = 0 < policy.lockout_threshold <= count and state.lockable
    return AccountState(
        state.control,
        state.account_expires,
        state.pwd_last_set,
        now if locks else 0,
        count,
        now,
        state.logon_hours,
        state.workstations,
        state.inactive,
    )
