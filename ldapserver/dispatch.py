"""Which module carries out a request, as whom, and what is looked at before (RFC 4370, RFC 3296)."""

from dataclasses import replace

from ldapserver.access import ANONYMOUS, may_read_entries, proxied
from ldapserver.compare import compare
from ldapserver.directory.dialect import Dialect
from ldapserver.errors import OperationRefused
from ldapserver.extended import extended
from ldapserver.naming import read_dn
from ldapserver.operation import Context, Reply
from ldapserver.referrals import at_or_above, refuse_referred
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import (
    AddRequest,
    CompareRequest,
    DelRequest,
    ExtendedRequest,
    ModifyDNRequest,
    ModifyRequest,
    ResultCode,
)
from ldapserver.write import write

Update = AddRequest | ModifyRequest | DelRequest | ModifyDNRequest


async def carry_out(context: Context, request: CompareRequest | ExtendedRequest | Update) -> Reply:
    """Carry out any operation but a search, which has more than one answer. Raises OperationRefused."""
    if isinstance(request, ExtendedRequest):
        return await extended(context, request)
    config, directory = context.service.config, context.service.directory
    # Who may not read entries is not told where they are either.
    may_read = may_read_entries(context.identity, anonymous_search=config.anonymous_search)
    if directory.referrals and may_read and not context.controls.manage_dsa_it:
        await _refuse_referred(context, request)
    if isinstance(request, CompareRequest):
        return await compare(context, request)
    return await write(context, request)


def understood(context: Context, dialect: Dialect) -> Context:
    """The same with the filters in its controls as they are meant."""
    controls = context.controls
    if controls.assertion is None and controls.values is None:
        return context
    assertion = None if controls.assertion is None else dialect.filter(controls.assertion)
    values = None if controls.values is None else tuple([dialect.filter(each) for each in controls.values])
    return replace(context, controls=replace(controls, assertion=assertion, values=values))


async def acting(context: Context) -> Context:
    """The same for whoever the request asks to act as. Raises OperationRefused: authorizationDenied."""
    authzid = context.controls.authzid
    assert authzid is not None
    # An empty authzId is anonymous, which anybody may be.  RFC 4370 section 3
    if authzid in ("", "dn:"):
        return replace(context, identity=ANONYMOUS)
    account = await proxied(context.service.directory, context.identity, authzid, context.workstation)
    if account is None:
        raise OperationRefused(ResultCode.AUTHORIZATION_DENIED, f"may not act as {authzid}")
    return replace(context, identity=context.service.identity(account))


async def _refuse_referred(context: Context, request: CompareRequest | Update) -> None:
    directory = context.service.directory
    await refuse_referred(directory, _dn(context, request))
    # An entry cannot be moved to where another server is asked for it.  RFC 4511 section 4.9
    if isinstance(request, ModifyDNRequest) and request.new_superior is not None:
        superior = read_dn(context, "newSuperior", request.new_superior)
        if await at_or_above(directory, superior) is not None:
            raise OperationRefused(ResultCode.AFFECTS_MULTIPLE_DSAS, "newSuperior: is held by another server")


def _dn(context: Context, request: CompareRequest | Update) -> DN:
    if isinstance(request, ModifyRequest):
        return read_dn(context, "object", request.object)
    return read_dn(context, "entry", request.entry)
