"""The connections of a server under test."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import overload

from ldapserver.testing.requests import listing


@dataclass(frozen=True, kw_only=True, repr=False)
class Connection:
    """One connection: `peer` is ADDRESS:PORT, or what it is instead; times are the server's clock in UTC.

    `closed` is None while it lasts. `tls` is whether it runs inside TLS, `layer` the qop of its security layer,
    `identity` the name of the account that it is bound as, empty for anonymous; of one that is closed, as they last
    were. `requests` is how many it has brought.
    """

    number: int
    peer: str
    opened: datetime
    closed: datetime | None = None
    tls: bool = False
    layer: str | None = None
    identity: str = ""
    requests: int = 0

    def __repr__(self) -> str:
        who = f", {self.identity}" if self.identity else ""
        inside = ", inside TLS" if self.tls else ""
        layer = f", {self.layer}" if self.layer else ""
        state = "open" if self.closed is None else "closed"
        return f"<#{self.number} from {self.peer}{inside}{layer}{who}, {self.requests} requests, {state}>"


@dataclass(frozen=True, repr=False)
class Connections(Sequence[Connection]):
    """Connections in the order they came; `forgotten` is how many older ones, all closed, are not kept any more."""

    items: tuple[Connection, ...] = ()
    forgotten: int = 0

    @property
    def open(self) -> "Connections":
        """Those that last."""
        return Connections(tuple([each for each in self.items if each.closed is None]))

    @overload
    def __getitem__(self, index: int) -> Connection: ...

    @overload
    def __getitem__(self, index: slice) -> "Connections": ...

    def __getitem__(self, index: int | slice) -> "Connection | Connections":
        return Connections(self.items[index], self.forgotten) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self.items)

    def __repr__(self) -> str:
        return listing("connection", self.items, self.forgotten)
