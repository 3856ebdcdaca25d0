"""Which entries of a tree may be what a filter asks for: what a search looks at instead of all of them.

An index of a type is made when a search first asks for that type, and kept right from then on: a directory that is
searched by uid alone pays for nothing else, and starts as quickly as it reads. What is found is never too little:
every entry that the filter is true of is among the candidates, and the filter is put to each of them. In which order
they come is not said, as it is not of a search's results (RFC 4511 section 4.5.2 sets none).
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from ldapserver.directory.computed import NOTHING, ByName
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Values, readable_type
from ldapserver.directory.likely import MANY, likely
from ldapserver.directory.matching import (
    EQUALITY,
    ORDERING,
    Key,
    case_exact,
    case_exact_ia5,
    case_ignore,
    case_ignore_ia5,
    distinguished_name,
    numeric_string,
    octet_string,
    telephone_number,
)
from ldapserver.directory.schema import AttributeType, Schema
from ldapserver.directory.tree import Node
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import (
    And,
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Or,
    Present,
    Substrings,
)

# Nearly every key has one node, so only a key that has more has a collection, which keeps the order they came in.
NodesByKey = dict[object, Node | dict[Node, None]]

# What clients look entries up by: names people type, what joins an account to its groups, identifiers, and the times
# and numbers that who synchronises asks beyond. A type nobody asks for costs nothing.
INDEXED = (
    *("uid", "cn", "sn", "givenName", "displayName", "mail", "employeeNumber", "telephoneNumber"),
    *("sAMAccountName", "userPrincipalName", "servicePrincipalName", "proxyAddresses", "objectGUID", "objectSid"),
    *("member", "uniqueMember", "memberUid", "memberOf", "uidNumber", "gidNumber", "primaryGroupID", "sIDHistory"),
    *("manager", "managedBy", "owner", "nonSecurityMember"),
    *("objectClass", "ou", "dc", "o", "entryUUID", "createTimestamp", "modifyTimestamp", "whenChanged", "uSNChanged"),
)

STEP = 1024  # entries taken into an index between two chances to pause: about a millisecond of work
COUNTED = 64  # keys whose nodes are counted to the last one: of more keys, the keys are
COMBINATIONS = 1024  # of object classes in one entry that are looked through: real directories have a few dozen

_OBJECT_CLASS = "2.5.4.0"

# The substrings rules that begin a text where its equality key begins: only the blanks between words differ.
_BEGINNINGS: dict[str, Key] = {
    "caseignoresubstringsmatch": case_ignore,
    "caseignoreia5substringsmatch": case_ignore_ia5,
    "caseexactsubstringsmatch": case_exact,
    "caseexactia5substringsmatch": case_exact_ia5,
    "numericstringsubstringsmatch": numeric_string,
    "telephonenumbersubstringsmatch": telephone_number,
}


class Candidates:
    """About how many nodes, and which: they are collected only once it is known that no others are fewer."""

    __slots__ = ("collect", "count")

    def __init__(self, count: int, collect: Callable[[], list[Node]]) -> None:
        self.count = count
        self.collect = collect


_NONE = Candidates(0, list)  # what is false or Undefined of every entry


class Index:
    """The nodes by what they hold under each of `types`, in that type's own matching."""

    def __init__(
        self,
        schema: Schema,
        types: Iterable[str] = INDEXED,
        find: Callable[[DN], Node | None] = lambda _: None,
    ) -> None:
        """`find` gives the node of a name, for attributes that lead to names."""
        self._names = tuple(types)
        self._find = find
        self._entries: dict[Node, Entry] = {}
        self._held: dict[str, Held] = {}  # by OID, those that were asked for
        self._oids: frozenset[str] = frozenset()
        self._schema = schema
        self._adopt(schema)

    def add(self, node: Node, entry: Entry) -> None:
        """Let `entry`, which is at `node`, be found."""
        self._entries[node] = entry
        for held in self._held.values():
            held.add(node, entry)

    def remove(self, node: Node, entry: Entry) -> None:
        """Undo `add(node, entry)`: the entry as it was then, whatever stands at `node` now."""
        del self._entries[node]
        for held in self._held.values():
            held.remove(node, entry)

    def change(self, node: Node, old: Entry, new: Entry) -> None:
        """`remove(node, old)` and `add(node, new)`, at the price of what is different."""
        self._entries[node] = new
        for held in self._held.values():
            held.change(node, old, new)

    def prepare(self, filter: Filter, schema: Schema, computed: ByName = NOTHING) -> Iterator[None]:
        """Make what `candidates` will need for `filter`; after each `STEP` entries others may have a turn."""
        for held in self._asked(filter, schema, computed):
            held.read(STEP)
            while held.unread:
                yield
                held.read(STEP)

    def candidates(self, filter: Filter, schema: Schema, computed: ByName = NOTHING) -> list[Node] | None:
        """Nodes among which are all that `filter` is true of, or None when that may be half of them or more.

        `computed` are the attributes that no entry stores, about which only is known what they say themselves.
        """
        for held in self._asked(filter, schema, computed):
            held.read(len(self._entries))
        found = self._plan(filter, schema, computed)
        return None if found is None or found.count > len(self._entries) // 2 else found.collect()

    def _plan(self, filter: Filter, schema: Schema, computed: ByName) -> Candidates | None:
        match filter:
            case And(filters):
                plans = [self._plan(each, schema, computed) for each in filters]
                # One of them bounds what all have in common, and so the least does.
                return min((plan for plan in plans if plan is not None), key=lambda plan: plan.count, default=None)
            case Or(filters):
                return self._either(filters, schema, computed)
            case _:
                held = self._of(filter, schema, computed)
                try:
                    return self._led_to(filter, schema, computed) if held is None else held.plan(filter, schema)
                except ValueError:
                    return _NONE  # what is asserted is no value of the type: Undefined of every entry

    def _led_to(self, filter: Filter, schema: Schema, computed: ByName) -> Candidates | None:
        """The entries that a computed attribute leads to, where it does."""
        attribute_type = schema.attribute_type(filter.attribute) if isinstance(filter, Equality) else None
        if not isinstance(filter, Equality) or attribute_type is None:
            return None
        having = computed[attribute_type.oid].having if attribute_type.oid in computed else None
        if having is None:
            return None
        nodes = [node for dn in having(filter.value) if (node := self._find(dn)) is not None]
        return Candidates(len(nodes), lambda: nodes)

    def _either(self, filters: Iterable[Filter], schema: Schema, computed: ByName) -> Candidates | None:
        plans: list[Candidates] = []
        for each in filters:
            plan = self._plan(each, schema, computed)
            if plan is None:
                return None
            plans.append(plan)
        count = sum(plan.count for plan in plans)
        return Candidates(count, lambda: list(dict.fromkeys(chain.from_iterable(plan.collect() for plan in plans))))

    def _asked(self, filter: Filter, schema: Schema, computed: ByName) -> "Iterator[Held]":
        """The indexes that `filter` can use."""
        if isinstance(filter, And | Or):
            for each in filter.filters:
                yield from self._asked(each, schema, computed)
        else:
            held = self._of(filter, schema, computed)
            if held is not None:
                yield held

    def _of(self, filter: Filter, schema: Schema, computed: ByName) -> "Held | None":
        """The index of the type that an item is about. A negation has none: it is true of most entries."""
        if schema is not self._schema:
            self._adopt(schema)
        description = getattr(filter, "attribute", None)
        attribute_type = schema.attribute_type(description) if description is not None else None
        if attribute_type is None or attribute_type.oid in computed:
            return None
        # Every entry has an objectClass (RFC 4512 section 2.4), and is asked for so when all are wanted.
        if attribute_type.oid == _OBJECT_CLASS and isinstance(filter, Present):
            return None
        held = self._held.get(attribute_type.oid)
        if held is None and attribute_type.oid in self._oids:
            held = self._held[attribute_type.oid] = _held(schema, attribute_type, self._entries)
        return held

    def _adopt(self, schema: Schema) -> None:
        """Go by this schema: an index stays where its type is what it was, and so are the subtypes below that."""
        self._schema = schema
        known = [readable_type(schema, name) for name in self._names]
        self._oids = frozenset(each.oid for each in known if each and _indexable(each))
        for oid, held in tuple(self._held.items()):
            if oid not in self._oids or not held.still(schema):
                del self._held[oid]


