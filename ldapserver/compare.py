"""The Compare operation (RFC 4511 section 4.10)."""

from ldapserver.access import may_read_entries
from ldapserver.directory.evaluation import NoEqualityRule, compile_filter, equals, readable_type
from ldapserver.directory.schema import Schema
from ldapserver.errors import OperationRefused
from ldapserver.naming import ANONYMOUS_MAY_NOT, read_dn
from ldapserver.operation import Context, Reply
from ldapserver.search import check_assertion, special_entry
from ldapserver.wire.filters import Equality, Filter, Present
from ldapserver.wire.messages import CompareRequest, CompareResponse, ResultCode


async def compare(context: Context, request: CompareRequest) -> Reply:
    """Answer whether the entry has the value. Raises OperationRefused."""
    service = context.service
    dn = read_dn(context, "entry", request.entry)
    directory = service.directory
    # Nobody learns a password by guessing at it here: that is what binds, which are recorded, are for.
    if directory.schema.is_secret(request.attribute_desc):
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, f"{request.attribute_desc}: never compared")
    entry = special_entry(context, dn)
    if entry is None and not may_read_entries(context.identity, anonymous_search=service.config.anonymous_search):
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, ANONYMOUS_MAY_NOT)
    asserted: Filter = Equality(request.attribute_desc, request.assertion_value)
    if directory.dialect is not None:
        asserted = directory.dialect.filter(asserted)
    if isinstance(asserted, Equality):
        _check_assertion(directory.schema, asserted.attribute, asserted.value)
    entry = entry or await directory.read(dn)
    if entry is None:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, matched_dn=str(await directory.matched(dn)))
    check_assertion(context, entry)

    def is_true(filter: Filter) -> bool | None:
        return compile_filter(filter, directory.schema, directory.computed)(entry)

    equal = is_true(asserted)
    if equal:
        return Reply(CompareResponse(ResultCode.COMPARE_TRUE))
    if not is_true(Present(request.attribute_desc)):
        raise OperationRefused(ResultCode.NO_SUCH_ATTRIBUTE, f"{request.attribute_desc}: not there")
    # Undefined here is a value of the entry that its own syntax does not allow, and that is no value to be equal to.
    return Reply(CompareResponse(ResultCode.COMPARE_FALSE))


def _check_assertion(schema: Schema, description: str, value: bytes) -> None:
    """Refuse what is Undefined of every entry, by the code that appendix A.2 of RFC 4511 has for it."""
    attribute_type = readable_type(schema, description)
    if attribute_type is None:
        raise OperationRefused(ResultCode.UNDEFINED_ATTRIBUTE_TYPE, f"{description}: not a type known here")
    try:
        equals(schema, attribute_type, value)
    except NoEqualityRule:
        raise OperationRefused(
            ResultCode.INAPPROPRIATE_MATCHING, f"{description}: has no equality rule to compare by"
        ) from None
    except ValueError:
        raise OperationRefused(
            ResultCode.INVALID_ATTRIBUTE_SYNTAX, f"{description}: the value is outside the type's syntax"
        ) from None
