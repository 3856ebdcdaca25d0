"""Where Prometheus scrapes a server: GET /metrics on an address of this machine, and nothing else."""

import argparse
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from ldapserver.audit.log import AuditLog
from ldapserver.audit.sinks import Sink
from ldapserver.hosting.targets import targets_of
from ldapserver.url import InvalidURL, ListenURL, is_loopback
from ldapserver.usage import UsageFault

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ldapserver.metrics import AuditTarget, Metrics
    from ldapserver.protocol import LDAPFactory


MOST_CONNECTIONS = 32  # so that who holds many leaves LDAP clients the descriptors that they need


def metrics_of(options: argparse.Namespace) -> "Metrics | None":
    """What counts, None without --metrics. Raises UsageFault."""
    if options.metrics is None:
        return None
    metrics_address(options)
    from ldapserver.metrics import Metrics

    return Metrics()


def metrics_address(options: argparse.Namespace) -> str:
    """The IP address of --metrics, empty without. Raises UsageFault."""
    if options.metrics is None:
        return ""
    url: ListenURL = options.metrics
    where = place(url)
    try:
        address = url.address()
    except InvalidURL as error:
        raise UsageFault(f"argument --metrics: {str(error).replace(str(url), where)}") from None
    if not (options.insecure_public or is_loopback(address)):
        raise UsageFault(
            f"argument --metrics: {where}: others can reach this address, and what they read is not for everybody; "
            "say --insecure-public if that is meant"
        )
    if importlib.util.find_spec("prometheus_client") is None:
        raise UsageFault(
            "argument --metrics: needs the library prometheus-client, which the extra sasl-digest[metrics] installs"
        )
    return address


def place(url: ListenURL) -> str:
    """HOST:PORT as it was typed."""
    return str(url).partition("://")[2]


def listen(reactor: Any, options: argparse.Namespace, metrics: "Metrics", factory: "LDAPFactory") -> tuple[str, Any]:
    """The URL to scrape, and its listener. Raises UsageFault."""
    from twisted.internet.error import CannotListenError

    from ldapserver.metrics import Sources, registry_of

    sources = Sources(
        open_connections=lambda: factory.open,
        connections=lambda: factory.count,
        targets=tuple(_targets(options, factory.service.audit)),
    )
    site = _site(_root(registry_of(metrics, sources)))
    url: ListenURL = options.metrics
    try:
        port = reactor.listenTCP(url.port, site, 50, metrics_address(options))
    except CannotListenError as refused:
        why = getattr(refused.socketError, "strerror", None) or refused.socketError
        raise UsageFault(f"argument --metrics: {place(url)}: {why}") from None
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"http://{host}:{port.getHost().port}/metrics", port


def _site(root: Any) -> Any:
    from twisted.web.server import Request, Site

    class Asked(Request):
        """A request whose body, if it has one, goes nowhere: a long one would fill the folder of temporary files."""

        def gotLength(self, length: int | None) -> None:  # noqa: N802
            """No room is made for it."""
            super().gotLength(0)  # type: ignore[no-untyped-call]

        def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
            """It is not kept."""

    class Scraped(Site):
        """A site that has a few clients at a time."""

        noisy = False
        open = 0

        def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
            """The next connection; None to end it."""
            if self.open >= MOST_CONNECTIONS:
                return None
            protocol: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
            lost = protocol.connectionLost

            def over(reason: Any) -> None:
                self.open -= 1
                lost(reason)

            protocol.connectionLost = over
            self.open += 1
            return protocol

    return cast(Any, Scraped)(root, requestFactory=Asked)


def _root(registry: "CollectorRegistry") -> Any:
    from prometheus_client.twisted import MetricsResource
    from twisted.web.pages import notFound
    from twisted.web.resource import Resource

    class Root(Resource):
        """Hands over what is asked for by its exact name; all else is not found."""

        def getChild(self, path: bytes, request: Any) -> Any:  # noqa: N802
            """The metrics, or none."""
            if request.method == b"GET" and path == b"metrics" and not request.postpath:
                return metrics
            return notFound()

    metrics = cast(Any, MetricsResource)(registry)
    return cast(Any, Root)()


def _targets(options: argparse.Namespace, audit: AuditLog) -> "Iterator[AuditTarget]":
    for name, sink in targets_of(options, audit):
        yield _target(name, sink, audit)


def _target(name: str, sink: Sink, audit: AuditLog) -> "AuditTarget":
    from ldapserver.audit.syslog import SyslogSink
    from ldapserver.metrics import AuditTarget

    if isinstance(sink, SyslogSink):
        return AuditTarget(name, lambda: sink.failures, lambda: sink.queued, lambda: sink.dropped)
    return AuditTarget(name, lambda: audit.failures.get(sink, 0))
