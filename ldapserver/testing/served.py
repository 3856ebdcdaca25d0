"""A server under test as it is in the loop's thread: its parts, which functions called there may use."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ldapserver.audit.log import AuditLog
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.faults.plan import FaultPlan
from ldapserver.hosting.assembly import assemble, configure, load
from ldapserver.hosting.listeners import open_listeners
from ldapserver.hosting.listening import listening_addresses
from ldapserver.hosting.targets import sinks_of
from ldapserver.hosting.tls import authorities, used
from ldapserver.protocol import LDAPFactory, LDAPSFactory
from ldapserver.service import Service
from ldapserver.testing.clock import MovedClock
from ldapserver.testing.keeping import KeptState
from ldapserver.testing.plan import Plan, in_keywords, machine_names
from ldapserver.testing.recorder import Recorder
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault

_log = logging.getLogger("ldapserver")

# Seconds that clients have to take leave of a server that stops: a moment, for a test waits, and they are here too.
FAREWELL = 0.25


@dataclass
class Served:
    """The parts of a server that listens; only the loop's thread may touch them."""

    reactor: Any
    directory: MemoryDirectory
    service: Service
    recorder: Recorder
    factory: LDAPFactory
    clock: MovedClock
    ca: str | None = None
    urls: tuple[str, ...] = ()
    ports: list[Any] = field(default_factory=list)
    kept: dict[str, KeptState] = field(default_factory=dict)

    @property
    def faults(self) -> FaultPlan:
        """What is to go wrong."""
        assert self.service.faults is not None
        return self.service.faults

    @property
    def url(self) -> str:
        """Where it listens first."""
        return self.urls[0]

    def forget(self) -> None:
        """What has happened so far."""
        self.recorder.clear()


def start(reactor: Any, plan: Plan) -> Served:
    """Listen. Raises ValueError; then nothing is left open."""
    with in_keywords():
        served, addresses = _assembled(reactor, plan)
        try:
            _listen(served, addresses)
        except UsageFault:
            served.service.audit.close()
            raise
        return served


def _assembled(reactor: Any, plan: Plan) -> tuple[Served, Sequence[tuple[ListenURL, str]]]:
    """All but the listeners, and where they are to be. Raises UsageFault."""
    options, clock = plan.options, MovedClock()
    addresses = listening_addresses(options)
    directory = load(options, plan.records, clock=clock)
    config = configure(options, directory, [address for _, address in addresses], machine_names)
    clients, recorder = authorities(options), Recorder(directory, reactor.callLater)
    audit = AuditLog(
        [recorder, *sinks_of(options, config.computer)], best_effort=options.audit_best_effort, report=_log.error
    )
    try:
        service = replace(assemble(config, directory, audit, FaultPlan()), watcher=recorder)
        identity = plan.identity
        certificate = None if identity is None else identity.certificate
        factory = used(options, lambda: LDAPFactory(service, reactor, certificate, clients))
    except UsageFault:
        audit.close()
        raise
    ca = None if identity is None else identity.ca
    return Served(reactor, directory, factory.service, recorder, factory, clock, ca), addresses


def _listen(served: Served, addresses: Sequence[tuple[ListenURL, str]]) -> None:
    """Listen at all of them. Raises UsageFault; then none is left open."""
    opened = open_listeners(served.reactor, addresses, served.factory, LDAPSFactory(served.factory))
    served.urls = tuple(str(url) for url, _ in opened)
    served.ports = [port for _, port in opened]


def stop(served: Served) -> Any:
    """Stop listening, end every connection, and close what records are written to; a Deferred."""
    from twisted.internet.defer import DeferredList

    def closed(_: object) -> None:
        served.service.audit.close()
        served.kept.clear()

    gone = DeferredList([port.stopListening() for port in served.ports])
    return gone.addCallback(lambda _: served.factory.farewell(FAREWELL)).addCallback(closed)
