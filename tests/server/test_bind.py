"""The Bind operation: every way it ends, the record of it, and what nobody can tell from the answer."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ldapserver.audit.record import MSV1_0, WDIGEST, BindRecord
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.sinks import AuditUnavailable, MemorySink
from ldapserver.audit.status import ENDINGS, BindReason, Status
from ldapserver.sasl.mechanism import TLS, Accepted, Continue, Refused
from ldapserver.wire import codec
from ldapserver.wire.messages import (
    BindResponse,
    Control,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
    SimpleAuthentication,
    UnbindRequest,
)
from sasl_digest import QOP, NonceBook, Reason
from tests.server.stage import DEAR, LDIF, REALM, U1, URI, Stage, digest_response, faulty, sasl, search, simple, stage

AUDIT = Path(__file__).parents[2] / "docs" / "audit.md"
REFUSED = BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message="Invalid credentials")
NAMES = {code: "".join(word.title() for word in code.name.split("_")) for code in ResultCode}


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Full:
    """A sink on a full disk, while `broken`."""

    broken = True

    def write(self, records: Any) -> None:
        if self.broken:
            raise AuditUnavailable("audit.jsonl: no space left for a record")

    def close(self) -> None:
        """Nothing to close."""


# Every reason


def expired(password: str) -> Callable[[], Stage]:
    def act() -> Stage:
        clock = Clock()
        on = stage(nonces=NonceBook(clock=clock, lifetime=300))
        challenge = on.challenge()
        clock.now += 301
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


def broken() -> Stage:
    on = faulty()
    on.bind(simple("u1", "password"))
    return on


def unbound() -> Stage:
    on = stage(channel_binding="always")
    on.session.secured(TLS(bytes(32)))
    on.digest()
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
    BindReason.VERSION: [(plain("u1", "password", version=2), "")],
    BindReason.INVALID_REQUEST: [(refused, "")],
    BindReason.INTERNAL_ERROR: [(broken, "")],
    BindReason.BUSY: [(busy, "dear")],
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


# What nobody can tell from the answer


def last_octets(on: Stage, request: bytes) -> bytes:
    on.session.data_received(request)
    return bytes(on.channel.written)


FAILURES: dict[str, dict[str, Any]] = {
    "wrong password": {"password": "wrong"},
    "unknown user": {"username": "nobody-knows"},
    "no usable secret": {"username": "salted"},
    "wrong realm": {"realm": "elsewhere.org"},
    "ambiguous name": {"username": "twin"},
    "foreign nonce": {"nonce": b"A" * 40},
    "digest-uri": {"uri": "ldap/evil.example"},
    "nonce count": {"nc": "00000002"},
    "cipher": {"qop": "auth-conf", "more": ",cipher=des"},
    "malformed": {"nc": "1"},
}


def test_every_failed_digest_has_the_same_octets_on_the_wire() -> None:
    answers = {}
    for name, terms in FAILURES.items():
        on = stage()
        response = digest_response(on.challenge(), **{"username": "u1", "password": "password", **terms})
        answers[name] = last_octets(on, on.encoded(sasl(response)))
    assert set(answers.values()) == {codec.encode(LDAPMessage(2, REFUSED))}


@pytest.mark.parametrize(
    ("name", "password"),
    [("u1", "wrong"), ("nobody-knows", "x"), ("twin", "password"), ("secretless", "x"), ("cn=x,dc=com", "x")],
)
def test_every_failed_simple_bind_has_the_same_octets_on_the_wire(name: str, password: str) -> None:
    on = stage()
    assert last_octets(on, on.encoded(simple(name, password))) == codec.encode(LDAPMessage(1, REFUSED))


@pytest.mark.parametrize(
    "terms", [{"username": "nobody-knows"}, {"username": "twin"}, {"username": "salted"}, {"realm": "elsewhere"}]
)
def test_whoever_is_not_there_costs_the_md5s_of_a_wrong_password(
    terms: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counting(data: bytes) -> Any:
        nonlocal count
        count += 1
        return hashlib.md5(data)

    monkeypatch.setattr("sasl_digest.digest.md5", counting)

    def cost(**rest: Any) -> int:
        nonlocal count
        on = stage()
        response = digest_response(on.challenge(), **{"username": "u1", "password": "wrong", **rest})
        count = 0
        assert on.bind(sasl(response)) == REFUSED
        return count

    assert cost(**terms) == cost() > 0


# Who binds


@pytest.mark.parametrize(
    "name", ["u1", "U1", "CONTOSO\\u1", "contoso\\U1", "u1@contoso.com", "U1@CONTOSO.COM", "CONTOSO\\\\u1"]
)
def test_an_account_binds_by_any_of_its_names_and_is_recorded_as_it_was_sent(name: str) -> None:
    on = stage()
    assert on.digest(name).result_code is ResultCode.SUCCESS
    assert on.bind(simple(name, "password")).result_code is ResultCode.SUCCESS
    assert [record.account for record in on.verdicts] == [name, name]
    assert on.who() == f"dn:{U1}"


@pytest.mark.parametrize(
    "name",
    [
        U1,
        U1.upper(),
        "uid = u1 , ou=people,dc=contoso,dc=com",
        "0.9.2342.19200300.100.1.1=u1,ou=people,dc=contoso,dc=com",
    ],
)
def test_a_simple_bind_by_dn_is_recorded_under_the_name_of_the_account(name: str) -> None:
    on = stage()
    assert on.bind(simple(name, "password")).result_code is ResultCode.SUCCESS
    assert on.bind(simple(name, "wrong")) == REFUSED
    assert [record.account for record in on.verdicts] == ["u1", "u1"]


@pytest.mark.parametrize("name", ["cn=nobody,dc=contoso,dc=com", "a=b=c", "=", "ou=people,dc=contoso,dc=com"])
def test_a_dn_that_is_nobody_is_recorded_as_it_was_sent(name: str) -> None:
    on = stage()
    assert on.bind(simple(name, "password")) == REFUSED
    assert (on.records[0].account, on.reasons) == (name, ["unknown-user"])


@pytest.mark.parametrize("realm", [REALM, REALM.upper(), "CONTOSO", "contoso", "Digest", "", None])
def test_a_realm_of_the_domain_is_accepted_in_any_case_or_empty(realm: str | None) -> None:
    on = stage()
    assert on.digest(realm=realm).result_code is ResultCode.SUCCESS
    assert on.records[0].realm == realm


def test_names_beyond_ascii_bind_both_ways() -> None:
    on = stage()
    assert on.digest("jürgen", "pässwörd").result_code is ResultCode.SUCCESS
    assert on.bind(simple("jürgen", "pässwörd")).result_code is ResultCode.SUCCESS
    assert on.bind(simple("uid=jürgen,ou=people,dc=contoso,dc=com", "pässwörd")).result_code is ResultCode.SUCCESS
    assert {record.account for record in on.records} == {"jürgen"}


@pytest.mark.parametrize(("name", "password"), [("hashed", "hashedpw"), ("salted", "saltedpw")])
def test_a_simple_bind_takes_every_stored_scheme(name: str, password: str) -> None:
    on = stage()
    assert on.bind(simple(name, password)).result_code is ResultCode.SUCCESS
    assert on.bind(simple(name, password + "x")) == REFUSED


def test_a_digest_bind_takes_a_stored_hash_under_the_realm_it_was_made_for() -> None:
    assert stage().digest("hashed", "hashedpw").result_code is ResultCode.SUCCESS


def test_rspauth_comes_with_the_success_and_with_nothing_else() -> None:
    on = stage()
    assert (on.digest().server_sasl_creds or b"").startswith(b"rspauth=")
    assert on.digest(password="wrong").server_sasl_creds is None
    assert on.digest(authzid="u:u2").server_sasl_creds is None


@pytest.mark.parametrize(
    "authzid", [f"dn:{U1}", f"dn:{U1.upper()}", "u:u1", "u:U1", "u:CONTOSO\\u1", "u:u1@contoso.com"]
)
def test_the_own_identity_may_be_asked_for(authzid: str) -> None:
    on = stage()
    escaped = authzid.replace("\\", "\\\\")
    challenge = on.challenge()
    response = digest_response(challenge, "u1", "password", authzid=authzid).replace(
        f'authzid="{authzid}"'.encode(), f'authzid="{escaped}"'.encode()
    )
    assert on.bind(sasl(response)).result_code is ResultCode.SUCCESS
    assert on.records[0].authzid == authzid


@pytest.mark.parametrize(
    "authzid",
    [
        *("u:u2", "u:twin", "u:nobody-knows", "u:", "u1", "x:u1", U1),
        *("dn:", "dn:no dn", "dn:uid=u2,ou=people,dc=contoso,dc=com"),
    ],
)
def test_another_identity_is_refused_with_50_and_a_4776_of_0x0(authzid: str) -> None:
    on = stage()
    response = on.digest(authzid=authzid)
    assert response.result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert response.server_sasl_creds is None
    (record,) = on.records
    assert (record.status, record.result_code, record.authzid) == (Status.SUCCESS, 50, authzid)
    assert on.who() == ""


def test_a_refused_authzid_needs_the_right_password_first() -> None:
    assert stage().digest(password="wrong", authzid="u:u2") == REFUSED


def test_an_administrator_is_one_by_the_configured_dn() -> None:
    on = stage(admins=(U1.upper(),))
    on.digest()
    assert on.session.identity.admin
    on.digest("u2", "another")
    assert not on.session.identity.admin


# Nonces


def test_a_response_to_an_expired_nonce_gets_a_stale_challenge_and_then_success() -> None:
    clock = Clock()
    on = stage(nonces=NonceBook(clock=clock, lifetime=300))
    challenge = on.challenge()
    clock.now += 301
    again = on.bind(sasl(digest_response(challenge, "u1", "password")))
    assert again.result_code is ResultCode.SASL_BIND_IN_PROGRESS
    assert b"stale=true" in (again.server_sasl_creds or b"")
    last = on.bind(sasl(digest_response(again.server_sasl_creds or b"", "u1", "password")))
    assert last.result_code is ResultCode.SUCCESS
    assert on.reasons == ["nonce-expired", "success"]
    assert on.who() == f"dn:{U1}"


def test_a_wrong_password_under_an_expired_nonce_is_not_told_that_it_expired() -> None:
    on = expired("wrong")()
    assert on.reasons == ["wrong-password"]


def test_a_response_is_good_once() -> None:
    on = stage()
    response = digest_response(on.challenge(), "u1", "password")
    assert on.bind(sasl(response)).result_code is ResultCode.SUCCESS
    assert on.bind(sasl(response)).result_code is ResultCode.SASL_BIND_IN_PROGRESS  # a new exchange: not looked at
    assert on.bind(sasl(response)) == REFUSED
    assert on.reasons == ["success", "nonce-replayed"]


# Dear passwords


def test_a_dear_password_is_checked_aside() -> None:
    on = stage(LDIF + DEAR)
    assert on.send(simple("dear", "dearpw")) == []
    assert len(on.channel.offloaded) == 1
    on.channel.work()
    (message,) = on.channel.taken()
    assert message.operation == BindResponse(ResultCode.SUCCESS)
    assert on.reasons == ["success"]


def test_where_there_is_a_dear_password_an_unknown_user_pays_for_one_too() -> None:
    on = stage(LDIF + DEAR)
    for name in ("nobody-knows", "twin", "secretless"):
        assert on.send(simple(name, "x")) == []
        assert len(on.channel.offloaded) == 1
        on.channel.work()
        assert [message.operation for message in on.channel.taken()] == [REFUSED]


def test_beyond_what_may_be_offloaded_the_answer_is_busy() -> None:
    on = stage(LDIF + DEAR)
    on.channel.full = True
    response = on.bind(simple("dear", "dearpw"))
    assert response.result_code is ResultCode.BUSY
    assert on.bind(simple("nobody-knows", "x")) == response
    on.channel.full = False
    on.send(simple("dear", "dearpw"))
    on.channel.work()
    assert on.session.identity.name == "dear"


def test_offloaded_work_that_fails_is_an_internal_error() -> None:
    on = stage(LDIF + DEAR)
    on.send(simple("dear", "dearpw"))
    ((_, suspension),) = on.channel.offloaded
    suspension.fail(MemoryError("no room"))
    (message,) = on.channel.taken()
    assert isinstance(message.operation, BindResponse)
    assert message.operation.result_code is ResultCode.OTHER
    assert on.session.identity.anonymous


# When the record cannot be written


@pytest.mark.parametrize("kind", ["simple", "sasl"])
def test_a_bind_that_cannot_be_recorded_is_unavailable_and_lets_nobody_in(kind: str) -> None:
    lines: list[str] = []
    on = stage(sinks=[Full()], report=lines.append)
    response = on.digest() if kind == "sasl" else on.bind(simple("u1", "password"))
    assert response.result_code is ResultCode.UNAVAILABLE
    assert response.server_sasl_creds is None
    assert on.who() == ""
    assert len(lines) == 1


def test_a_wrong_password_that_cannot_be_recorded_is_answered_as_a_right_one() -> None:
    right, wrong = stage(sinks=[Full()]), stage(sinks=[Full()])
    assert right.digest() == wrong.digest(password="wrong")


def test_a_stale_challenge_that_cannot_be_recorded_ends_the_exchange() -> None:
    clock = Clock()
    on = stage(sinks=[Full()], nonces=NonceBook(clock=clock, lifetime=300))
    challenge = on.challenge()
    clock.now += 301
    response = on.bind(sasl(digest_response(challenge, "u1", "password")))
    assert response.result_code is ResultCode.UNAVAILABLE
    assert on.who() == ""  # no operationsError: no exchange is under way


def test_best_effort_goes_on_without_a_record() -> None:
    lines: list[str] = []
    on = stage(sinks=[Full()], best_effort=True, report=lines.append)
    assert on.digest().result_code is ResultCode.SUCCESS
    assert on.who() == f"dn:{U1}"
    assert len(lines) == 1


def test_binds_succeed_again_once_the_disk_has_room() -> None:
    full = Full()
    on = stage(sinks=[full])
    assert on.digest().result_code is ResultCode.UNAVAILABLE
    full.broken = False
    assert on.digest().result_code is ResultCode.SUCCESS


def test_the_record_is_written_before_the_answer() -> None:
    on = stage()
    written: list[int] = []

    class Watching(MemorySink):
        def write(self, records: Any) -> None:
            written.append(len(on.channel.written))

    on.service.audit.sinks = (Watching(),)
    on.bind(simple("u1", "password"))
    on.session.data_received(on.encoded(simple("u1", "wrong")))
    assert written == [0, 0]
    assert on.channel.written


# Secrets

MARKS = ("hunter2-mark", "MARKCNONCE")


def test_no_secret_is_in_any_record_log_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    ldif = LDIF.replace("userPassword: password", "userPassword: hunter2-mark")
    on = stage(ldif)
    secrets = list(MARKS)
    for terms in ({}, {"password": "hunter2-mark-not"}, *FAILURES.values()):
        challenge = on.challenge()
        response = digest_response(challenge, **{"username": "u1", "password": "hunter2-mark", **terms})
        on.bind(sasl(response))
        secrets += re.findall(r'nonce="([^"]{20,})"', challenge.decode())
        secrets += re.findall(r"response=([0-9a-f]{32})", response.decode())
    on.bind(simple("u1", "hunter2-mark"))
    on.bind(simple("u1", "hunter2-mark-not"))
    on.ask(simple("u1", "hunter2-mark"), (Control("1.2.3", criticality=True),))
    renderer = JSONRenderer("ldap1.contoso.com")
    told = caplog.text + "".join(f"{record!r}{renderer.line(record, 1)}" for record in on.records)
    told += repr(sasl(b"hunter2-mark")) + repr(simple("u1", "hunter2-mark")) + repr(on.service.directory)
    assert len(secrets) > 20
    assert len(on.records) > 10
    assert [secret for secret in secrets if secret in told] == []


def test_no_value_between_engine_and_answer_shows_its_octets() -> None:
    shown = repr(
        [
            SaslAuthentication("DIGEST-MD5", b"hunter2-mark"),
            SimpleAuthentication(b"hunter2-mark"),
            Continue(b"hunter2-mark"),
            Refused(Reason.WRONG_PASSWORD),
            BindResponse(ResultCode.SUCCESS, server_sasl_creds=b"hunter2-mark"),
        ]
    )
    account = stage()
    account.digest()
    assert "hunter2-mark" not in shown
    assert "password" not in repr(Accepted(find(account), b"hunter2-mark", Refused(Reason.REALM).facts))


def find(on: Stage) -> Any:
    """u1's account."""
    coroutine = on.service.directory.find_account("u1")
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for something")


