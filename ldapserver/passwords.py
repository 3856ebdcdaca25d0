"""Whose password it is: what a simple bind and SASL PLAIN have in common, from a name to an account.

An unknown user costs what a wrong password costs, under the dearest scheme that the directory holds; and so does a
wrong password under a cheaper one, or it would tell that the user is known. Who is refused with the right one, for
what stands against the account, waits as long.
"""

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from ldapserver.audit.status import BindReason
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.answers import Answer, Answers
from ldapserver.directory.dialect import Dialect
from ldapserver.directory.directory import Directory
from ldapserver.directory.schemes import StoredPassword
from ldapserver.sasl.mechanism import Accepted, Facts, Refused
from ldapserver.suspension import Host, then
from ldapserver.wire.dn import DN, InvalidDN
from sasl_digest import Reason

Trials = Iterator[tuple[StoredPassword, bytes]]


@dataclass(init=False, slots=True)  # as in `sasl.mechanism`
class Named:
    """Who a name stands for: an `account`, what a record calls it, and where there is none, why."""

    account: Account | None
    name: str
    reason: Reason | BindReason = Reason.UNKNOWN_USER

    def __init__(self, account: Account | None, name: str, reason: Reason | BindReason = Reason.UNKNOWN_USER) -> None:
        self.account = account
        self.name = name
        self.reason = reason


async def named(directory: Directory, name: str) -> Named:
    """Who is called so."""
    try:
        account = await directory.find_account(name)
        if directory.dialect is not None:
            return await _in_other_form(directory, directory.dialect, name, account)
        return Named(account, name)
    except AmbiguousName:
        return Named(None, name, BindReason.AMBIGUOUS_NAME)


async def _in_other_form(directory: Directory, dialect: Dialect, name: str, known: Account | None) -> Named:
    """Who is `known` by this name, or has it in a form that the directory knows.

    It is looked for either way, so that a name which is known takes as long as one that is not.
    """
    try:
        dn = dialect.bound_as(name)
    except AmbiguousName:
        if known is None:
            raise
        dn = None
    if known is not None or dn is None:
        return Named(known, name)
    account = await directory.account_at(dn)
    return Named(account, name if account is None else account.name)


async def named_or_at(directory: Directory, name: str) -> Named:
    """Who is called so, or has this DN, as the name of a simple bind; a record then has the account's own name."""
    who = binding(directory, Answers(directory), name)
    return who if isinstance(who, Named) else await who


def binding(directory: Directory, answers: Answers, name: str) -> Answer[Named]:
    """The same as `named_or_at`, which for a DN that somebody has need not wait."""
    if "=" not in name:
        return named(directory, name)
    try:
        account = answers.account_at(DN.parse(name))
    except InvalidDN:
        return named(directory, name)  # user names may hold "=" too
    if isinstance(account, Account):
        return Named(account, account.name)
    return named(directory, name) if account is None else _at_or_named(directory, name, account)


async def _at_or_named(directory: Directory, name: str, at: Awaitable[Account | None]) -> Named:
    account = await at
    return await named(directory, name) if account is None else Named(account, account.name)


def verify(
    directory: Directory, host: Host, who: Named, passwords: Sequence[bytes], facts: Facts
) -> Answer[Accepted | Refused]:
    """Whether one of `passwords`, forms of the one that was sent, is that of `who`.

    Where nobody has the time for what is dear, `Refused.account` is who is known to have another password.
    """
    account = who.account
    stored = directory.decoy.passwords if account is None else account.passwords or directory.decoy.passwords
    trials = _trials(stored, passwords)
    right = _any(host, trials)
    if right is None or isinstance(right, bool):
        return _tried(directory, host, who, passwords, facts, stored, trials, right)
    return then(right, partial(_tried, directory, host, who, passwords, facts, stored, trials))


def _tried(
    directory: Directory,
    host: Host,
    who: Named,
    passwords: Sequence[bytes],
    facts: Facts,
    stored: Sequence[StoredPassword],
    trials: Trials,
    right: bool | None,
) -> Answer[Accepted | Refused]:
    """The same, once `trials` have said that it is `right`, that it is not, or nothing."""
    if right is None:
        return Refused(BindReason.BUSY, facts)
    account = who.account
    if right:
        if account is None or not account.passwords:
            return _wrong(who, facts, False)  # a decoy is nobody's
        return Accepted(account, b"", facts, barred=_Untried(directory, host, passwords, stored, trials))
    rest = chain(_decoys(directory, stored, passwords), _former(directory, account, passwords))
    spared = _any(host, rest)
    if spared is None or isinstance(spared, bool):
        return _wrong(who, facts, spared)
    return then(spared, partial(_wrong, who, facts))


