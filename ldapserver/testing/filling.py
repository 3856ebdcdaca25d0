"""Data put into a directory: entries, users and groups, in an order that every rule holds in."""

from collections.abc import Sequence
from dataclasses import replace

from ldapserver.directory.ldif import (
    AddRecord,
    Attributes,
    DeleteRecord,
    EntryRecord,
    ModifyDNRecord,
    ModifyRecord,
    Record,
)
from ldapserver.directory.transaction import Transaction
from ldapserver.testing.building import join, make_containers, put_group, put_user
from ldapserver.testing.data_files import Data
from ldapserver.testing.finding import found, in_base, told_of, writing
from ldapserver.testing.orders import GroupOrder, UserOrder, Who
from ldapserver.testing.served import Served
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute


def put(served: Served, data: Data) -> None:
    """Add all of it, or nothing. Raises ValueError."""
    with writing(served.directory) as write:
        for place, record in data.records:
            with told_of(f"{place}{record.dn}"):
                _put_record(write, record)
        for place, name, attributes in data.entries:
            with told_of(f"{place}entry {name!r}"):
                dn = in_base(served.directory, "dn", name)
                make_containers(served, write, "dn", dn.parent)
                _put_entry(write, dn, attributes)
        added: list[tuple[str, UserOrder, DN]] = []
        for place, user in data.users:
            with told_of(f"{place}user {user.name!r}"):
                added.append((place, user, DN.parse(put_user(served, write, replace(user, groups=())).dn)))
        _put_groups(served, write, data.groups, added)
        for place, user, dn in added:
            with told_of(f"{place}user {user.name!r}"):
                for group in user.groups:
                    join(served, write, dn, group)


def _put_groups(
    served: Served,
    write: Transaction,
    groups: Sequence[tuple[str, GroupOrder]],
    users: Sequence[tuple[str, UserOrder, DN]],
) -> None:
    """Add the groups, those first that others have for members; of a circle what is missing comes last."""
    due = list(groups)
    later: list[tuple[str, GroupOrder, Who]] = []
    while due:
        names = {order.name.lower() for _, order in due}
        # With a member at once, if there is any: groupOfNames must have one.  RFC 4519 section 3.5
        place, order = min(due, key=lambda each: _rank(each[1], names))
        due.remove((place, order))
        missing = _waiting(order, names)
        inside = [str(dn) for _, user, dn in users if order.name.lower() in map(_lower, user.groups)]
        now = [who for who in order.members if who not in missing]
        with told_of(f"{place}group {order.name!r}"):
            put_group(served, write, replace(order, members=(*now, *inside), groups=()))
        later += [(place, order, who) for who in missing]
    for place, order, who in later:
        with told_of(f"{place}group {order.name!r}"):
            join(served, write, found(served.directory, write, "members", who).dn, order.name)
    for place, order in groups:
        with told_of(f"{place}group {order.name!r}"):
            for who in order.groups:
                join(served, write, found(served.directory, write, "name", order.name).dn, who)


def _rank(order: GroupOrder, names: set[str]) -> int:
    """0 for a group all of whose members are there, 1 where some are, 2 where none is."""
    missing = _waiting(order, names)
    return (len(missing) == len(order.members)) + 1 if missing else 0


def _waiting(order: GroupOrder, names: set[str]) -> list[Who]:
    """The members that are groups which are not there yet."""
    return [who for who in order.members if _lower(who) in names and _lower(who) != order.name.lower()]


def _lower(who: Who) -> str:
    return who.lower() if isinstance(who, str) else ""


def _put_entry(write: Transaction, dn: DN, attributes: Attributes) -> None:
    """Add an entry; that of a naming context is there already, and gets what is said of it."""
    if write.entry(dn) is None or all(dn != context for context in write.naming_contexts):
        write.add(dn, attributes)
        return
    # Its class says what names it, and stays.
    said = [(name, values) for name, values in attributes if name.lower() not in ("objectclass", _naming(dn))]
    write.modify(dn, [Change(ModifyOperation.REPLACE, PartialAttribute(*each)) for each in said])


def _naming(dn: DN) -> str:
    return dn.rdns[0][0].type.lower()


def _put_record(write: Transaction, record: Record) -> None:
    if not isinstance(record, EntryRecord):
        for control in record.controls:
            # None is known here, and one that is critical may not be passed over.  RFC 4511 section 4.1.11
            if control.criticality:
                raise ValueError(f"control {control.control_type}: not supported here, and critical")
    match record:
        case EntryRecord() | AddRecord():
            _put_entry(write, record.dn, record.attributes)
        case ModifyRecord():
            write.modify(record.dn, record.changes)
        case DeleteRecord():
            write.delete(record.dn)
        case ModifyDNRecord():
            write.modify_dn(record.dn, record.newrdn, record.deleteoldrdn, record.newsuperior)
