"""The Search operation (RFC 4511 section 4.5): what is found, what of it is shown, and in which slices."""

import time
from collections.abc import AsyncIterator, Callable, Sequence

import sasl_digest
from ldapserver.access import may_read_entries
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.root_dse import root_dse
from ldapserver.sasl.mechanism import Connection
from ldapserver.selection import Selection
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import (
    ResultCode,
    Scope,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
)

ANONYMOUS_MAY_NOT = "bind first: anonymous may read the root DSE and the subschema only"


async def search(
    context: Context, request: SearchRequest, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[Sequence[SearchResultEntry] | Reply]:
    """The entries found, in batches, then the SearchResultDone; after each batch others may have a turn.

    Raises OperationRefused, also after batches.
    """
    service, identity = context.service, context.identity
    try:
        base = DN.parse(request.base_object)
    except InvalidDN as error:
        raise OperationRefused(ResultCode.INVALID_DN_SYNTAX, f"baseObject: {error}") from None
    show = Selection(service, identity, request.attributes, types_only=request.types_only)
    if request.scope is Scope.BASE_OBJECT and (entry := special_entry(context, base)) is not None:
        if compile_filter(request.filter, service.directory.schema)(entry):
            yield [await show.result(entry)]
        yield Reply(SearchResultDone(ResultCode.SUCCESS))
        return
    if not may_read_entries(identity, anonymous_search=service.config.anonymous_search):
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, ANONYMOUS_MAY_NOT)
    directory = service.directory
    # The root DSE is not above the naming contexts: a search from it looks through all of them.
    if base.rdns and await directory.read(base) is None:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, matched_dn=str(await directory.matched(base)))
    found = 0
    deadline = clock() + request.time_limit if request.time_limit else None
    async for entries in directory.search(base, request.scope, request.filter):
        # Zero is no limit.  RFC 4511 sections 4.5.1.4 and 4.5.1.5
        if request.size_limit and found + len(entries) > request.size_limit:
            yield [await show.result(entry) for entry in entries[: request.size_limit - found]]
            raise OperationRefused(ResultCode.SIZE_LIMIT_EXCEEDED)
        found += len(entries)
        yield [await show.result(entry) for entry in entries]
        if deadline is not None and clock() > deadline:
            raise OperationRefused(ResultCode.TIME_LIMIT_EXCEEDED)
    yield Reply(SearchResultDone(ResultCode.SUCCESS))


def special_entry(context: Context, dn: DN) -> Entry | None:
    """The entries that belong to the server and not to its directory, and that anybody may read."""
    service = context.service
    if not dn.rdns:
        mechanisms = service.offered(context.connection or Connection(context.host))
        return root_dse(service, sasl_digest.__version__, mechanisms)
    subschema = service.directory.subschema
    return subschema if dn.key == subschema.dn.key else None
