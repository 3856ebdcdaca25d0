"""One write: add, modify, delete or modifyDN (RFC 4511 sections 4.6 to 4.9), with all that a profile does beside it.

It is a `profile.Write`. What it does, it does at once; left by an exception, it undoes all of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Self

from ldapserver.clock import Clock
from ldapserver.directory.account import Account, verifies
from ldapserver.directory.account_state import InvalidAccountState, read_state
from ldapserver.directory.authzid import InvalidAuthzId
from ldapserver.directory.changes import (
    Draft,
    changed,
    check_attributes,
    check_changes,
    name_of,
    never,
)
from ldapserver.directory.conformance import Rules, check_user_modification
from ldapserver.directory.contents import Contents
from ldapserver.directory.directory import Written
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Test
from ldapserver.directory.filetime import filetime_at
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.own_password import check_stored, locked_out, old_passwords
from ldapserver.directory.password_history import remembered
from ldapserver.directory.policy import Policy
from ldapserver.directory.profile import Plain, Profile
from ldapserver.directory.renewal import renewed
from ldapserver.directory.schema import SUBSCHEMA, Schema
from ldapserver.directory.schemes import InvalidPassword
from ldapserver.directory.tree import Node
from ldapserver.directory.unlocking import with_counts
from ldapserver.directory.watch import Watch, unwatched
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.messages import Change, ResultCode

# Entries that are deleted or renamed in one operation: a tenth of a second of work, half a second where ten
# attributes are indexed. As many a domain controller deletes at once, but keeps those deleted when there are more.
MOST_AT_ONCE = 16384

# Asked whether attributes, those of passwords and operational ones included, may stand at a name; the entry that
# stands there now. Raises OperationRefused.
Check = Callable[[DN, Attributes, Entry | None], None]


def anything(dn: DN, attributes: Attributes, before: Entry | None) -> None:
    """The `Check` that has nothing against anything."""


class Transaction:
    """A write by `by`; `loading` is one that an LDIF file makes while the directory is filled, and `watch` looks on.

    One that is not `undone` ends what it is part of where it fails: nothing is kept to go back to.
    """

    def __init__(
        self,
        contents: Contents,
        profile: Profile,
        rules: Rules,
        *,
        by: DN,
        admin: bool = False,
        assertion: Test | None = None,
        loading: bool = False,
        undone: bool = True,
        strength: int = 0,
        watch: Watch = unwatched,
    ) -> None:
        self.by = by
        self.strength = strength
        self.watched = watch
        self.admin = admin
        self.loading = loading
        self._contents = contents
        self._profile = profile
        self._rules = rules
        self._assertion = assertion
        self._undone = undone
        self._stamp = (str(by).encode(),), contents.operational.now()
        self._undo: list[Callable[[], None]] = []
        self._put: dict[Node, None] = {}

    def __enter__(self) -> Self:
        self._contents.serial += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            for undo in reversed(self._undo):
                undo()
            return
        for node in self._put:
            if node.entry is not None:
                self._contents.learn(node.entry, node.account)

    # What a profile may ask and do

    @property
    def schema(self) -> Schema:
        """See `View`."""
        return self._contents.schema

    @property
    def naming_contexts(self) -> tuple[DN, ...]:
        """See `View`."""
        return self._contents.naming_contexts

    @property
    def clock(self) -> Clock:
        """See `View`."""
        return self._contents.clock

    def entry(self, dn: DN) -> Entry | None:
        """See `View`."""
        return self._contents.entry(dn)

    @property
    def netbios(self) -> str:
        """See `View`."""
        return self._contents.netbios

    @property
    def realm(self) -> str:
        """See `View`."""
        return self._contents.realm

    @property
    def policy(self) -> Policy:
        """See `View`."""
        return self._contents.policy

    def having(self, attribute: str, value: bytes) -> Iterator[Entry]:
        """See `View`."""
        return self._contents.having(attribute, value)

    def secrets(self, dn: DN) -> Attributes:
        """See `Write`."""
        node = self._contents.root.find(dn)
        return () if node is None else node.secrets

    def entries(self) -> Iterator[Entry]:
        """See `Write`."""
        return (node.entry for node in self._contents.root.subtree() if node.entry is not None)

    def alter(self, dn: DN, changes: Sequence[Change]) -> None:
        """See `Write`."""
        node, before = self._found(dn)
        attributes = changed((*before, *node.secrets), changes, self.schema)
        self._store(node, node.dn, attributes, node.since)

    def store(self, dn: DN, attributes: Attributes) -> None:
        """See `Write`."""
        node, _ = self._found(dn)
        self._store(node, node.dn, attributes, node.since)

    def fill_in(self, entry: Entry) -> None:
        """See `Write`."""
        node, before = self._found(entry.dn)
        contents = self._contents
        after = contents.operational.completed(entry, contents.base_schema, *self._stamp)
        account = node.account
        if account is not None and contents.names.alike(before, after):
            # Under the names it has it is found already, and its passwords are read and weighed.
            account = self._account(after, node.secrets, account)
            contents.stand(node, node.dn, after, node.secrets, account, node.since)
            contents.vocabulary.learn(after)
        else:
            contents.become(node, node.dn, after, node.secrets, self._account(after, node.secrets), node.since)
            contents.learn(after, node.account)

    def undoing(self, undo: Callable[[], None]) -> None:
        """See `Write`."""
        self._undo.append(undo)

    def verifies(self, dn: DN, password: bytes) -> bool:
        """See `Write`."""
        node = self._contents.root.find(dn)
        account = None if node is None else node.account
        return account is not None and any(each.check(password) for each in account.passwords)

    def with_password(self, entry: Entry, kept: Attributes, password: bytes) -> Attributes:
        """See `Write`."""
        return renewed(kept, password, self._contents.owner(entry), saslprep=self._contents.saslprep)

    # The four operations

    def add(self, dn: DN, attributes: Attributes) -> Written:
        """RFC 4511 section 4.7."""
        self._rules.name("entry", dn)
        check_attributes(attributes, self.schema, self._rules)
        context = self._context(dn)
        self._check_user_modification([description for description, _ in attributes])
        root = self._contents.root
        self._check_rdn(dn)
        draft = Draft(attributes, self.schema)
        # Clients may leave out the values that name the entry, which are among its values all the same.  Section 4.7
        draft.name(dn.rdns[0])
        no_place = self._no_place(dn, context)
        # What is wrong with an entry is said first, as slapd does; but a profile completes only what has a place.
        if no_place is not None and type(self._profile).complete is not Plain.complete:
            raise no_place
        stored = self._profile.complete(self, None, dn, draft.attributes)
        self._rules.entry(dn, stored, None)
        self._assert(Entry(dn, self._split(stored)[0]))
        if no_place is not None:
            raise no_place
        above = root.make(dn.parent)  # which is there, or stands above a naming context
        node = above.child(dn.key[0])
        if node is None:
            node = Node(_below(above.dn, dn))
            above.link(node)
            self._undo.append(partial(above.unlink, node))
        return self._done(node, None, self._store(node, node.dn, stored, self._contents.serial))

    def modify(self, dn: DN, changes: Sequence[Change], *, permissive: bool = False) -> Written:
        """RFC 4511 section 4.6; with `permissive` what is to be added may be there, and what is to be deleted not."""
        self._rules.name("object", dn)
        check_changes(changes, self.schema, self._rules)
        self._context(dn)
        self._check_user_modification([change.modification.type for change in changes])
        node, before = self._found(dn)
        self._assert(before)
        changes = self._profile.translate(self, before, with_counts(changes, before))
        account, own = node.account, not (self.admin or self.loading)
        # A locked account does not tell which password is right, of a change either.  [MS-SAMR] 3.1.5.13.7.1
        if own and old_passwords(changes, self.schema) and self._locked(account):
            raise locked_out()
        attributes = changed(
            (*before, *node.secrets),
            changes,
            self.schema,
            partial(verifies, account.name) if account else never,
            permissive=permissive,
            own=own,
        )
        self._check_named(node.dn, changes, attributes)
        stored = self._profile.complete(self, before, node.dn, attributes)
        self._rules.entry(node.dn, stored, before)
        stored = self._remembered(node, stored)
        return self._done(node, before, self._store(node, node.dn, self._renewed(stored), node.since))

    def _locked(self, account: Account | None) -> bool:
        state = None if account is None else account.state
        now = filetime_at(self.clock.ns())
        return state is not None and state.locked(self._profile.policy(self._contents), now)

    def delete(self, dn: DN, *, subtree: bool = False) -> Written:
        """RFC 4511 section 4.8; with `subtree`, draft-armijo-ldap-treedelete."""
        self._rules.name("entry", dn)
        self._context(dn)
        node, before = self._found(dn)
        self._assert(before)
        # Only a leaf can be deleted.  RFC 4511 section 4.8
        if node.children and not subtree:
            raise OperationRefused(ResultCode.NOT_ALLOWED_ON_NON_LEAF, "there are entries below it")
        self._check_size(node)
        root = self._contents.root
        for each in reversed(list(node.subtree())):
            gone = each.entry
            assert gone is not None  # nothing is below an entry but entries
            above = root.find(each.dn.parent)
            assert above is not None
            self._become(each, each.dn, None, (), None, each.since)
            above.unlink(each)
            self._undo.append(partial(above.link, each))
            self._done(each, gone, None)
        return Written(before, None)

    def modify_dn(self, dn: DN, newrdn: DN, delete_old_rdn: bool, new_superior: DN | None = None) -> Written:
        """RFC 4511 section 4.9."""
        if len(newrdn.rdns) != 1:
            raise OperationRefused(ResultCode.INVALID_DN_SYNTAX, "newrdn: must be one RDN")
        for field, name in (("entry", dn), ("newrdn", newrdn), ("newSuperior", new_superior or ROOT)):
            self._rules.name(field, name)
        context = self._context(dn)
        superior = dn.parent if new_superior is None else new_superior
        self._check_destination(dn, _below(superior, newrdn), context)
        node, before = self._found(dn)
        self._check_user_modification([ava.type for ava in newrdn.rdns[0]])
        self._assert(before)
        self._check_rdn(newrdn)
        self._check_size(node)
        above, name = self._destination(node, newrdn, superior)
        draft = Draft((*before, *node.secrets), self.schema)
        if delete_old_rdn:
            draft.forget(node.dn.rdns[0])
        draft.name(newrdn.rdns[0])
        stored = self._profile.complete(self, before, name, draft.attributes)
        self._rules.entry(name, stored, before)
        old = self._contents.root.find(node.dn.parent)
        assert old is not None
        # Under the superior it had, a search that is under way comes by it once, whatever it is called.
        since = node.since if above is old else self._contents.serial
        old.unlink(node)
        self._undo.append(partial(old.link, node))
        after = self._store(node, name, self._renewed(stored), since)
        above.link(node)
        self._undo.append(partial(above.unlink, node))
        self._done(node, before, after)
        self._follow(node, None if above is old else since)
        return Written(before, node.entry)

    def _check_destination(self, dn: DN, name: DN, context: DN) -> None:
        """What the two names say by themselves against a move from one to the other."""
        if name.parent.within(dn):
            raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, "newSuperior: the entry itself, or below it")
        if dn.key == context.key and name.key == context.key:
            raise OperationRefused(ResultCode.NAMING_VIOLATION, f"{context} is a naming context")
        target = self._context_of(name)
        # Another naming context may be another server's, as far as clients know.  RFC 4511 section 4.9
        if target is None or target.key != context.key or dn.key == context.key:
            raise OperationRefused(
                ResultCode.AFFECTS_MULTIPLE_DSAS, f"newSuperior: the naming context is {context}, and stays it"
            )

    def _destination(self, node: Node, newrdn: DN, superior: DN) -> tuple[Node, DN]:
        """Below which node the entry comes, and under which name."""
        name = _below(superior, newrdn)
        above = self._contents.root.find(superior)
        if above is None or above.entry is None:
            raise OperationRefused(ResultCode.NO_SUCH_OBJECT, f"newSuperior: {superior} is not there")
        there = above.child(name.key[0])
        if there is not None and there is not node:
            raise OperationRefused(ResultCode.ENTRY_ALREADY_EXISTS, f"{name} is there already")
        return above, _below(above.dn, name)

    def _check_size(self, top: Node) -> None:
        """All that is below goes with an entry at once, and nobody else is served meanwhile."""
        if self.loading or not top.children:
            return
        if sum(1 for _ in islice(top.subtree(), MOST_AT_ONCE + 1)) > MOST_AT_ONCE:
            raise OperationRefused(
                ResultCode.ADMIN_LIMIT_EXCEEDED,
                f"there are more than {MOST_AT_ONCE} entries in it: go by parts of it",
            )

    def _follow(self, top: Node, since: int | None) -> None:
        """Rename what is below an entry that was renamed; with `since`, all of it has come to another place."""
        nodes = [(top, node) for node in top.below()]
        for above, node in nodes:
            nodes += [(node, below) for below in node.below()]
            before = node.entry
            assert before is not None
            name = _below(above.dn, node.dn)
            after = before.renamed(name)
            account = node.account
            if account is not None:
                account = replace(account, dn=name)
            self._become(node, name, after, node.secrets, account, node.since if since is None else since)
            self._done(node, before, after)

    # What they have in common

    def _found(self, dn: DN) -> tuple[Node, Entry]:
        node = self._contents.root.find(dn)
        if node is None or node.entry is None:
            raise self._no_such_object(dn)
        return node, node.entry

    def _no_place(self, dn: DN, context: DN) -> OperationRefused | None:
        """The entry must not exist, and its superior must (RFC 4511 section 4.7); what refuses it otherwise."""
        if self._contents.entry(dn) is not None:
            return OperationRefused(ResultCode.ENTRY_ALREADY_EXISTS, f"{dn} is there already")
        if dn.key != context.key and self._contents.entry(dn.parent) is None:
            return self._no_such_object(dn)
        return None

    def _no_such_object(self, dn: DN) -> OperationRefused:
        return OperationRefused(ResultCode.NO_SUCH_OBJECT, matched_dn=str(self._contents.root.deepest(dn)))

    def _context(self, dn: DN) -> DN:
        """The naming context that `dn` belongs to."""
        # These two say what the server does, and change with that alone.  RFC 4512 sections 4.2 and 5.1
        if not dn.rdns or dn.key == SUBSCHEMA.key:
            raise OperationRefused(
                ResultCode.UNWILLING_TO_PERFORM, "the root DSE and the subschema are the server's own"
            )
        context = self._context_of(dn)
        if context is None:
            raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, f"{dn} is in no naming context of this server")
        return context

    def _context_of(self, dn: DN) -> DN | None:
        within = [context for context in self._contents.naming_contexts if dn.within(context)]
        return max(within, key=lambda context: len(context.rdns), default=None)

    def _assert(self, entry: Entry) -> None:
        # What is not TRUE is not asserted.  RFC 4528 section 3
        if self._assertion is not None and not self._assertion(entry):
            raise OperationRefused(ResultCode.ASSERTION_FAILED)

    def _check_named(self, dn: DN, changes: Sequence[Change], attributes: Attributes) -> None:
        """A modify takes no value away that names the entry (RFC 4511 section 4.6)."""
        touched = {name_of(self.schema, change.modification.type) for change in changes}
        # An LDIF file may name an entry by a secret; that is not among the values that are seen.
        named = [ava for ava in dn.rdns[0] if not self.schema.is_secret(ava.type)]
        if any(name_of(self.schema, ava.type) in touched for ava in named):
            draft = Draft(attributes, self.schema)
            for ava in named:
                if not draft.holds(ava.type, ava.value):
                    raise OperationRefused(ResultCode.NOT_ALLOWED_ON_RDN, f"{ava.type}: the value names the entry")

    def _check_user_modification(self, descriptions: Iterable[str]) -> None:
        if not self.loading:
            check_user_modification(self.schema, descriptions)

    def _check_rdn(self, name: DN) -> None:
        if any(self.schema.is_secret(ava.type) for ava in name.rdns[0]):
            raise OperationRefused(ResultCode.NAMING_VIOLATION, "a password names no entry: names are for all to see")

    def _renewed(self, attributes: Attributes) -> Attributes:
        return self._contents.operational.renewed(attributes, self._contents.base_schema, *self._stamp)

    def _remembered(self, node: Node, attributes: Attributes) -> Attributes:
        """The attributes with the passwords that are there no more among the former ones, where these are spared."""
        if self.loading or not self._profile.policy(self._contents).spare_old_passwords:
            return attributes
        plain, secrets = self._split(attributes)
        return (*plain, *remembered(node.secrets, secrets, self.clock.now()))

    def _split(self, attributes: Iterable[tuple[str, tuple[bytes, ...]]]) -> tuple[Attributes, Attributes]:
        """What everybody may see, and the secrets."""
        plain: list[tuple[str, tuple[bytes, ...]]] = []
        secrets: list[tuple[str, tuple[bytes, ...]]] = []
        schema = self._contents.base_schema
        for each in attributes:
            (secrets if schema.is_secret(each[0]) else plain).append(each)
        return tuple(plain), tuple(secrets)

    def _store(self, node: Node, dn: DN, attributes: Attributes, since: int) -> Entry:
        """Let these attributes stand at `node` under the name `dn`."""
        contents = self._contents
        plain, secrets = self._split(attributes)
        entry = contents.operational.completed(Entry(dn, plain), contents.base_schema, *self._stamp)
        account = self._account(entry, secrets)
        if not self.admin:
            check_stored(secrets, account, node.secrets, contents.dearest)
        self._become(node, dn, entry, secrets, account, since)
        return entry

    def _account(self, entry: Entry, secrets: Attributes, kept: Account | None = None) -> Account | None:
        """The account that an entry is, if it is one; with `kept`, that one in the state which the entry says."""
        try:
            if kept is None:
                return self._contents.account_of(entry, secrets)
            state = read_state(entry)
            return kept if state is None else kept.with_state(state)
        except (InvalidPassword, InvalidAccountState) as error:
            raise OperationRefused(ResultCode.CONSTRAINT_VIOLATION, str(error)) from None
        except InvalidAuthzId as error:
            raise OperationRefused(ResultCode.INVALID_ATTRIBUTE_SYNTAX, str(error)) from None

    def _become(
        self, node: Node, dn: DN, entry: Entry | None, secrets: Attributes, account: Account | None, since: int
    ) -> None:
        contents = self._contents
        if self._undone:
            before = node.dn, node.entry, node.secrets, node.account, node.since
            self._undo.append(partial(contents.become, node, *before))
        self._put[node] = None
        contents.become(node, dn, entry, secrets, account, since)

    def _done(self, node: Node, before: Entry | None, after: Entry | None) -> Written:
        self._profile.done(self, Written(before, after))
        return Written(before, node.entry)  # which the profile may have altered once more


def _below(superior: DN, dn: DN) -> DN:
    """The name of the first RDN of `dn` below `superior`, whose RDNs it shares."""
    return DN((dn.rdns[0], *superior.rdns), (dn.key[0], *superior.key))