class Held:
    """The nodes by the keys of what they hold under one type.

    `unread` are those that were there when it was made and are not in it yet.
    """

    __slots__ = (
        *("_key", "_names", "_ordered", "_type", "_values", "_waiting"),
        *("keyless", "nodes", "present", "unread"),
    )

    def __init__(
        self, schema: Schema, attribute_type: AttributeType, entries: dict[Node, Entry], key: Key = octet_string
    ) -> None:
        self._key = key
        self._type = attribute_type
        self._names = schema.with_subtypes(attribute_type)
        self._values = Values(schema, attribute_type, attribute_type.oid)
        self._ordered: list[Any] | None = None  # the keys of `nodes`, once somebody has asked for some of a range
        self.nodes: NodesByKey = {}
        self.keyless: dict[Node, None] = {}  # those that hold values, none of which matches anything
        self.present = 0  # how many hold values
        self.unread = entries.copy()
        self._waiting = iter(tuple(entries))  # the order to read them in

    def still(self, schema: Schema) -> bool:
        """Whether all that was read would be read the same by this schema."""
        oid = self._type.oid
        return schema.attribute_type(oid) == self._type and schema.with_subtypes(self._type) == self._names

    def read(self, count: int) -> None:
        """Take in so many of the unread."""
        if not self.unread:
            return
        for node in islice(self._waiting, count):
            entry = self.unread.pop(node, None)
            if entry is not None:
                self.add(node, entry)
        if not self.unread:
            self.unread = {}  # an emptied one keeps its room

    def add(self, node: Node, entry: Entry) -> None:
        """Take in what `entry` holds."""
        held = self._values(entry)
        if not held:
            return
        self.present += 1
        keys = self._keys(held)
        if not keys:
            self.keyless[node] = None
        for key in keys:
            self._put(key, node)

    def remove(self, node: Node, entry: Entry) -> None:
        """Undo `add`."""
        if self.unread and self.unread.pop(node, None) is not None:
            return
        held = self._values(entry)
        if not held:
            return
        self.present -= 1
        self.keyless.pop(node, None)
        for key in self._keys(held):
            self._drop(key, node)

    def change(self, node: Node, old: Entry, new: Entry) -> None:
        """`remove` the one and `add` the other: where many values stay, only those that come and go are looked at."""
        if node in self.unread:
            self.unread[node] = new
            return
        before, after = self._values(old), self._values(new)
        if before == after:
            return
        was, now = set(chain.from_iterable(before)), set(chain.from_iterable(after))
        kept, gone, come = tuple(was & now), tuple(was - now), tuple(now - was)
        if len(kept) < MANY or not self._have_key(kept):
            self.remove(node, old)
            self.add(node, new)
            return
        for key in self._keys([gone]) - self._keys([self._alike(kept, gone)]):
            self._drop(key, node)
        for key in self._keys([come]):
            self._put(key, node)

    def _have_key(self, values: Iterable[bytes]) -> bool:
        return any(self._keys([(value,)]) for value in values)

    def _alike(self, values: Sequence[bytes], gone: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those of `values` that may have the keys of others: a value may stand there in two spellings."""
        if not gone or self._key is not distinguished_name:
            return tuple(values) if gone else ()
        return tuple([values[at] for each in gone for at in likely(values, each)])

    def _put(self, key: object, node: Node) -> None:
        if self._ordered is not None and key not in self.nodes:
            insort(self._ordered, key)
        put(self.nodes, key, node)

    def _drop(self, key: Any, node: Node) -> None:
        drop(self.nodes, key, node)
        if self._ordered is not None and key not in self.nodes:
            del self._ordered[bisect_left(self._ordered, key)]

    def _keys(self, held: Iterable[tuple[bytes, ...]]) -> set[object]:
        keys = set()
        for each in held:
            for value in each:
                try:
                    keys.add(self._key(value))
                except ValueError:
                    continue  # the value matches nothing
        return keys

    def plan(self, filter: Filter, schema: Schema) -> Candidates | None:
        """What an item about this type is true of at most. Raises ValueError when it is Undefined of every entry."""
        match filter:
            case Equality(_, value) | Approximate(_, value) | Extensible(None, _, value, False):
                return self._at(self._key(value))
            case Present():
                return Candidates(self.present, lambda: self._under((*self.nodes,), self.keyless))
            case Substrings(_, initial) if initial is not None:
                return self._beginning(initial)
            case GreaterOrEqual(_, value) if self._sorts():
                return self._between((self._key(value), None))
            case LessOrEqual(_, value) if self._sorts():
                return self._up_to(self._key(value))
            case _:
                return None

    def _at(self, key: object) -> Candidates:
        return Candidates(_size(self.nodes.get(key)), lambda: taken(self.nodes, key))

    def _sorts(self) -> bool:
        """Whether the keys sort as the type's ordering rule has it."""
        rule = ORDERING.get((self._type.ordering or "").lower())
        return rule is not None and rule.key is self._key

    def _up_to(self, bound: object) -> Candidates:
        below = self._between((None, bound))
        equal = self._at(bound)
        return Candidates(below.count + equal.count, lambda: [*below.collect(), *equal.collect()])

    def _beginning(self, initial: bytes) -> Candidates | None:
        """Those whose keys begin as `initial` does, as far as that is ASCII.

        Where it stops being so, preparing it (RFC 4518 section 2.3) may have made its last letter one with an accent
        that comes behind it: then a key goes on, in that letter's place, with something that is not ASCII.
        """
        if _BEGINNINGS.get((self._type.substr or "").lower()) is not self._key:
            return None
        letters = next((at for at, octet in enumerate(initial) if octet >= 0x80), len(initial))
        first: str = self._key(initial[:letters]) if letters else ""
        if not first:
            return None
        before = first[:-1]
        return self._between((first, _after(first)), (before + "\x80", _after(before)))

    def _between(self, *ranges: tuple[Any, Any]) -> Candidates:
        """The nodes of the keys from the first of each pair on, up to and without the second; None is no bound."""
        if self._ordered is None:
            self._ordered = sorted(self.nodes)  # keys of one rule, and one that sorts
        ordered = self._ordered
        places = [
            range(
                0 if first is None else bisect_left(ordered, first),
                len(ordered) if stop is None else bisect_left(ordered, stop),
            )
            for first, stop in ranges
        ]
        count = sum(map(len, places))
        if count <= COUNTED:
            count = sum(_size(self.nodes[ordered[at]]) for at in chain(*places))
        # Where they are and no more: a filter may name a hundred thousand ranges, of which one is looked at.
        return Candidates(count, lambda: self._under((ordered[at] for at in chain(*places)), ()))

    def _under(self, keys: Iterable[object], more: Iterable[Node]) -> list[Node]:
        """The nodes under these keys, each once, and `more`."""
        found: dict[Node, None] = dict.fromkeys(more)
        for key in keys:
            nodes = self.nodes[key]
            if isinstance(nodes, Node):
                found[nodes] = None
            else:
                found |= nodes
        return list(found)


class HeldClasses(Held):
    """The nodes by all the object classes that each names.

    Which classes an entry belongs to is asked of the schema when they are looked for, for it may have learned of a
    class since; and there are few combinations to ask about.
    """

    __slots__ = ()

    def change(self, node: Node, old: Entry, new: Entry) -> None:
        """The classes are one key together."""
        if node in self.unread:
            self.unread[node] = new
        elif self._values(old) != self._values(new):
            self.remove(node, old)
            self.add(node, new)

    def _keys(self, held: Iterable[tuple[bytes, ...]]) -> set[object]:
        return set(held)

    def plan(self, filter: Filter, schema: Schema) -> Candidates | None:
        """Those of the class and of the classes below it (RFC 4512 section 3.3)."""
        if not isinstance(filter, Equality | Approximate) or len(self.nodes) > COMBINATIONS:
            return None
        wanted = schema.oid(filter.value.decode("ascii"))
        if wanted is None:
            return _NONE
        keys = [key for key in self.nodes if _belongs(key, wanted, schema)]
        return Candidates(sum(_size(self.nodes[key]) for key in keys), lambda: self._under(keys, ()))


def _indexable(attribute_type: AttributeType) -> bool:
    """Whether a value has one key for good: what an object identifier is called depends on the schema."""
    return attribute_type.oid == _OBJECT_CLASS or (attribute_type.equality or "").lower() in EQUALITY


def _belongs(classes: Any, wanted: str, schema: Schema) -> bool:
    return any(wanted in schema.lineage(name.decode("utf-8", "replace")) for name in classes)


def _held(schema: Schema, attribute_type: AttributeType, entries: dict[Node, Entry]) -> Held:
    if attribute_type.oid == _OBJECT_CLASS:
        return HeldClasses(schema, attribute_type, entries)
    return Held(schema, attribute_type, entries, EQUALITY[(attribute_type.equality or "").lower()].key)


def _after(text: str) -> str | None:
    """The first text behind all that begin with this one, which is ASCII; None when all do."""
    return text[:-1] + chr(ord(text[-1]) + 1) if text else None


def _size(nodes: Node | dict[Node, None] | None) -> int:
    if nodes is None:
        return 0
    return 1 if isinstance(nodes, Node) else len(nodes)


def put(nodes: NodesByKey, key: object, node: Node) -> None:
    """Add `node` under `key`."""
    known = nodes.setdefault(key, node)
    if isinstance(known, dict):
        known[node] = None
    elif known is not node:
        nodes[key] = {known: None, node: None}


def drop(nodes: NodesByKey, key: object, node: Node) -> None:
    """Undo `put`, if it was done."""
    known = nodes.get(key)
    if known is node:
        del nodes[key]
    elif isinstance(known, dict) and node in known:
        del known[node]
        if len(known) == 1:
            nodes[key] = next(iter(known))


def taken(nodes: NodesByKey, key: object) -> list[Node]:
    """All nodes under `key`."""
    found = nodes.get(key)
    if found is None:
        return []
    return [found] if isinstance(found, Node) else list(found)
