"""Account state x password x mechanism x --ad-errors x profile: the answer to the octet, and its one record.

The table is `account_states.py`.
"""

import re
import secrets
from functools import cache
from hashlib import md5
from typing import Any

import pytest

from ldapserver.audit.kinds import LOGON_FAILED
from ldapserver.audit.record import MSV1_0, WDIGEST
from ldapserver.clock import SYSTEM_CLOCK, Clock
from ldapserver.directory import schemes
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import Judgement
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.process import Process
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import BindResponse, Change, ModifyOperation, PartialAttribute, ResultCode
from sasl_digest import QOP, NonceBook, ciphers
from tests.authority import Authority
from tests.server import domain
from tests.server.account_states import (
    DISABLED,
    LDIF,
    LOCKED_BY,
    ORDER,
    PASSWORD,
    POLICY,
    ROOT,
    STATES,
    TWIN,
    VERDICTS,
    State,
    control,
)
from tests.server.stage import DEAR, Stage, digest_response, sasl, simple, stage, stopped
from tests.server.test_directory import run

WRONG = "wrong horse"
PLAIN_TEXT = "Invalid credentials"
MECHANISMS = ("simple", "DIGEST-MD5", "PLAIN")
PACKAGES = {"simple": MSV1_0, "DIGEST-MD5": WDIGEST, "PLAIN": MSV1_0}
# As domain controllers were seen to write it, up to the sub-code; behind that the build, and a NUL.
AD_TEXT = {
    "simple": "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {}, v4563\0",
    "DIGEST-MD5": "8009030C: LdapErr: DSID-0C0905D2, comment: AcceptSecurityContext error, data {}, v4563\0",
    "PLAIN": "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {}, v4563\0",
    "EXTERNAL": "80090317: LdapErr: DSID-0C090635, comment: The server did not receive any credentials via TLS, "
    "data 0, v4563\0",
}
NAMES = {
    "unknown-user": State("nobody-knows", {}, "unknown-user", "unknown-user"),
    "ambiguous-name": State("twin", {}, "ambiguous-name", "ambiguous-name"),
}
ROWS = (*STATES, *NAMES.values())


@cache
def directory(profile: str) -> MemoryDirectory:
    """All accounts of the table, as the RFCs or as a domain has them, at the hour of the table."""
    ldif = "\n".join([LDIF, TWIN.format("A"), TWIN.format("B")])
    settings: dict[str, Any] = {"netbios": "CONTOSO", "clock": stopped(), "policy": POLICY}
    if profile == "ad":
        return domain.directory(ldif, **settings)
    return MemoryDirectory([("table", read_ldif(ldif, "table"))], **settings)


def of(*states: State, more: str = "", clock: Clock | None = None) -> MemoryDirectory:
    """These accounts only."""
    ldif = "\n".join([ROOT, *[state.ldif for state in states]]) + more
    sources = [("table", read_ldif(ldif, "table"))]
    return MemoryDirectory(sources, netbios="CONTOSO", clock=clock or stopped(), policy=POLICY)


def on(profile: str = "plain", **settings: Any) -> Stage:
    """A session inside TLS, of a server of them."""
    staged = stage(directory=directory(profile), **settings)
    staged.session.secured(TLS(bytes(32)))
    return staged


def bind(staged: Stage, mechanism: str, name: str, password: str) -> BindResponse:
    """The last answer to a whole bind."""
    if mechanism == "simple":
        return staged.bind(simple(name, password))
    if mechanism == "PLAIN":
        return staged.bind(sasl(f"\0{name}\0{password}".encode(), "PLAIN"))
    return staged.digest(name, password)


def told(reason: str, text: str) -> BindResponse:
    """The answer to a bind that is refused for this reason."""
    return BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message=text.format(VERDICTS[reason].data))


def expected(state: State, right: bool) -> str:
    """The reason of the table."""
    return state.right if right else state.wrong


every_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS)
every_password = pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])


# The table


