"""Metrics: what Prometheus reads is what was done, under names and labels that stay few."""

import contextlib
import http.client
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ldapserver.audit.kinds import LOGON
from ldapserver.audit.log import AuditLog
from ldapserver.audit.record import EventRecord
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.audit.status import BindReason
from ldapserver.hosting.options import read_options
from ldapserver.hosting.scraping import MOST_CONNECTIONS, metrics_address, metrics_of
from ldapserver.metrics import BUCKETS, AuditTarget, Histogram, Metrics, Sources, registry_of
from ldapserver.suspension import Suspension
from ldapserver.usage import UsageFault
from sasl_digest import QOP
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.server.audit_logs import hand_over
from tests.server.stage import Stage, sasl, simple, stage
from tests.server.test_audit_record import RECORD

# The fixtures of running servers.
from tests.server.test_serve import Serve, epoll, ldif, loop, serve  # noqa: F401

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Every sample of a scrape."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sample(found: Samples, name: str, **labels: str) -> float:
    return found.get((f"ldapserver_{name}", frozenset(labels.items())), 0.0)


def read(metrics: Metrics, *targets: AuditTarget) -> Samples:
    sources = Sources(open_connections=lambda: 3, connections=lambda: 8, targets=targets)
    return samples(generate_latest(registry_of(metrics, sources)).decode())


def measured(metrics: Metrics, **settings: Any) -> Stage:
    """A stage that counts."""
    made = stage(sinks=[metrics], **settings)
    return Stage(replace(made.service, metrics=metrics), made.sink)


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes `step` seconds on each time that it is read."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += step
        return now

    return clock


def test_binds_are_counted_by_mechanism_and_by_how_they_ended() -> None:
    metrics = Metrics()
    here = measured(metrics)
    here.digest()
    here.digest()
    here.digest(password="wrong")
    here.digest("stranger")
    here.bind(simple("u1", "password"))
    here.bind(simple("u1", "wrong"))
    here.bind(simple())  # anonymous: there is no record of it
    here.bind(sasl(b"", "EXTERNAL"))
    here.bind(sasl(b"", "GSSAPI"))
    here.bind(sasl(b"", "X-STRANGE"))
    found = read(metrics)
    binds = {labels: value for (name, labels), value in found.items() if name == "ldapserver_binds_total"}
    assert binds == {
        frozenset({("mechanism", mechanism), ("status", status)}): count
        for mechanism, status, count in (
            ("DIGEST-MD5", "0x0", 2),
            ("DIGEST-MD5", "0xc000006a", 1),
            ("DIGEST-MD5", "0xc0000064", 1),
            ("simple", "0x0", 1),
            ("simple", "0xc000006a", 1),
            ("EXTERNAL", "no-certificate", 1),
            ("other", "mechanism", 2),
        )
    }


def test_other_events_are_no_binds() -> None:
    metrics = Metrics()
    metrics.write([RECORD, EventRecord(1, LOGON, ("-",) * len(LOGON.names), 1, 2, None, None)])
    metrics.write([replace(RECORD, status=None, reason=BindReason.SUCCESS, mechanism="EXTERNAL")])
    found = read(metrics)
    assert sample(found, "binds_total", mechanism="DIGEST-MD5", status="0xc000006a") == 1
    assert sample(found, "binds_total", mechanism="EXTERNAL", status="success") == 1
    assert sum(metrics.binds.values()) == 2


def test_the_time_of_a_bind_is_from_its_request_to_its_answer() -> None:
    metrics = Metrics(clock=ticking(0.002))
    here = measured(metrics)
    here.digest()  # a challenge and its response: two requests, two answers
    here.bind(simple("u1", "wrong"))
    here.bind(simple())
    found = read(metrics)
    for mechanism, count in (("DIGEST-MD5", 2), ("simple", 2), ("PLAIN", 0), ("other", 0)):
        assert sample(found, "bind_duration_seconds_count", mechanism=mechanism) == count
        assert sample(found, "bind_duration_seconds_sum", mechanism=mechanism) == pytest.approx(0.002 * count)
        assert sample(found, "bind_duration_seconds_bucket", mechanism=mechanism, le="0.001") == 0
        assert sample(found, "bind_duration_seconds_bucket", mechanism=mechanism, le="0.0025") == count
        assert sample(found, "bind_duration_seconds_bucket", mechanism=mechanism, le="+Inf") == count


def test_a_bind_that_was_refused_unread_is_counted_and_has_no_time() -> None:
    metrics = Metrics()
    here = measured(metrics)
    here.bind(simple("u1", "password"))
    # A BindRequest with authentication [5], which nobody knows.
    here.session.data_received(bytes.fromhex("300c020109600702010304008500"))
    assert len(here.channel.taken()) == 1
    found = read(metrics)
    assert sample(found, "binds_total", mechanism="other", status="mechanism") == 1
    assert sum(sum(histogram.counts) for histogram in metrics.durations.values()) == 1


