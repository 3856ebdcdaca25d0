"""Servers for as long as a `with` lasts: where they listen, what they are told, and that nothing is left of them."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
import types
import unittest
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import LDAPSocketOpenError

from ldapserver.certificates import throw_away
from ldapserver.suspension import Suspension
from ldapserver.testing import Server, running_server, start_server
from ldapserver.testing.loop import drive, loop
from ldapserver.testing.register import RUNNING
from ldapserver.testing.served import Served
from ldapserver.wire import codec
from ldapserver.wire.filters import Present
from ldapserver.wire.messages import DerefAliases, LDAPMessage, Scope, SearchRequest
from sasl_digest.ldap3 import Credentials, DigestConnection

ALICE = "uid=alice,dc=example,dc=com"
LDIF = f"""\
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: {ALICE}
objectClass: inetOrgPerson
cn: Alice
sn: Alice
userPassword: secret
"""
# ldap3 2.9.1 asks Python's ssl in a way of before
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")
EVERYWHERE = pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])


def bound(url: str, **how: Any) -> bool:
    """Whether alice can bind there, and is who she says."""
    server = ldap3.Server(url, tls=how.pop("tls", None))
    with closing(Client(server, ALICE, "secret", **how)) as connection:
        if not connection.bind():
            return False
        return bool(connection.extend.standard.who_am_i() == f"dn:{ALICE}")


class Client(ldap3.Connection):
    def close(self) -> None:
        self.unbind()


def trusting(ca: str) -> ldap3.Tls:
    return ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=ca)


@EVERYWHERE
def test_a_server_listens_and_is_gone(process: bool) -> None:
    for suffix in ("dc=contoso,dc=com", "dc=example,dc=com"):
        with running_server(suffix=suffix, process=process) as server:
            assert (server.base_dn, server.urls) == (suffix, (server.url,))
            assert server.url == f"ldap://{server.host}:{server.port}"
            with closing(Client(ldap3.Server(server.url, get_info=ldap3.DSA), auto_bind=True)) as connection:
                assert connection.server.info.naming_contexts == [suffix]
            assert server in RUNNING
        assert server not in RUNNING
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((server.host, server.port)).close()


@EVERYWHERE
def test_tls_is_there_for_who_asks_and_its_ca_is_told(process: bool, tmp_path: Path) -> None:
    with running_server(ldif=LDIF, tls=True, tls_ca_out=tmp_path / "ca.pem", process=process) as server:
        assert server.urls == (server.url, server.ldaps_url)
        assert (tmp_path / "ca.pem").read_text() == server.ca
        for host in ("127.0.0.1", "localhost"):
            tls, port = trusting(server.ca), server.ldaps_url.rpartition(":")[2]
            assert bound(f"ldaps://{host}:{port}", tls=tls)
            assert bound(f"ldap://{host}:{server.port}", tls=tls, auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND)


def test_servers_of_one_program_have_one_ca() -> None:
    with running_server(tls=True) as one, running_server(tls=True) as other:
        assert one.ca == other.ca


class CA:
    """A CA as others may bring one."""

    def __init__(self) -> None:
        self.pem = ""
        self.names: tuple[str, ...] = ()

    def issue(self, names: tuple[str, ...]) -> SimpleNamespace:
        self.names = names
        certificate, ca = throw_away(names)
        self.pem = ca.decode()
        return SimpleNamespace(server=certificate)


@EVERYWHERE
def test_a_ca_that_is_given_issues_the_certificate(process: bool) -> None:
    ca = CA()
    with running_server(ldif=LDIF, tls=ca, host="ldap.example.com", process=process) as server:
        assert {"ldap.example.com", "127.0.0.1", "localhost"} <= set(ca.names)
        assert server.ca == ca.pem
        assert bound(server.ldaps_url, tls=trusting(ca.pem))


def test_a_unix_socket_is_listened_at(tmp_path: Path) -> None:
    path = tmp_path / "ldapi"
    with running_server(ldif=LDIF, listen=[path, "ldap://127.0.0.1:0"]) as server:
        assert server.url.startswith("ldapi://")
        assert bound(server.url)
        assert bound(server.urls[1])
        with pytest.raises(ValueError, match="a Unix socket"):
            _ = server.port
    assert list(tmp_path.iterdir()) == []


def test_names_of_this_machine_are_digest_uris() -> None:
    with running_server(ldif=LDIF) as server:
        for host in ("127.0.0.1", "localhost", socket.gethostname()):
            connection = DigestConnection(
                ldap3.Server(server.url),
                sasl_credentials=Credentials("alice", "secret", service_host=host),
                authentication=ldap3.SASL,
                sasl_mechanism="DIGEST-MD5",
            )
            assert connection.bind(), connection.result
            connection.unbind()


def test_ldif_is_text_a_path_or_several(tmp_path: Path) -> None:
    head, alice = LDIF.split("\n\n")
    (tmp_path / "alice.ldif").write_text(alice)
    with running_server(ldif=[head + "\n", tmp_path / "alice.ldif"]) as server:
        assert bound(server.url)
    with running_server(ldif=str(tmp_path / "alice.ldif"), suffix="dc=example,dc=com") as server:
        assert bound(server.url)


def test_records_go_where_they_are_said_to_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running_server(ldif=LDIF) as server:
        assert bound(server.url)
    assert list(tmp_path.iterdir()) == []
    with running_server(ldif=LDIF, audit=[tmp_path / "a.jsonl", "xml:a.xml"]) as server:
        assert bound(server.url)
        assert server.binds().count == 1
    assert (tmp_path / "a.jsonl").read_text().count('"4776"') >= 1
    assert (tmp_path / "a.xml").read_text().count("<EventID>4776</EventID>") == 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "base_dn": ({"base_dn": "dc=example,dc=org"}, r"base_dn: no such setting; is suffix meant\?"),
    "port": ({"port": 1389}, r"port: no such setting; is listen='ldap://127.0.0.1:PORT' meant\?"),
    "lockout_treshold": ({"lockout_treshold": 3}, r"lockout_treshold: no such setting; is lockout_threshold meant\?"),
    "no value": ({"lockout_threshold": "x"}, "lockout_threshold: 'x' is not a number from 0 on"),
    "no text": ({"realm": True}, "realm: must not be true or false"),
    "hyphens": ({"tls_cert": "x"}, "tls_cert: x: needs tls_key too"),
    "others": ({"qop": "auth", "cipher": "rc4"}, "cipher: has no place without auth-conf in qop"),
    "public": (
        {"listen": "ldap://0.0.0.0:0"},
        "listen: ldap://0.0.0.0:0: others can reach .* or say insecure_public",
    ),
    "nowhere": ({"listen": []}, "listen: must name a listener"),
    "no file": ({"ldif": "/nowhere/a.ldif"}, "ldif: /nowhere/a.ldif: No such file or directory"),
    "no ldif": ({"ldif": LDIF + "\nno: dn\n"}, "ldif: <text 1>:11: a record begins with 'dn:'"),
    "no path": ({"ldif": 3}, "ldif: must be a path, or the text itself, or a list of them"),
    "no ca": ({"tls": 3}, "tls: must be True, or a CA"),
    "no audit": ({"audit": "/nowhere/a.jsonl"}, "audit: /nowhere/a.jsonl: No such file or directory"),
    "not here": ({"ready_file": "a"}, "ready_file: not in a test: a server is ready once it is entered"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_and_nothing_is_left(case: str) -> None:
    settings, text = WRONG[case]
    loop()  # which stays
    before = descriptors(), threading.active_count()
    with pytest.raises(ValueError, match=f"^{text}"), running_server(**settings):
        pass
    assert (descriptors(), threading.active_count()) == before
    assert not RUNNING


def test_what_is_wrong_in_another_process_comes_back_as_itself() -> None:
    before = descriptors(), threading.active_count()
    with pytest.raises(ValueError, match=r"^ldif: <text 1>:11: a record begins with"):
        start_server(ldif=LDIF + "\nno: dn\n", process=True)
    assert (descriptors(), threading.active_count()) == before


def test_a_port_that_is_taken_leaves_no_other_listener(tmp_path: Path) -> None:
    with running_server() as server:
        before = descriptors()
        with pytest.raises(ValueError, match=f"^listen: {server.url}: Address already in use$"):
            start_server(
                listen=[tmp_path / "ldapi", "ldap://127.0.0.1:0", server.url], audit=tmp_path / "audit.jsonl"
            )
        assert descriptors() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "audit.jsonl"]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_stopping_twice_is_stopping_once() -> None:
    server = start_server()
    assert repr(server) == f"<Server {server.url}>"
    server.stop()
    server.stop()
    assert repr(server) == f"<Server {server.url} (stopped)>"


def test_one_that_is_entered_is_not_entered_again() -> None:
    server = running_server()
    with server as first:
        with pytest.raises(RuntimeError, match="runs already"):
            server.__enter__()
        assert drive_root(first)
    with server as second:
        assert drive_root(second)


def drive_root(server: Server) -> bool:
    with closing(Client(ldap3.Server(server.url))) as connection:
        return bool(connection.bind())


def test_a_coroutine_that_waits_is_refused() -> None:
    async def waits() -> None:
        await Suspension()

    async def answers() -> int:
        return 3

    assert drive(answers()) == 3
    with pytest.raises(RuntimeError, match="waits, and nobody would wake it"):
        drive(waits())


def test_a_client_that_does_not_read_is_gone_with_the_server() -> None:
    many = "".join(f"\ndn: cn={n},dc=example,dc=com\nobjectClass: device\ncn: {n}\n" for n in range(1000))
    search = SearchRequest(
        "dc=example,dc=com", Scope.WHOLE_SUBTREE, DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False, Present("cn"), ()
    )
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with running_server(ldif=LDIF + many, anonymous_search=True) as server:
            client.connect((server.host, server.port))
            client.sendall(b"".join(codec.encode(LDAPMessage(number, search)) for number in range(1, 100)))
            client.recv(1)
            assert any(server._ask(unread) for _ in range(100_000))
        assert server._ask(connections) == 0


def connections(served: Served) -> int:
    return served.factory.open


def unread(served: Served) -> int:
    """How many connections have what their clients do not take."""
    return sum(not connection.writable for connection in served.factory._connections)


def test_settings_may_be_a_lapse_of_time() -> None:
    with running_server(lockout_threshold=1, lockout_duration=timedelta(minutes=5)) as server:
        assert server.policy().lockout_duration == 300


def test_a_loop_of_asyncio_goes_on_while_a_server_starts_and_stops() -> None:
    async def both() -> tuple[int, int]:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        async with running_server(process=True, ldif=LDIF) as server:
            started = turns
            assert await asyncio.to_thread(bound, server.url)
            before = turns
        stopped = turns - before
        counting.cancel()
        return started, stopped

    assert min(asyncio.run(both())) > 1


class Cases(unittest.TestCase):
    """As unittest has it."""

    def setUp(self) -> None:
        self.server = start_server(ldif=LDIF)
        self.addCleanup(self.server.stop)
        self.other = self.enterContext(running_server())

    def test_bind(self) -> None:
        assert bound(self.server.url)
        assert self.server.url != self.other.url


# In interpreters of their own


def run(program: str, *arguments: str) -> str:
    """What the program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


