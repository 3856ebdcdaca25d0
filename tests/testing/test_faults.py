"""Faults of a running server, over real connections: what a test types, waits for, and is told in the end."""

import pickle
import re
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ldapserver import faults
from ldapserver.faults import (
    Action,
    Busy,
    Close,
    Delay,
    HalfAnswer,
    Hold,
    NoAnswer,
    Reset,
    ShowCertificate,
    TamperedLayer,
)
from ldapserver.testing import Server, running_server
from ldapserver.testing.authority import CA
from ldapserver.testing.faults import bad_certificate
from ldapserver.wire import codec
from ldapserver.wire.messages import ExtendedRequest, ExtendedResponse, LDAPMessage, Operation, ResultCode
from tests.server.stage import WHO_AM_I, simple

pytest_plugins = ["pytester"]

DOC = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")
WHO = ExtendedRequest(WHO_AM_I)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    yield running
    running.faults.clear()


class Raw:
    """A connection seen in octets."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection((server.host, server.port), 10)

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, *operations: Operation) -> None:
        self.socket.sendall(b"".join(codec.encode(LDAPMessage(at, each)) for at, each in enumerate(operations, 1)))

    def all(self) -> bytes:
        """What comes until the server closes."""
        return b"".join(iter(lambda: self.socket.recv(4096), b""))

    def one(self) -> LDAPMessage:
        """The one message that comes."""
        return codec.decode(self.socket.recv(4096))


def hears(server: Server) -> bytes:
    """What a client is told that connects and asks who it is, until the end of it."""
    with Raw(server) as raw:
        raw.send(WHO)
        return raw.all()


def test_a_fault_strikes_and_is_told_of(server: Server) -> None:
    fault = server.faults.add(HalfAnswer(3), on="whoami")
    with Raw(server) as raw:
        raw.send(WHO, WHO)
        assert raw.all() == codec.encode(LDAPMessage(1, ExtendedResponse(ResultCode.SUCCESS, response_value=b"")))[:3]
    fault.wait()
    (fired,) = server.faults.fired
    assert (fault.count, fired.rule, fired.message_id, fired.user) == (1, fault.rule, 1, None)
    assert pickle.loads(pickle.dumps(fired)) == fired
    assert server.faults.rules == (fault.rule,)
    server.faults.verify()


def test_a_reset_is_one(server: Server) -> None:
    for on in ("whoami", "connect"):
        server.faults.add(Reset(), on=on)
        with pytest.raises(ConnectionResetError):
            hears(server)
    assert len(server.faults.fired) == 2


def test_a_close_is_none(server: Server) -> None:
    server.faults.add(Close(), on="whoami")
    server.faults.add(Close(), on="connect", nth=2)
    assert hears(server) == b""
    with Raw(server) as raw:
        assert raw.all() == b""


def test_what_is_held_can_be_waited_for_and_let_go(server: Server) -> None:
    held = server.faults.add(Hold(), on="bind")
    with Raw(server) as raw:
        raw.send(simple(), WHO)
        held.wait()
        raw.socket.settimeout(0)
        with pytest.raises(BlockingIOError):
            raw.socket.recv(1)
        raw.socket.settimeout(10)
        held.release()
        assert raw.socket.recv(1)


def test_a_delay_is_over_by_itself(server: Server) -> None:
    server.faults.add(Delay(0.01), on="whoami")
    with Raw(server) as raw:
        raw.send(WHO)
        assert raw.one().message_id == 1


def test_waiting_for_what_does_not_come(server: Server) -> None:
    fault = server.faults.add(Busy(), on="compare")
    with pytest.raises(AssertionError, match=r"in 0.01 s a fault did not strike: Busy\(.*\) on compare"):
        fault.wait(timeout=0.01)
    with pytest.raises(ValueError, match=r"release\(\): nothing is held by Busy"):
        fault.release()
    fault.remove()
    assert server.faults.rules == ()
    assert fault.count == 0


def test_waiting_in_a_thread_while_it_strikes(server: Server) -> None:
    fault = server.faults.add(NoAnswer(), on="whoami", times=2)
    waiting = threading.Thread(target=fault.wait, args=(2,))
    waiting.start()
    with Raw(server) as raw:
        raw.send(WHO, WHO)
        waiting.join(10)
    assert fault.count == 2


def test_a_client_that_goes_leaves_nothing_held(server: Server) -> None:
    held = server.faults.add(Hold(), on="whoami")
    with Raw(server) as raw:
        raw.send(WHO)
        held.wait()
        # So that it is a reset, which the server sees at once.
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    done = server.faults.add(Close("answered"), on="whoami")
    with Raw(server) as raw:
        raw.send(WHO)
        assert raw.all()
    assert done.count == 1
    held.release()


def test_a_server_stops_quickly_with_what_is_held() -> None:
    with running_server() as server:
        held = server.faults.add(Hold(), on="any", times=2)
        raw, other = Raw(server), Raw(server)
        with raw, other:
            raw.send(simple())
            other.send(WHO)
            held.wait(2)
            stopped = threading.Thread(target=server.faults._ask, args=(_stop_listening,))
            stopped.start()
            # Each is told at once: nobody waits for the other.
            assert b"the server is stopping" in raw.all()
            assert b"the server is stopping" in other.all()
            stopped.join(10)


def _stop_listening(served: Any) -> None:
    served.factory.stopFactory()


# What has not struck


def leaves(action: Action, error: Exception | None = None) -> None:
    """Leave a server where a compare was to go wrong."""
    with running_server() as server:
        server.faults.add(action, on="compare", nth=2)
        server.faults.add(Close(), on="modify", optional=True)
        if error is not None:
            raise error


def test_a_fault_that_never_fired_fails_who_leaves_its_server() -> None:
    with pytest.raises(AssertionError) as failed:
        leaves(Busy("x"))
    lines = str(failed.value).splitlines()
    assert lines[0] == "faults that never fired (optional=True allows it):"
    assert len(lines) == 2
    assert lines[1].endswith("on compare, nth=2")


def test_who_leaves_by_another_error_hears_of_that() -> None:
    with pytest.raises(KeyError):
        leaves(Busy(), KeyError())


SUITE = """
import pytest
from ldapserver.faults import Action, Busy, Close