def test_a_bind_that_waits_for_its_record_is_timed_until_it_is_answered() -> None:
    waiting: list[Suspension[None]] = []

    class Slow:
        def write(self, records: object) -> Suspension[None]:
            waiting.append(Suspension())
            return waiting[-1]

        def close(self) -> None:
            pass

    metrics = Metrics(clock=ticking(1.0))
    made = stage(sinks=[metrics, Slow()])
    here = Stage(replace(made.service, metrics=metrics), made.sink)
    assert here.send(simple("u1", "password")) == []
    assert sum(metrics.durations["simple"].counts) == 0
    metrics.clock()  # time passes
    waiting[0].resume(None)
    assert len(here.channel.taken()) == 1
    assert metrics.durations["simple"].sum == 2.0


@pytest.mark.parametrize(
    ("value", "bucket"), [(0.0, 0), (5e-5, 0), (5.1e-5, 1), (1e-4, 1), (9.9, 16), (10.0, 16), (10.1, 17), (1e9, 17)]
)
def test_a_bucket_holds_what_does_not_exceed_its_end(value: float, bucket: int) -> None:
    histogram = Histogram()
    histogram.observe(value)
    assert histogram.counts.index(1) == bucket
    assert (BUCKETS[0], BUCKETS[-1], len(BUCKETS)) == (5e-5, 10.0, 17)


def test_connections_and_what_the_audit_could_not_do_are_read_when_asked() -> None:
    queued = 5
    target = AuditTarget("syslog+udp://logs", lambda: 2, lambda: queued, lambda: 7)
    metrics = Metrics()
    found = read(metrics, target, AuditTarget("audit.jsonl", lambda: 1))
    assert (sample(found, "open_connections"), sample(found, "connections_total")) == (3, 8)
    assert sample(found, "audit_queue_length", target="syslog+udp://logs") == 5
    assert sample(found, "audit_dropped_total", target="syslog+udp://logs") == 7
    assert sample(found, "audit_failures_total", target="syslog+udp://logs") == 2
    assert sample(found, "audit_failures_total", target="audit.jsonl") == 1
    assert ("ldapserver_audit_queue_length", frozenset({("target", "audit.jsonl")})) not in found
    queued = 6
    assert sample(read(metrics, target), "audit_queue_length", target="syslog+udp://logs") == 6


def test_the_audit_counts_what_a_sink_could_not_take() -> None:
    class Full:
        def write(self, records: object) -> None:
            raise AuditUnavailable("full")

        def close(self) -> None:
            pass

    sink = Full()
    audit = AuditLog([sink], best_effort=True, report=lambda line: None)
    for _ in range(3):
        hand_over(audit, [RECORD])
    assert audit.failures == {sink: 3}


def test_two_servers_in_one_process_have_their_own() -> None:
    first, second = Metrics(), Metrics()
    first.write([RECORD])
    counts = [
        sample(read(each), "binds_total", mechanism="DIGEST-MD5", status="0xc000006a") for each in (first, second)
    ]
    assert counts == [1, 0]


def test_those_of_the_process_are_there() -> None:
    names = {name for name, _ in read(Metrics())}
    assert {"process_cpu_seconds_total", "process_open_fds", "python_info"} <= names


def test_every_name_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    families = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(
            generate_latest(registry_of(Metrics(), Sources(lambda: 0, lambda: 0))).decode()
        )
        if family.name.startswith("ldapserver_")
    }
    assert len(families) == 8
    assert [name for name in families if f"| `{name}` |" not in page] == []


# Over HTTP


