"""The 29 hashes that Active Directory keeps of a password for Digest ([MS-SAMR] 3.1.1.8.11.3 and 2.2.10.3).

Each is H(user:realm:password) under one of 29 pairs of names. With them DIGEST-MD5 can be verified for those pairs
and without the password. Where the document is wrong (forms 15 to 20) this does what Windows does: an empty realm
has its two colons.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from sasl_digest import user_properties
from sasl_digest.digest import converted, secret
from sasl_digest.errors import UsageError

HASHES = 29
BLOB_SIZE = 16 + HASHES * 16
PROPERTY = "Primary:WDigest"  # its name in supplementalCredentials

# Reserved1 (Windows writes 0x31), Reserved2, Version, NumberOfHashes, Reserved3.  2.2.10.3
_HEAD = bytes([0x31, 0, 1, HASHES]) + bytes(12)

Pair = tuple[str, str]


def forms(sam_account_name: str, user_principal_name: str | None, netbios: str, dns: str) -> tuple[Pair, ...]:
    """The (user, realm) pairs of Hash1 to Hash29, in this order.

    `netbios` and `dns` are the domain's two names. An account without a userPrincipalName has the implicit one.
    """
    sam = sam_account_name
    upn = f"{sam}@{dns}" if user_principal_name is None else user_principal_name
    sam_l, sam_u, upn_l, upn_u = lower(sam), upper(sam), lower(upn), upper(upn)
    nb_l, nb_u, dns_l, dns_u = lower(netbios), upper(netbios), lower(dns), upper(dns)
    both, both_l, both_u = f"{netbios}\\{sam}", f"{nb_l}\\{sam_l}", f"{nb_u}\\{sam_u}"
    return (
        *(
            (sam, netbios),
            (sam_l, nb_l),
            (sam_u, nb_u),
            (sam, nb_u),
            (sam, nb_l),
            (sam_u, nb_l),
            (sam_l, nb_u),
        ),  # 1-7
        *(
            (sam, dns),
            (sam_l, dns_l),
            (sam_u, dns_u),
            (sam, dns_u),
            (sam, dns_l),
            (sam_u, dns_l),
            (sam_l, dns_u),
        ),  # 8
        *((upn, ""), (upn_l, ""), (upn_u, "")),  # 15 to 17
        *((both, ""), (both_l, ""), (both_u, "")),  # 18 to 20, one backslash
        *((sam, "Digest"), (sam_l, "Digest"), (sam_u, "Digest")),  # 21 to 23, in this case always
        *((upn, "Digest"), (upn_l, "Digest"), (upn_u, "Digest")),  # 24 to 26
        *((both, "Digest"), (both_l, "Digest"), (both_u, "Digest")),  # 27 to 29
    )


def upper(text: str) -> str:
    """`text` in upper case by Unicode's simple mapping, one character for one: `ß` stays (as in Samba)."""
    if text.isascii():
        return text.upper()
    return "".join([_one(character, character.upper(), character.title()) for character in text])


def lower(text: str) -> str:
    """`text` in lower case by Unicode's simple mapping, one character for one."""
    if text.isascii():
        return text.lower()
    # Of all characters only U+0130 has more than one in its full mapping; the simple one is `i`.
    return "".join(["i" if character == "\u0130" else character.lower() for character in text])


def _one(character: str, *mappings: str) -> str:
    # Python gives the full mappings. Where the upper case has several characters, the simple one is the title
    # case if that is one character (Greek with iota subscript), else there is none (`ß`, ligatures).
    return next((mapping for mapping in mappings if len(mapping) == 1), character)


def utf8(text: str) -> bytes:
    """`text` in UTF-8, the other reading: Samba stores it, ldap3 2.9.1 and other clients hash it."""
    return text.encode()


def hashes(password: str, pairs: Iterable[Pair], reading: Callable[[str], bytes] = converted) -> tuple[bytes, ...]:
    """H(user:realm:password) for each pair, the strings read one by one.

    The default reading is RFC 2831's: ISO 8859-1 where the string fits. Raises UsageError for text no UTF-8 can be.
    """
    try:
        octets = reading(password)
    except UnicodeEncodeError:
        raise UsageError("password: cannot be written in UTF-8") from None
    try:
        return tuple([secret(reading(user), reading(realm), octets) for user, realm in pairs])
    except UnicodeEncodeError:
        raise UsageError("names of the account: cannot be written in UTF-8") from None


