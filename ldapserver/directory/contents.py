"""What a directory holds: entries in their places, who is an account, and everything that leads to them.

One place changes what stands at a node (`become`), so that the tree, the index and the names say the same.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from ldapserver.clock import Clock
from ldapserver.directory.account import Account, read_account
from ldapserver.directory.account_state import AccountState, place_of
from ldapserver.directory.entry import Entry, Shape, shape_of
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.index import Index
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.names import Names
from ldapserver.directory.operational import Operational
from ldapserver.directory.own_password import cost
from ldapserver.directory.policy import NO_POLICY, Policy
from ldapserver.directory.renewal import Owner
from ldapserver.directory.schema import Schema
from ldapserver.directory.schemes import ClearText, StoredPassword, most_secrets
from ldapserver.directory.tree import Node
from ldapserver.directory.vocabulary import Vocabulary
from ldapserver.wire.dn import DN, ROOT, Key
from ldapserver.wire.filters import Equality
from sasl_digest.credentials import READINGS


class Contents:
    """The tree, the index, the names and the schema of one directory.

    `serial` counts the writes: a search passes over what came to its place after it began.
    """

    def __init__(
        self,
        schema: Schema,
        operational: Operational,
        suffixes: tuple[DN, ...] = (),
        *,
        saslprep: bool = False,
        policy: Policy = NO_POLICY,
    ) -> None:
        self.root = Node(ROOT)
        self.index = Index(schema, find=self.root.find)
        self.names = Names(schema)
        self.base_schema = schema  # of which `schema` is an extension
        self.vocabulary = Vocabulary(schema)
        self.operational = operational
        self.suffixes = suffixes
        self.saslprep = saslprep
        self.policy = policy  # as it was given: the profile may know better
        self.netbios = self.realm = ""
        self.serial = 0
        self.referrals: dict[Key, DN] = {}
        self.dearest: tuple[StoredPassword, ...] = ()
        self.decoy = Account(ROOT, "", passwords=(ClearText(b"").noise(),))
        self.most_secrets = READINGS

    # What a `View` is

    @property
    def schema(self) -> Schema:
        """The schema that knows all names in use."""
        return self.vocabulary.schema

    @property
    def naming_contexts(self) -> tuple[DN, ...]:
        """The names that need no entry above them: the suffixes, without any the entries that have none."""
        return self.suffixes or tuple([node.dn for node in self.root.tops()])

    @property
    def clock(self) -> Clock:
        """What time it is in this directory."""
        return self.operational.clock

    def entry(self, dn: DN) -> Entry | None:
        """The entry of this name."""
        node = self.root.find(dn)
        return None if node is None else node.entry

    def having(self, attribute: str, value: bytes) -> Iterator[Entry]:
        """The entries for which (attribute=value) is true."""
        filter = Equality(attribute, value)
        test = compile_filter(filter, self.schema)
        candidates = self.index.candidates(filter, self.schema)
        for node in self.root.subtree() if candidates is None else candidates:
            if node.entry is not None and test(node.entry):
                yield node.entry

    # Changes

    def become(
        self, node: Node, dn: DN, entry: Entry | None, secrets: Attributes, account: Account | None, since: int
    ) -> None:
        """Let this stand at `node`, whatever stood there, and be found there."""
        old = node.entry
        # Nothing that leads to an entry is made of its name.
        same = old is not None and entry is not None and old.values is entry.values and old.shape is entry.shape
        if old is not None and node.account is not None and not (same and account):
            self.names.remove(node, old)
        listed = node.account is not None and same
        if old is not None and self.referrals.get(old.dn.key) is old.dn:
            del self.referrals[old.dn.key]
        self.stand(node, dn, entry, secrets, account, since)
        if entry is not None and account is not None and not listed:
            self.names.add(node, entry)
        if entry is not None:
            self.refer(entry)

    def stand(
        self, node: Node, dn: DN, entry: Entry | None, secrets: Attributes, account: Account | None, since: int
    ) -> None:
        """`become` as far as the tree and the index know of it: not the names, nor who says where else to look."""
        old = node.entry
        node.dn, node.entry, node.secrets, node.account, node.since = dn, entry, secrets, account, since
        if old is None:
            if entry is not None:
                self.index.add(node, entry)
        elif entry is None:
            self.index.remove(node, old)
        elif old.values is not entry.values or old.shape is not entry.shape:
            self.index.change(node, old, entry)

    def note(self, node: Node, state: AccountState, index: Index | None = None) -> None:
        """Let the account at `node` have the counts and times of `state`: a bind's own write, and so a light one.

        Nothing else of the entry changes, not even who has changed it last and when: a domain controller does not
        replicate these either. `index` is that of the node, when it is another than this one's.
        """
        old, account = node.entry, node.account
        assert old is not None
        assert account is not None
        # lockoutTime comes with the first lockout.
        kept, shape, places = _noted(old.shape, bool(state.lockout_time))
        values = list(old.values) if kept is None else [old.values[at] for at in kept]
        values += [()] * (len(shape.descriptions) - len(values))
        counts = (b"%d" % state.bad_pwd_count,), (b"%d" % state.bad_password_time,), (b"%d" % state.lockout_time,)
        for at, each in zip(places, counts, strict=False):
            values[at] = each
        entry = Entry.of(old.dn, shape, tuple(values))
        node.entry = entry
        node.account = account.with_state(state)
        (index or self.index).note(node, old, entry, _NOTED_OIDS)
        if shape is not old.shape and index is None:
            self.vocabulary.learn(entry)

    def refer(self, entry: Entry) -> None:
        """Take note of an entry that says where else to look (RFC 3296)."""
        if _refers(entry.get("objectClass")):
            self.referrals[entry.dn.key] = entry.dn

    def account_of(self, entry: Entry, secrets: Attributes) -> Account | None:
        """The account that the entry is, if it is one. Raises what `read_account` raises."""
        if not secrets and not self.vocabulary.is_somebody(entry):
            return None
        account = read_account(entry, self.names.first(entry), secrets, saslprep=self.saslprep)
        return self.in_domain(account, entry) if account.has_wdigest else account

    def owner(self, entry: Entry) -> Owner:
        """The names that digests of the entry's password are made with."""
        return Owner(self.names.first(entry), self.names.principal_name(entry), self.netbios, self.realm)

    def in_domain(self, account: Account, entry: Entry) -> Account:
        """The account with hashes that know the names of this domain."""
        principal_name = self.names.principal_name(entry)
        return account.in_domain(principal_name, self.netbios, self.realm, saslprep=self.saslprep)

    def learn(self, entry: Entry, account: Account | None) -> None:
        """Take note of what has come: names, and the dearest of all passwords."""
        self.vocabulary.learn(entry)
        if account is not None:
            self.weigh(account)

    def weigh(self, account: Account) -> None:
        """Let failures cost what this account costs, if that is more than what they cost now."""
        if cost(account.passwords) > cost(self.dearest):
            self.dearest = account.passwords
            self.decoy = replace(self.decoy, passwords=tuple([password.noise() for password in account.passwords]))
        if cost(account.former) > cost(self.decoy.former):
            self.decoy = replace(self.decoy, former=tuple([password.noise() for password in account.former]))
        self.most_secrets = max(self.most_secrets, most_secrets(account.credential))
        if account.former:  # two passwords, each of which was the one some day
            self.most_secrets = max(self.most_secrets, -(-most_secrets(account.former_credential) // 2))


# What is counted; pwdAccountLockedTime says the same as lockoutTime, and goes when that is written.
_NOTED = ("badPwdCount", "badPasswordTime", "lockoutTime")
_NOTED_OIDS = ("1.2.840.113556.1.4.12", "1.2.840.113556.1.4.49", "1.2.840.113556.1.4.662")
_LOCKED_TIME = ("pwdaccountlockedtime", "1.3.6.1.4.1.42.2.27.8.1.17")


@lru_cache(maxsize=4096)
def _noted(shape: Shape, locks: bool) -> tuple[tuple[int, ...] | None, Shape, tuple[int, ...]]:
    """Which values of entries of this shape stay, None for all; the shape they then have, and where counts stand.

    With `locks` lockoutTime is one of these.
    """
    names = shape.descriptions
    kept = tuple([at for at, name in enumerate(names) if name.lower() not in _LOCKED_TIME])
    names = tuple([names[at] for at in kept])
    left = shape_of(names)
    due = _NOTED if locks or place_of(left, _NOTED[-1]) is not None else _NOTED[:-1]
    whole = shape_of((*names, *[name for name in due if place_of(left, name) is None]))
    places = tuple([at for name in due if (at := place_of(whole, name)) is not None])
    return None if len(kept) == len(shape.descriptions) else kept, whole, places


_REFERRAL = (b"referral", b"2.16.840.1.113730.3.2.6")


# Asked of every entry that is loaded or written, and there are a few dozen combinations of classes.
@lru_cache(maxsize=4096)
def _refers(classes: tuple[bytes, ...]) -> bool:
    return any(name.lower() in _REFERRAL for name in classes)
