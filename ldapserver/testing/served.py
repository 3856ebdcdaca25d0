"""A server under test as it is in the loop's thread: its parts, which functions called there may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ldapserver.audit.log import AuditLog
from ldapserver.audit.sinks import MemorySink
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.faults.plan import Plan
from ldapserver.hosting.assembly import assemble, configure, load
from ldapserver.hosting.listening import listening_addresses
from ldapserver.hosting.options import settings_of
from ldapserver.protocol import LDAPFactory
from ldapserver.service import Service


@dataclass
class Served:
    """The parts of a server that listens; only the loop's thread may touch them."""

    reactor: Any
    directory: MemoryDirectory
    service: Service
    records: MemorySink
    factory: LDAPFactory
    ports: list[Any] = field(default_factory=list)

    @property
    def faults(self) -> Plan:
        """What is to go wrong."""
        assert self.service.faults is not None
        return self.service.faults

    @property
    def url(self) -> str:
        """Where it listens first."""
        address = self.ports[0].getHost()
        return f"ldap://{address.host}:{address.port}"


def start(reactor: Any, settings: Mapping[str, object]) -> Served:
    """Listen. `settings` are the options of `ldapserver serve`. Raises UsageFault."""
    options = settings_of({"listen": "ldap://127.0.0.1:0", **settings})
    addresses = listening_addresses(options)
    directory = load(options)
    config = configure(options, directory, [address for _, address in addresses])
    records = MemorySink()
    service = assemble(config, directory, AuditLog([records], report=print), Plan())
    factory = LDAPFactory(service, reactor)
    served = Served(reactor, directory, service, records, factory)
    for url, address in addresses:
        served.ports.append(reactor.listenTCP(url.port, factory, 511, address))
    return served


def stop(served: Served) -> Any:
    """Stop listening, and end every connection; a Deferred."""
    from twisted.internet.defer import DeferredList

    closed = DeferredList([port.stopListening() for port in served.ports])
    return closed.addCallback(lambda _: served.factory.farewell())
