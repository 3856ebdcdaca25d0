"""One of several processes that serve the same (`--workers`): what it has of its own, and its tie to its parent."""

import argparse
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ldapserver.hosting.targets import XML, is_syslog
from ldapserver.logons import logon_ids
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault


@dataclass(frozen=True)
class Worker:
    """The worker `number` (from 1) of `count`; `sockets` are what it listens at, one for each of `urls`.

    `listens` tells the parent that it accepts now.
    """

    number: int
    count: int
    urls: Sequence[ListenURL]
    sockets: Sequence[socket.socket]
    listens: Callable[[], object] = field(repr=False)

    def logon_ids(self, microseconds: int) -> Iterator[int]:
        """The ids of its logons, none of which is another worker's: each counts on by as many as there are."""
        first = microseconds - microseconds % self.count
        return islice(logon_ids(first), self.number - 1, None, self.count)


def own_options(options: argparse.Namespace, number: int) -> argparse.Namespace:
    """The options as a worker has them: with logs of its own, and not the one to say that the server is ready."""
    audit = [own_target(target, number) for target in options.audit]
    return argparse.Namespace(**{**vars(options), "audit": audit, "ready_file": None})


def all_own_options(options: argparse.Namespace) -> list[argparse.Namespace]:
    """The options as each of the processes has them."""
    return (
        [own_options(options, number + 1) for number in range(options.workers)] if options.workers > 1 else [options]
    )


def own_target(target: str, number: int | str) -> str:
    """The target of --audit that a worker writes: `audit.2.jsonl` for `audit.jsonl`.

    A syslog receiver is the same for all, and so is what keeps nothing, `/dev/null`.
    """
    if is_syslog(target) or os.path.realpath(target.removeprefix(XML)) == os.devnull:
        return target
    root, extension = os.path.splitext(target)
    return f"{root}.{number}{extension}"


def check_shared_targets(options: argparse.Namespace) -> None:
    """Raise UsageFault for a target of --audit that workers cannot each have one of: a FIFO, a terminal."""
    for target in options.audit if options.workers > 1 else ():
        path = target.removeprefix(XML)
        if own_target(target, 1) != target and os.path.exists(path) and not os.path.isfile(path):
            what = "is a directory" if os.path.isdir(path) else "is no file"
            raise UsageFault(f"argument --audit: {target}: {what}, and each of several workers has a log of its own")


def end_with(parent: int) -> None:
    """Have this process stop as by SIGTERM once nobody holds the other end of the pipe `parent` any more.

    Whoever started it may have been killed, and could not say so: the system closes the pipe. A thread waits for it,
    whatever loop the process runs.
    """

    def wait() -> None:
        os.read(parent, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="ldapserver.parent", daemon=True).start()
