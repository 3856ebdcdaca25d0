"""Every way a bind ends: how it is reached, what is answered, and the one record that it leaves."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import NameOID

from ldapserver.audit.record import MSV1_0, WDIGEST, BindRecord
from ldapserver.audit.status import ENDINGS, BindReason, Status
from ldapserver.faults import NoAnswer
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire.messages import (
    BindResponse,
    ResultCode,
    UnbindRequest,
)
from sasl_digest import QOP, Reason
from tests.authority import Authority, name
from tests.server.faulted import faulted
from tests.server.stage import DEAR, LDIF, U1, URI, Stage, digest_response, faulty, sasl, simple, stage, stopped

AUDIT = Path(__file__).parents[2] / "docs" / "audit.md"
NAMES = {code: "".join(word.title() for word in code.name.split("_")) for code in ResultCode}


# Every reason


def expired(password: str) -> Callable[[], Stage]:
    def act() -> Stage:
        clock = stopped()
        on = stage(clock=clock)
        challenge = on.challenge()
        clock.advance(seconds=301)
        on.bind(sasl(digest_response(challenge, "u1", password)))
        return on

    return act


def digest(username: str = "u1", password: str = "password", **rest: Any) -> Callable[[], Stage]:
    def act() -> Stage:
        on = stage()
        on.digest(username, password, **rest)
        return on

    return act


def not_offered(qop: str, more: str = "") -> Callable[[], Stage]:
    def act() -> Stage:
        on = stage(qop=(QOP.AUTH,))
        on.digest(qop=qop, more=more)
        return on

    return act


def plain(name: str, password: str = "", **rest: Any) -> Callable[[], Stage]:
    def act() -> Stage:
        on = stage()
        on.bind(simple(name, password, **rest))
        return on

    return act


def unsigned(bind: Callable[[Stage], object]) -> Callable[[], Stage]:
    def act() -> Stage:
        on = stage(require_signing=True)
        bind(on)
        return on

    return act


def replayed() -> Stage:
    on = stage()
    other = Stage(on.service, on.sink)
    response = digest_response(other.challenge(), "u1", "password")
    on.challenge()
    on.bind(sasl(response))
    return on


def forgotten() -> Stage:
    on = stage(remember=3600.0)
    other = Stage(on.service, on.sink)
    on.bind(sasl(digest_response(other.challenge(), "u1", "password")))
    return on


def abandoned() -> Stage:
    on = stage()
    on.challenge()
    on.send(UnbindRequest())
    return on


def busy() -> Stage:
    on = stage(LDIF + DEAR)
    on.channel.full = True
    on.bind(simple("dear", "dearpw"))
    return on


def refused() -> Stage:
    on = stage()
    octets = on.encoded(simple("u1", "password", version=3)).replace(b"\x02\x01\x03", b"\x02\x01\x00")
    on.session.data_received(octets)
    return on


def barred(attributes: str, *, password: str = "password", by: str = "digest") -> Callable[[], Stage]:
    """A bind as u1, of whom the entry says this too."""

    def act() -> Stage:
        on = stage(LDIF.replace("uid: u1\n", f"uid: u1\n{attributes}\n"))
        if by == "digest":
            on.digest(password=password)
        else:
            on.bind(simple("u1", password))
        return on

    return act


def with_a_certificate_of_a_disabled_account() -> Stage:
    on = stage(LDIF.replace("uid: u1\n", "uid: u1\nuserAccountControl: 514\n"))
    on.session.secured(TLS(bytes(32), Authority().issue().der))
    on.bind(sasl(b"", "EXTERNAL"))
    return on


NO_HOURS = f"logonHours:: {28 * 'A'}"


def broken() -> Stage:
    on = faulty()
    on.bind(simple("u1", "password"))
    return on


def unbound() -> Stage:
    on = stage(channel_binding="always")
    on.session.secured(TLS(bytes(32)))
    on.digest()
    return on


def in_the_clear(mechanism: str, credentials: bytes) -> Callable[[], Stage]:
    def act() -> Stage:
        on = stage()
        on.bind(sasl(credentials, mechanism))
        return on

    return act


def unmapped() -> Stage:
    on = stage()
    stranger = Authority().issue(name((NameOID.COMMON_NAME, "stranger")))
    on.session.secured(TLS(bytes(32), stranger.der))
    on.bind(sasl(b"", "EXTERNAL"))
    return on


def kept_from_it() -> Stage:
    on = faulted(NoAnswer(), on="bind")
    assert not on.send(simple("u1", "password"))
    return on


def mechanism() -> Stage:
    on = stage()
    on.bind(sasl(mechanism="GSSAPI"))
    return on


# How each is reached, and whose name its record has.
REACHED: dict[Reason | BindReason, list[tuple[Callable[[], Stage], str]]] = {
    BindReason.SUCCESS: [(digest(), "u1"), (plain("u1", "password"), "u1")],
    Reason.WRONG_PASSWORD: [
        (digest(password="wrong"), "u1"),
        (digest("hashed", "wrong"), "hashed"),
        (plain("u1", "wrong"), "u1"),
        (plain("salted", "wrong"), "salted"),
        (expired("wrong"), "u1"),
    ],
    Reason.UNKNOWN_USER: [(digest("nobody-knows"), "nobody-knows"), (plain("nobody-knows", "x"), "nobody-knows")],
    Reason.REALM: [(digest(realm="elsewhere.org"), "u1")],
    BindReason.AMBIGUOUS_NAME: [(digest("twin"), "twin"), (plain("twin", "password"), "twin")],
    Reason.NO_USABLE_SECRET: [
        (digest("salted", "saltedpw"), "salted"),
        (digest("secretless"), "secretless"),
        (digest("hashed", "hashedpw", realm="CONTOSO"), "hashed"),
        (plain("secretless", "password"), "secretless"),
    ],
    BindReason.ACCOUNT_LOCKED_OUT: [
        (barred("userAccountControl: 528"), "u1"),
        (barred("userAccountControl: 528", password="wrong"), "u1"),
        (barred("pwdAccountLockedTime: 000001010000Z", by="simple"), "u1"),
    ],
    BindReason.ACCOUNT_DISABLED: [
        (barred("userAccountControl: 514"), "u1"),
        (barred("nsAccountLock: true", by="simple"), "u1"),
    ],
    BindReason.ACCOUNT_EXPIRED: [(barred("accountExpires: 1"), "u1")],
    BindReason.LOGON_HOURS: [(barred(NO_HOURS), "u1")],
    BindReason.WORKSTATION: [(barred("userWorkstations: PC1", by="simple"), "u1")],
    BindReason.PASSWORD_MUST_CHANGE: [(barred("pwdLastSet: 0"), "u1")],
    BindReason.PASSWORD_EXPIRED: [(barred("userAccountControl: 8389120"), "u1")],
    BindReason.AUTHZID_REFUSED: [(digest(authzid="u:u2"), "u1")],
    Reason.MALFORMED: [(digest(more=',nonce="again"'), ""), (digest(nc="1"), "")],
    Reason.NONCE_FOREIGN: [(digest(nonce=b"A" * 40), "u1"), (digest(nonce=b"not base64!"), "u1")],
    Reason.NONCE_REPLAYED: [(replayed, "u1")],
    Reason.NONCE_FORGOTTEN: [(forgotten, "u1")],
    Reason.NONCE_EXPIRED: [(expired("password"), "u1")],
    Reason.NONCE_COUNT: [(digest(nc="00000002"), "u1")],
    Reason.QOP: [(not_offered("auth-int"), "u1"), (not_offered("auth-conf", ",cipher=rc4"), "u1")],
    Reason.CIPHER: [(digest(qop="auth-conf", more=",cipher=des"), "u1")],
    Reason.CHANNEL_BINDING: [(unbound, "u1")],
    Reason.DIGEST_URI: [(digest(uri="ldap/evil.example"), "u1"), (digest(uri="imap/dc1.contoso.com"), "u1")],
    BindReason.UNAUTHENTICATED: [(plain("u1"), "u1"), (plain("nobody-knows"), "nobody-knows")],
    BindReason.ABANDONED: [(abandoned, "")],
    BindReason.MECHANISM: [(mechanism, "")],
    BindReason.SIGNING_REQUIRED: [
        (unsigned(Stage.digest), "u1"),
        (unsigned(lambda on: on.bind(simple("u1", "password"))), "u1"),
    ],
    BindReason.CONFIDENTIALITY_REQUIRED: [(in_the_clear("PLAIN", b"\0u1\0password"), "u1")],
    BindReason.NO_CERTIFICATE: [(in_the_clear("EXTERNAL", b""), "")],
    BindReason.UNMAPPED_IDENTITY: [(unmapped, "cn=stranger")],
    BindReason.VERSION: [(plain("u1", "password", version=2), "")],
    BindReason.INVALID_REQUEST: [(refused, "")],
    BindReason.INTERNAL_ERROR: [(broken, "")],
    BindReason.BUSY: [(busy, "dear")],
    BindReason.FAULT_INJECTED: [(kept_from_it, "u1")],
}


@pytest.mark.parametrize(
    ("reason", "act", "account"),
    [(reason, act, account) for reason, acts in REACHED.items() for act, account in acts],
    ids=[f"{reason.value}-{at}" for reason, acts in REACHED.items() for at, _ in enumerate(acts)],
)
def test_every_end_gives_its_answer_and_its_one_record(
    reason: Reason | BindReason, act: Callable[[], Stage], account: str
) -> None:
    on = act()
    ending = ENDINGS[reason]
    record = on.records[-1]
    assert (record.reason, record.status, record.result_code) == (reason, ending.status, ending.result_code)
    assert record.account == account
    assert len(on.records) == 1
    assert len(on.verdicts) == (0 if ending.status is None else 1)
    assert (on.session.identity.anonymous) is (reason is not BindReason.SUCCESS)


def test_every_ending_is_reached_above() -> None:
    assert set(REACHED) == set(ENDINGS)


def test_the_documented_table_is_the_one_in_force() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*) \| ([^|]*) \|([^|]*)\|$", AUDIT.read_text("utf-8"), re.MULTILINE)
    documented = {reason: (code, record, status.strip()) for reason, code, record, status in rows}
    assert len(rows) == len(documented)
    in_force = {}
    for reason, ending in ENDINGS.items():
        code = "none"
        if ending.result_code is not None:
            name = NAMES[ending.result_code]
            code = f"{ending.result_code.value} {name[0].lower()}{name[1:]}"
        event = "sasl-exchange" if ending.status is None else "4776"
        in_force[reason.value] = (code, event, "" if ending.status is None else ending.status.hexadecimal)
    assert documented == in_force


def test_a_whole_record_of_a_digest_bind() -> None:
    on = stage()
    on.digest(password="wrong", realm="CONTOSO")
    (record,) = on.records
    assert replace(record, time_ns=0) == BindRecord(
        0,
        Status.WRONG_PASSWORD,
        WDIGEST,
        "u1",
        "LDAP1",
        "192.0.2.10",
        50123,
        12,
        2,
        "DIGEST-MD5",
        "CONTOSO",
        None,
        "auth",
        None,
        URI,
        ResultCode.INVALID_CREDENTIALS,
        Reason.WRONG_PASSWORD,
        None,
        False,
    )
    assert abs(record.time_ns / 1e9 - time.time()) < 60


def test_a_whole_record_of_a_simple_bind() -> None:
    on = stage(workstation="client")
    on.bind(simple(U1, "password"))
    (record,) = on.records
    assert replace(record, time_ns=0) == BindRecord(
        0,
        Status.SUCCESS,
        MSV1_0,
        "u1",
        "192.0.2.10",
        "192.0.2.10",
        50123,
        12,
        1,
        "simple",
        None,
        None,
        None,
        None,
        None,
        ResultCode.SUCCESS,
        BindReason.SUCCESS,
        None,
        False,
    )


def test_an_anonymous_bind_leaves_no_record() -> None:
    on = stage()
    assert on.bind(simple()) == BindResponse(ResultCode.SUCCESS)
    assert on.records == []


def test_a_challenge_leaves_no_record() -> None:
    on = stage()
    on.challenge()
    assert on.records == []


def test_a_malformed_response_is_recorded_with_directive_and_rule() -> None:
    on = stage()
    on.digest(more=',nonce="again"')
    assert on.records[0].detail == "nonce: must come only once"
    assert on.records[0].mechanism == "DIGEST-MD5"


def test_a_refused_certificate_is_no_verdict_about_credentials() -> None:
    (record,) = with_a_certificate_of_a_disabled_account().records
    assert (record.reason, record.status, record.package) == (BindReason.ACCOUNT_DISABLED, None, "")
    assert (record.account, record.result_code) == (U1, 49)
    assert record.detail == U1


def test_a_wrong_password_under_an_expired_nonce_is_not_told_that_it_expired() -> None:
    on = expired("wrong")()
    assert on.reasons == ["wrong-password"]
