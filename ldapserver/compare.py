"""The Compare operation (RFC 4511 section 4.10)."""

from ldapserver.access import may_read_entries
from ldapserver.directory.entry import is_password
from ldapserver.directory.evaluation import compile_filter
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.search import ANONYMOUS_MAY_NOT, check_assertion, special_entry
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.filters import Equality, Filter, Present
from ldapserver.wire.messages import CompareRequest, CompareResponse, ResultCode


async def compare(context: Context, request: CompareRequest) -> Reply:
    """Answer whether the entry has the value. Raises OperationRefused."""
    service = context.service
    try:
        dn = DN.parse(request.entry)
    except InvalidDN as error:
        raise OperationRefused(ResultCode.INVALID_DN_SYNTAX, f"entry: {error}") from None
    directory = service.directory
    # Nobody learns a password by guessing at it here: that is what binds, which are recorded, are for.
    if is_password(request.attribute_desc):
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, f"{request.attribute_desc}: never compared")
    entry = special_entry(context, dn)
    if entry is None:
        if not may_read_entries(context.identity, anonymous_search=service.config.anonymous_search):
            raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, ANONYMOUS_MAY_NOT)
        entry = await directory.read(dn)
    if entry is None:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, matched_dn=str(await directory.matched(dn)))
    check_assertion(context, entry)

    def is_true(filter: Filter) -> bool | None:
        return compile_filter(filter, directory.schema, directory.computed)(entry)

    equal = is_true(Equality(request.attribute_desc, request.assertion_value))
    if equal:
        return Reply(CompareResponse(ResultCode.COMPARE_TRUE))
    if not is_true(Present(request.attribute_desc)):
        raise OperationRefused(ResultCode.NO_SUCH_ATTRIBUTE, f"{request.attribute_desc}: not there")
    if equal is None:
        raise OperationRefused(
            ResultCode.INAPPROPRIATE_MATCHING,
            f"{request.attribute_desc}: the value cannot be compared by its matching rule",
        )
    return Reply(CompareResponse(ResultCode.COMPARE_FALSE))
