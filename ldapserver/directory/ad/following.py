"""What follows in other entries when one is written: links lead to where their targets went (MS-ADTS 3.1.1.1.6)."""

from ldapserver.directory.ad.links import LINKS, Links
from ldapserver.directory.changes import Draft
from ldapserver.directory.entry import Entry
from ldapserver.directory.profile import Write
from ldapserver.wire.dn import DN, InvalidDN, Key


class Following:
    """The links of a directory, kept right in each write."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._write: Write | None = None  # the one that `_moved` is about
        self._moved: dict[Key, DN] = {}  # new names by old ones, for as long as a subtree is on its way

    def link(self, write: Write, before: Entry | None, after: Entry | None) -> None:
        """An entry is what it is now, or, when the write is undone, what it was."""
        self._relink(before, after)
        write.undoing(lambda: self._relink(after, before))

    def _relink(self, before: Entry | None, after: Entry | None) -> None:
        if before is not None and after is not None and str(before.dn) == str(after.dn):
            self._links.change(before, after)
            return
        if before is not None:
            self._links.drop(before.dn)
        if after is not None:
            self._links.put(after)

    def renamed(self, write: Write, old: DN, entry: Entry) -> None:
        """An entry has another name: what points to it does so under that."""
        if write is not self._write:
            self._write, self._moved = write, {}
        self._moved[old.key] = entry.dn
        self.point_elsewhere(write, old, entry.dn)
        # What an entry that comes along points to may have come before it: it was not to be found then.
        for forward in LINKS:
            for target in self._targets(write, forward, entry):
                new = self._moved.get(target.key)
                if new is not None and target.key != new.key:
                    self._rewrite(write, entry.dn, forward, target, new)

    def point_elsewhere(self, write: Write, old: DN, new: DN | None) -> None:
        """Let every link to `old` lead to `new`, or nowhere."""
        for forward in LINKS:
            for source in self._sources(write, forward, old):
                if write.entry(source) is not None:  # else it is still on its way, and is rewritten when it comes
                    self._rewrite(write, source, forward, old, new)

    def _sources(self, write: Write, forward: str, dn: DN) -> list[DN]:
        if write.loading:
            return [entry.dn for entry in write.having(forward, str(dn).encode())]
        return self._links.pointing(forward, dn)

    def _targets(self, write: Write, forward: str, entry: Entry) -> list[DN]:
        if write.loading:
            return [dn for value in entry.get(forward) for dn in targets_in(value)]
        return self._links.pointing(LINKS[forward], entry.dn)

    def _rewrite(self, write: Write, source: DN, forward: str, old: DN, new: DN | None) -> None:
        before = write.entry(source)
        assert before is not None
        attributes = []
        for name, values in before:
            if name.lower() == forward.lower():
                values = _with_target(values, old, new)
            if values:
                attributes.append((name, values))
        write.store(source, (*attributes, *write.secrets(source)))
        if not write.loading:
            self.link(write, before, write.entry(source))

    def list_member(self, write: Write, group: Entry | None, account: DN, *, listed: bool) -> None:
        """Let a group list an account, or not."""
        if group is None or (account in self._links.pointing("memberOf", group.dn)) is listed:
            return
        if listed:
            draft = Draft((*group, *write.secrets(group.dn)), write.schema)
            draft.add("member", [str(account).encode()])
            write.store(group.dn, draft.attributes)
            self.link(write, group, write.entry(group.dn))
        else:
            self._rewrite(write, group.dn, "member", account, None)


def targets_in(value: bytes) -> tuple[DN, ...]:
    """The name that a value is, if it is one."""
    try:
        return (DN.parse(value.decode()),)
    except (InvalidDN, UnicodeDecodeError):
        return ()


def _with_target(values: tuple[bytes, ...], old: DN, new: DN | None) -> tuple[bytes, ...]:
    """The values with `new` in the place of `old`, or without."""
    spelt = str(old).encode()
    gone = {spelt} if spelt in values else {value for value in values if old in targets_in(value)}
    put = () if new is None else (str(new).encode(),)
    return tuple(dict.fromkeys([each for value in values for each in (put if value in gone else (value,))]))
