"""Security identifiers, binary and as text ([MS-DTYP] 2.4.2), the domain's own, and the relative identifiers in it.

S-1-5-21-1487982659-1829050783-2281216199-500       domain, then the RID of an account in it
"""

import re
from hashlib import sha256

BUILTIN = b"\1\1\0\0\0\0\0\5\x20\0\0\0"  # S-1-5-32, the domain of what every Windows machine has
FIRST_RID = 1100  # where the first pool that a domain controller hands out from begins; 1000 is the controller itself
ADMINISTRATOR = 500
GUEST = 501
KRBTGT = 502
DOMAIN_ADMINS = 512
DOMAIN_USERS = 513
DOMAIN_GUESTS = 514
DOMAIN_COMPUTERS = 515
DOMAIN_CONTROLLERS = 516
READ_ONLY_DOMAIN_CONTROLLERS = 521

# Who has a RID for life, by sAMAccountName in lower case: [MS-DTYP] 2.4.2.4.
DOMAIN_RIDS = {
    "administrator": ADMINISTRATOR,
    "guest": GUEST,
    "krbtgt": KRBTGT,
    "enterprise read-only domain controllers": 498,
    "domain admins": DOMAIN_ADMINS,
    "domain users": DOMAIN_USERS,
    "domain guests": DOMAIN_GUESTS,
    "domain computers": DOMAIN_COMPUTERS,
    "domain controllers": DOMAIN_CONTROLLERS,
    "cert publishers": 517,
    "schema admins": 518,
    "enterprise admins": 519,
    "group policy creator owners": 520,
    "read-only domain controllers": READ_ONLY_DOMAIN_CONTROLLERS,
    "cloneable domain controllers": 522,
    "protected users": 525,
    "key admins": 526,
    "enterprise key admins": 527,
    "ras and ias servers": 553,
    "allowed rodc password replication group": 571,
    "denied rodc password replication group": 572,
}
BUILTIN_RIDS = {
    "administrators": 544,
    "users": 545,
    "guests": 546,
    "account operators": 548,
    "server operators": 549,
    "print operators": 550,
    "backup operators": 551,
    "replicator": 552,
    "pre-windows 2000 compatible access": 554,
    "remote desktop users": 555,
    "network configuration operators": 556,
    "incoming forest trust builders": 557,
    "performance monitor users": 558,
    "performance log users": 559,
    "windows authorization access group": 560,
    "terminal server license servers": 561,
    "distributed com users": 562,
    "iis_iusrs": 568,
    "cryptographic operators": 569,
    "event log readers": 573,
    "certificate service dcom access": 574,
    "hyper-v administrators": 578,
    "access control assistance operators": 579,
    "remote management users": 580,
}


class InvalidSID(ValueError):
    """The text or the octets are no SID; the message says which rule is broken."""


# SID = "S-1-" IdentifierAuthority 1*SubAuthority, [MS-DTYP] 2.4.2.1: ten digits, or "0x" and twelve hex digits for an
# authority of 2^32 and more. Readers of Windows take any letter case.
_TEXT = re.compile(r"S-1-(0x[0-9A-F]{12}|[0-9]{1,10})((?:-[0-9]{1,10}){1,15})", re.IGNORECASE)
_LARGE = 1 << 32


def parse_sid(text: str) -> bytes:
    """The binary form of a SID written `S-1-...`, or raise `InvalidSID`."""
    match = _TEXT.fullmatch(text) if text.isascii() else None
    if match is None:
        raise InvalidSID(f"{text[:60]!r} is no SID: S-1-authority-subauthorities ([MS-DTYP] 2.4.2.1)")
    authority = int(match[1], 16) if match[1][:2].lower() == "0x" else int(match[1])
    sub_authorities = [int(part) for part in match[2][1:].split("-")]
    if max(sub_authorities) >= _LARGE or (authority >= _LARGE and match[1][:2].lower() != "0x"):
        raise InvalidSID(f"{text[:60]!r}: a number does not fit in 32 bits ([MS-DTYP] 2.4.2.1)")
    return bytes((1, len(sub_authorities))) + authority.to_bytes(6) + b"".join(map(_little, sub_authorities))


def check_sid(octets: bytes) -> bytes:
    """`octets` when they are a binary SID, [MS-DTYP] 2.4.2.2; else raise `InvalidSID`."""
    # Revision 1, a count of at most 15, six octets of authority, and as many words of four as counted.
    if len(octets) < 8 or octets[0] != 1 or octets[1] > 15 or len(octets) != 8 + 4 * octets[1]:
        raise InvalidSID(f"{len(octets)} octets that are no SID ([MS-DTYP] 2.4.2.2)")
    return octets


def sid_text(octets: bytes) -> str:
    """A binary SID as text, or raise `InvalidSID`."""
    check_sid(octets)
    authority = int.from_bytes(octets[2:8])
    shown = str(authority) if authority < _LARGE else f"0x{authority:012X}"
    words = [int.from_bytes(octets[at : at + 4], "little") for at in range(8, len(octets), 4)]
    return "-".join(["S-1", shown, *map(str, words)])


def domain_sid(dns_domain: str) -> bytes:
    """The SID that a domain of this DNS name has here when none is given: the same everywhere, in any letter case."""
    digest = sha256(dns_domain.lower().encode()).digest()
    return b"\1\4\0\0\0\0\0\5" + _little(21) + digest[:12]


def with_rid(domain: bytes, rid: int) -> bytes:
    """The SID of the account `rid` in a domain."""
    return domain[:1] + bytes((domain[1] + 1,)) + domain[2:] + _little(rid)


def is_rid(number: int) -> bool:
    """Whether a number that somebody wrote could be a RID: 32 bits."""
    return 0 <= number < 1 << 32


def rid_in(domain: bytes, sid: bytes) -> int | None:
    """The RID of the account whose SID this is; None where it is of no account in this domain."""
    rid = int.from_bytes(sid[-4:], "little")
    return rid if sid == with_rid(domain, rid) else None


def split_sid(sid: bytes) -> tuple[bytes, int]:
    """The domain's SID and the RID that a SID is made of; raises `InvalidSID` for one without sub-authority."""
    if check_sid(sid)[1] == 0:
        raise InvalidSID("a SID without sub-authorities is in no domain")
    return sid[:1] + bytes((sid[1] - 1,)) + sid[2:-4], int.from_bytes(sid[-4:], "little")


def well_known(domain: bytes, sam_account_name: str, *, builtin: bool) -> bytes | None:
    """The SID that goes with a name, in the domain or among the built-in groups; None for any other name."""
    rid = (BUILTIN_RIDS if builtin else DOMAIN_RIDS).get(sam_account_name.lower())
    return None if rid is None else with_rid(BUILTIN if builtin else domain, rid)


class RelativeIds:
    """The RIDs of one domain: each is given once, and those of deleted accounts never again."""

    def __init__(self, domain: bytes, first: int = FIRST_RID) -> None:
        """`domain` is the domain's binary SID, `first` the RID given first."""
        self.domain = domain
        self._next = first

    def seen(self, sid: bytes) -> None:
        """Take note of a SID that an entry came with."""
        domain, rid = split_sid(sid)
        if domain == self.domain:
            self._next = max(self._next, rid + 1)

    def copy(self) -> "RelativeIds":
        """The same, to keep."""
        return RelativeIds(self.domain, self._next)

    def allocate(self) -> bytes:
        """The SID of a new account."""
        sid = with_rid(self.domain, self._next)
        self._next += 1
        return sid


def _little(word: int) -> bytes:
    return word.to_bytes(4, "little")
