"""Which servers a failing test has used, for its report: those that run, and those that ran within it."""

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ldapserver.testing.conversation import LINES, Conversation
from ldapserver.testing.register import RUNNING

if TYPE_CHECKING:
    from ldapserver.testing.server import Server

_MOST = 20  # servers that a report tells of

_lock = threading.Lock()
_stopped: list[Conversation] = []


def closing(server: "Server") -> None:
    """It will not run for long: what was said is kept for a while, where a test may be asked for it."""
    if "ldapserver.pytest_plugin" in sys.modules:
        try:
            conversation = server.conversation
        except RuntimeError:  # its process has ended before it was stopped, and what it knew is gone
            return
        with _lock:
            _stopped.append(conversation)
            del _stopped[:-_MOST]


def sections(since: float, error: str) -> Iterator[tuple[str, str]]:
    """Title and text of each conversation since this time of the monotonic clock; none that stands in `error`."""
    with _lock:
        conversations, servers = [*_stopped], RUNNING[-_MOST:]
    for server in servers:
        try:
            conversations.append(server.conversation)
        except Exception as unreachable:  # the report of one failure is no place for another
            yield f"LDAP conversation with {server.url}", f"could not be read: {unreachable!r}"
    for conversation in conversations:
        said = conversation.since(since)
        if said.said and conversation.title not in error:
            yield conversation.title, said.text(LINES)
