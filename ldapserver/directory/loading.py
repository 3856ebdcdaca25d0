"""How a directory is filled from LDIF records: entries by the thousand, and changes in turn over what stands before.

The lines that records stood on are known as long as this lasts, for errors.
"""

from collections.abc import Callable, Iterator, Sequence

from ldapserver.directory.account import read_account
from ldapserver.directory.account_state import InvalidAccountState
from ldapserver.directory.authzid import InvalidAuthzId
from ldapserver.directory.contents import Contents
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import (
    AddRecord,
    Attributes,
    DeleteRecord,
    EntryRecord,
    InvalidLDIF,
    ModifyDNRecord,
    ModifyRecord,
    Record,
)
from ldapserver.directory.operational import NOBODY
from ldapserver.directory.schemes import InvalidPassword
from ldapserver.directory.transaction import Check, Transaction, anything
from ldapserver.directory.tree import Node
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import AVA, DN, preparation

_Values = tuple[bytes, ...]

MOST_SHARED = 4096  # different values of an attribute; one that has more repeats too few of them to be worth a look


class Loading:
    """The filling of `contents`; `check` is asked about every entry that comes from a file."""

    def __init__(self, contents: Contents, transaction: Callable[[], Transaction], check: Check) -> None:
        self._contents = contents
        self._transaction = transaction
        self._check = check
        self._by = (str(NOBODY).encode(),)
        self._at = contents.operational.now()
        self._secret: dict[str, bool] = {}
        self._shared: dict[str, dict[_Values, _Values]] = {}  # values that entries have in common are kept once
        self._stood_at: dict[Node, str] = {}
        self._hashed: list[Node] = []

    def take(self, record: Record, source: str) -> None:
        """Put the entry of a record in its place, or make its change. Raises InvalidLDIF."""
        place = f"{source}:{record.line}"
        if isinstance(record, EntryRecord):
            self._enter(record.dn, record.attributes, place)
            return
        for control in record.controls:
            # None is known here, and one that is critical may not be passed over.  RFC 4511 section 4.1.11
            if control.criticality:
                raise InvalidLDIF(f"{place}: control {control.control_type}: not supported here, and critical")
        if isinstance(record, AddRecord):
            self._enter(record.dn, record.attributes, place)
            return
        try:
            with self._transaction() as write:
                match record:
                    case ModifyRecord():
                        write.modify(record.dn, record.changes)
                    case DeleteRecord():
                        write.delete(record.dn)
                    case ModifyDNRecord():
                        write.modify_dn(record.dn, record.newrdn, record.deleteoldrdn, record.newsuperior)
        except OperationRefused as refused:
            raise InvalidLDIF(f"{place}: {record.dn}: {refused}") from None
        node = self._contents.root.find(record.dn)
        if node is not None and node.account is not None and node.account.has_wdigest:
            self._hashed.append(node)

    def finish(self) -> Iterator[InvalidLDIF]:
        """Give each suffix its entry, and look for entries that hang in the air: each is something wrong."""
        root = self._contents.root
        for suffix in self._contents.suffixes:
            node = root.make(suffix)
            if node.entry is None:
                self._fill(node, suffix, (("objectClass", _classes_for(suffix)),), f"{suffix}", anything)
        for top in root.tops():
            for node in top.subtree():
                if node.entry is None and (orphan := next(node.tops(), None)) is not None:
                    yield InvalidLDIF(f"{self._stood_at[orphan]}: there is no entry {node.dn} above {orphan.dn}")

    def settle(self, netbios: str, realm: str) -> None:
        """Say the domain's two names, known only now, to the WDigest hashes: they were made of these too."""
        contents = self._contents
        contents.netbios, contents.realm = netbios, realm
        for node in self._hashed:
            if node.entry is not None and node.account is not None:
                node.account = contents.in_domain(node.account, node.entry)

    def _enter(self, dn: DN, attributes: Attributes, place: str) -> None:
        suffixes = self._contents.suffixes
        if not dn:
            raise InvalidLDIF(f"{place}: the entry has no name: the root DSE is the server's own")
        if suffixes and not any(dn.within(suffix) for suffix in suffixes):
            raise InvalidLDIF(f"{place}: {dn} is not below {' or '.join(map(str, suffixes))}")
        node = self._contents.root.make(dn)
        if node.entry is not None:
            raise InvalidLDIF(f"{place}: {dn} stands at {self._stood_at[node]} already")
        self._stood_at[node] = place
        self._fill(node, dn, attributes, place, self._check)

    def _fill(self, node: Node, dn: DN, attributes: Attributes, place: str, check: Check) -> None:
        contents = self._contents
        plain: list[tuple[str, tuple[bytes, ...]]] = []
        secret: list[tuple[str, tuple[bytes, ...]]] = []
        for attribute in attributes:
            name, values = attribute
            hidden = self._secret.get(name)
            if hidden is None:
                hidden = self._met(name)
            shared = self._shared.get(name)
            if shared is not None:
                attribute = name, shared.setdefault(values, values)
                if len(shared) > MOST_SHARED:
                    del self._shared[name]
            (secret if hidden else plain).append(attribute)
        # The values that name an entry are among its values (RFC 4512 section 2.3), even if written only in its name.
        named = [(self._called(plain, ava.type), (ava.value,)) for ava in dn.rdns[0] if not self._holds(plain, ava)]
        entry = Entry(node.dn, [*plain, *named])
        try:
            check(dn, (*entry, *secret), None)
        except OperationRefused as refused:
            raise InvalidLDIF(f"{place}: {dn}: {refused}") from None
        entry = contents.operational.completed(entry, contents.base_schema, self._by, self._at)
        node.entry = entry
        node.secrets = tuple(secret)
        contents.index.add(node, entry)
        contents.refer(entry)
        if contents.vocabulary.learn(entry) or secret:
            name = contents.names.add(node, entry)
            try:
                account = read_account(entry, name, secret, saslprep=contents.saslprep)
            except (InvalidPassword, InvalidAuthzId, InvalidAccountState) as error:
                raise InvalidLDIF(f"{place}: {dn}: {error}") from None
            node.account = account
            contents.weigh(account)
            if account.has_wdigest:
                self._hashed.append(node)

    def _met(self, description: str) -> bool:
        """Take note of an attribute that no entry before had; whether it is secret."""
        secret = self._secret[description] = self._contents.base_schema.is_secret(description)
        if not secret:
            self._shared[description] = {}
        return secret

    def _holds(self, attributes: Sequence[tuple[str, tuple[bytes, ...]]], ava: AVA) -> bool:
        """Whether the naming value stands there in some spelling; one that would show a secret is taken to."""
        for description, values in attributes:
            if description == ava.type and ava.value in values:
                return True
        names = self._names(ava.type)
        prepared = preparation(ava.type)
        key = prepared(ava.value)
        return self._contents.base_schema.is_secret(ava.type) or any(
            description.lower() in names and key in map(prepared, values) for description, values in attributes
        )

    def _called(self, attributes: Sequence[tuple[str, tuple[bytes, ...]]], name: str) -> str:
        """What the attribute of this type is called there: an entry has each under one of its names."""
        names = self._names(name)
        return next((description for description, _ in attributes if description.lower() in names), name)

    def _names(self, name: str) -> set[str]:
        attribute_type = self._contents.base_schema.attribute_type(name)
        names = (name, *attribute_type.names, attribute_type.oid) if attribute_type else (name,)
        return {each.lower() for each in names}


def _classes_for(suffix: DN) -> tuple[bytes, ...]:
    """The classes of an entry made for a suffix that has none."""
    known = {"dc": b"domain", "o": b"organization", "ou": b"organizationalUnit", "c": b"country", "l": b"locality"}
    return b"top", known.get(suffix.key[0][0][0], b"extensibleObject")
