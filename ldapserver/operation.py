"""What every operation is given, and what it comes to."""

from dataclasses import dataclass, field

from ldapserver.access import Identity
from ldapserver.controls import NO_CONTROLS, Controls
from ldapserver.cursors import Cursors
from ldapserver.sasl.mechanism import Connection
from ldapserver.service import NO_PEER, Peer, Service
from ldapserver.suspension import Host
from ldapserver.wire.messages import Control, Response


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation is carried out with: the server's parts, who asks, a way to wait, what is kept for later.

    `connection` is what it came over; without one it is taken to be in the clear. `peer` is who is at its other end,
    and `message_id` the request's.
    """

    service: Service
    identity: Identity
    host: Host
    controls: Controls = NO_CONTROLS
    cursors: Cursors = field(default_factory=Cursors)
    connection: Connection | None = None
    peer: Peer = NO_PEER
    message_id: int = 0

    @property
    def strength(self) -> int:
        """The bits of the key that protects what is asked, 0 in the clear."""
        return 0 if self.connection is None else self.connection.strength

    @property
    def workstation(self) -> str:
        """Where it came from, as event 4776 has it."""
        return "" if self.connection is None else self.connection.workstation


@dataclass(frozen=True, slots=True)
class Reply:
    """A response and the controls that go with it."""

    response: Response
    controls: tuple[Control, ...] = ()
