"""Who a connection is, and what that lets it do: the one place that decides it.

Anonymous may read the root DSE and the subschema; who has bound may read every entry; `admin` is a name the
operator gave, and may also see which kinds of secret an account holds.
"""

from dataclasses import dataclass

from ldapserver.wire.dn import DN, ROOT


@dataclass(frozen=True, slots=True)
class Identity:
    """The authorization state of a connection (RFC 4513 section 4)."""

    dn: DN
    name: str
    admin: bool = False

    @property
    def anonymous(self) -> bool:
        """Whether nobody has bound."""
        return not self.dn.rdns

    @property
    def authzid(self) -> str:
        """As `Who am I?` answers: `dn:` and the name, empty for anonymous (RFC 4532 section 2.2)."""
        return "" if self.anonymous else f"dn:{self.dn}"


ANONYMOUS = Identity(ROOT, "")


def may_read_entries(identity: Identity, *, anonymous_search: bool) -> bool:
    """Whether entries of the directory may be read and compared."""
    return anonymous_search or not identity.anonymous
