"""`ldapserver serve`: put a configuration to work, listen, and stop cleanly."""

import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ldapserver.hosting.assembly import what_stays
from ldapserver.hosting.hosted import Hosted, prepare, raise_file_limit
from ldapserver.hosting.listeners import Listening
from ldapserver.hosting.loops import Loop, begin_loop
from ldapserver.hosting.options import read_options, serve_parser
from ldapserver.usage import UsageFault

_log = logging.getLogger("ldapserver")


parser = serve_parser  # where each command has its own


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    try:
        options = read_options(arguments)
        logging.basicConfig(
            stream=sys.stderr, level=options.log_level.upper(), format="ldapserver: %(message)s", force=True
        )
        with what_stays():
            hosted = prepare(options)
    except UsageFault as fault:
        print(f"ldapserver serve: {fault}", file=sys.stderr)
        return 2
    try:
        raise_file_limit(hosted.service.config.max_connections)
        return _run(hosted)
    except UsageFault as fault:
        print(f"ldapserver serve: {fault}", file=sys.stderr)
        return 2
    finally:
        hosted.service.audit.close()


def _run(hosted: Hosted) -> int:
    """Listen, and serve until a signal ends it; the exit status."""
    from twisted.python import log

    loop = begin_loop(hosted.options.loop)
    log.PythonLoggingObserver("ldapserver.twisted").start()  # type: ignore[no-untyped-call]  # Twisted's own
    logging.getLogger("ldapserver.twisted").setLevel(logging.WARNING)
    return _Run(loop, hosted, hosted.listen(loop.reactor, loop.asyncio)).status()


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
        try:
            self.hosted.announce(self.listening, self.loop.name)
        except UsageFault as fault:
            print(f"ldapserver serve: {fault}", file=sys.stderr)
            self.unannounced = True
            self.loop.reactor.stop()

    def _stop(self) -> object:
        """End what is under way, and let everybody be told."""
        if not self.unannounced:
            _log.info("stopping")
        return self.listening.stop()
