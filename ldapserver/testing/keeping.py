"""What a server was, kept to be gone back to: its entries, its policy and its time."""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldapserver.directory.snapshot import Snapshot as Directory

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


def keep(served: "Served", forget: tuple[str, ...]) -> Snapshot:
    """Keep what there is, and no longer what nobody can ask for any more."""
    for key in forget:
        served.kept.pop(key, None)
    key = uuid.uuid4().hex
    served.kept[key] = KeptState(served.directory.snapshot(), served.clock.added, served.clock.standing)
    return Snapshot(key)


def restore(served: "Served", key: str) -> None:
    """Be what was kept. Raises ValueError for a snapshot of another server."""
    kept = served.kept.get(key)
    if kept is None:
        raise ValueError("the snapshot is of another server")
    served.directory.restore(kept.directory)
    served.clock.added, served.clock.standing = kept.added, kept.standing
    served.forget()
