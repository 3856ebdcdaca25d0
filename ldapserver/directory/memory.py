"""The directory held in memory, which answers everything at once.

It is filled from LDIF records when it is made. What is taken from a record is decided in `contents.py`, where a name
leads in `names.py`, what a filter means in `evaluation.py`, how a place is found in `tree.py`.
"""

from collections.abc import Iterable, Iterator, Sequence

from ldapserver.directory.account import Account
from ldapserver.directory.computed import ByName, Computed, by_name
from ldapserver.directory.contents import Contents
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Test, compile_filter
from ldapserver.directory.ldif import Attributes, Record
from ldapserver.directory.names import dns_domain, netbios_domain
from ldapserver.directory.schema import SUBSCHEMA, Schema, core
from ldapserver.directory.tree import Node
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import Scope

BATCH = 64  # entries examined between two chances to pause: some hundred microseconds of work


class MemoryDirectory:
    """A `Directory` of the entries of LDIF files."""

    def __init__(
        self,
        sources: Iterable[tuple[str, Iterable[Record]]] = (),
        *,
        suffixes: Sequence[DN] = (),
        netbios: str | None = None,
        realm: str | None = None,
        saslprep: bool = False,
    ) -> None:
        """Take the records of each source, which are a name for errors and what `read_ldif` gives.

        With `suffixes`, every entry is below one of them, and one that has no entry gets one. Without, the entries
        that have none above them are the naming contexts. `realm` and `netbios` are the domain's two names, by
        default those of the first naming context. `saslprep` prepares passwords in the clear (RFC 4013) before
        DIGEST-MD5 uses them. Raises `InvalidLDIF`.
        """
        contents = Contents(tuple(suffixes), saslprep=saslprep)
        for source, records in sources:
            for record in records:
                contents.take(record, source)
        contents.finish()
        self._root = contents.root
        self._index = contents.index
        self._names = contents.names
        self._descriptions = contents.descriptions
        self._classes = contents.classes
        self.referrals = contents.referrals
        self.schema: Schema = core().extended(self._descriptions, self._classes)
        self.naming_contexts: tuple[DN, ...] = tuple(suffixes) or tuple(node.dn for node in self._root.tops())
        context = self.naming_contexts[0] if self.naming_contexts else ROOT
        self.realm = dns_domain(context) if realm is None else realm
        self.netbios = netbios_domain(context) if netbios is None else netbios
        contents.settle(self.netbios, self.realm)
        self.most_secrets = contents.most_secrets
        self.decoy = Account(ROOT, "", passwords=tuple(password.noise() for password in contents.dearest))
        self._subschema: Entry | None = None
        self.computed: ByName = self._compute()

    @classmethod
    def from_records(
        cls,
        records: Iterable[Record],
        suffixes: Sequence[DN] = (),
        netbios: str | None = None,
        realm: str | None = None,
        source: str = "records",
    ) -> "MemoryDirectory":
        """The directory of one source."""
        return cls([(source, records)], suffixes=suffixes, netbios=netbios, realm=realm)

    @property
    def subschema(self) -> Entry:
        """See `Directory`."""
        if self._subschema is None:
            self._subschema = self.schema.subschema_entry(self._descriptions, self._classes)
        return self._subschema

    async def find_account(self, name: str) -> Account | None:
        """See `Directory`."""
        node = self._names.find(name, self.netbios, self.realm)
        return None if node is None else node.account

    async def account_at(self, dn: DN) -> Account | None:
        """See `Directory`."""
        node = self._root.find(dn)
        return None if node is None else node.account

    async def read(self, dn: DN) -> Entry | None:
        """See `Directory`."""
        node = self._root.find(dn)
        return None if node is None else node.entry

    async def matched(self, dn: DN) -> DN:
        """See `Directory`."""
        return self._root.deepest(dn)

    def _has_subordinates(self, entry: Entry) -> tuple[bytes, ...]:
        node = self._root.find(entry.dn)
        if node is None or node.entry is None:
            return ()
        return (b"TRUE" if node.children else b"FALSE",)

    def _compute(self) -> ByName:
        """See `Directory`: entryDN (RFC 5020), subschemaSubentry (RFC 4512 section 4.2), hasSubordinates (X.501)."""
        subschema = (str(SUBSCHEMA).encode(),)
        attributes = (
            Computed("entryDN", lambda entry: (str(entry.dn).encode(),)),
            Computed("subschemaSubentry", lambda _: subschema),
            Computed("hasSubordinates", self._has_subordinates),
        )
        return by_name(self.schema, attributes)

    def records(self, *, with_secrets: bool = False) -> Iterator[tuple[DN, Attributes]]:
        """Every entry as it would be written, each before what is below it; with the password attributes if asked."""
        for top in self._root.tops():
            for node in top.subtree():
                if node.entry is not None:
                    yield node.dn, (*node.entry, *node.secrets) if with_secrets else tuple(node.entry)

    def search(self, base: DN, scope: Scope, filter: Filter) -> "Batches":
        """See `Directory`."""
        return Batches(_matching(self._examined(base, scope, filter), filter, self))

    def _examined(self, base: DN, scope: Scope, filter: Filter) -> Iterable[Node]:
        """The nodes in scope, those left out of which an index says that the filter is not true of them."""
        top = self._root.find(base)
        if top is None or (top.entry is None and base):
            return ()
        if scope == Scope.BASE_OBJECT:
            return (top,)
        candidates = self._index.candidates(filter, self.schema)
        if scope == Scope.SINGLE_LEVEL:
            if candidates is None or not base:
                return top.below() if base else self._root.tops()
            return (node for node in candidates if node.dn.key[1:] == base.key)
        if candidates is None:
            return top.subtree()
        return (node for node in candidates if node.dn.within(base))


class Batches:
    """What a search gives: an iterator that is asynchronous in form only, and needs no event loop."""

    __slots__ = ("_batches",)

    def __init__(self, batches: Iterator[list[Entry]]) -> None:
        self._batches = batches

    def __aiter__(self) -> "Batches":
        return self

    async def __anext__(self) -> list[Entry]:
        """The next batch."""
        for batch in self._batches:
            return batch
        raise StopAsyncIteration


def _matching(nodes: Iterable[Node], filter: Filter, directory: MemoryDirectory) -> Iterator[list[Entry]]:
    test: Test = compile_filter(filter, directory.schema, directory.computed)
    batch: list[Entry] = []
    for examined, node in enumerate(nodes, 1):
        # An entry is returned when the filter "evaluates to TRUE", not when it is Undefined, section 4.5.1.7.
        if node.entry is not None and test(node.entry):
            batch.append(node.entry)
        if examined % BATCH == 0:
            yield batch
            batch = []
    if batch:
        yield batch
