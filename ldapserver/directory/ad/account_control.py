"""What is kept of userAccountControl, and sAMAccountType ([MS-SAMR] 2.2.1.9)."""

from collections.abc import Sequence
from enum import IntFlag

from ldapserver.directory.ad import sid
from ldapserver.directory.user_account_control import TRUSTS, Control

KINDS = TRUSTS | Control.NORMAL_ACCOUNT | Control.TEMP_DUPLICATE_ACCOUNT
# Told by lockoutTime, pwdLastSet and the access rights; what is written there goes nowhere.
NOT_STORED = Control.LOCKOUT | Control.PASSWD_CANT_CHANGE | Control.PASSWORD_EXPIRED

# What a user gets that is added over LDAP without a word on it: nobody can bind as it yet.
DEFAULT = Control.NORMAL_ACCOUNT | Control.ACCOUNT_DISABLE | Control.PASSWD_NOTREQD


def stored(control: int) -> int:
    """The value that is kept of one that is written: of a kind, a normal account if it says none."""
    kept = control & ~NOT_STORED
    return kept if kept & KINDS else kept | Control.NORMAL_ACCOUNT


def of_loaded(*, computer: bool, password: bool) -> int:
    """The value for an account that LDIF brings without one: enabled when there is a password to bind with."""
    if computer:
        return int(Control.WORKSTATION_TRUST_ACCOUNT)
    return int(Control.NORMAL_ACCOUNT if password else DEFAULT)


def primary_group(control: int) -> int:
    """The RID of the primary group that an account of this kind is created with, [MS-SAMR] 3.1.1.8.1."""
    if control & Control.PARTIAL_SECRETS_ACCOUNT:
        return sid.READ_ONLY_DOMAIN_CONTROLLERS
    if control & Control.SERVER_TRUST_ACCOUNT:
        return sid.DOMAIN_CONTROLLERS
    return sid.DOMAIN_COMPUTERS if control & Control.WORKSTATION_TRUST_ACCOUNT else sid.DOMAIN_USERS


class GroupType(IntFlag):
    """The bits of groupType, [MS-ADTS] 2.2.12."""

    BUILTIN_LOCAL = 0x1
    ACCOUNT = 0x2
    RESOURCE = 0x4
    UNIVERSAL = 0x8
    APP_BASIC = 0x10
    APP_QUERY = 0x20
    SECURITY_ENABLED = 0x80000000


def written(flags: int) -> int:
    """A set of bits as attributes have it, a signed integer of 32 bits: a security group's groupType is below 0."""
    return flags - (1 << 32) if flags & 0x80000000 else flags


GLOBAL_SECURITY_GROUP = written(GroupType.ACCOUNT | GroupType.SECURITY_ENABLED)  # what a group is that says nothing
BUILTIN_GROUP = written(GroupType.BUILTIN_LOCAL | GroupType.RESOURCE | GroupType.SECURITY_ENABLED)

# [MS-SAMR] 2.2.1.9
SAM_GROUP_OBJECT = 0x10000000
SAM_ALIAS_OBJECT = 0x20000000
SAM_USER_OBJECT = 0x30000000
SAM_MACHINE_ACCOUNT = 0x30000001
SAM_TRUST_ACCOUNT = 0x30000002


def account_type_of_user(control: int) -> int:
    """sAMAccountType of an account."""
    if control & Control.INTERDOMAIN_TRUST_ACCOUNT:
        return SAM_TRUST_ACCOUNT
    trusted = Control.WORKSTATION_TRUST_ACCOUNT | Control.SERVER_TRUST_ACCOUNT
    return SAM_MACHINE_ACCOUNT if control & trusted else SAM_USER_OBJECT


def account_type_of_group(group_type: int) -> int:
    """sAMAccountType of a group: a local one is an alias; of one that is not for security the last bit is set."""
    kind = SAM_ALIAS_OBJECT if group_type & GroupType.RESOURCE else SAM_GROUP_OBJECT
    return kind if group_type & GroupType.SECURITY_ENABLED else kind | 1


def is_security_group(values: Sequence[bytes]) -> bool:
    """Whether these values of groupType make a security group."""
    try:
        return any(int(value) & GroupType.SECURITY_ENABLED for value in values)
    except ValueError:
        return False
