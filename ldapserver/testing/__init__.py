"""A server for a test: `with running_server() as server:` listens at a port of its own, ready when it is entered."""

from ldapserver.testing.capturing import RecordingServer, ReplayMismatch, ReplayServer, recording, replaying
from ldapserver.testing.running import running_server
from ldapserver.testing.server import Server

__all__ = ["RecordingServer", "ReplayMismatch", "ReplayServer", "Server", "recording", "replaying", "running_server"]
