r"""Which names an account answers to, and which account a typed name means.

    alice                 uid, sAMAccountName, userPrincipalName, or cn where the entry has none of these
    CONTOSO\alice         uid or sAMAccountName in the domain of that NetBIOS name
    alice@contoso.com     userPrincipalName, or uid or sAMAccountName in that domain where there is none

Names compare as their attributes do, without case. A name that leads to two entries leads to neither.
"""

from collections.abc import Iterator

from ldapserver.directory.account import AmbiguousName
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Values
from ldapserver.directory.matching import case_ignore
from ldapserver.directory.schema import Schema
from ldapserver.directory.tree import Node
from ldapserver.directory.type_index import NodesByKey, drop, put, taken
from ldapserver.wire.dn import DN, is_visible

# An entry of one of these classes is somebody, even without a password: who tries to bind as them is told apart in
# the audit record from a name that nobody has.
PEOPLE = ("person", "account", "posixAccount", "shadowAccount", "simpleSecurityObject", "uidObject")


def dns_domain(context: DN) -> str:
    """The DNS name of a naming context: dc=contoso,dc=com is contoso.com; without dc, its first label."""
    labels = [_text(rdn[0].value) for rdn in context.rdns if rdn[0].type.lower() in _DC]
    return ".".join(labels) if labels else first_label(context)


def netbios_domain(context: DN) -> str:
    """The NetBIOS name a naming context is taken to have: its first label in upper case."""
    return first_label(context).upper()


def first_label(context: DN) -> str:
    """The value of the leaf RDN, or nothing."""
    return _text(context.rdns[0][0].value) if context.rdns else ""


_DC = ("dc", "domaincomponent", "0.9.2342.19200300.100.1.25")


def folded(name: str) -> str | None:
    """The name as it is compared, or None for one that no account can have."""
    if name.isascii() and name.isprintable() and " " not in name:
        return name.lower()
    # Matching would drop what is not seen, and a record of the bind would show another name than the account's.
    if not is_visible(name):
        return None
    try:
        return case_ignore(name.encode())
    except UnicodeEncodeError:
        return None


class Names:
    """The names of all accounts."""

    def __init__(self, schema: Schema) -> None:
        def values(name: str) -> Values:
            attribute_type = schema.attribute_type(name)
            assert attribute_type is not None  # all four stand in every schema: a file may redefine, not remove
            return Values(schema, attribute_type, name)

        self._sam_account_name = values("sAMAccountName")
        self._uid = values("uid")
        self._user_principal_name = values("userPrincipalName")
        self._cn = values("cn")
        self._nodes: NodesByKey = {}

    def kept(self) -> NodesByKey:
        """All of them as they are, for `become`."""
        return {key: dict(nodes) if isinstance(nodes, dict) else nodes for key, nodes in self._nodes.items()}

    def become(self, kept: NodesByKey) -> None:
        """Be what was kept, which stays as it is."""
        self._nodes = {key: dict(nodes) if isinstance(nodes, dict) else nodes for key, nodes in kept.items()}

    def add(self, node: Node, entry: Entry) -> str:
        """Let the account that `entry` is, at `node`, be found; the first of its names is what it is called."""
        names = self._of(entry)
        for name in names:
            key = folded(name)
            if key is not None:
                put(self._nodes, key, node)
        return names[0] if names else first_label(entry.dn)

    def remove(self, node: Node, entry: Entry) -> None:
        """Undo `add(node, entry)`."""
        for key in set(map(folded, self._of(entry))):
            if key is not None:
                drop(self._nodes, key, node)

    def alike(self, old: Entry, new: Entry) -> bool:
        """Whether two entries have the same names, as accounts."""
        return (
            self._sam_account_name.alike(old, new)
            and self._uid.alike(old, new)
            and self._user_principal_name.alike(old, new)
            and self._cn.alike(old, new)
        )

    def first(self, entry: Entry) -> str:
        """What the account that `entry` is, is called."""
        return next(iter(self._of(entry)), None) or first_label(entry.dn)

    def _of(self, entry: Entry) -> list[str]:
        return [
            *_texts(self._sam_account_name, entry),
            *_texts(self._uid, entry),
            *_texts(self._user_principal_name, entry),
        ] or _texts(self._cn, entry)

    def principal_name(self, entry: Entry) -> str | None:
        """The entry's userPrincipalName, the first if there are several."""
        return next(iter(_texts(self._user_principal_name, entry)), None)

    def find(self, name: str, netbios: str, realm: str) -> Node | None:
        """The account of this name in the domain of these two names, or raise `AmbiguousName`."""
        # Nearly every name is typed in the form in which it is compared. Nobody's costs as much more as it did.
        found = self._nodes.get(name) if name.isascii() else None
        if isinstance(found, Node) and "@" not in name and "\\" not in name:
            return found
        nodes = self._answering(name, netbios, realm)
        if len(nodes) > 1:
            raise AmbiguousName(f"{name!r}: {len(nodes)} entries answer to it", tuple([node.dn for node in nodes]))
        return next(iter(nodes), None)

    def ambiguous(self, netbios: str, realm: str) -> Iterator[tuple[str, list[Node]]]:
        """The names that `find` raises of, in the form in which they are compared."""
        for name, nodes in self._nodes.items():
            # A name with a domain in it may be that of one account by its words, and of another by its domain.
            if isinstance(name, str) and (not isinstance(nodes, Node) or "@" in name or "\\" in name):
                answering = self._answering(name, netbios, realm)
                if len(answering) > 1:
                    yield name, answering

    def _answering(self, name: str, netbios: str, realm: str) -> list[Node]:
        key = folded(name)
        nodes = taken(self._nodes, key)
        if "\\" in name:
            # Two backslashes where a client escaped the one as in a quoted string and its library did so again.
            domain, _, user = name.partition("\\")
            if _same(domain, netbios):
                nodes += self._in_domain(user.removeprefix("\\"))
        if "@" in name:
            user, _, domain = name.rpartition("@")
            if _same(domain, realm):
                # An account that has a userPrincipalName has no implicit one, facts of [MS-SAMR] 3.1.1.8.11.3.1.
                nodes += [node for node in self._in_domain(user) if not self._has_principal_name(node)]
        return list({id(node): node for node in nodes}.values())

    def _in_domain(self, user: str) -> list[Node]:
        """The accounts that have this uid or sAMAccountName."""
        key = folded(user)
        return [node for node in taken(self._nodes, key) if node.entry is not None and key in self._users(node.entry)]

    def _users(self, entry: Entry) -> list[str | None]:
        return [folded(name) for values in (self._sam_account_name, self._uid) for name in _texts(values, entry)]

    def _has_principal_name(self, node: Node) -> bool:
        return node.entry is not None and bool(self._user_principal_name(node.entry))


def _same(domain: str, name: str) -> bool:
    key = folded(domain)
    return bool(key) and key == folded(name)


def _texts(values: Values, entry: Entry) -> list[str]:
    """The values that are names a person can type."""
    texts = []
    for each in values(entry):
        for value in each:
            try:
                text = value.decode()
            except UnicodeDecodeError:
                continue
            if text:
                texts.append(text)
    return texts


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
