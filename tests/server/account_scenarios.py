"""Short lives of accounts: what is done to them and who tries to come in, played in one domain or another.

A scenario is data, and so is what a domain said to it. `tests/interop/samba.py` plays all of them in Samba's and
writes `tests/vectors/samba_account_states.json`; `test_against_samba.py` plays them in ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Protocol

from ldapserver.wire.messages import AddRequest, Change, ModifyOperation, ModifyRequest, PartialAttribute, ResultCode

from .domain import BASE, utf16

USERS = f"cn=Users,{BASE}"
PASSWORD, WRONG = "Right-horse.1", "Wrong-horse.1"
SECOND_ONE, THIRD_ONE, FOURTH_ONE = "Other-horse.2", "Third-horse.3", "Fourth-horse.4"
DISABLED, NO_EXPIRY, SMARTCARD, EXPIRED_BIT, NORMAL, COMPUTER = 0x2, 0x10000, 0x40000, 0x800000, 0x200, 0x1000
LOCKOUT_BIT = 0x10
MONTH = 30 * 86400.0
LONG_AGO = "130000000000000000"  # in 2012
FOR_EVER = str(-(2**63))
SECOND = 10_000_000

Attributes = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Head:
    """The domain's policy, in seconds; None is without end."""

    threshold: int = 3
    window: float = 1800
    duration: float | None = 1800
    max_age: float = 0

    @property
    def attributes(self) -> dict[str, str]:
        """As its entry has them."""
        return {
            "lockoutThreshold": str(self.threshold),
            "lockOutObservationWindow": str(-int(self.window * SECOND)),
            "lockoutDuration": FOR_EVER if self.duration is None else str(-int(self.duration * SECOND)),
            "maxPwdAge": str(-int(self.max_age * SECOND)) if self.max_age else FOR_EVER,
        }


@dataclass(frozen=True)
class Bind:
    """A simple bind by UPN, DOMAIN\\user or DN, of the account unless `who` is somebody else."""

    password: str = PASSWORD
    form: str = "upn"
    who: str = ""


@dataclass(frozen=True)
class Replace:
    """What an administrator replaces; an empty value removes."""

    attributes: Attributes


@dataclass(frozen=True)
class Reset:
    """An administrator gives another password."""

    password: str


@dataclass(frozen=True)
class ChangePassword:
    """The old password is said, and the new one."""

    old: str
    new: str


@dataclass(frozen=True)
class Wait:
    """So many seconds go by."""

    seconds: float


@dataclass(frozen=True)
class Age:
    """The password becomes one of long ago."""


@dataclass(frozen=True)
class Look:
    """Nothing is done, but the entry is looked at, as after every step."""


Step = Bind | Replace | Reset | ChangePassword | Age | Wait | Look


@dataclass(frozen=True)
class Scenario:
    """One account, which is made for it, and what it goes through."""

    name: str
    steps: Sequence[Step]
    head: Head = field(default_factory=Head)


W, R, R2, R3 = Bind(WRONG), Bind(), Bind(SECOND_ONE), Bind(THIRD_ONE)
CHANGE, WRONG_CHANGE = ChangePassword(PASSWORD, SECOND_ONE), ChangePassword(WRONG, SECOND_ONE)
LOCKED = (W, W, W)
NO_HOURS = bytes(21)

# One way into each state: what the account is added with, and what is done to it then.
STATES: dict[str, tuple[dict[str, str | bytes], tuple[Step, ...], Head]] = {
    "locked": ({}, LOCKED, Head()),
    "disabled": ({"userAccountControl": str(NORMAL | DISABLED)}, (), Head()),
    "expired": ({"accountExpires": LONG_AGO}, (), Head()),
    "hours": ({"logonHours": NO_HOURS}, (), Head()),
    "workstation": ({"userWorkstations": "PC1,PC2"}, (), Head()),
    "must-change": ({"pwdLastSet": "0"}, (), Head()),
    "old": ({}, (Age(),), Head(max_age=MONTH)),
}
TRIED = (R, W, R)