def pack(hashes: Sequence[bytes]) -> bytes:
    """The WDIGEST_CREDENTIALS of 29 hashes, 480 octets, as Windows writes it; or raise UsageError."""
    if len(hashes) != HASHES or any(len(each) != 16 for each in hashes):
        raise UsageError(f"WDIGEST_CREDENTIALS: {len(hashes)} hashes; {HASHES} of 16 octets are right")
    return _HEAD + b"".join(hashes)


def unpack(blob: bytes) -> tuple[bytes, ...]:
    """The 29 hashes of a WDIGEST_CREDENTIALS, or raise UsageError; what is reserved is ignored."""
    _check(blob)
    return tuple([blob[at : at + 16] for at in range(16, BLOB_SIZE, 16)])


def _check(blob: bytes) -> None:
    if len(blob) != BLOB_SIZE:
        raise UsageError(f"WDIGEST_CREDENTIALS: {len(blob)} octets; {BLOB_SIZE} are right")
    # "Version (1 byte): This value MUST be set to 1"; "NumberOfHashes: MUST be set to 29".  2.2.10.3
    if blob[2] != 1:
        raise UsageError(f"WDIGEST_CREDENTIALS: Version is {blob[2]}; 1 is right")
    if blob[3] != HASHES:
        raise UsageError(f"WDIGEST_CREDENTIALS: NumberOfHashes is {blob[3]}; {HASHES} is right")


def from_supplemental_credentials(data: bytes) -> bytes | None:
    """The WDIGEST_CREDENTIALS in a supplementalCredentials value; None when it has none. Raises UsageError."""
    value = user_properties.parse(data).get(PROPERTY)
    if value is None:
        return None
    # Lower case by 2.2.10.2, which Windows writes; Samba writes upper case.
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})*", value):
        raise UsageError(f"{PROPERTY}: PropertyValue is not hexadecimal")
    blob = bytes.fromhex(value.decode("ascii"))
    _check(blob)
    return blob


def to_supplemental_credentials(blob: bytes) -> bytes:
    """A supplementalCredentials value with this WDIGEST_CREDENTIALS and nothing else. Raises UsageError."""
    _check(blob)
    packages = "WDigest".encode("utf-16-le")
    return user_properties.encode({"Packages": packages.hex().encode(), PROPERTY: blob.hex().encode()})


# Mapping a name beyond ASCII costs ten times a hash. An account that was tried before is spared that, so the time of
# a failure does not tell for long what is stored. Names only: no secret is kept here.
_remembered = lru_cache(maxsize=1024)(forms)


@dataclass(frozen=True, slots=True)
class WDigest:
    """An account's WDIGEST_CREDENTIALS: each hash is offered for the pair of names it was made of.

    `blobs` is one, or several that were made in different readings of the same names (`WDigest.of`). The four names
    are those the account had when the password was set.
    """

    blobs: tuple[bytes, ...] = field(repr=False)
    sam_account_name: str
    user_principal_name: str | None
    netbios: str
    dns: str

    def __post_init__(self) -> None:
        """Raises UsageError unless there is a blob and each is a WDIGEST_CREDENTIALS."""
        if not self.blobs:
            raise UsageError("WDigest: no blob; one or more are right")
        for blob in self.blobs:
            _check(blob)

    @classmethod
    def of(
        cls, password: str, sam_account_name: str, user_principal_name: str | None, netbios: str, dns: str
    ) -> Self:
        """Made of the password: one blob, and where they differ a second, for clients that hash UTF-8.

        The first is what RFC 2831 and [MS-SAMR] say, the second what Samba stores.
        """
        names = (sam_account_name, user_principal_name, netbios, dns)
        pairs = forms(*names)
        blobs = dict.fromkeys(pack(hashes(password, pairs, reading)) for reading in (converted, utf8))
        return cls(tuple(blobs), *names)

    def secrets(self, username: str, realm: str) -> tuple[bytes, ...]:
        """The hashes whose pair equals the names as sent, one of each blob; none when no pair does.

        Another pair's hash would let the response prove names that the client did not hash. Text is compared, which
        is the octets in whichever reading. Forms that share a pair (1 and 4 of a name all in capitals) share a hash.
        """
        # As much work as for a password, so that the time of a failure does not tell what is stored.
        secret(username.encode(), realm.encode(), self.blobs[0][16:32])
        pairs = _remembered(self.sam_account_name, self.user_principal_name, self.netbios, self.dns)
        if (username, realm) not in pairs:
            return ()
        at = 16 + 16 * pairs.index((username, realm))
        return tuple(dict.fromkeys([blob[at : at + 16] for blob in self.blobs]))