FREE = """
import gc, logging, signal, sys, threading, resource
from twisted.python import threadable
def state():
    signals = {each: signal.getsignal(each) for each in signal.valid_signals()}
    return (signals, gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), logging.root.handlers,
            logging.root.level, resource.getrlimit(resource.RLIMIT_NOFILE), threadable.ioThread)
before = state()
import ssl
import ldap3
from ldapserver.testing import running_server
from tests.testing.test_running import LDIF, ALICE, bound, trusting
dear = LDIF.replace("secret", "{PBKDF2-SHA256}1000$c2FsdHNhbHQ$2eyhKKrSxOZrZqEGd6dBzKe1MRIrSZrWmFGj1bIrYYw")
with running_server(ldif=LDIF, tls=True) as server, running_server(ldif=dear) as other:
    assert bound(server.ldaps_url, tls=trusting(server.ca))
    assert bound(server.url, tls=trusting(server.ca), auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND)
    assert not bound(other.url)
assert "twisted.internet.reactor" not in sys.modules, "a reactor was installed"
assert state() == before, (before, state())
from twisted.internet import selectreactor
selectreactor.install()
from twisted.internet import reactor
assert type(reactor).__name__ == "SelectReactor"
with running_server(ldif=LDIF, tls=True) as server:
    from twisted.internet.threads import deferToThread
    from twisted.internet.task import LoopingCall
    def done(result):
        assert threadable.isInIOThread()
        print(result)
        reactor.stop()
    reactor.callWhenRunning(lambda: deferToThread(bound, server.ldaps_url, tls=trusting(server.ca)).addBoth(done))
    reactor.run()
"""


