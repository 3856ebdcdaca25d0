"""What the server asks of whatever holds its entries and accounts.

A backend is anything with these methods. What may take time is `async`, and what it awaits is the backend's own
affair; one that holds everything in memory never suspends, and its coroutines end at the first step. What it may say
without one is `search_at_once` here, and what binds ask in `answers.py`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ldapserver.clock import Clock
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import Judgement
from ldapserver.directory.computed import ByName
from ldapserver.directory.dialect import Dialect
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.policy import Policy
from ldapserver.directory.renewal import Owner
from ldapserver.directory.schema import Schema
from ldapserver.wire.dn import DN, Key
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import Change, Scope


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did to the entry it was about: None where there was none, or is none any more."""

    before: Entry | None
    after: Entry | None


class Directory(Protocol):
    """Entries by name, accounts by name, and searches. No entry it gives holds a password attribute."""

    @property
    def naming_contexts(self) -> tuple[DN, ...]:
        """The names of the entries that have none above them, RFC 4512 section 5.1."""
        ...

    @property
    def schema(self) -> Schema:
        """What attributes are called and how they match, those included that only this directory's entries have."""
        ...

    @property
    def subschema(self) -> Entry:
        """The subschema entry (RFC 4512 section 4.2): the definitions of what is in use."""
        ...

    @property
    def clock(self) -> Clock:
        """What time it is, for what is kept here and for a server of it."""
        ...

    @property
    def decoy(self) -> Account:
        """What an unknown user's simple bind is checked against: noise under the dearest scheme present."""
        ...

    @property
    def most_secrets(self) -> int:
        """The most secrets that the credential of any account offers for one name."""
        ...

    @property
    def policy(self) -> Policy:
        """What is asked of accounts, as it now holds."""
        ...

    async def find_account(self, name: str) -> Account | None:
        """The account a user typed the name of, or raise `AmbiguousName`."""
        ...

    async def account_at(self, dn: DN) -> Account | None:
        """The account an entry is, if it is one."""
        ...

    async def judge(
        self,
        account: Account | None,
        *,
        right: bool,
        workstation: str,
        by_password: bool = True,
        counted: bool = True,
    ) -> Judgement:
        """What there is to say about an account, once it is known whether what was proved was `right`.

        It is judged as it is now, and a wrong password counted, in one step that nothing comes between. `workstation`
        is where from, as event 4776 has it; without `by_password` (a certificate) nothing is counted, and the age of
        the password does not matter. What is not `counted` leaves the count as it is: a wrong password that was the
        account's own not long ago, a right one that does not end the bind. Nobody (None) takes as long as somebody.

        Once an account is locked nothing is said of it but that, whenever its password began to be looked at.
        """
        ...

    async def privileges(self, dn: DN) -> tuple[str, ...]:
        """The privileges of an account that event 4672 names, by the groups it is in: mostly none."""
        ...

    async def sid(self, dn: DN) -> str | None:
        """The security identifier of an entry, `S-1-5-21-...`, where it has one."""
        ...

    async def stored_passwords(self, dn: DN) -> tuple[Owner, Attributes] | None:
        """Whose passwords an entry keeps and how: what a new one is made with. None when there is no such entry."""
        ...

    async def read(self, dn: DN) -> Entry | None:
        """The entry of this name."""
        ...

    async def matched(self, dn: DN) -> DN:
        """The deepest entry that exists on the way to `dn`: the matchedDN of RFC 4511 section 4.1.9."""
        ...

    @property
    def computed(self) -> ByName:
        """The attributes that are computed when they are asked for, and not stored."""
        ...

    @property
    def dialect(self) -> Dialect | None:
        """What its clients may say otherwise than the RFCs have it, and are told; mostly nothing."""
        ...

    @property
    def referrals(self) -> Mapping[Key, DN]:
        """The names of the referral objects, RFC 3296 section 2, by their keys: mostly there are none."""
        ...

    def search(self, base: DN, scope: Scope, filter: Filter) -> AsyncIterator[Sequence[Entry]]:
        """The entries in scope for which the filter is true, in batches.

        A batch may be empty: it comes after a bounded number of entries has been examined, found or not, and is a
        chance to pause. A base that does not exist has nothing below it.
        """
        ...

    # Writes. Each is done whole or not at all, and raises OperationRefused when it is not. `by` is who writes, and
    # `admin` whether that is somebody who may write anything: no rights are looked at here. With an `assertion` it is
    # done only if that is true of the entry (RFC 4528). `strength` is the bits of the key that protects the request.
    # An old password that is wrong raises WrongOldPassword: who asked has it judged, once the write is undone.

    async def add(
        self,
        dn: DN,
        attributes: Attributes,
        *,
        by: DN,
        admin: bool = False,
        assertion: Filter | None = None,
        strength: int = 0,
    ) -> Written:
        """Add an entry below one that is there (RFC 4511 section 4.7); the assertion is about what is added."""
        ...

    async def modify(
        self,
        dn: DN,
        changes: Sequence[Change],
        *,
        by: DN,
        admin: bool = False,
        assertion: Filter | None = None,
        permissive: bool = False,
        strength: int = 0,
    ) -> Written:
        """Change an entry's attributes, one change after the other (RFC 4511 section 4.6).

        With `permissive` a value to add may be there already, and a value or attribute to delete be gone.
        """
        ...

    async def delete(
        self, dn: DN, *, by: DN, admin: bool = False, assertion: Filter | None = None, subtree: bool = False
    ) -> Written:
        """Remove an entry (RFC 4511 section 4.8), with `subtree` together with all that is below it."""
        ...

    async def modify_dn(
        self,
        dn: DN,
        newrdn: DN,
        delete_old_rdn: bool,
        new_superior: DN | None = None,
        *,
        by: DN,
        admin: bool = False,
        assertion: Filter | None = None,
    ) -> Written:
        """Give an entry another name of one RDN, or another superior (RFC 4511 section 4.9).

        What is below goes with it. With `delete_old_rdn` the values of the old name are no values any more.
        """
        ...


class SearchAtOnce(Protocol):
    """A directory's `search_at_once`, which it may have beside `search`."""

    def __call__(self, base: DN, scope: Scope, filter: Filter) -> Sequence[Entry] | None:
        """All that `search` would find, where that is a few entries and takes no looking for; otherwise None.

        None too where there is no entry `base`.
        """
        ...


def search_at_once_of(directory: Directory) -> SearchAtOnce | None:
    """How this directory says it, if it does. Who has made its `search` another is asked by that alone."""
    for each in type(directory).__mro__:
        if "search_at_once" in vars(each):
            at_once: SearchAtOnce = directory.search_at_once  # type: ignore[attr-defined]  # not every directory's
            return at_once
        if "search" in vars(each):
            return None
    return None
