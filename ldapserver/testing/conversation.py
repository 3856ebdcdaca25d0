"""What clients and a server under test said to each other, as text to read: a line a message, without secrets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ldapserver.printable import printable

LINES = 200  # of a conversation in a report: what does not fit is cut out of its middle
_JUMP = 1.0  # seconds that the server's clock may be off from a real one before that is worth a line
_ROOM = 18  # columns before what was said


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that happened on a connection.

    `at` is a monotonic clock's, which all processes of a machine share, and `clock` the server's, both in seconds.
    `direction` is `->` for a message of the client's, `<-` for one of the server's, else blank.
    """

    at: float
    clock: float
    connection: int
    direction: str
    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Conversation:
    """All connections of one server, in the order of time; `forgotten` is how many older things are not kept."""

    url: str
    said: tuple[Said, ...] = ()
    forgotten: int = 0

    @property
    def title(self) -> str:
        """What it is."""
        return f"LDAP conversation with {self.url}"

    def since(self, at: float) -> "Conversation":
        """What was said from this time of the monotonic clock on."""
        return Conversation(self.url, tuple([each for each in self.said if each.at >= at]), self.forgotten)

    def text(self, lines: int | None = None) -> str:
        """All of it, or so many lines: then it says how many were cut out of the middle."""
        written = list(_lines(self.said)) or ["nobody has connected"]
        if self.forgotten:
            written.insert(0, f"({self.forgotten} things before this are forgotten)")
        if lines is not None and len(written) > lines:
            before = lines // 4
            after = lines - before
            cut = f"... {len(written) - lines} lines are cut out here; `server.conversation` has them ..."
            written = [*written[:before], cut, *written[-after:]]
        return "\n".join(written)

    def excerpt(self) -> str:
        """Its title, and as much of it as a message of a failed test has room for."""
        return f"{self.title}\n{self.text(LINES)}"

    def __str__(self) -> str:
        return f"{self.title}\n{self.text()}"

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.said)} lines>"


def _lines(said: Sequence[Said]) -> Iterator[str]:
    if not said:
        return
    begun, ahead = said[0].at, said[0].clock - said[0].at
    for each in said:
        now_ahead = each.clock - each.at
        if abs(now_ahead - ahead) > _JUMP:
            lapse = timedelta(seconds=round(abs(now_ahead - ahead)))
            yield f"{'':{_ROOM}}the server's clock was put {'forward' if now_ahead > ahead else 'back'} by {lapse}"
            ahead = now_ahead
        elapsed = f"{each.at - begun:.3f}"
        yield f"{elapsed:>8} {f'#{each.connection}':<5} {each.direction:2} {printable(each.text)}"
        for detail in each.details:
            yield f"{'':{_ROOM}}    {printable(detail)}"
