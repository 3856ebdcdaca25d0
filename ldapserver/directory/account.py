"""Who can authenticate, and with what: the secrets an entry's attributes stand for, kept apart from the entry."""

from dataclasses import dataclass, field

from ldapserver.directory.authzid import AuthzId
from ldapserver.directory.schemes import StoredPassword
from ldapserver.wire.dn import DN
from sasl_digest import Credential


class AmbiguousName(LookupError):
    """More than one entry answers to the name, so nobody is authenticated by it."""


@dataclass(frozen=True, slots=True)
class Account:
    """An entry that a name and a password may stand for.

    `name` is what an audit record calls it. `credential` is for DIGEST-MD5, None when nothing stored can be used for
    it; a simple bind succeeds by any one of `passwords`. `authz_to` is who it may act as beside itself.
    """

    dn: DN
    name: str
    credential: Credential | None = field(default=None, repr=False)
    passwords: tuple[StoredPassword, ...] = field(default=(), repr=False)
    authz_to: tuple[AuthzId, ...] = ()
