"""A server's clock, its policy, and what it was: changed by a test while it runs, and put back."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import ldap3
import pytest

from ldapserver.directory.policy import Policy
from ldapserver.testing import Server, Snapshot, running_server
from ldapserver.testing.served import Served
from tests.testing.test_running import ALICE, EVERYWHERE, LDIF, Client

PROFILES = pytest.mark.parametrize("profile", ["plain", "ad"])
ADMIN = "cn=admin,dc=example,dc=com"
WITH_ADMIN = LDIF + f"\ndn: {ADMIN}\nobjectClass: person\ncn: admin\nsn: admin\nuserPassword: admin\n"


def bind(server: Server, password: str = "secret", dn: str = ALICE) -> bool:
    with closing(Client(ldap3.Server(server.url), dn, password)) as connection:
        return bool(connection.bind())


def locked(server: Server, wrong: int = 3) -> bool:
    """Whether so many wrong passwords lock alice."""
    for _ in range(wrong):
        assert not bind(server, "wrong")
    return not bind(server)


@EVERYWHERE
@PROFILES
def test_a_lockout_ends_when_the_clock_is_moved_on(profile: str, process: bool) -> None:
    with running_server(ldif=LDIF, profile=profile, lockout_threshold=3, process=process) as server:
        assert locked(server)
        server.clock.advance(minutes=29)
        assert not bind(server)
        server.clock.advance(minutes=1, seconds=1)
        assert bind(server)


@EVERYWHERE
def test_the_clock_goes_by_itself_stops_and_goes_on(process: bool) -> None:
    with running_server(process=process) as server:
        clock = server.clock
        before = datetime.now(UTC)
        assert before <= clock.now <= datetime.now(UTC)
        clock.advance(timedelta(days=1), hours=2)
        assert timedelta(hours=26) <= clock.now - before < timedelta(hours=27)
        at = datetime(2031, 5, 6, 7, 8, 9, 10, tzinfo=UTC)
        clock.stop(at)
        assert [clock.now, clock.now] == [at, at]
        clock.advance(minutes=31)
        assert clock.now == at + timedelta(minutes=31)
        assert repr(clock) == "<ServerClock 2031-05-06T07:39:09.000010+00:00>"
        clock.start()
        clock.start()
        assert at + timedelta(minutes=31) < clock.now < at + timedelta(minutes=41)
        clock.stop()
        assert clock.now == clock.now


def test_the_clock_does_not_go_back_by_itself() -> None:
    with running_server() as server:
        with pytest.raises(ValueError, match="advance: time goes forward only"):
            server.clock.advance(minutes=-1)
        with pytest.raises(ValueError, match=r"advance: 31 of what\? minutes=31, or a timedelta"):
            server.clock.advance(31)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at: must know its zone"):
            server.clock.stop(at=datetime(2031, 5, 6))


@EVERYWHERE
@PROFILES
def test_a_policy_counts_from_when_it_is_asked(profile: str, process: bool) -> None:
    with running_server(ldif=LDIF, profile=profile, process=process) as server:
        counted = profile == "ad"
        assert not locked(server)
        assert server.policy() == Policy(counted=counted)
        asked = server.policy(lockout_threshold=2, lockout_duration="5m", lockout_window=timedelta(minutes=5))
        assert asked == Policy(2, 300.0, 300.0, counted=counted)
        assert server.policy(spare_old_passwords=True) == Policy(2, 300.0, 300.0, 0.0, True, counted)
        assert server.policy(lockout_threshold=2).spare_old_passwords
        assert locked(server, 2)
        server.clock.advance(minutes=6)
        assert bind(server)
        assert server.policy(lockout_threshold=0, spare_old_passwords=False) == Policy(
            0, 300.0, 300.0, counted=counted
        )
        assert not locked(server)


def test_a_domains_entry_says_its_policy() -> None:
    with running_server(ldif=WITH_ADMIN, profile="ad", admin=ADMIN) as server:
        server.policy(lockout_threshold=4, max_password_age="1d")
        with closing(Client(ldap3.Server(server.url), ADMIN, "admin", auto_bind=True)) as connection:
            connection.search(
                server.base_dn, "(objectClass=*)", ldap3.BASE, attributes=["lockoutThreshold", "maxPwdAge"]
            )
            entry = cast(Any, connection).response[0]["raw_attributes"]
            assert entry == {"lockoutThreshold": [b"4"], "maxPwdAge": [b"-864000000000"]}
            # and what a client writes there is the policy
            assert cast(Any, connection).modify(server.base_dn, {"lockoutThreshold": [(ldap3.MODIFY_REPLACE, ["5"])]})
        assert server.policy().lockout_threshold == 5


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lockout_threshold": -1}, "lockout_threshold: '-1' is not a number from 0 on"),
        ({"lockout_window": "soon"}, "lockout_window: 'soon' is not a time above 0"),
        ({"spare_old_passwords": 3}, "spare_old_passwords: must be true or false"),
    ],
    ids=["threshold", "window", "flag"],
)
def test_a_policy_that_is_none_is_refused(settings: dict[str, int], text: str) -> None:
    with running_server(lockout_threshold=7) as server:
        with pytest.raises(ValueError, match=f"^{text}"):
            server.policy(**settings)  # type: ignore[arg-type]  # which is the point
        assert server.policy().lockout_threshold == 7


def write(server: Server) -> None:
    """Change alice, delete and add somebody, lock alice, ask another policy and let time pass."""
    client: Any = Client(ldap3.Server(server.url), ADMIN, "admin", auto_bind=True)
    with closing(client) as connection:
        assert connection.modify(ALICE, {"description": [(ldap3.MODIFY_ADD, ["changed"])]})
        assert connection.delete("uid=bob,dc=example,dc=com")
        assert connection.add("uid=carol,dc=example,dc=com", "account", {"uid": "carol"})
    server.policy(lockout_threshold=1)
    assert locked(server, 1)
    server.clock.advance(days=3)


def seen(server: Server) -> list[dict[str, list[bytes]]]:
    client: Any = Client(ldap3.Server(server.url), ADMIN, "admin", auto_bind=True)
    with closing(client) as connection:
        connection.search(server.base_dn, "(objectClass=*)", attributes=["*", "+"])
        return [{**each["raw_attributes"], "dn": [each["raw_dn"]]} for each in connection.response]


@EVERYWHERE
@PROFILES
def test_a_server_becomes_what_it_was(profile: str, process: bool) -> None:
    bob = "\ndn: uid=bob,dc=example,dc=com\nobjectClass: account\nuid: bob\n"
    with running_server(ldif=WITH_ADMIN + bob, profile=profile, admin=ADMIN, process=process) as server:
        server.clock.stop()
        before, policy, now = seen(server), server.policy(), server.clock.now
        snapshot = server.snapshot()
        for _ in range(2):
            write(server)
            assert seen(server) != before
            server.restore(snapshot)
            assert server.binds().count == 0
            assert (seen(server), server.policy(), server.clock.now) == (before, policy, now)
            assert bind(server)
        with pytest.raises(LookupError, match="as any"):
            write_and_raise(server)
        assert (seen(server), server.policy(), server.clock.now) == (before, policy, now)


def write_and_raise(server: Server) -> None:
    with server.preserved():
        write(server)
        raise LookupError("as any")


@EVERYWHERE
def test_a_snapshot_is_of_one_server(process: bool) -> None:
    with running_server(process=process) as server, running_server() as other:
        with pytest.raises(ValueError, match=r"^the snapshot is of another server$"):
            server.restore(other.snapshot())
        with pytest.raises(ValueError, match=r"^the snapshot is of another server$"):
            server.restore(Snapshot("made up"))


@EVERYWHERE
def test_snapshots_that_nobody_holds_are_let_go(process: bool) -> None:
    with running_server(process=process) as server:
        held = server.snapshot()
        for _ in range(5):
            with server.preserved():
                pass
        last = server.snapshot()
        assert server._ask(kept) == 2
        server.restore(held)
        server.restore(last)


def kept(served: Served) -> int:
    return len(served.kept)
