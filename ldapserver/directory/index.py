"""Which entries of a tree have a value: what an equality search looks at instead of all of them."""

from collections.abc import Iterable, Iterator

from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Values, readable_type
from ldapserver.directory.matching import Key, equality_rule
from ldapserver.directory.schema import Schema
from ldapserver.directory.tree import Node
from ldapserver.wire.filters import And, Approximate, Equality, Filter, Or

# Nearly every key has one node, so only a key that has more has a list.
NodesByKey = dict[object, Node | list[Node]]

# What clients look people up by: an equality search on one of these examines the entries that match and no others.
INDEXED = ("uid", "cn", "sAMAccountName", "userPrincipalName", "mail")


class Index:
    """The nodes by what they hold under each type of `INDEXED`, in that type's own matching."""

    def __init__(self, schema: Schema) -> None:
        self._types: dict[str, tuple[Key, Values, NodesByKey]] = {}
        for name in INDEXED:
            attribute_type = schema.attribute_type(name)
            rule = equality_rule(schema, attribute_type.equality or "") if attribute_type else None
            if attribute_type and rule:
                self._types[attribute_type.oid] = rule.key, Values(schema, attribute_type, name), {}

    def add(self, node: Node, entry: Entry) -> None:
        """Let `entry`, which is at `node`, be found."""
        for key, values, nodes in self._types.values():
            for each in values(entry):
                for value in each:
                    try:
                        put(nodes, key(value), node)
                    except ValueError:
                        continue  # the value matches nothing

    def remove(self, node: Node, entry: Entry) -> None:
        """Undo `add(node, entry)`."""
        for key, values, nodes in self._types.values():
            for each in values(entry):
                for value in each:
                    try:
                        drop(nodes, key(value), node)
                    except ValueError:
                        continue

    def candidates(self, filter: Filter, schema: Schema) -> list[Node] | None:
        """Nodes among which are all that `filter` is true of, or None when that may be any."""
        match filter:
            case Equality(attribute, value) | Approximate(attribute, value):
                attribute_type = readable_type(schema, attribute)
                indexed = self._types.get(attribute_type.oid) if attribute_type else None
                if indexed is None:
                    return None
                key, _, nodes = indexed
                try:
                    return taken(nodes, key(value))
                except ValueError:
                    return []  # the assertion is Undefined of every entry
            case And(filters):
                return min(self._each(filters, schema), key=len, default=None)
            case Or(filters):
                found = list(self._each(filters, schema))
                if len(found) < len(filters):
                    return None
                return list({id(node): node for nodes in found for node in nodes}.values())
            case _:
                return None

    def _each(self, filters: Iterable[Filter], schema: Schema) -> Iterator[list[Node]]:
        for each in filters:
            nodes = self.candidates(each, schema)
            if nodes is not None:
                yield nodes


def put(nodes: NodesByKey, key: object, node: Node) -> None:
    """Add `node` under `key`."""
    known = nodes.setdefault(key, node)
    if isinstance(known, list):
        if node not in known:
            known.append(node)
    elif known is not node:
        nodes[key] = [known, node]


def drop(nodes: NodesByKey, key: object, node: Node) -> None:
    """Undo `put`."""
    known = nodes.get(key)
    if known is node:
        del nodes[key]
    elif isinstance(known, list) and node in known:
        known.remove(node)
        if len(known) == 1:
            nodes[key] = known[0]


def taken(nodes: NodesByKey, key: object) -> list[Node]:
    """All nodes under `key`."""
    found = nodes.get(key)
    if found is None:
        return []
    return list(found) if isinstance(found, list) else [found]
