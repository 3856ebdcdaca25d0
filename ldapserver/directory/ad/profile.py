"""Active Directory's rules, kept at every write: the `Profile` of a directory that is a domain.

It keeps what no entry says: who points to whom, the number of the last update, and which SID comes next. All of it is
known again from the entries when they are loaded, so that saving them is enough.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from os import urandom
from uuid import UUID

from ldapserver.directory.account_state import InvalidAccountState, read_state
from ldapserver.directory.ad import account_control, constraints, domain_policy, primary_group
from ldapserver.directory.ad.completion import (
    Creation,
    Kind,
    changed,
    complete,
    generated_account_name,
    in_step,
    kind_of,
    password_set,
    pwd_last_set,
)
from ldapserver.directory.ad.constructed import Domain, is_constructed
from ldapserver.directory.ad.dialect import DomainDialect
from ldapserver.directory.ad.following import Following
from ldapserver.directory.ad.guid import guid_of_uuid
from ldapserver.directory.ad.links import FORWARD_NAMES, Links
from ldapserver.directory.ad.makes import Makes
from ldapserver.directory.ad.name_values import linked, meant, resolved, with_names
from ldapserver.directory.ad.privileges import KnownPrivileges, privileges_of
from ldapserver.directory.ad.refusals import UNIQUE, name_taken
from ldapserver.directory.ad.root_dse import aggregate, schema_naming_context
from ldapserver.directory.ad.sid import (
    BUILTIN,
    InvalidSID,
    RelativeIds,
    check_sid,
    domain_sid,
    is_rid,
    split_sid,
    well_known,
    with_rid,
)
from ldapserver.directory.ad.unicode_pwd import (
    ChangePassword,
    ResetPassword,
    added,
    against_policy,
    asked,
    is_unicode_pwd,
    locked_out,
    wrong_old_password,
)
from ldapserver.directory.changes import Draft
from ldapserver.directory.computed import Computed
from ldapserver.directory.directory import Written
from ldapserver.directory.entry import Entry
from ldapserver.directory.filetime import filetime_at
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.names import dns_domain
from ldapserver.directory.operational import NOBODY
from ldapserver.directory.policy import Policy, PolicySettings
from ldapserver.directory.profile import View, Write
from ldapserver.directory.schemes import InvalidPassword
from ldapserver.directory.unlocking import UNLOCKED, unlocks_by_control
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute, ResultCode

_DC = ("dc", "domaincomponent", "0.9.2342.19200300.100.1.25")


@dataclass(frozen=True, slots=True)
class _State:
    usn: int
    rids: RelativeIds
    links: Links


class ActiveDirectory:
    """The profile; `random` gives the octets of GUIDs and of made-up names.

    What `policy` asks of accounts is written into the domain's entry when it is loaded, whatever stood there.
    """

    def __init__(
        self,
        *,
        random: Callable[[int], bytes] = urandom,
        policy: PolicySettings | None = None,
    ) -> None:
        self._random = random
        self._asked_policy = policy or {}
        self._policy: tuple[Entry, Policy] | None = None  # and the entry that says it
        self._domain = ROOT
        self._usn = 0
        self._rids = RelativeIds(domain_sid(""))
        self._links = Links()
        self._following = Following(self._links)
        self._privileges = KnownPrivileges()
        self._token_groups: Callable[[Entry], tuple[bytes, ...]] = lambda entry: ()

    # What the directory asks once

    def computed(self, view: View) -> Iterable[Computed]:
        """See `Profile`."""
        subschema = (str(aggregate(self._domain)).encode(),)
        domain = Domain(
            self._links,
            view.entry,
            lambda sid: next((entry.dn for entry in view.having("objectSid", sid)), None),
            lambda: filetime_at(view.clock.ns()),
            lambda: self.policy(view),
        )
        attributes = [each for each in domain.attributes() if view.schema.attribute_type(each.name) is not None]
        self._token_groups = domain.token_groups
        return (*attributes, Computed("subschemaSubentry", lambda _: subschema))

    def policy(self, view: View) -> Policy:
        """See `Profile`: what the domain's entry says."""
        head = view.entry(self._domain)
        if head is None:
            return replace(view.policy, counted=True)
        if self._policy is None or self._policy[0] is not head:
            self._policy = head, domain_policy.read(head, view.policy)
        return self._policy[1]

    def asked(self, write: Write, policy: PolicySettings) -> None:
        """See `Profile`: the domain's entry is to say it."""
        head = write.entry(self._domain)
        if head is not None:
            attributes = domain_policy.written((*head, *write.secrets(self._domain)), write.policy, policy)
            write.store(self._domain, tuple(attributes))

    def dialect(self, view: View) -> DomainDialect:
        """See `Profile`."""
        return DomainDialect(view, self._links, self._domain, lambda: self._usn)

    def privileges(self, view: View, dn: DN) -> tuple[str, ...]:
        """See `Profile`."""
        return self._privileges.of(dn, lambda: self._privileges_of(view.entry(dn)))

    def _privileges_of(self, entry: Entry | None) -> tuple[str, ...]:
        return () if entry is None else privileges_of(self._token_groups(entry), self._rids.domain)

    def state(self) -> object:
        """See `Profile`."""
        return _State(self._usn, self._rids.copy(), self._links.copy())

    def restore(self, state: object) -> None:
        """See `Profile`."""
        assert isinstance(state, _State)
        self._usn, self._rids = state.usn, state.rids.copy()
        self._links.become(state.links)
        self._privileges.forget()

    # Loading

    def loaded(self, write: Write) -> None:
        """See `Profile`: every entry gets what a domain controller would have made of it.

        Whatever an entry brings is its own; SIDs are given once all that were brought are known.
        """
        entries = list(write.entries())
        contexts = write.naming_contexts
        in_dns = [dn for dn in contexts if all(rdn[0].type.lower() in _DC for rdn in dn.rdns)]
        self._domain = next(iter((*in_dns, *contexts)), ROOT)
        given = {sid for entry in entries for sid in entry.get("objectSid") if _is_sid(sid)}
        self._rids = RelativeIds(self._domain_sid(write.entry(self._domain), given))
        for each in given:
            with suppress(InvalidSID):  # one that is in no domain has no RID either
                self._rids.seen(each)
        numbers = [value for entry in entries for name in _USN for value in entry.get(name)]
        self._usn = max([int(value) for value in numbers if value.isdigit()], default=0)
        heads = {dn.key for dn in contexts}
        builtin = DN((*DN.parse("CN=Builtin").rdns, *self._domain.rdns))
        makes = Makes(schema_naming_context(self._domain), write.clock.now())
        for brought in write.watched(_taken_from(entries), len(entries), "completing", "entries"):
            entry = self._pointing(write, brought)
            if entry.dn.key == self._domain.key:
                entry = self._head(write, entry)
            self._usn += "uSNChanged" not in entry
            make = makes.of(entry, head=entry.dn.key in heads, password=bool(write.secrets(entry.dn)))
            write.fill_in(
                make.completed(
                    entry,
                    self._usn,
                    self._sid_of_loaded(entry, make.kind, given, builtin) if make.lacks_sid else None,
                    _account_name(entry, _derived(entry.dn)) if make.lacks_account_name else None,
                )
            )
        # Asked for at every bind and every write: better indexed now than when the first client waits for it.
        for name in write.watched(_LOOKED_UP, len(_LOOKED_UP), "indexing", "attributes"):
            next(write.having(name, b""), None)

    def _domain_sid(self, head: Entry | None, given: Iterable[bytes]) -> bytes:
        """The domain's SID: its own, else that of the accounts which came with one, else one made of its name."""
        own = () if head is None else head.get("objectSid")
        for one in own:
            if _is_sid(one):
                return one
        domains = [split_sid(each)[0] for each in given if each[1] == _SUB_AUTHORITIES]
        return max(sorted(set(domains)), key=domains.count, default=domain_sid(dns_domain(self._domain)))

    def _pointing(self, write: Write, entry: Entry) -> Entry:
        """A loaded entry whose links are spelt as what they lead to is called; where they lead is known from here."""
        values = None
        for name, forward in FORWARD_NAMES.items():
            at = entry.shape.positions.get(name)
            if at is not None:
                values = [*entry.values] if values is None else values
                values[at], names = resolved(write, values[at])
                self._links.enter(entry.dn, forward, names)
        return entry if values is None else Entry.of(entry.dn, entry.shape, tuple(values))

    def _head(self, write: Write, entry: Entry) -> Entry:
        """The domain's own entry, as it was loaded, with its SID and what it asks of accounts."""
        attributes = [*entry]
        # Where no more than CN=Builtin was loaded, it is the head, and has its own.
        if not entry.get("objectSid") and kind_of(entry.get("objectClass")) is not Kind.BUILTIN_DOMAIN:
            attributes.append(("objectSid", (self._rids.domain,)))
        return Entry(entry.dn, domain_policy.written(attributes, write.policy, self._asked_policy))

    def _sid_of_loaded(self, entry: Entry, kind: Kind, given: set[bytes], builtin: DN) -> bytes:
        if kind is Kind.BUILTIN_DOMAIN:
            return BUILTIN[:1] + b"\1" + BUILTIN[2:]
        name = next(iter(entry.get("sAMAccountName")), b"").decode("utf-8", "replace")
        sid = well_known(self._rids.domain, name, builtin=entry.dn.within(builtin))
        if sid is None or sid in given:
            return self._rids.allocate()
        given.add(sid)
        return sid

    # What is asked

    def translate(self, write: Write, before: Entry, changes: Sequence[Change]) -> Sequence[Change]:
        """See `Profile`."""
        if write.loading:
            return changes
        _refuse_constructed([change.modification.type for change in changes])
        changes = [with_names(write, change, self._domain) for change in changes]
        request = asked(changes, strength=write.strength, may_reset=write.admin)
        touched = {change.modification.type.partition(";")[0].lower() for change in changes}
        if request is not None:
            changes = [change for change in changes if not is_unicode_pwd(change.modification.type)]
            changes += self._password(write, before, request)
        if unlocks_by_control(changes) and self._locked(write, before):
            changes = [*changes, *UNLOCKED]
        if any(map(write.schema.is_secret, touched)) and touched.isdisjoint(_PWD_LAST_SET) and _is_account(before):
            changes += [_replace(name, values) for name, values in password_set(write.clock.now()).items()]
        return changes

    def _password(self, write: Write, before: Entry, request: ChangePassword | ResetPassword) -> list[Change]:
        """The changes that set a password, in every form that is kept of it."""
        # An account that is locked does not tell which password is right.  [MS-SAMR] 3.1.5.13.7.1
        if isinstance(request, ChangePassword) and self._locked(write, before):
            raise locked_out()
        if isinstance(request, ChangePassword) and not write.verifies(before.dn, request.old.encode()):
            raise wrong_old_password(request.old)
        kept = write.secrets(before.dn)
        try:
            renewed = dict(write.with_password(before, kept, request.new.encode()))
        except InvalidPassword:
            raise against_policy(request) from None
        return [_replace(name, renewed.get(name, ())) for name in dict.fromkeys([*dict(kept), *renewed])]

    def _locked(self, write: Write, entry: Entry) -> bool:
        """Whether wrong passwords have locked this account."""
        try:
            state = read_state(entry)
        except InvalidAccountState:
            return False
        return state is not None and state.locked(self.policy(write), filetime_at(write.clock.ns()))

    # What is stored

    def complete(self, write: Write, before: Entry | None, dn: DN, attributes: Attributes) -> Attributes:
        """See `Profile`."""
        if write.loading:
            return attributes
        # What the server writes itself, for a test, is no client's: it may be what an LDIF file could have brought.
        asked = write.by.key != NOBODY.key
        if asked:
            constraints.check(before, Entry(dn, attributes))
        self._usn += 1
        if before is None:
            attributes = self._created(write, dn, attributes)
        else:
            attributes = self._changed(write, before, attributes)
        self._check_unique(write, before or Entry(dn, ()), attributes)
        attributes = linked(write, before, attributes)
        if asked and before is not None:
            primary_group.check_members(write, self._rids.domain, before, attributes)
        return attributes

    def _created(self, write: Write, dn: DN, attributes: Attributes) -> Attributes:
        _refuse_constructed([description for description, _ in attributes])
        unicode_pwd = [values for description, values in attributes if is_unicode_pwd(description)]
        reset = added(unicode_pwd[0], strength=write.strength) if unicode_pwd else None
        attributes = tuple(
            [
                (name, meant(write, name, values, self._domain))
                for name, values in attributes
                if not is_unicode_pwd(name)
            ]
        )
        given = Entry(dn, [each for each in attributes if not write.schema.is_secret(each[0])])
        kind = kind_of(given.get("objectClass"))
        kept = tuple([each for each in attributes if write.schema.is_secret(each[0])])
        if kind.is_account and (reset or kept) and "pwdLastSet" not in given:
            attributes += (("pwdLastSet", (b"-1",)),)
        uuid = UUID(bytes=self._random(16), version=4)
        creation = Creation(
            dn,
            schema_naming_context(self._domain),
            write.clock.now(),
            self._usn,
            guid_of_uuid(str(uuid)),
            self._rids.allocate() if kind.is_principal else None,
            account_name=lambda: self._free_name(write, given),
        )
        completed = complete((*attributes, ("entryUUID", (str(uuid).encode(),))), creation)
        if reset is None:
            return tuple(completed)
        entry = Entry(dn, [each for each in completed if not write.schema.is_secret(each[0])])
        try:
            return (*entry, *write.with_password(entry, kept, reset.new.encode()))
        except InvalidPassword:
            raise against_policy(reset) from None

    def _free_name(self, write: Write, entry: Entry) -> str:
        name = _account_name(entry, self._random)
        taken = any(True for _ in write.having("sAMAccountName", name.encode()))
        return generated_account_name(self._random) if taken else name

    def _changed(self, write: Write, before: Entry, attributes: Attributes) -> Attributes:
        draft = Draft(attributes, write.schema)
        entry = Entry(before.dn, [each for each in attributes if not write.schema.is_secret(each[0])])
        for name, values in changed(write.clock.now(), self._usn).items():
            draft.replace(name, values)
        for number in _differing(before, entry, "pwdLastSet"):
            draft.replace("pwdLastSet", (pwd_last_set(b"%d" % number, write.clock.now()),))
        if _is_account(entry) and "pwdLastSet" not in entry:
            draft.replace("pwdLastSet", (b"0",))  # as of an account that never had a password
        for number in _differing(before, entry, "groupType"):
            draft.replace("sAMAccountType", (b"%d" % account_control.account_type_of_group(number),))
        for number in _differing(before, entry, "primaryGroupID"):
            self._check_primary_group(write, before, number)
        for number in _differing(before, entry, "userAccountControl"):
            control = account_control.stored(number)
            draft.replace("userAccountControl", (b"%d" % control,))
            for name, values in in_step(before.number("userAccountControl") or 0, control).items():
                draft.replace(name, values)
        return draft.attributes

    def _group(self, view: View, rid: int) -> Entry | None:
        return next(view.having("objectSid", with_rid(self._rids.domain, rid)), None) if is_rid(rid) else None

    def _check_primary_group(self, write: Write, account: Entry, rid: int) -> None:
        group = self._group(write, rid)
        primary_group.check_becoming_primary(
            account, () if group is None else self._links.pointing("memberOf", group.dn)
        )

    def _check_unique(self, write: Write, before: Entry, attributes: Attributes) -> None:
        for name in UNIQUE:
            values = next((values for each, values in attributes if each.lower() == name.lower()), ())
            there = before.get(name)
            for value in values:
                if value in there:
                    continue
                for other in write.having(name, value):
                    if other.dn.key != before.dn.key:
                        raise name_taken(name, group=kind_of(other.get("objectClass")) is Kind.GROUP)

    # What follows in others

    def done(self, write: Write, written: Written) -> None:
        """See `Profile`."""
        before, after = written.before, written.after
        self._privileges.written(before, after)
        if not write.loading:
            self._following.link(write, before, after)
        if before is None:
            return
        if after is None:
            self._usn += 0 if write.loading else 1
            self._following.point_elsewhere(write, before.dn, None)
        elif str(before.dn) != str(after.dn):
            self._following.renamed(write, before.dn, after)
        elif not write.loading:
            self._swap_primary_group(write, before, after)

    def _swap_primary_group(self, write: Write, before: Entry, after: Entry) -> None:
        """The new primary group lists the account no longer, the one it was does: [MS-SAMR] 3.1.1.8.2."""
        for rid in _differing(before, after, "primaryGroupID"):
            was = before.number("primaryGroupID")
            self._following.list_member(write, self._group(write, rid), after.dn, listed=False)
            self._following.list_member(
                write, None if was is None else self._group(write, was), after.dn, listed=True
            )