def test_unfired(ldap_server):
    ldap_server.faults.add(Close(), on="search", nth=7)

def test_failed_anyway(ldap_server):
    ldap_server.faults.add(Close(), on="search")
    assert False, "for another reason"

def test_fired(ldap_server):
    import ldap3
    ldap_server.faults.add(Busy(), on="bind")
    connection = ldap3.Connection(ldap_server.url)
    assert not connection.bind()
    connection.unbind()

def test_optional(ldap_server_factory, ad_server):
    for server in (ldap_server_factory(), ad_server):
        server.faults.add(Close(), on="search", optional=True)

def test_no_server():
    pass
"""


def test_with_the_fixtures_it_is_the_test_that_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=2)
    text = result.stdout.str()
    assert "\nfaults that never fired (optional=True allows it):\n  Close(when='before') on search, nth=7\n" in text
    assert text.count("never fired") <= 2  # once, and in the summary of a wide terminal
    assert "for another reason" in text


# What can be typed


def test_what_add_makes_of_its_arguments(server: Server) -> None:
    add = server.faults.add
    assert (add(TamperedLayer(), on="any", every=3).rule.nth, add(Busy(), on="bind", every=3, nth=1).rule.nth) == (
        3,
        1,
    )
    assert [
        add(Busy(), on="bind", **more).rule.times for more in ({}, {"always": True}, {"every": 2}, {"times": 4})
    ] == [1, None, None, 4]
    assert add(bad_certificate("expired")).rule.on == "tls"
    with pytest.raises(ValueError, match=r"^action: must be .*, like Busy\(\), and not 'busy'$"):
        server.faults.add("busy", on="bind")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^action: must be .*, like Close\(\), and not <class"):
        server.faults.add(Close, on="bind")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on: is due for Busy"):
        add(Busy())
    with pytest.raises(ValueError, match="always: not together with times"):
        add(Busy(), on="bind", always=True, times=2)
    server.faults.clear()  # none of them is to strike


EXAMPLES = re.findall(r"`(server\.faults\.add\(.*?\))` \|$", DOC, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_example_of_the_tables_is_a_rule(server: Server, ldap_ca: CA, example: str) -> None:
    names = {**vars(faults), "server": server, "bad_certificate": bad_certificate, "issued": ldap_ca.issue()}
    fault = eval(example, names)
    assert server.faults.rules == (fault.rule,)
    server.faults.clear()  # it is not to strike


def test_each_action_has_its_example() -> None:
    actions = {
        name
        for name, value in vars(faults).items()
        if isinstance(value, type) and issubclass(value, faults.Action) and value is not faults.Action
    }
    assert len(EXAMPLES) > 40
    assert actions == {found for example in EXAMPLES for found in re.findall(r"\((\w+)\(", example)} - {
        "bad_certificate"
    }


def test_what_the_documentation_says_of_the_ca(ldap_ca: CA, tmp_path: Path) -> None:
    assert ldap_ca.path.read_text() == ldap_ca.pem
    issued = ldap_ca.issue(["ldap.example.com"], not_yet_valid=True)
    assert [path.name for path in issued.write(tmp_path, "server")] == ["server.pem", "server.key"]
    ldap_ca.issue_client("uid=alice,ou=people,dc=example,dc=com", upn="alice@example.com")
    assert isinstance(bad_certificate("unknown-ca"), ShowCertificate)
