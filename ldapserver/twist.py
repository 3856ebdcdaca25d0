"""`twist ldapserver`: the options of `ldapserver serve`, and Twisted's way to run a program around them.

What is wrong is told in one line, and the exit status is 2. The log is Twisted's, and `twist --log-level` and
`--log-file` are about all of it; SIGHUP and SIGUSR1 do what they do to `ldapserver serve`.
"""

import logging
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from twisted.logger import Logger, LogLevel
from twisted.python import usage

from ldapserver.hosting.hosted import raise_file_limit
from ldapserver.hosting.options import options_parser, read_options
from ldapserver.hosting.targets import STANDARD_OUTPUT
from ldapserver.twisted_service import LDAPService
from ldapserver.usage import UsageFault

_COMMAND = "twist ldapserver"
_log = Logger("ldapserver")
_DESCRIPTION = """\
Answer LDAP binds and searches, as `ldapserver serve` does and with the same options, in a process that Twisted runs.
"""
_EPILOG = """\
example:
  twist --log-file=ldap.log ldapserver --ldif examples/contoso.ldif --listen ldap://127.0.0.1:3890
"""


class Options(usage.Options):
    """All options of `ldapserver serve`, read by what reads them there."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:  # noqa: N802  # Twisted's name
        """Read them; ends the process where they are wrong, and after --help."""
        try:
            parser = options_parser(_COMMAND, _DESCRIPTION, _EPILOG)
            self.read = read_options(sys.argv[1:] if options is None else options, parser)
            if STANDARD_OUTPUT in self.read.audit and not _log_elsewhere(getattr(self, "parent", None)):
                raise UsageFault("argument --audit: -: Twisted logs there: say twist --log-file=FILE ldapserver ...")
        except UsageFault as fault:
            _exit(fault)


def makeService(options: Options) -> LDAPService:  # noqa: N802  # Twisted's name
    """The service of these options; ends the process where it cannot be made."""
    logger = logging.getLogger("ldapserver")
    logger.setLevel(options.read.log_level.upper())
    logger.addHandler(ToTwisted())
    logger.propagate = False
    try:
        service = _Command.of_options(options.read)
    except UsageFault as fault:
        _exit(fault)
    raise_file_limit(options.read.max_connections)
    return service


class ToTwisted(logging.Handler):
    """Hands what this package logs to Twisted's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        level = LogLevel.lookupByName({"warning": "warn"}.get(record.levelname.lower(), record.levelname.lower()))
        _log.emit(level, "{text}", text=record.getMessage())


class _Command(LDAPService):
    """The service as a command has it: it hears signals, and ends the process when it cannot listen."""

    def privilegedStartService(self) -> None:  # noqa: N802
        try:
            super().privilegedStartService()
        except UsageFault as fault:
            _exit(fault)

    def startService(self) -> None:  # noqa: N802
        try:
            super().startService()
        except UsageFault as fault:
            _exit(fault)
        reactor = self._its_reactor()
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(self.renew))
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(self.save))


def _log_elsewhere(parent: Any) -> bool:
    """Whether `twist --log-file` has taken the log away from standard output."""
    return parent is not None and parent.get("logFile", sys.stdout) is not sys.stdout


def _exit(fault: UsageFault) -> NoReturn:
    print(f"{_COMMAND}: {fault}", file=sys.stderr)
    raise SystemExit(2)
