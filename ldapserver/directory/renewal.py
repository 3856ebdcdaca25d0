"""A new password in every form that an account keeps of the old one (RFC 3062, and what else sets a password).

userPassword             one value a scheme there was, {HA1} one a realm; clear text where there was none
supplementalCredentials  the WDigest hashes alone: the other packages were made of the old password
unicodePwd and the like  dropped, for the same reason
"""

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from ldapserver.directory.ldif import Attributes
from ldapserver.directory.schemes import (
    PBKDF2,
    ClearText,
    InvalidPassword,
    SaltedDigest,
    StoredHA1,
    StoredPassword,
    StoredWDigest,
    read_password,
)
from sasl_digest import UsageError, WDigest
from sasl_digest.saslprep import prepare
from sasl_digest.wdigest import hashes, to_supplemental_credentials

ITERATIONS = 600_000  # of PBKDF2 with HMAC-SHA-256, as is recommended of it: what `own_password` allows users
SALT = 16  # octets, what RFC 8018 section 4.1 asks for and more
_USER_PASSWORD = ("userpassword", "2.5.4.35")
_SUPPLEMENTAL = ("supplementalcredentials", "1.2.840.113556.1.4.125")
# Hashes of a password that nothing here verifies and nothing here can make anew: NT, LM and Kerberos keys.
_STALE = frozenset(
    (
        *("unicodepwd", "1.2.840.113556.1.4.90", "dbcspwd", "1.2.840.113556.1.4.55"),
        *("sambalmpassword", "1.3.6.1.4.1.7165.2.1.24", "sambantpassword", "1.3.6.1.4.1.7165.2.1.25"),
        *("krbprincipalkey", "krb5key"),
    )
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The names that digests of a password are made with."""

    username: str
    user_principal_name: str | None
    netbios: str
    realm: str


def renewed(kept: Attributes, password: bytes, owner: Owner, *, saslprep: bool = False) -> Attributes:
    """The password attributes of an account that keeps those in `kept`, now that its password is `password`.

    With `saslprep` what is hashed for digests is prepared first (RFC 4013). Raises `InvalidPassword` for one that is
    empty, or that a form kept cannot hold; the text tells no part of it.
    """
    if not password:
        raise InvalidPassword("the password is empty")
    attributes: list[tuple[str, tuple[bytes, ...]]] = []
    for description, values in kept:
        name = description.partition(";")[0].lower()
        if name in _USER_PASSWORD:
            stored = [read_password(value, owner.username) for value in values]
            attributes.append((description, _values(stored, password, owner, saslprep)))
        elif name in _SUPPLEMENTAL:
            blobs = _wdigest(password, owner, saslprep).blobs
            attributes.append((description, tuple([to_supplemental_credentials(blob) for blob in blobs])))
        elif name not in _STALE:
            attributes.append((description, values))
    if not any(description.partition(";")[0].lower() in (*_USER_PASSWORD, *_SUPPLEMENTAL) for description, _ in kept):
        attributes.append(("userPassword", (_clear_text(password),)))
    return tuple(attributes)


# The forms that a password can be asked to be kept in. HA1 and WDIGEST are made with the owner's names.
_FORMS: dict[str, StoredPassword | None] = {
    "cleartext": ClearText(b""),
    "ha1": None,
    "wdigest": None,
    "ssha": SaltedDigest("sha1", b"", b""),
    "ssha256": SaltedDigest("sha256", b"", b""),
    "ssha512": SaltedDigest("sha512", b"", b""),
    "pbkdf2-sha256": PBKDF2(ITERATIONS, b"", b""),
}
FORMS = tuple(_FORMS)


def stored_as(
    forms: Sequence[str], kept: Attributes, password: bytes, owner: Owner, *, saslprep: bool = False
) -> Attributes:
    """As `renewed`, but in these of `FORMS` and no others, whatever was kept of the old password.

    Raises `InvalidPassword`.
    """
    if not password:
        raise InvalidPassword("the password is empty")
    values: list[bytes] = []
    for form in dict.fromkeys(forms):
        if form == "ha1":
            values.append(_ha1(password, owner.username, owner.realm, saslprep))
        elif form == "wdigest":
            values += _wdigests(password, owner, saslprep)
        elif (template := _FORMS[form]) is not None:
            values += _form(template, password, owner, saslprep)
    names = (*_USER_PASSWORD, *_SUPPLEMENTAL, *_STALE)
    others = [each for each in kept if each[0].partition(";")[0].lower() not in names]
    called = [each for each, _ in kept if each.lower() in _USER_PASSWORD]
    return (*others, (called[0] if called else "userPassword", tuple(values)))


def _values(stored: Sequence[StoredPassword], password: bytes, owner: Owner, saslprep: bool) -> tuple[bytes, ...]:
    values: dict[object, tuple[bytes, ...]] = {}
    for each in stored:
        kind = (each.scheme, each.realm) if isinstance(each, StoredHA1) else each.scheme
        if kind not in values:
            values[kind] = _form(each, password, owner, saslprep)
    return tuple(value for each in values.values() for value in each)


def _form(stored: StoredPassword, password: bytes, owner: Owner, saslprep: bool) -> tuple[bytes, ...]:
    """`password` as `stored` is written."""
    match stored:
        case StoredHA1(_, realm, _):
            return (_ha1(password, owner.username, realm, saslprep),)
        case StoredWDigest():
            return _wdigests(password, owner, saslprep)
        case SaltedDigest(algorithm):
            salt = secrets.token_bytes(SALT)
            digest = hashlib.new(algorithm, password + salt).digest()
            return (f"{{{stored.scheme}}}".encode() + b64encode(digest + salt),)
        case PBKDF2(iterations):
            salt = secrets.token_bytes(SALT)
            key = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
            return (b"{PBKDF2-SHA256}%d$%b$%b" % (iterations, _adapted(salt), _adapted(key)),)
        case ClearText():
            return (_clear_text(password),)
    raise InvalidPassword(f"{{{stored.scheme}}}: no password can be written in this form")


def _clear_text(password: bytes) -> bytes:
    # What begins with a brace would be read as a scheme.
    return b"{CLEARTEXT}" + password if password.startswith(b"{") else password


def _ha1(password: bytes, username: str, realm: str, saslprep: bool) -> bytes:
    (digest,) = hashes(_text("{HA1}", password, saslprep), [(username, realm)])
    return f"{{HA1}}{realm}:{digest.hex()}".encode()


def _wdigests(password: bytes, owner: Owner, saslprep: bool) -> tuple[bytes, ...]:
    return tuple([b"{WDIGEST}" + b64encode(blob) for blob in _wdigest(password, owner, saslprep).blobs])


def _wdigest(password: bytes, owner: Owner, saslprep: bool) -> WDigest:
    text = _text("WDigest", password, saslprep)
    return WDigest.of(text, owner.username, owner.user_principal_name, owner.netbios, owner.realm)


def _text(form: str, password: bytes, saslprep: bool) -> str:
    """The password as a string: the digests are of strings, in more than one encoding."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        raise InvalidPassword(f"{form} is made of a string, and the password is not UTF-8") from None
    if not saslprep:
        return text
    try:
        return prepare(text, "password")
    except UsageError as error:
        raise InvalidPassword(str(error)) from None


def _adapted(octets: bytes) -> bytes:
    """Base64 with '.' for '+' and no padding, as passlib and OpenLDAP's pw-pbkdf2 write it."""
    return b64encode(octets).rstrip(b"=").replace(b"+", b".")
