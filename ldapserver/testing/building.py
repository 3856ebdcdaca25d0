"""Users and groups in a few words, added to a server that runs: every rule of its directory holds for them.

An order is checked where it is given and carried out where the server is, in one write: whole or not at all.
"""

from collections.abc import Sequence
from datetime import datetime

from ldapserver.directory.account import AmbiguousName
from ldapserver.directory.account_reset import AccountReset, reset
from ldapserver.directory.entry import Entry
from ldapserver.directory.filetime import filetime, filetime_at
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.renewal import Owner, stored_as
from ldapserver.directory.transaction import Transaction
from ldapserver.directory.user_account_control import Control
from ldapserver.testing.finding import (
    drive,
    found,
    groups,
    in_base,
    is_active_directory,
    member_attribute,
    shown,
    told_of,
    writing,
)
from ldapserver.testing.orders import CLEAR, Group, GroupOrder, User, UserOrder, Who
from ldapserver.testing.served import Served
from ldapserver.testing.values import text_octets
from ldapserver.wire.dn import AVA, DN, InvalidDN
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute

_SECOND = 10_000_000  # of a FILETIME


def add_user(served: Served, order: UserOrder) -> User:
    """Carry out an order. Raises ValueError, and then nothing is changed."""
    with told_of(f"user {order.name!r}"), writing(served.directory) as write:
        return put_user(served, write, order)


def add_group(served: Served, order: GroupOrder) -> Group:
    """Carry out an order. Raises ValueError, and then nothing is changed."""
    with told_of(f"group {order.name!r}"), writing(served.directory) as write:
        return put_group(served, write, order)


def set_password(served: Served, who: Who, password: str, forms: tuple[str, ...], asked: AccountReset) -> None:
    """Let this be the password, in the forms there are where none is said. Raises ValueError."""
    with told_of(f"password of {shown(who)!r}"), writing(served.directory) as write:
        _set_password(served, write, found(served.directory, write, "who", who).dn, password, forms, asked)


def put_user(served: Served, write: Transaction, order: UserOrder) -> User:
    """Add who is ordered, and to the groups."""
    directory = served.directory
    ad = is_active_directory(directory)
    dn = _place(served, write, order, *(("CN", "CN=Users") if ad else ("uid", "ou=people")))
    if write.entry(dn) is None:
        _check_free(directory, order.name)
    name = text_octets("name", order.name)
    own: list[tuple[str, tuple[bytes, ...]]] = []
    if ad:
        own += [("objectClass", (b"user",)), ("cn", (name,)), ("sAMAccountName", (name,))]
        if "@" not in order.name:
            own.append(("userPrincipalName", (name + b"@" + directory.realm.encode(),)))
    else:
        own += [("objectClass", _PERSON), ("uid", (name,)), ("cn", (name,)), ("sn", (name,))]
    own += _state(served, order, ad=ad)
    if order.password is not None and ad and order.forms == CLEAR:
        own.append(("unicodePwd", (_quoted(order.password),)))  # so that the domain's rules for it hold
    write.add(dn, _completed(own, order.attributes, dn))
    if order.password is not None and not (ad and order.forms == CLEAR):
        _set_password(served, write, dn, order.password, order.forms, AccountReset(order.must_change or None))
    joined = [join(served, write, dn, who) for who in order.groups]
    entry = write.entry(dn)
    assert entry is not None
    owner = _owner(served, dn)
    return User(owner.username, str(entry.dn), order.password, owner.user_principal_name, tuple(map(str, joined)))


def put_group(served: Served, write: Transaction, order: GroupOrder) -> Group:
    """Add what is ordered, and to the groups that it is in itself."""
    ad = is_active_directory(served.directory)
    dn = _place(served, write, order, *(("CN", "CN=Users") if ad else ("cn", "ou=groups")))
    members = {}
    for who in order.members:
        member = found(served.directory, write, "members", who)
        members[member.dn.key] = member.dn
    name = text_octets("name", order.name)
    own: list[tuple[str, tuple[bytes, ...]]] = [("objectClass", (b"group",) if ad else (b"top", b"groupOfNames"))]
    own.append(("cn", (name,)))
    if ad:
        own.append(("sAMAccountName", (name,)))
    attributes = _completed(own, order.attributes, dn)
    if members:
        listed = member_attribute(Entry(dn, attributes)) or "member"
        attributes = (*attributes, (listed, tuple([str(each).encode() for each in members.values()])))
    write.add(dn, attributes)
    for who in order.groups:
        join(served, write, dn, who)
    entry = write.entry(dn)
    assert entry is not None
    return Group(order.name, str(entry.dn), tuple(map(str, members.values())))


_PERSON = (b"top", b"person", b"organizationalPerson", b"inetOrgPerson")


def _quoted(password: str) -> bytes:
    from ldapserver.directory.ad.unicode_pwd import encode

    return encode(password)


def _state(served: Served, order: UserOrder, *, ad: bool) -> list[tuple[str, tuple[bytes, ...]]]:
    """What stands against the account, in the attributes that a domain controller keeps it in: `account_state`."""
    now = filetime_at(served.directory.clock.ns())
    state: list[tuple[str, tuple[bytes, ...]]] = []
    if ad or order.disabled:
        control = Control.NORMAL_ACCOUNT | (Control.ACCOUNT_DISABLE if order.disabled else 0)
        state.append(("userAccountControl", (b"%d" % control,)))
    if order.must_change:
        state.append(("pwdLastSet", (b"0",)))
    if order.locked:
        state.append(("lockoutTime", (b"%d" % now,)))
    if order.expired:
        at = filetime(order.expired) if isinstance(order.expired, datetime) else now - _SECOND
        state.append(("accountExpires", (b"%d" % at,)))
    return state


