"""The root DSE's attributes that only a domain controller has, in its order ([MS-ADTS] 3.1.1.3.2)."""

from dataclasses import dataclass
from datetime import datetime

from ldapserver.directory.filetime import generalized_time
from ldapserver.wire.dn import DN

CAPABILITIES = (
    "1.2.840.113556.1.4.800",  # Active Directory: a client may count on the shapes of this package
    "1.2.840.113556.1.4.1670",  # of Windows Server 2003 and later: <GUID=> with dashes, DIGEST-MD5, ranges of 1500
    "1.2.840.113556.1.4.1791",  # signs and seals, and may be bound again while a layer is up: DIGEST-MD5's layers do
    "1.2.840.113556.1.4.1935",  # of 2008 and later: its ANR set; a layer inside TLS may be refused
    "1.2.840.113556.1.4.2080",  # of 2008 R2 and later: no more than a client's right to rely on the ones above
    "1.2.840.113556.1.4.2237",  # of 2012 and later: likewise
)
# Not .1920, which is a read-only controller, and neither .1851 nor .1880, which are AD LDS.

# The limits that there are. What the others limit, such as MaxTempTableSize, does not exist here.
LDAP_POLICIES = (
    *("MaxReceiveBuffer", "MaxPreAuthReceiveBuffer", "InitRecvTimeout", "MaxConnections", "MaxConnIdleTime"),
    *("MaxPageSize", "MaxValRange"),
)

FUNCTIONALITY = 7  # DS_BEHAVIOR_WIN2016, the highest that a domain controller of 2016 to 2022 has: [MS-ADTS] 6.1.4.2


@dataclass(frozen=True, slots=True)
class Facts:
    """What the attributes are computed from.

    `domain` is the domain's naming context, `dns_domain` its DNS name, `computer` the controller's DNS name, full or
    its first label. `highest_usn` is the number of the last update.
    """

    domain: DN
    dns_domain: str
    computer: str
    highest_usn: int
    now: datetime

    @property
    def dns_host_name(self) -> str:
        """The controller's full name."""
        return self.computer if "." in self.computer else f"{self.computer}.{self.dns_domain}"

    @property
    def host(self) -> str:
        """The controller's name in its domain."""
        return self.computer.partition(".")[0]


def configuration_naming_context(domain: DN) -> DN:
    """The name of the configuration: below the domain, which is the forest's only one."""
    return _below("CN=Configuration", domain)


def schema_naming_context(domain: DN) -> DN:
    """What objectCategory points into."""
    return _below("CN=Schema,CN=Configuration", domain)


def aggregate(domain: DN) -> DN:
    """The name that the subschema entry goes by, [MS-ADTS] 3.1.1.3.1.1.1."""
    return _below("CN=Aggregate,CN=Schema,CN=Configuration", domain)


def root_dse_attributes(facts: Facts) -> list[tuple[str, tuple[str, ...]]]:
    """Names and values; what every LDAP server says (namingContexts, supportedControl...) is not among them."""
    domain = facts.domain
    site = f"CN=Default-First-Site-Name,CN=Sites,{configuration_naming_context(domain)}"
    server = f"CN={facts.host.upper()},CN=Servers,{site}"
    functionality = (str(FUNCTIONALITY),)
    return [
        ("domainFunctionality", functionality),
        ("forestFunctionality", functionality),
        ("domainControllerFunctionality", functionality),
        ("rootDomainNamingContext", (str(domain),)),
        ("ldapServiceName", (f"{facts.dns_domain}:{facts.host.lower()}$@{facts.dns_domain.upper()}",)),
        ("isGlobalCatalogReady", ("TRUE",)),
        ("supportedLDAPPolicies", LDAP_POLICIES),
        ("supportedCapabilities", CAPABILITIES),
        ("subschemaSubentry", (str(aggregate(domain)),)),
        ("serverName", (server,)),
        ("schemaNamingContext", (str(schema_naming_context(domain)),)),
        ("isSynchronized", ("TRUE",)),
        ("highestCommittedUSN", (str(facts.highest_usn),)),
        ("dsServiceName", (f"CN=NTDS Settings,{server}",)),
        ("dnsHostName", (facts.dns_host_name,)),
        ("defaultNamingContext", (str(domain),)),
        ("currentTime", (generalized_time(facts.now),)),
        ("configurationNamingContext", (str(configuration_naming_context(domain)),)),
    ]


def _below(name: str, domain: DN) -> DN:
    return DN((*DN.parse(name).rdns, *domain.rdns))