def get(url: str, method: str = "GET", path: str | None = None) -> tuple[int, str, str]:
    """Status, type and text of an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request(method, parts.path if path is None else path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("Content-Type", ""), text


@pytest.fixture
def scraped(serve: Serve, tmp_path: Path) -> Iterator[tuple[Any, str]]:  # noqa: F811
    """A server, and where it is scraped."""
    server = serve("--metrics", "127.0.0.1:0", "--host", "*", "--audit", str(tmp_path / "audit.jsonl"))
    (line,) = [line for line in server.lines if "metrics on" in line]
    yield server, line.partition("metrics on ")[2]
    assert server.stop() == 0


def test_a_running_server_is_scraped(scraped: tuple[Any, str], tmp_path: Path) -> None:
    server, url = scraped
    assert urlsplit(url).hostname == "127.0.0.1"
    assert urlsplit(url).port
    client = server.connect()
    assert [client.bind(simple("u1", each)) for each in ("password", "wrong", "wrong")] == [0, 49, 49]
    credentials = Credentials("u1", "password", qop="auth-conf")
    with DigestConnection(server.urls[0], sasl_credentials=credentials) as connection:
        assert connection.extend.standard.who_am_i() == "dn:uid=u1,ou=people,dc=contoso,dc=com"
        status, type_, text = get(url)
        found = samples(text)
        assert sample(found, "open_connections") == 2
    assert status == 200
    assert type_.startswith("text/plain; version=")
    assert sample(found, "connections_total") == 2
    assert sample(found, "binds_total", mechanism="simple", status="0x0") == 1
    assert sample(found, "binds_total", mechanism="simple", status="0xc000006a") == 2
    assert sample(found, "binds_total", mechanism="DIGEST-MD5", status="0x0") == 1
    assert sample(found, "bind_duration_seconds_count", mechanism="DIGEST-MD5") == 2
    assert sample(found, "bind_duration_seconds_sum", mechanism="simple") > 0
    for direction in ("in", "out"):
        assert sample(found, "security_layer_bytes_total", direction=direction, qop="auth-conf") > 20
        assert sample(found, "security_layer_bytes_total", direction=direction, qop="auth-int") == 0
    assert sample(found, "audit_failures_total", target=str(tmp_path / "audit.jsonl")) == 0


def test_nothing_else_is_there(scraped: tuple[Any, str]) -> None:
    _, url = scraped
    others = ["/", "/metrics/", "/metrics/x", "/Metrics", "/favicon.ico", "//metrics"]
    assert [(path, get(url, "GET", path)[0]) for path in others] == [(path, 404) for path in others]
    methods = ["POST", "OPTIONS", "DELETE", "PUT", "HEAD"]
    assert [(method, get(url, method)[0]) for method in methods] == [(method, 404) for method in methods]
    assert get(url)[0] == 200


def test_what_is_sent_behind_a_request_goes_nowhere(
    serve: Serve,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    server = serve("--metrics", "127.0.0.1:0", "--host", "*")
    (line,) = [line for line in server.lines if "metrics on" in line]
    url = urlsplit(line.partition("metrics on ")[2])
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as sender:
        sender.sendall(b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 999_999)
        assert get(url.geturl())[0] == 200
        files = Path(f"/proc/{server.process.pid}/fd")
        assert [each for each in map(os.readlink, files.iterdir()) if str(folder) in each] == []
        sender.sendall(b"x")
        assert sender.recv(100).startswith(b"HTTP/1.1 404 ")
    assert server.stop() == 0


def test_who_holds_connections_leaves_room_for_others(scraped: tuple[Any, str]) -> None:
    server, url = scraped
    place = urlsplit(url).hostname or "", urlsplit(url).port or 0
    held = [socket.create_connection(place, timeout=30) for _ in range(MOST_CONNECTIONS)]
    for each in held:
        each.sendall(b"GET /metrics HT")
    with socket.create_connection(place, timeout=30) as one_more:
        assert one_more.recv(1) == b""
    assert server.connect().bind(simple("u1", "password")) == 0
    held.pop().close()
    # Which of two ends the server sees first nobody knows: it takes this one as soon as it has seen the other.
    for _ in range(1000):
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            assert get(url)[0] == 200
            break
    else:
        pytest.fail("whoever asks is sent away")
    for each in held:
        each.close()


# Options


def refusal(*arguments: str) -> str:
    with pytest.raises(UsageFault) as fault:
        metrics_of(read_options(arguments))
    return str(fault.value)


def test_without_the_option_nothing_counts() -> None:
    assert metrics_of(read_options([])) is None


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:9389"])
def test_an_address_that_others_can_reach_needs_a_word(address: str) -> None:
    assert refusal("--metrics", address).startswith(f"argument --metrics: {address}: others can reach this address")
    options = read_options(["--metrics", address, "--insecure-public"])
    assert metrics_address(options) == address.rpartition(":")[0].strip("[]")


def test_without_the_library_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    line = refusal("--metrics", "127.0.0.1:0")
    assert (
        line
        == "argument --metrics: needs the library prometheus-client, which the extra sasl-digest[metrics] installs"
    )


def test_the_counts_of_layers_begin_at_nothing() -> None:
    found = read(Metrics())
    assert {
        labels: value for (name, labels), value in found.items() if name == "ldapserver_security_layer_bytes_total"
    } == {
        frozenset({("direction", direction), ("qop", qop.decode())}): 0
        for direction in ("in", "out")
        for qop in (QOP.AUTH_INT, QOP.AUTH_CONF)
    }