def _set_password(
    served: Served, write: Transaction, dn: DN, password: str, forms: tuple[str, ...], asked: AccountReset
) -> None:
    """Let the account keep this password, in the forms it has where none are said."""
    octets = text_octets("password", password)
    entry = write.entry(dn)
    assert entry is not None
    kept = write.secrets(dn)
    if forms:
        saslprep = served.service.config.saslprep
        after = dict(stored_as(forms, kept, octets, _owner(served, dn), saslprep=saslprep))
    else:
        after = dict(write.with_password(entry, kept, octets))
    before = dict(kept)
    changed = {name: after.get(name, ()) for name in (*before, *after) if before.get(name) != after.get(name)}
    now = filetime_at(served.directory.clock.ns())
    changed |= dict(reset(entry, asked, now, new_password=True))
    write.modify(dn, [Change(ModifyOperation.REPLACE, PartialAttribute(*each)) for each in changed.items()])


def _owner(served: Served, dn: DN) -> Owner:
    stored = drive(served.directory.stored_passwords(dn))
    assert stored is not None
    return stored[0]


def _check_free(directory: MemoryDirectory, name: str) -> None:
    """A second account that answers to the name would take it from the first."""
    try:
        account = drive(directory.find_account(name))
    except AmbiguousName as error:
        raise ValueError(f"name: {error}") from None
    if account is not None:
        raise ValueError(f"name: {account.dn} answers to it already, and a name of two leads to neither")


def join(served: Served, write: Transaction, member: DN, who: Who) -> DN:
    """Let `member` be in a group, which is made where a mere name says it and nothing is called so."""
    if isinstance(who, str) and not _is_dn(who):
        called = {each.dn.key: each for each in groups(write, who)}
        if not called:
            order = GroupOrder(who, (), (), None, None, ())
            # With its member at once: groupOfNames must have one.  RFC 4519 section 3.5
            return DN.parse(put_group(served, write, _with_member(order, member)).dn)
        if len(called) > 1:
            names = " and ".join(str(each.dn) for each in called.values())
            raise ValueError(f"groups: {who!r} may be {names}: say the DN")
        (group,) = called.values()
    else:
        group = found(served.directory, write, "groups", who)
    attribute = member_attribute(group)
    if attribute is None:
        raise ValueError(f"groups: {group.dn} is no group")
    # Who is in it already stays in it.
    added = Change(ModifyOperation.ADD, PartialAttribute(attribute, (str(member).encode(),)))
    write.modify(group.dn, [added], permissive=True)
    return group.dn


def _with_member(order: GroupOrder, member: DN) -> GroupOrder:
    return GroupOrder(order.name, (str(member),), order.groups, order.under, order.dn, order.attributes)


def _is_dn(text: str) -> bool:
    """Whether this can be read as the name of an entry."""
    try:
        return bool(DN.parse(text))
    except InvalidDN:
        return False


def _place(served: Served, write: Transaction, order: UserOrder | GroupOrder, rdn: str, container: str) -> DN:
    """The name of what is ordered; what must be above it is made."""
    if order.dn is not None:
        dn = in_base(served.directory, "dn", order.dn)
        make_containers(served, write, "dn", dn.parent)
        return dn
    if _is_dn(order.name) and any(DN.parse(order.name).within(each) for each in served.directory.naming_contexts):
        raise ValueError(f"name: {order.name} is a DN: say dn=")
    above = in_base(served.directory, "under", order.under or container)
    make_containers(served, write, "under", above)
    given = next((values for name, values in order.attributes if name.lower() == rdn.lower()), ())
    return DN(((AVA(rdn, next(iter(given), text_octets("name", order.name))),), *above.rdns))


def make_containers(served: Served, write: Transaction, field: str, dn: DN) -> None:
    """Add what is not there of an entry and those above it. Raises ValueError for what is no container's name."""
    if not dn or write.entry(dn) is not None:
        return
    make_containers(served, write, field, dn.parent)
    ava = dn.rdns[0][0]
    ad = is_active_directory(served.directory)
    object_class = ({"cn": b"container"} if ad else {}).get(ava.type.lower()) or _CONTAINERS.get(ava.type.lower())
    if object_class is None or len(dn.rdns[0]) > 1:
        raise ValueError(f"{field}: there is no {dn}, and only ou=, o=, dc=, l= (with profile ad cn=) are made")
    write.add(dn, (("objectClass", (b"top", object_class)), (ava.type, (ava.value,))))


_CONTAINERS = {"ou": b"organizationalUnit", "o": b"organization", "dc": b"domain", "l": b"locality"}


def _completed(own: Sequence[tuple[str, tuple[bytes, ...]]], given: Attributes, dn: DN) -> Attributes:
    """What is given, and of our own what that leaves open; the directory adds the values of the RDN."""
    there = {name.lower() for name, _ in given} | {ava.type.lower() for ava in dn.rdns[0] if ava.type.lower() == "cn"}
    return (*[each for each in own if each[0].lower() not in there], *given)
