"""What a domain asks of its accounts: when wrong passwords lock them, and how long a password lasts."""

from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules; times are seconds.

    `lockout_threshold` wrong passwords lock an account, each within `lockout_window` of the one before it; 0 is
    never. It is locked for `lockout_duration`, 0 is until an administrator unlocks it. A password lasts for
    `max_password_age`, 0 is for ever. With `spare_old_passwords` one of an account's last two is as wrong as any
    other, and does not count towards the threshold. With `counted` wrong passwords are counted though nothing locks,
    as in a domain.
    """

    lockout_threshold: int = 0
    lockout_window: float = 1800.0
    lockout_duration: float = 1800.0
    max_password_age: float = 0.0
    spare_old_passwords: bool = False
    counted: bool = False

    @property
    def counts(self) -> bool:
        """Whether wrong passwords are counted."""
        return self.counted or self.lockout_threshold > 0


class PolicySettings(TypedDict, total=False):
    """Some of the rules: those that somebody has asked for."""

    lockout_threshold: int
    lockout_window: float
    lockout_duration: float
    max_password_age: float
    spare_old_passwords: bool


NO_POLICY = Policy()
