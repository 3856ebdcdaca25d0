"""The containers that are found by a GUID, whatever they are called ([MS-ADTS] 6.1.1.4)."""

from ldapserver.directory.ad.guid import parse_guid
from ldapserver.wire.dn import DN

# Name below the domain, by GUID as <WKGUID=...> has it: the hex of the octets as written, not of a binary GUID.
_NAMES = {
    "A9D1CA15768811D1ADED00C04FD8D5CD": "CN=Users",
    "AA312825768811D1ADED00C04FD8D5CD": "CN=Computers",
    "AB1D30F3768811D1ADED00C04FD8D5CD": "CN=System",
    "A361B2FFFFD211D1AA4B00C04FD7D83A": "OU=Domain Controllers",
    "2FBAC1870ADE11D297C400C04FD8D5CD": "CN=Infrastructure",
    "18E2EA80684F11D2B9AA00C04F79F805": "CN=Deleted Objects",
    "AB8153B7768811D1ADED00C04FD8D5CD": "CN=LostAndFound",
    "22B70C67D56E4EFB91E9300FCA3DC1AA": "CN=ForeignSecurityPrincipals",
    "09460C08AE1E4A4EA0F64AEE7DAA1E5A": "CN=Program Data",
    "F4BE92A4C777485E878E9421D53087DB": "CN=Microsoft,CN=Program Data",
    "6227F0AF1FC2410D8E3BB10615BB5B0F": "CN=NTDS Quotas",
    "1EB93889E40C45DF9F0C64D23BBB6237": "CN=Managed Service Accounts",
}
CONTAINERS = {parse_guid(guid): DN.parse(name) for guid, name in _NAMES.items()}


def well_known_container(guid: bytes, domain: DN) -> DN | None:
    """The name of a well-known container of a domain; None when the GUID belongs to none."""
    container = CONTAINERS.get(guid)
    return None if container is None else DN((*container.rdns, *domain.rdns))


def well_known_objects(domain: DN) -> list[str]:
    """The values of the domain's wellKnownObjects: `B:32:GUID:DN`, [MS-ADTS] 6.1.1.4."""
    return [f"B:32:{guid}:{name},{domain}" for guid, name in _NAMES.items()]
