"""`--loop`: the same server over real sockets whoever brings the octets, and what it does not load."""

import contextlib
import os
import socket
import ssl
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ldapserver.hosting import loops
from ldapserver.twisted_service import LDAPService
from ldapserver.usage import UsageFault
from ldapserver.wire import codec
from ldapserver.wire.messages import (
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    Operation,
    ResultCode,
)
from tests.authority import Authority
from tests.server.stage import U1, WHO_AM_I, sasl, search, simple
from tests.server.test_serve import Client, Running, Serve, each_bringer, epoll, ldif, loop, serve  # noqa: F401  # fixtures

WHO = ExtendedRequest(WHO_AM_I)
START = ExtendedRequest("1.3.6.1.4.1.1466.20037")
BIND = simple("u1", "password")
OK = ResultCode.SUCCESS


def encoded(*operations: Operation) -> bytes:
    return b"".join(codec.encode(LDAPMessage(number, each)) for number, each in enumerate(operations, 1))


def serves(server: Running, at: int = 0) -> bool:
    """Whether somebody else is served."""
    return server.connect(at).bind(BIND) == 0


def reset(client: Client) -> None:
    """Leave by RST."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


@each_bringer
def test_who_ends_its_side_behind_its_requests_is_answered(serve: Serve) -> None:  # noqa: F811
    client = serve().connect()
    client.socket.sendall(encoded(BIND, WHO))
    client.socket.shutdown(socket.SHUT_WR)
    bind, who = client.next(), client.next()
    assert bind is not None
    assert who is not None
    assert isinstance(who.operation, ExtendedResponse)
    assert who.operation.response_value == f"dn:{U1}".encode()
    assert client.next() is None


@each_bringer
def test_a_reset_is_nothing_to_speak_of(serve: Serve) -> None:  # noqa: F811
    server = serve("--anonymous-search", "--tls", "auto", listen=("ldap://127.0.0.1:0", "ldaps://127.0.0.1:0"))
    reset(server.connect())
    bound = server.connect()
    assert bound.bind(BIND) == 0
    reset(bound)
    asking = server.connect()
    asking.socket.sendall(encoded(BIND, *[search()] * 20))
    reset(asking)
    reset(server.connect(1))
    assert serves(server)
    assert server.stop() == 0
    assert [line for line in server.lines if "Traceback" in line or "rror" in line] == []


@each_bringer
def test_start_tls_carries_who_a_client_is(
    serve: Serve,  # noqa: F811
    tmp_path: Path,
) -> None:
    theirs, ca, audit = Authority(), tmp_path / "ca.pem", tmp_path / "theirs.pem"
    audit.write_bytes(theirs.pem)
    server = serve("--tls", "auto", "--tls-ca-out", str(ca), "--tls-ca", str(audit), "--mechanism", "EXTERNAL")
    client = server.connect()
    start = client.ask(START)
    assert isinstance(start, ExtendedResponse)
    assert start.result_code is OK
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(*theirs.issue().write(tmp_path))
    client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
    assert client.bind(sasl(b"", "EXTERNAL")) == 0
    who = client.ask(WHO)
    assert isinstance(who, ExtendedResponse)
    assert who.response_value == f"dn:{U1}".encode()
    assert server.stop() == 0


@each_bringer
@pytest.mark.parametrize("together", [True, False], ids=["one packet", "two"])
def test_what_comes_in_the_clear_behind_start_tls_is_not_taken(
    serve: Serve,  # noqa: F811
    tmp_path: Path,
    together: bool,
) -> None:
    """CVE-2011-0411."""
    server = serve("--tls", "auto")
    client = server.connect()
    if together:
        client.socket.sendall(encoded(START, BIND))
    else:
        assert isinstance(client.ask(START), ExtendedResponse)
        client.socket.sendall(encoded(BIND))
    with contextlib.suppress(ConnectionResetError):  # in the clear there was something that nobody has read
        answer = client.socket.recv(65536)
        assert answer[:1] in (b"", b"\x15")  # an alert of TLS at most
    assert server.stop() == 0
    assert (tmp_path / "audit.jsonl").read_text() == ""


@each_bringer
def test_who_is_silent_is_told_so_in_time(serve: Serve) -> None:  # noqa: F811
    server = serve(
        "--handshake-timeout", "0.2", "--tls", "auto", listen=("ldap://127.0.0.1:0", "ldaps://127.0.0.1:0")
    )
    notice = server.connect().next()
    assert notice is not None
    assert isinstance(notice.operation, ExtendedResponse)
    assert "idle" in notice.operation.diagnostic_message
    with contextlib.suppress(ConnectionResetError):
        assert server.connect(1).socket.recv(1) == b""
    said = server.until("TLS handshake failed")
    assert said == "ldapserver: connection 2 from 127.0.0.1: TLS handshake failed: it took too long"


@each_bringer
def test_who_is_at_a_unix_socket_is_known(serve: Serve, tmp_path: Path) -> None:  # noqa: F811
    url = f"ldapi://{str(tmp_path / 'socket').replace('/', '%2F')}"
    client = serve("--mechanism", "EXTERNAL", "--mechanism", "PLAIN", listen=(url,)).connect()
    assert client.bind(sasl(b"", "EXTERNAL")) == 0
    who = client.ask(WHO)
    assert isinstance(who, ExtendedResponse)
    number = f"gidNumber={os.getegid()}+uidNumber={os.geteuid()}"
    assert who.response_value == f"dn:{number},cn=peercred,cn=external,cn=auth".encode()
    assert client.bind(sasl(b"\0u1\0password", "PLAIN")) == 0


@each_bringer
def test_one_connection_too_many_is_told_so(serve: Serve) -> None:  # noqa: F811
    server = serve("--max-connections", "1")
    first, second = server.connect(), server.connect()
    notice = second.next()
    assert notice is not None
    assert isinstance(notice.operation, ExtendedResponse)
    assert "too many" in notice.operation.diagnostic_message
    assert second.next() is None
    assert first.bind(BIND) == 0


@each_bringer
def test_a_peer_that_does_not_read_holds_nobody_up_and_gets_all_in_the_end(serve: Serve) -> None:  # noqa: F811
    server = serve()
    slow = server.connect()
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    count = 500
    slow.socket.sendall(encoded(BIND, *[search("cn=subschema", search().scope.BASE_OBJECT)] * count))
    assert serves(server)
    answers = 0
    while answers < 1 + count:
        message = slow.next()
        assert message is not None
        answers += isinstance(message.operation, BindResponse) or hasattr(message.operation, "result_code")


TAKEN = """
import socket, sys, threading
from ldapserver.hosting.hosted import prepare
from ldapserver.hosting.loops import begin_loop
from ldapserver.hosting.options import read_options
from ldapserver.hosting.worker import Worker
from ldapserver.url import ListenURL

