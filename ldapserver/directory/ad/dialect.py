"""A domain's side of the seam `directory/dialect.py`: each answer is one of this package's functions."""

from collections.abc import Callable, Mapping, Sequence

from ldapserver.directory.ad.anr import ANR_SET
from ldapserver.directory.ad.constructed import BASE_OBJECT_ONLY
from ldapserver.directory.ad.filters import Surroundings, rewrite
from ldapserver.directory.ad.links import Links
from ldapserver.directory.ad.name_values import meant_in_filter
from ldapserver.directory.ad.naming import bound_as, named
from ldapserver.directory.ad.ranges import (
    MAX_PAGE_SIZE,
    MAX_VAL_RANGE,
    RANGE_OPTION,
    InvalidRange,
    Range,
    in_range,
    split_range,
)
from ldapserver.directory.ad.root_dse import (
    Facts,
    aggregate,
    configuration_naming_context,
    root_dse_attributes,
    schema_naming_context,
)
from ldapserver.directory.dialect import RootDSE
from ldapserver.directory.names import dns_domain
from ldapserver.directory.profile import View
from ldapserver.directory.schema import Schema
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import PartialAttribute

_NOTHING = ("1.1",)  # "no attributes", RFC 4511 section 4.5.1.8: an empty list would stand for all


class DomainDialect:
    """How clients speak with the domain `domain`; `highest_usn` gives the number of its last update."""

    max_page_size = MAX_PAGE_SIZE

    def __init__(self, view: View, links: Links, domain: DN, highest_usn: Callable[[], int]) -> None:
        self.subschema = aggregate(domain)
        self._view = view
        self._domain = domain
        self._highest_usn = highest_usn
        # An attribute that is not known would make an item Undefined, and so the negation of every aNR.
        anr_set = tuple(name for name in ANR_SET if view.schema.attribute_type(name) is not None)
        self._surroundings = Surroundings(schema_naming_context(domain), links.pointing, anr_set, self._meant)

    def dn(self, text: str) -> DN | None:
        """See `Dialect`."""
        return named(self._view, text, self._domain)

    def bound_as(self, name: str) -> DN | None:
        """See `Dialect`."""
        return bound_as(self._view, name, self._domain)

    def filter(self, filter: Filter) -> Filter:
        """See `Dialect`."""
        return rewrite(filter, self._surroundings)

    def _meant(self, attribute: str, value: bytes) -> bytes:
        return meant_in_filter(self._view, attribute, value, self._domain)

    def shown(self, attributes: Sequence[str], *, base_object: bool) -> "Ranged":
        """See `Dialect`."""
        return Ranged(self._view.schema, attributes, base_object=base_object)

    def root_dse(self, attributes: RootDSE, computer: str) -> RootDSE:
        """See `Dialect`."""
        facts = Facts(self._domain, dns_domain(self._domain), computer, self._highest_usn(), self._view.clock.now())
        own = dict(root_dse_attributes(facts))
        merged = {**dict(attributes), **own}
        # Heads of naming contexts, where they are there: [MS-ADTS] 3.1.1.3.2.17
        heads = (configuration_naming_context(self._domain), schema_naming_context(self._domain))
        contexts = (*merged.get("namingContexts", ()), *[str(dn) for dn in heads if self._view.entry(dn) is not None])
        merged["namingContexts"] = tuple(dict.fromkeys(contexts))
        merged["supportedControl"] = (*merged.get("supportedControl", ()), RANGE_OPTION)
        return tuple(merged.items())


class Ranged:
    """A list of attribute selectors with ranges in it ([MS-ADTS] 3.1.1.3.1.3.3), and long attributes cut to one.

    tokenGroups is given of the one entry that a request names, and of no other: [MS-ADTS] 3.1.1.4.5.19.
    """

    def __init__(self, schema: Schema, attributes: Sequence[str], *, base_object: bool) -> None:
        self._schema = schema
        self._base_object = base_object
        self._ranges: Mapping[str, Range] = {}
        self.attributes = tuple(attributes)
        if any(";" in each for each in attributes):
            self._read()

    def _read(self) -> None:
        kept: list[str] = []
        ranges: dict[str, Range] = {}
        for selector in self.attributes:
            try:
                name, asked = split_range(selector)
            except InvalidRange:
                continue  # as an attribute that is not recognised: RFC 4511 section 4.5.1.8
            kept.append(name)
            if asked is not None:
                ranges[self._key(name)] = asked
        self.attributes = tuple(kept) if kept or not self.attributes else _NOTHING
        self._ranges = ranges

    def cut(self, attributes: Sequence[PartialAttribute]) -> list[PartialAttribute]:
        """See `Shown`."""
        given: list[PartialAttribute] = []
        for attribute in attributes:
            if not self._base_object and attribute.type.lower() in BASE_OBJECT_ONLY:
                continue
            asked = self._ranges.get(self._key(attribute.type)) if self._ranges else None
            if asked is None and len(attribute.values) <= MAX_VAL_RANGE:
                given.append(attribute)
            else:
                parts = in_range(attribute.type, attribute.values, asked)
                given += [PartialAttribute(description, values) for description, values in parts]
        return given

    def _key(self, description: str) -> str:
        """The type and its options, whatever name of the type is written."""
        name, *options = description.lower().split(";")
        attribute_type = self._schema.attribute_type(name)
        return ";".join([attribute_type.oid if attribute_type else name, *sorted(options)])
