"""What a verifier may hold about an account, and which secrets it offers for the names a client sent."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from sasl_digest.digest import converted, h, secret
from sasl_digest.errors import UsageError

READINGS = 3  # how many a Password offers at most
# What a record calls them.
CONVERTED = "iso-8859-1 where it fits"
RAW = "utf-8"
MIXED = "utf-8, password iso-8859-1 where it fits"


class Credential(Protocol):
    """Anything that can offer H(username:realm:password) for a pair of names."""

    def secrets(self, username: str, realm: str) -> Iterable[bytes]:
        """The 16-octet secrets that prove this account under these names, the likeliest first; maybe none."""
        ...


def reading_of(credential: Credential, username: str, realm: str, position: int) -> str | None:
    """What a record calls the reading of these names that `secrets()` has at `position`.

    A credential with several readings of the same names says so by a method `reading(username, realm, position)`;
    None where there is no such method, or nothing to tell.
    """
    told = getattr(credential, "reading", None)
    reading: str | None = None if told is None else told(username, realm, position)
    return reading


@dataclass(frozen=True, slots=True)
class Password:
    """The password itself: it offers a secret for every realm, in each reading that real clients use."""

    password: str = field(repr=False)

    def __post_init__(self) -> None:
        """Raises UsageError for a password that UTF-8 cannot write: no client could send its digest."""
        if not self.password.isascii():
            try:
                self.password.encode()
            except UnicodeEncodeError:
                raise UsageError("password: cannot be written in UTF-8") from None

    def secrets(self, username: str, realm: str) -> tuple[bytes, ...]:
        """One secret for ASCII; otherwise three, for clients disagree about what is hashed, some of them alike."""
        password = self.password
        line = f"{username}:{realm}:{password}"
        if line.isascii():
            return (h(line.encode()),)
        return (
            # RFC 2831 section 2.1.2.1: each string in ISO 8859-1 where it fits (Cyrus SASL, OpenJDK, Windows)
            secret(converted(username), converted(realm), converted(password)),
            # UTF-8 as sent (ldap3 2.9.1, Authen::SASL::Perl, go-ldap, ldapts, PEAR, pure-sasl)
            h(line.encode()),
            # names in UTF-8, the password converted (GNU SASL)
            secret(username.encode(), realm.encode(), converted(password)),
        )

    def reading(self, username: str, realm: str, position: int) -> str | None:
        """See `reading_of`; in ASCII all three are one."""
        if username.isascii() and realm.isascii() and self.password.isascii():
            return None
        return (CONVERTED, RAW, MIXED)[position]


@dataclass(frozen=True, slots=True)
class HA1:
    """A stored H(username:realm:password), 16 octets.

    With `username` or `realm` given it is offered only for exactly those names: a hash proves nothing about
    names it was not made of.
    """

    secret: bytes = field(repr=False)
    username: str | None = None
    realm: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError unless `secret` has 16 octets."""
        if len(self.secret) != 16:
            raise UsageError(f"HA1: {len(self.secret)} octets; MD5 has 16")

    def secrets(self, username: str, realm: str) -> tuple[bytes, ...]:
        """The stored secret, or none when the names differ from those it was made of."""
        if self.username not in (None, username) or self.realm not in (None, realm):
            return ()
        # As much work as for a password, so that the time of a failure does not tell what is stored.
        secret(username.encode(), realm.encode(), self.secret)
        return (self.secret,)
