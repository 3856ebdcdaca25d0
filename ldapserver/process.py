"""The process at the other end of a Unix socket, as the system itself knows it."""

import socket
import struct
from dataclasses import dataclass

_UCRED = struct.Struct("iII")  # struct ucred of Linux: pid_t, uid_t, gid_t


@dataclass(frozen=True, slots=True)
class Process:
    """Who a process runs as: its effective user and group when it connected."""

    uid: int
    gid: int


def process_of(connected: socket.SocketType) -> Process | None:
    """Who has connected this Unix socket; None where the system does not say (SO_PEERCRED is of Linux)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, gid = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Process(uid, gid)
