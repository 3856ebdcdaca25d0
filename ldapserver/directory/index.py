"""Which entries of a tree may be what a filter asks for: what a search looks at instead of all of them.

An index of a type is made when a search first asks for that type, and kept right from then on: a directory that is
searched by uid alone pays for nothing else, and starts as quickly as it reads. What is found is never too little:
every entry that the filter is true of is among the candidates, and the filter is put to each of them. In which order
they come is not said, as it is not of a search's results (RFC 4511 section 4.5.2 sets none).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from ldapserver.directory.computed import NOTHING, ByName
from ldapserver.directory.entry import Entry, Shape
from ldapserver.directory.evaluation import readable_type
from ldapserver.directory.schema import Schema
from ldapserver.directory.tree import Node
from ldapserver.directory.type_index import NONE, OBJECT_CLASS, Candidates, TypeIndex, indexable, type_index
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import (
    And,
    Equality,
    Filter,
    Or,
    Present,
)

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
NAMES = 256  # descriptions, as clients write them, of which is known where they lead
LONGEST = 64  # characters of one that is kept
PAIRS = 1024  # of shapes that entries have had before a change and after it, for which it is known where to look


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
        self.made: dict[str, TypeIndex] = {}  # by OID, those that were asked for
        self._places: dict[tuple[Shape, Shape], list[tuple[TypeIndex, int, int]]] = {}  # where each finds its values
        self._oids: frozenset[str] = frozenset()
        self._named: dict[str, TypeIndex] = {}  # by description, as clients have written it
        self._schema = schema
        self._adopt(schema)

    def add(self, node: Node, entry: Entry) -> None:
        """Let `entry`, which is at `node`, be found."""
        self._entries[node] = entry
        for index in self.made.values():
            index.add(node, entry)

    def remove(self, node: Node, entry: Entry) -> None:
        """Undo `add(node, entry)`: the entry as it was then, whatever stands at `node` now."""
        del self._entries[node]
        for index in self.made.values():
            index.remove(node, entry)

    def change(self, node: Node, old: Entry, new: Entry) -> None:
        """`remove(node, old)` and `add(node, new)`, at the price of what is different."""
        self._entries[node] = new
        pair = old.shape, new.shape
        places = self._places.get(pair)
        if places is None:
            if len(self._places) >= PAIRS:
                self._places.clear()
            found = [(index, index.places(old, new)) for index in self.made.values()]
            places = self._places[pair] = [(index, *at) for index, at in found if at is not None]
        for index, before, after in places:
            # The value of most types is what it was, and that is seen here.
            if before < 0 or old.values[before] != new.values[after] or index.unread:
                index.change(node, old, new)

    def note(self, node: Node, old: Entry, new: Entry, oids: Iterable[str]) -> None:
        """`change(node, old, new)` where nothing but the attributes of these types is different."""
        self._entries[node] = new
        for oid in oids:
            if oid in self.made:
                self.made[oid].change(node, old, new)

    def prepare(self, filter: Filter, schema: Schema, computed: ByName = NOTHING) -> Iterator[None]:
        """Make what `candidates` will need for `filter`; after each `STEP` entries others may have a turn."""
        for index in self._asked(filter, schema, computed):
            index.read(STEP)
            while index.unread:
                yield
                index.read(STEP)

    def candidates(self, filter: Filter, schema: Schema, computed: ByName = NOTHING) -> list[Node] | None:
        """Nodes among which are all that `filter` is true of, or None when that may be half of them or more.

        `computed` are the attributes that no entry stores, about which only is known what they say themselves.
        """
        for index in self._asked(filter, schema, computed):
            index.read(len(self._entries))
        found = self._plan(filter, schema, computed)
        return None if found is None or found.count > len(self._entries) // 2 else found.collect()

    def up_to(self, most: int, filter: Filter, schema: Schema, computed: ByName) -> Sequence[Node] | None:
        """The same where they are `most` at most and every index is there to say so; otherwise None."""
        if isinstance(filter, And):
            # One of them bounds what all have in common: who is looked up by uid need not be by class.
            for each in filter.filters:
                if isinstance(each, Equality) and (index := self.whole(each, schema, computed)) is not None:
                    bounded = index.up_to(most, each.value)
                    if bounded is not None:
                        return bounded
        if any(index.unread for index in self._asked(filter, schema, computed)):
            return None
        found = self._plan(filter, schema, computed)
        return None if found is None or found.count > most else found.collect()

    def whole(self, filter: Equality, schema: Schema, computed: ByName) -> TypeIndex | None:
        """What says by itself of which nodes the filter is true; None where that is not there, or is not whole."""
        index = self._of(filter, schema, computed)
        # Of a description with options it says which nodes may be meant; that of object classes is another.
        if index is None or index.unread or ";" in filter.attribute or index.oid == OBJECT_CLASS:
            return None
        return index

    def _plan(self, filter: Filter, schema: Schema, computed: ByName) -> Candidates | None:
        match filter:
            case And(filters):
                plans = [self._plan(each, schema, computed) for each in filters]
                # One of them bounds what all have in common, and so the least does.
                return min((plan for plan in plans if plan is not None), key=lambda plan: plan.count, default=None)
            case Or(filters):
                return self._either(filters, schema, computed)
            case _:
                index = self._of(filter, schema, computed)
                try:
                    return self._led_to(filter, schema, computed) if index is None else index.plan(filter, schema)
                except ValueError:
                    return NONE  # what is asserted is no value of the type: Undefined of every entry

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

    def _asked(self, filter: Filter, schema: Schema, computed: ByName) -> Iterator[TypeIndex]:
        """The indexes that `filter` can use."""
        if isinstance(filter, And | Or):
            for each in filter.filters:
                yield from self._asked(each, schema, computed)
        else:
            index = self._of(filter, schema, computed)
            if index is not None:
                yield index

    def _of(self, filter: Filter, schema: Schema, computed: ByName) -> TypeIndex | None:
        """The index of the type that an item is about. A negation has none: it is true of most entries."""
        if schema is not self._schema:
            self._adopt(schema)
        description = getattr(filter, "attribute", None)
        if description is None:
            return None
        index = self._named.get(description)
        if index is None:
            return self._led_by(description, filter, schema, computed)
        return None if index.oid in computed else index

    def _led_by(self, description: str, filter: Filter, schema: Schema, computed: ByName) -> TypeIndex | None:
        """The same of a description that has not led anywhere before."""
        attribute_type = schema.attribute_type(description)
        if attribute_type is None or attribute_type.oid in computed:
            return None
        # Every entry has an objectClass (RFC 4512 section 2.4), and is asked for so when all are wanted.
        if attribute_type.oid == OBJECT_CLASS and isinstance(filter, Present):
            return None
        index = self.made.get(attribute_type.oid)
        if index is None and attribute_type.oid in self._oids:
            self._places.clear()
            index = self.made[attribute_type.oid] = type_index(schema, attribute_type, self._entries)
        if index is not None and len(description) <= LONGEST:
            if len(self._named) >= NAMES:
                self._named.clear()
            self._named[description] = index
        return index

    def _adopt(self, schema: Schema) -> None:
        """Go by this schema: an index stays where its type is what it was, and so are the subtypes below that."""
        self._schema = schema
        self._places.clear()
        self._named.clear()
        known = [readable_type(schema, name) for name in self._names]
        self._oids = frozenset(each.oid for each in known if each and indexable(each))
        for oid, index in tuple(self.made.items()):
            if oid not in self._oids or not index.still(schema):
                del self.made[oid]
