"""The Bind operation: who binds, what nobody can tell from the answer, and what is not recorded."""

import hashlib
import re
from base64 import b64encode
from typing import Any

import pytest

from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.sinks import AuditUnavailable, MemorySink
from ldapserver.audit.status import Status
from ldapserver.sasl.mechanism import Accepted, Continue, Refused
from ldapserver.wire import codec
from ldapserver.wire.messages import (
    BindResponse,
    Control,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
    SimpleAuthentication,
)
from sasl_digest import Reason
from tests.server.stage import DEAR, LDIF, REALM, U1, Stage, digest_response, sasl, search, simple, stage, stopped

SALT = b64encode(b"salt").decode()
REFUSED = BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message="Invalid credentials")


class Full:
    """A sink on a full disk, while `broken`."""

    broken = True

    def write(self, records: Any) -> None:
        if self.broken:
            raise AuditUnavailable("audit.jsonl: no space left for a record")

    def close(self) -> None:
        """Nothing to close."""


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
    clock = stopped()
    on = stage(clock=clock)
    challenge = on.challenge()
    clock.advance(seconds=301)
    again = on.bind(sasl(digest_response(challenge, "u1", "password")))
    assert again.result_code is ResultCode.SASL_BIND_IN_PROGRESS
    assert b"stale=true" in (again.server_sasl_creds or b"")
    last = on.bind(sasl(digest_response(again.server_sasl_creds or b"", "u1", "password")))
    assert last.result_code is ResultCode.SUCCESS
    assert on.reasons == ["nonce-expired", "success"]
    assert on.who() == f"dn:{U1}"


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


@pytest.mark.parametrize(
    ("password", "others", "state", "reason"),
    [
        ("wrong", 2000, "", "wrong-password"),
        ("wrong", 4, "userAccountControl: 514\n", "wrong-password"),
        ("dearpw", 4, "userAccountControl: 514\n", "account-disabled"),
    ],
)
def test_dear_passwords_are_checked_however_many_there_are(
    password: str, others: int, state: str, reason: str
) -> None:
    before = [f"userPassword: {{PBKDF2-SHA256}}1${SALT}${b64encode(b'%032d' % at).decode()}" for at in range(others)]
    behind = before[others // 2 :]
    del before[others // 2 :]
    right = DEAR.rstrip().rpartition("\n")[2]
    many = DEAR.replace(right, state + "\n".join([*before, right, *behind]))
    on = stage(LDIF + many)
    on.send(simple("dear", password))
    checked = 0
    while on.channel.offloaded:
        on.channel.work()
        checked += 1
    assert (checked, on.reasons) == (others + 1, [reason])


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
    clock = stopped()
    on = stage(sinks=[Full()], clock=clock)
    challenge = on.challenge()
    clock.advance(seconds=301)
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
