"""What a refused bind is told, octet for octet: by the reason, as we say it and as a domain controller does."""

from collections.abc import Callable
from typing import Any

import pytest

from ldapserver.audit.record import MSV1_0, WDIGEST
from ldapserver.audit.status import ENDINGS, BindReason
from ldapserver.config import Config, InvalidConfig
from ldapserver.directory.account_state import AccountStatus
from ldapserver.refusals import SUB_CODES, refusals
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire import codec
from ldapserver.wire.messages import BindResponse, LDAPMessage, ResultCode
from sasl_digest import Reason
from tests.server.stage import DEAR, LDIF, Stage, sasl, simple, stage
from tests.server.test_endings import REACHED

PLAIN = refusals(ad_errors=False, build=17763)
AD = refusals(ad_errors=True, build=17763)

# What is said of all but credentials, and under --ad-errors too unless a domain controller was seen to say something.
OWN_WORDS = {
    BindReason.AUTHZID_REFUSED: (50, "authzid: you may not act as this identity"),
    BindReason.UNAUTHENTICATED: (53, "a simple bind with a name needs a password (RFC 4513 section 5.1.2)"),
    BindReason.MECHANISM: (7, "mechanism: not one of supportedSASLMechanisms"),
    BindReason.SIGNING_REQUIRED: (
        8,
        "a bind here needs TLS, or to bring a security layer (qop auth-int or auth-conf)",
    ),
    BindReason.CONFIDENTIALITY_REQUIRED: (13, "mechanism: only inside TLS"),
    BindReason.NO_CERTIFICATE: (
        48,
        "EXTERNAL needs a client certificate, or a Unix socket (RFC 4513 section 5.2.3)",
    ),
    BindReason.VERSION: (2, "version: only 3 is supported"),
    BindReason.BUSY: (51, "too many passwords are being checked; try again"),
}
NO_TLS = (
    "80090317: LdapErr: DSID-0C090635, comment: The server did not receive any credentials via TLS, data 0, v4563\0"
)
AD_WORDS = {
    BindReason.MECHANISM: "00002027: LdapErr: DSID-0C0905F0, comment: Invalid Authentication method, data 0, v4563\0",
    BindReason.SIGNING_REQUIRED: (
        "00002028: LdapErr: DSID-0C09027F, comment: The server requires binds to turn on integrity checking if "
        "SSL\\TLS are not already active on the connection, data 0, v4563\0"
    ),
    BindReason.NO_CERTIFICATE: NO_TLS,
}
DIGEST_URI = (
    "80090303: LdapErr: DSID-0C0904DD, comment: The digest-uri does not match any LDAP SPN's registered for this "
    "server., data 0, v4563\0"
)
BAD_BINDINGS = "80090346: LdapErr: DSID-0C09089F, comment: AcceptSecurityContext error, data 80090346, v4563\0"
DATA: dict[Reason | BindReason, str] = {
    BindReason.LOGON_HOURS: "530",
    BindReason.WORKSTATION: "531",
    BindReason.PASSWORD_EXPIRED: "532",
    BindReason.ACCOUNT_DISABLED: "533",
    BindReason.ACCOUNT_EXPIRED: "701",
    BindReason.PASSWORD_MUST_CHANGE: "773",
    BindReason.ACCOUNT_LOCKED_OUT: "775",
}
ABOUT_CREDENTIALS = [reason for reason in ENDINGS if ENDINGS[reason].result_code == 49]


@pytest.mark.parametrize("package", [WDIGEST, MSV1_0, ""])
def test_one_text_for_whatever_is_about_credentials(package: str) -> None:
    answers = {PLAIN[package][reason] for reason in ABOUT_CREDENTIALS}
    assert answers == {BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message="Invalid credentials")}


@pytest.mark.parametrize("reason", OWN_WORDS, ids=lambda reason: reason.value)
def test_all_else_is_said_in_words(reason: BindReason) -> None:
    code, text = OWN_WORDS[reason]
    for package in (WDIGEST, MSV1_0, ""):
        assert PLAIN[package][reason] == BindResponse(ResultCode(code), diagnostic_message=text)
        told = BindResponse(ResultCode(code), diagnostic_message=AD_WORDS.get(reason, text))
        assert AD[package][reason] == told


@pytest.mark.parametrize("reason", ABOUT_CREDENTIALS, ids=lambda reason: reason.value)
def test_a_domain_controller_says_it_by_mechanism_and_sub_code(reason: Reason | BindReason) -> None:
    data = DATA.get(reason, "52e")
    of_digest = f"8009030C: LdapErr: DSID-0C0905D2, comment: AcceptSecurityContext error, data {data}, v4563\0"
    if reason in (Reason.DIGEST_URI, Reason.CHANNEL_BINDING):
        of_digest = DIGEST_URI if reason is Reason.DIGEST_URI else BAD_BINDINGS
    of_simple = f"80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {data}, v4563\0"
    for package, text in ((WDIGEST, of_digest), (MSV1_0, of_simple), ("", NO_TLS)):
        assert AD[package][reason] == BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message=text)


