"""The root DSE of a domain controller, beside one that was published."""

from datetime import UTC, datetime

from ldapserver.directory.ad.root_dse import CAPABILITIES, Facts, root_dse_attributes
from ldapserver.wire.dn import DN

# What a domain controller of Windows Server 2022 answered, from the public notes of a course; the controls, the SASL
# mechanisms, versions and naming contexts are left out, for they are not computed here.
PUBLISHED = """\
domainFunctionality: 7
forestFunctionality: 7
domainControllerFunctionality: 7
rootDomainNamingContext: DC=PUPPY,DC=HTB
ldapServiceName: PUPPY.HTB:dc$@PUPPY.HTB
isGlobalCatalogReady: TRUE
supportedCapabilities: 1.2.840.113556.1.4.800
supportedCapabilities: 1.2.840.113556.1.4.1670
supportedCapabilities: 1.2.840.113556.1.4.1791
supportedCapabilities: 1.2.840.113556.1.4.1935
supportedCapabilities: 1.2.840.113556.1.4.2080
supportedCapabilities: 1.2.840.113556.1.4.2237
subschemaSubentry: CN=Aggregate,CN=Schema,CN=Configuration,DC=PUPPY,DC=HTB
serverName: CN=DC,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=PUPPY,DC=HTB
schemaNamingContext: CN=Schema,CN=Configuration,DC=PUPPY,DC=HTB
isSynchronized: TRUE
highestCommittedUSN: 172163
dsServiceName: CN=NTDS Settings,CN=DC,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=PUPPY,DC=HTB
dnsHostName: DC.PUPPY.HTB
defaultNamingContext: DC=PUPPY,DC=HTB
currentTime: 20250518115159.0Z
configurationNamingContext: CN=Configuration,DC=PUPPY,DC=HTB
"""


def test_it_is_a_domain_controllers() -> None:
    now = datetime(2025, 5, 18, 11, 51, 59, tzinfo=UTC)
    attributes = root_dse_attributes(Facts(DN.parse("DC=PUPPY,DC=HTB"), "PUPPY.HTB", "DC.PUPPY.HTB", 172163, now))
    lines = [f"{name}: {value}" for name, values in attributes for value in values if name != "supportedLDAPPolicies"]
    assert "\n".join(lines) + "\n" == PUBLISHED


def test_first_label_of_the_computer_is_enough() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    attributes = dict(root_dse_attributes(Facts(DN.parse("dc=contoso,dc=com"), "contoso.com", "dc1", 1, now)))
    assert attributes["dnsHostName"] == ("dc1.contoso.com",)
    assert attributes["ldapServiceName"] == ("contoso.com:dc1$@CONTOSO.COM",)
    assert attributes["serverName"][0].startswith("CN=DC1,CN=Servers,")
    assert {"MaxPageSize", "MaxValRange"} <= set(attributes["supportedLDAPPolicies"])


def test_capabilities_that_are_not_ours_are_not_named() -> None:
    # read-only, AD LDS, AD LDS with DIGEST-MD5
    assert not {f"1.2.840.113556.1.4.{number}" for number in (1920, 1851, 1880)} & set(CAPABILITIES)
