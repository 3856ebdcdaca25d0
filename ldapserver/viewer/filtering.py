"""Which records are asked for."""

from dataclasses import dataclass

from ldapserver.audit.status import ENDINGS, Status
from ldapserver.viewer.event import EXCHANGE, FAILURE, Event


@dataclass(frozen=True, slots=True)
class StatusWanted:
    """One value of --status: a status in hexadecimal, a reason, or both where the one says the other."""

    status: str | None
    reason: str | None

    def accepts(self, event: Event) -> bool:
        """Whether the record has it; of a 4625 the SubStatus counts as well as the Status."""
        if self.reason is not None and (event.reason is not None or self.status is None):
            return event.reason == self.reason
        return self.status in (event.status, event.general) and self.status is not None


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; a record must pass all that is given, and of a list one. Empty and None ask for nothing.

    `since` and `until` are canonical times (`times`): from the first on, and before the second.
    """

    ids: frozenset[str] = frozenset()
    users: tuple[str, ...] = ()
    statuses: tuple[StatusWanted, ...] = ()
    since: str | None = None
    until: str | None = None
    failed: bool = False

    @property
    def asks(self) -> bool:
        """Whether it asks for anything."""
        return self != Filter()

    def accepts(self, event: Event) -> bool:
        """Whether the record passes."""
        return (
            (not self.failed or event.outcome == FAILURE)
            and (not self.ids or event.code in self.ids)
            and (self.since is None or self.since <= event.time)
            and (self.until is None or event.time < self.until)
            and (not self.statuses or any(wanted.accepts(event) for wanted in self.statuses))
            and (not self.users or any(is_of(event.account, user) for user in self.users))
        )


def is_of(account: str, user: str) -> bool:
    """Whether a record's account is the one that is asked for, whatever the case.

    A bare name is that of every domain: `u1` is `u1`, `CONTOSO\\u1` and `u1@contoso.com`. One that names its domain
    is only itself.
    """
    account, user = account.casefold(), user.casefold()
    if account == user:
        return True
    if "\\" in user or "@" in user:
        return False
    _, backslash, name = account.partition("\\")
    return name == user if backslash else "@" in account and account.rpartition("@")[0] == user


_STATUSES = {status.name.lower().replace("_", "-"): status.hexadecimal for status in Status}
_REASONS = {reason.value: ending.status for reason, ending in ENDINGS.items()}
NAMES = tuple(sorted({*_STATUSES, *_REASONS}))


def wanted_status(text: str) -> StatusWanted:
    """What a person types for a status: hexadecimal, the name of a status, a reason, or how only one of them begins.

    Raises ValueError.
    """
    asked = text.lower().replace("_", "-")
    if asked.startswith("0x"):
        try:
            return StatusWanted(f"{int(asked, 16):#x}", None)
        except ValueError:
            raise ValueError(f"{text!r} is no hexadecimal number") from None
    names = [asked] if asked in NAMES else [name for name in NAMES if asked and name.startswith(asked)]
    if len(names) != 1:
        said = (
            f"may be any of {', '.join(names)}" if names else f"is neither hexadecimal nor one of {', '.join(NAMES)}"
        )
        raise ValueError(f"{text!r} {said}")
    (name,) = names
    if name in _STATUSES:
        return StatusWanted(_STATUSES[name], None)
    status = _REASONS[name]
    # A log of Windows' form has no reasons; its status tells one where no other reason has it too.
    alone = status is not None and list(_REASONS.values()).count(status) == 1
    return StatusWanted(status.hexadecimal if status is not None and alone else None, name)


def wanted_ids(text: str) -> frozenset[str]:
    """A list of event ids, `sasl-exchange` among them. Raises ValueError."""
    ids = [each.strip() for each in text.split(",")]
    for each in ids:
        if each != EXCHANGE and not (each.isascii() and each.isdigit()):
            raise ValueError(f"{each!r} is neither the number of an event nor {EXCHANGE}")
    return frozenset(str(int(each)) if each != EXCHANGE else each for each in ids)
