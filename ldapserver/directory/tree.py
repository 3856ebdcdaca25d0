"""The tree of entries in memory, and the index that finds entries in it by value.

Each node knows its children by their RDN, so a name is found by walking down to it, the way there says how much of it
exists, and a search below an entry touches nothing else.
"""

from collections.abc import Iterable, Iterator

from ldapserver.directory.account import Account
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Values, readable_type
from ldapserver.directory.matching import Key, equality_rule
from ldapserver.directory.schema import Schema
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.filters import And, Approximate, Equality, Filter, Or

RDNKey = tuple[tuple[str, str], ...]  # one RDN of DN.key


class Node:
    """A place in the tree. One without an entry is only on the way to others: what stands above a naming context."""

    __slots__ = ("account", "children", "dn", "entry")

    def __init__(self, dn: DN) -> None:
        self.dn = dn
        self.entry: Entry | None = None
        self.account: Account | None = None
        self.children: dict[RDNKey, Node] | None = None  # most entries are leaves

    def child(self, rdn: RDNKey) -> "Node | None":
        """The node directly below by its RDN."""
        return None if self.children is None else self.children.get(rdn)

    def find(self, dn: DN) -> "Node | None":
        """The node of a name, seen from the root."""
        node: Node | None = self
        for rdn in reversed(dn.key):
            node = node.child(rdn) if node is not None else None
        return node

    def deepest(self, dn: DN) -> DN:
        """The last name with an entry on the way from the root to `dn`."""
        node: Node | None = self
        found = ROOT
        for rdn in reversed(dn.key):
            node = node.child(rdn) if node is not None else None
            if node is None:
                break
            if node.entry is not None:
                found = node.dn
        return found

    def make(self, dn: DN) -> "Node":
        """The node of a name, seen from the root, made with all that is missing above it.

        Names are built anew from the parent's, so that a hundred thousand entries of one branch share its RDNs.
        """
        node = self
        depth = len(dn.rdns)
        for at, rdn in enumerate(reversed(dn.key), 1):
            below = node.child(rdn)
            if below is None:
                below = Node(DN((dn.rdns[depth - at], *node.dn.rdns), (rdn, *node.dn.key)))
                if node.children is None:
                    node.children = {}
                node.children[rdn] = below
            node = below
        return node

    def below(self) -> "Iterable[Node]":
        """The nodes directly below."""
        return () if self.children is None else self.children.values()

    def subtree(self) -> "Iterator[Node]":
        """This node and all below it, each before what is below it."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            if node.children is not None:
                stack.extend(reversed(node.children.values()))

    def tops(self) -> "Iterator[Node]":
        """The topmost nodes that have an entry, from here down."""
        stack = [self]
        while stack:
            node = stack.pop()
            if node.entry is not None:
                yield node
            elif node.children is not None:
                stack.extend(reversed(node.children.values()))


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


def taken(nodes: NodesByKey, key: object) -> list[Node]:
    """All nodes under `key`."""
    found = nodes.get(key)
    if found is None:
        return []
    return list(found) if isinstance(found, list) else [found]
