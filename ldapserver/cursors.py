"""What a connection keeps of searches that it may come back to: pages still to come, and sorted lists (RFC 2696).

All of it ends with the connection, and with its identity. There is room for a few; one more, and the one that was
not asked for longest is forgotten.
"""

from dataclasses import dataclass, field

from ldapserver.access import Identity
from ldapserver.controls import Controls
from ldapserver.entries import Found, Listed
from ldapserver.wire.messages import SearchRequest

MAX_CURSORS = 8  # clients page through one search at a time, and a few through one inside another
MAX_LISTED = 250_000  # entries in sorted lists that are kept, all together: two megabytes of references
MAX_SORTING = 4  # searches sorted at once: each may hold a key for each of a hundred thousand entries


@dataclass(slots=True)
class Cursor:
    """A search that is not at its end: what it was, whose it was, what is left of it, and how much was returned."""

    request: SearchRequest
    controls: Controls  # without what may differ from one page to the next
    identity: Identity
    entries: Found | Listed
    returned: int = 0

    def continues(self, request: SearchRequest, controls: Controls, identity: Identity) -> bool:
        """Whether a request goes on with the search; all but the control itself must be the same."""
        return (request, controls, identity) == (self.request, self.controls, self.identity)


@dataclass(slots=True)
class Cursors:
    """The cursors of one connection; `sorting` is how many searches are being sorted."""

    sorting: int = 0

    _kept: dict[bytes, Cursor] = field(default_factory=dict)
    _count: int = 0

    def keep(self, cursor: Cursor) -> bytes:
        """Keep it; the cookie by which it is taken again, which no other has had on this connection."""
        self._count += 1
        cookie = b"%d" % self._count
        while self._kept and (len(self._kept) >= MAX_CURSORS or self._references + cursor.entries.size > MAX_LISTED):
            del self._kept[next(iter(self._kept))]
        self._kept[cookie] = cursor
        return cookie

    def take(self, cookie: bytes) -> Cursor | None:
        """The cursor of this cookie, which is not kept any longer."""
        return self._kept.pop(cookie, None)

    @property
    def _references(self) -> int:
        return sum(cursor.entries.size for cursor in self._kept.values())

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)
