"""What has been worked out from a schema and is needed again at every search, kept until the schema is another.

What a client asks for is asked again by the next one: which types a list of attributes means, and which of an
entry's attributes these are, is decided once for each list and each shape of entry.
"""

from collections.abc import Sequence

from ldapserver.directory.computed import ByName, Computed
from ldapserver.directory.directory import Directory, SearchAtOnce, search_at_once_of
from ldapserver.directory.entry import Entry, Shape
from ldapserver.directory.options import has_options
from ldapserver.directory.schema import Schema
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import PartialAttribute

MOST = 256  # lists of attributes, and sets of classes, that are kept: clients make up what they like
LONGEST = 64  # attributes in a list that is kept
LONGEST_NAMES = 4096  # characters of all of them together
LONGEST_BASE = 256  # characters of a baseObject that is kept
KEPT = 16 * 1024 * 1024  # octets of entries that are kept as they are sent, and of what is kept with them
BESIDE = 1024  # octets kept with one: its place, and the entry, which may have been replaced since

# subentry (RFC 3672 section 2.4), and ldapSubEntry, which some servers have in its place.
_SUBENTRIES = frozenset((b"subentry", b"2.5.17.0", b"ldapsubentry", b"2.16.840.1.113719.2.142.6.1.1"))
_SUBENTRY = "2.5.17.0"

# What an administrator sees of a secret: the forms it is stored in, computed, and only when asked for. It tells which
# accounts DIGEST-MD5 can verify at all.
PASSWORD_SCHEME = "userPasswordScheme"

Shown = tuple[tuple[int, str], ...]  # where in an entry's values, and under which description


class Choice:
    """Which attributes a list of attribute selectors means (RFC 4511 section 4.5.1.8)."""

    def __init__(self, schema: Schema, computed: ByName, attributes: Sequence[str]) -> None:
        self.all_user = not attributes or "*" in attributes
        self.all_operational = "+" in attributes
        self.schemes = self.all_operational or PASSWORD_SCHEME.lower() in map(str.lower, attributes)
        self._schema = schema
        # An attribute is wanted with its subtypes, and under any further options.  RFC 4512 section 2.5
        self._wanted: list[tuple[frozenset[str], tuple[str, ...]]] = []
        classes: dict[str, frozenset[str]] = {}
        # Whoever has not bound may send a list of thousands: what is the same is worked out once.
        for selector in dict.fromkeys(map(str.lower, attributes)):
            name, *options = selector.split(";")
            if name[:1] == "@":
                names = classes.get(name)
                if names is None:
                    names = classes[name] = self._of_class(name[1:])
                if names:
                    self._wanted.append((names, tuple(options)))
            elif (attribute_type := schema.attribute_type(name)) is not None:  # "*", "+" and "1.1" name no type
                self._wanted.append((schema.with_subtypes(attribute_type), tuple(options)))
        self.computed: tuple[Computed, ...] = tuple(
            each for each in {each.name: each for each in computed.values()}.values() if self.shows(each.name)
        )
        self._shapes: dict[Shape, Shown] = {}
        # Whether it is there for whoever asks next; what was sent of entries is kept with it or not at all.
        self.kept = len(attributes) <= LONGEST and sum(map(len, attributes)) <= LONGEST_NAMES
        self.written: dict[Entry, bytes] = {}  # what was sent of entries, which never change

    def of(self, shape: Shape) -> Shown:
        """What is shown of the entries of this shape."""
        shown = self._shapes.get(shape)
        if shown is None:
            shown = self._shapes[shape] = tuple(
                (at, description) for at, description in enumerate(shape.descriptions) if self.shows(description)
            )
        return shown

    def attributes(self, entry: Entry) -> list[PartialAttribute]:
        """What is shown of an entry that has a name."""
        values = entry.values
        shown = [PartialAttribute(description, values[at]) for at, description in self.of(entry.shape)]
        for computed in self.computed:
            if worked_out := computed.values(entry):
                shown.append(PartialAttribute(computed.name, worked_out))
        return shown

    def shows(self, description: str) -> bool:
        """Whether an attribute of this description is meant."""
        attribute_type = self._schema.attribute_type(description)
        if attribute_type is not None and attribute_type.operational:
            if self.all_operational:
                return True
        elif self.all_user:
            return True
        name, *options = description.lower().split(";")
        return any(name in names and has_options(options, asked) for names, asked in self._wanted)

    def _of_class(self, name: str) -> frozenset[str]:
        """ "@person" is what the class requires and allows, and its superclasses do (RFC 4529 section 2)."""
        # One that is not recognised is as an attribute that is not.
        names: set[str] = set()
        for oid in self._schema.lineage(name):
            object_class = self._schema.object_class(oid)
            for each in (*object_class.must, *object_class.may) if object_class else ():
                attribute_type = self._schema.attribute_type(each)
                if attribute_type is not None:
                    names |= self._schema.with_subtypes(attribute_type)
        return frozenset(names)


class Lookups:
    """What is known of the schema that a directory has now."""

    def __init__(self, most_octets: int = KEPT) -> None:
        """`most_octets` is about how much room there is for entries as they are sent."""
        self._most_octets = most_octets
        self._schema: Schema | None = None
        self._computed: ByName | None = None
        self._choices: dict[tuple[str, ...], Choice] = {}
        self._subentries: dict[tuple[bytes, ...], bool] = {}
        self._bases: dict[str, DN] = {}
        self._kept = 0  # about how many octets there are in the choices' `written`
        self._directory: Directory | None = None
        self._search_at_once: SearchAtOnce | None = None

    def search_at_once(self, directory: Directory) -> SearchAtOnce | None:
        """How the directory is asked for what it finds at once, if it can be."""
        if directory is not self._directory:
            self._directory, self._search_at_once = directory, search_at_once_of(directory)
        return self._search_at_once

    def keep(self, choice: Choice, entry: Entry, octets: bytes) -> None:
        """Keep what was sent of an entry, a SearchResultEntry."""
        room = 2 * len(octets) + BESIDE
        self._kept += room
        if self._kept > self._most_octets:
            for each in self._choices.values():
                each.written.clear()
            self._kept = room
        choice.written[entry] = octets

    def base(self, text: str) -> DN:
        """The name that a baseObject says. Raises InvalidDN."""
        base = self._bases.get(text)
        if base is None:
            base = DN.parse(text)
            if len(text) <= LONGEST_BASE:
                if len(self._bases) >= MOST:
                    self._bases.clear()
                self._bases[text] = base
        return base

    def choice(self, directory: Directory, attributes: tuple[str, ...]) -> Choice:
        """Which attributes these selectors mean."""
        self._renew(directory)
        choice = self._choices.get(attributes)
        if choice is None:
            choice = Choice(directory.schema, directory.computed, attributes)
            if choice.kept:
                if len(self._choices) >= MOST:
                    self._choices.clear()
                self._choices[attributes] = choice
        return choice

    def is_subentry(self, directory: Directory, classes: tuple[bytes, ...]) -> bool:
        """Whether an entry of these classes is a subentry, RFC 3672 section 2."""
        self._renew(directory)
        found = self._subentries.get(classes)
        if found is None:
            if len(self._subentries) >= MOST:
                self._subentries.clear()
            found = self._subentries[classes] = any(
                name.lower() in _SUBENTRIES or _SUBENTRY in directory.schema.lineage(name.decode("utf-8", "replace"))
                for name in classes
            )
        return found

    def _renew(self, directory: Directory) -> None:
        if directory.schema is not self._schema or directory.computed is not self._computed:
            self._schema, self._computed = directory.schema, directory.computed
            self._choices.clear()
            self._subentries.clear()
