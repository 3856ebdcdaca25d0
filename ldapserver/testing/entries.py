"""Entries as a test looks at them, and the small changes that it makes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry as DirectoryEntry
from ldapserver.testing.finding import found, shown, sought, told_of, writing
from ldapserver.testing.orders import Who
from ldapserver.testing.served import Served
from ldapserver.wire.messages import Change


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it was when it was asked for, without passwords; `entry["mail"]` is a list of texts.

    Names of attributes are those of the entry, in any letter case; one that it has not got is an empty list. What is
    worked out (memberOf, entryDN) is there too.
    """

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]] = field(repr=False)

    def octets(self, name: str) -> tuple[bytes, ...]:
        """The values as they are: an objectGUID is no text."""
        return next((values for each, values in self.attributes.items() if each.lower() == name.lower()), ())

    def __getitem__(self, name: str) -> list[str]:
        return [value.decode(errors="backslashreplace") for value in self.octets(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.octets(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.attributes)


def entry(served: Served, who: Who) -> Entry | None:
    """The entry of a name or DN as it is now, None where there is none. Raises ValueError for a name of two."""
    with told_of(f"entry {shown(who)!r}"):
        there = sought(served.directory, writing(served.directory), "who", who)  # not entered: nothing is written
    return None if there is None else _seen(served.directory, there)


def modify(served: Served, who: Who, changes: tuple[Change, ...]) -> None:
    """Make the changes, all or none. Raises ValueError."""
    with told_of(f"modify {shown(who)!r}"), writing(served.directory) as write:
        write.modify(found(served.directory, write, "who", who).dn, changes)


def remove(served: Served, who: Who, subtree: bool) -> None:
    """Delete an entry, and with `subtree` what is below it. Raises ValueError."""
    with told_of(f"remove {shown(who)!r}"), writing(served.directory) as write:
        write.delete(found(served.directory, write, "who", who).dn, subtree=subtree)


def _seen(directory: Directory, there: DirectoryEntry) -> Entry:
    attributes = dict(there)
    for computed in {each.name: each for each in directory.computed.values()}.values():
        values = computed.values(there)
        if values:
            attributes[computed.name] = values
    return Entry(str(there.dn), attributes)
