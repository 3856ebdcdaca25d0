"""What is of asyncio's adapter alone."""

import socket

import pytest

from tests.server.adapters import Start, UvloopWire, octets
from tests.server.adapters import start as start  # a fixture
from tests.server.stage import search, simple
from tests.server.test_protocol import MANY


@pytest.fixture
def adapter() -> str:
    """This one."""
    return "uvloop"


def test_who_ends_its_side_amid_an_answer_gets_what_was_sent_and_no_more_of_it(start: Start) -> None:
    server = start(MANY)
    wire = server.connect(eager=False)
    assert isinstance(wire, UvloopWire)
    wire.receive(octets(simple("u1", "password"), search()))
    assert wire.link.session.busy
    held = wire.buffered
    wire.end.shutdown(socket.SHUT_WR)
    server.turns()
    assert (wire.link.session.closed, wire.link.session.busy, wire.connected) == (True, False, True)
    wire.read()
    assert len(wire.sent) == held
    assert not wire.connected
    assert server.factory.open == 0
