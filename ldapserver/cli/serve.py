"""`ldapserver serve`: put a configuration to work, listen, and stop cleanly."""

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ldapserver.audit.log import AuditLog
from ldapserver.config import Config
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.hosting.assembly import assemble, configure, load
from ldapserver.hosting.listening import listening_addresses
from ldapserver.hosting.options import read_options
from ldapserver.hosting.saving import Saving, prepare_to_save
from ldapserver.hosting.scraping import listen, metrics_of
from ldapserver.hosting.targets import reopen, sinks_of
from ldapserver.hosting.tls import authorities, certificate_of, renew, used
from ldapserver.service import Service
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile

if TYPE_CHECKING:
    from ldapserver.certificates import ClientAuthorities, ServerCertificate
    from ldapserver.protocol import LDAPFactory

_log = logging.getLogger("ldapserver")


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    try:
        options = read_options(arguments)
        logging.basicConfig(
            stream=sys.stderr, level=options.log_level.upper(), format="ldapserver: %(message)s", force=True
        )
        addresses = listening_addresses(options)
        prepare_to_save(options)
        directory = load(options)
        config = configure(options, directory, [address for _, address in addresses])
        certificate = certificate_of(options, config)
        clients = authorities(options)
        service = _service(options, config, directory)
        stored = partial(directory.records, with_secrets=True)
        saving = None if options.save is None else Saving(options.save, stored)
    except UsageFault as fault:
        print(f"ldapserver serve: {fault}", file=sys.stderr)
        return 2
    try:
        _raise_file_limit(config.max_connections)
        return _run(service, addresses, options, certificate, clients, saving)
    except UsageFault as fault:
        print(f"ldapserver serve: {fault}", file=sys.stderr)
        return 2
    finally:
        service.audit.close()


def _service(options: argparse.Namespace, config: Config, directory: MemoryDirectory) -> Service:
    metrics = metrics_of(options)
    sinks = sinks_of(options, config.computer)
    if metrics is not None:
        sinks.append(metrics)
    audit = AuditLog(sinks, best_effort=options.audit_best_effort, report=_log.error)
    try:
        return replace(assemble(config, directory, audit), metrics=metrics)
    except UsageFault:
        audit.close()
        raise


def _raise_file_limit(connections: int) -> None:
    """Let the process open as many files as it may have connections."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 64
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))


def _run(
    service: Service,
    addresses: Sequence[tuple[ListenURL, str]],
    options: argparse.Namespace,
    certificate: "ServerCertificate | None",
    clients: "ClientAuthorities | None",
    saving: Saving | None,
) -> int:
    """Listen, and serve until a signal ends it; the exit status."""
    from twisted.internet import reactor as installed
    from twisted.python import log

    from ldapserver.protocol import LDAPFactory, LDAPSFactory

    reactor = cast(Any, installed)
    log.PythonLoggingObserver("ldapserver.twisted").start()  # type: ignore[no-untyped-call]  # Twisted's own
    logging.getLogger("ldapserver.twisted").setLevel(logging.WARNING)
    if certificate is None:
        factory = LDAPFactory(service, reactor)
    else:
        factory = used(options, lambda: LDAPFactory(service, reactor, certificate, clients))
    opened = _listen(reactor, addresses, factory, LDAPSFactory(factory))
    scraped = None
    if service.metrics is not None:
        try:
            scraped = listen(reactor, options, service.metrics, factory)
        except UsageFault:
            _close(opened)
            raise
    return _Run(reactor, factory, opened, scraped, options, certificate, saving).status()


@dataclass
class _Run:
    """A server that listens: who is told that it does, and what signals do to it."""

    reactor: Any
    factory: "LDAPFactory"
    opened: Sequence[tuple[ListenURL, Any]]
    scraped: tuple[str, Any] | None
    options: argparse.Namespace
    certificate: "ServerCertificate | None"
    saving: Saving | None
    unannounced: bool = False  # the file of --ready-file could not be written

    def status(self) -> int:
        """Serve until a signal ends it; the exit status."""
        reactor = self.reactor
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(self._hang_up))
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(self._save))
        reactor.callWhenRunning(self._announce)
        reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        reactor.run()
        if self.unannounced:
            return 2
        if self.options.ready_file is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.options.ready_file)
        return 0 if self.saving is None or self.saving.at_exit() else 1

    def _announce(self) -> None:
        """Say that we listen: who is told so may send a signal at once, and the reactor has its handlers by now."""
        urls = [str(url) for url, _ in self.opened]
        path: str | None = self.options.ready_file
        if path is not None:
            try:
                with WholeFile(path, private=False) as file:
                    file.write("".join(f"{listening}\n" for listening in urls).encode())
            except OSError as refused:
                print(f"ldapserver serve: argument --ready-file: {path}: {refused.strerror}", file=sys.stderr)
                self.unannounced = True
                self.reactor.stop()
                return
        for listening in urls:
            _log.info("listening on %s", listening)
        if self.factory.service.config.explain:
            _log.warning("--explain: whoever connects is told why a bind fails: whether the name or the password")
        if self.scraped is not None:
            _log.info("metrics on %s", self.scraped[0])
        if self.saving is None:
            _log.info("changes end with this process: there is no --save")

    def _stop(self) -> object:
        """End what is under way, and let everybody be told."""
        from twisted.internet.defer import DeferredList

        if not self.unannounced:
            _log.info("stopping")
        listeners = [*self.opened, *([self.scraped] if self.scraped else ())]
        closed = DeferredList([port.stopListening() for _, port in listeners])
        return closed.addCallback(lambda _: self.factory.farewell())

    def _hang_up(self) -> None:
        """Open the logs again, and read the certificates again."""
        options, certificate = self.options, self.certificate
        reopen(self.factory.service.audit)
        if certificate is not None and (options.tls_cert is not None or options.tls_ca is not None):
            renew(options, certificate, self.factory.use_certificate)

    def _save(self) -> None:
        """Save while we serve."""
        if self.saving is None:
            _log.warning("SIGUSR1: there is no --save")
        else:
            self.saving.begin(self.reactor)


def _listen(
    reactor: Any, addresses: Sequence[tuple[ListenURL, str]], factory: object, secure: object
) -> list[tuple[ListenURL, Any]]:
    """A listener for each URL, which says its port now. Raises UsageFault; then none is left open."""
    from twisted.internet import error

    opened: list[tuple[ListenURL, Any]] = []
    for url, address in addresses:
        try:
            port = (
                reactor.listenUNIX(url.path, factory, 511, 0o600, True)
                if url.path
                else reactor.listenTCP(url.port, secure if url.tls else factory, 511, address)
            )
        except (error.CannotListenError, OSError) as refused:
            _close(opened)
            raise UsageFault(
                f"argument --listen: {url}: {_reason(getattr(refused, 'socketError', refused))}"
            ) from None
        opened.append((url if url.path else replace(url, port=port.getHost().port), port))
    return opened


def _close(opened: Sequence[tuple[ListenURL, Any]]) -> None:
    """Sockets close with the process; the file of a Unix socket would stay."""
    for _, port in opened:
        port.connectionLost(None)


def _reason(cause: object) -> object:
    """Why a listener could not be made, in the system's words."""
    return getattr(cause, "strerror", None) or cause
