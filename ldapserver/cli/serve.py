"""`ldapserver serve`: put a configuration to work, listen, and stop cleanly."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldapserver.hosting.assembly import what_stays
from ldapserver.hosting.hosted import (
    Hosted,
    Loaded,
    announce,
    load_all,
    prepare,
    raise_file_limit,
    unannounce,
)
from ldapserver.hosting.listeners import Listening
from ldapserver.hosting.loops import Loop, begin_loop, loop_name
from ldapserver.hosting.options import read_options, serve_parser
from ldapserver.hosting.worker import Worker, check_shared_targets, own_target
from ldapserver.usage import UsageFault

if TYPE_CHECKING:
    from ldapserver.hosting.sockets import SharedSockets

_log = logging.getLogger("ldapserver")


parser = serve_parser  # where each command has its own


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    try:
        options = read_options(arguments)
        _say_as("ldapserver", options)
        return _serve(options) if options.workers == 1 else _serve_together(options)
    except UsageFault as fault:
        print(f"ldapserver serve: {fault}", file=sys.stderr)
        return 2


def _say_as(who: str, options: argparse.Namespace) -> None:
    """Diagnostics on standard error, each with who says it."""
    logging.basicConfig(stream=sys.stderr, level=options.log_level.upper(), format=f"{who}: %(message)s", force=True)


def _serve(options: argparse.Namespace) -> int:
    """Serve, this process alone; the exit status. Raises UsageFault."""
    with what_stays():
        hosted = prepare(options)
    try:
        raise_file_limit(hosted.service.config.max_connections)
        return _run(hosted)
    finally:
        hosted.service.audit.close()


def _serve_together(options: argparse.Namespace) -> int:
    """Have several processes serve; the exit status. Raises UsageFault."""
    from ldapserver.hosting.sockets import SharedSockets
    from ldapserver.hosting.workers import Workers

    with what_stays():
        # The code that all of them need is loaded once, as the directory is; but no reactor, for each has its own.
        import ldapserver.protocol  # noqa: F401

        check_shared_targets(options)
        loaded = load_all(options)
    raise_file_limit(loaded.config.max_connections)
    with closing(SharedSockets(loaded.addresses, options.workers)) as sockets:
        status = Workers(_Crew(loaded, sockets), sockets, options.workers).run()
    unannounce(options)
    return status


@dataclass
class _Crew:
    """What the workers of one server are for; see `Crew`."""

    loaded: Loaded
    sockets: "SharedSockets"

    def serve(self, worker: Worker) -> int:
        """Serve as one process of several."""
        _say_as(f"ldapserver: worker {worker.number}", self.loaded.options)
        hosted = self.loaded.hosted(worker=worker)
        try:
            return _run(hosted)
        finally:
            hosted.service.audit.close()

    def begun(self, pids: Sequence[int]) -> None:
        """Say where all of them listen, and what is whose."""
        options = self.loaded.options
        announce(options, [str(url) for url in self.sockets.urls], loop_name(options.loop))
        own = [(target, own_target(target, "N")) for target in options.audit]
        logs = ", ".join(log for target, log in own if log != target)
        _log.info(
            "%d workers, pids %s%s; the directory is read-only",
            len(pids),
            " ".join(map(str, pids)),
            f", each with its own {logs}" if logs else "",
        )

    def renew(self) -> None:
        """Read the certificates again, for workers to come."""
        self.loaded.renew()


def _run(hosted: Hosted) -> int:
    """Listen, and serve until a signal ends it; the exit status."""
    from twisted.python import log

    loop = begin_loop(hosted.options.loop)
    log.PythonLoggingObserver("ldapserver.twisted").start()  # type: ignore[no-untyped-call]  # Twisted's own
    logging.getLogger("ldapserver.twisted").setLevel(logging.WARNING)
    return _Run(loop, hosted, hosted.listen(loop.reactor, loop.bringer)).status()


@dataclass
class _Run:
    """A server that listens: who is told that it does, and what signals do to it."""

    loop: Loop
    hosted: Hosted
    listening: Listening
    unannounced: bool = False  # the file of --ready-file could not be written

    def status(self) -> int:
        """Serve until a signal ends it; the exit status."""
        reactor, hosted = self.loop.reactor, self.hosted
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(hosted.renew, self.listening))
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(hosted.save, reactor))
        reactor.callWhenRunning(self._announce)
        reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        reactor.run()
        if self.unannounced:
            return 2
        hosted.unannounce()
        return 0 if hosted.saving is None or hosted.saving.at_exit() else 1

    def _announce(self) -> None:
        """Say that we listen: who is told so may send a signal at once, and the reactor has its handlers by now."""
        # Of its own a second one is an error: a service manager may tell all processes, and ours tell each other.
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: self.loop.reactor.callFromThread(self._end))
        try:
            self.hosted.announce(self.listening, self.loop.name)
        except UsageFault as fault:
            print(f"ldapserver serve: {fault}", file=sys.stderr)
            self.unannounced = True
            self.loop.reactor.stop()

    def _end(self) -> None:
        from twisted.internet.error import ReactorNotRunning

        with suppress(ReactorNotRunning):
            self.loop.reactor.stop()

    def _stop(self) -> object:
        """End what is under way, and let everybody be told."""
        if not self.unannounced and self.hosted.worker is None:
            _log.info("stopping")
        return self.listening.stop()
