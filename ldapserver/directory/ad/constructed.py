"""The attributes that no entry stores, each said by its name, its links or its account ([MS-ADTS] 3.1.1.4.5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ldapserver.directory.account_state import AccountState, InvalidAccountState, read_state
from ldapserver.directory.ad.account_control import is_security_group
from ldapserver.directory.ad.canonical import canonical_name
from ldapserver.directory.ad.links import FORWARD, LINKS, Links, token_groups
from ldapserver.directory.ad.sid import InvalidSID, is_rid, split_sid, with_rid
from ldapserver.directory.computed import Computed
from ldapserver.directory.entry import Entry
from ldapserver.directory.policy import Policy
from ldapserver.directory.user_account_control import Control
from ldapserver.wire.dn import DN, InvalidDN

_NAMES = (
    *("distinguishedName", "name", "canonicalName", "primaryGroupToken", "tokenGroups"),
    *("msDS-User-Account-Control-Computed", "msDS-UserPasswordExpiryTimeComputed"),
)
# By lower-case name and OID. tokenGroups is given by searches of one entry only: [MS-ADTS] 3.1.1.4.5.19.
BASE_OBJECT_ONLY = frozenset(("tokengroups", "1.2.840.113556.1.4.1301"))
_NOT_STORED = frozenset((*map(str.lower, _NAMES), *FORWARD))


@dataclass(frozen=True, slots=True)
class Domain:
    """What the attributes are worked out from.

    `entry_at` and `by_sid` look entries up. `now` is the time as FILETIME, `policy` what is asked of accounts.
    """

    links: Links
    entry_at: Callable[[DN], Entry | None]
    by_sid: Callable[[bytes], DN | None]
    now: Callable[[], int]
    policy: Callable[[], Policy]

    def attributes(self) -> list[Computed]:
        """All of them; the schema has to have their types."""
        return [
            Computed("distinguishedName", lambda entry: (str(entry.dn).encode(),), _named),
            # [MS-ADTS] 3.1.1.1.4: the value of the RDN, whatever its attribute
            Computed("name", lambda entry: (entry.dn.rdns[0][0].value,) if entry.dn.rdns else ()),
            Computed("canonicalName", _canonical_name),
            Computed("primaryGroupToken", _primary_group_token),
            Computed("tokenGroups", self.token_groups),
            Computed("msDS-User-Account-Control-Computed", self._account_control),
            Computed("msDS-UserPasswordExpiryTimeComputed", self._password_expiry),
            *[self._back_link(back) for back in LINKS.values()],
        ]

    def _back_link(self, name: str) -> Computed:
        def having(value: bytes) -> Iterable[DN]:
            return [target for dn in _named(value) for target in self.links.pointing(name, dn)]

        return Computed(name, lambda entry: self.links.back(name, entry.dn), having)

    def token_groups(self, entry: Entry) -> tuple[bytes, ...]:
        """The SIDs of all security groups that an account is in, directly or not, its primary group too."""
        sid = next(iter(entry.get("objectSid")), None)
        if sid is None:
            return ()
        try:
            domain, _ = split_sid(sid)
        except InvalidSID:
            return ()
        group = entry.number("primaryGroupID")
        primary = self.by_sid(with_rid(domain, group)) if group is not None and is_rid(group) else None
        return token_groups(entry.dn, primary, lambda dn: self.links.pointing("member", dn), self._security_group)

    def _security_group(self, dn: DN) -> bytes | None:
        entry = self.entry_at(dn)
        if entry is None or not is_security_group(entry.get("groupType")):
            return None
        return next(iter(entry.get("objectSid")), None)

    def _account_control(self, entry: Entry) -> tuple[bytes, ...]:
        """[MS-ADTS] 3.1.1.4.5.17: the two bits that no entry stores."""
        state = _state(entry)
        if state is None:
            return ()
        policy, now = self.policy(), self.now()
        bits = Control.LOCKOUT if state.locked(policy, now) else 0
        return (b"%d" % (bits | Control.PASSWORD_EXPIRED if state.password_status(policy, now) else bits),)

    def _password_expiry(self, entry: Entry) -> tuple[bytes, ...]:
        """[MS-ADTS] 3.1.1.4.5.33."""
        state = _state(entry)
        return () if state is None else (b"%d" % state.password_expiry(self.policy()),)


def _state(entry: Entry) -> AccountState | None:
    """The state of an account of the domain."""
    if "userAccountControl" not in entry:
        return None
    try:
        return read_state(entry)
    except InvalidAccountState:
        return None  # a file that was not looked at lets anything be stored


def as_stored(attributes: Iterable[tuple[str, tuple[bytes, ...]]]) -> list[tuple[str, tuple[bytes, ...]]]:
    """Attributes as they are kept: of a dump of a domain, what is worked out anyway is left out."""
    return [(name, values) for name, values in attributes if name.partition(";")[0].lower() not in _NOT_STORED]


def is_constructed(description: str) -> bool:
    """Whether an attribute description names one of them, which nobody can write."""
    return description.partition(";")[0].lower() in _NOT_STORED


def _named(value: bytes) -> tuple[DN, ...]:
    """The name that a value is, where it is one."""
    try:
        return (DN.parse(value.decode()),)
    except (InvalidDN, UnicodeDecodeError):
        return ()


def _canonical_name(entry: Entry) -> tuple[bytes, ...]:
    name = canonical_name(entry.dn)
    return () if name is None else (name.encode(),)


def _primary_group_token(entry: Entry) -> tuple[bytes, ...]:
    """What a member's primaryGroupID says: the RID of the group, [MS-ADTS] 3.1.1.4.5."""
    sid = next(iter(entry.get("objectSid")), None)
    if sid is None or not entry.get("groupType"):
        return ()
    try:
        return (b"%d" % split_sid(sid)[1],)
    except InvalidSID:
        return ()
