"""The table of account states: what an entry says, and what comes of a bind with its password and with another.

What is expected is written out here, from [MS-ERREF], [MS-ADTS] and real events: nothing that is tested computes it.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from ldapserver.directory.policy import Policy
from tests.server.stage import NOW

PASSWORD = "right horse"
POLICY = Policy(max_password_age=42 * 86400.0)


def filetime(seconds_ago: float) -> str:
    """So long before NOW, in the 100 ns since 1601 that a domain controller counts in."""
    return str(116_444_736_000_000_000 + int((NOW.timestamp() - seconds_ago) * 10_000_000))


def hours(*allowed: int) -> str:
    """logonHours: a bit for every hour of the week, Sunday's first."""
    return ":" + b64encode(sum(1 << hour for hour in allowed).to_bytes(21, "little")).decode()


THIS_HOUR = 5 * 24 + 3

DAY = 86400.0
DISABLED, LOCKED, NO_EXPIRY, EXPIRED, NORMAL = 0x2, 0x10, 0x10000, 0x800000, 0x200
LAST_WEEK = {"pwdLastSet": filetime(7 * DAY)}


@dataclass(frozen=True)
class Verdict:
    """What one reason comes to: the sub-code under --ad-errors, the status of 4776, and what is in a 4625.

    The last are Status, SubStatus and FailureReason: the account's own status stands in SubStatus where Status is
    STATUS_LOGON_FAILURE or STATUS_ACCOUNT_RESTRICTION, which LsaLogonUser documents for four of them.
    """

    data: str
    status: int
    failed: tuple[str, str, str]


VERDICTS = {
    "wrong-password": Verdict("52e", 0xC000006A, ("0xc000006d", "0xc000006a", "%%2313")),
    "unknown-user": Verdict("52e", 0xC0000064, ("0xc000006d", "0xc0000064", "%%2313")),
    "ambiguous-name": Verdict("52e", 0xC0000064, ("0xc000006d", "0xc0000064", "%%2313")),
    "no-usable-secret": Verdict("52e", 0xC0000371, ("0xc000006d", "0xc0000371", "%%2304")),
    "logon-hours": Verdict("530", 0xC000006F, ("0xc000006e", "0xc000006f", "%%2311")),
    "workstation": Verdict("531", 0xC0000070, ("0xc000006e", "0xc0000070", "%%2312")),
    "password-expired": Verdict("532", 0xC0000071, ("0xc000006e", "0xc0000071", "%%2309")),
    "account-disabled": Verdict("533", 0xC0000072, ("0xc000006e", "0xc0000072", "%%2310")),
    "account-expired": Verdict("701", 0xC0000193, ("0xc0000193", "0x0", "%%2305")),
    "password-must-change": Verdict("773", 0xC0000224, ("0xc0000224", "0x0", "%%2309")),
    "account-locked-out": Verdict("775", 0xC0000234, ("0xc0000234", "0x0", "%%2307")),
}

# Which of two states is told of an account that is in both: the one that comes first. A lockout is before the
# password, all the others are behind it.
ORDER = (
    "account-locked-out",
    "account-disabled",
    "account-expired",
    "password-must-change",
    "password-expired",
    "workstation",
    "logon-hours",
)
BY_PASSWORD = ("password-expired", "password-must-change")  # and nothing to a certificate


@dataclass(frozen=True)
class State:
    """One account: its attributes, the reason that a bind with its password and one with another ends for.

    `domain` is whether a domain keeps these attributes: two bits of userAccountControl are computed there and not
    stored. `external` is the reason where no password is shown, `ageless` what it is but for the password's age.
    """

    name: str
    attributes: Mapping[str, str]
    right: str
    wrong: str = "wrong-password"
    domain: bool = True
    password: str | None = PASSWORD
    ageless: str = "success"

    @property
    def external(self) -> str:
        return self.ageless if self.right in BY_PASSWORD else self.right

    @property
    def ldif(self) -> str:
        """The entry, with userPassword in the clear."""
        lines = [f"dn: uid={self.name},ou=people,dc=contoso,dc=com", "objectClass: user"]
        lines += [f"{name}: {self.name}" for name in ("uid", "sAMAccountName", "cn", "sn")]
        lines += [f"{name}:{value if value[0] == ':' else ' ' + value}" for name, value in self.attributes.items()]
        lines += [] if self.password is None else [f"userPassword: {self.password}"]
        return "\n".join(lines) + "\n"


def control(*bits: int) -> str:
    """A value of userAccountControl."""
    return str(NORMAL | sum(bits))


