"""One record as it is read back: what a person asks of it, from JSON or from a Windows event in XML."""

from collections.abc import Mapping
from typing import NamedTuple

from ldapserver.audit.status import Status

EXCHANGE = "sasl-exchange"  # `code` of a bind that reached no verdict, which is no Windows event
VALIDATION = "4776"
SUCCESS = "success"
FAILURE = "failure"
UNKNOWN = "unknown"

_ZERO = "0x0"

# What logs of Windows itself carry besides; [MS-ERREF] section 2.3.
_WORDS_BESIDE = {
    "0xc000005e": "No logon server",
    "0xc000006d": "Bad user name or password",
    "0xc000015b": "This type of logon is not granted",
    "0xc000018c": "The trust relationship failed",
    "0xc0000413": "Stopped by an authentication firewall",
}
_WORDS = _WORDS_BESIDE | {status.hexadecimal: status.words for status in Status}


class NotARecord(ValueError):
    """A line, or an element, that is no record of an audit."""


class Event(NamedTuple):
    """What is read of one record; a tuple and not a dataclass, for there are millions.

    `time` is as `times.canonical` writes it, so that times compare as text. `code` is an event id or
    `sasl-exchange`. `account` and `workstation` are empty where a record names none. `status` is lower-case
    hexadecimal as Windows writes it; of a 4625 that explains itself by a SubStatus it is that, and `general` the
    Status beside it. From `mechanism` to `digest_uri` is what `ldap` says, None in a log of Windows' form. `text` is
    the record as it stands in its log. `log` is which log that is, where several are read: each numbers its own.
    """

    time: str
    account: str
    source_ip: str | None
    workstation: str
    code: str
    outcome: str
    package: str
    status: str | None
    general: str | None
    reason: str | None
    mechanism: str | None
    realm: str | None
    qop: str | None
    cipher: str | None
    tls: bool | None
    digest_uri: str | None
    text: str
    log: str | None = None

    @property
    def manner(self) -> tuple[str | bool | None, ...]:
        """All but when, whose, from where, text and log: of this there are few that differ, however many records."""
        return self[4:-2]

    @property
    def is_bind(self) -> bool:
        """Whether this is the one record of a bind, and not an event beside it."""
        return self.code in (VALIDATION, EXCHANGE)


def words(status: str) -> str:
    """What a status says to a person; nothing for one that is not known here."""
    return _WORDS.get(status, "")


def seen_in(code: str, data: Mapping[str, str]) -> tuple[str, str, str, str | None, str | None]:
    """Package, account, workstation, status and general status of a Windows event with this EventData."""
    package = data.get("PackageName") or data.get("AuthenticationPackageName") or ""
    account = data.get("TargetUserName") or data.get("SubjectUserName") or ""
    # The TargetDomainName of a lockout is the computer that the wrong passwords came from.
    named = data.get("TargetDomainName" if code == "4740" else "WorkstationName") or ""
    workstation = data.get("Workstation") or ("" if named == "-" else named)
    status, detail = _status(data.get("Status")), _status(data.get("SubStatus"))
    if detail is None or detail == _ZERO:
        return package, account, workstation, status, None
    return package, account, workstation, detail, status


def _status(text: str | None) -> str | None:
    if not text or text == "-":
        return None
    try:
        return f"{int(text, 16):#x}"
    except ValueError:
        raise NotARecord(f"{text!r} is no status") from None
