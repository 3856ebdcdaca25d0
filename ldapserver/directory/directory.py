"""What the server asks of whatever holds its entries and accounts.

A backend is anything with these methods. What may take time is `async`, and what it awaits is the backend's own
affair; one that holds everything in memory never suspends, and its coroutines end at the first step.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from ldapserver.directory.account import Account
from ldapserver.directory.computed import ByName
from ldapserver.directory.entry import Entry
from ldapserver.directory.schema import Schema
from ldapserver.wire.dn import DN, Key
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import Scope


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
    def decoy(self) -> Account:
        """What an unknown user's simple bind is checked against: noise under the dearest scheme present."""
        ...

    @property
    def most_secrets(self) -> int:
        """The most secrets that the credential of any account offers for one name."""
        ...

    async def find_account(self, name: str) -> Account | None:
        """The account a user typed the name of, or raise `AmbiguousName`."""
        ...

    async def account_at(self, dn: DN) -> Account | None:
        """The account an entry is, if it is one."""
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
    def referrals(self) -> Mapping[Key, DN]:
        """The names of the referral objects, RFC 3296 section 2, by their keys: mostly there are none."""
        ...

    def search(self, base: DN, scope: Scope, filter: Filter) -> AsyncIterator[Sequence[Entry]]:
        """The entries in scope for which the filter is true, in batches.

        A batch may be empty: it comes after a bounded number of entries has been examined, found or not, and is a
        chance to pause. A base that does not exist has nothing below it.
        """
        ...