def test_every_reason_has_an_answer_of_its_result_code() -> None:
    for answers in (*PLAIN.values(), *AD.values()):
        assert set(answers) == set(ENDINGS)
        for reason, answer in answers.items():
            code = ENDINGS[reason].result_code
            assert answer.result_code == (49 if code in (None, 0, 14) else code)


def test_every_state_of_an_account_has_its_sub_code() -> None:
    assert {reason.value for reason in SUB_CODES} == {status.value for status in AccountStatus}


def test_the_build_is_in_hexadecimal() -> None:
    message = stage(ad_errors=True, ad_build=20348).bind(simple("u1", "wrong")).diagnostic_message
    assert message.endswith(", data 52e, v4f7c\0")


def test_a_build_is_above_0() -> None:
    with pytest.raises(InvalidConfig, match="ad_build: must be more than 0"):
        Config(ad_build=0)


def test_one_nul_ends_the_text_on_the_wire() -> None:
    octets = codec.encode(LDAPMessage(1, AD[WDIGEST][BindReason.ACCOUNT_DISABLED]))
    assert octets.endswith(b", data 533, v4563\0")
    assert octets.count(b"533, v4563\0") == 1
    assert codec.decode(octets).operation == AD[WDIGEST][BindReason.ACCOUNT_DISABLED]


def test_the_answers_are_made_once_and_looked_up() -> None:
    on = stage(ad_errors=True)
    kept = on.service.refusals[MSV1_0][Reason.WRONG_PASSWORD]
    assert on.session._binder._end(1, "simple", MSV1_0, Reason.WRONG_PASSWORD).response is kept


def asked(*, tls: bool = False, ldif: str = LDIF) -> Callable[..., Stage]:
    """A server that talks as a domain controller."""

    def make(**settings: Any) -> Stage:
        on = stage(ldif, ad_errors=True, **settings)
        if tls:
            on.session.secured(TLS(bytes(32)))
        return on

    return make


def test_on_a_connection_each_reason_is_told_so() -> None:
    clear, secured = asked(), asked(tls=True)
    busy = asked(ldif=LDIF + DEAR)()
    busy.channel.full = True
    said = [
        (clear(require_signing=True).digest(), AD_WORDS[BindReason.SIGNING_REQUIRED]),
        (clear(require_signing=True).bind(simple("u1", "password")), AD_WORDS[BindReason.SIGNING_REQUIRED]),
        (clear().digest(uri="ldap/evil.example"), DIGEST_URI),
        (secured(channel_binding="always").digest(), BAD_BINDINGS),
        (clear().bind(sasl(mechanism="GSSAPI")), AD_WORDS[BindReason.MECHANISM]),
        (secured().bind(sasl(b"", "EXTERNAL")), NO_TLS),
        (clear().bind(simple("u1")), OWN_WORDS[BindReason.UNAUTHENTICATED][1]),
        (clear().bind(sasl(b"\0u1\0password", "PLAIN")), OWN_WORDS[BindReason.CONFIDENTIALITY_REQUIRED][1]),
        (clear().digest(authzid="u:u2"), OWN_WORDS[BindReason.AUTHZID_REFUSED][1]),
        (busy.bind(simple("dear", "dearpw")), OWN_WORDS[BindReason.BUSY][1]),
    ]
    assert [response.diagnostic_message for response, _ in said] == [text for _, text in said]


GENERIC: list[Reason | BindReason] = [
    Reason.WRONG_PASSWORD,
    Reason.UNKNOWN_USER,
    Reason.REALM,
    Reason.MALFORMED,
    Reason.NONCE_FOREIGN,
    Reason.NONCE_REPLAYED,
    Reason.NONCE_COUNT,
    Reason.QOP,
    Reason.CIPHER,
    Reason.NO_USABLE_SECRET,
    BindReason.AMBIGUOUS_NAME,
]


def test_what_nobody_has_seen_of_a_domain_controller_is_told_as_a_wrong_password() -> None:
    assert {AD[WDIGEST][reason] for reason in GENERIC} == {AD[WDIGEST][Reason.WRONG_PASSWORD]}
    assert set(GENERIC) | {Reason.DIGEST_URI, Reason.CHANNEL_BINDING, BindReason.UNMAPPED_IDENTITY} | set(
        SUB_CODES
    ) == set(ABOUT_CREDENTIALS)
    assert set(GENERIC) < set(REACHED)
