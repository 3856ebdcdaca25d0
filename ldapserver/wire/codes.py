"""The numbers of RFC 4511 section 4 that have names."""

from enum import IntEnum
from typing import Final

MAX_INT: Final = 2147483647  # "maxInt INTEGER ::= 2147483647 -- (2^^31 - 1) --", RFC 4511 section 4.1.1


class ResultCode(IntEnum):
    """The resultCode of an LDAPResult, RFC 4511 section 4.1.9; the last ones from later documents."""

    SUCCESS = 0
    OPERATIONS_ERROR = 1
    PROTOCOL_ERROR = 2
    TIME_LIMIT_EXCEEDED = 3
    SIZE_LIMIT_EXCEEDED = 4
    COMPARE_FALSE = 5
    COMPARE_TRUE = 6
    AUTH_METHOD_NOT_SUPPORTED = 7
    STRONGER_AUTH_REQUIRED = 8
    REFERRAL = 10
    ADMIN_LIMIT_EXCEEDED = 11
    UNAVAILABLE_CRITICAL_EXTENSION = 12
    CONFIDENTIALITY_REQUIRED = 13
    SASL_BIND_IN_PROGRESS = 14
    NO_SUCH_ATTRIBUTE = 16
    UNDEFINED_ATTRIBUTE_TYPE = 17
    INAPPROPRIATE_MATCHING = 18
    CONSTRAINT_VIOLATION = 19
    ATTRIBUTE_OR_VALUE_EXISTS = 20
    INVALID_ATTRIBUTE_SYNTAX = 21
    NO_SUCH_OBJECT = 32
    ALIAS_PROBLEM = 33
    INVALID_DN_SYNTAX = 34
    ALIAS_DEREFERENCING_PROBLEM = 36
    INAPPROPRIATE_AUTHENTICATION = 48
    INVALID_CREDENTIALS = 49
    INSUFFICIENT_ACCESS_RIGHTS = 50
    BUSY = 51
    UNAVAILABLE = 52
    UNWILLING_TO_PERFORM = 53
    LOOP_DETECT = 54
    SORT_CONTROL_MISSING = 60  # draft-ietf-ldapext-ldapv3-vlv-09, as is the next, and 76
    OFFSET_RANGE_ERROR = 61
    NAMING_VIOLATION = 64
    OBJECT_CLASS_VIOLATION = 65
    NOT_ALLOWED_ON_NON_LEAF = 66
    NOT_ALLOWED_ON_RDN = 67
    ENTRY_ALREADY_EXISTS = 68
    OBJECT_CLASS_MODS_PROHIBITED = 69
    AFFECTS_MULTIPLE_DSAS = 71
    VIRTUAL_LIST_VIEW_ERROR = 76
    OTHER = 80
    CANCELED = 118  # RFC 3909 section 2, as are the next three
    NO_SUCH_OPERATION = 119
    TOO_LATE = 120
    CANNOT_CANCEL = 121
    ASSERTION_FAILED = 122  # RFC 4528
    AUTHORIZATION_DENIED = 123  # RFC 4370


class Scope(IntEnum):
    """How far below baseObject a search looks, RFC 4511 section 4.5.1.2."""

    BASE_OBJECT = 0
    SINGLE_LEVEL = 1
    WHOLE_SUBTREE = 2


class DerefAliases(IntEnum):
    """When a search follows aliases, RFC 4511 section 4.5.1.3."""

    NEVER_DEREF_ALIASES = 0
    DEREF_IN_SEARCHING = 1
    DEREF_FINDING_BASE_OBJ = 2
    DEREF_ALWAYS = 3


class ModifyOperation(IntEnum):
    """What a Change does with its values, RFC 4511 section 4.6; increment is RFC 4525."""

    ADD = 0
    DELETE = 1
    REPLACE = 2
    INCREMENT = 3
