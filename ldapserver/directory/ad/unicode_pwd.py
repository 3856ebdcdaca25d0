"""unicodePwd: what a write to it asks for, and when it is refused ([MS-ADTS] 3.1.1.3.1.5.1).

A user changes a password by deleting the old value and adding the new one in one request, an administrator resets it
by replacing. A value is the password in quotation marks, in UTF-16, little-endian. Where the document is silent, the
result codes are those that Samba's tests saw on Windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ldapserver.directory.ad.refusals import (
    ERROR_ACCOUNT_LOCKED_OUT,
    ERROR_DS_SINGLE_VALUE_CONSTRAINT,
    ERROR_GEN_FAILURE,
    ERROR_INVALID_PASSWORD,
    ERROR_PASSWORD_RESTRICTION,
    UNICODE_PWD,
    constraint_violation,
    insufficient_access,
    will_not_perform,
)
from ldapserver.errors import OperationRefused, WrongOldPassword
from ldapserver.wire.messages import Change, ModifyOperation

NAMES = frozenset(("unicodepwd", "1.2.840.113556.1.4.90"))
MIN_STRENGTH = 128  # bits of the key that protects a connection on which passwords may be written


class InvalidUnicodePwd(ValueError):
    """The octets are no password in quotation marks; the message does not show them."""


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Who knows `old` may have `new`."""

    old: str = field(repr=False)
    new: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """`new` whatever it was, for who has the right to."""

    new: str = field(repr=False)


def is_unicode_pwd(description: str) -> bool:
    """Whether an attribute description names unicodePwd."""
    return description.partition(";")[0].lower() in NAMES


def decode(value: bytes) -> str:
    """The password of a value, or raise `InvalidUnicodePwd`."""
    try:
        text = value.decode("utf-16-le")
    except UnicodeDecodeError:
        raise InvalidUnicodePwd("unicodePwd: not UTF-16 ([MS-ADTS] 3.1.1.3.1.5.1)") from None
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise InvalidUnicodePwd("unicodePwd: not between quotation marks ([MS-ADTS] 3.1.1.3.1.5.1)")
    return text[1:-1]


def encode(password: str) -> bytes:
    """The value that says `password`; raises `InvalidUnicodePwd` for half of a surrogate pair."""
    try:
        return f'"{password}"'.encode("utf-16-le")
    except UnicodeEncodeError:
        raise InvalidUnicodePwd("the password holds half of a surrogate pair") from None


def asked(changes: Sequence[Change], *, strength: int, may_reset: bool) -> ChangePassword | ResetPassword | None:
    """What the changes of a modify ask for by unicodePwd; None when they do not name it. Raises `OperationRefused`.

    `strength` is the bits of the key of TLS or of a security layer that encrypts, 0 in the clear. `may_reset` is
    whether who asks has the right to reset the password; everything but a change asks for it.
    """
    ours = [change for change in changes if is_unicode_pwd(change.modification.type)]
    if not ours:
        return None
    if strength < MIN_STRENGTH:
        raise will_not_perform(ERROR_GEN_FAILURE)
    by_operation = sorted((change.operation, change.modification.values) for change in ours)
    match by_operation:
        case [(ModifyOperation.ADD, added), (ModifyOperation.DELETE, deleted)]:  # in whichever order they come
            return _change_or_first(deleted, added, may_reset=may_reset)
        case [(ModifyOperation.DELETE, deleted)] if deleted:
            raise constraint_violation(ERROR_INVALID_PASSWORD, UNICODE_PWD)
        case [(ModifyOperation.ADD, added)] if not added:
            raise constraint_violation(ERROR_INVALID_PASSWORD, UNICODE_PWD)
    if not may_reset:
        raise insufficient_access()
    last = ours[-1].modification.values
    if any(change.operation is not ModifyOperation.REPLACE for change in ours) or not last:
        raise will_not_perform(ERROR_GEN_FAILURE)
    return ResetPassword(_reset(last))


def added(values: Sequence[bytes], *, strength: int) -> ResetPassword:
    """The password that an entry is added with. Raises `OperationRefused`."""
    if strength < MIN_STRENGTH:
        raise will_not_perform(ERROR_GEN_FAILURE)
    return ResetPassword(_reset(values))


def wrong_old_password(given: str) -> WrongOldPassword:
    """What a change is refused with when its old password is not the one, whoever asks for it."""
    return WrongOldPassword(
        constraint_violation(ERROR_INVALID_PASSWORD, UNICODE_PWD), given.encode(), once_locked=locked_out()
    )


def locked_out() -> OperationRefused:
    """What a change is refused with, whatever its old password, while wrong ones have locked the account."""
    return constraint_violation(ERROR_ACCOUNT_LOCKED_OUT, UNICODE_PWD)


def against_policy(request: ChangePassword | ResetPassword) -> OperationRefused:
    """What a new password is refused with that the domain's policy does not allow."""
    if isinstance(request, ChangePassword):
        return constraint_violation(ERROR_PASSWORD_RESTRICTION, UNICODE_PWD)
    return will_not_perform(ERROR_PASSWORD_RESTRICTION)


def _change_or_first(
    deleted: Sequence[bytes], added: Sequence[bytes], *, may_reset: bool
) -> ChangePassword | ResetPassword:
    # "unicodePwd" has one value: of neither side there may be more.
    if len(added) > 1 or len(deleted) > 1:
        raise constraint_violation(ERROR_DS_SINGLE_VALUE_CONSTRAINT, UNICODE_PWD, "03190FA0")
    if not added:
        raise constraint_violation(ERROR_INVALID_PASSWORD, UNICODE_PWD)
    if not deleted:
        # Whatever it was, in other words: the first password of a new account is often set so.
        if not may_reset:
            raise insufficient_access()
        return ResetPassword(_reset(added))
    try:
        return ChangePassword(decode(deleted[0]), decode(added[0]))
    except InvalidUnicodePwd:
        # What cannot be a password is not the one, nor is it one that the policy allows.
        raise constraint_violation(ERROR_INVALID_PASSWORD, UNICODE_PWD) from None


def _reset(values: Sequence[bytes]) -> str:
    if len(values) != 1:
        raise constraint_violation(ERROR_DS_SINGLE_VALUE_CONSTRAINT, UNICODE_PWD, "03190FA0")
    try:
        return decode(values[0])
    except InvalidUnicodePwd:
        raise will_not_perform(ERROR_GEN_FAILURE) from None
