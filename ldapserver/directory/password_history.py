"""The passwords that an account had before, as pwdHistory keeps them (draft-behera-ldap-password-policy 5.3.7).

    value = time "#" syntaxOID "#" length "#" data

One value for each form that a password was stored in, all of the same time; data is in a form of userPassword. No
more is kept than the last two passwords: what Active Directory spares of lockout ("N-2").
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta

from ldapserver.directory.ldif import Attributes
from ldapserver.directory.schemes import InvalidPassword, StoredPassword, read_password
from sasl_digest import UsageError
from sasl_digest.wdigest import from_supplemental_credentials

KEPT = 2  # passwords
MOST_FORMS = 16  # of one password
MAX_LENGTH = 8192  # octets of data; the 29 hashes of WDigest take some 700

NAMES = ("pwdhistory", "1.3.6.1.4.1.42.2.27.8.1.20")
_USER_PASSWORD = ("userpassword", "2.5.4.35")
_SUPPLEMENTAL = ("supplementalcredentials", "1.2.840.113556.1.4.125")
_OCTET_STRING = b"1.3.6.1.4.1.1466.115.121.1.40"
_VALUE = re.compile(rb"([0-9]{14}(?:\.[0-9]{1,6})?)Z#[0-9.]+#([0-9]{1,5})#(.*)", re.DOTALL)


def remembered(before: Attributes, after: Attributes, now: datetime) -> Attributes:
    """The password attributes `after` a change of those `before`, with what is gone among the former ones."""
    stay = set(_stored(after))
    gone = [data for data in _stored(before) if data not in stay][:MOST_FORMS]
    if not gone:
        return after
    kept = _last([value for name, values in before if name.lower() in NAMES for value in values], KEPT - 1)
    taken = {found[1] for value in kept if (found := _VALUE.fullmatch(value))}
    while (stamp := now.strftime("%Y%m%d%H%M%S.%f").encode()) in taken:  # two in a moment are two all the same
        now += timedelta(microseconds=1)
    values = [b"%bZ#%b#%d#%b" % (stamp, _OCTET_STRING, len(data), data) for data in gone]
    others = tuple([(name, each) for name, each in after if name.lower() not in NAMES])
    return (*others, ("pwdHistory", (*values, *kept)))


def former(secrets: Iterable[tuple[str, tuple[bytes, ...]]], username: str) -> tuple[StoredPassword, ...]:
    """The last two passwords of the account `username` before the one it has, in every form that can be read.

    Another server's history may hold what is not known here: that is nobody's password.
    """
    history = [value for name, values in secrets if name.lower() in NAMES for value in values]
    passwords: list[StoredPassword] = []
    for value in _last(history, KEPT):
        found = _VALUE.fullmatch(value)
        if found is not None and int(found[2]) == len(found[3]) <= MAX_LENGTH:
            try:
                passwords.append(read_password(found[3], username))
            except InvalidPassword:
                continue
    return tuple(passwords[: KEPT * MOST_FORMS])


def _last(history: Iterable[bytes], passwords: int) -> list[bytes]:
    """The values of so many of the last passwords; the latest first."""
    times = {value: found[1] for value in history if (found := _VALUE.fullmatch(value)) is not None}
    latest = sorted(set(times.values()), key=_sortable, reverse=True)[:passwords]
    return [value for time in latest for value, each in times.items() if each == time]


def _sortable(time: bytes) -> tuple[bytes, bytes]:
    seconds, _, fraction = time.partition(b".")
    return seconds, fraction.ljust(6, b"0")


def _stored(attributes: Attributes) -> list[bytes]:
    """Every form of the password, as a value of userPassword."""
    found: list[bytes] = []
    for description, values in attributes:
        name = description.partition(";")[0].lower()
        if name in _USER_PASSWORD:
            found += values
        elif name in _SUPPLEMENTAL:
            found += [b"{WDIGEST}" + b64encode(blob) for blob in map(_wdigest, values) if blob is not None]
    return found


def _wdigest(value: bytes) -> bytes | None:
    try:
        return from_supplemental_credentials(value)
    except UsageError:
        return None  # the account's own reader refuses it
