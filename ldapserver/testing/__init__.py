"""A server for a test: `with running_server() as server:` listens at a port of its own, ready when it is entered."""

from ldapserver.testing.capturing import RecordingServer, ReplayMismatch, ReplayServer, recording, replaying
from ldapserver.testing.domain import running_domain
from ldapserver.testing.entries import Entry
from ldapserver.testing.keeping import Snapshot
from ldapserver.testing.orders import Group, User
from ldapserver.testing.running import running_server, start_server
from ldapserver.testing.server import Server

__all__ = [
    "Entry",
    "Group",
    "RecordingServer",
    "ReplayMismatch",
    "ReplayServer",
    "Server",
    "Snapshot",
    "User",
    "recording",
    "replaying",
    "running_domain",
    "running_server",
    "start_server",
]
