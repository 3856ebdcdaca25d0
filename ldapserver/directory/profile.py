"""What a directory of a certain make does beside what is asked: the seam that Active Directory's rules stand behind.

A profile is told of every write from inside its transaction. It sees what the directory holds, may refuse, may change
what is stored, and may change other entries, all of which happens together or not at all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from ldapserver.clock import Clock
from ldapserver.directory.computed import Computed
from ldapserver.directory.dialect import Dialect
from ldapserver.directory.directory import Written
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.policy import Policy, PolicySettings
from ldapserver.directory.schema import Schema
from ldapserver.directory.watch import Watch
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import Change


class View(Protocol):
    """A directory as it stands, for attributes that are computed."""

    @property
    def schema(self) -> Schema:
        """See `Directory`."""
        ...

    @property
    def naming_contexts(self) -> tuple[DN, ...]:
        """See `Directory`."""
        ...

    @property
    def clock(self) -> Clock:
        """See `Directory`."""
        ...

    def entry(self, dn: DN) -> Entry | None:
        """The entry of this name."""
        ...

    @property
    def netbios(self) -> str:
        """The domain's NetBIOS name."""
        ...

    @property
    def realm(self) -> str:
        """The domain's DNS name."""
        ...

    @property
    def policy(self) -> Policy:
        """What was asked of accounts when the directory was made."""
        ...

    def having(self, attribute: str, value: bytes) -> Iterator[Entry]:
        """The entries for which (attribute=value) is true: by an index where there is one, or looking at all."""
        ...


class Write(View, Protocol):
    """One write under way: who writes, and the directory with all that this write has done so far."""

    @property
    def by(self) -> DN:
        """Who writes."""
        ...

    @property
    def admin(self) -> bool:
        """Whether who writes may write anything."""
        ...

    @property
    def loading(self) -> bool:
        """Whether this comes from the files a directory is made of, which may say what no client may."""
        ...

    @property
    def strength(self) -> int:
        """The bits of the key that protects the connection it came over, 0 in the clear."""
        ...

    @property
    def watched(self) -> Watch:
        """Who waits for a long loading, and is shown how far it has come."""
        ...

    def secrets(self, dn: DN) -> Attributes:
        """The password attributes of an entry as they are stored; none when there is no such entry."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every entry, each before what is below it."""
        ...

    def alter(self, dn: DN, changes: Sequence[Change]) -> None:
        """Change another entry in the same transaction; neither checked nor told to the profile.

        Raises OperationRefused when a change cannot be made.
        """
        ...

    def store(self, dn: DN, attributes: Attributes) -> None:
        """Let an entry have these attributes, those of passwords among them; neither checked nor told either."""
        ...

    def fill_in(self, entry: Entry) -> None:
        """Let the entry of this name be this one, which says what that said and more; neither checked nor told.

        Its passwords, and whom it may act as, stay what they are. What an LDIF file says is filled in so: nothing of
        it can be undone.
        """
        ...

    def undoing(self, undo: Callable[[], None]) -> None:
        """Have this called should the write be undone: for what the profile keeps itself."""
        ...

    def verifies(self, dn: DN, password: bytes) -> bool:
        """Whether this is the password of the account at `dn`."""
        ...

    def with_password(self, entry: Entry, kept: Attributes, password: bytes) -> Attributes:
        """The password attributes of an entry that keeps those in `kept`, now that its password is this.

        Raises InvalidPassword.
        """
        ...


class Profile(Protocol):
    """The rules. All but `computed`, `policy`, `dialect`, `state` and `restore` may raise OperationRefused."""

    def computed(self, view: View) -> Iterable[Computed]:
        """Attributes that are worked out when they are asked for; the schema has to have their types."""
        ...

    def policy(self, view: View) -> Policy:
        """What is asked of accounts, now."""
        ...

    def asked(self, write: Write, policy: PolicySettings) -> None:
        """This is asked of accounts from now on: have it stand where it is looked for."""
        ...

    def loaded(self, write: Write) -> None:
        """The entries of all LDIF files are in their places: complete them by `fill_in`."""
        ...

    def translate(self, write: Write, before: Entry, changes: Sequence[Change]) -> Sequence[Change]:
        """What a modify really changes, before it is tried: `changes` as they came, or others in their place."""
        ...

    def complete(self, write: Write, before: Entry | None, dn: DN, attributes: Attributes) -> Attributes:
        """What is stored at `dn` instead of `attributes`, which hold the password attributes too.

        `before` is the entry as it was, under its old name; None for one that is added.
        """
        ...

    def done(self, write: Write, written: Written) -> None:
        """An entry has been added, changed, renamed or removed: time to follow in others.

        An entry below one that was renamed or moved comes after it, with its own two names.
        """
        ...

    def dialect(self, view: View) -> Dialect | None:
        """What clients may say otherwise than the RFCs have it, and are told; asked once, when all is loaded."""
        ...

    def privileges(self, view: View, dn: DN) -> tuple[str, ...]:
        """See `Directory`; refuses nothing."""
        ...

    def state(self) -> object:
        """What `restore` needs to make this profile what it is now: part of a directory's snapshot."""
        ...

    def restore(self, state: object) -> None:
        """Be again what the profile was when it gave `state`."""
        ...


class Plain:
    """The profile of a directory that does what it is asked and no more."""

    def computed(self, view: View) -> Iterable[Computed]:
        """See `Profile`."""
        return ()

    def policy(self, view: View) -> Policy:
        """See `Profile`."""
        return view.policy

    def asked(self, write: Write, policy: PolicySettings) -> None:
        """See `Profile`."""

    def loaded(self, write: Write) -> None:
        """See `Profile`."""

    def translate(self, write: Write, before: Entry, changes: Sequence[Change]) -> Sequence[Change]:
        """See `Profile`."""
        return changes

    def complete(self, write: Write, before: Entry | None, dn: DN, attributes: Attributes) -> Attributes:
        """See `Profile`."""
        return attributes

    def done(self, write: Write, written: Written) -> None:
        """See `Profile`."""

    def dialect(self, view: View) -> Dialect | None:
        """See `Profile`."""
        return None

    def privileges(self, view: View, dn: DN) -> tuple[str, ...]:
        """See `Profile`."""
        return ()

    def state(self) -> object:
        """See `Profile`."""
        return None

    def restore(self, state: object) -> None:
        """See `Profile`."""
