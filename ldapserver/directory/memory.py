"""The directory held in memory, which answers everything at once.

It is filled from LDIF records when it is made (`loading.py`). What it holds is in `contents.py`, where a name leads
in `names.py`, what a filter means in `evaluation.py`, how a place is found in `tree.py`, and what a write is in
`transaction.py`.

Writes are done in one step. A search under way while others write goes on over what it has before it: it finds every
entry that nobody touches, once; of an entry that is changed or renamed under the same superior either state; and
passes over one that came to its place after the search began.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import urandom

from ldapserver.clock import SYSTEM_CLOCK, Clock
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import Judgement
from ldapserver.directory.accounts import Accounts
from ldapserver.directory.computed import ByName, Computed, by_name
from ldapserver.directory.conformance import Conformance, Rules
from ldapserver.directory.contents import Contents
from ldapserver.directory.dialect import Dialect
from ldapserver.directory.directory import Written
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Test, compile_filter
from ldapserver.directory.ldif import Attributes, InvalidLDIF, Record, Report
from ldapserver.directory.loading import Loading
from ldapserver.directory.names import dns_domain, netbios_domain
from ldapserver.directory.operational import NOBODY, Operational
from ldapserver.directory.policy import NO_POLICY, Policy, PolicySettings
from ldapserver.directory.profile import Plain, Profile
from ldapserver.directory.renewal import Owner
from ldapserver.directory.schema import SUBSCHEMA, Schema, core
from ldapserver.directory.search_at_once import search_at_once
from ldapserver.directory.snapshot import Snapshot, restored, taken
from ldapserver.directory.subschema import Subschema
from ldapserver.directory.transaction import Transaction
from ldapserver.directory.tree import Node
from ldapserver.directory.watch import Watch, unwatched
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, ROOT, Key
from ldapserver.wire.filters import Filter, items
from ldapserver.wire.messages import Change, Scope

BATCH = 64  # entries examined between two chances to pause: some hundred microseconds of work
ITEMS = 8  # items of a filter that one more of them stands for
FOUND = 3  # more of them that one found stands for: it is also written, which is much the dearer part


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
        report: Report | None = None,
        schema: Schema | None = None,
        conformance: Conformance = Conformance.LENIENT,
        profile: Profile | None = None,
        policy: Policy = NO_POLICY,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[int], bytes] = urandom,
        watch: Watch = unwatched,
    ) -> None:
        """Take the records of each source, which are a name for errors and what `read_ldif` gives.

        With `suffixes`, every entry is below one of them, and one that has no entry gets one. Without, the entries
        that have none above them are the naming contexts. `realm` and `netbios` are the domain's two names, by
        default those of the first naming context. `saslprep` prepares passwords in the clear (RFC 4013) before
        DIGEST-MD5 uses them. `schema` is what is known, `core()` when it is None, and `conformance` how much of it
        entries have to keep: those that are written, and under strict those of the sources too. `policy` is what
        is asked of accounts; a domain's own entry says it itself, and has it from there where it does not.

        `clock` is the time of all that is kept here, and of a server of it; `random` gives the octets of entryUUID.
        `watch` shows how far what comes after the reading is.
        Raises `InvalidLDIF`; with `report`, each thing that is wrong is told to it, and the rest is taken.
        """
        operational = Operational(clock, random)
        schema = core() if schema is None else schema
        contents = Contents(schema, operational, tuple(suffixes), saslprep=saslprep, policy=policy)
        self._contents = contents
        self._root, self._index, self._names = contents.root, contents.index, contents.names
        self._profile = profile or Plain()
        self.clock = clock
        self.conformance = conformance
        self._rules = Rules(schema, conformance)
        strict = conformance is Conformance.STRICT
        self._rules_of_files = self._rules if strict else Rules(schema, Conformance.OFF)
        loading = Loading(contents, self._transaction, self._rules_of_files.entry)
        for source, records in sources:
            for record in records:
                try:
                    loading.take(record, source)
                except InvalidLDIF as error:
                    if report is None:
                        raise
                    report(error)
        for wrong in loading.finish():
            if report is None:
                raise wrong
            report(wrong)
        # From here on they are fixed: one whose entry is deleted is a naming context all the same.
        contents.suffixes = self.naming_contexts = contents.naming_contexts
        context = self.naming_contexts[0] if self.naming_contexts else ROOT
        self.realm = dns_domain(context) if realm is None else realm
        self.netbios = netbios_domain(context) if netbios is None else netbios
        self._accounts = Accounts(contents, self._profile, self.netbios, self.realm)
        loading.settle(self.netbios, self.realm)
        try:
            with self._transaction(undone=False, watch=watch) as write:
                self._profile.loaded(write)
        except OperationRefused as refused:
            raise InvalidLDIF(f"{refused}") from None
        self._subschema = Subschema(operational)
        self.computed: ByName = self._compute()
        self.dialect: Dialect | None = self._profile.dialect(contents)

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
    def schema(self) -> Schema:
        """See `Directory`."""
        return self._contents.schema

    @property
    def subschema(self) -> Entry:
        """See `Directory`."""
        return self._subschema.entry(self.schema)

    @property
    def referrals(self) -> Mapping[Key, DN]:
        """See `Directory`."""
        return self._contents.referrals

    @property
    def decoy(self) -> Account:
        """See `Directory`."""
        return self._contents.decoy

    @property
    def most_secrets(self) -> int:
        """See `Directory`."""
        return self._contents.most_secrets

    @property
    def policy(self) -> Policy:
        """See `Directory`."""
        return self._accounts.policy()

    @property
    def accounts_at_once(self) -> Accounts:
        """What `find_account`, `account_at`, `judge` and `privileges` say, without waiting: see `answers.py`."""
        return self._accounts

    def ask(self, policy: PolicySettings) -> None:
        """Ask this of accounts from now on, and of what it does not say as before; a domain's entry says it too."""
        contents = self._contents
        contents.policy = replace(contents.policy, **policy)
        with self._transaction() as write:
            self._profile.asked(write, policy)
        self._accounts.ask_anew()

    async def find_account(self, name: str) -> Account | None:
        """See `Directory`."""
        return self._accounts.find_account(name)

    async def account_at(self, dn: DN) -> Account | None:
        """See `Directory`."""
        return self._accounts.account_at(dn)

    async def judge(
        self,
        account: Account | None,
        *,
        right: bool,
        workstation: str,
        by_password: bool = True,
        counted: bool = True,
    ) -> Judgement:
        """See `Directory`."""
        return self._accounts.judge(account, right, workstation, by_password, counted, self.policy)

    async def privileges(self, dn: DN) -> tuple[str, ...]:
        """See `Directory`."""
        return self._accounts.privileges(dn)

    async def sid(self, dn: DN) -> str | None:
        """See `Directory`."""
        entry = self._contents.entry(dn)
        octets = None if entry is None else next(iter(entry.get("objectSid")), None)
        if octets is None:
            return None
        from ldapserver.directory.ad.sid import InvalidSID, sid_text  # not loaded where nobody has one

        try:
            return sid_text(octets)
        except InvalidSID:
            return None

    async def stored_passwords(self, dn: DN) -> tuple[Owner, Attributes] | None:
        """See `Directory`."""
        node = self._root.find(dn)
        if node is None or node.entry is None:
            return None
        name = self._names.first(node.entry) if node.account is None else node.account.name
        return Owner(name, self._names.principal_name(node.entry), self.netbios, self.realm), node.secrets

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

    def _num_subordinates(self, entry: Entry) -> tuple[bytes, ...]:
        node = self._root.find(entry.dn)
        if node is None or node.entry is None:
            return ()
        return (b"%d" % len(node.children or ()),)

    def _compute(self) -> ByName:
        """See `Directory`: entryDN (RFC 5020), subschemaSubentry (RFC 4512 section 4.2), hasSubordinates (X.501).

        numSubordinates is draft-ietf-boreham-numsubordinates, which many servers have.
        """
        subschema = (str(SUBSCHEMA).encode(),)
        attributes = (
            Computed("entryDN", lambda entry: (str(entry.dn).encode(),)),
            Computed("subschemaSubentry", lambda _: subschema),
            Computed("hasSubordinates", self._has_subordinates),
            Computed("numSubordinates", self._num_subordinates),
            *self._profile.computed(self._contents),
        )
        return by_name(self.schema, attributes)

    # Writes

    async def add(
        self,
        dn: DN,
        attributes: Attributes,
        *,
        by: DN,
        admin: bool = False,
        assertion: Filter | None = None,
        strength: int = 0,
    ) -> Written:
        """See `Directory`."""
        with self._write(by, admin, assertion, strength) as write:
            return write.add(dn, attributes)

    async def modify(
        self,
        dn: DN,
        changes: Sequence[Change],
        *,
        by: DN,
        admin: bool = False,
        assertion: Filter | None = None,
        permissive: bool = False,
        strength: int = 0,
    ) -> Written:
        """See `Directory`."""
        with self._write(by, admin, assertion, strength) as write:
            return write.modify(dn, changes, permissive=permissive)

    async def delete(
        self, dn: DN, *, by: DN, admin: bool = False, assertion: Filter | None = None, subtree: bool = False
    ) -> Written:
        """See `Directory`."""
        with self._write(by, admin, assertion) as write:
            return write.delete(dn, subtree=subtree)

    async def modify_dn(
        self,
        dn: DN,
        newrdn: DN,
        delete_old_rdn: bool,
        new_superior: DN | None = None,
        *,
        by: DN,
        admin: bool = False,
        assertion: Filter | None = None,
    ) -> Written:
        """See `Directory`."""
        with self._write(by, admin, assertion) as write:
            return write.modify_dn(dn, newrdn, delete_old_rdn, new_superior)

    def writing(self, *, by: DN, admin: bool = False, strength: int = 0) -> Transaction:
        """Several writes, done whole or not at all: enter it, and let it do them."""
        return self._write(by, admin, None, strength)

    def _write(self, by: DN, admin: bool, assertion: Filter | None, strength: int = 0) -> Transaction:
        test = None if assertion is None else compile_filter(assertion, self.schema, self.computed)
        return Transaction(
            self._contents, self._profile, self._rules, by=by, admin=admin, assertion=test, strength=strength
        )

    def _transaction(self, *, undone: bool = True, watch: Watch = unwatched) -> Transaction:
        return Transaction(
            self._contents,
            self._profile,
            self._rules_of_files,
            by=NOBODY,
            admin=True,
            loading=True,
            undone=undone,
            watch=watch,
        )

    def snapshot(self) -> Snapshot:
        """Everything as it is now, in time that grows with the entries and memory that does with their places."""
        return taken(self._contents, self._profile.state())

    def restore(self, snapshot: Snapshot) -> None:
        """Let everything be as it was, any number of times; the dearer the more has changed since.

        Operations under way, searches above all, go on over what they hold. Raises ValueError for the snapshot of
        another directory.
        """
        restored(self._contents, snapshot)
        self._profile.restore(snapshot.profile)

    def accounts(self) -> Iterator[Account]:
        """Everybody who can authenticate, or could with a password."""
        for node in self._root.subtree():
            if node.account is not None:
                yield node.account

    def ambiguous_names(self) -> Iterator[tuple[str, tuple[DN, ...]]]:
        """The names that more than one account answers to, and so none, each with those accounts."""
        for name, nodes in self._names.ambiguous(self.netbios, self.realm):
            yield name, tuple(node.dn for node in nodes)

    def records(self, *, with_secrets: bool = False) -> Iterator[tuple[DN, Attributes]]:
        """Every entry as it would be written, each before what is below it; with the password attributes if asked.

        As they are now: what changes while they are taken is not seen, for a change replaces an entry.
        """
        nodes = [node for node in self._root.subtree() if node.entry is not None]
        entries, secrets = [node.entry for node in nodes], [node.secrets for node in nodes]
        return (
            (entry.dn, (*entry, *secret) if with_secrets else tuple(entry))
            for entry, secret in zip(entries, secrets, strict=True)
            if entry is not None
        )

    def search(self, base: DN, scope: Scope, filter: Filter) -> "Batches":
        """See `Directory`."""
        return Batches(self._found(base, scope, filter))

    def search_at_once(self, base: DN, scope: Scope, filter: Filter) -> list[Entry] | None:
        """See `SearchAtOnce` in `directory.py`."""
        return search_at_once(self._root, self._index, self.schema, self.computed, base, scope, filter)

    def _found(self, base: DN, scope: Scope, filter: Filter) -> Iterator[list[Entry]]:
        if scope != Scope.BASE_OBJECT:
            for _ in self._index.prepare(filter, self.schema, self.computed):
                yield []
        yield from _matching(self._examined(base, scope, filter), filter, self)

    def _examined(self, base: DN, scope: Scope, filter: Filter) -> Iterable[Node | None]:
        """The nodes in scope, those left out of which an index says that the filter is not true of them.

        None stands for one out of scope: looking at it is work too, after which others may want a turn.
        """
        top = self._root.find(base)
        if top is None or (top.entry is None and base):
            return ()
        if scope == Scope.BASE_OBJECT:
            return (top,)
        candidates = self._index.candidates(filter, self.schema, self.computed)
        if candidates is None:
            if scope == Scope.WHOLE_SUBTREE:
                nodes: Iterable[Node | None] = top.subtree()
            else:
                nodes = top.below() if base else self._root.tops()
        elif scope == Scope.WHOLE_SUBTREE:
            nodes = (node if node.dn.within(base) else None for node in candidates)
        elif base:
            nodes = (node if node.dn.key[1:] == base.key else None for node in candidates)
        else:
            nodes = self._root.tops()
        began, name = self._contents.serial, top.dn
        # Once the base has another name, nothing is below the one that was asked for.
        return (node if node is not None and node.since <= began and top.dn is name else None for node in nodes)


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


def _matching(nodes: Iterable[Node | None], filter: Filter, directory: MemoryDirectory) -> Iterator[list[Entry]]:
    test: Test = compile_filter(filter, directory.schema, directory.computed)
    batch: list[Entry] = []
    work = 0
    each = 1 + items(filter) // ITEMS
    for node in nodes:
        work += each
        # An entry is returned when the filter "evaluates to TRUE", not when it is Undefined, section 4.5.1.7.
        if node is not None and node.entry is not None and test(node.entry):
            batch.append(node.entry)
            work += FOUND
        if work >= BATCH:
            yield batch
            batch = []
            work = 0
    if batch:
        yield batch
