"""The texts a domain controller refuses with, which clients take apart: the Win32 error comes first, in hex.

Service errors (SvcErr), errors about one attribute (AtrErr) and about an update (UpdErr), each with a DSID that
differs by build: those here were all seen in public reports. The end is a line feed and a NUL.
"""

from ldapserver.errors import OperationRefused
from ldapserver.wire.messages import ResultCode

ERROR_GEN_FAILURE = 0x1F
ERROR_INVALID_PASSWORD = 0x56
ERROR_INVALID_ACCOUNT_NAME = 0x523
ERROR_PASSWORD_RESTRICTION = 0x52D
ERROR_ACCOUNT_LOCKED_OUT = 0x775
ERROR_USER_EXISTS = 0x524
ERROR_GROUP_EXISTS = 0x526
ERROR_MEMBER_IN_ALIAS = 0x562
ERROR_DS_SINGLE_VALUE_CONSTRAINT = 0x2081
ERROR_DS_RANGE_CONSTRAINT = 0x2082
ERROR_DS_INSUFF_ACCESS_RIGHTS = 0x2098
ERROR_DS_SPN_VALUE_NOT_UNIQUE_IN_FOREST = 0x21C7
ERROR_DS_UPN_VALUE_NOT_UNIQUE_IN_FOREST = 0x21C8

# The internal number of an attribute, as AtrErr names it.
UNICODE_PWD = "9005a (unicodePwd)"
SAM_ACCOUNT_NAME = "900dd (sAMAccountName)"
USER_PRINCIPAL_NAME = "90290 (userPrincipalName)"
SERVICE_PRINCIPAL_NAME = "90303 (servicePrincipalName)"


def will_not_perform(error: int, dsid: str = "031A12D2") -> OperationRefused:
    """unwillingToPerform; `error` is a Win32 error."""
    text = f"{error:08X}: SvcErr: DSID-{dsid}, problem 5003 (WILL_NOT_PERFORM), data 0\n\0"
    return OperationRefused(ResultCode.UNWILLING_TO_PERFORM, text)


def constraint_violation(error: int, attribute: str, dsid: str = "03191083") -> OperationRefused:
    """constraintViolation about one attribute, given by its internal number and name."""
    text = (
        f"{error:08X}: AtrErr: DSID-{dsid}, #1:\n"
        f"\t0: {error:08X}: DSID-{dsid}, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att {attribute}\n\0"
    )
    return OperationRefused(ResultCode.CONSTRAINT_VIOLATION, text)


def insufficient_access(dsid: str = "03150F94") -> OperationRefused:
    """insufficientAccessRights."""
    error = ERROR_DS_INSUFF_ACCESS_RIGHTS
    text = f"{error:08X}: SecErr: DSID-{dsid}, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0"
    return OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, text)


def entry_exists(error: int, dsid: str = "031A1261") -> OperationRefused:
    """entryAlreadyExists, which Active Directory also answers when a sAMAccountName is taken."""
    text = f"{error:08X}: UpdErr: DSID-{dsid}, problem 6005 (ENTRY_EXISTS), data 0\n\0"
    return OperationRefused(ResultCode.ENTRY_ALREADY_EXISTS, text)


def already_member() -> OperationRefused:
    """entryAlreadyExists, for a member that a group has."""
    return entry_exists(ERROR_MEMBER_IN_ALIAS, "031A11DA")


def invalid_account_name(dsid: str = "031A1256") -> OperationRefused:
    """`other`: a sAMAccountName that nothing may be called, [MS-SAMR] 3.1.1.6."""
    text = f"{ERROR_INVALID_ACCOUNT_NAME:08X}: SysErr: DSID-{dsid}, problem 22 (Invalid argument), data 0\n\0"
    return OperationRefused(ResultCode.OTHER, text)


def too_long(attribute: str) -> OperationRefused:
    """constraintViolation: a value longer than the rangeUpper of the attribute's definition."""
    return constraint_violation(ERROR_DS_RANGE_CONSTRAINT, attribute, "03151904")


def name_taken(attribute: str, *, group: bool = False) -> OperationRefused:
    """What to refuse with when another entry has the same value of a name that must be unique.

    `attribute` is sAMAccountName (unique in the domain, [MS-SAMR] 3.1.1.8.4), userPrincipalName or
    servicePrincipalName (in the forest, [MS-ADTS] 3.1.1.5.1.3). Raises LookupError for another.
    """
    match attribute.lower():
        case "samaccountname":
            return entry_exists(ERROR_GROUP_EXISTS, "031A11DA") if group else entry_exists(ERROR_USER_EXISTS)
        case "userprincipalname":
            return constraint_violation(ERROR_DS_UPN_VALUE_NOT_UNIQUE_IN_FOREST, USER_PRINCIPAL_NAME, "03200BBA")
        case "serviceprincipalname":
            return constraint_violation(ERROR_DS_SPN_VALUE_NOT_UNIQUE_IN_FOREST, SERVICE_PRINCIPAL_NAME, "03200DF3")
    raise LookupError(f"{attribute}: need not be unique")


UNIQUE = ("sAMAccountName", "userPrincipalName", "servicePrincipalName")