@every_mechanism
@every_password
@pytest.mark.parametrize(
    ("state", "profile"),
    [(state, profile) for profile in ("plain", "ad") for state in ROWS if state.domain or profile == "plain"],
    ids=lambda each: each.name if isinstance(each, State) else each,
)
def test_every_state_has_its_answer_and_its_4776(state: State, profile: str, right: bool, mechanism: str) -> None:
    reason = expected(state, right)
    verdict = VERDICTS.get(reason)
    for ad_errors, text in ((False, PLAIN_TEXT), (True, AD_TEXT[mechanism])):
        staged = on(profile, ad_errors=ad_errors)
        response = bind(staged, mechanism, state.name, PASSWORD if right else WRONG)
        (record,) = staged.records
        assert (record.reason.value, record.package, record.account) == (reason, PACKAGES[mechanism], state.name)
        if verdict is None:
            assert reason == "success"
            assert (response.result_code, response.diagnostic_message) == (ResultCode.SUCCESS, "")
            assert (record.status, record.result_code) == (0, 0)
            assert not staged.session.identity.anonymous
        else:
            assert response == told(reason, text)
            assert (record.status, record.result_code) == (verdict.status, 49)
            assert staged.session.identity.anonymous


def test_the_table_has_every_verdict_and_every_pair_of_states() -> None:
    assert {state.right for state in ROWS} | {state.wrong for state in ROWS} == {"success", *VERDICTS}
    assert set(ORDER) < set(VERDICTS)
    pairs = [state for state in STATES if "-before-" in state.name]
    assert len(pairs) == len(ORDER) * (len(ORDER) - 1) // 2


@every_mechanism
def test_no_refusal_differs_from_another_unless_it_is_to(mechanism: str) -> None:
    answers = set()
    for state in ROWS:
        for password in (PASSWORD, WRONG):
            response = bind(on(), mechanism, state.name, password)
            if response.result_code is not ResultCode.SUCCESS:
                answers.add(response)
    assert answers == {BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message=PLAIN_TEXT)}


@every_mechanism
def test_a_wrong_password_tells_of_nothing_but_a_lockout_under_ad_errors_too(mechanism: str) -> None:
    answers = {state.wrong: bind(on(ad_errors=True), mechanism, state.name, WRONG) for state in ROWS}
    locked = answers.pop("account-locked-out")
    assert set(answers.values()) == {told("unknown-user", AD_TEXT[mechanism])}
    assert "data 775," in locked.diagnostic_message


@every_mechanism
@every_password
@pytest.mark.parametrize("state", ROWS, ids=lambda state: state.name)
def test_logon_failures_are_as_the_table_has_them(state: State, right: bool, mechanism: str) -> None:
    """Status, SubStatus and FailureReason of the one 4625 that a refused bind leaves, and none of a success."""
    staged = on(logon_events=True)
    bind(staged, mechanism, state.name, PASSWORD if right else WRONG)
    failed = [
        dict(zip(each.kind.names, each.data, strict=True)) for each in staged.events if each.kind is LOGON_FAILED
    ]
    verdict = VERDICTS.get(expected(state, right))
    found = [(each["Status"], each["SubStatus"], each["FailureReason"]) for each in failed]
    assert found == ([] if verdict is None else [verdict.failed])


# EXTERNAL: no password, so neither its age nor a count of wrong ones


@pytest.mark.parametrize("state", [s for s in STATES if s.password is not None], ids=lambda state: state.name)
def test_a_certificate_or_a_process_of_an_account_that_may_not_come_in_is_refused(state: State) -> None:
    posix = of(State(state.name, {**state.attributes, "uidNumber": "7", "gidNumber": "8"}, state.right))
    for ad_errors, text in ((False, PLAIN_TEXT), (True, AD_TEXT["EXTERNAL"])):
        staged = stage(directory=posix, process=Process(7, 8), ad_errors=ad_errors)
        response = staged.bind(sasl(b"", "EXTERNAL"))
        (record,) = staged.records
        assert (record.reason.value, record.status) == (state.external, None)
        if state.external == "success":
            assert response == BindResponse(ResultCode.SUCCESS)
        else:
            assert response == BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message=text)


