"""The operations that change entries: add, modify, delete, modifyDN (RFC 4511 sections 4.6 to 4.9)."""

from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.wire.messages import AddRequest, DelRequest, ModifyDNRequest, ModifyRequest, ResultCode


async def write(context: Context, request: AddRequest | ModifyRequest | DelRequest | ModifyDNRequest) -> Reply:
    """Carry out one change. Raises OperationRefused."""
    raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, "the directory is read-only")
