"""Which attributes of an entry are shown (RFC 4511 section 4.5.1.8, RFC 3673)."""

from collections.abc import Iterator, Sequence

from ldapserver.access import Identity
from ldapserver.directory.entry import Entry
from ldapserver.service import Service
from ldapserver.wire.messages import PartialAttribute, SearchResultEntry

# What an administrator sees of a secret: the forms it is stored in, computed, and only when asked for. It tells which
# accounts DIGEST-MD5 can verify at all.
PASSWORD_SCHEME = "userPasswordScheme"


class Selection:
    """One selection, of `attributes` as a SearchRequest has them, for whoever `identity` is."""

    def __init__(
        self, service: Service, identity: Identity, attributes: Sequence[str], *, types_only: bool = False
    ) -> None:
        self._directory = service.directory
        self._types_only = types_only
        self._all_user = not attributes or "*" in attributes
        self._all_operational = "+" in attributes
        # An attribute is wanted with its subtypes, and under any further options.  RFC 4512 section 2.5
        self._wanted: list[tuple[frozenset[str], frozenset[str]]] = []
        schema = self._directory.schema
        for description in attributes:
            name, *options = description.lower().split(";")
            attribute_type = schema.attribute_type(name)
            if attribute_type is not None:  # "*", "+" and "1.1" name no type
                self._wanted.append((schema.with_subtypes(attribute_type), frozenset(options)))
        self._shown: dict[str, bool] = {}  # of descriptions met so far
        computed = {each.name: each for each in self._directory.computed.values()}
        self._computed = [each for each in computed.values() if self._shows(each.name)]
        self._secrets = identity.admin and (
            self._all_operational or PASSWORD_SCHEME.lower() in map(str.lower, attributes)
        )

    async def result(self, entry: Entry) -> SearchResultEntry:
        """The entry as it is shown."""
        attributes = tuple(self._attributes(entry))
        if self._secrets and (account := await self._directory.account_at(entry.dn)) is not None:
            schemes = tuple(dict.fromkeys(password.scheme.encode() for password in account.passwords))
            if schemes:
                attributes += (PartialAttribute(PASSWORD_SCHEME, () if self._types_only else schemes),)
        return SearchResultEntry(str(entry.dn), attributes)

    def _attributes(self, entry: Entry) -> Iterator[PartialAttribute]:
        if entry.dn.rdns:
            for description, values in entry:
                if self._shows(description):
                    yield PartialAttribute(description, () if self._types_only else values)
            for computed in self._computed:
                if values := computed.values(entry):
                    yield PartialAttribute(computed.name, () if self._types_only else values)
            return
        # The attributes of the root DSE are operational; who asks for nothing special is shown them all the same,
        # as by Active Directory, whose clients count on it.
        for description, values in entry:
            if self._all_user or self._shows(description):
                yield PartialAttribute(description, () if self._types_only else values)

    def _shows(self, description: str) -> bool:
        shown = self._shown.get(description)
        if shown is None:
            shown = self._shown[description] = self._decide(description)
        return shown

    def _decide(self, description: str) -> bool:
        attribute_type = self._directory.schema.attribute_type(description)
        if attribute_type is not None and attribute_type.operational:
            if self._all_operational:
                return True
        elif self._all_user:
            return True
        name, *options = description.lower().split(";")
        return any(name in names and asked.issubset(options) for names, asked in self._wanted)