def test_a_program_keeps_its_reactor_signals_collector_and_log() -> None:
    assert run(FREE) == "True\n"


COLLECTS = """
import gc
from twisted.internet import reactor
reactor.run = lambda: None
from ldapserver.cli import main
assert main(["serve", "--listen", "ldap://127.0.0.1:0", "--audit", "-", "--log-level", "error"]) == 0
print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0], gc.isenabled())
"""


def test_a_server_alone_in_its_process_collects_less() -> None:
    assert run(COLLECTS) == "True 20000 True\n"


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, for who forks with threads
from ldapserver.testing import running_server, start_server
from tests.testing.test_running import LDIF, bound
with running_server(ldif=LDIF) as server, running_server(ldif=LDIF, process=True) as beside:
    if os.fork() == 0:
        for inherited in (server, beside):
            try:
                inherited.clock.now
            except RuntimeError as error:
                assert "forked off" in str(error)
            else:
                os._exit(1)
            inherited.stop()
        with running_server(ldif=LDIF) as own:
            assert own.url != server.url and bound(own.url)
        os.kill(os.getpid(), 19)  # stays, and must not hold the listener
        os._exit(0)
    pid, status = os.waitpid(-1, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status
    assert bound(server.url) and bound(beside.url)
try:
    bound(server.url)
except Exception as error:
    print(type(error).__name__)
os.kill(pid, 9)
os.waitpid(pid, 0)
"""


def test_a_process_that_is_forked_off_makes_a_loop_of_its_own() -> None:
    assert run(FORK) == LDAPSocketOpenError.__name__ + "\n"


END = """
import sys
from pathlib import Path
from ldapserver.testing import start_server
from tests.testing.test_running import LDIF, bound
from urllib.parse import quote
path = Path(sys.argv[1]) / "ldapi"
dear = LDIF.replace("secret", "{PBKDF2-SHA256}1000$c2FsdHNhbHQ$2eyhKKrSxOZrZqEGd6dBzKe1MRIrSZrWmFGj1bIrYYw")
for process in (False, True):
    server = start_server(ldif=dear, listen=path.with_suffix(f".{process}"), process=process)
    assert not bound(server.url)
print("end")
"""


def test_a_program_that_stops_nothing_ends_and_leaves_no_socket(tmp_path: Path) -> None:
    assert run(END, str(tmp_path)) == "end\n"
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal
from ldapserver.testing import start_server
server = start_server(process=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_servers_process_ends_with_the_one_that_started_it() -> None:
    # Its standard output is the same, and is read to its end: one that stayed would be waited for in vain.
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, check=False, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-9, "", "")


# In another process


def fails(served: Served, how: str) -> object:
    """What goes wrong there."""
    if how == "as itself":
        raise LookupError("nobody", served.url)
    if how == "cannot be read":
        raise Strange("one", "two")
    if how == "cannot be sent":
        return served.reactor
    os._exit(3)


class Strange(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def test_what_is_raised_in_another_process_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = types.ModuleType("nowhere")  # which the other process does not find
    exec("def asked(served): pass", vars(nowhere))
    monkeypatch.setitem(sys.modules, "nowhere", nowhere)
    with running_server(process=True) as server:
        with pytest.raises(LookupError, match="nobody") as raised:
            server._ask(fails, "as itself")
        assert raised.value.args == ("nobody", server.url)
        with pytest.raises(ModuleNotFoundError, match="nowhere"):
            server._ask(nowhere.asked)
        for how, text in (("cannot be read", "cannot send this: Strange"), ("cannot be sent", "cannot send this")):
            with pytest.raises(RuntimeError, match=text):
                server._ask(fails, how)
        with pytest.raises(RuntimeError, match="has ended"):
            server._ask(fails, "exit")
        with pytest.raises(RuntimeError, match="has ended"):
            server.policy()