def test_a_certificate_of_a_locked_account_leads_nowhere() -> None:
    staged = stage(directory=of(State("u1", LOCKED_BY["lockout-time"], "account-locked-out")))
    staged.session.secured(TLS(bytes(32), Authority().issue().der))
    assert staged.bind(sasl(b"", "EXTERNAL")).result_code is ResultCode.INVALID_CREDENTIALS
    assert staged.reasons == ["account-locked-out"]
    assert staged.session.identity.anonymous


# Nonces that are too old, and initial responses


OFF = State("off", {"userAccountControl": control(DISABLED)}, "account-disabled")
SHUT = State("shut", LOCKED_BY["lockout-time"], "account-locked-out", "account-locked-out")
FINE = State("fine", {}, "success")


@pytest.mark.parametrize("state", [OFF, SHUT], ids=lambda state: state.name)
def test_an_old_nonce_does_not_tell_that_the_password_is_right(state: State) -> None:
    answers = {}
    for name, password in ((state.name, PASSWORD), (state.name, WRONG), ("nobody", WRONG)):
        clock = stopped()
        staged = stage(directory=of(state, clock=clock))
        challenge = staged.challenge()
        clock.advance(seconds=301)
        answers[name, password] = staged.bind(sasl(digest_response(challenge, name, password)))
        if password == PASSWORD:
            assert staged.reasons == [state.right]
    assert set(answers.values()) == {BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message=PLAIN_TEXT)}


def challenge_shape(response: BindResponse) -> tuple[int, str]:
    """An answer without its nonce."""
    head, _, rest = (response.server_sasl_creds or b"").partition(b'nonce="')
    return response.result_code, (head + rest.partition(b'"')[2]).decode()


class Chance:
    """Octets of chance that count how often they were asked for: once for each nonce, and for the key before them."""

    asked = 0

    def __call__(self, size: int) -> bytes:
        self.asked += 1
        return secrets.token_bytes(size)


def initial(state: State, name: str, password: str, *, old: bool) -> tuple[str, tuple[int, str]]:
    """An initial response with the nonce of a bind before the account came into `state`: its record, its answer."""
    clock = stopped()
    where = of(State(state.name, {}, "success"), clock=clock)
    staged = stage(directory=where, remember=600, ad_errors=True)
    challenge = staged.challenge()
    assert staged.bind(sasl(digest_response(challenge, state.name, PASSWORD))).result_code is ResultCode.SUCCESS
    changes = [
        Change(ModifyOperation.REPLACE, PartialAttribute(attribute, (value.encode(),)))
        for attribute, value in state.attributes.items()
    ]
    dn = DN.parse(f"uid={state.name},ou=people,dc=contoso,dc=com")
    run(where.modify(dn, changes, by=DN.parse("cn=admin"), admin=True))
    clock.advance(seconds=601 if old else 0)
    following = Stage(staged.service, staged.sink)
    response = following.bind(sasl(digest_response(challenge, name, password, nc="00000002")))
    assert following.session.identity.anonymous or response.result_code is ResultCode.SUCCESS
    record = following.records[-1]
    assert record.result_code == response.result_code
    head, _, rest = (response.server_sasl_creds or b"").partition(b'nonce="')
    return record.reason.value, (response.result_code, (head + rest.partition(b'"')[2]).decode())


@pytest.mark.parametrize("old", [False, True], ids=["remembered", "forgotten"])
def test_initial_responses_get_the_same_challenge_whatever_the_state(old: bool) -> None:
    reason, challenge = initial(FINE, "nobody", WRONG, old=old)
    assert reason == "unknown-user"
    assert challenge[0] == ResultCode.SASL_BIND_IN_PROGRESS
    assert "stale" not in challenge[1]
    assert initial(FINE, "fine", WRONG, old=old) == ("wrong-password", challenge)
    assert initial(OFF, "off", WRONG, old=old) == ("wrong-password", challenge)
    assert initial(OFF, "off", PASSWORD, old=old) == ("account-disabled", challenge)
    assert initial(SHUT, "shut", WRONG, old=old) == ("account-locked-out", challenge)
    assert initial(SHUT, "shut", PASSWORD, old=old) == ("account-locked-out", challenge)
    reason, (code, data) = initial(FINE, "fine", PASSWORD, old=old)
    assert (reason, code, "stale=true" in data) == (("nonce-expired", 14, True) if old else ("success", 0, False))