LOCKED_BY = {
    "lockout-time": {"lockoutTime": filetime(60)},
    "lockout-bit": {"userAccountControl": control(LOCKED)},
    "pwd-locked": {"pwdAccountLockedTime": "20260102030000Z"},
    "pwd-locked-for-ever": {"pwdAccountLockedTime": "000001010000Z"},
}
# One way into each state, for the combinations.
ONE_OF_EACH = {
    "account-locked-out": LOCKED_BY["lockout-time"],
    "account-disabled": {"userAccountControl": control(DISABLED)},
    "account-expired": {"accountExpires": filetime(60)},
    "logon-hours": {"logonHours": hours()},
    "workstation": {"userWorkstations": "PC1,PC2"},
    "password-expired": {"userAccountControl": control(EXPIRED)},
    "password-must-change": {"pwdLastSet": "0"},
}

SINGLE = (
    State("plain", LAST_WEEK, "success"),
    *[
        State(name, said | LAST_WEEK, "account-locked-out", "account-locked-out", domain=name != "lockout-bit")
        for name, said in LOCKED_BY.items()
    ],
    State("unlocked-by-time", {"lockoutTime": filetime(3600)} | LAST_WEEK, "success"),
    State("unlocked", {"lockoutTime": "0"} | LAST_WEEK, "success"),
    State("disabled", {"userAccountControl": control(DISABLED)} | LAST_WEEK, "account-disabled"),
    State("inactive", {"nsAccountLock": "true"} | LAST_WEEK, "account-disabled"),
    State("active", {"nsAccountLock": "false"} | LAST_WEEK, "success"),
    State("expired", {"accountExpires": filetime(60)} | LAST_WEEK, "account-expired"),
    State("expires-tomorrow", {"accountExpires": filetime(-DAY)} | LAST_WEEK, "success"),
    State("expires-never", {"accountExpires": "9223372036854775807"} | LAST_WEEK, "success"),
    State("no-hours", {"logonHours": hours()} | LAST_WEEK, "logon-hours"),
    State("other-hours", {"logonHours": hours(*set(range(168)) - {THIS_HOUR})} | LAST_WEEK, "logon-hours"),
    State("this-hour", {"logonHours": hours(THIS_HOUR)} | LAST_WEEK, "success"),
    State("elsewhere", {"userWorkstations": "PC1,PC2"} | LAST_WEEK, "workstation"),
    State("here", {"userWorkstations": "PC1,ldap1"} | LAST_WEEK, "success"),
    State("pwd-bit", {"userAccountControl": control(EXPIRED)} | LAST_WEEK, "password-expired", domain=False),
    State("pwd-old", {"pwdLastSet": filetime(43 * DAY)}, "password-expired"),
    State("pwd-not-old", {"pwdLastSet": filetime(41 * DAY)}, "success"),
    State("pwd-for-ever", {"userAccountControl": control(NO_EXPIRY), "pwdLastSet": filetime(999 * DAY)}, "success"),
    State("must-change", {"pwdLastSet": "0"}, "password-must-change"),
    State("need-not", {"userAccountControl": control(NO_EXPIRY), "pwdLastSet": "0"}, "success"),
    State("secretless", LAST_WEEK, "no-usable-secret", "no-usable-secret", password=None),
    State(
        "secretless-off",
        {"userAccountControl": control(DISABLED)} | LAST_WEEK,
        "no-usable-secret",
        "no-usable-secret",
        password=None,
    ),
    State(
        "secretless-shut",
        LOCKED_BY["lockout-time"] | LAST_WEEK,
        "account-locked-out",
        "account-locked-out",
        password=None,
    ),
)


def _both(first: str, second: str) -> State:
    said = dict(ONE_OF_EACH[first])
    for name, value in ONE_OF_EACH[second].items():
        both = name == "userAccountControl" and name in said
        said[name] = str(int(said[name]) | int(value)) if both else value
    kept = "password-expired" not in (first, second)  # a domain computes that bit
    wrong = first if first == ORDER[0] else "wrong-password"
    ageless = "success" if second in BY_PASSWORD else second
    return State(f"{first}-before-{second}", LAST_WEEK | said, first, wrong, domain=kept, ageless=ageless)


STATES = (*SINGLE, *[_both(first, second) for first, second in combinations(ORDER, 2)])
TWIN = """\
dn: cn=Twin {0},ou=people,dc=contoso,dc=com
objectClass: person
cn: twin
sn: {0}
userPassword: right horse
"""
ROOT = """\
dn: dc=contoso,dc=com
objectClass: domain
dc: contoso

dn: ou=people,dc=contoso,dc=com
objectClass: organizationalUnit
ou: people
"""
LDIF = "\n".join([ROOT, *[state.ldif for state in STATES]])
