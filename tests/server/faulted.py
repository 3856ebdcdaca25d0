"""A stage on which things go wrong by rule: its wire remembers how it ended, its timers run when they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ldapserver.audit.log import AuditLog
from ldapserver.audit.sinks import MemorySink
from ldapserver.config import Config
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.faults import Action, FaultPlan, Rule
from ldapserver.service import Peer, Service
from ldapserver.session import Session
from tests.server.stage import CONFIG, LDIF, Channel, Stage


@dataclass
class Timer:
    """A call that is due."""

    seconds: float
    call: Callable[[], object]
    pending: bool = True

    def active(self) -> bool:
        return self.pending

    def cancel(self) -> None:
        self.pending = False

    def run(self) -> None:
        self.pending = False
        self.call()


@dataclass
class Wire(Channel):
    """A channel that can also be reset."""

    aborted: bool = False
    timers: list[Timer] = field(default_factory=list)
    session: Session | None = None

    def abort(self) -> None:
        assert self.session is not None
        self.session.lost()
        self.aborted = self.closed = True

    def call_later(self, seconds: float, call: Callable[[], object]) -> Timer:
        self.timers.append(Timer(seconds, call))
        return self.timers[-1]


class Faulted(Stage):
    """A session with a plan."""

    channel: Wire

    def __init__(self, service: Service, sink: MemorySink, plan: FaultPlan, connection: int = 12) -> None:
        super().__init__(service, sink, connection)
        self.plan = plan
        self.channel = Wire()
        self.session = Session(service, Peer(connection, "192.0.2.10", 50123), self.channel)
        self.channel.session = self.session

    def add(self, action: Action, on: str, **conditions: Any) -> int:
        """A rule more; its number."""
        return self.plan.add(Rule(action=action, on=on, **conditions))

    def beside(self) -> "Faulted":
        """Another connection to the same server."""
        return Faulted(self.service, self.sink, self.plan, 13)

    def octets(self) -> bytes:
        """What was written since this was last asked, whatever it is."""
        written = bytes(self.channel.written)
        self.channel.written.clear()
        return written


def faulted(
    action: Action | None = None, on: str = "any", *, ldif: str = LDIF, start_tls: bool = False, **conditions: Any
) -> Faulted:
    """A stage with one rule, or none; settings of the server are not conditions of a rule."""
    settings = {name: conditions.pop(name) for name in tuple(conditions) if name in Config.__dataclass_fields__}
    directory = MemoryDirectory([("stage", read_ldif(ldif, "stage"))], netbios="CONTOSO")
    sink, plan = MemorySink(), FaultPlan()
    audit = AuditLog([sink], report=lambda line: None)
    service = Service.assemble(
        Config(**{**CONFIG, "anonymous_search": True, **settings}), directory, audit, faults=plan
    )
    stage = Faulted(replace(service, start_tls=start_tls), sink, plan)
    if action is not None:
        stage.add(action, on, **conditions)
    return stage
