"""Values as LDP.exe shows them: of Active Directory's attributes what they mean, of other octets how many."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from ldapserver.directory.ad.guid import InvalidGUID, guid_text
from ldapserver.directory.ad.sid import InvalidSID, sid_text
from ldapserver.directory.entry import is_password
from ldapserver.directory.filetime import NEVER, moment
from ldapserver.directory.user_account_control import Control
from ldapserver.printable import printable

# LDP's names for what other servers than a domain controller may list too.
_OIDS = {
    "1.2.840.113556.1.4.319": "PAGED_RESULT",
    "1.2.840.113556.1.4.417": "SHOW_DELETED",
    "1.2.840.113556.1.4.473": "SORT",
    "1.2.840.113556.1.4.474": "RESP_SORT",
    "1.2.840.113556.1.4.805": "TREE_DELETE",
    "1.2.840.113556.1.4.1413": "PERMISSIVE_MODIFY",
    "2.16.840.1.113730.3.4.9": "VLVREQUEST",
    "2.16.840.1.113730.3.4.10": "VLVRESPONSE",
    "1.2.840.113556.1.4.800": "ACTIVE_DIRECTORY",
    "1.2.840.113556.1.4.1670": "ACTIVE_DIRECTORY_V51",
    "1.2.840.113556.1.4.1791": "ACTIVE_DIRECTORY_LDAP_INTEG",
}

# Bits, or numbers, and LDP's names for them.
_Names = Mapping[int, str]
_CONTROL = {bit.value: bit.name or "" for bit in Control}
_CONTROL |= {0x2: "ACCOUNTDISABLE", 0x1000000: "TRUSTED_TO_AUTH_FOR_DELEGATION"}
_GROUP = {  # [MS-ADTS] 2.2.12
    0x1: "BUILTIN_LOCAL_GROUP",
    0x2: "ACCOUNT_GROUP",
    0x4: "RESOURCE_GROUP",
    0x8: "UNIVERSAL_GROUP",
    0x10: "APP_BASIC_GROUP",
    0x20: "APP_QUERY_GROUP",
    0x80000000: "SECURITY_ENABLED",
}
_INSTANCE = {  # [MS-ADTS] 3.1.1.1.9
    0x1: "IS_NC_HEAD",
    0x2: "UNINSTANTIATED",
    0x4: "WRITE",
    0x8: "NC_ABOVE",
    0x10: "CONSTRUCTING",
    0x20: "REMOVING",
}
_SYSTEM = {  # [MS-ADTS] 2.2.10
    0x1: "NOT_REPLICATED",
    0x2: "REPLICATED_TO_GC",
    0x4: "CONSTRUCTED",
    0x10: "BASE_SCHEMA_OBJECT",
    0x2000000: "DISALLOW_MOVE_ON_DELETE",
    0x4000000: "DOMAIN_DISALLOW_MOVE",
    0x8000000: "DOMAIN_DISALLOW_RENAME",
    0x10000000: "CONFIG_ALLOW_LIMITED_MOVE",
    0x20000000: "CONFIG_ALLOW_MOVE",
    0x40000000: "CONFIG_ALLOW_RENAME",
    0x80000000: "DISALLOW_DELETE",
}
_ENCRYPTION = {  # [MS-KILE] 2.2.7
    0x1: "DES_CBC_CRC",
    0x2: "DES_CBC_MD5",
    0x4: "RC4_HMAC_MD5",
    0x8: "AES128_CTS_HMAC_SHA1_96",
    0x10: "AES256_CTS_HMAC_SHA1_96",
}
_ACCOUNT_TYPE = {  # [MS-SAMR] 2.2.1.9
    0x0: "DOMAIN_OBJECT",
    0x10000000: "GROUP_OBJECT",
    0x10000001: "NON_SECURITY_GROUP_OBJECT",
    0x20000000: "ALIAS_OBJECT",
    0x20000001: "NON_SECURITY_ALIAS_OBJECT",
    0x30000000: "NORMAL_USER_ACCOUNT",
    0x30000001: "MACHINE_ACCOUNT",
    0x30000002: "TRUST_ACCOUNT",
    0x40000000: "APP_BASIC_GROUP",
    0x40000001: "APP_QUERY_GROUP",
}
_PRIMARY_GROUP = {  # [MS-DTYP] 2.4.2.4
    512: "GROUP_RID_ADMINS",
    513: "GROUP_RID_USERS",
    514: "GROUP_RID_GUESTS",
    515: "GROUP_RID_COMPUTERS",
    516: "GROUP_RID_CONTROLLERS",
}

_DAY, _HOUR, _MINUTE = 86400, 3600, 60
_TICKS = 10_000_000  # of a FILETIME in a second


def shown(name: str, value: bytes) -> str:
    """A value of the attribute of this name, as LDP.exe shows it, on one line and without control characters."""
    if is_password(name):
        return f"<ldp: {len(value)} bytes, not shown>"
    of_its_own = _FORMS.get(name.partition(";")[0].lower())
    if of_its_own is not None and (text := of_its_own(value)) is not None:
        return text
    return plain(value)


def plain(value: bytes) -> str:
    """A value of which nothing is known."""
    try:
        text = printable(value.decode())
    except UnicodeDecodeError:
        return f"<ldp: Binary blob {len(value)} bytes>"
    return f"{text} = ( {_OIDS[text]} )" if text in _OIDS else text


# What a form cannot read it leaves to `plain`, by None: the attribute may be another server's of the same name.


def _guid(value: bytes) -> str | None:
    try:
        return guid_text(value)
    except InvalidGUID:
        return None


def _sid(value: bytes) -> str | None:
    try:
        return sid_text(value)
    except InvalidSID:
        return None


def _blob(value: bytes) -> str | None:
    return f"<ldp: Binary blob {len(value)} bytes>"


def _number(value: bytes) -> int | None:
    return int(value) if re.fullmatch(rb"-?[0-9]{1,20}", value) else None


def _time(at: datetime) -> str:
    """As in the United States, and in UTC, which Windows calls so: a transcript is the same wherever it is made."""
    at = at.astimezone(UTC)
    half = "AM" if at.hour < 12 else "PM"
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S} {half} Coordinated Universal Time"


def _file_time(value: bytes) -> str | None:
    number = _number(value)
    if number is None:
        return None
    if number in (0, NEVER):
        return f"{number} (never)"
    try:
        return _time(moment(number))
    except OverflowError:
        return None


def _generalized_time(value: bytes) -> str | None:
    # Those of a directory are in UTC, most with a fraction of nothing.  RFC 4517 section 3.3.13
    found = re.fullmatch(rb"([0-9]{14})(?:[.,][0-9]+)?Z", value)
    if found is None:
        return None
    try:
        return _time(datetime.strptime(found[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC))
    except ValueError:
        return None


def _duration(value: bytes) -> str | None:
    """Days, hours, minutes and seconds: the domain's policy has them negative, [MS-ADTS] 3.1.1.4.5."""
    number = _number(value)
    if number is None or number > 0:
        return None
    if number == -(NEVER + 1):
        return f"{number} (never)"
    seconds = int(timedelta(seconds=-number // _TICKS).total_seconds())
    days, rest = divmod(seconds, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, seconds = divmod(rest, _MINUTE)
    return f"{days}:{hours:02}:{minutes:02}:{seconds:02}"


def _bits(names: _Names) -> Callable[[bytes], str | None]:
    def form(value: bytes) -> str | None:
        number = _number(value)
        if number is None:
            return None
        number &= 0xFFFFFFFF  # the attribute is signed
        held = [name for bit, name in names.items() if number & bit]
        return f"0x{number:X} = ( {' | '.join(held)} )"

    return form


def _named(names: _Names) -> Callable[[bytes], str | None]:
    def form(value: bytes) -> str | None:
        number = _number(value)
        return None if number is None or number not in names else f"{number} = ( {names[number]} )"

    return form


_OF: list[tuple[Callable[[bytes], str | None], str]] = [
    (_guid, "objectGUID schemaIDGUID attributeSecurityGUID msExchMailboxGuid mS-DS-ConsistencyGuid"),
    (_sid, "objectSid sIDHistory tokenGroups tokenGroupsGlobalAndUniversal securityIdentifier"),
    (_blob, "nTSecurityDescriptor jpegPhoto thumbnailPhoto userCertificate cACertificate logonHours"),
    (
        _file_time,
        "accountExpires badPasswordTime lastLogon lastLogoff lastLogonTimestamp lockoutTime pwdLastSet creationTime "
        "msDS-UserPasswordExpiryTimeComputed",
    ),
    (_generalized_time, "whenCreated whenChanged dSCorePropagationData"),
    (_duration, "forceLogoff lockoutDuration lockOutObservationWindow maxPwdAge minPwdAge"),
    (_bits(_CONTROL), "userAccountControl msDS-User-Account-Control-Computed"),
    (_bits(_GROUP), "groupType"),
    (_bits(_INSTANCE), "instanceType"),
    (_bits(_SYSTEM), "systemFlags"),
    (_bits(_ENCRYPTION), "msDS-SupportedEncryptionTypes"),
    (_named(_ACCOUNT_TYPE), "sAMAccountType"),
    (_named(_PRIMARY_GROUP), "primaryGroupID"),
]
_FORMS = {name.lower(): form for form, names in _OF for name in names.split()}
