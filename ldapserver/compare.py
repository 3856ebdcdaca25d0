"""The Compare operation (RFC 4511 section 4.10)."""

from ldapserver.access import Identity, may_read_entries
from ldapserver.directory.entry import is_password
from ldapserver.directory.evaluation import compile_filter
from ldapserver.search import ANONYMOUS_MAY_NOT, special_entry
from ldapserver.service import Service
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.filters import Equality, Filter, Present
from ldapserver.wire.messages import CompareRequest, CompareResponse, ResultCode


async def compare(service: Service, identity: Identity, request: CompareRequest) -> CompareResponse:
    """Answer whether the entry has the value."""
    try:
        dn = DN.parse(request.entry)
    except InvalidDN as error:
        return CompareResponse(ResultCode.INVALID_DN_SYNTAX, diagnostic_message=f"entry: {error}")
    directory = service.directory
    # Nobody learns a password by guessing at it here: that is what binds, which are recorded, are for.
    if is_password(request.attribute_desc):
        return CompareResponse(
            ResultCode.INSUFFICIENT_ACCESS_RIGHTS, diagnostic_message=f"{request.attribute_desc}: never compared"
        )
    entry = special_entry(service, dn)
    if entry is None:
        if not may_read_entries(identity, anonymous_search=service.config.anonymous_search):
            return CompareResponse(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, diagnostic_message=ANONYMOUS_MAY_NOT)
        entry = await directory.read(dn)
    if entry is None:
        return CompareResponse(ResultCode.NO_SUCH_OBJECT, matched_dn=str(await directory.matched(dn)))

    def is_true(filter: Filter) -> bool | None:
        return compile_filter(filter, directory.schema, directory.operational)(entry)

    equal = is_true(Equality(request.attribute_desc, request.assertion_value))
    if equal:
        return CompareResponse(ResultCode.COMPARE_TRUE)
    if not is_true(Present(request.attribute_desc)):
        return CompareResponse(
            ResultCode.NO_SUCH_ATTRIBUTE, diagnostic_message=f"{request.attribute_desc}: not there"
        )
    if equal is None:
        return CompareResponse(
            ResultCode.INAPPROPRIATE_MATCHING,
            diagnostic_message=f"{request.attribute_desc}: the value cannot be compared by its matching rule",
        )
    return CompareResponse(ResultCode.COMPARE_FALSE)
