"""Which servers of this process run: those that were started here and not stopped, in their order."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ldapserver.testing.server import Server

RUNNING: "list[Server]" = []

# A process that was forked off has none of its parent's.
os.register_at_fork(after_in_child=RUNNING.clear)


def closed(server: "Server") -> bool:
    """It runs no more; whether it did."""
    try:
        RUNNING.remove(server)
    except ValueError:
        return False
    return True