def test_a_wrong_initial_response_costs_one_nonce_whoever_it_is_about() -> None:
    issued = {}
    for name in ("fine", "shut", "nobody"):
        chance = Chance()
        staged = stage(directory=of(SHUT, FINE), nonces=NonceBook(remembered_for=600, token=chance))
        challenge = staged.challenge()
        staged.bind(sasl(digest_response(challenge, "fine", PASSWORD)))
        chance.asked = 0
        following = Stage(staged.service, staged.sink)
        following.bind(sasl(digest_response(challenge, name, WRONG, nc="00000002")))
        issued[following.reasons[-1]] = chance.asked
    assert issued == {"wrong-password": 1, "account-locked-out": 1, "unknown-user": 1}


def test_the_challenge_of_a_barred_initial_response_can_be_answered() -> None:
    clock = stopped()
    staged = stage(directory=of(OFF, FINE, clock=clock), remember=600, ad_errors=True)
    old = digest_response(staged.challenge(), "off", PASSWORD, nc="00000002")
    clock.advance(seconds=601)
    following = Stage(staged.service, staged.sink)
    challenge = following.bind(sasl(old)).server_sasl_creds or b""
    answer = following.bind(sasl(digest_response(challenge, "off", PASSWORD)))
    assert answer == told("account-disabled", AD_TEXT["DIGEST-MD5"])
    assert following.reasons == ["account-disabled", "account-disabled"]


# What is counted


class Asked(MemoryDirectory):
    """A directory that locks an account with the first wrong password, and remembers what it was asked."""

    def __init__(self, *parts: Any, **rest: Any) -> None:
        super().__init__(*parts, **rest)
        self.asked: list[tuple[str | None, bool, bool]] = []  # who, whether right, and whether by password

    async def judge(
        self, account: Account | None, *, right: bool, workstation: str, by_password: bool = True, **rest: Any
    ) -> Judgement:
        self.asked.append((None if account is None else account.name, right, by_password))
        return Judgement(locked=account is not None and not right)


def asked(state: State, clock: Clock = SYSTEM_CLOCK) -> Asked:
    """One account."""
    return Asked([("table", read_ldif(ROOT + "\n" + state.ldif, "table"))], netbios="CONTOSO", clock=clock)


@every_mechanism
def test_every_password_that_is_looked_at_is_judged_once(mechanism: str) -> None:
    where = asked(FINE)
    staged = stage(directory=where)
    staged.session.secured(TLS(bytes(32)))
    for name, password in (("fine", PASSWORD), ("fine", WRONG), ("nobody", WRONG)):
        bind(staged, mechanism, name, password)
    assert where.asked == [("fine", True, True), ("fine", False, True), (None, False, True)]
    assert staged.reasons == ["success", "wrong-password", "unknown-user"]


def test_a_wrong_initial_response_counts_and_is_answered_by_its_challenge() -> None:
    where = asked(FINE)
    staged = stage(directory=where, remember=600)
    challenge = staged.challenge()
    staged.bind(sasl(digest_response(challenge, "fine", PASSWORD)))
    following = Stage(staged.service, staged.sink)
    response = following.bind(sasl(digest_response(challenge, "fine", WRONG, nc="00000002")))
    assert response.result_code is ResultCode.SASL_BIND_IN_PROGRESS
    assert following.reasons[-1] == "wrong-password"
    assert where.asked == [("fine", True, True), ("fine", False, True)]


def test_an_old_nonce_is_judged_by_its_password() -> None:
    for password, right in ((PASSWORD, True), (WRONG, False)):
        clock = stopped()
        where = asked(FINE, clock=clock)
        staged = stage(directory=where)
        challenge = staged.challenge()
        clock.advance(seconds=301)
        staged.bind(sasl(digest_response(challenge, "fine", password)))
        assert where.asked == [("fine", right, True)]


