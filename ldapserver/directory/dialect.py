"""What the clients of a directory of a certain make say otherwise than the RFCs have it, and what they are told.

The seam that Active Directory's names, filters, ranges and limits stand behind. A directory that keeps to the RFCs
has none, and whoever asks for it pays one look at an attribute.
"""

from collections.abc import Sequence
from typing import Protocol

from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import PartialAttribute

RootDSE = Sequence[tuple[str, tuple[str, ...]]]


class Shown(Protocol):
    """One list of attribute selectors, understood."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The list as the RFCs have it."""
        ...

    def cut(self, attributes: Sequence[PartialAttribute]) -> list[PartialAttribute]:
        """What is given of an entry's attributes that were selected."""
        ...


class Dialect(Protocol):
    """Requests as they are meant, and answers as they are expected."""

    @property
    def subschema(self) -> DN:
        """A further name of the subschema entry."""
        ...

    @property
    def max_page_size(self) -> int:
        """The most entries in one answer, whoever asks."""
        ...

    def dn(self, text: str) -> DN | None:
        """The name that stands for a DN in another form; None for a name of no such form.

        Raises InvalidDN, and LookupError when it is of nothing that there is.
        """
        ...

    def bound_as(self, name: str) -> DN | None:
        """Whom a name in a bind stands for. Raises AmbiguousName."""
        ...

    def filter(self, filter: Filter) -> Filter:
        """The filter that says the same in the RFCs' terms."""
        ...

    def shown(self, attributes: Sequence[str], *, base_object: bool) -> Shown:
        """The attribute selectors of a request; `base_object` is whether it is about one entry that it names."""
        ...

    def root_dse(self, attributes: RootDSE, computer: str) -> RootDSE:
        """The root DSE, with what stands in it already; `computer` is the server's full name."""
        ...
