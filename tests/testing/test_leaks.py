"""A thousand servers one after another leave nothing behind."""

import gc
import os
import socket
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ldapserver.protocol import LDAPFactory, LDAPProtocol
from ldapserver.session import Session
from ldapserver.testing import running_server
from ldapserver.testing.served import Served
from ldapserver.wire import codec
from ldapserver.wire.messages import BindRequest, LDAPMessage, LDAPResult, ResultCode, SimpleAuthentication
from tests.testing.test_running import ALICE, LDIF

CYCLES = 1000
TRACED = 200  # of them: what is allocated takes five times as long while it is counted
PER_CYCLE = 2048  # octets: Twisted keeps what it logs of a listener, until a program says where that goes

BIND = codec.encode(LDAPMessage(1, BindRequest(3, ALICE, SimpleAuthentication(b"secret"))))


def cycle(**settings: Any) -> None:
    """Start a server, bind, and stop it with the connection open."""
    with running_server(ldif=LDIF, **settings) as server:
        client = socket.create_connection((server.host, server.port))
        client.sendall(BIND)
        answer = codec.decode(client.recv(4096)).operation
        assert isinstance(answer, LDAPResult)
        assert answer.result_code is ResultCode.SUCCESS
    client.close()


def objects() -> Counter[type]:
    """How many there are of what a server is made of."""
    gc.collect()
    return Counter(type(each) for each in gc.get_objects() if isinstance(each, KEPT))


KEPT = (Served, LDAPFactory, LDAPProtocol, Session, socket.socket, threading.Thread)


WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ad": {"profile": "ad"},
    "tls": {"tls": True},
    "audit": {"audit": ["audit.jsonl", "xml:audit.xml"]},
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_of_a_server(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cycle(**WAYS[way])
    before, descriptors = objects(), os.listdir("/proc/self/fd")
    for _ in range(10):
        cycle(**WAYS[way])
    assert os.listdir("/proc/self/fd") == descriptors
    assert objects() == before


def test_a_thousand_servers_leave_nothing() -> None:
    for _ in range(10):
        cycle()
    before = objects()
    descriptors, threads = os.listdir("/proc/self/fd"), threading.enumerate()
    for _ in range(CYCLES - TRACED):
        cycle()
    tracemalloc.start()
    try:
        memory, _ = tracemalloc.get_traced_memory()
        for _ in range(TRACED):
            cycle()
        assert os.listdir("/proc/self/fd") == descriptors
        assert threading.enumerate() == threads
        assert objects() == before
        after, _ = tracemalloc.get_traced_memory()
        assert (after - memory) / TRACED < PER_CYCLE
    finally:
        tracemalloc.stop()