def test_a_process_is_judged_without_a_password() -> None:
    where = asked(State("fine", {"uidNumber": "7", "gidNumber": "8"}, "success"))
    staged = stage(directory=where, process=Process(7, 8))
    assert staged.bind(sasl(b"", "EXTERNAL")).result_code is ResultCode.SUCCESS
    assert where.asked == [("fine", True, False)]


# The work: who is kept out with the right password costs what a wrong one costs


@pytest.mark.parametrize("name", ["off", "shut"])
@pytest.mark.interpreted("sasl_digest.digest")
def test_a_digest_that_is_right_costs_what_a_wrong_one_does_where_it_leads_nowhere(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    def counted(data: bytes) -> object:
        nonlocal tried
        tried += re.search(rb":auth:[0-9a-f]{32}$", data) is not None  # what a response and rspauth are made of
        return md5(data)

    where = of(OFF, SHUT, FINE)
    monkeypatch.setattr("sasl_digest.digest.md5", counted)

    def costs(user: str, password: str) -> int:
        nonlocal tried
        tried = 0
        bind(stage(directory=where), "DIGEST-MD5", user, password)
        return tried

    proof = 1  # the rspauth
    wrong = costs(name, WRONG)
    assert wrong == costs("nobody", WRONG) == costs("fine", WRONG) > 1
    assert costs(name, PASSWORD) == wrong
    assert costs("fine", PASSWORD) == 1 + proof


@pytest.mark.parametrize("cipher", ["3des", "rc4"])
def test_no_cipher_is_set_up_for_who_is_kept_out(cipher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up: list[Any] = []
    construction = ciphers._construction

    def counted(*given: Any) -> Any:
        set_up.append(given)
        return construction(*given)

    monkeypatch.setattr(ciphers, "_construction", counted)
    more = f",cipher={cipher},maxbuf=65536"
    for name, reason in (("off", "account-disabled"), ("shut", "account-locked-out"), ("fine", "success")):
        assert set_up == []
        staged = stage(directory=of(OFF, SHUT, FINE), qop=(QOP.AUTH_CONF,))
        staged.digest(name, PASSWORD, qop="auth-conf", more=more)
        assert staged.reasons == [reason]
    staged.session.disconnect(ResultCode.UNAVAILABLE, "what is said first")
    assert len(set_up) == 1


@pytest.mark.parametrize("mechanism", ["simple", "PLAIN"])
def test_dear_passwords_of_others_are_tried_for_who_is_kept_out(mechanism: str) -> None:
    offloaded = {}
    for name, password in (("off", PASSWORD), ("off", WRONG), ("nobody", WRONG), ("fine", PASSWORD)):
        staged = stage(directory=of(OFF, FINE, more=DEAR))
        staged.session.secured(TLS(bytes(32)))
        request = simple(name, password) if mechanism == "simple" else sasl(f"\0{name}\0{password}".encode(), "PLAIN")
        messages = staged.send(request)
        offloaded[name, password] = len(staged.channel.offloaded)
        assert bool(messages) is (name == "fine")
        staged.channel.work()
        messages += staged.channel.taken()
        assert len(messages) == 1
    assert offloaded == {("off", PASSWORD): 1, ("off", WRONG): 1, ("nobody", WRONG): 1, ("fine", PASSWORD): 0}


def test_who_is_kept_out_is_told_of_a_full_house_as_all_are() -> None:
    for password in (PASSWORD, WRONG):
        staged = stage(directory=of(OFF, more=DEAR))
        staged.channel.full = True
        assert staged.bind(simple("off", password)).result_code is ResultCode.BUSY
        assert staged.reasons == ["busy"]


def test_all_of_several_passwords_are_tried_for_who_is_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    where = of(State("off", {**OFF.attributes, "userPassword": "first"}, "account-disabled"))
    tried: list[bytes] = []
    check = schemes.ClearText.check

    def counted(self: schemes.ClearText, given: bytes) -> bool:
        tried.append(given)
        return check(self, given)

    monkeypatch.setattr(schemes.ClearText, "check", counted)
    for password, times in (("first", 2), (PASSWORD, 2), (WRONG, 2)):
        tried.clear()
        bind(stage(directory=where), "simple", "off", password)
        assert tried == [password.encode()] * times