def _single(name: str) -> Scenario:
    said, done, head = STATES[name]
    return Scenario(name, (*_before(done, said), *TRIED, Bind(form="netbios"), Bind(form="dn")), head)


def _before(done: Sequence[Step], said: Attributes) -> tuple[Step, ...]:
    return (Replace(said), *done) if said else tuple(done)


def _pair(first: str, second: str) -> Scenario:
    said = STATES[first][0] | STATES[second][0]
    head = max(STATES[first][2], STATES[second][2], key=lambda head: head.max_age)
    return Scenario(f"{first} and {second}", (*_before(STATES[first][1] + STATES[second][1], said), *TRIED), head)


def _kept_count(name: str) -> Scenario:
    said, done, head = STATES[name]
    steps = (*done, *([Replace(said)] if said else []), W, W, R, W, R)
    return Scenario(f"two wrong passwords and {name}", steps, head)


SHORT = Head(window=3, duration=3)
UNLOCK = Replace({"lockoutTime": "0"})
NAMES = ("upn", "netbios", "dn")
SCENARIOS = (
    Scenario("plain", (*[Bind(p, form) for form in NAMES for p in (PASSWORD, WRONG)],)),
    Scenario("nobody of this name", (*[Bind(form=form, who="nobody-there") for form in NAMES],)),
    *[_single(name) for name in STATES],
    *[_pair(first, second) for first, second in combinations(STATES, 2) if {first, second} != {"must-change", "old"}],
    *[_kept_count(name) for name in STATES if name != "locked"],
    Scenario("must change, and no expiry", (Replace({"pwdLastSet": "0", "userAccountControl": "66048"}), *TRIED)),
    Scenario("old, and no expiry", (Replace({"userAccountControl": "66048"}), Age(), *TRIED), Head(max_age=MONTH)),
    Scenario("must change, and then not", (Replace({"pwdLastSet": "0"}), R, Replace({"pwdLastSet": "-1"}), R)),
    Scenario("old, and changed", (Age(), R, CHANGE, R2), Head(max_age=MONTH)),
    Scenario("the bit of an expired password", (Replace({"userAccountControl": str(NORMAL | EXPIRED_BIT)}), R)),
    Scenario("smart card", (Replace({"userAccountControl": str(NORMAL | SMARTCARD)}), R, W)),
    Scenario("expires never", (Replace({"accountExpires": "0"}), R, Replace({"accountExpires": str(2**63 - 1)}), R)),
    Scenario("all hours", (Replace({"logonHours": b"\xff" * 21}), R)),
    # Counting
    Scenario("counting", (Look(), W, W, R, W, W, W, W, R, R)),
    Scenario("no threshold", (W, W, W, W, R), Head(threshold=0)),
    Scenario("a threshold of one", (W, R), Head(threshold=1)),
    Scenario("window", (W, W, Wait(4), Look(), W, W, R), SHORT),
    Scenario("window slides", (W, Wait(2), W, Wait(2), W, R), SHORT),
    Scenario("duration, then right", (*LOCKED, R, Wait(4), Look(), R), SHORT),
    Scenario("duration, then wrong", (*LOCKED, W, Wait(4), W, R, W, W, W, R), SHORT),
    Scenario("duration is from the lock on", (*LOCKED, Wait(2), W, R, Wait(2), R), SHORT),
    Scenario("duration as long as the window", (*LOCKED, Wait(3), Look(), W, W, R), Head(window=2, duration=2)),
    Scenario("no duration", (*LOCKED, Wait(2), R, Look()), Head(window=1, duration=None)),
    Scenario("a window of 0", (*LOCKED, Wait(2), R, Look()), Head(window=0)),
    Scenario("a duration of 0", (*LOCKED, R, Wait(2), R, Look()), Head(window=1, duration=0)),
    Scenario("unlocked by lockoutTime", (*LOCKED, UNLOCK, Look(), W, W, R)),
    Scenario("unlocked before it is locked", (W, W, UNLOCK, Look(), W, W, R)),
    Scenario("unlocked by userAccountControl", (*LOCKED, Replace({"userAccountControl": str(NORMAL)}), Look(), R)),
    Scenario("userAccountControl with the bit of a lockout", (*LOCKED, Replace({"userAccountControl": "528"}), R)),
    Scenario("disabled while locked", (*LOCKED, Replace({"userAccountControl": "514"}), R)),
    Scenario("userAccountControl before it is locked", (W, W, Replace({"userAccountControl": "514"}), Look())),
    Scenario(
        "userAccountControl after the duration",
        (*LOCKED, Wait(4), Replace({"userAccountControl": "66048"}), W),
        SHORT,
    ),
    Scenario("window over, then right", (W, W, Wait(4), R, W), SHORT),
    Scenario("lockout as a bit", (Replace({"userAccountControl": str(NORMAL | LOCKOUT_BIT)}), Look(), R)),
    Scenario("lockoutTime that is written", (Replace({"lockoutTime": LONG_AGO}), Look(), R)),
    Scenario("lockoutTime that is removed", (*LOCKED, Replace({"lockoutTime": ""}), Look(), R)),
    Scenario("reset while locked", (*LOCKED, Reset(SECOND_ONE), Look(), R2, UNLOCK, R2)),
    Scenario("reset after two", (W, W, Reset(SECOND_ONE), Look(), W, R2)),
    Scenario("reset and unlocked in one", (*LOCKED, UNLOCK, Reset(SECOND_ONE), R2)),
    Scenario("must change while locked, then unlocked", (Replace({"pwdLastSet": "0"}), *LOCKED, R, UNLOCK, R, W)),
    Scenario("of a computer", (Replace({"userAccountControl": str(COMPUTER)}), *LOCKED, R)),
    # Old passwords
    Scenario("old passwords", (Reset(SECOND_ONE), Reset(THIRD_ONE), R2, R, R3)),
    Scenario(
        "passwords too old to be spared",
        (Reset(SECOND_ONE), Reset(THIRD_ONE), Reset(FOURTH_ONE), R, R2, R3, W),
    ),
    Scenario("old passwords do not lock", (Reset(SECOND_ONE), R, R, R, R, R2)),
    Scenario("old passwords and wrong ones", (Reset(SECOND_ONE), W, R, W, R, W, R, R2)),
    Scenario("an old password while locked", (Reset(SECOND_ONE), *LOCKED, R, R2)),
    # Changed by who has it
    Scenario("a change", (W, CHANGE, Look(), R2)),
    Scenario("wrong old passwords", (*[WRONG_CHANGE] * 3, Look(), R, CHANGE)),
    Scenario("a change while locked", (*LOCKED, CHANGE, WRONG_CHANGE)),
    Scenario("a change of one that must", (Replace({"pwdLastSet": "0"}), R, CHANGE, R2)),
)

