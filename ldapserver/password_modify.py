"""The Password Modify operation (RFC 3062): one new password, in every form that is kept of the old one."""

import secrets
from dataclasses import dataclass, field
from functools import partial

from ldapserver import old_password
from ldapserver.access import check_writable, may_modify
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.authzid import AuthzId
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.own_password import locked_out
from ldapserver.directory.renewal import renewed
from ldapserver.directory.schemes import InvalidPassword
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.passwords import proves
from ldapserver.wire.messages import (
    Change,
    ExtendedRequest,
    ExtendedResponse,
    ModifyOperation,
    PartialAttribute,
    ResultCode,
)

PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"

GENERATED = 12  # octets of chance in a password that the server makes up: sixteen characters

_MAY_NOT = "userIdentity: only an administrator may do this; others change their own password"
_BUSY = "too many passwords are being worked out; try again"


@dataclass(frozen=True, slots=True)
class _Asked:
    user_identity: str | None
    old: bytes | None = field(repr=False)
    new: bytes | None = field(repr=False)


async def password_modify(context: Context, request: ExtendedRequest) -> Reply:
    """Change a password, the requester's own or by an administrator anybody's. Raises OperationRefused.

    Without a new one the server makes one up, and tells it.
    """
    check_writable(context.service.config)
    asked = _read(request)
    account = await _whose(context, asked.user_identity)
    if asked.old is not None:
        await _verify(context, account, asked.old)
    made_up = secrets.token_urlsafe(GENERATED).encode() if asked.new is None else None
    await _set(context, account, made_up or asked.new or b"", verified=asked.old is not None)
    return Reply(ExtendedResponse(ResultCode.SUCCESS, response_value=_response(made_up)))


def _read(request: ExtendedRequest) -> _Asked:
    # "The requestValue is optional": without one it is the own password, and a new one is to be made up.  Section 2
    if request.request_value is None:
        return _Asked(None, None, None)
    from ldapserver.controls import values

    decoded = values.decode(values.PasswdModifyRequestValue, request.request_value, "requestValue")
    given = {
        name: bytes(decoded[name]) if decoded[name].hasValue() else None
        for name in ("userIdentity", "oldPasswd", "newPasswd")
    }
    identity = given["userIdentity"]
    return _Asked(
        None if identity is None else values.text(identity, "userIdentity"), given["oldPasswd"], given["newPasswd"]
    )


def _response(made_up: bytes | None) -> bytes | None:
    if made_up is None:
        return None
    from ldapserver.controls import values

    return values.encode(values.PasswdModifyResponseValue, genPasswd=made_up)


async def _whose(context: Context, user_identity: str | None) -> Account:
    """Whose password it is about: the requester's where nobody is named."""
    identity, directory = context.identity, context.service.directory
    if identity.anonymous:
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, "bind first")
    account = await (_named(context, user_identity) if user_identity else directory.account_at(identity.dn))
    # Who may not change it does not learn whether there is somebody.
    if not identity.admin and (account is None or not may_modify(identity, account.dn, ("userPassword",))):
        if user_identity:
            raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, _MAY_NOT)
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, "the requester has no entry")
    if account is None:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, "userIdentity: nobody")
    return account


async def _named(context: Context, text: str) -> Account | None:
    """ "This string may or may not be an LDAPDN": a name, a DN, or an authzId of either (section 2)."""
    directory = context.service.directory
    asked = AuthzId.meant(text)
    if asked.dn is not None:
        return await directory.account_at(asked.dn)
    try:
        return await directory.find_account(asked.name)
    except AmbiguousName as error:
        # Only an administrator is told so.
        if context.identity.admin:
            raise OperationRefused(ResultCode.CONSTRAINT_VIOLATION, f"userIdentity: {error}") from None
        return None


async def _verify(context: Context, account: Account, old: bytes) -> None:
    # A locked account does not tell which password is right.  [MS-SAMR] 3.1.5.13.7.1
    if await old_password.locked(context, account):
        raise locked_out()
    right = await proves(context.host, account, old)
    if right is None:
        raise OperationRefused(ResultCode.BUSY, _BUSY)
    if right:
        await _check_still(context, account)
    else:
        raise locked_out() if await old_password.wrong(context, account, old) else _wrong()


async def _check_still(context: Context, account: Account) -> None:
    """Refuse what came to be while a dear password was worked on: a lockout, another password."""
    if await old_password.locked(context, account):
        raise locked_out()
    if not await old_password.still_right(context, account):
        raise _wrong()


def _wrong() -> OperationRefused:
    return OperationRefused(ResultCode.UNWILLING_TO_PERFORM, "oldPasswd: not the password")


async def _set(context: Context, account: Account, password: bytes, *, verified: bool) -> None:
    directory = context.service.directory
    stored = await directory.stored_passwords(account.dn)
    if stored is None:
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, "the entry is gone")
    owner, kept = stored
    work = partial(renewed, kept, password, owner, saslprep=context.service.config.saslprep)
    try:
        if any(each.dear for each in account.passwords):
            offloaded = context.host.offload(work)
            if offloaded is None:
                raise OperationRefused(ResultCode.BUSY, _BUSY)
            attributes = await offloaded
            if verified:
                await _check_still(context, account)
        else:
            attributes = work()
    except InvalidPassword as error:
        raise OperationRefused(ResultCode.CONSTRAINT_VIOLATION, f"newPasswd: {error}") from None
    identity = context.identity
    await directory.modify(account.dn, _changes(kept, attributes), by=identity.dn, admin=identity.admin)


def _changes(kept: Attributes, attributes: Attributes) -> list[Change]:
    descriptions = dict.fromkeys([description for description, _ in (*kept, *attributes)])
    before, values = dict(kept), dict(attributes)
    return [
        Change(ModifyOperation.REPLACE, PartialAttribute(description, values.get(description, ())))
        for description in descriptions
        if values.get(description, ()) != before.get(description, ())
    ]
