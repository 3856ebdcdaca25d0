"""The stored forms of a password: what a `userPassword` value means and how a simple bind is checked against it.

    value = [ "{" scheme "}" ] stored           RFC 2307 section 5.3, RFC 3112 for the look of a scheme's name

The only reader of stored text. A scheme that is not known is refused when it is read: a hash of an unknown kind that
was taken for clear text would be a password by itself.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from sasl_digest import HA1, Credential, Password, UsageError, WDigest
from sasl_digest.credentials import READINGS, reading_of
from sasl_digest.saslprep import prepare
from sasl_digest.wdigest import HASHES, from_supplemental_credentials, pack, unpack

MAX_ITERATIONS = 10_000_000  # of PBKDF2, some seconds of work: an LDIF file cannot ask for an hour of it
MAX_SALT = 1024  # octets; sixteen are usual


class InvalidPassword(ValueError):
    """A stored password is of no known form; the text names the scheme and the rule, and no part of the secret."""


class StoredPassword(Protocol):
    """One stored value, as a simple bind sees it."""

    @property
    def scheme(self) -> str:
        """What the form is called, without braces."""
        ...

    @property
    def dear(self) -> bool:
        """Whether a check takes long enough (over 1 ms) to belong on another thread."""
        ...

    @property
    def cost(self) -> int:
        """How many hashes a check computes: what is compared to find the dearest."""
        ...

    def check(self, password: bytes) -> bool:
        """Whether this is the password, in time that does not depend on where it differs."""
        ...

    def noise(self) -> "StoredPassword":
        """A value of the same form and cost, of random octets: no password is the one."""
        ...


@dataclass(frozen=True, slots=True)
class ClearText:
    """The password itself."""

    scheme: ClassVar[str] = "CLEARTEXT"
    dear: ClassVar[bool] = False
    cost: ClassVar[int] = 0
    password: bytes = field(repr=False)

    def check(self, password: bytes) -> bool:
        """See `StoredPassword`."""
        return hmac.compare_digest(self.password, password)

    def noise(self) -> "ClearText":
        """See `StoredPassword`."""
        return ClearText(secrets.token_bytes(16))


@dataclass(frozen=True, slots=True)
class StoredHA1:
    """H(username:realm:password) of RFC 2831, made for this one name and realm."""

    scheme: ClassVar[str] = "HA1"
    dear: ClassVar[bool] = False
    cost: ClassVar[int] = 1
    username: str
    realm: str
    secret: bytes = field(repr=False)

    def check(self, password: bytes) -> bool:
        """See `StoredPassword`; in each reading of the three strings that real clients hash."""
        return _is_made_of(self.secret, self.username, self.realm, password)

    def noise(self) -> "StoredHA1":
        """See `StoredPassword`."""
        return StoredHA1(self.username, self.realm, secrets.token_bytes(16))


@dataclass(frozen=True, slots=True)
class StoredWDigest:
    """The 29 hashes of Active Directory (`sasl_digest.wdigest`), from {WDIGEST} or supplementalCredentials.

    As it is read it knows the account's own name alone; `named` says the others, once they are known.
    """

    scheme: ClassVar[str] = "WDIGEST"
    dear: ClassVar[bool] = False
    cost: ClassVar[int] = 1
    wdigest: WDigest

    def named(self, user_principal_name: str | None, netbios: str, realm: str) -> "StoredWDigest":
        """The same hashes of an account with this userPrincipalName in the domain of these two names."""
        wdigest = replace(self.wdigest, user_principal_name=user_principal_name, netbios=netbios, dns=realm)
        return StoredWDigest(wdigest)

    def check(self, password: bytes) -> bool:
        """See `StoredPassword`. Hash21 is of the account's own name and `Digest`, and outlives a renamed domain."""
        hash21 = unpack(self.wdigest.blobs[0])[20]
        return _is_made_of(hash21, self.wdigest.sam_account_name, "Digest", password)

    def noise(self) -> "StoredWDigest":
        """See `StoredPassword`."""
        return StoredWDigest(replace(self.wdigest, blobs=(pack([secrets.token_bytes(16) for _ in range(HASHES)]),)))


