"""What each end of a bind means: the result code on the wire, the kind of record, the NTSTATUS in it.

The one table of this mapping; `docs/audit.md` shows it row by row. Codes: [MS-ERREF] section 2.3.
"""

import enum
from dataclasses import dataclass

from ldapserver.wire.messages import ResultCode
from sasl_digest import Reason


class Status(enum.IntEnum):
    """The NTSTATUS that event 4776 carries."""

    SUCCESS = 0x00000000
    NO_SUCH_USER = 0xC0000064
    WRONG_PASSWORD = 0xC000006A
    ACCOUNT_RESTRICTION = 0xC000006E
    INVALID_LOGON_HOURS = 0xC000006F
    INVALID_WORKSTATION = 0xC0000070
    PASSWORD_EXPIRED = 0xC0000071
    ACCOUNT_DISABLED = 0xC0000072
    ACCOUNT_EXPIRED = 0xC0000193
    PASSWORD_MUST_CHANGE = 0xC0000224
    ACCOUNT_LOCKED_OUT = 0xC0000234
    NO_SECRETS = 0xC0000371

    @property
    def hexadecimal(self) -> str:
        """As Windows writes it in event data: lower case, without leading zeros."""
        return f"0x{self.value:x}"

    @property
    def words(self) -> str:
        """What it says to a person."""
        return _WORDS[self]


_WORDS = {
    Status.SUCCESS: "Status OK.",
    Status.NO_SUCH_USER: "No such user",
    Status.WRONG_PASSWORD: "Wrong password",
    Status.ACCOUNT_RESTRICTION: "Account restriction",
    Status.INVALID_LOGON_HOURS: "Outside the hours this user may log on",
    Status.INVALID_WORKSTATION: "This user may not log on from this workstation",
    Status.PASSWORD_EXPIRED: "Password expired",
    Status.ACCOUNT_DISABLED: "Account disabled",
    Status.ACCOUNT_EXPIRED: "Account expired",
    Status.PASSWORD_MUST_CHANGE: "Password must be changed first",
    Status.ACCOUNT_LOCKED_OUT: "Account locked out",
    Status.NO_SECRETS: "No secret stored that could verify this mechanism",
}


class BindReason(enum.Enum):
    """Why a bind ended as it did, beyond what the digest exchange says itself (`sasl_digest.Reason`)."""

    SUCCESS = "success"
    AMBIGUOUS_NAME = "ambiguous-name"
    """Two entries answer to the name: nobody is authenticated."""
    ACCOUNT_LOCKED_OUT = "account-locked-out"
    """Too many wrong passwords, or locked otherwise: whatever the password was."""
    ACCOUNT_DISABLED = "account-disabled"
    """The password was right, as it was for those that follow; the account is disabled."""
    ACCOUNT_EXPIRED = "account-expired"
    LOGON_HOURS = "logon-hours"
    WORKSTATION = "workstation"
    PASSWORD_MUST_CHANGE = "password-must-change"
    PASSWORD_EXPIRED = "password-expired"
    AUTHZID_REFUSED = "authzid-refused"
    """The password was right, and the user may not act as the authzid."""
    UNAUTHENTICATED = "unauthenticated"
    """A simple bind with a name and no password (RFC 4513 section 5.1.2)."""
    ABANDONED = "abandoned"
    """The client left a SASL exchange before its end."""
    MECHANISM = "mechanism"
    """The mechanism, or the way to authenticate, is not offered."""
    SIGNING_REQUIRED = "signing-required"
    """A bind without TLS and without a security layer, where one of the two is required."""
    CONFIDENTIALITY_REQUIRED = "confidentiality-required"
    """A password in the clear by a mechanism that is for TLS (PLAIN): it was not looked at."""
    NO_CERTIFICATE = "no-certificate"
    """EXTERNAL, and nothing beneath the connection says who the client is: no certificate, no peer credentials."""
    UNMAPPED_IDENTITY = "unmapped-identity"
    """EXTERNAL with a certificate that was verified and that is no account's."""
    VERSION = "version"
    """Another protocol version than 3."""
    INVALID_REQUEST = "invalid-request"
    """The BindRequest itself was refused, before any credentials were looked at."""
    INTERNAL_ERROR = "internal-error"
    """A fault of ours; standard error has the traceback."""
    BUSY = "busy"
    """As many dear passwords are being checked as may be at once."""
    FAULT_INJECTED = "fault-injected"
    """A test asked for a fault, which kept the bind from being judged: what was answered is what it asked for."""

    __hash__ = object.__hash__  # each is one object; an enum's own hash is Python, and every bind looks one up


@dataclass(frozen=True, slots=True)
class Ending:
    """How a bind with one reason ends.

    `status` is what its 4776 says, or None when no verdict about credentials was reached: then the record is an
    `ldap`-only one. `result_code` is None when nothing is answered.
    """

    result_code: ResultCode | None
    status: Status | None


_REFUSED = ResultCode.INVALID_CREDENTIALS

