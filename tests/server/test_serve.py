"""`ldapserver serve` as it is run: it says when it listens, does what it was told, and ends cleanly or not at all."""

import contextlib
import datetime
import fcntl
import json
import logging
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from twisted.internet import reactor

from ldapserver.certificates import throw_away
from ldapserver.cli import COMMANDS, main
from ldapserver.cli.ldp import main as ldp
from ldapserver.hosting.options import read_options
from ldapserver.url import ListenURL
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    Operation,
    Scope,
    SearchResultEntry,
)
from sasl_digest import __version__
from tests.authority import Authority
from tests.server.stage import LDIF, NOTICE, WHO_AM_I, digest_response, sasl, search, simple
from tests.server.syslog_receiving import unix_datagrams

PUBLIC = (
    "others can reach this address, and what they read is not for everybody; say --insecure-public if that is meant"
)
WHO = ExtendedRequest(WHO_AM_I)
SCRIPT = Path(sys.executable).with_name("ldapserver")
PATIENCE = 60.0  # seconds for what takes a moment on an idle machine


@pytest.fixture
def ldif(tmp_path: Path) -> str:
    """The path of an LDIF file."""
    path = tmp_path / "contoso.ldif"
    path.write_text(LDIF, "utf-8")
    return str(path)


# A server that runs


@dataclass
class Client:
    """A connection to a running server."""

    socket: socket.socket
    framer: Framer = field(default_factory=lambda: Framer(1 << 30))
    last_id: int = 0

    def ask(self, operation: Operation) -> Operation:
        self.last_id += 1
        self.socket.sendall(codec.encode(LDAPMessage(self.last_id, operation)))
        message = self.next()
        assert message is not None, "the server closed"
        return message.operation

    def next(self) -> LDAPMessage | None:
        """The next message, None at the end of the connection."""
        while (element := self.framer.next()) is None:
            octets = self.socket.recv(65536)
            if not octets:
                return None
            self.framer.feed(octets)
        return codec.decode(element)

    def bind(self, request: BindRequest) -> int:
        response = self.ask(request)
        assert isinstance(response, BindResponse)
        return int(response.result_code)


@dataclass
class Running:
    """A server process; `lines` is what it has said on standard error so far."""

    process: subprocess.Popen[str]
    urls: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    @property
    def stderr(self) -> IO[str]:
        assert self.process.stderr is not None
        return self.process.stderr

    def until(self, words: str) -> str:
        """Read what it says until a line has these words."""
        with self._patience():
            for line in self.stderr:
                self.lines.append(line.rstrip("\n"))
                if words in line:
                    return self.lines[-1]
        raise AssertionError(f"it never said {words!r}, but {self.lines}")

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        """It is killed when this takes too long, which ends its standard error, so that nobody waits for ever."""
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()

    def connect(self, at: int = 0) -> Client:
        url = ListenURL.parse(self.urls[at])
        client = Client(socket.socket(socket.AF_UNIX if url.path else socket.AF_INET))
        self.clients.append(client)
        client.socket.settimeout(30)
        client.socket.connect(url.path or (url.host, url.port))
        return client

    def connect_tls(self, ca: Path, at: int = 0, shown: tuple[Path, Path] | None = None) -> Client:
        """Connect to an ldaps:// listener, trust this CA, and show this certificate with its key."""
        client = self.connect(at)
        context = ssl.create_default_context(cafile=ca)
        if shown is not None:
            context.load_cert_chain(*shown)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        self.clients.append(client)
        return client

    def close(self) -> None:
        """Leave nothing behind."""
        for client in self.clients:
            client.socket.close()
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal; the exit status."""
        self.process.send_signal(number)
        with self._patience():
            self.lines += self.stderr.read().splitlines()
        return self.process.wait(timeout=PATIENCE)


Serve = Callable[..., Running]


@pytest.fixture
def loop() -> str:
    """The loop of `serve`; each_bringer has a test run on either."""
    return "auto"


@pytest.fixture
def epoll() -> bool:
    """Whether there is epoll, as on Linux; else `serve` leaves sockets to the loop's own transports."""
    return True


