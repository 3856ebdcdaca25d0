"""A server for a test: `with running_server() as server:` listens at a port of its own, ready when it is entered."""

from ldapserver.testing.keeping import Snapshot
from ldapserver.testing.running import running_server, start_server
from ldapserver.testing.server import Server

__all__ = ["Server", "Snapshot", "running_server", "start_server"]
