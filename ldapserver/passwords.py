"""Whose password it is: what a simple bind and SASL PLAIN have in common, from a name to an account.

An unknown user costs what a wrong password costs, under the dearest scheme that the directory holds; and so does a
wrong password under a cheaper one, or it would tell that the user is known. Who is refused with the right one, for
what stands against the account, waits as long.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from ldapserver.audit.status import BindReason
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.dialect import Dialect
from ldapserver.directory.directory import Directory
from ldapserver.directory.schemes import StoredPassword
from ldapserver.sasl.mechanism import Accepted, Facts, Refused
from ldapserver.suspension import Host
from ldapserver.wire.dn import DN, InvalidDN
from sasl_digest import Reason


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
    if "=" in name:
        try:
            account = await directory.account_at(DN.parse(name))
        except InvalidDN:
            account = None  # it may still be a name: user names may hold "="
        if account is not None:
            return Named(account, account.name)
    return await named(directory, name)


async def verify(
    directory: Directory, host: Host, who: Named, passwords: Sequence[bytes], facts: Facts
) -> Accepted | Refused:
    """Whether one of `passwords`, forms of the one that was sent, is that of `who`.

    Where nobody has the time for what is dear, `Refused.account` is who is known to have another password.
    """
    account = who.account
    known = account is not None and account.passwords
    stored = account.passwords if account is not None and known else directory.decoy.passwords
    trials = _trials(stored, passwords)
    right = await _any(host, trials)
    spared = None
    if right is False:
        rest = chain(_decoys(directory, stored, passwords), _former(directory, account, passwords))
        spared = await _any(host, rest)
    if right is None or (spared is None and not right):
        return Refused(BindReason.BUSY, facts, account=account if known and right is False else None)
    if account is None:
        return Refused(who.reason, facts)
    if not known:
        return Refused(Reason.NO_USABLE_SECRET, facts, account=account)
    if not right:
        return Refused(Reason.WRONG_PASSWORD, facts, account=account, spared=bool(spared))
    return Accepted(account, b"", facts, barred=partial(_barred, directory, host, passwords, stored, trials))


async def proves(host: Host, account: Account, password: bytes) -> bool | None:
    """Whether it is the password of this account; None when as much dear work is under way as may be."""
    return await _any(host, ((stored, password) for stored in account.passwords))


async def was_one(directory: Directory, host: Host, account: Account, password: bytes) -> bool:
    """Whether it is one of the account's passwords before, where these matter.

    It is none when nobody has the time to see: while everybody is busy wrong passwords count all the same.
    """
    if not directory.policy.spare_old_passwords:
        return False
    return await _any(host, ((stored, password) for stored in account.former)) is True


Trials = Iterator[tuple[StoredPassword, bytes]]


def _trials(stored: Iterable[StoredPassword], passwords: Sequence[bytes]) -> Trials:
    """What is to be held against what, one after the other, up to the one that is right."""
    return ((one, password) for one in stored for password in passwords)


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


async def _any(host: Host, trials: Trials) -> bool | None:
    """Whether one of these is right; None when as much dear work is under way as may be."""
    for one, password in trials:
        right = await _offloaded(host, one, password) if one.dear else one.check(password)
        if right is not False:
            return right
    return False


async def _offloaded(host: Host, stored: StoredPassword, password: bytes) -> bool | None:
    """Whether it is the password; None when nobody has the time to see."""
    work = host.offload(partial(stored.check, password))
    return None if work is None else await work


async def _barred(
    directory: Directory,
    host: Host,
    passwords: Sequence[bytes],
    stored: Sequence[StoredPassword],
    left: Trials,
    refused: Refused,
) -> Refused:
    """The refusal of one whose password was right, once what a wrong one is held against has been tried too.

    `left` is what of the account's own, `stored`, has not been tried yet.
    """
    rest = chain(_decoys(directory, stored, passwords), _former(directory, refused.account, passwords))
    for one, password in chain(left, rest):
        if one.dear and await _offloaded(host, one, password) is None:
            return Refused(BindReason.BUSY, refused.facts)
        if not one.dear:
            one.check(password)
    return refused
