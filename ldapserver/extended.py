"""Extended operations (RFC 4511 section 4.12)."""

from collections.abc import Callable

from ldapserver.access import Identity
from ldapserver.wire.messages import ExtendedRequest, ExtendedResponse, ResultCode

WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
START_TLS = "1.3.6.1.4.1.1466.20037"  # carried out by the session, whose connection it changes
NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"  # unsolicited, from the server only: RFC 4511 section 4.4.1


def extended(identity: Identity, request: ExtendedRequest) -> ExtendedResponse:
    """Answer an extended request."""
    operation = EXTENDED_OPERATIONS.get(request.request_name)
    # A request name that is not recognized gets protocolError.  RFC 4511 section 4.12
    if operation is None:
        return ExtendedResponse(
            ResultCode.PROTOCOL_ERROR, diagnostic_message=f"requestName: {request.request_name} is not supported"
        )
    return operation(identity, request)


def _who_am_i(identity: Identity, request: ExtendedRequest) -> ExtendedResponse:
    # There is no requestValue.  RFC 4532 section 2.1
    if request.request_value is not None:
        return ExtendedResponse(ResultCode.PROTOCOL_ERROR, diagnostic_message="requestValue: must be absent")
    return ExtendedResponse(ResultCode.SUCCESS, response_value=identity.authzid.encode())


EXTENDED_OPERATIONS: dict[str, Callable[[Identity, ExtendedRequest], ExtendedResponse]] = {WHO_AM_I: _who_am_i}
