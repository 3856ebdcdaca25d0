"""A domain as Active Directory has it when it is new: its containers, its groups, and an Administrator.

What a domain controller makes up itself (SIDs, GUIDs, memberOf) the profile does, from names that are known to it.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from ldapserver.config import netbios_name
from ldapserver.directory.ad.account_control import BUILTIN_GROUP, GLOBAL_SECURITY_GROUP, GroupType, written
from ldapserver.directory.ldif import write_record
from ldapserver.directory.schemes import ClearText
from ldapserver.directory.user_account_control import Control
from ldapserver.testing.finding import drive
from ldapserver.testing.orders import User
from ldapserver.testing.served import Served
from ldapserver.wire.dn import AVA, DN

if TYPE_CHECKING:
    from ldapserver.testing.running import running_server

ADMINISTRATOR_PASSWORD = "Keys to 1 castle"

_CONTAINERS = (
    "Users",
    "Computers",
    "System",
    "ForeignSecurityPrincipals",
    "Managed Service Accounts",
    "Program Data",
)
_UNIVERSAL = written(GroupType.UNIVERSAL | GroupType.SECURITY_ENABLED)
_LOCAL = written(GroupType.RESOURCE | GroupType.SECURITY_ENABLED)

# The groups of CN=Users and who is in them: other groups and accounts of CN=Users.
_GROUPS: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("Domain Admins", GLOBAL_SECURITY_GROUP, ("Administrator",)),
    ("Domain Users", GLOBAL_SECURITY_GROUP, ()),
    ("Domain Guests", GLOBAL_SECURITY_GROUP, ()),
    ("Domain Computers", GLOBAL_SECURITY_GROUP, ()),
    ("Domain Controllers", GLOBAL_SECURITY_GROUP, ()),
    ("Schema Admins", _UNIVERSAL, ("Administrator",)),
    ("Enterprise Admins", _UNIVERSAL, ("Administrator",)),
    ("Group Policy Creator Owners", GLOBAL_SECURITY_GROUP, ("Administrator",)),
    ("Read-only Domain Controllers", GLOBAL_SECURITY_GROUP, ()),
    ("Enterprise Read-only Domain Controllers", _UNIVERSAL, ()),
    ("Cloneable Domain Controllers", GLOBAL_SECURITY_GROUP, ()),
    ("Protected Users", GLOBAL_SECURITY_GROUP, ()),
    ("Key Admins", GLOBAL_SECURITY_GROUP, ()),
    ("Enterprise Key Admins", _UNIVERSAL, ()),
    ("Cert Publishers", _LOCAL, ()),
    ("RAS and IAS Servers", _LOCAL, ()),
    ("Allowed RODC Password Replication Group", _LOCAL, ()),
    (
        "Denied RODC Password Replication Group",
        _LOCAL,
        (
            *("krbtgt", "Domain Controllers", "Schema Admins", "Enterprise Admins", "Cert Publishers"),
            *("Domain Admins", "Group Policy Creator Owners", "Read-only Domain Controllers"),
        ),
    ),
)
# Those of CN=Builtin.
_BUILTIN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Administrators", ("Administrator", "Domain Admins", "Enterprise Admins")),
    ("Users", ("Domain Users",)),
    ("Guests", ("Guest", "Domain Guests")),
    ("Account Operators", ()),
    ("Server Operators", ()),
    ("Print Operators", ()),
    ("Backup Operators", ()),
    ("Replicator", ()),
    ("Pre-Windows 2000 Compatible Access", ()),
    ("Remote Desktop Users", ()),
    ("Network Configuration Operators", ()),
    ("Incoming Forest Trust Builders", ()),
    ("Performance Monitor Users", ()),
    ("Performance Log Users", ()),
    ("Windows Authorization Access Group", ()),
    ("Terminal Server License Servers", ()),
    ("Distributed COM Users", ()),
    ("IIS_IUSRS", ()),
    ("Cryptographic Operators", ()),
    ("Event Log Readers", ()),
    ("Certificate Service DCOM Access", ()),
    ("Hyper-V Administrators", ()),
    ("Access Control Assistance Operators", ()),
    ("Remote Management Users", ()),
)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def running_domain(
    name: str = "contoso.com", *, netbios: str | None = None, process: bool = False, **settings: object
) -> "running_server":
    """A domain controller of the domain of this DNS name: `running_server(domain=name, ...)`."""
    from ldapserver.testing.running import running_server

    if netbios is not None:
        settings["netbios"] = netbios
    return running_server(process=process, domain=name, **settings)


def domain_settings(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings with what `domain` and `administrator_password` among them stand for. Raises ValueError."""
    given = dict(settings)
    name, password = given.pop("domain"), given.pop("administrator_password", ADMINISTRATOR_PASSWORD)
    if not isinstance(name, str) or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"domain: {name!r} is no DNS name, like contoso.com")
    if not isinstance(password, str) or not password:
        raise ValueError("administrator_password: must be text, and not empty")
    for field in ("suffix", "profile"):
        if field in given:
            raise ValueError(f"{field}: follows from domain, and is not said beside it")
    base = DN(tuple([(AVA("DC", label.encode()),) for label in name.split(".")]))
    ldif, admins = given.get("ldif", []), given.get("admin", [])
    given["profile"], given["suffix"] = "ad", str(base)
    given["ldif"] = [new_domain(base, password), *(ldif if isinstance(ldif, list | tuple) else [ldif])]
    given["admin"] = [
        f"CN=Administrator,CN=Users,{base}",
        *(admins if isinstance(admins, list | tuple) else [admins]),
    ]
    return given