loop, audit, path, bind = sys.argv[1:]
hosted = prepare(read_options(["--audit", audit]))
urls, sockets, names = [], [], []
for family, address, url in [
    (socket.AF_INET, ("127.0.0.1", 0), "ldap://127.0.0.1:0"), (socket.AF_UNIX, path, "ldapi://%2Fanywhere")
]:
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen(5)
    listener.setblocking(False)
    urls.append(ListenURL.parse(url))
    sockets.append(listener)
    names.append((family, listener.getsockname()))
hosted.worker = Worker(1, 1, urls, sockets, lambda: None)
begun = begin_loop(loop)
listens = hosted.listen(begun.reactor, begun.bringer)
# One of the two accepts, and not whichever comes first.
assert not [each for each in begun.reactor.getReaders() if hasattr(each, "getHost")]

def ask():
    for family, name in names:
        with socket.socket(family) as client:
            client.connect(name)
            client.sendall(bytes.fromhex(bind))
            print(client.recv(100).hex(), flush=True)
    begun.reactor.callFromThread(begun.reactor.stop)

begun.reactor.callWhenRunning(threading.Thread(target=ask).start)
begun.reactor.addSystemEventTrigger("before", "shutdown", listens.stop)
begun.reactor.run()
"""


@each_bringer
def test_sockets_that_listen_already_are_taken(loop: str, epoll: bool, tmp_path: Path) -> None:  # noqa: F811
    program = TAKEN if epoll else f"import select; del select.epoll\n{TAKEN}"
    command = [sys.executable, "-c", program, loop, str(tmp_path / "audit.jsonl"), str(tmp_path / "socket")]
    command.append(encoded(simple()).hex())
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    answer = codec.encode(LDAPMessage(1, BindResponse(OK))).hex()
    assert (done.stderr, done.stdout) == ("", f"{answer}\n{answer}\n")


# What is loaded, and what cannot be had


@each_bringer
def test_only_what_brings_the_octets_is_loaded(loop: str, epoll: bool, tmp_path: Path) -> None:  # noqa: F811
    program = (
        f"import select, sys\n{'' if epoll else 'del select.epoll'}\n"
        "from ldapserver.cli import main\n"
        "from ldapserver.hosting.hosted import Hosted\n"
        "def announce(self, listening, loop=''):\n"
        "    from twisted.internet import reactor\n"
        "    reactor.callLater(0, reactor.stop)\n"
        "Hosted.announce = announce\n"
        "assert main(['serve', '--listen', 'ldap://127.0.0.1:0', *sys.argv[1:]]) == 0\n"
        "names = 'uvloop', 'twisted.internet.asyncioreactor', 'ldapserver.asyncio_protocol', 'ldapserver.handshake'\n"
        "print([name for name in names if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", program, "--loop", loop, "--audit", str(tmp_path / "audit.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    loaded = ["uvloop", "twisted.internet.asyncioreactor"] if loop == "uvloop" else []
    loaded += [] if epoll else ["ldapserver.asyncio_protocol"]
    assert (done.stderr.count("Traceback"), done.stdout) == (0, f"{loaded}\n")


@pytest.mark.parametrize("loop", ["twisted", "uvloop"])
def test_without_uvloop_it_is_said_how_to_get_it(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(loops, "find_spec", lambda name: None)
    command = "import sys; sys.modules['uvloop'] = None; from ldapserver.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", command, "serve", "--loop", "uvloop", "--listen", "ldap://127.0.0.1:0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ldapserver serve: argument --loop: uvloop: is not installed; pip install 'sasl-digest[speed]' does that\n"
    )
    assert loops.begin_loop("auto").name == "twisted"
    if loop == "uvloop":
        with pytest.raises(UsageFault, match="is not installed"):
            loops.begin_loop(loop)


@pytest.mark.parametrize("loop", ["twisted", "uvloop"])
def test_a_program_that_has_a_reactor_keeps_it(loop: str) -> None:  # noqa: F811
    from twisted.internet import reactor

    with pytest.raises(ValueError, match=rf"--loop: {loop}: the program has its reactor already"):
        LDAPService(loop=loop)
    begun = loops.begin_loop("auto")
    assert (begun.reactor, begun.name) == (reactor, "twisted")
    if loop == "uvloop":
        with pytest.raises(UsageFault, match="has a reactor already"):
            loops.begin_loop(loop)
