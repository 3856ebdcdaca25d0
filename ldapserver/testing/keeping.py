"""What a server was, kept to be gone back to: its entries, its policy, its time, and what was to go wrong."""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldapserver.directory.snapshot import Snapshot as Directory
from ldapserver.faults.plan import Standing
from ldapserver.faults.rule import Rule

if TYPE_CHECKING:
    from ldapserver.testing.served import Served


@dataclass(frozen=True)
class Snapshot:
    """What a server was when it was asked; `restore` goes back to it, any number of times."""

    key: str


@dataclass(frozen=True)
class KeptState:
    """What is behind a snapshot, where the server is."""

    directory: Directory
    added: int
    standing: int | None
    rules: tuple[Standing, ...]
    newest: int


def keep(served: "Served", forget: tuple[str, ...]) -> Snapshot:
    """Keep what there is, and no longer what nobody can ask for any more."""
    for key in forget:
        served.kept.pop(key, None)
    key = uuid.uuid4().hex
    clock, faults = served.clock, served.faults
    served.kept[key] = KeptState(
        served.directory.snapshot(), clock.added, clock.standing, faults.kept(), faults.newest
    )
    return Snapshot(key)


def restore(served: "Served", key: str) -> tuple[Rule, ...]:
    """Be what was kept; the rules that came since and never struck. Raises ValueError for that of another server."""
    kept = served.kept.get(key)
    if kept is None:
        raise ValueError("the snapshot is of another server")
    served.directory.restore(kept.directory)
    served.clock.added, served.clock.standing = kept.added, kept.standing
    unfired = served.faults.unfired(kept.newest)
    served.faults.restore(kept.rules)
    served.forget()
    return unfired
