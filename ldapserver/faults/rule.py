"""When a fault strikes: conditions, all of which must hold, and which of the occasions it is."""

from dataclasses import dataclass

from ldapserver.faults.actions import CHALLENGE, CONNECT, EXTENDED, OPERATIONS, TLS, Action
from ldapserver.wire.dn import DN, InvalidDN

_NAMES = {oid: name for name, oid in EXTENDED.items()}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Do `action` on an operation. Raises ValueError where the two, or the conditions, do not go together.

    on          bind (what is to be judged), challenge (the step before it), search, compare, add, modify, delete,
                modify_dn, extended, starttls, whoami, password_modify, the OID of an extended operation, any of
                these, connect, tls (a handshake)
    user        who is bound, or who binds, in any form of the name
    dn          what it is about: this entry, or one below it
    mechanism   simple, anonymous, DIGEST-MD5, ...: of a bind or challenge
    connection  its number, from 1
    tls         whether it is inside TLS
    nth         the first occasion it strikes on, from 1
    every       after that, on each so-manieth; `nth` is then the same unless it is given
    times       how often in all; None is always
    optional    whether it need not strike at all
    """

    action: Action
    on: str
    user: str | None = None
    dn: str | None = None
    mechanism: str | None = None
    connection: int | None = None
    tls: bool | None = None
    nth: int = 1
    every: int = 1
    times: int | None = 1
    optional: bool = False

    def __post_init__(self) -> None:
        on = self.on
        if on not in OPERATIONS and not on.replace(".", "").isdigit():
            raise ValueError(f"on: {on}: must be an OID, or one of {', '.join(sorted(OPERATIONS))}")
        if self.on in _NAMES:
            object.__setattr__(self, "on", _NAMES[self.on])
            on = self.on
        objection = self.action.objection(on if on in OPERATIONS else "extended")
        if objection is not None:
            raise ValueError(f"on: {on}: {objection}")
        for name, least in (("nth", 1), ("every", 1), ("times", 1), ("connection", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}: {value}; {least} or more is due")
        if self.dn is not None:
            if on in (CONNECT, TLS, CHALLENGE, "bind"):
                raise ValueError(f"dn: has no meaning on {on}; `user` is who binds")
            try:
                DN.parse(self.dn)
            except InvalidDN as error:
                raise ValueError(f"dn: {self.dn}: {error}") from None
        # A challenge is given before anybody has said who it is for.
        if self.user is not None and on in (CONNECT, TLS, CHALLENGE):
            raise ValueError(f"user: is not known on {on}")
        if self.mechanism is not None and on not in ("bind", CHALLENGE):
            raise ValueError(f"mechanism: has no meaning on {on}, only on bind and challenge")
        if self.tls is not None and on in (CONNECT, TLS):
            raise ValueError(f"tls: has no meaning on {on}")

    def __str__(self) -> str:
        words = [f"{self.action} on {self.on}"]
        words += [
            f"{name}={value!r}"
            for name in ("user", "dn", "mechanism", "connection", "tls")
            if (value := getattr(self, name)) is not None
        ]
        words += [f"{name}={value}" for name in ("nth", "every") if (value := getattr(self, name)) != 1]
        if self.times != 1:
            words.append("always" if self.times is None else f"times={self.times}")
        return ", ".join(words)

    def is_due(self, occasion: int, struck: int) -> bool:
        """Whether it strikes on its so-manieth occasion, counted from 1, having struck so often."""
        if self.times is not None and struck >= self.times:
            return False
        return occasion >= self.nth and (occasion - self.nth) % self.every == 0

    @property
    def oid(self) -> str | None:
        """The extended operation it is about, where that is one."""
        return EXTENDED.get(self.on, None if self.on in OPERATIONS else self.on)
