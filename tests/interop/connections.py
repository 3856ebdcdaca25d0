"""Connections of ldap3 as the tests of our plugin use them: made for a block, asked in one way, and gone after it."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ldap3
import pytest
from ldap3.strategy.asynchronous import AsyncStrategy
from ldap3.strategy.reusable import ReusableStrategy

from sasl_digest.ldap3 import Credentials, DigestConnection

BASE = "dc=contoso,dc=com"
U1 = Credentials("u1", "password")
WRONG = Credentials("u1", "Password")
STRATEGIES = [
    ldap3.SYNC,
    ldap3.ASYNC,
    ldap3.RESTARTABLE,
    ldap3.SAFE_SYNC,
    ldap3.SAFE_RESTARTABLE,
    ldap3.ASYNC_STREAM,
]
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)

PATIENCE = 10  # seconds, for a thread to end

# Connections are Any throughout: ldap3's stubs give most of what they return no type.


@contextmanager
def connection(
    server: ldap3.Server | str, credentials: object = U1, *, of: Any = DigestConnection, **arguments: Any
) -> Iterator[Any]:
    """A connection that is closed in the end, whatever its state, and its thread with it."""
    made = of(ldap3.Server(server) if isinstance(server, str) else server, sasl_credentials=credentials, **arguments)
    try:
        yield made
    finally:
        made.strategy.close()
        for thread in ldap3_threads():
            if getattr(thread, "connection", None) is made:
                thread.join(PATIENCE)


def stock(server: ldap3.Server, **arguments: Any) -> Any:
    """A plain connection."""
    return ldap3.Connection(server, authentication=ldap3.SASL, sasl_mechanism=ldap3.DIGEST_MD5, **arguments)


_pool_names = (f"pool {number}" for number in itertools.count())


@contextmanager
def pool(server: ldap3.Server | str, credentials: object = U1, **arguments: Any) -> Iterator[Any]:
    """A connection with the strategy REUSABLE and a pool of its own, of one."""
    conn: Any = stock(
        ldap3.Server(server) if isinstance(server, str) else server,
        sasl_credentials=credentials,
        client_strategy=ldap3.REUSABLE,
        pool_name=next(_pool_names),
        pool_size=1,
        **arguments,
    )
    try:
        yield conn
    finally:
        workers = conn.strategy.pool.workers
        # Of a thread that has died terminate() would wait for ever.
        if all(worker.thread.is_alive() for worker in workers):
            conn.strategy.terminate()
        for worker in workers:
            worker.connection.strategy.close()
            if worker.thread.ident is not None:
                worker.thread.join(PATIENCE)


def pool_name() -> str:
    """A name that no pool has."""
    return next(_pool_names)


def opened(strategy: str, server: ldap3.Server | str, credentials: object = U1, **arguments: Any) -> Any:
    """`connection` or, for REUSABLE, `pool`."""
    if strategy == ldap3.REUSABLE:
        return pool(server, credentials, **arguments)
    return connection(server, credentials, client_strategy=strategy, **arguments)


def ldap3_threads() -> list[threading.Thread]:
    """The threads that ldap3 has running."""
    kinds = (AsyncStrategy.ReceiverSocketThread, ReusableStrategy.PooledConnectionThread)
    return [thread for thread in threading.enumerate() if isinstance(thread, kinds)]


def bound(conn: Any) -> bool:
    """Bind, and say what `bind()` returned, which under the SAFE strategies is the first of a tuple."""
    returned = conn.bind()
    status = returned[0] if isinstance(returned, tuple) else returned
    assert status is conn.bound
    return bool(status)


def entries(conn: Any, base: str, search_filter: str, *attributes: str) -> list[Any]:
    """What a search finds, by whatever way the strategy has of answering."""
    returned = conn.search(base, search_filter, attributes=list(attributes))
    if isinstance(returned, tuple):
        found = returned[2]
    else:
        found = conn.response if conn.strategy.sync else conn.get_response(returned)[0]
    return [each for each in found if each["type"] == "searchResEntry"]


def uids(conn: Any) -> set[str]:
    """The uids of all people."""
    return {str(each["attributes"]["uid"][0]) for each in entries(conn, BASE, "(objectClass=inetOrgPerson)", "uid")}


def compared(conn: Any, dn: str, attribute: str, value: str) -> bool:
    """Whether a compare was true."""
    returned = conn.compare(dn, attribute, value)
    if isinstance(returned, tuple):
        result = returned[1]
    else:
        result = conn.result if conn.strategy.sync else conn.get_response(returned)[1]
    assert result["description"] in ("compareTrue", "compareFalse")
    return bool(result["description"] == "compareTrue")
