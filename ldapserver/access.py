"""Who a connection is, who it may become, and what that lets it do: the one place that decides it.

An account may act as itself and as those its authzTo names. Anonymous may read the root DSE and the subschema; who
has bound may read every entry; `admin` is a name the operator gave, and may also see which kinds of secret an account
holds.
"""

from dataclasses import dataclass

from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.authzid import AuthzId, InvalidAuthzId
from ldapserver.directory.directory import Directory
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


async def acting_as(directory: Directory, account: Account, authzid: str) -> Account | None:
    """Who `account` becomes when it asks to act as `authzid`; None when it may not, or nobody is meant."""
    try:
        asked = await _meant(directory, AuthzId.parse(authzid))
    except InvalidAuthzId:
        return None
    if asked is None or asked.dn.key == account.dn.key:
        return asked
    for rule in account.authz_to:
        allowed = await _meant(directory, rule)
        if allowed is not None and allowed.dn.key == asked.dn.key:
            return asked
    return None


async def proxied(directory: Directory, identity: Identity, authzid: str) -> Account | None:
    """Whom a request of `identity` is carried out as under proxied authorization (RFC 4370); None when it may not.

    An administrator may act as any account, an account as `acting_as` says.
    """
    if identity.admin:
        try:
            return await _meant(directory, AuthzId.parse(authzid))
        except InvalidAuthzId:
            return None
    account = None if identity.anonymous else await directory.account_at(identity.dn)
    return None if account is None else await acting_as(directory, account, authzid)


async def _meant(directory: Directory, authzid: AuthzId) -> Account | None:
    if authzid.dn is not None:
        return await directory.account_at(authzid.dn)
    try:
        return await directory.find_account(authzid.name)
    except AmbiguousName:
        return None
