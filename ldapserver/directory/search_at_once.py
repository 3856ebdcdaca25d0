"""What a search finds at once: a few entries that an index leads to, or the one that is named, without a pause.

Nobody else has a turn meanwhile, so what takes looking for is left to the search that goes on in slices
(`memory.py`): an index that is still to be made, more candidates than a few, a long filter.
"""

from collections.abc import Sequence

from ldapserver.directory.computed import ByName
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.index import Index
from ldapserver.directory.schema import Schema
from ldapserver.directory.tree import Node
from ldapserver.directory.type_index import TypeIndex
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Equality, Filter, items
from ldapserver.wire.messages import Scope

AT_ONCE = 16  # candidates examined without a chance to pause
ITEMS = 8  # items of a filter put to each of them


def search_at_once(
    root: Node, index: Index, schema: Schema, computed: ByName, base: DN, scope: Scope, filter: Filter
) -> list[Entry] | None:
    """All entries in scope for which the filter is true; None where that takes looking for, or there is no base."""
    top = root.find(base)
    if top is None or top.entry is None:
        return None
    whole: TypeIndex | None = None
    value = b""
    nodes: Sequence[Node] | None
    if scope is not Scope.BASE_OBJECT and isinstance(filter, Equality):
        whole, value = index.whole(filter, schema, computed), filter.value
    if whole is not None:
        nodes = whole.up_to(AT_ONCE, value)
    elif items(filter) > ITEMS:
        nodes = None
    elif scope is Scope.BASE_OBJECT:
        nodes = (top,)
    else:
        nodes = index.up_to(AT_ONCE, filter, schema, computed)
    if nodes is None:
        return None
    found: list[Entry] = []
    key, test = top.dn.key, None
    for node in nodes:
        entry, name = node.entry, node.dn.key
        above = len(name) - len(key)
        # A name that is shorter than the base's is not below it, and no end of it is the base's.
        if entry is None or name[above:] != key or (above != 1 and scope is Scope.SINGLE_LEVEL):
            continue
        # Who holds the very octets that are asked for holds what equals them, by any rule that takes them.
        if whole is None or not whole.has(entry, value):
            if test is None:
                test = compile_filter(filter, schema, computed)
            # "evaluates to TRUE", and not Undefined.  RFC 4511 section 4.5.1.7
            if not test(entry):
                continue
        found.append(entry)
    return found
