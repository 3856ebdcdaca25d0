"""The Search operation (RFC 4511 section 4.5): what is found, what of it is shown, and in which slices.

Aliases are not followed, whatever derefAliases says: a search returns them as the entries that they are.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import sasl_digest
from ldapserver.access import may_read_entries
from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.entries import Found
from ldapserver.errors import OperationRefused
from ldapserver.limits import Limits
from ldapserver.listing import Listing
from ldapserver.naming import ANONYMOUS_MAY_NOT, read_dn
from ldapserver.operation import Context, Reply
from ldapserver.referrals import above, continuations, refuse_referred
from ldapserver.root_dse import root_dse
from ldapserver.sasl.mechanism import Connection
from ldapserver.selection import Selection
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import (
    ResultCode,
    Scope,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
)

BATCH = 64  # entries shown between two chances to pause

Part = Sequence[SearchResultEntry | SearchResultReference] | Reply


async def search(
    context: Context, request: SearchRequest, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[Part]:
    """What is found, in batches, then the SearchResultDone; after each batch others may have a turn.

    Raises OperationRefused, also after batches.
    """
    controls = context.controls
    base, filter = read_dn(context, "baseObject", request.base_object), request.filter
    ceiling = 0
    show = Selection(
        context.service,
        context.identity,
        request.attributes,
        types_only=request.types_only,
        values=controls.values,
        base_object=request.scope is Scope.BASE_OBJECT,
    )
    paged = controls.paged
    if (dialect := context.service.directory.dialect) is not None:
        filter = dialect.filter(filter)
        if paged is None:
            ceiling = dialect.max_page_size
        else:
            paged = replace(paged, size=min(paged.size, dialect.max_page_size))
            context = replace(context, controls=replace(controls, paged=paged))
            controls = context.controls
    if paged is not None and not paged.cookie and 0 < request.size_limit <= paged.size:
        # What the client wants at most fits on the page, so there is nothing to page.  RFC 2696 section 3
        context = replace(context, controls=replace(controls, paged=None))
        controls = context.controls
    limits = Limits.of(context, request, clock, ceiling)
    found = await _found(context, request, base, filter)
    if controls.paged is not None or controls.sort is not None or controls.view is not None:
        listing = Listing(context, request, limits, found)
        async for entries in listing.entries():
            yield [await show.result(entry) for entry in entries]
        references = [] if listing.continued else await _references(context, request, base)
        yield references
        yield Reply(SearchResultDone(ResultCode.SUCCESS), listing.controls)
        return
    while (batch := await found.take(BATCH)) is not None:
        if (most := limits.exceeded_by(len(batch))) is not None:
            yield [await show.result(entry) for entry in batch[:most]]
            raise OperationRefused(ResultCode.SIZE_LIMIT_EXCEEDED)
        yield [await show.result(entry) for entry in batch]
        limits.check_time()
    if context.service.directory.referrals and (references := await _references(context, request, base)):
        yield references
    yield Reply(SearchResultDone(ResultCode.SUCCESS))


async def _found(context: Context, request: SearchRequest, base: DN, filter: Filter) -> Found:
    """What there is to find. Raises OperationRefused when nobody may look, or there is nowhere to look."""
    service, controls = context.service, context.controls
    directory = service.directory
    if request.scope is Scope.BASE_OBJECT and (special := special_entry(context, base)) is not None:
        check_assertion(context, special)
        matches = compile_filter(filter, directory.schema)(special)
        return Found(_one_batch([special] if matches else []))
    if not may_read_entries(context.identity, anonymous_search=service.config.anonymous_search):
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, ANONYMOUS_MAY_NOT)
    if directory.referrals and not controls.manage_dsa_it:
        await refuse_referred(directory, base, request.scope)
    # The root DSE is not above the naming contexts: a search from it looks through all of them.
    entry = await directory.read(base) if base.rdns else None
    if entry is None and base.rdns:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, matched_dn=str(await directory.matched(base)))
    if controls.assertion is not None and (target := entry or special_entry(context, base)) is not None:
        check_assertion(context, target)
    return Found(directory.search(base, request.scope, filter), _visibility(context, request))


async def _one_batch(entries: Sequence[Entry]) -> AsyncIterator[Sequence[Entry]]:
    yield entries


def _visibility(context: Context, request: SearchRequest) -> Callable[[Entry], bool]:
    """Which entries the search may return at all."""
    directory, lookups, controls = context.service.directory, context.service.lookups, context.controls
    referrals = bool(directory.referrals) and not controls.manage_dsa_it
    # Without the control subentries are seen by searches of the baseObject only; with it, either they or all other
    # entries are.  RFC 3672 section 3
    subentries = controls.subentries
    either = subentries is None and request.scope is Scope.BASE_OBJECT

    def visible(entry: Entry) -> bool:
        if not either and lookups.is_subentry(directory, entry.get("objectClass")) is not bool(subentries):
            return False
        return not referrals or above(directory, entry.dn) is None

    return visible


async def _references(context: Context, request: SearchRequest, base: DN) -> list[SearchResultReference]:
    directory, controls = context.service.directory, context.controls
    # Who asks for subentries only is not referred to what holds others.
    if not directory.referrals or controls.manage_dsa_it or controls.domain_scope or controls.subentries:
        return []
    return await continuations(directory, base, request.scope)


def is_special(directory: Directory, dn: DN) -> bool:
    """Whether this is the name of an entry that belongs to the server and not to its directory."""
    if not dn.rdns or dn.key == directory.subschema.dn.key:
        return True
    return directory.dialect is not None and dn.key == directory.dialect.subschema.key


def special_entry(context: Context, dn: DN) -> Entry | None:
    """The entries that belong to the server and not to its directory, and that anybody may read."""
    service = context.service
    if not dn.rdns:
        mechanisms = service.offered(context.connection or Connection(context.host))
        return root_dse(service, sasl_digest.__version__, mechanisms)
    if not is_special(service.directory, dn):
        return None
    subschema, dialect = service.directory.subschema, service.directory.dialect
    if dialect is not None and dn.key == dialect.subschema.key:
        return subschema.renamed(dialect.subschema)
    return subschema


def check_assertion(context: Context, entry: Entry) -> None:
    """Go on only if what the client asserts is true of the entry. Raises OperationRefused."""
    assertion: Filter | None = context.controls.assertion
    if assertion is None:
        return
    directory = context.service.directory
    # Undefined is not true.  RFC 4528 section 3
    if not compile_filter(assertion, directory.schema, directory.computed)(entry):
        raise OperationRefused(ResultCode.ASSERTION_FAILED)
