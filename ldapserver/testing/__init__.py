"""A server for a test: `with running_server() as server:` listens at a port of its own, ready when it is entered."""

from ldapserver.testing.binds import Bind, Binds
from ldapserver.testing.capturing import RecordingServer, ReplayMismatch, ReplayServer, recording, replaying
from ldapserver.testing.connections import Connection, Connections
from ldapserver.testing.conversation import Conversation
from ldapserver.testing.domain import running_domain
from ldapserver.testing.entries import Entry
from ldapserver.testing.events import Event, Events
from ldapserver.testing.faults import Fault, Faults, bad_certificate
from ldapserver.testing.keeping import Snapshot
from ldapserver.testing.orders import Group, User
from ldapserver.testing.requests import Request, Requests
from ldapserver.testing.running import running_server, start_server
from ldapserver.testing.server import Server

__all__ = [
    "Bind",
    "Binds",
    "Connection",
    "Connections",
    "Conversation",
    "Entry",
    "Event",
    "Events",
    "Fault",
    "Faults",
    "Group",
    "RecordingServer",
    "ReplayMismatch",
    "ReplayServer",
    "Request",
    "Requests",
    "Server",
    "Snapshot",
    "User",
    "bad_certificate",
    "recording",
    "replaying",
    "running_domain",
    "running_server",
    "start_server",
]