def test_a_filter_or_compare_on_the_password_says_nothing() -> None:
    on = stage()
    on.digest()
    found, done = on.search(search(filter="(userPassword=password)"))
    assert (found, done.result_code) == ({}, ResultCode.SUCCESS)


# Backslashes


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        (r"CONTOSO\u1", r"CONTOSO\u1"),  # as ldap3 writes it
        (r"CONTOSO\\u1", r"CONTOSO\u1"),  # as the grammar has it
        (r"\u1", "u1"),  # needless escapes: the name that led to the account is recorded, and no spelling of it
        (r"\u\1", "u1"),
        (r"nobody\knows", r"nobody\knows"),
    ],
)
@pytest.mark.parametrize("password", ["password", "wrong"])
def test_record_has_the_name_that_led_to_the_account(written: str, recorded: str, password: str) -> None:
    on = stage()
    hashed = recorded.replace("nobody\\knows", "nobody")
    response = digest_response(on.challenge(), hashed, password)
    escaped = hashed.replace("\\", "\\\\")
    on.bind(sasl(response.replace(f'username="{escaped}"'.encode(), f'username="{written}"'.encode())))
    (record,) = on.verdicts
    assert record.account == recorded
    expected = Status.NO_SUCH_USER if "nobody" in written else Status.SUCCESS
    assert record.status == (expected if password == "password" or "nobody" in written else Status.WRONG_PASSWORD)
