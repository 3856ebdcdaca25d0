"""Entries found by a search, to be taken a few at a time: as the directory gives them, or from a sorted list."""

from collections.abc import AsyncIterator, Callable, Sequence

from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry


class Found:
    """What a directory finds, in its own order; only what is `visible`."""

    def __init__(
        self, batches: AsyncIterator[Sequence[Entry]], visible: Callable[[Entry], bool] | None = None
    ) -> None:
        self._batches = batches
        self._visible = visible
        self._rest: Sequence[Entry] = ()

    async def take(self, most: int) -> Sequence[Entry] | None:
        """The next batch of at most so many, which may be empty; None at the end."""
        batch = self._rest
        if batch:
            self._rest = ()
        else:
            try:
                batch = await anext(self._batches)
            except StopAsyncIteration:
                return None
            if self._visible is not None:
                batch = list(filter(self._visible, batch))
        if len(batch) > most:
            batch, self._rest = batch[:most], batch[most:]
        return batch

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Have these taken before all others."""
        self._rest = [*entries, *self._rest]

    @property
    def size(self) -> int:
        """How many there are in all; 0, for that is not known."""
        return 0


class Listed:
    """A sorted list. What is taken of it later, when it is `old`, is as it is then, or left out if it is gone."""

    def __init__(self, entries: Sequence[Entry], directory: Directory) -> None:
        self.entries = entries
        self.at = 0
        self.old = False
        self._directory = directory

    async def take(self, most: int) -> Sequence[Entry] | None:
        """The next so many, fewer where some are gone; None at the end."""
        if self.at >= len(self.entries):
            return None
        batch = self.entries[self.at : self.at + most]
        self.at += len(batch)
        if not self.old:
            return batch
        return [entry for one in batch if (entry := await self._directory.read(one.dn)) is not None]

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Have the entries taken last taken again."""
        self.at -= len(entries)

    @property
    def size(self) -> int:
        """How many there are in all."""
        return len(self.entries)
