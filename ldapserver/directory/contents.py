"""What a directory holds: entries in their places, who is an account, and everything that leads to them.

One place changes what stands at a node (`become`), so that the tree, the index and the names say the same.
"""

from collections.abc import Iterator

from ldapserver.directory.account import Account, read_account
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.index import Index
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.names import Names
from ldapserver.directory.operational import Operational
from ldapserver.directory.own_password import cost
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
        self, schema: Schema, operational: Operational, suffixes: tuple[DN, ...] = (), *, saslprep: bool = False
    ) -> None:
        self.root = Node(ROOT)
        self.index = Index(schema, find=self.root.find)
        self.names = Names(schema)
        self.base_schema = schema  # of which `schema` is an extension
        self.vocabulary = Vocabulary(schema)
        self.operational = operational
        self.suffixes = suffixes
        self.saslprep = saslprep
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
        if old is not None and entry is None:
            self.index.remove(node, old)
        if old is not None and node.account is not None and not (same and account):
            self.names.remove(node, old)
        listed = node.account is not None and same
        if old is not None and self.referrals.get(old.dn.key) is old.dn:
            del self.referrals[old.dn.key]
        node.dn, node.entry, node.secrets, node.account, node.since = dn, entry, secrets, account, since
        if entry is not None and old is None:
            self.index.add(node, entry)
        elif entry is not None and old is not None and not same:
            self.index.change(node, old, entry)
        if entry is not None and account is not None and not listed:
            self.names.add(node, entry)
        if entry is not None:
            self.refer(entry)

    def refer(self, entry: Entry) -> None:
        """Take note of an entry that says where else to look (RFC 3296)."""
        if any(name.lower() in _REFERRAL for name in entry.get("objectClass")):
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
            self.decoy = Account(ROOT, "", passwords=tuple([password.noise() for password in account.passwords]))
        self.most_secrets = max(self.most_secrets, most_secrets(account.credential))


_REFERRAL = (b"referral", b"2.16.840.1.113730.3.2.6")
