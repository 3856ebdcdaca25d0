"""An old password that comes with a new one: judged as that of a bind is ([MS-SAMR] 3.1.5.14.6).

What it is wrong for is a write, which is undone whole; what is counted is counted outside of it.
"""

from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import AccountStatus
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context
from ldapserver.passwords import was_one
from ldapserver.suspension import to_its_end
from ldapserver.wire.messages import ResultCode


async def locked(context: Context, account: Account) -> bool:
    """Whether the account is locked, so that no password of it is looked at."""
    judgement = await context.service.directory.judge(
        account, right=True, workstation=context.workstation, by_password=False, counted=False
    )
    return judgement.status is AccountStatus.LOCKED_OUT


async def still_right(context: Context, account: Account) -> bool:
    """Whether what was the right password of `account` still is. Nothing is set back by it: no bind has succeeded."""
    judgement = await context.service.directory.judge(
        account, right=True, workstation=context.workstation, counted=False
    )
    return not (judgement.changed or judgement.gone)


async def wrong(context: Context, account: Account, given: bytes) -> bool:
    """Count a wrong old password; whether the account turns out to be locked, and nothing was counted.

    Where it has just been locked, event 4740 is handed over before anybody is answered. Raises OperationRefused when
    that could not be done.
    """
    if not account.passwords:  # nor does a bind count where no password could have been right
        return await locked(context, account)
    # Whoever does not wait for the answer is counted all the same.
    return await to_its_end(_counted(context, account, given))


async def _counted(context: Context, account: Account, given: bytes) -> bool:
    directory = context.service.directory
    spared = await was_one(directory, context.host, account, given)
    judgement = await directory.judge(account, right=False, workstation=context.workstation, counted=not spared)
    if judgement.locked:
        await _record(context, account)
    return judgement.status is AccountStatus.LOCKED_OUT


async def _record(context: Context, account: Account) -> None:
    service = context.service
    event = await service.logons.lockout(account, context.peer, context.message_id, context.workstation)
    try:
        await service.audit.written((event,))
    except AuditUnavailable:
        raise OperationRefused(ResultCode.UNAVAILABLE, "the lockout could not be recorded") from None