@lru_cache(maxsize=16)
def new_domain(base: DN, password: str) -> str:
    """The entries of a new domain, as LDIF."""
    return "version: 1\n" + "".join(
        f"\n{write_record(name, attributes)}" for name, attributes in _entries(base, password)
    )


_Values = tuple[tuple[str, tuple[bytes, ...]], ...]


def _entries(base: DN, password: str) -> Iterator[tuple[str, _Values]]:
    users, builtin = f"CN=Users,{base}", f"CN=Builtin,{base}"
    yield str(base), _values(objectClass=["top", "domain", "domainDNS"], dc=base.rdns[0][0].value.decode())
    for name in _CONTAINERS:
        yield f"CN={name},{base}", _values(objectClass="container", cn=name)
    yield builtin, _values(objectClass="builtinDomain", cn="Builtin")
    yield f"OU=Domain Controllers,{base}", _values(objectClass="organizationalUnit", ou="Domain Controllers")
    never = Control.NORMAL_ACCOUNT | Control.DONT_EXPIRE_PASSWD
    yield _user(users, "Administrator", never, userPassword=f"{{CLEARTEXT}}{password}")
    # Nobody is Guest, and krbtgt is for Kerberos alone.
    yield _user(users, "Guest", never | Control.ACCOUNT_DISABLE | Control.PASSWD_NOTREQD)
    yield _user(users, "krbtgt", Control.NORMAL_ACCOUNT | Control.ACCOUNT_DISABLE)
    yield _controller(base)
    for name, group_type, members in _GROUPS:
        yield _group(users, name, group_type, [f"CN={member},{users}" for member in members])
    for name, members in _BUILTIN:
        yield _group(builtin, name, BUILTIN_GROUP, [f"CN={member},{users}" for member in members])


def _user(above: str, name: str, control: int, **more: str) -> tuple[str, _Values]:
    control = int(control)
    return f"CN={name},{above}", _values(
        objectClass="user", cn=name, sAMAccountName=name, userAccountControl=str(control), **more
    )


def _controller(base: DN) -> tuple[str, _Values]:
    """The account of the domain controller, which is this machine: so the root DSE has it."""
    name = netbios_name(socket.gethostname())
    control = Control.SERVER_TRUST_ACCOUNT | Control.TRUSTED_FOR_DELEGATION
    return f"CN={name},OU=Domain Controllers,{base}", _values(
        objectClass="computer", cn=name, sAMAccountName=f"{name}$", userAccountControl=str(int(control))
    )


def _group(above: str, name: str, group_type: int, members: list[str]) -> tuple[str, _Values]:
    return f"CN={name},{above}", _values(
        objectClass="group", cn=name, sAMAccountName=name, groupType=str(int(group_type)), member=members
    )


def _values(**attributes: str | list[str]) -> _Values:
    listed = {name: values if isinstance(values, list) else [values] for name, values in attributes.items()}
    return tuple([(name, tuple([each.encode() for each in values])) for name, values in listed.items() if values])


def administrator(served: Served) -> User | None:
    """Who is called Administrator, with the password where it is kept in the clear."""
    account = drive(served.directory.find_account("Administrator"))
    stored = None if account is None else drive(served.directory.stored_passwords(account.dn))
    if account is None or stored is None:
        return None
    clear = [each.password.decode() for each in account.passwords if isinstance(each, ClearText)]
    return User(account.name, str(account.dn), next(iter(clear), None), stored[0].user_principal_name)
