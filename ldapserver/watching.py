"""What somebody who looks on may be told of a server's connections: a test, or a recording.

Messages are seen as they were meant, in the clear: inside TLS and below a security layer. A service that nobody
watches pays for one comparison a message.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ldapserver.service import Peer
    from ldapserver.session import Session


class Watch(Protocol):
    """One connection, looked at. Called in the loop's thread, and expected to return at once."""

    def received(self, element: bytes) -> None:
        """A whole message of the client's, before anything is done about it."""
        ...

    def sent(self, elements: bytes) -> None:
        """One or more whole messages, before they leave."""
        ...

    def closed(self) -> None:
        """Nothing more is taken from the client, or sent to it; may be said twice."""
        ...


class Watcher(Protocol):
    """Who looks on at the connections of a service."""

    def watch(self, session: "Session", peer: "Peer") -> Watch:
        """A new connection: what is told of it."""
        ...
