"""What users may make of their own password: nothing that others pay for.

Who is not known is refused with the work of the dearest account (`Contents.weigh`), so a password that is dear, or
one of a thousand, would make every failed bind of everybody as dear.
"""

from collections.abc import Iterable, Sequence

from ldapserver.directory.account import Account
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.schema import Schema
from ldapserver.directory.schemes import StoredPassword
from ldapserver.errors import OperationRefused
from ldapserver.wire.messages import Change, ModifyOperation, ResultCode

# What users change in their own entries.
OWN_ATTRIBUTES = frozenset(("userpassword", "2.5.4.35", "unicodepwd", "1.2.840.113556.1.4.90"))

MAX_VALUES = 16  # in an entry, and in one request: one password in a few forms, and the old ones
MAX_LENGTH = 4096  # octets of a value; the 29 hashes of WDigest take some 700
MAX_COST = 1_200_000  # hashes: 600,000 iterations of PBKDF2, which is what is recommended of HMAC-SHA-256


def locked_out() -> OperationRefused:
    """What whoever gives an old password is refused with while wrong ones have locked the account."""
    return OperationRefused(ResultCode.UNWILLING_TO_PERFORM, "the account is locked: no old password is looked at")


def old_passwords(changes: Sequence[Change], schema: Schema) -> list[Change]:
    """Those of the changes that delete passwords which they give."""
    return [
        change
        for change in changes
        if change.operation is ModifyOperation.DELETE
        and schema.is_secret(change.modification.type)
        and change.modification.values
    ]


def check_changes(changes: Sequence[Change]) -> None:
    """What is wrong with changes by themselves. Raises OperationRefused."""
    # Each value is compared with each that is there, and one to be deleted may be put to every stored form.
    if len(changes) + sum(len(change.modification.values) for change in changes) > 2 * MAX_VALUES:
        raise OperationRefused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"more than {MAX_VALUES} changes of a password")


def check_stored(
    secrets: Attributes, account: Account | None, before: Attributes, dearest: Iterable[StoredPassword]
) -> None:
    """Refuse, with OperationRefused, what an entry would hold.

    `before` is what it holds, and `dearest` the dearest passwords of an account that there are: what an
    administrator has given stands, and measures what others may have.
    """
    held = _values(before)
    values = _values(secrets)
    if len(values) > max(MAX_VALUES, len(held)):
        raise OperationRefused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"a user has at most {MAX_VALUES} password values")
    if any(len(value) > MAX_LENGTH for value in values.difference(held)):
        raise OperationRefused(
            ResultCode.ADMIN_LIMIT_EXCEEDED, f"a password value is at most {MAX_LENGTH} octets long"
        )
    if account is not None and cost(account.passwords) > max(MAX_COST, cost(dearest)):
        raise OperationRefused(
            ResultCode.CONSTRAINT_VIOLATION, f"the passwords of a user take at most {MAX_COST // 2} iterations in all"
        )


def cost(passwords: Iterable[StoredPassword]) -> int:
    """How many hashes it takes to check them all."""
    return sum([password.cost for password in passwords])


def _values(secrets: Attributes) -> set[bytes]:
    return {
        value
        for description, values in secrets
        if description.partition(";")[0].lower() in OWN_ATTRIBUTES
        for value in values
    }
