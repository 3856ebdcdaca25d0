"""Which window of a sorted list a client sees (draft-ietf-ldapext-ldapv3-vlv-09)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ldapserver.controls import VirtualListView
from ldapserver.directory.entry import Entry
from ldapserver.sorting import Order
from ldapserver.wire.messages import ResultCode


class NoView(Exception):
    """There is no such window: the virtualListViewResult."""

    def __init__(self, result_code: ResultCode) -> None:
        super().__init__(result_code.name)
        self.result_code = result_code


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` up to `stop`, counted from 0, around the entry at `target`, counted from 1."""

    start: int
    stop: int
    target: int


def window(view: VirtualListView, entries: Sequence[Entry], order: Order) -> Window:
    """The window that `view` asks for. Raises NoView."""
    count = len(entries)
    if view.value is None:
        target = _position(view, count)
    else:
        try:
            # Where no entry is that far on, the target is behind the last.
            target = order.first_not_before(entries, view.value) + 1
        except ValueError:
            raise NoView(ResultCode.INAPPROPRIATE_MATCHING) from None
    return Window(max(target - 1 - view.before, 0), min(target + view.after, count), target)


def _position(view: VirtualListView, count: int) -> int:
    """The target's place in a list of `count`, seen from a client that takes it to have `content_count` entries.

    A client that does not know (0) means what it says. Otherwise the first is the first, the last is the last, and
    what is between keeps its proportion.
    """
    offset, believed = view.offset, view.content_count
    if offset == 0 or (believed and offset > believed):
        raise NoView(ResultCode.OFFSET_RANGE_ERROR)
    if offset == 1:
        return 1
    if offset == believed:
        return max(count, 1)
    if believed and believed != count:
        return max(count * offset // believed, 1)
    if offset > count:
        raise NoView(ResultCode.OFFSET_RANGE_ERROR)
    return offset