def _is_made_of(secret: bytes, username: str, realm: str, password: bytes) -> bool:
    """Whether `secret` is H(username:realm:password) in a reading of the three that real clients hash."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        text = password.decode("latin-1")  # its ISO 8859-1 reading is then the octets as they came
    matches = False
    for offered in Password(text).secrets(username, realm):
        matches |= hmac.compare_digest(secret, offered)
    return matches


@dataclass(frozen=True, slots=True)
class SaltedDigest:
    """{SSHA} and its relatives: one hash over the password and a salt."""

    dear: ClassVar[bool] = False
    cost: ClassVar[int] = 1
    algorithm: str
    digest: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    @property
    def scheme(self) -> str:
        """See `StoredPassword`."""
        return next(scheme.decode() for scheme, (algorithm, _) in _SALTED.items() if algorithm == self.algorithm)

    def check(self, password: bytes) -> bool:
        """See `StoredPassword`."""
        return hmac.compare_digest(self.digest, hashlib.new(self.algorithm, password + self.salt).digest())

    def noise(self) -> "SaltedDigest":
        """See `StoredPassword`."""
        return SaltedDigest(self.algorithm, secrets.token_bytes(len(self.digest)), self.salt)


@dataclass(frozen=True, slots=True)
class PBKDF2:
    """{PBKDF2-SHA256}: RFC 8018 section 5.2 with HMAC-SHA-256."""

    scheme: ClassVar[str] = "PBKDF2-SHA256"
    dear: ClassVar[bool] = True
    iterations: int
    salt: bytes = field(repr=False)
    derived_key: bytes = field(repr=False)

    @property
    def cost(self) -> int:
        """See `StoredPassword`; each iteration is an HMAC, which is two hashes."""
        return 2 * self.iterations

    def check(self, password: bytes) -> bool:
        """See `StoredPassword`."""
        derived_key = hashlib.pbkdf2_hmac("sha256", password, self.salt, self.iterations)
        return hmac.compare_digest(self.derived_key, derived_key)

    def noise(self) -> "PBKDF2":
        """See `StoredPassword`."""
        return PBKDF2(self.iterations, self.salt, secrets.token_bytes(len(self.derived_key)))


@dataclass(frozen=True, slots=True)
class Several:
    """Every secret of several credentials: an account may have more than one password."""

    credentials: tuple[Credential, ...]

    def secrets(self, username: str, realm: str) -> list[bytes]:
        """What each of the credentials offers, one after the other."""
        return [secret for credential in self.credentials for secret in credential.secrets(username, realm)]

    def reading(self, username: str, realm: str, position: int) -> str | None:
        """See `reading_of`: what the credential says whose secret stands there."""
        for credential in self.credentials:
            offered = len(tuple(credential.secrets(username, realm)))
            if position < offered:
                return reading_of(credential, username, realm, position)
            position -= offered
        return None


def read_password(value: bytes, username: str) -> StoredPassword:
    """What a `userPassword` value of the account `username` means, or raise `InvalidPassword`."""
    if not value.startswith(b"{"):
        return _clear_text(value)
    name, brace, rest = value[1:].partition(b"}")
    if not brace:
        return _clear_text(value)
    scheme = name.upper()
    if scheme == b"CLEARTEXT":
        return _clear_text(rest)
    if scheme == b"HA1":
        return _ha1(rest, username)
    if scheme == b"WDIGEST":
        return _wdigest(_base64("WDIGEST", "the blob", rest), username)
    if scheme in _SALTED:
        return _salted(scheme.decode(), rest)
    if scheme == b"PBKDF2-SHA256":
        return _pbkdf2(rest)
    # Something between braces that looks like no scheme may be part of a secret, so it is not repeated.
    shown = "{" + name.decode() + "}" if _SCHEME.fullmatch(name) else "what stands in braces"
    raise InvalidPassword(
        f"{shown} is no scheme known here ({', '.join(SCHEMES)}); a password that begins with "
        "a brace is written {CLEARTEXT}{..."
    )


def read_supplemental_credentials(value: bytes, username: str) -> StoredWDigest | None:
    """The WDigest hashes in a `supplementalCredentials` value of the account `username`, if it has any.

    What else Active Directory keeps there (Kerberos keys, NTLM's strong hash) is not used. Raises `InvalidPassword`.
    """
    if b"\0" not in value:  # a third of its octets are zero
        raise InvalidPassword("supplementalCredentials holds text; in LDIF its base64 stands behind two colons")
    try:
        blob = from_supplemental_credentials(value)
    except UsageError as error:
        raise InvalidPassword(f"supplementalCredentials: {error}") from None
    return None if blob is None else _wdigest(blob, username)


def credential_of(passwords: tuple[StoredPassword, ...], *, saslprep: bool = False) -> Credential | None:
    """What DIGEST-MD5 can use of these: clear text that is UTF-8, HA1 and WDIGEST; None when none of them is.

    With `saslprep` clear text is prepared first, and what cannot be raises `InvalidPassword`.
    """
    credentials = [_credential(password, saslprep) for password in passwords]
    usable = [credential for credential in credentials if credential is not None]
    if len(usable) > 1:
        return Several(tuple(usable))
    return usable[0] if usable else None


def most_secrets(credential: Credential | None) -> int:
    """How many secrets it may offer for one name."""
    return READINGS * (len(credential.credentials) if isinstance(credential, Several) else 1)


def _credential(password: StoredPassword, saslprep: bool) -> Credential | None:
    match password:
        case ClearText(octets):
            try:
                text = octets.decode()
            except UnicodeDecodeError:
                return None
            return Password(_prepared(text) if saslprep else text)
        case StoredHA1(username, realm, secret):
            return HA1(secret, username=username, realm=realm)
        case StoredWDigest(wdigest):
            return wdigest
        case _:
            return None


def _prepared(text: str) -> str:
    try:
        return prepare(text, "password")
    except UsageError as error:
        raise InvalidPassword(str(error)) from None


_SALTED = {b"SSHA": ("sha1", 20), b"SSHA256": ("sha256", 32), b"SSHA512": ("sha512", 64)}
SCHEMES = ("{CLEARTEXT}", "{HA1}", "{WDIGEST}", "{SSHA}", "{SSHA256}", "{SSHA512}", "{PBKDF2-SHA256}")
# The characters of RFC 3112 section 2, in either case.
_SCHEME = re.compile(rb"[0-9A-Za-z./_-]{1,32}")


def _clear_text(password: bytes) -> ClearText:
    # A simple bind with an empty password proves nothing (RFC 4513 section 5.1.2): no mechanism may accept one.
    if not password:
        raise InvalidPassword("the password is empty")
    return ClearText(password)


def _ha1(stored: bytes, username: str) -> StoredHA1:
    realm, colon, digits = stored.rpartition(b":")
    if not colon or not re.fullmatch(rb"[0-9A-Fa-f]{32}", digits):
        raise InvalidPassword("{HA1} is followed by a realm, a colon and 32 hex digits")
    try:
        return StoredHA1(username, realm.decode(), bytes.fromhex(digits.decode()))
    except UnicodeDecodeError:
        raise InvalidPassword("{HA1}: the realm is not UTF-8") from None


def _wdigest(blob: bytes, username: str) -> StoredWDigest:
    try:
        return StoredWDigest(WDigest((blob,), username, None, "", ""))
    except UsageError as error:
        raise InvalidPassword(f"{{WDIGEST}}: {error}") from None


def _salted(scheme: str, stored: bytes) -> SaltedDigest:
    algorithm, length = _SALTED[scheme.encode()]
    octets = _base64(scheme, "the digest and salt", stored)
    # Without a salt it would be {SHA} under a better name; OpenLDAP refuses it too.
    if not length < len(octets) <= length + MAX_SALT:
        raise InvalidPassword(
            f"{{{scheme}}} holds {len(octets)} octets: {length} of the digest and then a salt of 1 to {MAX_SALT}"
        )
    return SaltedDigest(algorithm, octets[:length], octets[length:])


def _pbkdf2(stored: bytes) -> PBKDF2:
    """OpenLDAP's contrib pw-pbkdf2 and passlib write ITERATIONS "$" SALT "$" DERIVED-KEY, in adapted base64."""
    parts = stored.split(b"$")
    if len(parts) != 3 or not re.fullmatch(rb"[1-9][0-9]{0,9}", parts[0]):
        raise InvalidPassword("{PBKDF2-SHA256} is followed by iterations, '$', the salt, '$' and the derived key")
    iterations = int(parts[0])
    if iterations > MAX_ITERATIONS:
        raise InvalidPassword(f"{{PBKDF2-SHA256}}: {iterations} iterations; at most {MAX_ITERATIONS} are computed")
    salt = _base64("PBKDF2-SHA256", "the salt", parts[1])
    derived_key = _base64("PBKDF2-SHA256", "the derived key", parts[2])
    if len(derived_key) != 32 or not 1 <= len(salt) <= MAX_SALT:
        raise InvalidPassword(
            f"{{PBKDF2-SHA256}}: a salt of {len(salt)} octets and a derived key of {len(derived_key)}; "
            f"1 to {MAX_SALT} and 32 are right"
        )
    return PBKDF2(iterations, salt, derived_key)


def _base64(scheme: str, what: str, text: bytes) -> bytes:
    """Base64, and the adapted form of it that has '.' for '+' and leaves the padding out."""
    text = text.rstrip(b"=").replace(b".", b"+")
    try:
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except Base64Error:
        raise InvalidPassword(f"{{{scheme}}}: {what} is not base64") from None
