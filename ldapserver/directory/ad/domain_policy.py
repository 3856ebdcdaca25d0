"""What a domain asks of its accounts, as the entry of the domain says it ([MS-SAMR] 3.1.1.5, [MS-ADA1] 2.370).

Times are negative numbers of 100 ns; the least there is stands for "without end", and so does 0.
"""

from collections.abc import Iterable
from dataclasses import replace

from ldapserver.directory.account_state import SECOND
from ldapserver.directory.entry import Entry
from ldapserver.directory.policy import Policy, PolicySettings

WITHOUT_END = -(2**63)

_Attributes = Iterable[tuple[str, tuple[bytes, ...]]]


def read(head: Entry, given: Policy) -> Policy:
    """The policy of the domain whose entry this is; what that does not say is as `given`."""
    threshold = head.number("lockoutThreshold")
    window, duration, age = (
        _seconds(head.number(name)) for name in ("lockOutObservationWindow", "lockoutDuration", "maxPwdAge")
    )
    if head.number("lockOutObservationWindow") == WITHOUT_END:
        window = -WITHOUT_END / SECOND
    return replace(
        given,
        lockout_threshold=given.lockout_threshold if threshold is None else max(0, threshold),
        lockout_window=given.lockout_window if window is None else window,
        lockout_duration=given.lockout_duration if duration is None else duration,
        max_password_age=given.max_password_age if age is None else age,
        counted=True,
    )


def written(attributes: _Attributes, given: Policy, asked: PolicySettings) -> list[tuple[str, tuple[bytes, ...]]]:
    """The attributes of a domain's entry with the policy: what is asked, else what stands there, else as given."""
    values = {
        "lockoutThreshold": (asked.get("lockout_threshold"), given.lockout_threshold),
        "lockOutObservationWindow": (_interval(asked.get("lockout_window")), _interval(given.lockout_window)),
        "lockoutDuration": (_interval(asked.get("lockout_duration")), _interval(given.lockout_duration)),
        "maxPwdAge": (_interval(asked.get("max_password_age")), _interval(given.max_password_age)),
    }
    replaced = {name.lower() for name, (wanted, _) in values.items() if wanted is not None}
    kept = [(name, each) for name, each in attributes if name.lower() not in replaced]
    there = {name.lower() for name, _ in kept}
    for name, (wanted, otherwise) in values.items():
        if name.lower() not in there:
            kept.append((name, (str(otherwise if wanted is None else wanted).encode(),)))
    return kept


def _interval(seconds: float | None) -> int | None:
    return None if seconds is None else -int(seconds * SECOND) or WITHOUT_END


def _seconds(interval: int | None) -> float | None:
    """0 for one without end."""
    if interval is None:
        return None
    return -interval / SECOND if WITHOUT_END < interval < 0 else 0.0
