"""What no client makes of an account or a group: [MS-SAMR] 3.1.1.6, attribute constraints for originating updates.

Only what a write changes is looked at: what an LDIF file brought stays, and may be written back as it is.
"""

import re

from ldapserver.directory.ad.completion import Kind, kind_of
from ldapserver.directory.ad.refusals import SAM_ACCOUNT_NAME, invalid_account_name, too_long
from ldapserver.directory.entry import Entry
from ldapserver.errors import OperationRefused
from ldapserver.wire.messages import ResultCode

LONGEST = 256  # rangeUpper of sAMAccountName, [MS-ADA3] 2.222; in units of UTF-16
LONGEST_OF_USER = 20  # "if the objectClass is user"; of computers, which are users too, nothing is said

# Once there, they stay: what Samba's test_sam_attributes holds a domain controller of Windows to.
NEVER_REMOVED = ("sAMAccountName", "sAMAccountType", "userAccountControl", "primaryGroupID", "groupType")

_NOT_IN_A_NAME = re.compile(r'[\x00-\x1f"/\\\[\]:|<>+=;?,*]')


def check(before: Entry | None, after: Entry) -> None:
    """Look at an account or a group that is about to be `after`, None before it is added. Raises OperationRefused."""
    kind = kind_of(after.get("objectClass"))
    if not kind.is_principal:
        return
    for attribute in NEVER_REMOVED:
        if before is not None and attribute in before and attribute not in after:
            raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, f"{attribute}: may be replaced, and not removed")
    had = () if before is None else before.get("sAMAccountName")
    for name in after.get("sAMAccountName"):
        if name not in had:
            check_account_name(name.decode("utf-8", "replace"), kind)


def check_account_name(name: str, kind: Kind) -> None:
    """Whether something of this kind may be called so. Raises OperationRefused."""
    length = len(name.encode("utf-16-le")) // 2
    if length > LONGEST:
        raise too_long(SAM_ACCOUNT_NAME)
    # Constraints 8 to 11: something that is no blank, no period at the end, none of these characters, and the length.
    if (
        not name.strip()
        or name.endswith(".")
        or _NOT_IN_A_NAME.search(name)
        or (kind in (Kind.USER, Kind.INET_ORG_PERSON) and length > LONGEST_OF_USER)
    ):
        raise invalid_account_name()
