"""A directory with accounts that are guessed at, a clock that goes when it is told to, and connections to it."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import pbkdf2_hmac
from typing import Any

from ldapserver.clock import StoppedClock
from ldapserver.directory.account_state import Judgement
from ldapserver.directory.ad.profile import ActiveDirectory
from ldapserver.directory.filetime import filetime
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.policy import Policy
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.messages import (
    Change,
    ModifyOperation,
    PartialAttribute,
    ResultCode,
    Scope,
)

from .domain import schema
from .stage import LDIF, Stage, search, simple, stage
from .test_directory import run

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ADMIN = "uid=u1,ou=people,dc=contoso,dc=com"
ADD, DELETE, REPLACE = ModifyOperation.ADD, ModifyOperation.DELETE, ModifyOperation.REPLACE
COUNTED = ("badPwdCount", "badPasswordTime", "lockoutTime")
ALICE = "uid=alice,ou=people,dc=contoso,dc=com"
WHO = f"\ndn: {ALICE}\nobjectClass: inetOrgPerson\nuid: alice\ncn: Alice\nsn: A\nuserPassword: right\n"
THREE = Policy(lockout_threshold=3, lockout_window=60, lockout_duration=300)


class Court(MemoryDirectory):
    """A directory that remembers what it has judged."""

    judgements: list[tuple[bool, Judgement]]

    async def judge(self, account: Any, *, right: bool, **rest: Any) -> Judgement:
        judgement = await super().judge(account, right=right, **rest)
        self.judgements.append((right, judgement))
        return judgement


@dataclass
class World:
    """A directory with a clock, and connections to it."""

    policy: Policy = THREE
    ldif: str = LDIF + WHO
    ad: bool = False
    rest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = StoppedClock(START)
        if self.ad:
            self.rest |= {"schema": schema(), "profile": ActiveDirectory()}
        self.directory = Court(
            [("world", read_ldif(self.ldif, "world"))],
            policy=self.policy,
            clock=self.clock,
            netbios="CONTOSO",
            **self.rest,
        )
        self.directory.judgements = []

    def connect(self, **settings: Any) -> Stage:
        return stage(directory=self.directory, admins=(ADMIN,), **settings)

    def bind(self, password: str, name: str = "alice") -> str:
        """The reason that is recorded of a simple bind."""
        on = self.connect()
        on.bind(simple(name, password))
        return on.reasons[-1]

    def binds(self, *passwords: str) -> list[str]:
        return [self.bind(password) for password in passwords]

    @property
    def locked(self) -> int:
        """How often an account was locked."""
        return sum(judgement.locked for _, judgement in self.directory.judgements)

    def counts(self, dn: str = ALICE) -> dict[str, int]:
        """What is counted, in seconds since the start where it is a time."""
        found, _ = self.connect_as_admin().search(search(dn, Scope.BASE_OBJECT, attributes=COUNTED))
        numbers = {name: int(values[0]) for name, values in found[dn].items()}
        return {name: since_start(number) if "Time" in name else number for name, number in numbers.items()}

    def connect_as_admin(self) -> Stage:
        on = self.connect()
        assert on.bind(simple("u1", "password")).result_code is ResultCode.SUCCESS
        return on

    def modify(self, *changes: tuple[ModifyOperation, str, Iterable[bytes]], dn: str = ALICE) -> None:
        made = [Change(what, PartialAttribute(name, tuple(values))) for what, name, values in changes]
        run(self.directory.modify(DN.parse(dn), made, by=DN.parse(ADMIN), admin=True))


def since_start(number: int) -> int:
    return 0 if number == 0 else round((number - filetime(START)) / 10**7)


WRONG, LOCKED = "wrong-password", "account-locked-out"


def batches(world: World, filter: str) -> list[Any]:
    found = world.directory.search(DN.parse("dc=contoso,dc=com"), Scope.WHOLE_SUBTREE, parse_filter(filter))
    taken = []
    while True:
        try:
            taken.append(run(found.__anext__()))
        except StopAsyncIteration:
            return taken


SALT = b"0123456789abcdef"
ITERATIONS = 1000


def dear(password: str) -> str:
    key = pbkdf2_hmac("sha256", password.encode(), SALT, ITERATIONS)
    salt, derived = (b64encode(octets).rstrip(b"=").replace(b"+", b".").decode() for octets in (SALT, key))
    return f"{{PBKDF2-SHA256}}{ITERATIONS}${salt}${derived}"


DEAR = LDIF + WHO.replace("userPassword: right", f"userPassword: {dear('right')}")


def spared(**rest: Any) -> World:
    return World(Policy(3, 60, 300, spare_old_passwords=True), **rest)


def change(world: World, password: str, how: str) -> None:
    """A new password, in one of the ways there are."""
    if how == "modify":
        world.modify((REPLACE, "userPassword", [password.encode()]))
    elif how == "unicodePwd":
        world.clock.advance(seconds=1)
        quoted = f'"{password}"'.encode("utf-16-le")
        account = DN.parse(ALICE)
        changes = [Change(REPLACE, PartialAttribute("unicodePwd", (quoted,)))]
        run(world.directory.modify(account, changes, by=DN.parse(ADMIN), admin=True, strength=128))
    else:
        from ldapserver.controls import values
        from ldapserver.password_modify import PASSWORD_MODIFY
        from ldapserver.wire.messages import ExtendedRequest

        value = values.encode(
            values.PasswdModifyRequestValue, userIdentity=ALICE.encode(), newPasswd=password.encode()
        )
        result = world.connect_as_admin().ask(ExtendedRequest(PASSWORD_MODIFY, value))
        assert result.result_code is ResultCode.SUCCESS, result
