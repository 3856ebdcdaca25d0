"""In which form a client names its user: it decides which of a directory's stored digests can answer it.

[MS-SAMR] section 3.1.1.8.11.3.1 has hashes for account names, UPNs and `DOMAIN\\user`, and for no other form.
"""

import re

BARE = "account name"
COMPUTER = "computer (NAME$)"
DOWN_LEVEL = "DOMAIN\\user"
UPN = "UPN (user@domain)"
DISTINGUISHED = "distinguished name"
CANONICAL = "canonical name"
SERVICE = "service principal (service/host)"
GUID = "GUID"
SID = "SID"
NONE = "no name"

_HEX = "[0-9A-Fa-f]"
# In this order: a DN may hold a backslash, an SPN an @, and so on.
_FORMS = (
    (GUID, re.compile(rf"\{{?{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\}}?")),
    (SID, re.compile(r"S-1-\d+(-\d+)*", re.IGNORECASE | re.ASCII)),
    (DISTINGUISHED, re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|\d+(\.\d+)*)\s*=.*", re.DOTALL)),
    (DOWN_LEVEL, re.compile(r"[^\\]*\\.*", re.DOTALL)),
    (CANONICAL, re.compile(r"[^/@\s]+\.[^/@\s]+/.*", re.DOTALL)),
    (SERVICE, re.compile(r"[^/@\s]+/.+", re.DOTALL)),
    (UPN, re.compile(r".*@.*", re.DOTALL)),
    (COMPUTER, re.compile(r".+\$", re.DOTALL)),
)


def name_form(account: str) -> str:
    """What form a name has, in words; by its looks alone, for a record does not say how the directory took it."""
    if not account:
        return NONE
    return next((form for form, pattern in _FORMS if pattern.fullmatch(account)), BARE)
