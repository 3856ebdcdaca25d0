"""An account's primary group, which is written as a number in the account and not as a member of the group."""

from collections.abc import Iterable

from ldapserver.directory.ad.following import targets_in
from ldapserver.directory.ad.refusals import already_member, will_not_perform
from ldapserver.directory.ad.sid import rid_in
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.profile import Write
from ldapserver.wire.dn import DN

ERROR_MEMBER_NOT_IN_GROUP = 0x529


def check_becoming_primary(account: Entry, members: Iterable[DN]) -> None:
    """Only a group that it is in already becomes an account's primary group, [MS-SAMR] 3.1.1.8.2.

    `members` are those of the group, and nobody where there is no such group. Raises OperationRefused.
    """
    if account.dn not in members:
        raise will_not_perform(ERROR_MEMBER_NOT_IN_GROUP)


def check_members(write: Write, domain: bytes, group: Entry, after: Attributes) -> None:
    """Whose primary group it is already is a member, and is not made one: Samba's test_users_groups, as of Windows.

    `group` is the group before it has the attributes `after`; `domain` is the domain's SID. Raises OperationRefused.
    """
    members = next((values for name, values in after if name.lower() == "member"), ())
    there = group.get("member")
    if members == there:
        return
    rids = [rid for rid in [rid_in(domain, sid) for sid in group.get("objectSid")] if rid is not None]
    for value in set(members).difference(there):
        for dn in targets_in(value):
            account = write.entry(dn)
            if account is not None and account.number("primaryGroupID") in rids:
                raise already_member()
