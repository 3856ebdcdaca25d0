"""The order in which a client wants its results (RFC 2891), and how many entries get into it without a long turn.

Entries are sorted in runs as they are found, and the runs are merged a batch at a time. Of each entry a reference and
its keys are held while that goes on, and the reference alone afterwards.
"""

import heapq
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from ldapserver.controls import ServerSideSort, SortKey
from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Values, readable_type
from ldapserver.directory.matching import ORDERING, Rule
from ldapserver.directory.schema import AttributeType
from ldapserver.wire.messages import ResultCode

RUN = 1024  # entries sorted at once: a millisecond or two
BATCH = 256  # entries merged at once


class CannotSort(Exception):
    """These keys make no order: the sortResult, and the attribute that is at fault (RFC 2891 section 1.2)."""

    def __init__(self, result_code: ResultCode, attribute: str | None = None) -> None:
        super().__init__(result_code.name, attribute)
        self.result_code = result_code
        self.attribute = attribute


class _Last:
    """What sorts behind every key."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return other is not self


# "a sort key value that is missing is larger than all others" is what makes such entries the last ones, and with
# reverseOrder the first.  RFC 2891 section 2.2
_MISSING = _Last()


class _Reversed:
    """A key that sorts the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and bool(other.key == self.key)

    def __hash__(self) -> int:
        return hash(self.key)


class Order:
    """The order that some sort keys make of a directory's entries."""

    def __init__(self, directory: Directory, sort: ServerSideSort) -> None:
        """Raises CannotSort."""
        self._keys: list[tuple[Values, Rule, bool]] = []
        seen: set[str] = set()
        for key in sort.keys:
            attribute_type = readable_type(directory.schema, key.attribute)
            if attribute_type is None:
                raise CannotSort(ResultCode.NO_SUCH_ATTRIBUTE, key.attribute)
            # An attribute stands in the list once.  RFC 2891 section 1.1
            if attribute_type.oid in seen:
                raise CannotSort(ResultCode.UNWILLING_TO_PERFORM, key.attribute)
            seen.add(attribute_type.oid)
            rule = _rule(directory, key, attribute_type)
            values = Values(directory.schema, attribute_type, key.attribute, directory.computed)
            self._keys.append((values, rule, key.reverse))

    def key(self, entry: Entry) -> Any:
        """What the entry is sorted by."""
        parts = [_part(entry, *each) for each in self._keys]
        return parts[0] if len(parts) == 1 else tuple(parts)

    def first_not_before(self, entries: Sequence[Entry], value: bytes) -> int:
        """Where in sorted entries the first stands whose first key is not before `value`, their number if none does.

        Raises ValueError when the value is none that the key's rule can compare.
        """
        values, rule, reverse = self._keys[0]
        wanted: Any = rule.key(value)
        if reverse:
            wanted = _Reversed(wanted)
        low, high = 0, len(entries)
        while low < high:
            middle = (low + high) // 2
            if _part(entries[middle], values, rule, reverse) < wanted:
                low = middle + 1
            else:
                high = middle
        return low


def _part(entry: Entry, values: Values, rule: Rule, reverse: bool) -> Any:
    keys = []
    for each in values(entry):
        for value in each:
            try:
                keys.append(rule.key(value))
            except ValueError:
                continue  # what the rule cannot compare is as good as missing
    # Of several values the least one counts.  RFC 2891 section 2.2
    key = (min(keys) if len(keys) > 1 else keys[0]) if keys else _MISSING
    return _Reversed(key) if reverse else key


def _rule(directory: Directory, key: SortKey, attribute_type: AttributeType) -> Rule:
    """The rule that is asked for, or the type's own, or the one for its syntax, as for cn, which has none."""
    if key.ordering_rule is not None:
        description = directory.schema.matching_rule(key.ordering_rule)
        named = ORDERING.get(description.name.lower()) if description else None
        if named is not None and named.fits(attribute_type):
            return named
    else:
        own = ORDERING.get(attribute_type.ordering.lower()) if attribute_type.ordering else None
        if own is not None:
            return own
        for rule in ORDERING.values():  # caseIgnoreOrderingMatch stands before caseExactOrderingMatch
            if rule.fits(attribute_type):
                return rule
    raise CannotSort(ResultCode.INAPPROPRIATE_MATCHING, key.attribute)


class Runs:
    """Entries on their way into an order; equal ones stay as they came.

    Keys and entries stand in lists of their own: pairs of them would be a hundred thousand more objects for the
    garbage collector to look through, and no turn may be that long.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._keys: list[Any] = []
        self._entries: list[Entry] = []
        self._runs: list[tuple[list[Any], list[Entry]]] = []
        self.size = 0

    def add(self, entries: Sequence[Entry]) -> None:
        """Take more entries."""
        self._keys += map(self._order.key, entries)
        self._entries += entries
        self.size += len(entries)
        if len(self._keys) >= RUN:
            self._finish_run()

    def _finish_run(self) -> None:
        keys, entries = self._keys, self._entries
        places = sorted(range(len(keys)), key=keys.__getitem__)
        self._runs.append(([keys[at] for at in places], [entries[at] for at in places]))
        self._keys, self._entries = [], []

    def merged(self) -> Iterator[list[Entry]]:
        """All entries in their order, in batches."""
        self._finish_run()
        batch: list[Entry] = []
        for _, entry in heapq.merge(*[zip(*run, strict=True) for run in self._runs], key=itemgetter(0)):
            batch.append(entry)
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch

    def unsorted(self) -> list[Entry]:
        """All entries in any order."""
        return [*(entry for _, entries in self._runs for entry in entries), *self._entries]
