"""`twist ldapserver`: told to Twisted here, and loaded for who asks for it. A folder of Twisted's, not a package."""

from twisted.application.service import ServiceMaker

ldapserver = ServiceMaker(  # type: ignore[no-untyped-call]  # Twisted's own
    "ldapserver",
    "ldapserver.twist",
    "An LDAP server for tests, with DIGEST-MD5 and the options of `ldapserver serve`.",
    "ldapserver",
)
