"""Linked attributes: a value in one entry makes a back link in another ([MS-ADTS] 3.1.1.1.6).

A group's `member` is written; `memberOf` of who is in it is found from there, and never stored. So it is of every
pair, and the primary group, which is written as a number in its member, is in neither.
"""

from collections.abc import Callable, Iterable

from ldapserver.directory.entry import Entry
from ldapserver.wire.dn import DN, InvalidDN, Key
from ldapserver.wire.filters import Equality, Extensible, Filter, Or

# Forward link to back link, [MS-ADA1] to [MS-ADA3]: linkID 2n and 2n+1.
LINKS = {
    "member": "memberOf",
    "manager": "directReports",
    "managedBy": "managedObjects",
    "owner": "ownerBL",
    "nonSecurityMember": "nonSecurityMemberBL",
}
FORWARD = {back.lower(): forward for forward, back in LINKS.items()}
FORWARD_NAMES = {forward.lower(): forward for forward in LINKS}

IN_CHAIN = "1.2.840.113556.1.4.1941"  # LDAP_MATCHING_RULE_TRANSITIVE_EVAL, [MS-ADTS] 3.1.1.3.4.4.3

Pointing = Callable[[str, DN], Iterable[DN]]


class Links:
    """Who points to whom, kept along with the entries."""

    def __init__(self) -> None:
        self._names: dict[Key, DN] = {}  # of the entries that point, by key
        # By forward link, and then by the key of who points, or of who is pointed to.
        self._targets: dict[str, dict[Key, dict[Key, DN]]] = {forward: {} for forward in LINKS}
        self._sources: dict[str, dict[Key, dict[Key, None]]] = {forward: {} for forward in LINKS}

    def put(self, entry: Entry) -> None:
        """Take in an entry as it is now, in place of what it was."""
        self.drop(entry.dn)
        for forward in LINKS:
            self.enter(entry.dn, forward, _names(entry.get(forward)))

    def enter(self, dn: DN, forward: str, names: Iterable[DN]) -> None:
        """Take in that `dn`, of which no link `forward` is known, points to these. The names themselves are kept."""
        targets = {target.key: target for target in names}
        if not targets:
            return
        key, sources = dn.key, self._sources[forward]
        self._names[key] = dn
        self._targets[forward][key] = targets
        for target in targets:
            sources.setdefault(target, {})[key] = None

    def change(self, before: Entry, after: Entry) -> None:
        """Take in an entry that has changed under its name: of a group of thousands only who has come and gone."""
        key = after.dn.key
        for forward in LINKS:
            old, new = before.get(forward), after.get(forward)
            if old == new:
                continue
            targets = self._targets[forward].get(key, {})
            if len(targets) != len(old):  # one that is no name, or two of one entry: look at all of them
                self.put(after)
                return
            there, come = set(old), {dn.key: dn for dn in _names(set(new) - set(old))}
            for target in {dn.key for dn in _names(there - set(new))}:
                self._forget(key, forward, target)
                del targets[target]
            for target, dn in come.items():
                self._names[key] = after.dn
                targets[target] = dn
                self._sources[forward].setdefault(target, {})[key] = None
            if targets:
                self._targets[forward][key] = targets
            else:
                self._targets[forward].pop(key, None)

    def drop(self, dn: DN) -> None:
        """Forget what the entry `dn` points to; what points to it stays until it is written otherwise."""
        key = dn.key
        if self._names.pop(key, None) is None:
            return
        for forward in LINKS:
            for target in self._targets[forward].pop(key, ()):
                self._forget(key, forward, target)

    def copy(self) -> "Links":
        """The same, to keep."""
        other = Links()
        other.become(self)
        return other

    def become(self, other: "Links") -> None:
        """Be what `other` is."""
        self._names = dict(other._names)
        self._targets = {
            forward: {key: dict(targets) for key, targets in known.items()}
            for forward, known in other._targets.items()
        }
        self._sources = {
            forward: {key: dict(sources) for key, sources in known.items()}
            for forward, known in other._sources.items()
        }

    def _forget(self, key: Key, forward: str, target: Key) -> None:
        sources = self._sources[forward][target]
        del sources[key]
        if not sources:
            del self._sources[forward][target]

    def pointing(self, attribute: str, dn: DN) -> list[DN]:
        """The entries whose linked attribute `attribute`, forward or back, has the value `dn`; of another none."""
        name = attribute.lower()
        if name in FORWARD_NAMES:
            return [self._names[key] for key in self._sources[FORWARD_NAMES[name]].get(dn.key, ())]
        if name in FORWARD:
            return list(self._targets[FORWARD[name]].get(dn.key, {}).values())
        return []

    def back(self, attribute: str, dn: DN) -> tuple[bytes, ...]:
        """The values of the back link `attribute` of the entry `dn`."""
        return tuple([str(source).encode() for source in self.pointing(FORWARD[attribute.lower()], dn)])


def is_linked(attribute: str) -> bool:
    """Whether a name is that of a linked attribute, forward or back."""
    return attribute.lower() in FORWARD_NAMES or attribute.lower() in FORWARD


def chain(attribute: str, dn: DN, pointing: Pointing) -> list[DN]:
    """`dn`, and every entry from which it is reached through `attribute` and to which others point in turn.

    Whoever has one of these as a value of `attribute` reaches `dn`, directly or not. `pointing(attribute, dn)` gives
    the entries that have `dn` as a value; circles do no harm.
    """
    reached = {dn.key: dn}
    waiting = [dn]
    while waiting:
        for each in pointing(attribute, waiting.pop()):
            if each.key not in reached:
                reached[each.key] = each
                waiting.append(each)
    # The leaves, all the users of a group, are found by the values they have: nobody points to them.
    return [each for each in reached.values() if each.key == dn.key or any(True for _ in pointing(attribute, each))]


def in_chain(filter: Extensible, pointing: Pointing) -> Filter:
    """The filter that says the same as one with the rule `IN_CHAIN`, in equality matches.

    One on an attribute that is no link, or with a value that is no DN, stays: nothing knows the rule, so it is
    Undefined.
    """
    if filter.matching_rule != IN_CHAIN or filter.attribute is None or not is_linked(filter.attribute):
        return filter
    try:
        dn = DN.parse(filter.value.decode())
    except (InvalidDN, UnicodeDecodeError):
        return filter
    attribute = filter.attribute
    return Or(tuple([Equality(attribute, str(each).encode()) for each in chain(attribute, dn, pointing)]))


def token_groups(
    dn: DN, primary_group: DN | None, groups_of: Callable[[DN], Iterable[DN]], sid_of: Callable[[DN], bytes | None]
) -> tuple[bytes, ...]:
    """The values of tokenGroups: the SIDs of all security groups that `dn` is in ([MS-ADTS] 3.1.1.4.5.19).

    Through its primary group too. `groups_of` gives the groups that list a name as member, `sid_of` the SID of a
    security group and None for a distribution group, which gives no rights and passes none on.
    """
    sids: dict[bytes, None] = {}
    seen = {dn.key}
    waiting = [*groups_of(dn), *([] if primary_group is None else [primary_group])]
    while waiting:
        group = waiting.pop()
        if group.key in seen:
            continue
        seen.add(group.key)
        sid = sid_of(group)
        if sid is not None:
            sids[sid] = None
            waiting += groups_of(group)
    return tuple(sids)


def _names(values: Iterable[bytes]) -> Iterable[DN]:
    for value in values:
        try:
            yield DN.parse(value.decode())
        except (InvalidDN, UnicodeDecodeError):
            continue  # no name, so nobody is pointed to; the schema refuses it where it checks