COUNTED = ("badPwdCount", "badPasswordTime", "lockoutTime", "msDS-User-Account-Control-Computed")
TIMES = ("badPasswordTime", "lockoutTime")


@dataclass(frozen=True)
class Result:
    """The code of an answer, and its text as it came."""

    code: int
    text: str


class Domain(Protocol):
    """One that scenarios are played in, as an administrator sees it."""

    def ask(self, request: AddRequest | ModifyRequest) -> Result:
        """The answer to an administrator, on a connection that is protected."""

    def read(self, dn: str, attributes: Sequence[str]) -> Mapping[str, bytes]:
        """The first values of an entry's attributes."""

    def bind(self, name: str, password: str) -> Result:
        """The answer to a simple bind, on a connection of its own."""

    def age(self, dn: str) -> None:
        """Let the password have been set `LONG_AGO`."""

    def wait(self, seconds: float) -> None:
        """Let time go by."""


def play(domain: Domain, number: int, scenario: Scenario) -> list[dict[str, Any]]:
    """What each step came to, in what JSON can hold; the account is called by the number."""
    name = f"u{number}"
    dn = f"cn={name},{USERS}"
    _well(domain, scenario, ModifyRequest(BASE, _replacing(scenario.head.attributes)))
    account = {
        "objectClass": b"user",
        "sAMAccountName": name.encode(),
        "userPrincipalName": f"{name}@contoso.com".encode(),
        "userAccountControl": b"%d" % NORMAL,
        "unicodePwd": utf16(PASSWORD),
    }
    _well(domain, scenario, AddRequest(dn, tuple([PartialAttribute(each, (account[each],)) for each in account])))
    told = []
    before = domain.read(dn, COUNTED)
    for step in scenario.steps:
        said = _step(domain, name, dn, step)
        if not isinstance(step, Wait):
            after = domain.read(dn, COUNTED)
            said |= _counts(before, after)
            before = after
        told.append(said)
    return told