_USN = ("uSNCreated", "uSNChanged")
_LOOKED_UP = ("objectSid", "sIDHistory", "objectGUID", "displayName", "cn", "uid", "ou", *UNIQUE)
_PWD_LAST_SET = frozenset(("pwdlastset", "1.2.840.113556.1.4.96"))
_SUB_AUTHORITIES = 5  # of an account in a domain: 21, three that are the domain's own, and the RID


def _taken_from(entries: list[Entry]) -> Iterator[Entry]:
    """One after the other, and not kept here, once it has become another."""
    entries.reverse()
    while entries:
        yield entries.pop()


def _is_sid(octets: bytes) -> bool:
    try:
        check_sid(octets)
    except InvalidSID:
        return False
    return True


def _is_account(entry: Entry) -> bool:
    return kind_of(entry.get("objectClass")).is_account


def _account_name(entry: Entry, octets: Callable[[int], bytes]) -> str:
    """What an account is called that brings no sAMAccountName: as its uid, which people know it by, or made up."""
    uid = next(iter(entry.get("uid")), b"").decode("utf-8", "replace")
    return uid or generated_account_name(octets)


def _derived(dn: DN) -> Callable[[int], bytes]:
    """Octets that are the same whenever an entry of this name is loaded."""
    return lambda count: sha256(str(dn).lower().encode()).digest()[:count]


def _refuse_constructed(descriptions: Iterable[str]) -> None:
    for description in descriptions:
        if is_constructed(description):
            raise OperationRefused(ResultCode.CONSTRAINT_VIOLATION, f"{description}: is worked out, and not written")


def _replace(name: str, values: Sequence[bytes]) -> Change:
    return Change(ModifyOperation.REPLACE, PartialAttribute(name, tuple(values)))


def _differing(before: Entry, after: Entry, name: str) -> list[int]:
    """The number that an attribute has become; nothing when it is what it was, or is no number."""
    number = after.number(name)
    return [] if number is None or after.get(name) == before.get(name) else [number]
