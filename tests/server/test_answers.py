"""A bind of a directory that answers at once comes to what it does of one that takes its time to everything."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver import MemoryDirectory
from ldapserver.bind import Binder, Decision
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import FINE, Judgement
from ldapserver.directory.answers import Answers
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.policy import Policy
from ldapserver.sasl.mechanism import TLS
from ldapserver.service import Peer
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import BindRequest, SaslAuthentication
from sasl_digest import NonceBook
from tests.server.stage import LDIF, digest_response, sasl, simple, stage, stopped

PEOPLE = "ou=people,dc=contoso,dc=com"
PEER = Peer(7, "192.0.2.1", 40000)
MORE = f"""
dn: uid=off,{PEOPLE}
objectClass: account
uid: off
userPassword: password
userAccountControl: 514
"""


class Turn:
    """Something to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Slow(MemoryDirectory):
    """A directory that takes its time to whatever a bind asks."""

    async def find_account(self, name: str) -> Account | None:
        await Turn()
        return await super().find_account(name)

    async def account_at(self, dn: DN) -> Account | None:
        await Turn()
        return await super().account_at(dn)

    async def judge(self, account: Account | None, **rest: Any) -> Judgement:
        await Turn()
        return await super().judge(account, **rest)

    async def privileges(self, dn: DN) -> tuple[str, ...]:
        await Turn()
        return await super().privileges(dn)


def made(kind: type[MemoryDirectory]) -> MemoryDirectory:
    """A directory in which the third wrong password locks."""
    policy = Policy(lockout_threshold=3, spare_old_passwords=True)
    return kind([("test", read_ldif(LDIF + MORE, "test"))], netbios="CONTOSO", clock=stopped(), policy=policy)


def binder(kind: type[MemoryDirectory], **settings: Any) -> Binder:
    """One of many that are all the same: clock and chance stand still."""
    where = made(kind)
    nonces = NonceBook(clock=where.clock.seconds, token=bytes, remembered_for=settings.pop("remember", 0.0))
    on = stage(directory=where, nonces=nonces, **settings)
    there = Binder(on.service, PEER, on.channel)
    there.connection.tls = TLS(bytes(32))  # or PLAIN would be refused
    return there


def decided(on: Binder, message_id: int, request: BindRequest) -> tuple[Decision, int]:
    """What a bind comes to, and how often it waited."""
    bound = on.bind(message_id, request)
    if isinstance(bound, Decision):
        return bound, 0
    waited = 0
    while True:
        try:
            bound.send(None)
        except StopIteration as end:
            return end.value, waited
        waited += 1


NAMES = ("u1", "U1", "CONTOSO\\u1", "off", "twin", "nobody", "ü", f"uid=u1,{PEOPLE}", f"uid=nobody,{PEOPLE}", "uid=")
names, right = st.sampled_from(NAMES), st.sampled_from(["password", "password", "wrong"])
binds = st.one_of(
    st.builds(simple, st.sampled_from([*NAMES, ""]), st.sampled_from(["", "password", "password", "wrong"])),
    st.builds(simple, names, right, st.just(2)),
    st.builds(
        lambda name, password, authzid: sasl(f"{authzid}\0{name}\0{password}".encode(), "PLAIN"),
        names,
        right,
        st.sampled_from(["", "u:u1", "u:off"]),
    ),
    st.builds(
        sasl, st.sampled_from([None, b"", b"username="]), st.sampled_from(["DIGEST-MD5", "EXTERNAL", "GSSAPI"])
    ),
    st.tuples(names, right, st.sampled_from([None, "u:u1", "u:off"]), st.sampled_from(["00000001", "00000002"])),
)


@given(st.lists(binds, min_size=1, max_size=5), st.booleans(), st.booleans(), st.sampled_from([0.0, 60.0]))
def test_at_once_and_later_are_the_same_bind(asked: list[Any], events: bool, explain: bool, remember: float) -> None:
    settings = {"logon_events": events, "explain": explain, "remember": remember}
    quick, slow = binder(MemoryDirectory, **settings), binder(Slow, **settings)
    challenge: bytes | None = None
    for message_id, each in enumerate(asked, 1):
        if isinstance(each, BindRequest):
            request = each
        else:
            name, password, authzid, nc = each
            if challenge is None:
                first, _ = decided(quick, 99, sasl())
                assert first == decided(slow, 99, sasl())[0]
                challenge = first.response.server_sasl_creds
                assert challenge is not None
            request = sasl(digest_response(challenge, name, password, authzid=authzid, nc=nc))
        due, _ = decided(slow, message_id, request)
        assert decided(quick, message_id, request)[0] == due
        assert quick.checking == slow.checking
        assert quick.in_progress == slow.in_progress
        if isinstance(request.authentication, SaslAuthentication):
            challenge = due.response.server_sasl_creds if quick.in_progress else None
    # And the exchanges go on alike: what is left of them is recorded alike.
    assert quick.abandon() == slow.abandon()


def test_a_bind_waits_for_each_question_and_for_none_that_is_answered_at_once() -> None:
    quick, slow = binder(MemoryDirectory), binder(Slow)
    for on, turns in ((quick, 0), (slow, 3)):
        first, waited = decided(on, 1, sasl())
        assert waited == 0
        response = digest_response(first.response.server_sasl_creds or b"", "u1", "password")
        whole, waited = decided(on, 2, sasl(response))
        assert (whole.identity.name, waited) == ("u1", turns)
        whole, waited = decided(on, 3, simple(f"uid=u1,{PEOPLE}", "password"))
        assert (whole.identity.name, waited) == ("u1", turns)


@pytest.mark.parametrize("name", ["find_account", "account_at", "judge", "privileges"])
def test_who_makes_a_question_another_is_asked_by_it_alone(name: str) -> None:
    def answers(directory: MemoryDirectory) -> dict[str, Any]:
        of = Answers(directory)
        u1 = DN.parse(f"uid=u1,{PEOPLE}")
        return {
            "find_account": of.find_account("u1"),
            "account_at": of.account_at(u1),
            "judge": of.judge(None, False, ""),
            "privileges": of.privileges(u1),
        }

    async def other(*asked: Any, **rest: Any) -> str:
        return "another answer"

    derived = made(type("Derived", (MemoryDirectory,), {name: other}))
    changed = made(MemoryDirectory)
    setattr(changed, name, other)
    plain = answers(made(MemoryDirectory))
    assert (plain["find_account"], plain["judge"], plain["privileges"]) == (plain["account_at"], FINE, ())
    for directory in (derived, changed):
        found = answers(directory)
        with pytest.raises(StopIteration, match="another answer"):
            found.pop(name).send(None)
        assert found == {each: answer for each, answer in plain.items() if each != name}


def test_who_has_another_policy_judges_by_it() -> None:
    class Guarded(MemoryDirectory):
        @property
        def policy(self) -> Policy:
            return Policy(lockout_threshold=1)

    on = stage(directory=Guarded([("test", read_ldif(LDIF, "test"))], netbios="CONTOSO", clock=stopped()))
    on.bind(simple(f"uid=u1,{PEOPLE}", "wrong"))
    on.bind(simple(f"uid=u1,{PEOPLE}", "password"))
    assert on.reasons == ["wrong-password", "account-locked-out"]
