"""Searches whose results are sorted, paged, or seen through a window (RFC 2891, RFC 2696, the draft on VLV)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from ldapserver.controls import (
    PagedResults,
    ServerSideSort,
    VirtualListView,
    paged_results_response,
    sort_response,
    virtual_list_view_response,
)
from ldapserver.cursors import MAX_SORTING, Cursor
from ldapserver.directory.entry import Entry
from ldapserver.entries import Found, Listed
from ldapserver.errors import OperationRefused
from ldapserver.limits import Limits
from ldapserver.operation import Context
from ldapserver.sorting import CannotSort, Order, Runs
from ldapserver.virtual_list import NoView, window
from ldapserver.wire.messages import Control, ResultCode, SearchRequest

BATCH = 64  # entries returned between two chances to pause


class Listing:
    """One such search, or one page of it. Its `controls` go with the response, known when `entries` has ended.

    `continued` is whether the search began with an earlier request.
    """

    def __init__(self, context: Context, request: SearchRequest, limits: Limits, found: Found) -> None:
        self.continued = False
        self._context = context
        self._request = request
        self._limits = limits
        self._source: Found | Listed = found
        self._order: Order | None = None
        self._responses: list[Control] = []

    @property
    def controls(self) -> tuple[Control, ...]:
        """What goes with the response."""
        return tuple(self._responses)

    async def entries(self) -> AsyncIterator[Sequence[Entry]]:
        """The entries to return, in batches, of which some are empty: chances to pause. Raises OperationRefused."""
        controls = self._context.controls
        try:
            if controls.paged is not None and controls.view is not None:
                raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, "a window is not paged through")
            if controls.view is not None:
                async for batch in self._window(controls.view):
                    yield batch
            elif controls.paged is not None:
                async for batch in self._page(controls.paged):
                    yield batch
            elif controls.sort is not None:
                async for batch in self._sorted(controls.sort):
                    yield batch
                async for batch in self._returned(None):
                    yield batch
        except OperationRefused as refused:
            refused.controls = (*self._responses, *refused.controls)
            raise

    # In order

    async def _sorted(self, sort: ServerSideSort) -> AsyncIterator[Sequence[Entry]]:
        """Bring all that is found into order, with chances to pause and nothing to return; or say why it is not."""
        directory, cursors = self._context.service.directory, self._context.cursors
        most = self._context.service.config.max_sorted
        if cursors.sorting >= MAX_SORTING:
            raise OperationRefused(ResultCode.BUSY, f"{MAX_SORTING} searches of this connection are being sorted")
        cursors.sorting += 1
        try:
            self._order = order = Order(directory, sort)
            runs = Runs(order)
            while (batch := await self._source.take(BATCH)) is not None:
                runs.add(batch)
                if runs.size > most:
                    self._source.put_back(runs.unsorted())
                    raise CannotSort(ResultCode.ADMIN_LIMIT_EXCEEDED)
                self._limits.check_time()
                yield ()
            entries: list[Entry] = []
            for batch in runs.merged():
                entries += batch
                yield ()
        except CannotSort as failure:
            self._order = None
            self._responses.append(sort_response(failure.result_code, failure.attribute))
            # Who insists gets nothing, others get what there is, unsorted.  RFC 2891 section 2
            if sort.critical:
                why = "too many entries" if failure.attribute is None else failure.attribute
                raise OperationRefused(
                    ResultCode.UNAVAILABLE_CRITICAL_EXTENSION, f"the results cannot be sorted: {why}"
                ) from None
        else:
            self._source = Listed(entries, directory)
            self._responses.append(sort_response(ResultCode.SUCCESS))
        finally:
            cursors.sorting -= 1

    # In pages

    async def _page(self, paged: PagedResults) -> AsyncIterator[Sequence[Entry]]:
        context = self._context
        cursors, controls = context.cursors, replace(context.controls, paged=None)
        if paged.cookie:
            cursor = cursors.take(paged.cookie)
            if cursor is None or not cursor.continues(self._request, controls, context.identity):
                raise OperationRefused(
                    ResultCode.UNWILLING_TO_PERFORM, "the cookie is of another search, or of one that is forgotten"
                )
            self.continued = True
            self._source, self._limits.returned = cursor.entries, cursor.returned
            if controls.sort is not None and isinstance(self._source, Listed):
                self._responses.append(sort_response(ResultCode.SUCCESS))
        elif controls.sort is not None and paged.size:
            async for batch in self._sorted(controls.sort):
                yield batch
        # A page of no entries is how a client gives up the search that it has the cookie of.  RFC 2696 section 3
        if not paged.size:
            self._responses.append(paged_results_response(0, b""))
            return
        async for batch in self._returned(paged.size):
            yield batch
        more = None
        while not (more := await self._source.take(1)) and more is not None:
            yield ()
            self._limits.check_time()
        cookie = b""
        if more:
            self._source.put_back(more)
            if isinstance(self._source, Listed):
                self._source.old = True
            cursor = Cursor(self._request, controls, context.identity, self._source, self._limits.returned)
            cookie = cursors.keep(cursor)
        self._responses.append(paged_results_response(self._source.size, cookie))

    async def _returned(self, most: int | None) -> AsyncIterator[Sequence[Entry]]:
        """At most so many entries, within the limits."""
        left = most
        while left is None or left > 0:
            batch = await self._source.take(BATCH if left is None else min(BATCH, left))
            if batch is None:
                return
            if (allowed := self._limits.exceeded_by(len(batch))) is not None:
                yield batch[:allowed]
                raise OperationRefused(ResultCode.SIZE_LIMIT_EXCEEDED)
            if left is not None:
                left -= len(batch)
            yield batch
            self._limits.check_time()

    # Through a window

    async def _window(self, view: VirtualListView) -> AsyncIterator[Sequence[Entry]]:
        context = self._context
        sort = context.controls.sort
        if sort is None:
            raise self._no_view(ResultCode.SORT_CONTROL_MISSING, "a window is of a sorted list")
        controls = replace(context.controls, view=None)
        cursor = None if view.context_id is None else context.cursors.take(view.context_id)
        if cursor is not None and cursor.continues(self._request, controls, context.identity):
            self.continued = True
            self._source, self._order = cursor.entries, Order(context.service.directory, sort)
            self._responses.append(sort_response(ResultCode.SUCCESS))
        else:
            # A list that is forgotten is made again.
            async for batch in self._sorted(sort):
                yield batch
        if self._order is None or not isinstance(self._source, Listed):
            raise self._no_view(ResultCode.UNWILLING_TO_PERFORM, "the results cannot be sorted")
        listed = self._source
        try:
            seen = window(view, listed.entries, self._order)
        except NoView as reason:
            raise self._no_view(reason.result_code, reason.result_code.name, listed.size) from None
        listed.at = seen.start
        async for batch in self._returned(seen.stop - seen.start):
            yield batch
        listed.old = True
        context_id = context.cursors.keep(Cursor(self._request, controls, context.identity, listed))
        self._responses.append(virtual_list_view_response(seen.target, listed.size, ResultCode.SUCCESS, context_id))

    def _no_view(self, result_code: ResultCode, text: str, size: int = 0) -> OperationRefused:
        self._responses.append(virtual_list_view_response(0, size, result_code))
        return OperationRefused(ResultCode.VIRTUAL_LIST_VIEW_ERROR, text)
