"""What Active Directory adds to an entry that is created: classes, names, identity, times ([MS-ADTS] 3.1.1.5.2).

What is given stands; only what is missing is filled in. What an entry's name and its links say (distinguishedName,
memberOf...) is not stored: `constructed` has it.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ldapserver.directory.ad import account_control
from ldapserver.directory.ad.categories import category_dn
from ldapserver.directory.filetime import NEVER, filetime, generalized_time
from ldapserver.wire.dn import DN

Attributes = Sequence[tuple[str, tuple[bytes, ...]]]

WRITABLE = 4  # instanceType: "the object is writable on this directory"
NAMING_CONTEXT_HEAD = 1  # instanceType: "the head of naming context"


class Kind(Enum):
    """What an entry is, as far as creating it goes; the value is its most derived class."""

    USER = "user"
    INET_ORG_PERSON = "inetOrgPerson"
    COMPUTER = "computer"
    GROUP = "group"
    CONTACT = "contact"
    ORGANIZATIONAL_UNIT = "organizationalUnit"
    CONTAINER = "container"
    BUILTIN_DOMAIN = "builtinDomain"
    DOMAIN = "domainDNS"
    OTHER = "top"

    @property
    def is_account(self) -> bool:
        """Whether it has userAccountControl."""
        return self in (Kind.USER, Kind.INET_ORG_PERSON, Kind.COMPUTER)

    @property
    def is_principal(self) -> bool:
        """Whether it gets a SID of its own in the domain."""
        return self.is_account or self is Kind.GROUP


# Superclasses as Active Directory has them: its inetOrgPerson is a user.
_PERSON = ("top", "person", "organizationalPerson")
_CHAINS: dict[Kind, tuple[str, ...]] = {
    Kind.COMPUTER: (*_PERSON, "user", "computer"),
    Kind.INET_ORG_PERSON: (*_PERSON, "user", "inetOrgPerson"),
    Kind.USER: (*_PERSON, "user"),
    Kind.CONTACT: (*_PERSON, "contact"),
    Kind.GROUP: ("top", "group"),
    Kind.ORGANIZATIONAL_UNIT: ("top", "organizationalUnit"),
    Kind.CONTAINER: ("top", "container"),
    Kind.BUILTIN_DOMAIN: ("top", "builtinDomain"),
    Kind.DOMAIN: ("top", "domain", "domainDNS"),
}


def generated_account_name(octets: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A sAMAccountName for an account that came without: `$`, six characters of base32, a hyphen, twelve."""
    digits = "".join(_BASE32HEX[octet & 31] for octet in octets(18))
    return f"${digits[:6]}-{digits[6:]}"


_BASE32HEX = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


@dataclass(frozen=True, slots=True)
class Creation:
    """The circumstances an entry is created in.

    `sid` is the one it gets if it is a security principal. `usn` is the update's number. `control` is what an account
    that says no userAccountControl gets: over LDAP the default; `account_control.of_loaded` has those for LDIF.
    """

    dn: DN
    schema_naming_context: DN
    now: datetime
    usn: int
    guid: bytes
    sid: bytes | None = None
    naming_context_head: bool = False
    control: int = account_control.DEFAULT
    account_name: Callable[[], str] = field(default=generated_account_name)


def kind_of(object_classes: Iterable[bytes]) -> Kind:
    """What entries of these classes are; the most derived class decides, wherever it stands."""
    names = {name.lower() for name in object_classes}
    for kind in _CHAINS:
        if kind.value.lower().encode() in names:
            return kind
    return Kind.OTHER


def complete(attributes: Attributes, creation: Creation) -> list[tuple[str, tuple[bytes, ...]]]:
    """The attributes of an entry that is created with `attributes`: these, and what was missing."""
    entry = _Filling(attributes)
    kind = kind_of(entry.get("objectClass"))
    _classes(entry, kind)
    _identity(entry, kind, creation)
    if kind.is_account:
        _account(entry, creation)
    elif kind is Kind.GROUP:
        _group(entry, creation)
    return entry.attributes()


def changed(now: datetime, usn: int) -> dict[str, tuple[bytes, ...]]:
    """What every update of an entry replaces."""
    return {"whenChanged": (generalized_time(now).encode(),), "uSNChanged": (b"%d" % usn,)}


def password_set(now: datetime) -> dict[str, tuple[bytes, ...]]:
    """What goes with a password that is set or changed: when. What was guessed before still counts."""
    return {"pwdLastSet": (b"%d" % filetime(now),)}


def pwd_last_set(value: bytes, now: datetime) -> bytes:
    """The value that is kept of a pwdLastSet that is written: -1 stands for now, and 0 for "must change it"."""
    return b"%d" % filetime(now) if value == b"-1" else value


