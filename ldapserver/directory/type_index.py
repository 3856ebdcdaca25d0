"""The index of one attribute type: the keys of its values, and the nodes under each (for `index.py`)."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any

from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Values
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
from ldapserver.wire.filters import (
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Present,
    Substrings,
)

# Nearly every key has one node, so only a key that has more has a collection, which keeps the order they came in.
NodesByKey = dict[object, Node | dict[Node, None]]

COUNTED = 64  # keys whose nodes are counted to the last one: of more keys, the keys are
COMBINATIONS = 1024  # of object classes in one entry that are looked through: real directories have a few dozen

OBJECT_CLASS = "2.5.4.0"

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


NONE = Candidates(0, list)  # what is false or Undefined of every entry


class TypeIndex:
    """The nodes by the keys of what they hold under one type.

    `unread` are those that were there when it was made and are not in it yet.
    """

    __slots__ = (
        *("_key", "_names", "_ordered", "_type", "_values", "_waiting"),
        *("keyless", "nodes", "oid", "present", "unread"),
    )

    def __init__(
        self, schema: Schema, attribute_type: AttributeType, entries: dict[Node, Entry], key: Key = octet_string
    ) -> None:
        self.oid = attribute_type.oid
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
        if self._values.alike(old, new):
            return
        before, after = self._values(old), self._values(new)
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

    def places(self, old: Entry, new: Entry) -> tuple[int, int] | None:
        """Where the one attribute is that it reads of entries of these two shapes.

        (-1, -1) where it is not one, None where neither has any.
        """
        before, after = self._values.places(old), self._values.places(new)
        if not before and not after:
            return None
        return (before[0], after[0]) if len(before) == 1 == len(after) else (-1, -1)

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

    def up_to(self, most: int, value: bytes) -> Sequence[Node] | None:
        """The nodes that hold what equals this value, None when they are more than `most`."""
        try:
            found = self.nodes.get(self._key(value))
        except ValueError:
            return ()  # Undefined of every entry
        if found is None:
            return ()
        if isinstance(found, Node):
            return (found,)
        return list(found) if len(found) <= most else None

    def has(self, entry: Entry, value: bytes) -> bool:
        """Whether the entry holds this very value, octet for octet."""
        held = self._values(entry)
        return value in held[0] if len(held) == 1 else any(value in each for each in held)

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


class ObjectClassIndex(TypeIndex):
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
            return NONE
        keys = [key for key in self.nodes if _belongs(key, wanted, schema)]
        return Candidates(sum(_size(self.nodes[key]) for key in keys), lambda: self._under(keys, ()))


def indexable(attribute_type: AttributeType) -> bool:
    """Whether a value has one key for good: what an object identifier is called depends on the schema."""
    return attribute_type.oid == OBJECT_CLASS or (attribute_type.equality or "").lower() in EQUALITY


def _belongs(classes: Any, wanted: str, schema: Schema) -> bool:
    return any(wanted in schema.lineage(name.decode("utf-8", "replace")) for name in classes)


def type_index(schema: Schema, attribute_type: AttributeType, entries: dict[Node, Entry]) -> TypeIndex:
    """The index of an indexable type, with nothing read yet."""
    if attribute_type.oid == OBJECT_CLASS:
        return ObjectClassIndex(schema, attribute_type, entries)
    return TypeIndex(schema, attribute_type, entries, EQUALITY[(attribute_type.equality or "").lower()].key)


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
