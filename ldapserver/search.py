"""The Search operation (RFC 4511 section 4.5): what is found, what of it is shown, and in which slices."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import sasl_digest
from ldapserver.access import Identity, may_read_entries
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.root_dse import root_dse
from ldapserver.service import Service
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import (
    PartialAttribute,
    ResultCode,
    Scope,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
)

# What an administrator sees of a secret: the forms it is stored in, computed, and only when asked for. It tells which
# accounts DIGEST-MD5 can verify at all.
PASSWORD_SCHEME = "userPasswordScheme"
ANONYMOUS_MAY_NOT = "bind first: anonymous may read the root DSE and the subschema only"


async def search(
    service: Service, identity: Identity, request: SearchRequest, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[Sequence[SearchResultEntry] | SearchResultDone]:
    """The entries found, in batches, then the SearchResultDone; after each batch others may have a turn."""
    try:
        base = DN.parse(request.base_object)
    except InvalidDN as error:
        yield SearchResultDone(ResultCode.INVALID_DN_SYNTAX, diagnostic_message=f"baseObject: {error}")
        return
    show = _Selection(service, identity, request)
    if request.scope is Scope.BASE_OBJECT and (entry := special_entry(service, base)) is not None:
        if compile_filter(request.filter, service.directory.schema)(entry):
            yield [await show.result(entry)]
        yield SearchResultDone(ResultCode.SUCCESS)
        return
    if not may_read_entries(identity, anonymous_search=service.config.anonymous_search):
        yield SearchResultDone(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, diagnostic_message=ANONYMOUS_MAY_NOT)
        return
    directory = service.directory
    # The root DSE is not above the naming contexts: a search from it looks through all of them.
    if base.rdns and await directory.read(base) is None:
        yield SearchResultDone(ResultCode.NO_SUCH_OBJECT, matched_dn=str(await directory.matched(base)))
        return
    found = 0
    deadline = clock() + request.time_limit if request.time_limit else None
    async for entries in directory.search(base, request.scope, request.filter):
        # Zero is no limit.  RFC 4511 sections 4.5.1.4 and 4.5.1.5
        if request.size_limit and found + len(entries) > request.size_limit:
            yield [await show.result(entry) for entry in entries[: request.size_limit - found]]
            yield SearchResultDone(ResultCode.SIZE_LIMIT_EXCEEDED)
            return
        found += len(entries)
        yield [await show.result(entry) for entry in entries]
        if deadline is not None and clock() > deadline:
            yield SearchResultDone(ResultCode.TIME_LIMIT_EXCEEDED)
            return
    yield SearchResultDone(ResultCode.SUCCESS)


def special_entry(service: Service, dn: DN) -> Entry | None:
    """The entries that belong to the server and not to its directory, and that anybody may read."""
    if not dn.rdns:
        return root_dse(service, sasl_digest.__version__)
    subschema = service.directory.subschema
    return subschema if dn.key == subschema.dn.key else None


class _Selection:
    """Which attributes of an entry a search wants to see (RFC 4511 section 4.5.1.8, RFC 3673)."""

    def __init__(self, service: Service, identity: Identity, request: SearchRequest) -> None:
        self._directory = service.directory
        self._types_only = request.types_only
        self._all_user = not request.attributes or "*" in request.attributes
        self._all_operational = "+" in request.attributes
        # An attribute is wanted with its subtypes, and under any further options.  RFC 4512 section 2.5
        self._wanted: list[tuple[frozenset[str], frozenset[str]]] = []
        schema = self._directory.schema
        for description in request.attributes:
            name, *options = description.lower().split(";")
            attribute_type = schema.attribute_type(name)
            if attribute_type is not None:  # "*", "+" and "1.1" name no type
                self._wanted.append((schema.with_subtypes(attribute_type), frozenset(options)))
        self._shown: dict[str, bool] = {}  # of descriptions met in this search
        self._secrets = identity.admin and (
            self._all_operational or PASSWORD_SCHEME.lower() in map(str.lower, request.attributes)
        )

    async def result(self, entry: Entry) -> SearchResultEntry:
        """The entry as this search sees it."""
        attributes = tuple(self._attributes(entry))
        if self._secrets and (account := await self._directory.account_at(entry.dn)) is not None:
            schemes = tuple(dict.fromkeys(password.scheme.encode() for password in account.passwords))
            if schemes:
                attributes += (PartialAttribute(PASSWORD_SCHEME, () if self._types_only else schemes),)
        return SearchResultEntry(str(entry.dn), attributes)

    def _attributes(self, entry: Entry) -> Iterator[PartialAttribute]:
        if entry.dn.rdns:
            for description, values in entry:
                if self._shows(description):
                    yield PartialAttribute(description, () if self._types_only else values)
            if self._all_operational or self._wanted:
                for computed in self._directory.operational(entry):
                    if self._shows(computed.type):
                        yield PartialAttribute(computed.type, () if self._types_only else computed.values)
            return
        # The attributes of the root DSE are operational; who asks for nothing special is shown them all the same,
        # as by Active Directory, whose clients count on it.
        for description, values in entry:
            if self._all_user or self._shows(description):
                yield PartialAttribute(description, () if self._types_only else values)

    def _shows(self, description: str) -> bool:
        shown = self._shown.get(description)
        if shown is None:
            shown = self._shown[description] = self._decide(description)
        return shown

    def _decide(self, description: str) -> bool:
        attribute_type = self._directory.schema.attribute_type(description)
        if attribute_type is not None and attribute_type.operational:
            if self._all_operational:
                return True
        elif self._all_user:
            return True
        name, *options = description.lower().split(";")
        return any(name in names and asked.issubset(options) for names, asked in self._wanted)
