"""Which privileges an account has by the groups it is in: those that a domain controller audits (event 4672).

By the groups' SIDs, for a group may be called anything: the administrators', and of the other protected groups those
that a domain controller's default policy entitles to some of it, which Account Operators are not.
"""

from collections.abc import Callable, Iterable

from ldapserver.directory.ad.sid import BUILTIN, DOMAIN_ADMINS, with_rid
from ldapserver.directory.entry import Entry
from ldapserver.directory.privileges import ADMINISTRATOR, BACKUP, LOAD_DRIVER
from ldapserver.wire.dn import DN, Key

SCHEMA_ADMINS = 518
ENTERPRISE_ADMINS = 519
_IN_DOMAIN = (DOMAIN_ADMINS, SCHEMA_ADMINS, ENTERPRISE_ADMINS)
_BUILTIN: dict[int, tuple[str, ...]] = {544: ADMINISTRATOR, 549: BACKUP, 550: LOAD_DRIVER, 551: BACKUP}
_DECIDE = ("member", "primaryGroupID", "groupType", "objectSid")  # who is in which group, and what the group is


def privileges_of(groups: Iterable[bytes], domain: bytes) -> tuple[str, ...]:
    """The privileges of whoever is in the groups of these SIDs, in the order of the event."""
    given = {with_rid(BUILTIN, rid): names for rid, names in _BUILTIN.items()}
    given |= {with_rid(domain, rid): ADMINISTRATOR for rid in _IN_DOMAIN}
    held = {name for sid in groups for name in given.get(sid, ())}
    return tuple([name for name in ADMINISTRATOR if name in held])


class KnownPrivileges:
    """The privileges of the accounts that were asked about, until a write may have changed those of any."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[str, ...]] = {}

    def of(self, dn: DN, find: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """Those of `dn`, which `find` says where they are not known."""
        known = self._known.get(dn.key)
        if known is None:
            known = self._known[dn.key] = find()
        return known

    def forget(self) -> None:
        """Know nothing."""
        self._known.clear()

    def written(self, before: Entry | None, after: Entry | None) -> None:
        """An entry was this and is that now; a count of wrong passwords, say, changes nobody's groups."""
        if before is None or after is None or before.dn.key != after.dn.key or _decides(before, after):
            self.forget()


def _decides(before: Entry, after: Entry) -> bool:
    return any((old := before.get(name)) is not (new := after.get(name)) and old != new for name in _DECIDE)