def in_step(before: int, control: int) -> dict[str, tuple[bytes, ...]]:
    """What goes with a userAccountControl that is changed from `before` to `control`, both as stored.

    sAMAccountType says which kind of account it is, and one that becomes another kind gets that kind's primary group.
    """
    account_type = account_control.account_type_of_user(control)
    changes: dict[str, tuple[bytes, ...]] = {"sAMAccountType": (b"%d" % account_type,)}
    group = account_control.primary_group(control)
    if group != account_control.primary_group(before):
        changes["primaryGroupID"] = (b"%d" % group,)
    return changes


class _Filling:
    """Attributes by name without case, in their order; setting one that is there changes nothing."""

    def __init__(self, attributes: Attributes) -> None:
        self._named: dict[str, tuple[str, tuple[bytes, ...]]] = {}
        for name, values in attributes:
            key = name.lower()
            have = self._named.get(key)
            self._named[key] = (name, values) if have is None else (have[0], (*have[1], *values))

    def get(self, name: str) -> tuple[bytes, ...]:
        have = self._named.get(name.lower())
        return () if have is None else have[1]

    def default(self, name: str, value: str | int | bytes) -> None:
        if not self.get(name):
            self._named[name.lower()] = (name, (value if isinstance(value, bytes) else str(value).encode(),))

    def replace(self, name: str, values: tuple[bytes, ...]) -> None:
        have = self._named.get(name.lower())
        self._named[name.lower()] = (name if have is None else have[0], values)

    def number(self, name: str) -> int | None:
        """The value as an integer; None when there is none, or the schema will have to refuse it."""
        try:
            return int(self.get(name)[0])
        except (IndexError, ValueError):
            return None

    def attributes(self) -> list[tuple[str, tuple[bytes, ...]]]:
        return list(self._named.values())


def _classes(entry: _Filling, kind: Kind) -> None:
    """All superclasses, from the top down, then what else was said: [MS-ADTS] 3.1.1.5.2.2."""
    given = entry.get("objectClass")
    have = {value.lower() for value in given}
    chain = _CHAINS.get(kind, ("top",) if have else ())
    names = {name.lower().encode() for name in chain}
    others = [value for value in given if value.lower() not in names]
    entry.replace("objectClass", (*(name.encode() for name in chain), *others))


def _identity(entry: _Filling, kind: Kind, creation: Creation) -> None:
    if creation.dn.rdns:
        ava = creation.dn.rdns[0][0]
        if kind.is_principal and ava.type.lower() in ("uid", "userid"):
            entry.default("cn", ava.value)
    entry.default("instanceType", WRITABLE | NAMING_CONTEXT_HEAD if creation.naming_context_head else WRITABLE)
    now = generalized_time(creation.now)
    entry.default("whenCreated", now)
    entry.default("whenChanged", now)
    entry.default("uSNCreated", creation.usn)
    entry.default("uSNChanged", creation.usn)
    entry.default("objectGUID", creation.guid)
    classes = [value.decode("utf-8", "replace") for value in entry.get("objectClass")]
    for name in [kind.value] if kind is not Kind.OTHER else reversed(classes):
        category = category_dn(name, creation.schema_naming_context)
        if category is not None:
            entry.default("objectCategory", str(category))
            break
    if kind.is_principal and creation.sid is not None:
        entry.default("objectSid", creation.sid)


def _account(entry: _Filling, creation: Creation) -> None:
    entry.default("sAMAccountName", creation.account_name())
    control = entry.number("userAccountControl")
    if control is None:
        # A computer too: it is an ordinary account until somebody says that it is trusted.
        control = creation.control
        entry.default("userAccountControl", int(control))
    else:
        control = account_control.stored(control)
        entry.replace("userAccountControl", (str(int(control)).encode(),))
    entry.default("sAMAccountType", account_control.account_type_of_user(control))
    entry.default("primaryGroupID", account_control.primary_group(control))
    # [MS-SAMR] 3.1.1.8.1 and what every dump of a domain shows of a new account
    entry.default("accountExpires", NEVER)
    if entry.get("pwdLastSet") == (b"-1",):
        entry.replace("pwdLastSet", (pwd_last_set(b"-1", creation.now),))
    for name in ("pwdLastSet", "badPwdCount", "badPasswordTime", "lastLogon", "lastLogoff", "logonCount"):
        entry.default(name, 0)
    for name in ("codePage", "countryCode"):
        entry.default(name, 0)


def _group(entry: _Filling, creation: Creation) -> None:
    entry.default("sAMAccountName", creation.account_name())
    entry.default("groupType", account_control.GLOBAL_SECURITY_GROUP)
    group_type = entry.number("groupType")
    if group_type is not None:
        entry.default("sAMAccountType", account_control.account_type_of_group(group_type))
