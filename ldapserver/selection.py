"""What of an entry is shown (RFC 4511 section 4.5.1.8, RFC 3673, RFC 4529, RFC 3876)."""

from collections.abc import Sequence

from ldapserver.access import Identity
from ldapserver.directory.dialect import Shown
from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import Test, compile_filter
from ldapserver.lookups import PASSWORD_SCHEME
from ldapserver.service import Service
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import PartialAttribute, SearchResultEntry


class Selection:
    """One selection, of `attributes` as a SearchRequest has them, for whoever `identity` is.

    With `values`, only those values are shown of which one of these filters is true. `base_object` is whether the
    request is about one entry, which it names.
    """

    def __init__(
        self,
        service: Service,
        identity: Identity,
        attributes: Sequence[str],
        *,
        types_only: bool = False,
        values: Sequence[Filter] | None = None,
        base_object: bool = True,
    ) -> None:
        self._directory = service.directory
        self._types_only = types_only
        self._shown: Shown | None = None
        if (dialect := service.directory.dialect) is not None:
            self._shown = dialect.shown(attributes, base_object=base_object)
            attributes = self._shown.attributes
        self._choice = service.lookups.choice(service.directory, tuple(attributes))
        # Whether the directory is asked for more than the entry, which may take its time.
        self.asks = identity.admin and self._choice.schemes
        self._matched: list[Test] | None = None
        if values is not None:
            self._matched = [compile_filter(filter, service.directory.schema) for filter in values]

    async def result(self, entry: Entry) -> SearchResultEntry:
        """The entry as it is shown."""
        attributes = self._attributes(entry)
        if self.asks and (account := await self._directory.account_at(entry.dn)) is not None:
            schemes = tuple(dict.fromkeys(password.scheme.encode() for password in account.passwords))
            if schemes:
                attributes.append(PartialAttribute(PASSWORD_SCHEME, schemes))
        return self._result(entry, attributes)

    def result_at_once(self, entry: Entry) -> SearchResultEntry:
        """The same where the selection `asks` nothing."""
        return self._result(entry, self._attributes(entry))

    def _result(self, entry: Entry, attributes: list[PartialAttribute]) -> SearchResultEntry:
        # Where no values are shown, which of them match has no effect.  RFC 3876 section 2
        if self._matched is not None and not self._types_only:
            attributes = self._only_matched(entry, attributes, self._matched)
        if self._shown is not None:
            attributes = self._shown.cut(attributes)
        if self._types_only:
            attributes = [PartialAttribute(attribute.type, ()) for attribute in attributes]
        return SearchResultEntry(str(entry.dn), tuple(attributes))

    def _attributes(self, entry: Entry) -> list[PartialAttribute]:
        choice = self._choice
        if not entry.dn.rdns and choice.all_user:
            # The attributes of the root DSE are operational; who asks for nothing special is shown them all the same,
            # as by Active Directory, whose clients count on it.
            return [PartialAttribute(description, shown) for description, shown in entry]
        if entry.dn.rdns:
            return choice.attributes(entry)
        return [PartialAttribute(description, entry.values[at]) for at, description in choice.of(entry.shape)]

    def _only_matched(
        self, entry: Entry, attributes: list[PartialAttribute], tests: list[Test]
    ) -> list[PartialAttribute]:
        """An attribute of which no value matches is left out, as by slapd."""
        matched = []
        for attribute in attributes:
            values = tuple(
                value for value in attribute.values if _any(tests, Entry(entry.dn, ((attribute.type, (value,)),)))
            )
            if values:
                matched.append(PartialAttribute(attribute.type, values))
        return matched


def _any(tests: list[Test], entry: Entry) -> bool:
    return any(test(entry) for test in tests)
