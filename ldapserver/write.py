"""The operations that change entries: add, modify, delete, modifyDN (RFC 4511 sections 4.6 to 4.9).

What may be written is decided in `access.py`, what it comes to by the directory; here requests become values, and
what RFC 4527 lets clients ask for goes with the answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ldapserver import controls, old_password
from ldapserver.access import check_writable, may_modify, may_write_entries
from ldapserver.directory import own_password
from ldapserver.directory.account import Account, ProvedPassword
from ldapserver.directory.directory import Written
from ldapserver.directory.schemes import StoredPassword
from ldapserver.errors import OperationRefused, WrongOldPassword
from ldapserver.naming import read_dn
from ldapserver.operation import Context, Reply
from ldapserver.selection import Selection
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import (
    AddRequest,
    AddResponse,
    Change,
    Control,
    DelRequest,
    DelResponse,
    ModifyDNRequest,
    ModifyDNResponse,
    ModifyRequest,
    ModifyResponse,
    PartialAttribute,
    ResultCode,
)

_MAY_NOT = "only an administrator may do this; others change their own password"


async def write(context: Context, request: AddRequest | ModifyRequest | DelRequest | ModifyDNRequest) -> Reply:
    """Carry out one change. Raises OperationRefused."""
    check_writable(context.service.config)
    match request:
        case AddRequest():
            written = await _add(context, request)
            return Reply(AddResponse(ResultCode.SUCCESS), await _read(context, written))
        case ModifyRequest():
            written = await _modify(context, request)
            return Reply(ModifyResponse(ResultCode.SUCCESS), await _read(context, written))
        case DelRequest():
            written = await _delete(context, request)
            return Reply(DelResponse(ResultCode.SUCCESS), await _read(context, written))
        case ModifyDNRequest():
            written = await _modify_dn(context, request)
            return Reply(ModifyDNResponse(ResultCode.SUCCESS), await _read(context, written))


async def _add(context: Context, request: AddRequest) -> Written:
    dn = read_dn(context, "entry", request.entry)
    _check_access(allowed=may_write_entries(context.identity))
    attributes = tuple([(attribute.type, attribute.values) for attribute in request.attributes])
    identity = context.identity
    return await context.service.directory.add(
        dn,
        attributes,
        by=identity.dn,
        admin=identity.admin,
        assertion=context.controls.assertion,
        strength=context.strength,
    )


async def _modify(context: Context, request: ModifyRequest) -> Written:
    identity = context.identity
    dn = read_dn(context, "object", request.object)
    allowed = may_modify(identity, dn, [change.modification.type for change in request.changes])
    _check_access(allowed=allowed)
    if not identity.admin:
        own_password.check_changes(request.changes)
    directory = context.service.directory
    changes: Sequence[Change] = request.changes
    deletions = own_password.old_passwords(changes, directory.schema)
    account = await directory.account_at(dn) if deletions else None
    # The write of one's own locked account is refused whatever the password is, and so no work is done for it.
    if account is not None and (identity.admin or not await old_password.locked(context, account)):
        changes = await _proved(context, account, changes, deletions)
    try:
        return await directory.modify(
            dn,
            changes,
            by=identity.dn,
            admin=identity.admin,
            assertion=context.controls.assertion,
            permissive=context.controls.permissive_modify,
            strength=context.strength,
        )
    except WrongOldPassword as refused:
        given = refused.given
        # It was right when it was looked at: of a password that somebody has replaced meanwhile.
        outdated = isinstance(given, ProvedPassword) and given.forms
        if account is not None and not outdated and await old_password.wrong(context, account, given):
            raise refused.once_locked from None
        raise


async def _proved(
    context: Context, account: Account, changes: Sequence[Change], deletions: Sequence[Change]
) -> Sequence[Change]:
    """The changes with a `ProvedPassword` where a password that is to go is given in the clear and stored dearly."""
    dear = [password for password in account.passwords if password.dear]
    if not dear:
        return changes
    given = {value for change in deletions for value in change.modification.values}
    proved: dict[bytes, bytes] = {value: await _proved_password(context, value, dear) for value in given}
    return [
        replace(
            change,
            modification=PartialAttribute(
                change.modification.type, tuple([proved[value] for value in change.modification.values])
            ),
        )
        if change in deletions
        else change
        for change in changes
    ]


async def _proved_password(context: Context, given: bytes, dear: Sequence[StoredPassword]) -> ProvedPassword:
    forms = []
    for stored in dear:
        work = context.host.offload(partial(stored.check, given))
        if work is None:
            raise OperationRefused(ResultCode.BUSY, "too many passwords are being checked; try again")
        if await work:
            forms.append(stored)
    return ProvedPassword.of(given, forms)


async def _delete(context: Context, request: DelRequest) -> Written:
    identity = context.identity
    dn = read_dn(context, "entry", request.entry)
    _check_access(allowed=may_write_entries(identity))
    return await context.service.directory.delete(
        dn,
        by=identity.dn,
        admin=identity.admin,
        assertion=context.controls.assertion,
        subtree=context.controls.tree_delete,
    )


async def _modify_dn(context: Context, request: ModifyDNRequest) -> Written:
    identity = context.identity
    dn = read_dn(context, "entry", request.entry)
    newrdn = _parsed_rdn(request.newrdn)
    superior = None if request.new_superior is None else read_dn(context, "newSuperior", request.new_superior)
    _check_access(allowed=may_write_entries(identity))
    return await context.service.directory.modify_dn(
        dn,
        newrdn,
        request.deleteoldrdn,
        superior,
        by=identity.dn,
        admin=identity.admin,
        assertion=context.controls.assertion,
    )


def _parsed_rdn(text: str) -> DN:
    try:
        newrdn = DN.parse(text)
    except InvalidDN as error:
        raise OperationRefused(ResultCode.INVALID_DN_SYNTAX, f"newrdn: {error}") from None
    if len(newrdn.rdns) != 1:
        raise OperationRefused(ResultCode.INVALID_DN_SYNTAX, "newrdn: must be one RDN")
    return newrdn


def _check_access(*, allowed: bool) -> None:
    if not allowed:
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, _MAY_NOT)


async def _read(context: Context, written: Written) -> tuple[Control, ...]:
    """The entry as it was and as it is, where that is asked for and there is one (RFC 4527 section 3)."""
    found: list[Control] = []
    before, after = written.before, written.after
    if context.controls.pre_read is not None and before is not None:
        shown = await Selection(context.service, context.identity, context.controls.pre_read).result(before)
        found.append(controls.pre_read_response(shown))
    if context.controls.post_read is not None and after is not None:
        shown = await Selection(context.service, context.identity, context.controls.post_read).result(after)
        found.append(controls.post_read_response(shown))
    return tuple(found)