def _well(domain: Domain, scenario: Scenario, request: AddRequest | ModifyRequest) -> None:
    result = domain.ask(request)
    assert result.code == 0, f"{scenario.name}: {result}"


def _step(domain: Domain, name: str, dn: str, step: Step) -> dict[str, Any]:
    match step:
        case Wait(seconds):
            domain.wait(seconds)
            return {"step": f"{seconds} seconds go by"}
        case Look():
            return {"step": "look"}
        case Age():
            domain.age(dn)
            return {"step": "the password becomes old"}
        case Bind(password, form, who):
            who = who or name
            names = {"upn": f"{who}@contoso.com", "netbios": f"CONTOSO\\{who}", "dn": f"cn={who},{USERS}"}
            return {"step": f"bind by {form} with {password}", **_told(domain.bind(names[form], password))}
        case Replace(attributes):
            shown = ", ".join(f"{each}: {_shown(value)}" for each, value in attributes.items())
            return {"step": f"replace {shown}", **_told(domain.ask(ModifyRequest(dn, _replacing(attributes))))}
        case Reset(password):
            request = ModifyRequest(dn, _replacing({"unicodePwd": utf16(password)}))
            return {"step": f"reset to {password}", **_told(domain.ask(request))}
        case ChangePassword(old, new):
            changes = (
                Change(ModifyOperation.DELETE, PartialAttribute("unicodePwd", (utf16(old),))),
                Change(ModifyOperation.ADD, PartialAttribute("unicodePwd", (utf16(new),))),
            )
            return {"step": f"change from {old} to {new}", **_told(domain.ask(ModifyRequest(dn, changes)))}


def _replacing(attributes: Attributes) -> tuple[Change, ...]:
    octets = {name: value.encode() if isinstance(value, str) else value for name, value in attributes.items()}
    return tuple(
        [
            Change(ModifyOperation.REPLACE, PartialAttribute(name, (value,) if value else ()))
            for name, value in octets.items()
        ]
    )


def _shown(value: str | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else value


def _told(result: Result) -> dict[str, Any]:
    """What programs take of an answer: the code, the error it begins with, and of a bind the data behind it."""
    told: dict[str, Any] = {"code": result.code}
    if result.code:
        told["error"] = result.text[:8]
    if result.code == ResultCode.INVALID_CREDENTIALS:
        _, _, rest = result.text.partition(", data ")
        told["data"] = rest.partition(",")[0]
    return told


def _counts(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> dict[str, Any]:
    """The attributes, None for one that is not there; of a time, whether it is of this step."""
    counts: dict[str, Any] = {}
    for name in COUNTED:
        value = after.get(name)
        if name in TIMES and value not in (None, b"0"):
            counts[name] = "kept" if value == before.get(name) else "now"
        else:
            counts[name] = None if value is None else int(value)
    return counts
