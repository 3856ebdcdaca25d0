"""Who can authenticate, and with what: the secrets an entry's attributes stand for, kept apart from the entry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from ldapserver.directory.account_state import AccountState, read_state
from ldapserver.directory.authzid import AuthzId
from ldapserver.directory.entry import Entry
from ldapserver.directory.password_history import NAMES as HISTORY
from ldapserver.directory.password_history import former
from ldapserver.directory.schemes import (
    InvalidPassword,
    StoredPassword,
    StoredWDigest,
    credential_of,
    read_password,
    read_supplemental_credentials,
)
from ldapserver.wire.dn import DN
from sasl_digest import Credential

USER_PASSWORD = ("userpassword", "2.5.4.35")
SUPPLEMENTAL_CREDENTIALS = ("supplementalcredentials", "1.2.840.113556.1.4.125")


class AmbiguousName(LookupError):
    """More than one entry answers to the name, so nobody is authenticated by it; `dns` are their names."""

    def __init__(self, text: str, dns: tuple[DN, ...] = ()) -> None:
        super().__init__(text)
        self.dns = dns


@dataclass(frozen=True, slots=True)
class Account:
    """An entry that a name and a password may stand for.

    `name` is what an audit record calls it. `credential` is for DIGEST-MD5, None when nothing stored can be used for
    it; a simple bind succeeds by any one of `passwords`. `authz_to` is who it may act as beside itself. `state` is
    None where the entry says nothing about it. `former` are the last two passwords before, in the same two ways.
    """

    dn: DN
    name: str
    credential: Credential | None = field(default=None, repr=False)
    passwords: tuple[StoredPassword, ...] = field(default=(), repr=False)
    authz_to: tuple[AuthzId, ...] = ()
    state: AccountState | None = None
    former: tuple[StoredPassword, ...] = field(default=(), repr=False)
    former_credential: Credential | None = field(default=None, repr=False)

    @property
    def has_wdigest(self) -> bool:
        """Whether some of its passwords are hashes of the domain's names too."""
        return any(isinstance(password, StoredWDigest) for password in (*self.passwords, *self.former))

    def with_state(self, state: AccountState) -> "Account":
        """The same account in this state."""
        return Account(
            self.dn,
            self.name,
            self.credential,
            self.passwords,
            self.authz_to,
            state,
            self.former,
            self.former_credential,
        )

    def in_domain(self, principal_name: str | None, netbios: str, realm: str, *, saslprep: bool) -> "Account":
        """The same account, with this userPrincipalName, in the domain of these two names."""

        def named(each: StoredPassword) -> StoredPassword:
            return each.named(principal_name, netbios, realm) if isinstance(each, StoredWDigest) else each

        passwords, former = tuple(map(named, self.passwords)), tuple(map(named, self.former))
        return replace(
            self,
            credential=credential_of(passwords, saslprep=saslprep),
            passwords=passwords,
            former=former,
            former_credential=credential_of(former) if former else None,
        )


def read_account(
    entry: Entry, name: str, secrets: Sequence[tuple[str, tuple[bytes, ...]]], *, saslprep: bool
) -> Account:
    """The account that an entry of this name and these password attributes is.

    Raises InvalidPassword, InvalidAuthzId and InvalidAccountState.
    """
    passwords = _passwords(secrets, name)
    credential = credential_of(passwords, saslprep=saslprep)
    authz_to = tuple([AuthzId.of_rule(value) for value in entry.get("authzTo")])
    state = read_state(entry)
    if not any(description.lower() in HISTORY for description, _ in secrets):
        return Account(entry.dn, name, credential, passwords, authz_to, state)
    before = former(secrets, name)
    return Account(entry.dn, name, credential, passwords, authz_to, state, before, credential_of(before))


class ProvedPassword(bytes):
    """A password, and which of the dear forms that an account holds were found to be made of it."""

    forms: frozenset[StoredPassword]

    @classmethod
    def of(cls, password: bytes, forms: Iterable[StoredPassword]) -> Self:
        """`password` with these."""
        proved = cls(password)
        proved.forms = frozenset(forms)
        return proved


def verifies(username: str, description: str, stored: bytes, given: bytes) -> bool:
    """Whether `given` is the password that a stored value of the account `username` was made of.

    What takes long is not computed here, where everybody waits for it: a `ProvedPassword` says what came of it.
    """
    if description.partition(";")[0].lower() not in USER_PASSWORD:
        return False
    try:
        password = read_password(stored, username)
    except InvalidPassword:
        return False
    if password.dear:
        return isinstance(given, ProvedPassword) and password in given.forms
    return password.check(given)


def _passwords(secrets: Iterable[tuple[str, tuple[bytes, ...]]], username: str) -> tuple[StoredPassword, ...]:
    """The passwords that can be checked; the other secrets are only kept from being seen."""
    passwords: list[StoredPassword] = []
    for description, values in secrets:
        attribute = description.partition(";")[0].lower()
        if attribute in USER_PASSWORD:
            passwords += [read_password(value, username) for value in values]
        elif attribute in SUPPLEMENTAL_CREDENTIALS:
            stored = [read_supplemental_credentials(value, username) for value in values]
            passwords += [password for password in stored if password is not None]
    return tuple(passwords)
