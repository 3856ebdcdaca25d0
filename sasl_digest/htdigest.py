"""Lines of USER:REALM:HASH, as Apache's htdigest writes them and `samba-tool user getpassword` prints them.

HASH is H(user:realm:password) in 32 hexadecimal digits: what `HA1` holds. samba-tool's output is LDIF, with an
attribute virtualWDigestNN for each form; its other lines say nothing here.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator

from sasl_digest.credentials import HA1
from sasl_digest.errors import UsageError

# A user and a realm that held a colon could not be told apart, so neither does (as in Apache's reader).
_LINE = re.compile(r"([^:]*):([^:]*):([0-9A-Fa-f]{32})")
_VIRTUAL = re.compile(r"virtualWDigest[0-9]{2}:(:?) *(.*)", re.IGNORECASE)
# samba-tool names the account first and says last how it went.
_ASIDE = re.compile(r"dn::? .*|Got password OK|Any available password returned OK", re.DOTALL)


def read_htdigest(text: str) -> dict[tuple[str, str], HA1]:
    """The hashes by (user, realm). Raises UsageError, which names the line and the rule, and shows no hash.

    Empty lines, and comments that begin with `#`, are passed over. A pair may come again with the same hash.
    """
    found: dict[tuple[str, str], HA1] = {}
    stood_at: dict[tuple[str, str], int] = {}
    for number, written in _unfolded(text):
        line = _value(number, written)
        if line is None:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(f"htdigest: line {number}: a user, ':', a realm, ':' and 32 hexadecimal digits were due")
        user, realm, digits = match.groups()
        ha1 = HA1(bytes.fromhex(digits), username=user, realm=realm)
        before = found.setdefault((user, realm), ha1)
        first = stood_at.setdefault((user, realm), number)
        if before != ha1:
            raise UsageError(
                f"htdigest: line {number}: the hash of {user!r} in {realm!r} is another than in line {first}"
            )
    return found


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; one that begins with a blank goes on with an LDIF line (RFC 2849 note 2)."""
    start, parts = 0, [""]
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if line.startswith(" ") and (_VIRTUAL.match(parts[0]) or _ASIDE.match(parts[0])):
            parts.append(line[1:])
            continue
        if start:
            yield start, "".join(parts)
        start, parts = number, [line]
    yield start, "".join(parts)


def _value(number: int, line: str) -> str | None:
    """What the line says of a hash, or None when it is an aside."""
    virtual = _VIRTUAL.fullmatch(line)
    if virtual is None:
        aside = not line.strip() or line.startswith("#") or (_ASIDE.fullmatch(line) and not _LINE.fullmatch(line))
        return None if aside else line
    if not virtual[1]:
        return virtual[2]
    try:
        return b64decode(virtual[2], validate=True).decode()
    except (Base64Error, ValueError):
        raise UsageError(f"htdigest: line {number}: behind '::' stands no base64 of UTF-8") from None
