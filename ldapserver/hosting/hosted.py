"""A server of options, from its directory to its log: ready to listen with any of Twisted's reactors."""

import argparse
import contextlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ldapserver.audit.log import AuditLog
from ldapserver.audit.sinks import Sink
from ldapserver.config import Config
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.hosting.adopting import Bringer, adopt
from ldapserver.hosting.assembly import assemble, configure, load
from ldapserver.hosting.listeners import Listening, close_listeners, open_listeners
from ldapserver.hosting.listening import listening_addresses
from ldapserver.hosting.saving import Saving, prepare_to_save
from ldapserver.hosting.scraping import listen, metrics_of
from ldapserver.hosting.targets import reopen, sinks_of
from ldapserver.hosting.tls import authorities, certificate_of, renew, used
from ldapserver.hosting.worker import Worker, own_options
from ldapserver.service import Service
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile

if TYPE_CHECKING:
    from ldapserver.certificates import ClientAuthorities, ServerCertificate

_log = logging.getLogger("ldapserver")


@dataclass
class Hosted:
    """All that the options come to, but for the sockets. Who has it closes `service.audit`."""

    options: argparse.Namespace
    service: Service
    directory: MemoryDirectory
    addresses: Sequence[tuple[ListenURL, str]]
    certificate: "ServerCertificate | None"
    clients: "ClientAuthorities | None"
    saving: Saving | None
    worker: Worker | None = None  # which of several processes this is, where there are several

    def listen(self, reactor: Any, bringer: Bringer | None = None) -> Listening:
        """Listen everywhere; what clients send is brought by `bringer`, or else by `reactor` itself.

        Raises UsageFault, and then listens nowhere.
        """
        from ldapserver.protocol import LDAPFactory, LDAPSFactory

        soon = None if bringer is None else bringer.soon
        factory = used(
            self.options, lambda: LDAPFactory(self.service, reactor, self.certificate, self.clients, soon=soon)
        )
        secure = LDAPSFactory(factory)
        if self.worker is None:
            opened = open_listeners(reactor, self.addresses, factory, secure)
        else:
            from ldapserver.hosting.inheriting import inherit_listeners

            opened = inherit_listeners(reactor, self.worker.urls, self.worker.sockets, factory, secure)
        if bringer is not None:
            opened = adopt(opened, bringer, factory)
        if self.service.metrics is None:
            return Listening(factory, opened)
        try:
            return Listening(factory, opened, listen(reactor, self.options, self.service.metrics, factory))
        except UsageFault:
            close_listeners(opened)
            raise

    def announce(self, listening: Listening, loop: str = "") -> None:
        """Say that we listen, in the file of --ready-file too; `loop` is the name of ours, where we have chosen it.

        Raises UsageFault when the file cannot be written.
        """
        if self.worker is not None:
            self.worker.listens()  # who started it says so once all do
            return
        announce(self.options, listening.urls, loop)
        if listening.scraped is not None:
            _log.info("metrics on %s", listening.scraped[0])
        if self.saving is None:
            _log.info("changes end with this process: there is no --save")

    def unannounce(self) -> None:
        """Nobody is to be led here any more by the file of --ready-file."""
        unannounce(self.options)

    def renew(self, listening: Listening) -> None:
        """Open the logs again, and read the certificates again."""
        reopen(self.service.audit)
        options, certificate = self.options, self.certificate
        if certificate is not None and (options.tls_cert is not None or options.tls_ca is not None):
            renew(options, certificate, listening.factory.use_certificate)

    def save(self, reactor: Any) -> None:
        """Save while we serve."""
        if self.saving is None:
            _log.warning("SIGUSR1: there is no --save")
        else:
            self.saving.begin(reactor)


@dataclass
class Loaded:
    """What is read and made once, and nothing opened: each of several processes may serve a `hosted()` of it."""

    options: argparse.Namespace
    directory: MemoryDirectory
    config: Config
    addresses: Sequence[tuple[ListenURL, str]]
    certificate: "ServerCertificate | None"
    clients: "ClientAuthorities | None"

    def hosted(self, more: Sequence[Sink] = (), worker: Worker | None = None) -> Hosted:
        """All of a server, of which `more` are told of every record too; of this `worker` with what is its own.

        Raises UsageFault.
        """
        options = self.options if worker is None else own_options(self.options, worker.number)
        service = _service(options, self.config, self.directory, more, worker)
        saving = None
        if options.save is not None:
            saving = Saving(options.save, partial(self.directory.records, with_secrets=True))
        return Hosted(
            options, service, self.directory, self.addresses, self.certificate, self.clients, saving, worker
        )

    def renew(self) -> None:
        """Read the certificates again, for those who serve from now on."""
        if self.certificate is not None and (self.options.tls_cert is not None or self.options.tls_ca is not None):
            renew(self.options, self.certificate, self._use)

    def _use(self, certificate: "ServerCertificate", clients: "ClientAuthorities | None") -> None:
        from ldapserver.handshake import Handshakes

        Handshakes(certificate, clients)  # raises InvalidCertificate for what no worker could use
        self.certificate, self.clients = certificate, clients


def load_all(options: argparse.Namespace) -> Loaded:
    """All that can be read and made before anything is opened. Raises UsageFault."""
    addresses = listening_addresses(options)
    prepare_to_save(options)
    directory = load(options)
    config = configure(options, directory, [address for _, address in addresses])
    certificate = certificate_of(options, config)
    return Loaded(options, directory, config, addresses, certificate, authorities(options))


def prepare(options: argparse.Namespace, more: Sequence[Sink] = ()) -> Hosted:
    """All that can be done before listening; `more` are told of every record too. Raises UsageFault."""
    return load_all(options).hosted(more)


def announce(options: argparse.Namespace, urls: Sequence[str], loop: str = "") -> None:
    """Say that a server listens there, in the file of --ready-file too; raises UsageFault where that can't be."""
    path: str | None = options.ready_file
    if path is not None:
        try:
            with WholeFile(path, private=False) as file:
                file.write("".join(f"{url}\n" for url in urls).encode())
        except OSError as refused:
            raise UsageFault(f"argument --ready-file: {path}: {refused.strerror}") from None
    for url in urls:
        # The URL stays the end of the line, for who reads it there.
        _log.info("%slistening on %s", f"{loop}: " if loop else "", url)
    if options.explain:
        _log.warning("--explain: whoever connects is told why a bind fails: whether the name or the password")


def unannounce(options: argparse.Namespace) -> None:
    """Nobody is to be led here any more by the file of --ready-file."""
    if options.ready_file is not None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(options.ready_file)


def _service(
    options: argparse.Namespace,
    config: Config,
    directory: MemoryDirectory,
    more: Sequence[Sink],
    worker: Worker | None,
) -> Service:
    metrics = metrics_of(options)
    sinks = [*sinks_of(options, config.computer), *more]
    if metrics is not None:
        sinks.append(metrics)
    audit = AuditLog(sinks, best_effort=options.audit_best_effort, report=_log.error)
    ids = None if worker is None else worker.logon_ids(directory.clock.ns() // 1000)
    try:
        return replace(assemble(config, directory, audit, ids=ids), metrics=metrics)
    except UsageFault:
        audit.close()
        raise


def raise_file_limit(connections: int) -> None:
    """Let the process open as many files as it may have connections."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 64
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
