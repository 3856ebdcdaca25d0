"""objectCategory: the class that searches are meant to ask for, a DN in the schema ([MS-ADTS] 3.1.1.3.1.3.5)."""

from ldapserver.wire.dn import AVA, DN

# The cn of a class's defaultObjectCategory, by the class's lDAPDisplayName in lower case: [MS-ADSC].
_CATEGORIES = {
    "person": "Person",
    "organizationalperson": "Person",
    "user": "Person",
    "inetorgperson": "Person",
    "contact": "Person",
    "computer": "Computer",
    "msds-managedserviceaccount": "ms-DS-Managed-Service-Account",
    "msds-groupmanagedserviceaccount": "ms-DS-Group-Managed-Service-Account",
    "group": "Group",
    "groupofnames": "Group-Of-Names",
    "groupofuniquenames": "groupOfUniqueNames",
    "foreignsecurityprincipal": "Foreign-Security-Principal",
    "organizationalunit": "Organizational-Unit",
    "organization": "Organization",
    "container": "Container",
    "builtindomain": "Builtin-Domain",
    "domain": "Domain-DNS",
    "domaindns": "Domain-DNS",
    "device": "Device",
    "printqueue": "Print-Queue",
    "volume": "Volume",
    "locality": "Locality",
    "country": "Country",
    "applicationprocess": "Application-Process",
    "grouppolicycontainer": "Group-Policy-Container",
    "account": "account",
    "room": "room",
    "document": "document",
}


def category_dn(class_name: str, schema_naming_context: DN) -> DN | None:
    """The objectCategory of entries of a class, or None for a class that is not known here."""
    category = _CATEGORIES.get(class_name.lower())
    if category is None:
        return None
    return DN(((AVA("CN", category.encode()),), *schema_naming_context.rdns))
