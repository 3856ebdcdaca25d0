"""The whole state of a directory, kept to be gone back to.

Entries do not change, so a snapshot shares them with the directory: to go back is to compare each place with what
stood there, and to put back what is another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ldapserver.directory.account import Account
from ldapserver.directory.contents import Contents
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.policy import Policy
from ldapserver.directory.schemes import StoredPassword
from ldapserver.directory.tree import Node, RDNKey
from ldapserver.directory.type_index import NodesByKey
from ldapserver.directory.vocabulary import Vocabulary
from ldapserver.wire.dn import DN, Key

_Children = Mapping[RDNKey, Node]


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """What `MemoryDirectory.snapshot` gives, for `restore` of the same directory."""

    root: Node
    places: Mapping[Node, tuple[DN, Entry | None, Attributes, Account | None, _Children | None]]
    names: NodesByKey
    referrals: Mapping[Key, DN]
    vocabulary: Vocabulary
    dearest: tuple[StoredPassword, ...]
    decoy: Account
    most_secrets: int
    policy: Policy
    profile: object


def taken(contents: Contents, profile: object) -> Snapshot:
    """The contents as they are; `profile` is the state of theirs."""
    places = {
        node: (
            node.dn,
            node.entry,
            node.secrets,
            node.account,
            None if node.children is None else dict(node.children),
        )
        for node in contents.root.subtree()
    }
    kept = contents.vocabulary.copy()
    return Snapshot(
        contents.root,
        places,
        contents.names.kept(),
        dict(contents.referrals),
        kept,
        contents.dearest,
        contents.decoy,
        contents.most_secrets,
        contents.policy,
        profile,
    )


def restored(contents: Contents, snapshot: Snapshot) -> None:
    """Let the contents be again what they were. Raises ValueError for the snapshot of another directory."""
    if snapshot.root is not contents.root:
        raise ValueError("the snapshot is of another directory")
    contents.serial += 1
    places = snapshot.places
    for node in contents.root.subtree():
        if node not in places:
            contents.stand(node, node.dn, None, (), None, node.since)
    for node, (dn, entry, secrets, account, children) in places.items():
        if node.entry is not entry or node.account is not account or node.dn is not dn:
            # What was elsewhere, or nowhere, has just come here: a search under way passes over it.
            moved = node.entry is None or (node.dn is not dn and node.dn.key != dn.key)
            contents.stand(node, dn, entry, secrets, account, contents.serial if moved else node.since)
        node.children = None if children is None else dict(children)
    contents.names.become(snapshot.names)
    contents.referrals = dict(snapshot.referrals)
    contents.vocabulary = snapshot.vocabulary.copy()
    contents.dearest, contents.decoy = snapshot.dearest, snapshot.decoy
    contents.most_secrets = snapshot.most_secrets
    contents.policy = snapshot.policy
