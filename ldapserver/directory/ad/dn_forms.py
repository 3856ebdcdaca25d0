"""The names in angle brackets that stand where a DN is due ([MS-ADTS] 3.1.1.3.1.2.4).

<GUID=10015663-e1f7-11d1-a6bf-aaaf842b9cfa>     or the hex of the 16 octets
<SID=S-1-5-32-544>                              or the hex of the octets
<WKGUID=A9D1CA15768811D1ADED00C04FD8D5CD,DC=contoso,DC=com>
"""

import re
from dataclasses import dataclass

from ldapserver.directory.ad.guid import InvalidGUID, parse_guid
from ldapserver.directory.ad.sid import InvalidSID, check_sid, parse_sid
from ldapserver.wire.dn import DN, InvalidDN


@dataclass(frozen=True, slots=True)
class ByGUID:
    """The object of this objectGUID."""

    guid: bytes


@dataclass(frozen=True, slots=True)
class BySID:
    """The object of this objectSid."""

    sid: bytes


@dataclass(frozen=True, slots=True)
class ByWellKnownGUID:
    """The container that the object `dn` lists under this GUID in wellKnownObjects."""

    guid: bytes
    dn: DN


DNForm = ByGUID | BySID | ByWellKnownGUID

# What follows the first bracket is the rest of an extended DN, <GUID=...>;<SID=...>;dn ([MS-ADTS] 3.1.1.3.4.1.5), as
# clients hand it back. The first part says enough.
_BRACKETED = re.compile(r"<(GUID|SID|WKGUID)=([^<>]*)>(?:;.*)?", re.IGNORECASE | re.DOTALL)
_HEX = re.compile(r"(?:[0-9A-F]{2})+", re.IGNORECASE)


def parse_dn_form(text: str) -> DNForm | None:
    """What a name in brackets asks for; None for a name that begins otherwise. Raises `InvalidDN`."""
    if not text.startswith("<"):
        return None
    match = _BRACKETED.fullmatch(text)
    if match is None:
        raise InvalidDN(f"{text[:80]!r}: <GUID=...>, <SID=...> or <WKGUID=...,DN> ([MS-ADTS] 3.1.1.3.1.2.4)")
    try:
        match match[1].upper():
            case "GUID":
                return ByGUID(parse_guid(match[2]))
            case "SID":
                return BySID(check_sid(bytes.fromhex(match[2])) if _HEX.fullmatch(match[2]) else parse_sid(match[2]))
            case _:
                guid, _, dn = match[2].partition(",")
                # "guid is a GUID expressed as the hexadecimal representation": dashes are not for this form
                if not dn or not _HEX.fullmatch(guid):
                    raise InvalidDN(f"{text[:80]!r}: 32 hex digits, a comma and a DN ([MS-ADTS] 3.1.1.3.1.2.4)")
                return ByWellKnownGUID(parse_guid(guid), DN.parse(dn.strip()))
    except (InvalidGUID, InvalidSID) as error:
        raise InvalidDN(f"{text[:80]!r}: {error}") from None
