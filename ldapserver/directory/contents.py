"""What a directory takes from LDIF records: entries in their places, who is an account, what names are in use."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ldapserver.directory.account import Account
from ldapserver.directory.authzid import AuthzId, InvalidAuthzId
from ldapserver.directory.entry import Entry, Shape, is_password
from ldapserver.directory.index import Index
from ldapserver.directory.ldif import AddRecord, EntryRecord, InvalidLDIF, Record
from ldapserver.directory.names import PEOPLE, Names
from ldapserver.directory.schema import core
from ldapserver.directory.schemes import (
    ClearText,
    InvalidPassword,
    StoredPassword,
    StoredWDigest,
    credential_of,
    most_secrets,
    read_password,
    read_supplemental_credentials,
)
from ldapserver.directory.tree import Node
from ldapserver.wire.dn import AVA, DN, ROOT, Key, case_ignore
from sasl_digest.credentials import READINGS


class Contents:
    """What is known while a directory is filled; the lines that records stood on are forgotten afterwards."""

    def __init__(self, suffixes: tuple[DN, ...], *, saslprep: bool = False) -> None:
        self.suffixes = suffixes
        self._saslprep = saslprep
        self.root = Node(ROOT)
        self.index = Index(core())
        self.names = Names(core())
        self.descriptions: dict[str, None] = {}
        self.classes: dict[str, None] = {}
        self.referrals: dict[Key, DN] = {}
        self.dearest: tuple[StoredPassword, ...] = (ClearText(b"").noise(),)
        self.most_secrets = READINGS
        self._shapes: set[Shape] = set()
        self._somebody: dict[tuple[bytes, ...], bool] = {}
        self._secret: dict[str, bool] = {}
        self._people = {core().oid(name) for name in PEOPLE}
        self._stood_at: dict[Node, str] = {}
        self._hashed: list[tuple[Node, Account, str | None]] = []

    def take(self, record: Record, source: str) -> None:
        """Put the entry of one record in its place."""
        place = f"{source}:{record.line}"
        if not isinstance(record, EntryRecord | AddRecord):
            raise InvalidLDIF(f"{place}: a change other than add: a directory is made of entries")
        dn = record.dn
        if not dn:
            raise InvalidLDIF(f"{place}: the entry has no name: the root DSE is the server's own")
        if self.suffixes and not any(dn.within(suffix) for suffix in self.suffixes):
            suffixes = " or ".join(f"{suffix}" for suffix in self.suffixes)
            raise InvalidLDIF(f"{place}: {dn} is not below {suffixes}")
        node = self.root.make(dn)
        if node.entry is not None:
            raise InvalidLDIF(f"{place}: {dn} stands at {self._stood_at[node]} already")
        self._stood_at[node] = place
        self._fill(node, dn, record.attributes, place)

    def finish(self) -> None:
        """Give each suffix its entry, and look for entries that hang in the air."""
        for suffix in self.suffixes:
            node = self.root.make(suffix)
            if node.entry is None:
                self._fill(node, suffix, (("objectClass", _classes_for(suffix)),), "")
        for top in self.root.tops():
            for node in top.subtree():
                if node.entry is None:
                    orphan = next(iter(node.tops()))
                    raise InvalidLDIF(f"{self._stood_at[orphan]}: there is no entry {node.dn} above {orphan.dn}")

    def settle(self, netbios: str, realm: str) -> None:
        """Say the domain's two names, known only now, to the WDigest hashes: they were made of these too."""
        for node, account, principal_name in self._hashed:
            passwords = tuple(
                password.named(principal_name, netbios, realm) if isinstance(password, StoredWDigest) else password
                for password in account.passwords
            )
            credential = credential_of(passwords, saslprep=self._saslprep)
            node.account = replace(account, credential=credential, passwords=passwords)

    def _fill(self, node: Node, dn: DN, attributes: Iterable[tuple[str, tuple[bytes, ...]]], place: str) -> None:
        plain: list[tuple[str, tuple[bytes, ...]]] = []
        secret: list[tuple[str, tuple[bytes, ...]]] = []
        for attribute in attributes:
            hidden = self._secret.get(attribute[0])
            if hidden is None:
                hidden = self._secret[attribute[0]] = is_password(attribute[0])
            (secret if hidden else plain).append(attribute)
        # The values that name an entry are among its values (RFC 4512 section 2.3), even if written only in its name.
        named = [(ava.type, (ava.value,)) for ava in dn.rdns[0] if not _holds(plain, ava)]
        entry = Entry(node.dn, [*plain, *named])
        node.entry = entry
        node.secrets = tuple(secret)
        self.index.add(node, entry)
        classes = entry.get("objectClass")
        if entry.shape not in self._shapes:
            self._shapes.add(entry.shape)
            self.descriptions.update(dict.fromkeys(entry.shape.descriptions))
        if classes not in self._somebody:
            names = [name.decode("utf-8", "replace") for name in classes]
            self.classes.update(dict.fromkeys(names))
            self._somebody[classes] = any(self._people & core().lineage(name) for name in names)
        if any(name.lower() == b"referral" for name in classes):
            self.referrals[node.dn.key] = node.dn
        if secret or self._somebody[classes]:
            name = self.names.add(node, entry)
            try:
                passwords = _passwords(secret, name)
                credential = credential_of(passwords, saslprep=self._saslprep)
                authz_to = tuple([AuthzId.of_rule(value) for value in entry.get("authzTo")])
            except (InvalidPassword, InvalidAuthzId) as error:
                raise InvalidLDIF(f"{place}: {dn}: {error}") from None
            if sum(password.cost for password in passwords) > sum(password.cost for password in self.dearest):
                self.dearest = passwords
            self.most_secrets = max(self.most_secrets, most_secrets(credential))
            account = node.account = Account(node.dn, name, credential, passwords, authz_to)
            if any(isinstance(password, StoredWDigest) for password in passwords):
                self._hashed.append((node, account, self.names.principal_name(entry)))


def _holds(attributes: Sequence[tuple[str, tuple[bytes, ...]]], ava: AVA) -> bool:
    """Whether the naming value stands in `attributes` in some spelling; one that would show a secret is taken to."""
    for description, values in attributes:
        if description == ava.type and ava.value in values:
            return True
    attribute_type = core().attribute_type(ava.type)
    names = (ava.type, *attribute_type.names) if attribute_type else (ava.type,)
    lowered = {name.lower() for name in names}
    key = case_ignore(ava.value)
    return is_password(ava.type) or any(
        description.lower() in lowered and key in map(case_ignore, values) for description, values in attributes
    )


def _passwords(secret: Iterable[tuple[str, tuple[bytes, ...]]], username: str) -> tuple[StoredPassword, ...]:
    """The passwords that can be checked; the other secrets are only kept from being seen."""
    passwords: list[StoredPassword] = []
    for description, values in secret:
        attribute = description.partition(";")[0].lower()
        if attribute in ("userpassword", "2.5.4.35"):
            passwords += [read_password(value, username) for value in values]
        elif attribute in ("supplementalcredentials", "1.2.840.113556.1.4.125"):
            stored = [read_supplemental_credentials(value, username) for value in values]
            passwords += [password for password in stored if password is not None]
    return tuple(passwords)


def _classes_for(suffix: DN) -> tuple[bytes, ...]:
    """The classes of an entry made for a suffix that has none."""
    known = {"dc": b"domain", "o": b"organization", "ou": b"organizationalUnit", "c": b"country", "l": b"locality"}
    return b"top", known.get(suffix.key[0][0][0], b"extensibleObject")
