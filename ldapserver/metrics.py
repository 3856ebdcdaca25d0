"""What a server counts of itself, and the form in which Prometheus asks for it.

Counting is plain integers, since it is on the path of every bind; only who asks pays for Prometheus's own objects.
Labels are of bounded sets: what a stranger names is "other".
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldapserver.audit.record import BindRecord, Record
from ldapserver.audit.status import BindReason, Status
from ldapserver.config import MECHANISMS
from ldapserver.wire.messages import BindRequest, SaslAuthentication
from sasl_digest import QOP, Reason

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

Counts = Mapping[tuple[str, ...], int]  # by the values of the labels

SIMPLE = "simple"
OTHER = "other"  # a mechanism that is none of ours, or a bind that names none
_MECHANISMS = {name: name for name in (*MECHANISMS, SIMPLE)}

# Upper ends in seconds, from half the fastest bind's time to the dearest password behind a queue of others.
BUCKETS = (
    *(5e-5, 1e-4, 2.5e-4, 5e-4),
    *(1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


class Histogram:
    """Counts by `BUCKETS`, the last of what is beyond them all, and the sum of what was counted."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count it in the first bucket whose upper end it does not exceed."""
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.sum += value


class Metrics:
    """The counts of one server. It is a `Sink`: binds are counted by their records.

    `clock` gives seconds, for the time a bind takes.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.binds: dict[tuple[str, Status | None, Reason | BindReason], int] = {}
        self.durations: dict[str, Histogram] = {name: Histogram() for name in (*_MECHANISMS, OTHER)}
        self.received: dict[QOP, int] = {QOP.AUTH_INT: 0, QOP.AUTH_CONF: 0}  # octets of a layer's buffers
        self.sent: dict[QOP, int] = {QOP.AUTH_INT: 0, QOP.AUTH_CONF: 0}

    def write(self, records: Sequence[Record]) -> None:
        """Count the binds among the records."""
        for record in records:
            if isinstance(record, BindRecord):
                key = (_MECHANISMS.get(record.mechanism, OTHER), record.status, record.reason)
                self.binds[key] = self.binds.get(key, 0) + 1

    def close(self) -> None:
        """The counts stay readable."""

    def duration_of(self, request: BindRequest) -> Histogram:
        """Where the time of this bind is counted."""
        authentication = request.authentication
        if isinstance(authentication, SaslAuthentication):
            return self.durations[_MECHANISMS.get(authentication.mechanism, OTHER)]
        return self.durations[SIMPLE]


@dataclass(frozen=True)
class AuditTarget:
    """One place that records go to: `name` as the options have it, and what is asked of it when somebody looks."""

    name: str
    failures: Callable[[], int]
    queued: Callable[[], int] | None = None
    dropped: Callable[[], int] | None = None


@dataclass(frozen=True)
class Sources:
    """What is counted elsewhere, and read when somebody looks."""

    open_connections: Callable[[], int]
    connections: Callable[[], int]
    targets: Sequence[AuditTarget] = ()


def registry_of(metrics: Metrics, sources: Sources) -> "CollectorRegistry":
    """All metrics of a server, and those of its process: a registry of its own. Raises ImportError."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

    registry = CollectorRegistry()
    registry.register(_Collector(metrics, sources))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class _Collector:
    """Reads the counts, in whichever thread it is asked: each is copied in one step before it is gone through."""

    def __init__(self, metrics: Metrics, sources: Sources) -> None:
        self._metrics = metrics
        self._sources = sources

    def collect(self) -> "Iterator[Metric]":
        """Every metric as it now is."""
        yield self._binds()
        yield self._durations()
        yield from self._connections()
        yield self._layers()
        yield from self._audit()

    def _binds(self) -> "Metric":
        counts: dict[tuple[str, ...], int] = {}
        for (mechanism, status, reason), count in self._metrics.binds.copy().items():
            key = mechanism, reason.value if status is None else status.hexadecimal
            counts[key] = counts.get(key, 0) + count
        return _counter(
            "ldapserver_binds",
            "Binds by how they ended: the NTSTATUS of event 4776, or the reason of one without a verdict.",
            ("mechanism", "status"),
            counts,
        )

    def _durations(self) -> "Metric":
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "ldapserver_bind_duration_seconds",
            "Time from a BindRequest to its answer, every step of an exchange by itself.",
            labels=["mechanism"],
        )
        ends = [*map(str, BUCKETS), "+Inf"]
        for mechanism, histogram in self._metrics.durations.items():
            total, buckets = 0, []
            for end, count in zip(ends, histogram.counts.copy(), strict=True):
                total += count
                buckets.append((end, float(total)))
            family.add_metric([mechanism], buckets, histogram.sum)
        return family

    def _connections(self) -> "Iterator[Metric]":
        yield _gauge(
            "ldapserver_open_connections", "Connections that are open.", (), {(): self._sources.open_connections()}
        )
        yield _counter(
            "ldapserver_connections",
            "Connections since the start, those included that were one too many.",
            (),
            {(): self._sources.connections()},
        )

    def _layers(self) -> "Metric":
        counts: Counts = {
            (direction, qop.decode()): count
            for direction, by_qop in (("in", self._metrics.received), ("out", self._metrics.sent))
            for qop, count in by_qop.items()
        }
        return _counter(
            "ldapserver_security_layer_bytes",
            "Octets of the buffers of SASL security layers.",
            ("direction", "qop"),
            counts,
        )

    def _audit(self) -> "Iterator[Metric]":
        targets = self._sources.targets
        yield _counter(
            "ldapserver_audit_failures",
            "Times that a target of the audit did not take what it was given.",
            ("target",),
            {(target.name,): target.failures() for target in targets},
        )
        yield _gauge(
            "ldapserver_audit_queue_length",
            "Records that wait for a syslog receiver.",
            ("target",),
            {(target.name,): target.queued() for target in targets if target.queued is not None},
        )
        yield _counter(
            "ldapserver_audit_dropped",
            "Records that a syslog receiver will never get.",
            ("target",),
            {(target.name,): target.dropped() for target in targets if target.dropped is not None},
        )


def _counter(name: str, text: str, labels: Iterable[str], counts: Counts) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, text, labels=tuple(labels))
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _gauge(name: str, text: str, labels: Iterable[str], counts: Counts) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, text, labels=tuple(labels))
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