ENDINGS: dict[Reason | BindReason, Ending] = {
    BindReason.SUCCESS: Ending(ResultCode.SUCCESS, Status.SUCCESS),
    Reason.WRONG_PASSWORD: Ending(_REFUSED, Status.WRONG_PASSWORD),
    Reason.UNKNOWN_USER: Ending(_REFUSED, Status.NO_SUCH_USER),
    Reason.REALM: Ending(_REFUSED, Status.NO_SUCH_USER),
    BindReason.AMBIGUOUS_NAME: Ending(_REFUSED, Status.NO_SUCH_USER),
    Reason.NO_USABLE_SECRET: Ending(_REFUSED, Status.NO_SECRETS),
    BindReason.ACCOUNT_LOCKED_OUT: Ending(_REFUSED, Status.ACCOUNT_LOCKED_OUT),
    BindReason.ACCOUNT_DISABLED: Ending(_REFUSED, Status.ACCOUNT_DISABLED),
    BindReason.ACCOUNT_EXPIRED: Ending(_REFUSED, Status.ACCOUNT_EXPIRED),
    BindReason.LOGON_HOURS: Ending(_REFUSED, Status.INVALID_LOGON_HOURS),
    BindReason.WORKSTATION: Ending(_REFUSED, Status.INVALID_WORKSTATION),
    BindReason.PASSWORD_MUST_CHANGE: Ending(_REFUSED, Status.PASSWORD_MUST_CHANGE),
    BindReason.PASSWORD_EXPIRED: Ending(_REFUSED, Status.PASSWORD_EXPIRED),
    BindReason.AUTHZID_REFUSED: Ending(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, Status.SUCCESS),
    Reason.MALFORMED: Ending(_REFUSED, None),
    Reason.NONCE_FOREIGN: Ending(_REFUSED, None),
    Reason.NONCE_REPLAYED: Ending(_REFUSED, None),
    Reason.NONCE_FORGOTTEN: Ending(ResultCode.SASL_BIND_IN_PROGRESS, None),
    Reason.NONCE_EXPIRED: Ending(ResultCode.SASL_BIND_IN_PROGRESS, None),
    Reason.NONCE_COUNT: Ending(_REFUSED, None),
    Reason.QOP: Ending(_REFUSED, None),
    Reason.CIPHER: Ending(_REFUSED, None),
    Reason.DIGEST_URI: Ending(_REFUSED, None),
    Reason.CHANNEL_BINDING: Ending(_REFUSED, None),
    BindReason.UNAUTHENTICATED: Ending(ResultCode.UNWILLING_TO_PERFORM, None),
    BindReason.ABANDONED: Ending(None, None),
    BindReason.MECHANISM: Ending(ResultCode.AUTH_METHOD_NOT_SUPPORTED, None),
    BindReason.SIGNING_REQUIRED: Ending(ResultCode.STRONGER_AUTH_REQUIRED, None),
    BindReason.CONFIDENTIALITY_REQUIRED: Ending(ResultCode.CONFIDENTIALITY_REQUIRED, None),
    BindReason.NO_CERTIFICATE: Ending(ResultCode.INAPPROPRIATE_AUTHENTICATION, None),
    BindReason.UNMAPPED_IDENTITY: Ending(_REFUSED, None),
    BindReason.VERSION: Ending(ResultCode.PROTOCOL_ERROR, None),
    BindReason.INVALID_REQUEST: Ending(ResultCode.PROTOCOL_ERROR, None),
    BindReason.INTERNAL_ERROR: Ending(ResultCode.OTHER, None),
    BindReason.BUSY: Ending(ResultCode.BUSY, None),
    BindReason.FAULT_INJECTED: Ending(None, None),
}


@dataclass(frozen=True, slots=True)
class LogonFailure:
    """What event 4625 says of a failure: Status, FailureReason as a parameter message, SubStatus."""

    status: int
    failure_reason: str
    sub_status: int


_BAD_NAME_OR_PASSWORD = 0xC000006D  # STATUS_LOGON_FAILURE
_LOGON_TYPE_NOT_GRANTED = 0xC000015B
_RESTRICTION = Status.ACCOUNT_RESTRICTION

# By what the 4776 beside it says. LsaLogonUser gives a SubStatus where the name or the password was wrong, and of a
# restriction when it is by hours, workstation, expired password or a disabled account; whatever else stands against
# an account is Status itself.
LOGON_FAILURES: dict[Status, LogonFailure] = {
    Status.NO_SUCH_USER: LogonFailure(_BAD_NAME_OR_PASSWORD, "%%2313", Status.NO_SUCH_USER),
    Status.WRONG_PASSWORD: LogonFailure(_BAD_NAME_OR_PASSWORD, "%%2313", Status.WRONG_PASSWORD),
    Status.NO_SECRETS: LogonFailure(_BAD_NAME_OR_PASSWORD, "%%2304", Status.NO_SECRETS),
    Status.ACCOUNT_RESTRICTION: LogonFailure(_RESTRICTION, "%%2313", 0),
    Status.INVALID_LOGON_HOURS: LogonFailure(_RESTRICTION, "%%2311", Status.INVALID_LOGON_HOURS),
    Status.INVALID_WORKSTATION: LogonFailure(_RESTRICTION, "%%2312", Status.INVALID_WORKSTATION),
    Status.PASSWORD_EXPIRED: LogonFailure(_RESTRICTION, "%%2309", Status.PASSWORD_EXPIRED),
    Status.ACCOUNT_DISABLED: LogonFailure(_RESTRICTION, "%%2310", Status.ACCOUNT_DISABLED),
    Status.ACCOUNT_EXPIRED: LogonFailure(Status.ACCOUNT_EXPIRED, "%%2305", 0),
    Status.PASSWORD_MUST_CHANGE: LogonFailure(Status.PASSWORD_MUST_CHANGE, "%%2309", 0),
    Status.ACCOUNT_LOCKED_OUT: LogonFailure(Status.ACCOUNT_LOCKED_OUT, "%%2307", 0),
    # The password was right, and who sent it may not be who it wants to be (`BindReason.AUTHZID_REFUSED`).
    Status.SUCCESS: LogonFailure(_LOGON_TYPE_NOT_GRANTED, "%%2308", 0),
}
