"""An LDAP server as a service of a Twisted program, which it starts and stops with, in the reactor of the program."""

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service

from ldapserver.audit.sinks import Sink
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.hosting.hosted import prepare
from ldapserver.hosting.listeners import Listening
from ldapserver.hosting.loops import LOOPS
from ldapserver.hosting.options import settings_of
from ldapserver.usage import UsageFault

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class LDAPService(Service):
    """A server of the options of `ldapserver serve`: `LDAPService(ldif="people.ldif", listen="ldap://127.0.0.1:0")`.

    Everything is read when it is made; it listens from `startService` to `stopService`, once. It leaves the program's
    signals and logging alone: `renew` and `save` do what SIGHUP and SIGUSR1 do to `ldapserver serve`.
    """

    name = "ldapserver"

    def __init__(self, *, reactor: Any = None, sinks: Sequence[Sink] = (), **settings: object) -> None:
        """`reactor` is the program's when it is None; `sinks` get every record, beside the targets of `audit` if any.

        Raises ValueError, which names the option and the rule.
        """
        given = {name: _as_text(value) for name, value in settings.items()}
        try:
            options = settings_of(given)
            if sinks and "audit" not in given:
                options.audit = []  # no file is made where nobody asked for one
            self._take(options, reactor, sinks)
        except UsageFault as fault:
            raise ValueError(str(fault)) from None

    @classmethod
    def of_options(
        cls, options: argparse.Namespace, *, reactor: Any = None, sinks: Sequence[Sink] = ()
    ) -> "LDAPService":
        """The service of options as `read_options` gives them. Raises UsageFault."""
        service = cls.__new__(cls)
        service._take(options, reactor, sinks)
        return service

    def _take(self, options: argparse.Namespace, reactor: Any, sinks: Sequence[Sink]) -> None:
        if options.workers > 1:
            raise UsageFault(
                f"argument --workers: {options.workers}: a service is one process, the program's; ldapserver serve "
                "starts several"
            )
        if options.loop != LOOPS[0]:
            raise UsageFault(f"argument --loop: {options.loop}: the program has its reactor already")
        self._reactor = reactor
        self._hosted = prepare(options, sinks)
        self._listening: Listening | None = None
        self._over = False

    @property
    def directory(self) -> MemoryDirectory:
        """The entries: the program may read and write them in the reactor's thread."""
        return self._hosted.directory

    @property
    def urls(self) -> list[str]:
        """Where it listens, each with its port; empty while it does not."""
        return [] if self._listening is None else self._listening.urls

    def privilegedStartService(self) -> None:  # noqa: N802  # Twisted's names
        """Listen, while the process may still use any port. Raises UsageFault where an address cannot be had."""
        self._listen()

    def startService(self) -> None:  # noqa: N802
        """Listen, and say so. Raises UsageFault where that cannot be done; then nothing is left of it."""
        listening = self._listening or self._listen()
        try:
            self._hosted.announce(listening)
        except UsageFault:
            listening.close()
            self._end()
            raise
        super().startService()  # type: ignore[no-untyped-call]  # Twisted's own

    def stopService(self) -> "Deferred[None]":  # noqa: N802
        """Listen no more, let every client be told, and save; fires when all is done."""
        from twisted.internet.defer import maybeDeferred

        super().stopService()  # type: ignore[no-untyped-call]
        listening = self._listening
        if listening is None:
            return maybeDeferred(self._end)
        stopped: Deferred[None] = listening.stop()
        return stopped.addCallback(lambda _: self._saved())

    def renew(self) -> None:
        """Open the files of the audit again, and read the certificates again."""
        if self._listening is not None:
            self._hosted.renew(self._listening)

    def save(self) -> None:
        """Write the file of `save` now, between the turns of the reactor."""
        self._hosted.save(self._its_reactor())

    def _its_reactor(self) -> Any:
        if self._reactor is None:
            from twisted.internet import reactor  # the program's, which it has chosen by now

            self._reactor = reactor
        return self._reactor

    def _listen(self) -> Listening:
        if self._over:
            raise RuntimeError("this service is over: a new one starts anew")
        try:
            self._listening = self._hosted.listen(self._its_reactor())
        except UsageFault:
            self._end()
            raise
        return self._listening

    def _saved(self) -> None:
        self._hosted.unannounce()
        if self._hosted.saving is not None:
            self._hosted.saving.at_exit()
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over, self._listening = True, None
            self._hosted.service.audit.close()


def _as_text(value: object) -> object:
    """A setting as a TOML file would have it: paths are text there."""
    if isinstance(value, list | tuple):
        return [_as_text(each) for each in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
