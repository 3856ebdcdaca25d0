"""The tree of entries in memory.

Each node knows its children by their RDN, so a name is found by walking down to it, the way there says how much of it
exists, and a search below an entry touches nothing else.
"""

from collections.abc import Iterable, Iterator

from ldapserver.directory.account import Account
from ldapserver.directory.entry import Entry
from ldapserver.wire.dn import DN, ROOT

RDNKey = tuple[tuple[str, str], ...]  # one RDN of DN.key


class Node:
    """A place in the tree. One without an entry is only on the way to others: what stands above a naming context."""

    __slots__ = ("account", "children", "dn", "entry", "secrets", "since")

    def __init__(self, dn: DN) -> None:
        self.dn = dn
        self.entry: Entry | None = None
        self.account: Account | None = None
        self.secrets: tuple[tuple[str, tuple[bytes, ...]], ...] = ()  # the password attributes, as they were written
        self.children: dict[RDNKey, Node] | None = None  # most entries are leaves
        self.since = 0  # the serial of the write that brought it to where it is

    def child(self, rdn: RDNKey) -> "Node | None":
        """The node directly below by its RDN."""
        return None if self.children is None else self.children.get(rdn)

    def find(self, dn: DN) -> "Node | None":
        """The node of a name, seen from the root."""
        node: Node | None = self
        # On the path of every bind: without a call for each step down.
        for rdn in reversed(dn.key):
            if node is None or node.children is None:
                return None
            node = node.children.get(rdn)
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

    def link(self, node: "Node") -> None:
        """Put `node` below this one, under the last part of its name."""
        if self.children is None:
            self.children = {}
        self.children[node.dn.key[0]] = node

    def unlink(self, node: "Node") -> None:
        """Take `node`, which is below this one, out of the tree."""
        assert self.children is not None
        del self.children[node.dn.key[0]]
        self.children = self.children or None

    # Whoever goes through the tree may stop on the way while others change it: children are copied when their parent
    # is passed, and what has come to its place meanwhile is told by `since`.

    def below(self) -> "Iterable[Node]":
        """The nodes directly below."""
        return () if self.children is None else tuple(self.children.values())

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
