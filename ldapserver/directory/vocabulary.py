"""Which names are in use in a directory, and the schema that knows them all: it grows with what is written."""

from copy import copy
from typing import Self

from ldapserver.directory.entry import Entry, Shape
from ldapserver.directory.names import PEOPLE
from ldapserver.directory.schema import Schema


class Vocabulary:
    """The attribute descriptions and object classes of all entries there are or were."""

    def __init__(self, schema: Schema) -> None:
        self._schema: Schema = schema
        self._grown = True  # whether `schema` knows all names
        self._descriptions: dict[str, None] = {}
        self._classes: dict[str, None] = {}
        self._shapes: set[Shape] = set()
        self._somebody: dict[tuple[bytes, ...], bool] = {}  # by the values of objectClass
        self._people = {schema.oid(name) for name in PEOPLE}

    def copy(self) -> Self:
        """One that learns on its own from here."""
        other = copy(self)
        other._descriptions = self._descriptions.copy()
        other._classes = self._classes.copy()
        other._shapes = self._shapes.copy()
        other._somebody = self._somebody.copy()
        return other

    def learn(self, entry: Entry) -> bool:
        """Take note of the names that `entry` uses; whether its classes make it somebody."""
        if entry.shape not in self._shapes:
            self._shapes.add(entry.shape)
            self._descriptions.update(dict.fromkeys(entry.shape.descriptions))
            self._grown = False
        classes = entry.get("objectClass")
        somebody = self._somebody.get(classes)
        if somebody is None:
            self._classes.update(dict.fromkeys([name.decode("utf-8", "replace") for name in classes]))
            self._grown = False
            somebody = self._somebody[classes] = self.is_somebody(entry)
        return somebody

    def is_somebody(self, entry: Entry) -> bool:
        """Whether the entry is of a class whose entries can bind, password or no."""
        classes = entry.get("objectClass")
        known = self._somebody.get(classes)
        if known is not None:
            return known
        return any(self._people & self._schema.lineage(name.decode("utf-8", "replace")) for name in classes)

    @property
    def schema(self) -> Schema:
        """The definitions there were, and a generated one for every other name."""
        if not self._grown:
            self._schema = self._schema.extended(self._descriptions, self._classes)
            self._grown = True
        return self._schema
