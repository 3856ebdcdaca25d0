"""What the client of a refused bind is told, by the reason: made once for a configuration, and looked up at the end.

One text for whatever was wrong with credentials: what it was is for the audit, not for who is guessing. With
`--ad-errors` it is what a domain controller says, which programs take apart: the security status in hexadecimal, a
DSID that differs by build (those here were seen in public reports), the Win32 error behind `data`, the build number
behind `v`, and a NUL. `docs/active-directory.md` says where each was seen.
"""

from collections.abc import Mapping

from ldapserver.audit.record import MSV1_0, WDIGEST
from ldapserver.audit.status import ENDINGS, BindReason
from ldapserver.wire.messages import BindResponse, ResultCode
from sasl_digest import Reason

Answers = Mapping[Reason | BindReason, BindResponse]
Refusals = Mapping[str, Answers]
"""By package, which is empty for EXTERNAL and where no mechanism was found, and by reason."""

_CREDENTIALS = "Invalid credentials"
_WORDS: dict[Reason | BindReason, str] = {
    BindReason.AUTHZID_REFUSED: "authzid: you may not act as this identity",
    BindReason.UNAUTHENTICATED: "a simple bind with a name needs a password (RFC 4513 section 5.1.2)",
    BindReason.MECHANISM: "mechanism: not one of supportedSASLMechanisms",
    BindReason.SIGNING_REQUIRED: "a bind here needs TLS, or to bring a security layer (qop auth-int or auth-conf)",
    BindReason.CONFIDENTIALITY_REQUIRED: "mechanism: only inside TLS",
    BindReason.NO_CERTIFICATE: "EXTERNAL needs a client certificate, or a Unix socket (RFC 4513 section 5.2.3)",
    BindReason.VERSION: "version: only 3 is supported",
    BindReason.BUSY: "too many passwords are being checked; try again",
}

# Security statuses, and errors of the directory itself.  [MS-ERREF] sections 2.1 and 2.2
SEC_E_TARGET_UNKNOWN = 0x80090303
SEC_E_INVALID_TOKEN = 0x80090308
SEC_E_LOGON_DENIED = 0x8009030C
SEC_E_CONTEXT_EXPIRED = 0x80090317
SEC_E_BAD_BINDINGS = 0x80090346
ERROR_DS_AUTH_METHOD_NOT_SUPPORTED = 0x2027
ERROR_DS_STRONG_AUTH_REQUIRED = 0x2028

ERROR_LOGON_FAILURE = 0x52E
# What is told beside it: of a lockout to everybody, of the others to who knew the password, for else the reason is
# another one.  [MS-ERREF] section 2.2
SUB_CODES: dict[Reason | BindReason, int] = {
    BindReason.LOGON_HOURS: 0x530,
    BindReason.WORKSTATION: 0x531,
    BindReason.PASSWORD_EXPIRED: 0x532,
    BindReason.ACCOUNT_DISABLED: 0x533,
    BindReason.ACCOUNT_EXPIRED: 0x701,
    BindReason.PASSWORD_MUST_CHANGE: 0x773,
    BindReason.ACCOUNT_LOCKED_OUT: 0x775,
}
_ACCEPT = "AcceptSecurityContext error"
_NO_CREDENTIALS = "The server did not receive any credentials via TLS"
_METHOD = "Invalid Authentication method"
_DIGEST_URI = "The digest-uri does not match any LDAP SPN's registered for this server."
_SIGNING = (
    "The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection"
)


def refusals(*, ad_errors: bool, build: int) -> Refusals:
    """The answers of a server; `build` is the number that those of a domain controller end with."""
    return _of_domain_controller(build) if ad_errors else _plain()


def _plain() -> Refusals:
    answers = {reason: _answer(reason, _WORDS.get(reason, _CREDENTIALS)) for reason in ENDINGS}
    return dict.fromkeys((WDIGEST, MSV1_0, ""), answers)


def _of_domain_controller(build: int) -> Refusals:
    def text(error: int, dsid: str, comment: str, data: int = 0) -> str:
        return f"{error:08X}: LdapErr: DSID-{dsid}, comment: {comment}, data {data:x}, v{build:x}\0"

    def about_credentials(words: Mapping[Reason | BindReason, str], error: int, dsid: str) -> Answers:
        return {
            reason: _answer(
                reason, words.get(reason) or text(error, dsid, _ACCEPT, SUB_CODES.get(reason, ERROR_LOGON_FAILURE))
            )
            for reason in ENDINGS
        }

    no_certificate = text(SEC_E_CONTEXT_EXPIRED, "0C090635", _NO_CREDENTIALS)
    words = {
        **_WORDS,
        BindReason.MECHANISM: text(ERROR_DS_AUTH_METHOD_NOT_SUPPORTED, "0C0905F0", _METHOD),
        BindReason.SIGNING_REQUIRED: text(ERROR_DS_STRONG_AUTH_REQUIRED, "0C09027F", _SIGNING),
        BindReason.NO_CERTIFICATE: no_certificate,
    }
    of_digest = {
        **words,
        Reason.DIGEST_URI: text(SEC_E_TARGET_UNKNOWN, "0C0904DD", _DIGEST_URI),
        Reason.CHANNEL_BINDING: text(SEC_E_BAD_BINDINGS, "0C09089F", _ACCEPT, SEC_E_BAD_BINDINGS),
    }
    return {
        WDIGEST: about_credentials(of_digest, SEC_E_LOGON_DENIED, "0C0905D2"),
        MSV1_0: about_credentials(words, SEC_E_INVALID_TOKEN, "0C09042A"),
        "": {reason: _answer(reason, words.get(reason, no_certificate)) for reason in ENDINGS},
    }


def _answer(reason: Reason | BindReason, text: str) -> BindResponse:
    """The response to a bind that ends for this reason; an exchange that could have gone on is refused as others."""
    code = ENDINGS[reason].result_code
    if code is None or code in (ResultCode.SUCCESS, ResultCode.SASL_BIND_IN_PROGRESS):
        code = ResultCode.INVALID_CREDENTIALS
    return BindResponse(code, diagnostic_message=text)