each_bringer = pytest.mark.parametrize(
    ("loop", "epoll"),
    [("twisted", True), ("uvloop", True), ("uvloop", False)],
    ids=["twisted", "uvloop", "uvloop without epoll"],
)
WITHOUT_EPOLL = "import select, sys; del select.epoll; from ldapserver.cli import main; sys.exit(main())"


@pytest.fixture
def serve(tmp_path: Path, ldif: str, loop: str, epoll: bool) -> Iterator[Serve]:
    """Starts a server and waits until it has said of every listener that it listens."""
    started: list[Running] = []

    def start(*arguments: str, listen: tuple[str, ...] = ("ldap://127.0.0.1:0",), program: str = "module") -> Running:
        command = [str(SCRIPT)] if program == "script" else [sys.executable, "-m", "ldapserver"]
        if not epoll:
            command = [sys.executable, "-c", WITHOUT_EPOLL]
        command += ["serve", "--ldif", ldif, *arguments]
        if loop != "auto":
            command += ["--loop", loop]
        for url in listen:
            command += ["--listen", url]
        if "--audit" not in arguments:
            command += ["--audit", str(tmp_path / "audit.jsonl")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running = Running(process)
        started.append(running)
        running.urls = [running.until("listening on").partition("listening on ")[2] for _ in listen]
        if "--save" not in arguments:
            assert running.until("changes end") == "ldapserver: changes end with this process: there is no --save"
            running.lines.pop()
        return running

    yield start
    for running in started:
        running.close()


def records(path: Path) -> list[dict[str, dict[str, str]]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@each_bringer
def test_a_server_listens_binds_records_and_ends_with_status_0(serve: Serve, tmp_path: Path, loop: str) -> None:
    ready = tmp_path / "ready"
    path = tmp_path / "socket"
    listen = ("ldap://127.0.0.1:0", f"ldapi://{str(path).replace('/', '%2F')}")
    server = serve("--ready-file", str(ready), "--workstation", "LDAP1", "--host", "dc1.contoso.com", listen=listen)
    assert ready.read_text() == "".join(f"{url}\n" for url in server.urls)
    assert server.lines == [f"ldapserver: {loop}: listening on {url}" for url in server.urls]
    assert ListenURL.parse(server.urls[0]).port > 0
    assert path.stat().st_mode & 0o777 == 0o600

    client = server.connect()
    challenge = client.ask(sasl())
    assert isinstance(challenge, BindResponse)
    assert b'realm="contoso.com"' in (challenge.server_sasl_creds or b"")
    assert client.bind(sasl(digest_response(challenge.server_sasl_creds or b"", "u1", "password"))) == 0
    who = client.ask(WHO)
    assert isinstance(who, ExtendedResponse)
    assert who.response_value == b"dn:uid=u1,ou=people,dc=contoso,dc=com"
    other = server.connect(1)
    assert other.bind(simple("u1", "wrong")) == 49
    first, second = records(tmp_path / "audit.jsonl")
    assert (first["source"]["ip"], first["winlog"]["record_id"]) == ("127.0.0.1", "1")
    assert (second.get("source"), second["winlog"]["record_id"]) == (None, "2")

    assert server.stop() == 0
    for each in (client, other):
        notice = each.next()
        assert notice is not None
        assert isinstance(notice.operation, ExtendedResponse)
        assert notice.operation.response_name == NOTICE
        assert each.next() is None
    assert server.lines[2:] == ["ldapserver: stopping"]
    assert not ready.exists()
    assert not path.exists()
    assert server.process.stdout is not None
    assert server.process.stdout.read() == ""


@each_bringer
def test_sigint_stops_it_too_and_so_does_the_installed_script(serve: Serve) -> None:
    server = serve(program="script")
    assert server.connect().bind(simple("u1", "password")) == 0
    assert server.stop(signal.SIGINT) == 0


@each_bringer
def test_sighup_opens_a_renamed_log_again_and_numbers_go_on(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    server = serve()
    client = server.connect()
    client.bind(simple("u1", "password"))
    old = log.rename(tmp_path / "audit.1")
    client.bind(simple("u1", "password"))
    server.process.send_signal(signal.SIGHUP)
    assert server.until("audit:") == f"ldapserver: audit: {log}: opened again"
    client.bind(simple("u1", "password"))
    numbers = [[record["winlog"]["record_id"] for record in records(path)] for path in (old, log)]
    assert numbers == [["1", "2"], ["3"]]
    assert server.stop() == 0


def test_numbers_go_on_when_the_server_is_started_again(serve: Serve, tmp_path: Path) -> None:
    for _ in range(2):
        server = serve()
        server.connect().bind(simple("u1", "password"))
        assert server.stop() == 0
    assert [record["winlog"]["record_id"] for record in records(tmp_path / "audit.jsonl")] == ["1", "2"]


@each_bringer
def test_a_server_that_is_stopped_ends_the_logons_that_it_has_told_of(serve: Serve, tmp_path: Path) -> None:
    server = serve("--events", "logon", "--profile", "ad")
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        assert client.bind(simple("u1", "password")) == 0
    assert server.stop() == 0
    lines = (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()
    told = {
        event: [line for line in lines if re.search(rf'"event_id": ?"?{event}', line)]
        for event in (4776, 4624, 4672, 4634)
    }
    assert {event: len(of_it) for event, of_it in told.items()} == {4776: 2, 4624: 2, 4672: 0, 4634: 2}
    begun, ended = [
        {logon_id for line in told[event] for logon_id in re.findall(r'"TargetLogonId": ?"(0x[0-9a-f]+)"', line)}
        for event in (4624, 4634)
    ]
    assert len(begun) == 2
    assert begun == ended


def test_with_audit_to_standard_output_nothing_else_is_there(serve: Serve) -> None:
    server = serve("--audit", "-")
    client = server.connect()
    client.bind(simple("u1", "password"))
    client.bind(simple("u1", "wrong"))
    assert server.process.stdout is not None
    lines = [server.process.stdout.readline() for _ in range(2)]  # they are there before it ends
    assert server.stop() == 0
    assert [json.loads(line)["event"]["outcome"] for line in lines] == ["success", "failure"]
    assert server.process.stdout.read() == ""


@each_bringer
def test_a_log_that_cannot_be_written_fails_binds_and_says_so_once(serve: Serve) -> None:
    server = serve("--audit", "/dev/full")
    client = server.connect()
    assert [client.bind(simple("u1", "password")) for _ in range(3)] == [52, 52, 52]
    assert client.bind(simple()) == 0  # anonymous has no record
    server.stop()
    said = "ldapserver: audit: /dev/full: No space left on device; binds fail until it works again"
    assert server.lines[1:] == [said, "ldapserver: stopping"]


def test_a_fifo_gets_records_while_it_is_read_and_holds_nobody_up(serve: Serve, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    server = serve("--audit", str(fifo))
    client = server.connect()
    assert client.bind(simple("u1", "password")) == 0
    assert json.loads(os.read(reader, 65536))["winlog"]["record_id"] == "1"
    os.close(reader)
    assert [client.bind(simple("u1", "password")) for _ in range(2)] == [52, 52]
    server.stop()
    said = f"ldapserver: audit: {fifo}: nobody reads it; binds fail until it works again"
    assert server.lines[1:] == [said, "ldapserver: stopping"]


def test_a_pipe_behind_standard_output_cannot_be_synced() -> None:
    command = [sys.executable, "-m", "ldapserver", "serve", "--audit", "/dev/stdout", "--audit-sync"]
    ended = subprocess.run(
        [*command, "--listen", "ldap://127.0.0.1:0"], capture_output=True, text=True, timeout=60, check=False
    )
    said = "ldapserver serve: argument --audit: /dev/stdout: is a FIFO, and no file that could be synced\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", said)


def test_a_full_disk_behind_standard_output_leaves_no_record_of_a_bind_that_failed(tmp_path: Path) -> None:
    out, ldif = tmp_path / "out", tmp_path / "contoso.ldif"
    ldif.write_text(LDIF, "utf-8")
    command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(ldif), "--audit", "-"]
    command += ["--listen", "ldap://127.0.0.1:0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # a buffer, as there is by default
    with out.open("ab") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)
    server = Running(process)
    try:
        server.urls = [server.until("listening on").partition("listening on ")[2]]
        client = server.connect()
        assert client.bind(simple("u1", "password")) == 0
        room = out.stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        assert [client.bind(simple("u1", "password")) for _ in range(3)] == [52, 52, 52]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert client.bind(simple("u1", "password")) == 0
        assert server.stop() == 0
    finally:
        server.close()
    assert [json.loads(line)["winlog"]["record_id"] for line in out.read_text().splitlines()] == ["1", "2"]


def test_with_audit_to_syslog_each_record_is_a_message_and_no_bind_waits_for_it(serve: Serve, tmp_path: Path) -> None:
    receiver = unix_datagrams(tmp_path).start()
    nobody = f"syslog://{tmp_path / 'nobody'}"
    try:
        server = serve("--audit", receiver.url, "--audit", nobody, "--audit", str(tmp_path / "audit.jsonl"))
        client = server.connect()
        assert [client.bind(simple("u1", each)) for each in ("password", "wrong")] == [0, 49]
        found = [receiver.next() for _ in range(2)]
        assert server.stop() == 0
    finally:
        receiver.close()
    assert [(each.severity, each.record_id) for each in found] == [(6, "1"), (4, "2")]
    kept = records(tmp_path / "audit.jsonl")
    assert [each.record["winlog"]["event_data"] for each in found] == [each["winlog"]["event_data"] for each in kept]
    left = "records dropped since the start: 0; left unsent at the end: 2"
    assert server.lines[-2:] == ["ldapserver: stopping", f"ldapserver: audit: {nobody}: {left}"]
    assert sum("No such file or directory; records wait" in line for line in server.lines) == 1


def test_a_configuration_file_makes_the_same_server(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text('realm = "from.file"\nanonymous-search = true\nlog-level = "info"\nhandshake-timeout = "1h"\n')
    server = serve("--config", str(config))
    client = server.connect()
    challenge = client.ask(sasl())
    assert isinstance(challenge, BindResponse)
    assert b'realm="from.file"' in (challenge.server_sasl_creds or b"")
    client.bind(simple())
    found = client.ask(search("uid=u1,ou=people,dc=contoso,dc=com", Scope.BASE_OBJECT))
    assert isinstance(found, SearchResultEntry)


def test_a_log_that_ended_in_half_a_line_is_told(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text('{"half":')
    server = serve()
    (said,) = (line for line in server.lines if "no whole record" in line)
    assert said.startswith(f"ldapserver: audit: {log}: 8 octets at offset 0 ")
    server.connect().bind(simple("u1", "password"))
    assert [record["winlog"]["record_id"] for record in records(log)] == ["1"]
    assert (tmp_path / "audit.jsonl.torn").read_text() == '{"half":'


# TLS


def certified(cert: Path, key: Path) -> Path:
    """Write a new certificate and its key; the path of the CA to trust."""
    made, ca = throw_away(["localhost"])
    cert.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in made.chain))
    key.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path = cert.with_suffix(".ca")
    path.write_bytes(ca)
    return path


@each_bringer
def test_a_throw_away_certificate_serves_ldaps_and_its_ca_is_written(serve: Serve, tmp_path: Path) -> None:
    ca, ready = tmp_path / "ca.pem", tmp_path / "ready"
    listen = ("ldaps://127.0.0.1:0", "ldap://127.0.0.1:0")
    server = serve("--tls", "auto", "--tls-ca-out", str(ca), "--ready-file", str(ready), listen=listen)
    assert [url.partition(":")[0] for url in server.urls] == ["ldaps", "ldap"]
    assert ready.read_text() == "".join(f"{url}\n" for url in server.urls)
    assert [path.name for path in tmp_path.glob("ca.pem*")] == ["ca.pem"]
    assert server.connect_tls(ca).bind(simple("u1", "password")) == 0
    assert server.connect(1).bind(simple("u1", "password")) == 0
    inside = [bool(record["ldap"]["tls"]) for record in records(tmp_path / "audit.jsonl")]
    assert inside == [True, False]
    server.connect(0).socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    said = server.until("TLS handshake failed")
    assert said == "ldapserver: connection 3 from 127.0.0.1: TLS handshake failed: http request"
    assert server.stop() == 0
    assert server.lines[3:] == ["ldapserver: stopping"]


@each_bringer
def test_sighup_reads_the_certificate_again_and_keeps_the_old_one_when_it_cannot(
    serve: Serve, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    first = certified(cert, key).rename(tmp_path / "first.ca")
    server = serve("--tls-cert", str(cert), "--tls-key", str(key), listen=("ldaps://127.0.0.1:0",))
    old = server.connect_tls(first)
    second = certified(cert, key)
    server.process.send_signal(signal.SIGHUP)
    assert server.until("tls:") == f"ldapserver: tls: {cert}: read again"
    assert server.connect_tls(second).bind(simple("u1", "password")) == 0
    assert old.bind(simple("u1", "password")) == 0
    key.write_text("nonsense")
    server.process.send_signal(signal.SIGHUP)
    kept = f"argument --tls-key: {key}: holds no private key in PEM; the old certificate stays"
    assert server.until("--tls-key") == f"ldapserver: {kept}"
    assert server.connect_tls(second).bind(simple("u1", "password")) == 0
    assert server.stop() == 0


@each_bringer
def test_sighup_reads_the_cas_again_and_keeps_the_old_ones_when_it_cannot(serve: Serve, tmp_path: Path) -> None:
    theirs, ca = tmp_path / "theirs.pem", tmp_path / "ca.pem"
    ours, other = Authority(), Authority("Another CA")
    theirs.write_bytes(ours.pem)
    arguments = ("--tls", "auto", "--tls-ca-out", str(ca), "--tls-ca", str(theirs))
    server = serve(*arguments, listen=("ldaps://127.0.0.1:0",))
    (tmp_path / "other").mkdir()
    first, second = ours.issue().write(tmp_path), other.issue().write(tmp_path / "other")

    def bind(shown: tuple[Path, Path]) -> int:
        return server.connect_tls(ca, shown=shown).bind(sasl(b"", "EXTERNAL"))

    assert bind(first) == 0
    theirs.write_bytes(other.pem)
    server.process.send_signal(signal.SIGHUP)
    assert server.until("tls:") == f"ldapserver: tls: {theirs}: read again"
    with pytest.raises((OSError, AssertionError)):
        bind(first)
    assert "unable to get issuer cert locally" in server.until("handshake failed")
    assert bind(second) == 0
    theirs.write_bytes(b"nonsense")
    server.process.send_signal(signal.SIGHUP)
    kept = f"argument --tls-ca: {theirs}: holds no certificate in PEM; the old certificate stays"
    assert server.until("--tls-ca") == f"ldapserver: {kept}"
    assert bind(second) == 0
    assert server.stop() == 0


@each_bringer
def test_it_can_be_required(serve: Serve, tmp_path: Path) -> None:
    theirs, ca, cert, key = (tmp_path / each for each in ("theirs.pem", "ca.pem", "cert.pem", "key.pem"))
    ours = Authority()
    theirs.write_bytes(ours.pem)
    certified(cert, key).rename(ca)
    arguments = ("--tls-cert", str(cert), "--tls-key", str(key), "--tls-ca", str(theirs), "--tls-client", "required")
    server = serve(*arguments, listen=("ldaps://127.0.0.1:0",))
    with pytest.raises((OSError, AssertionError)):
        server.connect_tls(ca).bind(sasl(b"", "EXTERNAL"))
    assert server.until("handshake failed").endswith("peer did not return a certificate")
    assert server.connect_tls(ca, shown=ours.issue().write(tmp_path)).bind(sasl(b"", "EXTERNAL")) == 0


@pytest.mark.parametrize(
    ("listen", "arguments"),
    [("ldaps://0.0.0.0:0", ()), ("ldap://0.0.0.0:0", ("--require-signing",))],
    ids=["ldaps", "signing"],
)
def test_with_tls_others_may_reach_it_where_nothing_is_taken_in_the_clear(
    listen: str, arguments: tuple[str, ...], serve: Serve, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    server = serve("--tls", "auto", "--tls-ca-out", str(ca), *arguments, listen=(listen,))
    client = server.connect() if arguments else server.connect_tls(ca)
    assert client.bind(simple("u1", "password")) == (8 if arguments else 0)


# A server that does not start


@pytest.fixture
def refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Runs the command, which must end with status 2 and one line; the line. Nothing may be left half done."""

    def started() -> None:
        raise AssertionError("it serves")

    monkeypatch.setattr(reactor, "run", started)
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    ready = tmp_path / "never-ready"

    def run(*arguments: str) -> str:
        audit = () if "--audit" in arguments else ("--audit", str(tmp_path / "audit.jsonl"))
        before = set(os.listdir("/proc/self/fd"))
        assert main(["serve", *audit, "--ready-file", str(ready), *arguments]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        (line,) = told.err.splitlines()
        assert line.startswith("ldapserver serve: ")
        assert not ready.exists()
        assert not [fd for fd in set(os.listdir("/proc/self/fd")) - before if is_listening(fd)]
        return line.removeprefix("ldapserver serve: ")

    yield run
    root.handlers[:], root.level = kept


def is_listening(fd: str) -> bool:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(fd))) as each:
        return bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return False


Refuses = Callable[..., str]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--realm"], "argument --realm: expected one argument"),
        (["--listen", "nonsense"], "argument --listen: nonsense: must begin with ldap://, ldaps:// or ldapi://"),
        (["--config", "/none.toml"], "argument --config: /none.toml: No such file or directory"),
        (["--ldif", "/none.ldif"], "argument --ldif: /none.ldif: No such file or directory"),
        (["--ldif", "/"], "argument --ldif: /: Is a directory"),
        (["--schema-file", "/none.schema"], "argument --schema-file: /none.schema: No such file or directory"),
        (
            ["--schema", "loose"],
            "argument --schema: invalid choice: 'loose' (choose from 'strict', 'lenient', 'off')",
        ),
        (["--suffix", ""], "argument --suffix: must not be empty"),
        (["--store", "sqlite:x"], "argument --store: sqlite:x: is not supported in this version; memory: is"),
        (["--save", "/"], "argument --save: /: is no regular file"),
        (["--save", "/dev/null"], "argument --save: /dev/null: is no regular file"),
        (["--save", "/none/x.ldif"], "argument --save: /none/x.ldif: No such file or directory"),
        (["--admin", ""], "argument --admin: must not be empty"),
        (["--audit", "/"], "argument --audit: /: Is a directory"),
        (["--audit", "/none/x"], "argument --audit: /none/x: No such file or directory"),
        (["--audit", "syslog:x"], "argument --audit: syslog:x: must look like syslog:///dev/log"),
        (["--metrics", "0.0.0.0:0"], f"argument --metrics: 0.0.0.0:0: {PUBLIC}"),
        (["--metrics", "none.invalid:1"], "argument --metrics: none.invalid:1: Name or service not known"),
        (["--workstation", "\udcff"], "workstation: must be text in UTF-8"),
        (["--realm", "Ж", "--charset", "none"], "realm: not in ISO 8859-1, and charset is none"),
        (["--listen", "ldapi://%2Fnone%2Fx"], "argument --listen: ldapi://%2Fnone%2Fx: No such file or directory"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_line_with_its_reason(arguments: list[str], line: str, refuses: Refuses) -> None:
    assert refuses(*arguments) == line


def test_a_bad_schema_file_is_named_with_file_line_and_rule(refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "bad.schema"
    path.write_text("# mine\nattributeTypes: ( 1.2.3 NAME 'x' )\n")
    assert refuses("--schema-file", str(path)) == (
        f"argument --schema-file: {path}:2: 1.2.3: there is neither SUP nor SYNTAX"
    )
    path.write_bytes(b"# \xff")
    assert refuses("--schema-file", str(path)) == f"argument --schema-file: {path}: not UTF-8"


def test_strict_refuses_an_ldif_that_a_file_of_definitions_can_mend(refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "shoes.ldif"
    path.write_text("dn: cn=a\nobjectClass: shoe\ncn: a\n")
    line = refuses("--ldif", str(path), "--schema", "strict")
    assert line == f"argument --ldif: {path}:1: cn=a: objectClass: value #0 is no class that is known"
    schema = tmp_path / "shoes.schema"
    schema.write_text(
        "objectclass ( 1.2.3\n  NAME 'shoe' MUST ( cn $ size ) )\nattributetype ( 1.2.4 NAME 'size' SUP name )"
    )
    line = refuses("--ldif", str(path), "--schema", "strict", "--schema-file", str(schema))
    assert line == f"argument --ldif: {path}:1: cn=a: size: required by the class shoe"


def test_a_realm_that_fills_the_challenge_is_refused(refuses: Refuses) -> None:
    line = refuses("--realm", "x" * 3000)
    assert line.startswith("argument --realm: digest-challenge: ")
    assert line.endswith("fewer than 2048 are allowed")


@pytest.mark.parametrize("option", ["--suffix", "--admin"])
def test_what_is_no_dn_is_refused(option: str, refuses: Refuses) -> None:
    assert refuses(option, "no dn").startswith(f"argument {option}: no dn: ")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("dn: dc=contoso,dc=com\nobjectClass: domain\ndc contoso\n", 3),
        ("dn: dc=contoso,dc=com\nobjectClass: domain\ndc: contoso\n\ndn: no dn\nobjectClass: top\n", 5),
        ("dn: cn=a\nobjectClass: device\nuserPassword: {MD4}x\n", 3),
        ("dn: cn=a\nobjectClass: device\n\ndn: cn=a\nobjectClass: device\n", 4),
        ("dn: cn=a\njpegPhoto:< file:///etc/passwd\n", 2),
    ],
    ids=["no colon", "no dn", "unknown scheme", "twice", "url"],
)
def test_bad_ldif_is_named_with_file_and_line(text: str, at: int, refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "bad.ldif"
    path.write_text(text)
    line = refuses("--ldif", str(path))
    assert line.startswith(f"argument --ldif: {path}:")
    number = line.removeprefix(f"argument --ldif: {path}:").partition(":")[0]
    assert abs(int(number) - at) <= 2  # an entry is named by its first line


def test_ldif_that_is_no_utf8_is_named(refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "latin.ldif"
    path.write_bytes(b"dn: cn=a\nobjectClass: device\ncn: \xe4\n")
    assert refuses("--ldif", str(path)).startswith(f"argument --ldif: {path}")


def test_an_error_in_a_configuration_file_names_it(refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text('max-message = "much"\n')
    assert refuses("--config", str(path)).startswith(f"argument --config: {path}: argument --max-message: 'much'")


@pytest.mark.parametrize("url", ["ldap://0.0.0.0:0", "ldap://[::]:0", "ldap://192.0.2.1:389"])
def test_an_address_that_others_can_reach_needs_a_word(url: str, refuses: Refuses) -> None:
    line = refuses("--listen", url)
    assert line.startswith(f"argument --listen: {url}: ")
    assert "--insecure-public" in line


@pytest.mark.parametrize("half", [("--tls", "auto"), ("--require-signing",)], ids=["tls", "signing"])
def test_an_address_that_others_can_reach_needs_a_word_unless_there_is_tls_and_it_is_needed(
    half: tuple[str, ...], refuses: Refuses
) -> None:
    line = refuses("--listen", "ldap://0.0.0.0:0", *half)
    assert line.startswith("argument --listen: ldap://0.0.0.0:0: ")
    assert "ldaps://, or TLS with --require-signing, or say --insecure-public" in line


def test_a_certificate_that_is_wrong_is_named_with_option_file_and_reason(refuses: Refuses, tmp_path: Path) -> None:
    cert, key, other = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "other.pem"
    certified(tmp_path / "unused.pem", other)
    certified(cert, key)

    def line(cert: Path, key: Path) -> str:
        return refuses("--tls-cert", str(cert), "--tls-key", str(key))

    none = tmp_path / "none"
    assert line(none, key) == f"argument --tls-cert: {none}: No such file or directory"
    assert line(cert, none) == f"argument --tls-key: {none}: No such file or directory"
    assert line(key, key) == f"argument --tls-cert: {key}: holds no certificate in PEM"
    assert line(cert, cert) == f"argument --tls-key: {cert}: holds no private key in PEM"
    assert line(cert, other) == f"argument --tls-key: {other}: the key does not belong to the certificate"
    assert line(tmp_path, key) == f"argument --tls-cert: {tmp_path}: Is a directory"


def test_a_file_of_cas_that_is_wrong_is_named_with_option_file_and_reason(refuses: Refuses, tmp_path: Path) -> None:
    none, empty = tmp_path / "none", tmp_path / "empty"
    empty.write_bytes(b"")
    for path, why in ((none, "No such file or directory"), (empty, "holds no certificate in PEM")):
        assert refuses("--tls", "auto", "--tls-ca", str(path)) == f"argument --tls-ca: {path}: {why}"


def test_a_key_that_openssl_finds_too_weak_is_named(refuses: Refuses, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    weak = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, weak.public_key(), 1, now, now + datetime.timedelta(days=1))
    cert.write_bytes(builder.sign(weak, hashes.SHA256()).public_bytes(Encoding.PEM))
    key.write_bytes(weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    line = refuses("--tls-cert", str(cert), "--tls-key", str(key))
    assert line == f"argument --tls-cert: {cert}: cannot be used for TLS: ee key too small"


def test_a_ca_that_cannot_be_written_is_named(refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "none" / "ca.pem"
    line = refuses("--tls", "auto", "--tls-ca-out", str(path))
    assert line == f"argument --tls-ca-out: {path}: No such file or directory"


def test_with_that_word_it_listens_there(serve: Serve) -> None:
    server = serve("--insecure-public", listen=("ldap://0.0.0.0:0",))
    assert server.connect().bind(simple("u1", "password")) == 0  # 0.0.0.0 leads here


def test_a_port_in_use_is_named_and_the_other_listeners_are_gone(refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ldap://127.0.0.1:{taken.getsockname()[1]}"
        listen = ("--listen", f"ldapi://{str(path).replace('/', '%2F')}", "--listen", "ldap://127.0.0.1:0")
        assert refuses(*listen, "--listen", url) == f"argument --listen: {url}: Address already in use"
    assert not path.exists()


def test_a_port_in_use_for_metrics_is_named_and_the_listeners_are_gone(refuses: Refuses, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        listen = ("--listen", f"ldapi://{str(path).replace('/', '%2F')}")
        assert refuses(*listen, "--metrics", where) == f"argument --metrics: {where}: Address already in use"
    assert not path.exists()


@each_bringer
def test_a_unix_socket_in_use_is_named(serve: Serve, refuses: Refuses, tmp_path: Path) -> None:
    url = f"ldapi://{str(tmp_path / 'socket').replace('/', '%2F')}"
    server = serve(listen=(url,))
    line = refuses("--listen", url, "--audit", str(tmp_path / "other.jsonl"))
    assert line.startswith(f"argument --listen: {url}: ")
    assert server.connect().bind(simple("u1", "password")) == 0


def test_a_log_that_another_process_writes_is_named(serve: Serve, refuses: Refuses, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    server = serve()
    assert refuses("--audit", str(log)) == f"argument --audit: {log}: another process writes this log"
    assert server.connect().bind(simple("u1", "password")) == 0
    assert len(records(log)) == 1


def test_a_locked_second_log_leaves_the_first_free(refuses: Refuses, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with open(second, "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refuses("--audit", str(first), "--audit", str(second))
    assert first.read_bytes() == b""


def test_a_ready_file_that_cannot_be_written_stops_it_before_it_says_anything(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    ready = tmp_path / "none" / "ready"
    command = [sys.executable, "-m", "ldapserver", "serve", "--audit", str(tmp_path / "audit.jsonl")]
    command += ["--listen", f"ldapi://{str(path).replace('/', '%2F')}", "--ready-file", str(ready)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    said = f"ldapserver serve: argument --ready-file: {ready}: No such file or directory\n"
    assert (done.stdout, done.stderr) == ("", said)
    assert not path.exists()


# The command


def test_help_shows_every_command_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(command in told for command in COMMANDS)
    assert "example:\n  ldapserver serve " in told


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example:\n  ldapserver {command} " in capsys.readouterr().out


def test_the_help_of_serve_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    told = capsys.readouterr().out
    assert [name for name in vars(read_options([])) if f"--{name.replace('_', '-')}" not in told] == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["nonsense"],
            "ldapserver: 'nonsense' is no command; there are: serve, check, export, passwd, record, replay, events, "
            "completion\n",
        )
    ],
)
def test_an_unknown_command_is_refused(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", line)


def test_without_a_command_the_usage_is_shown_and_the_status_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: ldapserver COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["-h", "--help", "help"])
def test_help_is_the_usage(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (main([word]), ldp([word])) == (0, 0)
    told = capsys.readouterr()
    assert told.out.startswith("usage: ldapserver COMMAND")
    assert "\nusage: ldp COMMAND" in told.out
    assert told.err == ""


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.removesuffix(" (compiled)\n").rstrip("\n") == f"ldapserver {__version__}"
