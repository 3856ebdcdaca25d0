"""What is of Twisted's adapter alone: octets that leave at once, connections that close at once, its factories."""

import socket
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import main, tcp, unix
from twisted.internet.testing import StringTransport

from ldapserver.certificates import throw_away
from ldapserver.protocol import LDAPFactory, LDAPSFactory
from ldapserver.wire.messages import ExtendedRequest, UnbindRequest
from tests.server.adapters import Reactor, Server, TwistedWire, decoded, octets
from tests.server.stage import WHO_AM_I, stage

MemoryTransport: Any = StringTransport  # Twisted's own, and not annotated
WHO = ExtendedRequest(WHO_AM_I)


def wired(server: Server, room: int) -> TwistedWire:
    """A connection whose peer has room for so many octets."""
    wire = server.connect(eager=False)
    assert isinstance(wire, TwistedWire)
    wire.room = room
    return wire


def test_an_answer_leaves_in_the_turn_in_which_it_is_made() -> None:
    server = Server()
    wire = wired(server, 1000)
    cast(Any, wire.protocol).dataReceived(octets(WHO))
    assert len(decoded(bytes(wire.sent))) == 1
    assert wire not in server.reactor.writers
    assert wire.producer is None


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.lists(st.integers(0, 60), max_size=20))
def test_whatever_the_peer_takes_octets_leave_once_and_in_order(pieces: list[bytes], rooms: list[int]) -> None:
    wire = wired(Server(), 0)
    for at, piece in enumerate(pieces):
        if at < len(rooms):
            wire.room = rooms[at]
        wire.link.transmit(piece)
        if at % 3 == 2:
            wire.read(rooms[at] if at < len(rooms) else 0)
    wire.read()
    assert bytes(wire.sent) == b"".join(pieces)


def test_nothing_overtakes_what_twisted_has_in_its_buffer() -> None:
    wire = wired(Server(), 3)
    wire.link.transmit(b"first")
    wire.room = 1000
    wire.link.transmit(b"second")
    assert wire.sent == b"fir"
    wire.read()
    assert wire.sent == b"firstsecond"


def test_a_connection_found_lost_in_sending_ends_in_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    wire = wired(server, 1000)
    monkeypatch.setattr(wire, "writeSomeData", lambda data: main.CONNECTION_LOST)
    wire.receive(octets(WHO))
    assert wire.connected
    wire.read()
    assert not wire.connected
    assert server.factory.open == 0


def test_the_transports_of_twisted_are_known_well_enough_to_send_at_once() -> None:
    """Their buffers have the names that are looked at, and a send that finds no room takes nothing."""
    ours, theirs = socket.socketpair()
    try:
        for kind in (tcp.Server, unix.Server):
            transport: Any = cast(Any, kind)(ours, None, ("192.0.2.10", 1), None, 1, Reactor())
            assert (transport._tempDataBuffer, transport.dataBuffer) == ([], b"")
            transport.write(b"x")
            assert (transport._tempDataBuffer, transport.dataBuffer) == ([b"x"], b"")
        while transport.writeSomeData(b"x" * 65536):
            pass
        assert transport.writeSomeData(b"x") == 0
        theirs.close()
        assert transport.writeSomeData(b"x") is main.CONNECTION_LOST
    finally:
        ours.close()
        theirs.close()


def test_a_connection_with_nothing_to_be_sent_is_closed_in_the_same_turn() -> None:
    server = Server()
    wire = wired(server, 0)
    cast(Any, wire.protocol).dataReceived(octets(UnbindRequest()))
    assert not wire.connected
    assert server.factory.open == 0


def test_a_transport_of_another_kind_is_written_to_and_closed_as_twisted_has_it() -> None:
    server = Server()
    protocol = server.factory.buildProtocol(None)
    transport = MemoryTransport()
    protocol.makeConnection(transport)
    cast(Any, protocol).dataReceived(octets(WHO))
    assert len(decoded(transport.value())) == 1
    assert transport.producer is protocol
    cast(Any, protocol).dataReceived(octets(UnbindRequest()))
    assert transport.disconnecting
    assert transport.producer is None  # or it would not close


def test_answers_do_not_wait_for_more_to_fill_a_packet() -> None:
    no_delay: list[bool] = []
    transport = MemoryTransport()
    transport.setTcpNoDelay = no_delay.append
    Server().factory.buildProtocol(None).makeConnection(transport)
    assert no_delay == [True]


def test_a_listener_for_ldaps_shares_its_life_with_the_others() -> None:
    certificate, _ = throw_away(["localhost"])
    server = stage()
    reactor = Server().reactor
    factory = LDAPFactory(server.service, reactor, certificate)
    secure: Any = LDAPSFactory(factory)
    shared: Any = factory
    secure.doStart()
    assert len(reactor.getDelayedCalls()) == 2  # the sweep of each
    shared.doStart()
    secure.doStop()
    assert len(reactor.getDelayedCalls()) == 2
    shared.doStop()
    assert len(reactor.getDelayedCalls()) == 1