def _wrong(who: Named, facts: Facts, spared: bool | None) -> Refused:
    account = who.account
    known = account is not None and account.passwords
    if spared is None:
        return Refused(BindReason.BUSY, facts, account=account if known else None)
    if account is None:
        return Refused(who.reason, facts)
    if not known:
        return Refused(Reason.NO_USABLE_SECRET, facts, account=account)
    return Refused(Reason.WRONG_PASSWORD, facts, account=account, spared=spared)


async def proves(host: Host, account: Account, password: bytes) -> bool | None:
    """Whether it is the password of this account; None when as much dear work is under way as may be."""
    right = _any(host, _trials(account.passwords, (password,)))
    return right if right is None or isinstance(right, bool) else await right


async def was_one(directory: Directory, host: Host, account: Account, password: bytes) -> bool:
    """Whether it is one of the account's passwords before, where these matter.

    It is none when nobody has the time to see: while everybody is busy wrong passwords count all the same.
    """
    if not directory.policy.spare_old_passwords:
        return False
    right = _any(host, _trials(account.former, (password,)))
    return (right if right is None or isinstance(right, bool) else await right) is True


def _trials(stored: Iterable[StoredPassword], passwords: Sequence[bytes]) -> Trials:
    """What is to be held against what, one after the other, up to the one that is right."""
    # A list, and one iterator over it: who goes on behind a trial that took its time begins with the next.
    return iter([(one, password) for one in stored for password in passwords])


def _decoys(directory: Directory, stored: Sequence[StoredPassword], passwords: Sequence[bytes]) -> Trials:
    """What is dear and of random octets, nobody's password, beside forms that are all cheap."""
    if any(one.dear for one in stored):
        return iter(())
    return _trials((one for one in directory.decoy.passwords if one.dear), passwords)


def _former(directory: Directory, account: Account | None, passwords: Sequence[bytes]) -> Trials:
    """What is held against the passwords before, where these matter."""
    if not directory.policy.spare_old_passwords:
        return iter(())
    decoy = directory.decoy.former
    former = account.former if account is not None and account.passwords else decoy
    beside = () if any(one.dear for one in former) else tuple(one for one in decoy if one.dear)
    return _trials((*former, *beside), passwords)


def _any(host: Host, trials: Trials) -> Answer[bool | None]:
    """Whether one of these is right; None when as much dear work is under way as may be."""
    for one, password in trials:
        if one.dear:
            return _dear_first(host, one, password, trials)
        if one.check(password):
            return True
    return False


async def _dear_first(host: Host, one: StoredPassword, password: bytes, rest: Trials) -> bool | None:
    # Not `_any` of the rest: an account may have thousands, and each would wait inside the one before.
    right = await _offloaded(host, one, password)
    if right is not False:
        return right
    for other, form in rest:
        right = await _offloaded(host, other, form) if other.dear else other.check(form)
        if right is not False:
            return right
    return False


async def _offloaded(host: Host, stored: StoredPassword, password: bytes) -> bool | None:
    """Whether it is the password; None when nobody has the time to see."""
    work = host.offload(partial(stored.check, password))
    return None if work is None else await work


class _Untried:
    """What a wrong password is held against and a right one was not: see `Accepted.barred`.

    `left` is what of the account's own, `stored`, has not been tried yet.
    """

    __slots__ = ("_directory", "_host", "_left", "_passwords", "_stored")

    def __init__(
        self,
        directory: Directory,
        host: Host,
        passwords: Sequence[bytes],
        stored: Sequence[StoredPassword],
        left: Trials,
    ) -> None:
        self._directory = directory
        self._host = host
        self._passwords = passwords
        self._stored = stored
        self._left = left

    async def barred(self, refused: Refused) -> Refused:
        """The refusal of one whose password was right, once all of it has been tried too."""
        directory, passwords = self._directory, self._passwords
        rest = chain(_decoys(directory, self._stored, passwords), _former(directory, refused.account, passwords))
        for one, password in chain(self._left, rest):
            if one.dear and await _offloaded(self._host, one, password) is None:
                return Refused(BindReason.BUSY, refused.facts)
            if not one.dear:
                one.check(password)
        return refused
