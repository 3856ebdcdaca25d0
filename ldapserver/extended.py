"""Extended operations (RFC 4511 section 4.12)."""

from collections.abc import Awaitable, Callable

from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.password_modify import PASSWORD_MODIFY, password_modify
from ldapserver.wire.messages import ExtendedRequest, ExtendedResponse, ResultCode

WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
# Carried out by the session, whose connection the one changes and whose operations the other ends.
START_TLS = "1.3.6.1.4.1.1466.20037"
CANCEL = "1.3.6.1.1.8"
NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"  # unsolicited, from the server only: RFC 4511 section 4.4.1


async def extended(context: Context, request: ExtendedRequest) -> Reply:
    """Answer an extended request. Raises OperationRefused."""
    operation = EXTENDED_OPERATIONS.get(request.request_name)
    if operation is None and context.service.explainer is not None:
        from ldapserver.explaining import EXPLAIN, explained

        operation = explained if request.request_name == EXPLAIN else None
    # A request name that is not recognized gets protocolError.  RFC 4511 section 4.12
    if operation is None:
        raise OperationRefused(ResultCode.PROTOCOL_ERROR, f"requestName: {request.request_name} is not supported")
    return await operation(context, request)


def read_cancel(request: ExtendedRequest) -> int:
    """The messageID of the operation that a Cancel is about (RFC 3909 section 2.1). Raises OperationRefused."""
    from ldapserver.controls import values

    decoded = values.decode(values.CancelRequestValue, request.request_value, "requestValue")
    return int(decoded["cancelID"])


async def _who_am_i(context: Context, request: ExtendedRequest) -> Reply:
    # There is no requestValue.  RFC 4532 section 2.1
    if request.request_value is not None:
        raise OperationRefused(ResultCode.PROTOCOL_ERROR, "requestValue: must be absent")
    return Reply(ExtendedResponse(ResultCode.SUCCESS, response_value=context.identity.authzid.encode()))


EXTENDED_OPERATIONS: dict[str, Callable[[Context, ExtendedRequest], Awaitable[Reply]]] = {
    WHO_AM_I: _who_am_i,
    PASSWORD_MODIFY: password_modify,
}
